#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""HTTP clients that post 300 KB and get 400 KB back, x faults: each does under a fault what it does with a peer that really misbehaves so.
A request may be in the middle when it is answered, and an answer takes many reads."""
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from matrix import Column, table
from peers import cut, silence
from tap import *
from webclients import ALWAYS, BUSY, healthy, only, web_clients

PAGE = "y" * 400000
COLUMNS = (
    Column("nothing", "delay=1s probability=0", healthy(PAGE), healthy(PAGE), count=2),
    Column("delay beyond its timeout", "delay=4s", healthy(PAGE, delay=4), healthy(PAGE), timeout=2),
    Column("delay within its timeout", "delay=500ms", healthy(PAGE, delay=0.5), healthy(PAGE), count=2),
    Column("429 with Retry-After once", "status=429 retry_after=1s body=busy first=1", only([0], BUSY, PAGE), healthy(PAGE), keeps=True, count=2),
    Column("reset of a kept connection", "reset=response after=1 max=1", only([1], reset, PAGE), healthy(PAGE), count=3),
    Column("hang", "hang=response", only(ALWAYS, silence), healthy(PAGE), timeout=2),
    Column("truncate", "truncate=150000", only(ALWAYS, cut(150000, PAGE), PAGE), healthy(PAGE), count=2),
)
CLIENTS = ("curl", "wget", "python3 socket", "python3 requests", "python3 httpx_async", "python3 aiohttp", "python3 asyncio", "node http",
           "node fetch", "java send", "ruby", "php curl", "php stream", "perl tiny")
table([client for client in web_clients(upload=300000) if client.name in CLIENTS], COLUMNS)
done()

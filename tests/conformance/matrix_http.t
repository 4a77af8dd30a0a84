#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""HTTP clients x faults: each does under a fault what it does with a peer that really misbehaves so (tests/lib/matrix.py)."""
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from matrix import Column, Refusing, table
from peers import cut, silence
from tap import *
from webclients import ALWAYS, BUSY, healthy, only, web_clients

COLUMNS = (
    Column("nothing", "delay=1s probability=0", healthy(), healthy(), count=2),
    Column("delay beyond its timeout", "delay=4s", healthy(delay=4), healthy(), timeout=2),
    Column("delay within its timeout", "delay=500ms", healthy(delay=0.5), healthy(), count=2),
    Column("429 with Retry-After once", "status=429 retry_after=1s body=busy first=1", only([0], BUSY), healthy(), keeps=True, count=2),
    Column("429 with Retry-After for ever", "status=429 retry_after=1s body=busy", only(ALWAYS, BUSY), healthy(), keeps=True),
    Column("refuse", "refuse=true", Refusing, healthy(), count=2),
    Column("reset of a kept connection", "reset=response after=1 max=1", only([1], reset), healthy(), count=3),
    Column("reset", "reset=response", only(ALWAYS, reset), healthy(), count=2),
    Column("hang", "hang=response", only(ALWAYS, silence), healthy(), timeout=2),
    Column("truncate", "truncate=7", only(ALWAYS, cut(7)), healthy(), count=2),
    Column("truncate on a kept connection", "truncate=0 after=1 max=1", only([1], cut(0)), healthy(), count=3),
)
table(web_clients(), COLUMNS)
done()

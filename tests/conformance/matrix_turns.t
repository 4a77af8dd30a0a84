#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Clients of Redis, memcached and PostgreSQL x faults: each does under a fault what it does when a relay before the real server really
misbehaves so (tests/lib/matrix.py). A client without a timeout of its own is ended from outside (timeout 1)."""
import os
import re
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from matrix import CLIENTS, Client, Column, Refusing, missing, read_json, table
from peers import Memcached, Postgres, TurnPeer, silence
from tap import *

FIGURES = re.compile(r"[\d.]+ (requests per second|ms|tps)|rps=|latency|tps|initial connection|^pgbench \(|^\s*$")
NOT_HTTP = {"429 with Retry-After": "it does not speak HTTP"}
KEPT = ("reset of a kept connection", "truncate on a kept connection")


def columns(server):
    """The faults in front of this server."""
    def relay(act=lambda turn: None):
        return lambda: TurnPeer(server.port, act)

    healthy = relay()
    return (
        Column("nothing", "delay=1s probability=0", healthy, healthy, count=3),
        Column("delay beyond its timeout", "delay=4s", relay(lambda turn: 4), healthy, timeout=2),
        Column("delay within its timeout", "delay=500ms", relay(lambda turn: 0.5), healthy, count=2, timeout=5),
        Column("429 with Retry-After", "status=429 retry_after=1s", healthy, healthy),
        Column("refuse", "refuse=true", Refusing, healthy, count=2, timeout=2),
        Column("reset of a kept connection", "reset=response after=1 max=1", relay(lambda turn: reset if turn == 1 else None), healthy, count=3),
        Column("reset", "reset=response", relay(lambda turn: reset), healthy, count=2),
        Column("hang", "hang=response", relay(lambda turn: silence), healthy, timeout=2),
        Column("truncate", "truncate=3", relay(lambda turn: slice(3)), healthy, count=2, timeout=3),
        Column("truncate on a kept connection", "truncate=3 after=1 max=1", relay(lambda turn: slice(3) if turn == 1 else None), healthy,
               count=3, timeout=3),
    )


def until(seconds, *argv):
    return ["timeout", str(seconds), *argv]


def read_errors(outcome):
    """A benchmark: what it printed, but its figures."""
    lines = (line for text in (outcome["out"], outcome["err"]) for line in text.replace("\r", "\n").splitlines())
    return ["\n".join(line for line in lines if not FIGURES.search(line))], [outcome["seconds"]]


def redis_rows():
    return [
        Client("redis-cli", lambda peer, count, timeout: until(timeout, "redis-cli", "-p", peer.port, "-r", count, "ping"), omits=NOT_HTTP,
               needs=("cmd:redis-cli",)),
        Client("redis-benchmark", lambda peer, count, timeout: until(timeout, "redis-benchmark", "-p", peer.port, "-n", 2 * count, "-c", 1,
                                                                     "-t", "ping_mbulk", "-q"),
               read_errors, omits=NOT_HTTP, needs=("cmd:redis-benchmark",)),
    ]


def memcached_rows():
    script = os.path.join(CLIENTS, "ask_memcached.py")
    return [
        Client("pymemcache", lambda peer, count, timeout: [PYTHON, script, peer.port, count, timeout], read_json, omits=NOT_HTTP,
               needs=("py:pymemcache",)),
        Client("memccat", lambda peer, count, timeout: until(timeout, "memccat", f"--servers=127.0.0.1:{peer.port}", *["key"] * count),
               omits=NOT_HTTP, needs=("cmd:memccat",)),
        Client("memcping", lambda peer, count, timeout: until(timeout, "memcping", f"--servers=127.0.0.1:{peer.port}"),
               omits={**NOT_HTTP, **{name: "it asks once" for name in KEPT}}, needs=("cmd:memcping",)),
    ]


def conninfo(peer, more=""):
    return f"host=127.0.0.1 port={peer.port} user=postgres dbname=postgres sslmode=disable gssencmode=disable {more}"


def postgres_rows():
    asks = [word for n in range(9) for word in ("-c", f"SELECT {n}")]
    script = os.path.join(tmpdir(), "ask.sql")
    with open(script, "w") as f:
        f.write("SELECT 1;\n")
    return [
        Client("psql", lambda peer, count, timeout: until(timeout, "psql", "-XAt", *asks[:2 * count], conninfo(peer)), omits=NOT_HTTP,
               needs=("cmd:psql",)),
        Client("psql connect_timeout", lambda peer, count, timeout: ["psql", "-XAt", *asks[:2 * count], conninfo(peer, "connect_timeout=2")],
               omits=NOT_HTTP, needs=("cmd:psql",)),
        Client("pgbench", lambda peer, count, timeout: until(timeout, "pgbench", "-n", "-c", 1, "-t", count, "-f", script, conninfo(peer)),
               read_errors,
               omits={**NOT_HTTP, **{name: "which turn is the second is a race of its two connections" for name in KEPT}}, needs=("cmd:pgbench",)),
    ]


for name, needs, server, rows in (("redis", "cmd:redis-server", Redis, redis_rows), ("memcached", "cmd:memcached", Memcached, memcached_rows),
                                  ("postgres", f"cmd:{Postgres.PROGRAMS}/postgres", Postgres, postgres_rows)):
    if missing([needs]):
        skip(f"{name}: there is no server")
        continue
    there = server()
    table(rows(), columns(there))
    there.stop()
done()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""HTTP clients x faults: each does under a fault what it does with a peer that really misbehaves so (tests/lib/matrix.py)."""
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from matrix import CLIENTS, Client, Column, Refusing, missing, read_json, table
from peers import silence
from tap import *

PACE = 0.02  # no answer comes sooner: whether a client waits already when it comes is not left to chance
BUSY = (429, {"Retry-After": "1"}, "busy")


def only(which, answer):
    """A peer that gives this answer to requests number `which` (from 0) and the page to the others."""
    def make():
        peer = HttpPeer(lambda request: answer if peer.requests.index(request) in which else None, PACE)
        return peer
    return make


def healthy():
    return HttpPeer(delay=PACE)


ALWAYS = range(1000)
COLUMNS = (
    Column("nothing", "delay=1s probability=0", healthy, healthy, count=2),
    Column("delay beyond its timeout", "delay=3s", lambda: HttpPeer(delay=3), healthy, timeout=1),
    Column("delay within its timeout", "delay=500ms", lambda: HttpPeer(delay=0.5), healthy, count=2),
    Column("429 with Retry-After once", "status=429 retry_after=1s body=busy first=1", only([0], BUSY), healthy, keeps=True, count=2),
    Column("429 with Retry-After for ever", "status=429 retry_after=1s body=busy", only(ALWAYS, BUSY), healthy, keeps=True),
    Column("refuse", "refuse=true", Refusing, healthy, count=2),
    Column("reset of a kept connection", "reset=response after=1 max=1", only([1], reset), healthy, count=3),
    Column("reset", "reset=response", only(ALWAYS, reset), healthy, count=2),
    Column("hang", "hang=response", only(ALWAYS, silence), healthy, timeout=1),
)


def script(runner, name, *arguments, needs=()):
    """A program of tests/conformance/clients."""
    path = os.path.join(CLIENTS, name)
    title = " ".join((os.path.basename(str(runner[0])), *arguments))
    return Client(title, lambda peer, count, timeout: [*runner, path, *arguments, peer.url(), count, timeout], read_json,
                  needs=(f"cmd:{runner[0]}", *needs))


def command(title, name, *options):
    """A command that takes the URL several times; TIMEOUT in its options is the timeout."""
    return Client(title, lambda peer, count, timeout: [name, *(o.replace("TIMEOUT", str(timeout)) for o in options), *[peer.url()] * count],
                  needs=(f"cmd:{name}",))


def java():
    """The client of Java is compiled once."""
    classes = tmpdir()
    if not missing(("cmd:javac", "cmd:java")):
        compiled = run(["javac", "-d", classes, os.path.join(CLIENTS, "Ask.java")])
        ok(compiled.rc == 0, "the client of Java compiles", compiled)
    runner = ("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", classes, "Ask")
    return [Client(f"java {how}", lambda peer, count, timeout, how=how: [*runner, how, peer.url(), count, timeout], read_json,
                   needs=("cmd:java", "cmd:javac")) for how in ("send", "sendAsync", "url")]


ROWS = [
    command("curl", "curl", "-sS", "-m", "TIMEOUT", "-w", "%{http_code} %{num_connects} %{exitcode} %{errormsg}\n"),
    command("curl --retry", "curl", "-sS", "-m", "TIMEOUT", "--retry", "2", "-w", "%{http_code} %{exitcode} %{errormsg}\n"),
    command("curl --retry-all-errors", "curl", "-sS", "-m", "TIMEOUT", "--retry", "2", "--retry-delay", "1", "--retry-all-errors", "-f"),
    command("wget", "wget", "-O", "-", "--progress=dot", "--tries=1", "--timeout=TIMEOUT"),
    command("wget --tries", "wget", "-O", "-", "--progress=dot", "--tries=2", "--waitretry=1", "--timeout=TIMEOUT", "--retry-on-http-error=429"),
    *(script((PYTHON,), "ask.py", name, needs=needs) for name, needs in (
        ("socket", ()), ("http.client", ()), ("urllib3", ("py:urllib3",)), ("urllib3_default", ("py:urllib3",)),
        ("urllib3_retry", ("py:urllib3",)), ("requests", ("py:requests",)), ("requests_retry", ("py:requests",)),
        ("httpx", ("py:httpx",)), ("httpx_async", ("py:httpx",)), ("aiohttp", ("py:aiohttp",)), ("asyncio", ()))),
    script(("node",), "ask.mjs", "http"), script(("node",), "ask.mjs", "fetch"),
    *java(),
    script(("ruby",), "ask.rb"),
    *(script(("php",), "ask.php", how, needs=("php:curl",)) for how in ("curl", "multi", "stream")),
    script(("perl",), "ask.pl", "tiny"), script(("perl",), "ask.pl", "lwp", needs=("perl:LWP::UserAgent",)),
]

table(ROWS, COLUMNS)
done()

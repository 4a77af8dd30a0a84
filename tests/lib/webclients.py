# SPDX-License-Identifier: MIT
"""The HTTP clients and peers of the tables of faults (matrix.py). Each client asks a peer so many times over one connection, if it
can, with a timeout of its own; with UPLOAD each request is a POST of so many bytes."""
import os

from matrix import CLIENTS, Client, missing, read_json
from peers import PAGE, HttpPeer
from scratch import PYTHON, run, tmpdir
from tap import ok

PACE = 0.02  # no answer comes sooner: whether a client waits already when it comes is not left to chance
BUSY = (429, {"Retry-After": "1"}, "busy")
ALWAYS = range(1000)  # all requests


def healthy(page=PAGE, delay=PACE):
    """A function that makes a peer that answers this page."""
    return lambda: HttpPeer(lambda request: page, delay)


def only(which, answer, page=PAGE):
    """A function that makes a peer that gives this answer to requests number `which` (from 0) and the page to the others."""
    def make():
        peer = HttpPeer(lambda request: answer if peer.requests.index(request) in which else page, PACE)
        return peer
    return make


def script(upload, runner, name, *arguments, needs=(), title=None):
    """A program of tests/conformance/clients."""
    title = title or " ".join((os.path.basename(str(runner[0])), *arguments))
    path = [os.path.join(CLIENTS, name)] if name else []
    more = [upload] if upload else []
    return Client(title, lambda peer, count, timeout: [*runner, *path, *arguments, peer.url(), count, timeout, *more], read_json,
                  needs=(f"cmd:{runner[0]}", *needs))


def command(title, name, *options):
    """A command that takes the URL several times; TIMEOUT in its options is the timeout."""
    return Client(title, lambda peer, count, timeout: [name, *(o.replace("TIMEOUT", str(timeout)) for o in options), *[peer.url()] * count],
                  needs=(f"cmd:{name}",))


def commands(upload):
    posts = {"curl": (), "wget": ()}
    if upload:
        path = os.path.join(tmpdir(), "upload")
        with open(path, "w") as f:
            f.write("u" * upload)
        posts = {"curl": ("--data-binary", f"@{path}"), "wget": (f"--post-file={path}",)}
    curl, wget = ("curl", "-sS", "-m", "TIMEOUT", *posts["curl"]), ("wget", "-O", "-", "--progress=dot", "--timeout=TIMEOUT", *posts["wget"])
    return [
        command("curl", *curl, "-w", "%{http_code} %{num_connects} %{exitcode} %{errormsg}\n"),
        command("curl --retry", *curl, "--retry", "2", "-w", "%{http_code} %{exitcode} %{errormsg}\n"),
        command("curl --retry-all-errors", *curl, "--retry", "2", "--retry-delay", "1", "--retry-all-errors", "-f"),
        command("wget", *wget, "--tries=1"),
        command("wget --tries", *wget, "--tries=2", "--waitretry=1", "--retry-on-http-error=429"),
    ]


def java(upload):
    """The client of Java is compiled once."""
    classes, needs = tmpdir(), ("cmd:javac", "cmd:java")
    if not missing(needs):
        compiled = run(["javac", "-d", classes, os.path.join(CLIENTS, "Ask.java")])
        ok(compiled.rc == 0, "the client of Java compiles", compiled)
    runner = ("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", classes, "Ask")
    return [script(upload, runner, None, how, needs=needs, title=f"java {how}") for how in ("send", "sendAsync", "url")]


PYTHONS = (("socket", ()), ("http.client", ()), ("urllib3", ("py:urllib3",)), ("urllib3_retry", ("py:urllib3",)),
           ("requests", ("py:requests",)), ("requests_retry", ("py:requests",)),
           ("httpx", ("py:httpx",)), ("httpx_async", ("py:httpx",)), ("aiohttp", ("py:aiohttp",)), ("asyncio", ()))


def web_clients(upload=None):
    """All rows; upload: bytes that each request posts."""
    return [
        *commands(upload),
        *(script(upload, (PYTHON,), "ask.py", name, needs=needs) for name, needs in PYTHONS),
        *(script(upload, ("node",), "ask.mjs", how) for how in ("http", "fetch")),
        *java(upload),
        script(upload, ("ruby",), "ask.rb"),
        *(script(upload, ("php",), "ask.php", how, needs=("php:curl",)) for how in ("curl", "multi", "stream")),
        script(upload, ("perl",), "ask.pl", "tiny"), script(upload, ("perl",), "ask.pl", "lwp", needs=("perl:LWP::UserAgent",)),
    ]

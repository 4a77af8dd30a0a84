#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Servers under the library x faults. As servers (at=): their clients, which know nothing of the library, see what a really misbehaving
server shows. As proxies (to=): their upstream fails, and they tell their own clients, log and repeat what they do when it really fails.
Each time: no CPU is burnt meanwhile, other connections go on, and when the fault is over the same process serves as before."""
import concurrent.futures
import json
import os
import re
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from matrix import CLIENTS, Refusing, missing, plain, read_json, read_text
from peers import Haproxy, Memcached, Postgres, TurnPeer, cut, silence
from tap import *

POOL, TRIES = 10, 4
DIRECT = {"http_proxy": None, "HTTP_PROXY": None, "no_proxy": "*"}


# ---- what a client outside says of a server ----

def curl(port, count, timeout):
    return ["curl", "-sS", "-m", timeout, "-w", "%{http_code} %{num_connects} %{exitcode} %{errormsg}\n", *[f"http://127.0.0.1:{port}/"] * count]


def redis_cli(port, count, timeout):
    return ["timeout", timeout, "redis-cli", "-p", port, "-r", count, "ping"]


def pymemcache(port, count, timeout):
    return [PYTHON, os.path.join(CLIENTS, "ask_memcached.py"), port, count, timeout]


def psql(port, count, timeout):
    asks = [word for n in range(count - 1) for word in ("-c", f"SELECT {n}")]  # the first turn is the start of the session
    return ["timeout", timeout, "psql", "-XAt", *asks, f"host=127.0.0.1 port={port} user=postgres dbname=postgres sslmode=disable gssencmode=disable"]


class Heard:
    """What a client said of a port, and how long that took."""

    def __init__(self, client, port, count, timeout):
        result = run([PYTHON, os.path.join(CLIENTS, "timed.py"), *client(port, count, timeout)], env=DIRECT)
        outcome = json.loads(result.out)
        said, _ = (read_json if client is pymemcache else read_text)(outcome)
        self.said, self.rc, self.seconds = [plain(text, port) for text in said], outcome["rc"], outcome["seconds"]

    def story(self):
        return {"said": self.said, "rc": self.rc}

    def __repr__(self):
        return f"{self.story()} after {self.seconds:.2f} s"


def cpu_of(pid):
    """The CPU seconds of a process and all below it, so far."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
        children = []
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as f:
                children += f.read().split()
    except OSError:
        return 0
    return sum(int(n) for n in fields[11:13]) / os.sysconf("SC_CLK_TCK") + sum(cpu_of(child) for child in children)


class Shocked:
    """A server under a fault (a function of its port), and its run file."""

    def __init__(self, make, fault):
        self.db = os.path.join(tmpdir(0o777), "server.db")
        self.server = make(lambda port: shock_argv(fault(port), self.db))
        self.port = self.server.port

    def stop(self):
        return self.server.stop(), Run(self.db).one("SELECT count(*) FROM injection")


# ---- the columns ----

PACE = 0.02  # no upstream answers sooner
BUSY = (429, {"Retry-After": "1"}, "busy")
BUSY_BYTES = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 4\r\n\r\nbusy"

class Fault:
    """spec: without its place. really: what the relay before a healthy server does to a turn. asks: how often the client does.
    web_really: the same for HTTP, when that is something else (the body is 3 bytes of the page)."""

    def __init__(self, name, spec, really, asks=3, timeout=6, web_really=None):
        self.name, self.spec, self.really, self.asks, self.timeout = name, spec, really, asks, timeout
        self.web_really = web_really or really


AT = (
    Fault("nothing", "delay=1s probability=0", lambda turn: None),
    Fault("delay beyond the client's timeout", "delay=4s first=1", lambda turn: None if turn else 4, timeout=2),
    Fault("delay within the client's timeout", "delay=700ms after=1 first=1", lambda turn: 0.7 if turn == 1 else None),
    Fault("reset of a new connection", "reset=response first=1", lambda turn: None if turn else reset),
    Fault("reset of a kept connection", "reset=response after=1 first=1", lambda turn: reset if turn == 1 else None),
    Fault("hang", "hang=response first=1", lambda turn: None if turn else silence, timeout=2),
    Fault("truncate", "truncate=3 after=1 first=1", lambda turn: slice(3) if turn == 1 else None, timeout=3,
          web_really=lambda turn: cut(3) if turn == 1 else None),
    Fault("429 with Retry-After", "status=429 retry_after=1s body=busy after=1 first=1", lambda turn: BUSY_BYTES if turn == 1 else None),
)
# name, what it needs, how to start it under a command line, its client
SERVERS = (
    ("nginx", "cmd:nginx", lambda under=(): Nginx(under=under), curl),
    ("nginx with two workers", "cmd:nginx", lambda under=(): Nginx(under=under, workers=2), curl),
    ("haproxy", "cmd:haproxy", lambda under=(): Haproxy(under=under), curl),
    ("redis-server", "cmd:redis-server", lambda under=(): Redis(under=under), redis_cli),
    ("memcached", "cmd:memcached", lambda under=(): Memcached(under=under), pymemcache),
    ("postgres", f"cmd:{Postgres.PROGRAMS}/postgres", lambda under=(): Postgres(under=under), psql),
)


def unlike(what, real, shocked):
    return [f"{what}: {key}: really {value!r}, under the fault {shocked.story()[key]!r}" for key, value in real.story().items()
            if value != shocked.story()[key]]


def figures(real, shocked, cpu):
    late = [f"really {real.seconds:.2f} s, under the fault {shocked.seconds:.2f} s"] if abs(real.seconds - shocked.seconds) > 0.5 else []
    return late + ([f"CPU {cpu:.2f} s in {shocked.seconds:.2f} s"] if cpu > 0.15 + 0.12 * shocked.seconds else [])


def at_once(make, client, fault, healthy_port):
    """One look at a cell: what differs for sure, what may be noise."""
    relay = TurnPeer(healthy_port, fault.web_really if client is curl else fault.really)
    real = Heard(client, relay.port, fault.asks, fault.timeout)
    server = Shocked(make, lambda port: f"at=:{port} {fault.spec}")
    before = cpu_of(server.server.process.pid)
    shocked = Heard(client, server.port, fault.asks, fault.timeout)
    cpu = cpu_of(server.server.process.pid) - before
    after, well = Heard(client, server.port, 3, 6), Heard(client, healthy_port, 3, 6)
    status, fired = server.stop()
    relay.close()
    sure = unlike("meanwhile", real, shocked) + unlike("afterwards", well, after)
    if fired != (0 if "probability" in fault.spec else 1):
        sure.append(f"fired {fired} times")
    if status not in (0, 128 + 15):
        sure.append(f"ends with {status}")
    return sure, figures(real, shocked, cpu) + [f"slow afterwards: {after}"] * (after.seconds > well.seconds + 0.5)


# ---- proxies: nginx and HAProxy before an upstream that fails ----

def nginx_proxy(upstream, under=()):
    server = ("location / { proxy_pass http://upstream; proxy_http_version 1.1; proxy_set_header Connection ''; "
              "proxy_connect_timeout 1s; proxy_read_timeout 1s; }")
    return Nginx(server=server, http=f"upstream upstream {{ server 127.0.0.1:{upstream.port}; keepalive 4; }}", under=under)


def nginx_second_chance(upstream, under=()):
    """With a second server for what fails at the first."""
    spare = HttpPeer(lambda request: "the spare page\n", PACE)
    proxy = Nginx(server="location / { proxy_pass http://upstream; proxy_read_timeout 1s; proxy_next_upstream error timeout http_429; }",
                  http=f"upstream upstream {{ server 127.0.0.1:{upstream.port} max_fails=0; server 127.0.0.1:{spare.port} backup; }}", under=under)
    proxy.spare = spare.port
    return proxy


def haproxy(upstream, under=()):
    return Haproxy(f"server one 127.0.0.1:{upstream.port}", under)


def haproxy_retries(upstream, under=()):
    return Haproxy(f"retry-on all-retryable-errors\n retries 2\n server one 127.0.0.1:{upstream.port}", under)


PROXIES = (("nginx proxy", "cmd:nginx", nginx_proxy), ("nginx proxy with a backup", "cmd:nginx", nginx_second_chance),
           ("haproxy", "cmd:haproxy", haproxy), ("haproxy that retries", "cmd:haproxy", haproxy_retries))


class Upstream:
    """spec; really: answer of the upstream to request n. kept: whether the requests that are hit stay with the proxy."""

    def __init__(self, name, spec, really=None, delay=PACE, kept=False, refuses=False):
        self.name, self.spec, self.really, self.delay, self.kept, self.refuses = name, spec, really, delay, kept, refuses

    def peer(self):
        if self.refuses:
            return Refusing()
        peer = HttpPeer(lambda request: self.really(peer.requests.index(request)) if self.really else None, self.delay)
        return peer


TO = (
    Upstream("nothing", "delay=1s probability=0"),
    Upstream("delay beyond its timeout", "delay=3s", delay=3),
    Upstream("delay within its timeout", "delay=500ms", delay=0.5),
    Upstream("429 with Retry-After", "status=429 retry_after=1s body=busy", lambda n: BUSY, kept=True),
    Upstream("refuse", "refuse=true", refuses=True),
    Upstream("reset of a kept connection", "reset=response after=1 max=1", lambda n: reset if n == 1 else None),
    Upstream("reset", "reset=response", lambda n: reset),
    Upstream("hang", "hang=response", lambda n: silence),
    Upstream("truncate", "truncate=7", lambda n: cut(7)),
)


def logged(proxy, upstream):
    """What nginx's error log says, without times and numbers."""
    text = proxy.errors() if isinstance(proxy, Nginx) else ""
    lines = [re.sub(r"^.*?\[(\w+)\] \d+#\d+: (\*\d+ )?", r"\1 ", line) for line in text.splitlines() if "[error]" in line or "[warn]" in line]
    ports = {proxy.port: "PROXY", upstream.port: "UPSTREAM", getattr(proxy, "spare", 0): "SPARE"}
    return [re.sub(r":(\d+)\b", lambda m: ":" + ports.get(int(m.group(1)), "?"), line) for line in lines]


def asked(proxy, upstream):
    """What the proxy's client hears, what the proxy logs, and how often it asked its upstream."""
    heard = Heard(curl, proxy.port, 3, 12)
    wait_for(lambda: upstream.connections, 0.5)  # it counts in a thread of its own, and a request that we answer never got there
    heard.logged, heard.requests, heard.connections = logged(proxy, upstream), len(upstream.requests), upstream.connections
    return heard


def to_once(make, _, column, __):
    there, here = column.peer(), HttpPeer(delay=PACE)
    proxy = make(there)
    real = asked(proxy, there)
    proxy.stop()
    shocked_proxy = Shocked(lambda under: make(here, under), lambda port: f"to=127.0.0.1:{here.port} {column.spec}")
    before = cpu_of(shocked_proxy.server.process.pid)
    shocked = asked(shocked_proxy.server, here)
    cpu = cpu_of(shocked_proxy.server.process.pid) - before
    status, fired = shocked_proxy.stop()
    there.close()
    here.close()
    shocked.requests += fired if column.kept else 0
    sure = unlike("its client", real, shocked)
    sure += [f"{what}: really {getattr(real, what)}, under the fault {getattr(shocked, what)}" for what in ("logged", "requests", "connections")
             if getattr(real, what) != getattr(shocked, what)]
    if (fired == 0) != ("probability" in column.spec):
        sure.append(f"fired {fired} times")
    return sure, figures(real, shocked, cpu)


# ---- the table ----

def cell(look, *what):
    for _ in range(TRIES):
        sure, perhaps = look(*what)
        if sure or not perhaps:
            break
    return sure + perhaps


wanted = os.environ.get("ROWS", "").split(",")
with concurrent.futures.ThreadPoolExecutor(POOL) as pool:
    rows = []  # title and future; None: not applicable
    for look, columns, servers in ((at_once, AT, SERVERS), (to_once, TO, [(*proxy, None) for proxy in PROXIES])):
        for name, needs, make, client in servers:
            title = f"{name} {'at=' if look is at_once else 'to='}"
            if not any(part in title for part in wanted):
                continue
            if missing([needs]):
                skip(f"{title}: {needs} is not there", len(columns))
                continue
            healthy = make().port if look is at_once else None
            for column in columns:
                other = "status" in column.spec and look is at_once and client is not curl
                rows.append((f"{title}: {column.name}", None if other else pool.submit(cell, look, make, client, column, healthy)))
    for title, future in rows:
        if not future:
            ok(True, f"{title}: not applicable: it does not speak HTTP")
            continue
        try:
            differences = future.result()
        except Exception as e:
            differences = [repr(e)]
        ok(not differences, f"{title}: all is as when that really happens", "\n".join(differences))
done()

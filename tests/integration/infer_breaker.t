#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Breakers and bulkheads of programs whose settings are known, as the report infers them: libraries of Node in a program that serves nobody, a
service on threads with requests of others, and what looks like one and is none. All run side by side."""
import http.client
import os
import shutil
import sys
import threading
import time

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), d) for d in ("../lib", "../schema")]
from tap import *  # noqa: E402,F403
import validate  # noqa: E402

PROGRAMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "breakers")
MODULES = os.path.join(BUILD, "breaker_modules")
LIBRARIES = ("opossum@8.5.0", "cockatiel@3.2.1")


def has_libraries():
    if not shutil.which("npm") or not shutil.which("node"):
        return False
    for _ in range(2):
        if all(os.path.isdir(os.path.join(MODULES, "node_modules", name.split("@")[0])) for name in LIBRARIES):
            return True
        os.makedirs(MODULES, exist_ok=True)
        run(["npm", "install", "--prefix", MODULES, "--no-audit", "--no-fund", "--ignore-scripts", *LIBRARIES], timeout=60)
    return False


class Work:
    """Answers after 30 ms; fails from `begin` to `end` seconds after its first request."""

    def __init__(self, begin=0.0, end=0.0, delay=0.0):
        self.begin, self.end, self.first = begin, end, None
        self.peer = HttpPeer(self.answer, delay)

    def answer(self, request):
        self.first = self.first or request.at
        return 503 if self.begin <= request.at - self.first < self.end else 200


RUNS = {}
CROWDS = 3


def record(name, work, fault, *command):
    RUNS[name] = (work, threading.Thread(target=lambda: RUNS.__setitem__(name, (work, shock(fault, *command, timeout=40)))))


def gateway(name, policy, load, work, fault=()):
    record(name, work, [f"to=127.0.0.1:{work.peer.port} {f}" for f in fault], PYTHON, os.path.join(PROGRAMS, "gateway.py"), policy, work.peer.port, load)


def loop(name, work):
    record(name, work, [], PYTHON, os.path.join(PROGRAMS, "loop.py"), name, work.peer.port, 6)


def library(name, module, options, work, *mean):
    record(name, work, [], "node", os.path.join(PROGRAMS, "library.js"), os.path.join(MODULES, "node_modules"), module, work.peer.url("/"), options,
           7000, warm.url("/"), *mean)


def balancer(name, work, max_fails, seconds):
    """nginx before two servers, of which one fails."""
    def go():
        db = os.path.join(tmpdir(), "run.db")
        servers = " ".join(f"server 127.0.0.1:{port} max_fails={max_fails} fail_timeout=2s;" for port in (work.peer.port, warm.port))
        proxy = Nginx("location / { proxy_pass http://both; proxy_next_upstream error http_503; }", f"upstream both {{ {servers} }}",
                      under=lambda port: shock_argv([], db))
        client = http.client.HTTPConnection("127.0.0.1", proxy.port)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            client.request("GET", "/")
            client.getresponse().read()
            time.sleep(0.02)
        proxy.stop()
        RUNS[name] = (work, Run(db))
    RUNS[name] = (work, threading.Thread(target=go))


def edge(name):
    work, r = RUNS[name]
    report = r.report()
    is_(validate.problems(report, validate.load("report")), [], f"{name}: the report meets its schema")
    found = [e for e in report["edges"] if str(work.peer.port) in e["server"]]
    is_(len(found), 1, f"{name}: one edge", r)
    return found[0]


libraries = has_libraries()
warm = HttpPeer()
balancer("nginx", Work(2, 9), 3, 13)
if libraries:
    library("opossum", "opossum", '{"resetTimeout":1500}', Work(0, 3.5))
    library("opossum of 10", "opossum", '{"resetTimeout":1500,"volumeThreshold":10}', Work(0, 3.5))
    library("cockatiel", "cockatiel", '{"resetTimeout":1500,"failures":5}', Work(1.5, 5))
    for n in range(CROWDS):
        library(f"crowd {n}", "cockatiel", '{"resetTimeout":800,"failures":5}', Work(1.5, 4, 0.03), 15)
loop("breaker", Work(1.5, 4))
loop("backoff", Work(1.5, 4))
gateway("gateway", "breaker,5,0.7", "1:8:0.02", Work(3, 6))  # 5 are less than a tenth of the calls until then, on a slow machine too
gateway("hit by a fault", "breaker,4,0.5", "1:5:0.02", Work(), ["status=503 first=7 after=30"])
gateway("retries around it", "retry,3,0.05,5,1.2", "1:9:0.02", Work(1.5, 6.5))
gateway("four at once", "retry,3,0.05,4,0.7", "4:8:0.05", Work(1.5, 5.5))
gateway("none", "none", "1:5:0.02", Work(1, 4))
gateway("queue", "queue,4", "1:1:0.02,8:1.5:0,12:1.5:0", Work(delay=0.03))
gateway("reject", "reject,3", "1:1:0.02,6:1.5:0.01,9:1.5:0.01", Work(delay=0.03))
gateway("wide", "none", "1:1:0.02,3:1.5:0,6:1.5:0", Work(delay=0.03))
threads = [r[1] for r in RUNS.values()]
for t in threads:
    t.start()
    time.sleep(0.4)  # to start is what they need a processor for: one after the other they are on time from then on
for t in threads:
    t.join()


def held_up(name, open_ms):
    """Whether a busy machine made a program that keeps a pace pause, after a success, so long that a silence of open_ms is none beside that."""
    calls = RUNS[name][1].rows("SELECT started_ns AS at, status FROM exchange WHERE role = 'client' ORDER BY started_ns")
    pauses = [b["at"] - a["at"] for a, b in zip(calls, calls[1:]) if a["status"] == 200]
    return not pauses or max(pauses) * 4 > open_ms * 1e6


def opens_after(name, threshold, open_ms, least, slack_ms=150, paced=False):
    e = edge(name)
    b = e["breaker"]
    seen = b and not b["absent"] and b["opens"] >= least
    ok(seen or (paced and held_up(name, open_ms)), f"{name}: a breaker that opened", (b, e["breaker_ruled_out"]))
    if not seen:
        return None
    ok(b["threshold"]["low"] <= threshold <= b["threshold"]["high"] <= threshold + 1, f"{name}: after {threshold} failures", b)
    # it opens when the program notices an answer, a little after the answer is there
    ok(b["open_ms"]["low"] <= open_ms + 30 and open_ms - 5 <= b["open_ms"]["high"] <= open_ms + slack_ms, f"{name}: for {open_ms} ms", b)
    is_(b["reopen"], "any failure", f"{name}: a failure opens it again", b)
    return b


# ---- programs that serve nobody: by their pace ----
if libraries:
    b = opens_after("opossum", 1, 1500, 2, paced=True)
    is_(b and (b["confidence"], bool(b["alike"])), b and ("low", True), "a wait after each failure would look the same, and it says so", b)
    b = opens_after("opossum of 10", 10, 1500, 2, paced=True)
    is_(b and b["confidence"], b and "medium", "opossum of 10: ten at its pace and then silence is no wait between retries", b)
    opens_after("cockatiel", 5, 1500, 2, paced=True)
    # They come by chance: one in sixteen looks like waits between retries, and as many leave 1 as the least number of failures.
    seen = 0
    for n in range(CROWDS):
        e = edge(f"crowd {n}")
        b = e["breaker"] or {"opens": 0}
        seen += b["opens"] > 0
        is_(e["linking"], "aggregate", "several requests at once: what follows the open breaker is joined to nothing", e)
        ok(not b["opens"] or (2 <= b["opens"] <= 4 and b["threshold"]["low"] <= 5 <= b["threshold"]["high"] <= 12),
           "5 failures open it, or a few more that were in flight", b)
        ok(not b["opens"] or b["threshold"]["low"] >= 2 or b["confidence"] == "low", "one that could be enough is said with low confidence", b)
        ok(not b["opens"] or 795 <= b["open_ms"]["high"] <= 900, "for 800 ms, until the next call comes", b)
    ok(seen, "and it is seen to open")
else:
    skip("npm has no opossum and cockatiel here", 39)
b = opens_after("breaker", 3, 800, 2, paced=True)
p = edge("breaker")["retry"]
ok(not b or (p["backoff"] != "fixed" and not (p["base_ms"] and p["base_ms"] > 400)), "its pauses are no waits between retries", p)
e = edge("backoff")
is_(e["breaker"], None, "waits of a retry loop are no breaker")
ok(e["breaker_ruled_out"] == "the client waits between retries" or held_up("backoff", 800), "and it says why", e["breaker_ruled_out"])

# ---- a service with requests of others ----
b = opens_after("gateway", 5, 700, 2)
is_(b["confidence"], "high", "gateway: demand went on, and it closed", b)
ok(b["shed"] > 30, "gateway: it shed calls", b)
b = opens_after("hit by a fault", 4, 500, 3)
is_(b["false_opens"], 0, "hit by a fault: none was false", b)
ok(b["shed_efficacy"]["value"] and b["shed_efficacy"]["value"] > 0.8, "hit by a fault: most of what was doomed was shed", b)
# The retries go on while it is open: requests are not turned down fast, but after two waits, and those that had begun are cut short.
b = opens_after("retries around it", 5, 1200, 2)
is_(b["counts"], "attempts", "retries around it: it counts attempts", b)
p = edge("retries around it")["retry"]
is_(p["max_attempts"], 3, "and requests that it cut short, or probed with, do not hide that they have three", p)
e = edge("four at once")
b = e["breaker"]
ok(b and b["opens"] >= 2 and b["threshold"]["low"] <= 4 <= b["threshold"]["high"] and b["counts"] == "attempts",
   "four at once: their first attempts open it, and how long they wait then tells that it did", b)
around = [f for f in RUNS["four at once"][1].report()["findings"] if f["code"] == "retries-open-breaker"]
is_([f["evidence"]["waited_ms"] > 100 for f in around], [True], "its callers wait for retries that it turns away: one finding says so", b)
ok(e["retry"]["max_attempts"] in (0, None, 3), "none was seen to have given up by itself: nothing is said of their attempts, or the truth", e["retry"])
b = edge("none")["breaker"]
ok(b and b["absent"] and b["outage_attempts"] >= 50, "none: failures in a row that a breaker would have cut", b)

# ---- a balancer ----
b = edge("nginx")["breaker"]
ok(b and b["ejects"] and b["opens"] >= 2, "nginx leaves a server out that fails", b)
if b:
    is_((b["threshold"]["low"], b["threshold"]["high"]), (3, 3), "nginx: after max_fails", b)
    # it counts in whole seconds: more than two
    ok(b["open_ms"]["low"] <= 3000 and 2000 <= b["open_ms"]["high"] <= 3200, "nginx: for fail_timeout", b)
    ok(b["shed"] > 50 and b["collateral"] == 0, "nginx: the other server has answered, and nobody was turned away", b)

# ---- bulkheads ----
for name, width in (("queue", 4), ("reject", 3)):
    e = edge(name)
    b = e["bulkhead"]
    ok(b and (b["width"], b["mode"]) == (width, name), f"{name}: a bulkhead of {width}", b)
    ok(b and "connection pool" in b["candidates"], f"{name}: or what else has such a limit", b)
    is_(e["breaker"], None, f"{name}: no breaker")
e = edge("wide")
is_((e["bulkhead"], e["breaker"]), (None, None), "as many calls as requests: no bulkhead, no breaker")
done()

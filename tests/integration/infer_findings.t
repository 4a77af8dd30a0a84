#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Findings on real clients: for each rule one that must bring it about, and one that looks like it and must not."""
import itertools
import os
import sys
import threading

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), d) for d in ("../lib", "../schema")]
from tap import *  # noqa: E402,F403
import validate  # noqa: E402

ASKER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients", "asker.py")


def always(answer):
    return lambda: lambda request: answer


def every(n, answer):
    """Every n-th request is answered well, all others so."""
    return lambda: lambda request, count=itertools.count(1): None if next(count) % n == 0 else answer




LATER = (503, {"Retry-After": "1"}, "")
# what the client does, how often, what it is answered -> codes that must be there, codes that must not
CASES = (
    ("at once", "attempts=3", 15, always(503), {"retry-without-backoff"}, {"unbounded-retries", "retries-non-retryable", "unsafe-retry"}),
    ("with backoff", "attempts=4,base=0.05", 12, always(503), set(), {"retry-without-backoff", "unbounded-retries"}),
    ("not found", "attempts=3,base=0.03,on=404", 12, always(404), {"retries-non-retryable"}, {"retry-without-backoff"}),
    ("not found, once each", "attempts=1,on=404", 20, always(404), set(), {"retries-non-retryable", "retry-without-backoff"}),
    ("POST, cut off", "attempts=3,base=0.05,method=POST", 12, every(3, False), {"unsafe-retry"}, {"retries-non-retryable"}),
    ("POST with a key, cut off", "attempts=3,base=0.05,method=POST,key=request", 12, every(3, False), set(), {"unsafe-retry", "new-key-per-attempt"}),
    ("PUT, cut off", "attempts=3,base=0.05,method=PUT", 12, every(3, False), set(), {"unsafe-retry"}),
    ("a key for each attempt", "attempts=3,base=0.05,method=POST,key=attempt", 12, every(3, 503), {"new-key-per-attempt"}, set()),
    ("for ever", "attempts=0,base=0.02,factor=1", 2, every(40, 503), {"unbounded-retries"}, {"retries-non-retryable"}),
    ("five times", "attempts=5,base=0.02,factor=1", 15, always(503), set(), {"unbounded-retries"}),
    ("heedless", "attempts=3,base=0.05", 12, always(LATER), {"ignores-retry-after"}, set()),
    ("heedful", "attempts=3,base=0.05,heed=1", 2, always(LATER), set(), {"ignores-retry-after", "retry-without-backoff"}),
    ("the same again and again", "attempts=1", 60, always(None), set(), {"retry-without-backoff", "unbounded-retries", "retry-storm"}),
    ("the same again, though it fails", "attempts=1,pause=0.05", 40, always(503), set(), {"retry-without-backoff", "unbounded-retries"}),
)
GATEWAY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "breakers", "gateway.py")
# the policy of a service on threads, the fault of what it calls -> the same
SERVICES = (
    ("no breaker", "none", "from=1s for=2s", {"no-breaker-under-outage", "no-fallback"},
     {"breaker-slows-recovery", "breaker-false-open", "collapses-under-overload"}),
    ("a breaker", "breaker,5,0.3", "from=1s for=2s", set(), {"no-breaker-under-outage", "breaker-slows-recovery", "breaker-false-open"}),
    ("open for too long", "breaker,5,2.6", "from=1s for=1s", {"breaker-slows-recovery"}, {"no-breaker-under-outage", "breaker-false-open"}),
    ("a fallback", "fallback", "from=1s for=2s", set(), {"no-fallback"}),
    ("well", "none", "from=60s for=1s", set(), {"no-breaker-under-outage", "no-fallback", "no-bulkhead", "bulkhead-full",
                                               "collapses-under-overload"}),
    # two at once, all others wait, longer than who asks
    ("an endless queue", "queue,2", "from=60s for=1s", {"collapses-under-overload"}, {"no-breaker-under-outage", "no-fallback"}),
)
LOADS = {"an endless queue": ("3:4.2:0.01,40:3.6:0.01:0.15", 0.025)}  # of the driver, and how long the peer takes; else
LOAD = ("2:4.5:0.02", 0.002)
RUNS = {}


def serve(name, policy, window):
    load, delay = LOADS.get(name, LOAD)
    peer = HttpPeer(delay=delay)
    RUNS[name] = shock([f"to=127.0.0.1:{peer.port} status=503 {window}"], PYTHON, GATEWAY, policy, peer.port, load, timeout=40)


def record(name, options, requests, answer):
    peer = HttpPeer(answer())
    RUNS[name] = shock([], PYTHON, ASKER, peer.port, requests, options, timeout=40)


work = [(record, case[:4]) for case in CASES] + [(serve, case[:3]) for case in SERVICES]
for i in range(0, len(work), 5):
    threads = [threading.Thread(target=target, args=arguments) for target, arguments in work[i:i + 5]]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
for name, *_, must, must_not in CASES + SERVICES:
    report = RUNS[name].report()
    found = {f["code"]: f for f in report["findings"]}
    is_([f["message"] for f in report["findings"] if f["where"].endswith("-> gateway.py")], [], f"{name}: nothing is asked of who drives a service")
    is_(validate.problems(report, validate.load("report")), [], f"{name}: the report meets its schema")
    is_(sorted(must - set(found)), [], f"{name}: {', '.join(sorted(must)) or 'nothing'} must be found", list(found))
    is_(sorted(must_not & set(found)), [], f"{name}: {', '.join(sorted(must_not))} must not", {c: found[c]["message"] for c in must_not & set(found)})
    ok(all(found[c]["witness"] and found[c]["fix"] and found[c]["evidence"] for c in must & set(found)), f"{name}: with a witness, evidence and what to change")
done()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Limits on calls, and none: a service with a few workers whose dependency gets slow, with and without a bulkhead, and with workers enough."""
import os
import sys
import threading

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), d) for d in ("../lib", "../schema")]
from tap import *  # noqa: E402,F403
import validate  # noqa: E402

POOL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "breakers", "pool.py")
RUNS = {}


def record(name, limit, workers):
    peer = HttpPeer(delay=0.005)
    RUNS[name] = (peer, shock([f"to=127.0.0.1:{peer.port} delay=400ms from=2s for=2s"], PYTHON, POOL, peer.port, limit, workers, 5, timeout=40))


def judged(name):
    peer, r = RUNS[name]
    report = r.report()
    is_(validate.problems(report, validate.load("report")), [], f"{name}: the report meets its schema")
    found = [e for e in report["edges"] if str(peer.port) in e["server"]]
    is_(len(found), 1, f"{name}: one edge", r)
    return found[0], {f["code"]: f for f in report["findings"] if str(peer.port) in f["where"]}


# The one with many workers needs the processor: beside it the others' calls take 40 ms instead of 6 when the machine is slow.
for at_once in ((("none", 0, 6), ("bulkhead", 3, 6)), (("workers enough", 0, 40),)):
    threads = [threading.Thread(target=record, args=a) for a in at_once]
    for t in threads:
        t.start()
    for t in threads:
        t.join()

e, findings = judged("none")
ok("no-bulkhead" in findings, "none: all workers wait for the slow server, and /about with them", e)
f = findings.get("no-bulkhead", {"severity": None, "evidence": {}, "witness": None})
is_(f["severity"], "high", "none: that is grave")
ok(f["evidence"].get("others_ms", 0) > 50, "none: it shows how long /about took", f)
ok(5 < f["evidence"].get("in_work", 0) < 6.5, "none: as many calls in work as there are workers", f)
ok(e["no_bulkhead"] and e["no_bulkhead"]["witness"], "none: with a witness", e["no_bulkhead"])

e, findings = judged("bulkhead")
is_(e["no_bulkhead"], None, "bulkhead: /about is as fast as ever")
b = e["bulkhead"]
ok(b and (b["width"], b["mode"]) == (3, "reject"), "bulkhead: three at once", b)
ok(b and b["stopped"] >= 20 and b["asked"] > b["stopped"], "bulkhead: it turned requests away", b)
ok("bulkhead-full" in findings and "no-bulkhead" not in findings, "bulkhead: which is a finding", list(findings))
ok("Leave the limit" in findings.get("bulkhead-full", {"fix": ""})["fix"], "bulkhead: the server got slow, so the limit is right", findings)

e, findings = judged("workers enough")
is_((e["no_bulkhead"], "no-bulkhead" in findings, "bulkhead-full" in findings), (None, False, False), "workers enough: calls pile up and hurt nobody", e)
done()

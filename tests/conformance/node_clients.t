#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Node's fetch under faults: AbortSignal.timeout fires on time, other connections of the loop go on."""
import json
import os
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

FETCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients", "fetch.mjs")
peer, healthy = HttpPeer(), HttpPeer()


def fetch(fault, timeout_ms, *beside):
    r = shock(f"to=127.0.0.1:{peer.port} {fault}", "node", FETCH, peer.url(), timeout_ms, healthy.url(), *beside)
    try:
        return json.loads(r.out), r
    except ValueError:
        diag(r)
        return {"outcome": "no output", "status": None, "ms": None, "cpu_ms": None, "healthy": None, "healthy_count": 0}, r


# fault, timeout, outcome, status, how long in ms
CASES = (
    ("delay=2s", 500, "timeout", None, (495, 900)),
    ("hang=response", 500, "timeout", None, (495, 900)),
    ("delay=300ms", 500, "ok", 200, (299, 800)),
    ("status=429", 2000, "ok", 429, (0, 600)),
    ("refuse=true", 2000, "ECONNREFUSED", None, (0, 600)),
    ("error=connect:ETIMEDOUT", 2000, "ETIMEDOUT", None, (0, 600)),
)
for fault, timeout, outcome, status, took in CASES:
    name = fault.replace("=", "_").replace(":", "_")
    got, r = fetch(fault, timeout)
    is_((got["outcome"], got["status"]), (outcome, status), f"{name}_ends_as_{outcome}", r)
    within(got["ms"], *took, f"{name}_takes_its_time", got)
    ok(got["healthy"] is not None and got["healthy"] < 200, f"{name}_leaves_the_other_connection_its_latency", got)

got, r = fetch("reset=response", 2000)
ok(got["outcome"] in ("ECONNRESET", "UND_ERR_SOCKET"), "reset_is_a_reset", got)
got, r = fetch("delay=10s", 3000, "alone")
silent = HttpPeer(lambda request: time.sleep(4))
real = json.loads(run(["node", FETCH, silent.url(), 3000, healthy.url(), "alone"]).out)  # node itself has work to do in its first seconds
ok(got["cpu_ms"] is not None and got["cpu_ms"] < real["cpu_ms"] + 0.05 * 3000, "waiting_3_s_takes_less_than_5_percent_CPU_more_than_for_a_silent_peer",
   (got, real))
done()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Python's HTTP clients under a delayed answer: their own timeout fires when it would on a slow network, a delay within
it is just waited for, the other connections of the same event loop go on, and nobody burns CPU meanwhile."""
import json
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

FETCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients", "fetch.py")
CLIENTS = ("socket", "urllib", "requests", "httpx", "aiohttp", "asyncio")
LOOPS = ("aiohttp", "asyncio")
DIRECT = {"http_proxy": None, "HTTP_PROXY": None, "no_proxy": "*"}

peer, healthy = HttpPeer(), HttpPeer()


def fetch(client, fault, timeout, *more, trace=None):
    r = shock(f"to=127.0.0.1:{peer.port} {fault}", PYTHON, FETCH, client, peer.url(), timeout, *more, trace=trace, env=DIRECT)
    try:
        return json.loads(r.out), r
    except ValueError:
        diag(r)
        return {"outcome": "no output", "seconds": None, "cpu": None, "healthy": None, "healthy_count": 0, "status": None}, r


for client in CLIENTS:
    got, r = fetch(client, "delay=2s", 0.5)
    is_(got["outcome"], "timeout", f"{client}: a_delay_of_2_s_ends_in_its_timeout_of_0_5_s", r)
    near(got["seconds"], 0.5, 0.2, f"{client}: the_timeout_fires_at_0_5_s")
    rows = r.rows("SELECT outcome, fault_id FROM exchange WHERE role = 'client'")
    is_(rows, [{"outcome": "indeterminate", "fault_id": 1}], f"{client}: the_run_file_calls_it_indeterminate", r)

    got, r = fetch(client, "delay=300ms", 0.5)
    is_((got["outcome"], got["status"]), ("ok", 200), f"{client}: a_delay_of_0_3_s_is_waited_for", r)
    within(got["seconds"], 0.3, 0.6, f"{client}: it_takes_0_3_s_and_the_real_time")
    achieved = r.one("SELECT (achieved_ns - intended_ns) / 1e6 FROM injection")
    within(achieved, 0, 50, f"{client}: the_achieved_delay_is_recorded_and_near_the_intended_one", r)

    got, r = fetch(client, "delay=10s", 2)
    ok(got["cpu"] is not None and got["cpu"] < 0.05 * got["seconds"], f"{client}: waiting_2_s_takes_less_than_5_percent_CPU", got)

for client in LOOPS:
    for fault, timeout, outcome in (("delay=2s", 1, "timeout"), ("delay=600ms", 2, "ok"), ("hang=response", 1, "timeout")):
        got, r = fetch(client, fault, timeout, healthy.url())
        is_(got["outcome"], outcome, f"{client}: {fault.replace('=', '_')}_beside_a_healthy_connection", r)
        ok(got["healthy"] is not None and got["healthy"] < 0.25 and got["healthy_count"] >= 8,
           f"{client}: the_healthy_connection_of_the_same_loop_keeps_its_latency_under_{fault.replace('=', '_')}", got)

# with the kernel's witness beside it, the same exchange is stored once
got, r = fetch("requests", "delay=300ms", 2, trace="auto")
is_(got["outcome"], "ok", "requests: works_with_both_witnesses", r)
is_(len(r.rows("SELECT 1 FROM exchange WHERE role = 'client'")), 1, "an_exchange_seen_by_both_witnesses_is_stored_once", r.rows("SELECT * FROM exchange"))

for client in CLIENTS:
    got, r = fetch(client, "refuse=true", 2)
    ok(got["outcome"] in ("ConnectionRefusedError", "URLError", "ConnectionError", "ConnectError", "ClientConnectorError"),
       f"{client}: refuse_is_a_refused_connection", got)
    got, r = fetch(client, "reset=response", 2)
    ok(got["outcome"] in ("ConnectionResetError", "ConnectionError", "ReadError", "ClientOSError", "URLError"),
       f"{client}: reset_is_a_reset_connection", got)
    got, r = fetch(client, "status=429", 2)
    ok(got["status"] == 429 or got["outcome"] == "HTTPError", f"{client}: status_429_is_an_answer", got)
done()

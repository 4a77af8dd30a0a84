#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What one core does for the demo service on a route that only answers (`make bench-demo-service`): wrk on another core keeps it busy.

For each number of connections: requests a second (the median of ROUNDS, and their range) and the CPU time of the service for each.
Goal: 20,000 a second on one core, whatever wrk and the rest of the machine leave of it; so 50 us of CPU time are the most.
Environment: SECONDS (of each run, default 3), ROUNDS (default 3).
"""
import os
import re
import resource
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "demos"))
import lab as demo  # noqa: E402
from bench import ROUNDS, cpu_so_far, median, say_where, spread, table  # noqa: E402
from scratch import run, tmpdir  # noqa: E402
from shock import BUILD  # noqa: E402

SECONDS = max(1, round(float(os.environ.get("SECONDS", 3))))
CORES = sorted(os.sched_getaffinity(0))
CONFIG = {"name": "hello", "listen": "127.0.0.1:0", "routes": [{"path": "/", "steps": [{"answer": 200, "body": "hello"}]}]}
RATE, CPU_US = 20000, 50


def once(service, connections):
    """Requests a second, and CPU us of the service for each."""
    before = cpu_so_far(service.pid)
    out = run(["taskset", "-c", CORES[0], "wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--timeout", "10s", service.url("/")]).out
    used = cpu_so_far(service.pid) - before
    if "Non-2xx" in out or "Socket errors" in out:
        raise RuntimeError(f"not all were answered:\n{out}")
    requests = int(re.search(r"(\d+) requests in", out).group(1))
    return float(re.search(r"Requests/sec: +([\d.]+)", out).group(1)), 1e6 * used / requests


say_where()
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)  # wrk does not raise its own
with demo.Lab(BUILD, tmpdir()) as lab:
    hello, rows, raw = lab.service(CONFIG, ["taskset", "-c", str(CORES[-1])]), [], []
    for connections in (16, 256, 2000):
        runs = [once(hello, connections) for _ in range(ROUNDS)]
        rate, cost = median([r for r, _ in runs]), median([c for _, c in runs])
        verdict = "met" if rate >= RATE and cost <= CPU_US else f"missed by {max(0, RATE - rate):,.0f}/s, {max(0, cost - CPU_US):.1f} us"
        rows.append([connections, f"{rate:,.0f}", spread([r for r, _ in runs], "{:,.0f}"), f"{cost:.1f}", verdict])
        raw.append((connections, runs))
    table(["connections", "requests/s", "range", "CPU us each", f"goal: {RATE:,}/s, {CPU_US} us"], rows)
    for connections, runs in raw:
        print(f"raw {connections}: [requests per second, CPU us per request]", runs)

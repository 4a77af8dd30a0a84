#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The load generator of the demos beside wrk and hey, each on one core, nginx (one worker) on another (`make bench-demo-load`).

Closed loop: who keeps the server busiest, and at what cost in CPU time; a generator can do no more than a second of CPU holds
("room for"). hey leaves its connections to four threads here; wrk does less with each answer than the others.
One rate: the latencies that each sees when nothing is wrong, all in ms. hey holds the rate by making each of its workers pause.
A stall: the server stops for a second, once, in the middle of the run. Whoever waits for an answer before asking again asks
nothing meanwhile, and so sees the stall once for each connection, as if all others had been well; wrk makes up afterwards what
it believes it missed.
Environment: SECONDS (of each run, default 3), ROUNDS (default 3: the median of each figure).
"""
import csv
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bench import cpu_of, median, say_where, table  # noqa: E402
from peers import Nginx  # noqa: E402
from scratch import spawn  # noqa: E402
from shock import BUILD  # noqa: E402

LOAD = os.path.join(BUILD, "demos", "load", "load")
SECONDS = float(os.environ.get("SECONDS", 3))
ROUNDS = int(os.environ.get("ROUNDS", 3))
CORES = sorted(os.sched_getaffinity(0))
CONNECTIONS, RATE, STALL_RATE, HIGH_RATE = 50, 2000, 200, 30000
SHARES = (0.5, 0.95, 0.99, 1)


def percentiles(latencies_ms):
    ordered = sorted(latencies_ms)
    return [ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))] for share in SHARES] if ordered else [0] * len(SHARES)


class Run:
    """How one run of a generator went: requests, seconds, CPU us a request, latencies (ms: p50, p95, p99, most); late: share (ours only)."""

    def __init__(self, requests, seconds, cpu_s, latencies, late=None):
        self.rate, self.cpu_us, self.latencies, self.late = requests / seconds, 1e6 * cpu_s / max(1, requests), latencies, late


def measured(argv, during=None):
    """Runs a generator on the first core; its output and CPU seconds."""
    child = spawn(["taskset", "-c", str(CORES[0]), *argv], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={"GOMAXPROCS": "4"})
    helper = threading.Thread(target=during or (lambda: None))
    helper.start()
    out = child.stdout.read().decode()
    helper.join()
    return out, cpu_of(child)


def ours(url, *words, during=None):
    out, cpu_s = measured([LOAD, "--json", "-q", *words, url], during)
    got = json.loads(out)
    if got["ok"] != got["requests"] or not got["requests"]:
        raise RuntimeError(f"load: {got['requests']} requests, {got['ok']} ok")
    return Run(got["requests"], got["elapsed_ms"] / 1000, cpu_s, [got["latency_ms"][p] for p in ("p50", "p95", "p99", "max")], got["late"] / got["requests"])


def hey(url, *words, during=None):
    """It says nothing of a request but its time and when it began; without -o it keeps only a sample."""
    out, cpu_s = measured(["hey", "-o", "csv", *words, url], during)
    rows = list(csv.DictReader(io.StringIO(out)))
    ends = [float(r["offset"]) + float(r["response-time"]) for r in rows]
    return Run(len(rows), max(ends), cpu_s, percentiles([1000 * float(r["response-time"]) for r in rows]))


PERCENTILES_OF_WRK = """done = function(summary, latency, requests)
    io.write(string.format("%d %d", summary.requests, summary.duration))
    for _, p in ipairs({50, 95, 99}) do io.write(string.format(" %d", latency:percentile(p))) end
    io.write(string.format(" %d\\n", latency.max))
end
"""


def wrk(url, *words, during=None):
    script = os.path.join(nginx.directory, "percentiles.lua")
    with open(script, "w", encoding="utf-8") as f:
        f.write(PERCENTILES_OF_WRK)
    out, cpu_s = measured(["wrk", "-t1", "-s", script, *words, url], during)
    requests, us, *latencies = map(int, out.splitlines()[-1].split())
    return Run(requests, us / 1e6, cpu_s, [v / 1000 for v in latencies])


def rounds(*ways):
    """Each way in turn, ROUNDS times; the runs of each."""
    runs = [[] for _ in ways]
    for _ in range(ROUNDS):
        for i, way in enumerate(ways):
            runs[i].append(way())
    return runs


def of(runs, figure):
    return median([figure(r) for r in runs])


def latency_cells(runs):
    return [f"{of(runs, lambda r, i=i: r.latencies[i]):.2f}" for i in range(len(SHARES))]


def closed(url):
    seconds, connections = f"{SECONDS:g}", str(CONNECTIONS)
    names = ("load", "wrk", "hey")
    runs = rounds(lambda: ours(url, "-c", connections, "--duration", seconds), lambda: wrk(url, "-c", connections, "-d", f"{max(1, round(SECONDS))}s"),
                  lambda: hey(url, "-c", connections, "-z", f"{seconds}s"))
    table([f"closed loop, {CONNECTIONS} connections", "requests/s", "CPU us each", "room for /s", "p50 ms", "p95", "p99", "most"],
          [[name, f"{of(r, lambda x: x.rate):,.0f}", f"{of(r, lambda x: x.cpu_us):.1f}", f"{1e6 / of(r, lambda x: x.cpu_us):,.0f}", *latency_cells(r)]
           for name, r in zip(names, runs)])


def one_rate(url):
    seconds, workers = f"{SECONDS:g}", 20
    runs = rounds(lambda: ours(url, "--rate", str(RATE), "--duration", seconds),
                  lambda: ours(url, "--rate", str(RATE), "--duration", seconds, "--arrivals", "poisson"),
                  lambda: hey(url, "-c", str(workers), "-q", str(RATE // workers), "-z", f"{seconds}s"),
                  lambda: ours(url, "--rate", str(HIGH_RATE), "--duration", seconds, "-c", "100"))
    names = (f"load --rate {RATE}", f"load --rate {RATE}, poisson", f"hey -c {workers} -q {RATE // workers}", f"load --rate {HIGH_RATE}")
    table(["one rate", "requests/s", "CPU us each", "late", "p50 ms", "p95", "p99", "most"],
          [[name, f"{of(r, lambda x: x.rate):,.0f}", f"{of(r, lambda x: x.cpu_us):.1f}", "-" if r[0].late is None else f"{100 * of(r, lambda x: x.late):.1f} %",
            *latency_cells(r)] for name, r in zip(names, runs)])


def stall(worker):
    """Stops the server's worker for a second in the middle of a run."""
    time.sleep(SECONDS / 2)
    os.kill(worker, signal.SIGSTOP)
    try:
        time.sleep(1)
    finally:
        os.kill(worker, signal.SIGCONT)


def one_stall(url, worker):
    seconds, rate = f"{SECONDS + 1:g}", str(STALL_RATE)
    halt = lambda: stall(worker)  # noqa: E731
    runs = rounds(lambda: ours(url, "--rate", rate, "--duration", seconds, during=halt),
                  lambda: ours(url, "-c", "4", "--duration", seconds, during=halt),
                  lambda: wrk(url, "-c", "4", "-d", f"{round(SECONDS + 1)}s", during=halt),
                  lambda: hey(url, "-c", "4", "-q", str(STALL_RATE // 4), "-z", f"{seconds}s", during=halt))
    names = (f"load --rate {rate} (open)", "load -c 4 (closed)", "wrk -c 4 (closed)", f"hey -c 4 -q {STALL_RATE // 4} (closed)")
    table(["server stops for 1 s, once", "requests/s", "p50 ms", "p95", "p99", "most"],
          [[name, f"{of(r, lambda x: x.rate):,.0f}", *latency_cells(r)] for name, r in zip(names, runs)])


def worker_of(nginx_pid):
    with open(f"/proc/{nginx_pid}/task/{nginx_pid}/children", encoding="utf-8") as f:
        return int(f.read().split()[0])


say_where()
nginx = Nginx(http="access_log off;", under=("taskset", "-c", str(CORES[-1])))
closed(nginx.url())
one_rate(nginx.url())
one_stall(nginx.url(), worker_of(nginx.process.pid))
nginx.stop()

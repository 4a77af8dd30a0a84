#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What it costs to be traced, against nothing and against other tools that look from outside (`make bench-trace`).

Three workloads; the server is what is traced, and has a core of its own, as has its client. The tracer takes what it needs from both:
  nginx    saturated: one worker serves a file of 615 bytes; wrk, one thread, 16 connections. Rate
  redis    saturated: a redis-server; redis-benchmark, GET, 50 connections. Rate
  fixed    nginx at RATE requests per second (20,000), from an open loop on 32 connections: time from due to answered. p50 and p99

Ways: tracing something else (an idle process), tracing the server with every exchange in the run file, and for comparison a bpftrace
histogram of the same system calls, `perf trace` and `strace -c`, of the server as well.
For each: its figure as a share of that without (pairings A B B A, medians and range of ROUNDS, of other tools half as many); "exchanges"
says how many rows of the server the run file has for each request that its client counted, "lost" what the tracer lost, "memory" the
most that it had resident. Raw figures follow. Environment: ROUNDS, SECONDS (of each run, default 3), RATE, WORK and WAYS (names, by blanks).
"""
import json
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bench import ROUNDS, SECONDS, chosen, median, say_where, spread, table  # noqa: E402
from peers import Redis  # noqa: E402
from scratch import free_port, line_of, listening, run, spawn, stop, tmpdir, wait_for  # noqa: E402
from shock import BIN, BUILD, Run  # noqa: E402

RATE = int(os.environ.get("RATE", 20000))
RATE_TOOL = os.path.join(BUILD, "tests", "bench", "rate")
DIRECTORY = tmpdir()
RUN_FILE = os.path.join(DIRECTORY, "trace.db")
CALLS = ("read write readv writev sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg sendfile64 splice connect accept accept4 shutdown "
         "close").split()
GOALS = {("nginx", "other"): 0.97, ("redis", "other"): 0.97, ("nginx", "all"): 0.78, ("redis", "all"): 0.78}
P99_GOAL = 1.10


def histogram(pids):
    """The bpftrace program: a histogram of the same calls of these processes."""
    mine = " || ".join(f"pid == {pid}" for pid in pids)
    enter = ",".join(f"tracepoint:syscalls:sys_enter_{name}" for name in CALLS)
    leave = ",".join(f"tracepoint:syscalls:sys_exit_{name}" for name in CALLS)
    return (f"BEGIN {{ printf(\"ready\\n\"); }} {enter} /{mine}/ {{ @began[tid] = nsecs; }} "
            f"{leave} /@began[tid]/ {{ @ns[probe] = hist(nsecs - @began[tid]); delete(@began[tid]); }}")


class Tool:
    """A tracer at work on processes, until end()."""

    def __init__(self, argv, ready):
        self.process = spawn(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0)
        if ready == "pause":  # it does not say
            time.sleep(1)
        elif not any(ready in line_of(self.process, 30) for _ in range(8)):
            raise RuntimeError(f"{argv[0]} does not begin")

    def memory_mb(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            return int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1)) / 1024

    def end(self):
        memory = self.memory_mb()
        self.process.send_signal(signal.SIGINT)
        self.process.stdout.read()
        self.process.wait(60)
        return memory


def trace(pids):
    return Tool([BIN, "trace", "-o", RUN_FILE, *[word for pid in pids for word in ("--pid", pid)]], "recording")


def comma(pids):
    return ",".join(str(pid) for pid in pids)


# name: (what it is, starts it on a list of processes)
WAYS = {
    "other": ("aftershock trace, of something else", lambda pids: trace([IDLE.pid])),
    "all": ("aftershock trace, every exchange in the run file", trace),
    "bpftrace": ("bpftrace, a histogram of the same calls", lambda pids: Tool(["bpftrace", "-q", "-e", histogram(pids)], "ready")),
    "perf": ("perf trace", lambda pids: Tool(["perf", "trace", "-o", "/dev/null", "-p", comma(pids)], "pause")),
    "strace": ("strace -c", lambda pids: Tool(["strace", "-c", "-f", "-o", "/dev/null", "-p", comma(pids)], "attached")),
}
OURS = ("other", "all")


def on(core, *argv):
    return ["taskset", "-c", core, *argv]


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(child) for child in f.read().split()]


class Nginx:
    def __init__(self):
        self.port, config = free_port(), os.path.join(DIRECTORY, "bench.conf")
        with open(os.path.join(DIRECTORY, "index.html"), "w") as f:
            f.write("x" * 614 + "\n")  # as long as the page that comes with nginx
        with open(config, "w") as f:
            f.write(f"{'user root;' if os.getuid() == 0 else ''} daemon off; worker_processes 1; pid {DIRECTORY}/bench.pid; error_log {DIRECTORY}/error.log;\n"
                    "events {}\nhttp { access_log off; keepalive_requests 100000000;\n"
                    f"server {{ listen 127.0.0.1:{self.port}; root {DIRECTORY}; }} }}\n")
        self.process = spawn(on(os.cpu_count() - 1, "nginx", "-p", DIRECTORY, "-e", "error.log", "-c", config))
        if not wait_for(lambda: listening(self.port)):
            raise RuntimeError("nginx does not start")
        self.pids = [self.process.pid, *children(self.process.pid)]


class NginxWork(Nginx):
    """Figure: requests per second; more is better."""

    def run(self):
        result = run(on(0, "wrk", "-t1", "-c16", f"-d{max(1, round(SECONDS))}", f"http://127.0.0.1:{self.port}/"))
        done = re.search(r"(\d+) requests in ([\d.]+)(s|m)", result.out)
        return {"figure": int(done.group(1)) / float(done.group(2)), "requests": int(done.group(1))}


class RedisWork:
    """Figure: GETs per second."""

    def __init__(self):
        self.server = Redis(under=on(os.cpu_count() - 1))
        self.pids, self.units = [self.server.process.pid], 0

    def ask(self, units):
        result = run(on(0, "redis-benchmark", "-p", self.server.port, "-c", 50, "-n", units, "-t", "get", "--csv"))
        return float(re.search(r'"GET","([\d.]+)"', result.out).group(1))

    def run(self):
        self.units = self.units or max(500, int(self.ask(2000) * SECONDS))
        return {"figure": self.ask(self.units), "requests": self.units}


class FixedWork(Nginx):
    """Figure: the 99th percentile in microseconds; less is better."""

    def run(self):
        result = run(on(0, RATE_TOOL, self.port, RATE, max(1, SECONDS), 32))
        if result.rc:
            raise RuntimeError(str(result))
        answered, seconds, p50, p90, p99, p999, worst, late = (float(word) for word in result.out.split())
        return {"figure": p99, "requests": int(answered), "p50": p50, "p99.9": p999, "max": worst, "late": int(late), "rate": answered / seconds}


WORK = {"nginx": NginxWork, "redis": RedisWork, "fixed": FixedWork}


def run_under(work, way):
    tool = WAYS[way][1](work.pids)
    try:
        outcome = work.run()
    finally:
        outcome_memory = tool.end()
    outcome["memory_mb"] = round(outcome_memory, 1)
    if way == "all":
        recorded = Run(RUN_FILE)
        outcome["rows"] = recorded.one("SELECT count(*) FROM exchange WHERE role = 'server' AND outcome = 'ok'")
    if way in OURS:
        outcome["lost"] = Run(RUN_FILE).one("SELECT coalesce(sum(count), 0) FROM loss")
    return outcome


def pairing(work, way):
    a, b, c, d = work.run(), run_under(work, way), run_under(work, way), work.run()
    return {"plain": [a, d], "with": [b, c], "share": (b["figure"] + c["figure"]) / (a["figure"] + d["figure"])}


def verdict(name, way, share):
    if name == "fixed":
        return "-" if way not in OURS else f"<= {P99_GOAL} " + ("met" if share <= P99_GOAL else f"missed by {share - P99_GOAL:.3f}")
    goal = GOALS.get((name, way))
    return "-" if not goal else f">= {goal} " + ("met" if share >= goal else f"missed by {goal - share:.3f}")


def measure(name, ways):
    work, rows, raw = WORK[name](), [], []
    work.run()  # warms up
    for way in ways:
        pairs = [pairing(work, way) for _ in range(ROUNDS if way in OURS else max(1, ROUNDS // 2))]
        plain = [f for p in pairs for f in p["plain"]]
        other = [f for p in pairs for f in p["with"]]
        shares = [p["share"] for p in pairs]
        counted = [f["rows"] / f["requests"] for f in other if "rows" in f]
        rows.append([WAYS[way][0], f"{median([f['figure'] for f in plain]):,.0f}", f"{median([f['figure'] for f in other]):,.0f}",
                     f"{median(shares):.3f}", spread(shares), f"{median(counted):.5f}" if counted else "-",
                     sum(f["lost"] for f in other) if way in OURS else "-",
                     f"{max(f['memory_mb'] for f in other):.0f} MB", verdict(name, way, median(shares))])
        raw.append({"work": name, "way": way, "pairings": pairs})
    unit = f"{name}, p99 us" if name == "fixed" else f"{name}, per second"
    table([unit, "without", "with", "share", "range", "exchanges", "lost", "memory", "goal"], rows)
    sys.stdout.flush()
    return raw


def main():
    say_where()
    print(f"medians of {ROUNDS} pairings A B B A, {SECONDS:g} s a run\n")
    raw = [line for name in chosen("WORK", WORK) for line in measure(name, chosen("WAYS", WAYS))]
    print("raw, one line a row above")
    for line in raw:
        print(json.dumps(line))


IDLE = spawn(["sleep", "1800"])
main()

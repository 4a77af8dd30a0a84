#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the library costs, against nothing and against other tools (`make bench-preload`).

Three workloads, each without any tool and with each of WAYS; the program that is named first is the one under the tool:
  nginx            one worker serves a file of 615 bytes; wrk, one thread, 16 connections
  nginx-memory     the same, but the answer is in the configuration: the least that a server can do, so the worst case
  redis-benchmark  GET, 50 connections, a redis-server without tool
  pair             32 bytes sent and received on a Unix stream connection, to and fro in one thread

Program and load generator have a core each, of which the recorder takes what it needs: on two cores all is saturated.
For each way: the rate as a share of the plain one (median of ROUNDS pairings A B B A, half as many for other tools, and
their range), and the CPU time per unit of work of the program with its tool (the recorder, the tracer, the proxy; not of
the other side), which noise changes less; "lost" is what the recorder counted as lost. The raw figures follow.
Environment: ROUNDS, SECONDS (of each run, default 3), WORK and WAYS (names, separated by blanks).
"""
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bench import ROUNDS, SECONDS, Figures, chosen, cpu, cpu_of, cpu_so_far, median, paired, ratios, say_where, spread, table  # noqa: E402
from peers import Redis  # noqa: E402
from scratch import free_port, listening, run, spawn, stop, tmpdir, wait_for  # noqa: E402
from shock import BIN, BUILD, Run  # noqa: E402

PAIR = os.path.join(BUILD, "tests", "bench", "pair")
DIRECTORY = tmpdir()
RUN_FILE = os.path.join(DIRECTORY, "run.db")
NOBODY = "to=127.0.0.99:9 delay=1ms probability=0"
BYTES_CALLS = "trace=read,write,readv,writev,sendto,recvfrom,sendmsg,recvmsg,connect,accept,accept4"


def under(*options):
    return [BIN, "run", "-o", RUN_FILE, *options, "--"]


# name: (what it is, its command line before the program's; "proxy" is in the path instead)
WAYS = {
    "off": ("a plan that matches nothing, --trace off", under("--trace", "off", "--fault", NOBODY)),
    "shim": ("every exchange tracked and journalled, --trace shim", under("--trace", "shim")),
    "gate": ("the same, and a fault that could hit each of them",
             under("--trace", "shim", "--fault", "to=* status=503 probability=0", "--fault", "at=* status=503 probability=0")),
    "libfiu": ("libfiu's preload, one failure point enabled that is never met",
               ["fiu-run", "-x", "-f", "", "-c", "enable name=posix/io/net/nothing"]),
    "proxy": ("HAProxy in the path", None),
    "strace": ("strace of the calls that carry bytes", ["strace", "-f", "-qq", "-o", "/dev/null", "-e", BYTES_CALLS]),
}
OURS = ("off", "shim", "gate")
GOALS = {"off": 0.99, "shim": 0.95}
PAIR_GOALS = {"off": 0.97}


class Proxy:
    """A HAProxy with one thread between `front` and `back` (addresses as its configuration has them)."""

    def __init__(self, mode, front, back, ready):
        if front.startswith("unix@") and os.path.exists(front[5:]):
            os.unlink(front[5:])  # of the last one
        config = os.path.join(DIRECTORY, "haproxy.cfg")
        with open(config, "w") as f:
            f.write("global\n nbthread 1\ndefaults\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n"
                    f"listen between\n mode {mode}\n bind {front}\n server one {back}\n")
        self.process = spawn(["haproxy", "-q", "-db", "-f", config])
        if not wait_for(ready):
            raise RuntimeError("haproxy does not start")

    def end(self):
        """Its CPU seconds."""
        used = cpu_so_far(self.process.pid)
        stop(self.process)
        return used


def command(way, *argv):
    """A program on the last core, under the tool of this way (none for None and a proxy)."""
    return [*(WAYS[way][1] or () if way else ()), "taskset", "-c", os.cpu_count() - 1, *argv]


class NginxWork:
    """A unit is a request."""

    def __init__(self, location=f"root {DIRECTORY};"):
        self.config, self.location = os.path.join(DIRECTORY, "bench.conf"), location
        with open(os.path.join(DIRECTORY, "index.html"), "w") as f:
            f.write("x" * 614 + "\n")  # as long as the page that comes with nginx

    def run(self, way):
        port, front = free_port(), free_port()
        with open(self.config, "w") as f:
            f.write(f"{'user root;' if os.getuid() == 0 else ''} daemon off; worker_processes 1; pid {DIRECTORY}/bench.pid; error_log {DIRECTORY}/error.log;\n"
                    "events {}\nhttp { access_log off; keepalive_requests 100000000;\n"
                    f"server {{ listen 127.0.0.1:{port}; location / {{ {self.location} }} }} }}\n")
        server = spawn(command(way, "nginx", "-p", DIRECTORY, "-e", "error.log", "-c", self.config))
        if not wait_for(lambda: listening(port)):
            raise RuntimeError(f"nginx does not start under {way}")
        proxy = way == "proxy" and Proxy("http", f"127.0.0.1:{front}", f"127.0.0.1:{port}", lambda: listening(front))
        result = run(["taskset", "-c", "0", "wrk", "-t1", "-c16", f"-d{max(1, round(SECONDS))}", f"http://127.0.0.1:{front if proxy else port}/"])
        used = proxy.end() if proxy else 0
        with open(f"{DIRECTORY}/bench.pid") as f:
            os.kill(int(f.read()), 3)  # SIGQUIT to nginx itself
        used += cpu_of(server)
        done = re.search(r"(\d+) requests in ([\d.]+)(s|m)", result.out)
        return Figures(int(done.group(1)), float(done.group(2)), used)


class RedisWork:
    """A unit is a GET."""

    def __init__(self):
        self.server, self.units = Redis(under=["taskset", "-c", "0"]), {}

    def ask(self, way, port, units):
        child = spawn(command(way, "redis-benchmark", "-p", port, "-c", 50, "-n", units, "-t", "get", "--csv"),
                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        out = child.stdout.read().decode()  # to the end: it has ended
        used = cpu_of(child)
        rate = float(re.search(r'"GET","([\d.]+)"', out).group(1))
        return Figures(units, units / rate, used)

    def run(self, way):
        front = free_port()
        proxy = way == "proxy" and Proxy("tcp", f"127.0.0.1:{front}", f"127.0.0.1:{self.server.port}", lambda: listening(front))
        port = front if proxy else self.server.port
        if way not in self.units:  # as many as last for SECONDS
            self.units[way] = max(500, int(self.ask(way, port, 2000).rate * SECONDS))
        figures = self.ask(way, port, self.units[way])
        if proxy:
            figures.cpu_us += 1e6 * proxy.end() / self.units[way]
        return figures


class PairWork:
    """A unit is a send and a receive of 32 bytes."""

    def run(self, way):
        back, front = os.path.join(DIRECTORY, "pair.back"), os.path.join(DIRECTORY, "pair.front")
        proxy = way == "proxy" and Proxy("tcp", f"unix@{front}", f"unix@{back}", lambda: os.path.exists(front))
        child = spawn(command(way, PAIR, SECONDS / 2, back, front if proxy else back), stdout=subprocess.PIPE,
                      stderr=subprocess.DEVNULL)
        pairs, seconds = child.stdout.read().split()
        used = cpu_of(child) + (proxy.end() if proxy else 0)
        return Figures(int(pairs), float(seconds), used)


WORK = {"nginx": NginxWork, "nginx-memory": lambda: NginxWork("return 200 'the real page\\n';"),
        "redis-benchmark": RedisWork, "pair": PairWork}


def lost():
    """What the last run of ours could not record."""
    return Run(RUN_FILE).one("SELECT coalesce(sum(count), 0) FROM loss")


def run_once(work, way, losses):
    figures = work.run(way)
    if way in OURS:
        losses.append(lost())
    return figures


def verdict(work, way, ratio):
    goal = (PAIR_GOALS if work == "pair" else GOALS).get(way)
    if not goal:
        return "-"
    return f">= {goal} met" if ratio >= goal else f">= {goal} missed by {goal - ratio:.3f}"


def measure(name, ways):
    """Prints the table of one workload; returns its raw figures."""
    work, rows, raw = WORK[name](), [], []
    work.run(None)  # warms up
    for way in ways:
        losses = []
        quads = paired(lambda: work.run(None), lambda: run_once(work, way, losses), ROUNDS if way in OURS else max(1, ROUNDS // 2))
        shares = ratios(quads)
        plain = [f for q in quads for f in q[:2]]
        other = [f for q in quads for f in q[2:]]
        rows.append([WAYS[way][0], f"{median([f.rate for f in plain]):,.0f}", f"{median([f.rate for f in other]):,.0f}",
                     f"{median(shares):.3f}", spread(shares), cpu(plain), cpu(other), sum(losses) if losses else "-", verdict(name, way, median(shares))])
        raw.append({"work": name, "way": way, "plain": [[round(f.rate, 1), f.cpu_us] for f in plain],
                    "with": [[round(f.rate, 1), f.cpu_us] for f in other], "ratios": shares, "lost": losses})
    table([name, "plain/s", "with/s", "ratio", "range", "CPU us plain", "with", "lost", "goal"], rows)
    sys.stdout.flush()
    return raw


def main():
    say_where()
    print(f"medians of {ROUNDS} pairings A B B A, {SECONDS:g} s a run; a unit is a request (nginx), a GET (redis-benchmark), a pair\n")
    raw = [line for name in chosen("WORK", WORK) for line in measure(name, chosen("WAYS", WAYS))]
    print("raw, one line a row above: [rate per second, CPU us per unit] of each run")
    for line in raw:
        print(json.dumps(line))


main()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How far delays are from what was asked for (`make bench-accuracy`).

A C client (held.c) that waits in recv (a thread per connection), in poll or in epoll keeps 1, 10, 100 and 1000 answers held at
once. "recorded" is achieved less intended, as the run file has it for each injection. "seen" is what the program measured:
from its question to its answer, less the delay. "slow peer" is the same client with a peer that really answers so much
later, without aftershock: what this machine does to a program in any case (a goal that is missed there too says nothing about
us). All in ms; the delay is longer where more connections are held, so that answers come no faster than a few thousand a second.
Environment: SECONDS (of each run, default 3), HELD and MODES (separated by blanks), RUNS (default 3: the median of each figure).
"""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bench import median, say_where, table  # noqa: E402
from scratch import line_of, run, spawn, stop  # noqa: E402
from shock import BUILD, shock  # noqa: E402

HELD = os.path.join(BUILD, "tests", "bench", "held")
SECONDS = float(os.environ.get("SECONDS", 3))
RUNS = int(os.environ.get("RUNS", 3))
DELAY_MS = {1: 5, 10: 20, 100: 50, 1000: 250}  # by connections held
GOAL_MS = {1: 0.5, 10: 0.5, 100: 0.5, 1000: 2.0}  # of the 99th percentile


class Server:
    """The other end, in a process of its own."""

    def __init__(self, delay_ms):
        self.process = spawn([HELD, "serve", delay_ms], stdout=subprocess.PIPE, bufsize=0)
        self.port = line_of(self.process).strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        stop(self.process)


def client(mode, count, port):
    return [HELD, mode, str(count), str(SECONDS), str(DELAY_MS[count]), port]


def percentiles(values):
    """The 50th, the 99th and the most; of microseconds, in ms."""
    values = sorted(values)
    return [values[min(len(values) - 1, int(len(values) * p))] / 1000 for p in (0.5, 0.99, 1)]


def seen(result):
    if result.rc:
        raise RuntimeError(f"the client failed: {result}")
    return [int(line) for line in result.out.split()]


def once(mode, count):
    """(recorded, seen, slow peer), each p50, p99, most; and how many answers."""
    with Server(0) as server:
        r = shock(f"to=127.0.0.1:{server.port} delay={DELAY_MS[count]}ms", *client(mode, count, server.port), trace="shim", timeout=120)
        recorded = [row["us"] for row in
                    r.rows("SELECT (achieved_ns - intended_ns) / 1000.0 AS us FROM injection WHERE achieved_ns IS NOT NULL")]
        with_us = seen(r)
    with Server(DELAY_MS[count]) as server:
        slow = seen(run(client(mode, count, server.port), timeout=120))
    return percentiles(recorded), percentiles(with_us), percentiles(slow), len(recorded)


def row_of(mode, count):
    runs = [once(mode, count) for _ in range(RUNS)]
    figures = [[median([r[kind][i] for r in runs]) for i in range(3)] for kind in range(3)]
    p99, goal = figures[0][1], GOAL_MS[count]
    verdict = f"<= {goal} met" if p99 <= goal else f"<= {goal} missed by {p99 - goal:.2f}"
    if p99 > goal and figures[2][1] > goal:
        verdict += ", by a slow peer too"
    return [f"{mode}, {count} held", DELAY_MS[count], sum(r[3] for r in runs),
            *(f"{v:.3f}" for kind in figures for v in kind), verdict]


def main():
    say_where()
    head = ["ms", "delay", "answers", *(f"{kind} {p}" for kind in ("recorded", "seen", "slow peer") for p in ("p50", "p99", "max"))]
    counts = [int(n) for n in os.environ.get("HELD", "1 10 100 1000").split()]
    modes = os.environ.get("MODES", "blocking poll epoll").split()
    table([*head, "goal (recorded p99)"], [row_of(mode, count) for mode in modes for count in counts])


main()

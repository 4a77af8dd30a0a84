#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How long a report takes, beside a bare scan of the same table (`make bench-analyzer`).

Run files of SIZES exchanges (100000, 1000000 and 10000000) are made by tests/bench/synth.c in a temporary directory (0.12 GB for a million).
For each: `aftershock report --format json`, and a scan that asks SQLite for all columns of the same rows and adds them up; alternating,
ROUNDS times, the file in the page cache. Medians, the ratio, the most memory that the report had, and how much longer a row takes than in
the smallest file.
Environment: SIZES, ROUNDS.
"""
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bench import ROUNDS, median, say_where, spread, table  # noqa: E402
from scratch import tmpdir  # noqa: E402
from shock import BIN, BUILD  # noqa: E402

SIZES = [int(n) for n in os.environ.get("SIZES", "100000 1000000 10000000").split()]
SYNTH = os.path.join(BUILD, "tests", "bench", "synth")
GOAL_RATIO, GOAL_SECONDS, GOAL_MB = 2.5, 6.0, 300


def timed(argv):
    """Seconds and the most memory (MB) of a program whose output is thrown away."""
    began = time.monotonic()
    child = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{' '.join(argv)}: status {child.returncode}")
    return time.monotonic() - began, usage.ru_maxrss / 1024


def check(path, size):
    """The report must be of all rows: half of what is not asked of front is seen by both ends."""
    report = json.loads(subprocess.run([BIN, "report", path, "--format", "json"], check=True, capture_output=True).stdout)
    calls = sum(e["attempts"] for e in report["edges"])
    served = sum(s["requests"] for s in report["services"] if s["name"] == "back")
    if not size <= calls + served <= size + 8:
        raise RuntimeError(f"{path}: the report speaks of {calls} and {served} exchanges of {size}")


def measure(size, directory):
    path = os.path.join(directory, f"{size}.db")
    subprocess.run([SYNTH, path, str(size)], check=True, stderr=subprocess.DEVNULL)
    check(path, size)
    rounds = [(timed([SYNTH, "--scan", path]), timed([BIN, "report", path, "--format", "json"])) for _ in range(ROUNDS)]
    os.unlink(path)
    return rounds


def verdict(value, goal):
    return "met" if value <= goal else f"missed by {value - goal:.2f}"


def main():
    directory, rows, raw, first = tmpdir(), [], [], None
    for size in SIZES:
        rounds = measure(size, directory)
        scans, reports = [s for (s, _), _ in rounds], [r for _, (r, _) in rounds]
        memory = max(m for _, (_, m) in rounds)
        ratio = median([r / s for s, r in zip(scans, reports)])
        each = median(reports) / size
        first = first or each
        rows.append([f"{size:,}", f"{median(scans):.2f}", f"{median(reports):.2f}", f"{ratio:.2f}",
                     spread([r / s for s, r in zip(scans, reports)], "{:.2f}"), verdict(ratio, GOAL_RATIO), f"{memory:.0f}",
                     f"{each / first:.2f}"])
        raw.append(f"{size}: scan {' '.join(f'{s:.3f}' for s in scans)} s; report {' '.join(f'{r:.3f}' for r in reports)} s")
        if size == 10000000:
            raw.append(f"10 million: {verdict(median(reports), GOAL_SECONDS)} ({GOAL_SECONDS} s), memory {verdict(memory, GOAL_MB)} ({GOAL_MB} MB)")
    table(["exchanges", "scan s", "report s", "ratio", "range", "goal 2.5", "memory MB", "time a row"], rows)
    print("\n".join(raw))
    say_where()


main()

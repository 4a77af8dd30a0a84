# SPDX-License-Identifier: MIT
"""What the benchmarks share: one timed run of a program, pairing, figures, and the table that they print.

A benchmark compares ways of doing the same work. Each way is measured between two runs of the reference (A B B A), so that what
the rest of the machine does at that moment concerns both, and only ratios of neighbours are compared.
"""
import os
import platform
import signal
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from scratch import has_ended, wait_for  # noqa: E402

signal.alarm(1800)  # instead of the limit for tests

ROUNDS = int(os.environ.get("ROUNDS", 3))
SECONDS = float(os.environ.get("SECONDS", 3))  # shorter ones show how a run begins: the first second costs a few hundredths more


def chosen(variable, table_of):
    """The names of a table that the environment asks for (separated by blanks), in the order of the table; all of them by default."""
    return [name for name in table_of if name in os.environ.get(variable, " ".join(table_of)).split()]


class Figures:
    """One run: how much work was done, in how many seconds, with how much CPU (user and system, in seconds; None: not known)."""

    def __init__(self, work, seconds, cpu=None):
        self.rate, self.cpu_us = work / seconds, cpu and 1e6 * cpu / work


def cpu_of(child, timeout=60):
    """Waits for the end of a child of spawn(); the CPU seconds of it and of all that it waited for."""
    if not wait_for(lambda: has_ended(child), timeout):
        raise RuntimeError(f"{child.args[0]} does not end")
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


def cpu_so_far(pid):
    """CPU seconds of a process that runs on."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def paired(reference, other, rounds=ROUNDS):
    """Runs A B B A, `rounds` times; a list of (A, A, B, B)."""
    quads = []
    for _ in range(rounds):
        a, b, c, d = reference(), other(), other(), reference()
        quads.append((a, d, b, c))
    return quads


def mean(*values):
    return sum(values) / len(values)


def ratios(quads):
    """The rate of B as a share of A's, of each round."""
    return [mean(b.rate, c.rate) / mean(a.rate, d.rate) for a, d, b, c in quads]


def spread(values, form="{:.3f}"):
    return f"{form.format(min(values))}..{form.format(max(values))}"


def median(values):
    return statistics.median(values)


def cpu(figures):
    """Median CPU microseconds per unit of work, as text."""
    known = [f.cpu_us for f in figures if f.cpu_us]
    return f"{median(known):.2f}" if known else "-"


def table(head, rows):
    """Prints rows of text, the first column to the left, the others to the right."""
    widths = [max(len(str(r[i])) for r in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        print("  ".join(str(v).ljust(w) if i == 0 else str(v).rjust(w) for i, (v, w) in enumerate(zip(row, widths))).rstrip())
    print()


def _model():
    with open("/proc/cpuinfo") as f:
        return next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), platform.machine())


def say_where():
    """What the figures depend on."""
    load = os.getloadavg()
    print(f"{os.cpu_count()} cores ({_model()}), Linux {platform.release()}; load average before: {load[0]:.1f}.",
          "What else runs here shares the cores.\n")
    sys.stdout.flush()

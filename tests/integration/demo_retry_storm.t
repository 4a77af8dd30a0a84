#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The retry-storm demo in its short mode, as `make demo` runs it, and what it leaves behind; Ctrl-C; a build that is not there."""
import os
import re
import signal
import subprocess
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

DEMO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "demos", "retry-storm", "run.py")
STRATEGIES = ("naive", "backoff", "jitter")


def row(table, what):
    """The three figures of a row of the table."""
    found = re.search("^" + re.escape(what) + r"\s+(.*)$", table, re.M)
    return found.group(1).split()[:3] if found else None


out = tmpdir()
demo = run([DEMO, "--build", BUILD, "--out", out, "--short"], timeout=120)
is_(demo.rc, 0, "the_short_demo_shows_what_it_must", demo)
within(demo.seconds, 0, 60, "in_less_than_a_minute")
table = open(os.path.join(out, "table.txt"), encoding="utf-8").read() if os.path.exists(os.path.join(out, "table.txt")) else ""
ok(table and table in demo.out, "the_table_is_printed_and_kept")
is_(row(table, "amplification"), ["3.00x"] * 3, "each_strategy_comes_out_at_3_00", table)
is_(row(table, "... from users to backend"), ["3.00x"] * 3, "also_from_the_users_to_the_backend", table)
is_(row(table, "attempts"), ["30"] * 3, "each_makes_30_attempts", table)
is_(row(table, "attempts at most, inferred"), ["3"] * 3, "the_reports_find_three_attempts", table)
ok(re.search(r"^backoff, inferred +none +(linear|exponential)\b", table, re.M), "which_follow_at_once_or_wait_longer_each_time", table)
is_(row(table, "backend's own count"), ["11"] * 3, "the_backend_saw_the_healthy_requests_alone", table)
is_(len(re.findall(r"^\[\d+/12\] .*\((?:about \d+ s left|longer than expected)\)$", demo.err, re.M)), 12, "progress_is_on_stderr", demo.err)
ok(f"run files and table: {out}" in demo.out, "it_names_the_directory")
is_(processes_naming(out), [], "nothing_is_left_running")

for strategy in STRATEGIES:
    recorded = Run(os.path.join(out, f"{strategy}.db"))
    is_(recorded.meta("clean_end"), 1, f"the run file of {strategy} was closed")
    is_(recorded.fault()["fired"], 30, f"the report of {strategy} says that the fault fired 30 times")
    is_(recorded.rows("SELECT count(*) AS n FROM injection")[0]["n"], 30, f"{strategy}: there is one row for each")

interrupted = tmpdir()
child = spawn([DEMO, "--build", BUILD, "--out", interrupted, "--short"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
for line in child.stderr:
    if "users at once" in line:
        break
ok(len(processes_naming(interrupted)) > 1, "the_demo_runs")
child.send_signal(signal.SIGINT)
_, words = child.communicate(timeout=60)
is_(child.returncode, 130, "an_interrupted_demo_is_status_130", words)
ok(wait_for(lambda: not processes_naming(interrupted)), "and_leaves_nothing_running", processes_naming(interrupted))
ok("Traceback" not in words, "and_no_stack_trace", words)

nowhere = run([DEMO, "--build", "/nonexistent", "--out", tmpdir()])
is_((nowhere.rc, nowhere.err), (1, "retry-storm: /nonexistent/aftershock is not there; build it with `make`\n"), "a_missing_build_is_said")
done()

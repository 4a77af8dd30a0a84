#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How a run may end: its target killed, Ctrl-C, a signal to `aftershock run`, itself killed. The evidence stays."""
import os
import signal
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

LOOP = """
import http.client, sys
c = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]))
for i in range(int(sys.argv[2])):
    c.request('GET', f'/{i}')
    c.getresponse().read()
"""
FOREVER = 1000000


def silent_after(count):
    """A peer that answers `count` requests and then never again."""
    peer = HttpPeer(lambda request: None if len(peer.requests) <= count else wait_for(lambda: False, 60))
    return peer


def start(peer, count, *options, trace="shim", fault=None):
    run_of = Run(os.path.join(tmpdir(), "end.db"))
    fault = fault or f"to=127.0.0.1:{peer.port} delay=1ms"
    argv = shock_argv(fault, run_of.db, (PYTHON, "-c", LOOP, peer.port, count), trace, options)
    return spawn(argv, stdout=-1, stderr=-1), run_of


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(child) for child in f.read().split()]


def target_of(process):
    """The process id of the command that `run` started."""
    return wait_for(lambda: children_of(process.pid))[0]


def end(process):
    out, err = process.communicate(timeout=30)
    return process.returncode, out.decode(), err.decode()


# the target is killed in the middle: all up to that moment is there
for trace in ("shim", "auto"):
    peer = silent_after(50)
    process, killed = start(peer, FOREVER, trace=trace)
    ok(wait_for(lambda: len(peer.requests) == 51, 20), f"{trace}: the_51st_request_is_on_its_way")
    os.kill(target_of(process), signal.SIGKILL)
    status, out, err = end(process)
    is_(status, 128 + 9, f"{trace}: a_killed_target_gives_137", err)
    counts = killed.rows("SELECT outcome, count(*) AS n FROM exchange WHERE role = 'client' GROUP BY outcome ORDER BY outcome")
    is_(counts, [{"outcome": "indeterminate", "n": 1}, {"outcome": "ok", "n": 50}], f"{trace}: the_run_file_has_all_51_requests")
    is_(killed.one("SELECT error FROM exchange WHERE outcome = 'indeterminate'"), "killed", f"{trace}: the_last_was_cut_by_the_kill")
    is_(killed.one("SELECT exit_status FROM process ORDER BY id LIMIT 1"), 137, f"{trace}: the_process_ended_by_a_signal")
    is_(killed.meta("clean_end"), 1, f"{trace}: the_run_file_was_closed_properly")

# Ctrl-C: the terminal sends SIGINT to the whole group
peer = HttpPeer()
process, interrupted = start(peer, FOREVER)
wait_for(lambda: len(peer.requests) >= 20)
os.killpg(process.pid, signal.SIGINT)
status, out, err = end(process)
is_(status, 130, "Ctrl-C_gives_130", err)
is_(interrupted.meta("clean_end"), 1, "Ctrl-C_closes_the_run_file_properly")
ok("amplification" in (out + err).lower(), "Ctrl-C_prints_the_report", out + err)
recorded = interrupted.one("SELECT count(*) FROM exchange WHERE role = 'client'")
near(recorded, len(peer.requests), 1, "what_was_sent_before_Ctrl-C_is_recorded")

# a signal to `run` alone is handed on
for name in ("SIGINT", "SIGTERM", "SIGHUP"):
    process, signalled = start(peer := HttpPeer(), FOREVER)
    wait_for(lambda: len(peer.requests) >= 5)
    target = target_of(process)
    os.kill(process.pid, getattr(signal, name))
    status, out, err = end(process)
    is_(status, 128 + getattr(signal, name), f"{name}_to_run_ends_the_command_and_gives_its_status", err)
    ok(not os.path.exists(f"/proc/{target}"), f"{name}_leaves_no_process_behind")
    is_(signalled.meta("clean_end"), 1, f"{name}_closes_the_run_file_properly")

# `run` itself is killed: a valid file, no faults any more, the target goes on
peer = HttpPeer()
process, orphaned = start(peer, FOREVER, fault=f"to=127.0.0.1:{peer.port} delay=20ms")
wait_for(lambda: len(peer.requests) >= 30)
target = target_of(process)
os.kill(process.pid, signal.SIGKILL)
process.wait()
ok(wait_for(lambda: orphaned.one("SELECT count(*) FROM exchange"), 2) >= 15, "a_killed_run_leaves_a_readable_file")
is_(orphaned.meta("clean_end"), None, "which_says_that_it_was_not_closed")
is_(aftershock("report", orphaned.db).rc in (0, 3), True, "and_can_be_reported")


def rate():
    """Requests within a tenth of a second."""
    before, began = len(peer.requests), time.monotonic()
    wait_for(lambda: time.monotonic() - began > 0.1)
    return len(peer.requests) - before


ok(wait_for(lambda: rate() > 20, 6), "without_its_controller_the_target_runs_on_without_faults")
os.kill(target, signal.SIGKILL)

# no run that could end leaves its directory behind
runtime = tmpdir(0o700)
shock((), "true", env={"XDG_RUNTIME_DIR": runtime})
is_([files for _, _, files in os.walk(runtime) if files and files != ["lock"]], [], "a_run_removes_its_directory")
done()

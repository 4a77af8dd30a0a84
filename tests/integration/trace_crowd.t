#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""20,800 connections with a request open on each, both ends traced: all of it is told, and the recorder's memory is bounded."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from tracing import Trace, need_ebpf

need_ebpf()
EACH = int(os.environ.get("AFTERSHOCK_CROWD", 10400))    # of two crowds: a process may have 20,000 descriptors
N, MEMORY_MB, IDLE_MB = 2 * EACH, 140, 33    # 200 with the library's words, and all that there is room for: tests/unit/memory.h has the parts
crowds = [spawn([victim("crowd"), EACH], stdin=-1, stdout=-1) for _ in range(2)]
trace = Trace(*[word for c in crowds for word in ("--pid", c.pid)])


def peak_mb():
    with open(f"/proc/{trace.process.pid}/status") as f:
        return int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1)) / 1024


def go(word):
    """The next step of all crowds; whether each says the word."""
    for c in crowds:
        c.stdin.write(b"x")
        c.stdin.flush()
    return [c.stdout.readline().decode().strip() for c in crowds] == [word] * len(crowds)


idle = peak_mb()
ok(idle < IDLE_MB, "a_recorder_that_has_nothing_yet_takes_its_rings_and_little_more", idle)
ok(go("open"), "requests_are_open_on_all_connections")
open_rows = wait_for(lambda: trace.one("SELECT count(*) FROM exchange WHERE error = 'open'") == 2 * N, 10)
ok(go("answered"), "all_are_answered")
for c in crowds:
    c.stdin.close()
is_([c.wait(60) for c in crowds], [0, 0], "and_reset_by_their_clients")
peak = peak_mb()
trace.stop(None)
diag(f"memory of the recorder: {peak:.0f} MB at most")
ok(peak < MEMORY_MB, "the_recorder's_memory_is_bounded", peak)
lost = trace.rows("SELECT * FROM loss")
told = trace.rows("SELECT role, outcome, status, count(*) n FROM exchange GROUP BY 1, 2, 3 ORDER BY 1")
ends = trace.rows("SELECT role, end, count(*) n FROM connection GROUP BY 1, 2 ORDER BY 1")
# What connects and closes at 20,000 a second can fill the ring of rare events on a machine that is very busy: then that is told.
if lost and all(row["reason"] == "control_ring_full" for row in lost):
    is_(trace.rc, 3, "what_was_lost_is_told", trace)
    skip(f"the machine was too busy to record all of it: {lost}", 3)
else:
    is_(lost, [], "nothing_is_lost")
    is_(told, [{"role": role, "outcome": "ok", "status": 200, "n": N} for role in ("client", "server")], "each_exchange_is_told_from_both_ends")
    is_(ends, [{"role": "client", "end": "local_close", "n": N}, {"role": "server", "end": "reset", "n": N}], "and_how_each_connection_ended")
    ok(open_rows, "those_under_way_were_in_the_file_meanwhile")
done()

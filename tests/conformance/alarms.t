#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Signals that come while a call is held: a handler ends it, or lets it go on, as it would really. So does a stop (SIGSTOP, SIGCONT).

The library looks at its fault now and then, and a signal that comes just then is not to be lost. The program gets the processor for 5 of 60 ms
here, so that what it waits for, its looks and its signals come together nearly every time.
"""
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

TIMES = 2
CALLS = ("receive", "connect", "poll", "select", "epoll")
RESTARTED = CALLS[:2]  # signal(7): the others end by any handler
FAULTS = {"connect": "hang=connect", "send": "delay=2s delay_on=request"}
core = str(min(os.sched_getaffinity(0)))
peer, slow = HttpPeer(), HttpPeer(delay=2)
SPIN = "import time\nfor i in range(5000):\n time.sleep(0.005)\n end = time.monotonic() + 0.055\n while time.monotonic() < end: pass"


def alarms(call, how, seconds, fault=None, peer=peer):
    fault = fault or FAULTS.get(call, "hang=response")
    r = shock(f"to=127.0.0.1:{peer.port} {fault} for={seconds}s", "taskset", "-c", core, *victims, victim("alarms"), call, peer.port, how)
    said, milds, sterns, *blocked = r.out.split() or ("", "0", "0")
    if how not in ("jump", "cancel"):
        is_(blocked, [], f"no_signal_is_blocked_after_a_{call}", r)
    return said, int(milds), int(sterns), r


# what waits for the processor: anything, beside real-time work; without leave for that, idle work
realtime = run(["chrt", "-f", "5", "true"]).rc == 0
victims = () if realtime else ("chrt", "-i", "0")
spinner = spawn(["taskset", "-c", core, *(("chrt", "-f", "5") if realtime else ()), PYTHON, "-c", SPIN])

for call in CALLS:
    for _ in range(TIMES):
        said, _, sterns, r = alarms(call, "end", 20)
        is_((said, sterns), ("EINTR", 1), f"the_first_handler_ends_a_{call}_that_is_held", r)
for call in RESTARTED:
    said, milds, _, r = alarms(call, "restart", 2)
    is_(said, "done", f"a_handler_with_SA_RESTART_lets_a_{call}_go_on", r)
    ok(milds > 5, "... and runs while it is held", r)
    for _ in range(TIMES):
        said, milds, sterns, r = alarms(call, "both", 20)
        is_((said, milds >= 5, sterns), ("EINTR", True, 1), f"where_there_are_handlers_of_both_kinds_each_does_its_own_to_a_{call}", r)
    said, milds, sterns, r = alarms(call, "once", 20)
    is_((said, sterns), ("EINTR", 1), f"a_handler_that_is_there_for_one_time_ends_a_{call}", r)
    r = alarms(call, "jump", 20)[-1]
    is_(r.out.split()[3:], ["SIGALRM"], f"a_handler_that_jumps_out_of_a_{call}_leaves_its_own_signal_blocked_and_no_other", r)
for call in CALLS:
    for _ in range(TIMES):
        r = alarms(call, "cancel", 20)[-1]
        is_(r.out.split(), ["cancelled", "0", "0"], f"a_thread_that_is_cancelled_in_a_{call}_that_is_held_has_its_own_signals", r)
for call in CALLS[2:]:
    said, milds, _, r = alarms(call, "restart", 20)
    is_((said, milds), ("EINTR", 1), f"a_handler_with_SA_RESTART_ends_a_{call}_all_the_same", r)
for _ in range(2 * TIMES):
    said, _, sterns, r = alarms("receive", "end", 20, "delay=165ms delay_on=request", slow)
    is_((said, sterns), ("EINTR", 1), "a_handler_ends_a_receive_that_goes_on_waiting_behind_a_hold", r)
    is_(alarms("receive", "timed", 20)[0], "EINTR", "a_stop_ends_a_receive_that_has_a_timeout")
stop(spinner)

for call in (*CALLS[2:], "receive"):
    for how in ("stop", "timed"):
        want = run([victim("alarms"), call, slow.port, how]).out.split()[0]
        said, _, _, r = alarms(call, how, 3 if want == "done" else 20)
        is_(said, want, f"a_{call}_that_is_held_({how})_ends_as_a_really_slow_one_when_its_process_is_stopped_and_continued", r)
is_(alarms("connect", "stop", 3)[0], "done", "a_connect_that_is_held_goes_on_when_its_process_is_stopped_and_continued")
is_(alarms("connect", "timed", 20)[0], "EINTR", "... and ends when it has a timeout")
within(alarms("send", "stop", 2)[-1].seconds, 2, 20, "a_send_that_is_held_goes_on_when_its_process_is_stopped_and_continued")
within(alarms("send", "timed", 20)[-1].seconds, 0, 1.9, "... and ends when it has a timeout")
done()

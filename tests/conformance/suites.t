#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A plan that watches every connection and injects nothing changes nothing: what test suites of other programs found to differ once."""
import concurrent.futures
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

ACTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients", "acts.py")
WATCH = {
    "delay": ("to=* delay=1s probability=0", "at=* delay=1s probability=0"),
    "status": ("to=* status=503 probability=0", "at=* status=503 probability=0"),
    "path": ("to=* path=/never status=503", "at=* path=/never delay=1s"),
}


def same(act, what):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        watched = {plan: pool.submit(shock, faults, PYTHON, ACTS, act) for plan, faults in WATCH.items()}
        plain = run([PYTHON, ACTS, act])
    ok(plain.rc == 0 and "TimeoutError" not in plain.out, f"{what}_without_the_library", plain)
    for plan in WATCH:
        got = watched[plan].result()
        ok(got.out == plain.out, f"{what}_and_the_same_under_{plan}", f"plain:\n{plain.out}\n{got}")


def made_for(act):
    """How many descriptors to be woken by the library made."""
    trace = os.path.join(tmpdir(), "made")
    r = shock(WATCH["status"], "strace", "-f", "-qq", "-e", "trace=eventfd2", "-o", trace, PYTHON, ACTS, act)
    with open(trace, encoding="utf-8") as f:
        return r.out, sum("eventfd2(" in line for line in f)


same("words", "a_first_message_that_could_begin_a_request_is_seen_at_once")
same("edge", "an_edge_triggered_pair_has_its_events")
same("large", "a_large_request_is_read_whole_by_edges")
same("together", "requests_that_came_together_are_read_together")
same("edges", "a_pipeline_is_read_whole_by_edges")
same("behind", "what_came_behind_a_request_with_its_edge_is_read")
same("timeouts", "select_and_poll_judge_their_timeouts")
same("silence", "a_request_head_that_is_never_whole_arrives_in_the_end")
same("urgent", "urgent_data_come_beside_the_stream")
same("ready", "what_is_ready_is_seen_by_each_wait")
is_(made_for("ready"), ("True\n", 0), "a_wait_for_what_is_ready_has_nobody_to_wake_it")
same("closed", "a_descriptor_closed_in_a_wait_is_what_the_kernel_makes_of_it")
same("notices", "the_error_queue_is_read_without_waiting")
done()

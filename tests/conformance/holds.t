#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Sets, bits, descriptors and threads while an answer is late: each case of victims/holds.c says under a fault what it says without the
library of a server that really behaves so."""
import os
import sys
from concurrent.futures import ThreadPoolExecutor
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

CASES = ("exclusive", "nested", "nested_edge", "nested_poll", "fine", "modified", "bits", "sets", "looked_at", "handed_on", "duplicate", "ended",
         "ended_polled", "asked_meanwhile")
healthy, slow, busy = HttpPeer(), HttpPeer(delay=0.3), HttpPeer(lambda request: 503, delay=0.3)
WORLDS = (("is_only_watched", "probability=0 delay=1s", slow, slow), ("is_slow", "delay=300ms", healthy, slow),
          ("is_slow_to_hear", "delay=300ms delay_on=request", healthy, slow), ("answers_503", "delay=300ms status=503", healthy, busy))


def really(port, case):
    return run([victim("holds"), case, port], timeout=20)


def injected(peer, fault, case):
    return shock(f"to=127.0.0.1:{peer.port} {fault}", victim("holds"), case, peer.port, timeout=20)


pool = ThreadPoolExecutor(4)  # they wait most of the time
wants = {(real.port, case): pool.submit(really, real.port, case) for real in (slow, busy) for case in CASES}
gots = {(world, case): pool.submit(injected, peer, fault, case) for world, fault, peer, _ in WORLDS for case in CASES}
for world, fault, peer, real in WORLDS:
    for case in CASES:
        if case == "ended_polled" and world == "is_slow_to_hear":
            continue  # shut for writing, the request leaves at once, and its answer finds a socket that is shut: a RST (Linux)
        want, r = wants[real.port, case].result(), gots[world, case].result()
        ok(want.rc == 0 and want.out, f"{case}_says_something", want)
        is_(r.out, want.out, f"{case}_says_the_same_of_a_server_that_{world}", r)
case = "handed_on_asked"  # an answer of ours is its process's and stays behind
for fault in ("delay=300ms", "delay=300ms delay_on=request"):
    is_(injected(healthy, fault, case).out, really(slow.port, case).out, f"{case}_says_the_same_under {fault}")
done()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Sets, bits, descriptors and threads while an answer is late: each case of victims/holds.c says under a fault what it says without the
library of a server that really behaves so."""
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from worlds import BUSY, LATE_TO_HEAR, SLOW, WATCHED, healthy, injected, really, same_in, slow

CASES = ("exclusive", "nested", "nested_edge", "nested_deep", "nested_poll", "fine", "modified", "bits", "sets", "looked_at", "handed_on",
         "duplicate", "ended", "ended_polled", "asked_meanwhile")
APART = (("ended_polled", "is_slow_to_hear"), )  # shut for writing, the request leaves at once, and its answer finds a socket that is shut: a RST (Linux)

same_in((WATCHED, SLOW, LATE_TO_HEAR, BUSY), "holds", CASES, APART)
case = "handed_on_asked"  # an answer of ours is its process's and stays behind
for fault in ("delay=300ms", "delay=300ms delay_on=request"):
    is_(injected("holds", healthy, fault, case).out, really("holds", slow.port, case).out, f"{case}_says_the_same_under {fault}")
done()

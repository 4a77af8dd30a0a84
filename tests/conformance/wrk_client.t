#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""wrk as the client: it never asks how its non-blocking connect ended, and takes a read that would block for an error."""
import os
import re
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *


def number(pattern, text):
    found = re.search(pattern, text)
    return int(found.group(1)) if found else 0


nginx = Nginx()
for fault, low, high in (("status=503", 1, 1), ("status=503 every=2", 0.45, 0.55), ("status=503 probability=0.3 delay=1ms", 0.2, 0.4),
                         ("delay=2ms", 0, 0)):
    r = shock(f"to=127.0.0.1:{nginx.port} {fault}", "wrk", "-t2", "-c8", "-d1s", nginx.url("/"))
    requests, bad = number(r"(\d+) requests in", r.out), number(r"Non-2xx or 3xx responses: (\d+)", r.out)
    ok(requests > 100, f"{fault}: requests_are_made", r)
    ok("Socket errors" not in r.out, f"{fault}: without_a_socket_error", r)
    within(bad / max(requests, 1), low, high, f"{fault}: the_share_of_503_is_right", r)
    counts = r.rows("SELECT matched, fired FROM fault")[0]
    recorded = r.one("SELECT count(*) FROM exchange WHERE role = 'client'")
    within(recorded - requests, 0, 16, f"{fault}: what_wrk_counts_is_recorded", (counts, recorded, r))
    is_(recorded, counts["matched"], f"{fault}: each_exchange_was_decided")
done()

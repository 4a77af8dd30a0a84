#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Threads that share connections, sets and buffers under faults that come and go. With SAN=thread a race of the library's ends the program."""
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

os.environ["TMPDIR"] = tmpdir()  # runs of others are none of ours
os.environ.pop("XDG_RUNTIME_DIR", None)
peer = HttpPeer()
WELL = (0, "made=66 ")

for fault in ("delay=5ms probability=50%", "delay=20ms delay_on=request", "status=503 probability=50%", "reset=20 probability=50%",
              "throttle=2k probability=50%", "error=recv:ETIMEDOUT probability=50%"):
    r = shock(f"to=127.0.0.1:{peer.port} {fault}", victim("threads"), "together", peer.port, timeout=60)
    is_((r.rc, r.out), WELL, f"threads end well under {fault}", r)

# ---- a fault that comes and goes meanwhile ----
db = os.path.join(tmpdir(0o777), "changing.db")
child = spawn(shock_argv((), db, (victim("threads"), "together", peer.port), options=("--name", "changing")), stdout=-1, stderr=-1)
changes = 0
while child.poll() is None:
    changes += aftershock("fault", "set", f"name=late to=127.0.0.1:{peer.port} delay=5ms", "--run", "changing").rc == 0
    changes += aftershock("fault", "clear", "late", "--run", "changing").rc == 0
out, err = child.communicate()
is_((child.returncode, out.decode()), WELL, "threads end well while a fault comes and goes", err)
ok(changes >= 2, "... which it did", changes)
done()

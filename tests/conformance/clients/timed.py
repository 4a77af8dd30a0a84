# SPDX-License-Identifier: MIT
"""Runs a command and tells as one line of JSON how it ended: timed.py COMMAND [ARG...] -> rc, seconds, cpu, out, err."""
import json
import resource
import subprocess
import sys
import time

began = time.monotonic()
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
seconds, used = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"rc": done.returncode, "seconds": seconds, "cpu": used.ru_utime + used.ru_stime, "out": done.stdout, "err": done.stderr}))

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A disk that fills up ends recording with one sentence, and the programs never notice; what was recorded before is sound."""
import os
import subprocess
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from tracing import need_ebpf

need_ebpf()
disk = os.path.join(tmpdir(), "disk")
os.mkdir(disk)
if run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk]).rc:
    skip_all("no file system of a known size can be mounted here")
try:
    nginx = Nginx('location / { return 200 "hello\\n"; }', workers=1)
    db = os.path.join(disk, "run.db")
    trace = spawn([BIN, "trace", "-o", db, "--pid", str(nginx.process.pid)], stderr=subprocess.PIPE)
    like(trace.stderr.readline().decode(), "recording to", "trace is at work")
    before = len(nginx.access())
    wrk = run(["wrk", "-t1", "-c8", "-d2s", nginx.url("/" + "x" * 200)])
    said = trace.stderr.read().decode()
    is_(trace.wait(20), 2, "a full disk ends it: nothing more can be recorded")
    like(said, rf"\Aaftershock: recording stopped: cannot write the run file '{db}' any more: database or disk is full\n\Z", "one sentence says so")
    is_(wrk.rc, 0, "who was traced goes on", wrk)
    ok("Non-2xx" not in wrk.out and "Socket errors" not in wrk.out, "without an error", wrk)
    recorded = Run(db)
    ok(len(nginx.access()) - before > recorded.one("SELECT count(*) FROM exchange") > 1000, "what fitted is recorded",
       recorded.one("SELECT count(*) FROM exchange"))
    is_(recorded.one("PRAGMA integrity_check"), "ok", "in a sound file")
    is_(recorded.meta("clean_end"), None, "that does not claim a clean end")

    os.unlink(db)
    r = aftershock("run", "--trace", "ebpf", "-o", db, "--", "sh", "-c",
                   f"wrk -t1 -c8 -d1s {nginx.url('/' + 'x' * 200)} > /dev/null; for i in $(seq 50); do "
                   "n=$(ls -l /proc/$PPID/fd 2> /dev/null | grep -c bpf); test $n = 0 && break; sleep 0.1; done; echo $n; exit 3")
    is_(r.out, "0\n", "`run` takes the kernel's witness away then", r)
    like(r.err, rf"\Aaftershock: recording stopped, COMMAND runs on: cannot write the run file '{db}' any more: database or disk is full\n\Z",
         "it says so once")
    is_(r.rc, 3, "COMMAND's status is passed on")
    nginx.stop()
finally:
    run(["umount", disk])
done()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Nothing is lost in silence: from a ring that is too small to the report, and to the comparison that is refused."""
import json
import os
import signal
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from tracing import Trace, need_ebpf


def refused(value):
    """AFTERSHOCK_RING_BYTES is looked at by whoever may trace and who may not."""
    r = aftershock("trace", "--all", env={"AFTERSHOCK_RING_BYTES": value})
    ok(r.rc == 2 and r.err.count("\n") == 1 and f"AFTERSHOCK_RING_BYTES '{value}'" in r.err, f"ring_sizes_of_{value}_are_refused", r)


for value in ("5000", "2048", "65536,", "65536,x", "2147483648", "64k", "65536,65536,65536"):
    refused(value)
for value in ("63", "4097", "1k", "-1", ""):
    r = aftershock("trace", "--all", "--capture", value)
    ok(r.rc == 2 and r.err.count("\n") == 1 and f"--capture '{value}'" in r.err, f"a_capture_of_{value or 'nothing'}_is_refused", r)

need_ebpf()
REQUESTS = 200
LOAD = f"""
import http.client, os, signal, sys
c = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]))
def get(n):
    for i in range(n):
        c.request('GET', '/page'); c.getresponse().read()
if len(sys.argv) > 2:
    get(1)
    os.kill(int(sys.argv[2]), signal.SIGSTOP)
    get({REQUESTS} - 1)
    os.kill(int(sys.argv[2]), signal.SIGCONT)
else:
    get({REQUESTS})
"""
peer = HttpPeer()
COMM = f"load{os.getpid()}"
python = os.path.join(tmpdir(), COMM)
os.symlink(PYTHON, python)


def lost_of(run_):
    return {f"{row['source']}.{row['reason']}": row["count"] for row in run_.rows("SELECT * FROM loss")}


def traced(name, size):
    """A trace that does not get to run while the load does."""
    trace = Trace("--comm", COMM, db=os.path.join(tmpdir(), name), env={"AFTERSHOCK_RING_BYTES": size})
    load = run([python, "-c", LOAD, peer.port, trace.process.pid])
    is_(load.rc, 0, f"the_load_is_not_disturbed_by_{name}", load)
    return trace.stop()


def verdict(run_, name, lost):
    """What the report of a lossy run has to say, in its text and in its JSON."""
    text, result = aftershock("report", run_.db), aftershock("report", run_.db, "--format", "json")
    value = json.loads(result.out)
    ok(all(f"{n} lost: {reason.replace('.', ', ')}" in text.out for reason, n in lost.items()),
       f"{name}: the report says how many events were lost, and why", (lost, text))
    is_((result.rc, value["verdict"]["status"]), (3, "inconclusive"), f"{name}: it draws no conclusion", value["verdict"])
    ok(any("lost" in reason for reason in value["verdict"]["reasons"]), f"{name}: for that reason", value["verdict"])
    is_(value["data_quality"]["lost"], lost, f"{name}: the JSON has the same numbers")


whole = traced("whole.db", "")
is_((whole.rc, lost_of(whole), whole.one("SELECT count(*) FROM exchange")), (0, {}, REQUESTS), "rings of the usual size hold what comes meanwhile", whole)

small = traced("small.db", "16384")
lost = lost_of(small)
ok(small.rc == 3 and lost.get("ebpf.payload_ring_full"), "with a ring too small for the load, trace ends with 3", small)
ok(f"{sum(lost.values())} events were lost" in small.err, "and says how many events are lost, as the run file does", (lost, small))
within(small.one("SELECT count(*) FROM exchange"), 1, REQUESTS - 1, "what was not lost is there")
verdict(small, "trace", lost)
for base, new in ((whole, small), (small, whole)):
    r = aftershock("compare", "--base", base.db, "--new", new.db, "--gate", "amplification<=1.10x")
    ok(r.rc == 3, "compare refuses a verdict over a lossy run", r)
r = aftershock("compare", "--base", whole.db, "--new", whole.db, "--gate", "amplification<=1.10x")
is_(r.rc, 0, "and gives one over a whole run", r)

r = shock((), "sh", "-c", f'exec 2>&1; kill -STOP $PPID; {python} -c "$LOAD" {peer.port}; kill -CONT $PPID', trace="ebpf",
          env={"AFTERSHOCK_RING_BYTES": "16384,65536", "LOAD": LOAD})
is_((r.rc, r.out), (0, ""), "a lossy run passes on COMMAND's status", r)
lost = lost_of(r)
ok(lost.get("ebpf.payload_ring_full") and all(x.startswith("ebpf.") for x in lost), "what the kernel's ring had no room for is counted", lost)
verdict(r, "run", lost)

# ---- --capture: of a head that is longer, the beginning is looked at ----
LONG = "/" + "x" * 90
for capture, known in (("64", False), ("1024", True)):
    trace = Trace("--comm", COMM, options=("--capture", capture), db=os.path.join(tmpdir(), f"capture{capture}.db"))
    run([python, "-c", f"import urllib.request; urllib.request.urlopen('http://127.0.0.1:{peer.port}{LONG}').read()"])
    trace.stop()
    paths = [x["path"] for x in trace.exchanges()]
    is_(paths == [LONG], known, f"with --capture {capture} a path of {len(LONG)} bytes is {'known' if known else 'not known whole'}", (trace, paths))
done()

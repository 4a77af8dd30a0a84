#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# The same run seen by the library, by the kernel, by both, by neither: each exchange is recorded once, and says who saw it.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

peer = HttpPeer()
other = HttpPeer()
script = f"""
import http.client
for port in ({peer.port}, {other.port}):
    c = http.client.HTTPConnection('127.0.0.1', port)
    for i in range(10):
        c.request('GET', f'/{{i}}'); c.getresponse().read()
"""
fault = f"to=127.0.0.1:{peer.port} name=f status=503 first=3"
EXCHANGES = "SELECT c.peer peer, x.sources s, x.synthetic own, count(*) n FROM exchange x JOIN connection c ON c.id = x.connection_id " \
            "GROUP BY 1, 2, 3 ORDER BY 1, 3 DESC"


def seen(run):
    """(which peer, sources, answered by us, how many)"""
    names = {f"127.0.0.1:{peer.port}": "faulty", f"127.0.0.1:{other.port}": "other"}
    return sorted((names.get(row["peer"]), row["s"], row["own"], row["n"]) for row in run.rows(EXCHANGES))


def injections(run):
    return run.one("SELECT count(*) FROM injection WHERE action = 'status'")


r = shock(fault, PYTHON, "-c", script, trace="shim")
is_(seen(r), [("faulty", "shim", 0, 7), ("faulty", "shim", 1, 3), ("other", "shim", 0, 10)], "the library alone sees every exchange")
is_(r.meta("sources"), '["shim"]', "and is named as the source")
is_(r.rows("SELECT name, matched, fired FROM fault"), [{"name": "f", "matched": 10, "fired": 3}], "the fault's counters are there")
is_(injections(r), 3, "one row for each injection")

r = shock(fault, PYTHON, "-c", script, trace="off")
is_(r.one("SELECT count(*) FROM exchange"), 0, "without a witness no exchange is recorded")
is_(injections(r), 3, "but each injection")
is_(r.rc, 0, "and the fault counts as fired")

RESTING = """
import socket, threading, time
door = socket.create_server(('127.0.0.1', 0))
def client():
    c = socket.create_connection(door.getsockname())
    for _ in range(3):
        time.sleep(0.3); c.sendall(b'GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'); c.recv(1000)
    c.close()
threading.Thread(target=client).start()
c, _ = door.accept()
while c.recv(1000):
    c.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n')
"""
for watch, how in ([], "no fault"), ("at=* status=503 probability=0", "a fault that may hit it"):
    r = shock(watch, PYTHON, "-c", RESTING, trace="shim")
    slowest = r.one("SELECT max(ended_ns - started_ns) / 1e6 FROM exchange WHERE role = 'server'")
    ok(slowest and slowest < 200, f"what a server waits in recv for a request is not part of it ({how})", slowest)

if aftershock("run", "--trace", "ebpf", "-o", os.path.join(tmpdir(), "try.db"), "true").rc:
    skip("eBPF is not available here (root and BTF are needed)", 7)
    done()
r = shock(fault, PYTHON, "-c", script, trace="ebpf")
is_(seen(r), [("faulty", "shim", 1, 3), ("faulty", "shim,ebpf", 0, 7), ("other", "ebpf", 0, 10)],
    "with the kernel as witness each exchange is there once: our answers the library's, the rest of that peer both's, others the kernel's")
is_(r.meta("sources"), '["shim","ebpf"]', "both are named as sources")
is_(sorted(row["sources"] for row in r.rows("SELECT sources FROM connection")), ["ebpf", "shim,ebpf"], "so are connections")
is_(injections(r), 3, "injections are recorded as before")
is_(r.one("SELECT count(*) FROM loss"), 0, "nothing is lost")
ok(r.one("SELECT count(*) FROM syscall_latency") > 0, "the kernel's latencies are there")
r = shock([], "sh", "-c", "true; sleep 0; exec true", trace="auto")
ok(r.err == "" and r.meta("sources") == '["shim","ebpf"]', "auto takes eBPF where it works, and says nothing", r)
done()

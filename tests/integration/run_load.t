#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Under load, with the library and the kernel both watching: each request in nginx's own log is one row, seen by both; none missing, none twice.
AFTERSHOCK_REQUESTS: how many requests at least (20,000)."""
import os
import signal
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from tracing import need_ebpf

need_ebpf()
REQUESTS = int(os.environ.get("AFTERSHOCK_REQUESTS", 20000))
db = os.path.join(tmpdir(), "run.db")
nginx = Nginx('location /page { return 200 "hello\\n"; } location /poor { return 503; }',
              under=lambda port: shock_argv(f"at=127.0.0.1:{port} status=500 probability=0", db, trace="ebpf"))
logged = 0
while logged < REQUESTS:
    for page in ("/page", "/poor"):
        run(["wrk", "-t1", "-c8", "-d1s", nginx.url(page)])
    logged = sum(1 for line in nginx.access())
nginx.process.send_signal(signal.SIGTERM)
ok(nginx.process.wait(60) in (0, 3, 130), "the run ends", nginx.process.returncode)
log = nginx.access()
diag(f"{len(log)} requests")
recorded = Run(db)
is_(recorded.rows("SELECT * FROM loss"), [], "nothing is lost")
is_(recorded.rows("SELECT sources, role, count(*) n FROM exchange GROUP BY 1, 2"), [{"sources": "shim,ebpf", "role": "server", "n": len(log)}],
    "each request in the access log is one exchange, which both saw")
is_(recorded.one("SELECT count(*) FROM (SELECT 1 FROM exchange GROUP BY connection_id, started_ns)"), len(log), "none is there twice")
count = lambda status: sum(1 for line in log if line.split()[2] == str(status))
is_({r["status"]: r["n"] for r in recorded.rows("SELECT status, count(*) n FROM exchange GROUP BY 1")}, {s: count(s) for s in (200, 503)},
    "with the status that nginx gave")
is_(recorded.one("SELECT count(*) FROM exchange WHERE ended_ns < started_ns OR ended_ns IS NULL OR bytes_out = 0 OR path NOT IN ('/page', '/poor')"),
    0, "and whole")
per_connection = {}
for line in log:
    serial = line.split()[3]
    per_connection[serial] = per_connection.get(serial, 0) + 1
is_(sorted(r["n"] for r in recorded.rows("SELECT count(*) n FROM exchange GROUP BY connection_id")), sorted(per_connection.values()),
    "on each connection as many as nginx counts there")
done()

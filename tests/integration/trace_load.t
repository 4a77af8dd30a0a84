#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Under load, what the kernel's witness counts is what nginx's own log says; none missing, none twice."""
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from tracing import Trace, need_ebpf, own

need_ebpf()
WRK, WRK_COMM = own("wrk")
nginx = Nginx('location /page { return 200 "hello\\n"; }', workers=1)
before = len(nginx.access())
trace = Trace("--pid", nginx.process.pid, "--comm", WRK_COMM)
wrk = run([WRK, "-t1", "-c8", "-d2s", nginx.url("/page")])
is_(wrk.rc, 0, "wrk_runs", wrk)
trace.stop()
nginx.stop()
logged = len(nginx.access()) - before
diag(f"{logged} requests in 2 s")
is_(trace.rc, 0, "nothing_is_lost", trace)
is_(trace.one("SELECT count(*) FROM exchange WHERE role = 'server' AND path = '/page' AND status = 200"), logged,
    "each_request_in_the_access_log_is_one_exchange_of_the_server")
sent = trace.one("SELECT count(*) FROM exchange WHERE role = 'client' AND path = '/page'")
within(sent, logged, logged + 8, "and_one_of_the_client_but_for_the_last_of_each_connection")
is_(trace.one("SELECT count(*) FROM exchange WHERE role = 'server' AND outcome <> 'ok'"), 0, "all_are_ok")
is_(trace.one("SELECT count(*) FROM connection WHERE role = 'client'"), 9, "on_the_eight_connections_of_wrk_and_the_one_it_tries_the_server_with")
p50 = trace.one("SELECT (ended_ns - started_ns) / 1e6 FROM exchange WHERE role = 'client' AND outcome = 'ok' "
                "ORDER BY 1 LIMIT 1 OFFSET (SELECT count(*) / 2 FROM exchange WHERE role = 'client' AND outcome = 'ok')")
within(p50, 0.001, 50, "latencies_are_of_the_size_that_loopback_has")
done()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""nginx itself under the library: requests that arrive at it are answered 503 with a probability, delayed, reset."""
import math
import os
import re
import socket
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from peers import PAGE

COUNT = 400


def nginx_under(fault, db, port=None, options=(), trace=None, **kw):
    """nginx under `fault`, in which PORT stands for its port."""
    return Nginx(under=lambda p: shock_argv(fault.replace("PORT", str(p)), db, (), trace, options), port=port, **kw)


def within_binomial(hits, n, p, name, evidence=None):
    """hits of n lies within 4.5 standard deviations: one false alarm in 150,000 runs."""
    spread = 4.5 * math.sqrt(n * p * (1 - p))
    return within(hits, n * p - spread, n * p + spread, name, evidence)


def statuses(nginx, count=COUNT):
    """The statuses of `count` requests on one connection, and how many connections curl needed."""
    curl = run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code} %{num_connects}\n", nginx.url(f"/?n=[1-{count}]")])
    pairs = [line.split() for line in curl.out.splitlines()]
    return [status for status, _ in pairs], sum(int(n) for _, n in pairs)


def http_statuses(s, count):
    """The statuses of `count` answers that come on s; fewer when it takes more than its timeout until the next byte."""
    got = b""
    while len(found := re.findall(rb"HTTP/1\.1 (\d+)", got)) < count:
        try:
            more = s.recv(65536)
        except TimeoutError:
            break
        if not more:
            break
        got += more
    return [int(status) for status in found]


# curl on one connection: share, keep-alive, evidence
run_of = Run(os.path.join(tmpdir(), "seed7.db"))
nginx = nginx_under("at=:PORT status=503 probability=0.3", run_of.db, options=("--seed", "7"))
first, connections = statuses(nginx)
is_(sorted(set(first)), ["200", "503"], "the_answers_are_200_and_503")
within_binomial(first.count("503"), COUNT, 0.3, "the_share_of_503_lies_in_its_binomial_interval", first.count("503"))
is_(connections, 1, "keep_alive_goes_on_after_a_synthetic_answer")
is_(nginx.stop(), 0, "nginx_under_the_library_ends_in_order", nginx.errors())
is_([line.split()[2] for line in nginx.access()], ["200"] * first.count("200"), "nginx_saw_only_the_requests_that_passed")
is_(run_of.one("SELECT count(*) FROM injection"), first.count("503"), "every_503_is_one_row_in_injection")
recorded = run_of.rows("SELECT status, count(*) AS n FROM exchange WHERE role = 'server' GROUP BY status ORDER BY status")
is_(recorded, [{"status": 200, "n": first.count("200")}, {"status": 503, "n": first.count("503")}],
    "the_run_file_has_every_request_that_arrived_with_its_status")
is_(run_of.one("SELECT count(DISTINCT service) FROM process WHERE service != 'nginx'"), 0, "the_service_is_called_nginx")
report = run_of.report()
edges = [(e["client"], e["attempts"], e["statuses"]) for e in report["edges"]]
is_(edges, [("external", COUNT, {"200": first.count("200"), "503": first.count("503")})],
    "the_report_has_an_edge_from_outside_with_every_request", edges)

# the same seed and port hit the same requests; another seed others
again = nginx_under("at=:PORT status=503 probability=0.3", os.path.join(tmpdir(), "a.db"), nginx.port, ("--seed", "7"))
is_(statuses(again)[0], first, "the_same_seed_hits_the_same_requests")
again.stop()
other = nginx_under("at=:PORT status=503 probability=0.3", os.path.join(tmpdir(), "b.db"), nginx.port, ("--seed", "8"))
ok(statuses(other)[0] != first, "another_seed_hits_others")
other.stop()

# nginx waits for edges: what it is not shown of a pipeline at first, it is told of again
pipelined = nginx_under("at=:PORT status=503 every=2", os.path.join(tmpdir(), "pipeline.db"))
with socket.create_connection(("127.0.0.1", pipelined.port), timeout=10) as s:
    s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 8)
    answers = http_statuses(s, 8)
is_(answers, [200, 503] * 4, "every_other_request_of_a_pipeline_is_answered_for_nginx_which_waits_for_edges")
pipelined.stop()

# wrk, several connections and workers, each witness
for trace in ("shim", "auto"):
    loaded = Run(os.path.join(tmpdir(), "wrk.db"))
    nginx = nginx_under("at=:PORT status=503 probability=0.3", loaded.db, workers=2, trace=trace)
    wrk = run(["wrk", "-t1", "-c8", "-d2s", nginx.url()])
    total = int((re.search(r"(\d+) requests in", wrk.out) or [0, 0])[1])
    failed = int((re.search(r"Non-2xx or 3xx responses: (\d+)", wrk.out) or [0, 0])[1])
    ok(total > 500, f"{trace}: wrk_gets_answers", wrk)
    within_binomial(failed, total, 0.3, f"{trace}: of_wrk_s_answers_the_share_of_503_lies_in_its_interval", wrk)
    ok("Socket errors" not in wrk.out, f"{trace}: wrk_sees_no_socket_error", wrk)
    nginx.stop()
    passed = len(nginx.access())
    lost = sum(row["count"] for row in loaded.rows("SELECT count FROM loss"))
    seen = loaded.rows("SELECT coalesce(sum(status = 503), 0) AS hit, coalesce(sum(status = 200), 0) AS passed FROM exchange WHERE role = 'server'")[0]
    # requests that wrk cut off at its end were perhaps never answered to it: at most one a connection
    ok(abs(seen["hit"] - failed) <= 8 + lost and abs(seen["passed"] - passed) <= 8 + lost, f"{trace}: the_run_file_has_every_request_or_counts_the_loss",
       f"{seen} wrk {total} {failed} nginx {passed} lost {lost}")
    fired = loaded.one("SELECT fired FROM fault")
    near(fired, failed, 8, f"{trace}: fired_is_the_number_of_503")

# other faults at the server
for fault, curl_rc, low, high in (("delay=300ms", 0, 0.3, 0.9), ("reset=response", 56, 0, 0.6), ("hang=response", 28, 0.98, 1.6)):
    nginx = nginx_under(f"at=:PORT {fault} path=/slow*", os.path.join(tmpdir(), "f.db"))
    curl = run(["curl", "-s", "-m", "1", nginx.url("/slow")])
    is_(curl.rc, curl_rc, f"at_{fault}_ends_curl_with_{curl_rc}", curl)
    within(curl.seconds, low, high, f"at_{fault}_takes_its_time")
    is_(run(["curl", "-s", nginx.url()]).out, PAGE, f"at_{fault}_leaves_other_paths_alone")
    nginx.stop()
done()

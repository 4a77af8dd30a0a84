#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Real programs as the kernel's witness sees them: nginx, redis, process trees, connections open before the trace began."""
import os
import signal
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from tracing import Trace, need_ebpf, own

need_ebpf()
CURL, CURL_COMM = own("curl")

# ---- nginx and curl: both ends of each exchange, sendfile, refusals ----

BIG = 3_000_000
nginx = Nginx("sendfile on; location /no { return 503; } location /gone { return 404; }", workers=2)
with open(os.path.join(nginx.directory, "html", "big"), "wb") as f:
    f.write(os.urandom(BIG))
trace = Trace("--pid", nginx.process.pid, "--comm", CURL_COMM)
paths = ["/", "/big", "/no", "/gone"]
curl = run([CURL, "-sS", *(word for path in paths for word in (nginx.url(path), "-o", "/dev/null"))])
is_(curl.rc, 0, "curl_gets_its_pages", curl)
closed = free_port()
run([CURL, "-sS", f"http://127.0.0.1:{closed}/"])
trace.stop()
is_(trace.rc, 0, "ctrl_c_ends_a_trace_with_status_0", trace)

want = [("GET", "/", 200, "ok"), ("GET", "/big", 200, "ok"), ("GET", "/no", 503, "failed"), ("GET", "/gone", 404, "ok")]


def seen(role, service):
    return [(x["method"], x["path"], x["status"], x["outcome"])
            for x in trace.exchanges("x.role = ? AND p.service = ? AND x.method IS NOT NULL", role, service)]


is_(seen("client", CURL_COMM), want, "the_client_side_of_each_exchange_is_there")
is_(seen("server", "nginx"), want, "and_the_server_side_in_workers_that_ran_before")
big = trace.exchanges("x.path = '/big'")
is_([x["role"] for x in big], ["client", "server"], "both_sides_of_the_sendfile_answer")
ok(all(x["bytes_in" if x["role"] == "client" else "bytes_out"] > BIG for x in big), "bytes_sent_by_sendfile_are_counted", big)
ok(all(x["started_ns"] <= x["first_byte_ns"] <= x["ended_ns"] for x in trace.exchanges("x.status IS NOT NULL")),
   "times_are_in_order")
ok(all(c["started_ns"] <= s["started_ns"] and s["first_byte_ns"] <= c["first_byte_ns"]
       for c, s in zip(trace.exchanges("x.role = 'client' AND x.status IS NOT NULL"), trace.exchanges("x.role = 'server'"))),
   "the_server_gets_a_request_after_the_client_sent_it_and_answers_before_the_client_hears")
refused = trace.exchanges("c.peer = ?", f"127.0.0.1:{closed}")
is_([(x["outcome"], x["error"]) for x in refused], [("not_sent", "ECONNREFUSED")], "a_refused_connect_is_an_exchange", refused)
ends = trace.rows("SELECT role, local, peer, end FROM connection WHERE bytes_out > 0 ORDER BY role")
ok(len(ends) == 2 and ends[0]["local"] == ends[1]["peer"] and ends[0]["peer"] == ends[1]["local"],
   "the_two_ends_of_the_connection_name_each_other", ends)
is_([e["end"] for e in ends], ["local_close", "peer_close"], "and_know_who_closed")
calls = {row["syscall"] for row in trace.rows("SELECT DISTINCT syscall FROM syscall_latency")}
ok({"connect", "accept4", "sendfile64", "writev"} <= calls, "latencies_of_system_calls_are_kept", calls)
is_(trace.one("SELECT sum(count) FROM syscall_latency WHERE syscall = 'connect' AND error = 0") or 0, 0,
    "a_connect_that_does_not_block_is_in_progress_not_done")
nginx.stop()

# ---- a process tree: short-lived children of a shell, a server it starts ----

port = free_port()
script = (f"{PYTHON} -m http.server {port} --bind 127.0.0.1 -d {tmpdir()} >/dev/null 2>&1 & P=$!; read go; "
          f"for i in 1 2 3 4 5; do curl -s -o /dev/null http://127.0.0.1:{port}/$i; done; kill $P; wait")
shell = spawn(["bash", "-c", script], stdin=-1)
ok(wait_for(lambda: listening(port)), "the_server_of_the_tree_listens")
stranger = HttpPeer()
trace = Trace("--pid", shell.pid)
run(["curl", "-s", "-o", "/dev/null", stranger.url()])
shell.stdin.write(b"go\n")
shell.stdin.close()
shell.wait()
trace.stop(None)
is_(trace.rc, 0, "the_trace_ends_when_the_tree_has_ended", trace)
is_(trace.one("SELECT count(*) FROM exchange WHERE role = 'client' AND status = 404"), 5, "each_short_lived_child_is_recorded")
is_(trace.one("SELECT count(*) FROM exchange x JOIN process p ON p.id = x.process_id WHERE x.role = 'server' AND p.service = 'http.server'"), 5,
    "the_server_is_known_by_its_module", trace.rows("SELECT * FROM process"))
is_(trace.one("SELECT count(DISTINCT pid) FROM process WHERE service = 'curl' AND exit_status = 0"), 5, "children_have_their_own_names_and_ends")
is_(trace.one("SELECT count(*) FROM process WHERE service = 'curl' AND parent_id = (SELECT id FROM process WHERE pid = ?)", shell.pid), 5,
    "and_their_parent")
is_(trace.one("SELECT count(*) FROM connection WHERE peer = ?", f"127.0.0.1:{stranger.port}"), 0, "who_is_not_of_the_tree_is_not_recorded")

# ---- redis by its port: turns; its clients are followed as they connect ----

redis = Redis()
trace = Trace("--port", redis.port)
for command in (["set", "k", "v"], ["get", "k"], ["no-such-command"]):
    run(["redis-cli", "-p", redis.port, *command])
trace.stop()
got = [(x["service"], x["role"], x["outcome"]) for x in trace.exchanges()]
is_(sorted(got), sorted([("redis-cli", "client", o) for o in ("ok", "ok", "failed")] + [("redis-server", "server", o) for o in ("ok", "ok", "failed")]),
    "a_command_of_redis_is_a_turn_and_its_error_is_failed", got)
is_(trace.one("SELECT count(*) FROM process WHERE command LIKE 'redis-cli -p %'"), 3, "clients_met_by_the_port_are_named")
redis.stop()

# ---- a connection that was open before: taken up at the next request ----

peer = HttpPeer()
keep = spawn([PYTHON, "-c", f"""
import http.client, sys
c = http.client.HTTPConnection("127.0.0.1", {peer.port})
def get(path):
    c.request("GET", path); c.getresponse().read(); print(path, flush=True)
get("/before")
for line in sys.stdin:
    get(line.strip())
"""], stdin=-1, stdout=-1)
keep.stdout.readline()
trace = Trace("--pid", keep.pid)
for path in (b"/one", b"/two"):
    keep.stdin.write(path + b"\n")
    keep.stdin.flush()
    keep.stdout.readline()
os.kill(keep.pid, signal.SIGKILL)
keep.wait()
trace.stop(None)
is_([x["path"] for x in trace.exchanges()], ["/one", "/two"], "a_connection_from_before_is_taken_up")
is_(trace.rows("SELECT mid_stream, role, end FROM connection"), [{"mid_stream": 1, "role": "client", "end": "exited"}],
    "it_says_so_and_how_it_ended")
is_(trace.one("SELECT exit_status FROM process"), 128 + signal.SIGKILL, "a_killed_process_has_its_signal_as_status")

# ---- a chunked answer larger than what is captured of each call ----

BODY = b"x" * 20000


def chunked(conn, n):
    stream = conn.makefile("rb")
    while stream.readline().strip():
        while stream.readline().strip():
            pass
        conn.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY, len(BODY), BODY))


peer = Peer(chunked)
trace = Trace("--comm", CURL_COMM)
run([CURL, "-sS", *(word for i in range(3) for word in (peer.url(f"/{i}"), "-o", "/dev/null"))])
trace.stop()
got = [(x["path"], x["status"], x["outcome"], x["bytes_in"] > 40000) for x in trace.exchanges()]
is_(got, [(f"/{i}", 200, "ok", True) for i in range(3)], "chunked_answers_beyond_the_capture_end_where_they_end", got)
is_(trace.one("SELECT count(*) FROM loss"), 0, "and_lose_nothing")
done()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Whatever call moves the bytes of a connection, the kernel's witness tells what was moved, and how it ended."""
import errno
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from tracing import Trace, need_ebpf

need_ebpf()


def moved(*ways):
    """A trace of the victim going these ways, and what it says of each: {way: (sent, received)}."""
    options = [way for way in ways if way[0] == "-"]
    process = spawn([victim("moves"), *options, "-w", *ways[len(options):]], stdin=-1, stdout=-1)
    process.stdout.readline()
    trace = Trace("--pid", process.pid)
    said, _ = process.communicate(b"\n")
    trace.stop(None)
    lines = [line.split(None, 2) for line in said.decode().splitlines()]
    return trace, {way: (sent, received.strip()) for way, sent, received in lines}


def rows(trace, way, role):
    return trace.exchanges("x.path = ? AND x.role = ?", "/" + way, role)


WHOLE = ["write", "writev", "vectors", "pwritev2", "sendto", "sendmsg", "sendmmsg", "sendfile", "splice", "peek", "trunc", "errqueue", "nothing", "compat",
         "interrupt", "restart"]
trace, said = moved(*WHOLE, "eof")
if said.get("compat") == ("not:", "none of 32-bit programs here"):  # some hosts have none for their guests
    del said["compat"]
    WHOLE.remove("compat")
ok("nothing was lost" in trace.err, "nothing_is_lost", trace.rows("SELECT * FROM loss"))
is_(trace.one("SELECT count(*) FROM exchange"), 2 * len(said), "every_way_is_one_exchange_at_each_end", said)
for way in WHOLE:
    got = [(x["outcome"], x["status"], x["bytes_out"], x["bytes_in"]) for x in rows(trace, way, "client")]
    want = [("ok", 200, *map(int, said[way]))] if said.get(way, ["not:"])[0] != "not:" else None
    is_(got, want, f"{way}_tells_what_was_moved", said.get(way))
eof = rows(trace, "eof", "client")
is_([(x["outcome"], x["error"]) for x in eof], [("indeterminate", "eof")], "the_end_of_the_stream_shows_in_recvmsg", eof)
within((eof[0]["ended_ns"] - eof[0]["started_ns"]) / 1e6 if eof else None, 0, 150, "when_it_comes_and_not_when_the_program_closes")
interrupted = trace.one("SELECT sum(count) FROM syscall_latency WHERE syscall = 'read' AND error = ?", errno.EINTR)
is_(interrupted, 1, "a_read_that_was_interrupted_for_the_program_is_counted_and_one_that_was_restarted_is_not")
calls = trace.one("SELECT sum(count) FROM syscall_latency WHERE syscall = 'writev'")
is_(calls, 2, "a_call_in_the_way_of_32-bit_programs_is_not_taken_for_another_that_has_its_number")

trace, said = moved("many_vectors", "write")
is_([(x["outcome"], x["bytes_out"]) for x in rows(trace, "write", "client")], [("ok", int(said["write"][0]))], "what_comes_later_is_told")
is_(trace.rows("SELECT source, reason FROM loss WHERE reason <> 'framing_lost'"), [{"source": "ebpf", "reason": "vectors_beyond_64"}],
    "a_message_that_lies_in_too_many_pieces_is_counted")

os.environ["AFTERSHOCK_WITHOUT"] = "writev,preadv2"
trace, said = moved("writev", "write")
is_((trace.meta("missing_hooks"), len(rows(trace, "write", "client")), trace.rows("SELECT * FROM syscall_latency WHERE syscall = 'writev'")),
    ("writev,preadv2", 1, []), "calls_that_are_left_out_are_named_and_not_heard", trace)
os.environ["AFTERSHOCK_WITHOUT"] = "bpf_rdonly_cast"
trace, said = moved("write")
is_(([(x["outcome"], x["bytes_out"], x["bytes_in"]) for x in rows(trace, "write", "client")], trace.rows("SELECT * FROM loss")),
    ([("ok", *map(int, said["write"]))], []), "a_kernel_before_6.2_is_read_in_another_way_with_the_same_result", trace)
os.environ["AFTERSHOCK_WITHOUT"] = ""

# Long bodies, both ways and with messages that look like others in them, on one connection: their payload is not captured, heads are.
BODIES = r"""
import http.client, sys
sys.stdin.readline()
c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
for n in range(4):
    c.request("POST", f"/{n}", body=b"GET /x HTTP/1.1\r\n\r\n" * 200000)
    c.getresponse().read()
    c.request("GET", f"/small{n}")
    c.getresponse().read()
"""
LONG = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n" * 200000
peer = HttpPeer(lambda r: (202, {}, LONG) if r.method == "POST" else (203, {}, b"ok"))
client = spawn([PYTHON, "-c", BODIES, str(peer.port)], stdin=-1)
trace = Trace("--pid", client.pid)
client.communicate(b"go\n")
trace.stop(None)
got = [(x["method"], x["path"], x["status"], x["outcome"], x["bytes_out"] > 3e6, x["bytes_in"] > 7e6)
       for x in trace.exchanges("x.role = 'client'")]
want = [x for n in range(4) for x in (("POST", f"/{n}", 202, "ok", True, True), ("GET", f"/small{n}", 203, "ok", False, False))]
is_(got, want, "what_comes_behind_long_bodies_is_told")
is_(trace.rows("SELECT * FROM loss"), [], "and_none_of_it_is_missing")

# Bytes that move by no call, told apart from bytes whose records were lost: by the kernel's count of them, or by where the stream stands.
HOOKS = "io_uring_create,sock_send_length,sock_recv_length"
for how, without, ready in (("by_the_kernel's_count", "", ["-u"]), ("before_that_counts", "", []), ("by_where_the_stream_stands", HOOKS, [])):
    os.environ["AFTERSHOCK_WITHOUT"] = without
    trace, said = moved(*ready, "write", "uring")
    if said["uring"][0] == "not:":
        skip(f"io_uring does not work here: {said['uring']}", 5)
        continue
    unseen = trace.rows("SELECT role, bytes_unseen FROM connection WHERE bytes_unseen IS NOT NULL")
    is_(unseen, [{"role": "client", "bytes_unseen": sum(map(int, said["uring"]))}], f"what_an_io_uring_moves_is_noticed_{how}")
    is_(trace.rows("SELECT source, reason, count FROM loss"), [{"source": "ebpf", "reason": "connection_bytes_unseen", "count": 1}],
        f"and_makes_the_record_incomplete_{how}", trace)
    is_([x["outcome"] for x in rows(trace, "uring", "server")], ["ok"], f"its_other_end_is_told_as_ever_{how}")
    is_(trace.meta("missing_hooks"), without or None, f"the_hooks_that_are_missing_are_noted_{how}")
    is_([(x["outcome"], x["bytes_out"], x["bytes_in"]) for x in rows(trace, "write", "client")], [("ok", *map(int, said["write"]))],
        f"what_other_calls_move_is_told_{how}")
os.environ["AFTERSHOCK_WITHOUT"] = ""
trace, said = moved("-u", "uring_server", "write")
if said["uring_server"][0] == "not:":
    skip(f"io_uring does not work here: {said['uring_server']}", 3)
else:
    is_(trace.rows("SELECT role, bytes_unseen FROM connection WHERE bytes_unseen IS NOT NULL"),
        [{"role": "server", "bytes_unseen": sum(map(int, said["uring_server"]))}], "a_connection_of_which_a_ring_is_all_that_its_server_ever_used_is_noticed")
    is_(trace.rows("SELECT source, reason, count FROM loss"), [{"source": "ebpf", "reason": "connection_bytes_unseen", "count": 1}],
        "and_makes_the_record_incomplete", trace)
    is_([x["outcome"] for x in trace.exchanges("x.role = 'client'")], ["ok", "ok"], "its_client_is_told_as_ever")
done()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the kernel's witness loses is counted, named in every report and refused as evidence; what is left is not made of halves."""
import os
import select
import signal
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from tracing import Trace, need_ebpf

need_ebpf()
ROUNDS = 3000
STATUSES = [200, 201, 202, 302, 400, 404, 429, 500, 502, 503]

# Asks for /STATUS/N on one connection, so that each answer shows whose it is; tells when half of it is done.
CLIENT = r"""
import socket, sys
port, rounds, statuses = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].split(",")
s = socket.create_connection(("127.0.0.1", port))
print("ready", flush=True)
for part in range(2):
    sys.stdin.readline()
    for n in range(rounds // 2):
        s.sendall(b"GET /%s/%d HTTP/1.1\r\nHost: x\r\n\r\n" % (statuses[n % len(statuses)].encode(), n))
        s.recv(4096)
    print("through", flush=True)
"""


def serve(conn, n):
    while data := conn.recv(4096):
        status = data.split(b"/", 2)[1]
        conn.sendall(b"HTTP/1.1 %s Fine\r\nContent-Length: 2\r\n\r\nok" % status)


def stop_for_moments(trace, client):
    """Until the client says something the recorder stands still for a millisecond every few."""
    while not select.select([client.stdout], [], [], 0.003)[0]:
        os.kill(trace.process.pid, signal.SIGSTOP)
        time.sleep(0.001)
        os.kill(trace.process.pid, signal.SIGCONT)


def record(rounds, stopped, moments=False):
    """A trace of the client; while its first half runs the recorder is stopped, or all the time for moments, or not at all."""
    peer = Peer(serve)
    client = spawn([PYTHON, "-c", CLIENT, str(peer.port), str(rounds), ",".join(map(str, STATUSES))], stdin=-1, stdout=-1)
    client.stdout.readline()
    trace = Trace("--pid", client.pid)
    for part in range(2):
        if stopped and not part:
            os.kill(trace.process.pid, signal.SIGSTOP)
        client.stdin.write(b"go\n")
        client.stdin.flush()
        if moments:
            stop_for_moments(trace, client)
        client.stdout.readline()
        os.kill(trace.process.pid, signal.SIGCONT)
    trace.stop(None)
    peer.close()
    return trace


whole = record(ROUNDS, False)
is_(whole.one("SELECT count(*) FROM exchange"), ROUNDS, "with_room_for_all_every_exchange_is_told", whole)
is_(whole.rows("SELECT * FROM loss"), [], "and_nothing_is_lost")
base = os.path.join(tmpdir(), "whole.db")
os.rename(whole.db, base)

os.environ["AFTERSHOCK_RING_BYTES"] = "65536"
lossy = record(ROUNDS, True)
del os.environ["AFTERSHOCK_RING_BYTES"]
lost = lossy.one("SELECT count FROM loss WHERE reason = 'payload_ring_full'") or 0
told = lossy.one("SELECT count(*) FROM exchange WHERE outcome IN ('ok', 'failed')")
ok(lost > ROUNDS // 4, f"a_tiny_ring_overflows_while_the_recorder_is_stopped_({lost})", lossy)
# one that is not told misses one record at least; a slow machine may lose more of the second half too
ok(ROUNDS - lost <= told < ROUNDS and told, f"what_was_not_lost_is_told_({told})", lossy.rows("SELECT reason, count FROM loss"))
ok("lost" in lossy.err and "nothing was lost" not in lossy.err, "the_command_says_that_events_were_lost", lossy)


def wrong(trace):
    return trace.rows("SELECT path, status FROM exchange WHERE status IS NOT NULL AND path NOT LIKE '/' || status || '/%'")


is_(wrong(lossy), [], "no_answer_is_laid_to_another_request")
is_(lossy.one("SELECT bytes_unseen FROM connection"), None, "bytes_whose_record_was_lost_are_not_taken_for_bytes_that_no_call_moved")

text = aftershock("report", lossy.db)
like(text.out, rf"\b{lost} lost: ebpf, payload.ring.full", "the_report_tells_how_many_and_why")
like(text.out, r"more than 0\.1 % of the events were lost", "and_that_it_is_no_evidence")
compared = aftershock("compare", "--base", base, "--new", lossy.db)
is_(compared.rc, 3, "a_comparison_refuses_to_judge", compared)

# A ring of a page has a hole wherever the recorder stands still for a moment: now a request is lost, now an answer.
os.environ["AFTERSHOCK_RING_BYTES"] = "4096"
holes = record(ROUNDS, False, moments=True)
ok((holes.one("SELECT count FROM loss WHERE reason = 'payload_ring_full'") or 0) > 0, "a_ring_of_a_page_has_holes", holes)
is_(wrong(holes), [], "no_answer_is_laid_to_another_request_where_many_records_are_missing", holes.rows("SELECT * FROM loss"))

# With losses only the kernel's own count tells which bytes were moved by no call. This io_uring was there before the trace.
process = spawn([victim("moves"), "-u", "-w", *["write"] * 40, "uring"], stdin=-1, stdout=-1)
process.stdout.readline()
trace = Trace("--pid", process.pid)
os.kill(trace.process.pid, signal.SIGSTOP)
said, _ = process.communicate(b"\n")
os.kill(trace.process.pid, signal.SIGCONT)
trace.stop(None)
ok((trace.one("SELECT count FROM loss WHERE reason = 'payload_ring_full'") or 0) > 0, "a_ring_of_a_page_overflows_at_once", trace)
moved = said.decode().splitlines()[-1].split()
if moved[1] == "not:":
    skip(f"io_uring does not work here: {moved}")
else:
    unseen = trace.rows("SELECT role, bytes_unseen FROM connection WHERE bytes_unseen IS NOT NULL")
    is_(unseen, [{"role": "client", "bytes_unseen": int(moved[1]) + int(moved[2])}], "what_an_io_uring_moves_is_told_apart_from_what_was_lost")
done()

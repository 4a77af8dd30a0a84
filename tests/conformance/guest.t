#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The library is a guest: what odd but lawful programs do works as it does without it, and the fault still acts."""
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

peer = HttpPeer()


def said(result):
    """The victim's line as a dictionary of numbers; empty when it said nothing."""
    return {k: int(v) for k, v in (word.split("=") for word in result.out.split())}


def guest(case, fault, side="to=127.0.0.1", port=None):
    r = shock(f"{side}:{port or peer.port} {fault}", victim("guest"), case, port or peer.port, timeout=10)
    return said(r), r


got, r = guest("eager", "status=503")
is_(got, {"status": 503}, "a non-blocking program that never asks for SO_ERROR reads the answer", r)

got, r = guest("early_reader", "delay=400ms")
ok(got.get("read") == 1 and got["ms"] >= 450, "a thread that waits in recv before the request is sent waits out the delay", r)

got, r = guest("fionread", "delay=300ms")
ok(got.get("bytes") == 1 and got["ms"] >= 290, "FIONREAD says 0 until the delay is over", r)

got, r = guest("many_vectors", "status=503")
is_(got, {"status": 503}, "a request head in 40 vectors is answered", r)
got, r = guest("many_vectors", "path=/other delay=1s")
is_(got, {"status": 200}, "a request head in 40 vectors that no fault matches arrives whole", r)

got, r = guest("closed_duplicate", "delay=1ms")
ok(got.get("events") == 1 and got["own_data"] == 1, "epoll reports a closed descriptor whose duplicate is open with the program's data", r)
ok(got.get("cpu", 1000) < 300, "... and does not spin", r)

got, r = guest("hangup_only", "status=503")
ok(got.get("events") == 0 and got["cpu"] < 200, "poll for a hang-up sleeps while an answer of ours is unread", r)

got, r = guest("one_shot", "status=503")
is_(got, {"first": 1, "second": 0}, "EPOLLONESHOT gives one event for a socket with an answer of ours", r)

got, r = guest("stream_close", "status=503")
is_(got, {"reused": 1, "written": 36, "size": 36}, "a file on the number of a socket that fclose closed is written to", r)

got, r = guest("receive_nothing", "status=503")
is_(got, {"nothing": 0, "status": 503}, "recv of no bytes returns 0 when an answer of ours is there", r)

got, r = guest("fork_in_head", "path=/other status=503")
is_(got, {"status": 200}, "a child that closes its copy of a socket sends nothing of the parent's request", r)

got, r = guest("control_data", "delay=1ms", side="at=", port=free_port())
is_(got, {"got": 36, "control": 0, "flags": 0}, "a server's recvmsg says that no control data came", r)

for fault in ("delay=1m", "status=503 delay=1m", "throttle=1B"):
    got, r = guest("cancelled", fault)
    is_(got.get("left"), 0, f"threads that are cancelled in a wait under {fault} leave no descriptor of ours open", r)
    ok(fault.startswith("throttle") or got.get("unjoined") == 0, "... and were in it", r)

quiet = Peer(lambda conn, n: conn.recv(1))
r = shock(f"to=127.0.0.1:{quiet.port} delay=1s probability=0", victim("handlers"), quiet.port, 2, timeout=20)
ok(r.rc == 0 and r.out.startswith("ran "), "a signal handler that receives on another thread's connection while its own is in epoll_ctl ends", r)

done()

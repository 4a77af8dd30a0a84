#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Sets, bits, descriptors and threads while an answer is late: each case of victims/holds.c says under a fault what it says without the
library of a server that really behaves so."""
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from worlds import BUSY, LATE_TO_HEAR, SLOW, WATCHED, healthy, injected, really, same_in, slow

CASES = ("exclusive", "nested", "nested_edge", "nested_deep", "nested_beside", "nested_poll", "fine", "modified", "bits", "sets", "looked_at", "handed_on",
         "duplicate", "ended", "ended_polled", "asked_meanwhile")
APART = (("ended_polled", "is_slow_to_hear"), )  # shut for writing, the request leaves at once, and its answer finds a socket that is shut: a RST (Linux)

same_in((WATCHED, SLOW, LATE_TO_HEAR, BUSY), "holds", CASES, APART)
case = "handed_on_asked"  # an answer of ours is its process's and stays behind
for fault in ("delay=300ms", "delay=300ms delay_on=request"):
    is_(injected("holds", healthy, fault, case).out, really("holds", slow.port, case).out, f"{case}_says_the_same_under {fault}")

# another process is passed the connection: what is held stays behind, and nobody waits for it for ever
PASSED = """
import os, socket, sys
a, b = socket.socketpair()
if not os.fork():
    a.close()
    s = socket.socket(fileno=socket.recv_fds(b, 1, 1)[1][0])
    s.settimeout(5)
    try:
        s.sendall(sys.argv[3].encode())
        print(s.recv(4096)[:12].decode(), flush=True)
    except OSError as e:
        print(e.strerror or e, flush=True)
    os._exit(0)
b.close()
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)
s.sendall(sys.argv[2].encode())
socket.send_fds(a, [b"x"], [s.fileno()])
if sys.argv[4] == "closes":
    s.close()
os.wait()
"""
WHOLE, HALF, REST = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a HT", "TP/1.1\r\nHost: x\r\n\r\n"
for fault, sent, rest, parent, want, what in (
        ("delay=300ms", WHOLE, "", "closes", "HTTP/1.1 200", "an answer that is late comes all the same"),
        ("delay=1h delay_on=request", WHOLE, "", "stays", "HTTP/1.1 200", "a request that is late leaves before"),
        ("path=/other status=503", HALF, REST, "stays", "HTTP/1.1 200", "a piece of a head leaves before"),
        ("status=503", WHOLE, "", "closes", "Connection reset by peer", "an answer of ours becomes a reset"),
        ("reset=request delay=1h", WHOLE, "", "closes", "Connection reset by peer", "a reset that is late comes now")):
    r = shock(f"to=127.0.0.1:{healthy.port} {fault}", PYTHON, "-c", PASSED, healthy.port, sent, rest, parent, timeout=20)
    is_(r.out.strip(), want, f"a connection that is passed to another process: {what}", r)

for fault in ("delay=300ms", "delay=300ms delay_on=request", "status=503 delay=300ms", "throttle=1B"):
    r = injected("holds", healthy, fault, "renumbered")
    is_(r.out, "same=1 left=15 ", f"a receive under {fault} takes nothing of the file that has its number by now", r)
done()

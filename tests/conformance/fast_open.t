#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Programs that connect by a send (MSG_FASTOPEN, as wget2 does): faults find them, and each says what it says of a real server."""
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from peers import refusing

CLIENT = r'''
import ctypes, errno, select, socket, struct, sys
how, wait, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
request = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
libc = ctypes.CDLL(None, use_errno=True)
s = socket.socket()
s.setblocking(wait == "blocking")

def by_number():
    sa = struct.pack("=HH4s8x", socket.AF_INET, socket.htons(port), socket.inet_aton("127.0.0.1"))
    n = libc.syscall(44, s.fileno(), request, ctypes.c_size_t(len(request)), socket.MSG_FASTOPEN, sa, len(sa))
    if n < 0:
        raise OSError(ctypes.get_errno(), "")
    return n

ways = {"sendto": lambda: s.sendto(request, socket.MSG_FASTOPEN, ("127.0.0.1", port)),
        "sendmsg": lambda: s.sendmsg([request[:5], request[5:]], [], socket.MSG_FASTOPEN, ("127.0.0.1", port)), "number": by_number}
try:
    try:
        n = ways[how]()
    except BlockingIOError:
        print("EINPROGRESS")
        print("writable", len(select.select([], [s], [], 5)[1]))
        n = s.send(request)
    print("sent", n)
    select.select([s], [], [], 5)
    print("answer", s.recv(65536).split(b" ")[1])
except OSError as e:
    print(errno.errorcode[e.errno])
'''
healthy, busy, closed = HttpPeer(), HttpPeer(lambda request: 503), refusing()
refused = closed.getsockname()[1]
for wait in ("blocking", "non_blocking"):
    for how in ("sendto", "sendmsg", "number"):
        if how == "number" and os.uname().machine != "x86_64":
            continue
        for fault, real in (("status=503", busy.port), ("refuse=true", refused), ("delay=50ms delay_on=connect", healthy.port),
                            ("status=503 probability=0", healthy.port)):
            want = run([PYTHON, "-c", CLIENT, how, wait, real])
            r = shock(f"to=127.0.0.1:{healthy.port} {fault}", PYTHON, "-c", CLIENT, how, wait, healthy.port)
            is_(r.out, want.out, f"{how}_{wait}: says_the_same_under {fault}", r)
            is_(r.one("SELECT count(*) FROM exchange WHERE role = 'client'"), 1, f"{how}_{wait}: is_recorded_under {fault}", r)
            if "probability" not in fault:
                is_(r.one("SELECT count(*) FROM injection"), 1, f"{how}_{wait}: is_hit_by {fault}", r)
r = shock("to=203.0.113.1:1 refuse=true", PYTHON, "-c", CLIENT, "sendto", "blocking", healthy.port)
is_(r.out, run([PYTHON, "-c", CLIENT, "sendto", "blocking", healthy.port]).out, "a_send_that_no_fault_concerns_connects_as_before", r)
done()

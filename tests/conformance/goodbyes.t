#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a client says before it closes, and no server answers (PostgreSQL's Terminate, memcached's quit, MySQL's COM_QUIT), is no request: nothing
is made of it in a run file without eBPF, no fault is spent on it, and it arrives."""
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

# Both ends in one program: a server that answers each message until the stream ends, and clients that ask twice and part.
BOTH = """
import socket, sys, threading
listener = socket.create_server(('127.0.0.1', 0))
parting, first, pieces = bytes.fromhex(sys.argv[1]), sys.argv[2] == 'first', int(sys.argv[3])

def serve():
    c, _ = listener.accept()
    while data := c.recv(100):
        print(data.hex(), flush=True)
        if data != parting and len(data) > 1:
            c.sendall(b'answer')

server = threading.Thread(target=serve)
server.start()
with socket.create_connection(listener.getsockname()) as s:
    for i in range(0 if first else 2):
        s.sendall(b'\\x07question')
        s.recv(100)
    s.sendall(parting[:pieces])
server.join()
"""
QUESTION = b"\x07question".hex()
GOODBYES = {"PostgreSQL's Terminate": b"X\0\0\0\4", "memcached's quit": b"quit\r\n", "MySQL's COM_QUIT": b"\1\0\0\0\1"}
BY_ROLE = "SELECT role, outcome, count(*) n FROM exchange GROUP BY role, outcome ORDER BY role"


def part(goodbye, fault, first=False, n=99):
    r = shock(fault, PYTHON, "-c", BOTH, goodbye.hex(), "first" if first else "later", n, trace="shim")
    return r, [tuple(row.values()) for row in r.rows(BY_ROLE)]


for name, goodbye in GOODBYES.items():
    for fault in ("to=* probability=0 delay=1ms", "to=* delay=5ms", "at=* delay=5ms"):
        r, rows = part(goodbye, fault)
        is_(r.out.split(), [QUESTION, QUESTION, goodbye.hex()], f"{name}, {fault}: it arrives", r)
        is_(rows, [("client", "ok", 2), ("server", "ok", 2)], f"{name}, {fault}: two questions, and nothing that failed")
        is_(r.one("SELECT matched FROM fault"), 2, f"{name}, {fault}: it spends no turn of a fault")
    is_([(c["role"], c["bytes_out"] + c["bytes_in"]) for c in r.rows("SELECT role, bytes_out, bytes_in FROM connection ORDER BY role")],
        [("client", 30 + len(goodbye)), ("server", 30 + len(goodbye))], f"{name}: its bytes are the connection's")
    for role in ("to", "at"):
        r, rows = part(goodbye, f"{role}=* after=2 error=send:EPIPE" if role == "to" else "at=* after=2 reset=request")
        is_((r.rc, r.out.split()[-1:]), (3, [goodbye.hex()]), f"{name}: a fault of the third request under {role}= does not hit it", r)

# ---- what is a request all the same ----
terminate = GOODBYES["PostgreSQL's Terminate"]
is_(part(b"X\0\0\0\5", "to=* delay=1ms")[1], [("client", "indeterminate", 1), ("client", "ok", 2), ("server", "indeterminate", 1), ("server", "ok", 2)],
    "other five bytes without an answer are a request that was given up")
is_(part(terminate, "to=* delay=1ms", n=4)[1], [("client", "indeterminate", 1), ("client", "ok", 2), ("server", "ok", 3)],
    "so is a part of a goodbye")
is_(part(terminate, "to=* delay=1ms", first=True)[1], [("client", "indeterminate", 1), ("server", "indeterminate", 1)],
    "so is one that begins a connection: nobody knows the protocol")

done()

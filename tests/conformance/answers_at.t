#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What is recorded of a server's answers, and decided for its requests, where neither says by itself where it ends: an HTTP answer that ends
with the connection, in whichever way the server closes it; and a protocol that is not framed, whose server reads the end of a request
when it has answered (FastCGI at PHP)."""
import os
import socket
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

SERVER = r'''
import os, socket, sys
how = sys.argv[1]
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)

def read(s, n):
    while n:
        data = s.recv(n)
        if not data:
            return False
        n -= len(data)
    return True

def http(s):
    s.recv(65536)
    if how == "rd":
        s.shutdown(socket.SHUT_RD)
    s.sendall(b"HTTP/1.0 200 OK\r\n\r\nhello")
    s.sendall(b" again")
    if how in ("half", "both"):
        s.shutdown(socket.SHUT_WR if how == "half" else socket.SHUT_RDWR)

def turns(s):
    while read(s, 100):
        for i in range(5):
            s.sendall(bytes(1000))
        read(s, 8)

while True:
    s, peer = listener.accept()
    (turns if how == "turns" else http)(s)
    s.close()
'''


class Server:
    def __init__(self, fault, how):
        self.run = Run(os.path.join(tmpdir(), "at.db"))
        self.process = spawn(shock_argv(f"at=* {fault}", self.run.db, (PYTHON, "-c", SERVER, how)), stdout=-1, bufsize=0)
        self.peer = socket.create_connection(("127.0.0.1", int(line_of(self.process) or 1)), timeout=20)

    def ask(self, request, n=65536):
        """What comes back, up to n bytes, and after how many seconds."""
        self.peer.sendall(request)
        got, began = b"", time.monotonic()
        while len(got) < n and (data := self.peer.recv(n - len(got))):
            got += data
        return got, time.monotonic() - began

    def end(self):
        self.peer.close()
        time.sleep(0.2)
        stop(self.process)
        return self.run.rows("SELECT outcome, error, status, x.bytes_in, x.bytes_out FROM exchange AS x ORDER BY x.id")


PAGE = b"HTTP/1.0 200 OK\r\n\r\nhello again"
for how in ("close", "half", "both", "rd"):
    for fault in ("status=503 probability=0", "delay=50ms"):
        server = Server(fault, how)
        got, seconds = server.ask(b"GET / HTTP/1.0\r\n\r\n")
        is_(got, PAGE, f"{how}, {fault}: the_client_gets_the_answer")
        rows = server.end()
        is_(rows, [{"outcome": "ok", "error": None, "status": 200, "bytes_in": 18, "bytes_out": len(PAGE)}],
            f"{how}, {fault}: the_close_is_its_end_and_it_was_answered")
        is_(server.run.one("SELECT end FROM connection"), "local_close", f"{how}, {fault}: the_server_closed_the_connection")

for fault, late in (("delay=100ms", [1, 1, 1, 1]), ("delay=100ms first=2", [1, 1, 0, 0]), ("delay=100ms every=2", [0, 1, 0, 1])):
    server = Server(fault, "turns")
    seen = []
    for i in range(4):
        seen.append(server.ask(bytes(108), 5000)[1])
        time.sleep(0.05)
    is_([int(seconds > 0.09) for seconds in seen], late, f"{fault}: a_request_is_decided_once_although_its_end_is_read_last", seen)
    is_([(row["bytes_in"], row["bytes_out"]) for row in server.end()], [(108, 5000)] * 4, f"{fault}: and_is_one_exchange")
done()

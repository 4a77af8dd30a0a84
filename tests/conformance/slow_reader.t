#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A server whose client reads slowly: an answer of ours that does not fit into the socket's buffer arrives whole all the same."""
import json
import os
import socket
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

SERVER = """
import socket
l = socket.socket()
l.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
l.bind(("127.0.0.1", 0))
l.listen()
print(l.getsockname()[1], flush=True)
c = l.accept()[0]
while c.recv(1000):
    c.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
"""
BODY = "B" * 60000

directory = tmpdir()
plan, db = os.path.join(directory, "plan.json"), os.path.join(directory, "run.db")
with open(plan, "w") as f:
    json.dump({"faults": [{"at": "*", "status": 503, "first": 2, "body": BODY}]}, f)
server = spawn([BIN, "run", "-p", plan, "-o", db, "--trace", "shim", "--", PYTHON, "-c", SERVER], stdout=-1)
client = socket.socket()
client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
client.settimeout(20)
client.connect(("127.0.0.1", int(server.stdout.readline())))
for want in (BODY.encode(), BODY.encode(), b"ok"):
    client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    got = b""
    try:
        while len(got.partition(b"\r\n\r\n")[2]) < len(want):
            piece = client.recv(1000)
            if not piece:
                break
            got += piece
    except TimeoutError:
        pass
    ok(got.partition(b"\r\n\r\n")[2] == want, f"an_answer_of_{len(want)}_bytes_arrives_whole", f"{len(got)} bytes, {got[:200]!r}")
client.close()
is_(server.wait(20), 0, "the_server_ends_with_its_client")
is_([r["status"] for r in Run(db).rows("SELECT status FROM exchange ORDER BY id")], [503, 503, 200], "each_exchange_is_recorded")
done()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How connections end when a program ends them with a reset."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from tracing import Trace, need_ebpf

need_ebpf()
# Each act is a connection of a process of its own, after a request and its answer, of which `rest` bytes stay unread.
CLIENT = """
import os, socket, struct, sys
sys.stdin.readline()
def ask(rest=0):
    s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
    s.sendall(b'GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')
    got = b''
    while not got.endswith(b'hello'):
        got += s.recv(4096)
    if rest:
        s.sendall(b'GET /more HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')
        while s.recv(200, socket.MSG_PEEK) == b'':
            pass
    return s
def at_once(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    return s
def replaced():
    s = at_once(ask())
    os.dup2(0, s.fileno())
acts = [lambda: at_once(ask()).close(), lambda: (at_once(ask()), os._exit(0)), lambda: ask(1).close(), replaced, lambda: ask().close()]
for act in acts:
    if not os.fork():
        act()
        os._exit(0)
    os.wait()
"""
peer = HttpPeer(lambda r: "hello")
client = spawn([PYTHON, "-c", CLIENT, peer.port], stdin=-1)
trace = Trace("--pid", client.pid)
client.communicate(b"go\n")
trace.stop(None)
ends = [row["end"] for row in trace.rows("SELECT end FROM connection ORDER BY opened_ns")]
is_(ends, ["local_close", "exited", "local_close", "local_close", "local_close"], "who_ends_a_connection_with_a_reset_has_closed_it")
is_({(x["outcome"], x["status"]) for x in trace.exchanges("x.path = '/'")}, {("ok", 200)}, "what_it_asked_was_answered")
is_(trace.rows("SELECT * FROM loss"), [], "and_no_byte_of_it_is_taken_for_missing")
is_(trace.rc, 0, "so_the_trace_is_complete", trace)
done()

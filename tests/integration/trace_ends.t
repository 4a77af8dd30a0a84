#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How connections end when a program ends them with a reset; and that either program of a pair tells what TCP does."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from peers import refusing
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

# ---- the kernel leaves a program out while it is at work: as if it were not there; then the other one of the pair tells ----
ACTS = """
import socket, sys
sys.stdin.readline()
good, refused, resets = sys.argv[1:]
for port in (good, refused, resets):
    s = socket.socket()
    try:
        s.connect(('127.0.0.1', int(port)))
        s.sendall(b'GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')
        s.recv(4096)
    except OSError:
        pass
    s.close()
"""
closed = refusing()
torn = HttpPeer(lambda r: reset)
told, lost = {}, {}
for without in "", "on_state,on_gone", "on_state_too,on_gone_too", "on_state,on_state_too":
    client = spawn([PYTHON, "-c", ACTS, peer.port, closed.getsockname()[1], torn.port], stdin=-1)
    os.environ["AFTERSHOCK_WITHOUT"] = without
    trace = Trace("--pid", client.pid)
    client.communicate(b"go\n")
    trace.stop(None)
    told[without] = [(x["outcome"], x["status"], x["error"], x["end"]) for x in trace.exchanges()], \
        [list(row.values()) for row in trace.rows("SELECT peer, opened_ns > 0, connected_ns > 0, end, mid_stream FROM connection ORDER BY opened_ns")]
    lost[without] = trace.rows("SELECT * FROM loss")
is_([lost[w] for w in ("", "on_state,on_gone", "on_state_too,on_gone_too")], [[], [], []], "nothing_is_lost_with_one_of_each_pair")
is_([x[0] for x in told[""][0]], ["ok", "not_sent", "indeterminate"], "an_answer_a_refusal_and_a_reset_are_told")
is_(told["on_state,on_gone"], told[""], "the_second_of_each_pair_tells_all_that_both_tell")
is_(told["on_state_too,on_gone_too"], told[""], "so_does_the_first")
ok(told["on_state,on_state_too"] != told[""], "without_either_something_is_missing", told)
done()

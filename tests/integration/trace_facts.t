#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What TCP counts for a connection stands with it: segments sent again, as TCP_INFO (and so ss) has them, and its bytes."""
import ctypes
import os
import socket
import struct
import sys
import threading
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from tracing import Trace, need_ebpf

need_ebpf()
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27

# Asks each of its ports and tells what TCP has sent again for it. The first connection is there before the trace, the last stays open.
CLIENT = r"""
import socket, struct, sys
ports = sys.argv[1:]

def again(s):
    return struct.unpack_from("I", s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192), 100)[0]

def dial(port):
    s = socket.create_connection(("127.0.0.1", int(port)))
    s.recv(1)
    return s

def ask(s):
    s.sendall(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % s.getpeername()[1])
    s.recv(4096)

first = dial(ports[0])
ask(first)
before = again(first)
print("ready", before, flush=True)
sys.stdin.readline()
ask(first)
print(again(first) - before)
first.close()
for port in ports[1:]:
    s = dial(port)
    ask(s)
    print(again(s))
    if port != ports[-1]:
        s.close()
print("through", flush=True)
sys.stdin.readline()
"""


def drops(conn):
    """From now on nothing that comes for this socket reaches it: the other end sends it again."""
    code = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))  # return 0
    conn.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HxxxxxxP", 1, ctypes.addressof(code)))


def passes(conn, gate):
    """Half a second after the gate is open the socket is reached again."""
    gate.wait()
    time.sleep(0.5)
    conn.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)


def lossy(*gates):
    """A server that says a byte, then answers a request for each gate, which reaches it only some time after the gate is open."""
    def serve(conn, n):
        word = b"x"
        for gate in gates:
            drops(conn)
            conn.sendall(word)
            threading.Thread(target=passes, args=(conn, gate), daemon=True).start()
            conn.recv(4096)
            word = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        conn.sendall(word)
        conn.recv(1)
    return serve


def fine(conn, n):
    conn.sendall(b"x")
    while conn.recv(4096):
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


now, began = threading.Event(), threading.Event()
now.set()
ports = [Peer(serve).port for serve in (lossy(now, began), lossy(now), fine, lossy(now))]
client = spawn([PYTHON, "-c", CLIENT, *map(str, ports)], stdin=-1, stdout=-1)
before = int(client.stdout.readline().split()[1])
trace = Trace("--pid", client.pid)
began.set()
client.stdin.write(b"go\n")
client.stdin.flush()
told = [client.stdout.readline().decode().strip() for _ in range(len(ports) + 1)]
trace.stop()
client.stdin.close()
client.wait()
ok("nothing was lost" in trace.err, "nothing_is_lost", trace.rows("SELECT * FROM loss"))
truth = [int(n) for n in told[:-1]]
ok(before > 0 and truth[0] > 0 and truth[1] > 0 and truth[3] > 0 and truth[2] == 0, "segments_are_sent_again_where_they_are_dropped", (before, truth))
names = "from_when_the_trace_began", "of_a_connection_from_its_beginning", "none", "of_a_connection_that_is_open_still"
for port, want, name in zip(ports, truth, names):
    rows = trace.rows("SELECT retransmits FROM connection WHERE peer = ?", f"127.0.0.1:{port}")
    is_([row["retransmits"] for row in rows], [want], f"what_was_sent_again_is_what_tcp_says_{name}")
is_(trace.one("SELECT count(*) FROM connection WHERE bytes_unseen IS NOT NULL"), 0, "what_is_sent_again_are_no_bytes_that_went_unseen")
done()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Each way in which an exchange can end is told apart by the kernel's witness, without a library in the client."""
import ctypes
import os
import socket
import struct
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from tracing import Trace, need_ebpf

need_ebpf()

# The client: one function per way, each to its own port, all in one process. It tells when it is ready and when it is through.
CLIENT = r"""
import errno, select, socket, struct, sys, time
ports = dict(a.split("=") for a in sys.argv[1:])
GET = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"

def to(name):
    return ("127.0.0.1", int(ports[name]))

def nonblocking(name, seconds, then=0):
    s = socket.socket()
    s.setblocking(False)
    said = s.connect_ex(to(name))
    p = select.poll()
    p.register(s, select.POLLOUT)
    p.poll(seconds * 1000)
    time.sleep(then)
    err = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    s.close()
    return said, err

def exchange(name, timeout=5, flags=0):
    s = socket.create_connection(to(name))
    s.settimeout(timeout)
    s.sendall(GET % name.encode())
    try:
        while s.recv(65536, flags):
            pass
    except OSError:
        pass
    s.close()

print("ready", flush=True)
sys.stdin.readline()
nonblocking("refused", 5)
nonblocking("abandoned", 0.2)
nonblocking("reset_unsent", 0.2, 0.1)
exchange("closed")
exchange("reset")
exchange("silent", 0.2)
exchange("cut")
exchange("until_close")
exchange("fine", 0.2)
exchange("failed", 0.2)
exchange("reset_after", 0.5)
exchange("reset_within_recv", None, flags=socket.MSG_WAITALL)
dead = socket.socket()
dead.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 500)
try:
    dead.connect(to("black_hole"))
except OSError:
    pass
try:
    socket.socket().connect(("127.0.0.1", int(ports["refused"])))
except OSError:
    pass
u = socket.socket()
try:
    u.connect(("255.255.255.255", 9))
except OSError:
    pass
print("through", flush=True)
sys.stdin.readline()
"""

head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"


def read_head(conn):
    data = b""
    while b"\r\n\r\n" not in data:
        data += conn.recv(4096)


def answer(*parts, then=None):
    def serve(conn, n):
        read_head(conn)
        for part in parts:
            conn.sendall(part)
        if then:
            then(conn)
    return Peer(serve)


def wait_for_end(conn):
    conn.recv(1)


def reset_later(conn):
    """When the client has taken all, but its call, which waits for more, has not returned."""
    time.sleep(0.1)
    reset(conn)


# A listener whose queue is full drops further SYNs: on loopback, the way into the void.
full = socket.socket()
full.bind(("127.0.0.1", 0))
full.listen(0)
fillers = []
for _ in range(3):
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex(full.getsockname())
    fillers.append(s)

# One that drops all that comes to it, so that even the first SYN is never answered.
nothing_passes = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))  # return 0
black_hole = socket.create_server(("127.0.0.1", 0))
black_hole.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HxxxxxxP", 1, ctypes.addressof(nothing_passes)))  # SO_ATTACH_FILTER

peers = {
    "closed": answer(),
    "reset": answer(then=reset),
    "reset_unsent": Peer(lambda conn, n: reset(conn)),
    "silent": answer(then=wait_for_end),
    "cut": answer(head % 100, b"only this"),
    "until_close": answer(b"HTTP/1.1 200 OK\r\n\r\n", b"some", b" body"),
    "fine": answer(head % 5, b"hello", then=wait_for_end),
    "failed": answer(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", then=wait_for_end),
    "reset_after": answer(head % 5, b"hello", then=reset),
    "reset_within_recv": answer(head % 5, b"hello", then=reset_later),
}
ports = {name: peer.port for name, peer in peers.items()} | {"refused": free_port(), "abandoned": full.getsockname()[1],
                                                               "black_hole": black_hole.getsockname()[1]}

client = spawn([PYTHON, "-c", CLIENT, *(f"{k}={v}" for k, v in ports.items())], stdin=-1, stdout=-1)
client.stdout.readline()
trace = Trace("--pid", client.pid)
client.stdin.write(b"go\n")
client.stdin.flush()
is_(client.stdout.readline(), b"through\n", "the_client_gets_through")
client.stdin.close()
client.wait()
trace.stop(None)
is_(trace.rc, 0, "the_trace_ends_by_itself_when_its_process_has_ended", trace)
ok("nothing was lost" in trace.err, "and_says_that_nothing_was_lost", trace.rows("SELECT * FROM loss"))


def of(name):
    found = trace.exchanges("c.peer = ?", f"127.0.0.1:{ports[name]}")
    return found[0] if found else {}


def told(name, outcome, error, end, status=None):
    x = of(name)
    got = {k: x.get(k) for k in ("outcome", "error", "end", "status")}
    is_(got, {"outcome": outcome, "error": error, "end": end, "status": status}, f"{name}_is_told", x)


refused = trace.exchanges("c.peer = ?", f"127.0.0.1:{ports['refused']}")
is_([(x["outcome"], x["error"], x["end"]) for x in refused], [("not_sent", "ECONNREFUSED", "refused")] * 2,
    "a_refused_connect_is_one_exchange_that_was_not_sent_blocking_or_not", refused)
told("abandoned", "not_sent", "closed", "abandoned")
within((of("abandoned")["ended_ns"] - of("abandoned")["started_ns"]) / 1e6, 190, 3000, "an_abandoned_connect_lasted_as_long_as_the_client_waited")
told("black_hole", "not_sent", "ETIMEDOUT", "timeout")
told("reset_unsent", "not_sent", "ECONNRESET", "reset")
told("closed", "indeterminate", "eof", "peer_close")
told("reset", "indeterminate", "ECONNRESET", "reset")
told("silent", "indeterminate", "closed", "local_close")
within((of("silent")["ended_ns"] - of("silent")["started_ns"]) / 1e6, 190, 3000, "an_exchange_given_up_ends_when_the_client_closes")
told("cut", "indeterminate", "eof", "peer_close", 200)
told("until_close", "ok", None, "peer_close", 200)
told("fine", "ok", None, "local_close", 200)
told("failed", "failed", None, "local_close", 503)
is_(of("failed").get("retry_after_ms"), 7000, "retry_after_is_kept")
told("reset_after", "ok", None, "reset", 200)
told("reset_within_recv", "ok", None, "reset", 200)
unreachable = trace.exchanges("c.peer = '255.255.255.255:9'")
is_([(x["outcome"], x["error"], x["end"]) for x in unreachable], [("not_sent", "ENETUNREACH", "unreachable")],
    "a_connect_without_a_route_is_told", unreachable)
ways = {name: (of(name)["outcome"], of(name)["error"], of(name)["end"]) for name in ("abandoned", "refused", "reset_unsent", "closed", "silent")}
is_(len(set(ways.values())), 5, "a_black_hole_a_closed_port_a_port_that_resets_a_server_that_closes_and_a_client_that_gives_up_are_five_outcomes", ways)
is_(trace.one("SELECT count(*) FROM exchange WHERE role <> 'client'"), 0, "nothing_but_the_client_is_recorded")
is_(trace.one("SELECT exit_status FROM process WHERE pid = ?", client.pid), 0, "the_exit_status_of_the_process_is_kept")
done()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A connection is one whatever descriptors and processes hold it, and is over when the last of them lets go; or when it was never open."""
import os
import socket
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from tracing import Trace, need_ebpf

need_ebpf()

# Each act to a port of its own. A connection comes from us by a Unix socket (fd 3), one is being dialled before the trace begins.
CLIENT = r"""
import ctypes, os, select, socket, sys, time
ports = dict(a.split("=") for a in sys.argv[1:])
libc = ctypes.CDLL(None)
kept = []

def connect(name):
    return socket.create_connection(("127.0.0.1", int(ports[name])))

def ask(s, path):
    s.sendall(b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % path)

def exchange(s, path):
    ask(s, path)
    return s.recv(65536)

def is_reset(s):
    p = select.poll()
    p.register(s, 0)
    p.poll(5000)

def acts():
    yield "dialled"
    s = connect("dup")
    other = s.dup()
    ask(s, b"dup")
    is_reset(s)
    s.close()
    time.sleep(0.2)
    try:
        other.recv(100)
    except ConnectionResetError:
        pass
    other.close()
    yield "dup"
    s = connect("range")
    ask(s, b"range")
    is_reset(s)
    fd = s.detach()
    libc.syscall(436, fd, fd, 0)     # close_range(2)
    time.sleep(0.2)
    yield "range"
    s = connect("over")
    ask(s, b"over")
    is_reset(s)
    os.dup2(0, s.detach())
    time.sleep(0.2)
    yield "over"
    s = connect("fork")
    exchange(s, b"parent1")
    pid = os.fork()
    if not pid:
        exchange(s, b"child")
        os._exit(0)
    os.waitpid(pid, 0)
    time.sleep(0.7)
    exchange(s, b"parent2")
    s.close()
    yield "fork"
    s = connect("half")
    ask(s, b"half")
    s.shutdown(socket.SHUT_WR)
    time.sleep(0.2)
    while s.recv(100):
        pass
    s.close()
    yield "half"
    _, fds, _, _ = socket.recv_fds(socket.socket(fileno=3), 1, 1)
    s = socket.socket(fileno=fds[0])
    exchange(s, b"passed")
    s.close()
    yield "passed"
    fd = libc.accept(listener.fileno(), None, None)
    try:
        os.read(fd, 100)             # its client is gone again
    except ConnectionResetError:
        pass
    os.close(fd)
    yield "unaccepted"
    kept.append(connect("fork"))
    ask(kept[0], b"death")           # and ends

listener = socket.socket()
listener.bind(("127.0.0.1", int(ports["listener"])))
listener.listen()
dialled = socket.socket()
dialled.setblocking(False)
dialled.connect_ex(("127.0.0.1", int(ports["dialled"])))
print("ready", flush=True)
sys.stdin.readline()
dialled.close()
for act in acts():
    print(act, flush=True)
os._exit(0)
"""


def read_head(conn):
    data = b""
    while b"\r\n\r\n" not in data:
        got = conn.recv(4096)
        if not got:
            return None
        data += got
    return data


def fine(conn, n):
    while (head := read_head(conn)) and b"death" not in head:
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    conn.recv(1)


def resets(conn, n):
    read_head(conn)
    reset(conn)


def half(conn, n):
    read_head(conn)
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


full = socket.socket()
full.bind(("127.0.0.1", 0))
full.listen(0)
fillers = []
for _ in range(3):
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex(full.getsockname())
    fillers.append(s)

peers = {"dup": Peer(resets), "range": Peer(resets), "over": Peer(resets), "fork": Peer(fine), "half": Peer(half), "passed": Peer(fine)}
ports = {name: peer.port for name, peer in peers.items()} | {"dialled": full.getsockname()[1], "listener": free_port()}
ours, theirs = socket.socketpair()
passed = socket.create_connection(("127.0.0.1", ports["passed"]))


def as_three():
    os.dup2(theirs.fileno(), 3)


client = spawn([PYTHON, "-c", CLIENT, *(f"{k}={v}" for k, v in ports.items())], stdin=-1, stdout=-1, preexec_fn=as_three, pass_fds=[3])
client.stdout.readline()
trace = Trace("--pid", client.pid)
client.stdin.write(b"go\n")
client.stdin.flush()
gone = socket.create_connection(("127.0.0.1", ports["listener"]))
whence = "%s:%d" % gone.getsockname()
reset(gone)
socket.send_fds(ours, [b"x"], [passed.fileno()])
passed.close()
said = client.stdout.read().decode().split()
client.wait()
trace.stop(None)
is_(said, ["dialled", "dup", "range", "over", "fork", "half", "passed", "unaccepted"], "the_client_gets_through")
ok("nothing was lost" in trace.err, "nothing_is_lost", trace.rows("SELECT * FROM loss"))


def connections(name):
    return trace.rows("SELECT * FROM connection WHERE peer = ? ORDER BY id", f"127.0.0.1:{ports[name]}")


def exchanges(name):
    return trace.exchanges("c.peer = ?", f"127.0.0.1:{ports[name]}")


def brief(name):
    return [(x["path"], x["outcome"], x["error"], x["end"]) for x in exchanges(name)]


for name in "dup", "range", "over":
    found = connections(name)
    is_([(c["end"], c["closed_ns"] is not None) for c in found], [("reset", True)], f"{name}_is_one_connection_that_was_reset", found)
is_(brief("dup"), [("/dup", "indeterminate", "ECONNRESET", "reset")], "a_close_of_one_of_two_descriptors_ends_nothing")
x = exchanges("dup")
within((x[0]["ended_ns"] - x[0]["started_ns"]) / 1e6 if x else None, 190, 2000, "the_program_learns_by_the_other")
for name in "range", "over":
    x = exchanges(name)
    within((x[0]["ended_ns"] - x[0]["started_ns"]) / 1e6 if x else None, 0, 150, f"{name}_is_over_when_its_last_descriptor_goes", x)
held, death = (exchanges("fork") + [None] * 4)[:3], exchanges("fork")[3:]
is_([(x["path"], x["outcome"], x["status"]) for x in held], [(f"/{who}", "ok", 200) for who in ("parent1", "child", "parent2")],
    "who_ever_used_it_each_exchange_is_told")
is_(len({x["pid"] for x in held}), 2, "as_that_of_the_process_that_made_it")
is_([(c["end"], c["mid_stream"]) for c in connections("fork")], [("local_close", 0), ("exited", 0)],
    "the_end_of_one_of_its_holders_does_not_end_a_connection_and_that_of_the_last_does", connections("fork"))
is_([(x["path"], x["outcome"], x["end"]) for x in death], [("/death", "indeterminate", "exited")], "what_was_under_way_then_is_told")
is_(brief("half"), [("/half", "ok", None, connections("half")[0]["end"])], "an_answer_is_told_that_is_read_after_tcp_is_through")
is_(brief("passed"), [("/passed", "ok", None, "local_close")], "a_connection_that_comes_by_another_way_is_taken_up")
is_([c["mid_stream"] for c in connections("passed")], [1], "as_one_of_which_the_beginning_was_not_seen")
found = trace.rows("SELECT role, end FROM connection WHERE peer = ?", whence)
is_(found, [{"role": "server", "end": "reset"}], "a_connection_that_was_reset_before_it_was_accepted_says_so", found)
is_(brief("dialled"), [(None, "not_sent", "closed", "abandoned")], "a_connect_under_way_when_the_trace_begins_is_told")
done()

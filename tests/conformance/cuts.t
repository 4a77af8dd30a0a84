#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""truncate, reset=n and reset=request: an answer that ends too early, next to a peer that really ends there.

The real peer sends what is to be seen and closes, or resets. The injected world has a peer that sends all of it; what
the program reads, in whatever way it does, how that ends and what comes after must be the same.
"""
import json
import os
import socket
import sys
import threading
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

CLIENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients")
STYLES = ("blocking", "timeo", "poll", "select", "epoll", "edge")
HOWS = ("recv", "byte", "peek", "waitall", "dontwait", "recvmsg", "read", "fionread", "splice", "poll", "level", "edge", "oneshot")
SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
BODY = bytes(97 + n % 26 for n in range(1000))
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKS = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in (BODY[:10], BODY[10:500], BODY[500:])) + b"0\r\nT: 1\r\n\r\n"
OPEN = b"HTTP/1.0 200 OK\r\n\r\n"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
HUGE = b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + BODY * 3000


def linger(conn):
    """Until the other side ends it."""
    try:
        while conn.recv(65536):
            pass
    except OSError:
        pass


def whole(answer, piece=None, keep=True):
    """A peer that sends all of it, in pieces, and leaves the connection open, or closes it."""
    def serve(conn, n):
        conn.recv(65536)
        for at in range(0, len(answer), piece or len(answer)):
            conn.sendall(answer[at:at + (piece or len(answer))])
            time.sleep(0.001 if piece else 0)
        if keep:
            linger(conn)
    return Peer(serve)


def part(answer, resets=False):
    """A peer that sends this and ends the connection: orderly, or with a RST once it was read."""
    def serve(conn, n):
        conn.recv(65536)
        conn.sendall(answer)
        if resets:
            time.sleep(0.05)
            reset(conn)
    return Peer(serve)


def drain(how, port, fault=None, size=65536):
    command = (PYTHON, os.path.join(CLIENTS, "drain.py"), how, port, size)
    r = shock(f"to=127.0.0.1:{port} {fault}", *command) if fault else run(command)
    try:
        said = json.loads(r.out)
        return {k: said[k] for k in ("got", "end", "again")}, said, r
    except ValueError:
        return r.out, {}, r


def victim_said(line):
    said = dict(word.split("=") for word in line.split())
    return {k: v for k, v in said.items() if k not in ("ms", "cpu_ms", "connect_ms", "wakes")}, said


# ---- each way to wait, against a real one: what every call says, before and after the end ----
full = whole(SIZED + BODY)
for fault, there in (("truncate=100", part(SIZED + BODY[:100])), ("truncate=0", part(SIZED)), ("reset=100", part((SIZED + BODY)[:100], True)),
                     ("reset=41", part(SIZED, True)), ("reset=request", Peer(lambda conn, n: (conn.recv(4096), reset(conn)))),
                     ("reset=1", part(SIZED[:1], True))):
    for style in STYLES:
        want, _ = victim_said(run([victim("get"), style, there.port, 2000]).out)
        r = shock(f"to=127.0.0.1:{full.port} {fault}", victim("get"), style, full.port, 2000)
        got, figures = victim_said(r.out)
        is_(got, want, f"{fault}_is_what_a_{style}_client_would_really_see", r)
        ok(int(figures.get("wakes", 99)) <= 5 and float(figures.get("cpu_ms", 99)) < 20, f"{fault}_does_not_spin_a_{style}_client", r)

# ---- with a delay before: the answer is late, and then cut ----
for fault, seen in (("delay=200ms truncate=100", "eof"), ("delay=200ms reset=100", "ECONNRESET"), ("delay=200ms reset=request", "ECONNRESET")):
    for style in STYLES:
        r = shock(f"to=127.0.0.1:{full.port} {fault}", victim("get"), style, full.port, 2000)
        got, figures = victim_said(r.out)
        is_(got.get("answer"), seen, f"{fault.replace(' ', '_')}_ends_a_{style}_client_in_{seen}", r)
        within(float(figures.get("ms", 0)), 199, 900, f"{fault.replace(' ', '_')}_comes_late_to_a_{style}_client", r)
        is_(sorted(row["action"] for row in r.rows("SELECT action FROM injection WHERE achieved_ns IS NOT NULL")),
            ["delay", fault.split()[1].split("=")[0]], f"{fault.replace(' ', '_')}_has_a_row_for_each_action", r)

# ---- each way to read, each framing, each way the bytes arrive ----
# name, the whole answer, the fault, what is to be seen
FRAMES = (
    ("sized", SIZED + BODY, "truncate=333", SIZED + BODY[:333]),
    ("chunked", CHUNKED + CHUNKS, "truncate=333", CHUNKED + CHUNKS[:CHUNKS.index(BODY[10:500]) + 323]),
    ("until_close", OPEN + BODY, "truncate=333", OPEN + BODY[:333]),
    ("sized", SIZED + BODY, "reset=333", (SIZED + BODY)[:333]),
    ("opaque", b"+" + BODY, "truncate=333", (b"+" + BODY)[:333]),
)
for framing, answer, fault, seen in FRAMES:
    for how in HOWS:
        end = "ECONNRESET" if fault.startswith("reset") else "eof"
        want = {"got": seen.decode(), "end": end, "again": end if how == "edge" else "eof"}
        for piece in (None, 100):
            peer = whole(answer, piece, keep=framing != "until_close")
            got, figures, r = drain(how, peer.port, fault, 200)
            is_(got, want, f"{fault}_of_a_{framing}_answer_{'in_pieces' if piece else 'at_once'}_read_with_{how}", r)

SPECIAL = (
    ("the_head_alone", SIZED + BODY, "truncate=0", SIZED),
    ("before_the_first_chunk", CHUNKED + CHUNKS, "truncate=0", CHUNKED),
    ("at_the_end_of_a_chunk", CHUNKED + CHUNKS, "truncate=10", CHUNKED + CHUNKS[:CHUNKS.index(b"\r\n") + 12]),
    ("all_but_the_last_chunk", CHUNKED + CHUNKS, "truncate=1000", CHUNKED + CHUNKS[:CHUNKS.index(b"\r\n0\r\n")]),
    ("behind_an_interim_head", INTERIM + SIZED + BODY, "truncate=5", INTERIM + SIZED + BODY[:5]),
    ("a_body_of_just_that_size", SIZED + BODY, "truncate=1000", SIZED + BODY),
    ("far_in_a_huge_body", HUGE, "truncate=2500000", HUGE[:len(HUGE) - 500000]),
    ("far_in_a_huge_answer", HUGE, "reset=2500000", HUGE[:2500000]),
)
for name, answer, fault, seen in SPECIAL:
    for how in ("recv", "byte", "level", "edge"):
        if how == "byte" and len(answer) > 10000:
            continue
        for piece in (None, 7) if len(answer) < 10000 else (None,):
            peer = whole(answer, piece)
            got, figures, r = drain(how, peer.port, fault)
            ok(isinstance(got, dict) and got["got"] == seen.decode() and got["end"] == ("ECONNRESET" if "reset" in fault else "eof"),
               f"{fault}_{name}_{'in_pieces' if piece else 'at_once'}_read_with_{how}", f"{len(figures.get('got', ''))} {str(r)[:600]}")

# ---- a request in pieces, and one that is no HTTP: the answer is cut all the same ----
RAW = """
import json, socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
request, piece, got = sys.argv[2].encode().decode("unicode_escape").encode(), int(sys.argv[3]), b""
for at in range(0, len(request), piece):
    s.sendall(request[at:at + piece])
    time.sleep(0.001)
while data := s.recv(65536):
    got += data
print(json.dumps(got.decode()))
"""


def after(request, answer):
    """A peer that answers once it has the whole request."""
    def serve(conn, n):
        got = b""
        while request not in got:
            got += conn.recv(65536)
        conn.sendall(answer)
        linger(conn)
    return Peer(serve)


GET = b"GET / HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n"
for name, request, answer, seen in (("http", GET, SIZED + BODY, SIZED + BODY[:100]), ("other", b"\\x01\\x02hello\\n", BODY, BODY[:100])):
    for piece in (1, 1000):
        peer = after(request.decode("unicode_escape").encode(), answer)
        r = shock(f"to=127.0.0.1:{peer.port} truncate=100", PYTHON, "-c", RAW, peer.port, request.decode(), piece)
        is_(json.loads(r.out or "null"), seen.decode(), f"truncate=100_of_an_answer_to_{name}_sent_in_pieces_of_{piece}", r)

# ---- a client that has shut its side down: the peer may have closed as well before the reset is due ----
HALF = """
import errno, fcntl, select, socket, struct, sys, termios, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"GET / HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n")
s.shutdown(socket.SHUT_WR)
time.sleep(0.1)  # now all has come
p, said = select.poll(), [struct.unpack("i", fcntl.ioctl(s, termios.FIONREAD, bytes(4)))[0]]
p.register(s, select.POLLIN)
while len(said) < 4:
    p.poll(2000)
    try:
        said.append(len(s.recv(65536)))
    except OSError as e:
        said.append(errno.errorcode[e.errno])
print(said)
"""
for fault, there in (("reset=response", part(b"", True)), ("reset=100", part((SIZED + BODY)[:100], True))):
    for peer in (whole(SIZED + BODY, keep=False), full):
        want = run([PYTHON, "-c", HALF, there.port]).out
        r = shock(f"to=127.0.0.1:{peer.port} {fault}", PYTHON, "-c", HALF, peer.port)
        is_(r.out, want, f"{fault}_of_a_half_closed_connection_whose_peer_{'stays' if peer == full else 'has_closed'}", r)

# ---- the wait that finds a reset tells all of it ----
BITS = """
import select, socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"GET / HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n")
time.sleep(0.1)
p = select.poll() if sys.argv[2] == "poll" else select.epoll()
p.register(s, select.POLLIN | select.POLLRDHUP | (select.EPOLLET if sys.argv[2] == "edge" else 0))
print(p.poll(2)[0][1])
"""
there = part(b"", True)
for how in ("poll", "level", "edge"):
    want = run([PYTHON, "-c", BITS, there.port, how]).out
    r = shock(f"to=127.0.0.1:{full.port} reset=response", PYTHON, "-c", BITS, full.port, how)
    is_(r.out, want, f"reset=response_has_the_bits_of_one_for_{how}", r)

# ---- a short read and a hang-up are the end of the stream to libuv: none before all that is to come ----
HANGUP = """
import errno, select, socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"GET / HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n")
s.shutdown(socket.SHUT_WR)
time.sleep(0.1)  # now all has come, and the end of it
p, got, end = select.poll() if sys.argv[2] == "poll" else select.epoll(), 0, ""
edge = select.EPOLLET if sys.argv[2] == "edge" else 0
p.register(s, select.POLLIN | select.POLLRDHUP | edge)
while not end:
    events = p.poll(2 if sys.argv[2] != "poll" else 2000)
    hangs = not events or events[0][1] & (select.POLLHUP | select.POLLRDHUP)
    try:
        n = len(s.recv(65536))
        end = "" if n and not hangs else "eof"
    except BlockingIOError:
        n = 0
    except OSError as e:
        n, end = 0, errno.errorcode[e.errno]
    got += n
print(got, end)
"""
soon = whole(SIZED + BODY, keep=False)
for fault, want in (("throttle=4k", f"{len(SIZED + BODY)} eof"), ("truncate=100", f"{len(SIZED) + 100} eof"), ("reset=100", "100 ECONNRESET"),
                    (f"reset={len(SIZED + BODY)}", f"{len(SIZED + BODY)} ECONNRESET")):
    for how in ("poll", "level", "edge"):
        r = shock(f"to=127.0.0.1:{soon.port} {fault}", PYTHON, "-c", HANGUP, soon.port, how)
        is_(r.out.strip(), want, f"{fault}_is_seen_to_its_end_by_who_believes_a_hang-up_of {how}", r)

# ---- Unix sockets ----


def unix_peer(answer):
    """A Unix socket whose every connection gets this answer; its path."""
    path = os.path.join(tmpdir(), "s")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()

    def talk(conn):
        try:
            conn.recv(65536)
            conn.sendall(answer)
        except OSError:  # a reset that the program sees is the end of it
            pass
        linger(conn)

    def serve():
        while True:
            threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()
    threading.Thread(target=serve, daemon=True).start()
    return path


for fault, seen, end, again in (("truncate=100", SIZED + BODY[:100], "eof", "eof"), ("reset=100", (SIZED + BODY)[:100], "ECONNRESET", "eof"),
                                ("reset=request", b"", "ECONNRESET", "eof")):
    for how in ("recv", "level", "waitall"):
        path = unix_peer(SIZED + BODY)
        r = shock(f"to=unix:{path} {fault}", PYTHON, os.path.join(CLIENTS, "drain.py"), how, f"unix:{path}", 65536)
        said = json.loads(r.out or "{}")
        is_((said.get("got"), said.get("end"), said.get("again")), (seen.decode(), end, again), f"{fault}_on_a_unix_socket_read_with_{how}", r)

# ---- evidence ----
for fault, outcome, error, status, rows in (
        ("truncate=100", "indeterminate", "eof", 200, [{"action": "truncate", "done": 1}]),
        ("truncate=1000", "ok", None, 200, [{"action": "truncate", "done": 1}]),
        ("truncate=1001", "ok", None, 200, [{"action": "truncate", "done": 0}]),
        ("reset=100", "indeterminate", "ECONNRESET", 200, [{"action": "reset", "done": 1}]),
        ("reset=5000", "ok", None, 200, [{"action": "reset", "done": 0}]),
        ("reset=request", "indeterminate", "ECONNRESET", None, [{"action": "reset", "done": 1}])):
    peer = HttpPeer(lambda request: (200, {}, BODY))
    r = shock(f"to=127.0.0.1:{peer.port} {fault}", victim("get"), "poll", peer.port)
    is_(r.rows("SELECT outcome, error, status FROM exchange"), [{"outcome": outcome, "error": error, "status": status}],
        f"{fault}: the_run_file_calls_it_{outcome}", r)
    is_(r.rows("SELECT action, achieved_ns IS NOT NULL AS done FROM injection WHERE exchange_id IS NOT NULL"), rows,
        f"{fault}: one_injection_that_says_whether_it_came_to_that")
    is_(len(peer.requests), 0 if fault == "reset=request" else 1, f"{fault}: the_request_{'never ' if 'request' in fault else ''}reaches_the_peer")

# the peer of a reset gets an RST, that of a truncated answer the program's own end
ends = []


def how_it_ends(conn, n):
    try:
        conn.recv(4096)
        conn.sendall(SIZED + BODY)
        ends.append("data" if conn.recv(1) else "eof")
    except ConnectionResetError:
        ends.append("reset")


for fault, want in (("reset=1", "reset"), ("reset=request", "reset"), ("truncate=1000", "eof")):
    ends.clear()
    witness = Peer(how_it_ends)
    shock(f"to=127.0.0.1:{witness.port} {fault}", victim("get"), "poll", witness.port)
    is_(wait_for(lambda: ends), [want], f"{fault}: the_peer_sees_{want}")
done()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""truncate and reset at a server (`at`): its answer goes out up to the place, whatever way it sends, and the rest nowhere. The
client sees the end that the fault names; the server has sent all, and sees its client go."""
import os
import socket
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from peers import PAGE

SERVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients", "answer.py")
HOWS = ("send", "pieces", "vector", "sendfile", "splice", "epoll", "asyncio")
SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
BODY = bytes(97 + n % 26 for n in range(1000))
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKS = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in (BODY[:10], BODY[10:500], BODY[500:])) + b"0\r\nT: 1\r\n\r\n"
HUGE = b"HTTP/1.1 200 OK\r\nContent-Length: 6000000\r\n\r\n" + BODY * 6000
REQUEST = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


class Server:
    def __init__(self, how, answer, fault):
        path = os.path.join(tmpdir(), "answer")
        with open(path, "wb") as f:
            f.write(answer)
        self.run = Run(os.path.join(tmpdir(), "at.db"))
        self.process = spawn(shock_argv(f"at=* {fault}", self.run.db, (PYTHON, SERVER, how, path)), stdout=-1, bufsize=0)
        self.port = int(line_of(self.process) or 1)

    def saw(self):
        return line_of(self.process).strip()


def ask(port, request=REQUEST, pause=0.0, size=65536):
    """What a client without the library gets, and how that ends."""
    got = []
    with socket.create_connection(("127.0.0.1", port), timeout=20) as s:
        try:
            s.sendall(request)
            while data := s.recv(size):
                got.append(data)
                time.sleep(pause)
        except OSError as error:
            return b"".join(got), type(error).__name__
    return b"".join(got), "eof"


CASES = (
    ("sized", SIZED + BODY, "truncate=333", SIZED + BODY[:333], "eof", HOWS),
    ("sized_n_0", SIZED + BODY, "truncate=0", SIZED, "eof", HOWS),
    ("chunked", CHUNKED + CHUNKS, "truncate=333", CHUNKED + CHUNKS[:CHUNKS.index(BODY[10:500]) + 323], "eof", ("send", "pieces", "vector", "epoll", "asyncio")),
    ("opaque", b"+" + BODY, "truncate=333", b"+" + BODY[:332], "eof", ("send", "pieces", "vector", "epoll", "asyncio")),
    ("sized", SIZED + BODY, "reset=333", (SIZED + BODY)[:333], "ConnectionResetError", HOWS),
    ("huge", HUGE, "truncate=5000000", HUGE[:len(HUGE) - 1000000], "eof", HOWS),
    ("huge", HUGE, "reset=5000000", HUGE[:5000000], "ConnectionResetError", HOWS),
    ("sized", SIZED + BODY, "delay=200ms truncate=10", SIZED + BODY[:10], "eof", ("send", "epoll")),
)
for name, answer, fault, seen, end, hows in CASES:
    for how in hows:
        if how == "pieces" and len(answer) > 1000000:
            continue
        server = Server(how, answer, fault)
        began = time.monotonic()
        got, ended = ask(server.port)
        took = time.monotonic() - began
        ok(got == seen and ended == end, f"{fault}_of_a_{name}_answer_by_{how}_gives_the_client_that_much",
           f"{len(got)} of {len(seen)} {ended}\n{got[:300]}\n{seen[:300]}")
        saw = server.saw()
        if "reset" in fault:  # at the send that comes behind the place, or at the next receive
            ok(saw in (f"{len(answer)} ECONNRESET", "ECONNRESET eof"), f"{fault}_of_a_{name}_answer_by_{how}: the_server_sees_a_reset", saw)
        else:
            ok(saw in (f"{len(answer)} eof", f"{len(answer)} ECONNRESET"),
               f"{fault}_of_a_{name}_answer_by_{how}: the_server_has_sent_all_and_sees_its_client_go", saw)
        if "delay" in fault:
            within(took, 0.19, 0.9, f"{fault}_by_{how}: comes_late")
        stop(server.process)
        rows = server.run.rows("SELECT outcome, error FROM exchange WHERE role = 'server'")
        is_(rows, [{"outcome": "indeterminate", "error": "ECONNRESET" if "reset" in fault else "eof"}],
            f"{fault}_of_a_{name}_answer_by_{how}: the_run_file_knows", rows)
        done_ = server.run.one("SELECT count(*) FROM injection WHERE achieved_ns IS NOT NULL AND action != 'delay'")
        is_(done_, 1, f"{fault}_of_a_{name}_answer_by_{how}: achieved")

# a client that reads slowly gets all that comes before the place
for fault, n, end in (("truncate=3000000", len(HUGE) - 3000000, "eof"), ("reset=3000000", 3000000, "ConnectionResetError")):
    for how in ("send", "epoll"):
        server = Server(how, HUGE, fault)
        got, ended = ask(server.port, pause=0.001, size=20000)
        is_((len(got), ended), (n, end), f"{fault}_by_{how}_and_a_slow_reader")
        stop(server.process)

# a request that is reset on receipt is none to the server
for how in ("send", "asyncio"):
    server = Server(how, SIZED + BODY, "reset=request")
    is_(ask(server.port), (b"", "ConnectionResetError"), f"reset=request_by_{how}_resets_the_client")
    like(server.saw(), "ECONNRESET", f"reset=request_by_{how}: the_server_sees_a_reset_connection")
    stop(server.process)

# shorter than the place: nothing happens, and the connection is kept
server = Server("send", SIZED + BODY, "truncate=1001")
with socket.create_connection(("127.0.0.1", server.port), timeout=10) as s:
    s.sendall(REQUEST)
    got = b""
    while len(got) < len(SIZED + BODY):
        got += s.recv(65536)
ok(got == SIZED + BODY, "an_answer_shorter_than_the_place_passes")
is_(server.saw().split()[1], "eof", "until_its_client_closes")
stop(server.process)
is_(server.run.rows("SELECT action, achieved_ns FROM injection"), [{"action": "truncate", "achieved_ns": None}], "and_is_told_as_fired_not_achieved")

# who goes on sending on a connection that was cut learns it: the server is closed to it
server = Server("send", SIZED + BODY, "truncate=10")
with socket.create_connection(("127.0.0.1", server.port), timeout=10) as s:
    s.sendall(REQUEST)
    got = b""
    while data := s.recv(65536):
        got += data
    s.sendall(REQUEST)
    is_(server.saw().split()[1], "ECONNRESET", "a_second_request_on_a_truncated_connection_does_not_reach_the_server")

    def refused():
        try:
            s.sendall(b"x")
            return False
        except OSError:
            return True
    ok(wait_for(refused), "and_its_client_is_told")
stop(server.process)

# nginx: sendfile, keep-alive, pipelining; only what matches
for fault, path, curl_rc, size in (("truncate=5", "/", 18, 5), ("truncate=100000", "/big", 18, 100000), ("reset=100000", "/big", 56, None),
                                   ("reset=request", "/", 56, 0)):
    nginx = Nginx(under=lambda port: shock_argv(f"at=:{port} path={path} {fault}", os.path.join(tmpdir(), "n.db")))
    with open(os.path.join(nginx.directory, "html", "big"), "w") as f:
        f.write("x" * 3_000_000)
    with open(os.path.join(nginx.directory, "html", "other"), "w") as f:
        f.write(PAGE)
    curl = run(["curl", "-s", "-m", "10", "-o", "/dev/null", "-w", "%{size_download}", nginx.url(path)])
    is_(curl.rc, curl_rc, f"nginx_under_{fault}_ends_curl_with_{curl_rc}", curl)
    if size is not None:
        is_(curl.out, str(size), f"nginx_under_{fault}_gives_curl_that_much")
    else:
        within(int(curl.out), 99000, 100000, f"nginx_under_{fault}_gives_curl_that_much")
    is_(run(["curl", "-s", "-m", "10", nginx.url("/other")]).out, PAGE, f"nginx_under_{fault}_answers_other_requests")
    requests = 1 if fault == "reset=request" else 2
    ok(wait_for(lambda: len(nginx.access()) >= requests) and len(nginx.access()) == requests, f"nginx_under_{fault}_saw_its_requests", nginx.access())
    is_(nginx.stop(), 0, f"nginx_under_{fault}_ends_in_order", nginx.errors())
done()

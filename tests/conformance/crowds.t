#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Thousands of connections at once and many threads on one: what a fault does to the first it does to the last."""
import os
import resource
import socket
import subprocess
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

CROWD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients", "crowd.py")
N, PIPED = 4200, {"stdout": subprocess.PIPE, "bufsize": 0}
if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 2 * N:
    skip_all("fewer descriptors than connections are allowed")

port = free_port()
server = spawn([PYTHON, CROWD, "serve", port, 0], **PIPED)
line_of(server)
r = shock(f"to=127.0.0.1:{port} status=429", PYTHON, CROWD, "ask", port, N)
is_(r.out, f"{{'429': {N}}}\n" * 2, "each_of_thousands_of_connections_is_answered_429_and_again", r)
r = shock(f"to=127.0.0.1:{port} delay=1s delay_on=request", PYTHON, CROWD, "poll", port, N)
is_(r.out, "True True\n", "a_poll_of_thousands_waits_for_late_requests", r)
r = shock(f"to=127.0.0.1:{port} delay=1s", PYTHON, CROWD, "poll", port, N)
is_(r.out, "True True\n", "a_poll_of_thousands_waits_for_late_answers", r)
r = shock(f"to=127.0.0.1:{port} status=429", PYTHON, CROWD, "threads", port, 9)
is_(r.out, "9\n", "nine_threads_that_poll_one_connection_learn_of_an_answer_of_ours", r)
stop(server)

port = free_port()
server = spawn(shock_argv(f"at=127.0.0.1:{port} status=503", os.path.join(tmpdir(), "run.db"), (PYTHON, CROWD, "serve", port, 0)), **PIPED)
line_of(server)
r = run([PYTHON, CROWD, "ask", port, N])
is_(r.out, f"{{'503': {N}}}\n" * 2, "a_server_answers_503_on_each_of_thousands_of_connections_and_again", r)
stop(server)

# a server that comes back to a request when its fault has long made room for another
os.environ["TMPDIR"] = tmpdir()
os.environ.pop("XDG_RUNTIME_DIR", None)
port = free_port()
server = spawn(shock_argv(f"at=127.0.0.1:{port} delay=600s status=503 name=old", os.path.join(tmpdir(), "run.db"),
                          (PYTHON, CROWD, "late", port, 6), options=("--name", "late")), stderr=subprocess.DEVNULL, **PIPED)
line_of(server)
client = socket.create_connection(("127.0.0.1", port))
client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
is_(line_of(server), "away\n", "a_request_that_is_held_is_not_shown")
is_(aftershock("fault", "clear", "--run", "late").rc, 0, "its_fault_can_be_cleared")
time.sleep(2.1)  # a slot rests for two seconds
for i in range(64):  # each slot has another fault then
    r = aftershock("fault", "set", f"to=:1 refuse=true name=other{i}", "--run", "late")
is_(r.rc, 0, "and_others_set_in_its_place", r)
is_(line_of(server), "ConnectionResetError\n", "a_request_that_no_fault_can_answer_any_more_breaks_its_connection")
stop(server)
done()

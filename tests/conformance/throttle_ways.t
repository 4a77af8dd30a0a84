#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""throttle at a server (`at`), for seven ways to send, and together with delay, truncate and reset."""
import os
import socket
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from peers import PAGE

SERVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients", "answer.py")
HOWS = ("send", "pieces", "vector", "sendfile", "splice", "epoll", "asyncio")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
BODY = bytes(97 + n % 26 for n in range(1000)) * 100


def serve(how, fault, answer=HEAD + BODY):
    path, db = os.path.join(tmpdir(), "answer"), Run(os.path.join(tmpdir(), "at.db"))
    with open(path, "wb") as f:
        f.write(answer)
    process = spawn(shock_argv(f"at=* {fault}", db.db, (PYTHON, SERVER, how, path)), stdout=-1, bufsize=0)
    return process, int(line_of(process) or 1), db


def cpu_of(pid):
    """Seconds of CPU of a process and the children that it has waited for, and of those it has now."""
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        pids = [pid, *map(int, f.read().split())]
    ticks = 0
    for one in pids[1:]:
        with open(f"/proc/{one}/stat") as f:
            ticks += sum(map(int, f.read().rpartition(")")[2].split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def ask(port, n):
    """n bytes of an answer, the seconds until half and all of it were there, and how it ended."""
    got, half, began, end = b"", None, time.monotonic(), ""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        try:
            while len(got) < n and not end:
                data = s.recv(65536)
                got, end = got + data, "" if data else "eof"
                half = half or (time.monotonic() - began if 2 * len(got) >= n else None)
        except OSError as error:
            end = type(error).__name__
        return got, half, time.monotonic() - began, end


for how in HOWS:
    process, port, run_of = serve(how, "throttle=100000B")
    before = cpu_of(process.pid)
    got, half, seconds, _ = ask(port, len(HEAD + BODY))
    cpu = cpu_of(process.pid) - before
    ok(got == HEAD + BODY, f"{how}: the_whole_answer_comes", f"{len(got)}")
    within(half, 0.44, 0.8, f"{how}: half_of_it_after_half_the_time")
    within(seconds, 0.94, 1.4, f"{how}: at_its_rate")
    ok(cpu < (0.9 if how == "pieces" else 0.3), f"{how}: the_server_does_not_spin", cpu)  # 14,000 sends take what they take
    is_(line_of(process).strip(), f"{len(HEAD + BODY)} eof", f"{how}: it_has_sent_all_and_sees_its_client_go")
    stop(process)
    rows = run_of.rows("SELECT action, achieved_ns / 1e9 AS s FROM injection")
    ok(len(rows) == 1 and rows[0]["action"] == "throttle" and 0.9 < (rows[0]["s"] or 0) < 1.4, f"{how}: one_injection_with_the_time_it_took", rows)

for fault, n, end, took in (("throttle=100000B truncate=30000", len(HEAD) + 30000, "eof", (0.27, 0.7)),
                            ("throttle=100000B reset=30000", 30000, "ConnectionResetError", (0.27, 0.7)),
                            ("delay=300ms throttle=100000B truncate=30000", len(HEAD) + 30000, "eof", (0.57, 1.0))):
    for how in ("send", "epoll", "sendfile"):
        process, port, _ = serve(how, fault)
        got, _, seconds, ended = ask(port, n + 1)
        ok(got == (HEAD + BODY)[:n] and ended == end, f"{fault}: {how}_gives_its_client_the_first_part", f"{len(got)} {ended}")
        within(seconds, *took, f"{fault}: {how}_at_its_rate")
        stop(process)

# nginx: only what matches, on a kept connection, others meanwhile
nginx = Nginx(under=lambda port: shock_argv(f"at=:{port} path=/big throttle=100000B", os.path.join(tmpdir(), "n.db")))
with open(os.path.join(nginx.directory, "html", "big"), "w") as f:
    f.write("x" * 100_000)
slow = spawn(["curl", "-s", "-w", "%{size_download} %{time_total} ", "-o", "/dev/null", nginx.url("/big"), "-o", "/dev/null", nginx.url("/")], stdout=-1)
quick = [float(run(["curl", "-s", "-o", "/dev/null", "-w", "%{time_total}", nginx.url("/")]).out) for _ in range(5)]
big, big_s, small, small_s = slow.communicate(timeout=20)[0].decode().split()
is_((big, small), ("100000", str(len(PAGE))), "nginx_gives_a_throttled_and_a_plain_answer_on_one_connection")
within(float(big_s), 0.94, 1.6, "the_throttled_one_at_its_rate")
ok(float(small_s) < 0.3 and max(quick) < 0.3, "the_next_one_and_those_on_other_connections_at_once", (small_s, quick))
is_(nginx.stop(), 0, "nginx_ends_in_order", nginx.errors())
done()

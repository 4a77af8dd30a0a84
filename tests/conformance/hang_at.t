#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""hang=response at a server that closes after each answer (Connection: close, HTTP/1.0, gunicorn, php -S): to the client it is a host that
hangs, which does not close either. The server sees its socket go, and keeps no more descriptors than a few."""
import os
import socket
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

SERVER = r'''
import os, select, socket, sys, time
how = sys.argv[1]
listener = socket.create_server(("127.0.0.1", 0), backlog=256)
print(listener.getsockname()[1], flush=True)
with select.epoll() as events:
    events.register(listener, select.EPOLLIN)
    while True:
        before = time.process_time()
        stale = [fd for fd, _ in events.poll() if fd != listener.fileno()]
        busy = time.process_time() - before
        s, peer = listener.accept()
        events.register(s, select.EPOLLIN | select.EPOLLRDHUP)
        select.select([s], [], [])
        s.recv(65536)
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        if how != "close":
            s.shutdown(socket.SHUT_WR if how == "half" else socket.SHUT_RDWR)
        s.close()
        print(len(os.listdir("/proc/self/fd")), len(stale), busy, flush=True)
'''
REQUEST = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


def server(fault, how):
    r = Run(os.path.join(tmpdir(), "at.db"))
    process = spawn(shock_argv(f"at=* {fault}", r.db, (PYTHON, "-c", SERVER, how)), stdout=-1, bufsize=0)
    return process, int(line_of(process) or 1)


def ask(port):
    s = socket.create_connection(("127.0.0.1", port), timeout=20)
    s.sendall(REQUEST)
    return s


def heard(s, timeout):
    s.settimeout(timeout)
    try:
        return s.recv(65536)
    except OSError as error:
        return type(error).__name__


for how in ("close", "half", "both"):
    process, port = server("hang=response first=3", how)
    first, second = ask(port), ask(port)
    seen = [line_of(process).split(), line_of(process).split()]
    is_([heard(first, 0.3), heard(second, 0.3)], ["TimeoutError", "TimeoutError"], f"{how}: the_client_hears_nothing_of_the_close")
    first.close()
    second.close()
    time.sleep(0.4)  # the server waits in epoll meanwhile
    third = ask(port)
    seen.append(line_of(process).split())
    is_([n for _, n, _ in seen], ["0", "0", "0"], f"{how}: a_closed_socket_has_no_events_in_the_server_s_epoll_set", seen)
    ok(float(seen[2][2]) < 0.2, f"{how}: it_does_not_keep_the_wait_busy", seen)
    third.close()
    fourth = ask(port)
    files = int(line_of(process).split()[0])
    is_(heard(fourth, 5)[:15], b"HTTP/1.1 200 OK", f"{how}: who_is_not_hit_is_answered")
    is_(files, int(seen[0][0]) - 1, f"{how}: what_nobody_waits_for_any_more_is_closed", seen)
    stop(process)

process, port = server("hang=response", "close")
clients = [ask(port) for _ in range(150)]
counts = [int(line_of(process).split()[0]) for _ in clients]
ok(counts[-1] - counts[0] < 64, "of_many_that_hang_only_the_last_64_are_kept", counts[-1])
is_([heard(clients[0], 5), heard(clients[-1], 0.2)], [b"", "TimeoutError"], "the_oldest_hear_the_close")
stop(process)
done()

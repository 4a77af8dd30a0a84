#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Requests that are sent at once and answered one behind the other: each answer is late by itself, however the program waits for it."""
import os
import sys
from concurrent.futures import ThreadPoolExecutor
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

LATE_S, APART_S, SLOW_S = 1.0, 0.4, 0.3  # of an answer; between them; by how much a machine may be slow
KERNEL_S = 0.008  # it tells in clock ticks when something came
WAYS = ("blocking", "poll", "select", "epoll", "edge")
path = os.path.join(tmpdir(), "server")

PROGRAM = f"""
import select, socket, sys, threading, time
ANSWER = b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok"
def serve(c, sent):
    for _ in range(3):
        time.sleep({APART_S})
        sent.append(time.monotonic())
        c.sendall(ANSWER)
def waits(s, way):
    if way == "blocking":
        return lambda: None
    s.setblocking(False)
    if way == "poll":
        p = select.poll(); p.register(s, select.POLLIN); return p.poll
    if way == "select":
        return lambda: select.select([s], [], [])
    e = select.epoll(); e.register(s, select.EPOLLIN | (select.EPOLLET if way == "edge" else 0)); return e.poll
def ask(s, way, sent):
    late, got, wait = [], 0, waits(s, way)
    s.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n" * 3)
    while len(late) < 3:
        wait()
        try:
            while len(late) < 3:
                got += len(s.recv(1000))
                while len(late) < got // len(ANSWER): late.append(time.monotonic() - sent[len(late)])
        except BlockingIOError:
            pass
    return late
def one(family, where, way):
    sent = []
    with socket.socket(family) as l:
        l.bind(where + way if family == socket.AF_UNIX else where); l.listen()
        s = socket.socket(family); s.connect(l.getsockname())
        c = l.accept()[0]; threading.Thread(target=serve, args=(c, sent), daemon=True).start()
        said.append(" ".join((family.name, way, *(f"{{x:.3f}}" for x in ask(s, way, sent)))))
said = []
threads = [threading.Thread(target=one, args=(*f, way)) for f in ((socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_UNIX, "{path}")) for way in sys.argv[1:]]
for t in threads: t.start()
for t in threads: t.join()
for line in said: print(line)
"""

FAULTS = [f"to={to} delay={LATE_S:g}s" for to in ("127.0.0.1", *(f"unix:{path}{way}" for way in WAYS))]
with ThreadPoolExecutor() as pool:  # who waits in recv looks after all of its process
    runs = list(pool.map(lambda ways: shock(FAULTS, PYTHON, "-c", PROGRAM, *ways, timeout=30), (WAYS[:1], WAYS[1:])))
late = {tuple(line.split()[:2]): [float(s) for s in line.split()[2:]] for r in runs for line in r.out.splitlines()}
for family in ("AF_INET", "AF_UNIX"):
    for way in WAYS:
        got = late.get((family, way), [])
        each = len(got) == 3 and all(LATE_S - KERNEL_S <= s < LATE_S + SLOW_S for s in got)
        ok(each, f"answers of a pipeline come {LATE_S:g} s late each: {family}, {way}", (got, *((r.rc, r.err[-300:]) for r in runs)))
done()

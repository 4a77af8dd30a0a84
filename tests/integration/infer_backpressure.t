#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Backpressure: uploads to a peer that does not read for a while, by a program that waits and by one that does not, and to one that reads."""
import json
import os
import sys

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), d) for d in ("../lib", "../schema")]
from tap import *  # noqa: E402,F403
from tracing import need_ebpf  # noqa: E402
import validate  # noqa: E402

need_ebpf()
UPLOAD = """
import socket, sys, threading, time
pause, waits = float(sys.argv[1]), sys.argv[2] == 'waits'
door = socket.create_server(('127.0.0.1', 0))
def serve():
    c = door.accept()[0]
    time.sleep(pause)
    left = 12000000
    while left > 0:
        left -= len(c.recv(1 << 20)) or left
    c.sendall(b'k')
threading.Thread(target=serve, daemon=True).start()
c = socket.create_connection(door.getsockname())
c.setblocking(waits)
data, pace = memoryview(bytes(12000000)), 0
while data:
    try:
        data = data[c.send(data[:100000]):]
        time.sleep(0.002 if not pause else 0)
    except BlockingIOError:
        time.sleep(0.01)
c.setblocking(True)
c.recv(1)
"""
DIR = tmpdir()


def upload(name, pause, how):
    aftershock("run", "--trace", "ebpf", "-o", os.path.join(DIR, name + ".db"), "--", PYTHON, "-c", UPLOAD, str(pause), how, timeout=40)


def pressure(name):
    r = aftershock("report", os.path.join(DIR, name + ".db"), "--format", "json")
    report = json.loads(r.out)
    is_(validate.problems(report, validate.load("report")), [], f"{name}: the report meets its schema")
    return sum(p["refused"] for p in report["backpressure"]), sum(p["slow"] for p in report["backpressure"]), report["backpressure"]


for a in (("hurried", 0.7, "does not wait"), ("patient", 0.7, "waits"), ("free", 0, "waits")):
    upload(*a)
refused, slow, seen = pressure("hurried")
ok(refused >= 10 and not slow, "hurried: sends were refused as the buffer was full", seen)
refused, slow, seen = pressure("patient")
ok(not refused and slow >= 1, "patient: sends took long", seen)
ok(sum(p["slow_ms"] for p in seen) > 400, "patient: for as long as nobody read", seen)
refused, slow, seen = pressure("free")
ok(seen and not refused and slow <= 3, "free: none of it, though as much was sent", seen)
done()

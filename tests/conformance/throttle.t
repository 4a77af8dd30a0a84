#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""throttle: an answer that comes at so many bytes per second, next to a peer that sends it so slowly.

Whatever way the program reads, it gets all of it, at the rate, without spinning; the other connections of its loop keep
their latency, its own timeouts fire when they would, and the next exchange on the connection is as usual.
"""
import json
import os
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from peers import echo

CLIENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients")
HOWS = ("recv", "byte", "peek", "waitall", "dontwait", "recvmsg", "read", "fionread", "splice", "poll", "level", "edge", "oneshot")


def answer_of(n):
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % n + bytes(97 + i % 26 for i in range(26)) * (n // 26) + b"z" * (n % 26)


def sender(answer, rate=None):
    """A peer that sends all of it at once, or in slices of 10 ms, and closes."""
    def serve(conn, n):
        conn.recv(65536)
        step, began = max(1, (rate or 0) // 100), time.monotonic()
        for at in range(0, len(answer), step if rate else len(answer)):
            time.sleep(max(0, began + at / rate - time.monotonic()) if rate else 0)
            conn.sendall(answer[at:at + step] if rate else answer)
    return Peer(serve)


def drain(how, port, fault=None, size=65536):
    command = (PYTHON, os.path.join(CLIENTS, "drain.py"), how, port, size)
    r = shock(f"to=127.0.0.1:{port} {fault}", *command) if fault else run(command)
    try:
        return json.loads(r.out), r
    except ValueError:
        return {"got": None, "bytes": 0, "end": None, "seconds": 0, "cpu": 99, "at": [0] * 4, "calls": 0, "wakes": 0}, r


# ---- the rate, for each way to read ----
for how in HOWS:
    answer = answer_of(20_000 if how != "byte" else 2000)
    rate = len(answer)
    said, r = drain(how, sender(answer).port, f"throttle={rate}B", 4096)
    is_((said["got"], said["end"]), (answer.decode(), "eof"), f"{how}: the_whole_answer_comes", r)
    within(said["seconds"], 0.95, 1.3, f"{how}: at_its_rate", r)
    if how != "waitall":
        within(said["at"][1], 0.45, 0.75, f"{how}: half_of_it_after_half_the_time", r)
    ok(said["cpu"] < 0.2, f"{how}: without_spinning", r)
    is_(r.rows("SELECT action, achieved_ns IS NOT NULL AS done FROM injection"), [{"action": "throttle", "done": 1}],
        f"{how}: one_injection", r)

# ---- from a thousand bytes per second to a hundred million ----
for rate, n in (("1k", 1024), ("64k", 65536), ("1M", 1 << 20), ("10M", 10 << 20), ("100M", 100 << 20)):
    said, r = drain("recv", sender(answer_of(n)).port, f"throttle={rate}", 1 << 20)
    ok(said["bytes"] == len(answer_of(n)), f"{rate}: the_whole_answer_comes", str(r)[:500])
    steady = said["at"][3] - said["at"][0]  # the first quarter waits for the peer as well, which has to make its bytes
    within(steady, 0.75 * 0.95, 0.75 * 1.25, f"{rate}: at_its_rate", str(r)[:500])

# ---- a slow peer and a throttled one, side by side ----
for how in ("recv", "poll", "level", "edge"):
    slow, _ = drain(how, sender(answer_of(20_000), 20_000).port)
    ours, r = drain(how, sender(answer_of(20_000)).port, "throttle=20000B")
    near(ours["seconds"], slow["seconds"], 0.15, f"{how}: takes_as_long_as_a_slow_peer", (slow, r))
    is_((ours["got"], ours["end"]), (slow["got"], slow["end"]), f"{how}: gives_the_same")
    ok(ours["wakes"] <= 2.5 * slow["wakes"] + 20, f"{how}: wakes_as_often", (slow["wakes"], ours["wakes"]))

# ---- with what goes before and behind ----
for fault, n, end, took in (("throttle=10000B truncate=3000", 3000, "eof", (0.29, 0.6)), ("throttle=10000B reset=3000", 3000, "ECONNRESET", (0.29, 0.6)),
                            ("delay=300ms throttle=10000B truncate=3000", 3000, "eof", (0.59, 0.95))):
    answer = answer_of(20_000)
    head = len(answer) - 20_000 if "truncate" in fault else 0
    for how in ("recv", "level"):
        said, r = drain(how, sender(answer).port, fault)
        is_((said["got"], said["end"]), (answer[:head + n].decode(), end), f"{fault}: {how}_gets_the_first_part", r)
        within(said["seconds"], *took, f"{fault}: {how}_at_its_rate", r)
both = sender(answer_of(20_000))
r = shock((f"to=127.0.0.1:{both.port} delay=200ms", f"to=127.0.0.1:{both.port} throttle=10000B", f"to=127.0.0.1:{both.port} truncate=1000",
           f"to=127.0.0.1:{both.port} throttle=1B"), PYTHON, os.path.join(CLIENTS, "drain.py"), "recv", both.port, 65536)
within(json.loads(r.out)["seconds"], 0.29, 0.6, "one_delay_one_rate_and_one_ending_of_four_faults_combine", r)
is_([(row["fault_id"], row["action"]) for row in r.rows("SELECT fault_id, action FROM injection ORDER BY fault_id")],
    [(1, "delay"), (2, "throttle"), (3, "truncate")], "the_first_in_the_plan_of_each_kind", r)

# ---- the next exchange on the connection, and pipelining ----
KEEP = """
import http.client, sys, time
c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=10)
for path in ("/slow", "/quick", "/slow", "/quick"):
    began = time.monotonic()
    c.request("GET", path)
    print(len(c.getresponse().read()), "%.3f" % (time.monotonic() - began))
"""
peer = HttpPeer(lambda request: (200, {}, b"x" * 10_000))
r = shock(f"to=127.0.0.1:{peer.port} throttle=20000B path=/slow", PYTHON, "-c", KEEP, peer.port)
lines = [line.split() for line in r.out.splitlines()]
is_([n for n, _ in lines], ["10000"] * 4, "all_answers_of_a_kept_connection_come", r)
ok(all(0.49 < float(s) < 1.2 if i % 2 == 0 else float(s) < 0.4 for i, (_, s) in enumerate(lines)),
   "and_only_those_that_are_hit_are_slow", r)
is_(max(q.conn for q in peer.requests), 0, "on_one_connection")
PIPELINED = """
import socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"".join(b"GET /%s HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n" % p for p in (b"quick", b"slow", b"quick")))
began, got = time.monotonic(), b""
while got.count(b"\\r\\n\\r\\n") < 3 or len(got.rpartition(b"\\r\\n\\r\\n")[2]) < 5000:
    got += s.recv(65536)
print(got.count(b"x"), "%.3f" % (time.monotonic() - began))
"""
peer = HttpPeer(lambda request: (200, {}, b"x" * 5000))
r = shock(f"to=127.0.0.1:{peer.port} throttle=10000B path=/slow", PYTHON, "-c", PIPELINED, peer.port)
n, seconds = r.out.split() if r.out else ("", 0)
is_(n, "15000", "pipelined_answers_come_whole", r)
within(float(seconds), 0.49, 0.8, "and_the_slow_one_among_them_is_slow", r)

# ---- timeouts: between slices an input is not there ----
TIMEO = """
import errno, select, socket, struct, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"GET / HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n")
s.recv(65536)
began = time.monotonic()
how = sys.argv[2]
if how == "poll":
    p = select.poll()
    p.register(s, select.POLLIN)
    print(len(p.poll(200)), end=" ")
elif how == "epoll":
    p = select.epoll()
    p.register(s, select.EPOLLIN)
    print(len(p.poll(0.2)), end=" ")
elif how == "select":
    print(len(select.select([s], [], [], 0.2)[0]), end=" ")
else:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 200000))
    try:
        print(len(s.recv(10, socket.MSG_WAITALL if how == "waitall" else 0)), end=" ")
    except OSError as error:
        print(errno.errorcode[error.errno], end=" ")
print("%.3f" % (time.monotonic() - began))
"""
for how, want in (("poll", "0"), ("epoll", "0"), ("select", "0"), ("timeo", "EAGAIN"), ("waitall", "EAGAIN")):
    peer = HttpPeer(lambda request: (200, {}, b"x" * 50))
    r = shock(f"to=127.0.0.1:{peer.port} throttle=1B", PYTHON, "-c", TIMEO, peer.port, how)
    said, seconds = r.out.split() if r.out else ("", 0)
    is_(said, want, f"{how}: a_timeout_shorter_than_a_byte_of_the_rate_fires", r)
    within(float(seconds), 0.19, 0.5, f"{how}: when_it_would")

# ---- a program that was busy finds what came meanwhile, as in a receive buffer ----
BUSY = """
import socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"GET / HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n")
s.recv(10)
time.sleep(0.5)
print(len(s.recv(1000000)))
"""
peer = HttpPeer(lambda request: (200, {}, b"x" * 50_000))
r = shock(f"to=127.0.0.1:{peer.port} throttle=10000B", PYTHON, "-c", BUSY, peer.port)
within(int(r.out or 0), 4500, 7500, "half_a_second_at_10000_bytes_per_second_brings_5000", r)

# ---- another protocol: turn by turn ----
OPAQUE = """
import socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
for n in (1000, 2000):
    began, got = time.monotonic(), b""
    s.sendall(b"\\1" * n)
    while len(got) < n:
        got += s.recv(65536)
    print("%.3f" % (time.monotonic() - began))
"""
peer = Peer(echo)
r = shock(f"to=127.0.0.1:{peer.port} throttle=4000B", PYTHON, "-c", OPAQUE, peer.port)
times = [float(t) for t in r.out.split()]
ok(len(times) == 2 and 0.23 < times[0] < 0.45 and 0.48 < times[1] < 0.75, "each_turn_of_another_protocol_has_its_rate", r)

# ---- the loop's other connections ----
LOOP = """
import asyncio, sys, time
async def ask(port, n):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\\r\\nHost: h\\r\\nConnection: close\\r\\n\\r\\n")
    got = await reader.read()
    writer.close()
    return len(got)
async def main():
    slow = asyncio.create_task(ask(int(sys.argv[1]), 0))
    worst, count, cpu, began = 0, 0, time.process_time(), time.monotonic()
    while not slow.done():
        t = time.monotonic()
        await ask(int(sys.argv[2]), 0)
        worst = max(worst, time.monotonic() - t)
        count += 1
        await asyncio.sleep(0.02)
    print(slow.result() > 10000, "%.3f %.3f %d %.3f" % (time.monotonic() - began, worst, count, time.process_time() - cpu))
asyncio.run(main())
"""
slow, other = HttpPeer(lambda request: (200, {}, b"x" * 10_000)), HttpPeer()
r = shock(f"to=127.0.0.1:{slow.port} throttle=10000B", PYTHON, "-c", LOOP, slow.port, other.port)
whole, seconds, worst, count, cpu = r.out.split() if r.out else ("", 0, 9, 0, 9)
is_(whole, "True", "asyncio_reads_a_throttled_answer", r)
within(float(seconds), 0.99, 1.4, "at_its_rate", r)
ok(float(worst) < 0.15 and int(count) > 15, "its_other_connection_keeps_its_latency", r)
ok(float(cpu) < 0.5, "without_spinning", r)

# ---- programs ----
page = HttpPeer(lambda request: (200, {}, b"x" * 20_000))
DIRECT = {"http_proxy": None, "HTTP_PROXY": None, "no_proxy": "*"}
FETCH = ("import requests, sys, time; t = time.monotonic(); n = len(requests.get(sys.argv[1]).content); print(n, time.monotonic() - t)",
         "import urllib3, sys, time; t = time.monotonic(); n = len(urllib3.PoolManager().request('GET', sys.argv[1]).data); print(n, time.monotonic() - t)")
NODE = ("const t = Date.now(); fetch(process.argv[1]).then(r => r.text()).then(b => console.log(b.length, (Date.now() - t) / 1000))",
        "const t = Date.now(); require('http').get(process.argv[1], r => { let n = 0; r.on('data', d => n += d.length);"
        " r.on('end', () => console.log(n, (Date.now() - t) / 1000)) })")
for name, command in (("curl", ("curl", "-s", "-o", "/dev/null", "-w", "%{size_download} %{time_total}", page.url())),
                      ("requests", (PYTHON, "-c", FETCH[0], page.url())), ("urllib3", (PYTHON, "-c", FETCH[1], page.url())),
                      ("fetch", ("node", "-e", NODE[0], page.url())), ("node_http", ("node", "-e", NODE[1], page.url()))):
    r = shock(f"to=127.0.0.1:{page.port} throttle=20000B", *command, env=DIRECT)
    n, seconds = r.out.split() if r.out else ("", 0)
    is_(n, "20000", f"{name}: gets_all_of_a_throttled_answer", r)
    within(float(seconds), 0.99, 1.5, f"{name}: at_its_rate", r)
for fault, status, took in (("throttle=20000B", 0, (0.99, 1.5)), ("throttle=2B", 28, (0.69, 1.2))):
    r = shock(f"to=127.0.0.1:{page.port} {fault}", "curl", "-s", "-m", "0.7" if status else "5", "-o", "/dev/null", page.url())
    is_(r.rc, status, f"curl's_own_timeout_{'fires' if status else 'holds'}_under_{fault}", r)
r = shock(f"to=127.0.0.1:{page.port} throttle=20000B", "wget", "-q", "-O", "/dev/null", "--tries=1", "--timeout=0.5", page.url(), env=DIRECT)
is_(r.rc, 0, "wget's_timeout_is_one_of_silence_and_does_not_fire", r)
done()

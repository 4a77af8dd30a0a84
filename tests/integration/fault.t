#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# `aftershock fault`: faults that change while programs run, in clients and servers, in event loops and in threads.
import http.client
import json
import os
import re
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

os.environ["TMPDIR"] = tmpdir()  # runs of others are none of ours
os.environ.pop("XDG_RUNTIME_DIR", None)
directory = tmpdir(0o777)

# A client with one keep-alive connection: asks every few milliseconds, prints each change of what it gets and when.
ASK = """
import http.client, sys, time
c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=30)
last = None
while True:
    began = time.monotonic()
    try:
        c.request("GET", "/")
        r = c.getresponse()
        got = f"{r.status} {r.headers.get('X-From', '-')} {r.read().decode().strip()}"
    except OSError as e:
        got = type(e).__name__
        c.close()
    now = time.monotonic()
    if got != last or now - began > 0.15:
        print(f"{began:.6f} {now:.6f} {got}", flush=True)
        last = got
    time.sleep(0.002)
"""
ask_py = os.path.join(directory, "ask.py")
with open(ask_py, "w") as f:
    f.write(ASK)

# The same from an event loop: asyncio, one connection kept open.
LOOP = """
import asyncio, sys, time
async def main():
    r, w = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    last = None
    while True:
        w.write(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
        began = time.monotonic()
        head = await r.readuntil(b"\\r\\n\\r\\n")
        n = int([l for l in head.lower().split(b"\\r\\n") if l.startswith(b"content-length")][0].split(b":")[1])
        body = await r.readexactly(n)
        now = time.monotonic()
        got = f"{head.split()[1].decode()} - {body.decode().strip()}"
        if got != last or now - began > 0.15:
            print(f"{began:.6f} {now:.6f} {got}", flush=True)
            last = got
        await asyncio.sleep(0.002)
asyncio.run(main())
"""
loop_py = os.path.join(directory, "loop.py")
with open(loop_py, "w") as f:
    f.write(LOOP)


class Going:
    """A run in the background: its command prints lines."""
    count = 0

    def __init__(self, *command, trace="shim", faults=(), **kw):
        Going.count += 1
        self.name = f"run-{Going.count}"
        self.db = os.path.join(directory, f"{self.name}.db")
        self.child = spawn(shock_argv(faults, self.db, command, trace, ("--name", self.name)), stdout=-1, stderr=-1, bufsize=0, **kw)
        self.log = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.child.stdout:
            self.log.append(line.decode().rstrip("\n"))

    def fault(self, *args):
        return aftershock("fault", *args, "--run", self.name)

    def faults(self):
        return {f["name"]: f for f in json.loads(self.fault("list", "--format", "json").out)["faults"]}

    def line(self, pattern, since=0, deadline=10):
        """The first line from the since-th on that matches; None when none comes."""
        return wait_for(lambda: next((l for l in self.log[since:] if re.search(pattern, l)), None), deadline)

    def end(self, sig=signal.SIGTERM):
        rc = stop(self.child, sig)
        self.err = self.child.stderr.read().decode()
        return rc


# ---- the life of a fault, in a client and with each witness ----
peer = HttpPeer()
reach = []
for trace, script in (("shim", ask_py), ("off", ask_py), ("off", loop_py), ("shim", loop_py)):
    what = f"{os.path.basename(script)}, --trace {trace}"
    going = Going(PYTHON, script, peer.port, trace=trace)
    ok(going.line("200"), f"a client asks on one connection ({what})")
    before = len(going.log)
    r = going.fault("set", f"name=a to=127.0.0.1:{peer.port} status=503 body=gone")
    done_at = time.monotonic()
    is_((r.rc, r.out), (0, "a: on\n"), "a fault is set while it runs")
    hit = going.line("503 - gone", before)
    ok(hit, "and its next requests are answered with it", going.log)
    if hit:
        reach.append((float(hit.split()[0]) - done_at) * 1000)
    f = going.faults()["a"]
    ok(f["state"] == "on" and f["fired"] > 0 and f["spec"]["status"] == 503, "list says that it is on, and what it is", f)
    before = len(going.log)
    going.fault("set", f"name=a to=127.0.0.1:{peer.port} status=429 body=slower")
    ok(going.line("429 - slower", before), "setting one of the same name replaces it", going.log)
    before = len(going.log)
    is_(going.fault("disable", "a").out, "a: off\n", "it is switched off")
    ok(going.line("200", before), "and the server is reached again", going.log)
    is_(going.faults()["a"]["state"], "off", "list says so")
    before = len(going.log)
    is_(going.fault("enable", "a").out, "a: on\n", "it is switched on again")
    ok(going.line("429 - slower", before), "and acts", going.log)
    before = len(going.log)
    is_(going.fault("clear").out, "1 fault cleared\n", "clear takes it away")
    ok(going.line("200", before) and not going.faults(), "for good", going.log)
    before = len(going.log)
    going.fault("set", f"name=b to=:{peer.port} delay=200ms", "--for", "600ms")
    slow = going.line("200", before)
    ok(slow and 0.2 <= float(slow.split()[1]) - float(slow.split()[0]) < 1, "a delay is set for 600 ms", going.log)
    ok(wait_for(lambda: going.faults()["b"]["state"] == "ended"), "it ends by itself")
    is_(len({p.conn for p in peer.requests[-3:]}), 1, "all on one connection")
    going.end()
    recorded = Run(going.db)
    marks = [m["name"] for m in recorded.rows("SELECT name FROM mark ORDER BY at_ns, rowid")]
    is_(marks, ["fault on a", "fault off a", "fault on a", "fault off a", "fault on a", "fault off a", "fault on b", "fault end b"],
        "the run file has a mark for each time a fault came on or off")
    rows = recorded.rows("SELECT id, name, json_extract(spec, '$.status') status, fired FROM fault ORDER BY id")
    is_([(x["id"], x["name"], x["status"], x["fired"] > 0) for x in rows], [(1, "a", 503, True), (2, "a", 429, True), (3, "b", None, True)],
        "and a row with its counts for each fault that was set")
    hits = recorded.rows("SELECT fault_id, count(*) n FROM injection WHERE action = 'status' GROUP BY fault_id ORDER BY fault_id")
    is_([h["n"] for h in hits], [x["fired"] for x in rows[:2]], "injections are those of the fault that was on")
within(max(reach, default=1000), -100, 100, "a change reaches the next exchange in less than 100 ms")
diag("from the command's end to the first request hit: " + ", ".join(f"{r:.1f} ms" for r in reach))

# ---- servers: an idle keep-alive connection's next request is subject to a new fault ----
THREADS = """
import http.server, sys
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "4"); self.end_headers(); self.wfile.write(b"real")
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()
"""
threads_py = os.path.join(directory, "threads.py")
with open(threads_py, "w") as f:
    f.write(THREADS)


def get(c):
    began = time.monotonic()
    c.request("GET", "/")
    r = c.getresponse()
    body = r.read().decode()
    return r.status, body, time.monotonic() - began


def check_server(going, port, real, what):
    ok(wait_for(lambda: listening(port)), f"{what} serves")
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    is_(get(c)[:2], (200, real), "a first request on a connection")
    for spec, status in ((f"name=s at=:{port} status=503 body=ours", 503), (f"name=s at=:{port} status=429 body=yours", 429)):
        going.fault("set", spec)
        is_([get(c)[0] for _ in range(3)], [status] * 3, f"the next three on it are answered {status}")
    going.fault("clear")
    is_([get(c)[:2] for _ in range(3)], [(200, real)] * 3, "after clear the server answers on it again")
    going.fault("set", f"name=d at=:{port} delay=300ms")
    within(get(c)[2], 0.29, 2, "a delay set while it is idle delays the next request")
    going.fault("clear")
    within(get(c)[2], 0, 0.28, "and is over after clear")
    c.close()


for trace in ("shim", "off"):
    nginx = Nginx(under=lambda port: shock_argv([], os.path.join(directory, f"nginx-{trace}.db"), (), trace, ("--name", f"nginx-{trace}"))[:-1])
    going = Going.__new__(Going)
    going.name = f"nginx-{trace}"
    check_server(going, nginx.port, "this is the real page\n", f"nginx (--trace {trace})")
    nginx.stop()
    port = free_port()
    going = Going(PYTHON, threads_py, port, trace=trace)
    check_server(going, port, "real", f"a thread for each connection (--trace {trace})")
    going.end()

redis_db = os.path.join(directory, "redis.db")
redis = Redis(under=shock_argv([], redis_db, (), "off", ("--name", "redis"))[:-1])
going = Going.__new__(Going)
going.name = "redis"
s = socket.create_connection(("127.0.0.1", redis.port), timeout=20)


def ping():
    began = time.monotonic()
    s.sendall(b"PING\r\n")
    return s.recv(100), time.monotonic() - began


is_(ping()[0], b"+PONG\r\n", "redis answers on a connection")
going.fault("set", f"at=:{redis.port} delay=250ms")
reply = ping()
ok(reply[0] == b"+PONG\r\n" and 0.24 <= reply[1] < 2, "and 250 ms later once a delay is set", reply)
going.fault("clear")
within(ping()[1], 0, 0.2, "and at once when it is cleared")
redis.stop()

# ---- what is held is let go ----
for trace, script in (("shim", ask_py), ("off", loop_py)):
    for spec, word in (("hang=response", "hang"), ("delay=60s", "delay of a minute"), ("status=503 delay=60s", "late answer")):
        going = Going(PYTHON, script, peer.port, trace=trace)
        going.line("200")
        before = len(going.log)
        requests = len(peer.requests)
        going.fault("set", f"name=h to=127.0.0.1:{peer.port} {spec}")
        ok(wait_for(lambda: going.faults()["h"]["fired"]), f"a {word} holds an exchange ({os.path.basename(script)}, --trace {trace})")
        time.sleep(0.2)
        is_(len(going.log), before, "and goes on")
        going.fault("clear")
        cleared = time.monotonic()
        got = going.line(".", before, 5)
        ok(got, "until the fault is cleared", going.log)
        if got:
            within(float(got.split()[1]) - cleared, -0.2, 0.4, "then it is let go at once")
            like(got, " 503 " if "status" in spec else " 200 ", "with the answer that is due")
        going.end()

going = Going(PYTHON, ask_py, peer.port)
going.line("200")
before = len(going.log)
going.fault("set", f"name=h to=127.0.0.1:{peer.port} hang=response", "--for", "700ms")
ok(going.line("200", before, 5), "a hang set for 700 ms lets go when they are over", going.log)
went = going.log[before].split()
within(float(went[1]) - float(went[0]), 0.3, 2, "not before")
going.end()

# ---- the controller dies ----
for script in (ask_py, loop_py):
    going = Going(PYTHON, script, peer.port)
    going.line("200")
    before = len(going.log)
    going.fault("set", f"to=127.0.0.1:{peer.port} hang=response", "--for", "10m")
    wait_for(lambda: next(iter(going.faults().values()))["fired"])
    os.kill(going.child.pid, signal.SIGKILL)
    killed = time.monotonic()
    got = going.line("200", before, 8)
    ok(got, f"kill -9 of the controller lets go of what is held ({os.path.basename(script)})", going.log)
    if got:
        within(float(got.split()[1]) - killed, 1.5, 3.5, "after 2 s without a sign of life")
    r = going.fault("list")
    is_(r.rc, 2, "its run can not be changed any more")
    end_session(going.child)

# ---- a one-shot registration that has fired stays silent until the program arms it again ----
ONCE = """
import select, socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
e = select.epoll()
e.register(s, select.EPOLLIN | select.EPOLLONESHOT)
def ask(): s.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
def show(*what): print(*what, flush=True)
ask()
show("first", len(e.poll(5)), s.recv(4096)[9:12].decode())
sys.stdin.readline()
ask()
show("fired", len(e.poll(0.3)))
e.modify(s, select.EPOLLIN | select.EPOLLONESHOT)
show("armed", len(e.poll(5)), s.recv(4096)[9:12].decode())
e.modify(s, select.EPOLLIN | select.EPOLLONESHOT)
sys.stdin.readline()
ask()
show("again", len(e.poll(5)), s.recv(4096)[9:12].decode())
sys.stdin.readline()
e.modify(s, select.EPOLLIN | select.EPOLLONESHOT)
ask()
show("real", len(e.poll(5)), s.recv(4096)[9:12].decode())
"""
once_py = os.path.join(directory, "once.py")
with open(once_py, "w") as f:
    f.write(ONCE.replace("\\\\", "\\"))
for trace in ("shim", "off"):
    going = Going(PYTHON, once_py, peer.port, stdin=-1, trace=trace)
    ok(going.line("^first 1 200"), f"a one-shot program asks (--trace {trace})", going.log)
    going.fault("set", f"name=o to=:{peer.port} status=503")
    going.child.stdin.write(b"\n")
    is_(going.line("^fired"), "fired 0", "what has fired is not armed by a new fault")
    is_(going.line("^armed"), "armed 1 503", "once the program arms it, the answer is there")
    going.child.stdin.write(b"\n")
    is_(going.line("^again"), "again 1 503", "what is armed meets the next answer")
    going.fault("clear")
    going.child.stdin.write(b"\n")
    is_(going.line("^real"), "real 1 200", "and the server's, after clear")
    going.child.wait(20)

# ---- atomic: each answer is of one fault or the other ----
CROWD = """
import http.client, sys, threading, time
def ask():
    c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=30)
    while not stop:
        c.request("GET", "/")
        r = c.getresponse()
        got = r.status, r.headers.get("X-From"), r.headers.get("Retry-After"), r.read()
        seen[got] = seen.get(got, 0) + 1
seen, stop = {}, False
crowd = [threading.Thread(target=ask) for _ in range(6)]
for t in crowd: t.start()
print("up", flush=True)
sys.stdin.readline()
stop = True
for t in crowd: t.join()
for n in sorted(seen, key=str): print(*n, seen[n], flush=True)
print("end", flush=True)
"""
crowd_py = os.path.join(directory, "crowd.py")
with open(crowd_py, "w") as f:
    f.write(CROWD)
going = Going(PYTHON, crowd_py, peer.port, stdin=-1, faults=[f"name=x to=:{peer.port} status=503 reply_header=X-From:one body=first"])
going.line("up")
served = len(peer.requests)
began = time.monotonic()
one = f"name=x to=:{peer.port} status=503 reply_header=X-From:one body=first"
two = f"name=x to=:{peer.port} status=429 retry_after=7s reply_header=X-From:two body={'b' * 500}"
bad = [r for i in range(200) if (r := going.fault("set", one if i % 2 else two)).rc]
took = time.monotonic() - began
ok(not bad, "a fault is replaced 200 times in one run", bad[:2])
diag(f"200 changes in {took:.1f} s")
is_(len(peer.requests), served, "no request of six threads slips between them to the server")
going.child.stdin.write(b"\n")
ok(going.line("^end"), "the threads end")
seen = [l for l in going.log if l not in ("up", "end")]
diag(seen)
is_({l.rsplit(" ", 1)[0] for l in seen}, {"503 one None b'first'", f"429 two 7 b'{'b' * 500}'"},
    "and have seen answers of the one fault and the other, none mixed")
going.child.wait(20)
rows = Run(going.db).rows("SELECT f.id, f.fired, count(i.id) n FROM fault f LEFT JOIN injection i ON i.fault_id = f.id GROUP BY f.id")
is_(len(rows), 201, "the run file has a row for each")
is_([r for r in rows if r["fired"] != r["n"]], [], "and its count is that of its injections")

# ---- several who change at once ----
going = Going("sleep", "60")
wait_for(lambda: going.fault("list").rc == 0)


def crowd_of_faults(k):
    for i in range(10):
        results.append(going.fault("set", f"name=f{k}-{i} to=:1 delay={i + 1}ms").rc)


results = []
many = [threading.Thread(target=crowd_of_faults, args=(k,)) for k in range(4)]
[t.start() for t in many]
[t.join() for t in many]
is_((results.count(0), len(going.faults())), (40, 40), "four controllers set ten faults each at once, and all are there")
is_(going.fault("clear", "f1-1", "f2-2").out, "2 faults cleared\n", "clear takes names")
ok(len(going.faults()) == 38 and "f1-1" not in going.faults(), "and takes away those")
for i in range(26):
    r = going.fault("set", f"name=more{i} to=:1 delay=1ms")
is_((r.rc, len(going.faults())), (0, 64), "64 faults are there at once")
r = going.fault("set", "name=more to=:1 delay=1ms")
ok(r.rc == 2 and "64 faults" in r.err, "and no more", r)

# ---- bad input: one sentence each, status 2 ----
for args, pattern in (
        (("fault",), "needs to know what to do; give list, set SPEC"),
        (("fault", "stop"), "unknown 'fault stop'; give list, set"),
        (("fault", "set"), "fault set: give a fault such as 'to="),
        (("fault", "set", "to=:1 status=42", "--run", going.name), "status=42 is not accepted"),
        (("fault", "set", "to=:1 status=503 for=1s", "--for", "2s", "--run", going.name), "for is given twice"),
        (("fault", "set", "to=:1 status=503", "--for", "2"), "--for '2' is no duration"),
        (("fault", "enable", "--run", going.name), "fault enable: give the name of a fault"),
        (("fault", "disable", "nobody", "--run", going.name), r"run 'run-\d+' has no fault 'nobody'; it has: "),
        (("fault", "list", "--for", "2s"), "--for belongs to 'fault set'"),
        (("fault", "clear", "--format", "json"), "--format belongs to 'fault list'"),
        (("fault", "list", "--run", "nowhere"), f"no run named 'nowhere' is going on; going on: {going.name}"),
        (("fault", "list", "--run", "/nowhere/at/all"), "'/nowhere/at/all' is no run that is going on"),
        (("fault", "list", "--run", "a b"), "neither the name of a run nor the path")):
    r = aftershock(*args)
    ok(r.rc == 2 and not r.out and r.err.count("\n") == 1 and re.search(pattern, r.err), f"{' '.join(args)}: {pattern}", r)
is_(aftershock("fault", "list").rc, 0, "the only run needs no name")
second = Going("sleep", "60")
wait_for(lambda: second.fault("list").rc == 0)
r = aftershock("fault", "list")
ok(r.rc == 2 and going.name in r.err and second.name in r.err, "of two, one must be named", r)
second.end()
if os.getuid() == 0:
    r = run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", BIN, "fault", "list", "--run",
             os.path.join(os.environ["TMPDIR"], "aftershock-0", going.name)])
    ok(r.rc == 2 and "belongs to another user" in r.err, "another user may not", r)
else:
    skip("needs root")
path = os.path.join(os.environ["TMPDIR"], f"aftershock-{os.getuid()}", going.name)
is_(aftershock("fault", "list", "--run", path).rc, 0, "the path of its directory names a run")
going.end()
is_(aftershock("fault", "list", "--run", path).rc, 2, "not when it is over")

# ---- a fault that was set and never fired ----
going = Going("sh", "-c", "read line", stdin=-1)
wait_for(lambda: going.fault("list").rc == 0)
going.fault("set", "name=vain to=:1 status=503")
going.fault("clear")
going.child.stdin.write(b"\n")
is_(going.child.wait(20), 3, "a run whose fault was set, cleared and never fired is vacuous")
like(going.child.stderr.read().decode(), r"fault 'vain' never fired \(0 exchanges matched it\)", "and the fault is named")
done()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Epoll sets: thousands of descriptors in one, one descriptor in many, and faults that come and go meanwhile."""
import os
import resource
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

os.environ["TMPDIR"] = tmpdir()  # runs of others are none of ours
os.environ.pop("XDG_RUNTIME_DIR", None)
peer = HttpPeer()


class Program:
    """A Python program under a run: prints lines, and goes on when it is told."""

    def __init__(self, name, text, *words, faults=(), trace="shim"):
        self.name, self.db = name, os.path.join(tmpdir(0o777), f"{name}.db")
        text = "import select, socket, sys, time\nPORT = int(sys.argv[1])\nASK = b'GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'\n" + text
        argv = shock_argv(faults, self.db, (PYTHON, "-c", text, peer.port, *words), trace, ("--name", name))
        self.child = spawn(argv, stdin=-1, stdout=-1, stderr=-1, bufsize=0)

    def line(self, deadline=20):
        return line_of(self.child, deadline).strip()

    def go_on(self):
        self.child.stdin.write(b"\n")

    def fault(self, *args):
        return aftershock("fault", *args, "--run", self.name)

    def end(self):
        """What the run file has, when the program has ended by itself."""
        self.child.wait(20)
        return Run(self.db)


# ---- faults that change while many connections of one set are held ----
for n in (20, 100):
    p = Program(f"held{n}", f"""
e, crowd = select.epoll(), [socket.create_connection(("127.0.0.1", PORT)) for _ in range({n})]
for s in crowd:
    e.register(s, select.EPOLLIN)
    s.sendall(ASK)
e.poll(0.3)
print("held", flush=True)
sys.stdin.readline()
began = time.process_time()
came = e.poll(1)
print(len(came), time.process_time() - began < 0.3, flush=True)
sys.stdin.readline()
began, came = time.monotonic(), 0
while came < {n} and time.monotonic() < began + 5:
    for fd, _ in e.poll(0.2):
        came += socket.socket(fileno=fd).recv(4096).startswith(b"HTTP/1.1 200")
print(came, time.monotonic() - began < 2)
""", faults=f"name=slow to=127.0.0.1:{peer.port} delay=1h")
    is_(p.line(), "held", f"{n} answers are held from one set")
    p.fault("set", "name=other to=:1 refuse=true")
    p.go_on()
    is_(p.line(), "0 True", "another fault is set: the wait goes on, and ends in its time")
    p.fault("clear", "slow")
    p.go_on()
    is_(p.line(), f"{n} True", "the fault that holds them is cleared: they are let go")
    p.end()


# ---- a descriptor that is in several sets, and is known by several numbers, before there is a fault ----
SEVERAL = """
import os
s = socket.create_connection(("127.0.0.1", PORT))
t = s.dup()
once = select.EPOLLIN | select.EPOLLONESHOT
sets = [select.epoll() for _ in range(6)]
for e in sets[:3]:
    e.register(s, select.EPOLLIN)
sets[1].modify(s, select.EPOLLIN | select.EPOLLET)
sets[0].unregister(s)
sets[0].register(s, select.EPOLLIN)
sets[3].register(t, select.EPOLLIN)
sets[5].register(s, once)
copy = select.epoll.fromfd(os.dup(sets[4].fileno()))  # one set, two numbers of it, of which the first goes
sets[4].register(s, select.EPOLLOUT)
copy.modify(s, select.EPOLLIN)
sets[4].close()
sets[4] = copy
gone = select.epoll()
gone.register(s, select.EPOLLIN)
gone.close()
want = [[(x.fileno(), select.EPOLLIN)] for x in (s, s, s, t, s, s)]
while sys.stdin.readline().strip():
    s.sendall(ASK)
    began, cpu = time.monotonic(), time.process_time()
    early = [e.poll(0.04) for e in sets]
    came = [at_once or e.poll(5) for at_once, e in zip(early, sets)]
    took = time.monotonic() - began
    again = [len(e.poll(0)) for e in sets]
    sets[5].modify(s, once)
    print(sum(map(len, early)), came == want or came, again, took > 0.39, time.process_time() - cpu < 0.1, s.recv(4096)[9:12].decode(), flush=True)
"""
for trace in ("shim", "off"):
    p = Program(f"several-{trace}", SEVERAL, trace=trace)
    for change, want, what in (
            ((), "6 True [1, 0, 1, 1, 1, 0] False True 200", "a connection is in six sets"),
            (("set", "name=f to=* delay=400ms"), "0 True [1, 0, 1, 1, 1, 0] True True 200", "a fault appears: its answer is held from each of them"),
            (("set", "name=f to=* status=503"), "6 True [1, 0, 1, 1, 1, 0] False True 503", "an answer of ours shows in each of them"),
            (("clear",), "6 True [1, 0, 1, 1, 1, 0] False True 200", "the fault is cleared: each is as the program made it"),
            (("set", "name=f to=* delay=400ms status=429"), "0 True [1, 0, 1, 1, 1, 0] True True 429", "another one is found by each again")):
        if change:
            p.fault(*change)
        p.child.stdin.write(b"on\n")
        is_(p.line(), want, f"{what} (--trace {trace})")
    p.go_on()
    p.end()


# ---- an answer of ours that nobody has read when the number that is in the set is closed, and another number of the socket is not ----
p = Program("closed", """
s, e = socket.create_connection(("127.0.0.1", PORT)), select.epoll()
t, fd = s.dup(), s.fileno()
e.register(s, select.EPOLLIN)
s.sendall(ASK)
shown = e.poll(5) == [(fd, select.EPOLLIN)]
s.close()
cpu = time.process_time()
e.poll(0.3)
print(shown, time.process_time() - cpu < 0.1, t.recv(4096)[9:12].decode())
""", faults=f"to=127.0.0.1:{peer.port} status=503")
is_(p.line(), "True True 503", "a socket that is closed with an answer of ours unread, and has another number, does not spin the loop")
p.end()


# ---- a fork's child that closes its copies, when an answer of ours is there and when one is held ----
for fault in ("status=503", "status=503 delay=400ms", "delay=400ms"):
    p = Program("forked", """
import os
s, e = socket.create_connection(("127.0.0.1", PORT)), select.epoll()
e.register(s, select.EPOLLIN)
s.sendall(ASK)
for close in s.close, lambda: os.closerange(3, 1000):
    if not (child := os.fork()):
        close()
        os._exit(0)
    os.waitpid(child, 0)
print(e.poll(5) == [(s.fileno(), select.EPOLLIN)], len(s.recv(4096)) > 30, e.poll(0))
""", faults=f"to=127.0.0.1:{peer.port} {fault}")
    is_(p.line(), "True True []", f"children that close their copies of a connection and its set take nothing out of it ({fault})")
    p.end()


# ---- a fork's child and its parent wait on one set, which has had its timer before ----
p = Program("shared", """
import os
s, e = socket.create_connection(("127.0.0.1", PORT)), select.epoll()
e.register(s, select.EPOLLIN)
s.sendall(ASK)
e.poll(5), s.recv(4096)
(down, tell), (news, up) = os.pipe(), os.pipe()
if not os.fork():
    os.read(down, 1)
    os.write(up, str(len(e.poll(5))).encode())
    os._exit(0)
s.sendall(ASK)
held = e.poll(0.2)
os.write(tell, b"on")
print(held, os.read(news, 9).decode(), len(e.poll(5)), s.recv(4096)[9:12].decode())
""", faults=f"to=127.0.0.1:{peer.port} delay=700ms")
is_(p.line(), "[] 1 1 200", "an answer that is held from a set shows to both processes that wait on it")
p.end()


def said(case, *words, faults="to=* delay=1ms", **kw):
    """What a case of victims/sets.c says, as numbers."""
    r = shock(faults, victim("sets"), case, peer.port, *words, trace="off", **kw)
    return {k: int(v) for k, _, v in (word.partition("=") for word in r.out.split())}, r


# ---- a socket that was in and out of sets before there was a fault ----
got, r = said("again", faults=f"to=127.0.0.1:{peer.port} delay=60ms")
is_(got, {"wrong": 0, "early": 0}, "it is held from the sets that it is in, as they were told last, and shown in no other", r)

# ---- a handler that interrupts the library all the time and has a connection of its own ----
FAULTS = [f"to=127.0.0.1:{peer.port} path=/{path} {fault}" for path, fault in (("a", "delay=1h"), ("b", "status=503"), ("c", "delay=300ms"))]
for _ in range(3):
    got, r = said("storm", 1000, faults=FAULTS, timeout=30)
    is_(got, {"turns": 1, "ticks": 1, "answers": 1, "strange": 0, "left": 0, "quiet": 1, "idle": 1, "late": 1, "data": 3, "status": 200, "private": 0},
        "a handler that dials, waits and closes while its thread is in epoll_ctl leaves nothing behind", r)
    is_([row["reason"] for row in r.rows("SELECT reason FROM loss WHERE count")], ["handler_in_the_library"], "its calls that passed are counted", r)

# ---- a handler that jumps out of whatever it has interrupted ----
got, r = said("jumped", 2000, faults=FAULTS[2], timeout=30)
is_(got, {"stuck": 0, "status": 200, "late": 1}, "jumps out of handlers keep no other thread from its set, and no fault from who jumps", r)

# ---- threads that are cancelled in a wait ----
for fault, times, connecting, private, where in (
        ("delay=1h", 1000, 0, 0, "for an answer that is held"), ("status=503 delay=1h", 1000, 0, 0, "for an answer of ours"),
        ("delay=1h delay_on=connect", 1000, 1, 0, "for a connect that is held"), ("hang=connect", 100, 1, 1, "for a connect that hangs")):
    got, r = said("cancelled", times, connecting, faults=f"to=127.0.0.1:{peer.port} {fault}")
    is_(got, {"ended": times * (1 if connecting else 4), "private": private, "grown": 0},
        f"{times} threads that are cancelled in each kind of wait {where} leave no descriptor and no memory behind", r)

# ---- what a wait costs does not depend on who else is in the set ----
IDLE, SETS, REGISTRATIONS = 8000, 4096, 65536
if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < IDLE + 100:
    skip("fewer descriptors than connections are allowed", 12)
else:
    costs = [(said("idle", 1), said("idle", IDLE)) for _ in range(4)]  # the best of each: what else runs only adds to them
    ok(all(got["waits"] == 100 for pair in costs for got, _ in pair), f"answers are held from a set with {IDLE} other connections", costs)
    few, many = [min(got["us"] for got, _ in column) for column in zip(*costs)]
    within(many / few, 0, 1.7, f"a wait costs what it does beside one ({many} and {few} us)", costs)
    for what, sets, connections, lost in (("sets", SETS + 5, 1, 5), ("registrations", 1000, 66, 66000 - REGISTRATIONS)):
        got, r = said("full", sets, connections)
        is_(got.get("failed"), 0, f"a program may have more {what} than the library has room for", r)
        is_(r.rows("SELECT source, reason, count FROM loss WHERE count"), [{"source": "shim", "reason": "epoll_table_full", "count": lost}],
            "each that was left out is counted in the table loss", r)
        is_(r.report()["data_quality"]["lost"], {"shim.epoll_table_full": lost}, "and in the report")
        like(aftershock("report", r.db).out, f"{lost} lost: shim, epoll_table_full", "which says so in text as well")
    p = Program("early", f"""
crowd, sets = [socket.create_connection(("127.0.0.1", PORT)) for _ in range(66)], [select.epoll() for _ in range(1000)]
for e in sets:
    for s in crowd:
        e.register(s, select.EPOLLIN)
print("ready", flush=True)
sys.stdin.readline()
crowd[0].sendall(ASK)
print(crowd[0].recv(4096)[9:12].decode())
""", trace="off")
    p.line()
    p.fault("set", "to=* status=503")
    p.go_on()
    is_(p.line(), "503", "a fault appears for a connection of which not all registrations could be remembered")
    is_(p.end().rows("SELECT reason, count FROM loss WHERE count"), [{"reason": "epoll_table_full", "count": 66}],
        "which is counted then, a connection each")
done()

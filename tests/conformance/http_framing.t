#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Synthetic answers on real HTTP/1.1 streams, from either side: whatever the client does with its bytes, the requests that
are hit are answered and never delivered, and all others pass whole and in order on the same connection."""
import json
import os
import socket
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from peers import echo

CLIENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients")
FAULT = "status=503 body=no path=/hit*"
BIG = "x" * 200_000
LONG = "X-Long: " + "y" * 7000 + "\r\n"


def request(method, path, body=None, headers="", version="1.1"):
    length = f"Content-Length: {len(body)}\r\n" if body is not None else ""
    return f"{method} {path} HTTP/{version}\r\nHost: h\r\n{headers}{length}\r\n{body or ''}"


def chunked(path, *chunks, extension="", trailer=""):
    body = "".join(f"{len(c):x}{extension}\r\n{c}\r\n" for c in chunks)
    return f"POST {path} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{body}0\r\n{trailer}\r\n"


def get(path, **kw):
    return request("GET", path, **kw)


READ = ["read", "GET"]
MANY = [f"/{'hit' if n % 7 == 3 else 'a'}{n}" for n in range(1000)]
# name, steps, statuses, what the server may see
CASES = (
    ("keep_alive", [["send", get("/a")], READ, ["send", get("/hit")], READ, ["send", get("/b")], READ],
     [200, 503, 200], ["GET /a 0", "GET /b 0"]),
    ("hits_in_a_row", [["send", get("/hit1")], READ, ["send", get("/hit2")], READ, ["send", get("/b")], READ],
     [503, 503, 200], ["GET /b 0"]),
    ("sized_body", [["send", request("POST", "/hit", "12345")], READ, ["send", request("POST", "/b", "123")], READ],
     [503, 200], ["POST /b 3"]),
    ("big_body_in_one_send", [["send", request("POST", "/hit", BIG)], READ, ["send", request("PUT", "/b", BIG)], READ],
     [503, 200], ["PUT /b 200000"]),
    ("big_body_in_pieces", [["pieces", request("POST", "/hit", BIG), 1000], READ, ["pieces", request("POST", "/b", BIG), 1000], READ],
     [503, 200], ["POST /b 200000"]),
    ("body_after_its_head", [["send", request("POST", "/hit", "123")[:-3]], ["send", "123"], READ,
                             ["send", request("POST", "/b", "123")[:-3]], ["send", "123"], READ], [503, 200], ["POST /b 3"]),
    ("chunked", [["send", chunked("/hit", "abc", "defg")], READ, ["send", chunked("/b", "abc", "defg")], READ],
     [503, 200], ["POST /b 7"]),
    ("chunked_with_extension_and_trailer", [["send", chunked("/hit", "abc", extension=";a=b", trailer="T: 1\r\n")], READ,
                                            ["send", chunked("/b", "abc", extension=";a=b", trailer="T: 1\r\n")], READ],
     [503, 200], ["POST /b 3"]),
    ("chunked_byte_by_byte", [["bytes", chunked("/hit", "abc")], READ, ["bytes", chunked("/b", "abc")], READ], [503, 200], ["POST /b 3"]),
    ("byte_by_byte", [["bytes", get("/hit")], READ, ["bytes", get("/b")], READ], [503, 200], ["GET /b 0"]),
    ("pipelined", [["send", get("/a") + get("/hit1") + get("/b") + get("/hit2") + get("/c")], READ, READ, READ, READ, READ],
     [200, 503, 200, 503, 200], ["GET /a 0", "GET /b 0", "GET /c 0"]),
    ("pipelined_hits_first", [["send", get("/hit1") + get("/hit2") + get("/b")], READ, READ, READ], [503, 503, 200], ["GET /b 0"]),
    ("pipelined_bodies", [["send", request("POST", "/hit", "12") + chunked("/a", "xyz") + chunked("/hit", "x") + request("POST", "/b", "1")],
                          READ, READ, READ, READ], [503, 200, 503, 200], ["POST /a 3", "POST /b 1"]),
    ("pipelined_in_odd_pieces", [["pieces", get("/a") + get("/hit1") + get("/b") + get("/hit2"), 17], READ, READ, READ, READ],
     [200, 503, 200, 503], ["GET /a 0", "GET /b 0"]),
    ("a_thousand_pipelined", [["send", "".join(map(get, MANY))]] + [READ] * 1000, [503 if "hit" in p else 200 for p in MANY],
     [f"GET {p} 0" for p in MANY if "hit" not in p]),
    ("a_thousand_hits_pipelined", [["send", get("/hit") * 1000]] + [READ] * 1000, [503] * 1000, []),
    ("head", [["send", request("HEAD", "/hit")], ["read", "HEAD"], ["send", request("HEAD", "/a")], ["read", "HEAD"], ["send", get("/b")], READ],
     [503, 200, 200], ["HEAD /a 0", "GET /b 0"]),
    ("long_head", [["send", get("/hit", headers=LONG)], READ, ["send", get("/b", headers=LONG)], READ], [503, 200], ["GET /b 0"]),
    ("query", [["send", get("/hit?a=/b")], READ, ["send", get("/b?a=/hit")], READ], [503, 200], ["GET /b?a=/hit 0"]),
    ("empty_lines_before_a_request", [["send", "\r\n" + get("/hit")], READ, ["send", get("/b")], READ], [503, 200], ["GET /b 0"]),
    ("lower_case_headers", [["send", request("POST", "/hit", "12").replace("Content-Length", "content-length")], READ,
                            ["send", request("POST", "/b", "12").replace("Content-Length", "content-length")], READ], [503, 200], ["POST /b 2"]),
    ("connection_close", [["send", get("/hit", headers="Connection: close\r\n")], READ, ["rest"]], [503, ""], []),
    ("http_1_0", [["send", get("/hit", version="1.0")], READ, ["rest"]], [503, ""], []),
    ("close_in_a_pipeline", [["send", get("/hit", headers="Connection: close\r\n") + get("/b")], READ, ["rest"]], [503, ""], []),
)


def check(name, answers, want, evidence):
    label = want if len(want) < 9 else f"{len(want)}_in_order"
    is_([a[0] if isinstance(a, list) else a for a in answers], want, f"{name}: the_answers_are_{label}", evidence)
    for status, headers, body in [a for a in answers if isinstance(a, list) and a[0] == 503][:1]:
        is_((headers.get("content-length"), body), ("2", "" if name.endswith(": head") else "no"), f"{name}: the_synthetic_answer_has_its_body")
        ok("date" in headers, f"{name}: the_synthetic_answer_has_a_date", headers)


def talk_to(side, name, steps, want, seen):
    peer = HttpPeer(lambda r: None)
    r = shock(f"to=127.0.0.1:{peer.port} {FAULT}", PYTHON, os.path.join(CLIENTS, "raw.py"), peer.port, input=json.dumps(steps))
    answers = json.loads(r.out or "[]")
    check(f"{side}: {name}", answers, want, r)
    is_([f"{q.method} {q.path} {len(q.body)}" for q in peer.requests], seen, f"{side}: {name}: the_peer_sees_only_what_passes")
    ok(len({q.conn for q in peer.requests}) <= 1, f"{side}: {name}: on_one_connection")
    kinds = r.rows("SELECT status FROM exchange WHERE role = 'client' ORDER BY started_ns, id")
    is_(sorted(k["status"] for k in kinds), sorted(s for s in want if s), f"{side}: {name}: the_run_file_has_every_exchange", r)


class Served:
    """serve.py under the library with a fault at its port."""

    def __init__(self, mode, fault=FAULT):
        self.directory = tmpdir()
        self.log, self.run = os.path.join(self.directory, "log"), Run(os.path.join(self.directory, "at.db"))
        argv = shock_argv(f"at=* {fault}", self.run.db, (PYTHON, os.path.join(CLIENTS, "serve.py"), mode, self.log))
        self.process = spawn(argv, stdout=-1, bufsize=0)
        self.port = int(line_of(self.process) or 1)

    def seen(self):
        if not os.path.exists(self.log):
            return []
        with open(self.log) as f:
            lines = f.read().splitlines()
        os.remove(self.log)
        return lines


for name, steps, want, seen in CASES:
    talk_to("to", name, steps, want, seen)

for mode in ("threads", "asyncio", "fork", "prefork"):
    served = Served(mode)
    total = []
    for name, steps, want, seen in CASES:
        r = run([PYTHON, os.path.join(CLIENTS, "raw.py"), served.port], input=json.dumps(steps))
        check(f"at {mode}: {name}", json.loads(r.out or "[]"), want, r)
        is_(served.seen(), seen, f"at {mode}: {name}: the_server_sees_only_what_passes")
        total += [s for s in want if s]
    stop(served.process)
    for status in (200, 503):
        is_(served.run.one("SELECT count(*) FROM exchange WHERE role = 'server' AND status = ?", status), total.count(status),
            f"at {mode}: the_run_file_has_every_{status}")

# Expect: 100-continue, with curl, which waits for the 100
peer = HttpPeer()
for path, status in (("/hit", "503"), ("/b", "200")):
    r = shock(f"to=127.0.0.1:{peer.port} {FAULT}", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--expect100-timeout", "5",
              "-H", "Expect: 100-continue", "-d", "12345", peer.url(path))
    is_(r.out, status, f"to: a_client_that_expects_100_gets_{status}", r)
    ok(r.seconds < 2, f"to: and_does_not_wait_for_ever_for_{status}", r)
is_([(q.path, q.body) for q in peer.requests], [("/b", b"12345")], "to: only_the_request_that_passes_arrives")
served = Served("threads")
for path, status in (("/hit", "503"), ("/b", "200")):
    r = run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--expect100-timeout", "5", "-H", "Expect: 100-continue", "-d", "12345",
             f"http://127.0.0.1:{served.port}{path}"])
    is_(r.out, status, f"at: a_client_that_expects_100_gets_{status}", r)
    ok(r.seconds < 2, f"at: and_does_not_wait_for_ever_for_{status}", r)
stop(served.process)

# a head in two pieces on a Unix socket, which has no low-water mark: not shown, and not looked at all the time, before it is whole
UNIX_SERVER = """
import resource, socket, sys
l = socket.socket(socket.AF_UNIX)
l.bind(sys.argv[1])
l.listen()
print("ready", flush=True)
c = l.accept()[0]
while data := c.recv(65536):
    print(len(data), flush=True)
    c.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")
print(resource.getrusage(resource.RUSAGE_SELF).ru_utime + resource.getrusage(resource.RUSAGE_SELF).ru_stime, flush=True)
"""
path = os.path.join(tmpdir(), "s")
server = spawn(shock_argv(f"at=unix:{path} {FAULT}", os.path.join(tmpdir(), "u.db"), (PYTHON, "-c", UNIX_SERVER, path)), stdout=-1, bufsize=0)
line_of(server)
with socket.socket(socket.AF_UNIX) as client:
    client.settimeout(10)
    client.connect(path)
    for request_path, status in (("/hit", b"503"), ("/b", b"200")):
        head = get(request_path).encode()
        for part in (head[:15], head[15:20], head[20:]):
            client.sendall(part)
            time.sleep(0.2)
        is_(client.recv(65536)[9:12], status, f"at unix: a_head_in_pieces_for_{request_path}_is_answered_{status.decode()}")
    is_(line_of(server).strip(), str(len(get("/b"))), "at unix: the_server_sees_only_the_request_that_passes")
ok(float(line_of(server) or 9) < 0.5, "at unix: and_does_not_spin_meanwhile")
stop(server)

# what is no HTTP passes untouched, and so does what stops being HTTP
plain = Peer(echo)
r = shock(f"to=127.0.0.1:{plain.port} {FAULT}", PYTHON, "-c",
          "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5); data = bytes(range(256)) * 4000; s.sendall(data)\n"
          "got = b''\nwhile len(got) < len(data): got += s.recv(65536)\nprint(got == data)", plain.port)
is_(r.out, "True\n", "a_megabyte_of_another_protocol_passes_untouched", r)

# an upgrade told that its framing ends: nothing is lost by it, and what comes then is known by its first words
UPGRADED = """
import socket, sys
def all_of(s, data):
    got = b""
    while len(got) < len(data) and (piece := s.recv(65536)):
        got += piece
    return got == data
def passes(s, t, data):
    s.sendall(data)
    return all_of(t, data)
ASK = b"GET /a HTTP/1.1\\r\\nHost: h\\r\\nConnection: Upgrade, HTTP2-Settings\\r\\nUpgrade: h2c\\r\\nHTTP2-Settings: AAMAAABk\\r\\n\\r\\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: h2c\\r\\n\\r\\n"
PREFACE, FRAME = b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n", b"\\0\\0\\0\\4\\0\\0\\0\\0\\0"
eager = sys.argv[1] == "eager"
l = socket.create_server(("127.0.0.1", 0))
c = socket.create_connection(l.getsockname(), 5)
s = l.accept()[0]
s.settimeout(5)
print(passes(c, s, ASK + PREFACE if eager else ASK), passes(s, c, SWITCH + FRAME), eager or passes(c, s, PREFACE),
      passes(c, s, FRAME), passes(s, c, FRAME), passes(c, s, FRAME), passes(s, c, FRAME))
"""
for how in ("polite", "eager"):
    r = shock((f"to=127.0.0.1 {FAULT}", f"at=* {FAULT}"), PYTHON, "-c", UPGRADED, how)
    is_(r.out, "True " * 6 + "True\n", f"{how}: an_upgrade_to_HTTP/2_passes_untouched", r)
    if how == "polite":
        is_([(e["role"], e["protocol"], e["status"]) for e in r.rows("SELECT role, protocol, status FROM exchange ORDER BY role, id")],
            [(role, *e) for role in ("client", "server") for e in (("http1", 101), ("http2", None))], "each_end_has_the_request_and_then_HTTP/2", r)
    is_(r.one("SELECT count(*) FROM loss"), 0, f"{how}: and_no_framing_is_lost", r)

# who sends half a head and no more is soon the program's to judge, well within the second that an impatient server gives
HALF = """
import socket, time
l = socket.create_server(("127.0.0.1", 0))
c = socket.create_connection(l.getsockname(), 5)
s = l.accept()[0]
c.sendall(b"GET /half HT")
began = time.monotonic()
s.recv(99)
print(time.monotonic() - began)
"""
r = shock(f"at=* {FAULT} probability=0", PYTHON, "-c", HALF)
within(float(r.out or 9), 0.3, 0.8, "at: half_a_head_is_held_for_less_than_a_second", r)

# the beginning of a head is held back; what follows comes from a file, where nobody looks: all of it arrives, in order
for how in ("sendfile", "splice"):
    peer = HttpPeer()
    r = shock(f"to=127.0.0.1:{peer.port} {FAULT}", PYTHON, "-c", f"""
import os, socket, sys, tempfile
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)
s.send(b"GET /part")
with tempfile.TemporaryFile() as f:
    n = f.write(b"-{how} HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n")
    f.flush()
    if "{how}" == "sendfile":
        os.sendfile(s.fileno(), f.fileno(), 0, n)
    else:
        r, w = os.pipe()
        os.splice(f.fileno(), w, n, 0)
        os.splice(r, s.fileno(), n)
print(s.recv(65536)[:12])
""", peer.port)
    is_((r.out, [q.path for q in peer.requests]), ("b'HTTP/1.1 200'\n", [f"/part-{how}"]), f"to: a_head_that_ends_in_a_{how}_arrives_whole", r)

# a fork between the two halves of a head: each of them leaves once, whoever goes on with the request
FORKED = """
import os, select, socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)
def ask(text): s.sendall(text.encode())
def read(): print(s.recv(65536)[9:12].decode(), end=" ", flush=True)
def whole(path): ask(f"GET {path} HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n"), read()
def second(): ask(rest), read()
def wait(): select.select([s], [], [], 0.7)
def alone(): os.waitpid(child, 0)
first, rest = sys.argv[2], " HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n"
ask("GET " + first)
child = os.fork()
for act in sys.argv[3 if child else 4].split(";"):
    eval(act)
"""
for first, parent, child, said, seen, what in (
        ("/hit", "alone(); second(); whole('/b')", "s.close(); os._exit(0)", [503, 200], ["/b"], "its_parent"),
        ("/hit", "alone()", "second(); whole('/b'); whole('/hit')", [503, 200, 503], ["/b"], "its_child"),
        ("/a", "s.close(); alone()", "wait(); second(); whole('/hit')", [200, 503], ["/a"], "its_child_when_the_parent_has_closed"),
        ("/a", "wait(); alone()", "wait(); second(); whole('/hit')", [200, 503], ["/a"], "its_child_after_the_time_that_a_head_is_waited_for"),
        ("/a", "alone(); whole('/hit'); whole('/b')", "second()", [200, 503, 200], ["/a", "/b"], "its_child_and_then_its_parent_with_the_next")):
    peer = HttpPeer()
    r = shock(f"to=127.0.0.1:{peer.port} {FAULT}", PYTHON, "-c", FORKED, peer.port, first, parent, child, timeout=20)
    is_((r.out.split(), [q.path for q in peer.requests]), ([str(n) for n in said], seen), f"to: after_a_fork_in_the_middle_of_a_head_{what}_goes_on", r)

# faults by ordinal in deep pipelines: exactly those, on both sides
for side in ("to", "at"):
    server = None if side == "to" else Served("threads", "status=503 body=no every=10")
    peer = HttpPeer() if side == "to" else server
    steps = json.dumps([["send", get("/a") * 600]] + [READ] * 600)
    argv = (PYTHON, os.path.join(CLIENTS, "raw.py"), peer.port)
    r = run(list(argv), input=steps) if server else shock(f"to=127.0.0.1:{peer.port} status=503 body=no every=10", *argv, input=steps)
    if server:
        stop(server.process)
    ledger = server.run if server else r
    is_([n for n, a in enumerate(json.loads(r.out or "[]")) if a[0] == 503], list(range(9, 600, 10)), f"{side}: every_tenth_of_a_deep_pipeline_is_hit", r)
    is_(ledger.one("SELECT count(*) FROM injection"), 60, f"{side}: and_each_of_them_leaves_a_row", ledger)
    is_(ledger.one("SELECT count(*) FROM loss"), 0, f"{side}: and_nothing_is_lost", ledger)
done()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The load generator of the demos: what it counts against the log of a real server and the counts of the demo service, both loops,
moments kept whatever the server does, what it sends, every way an answer can fail to come, ends by signal, and bad arguments."""
import csv
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from peers import cut, refusing, silence

LOAD = os.path.join(BUILD, "demos", "load", "load")
SERVICE = os.path.join(BUILD, "demos", "service", "service")
HOME = tmpdir()


def load(*words, timeout=60):
    """The summary as JSON; `rc` and `err` of the run are added."""
    got = run([LOAD, "--json", *words], timeout=timeout)
    return {**(json.loads(got.out) if got.out else {}), "rc": got.rc, "err": got.err}


def rows(path):
    with open(path, encoding="utf-8") as f:
        return list(csv.DictReader(f))


def begun(words, sig, when):
    """A run that is sent a signal once when() is true."""
    child = spawn([LOAD, "--json", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    ok(wait_for(when), f"{words[0]} {words[1]}: it is at work")
    child.send_signal(sig)
    at = time.monotonic()
    out, err = child.communicate(timeout=30)
    return {**json.loads(out), "rc": child.returncode, "err": err, "ending_s": time.monotonic() - at}


# ---- a real server's log ----
nginx = Nginx("location /missing { return 404; }\nlocation /empty { return 204; }")
closed = load("-n", "500", "-c", "7", nginx.url("/?closed"))
opened = load("--rate", "500", "--duration", "1", nginx.url("/?constant"))
poisson = load("--rate", "500", "--duration", "1", "--arrivals", "poisson", nginx.url("/?poisson"))
missing = load("-n", "20", nginx.url("/missing"))
empty = load("-n", "20", "-X", "HEAD", nginx.url("/empty"))
nginx.stop()
log = [line.split() for line in nginx.access()]


def logged(part):
    return sum(1 for method, path, status, connection, n in log if part in path)


is_((closed["requests"], closed["ok"], logged("?closed")), (500, 500, 500), "closed loop: the server's log has as many")
ok(len({connection for _, path, _, connection, _ in log if "?closed" in path}) <= 7, "by no more connections than users")
is_((opened["requests"], opened["ok"], logged("?constant")), (500, 500, 500), "open loop: 500 a second for a second are 500, in the log too")
is_((poisson["requests"], poisson["ok"]), (logged("?poisson"), logged("?poisson")), "poisson: as many as in the log")
within(poisson["requests"], 400, 600, "which are about as many as were asked for")
is_((missing["statuses"], missing["ok"]), ({"404": 20}, 0), "a status that is no success")
is_((empty["statuses"], {m for m, path, *_ in log if "/empty" in path}), ({"204": 20}, {"HEAD"}), "HEAD, and an answer without a body")
is_([r["rc"] for r in (closed, opened, poisson, missing, empty)], [0] * 5, "all end with status 0")
is_((opened["arrivals"], opened["rate"], poisson["arrivals"], closed["arrivals"], closed["rate"]), ("constant", 500, "poisson", "closed", 0),
    "and say what they were")
again, other = (load("--rate", "200", "--duration", "1", "--arrivals", "poisson", "--seed", seed, HttpPeer().url()) for seed in ("5", "6"))
ok(again["requests"] == load("--rate", "200", "--duration", "1", "--arrivals", "poisson", "--seed", "5", HttpPeer().url())["requests"],
   "the same seed gives as many arrivals", again)

# ---- the demo service's own counts ----
config = os.path.join(HOME, "service.json")
with open(config, "w", encoding="utf-8") as f:
    json.dump({"name": "s", "listen": "127.0.0.1:0", "peers": {"nobody": {"url": "http://127.0.0.1:1"}}, "routes": [
        {"path": "/fine", "steps": [{"compute_ms": 5}, {"answer": 201}]},
        {"path": "/degraded", "steps": [{"call": "nobody", "path": "/", "fallback": {"kind": "default"}}, {"answer": 200}]}]}, f)
service = spawn([SERVICE, config], stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
base = line_of(service).split()[-1]
got = [load("-n", "300", "-c", "20", f"http://{base}/fine"), load("--rate", "200", "-n", "100", f"http://{base}/fine"),
       load("-n", "30", "--mark", "X-Degraded", f"http://{base}/degraded")]
page = run(["curl", "-s", f"http://{base}/metrics"]).out
is_([g["statuses"] for g in got], [{"201": 300}, {"201": 100}, {"200": 30}], "the service answers all")
ok('http_requests_total{method="GET",route="/fine",status="201"} 400\n' in page, "and counts as many", page)
is_((got[2]["marked"], 'http_requests_degraded_total{method="GET",route="/degraded"} 30\n' in page), (30, True), "degraded answers by their header")
is_(stop(service), 0, "the service ends")

# ---- what is sent ----
peer = HttpPeer()
body = os.path.join(HOME, "body")
with open(body, "w", encoding="utf-8") as f:
    f.write("<{n}/>")
load("-n", "3", "-c", "1", "-d", '{"order":"o-{n}"}', "-H", "Idempotency-Key: k-{n}", peer.url("/orders/{n}?a={n}"))
load("-n", "1", "-X", "PUT", "-d", f"@{body}", "-H", "Content-Type: text/xml", "-H", "Host: elsewhere", peer.url())
load("-n", "1", "-X", "DELETE", "-H", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", peer.url())
load("-n", "1", peer.url("")[:-1] if peer.url("").endswith("/") else peer.url(""))
sent = peer.requests
is_([(r.method, r.path, r.body.decode(), r.headers["idempotency-key"]) for r in sent[:3]],
    [("POST", f"/orders/{n}?a={n}", f'{{"order":"o-{n}"}}', f"k-{n}") for n in (1, 2, 3)], "{n} is the number of the request, wherever it stands")
is_(sent[0].headers["content-type"], "application/json", "a body is JSON")
is_((sent[3].method, sent[3].body, sent[3].headers["content-type"], sent[3].headers["host"]), ("PUT", b"<1/>", "text/xml", "elsewhere"),
    "unless a header says otherwise; and from a file")
is_((sent[4].method, sent[4].headers["traceparent"][3:35]), ("DELETE", "0af7651916cd43dd8448eb211c80319c"), "a trace of one's own is kept")
is_((sent[5].method, sent[5].path), ("GET", "/"), "a URL without a path")
traces = [r.headers["traceparent"] for r in sent[:4]]
is_(len({t[3:35] for t in traces}), 4, "each request is a trace of its own", traces)
six = HttpPeer(host="::1") if socket.has_ipv6 else None
is_(load("-n", "2", six.url())["ok"], 2, "an address of IPv6")
is_(load("-n", "2", peer.url().replace("127.0.0.1", "localhost"))["ok"], 2, "a name")

# ---- answers that do not come, and long ones ----
with refusing() as nobody:
    dead = load("-n", "30", "-c", "3", "http://%s:%d/" % nobody.getsockname())
is_((dead["errors"], dead["could_not_connect"], dead["rc"]), (30, 30, 0), "refused connections are counted apart")
for what, answer in (("closed", False), ("reset", reset),
                     ("cut in its body", cut(10)), ("late", silence),
                     ("cut in its head", lambda conn: conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Le"))):
    moody = HttpPeer(lambda request, a=answer: a)
    got = load("-n", "6", "-c", "2", "-t", "0.3", moody.url())
    is_((got["errors"], got["could_not_connect"], got["timeouts"], got["statuses"], len(moody.requests)),
        (0, 0, 6, {}, 6) if what == "late" else (6, 0, 0, {}, 6), f"an answer that is {what}: asked for once, never again")
rubbish = Peer(lambda conn, n: conn.recv(4096) and conn.sendall(b"what?\r\n\r\n"))
is_(load("-n", "4", rubbish.url())["errors"], 4, "what is no answer is none")
trickle = Peer(lambda conn, n: conn.recv(4096) and [conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")] + [
    (conn.sendall(b"x"), time.sleep(0.2)) for _ in range(9)])
got = load("-n", "1", "-t", "0.5", trickle.url())
is_(got["timeouts"], 1, "a body that takes too long is a timeout")
within(got["latency_ms"]["max"], 499, 900, "at its time")
for what, answer in (("long", "x" * 1000000), ("of unknown length", lambda conn: conn.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + b"y" * 100000)),
                     ("chunked", lambda conn: conn.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                                                           b"5\r\nhello\r\n0\r\nT: x\r\n\r\n"))):
    is_(load("-n", "4", "-c", "1", HttpPeer(lambda request, a=answer: a).url())["statuses"], {"200": 4}, f"an answer that is {what}")

# ---- a server that stops for a second ----
class Stalling(HttpPeer):
    """The 111th request holds up all that come within a second from then: in an open loop of 100 a second, that of 1.1 s."""

    def __init__(self):
        self.lock, self.count = threading.Lock(), 0
        super().__init__(self.stall)

    def stall(self, request):
        with self.lock:
            self.count += 1
            time.sleep(1 if self.count == 111 else 0)


def stalled(*words):
    return load(*words, Stalling().url())


csv_path = os.path.join(HOME, "each.csv")
got = stalled("--rate", "100", "--duration", "3", "--log", csv_path)
is_((got["requests"], got["ok"]), (300, 300), "all are answered after all")
near(got["latency_ms"]["p90"], 700, 150, "a third of the run meets the stall: its nine tenths waited over half of it", got["latency_ms"])
within(got["latency_ms"]["max"], 900, 1500, "and the first of them all of it")
ok(got["in_flight_max"] >= 70 and got["held_back"] == 0, "they came all the same, as many at once as it takes", got)
seconds = {s["s"]: s for s in got["series"]}
is_(sum(s["requests"] for s in got["series"]), 300, "the series has them all")
ok(seconds[0]["max_ms"] < 400 < 700 < seconds[1]["max_ms"], "and says in which second it was", got["series"])
each = rows(csv_path)
is_((len(each), [r["intended_ns"] for r in each[:3]], each[-1]["intended_ns"]), (300, ["0", "10000000", "20000000"], "2990000000"),
    "each request is in the log, at its moment")
is_(sum(1 for r in each if (r["end"], r["status"], r["marked"]) == ("answered", "200", "0")), 300, "with its end")
hidden = stalled("-n", "300", "-c", "1")
ok(hidden["latency_ms"]["p99"] < 300, "a closed loop of one user waits with the server and sees it once", hidden["latency_ms"])
narrow = stalled("--rate", "100", "--duration", "3", "-c", "2")
ok(narrow["in_flight_max"] == 2 and narrow["held_back"] >= 60, "with two in flight at most others have to wait, which is said", narrow)
near(narrow["latency_ms"]["p90"], 700, 200, "and their wait is part of their latency", narrow["latency_ms"])
ok(narrow["from_start_ms"]["p90"] < 300 and narrow["late"] >= 60, "which from their actual start does not show", narrow)
text = run([LOAD, "-q", "--rate", "50", "--duration", "0.5", "-c", "2", "-t", "0.2", HttpPeer(delay=5).url()]).out
like(text, r"(?s)Total Requests:    25\nSuccessful:        0\nFailed:            0\nTimeout:           25\n.*"
     r"Arrivals \(constant, 50/s asked for\):\n  Late: +2\d .*\n  In flight: 2 at most\n  The limit of 2 in flight was reached: 2\d had to wait",
     "and people are told")

# ---- ends ----
slow = HttpPeer(delay=0.7)
got = begun(["--rate", "50", "--duration", "60", slow.url()], signal.SIGINT, lambda: len(slow.requests) > 60)
ok(got["rc"] == 1 and got["ending_s"] < 0.6 and got["requests"] + got["abandoned"] >= 60, "Ctrl-C ends at once, with the summary of what was done", got)
ok(20 <= got["abandoned"] <= 50 and got["ok"] == got["requests"] > 10, "who was under way is said to be", got)
slow.requests.clear()
got = begun(["--rate", "50", "--duration", "60", slow.url()], signal.SIGTERM, lambda: len(slow.requests) > 30)
is_((got["rc"], got["abandoned"], got["ok"]), (0, 0, len(slow.requests)), "SIGTERM: those in flight are waited for", got)
deaf = HttpPeer(lambda request: silence)
child = spawn([LOAD, "--json", "-n", "5", "-c", "5", deaf.url()], stdout=subprocess.PIPE)
wait_for(lambda: len(deaf.requests) == 5)
child.send_signal(signal.SIGTERM)
time.sleep(0.1)
child.send_signal(signal.SIGTERM)
is_((json.loads(child.communicate(timeout=10)[0])["abandoned"], child.returncode), (5, 1), "a second one ends at once")
watched = run(["script", "-qec", f"{LOAD} --rate 100 --duration 1.8 {peer.url()}", "/dev/null"])
like(watched.out, r"\r\x1b\[K\d+ requests in [01] s, 100\.0% good, \d+ in flight, about [01] s left", "a terminal sees how it goes")
is_(run([LOAD, "-n", "5", peer.url()]).err, "", "elsewhere a short run says nothing")

# ---- bad input ----
LONG = [word for n in range(33) for word in ("-H", f"X-{n}: 1")]
for words, complaint in (
        ([], "one URL"), (["http://h/", "http://h/"], "one URL"), (["ftp://h/"], "a URL is"), (["h"], "a URL is"), (["http:///x"], "a URL is"),
        (["http://127.0.0.1:0/"], "a URL is"), (["http://127.0.0.1:99999/"], "a URL is"), (["http://u:p@h/"], "a URL is"),
        (["http://no-such-host.invalid/"], "no such host"), (["http://127.0.0.1/a b"], "a URL is"),
        (["-n", "0"], "-n needs"), (["-n", "1.5"], "-n needs"), (["-n", "1e9"], "-n needs"), (["-n", "x"], "-n needs"), (["-n", ""], "-n needs"),
        (["-c", "0"], "-c needs"), (["-c", "nan"], "-c needs"), (["-t", "0"], "-t needs"), (["-t", "inf"], "-t needs"),
        (["--rate", "0"], "--rate needs"), (["--rate", "-1"], "--rate needs"), (["--rate", "5x"], "--rate needs"),
        (["--duration", "0"], "--duration needs"), (["--seed", "-1"], "--seed needs"), (["--arrivals", "poisson", "http://127.0.0.1/"], "needs --rate"),
        (["--rate", "1", "--arrivals", "bursts", "http://127.0.0.1/"], "constant or poisson"), (["-X", "get"], "-X needs"), (["-H", "no colon"], "-H needs"),
        (["-H", "a b: c"], "-H needs"), (["-H", "a: b\r\nc: d"], "-H needs"), (LONG, "32 headers"), (["-d", "@/nonexistent"], "No such file"),
        (["--rate", "1000000", "--duration", "3600", "http://127.0.0.1/"], "20000000"), (["--log", "/nonexistent/x", "http://127.0.0.1:1/"], "No such file"),
        (["--frobnicate"], "frobnicate"), (["-n"], "requires an argument")):
    got = run([LOAD, *words])
    ok(got.rc == 2 and not got.out and got.err.count("\n") == 1 and complaint in got.err, f"one sentence and status 2: {words[:4]}", got)
got = run([LOAD, "--help"])
ok(got.rc == 0 and "example:" in got.out and not got.err, "it explains itself")
full = run(["sh", "-c", f"{LOAD} -n 1 {peer.url()} >/dev/full"])
is_((full.rc, full.err.count("\n")), (2, 1), "a summary that can not be written is an error", full)
limited = run(["sh", "-c", f"ulimit -n 64; {LOAD} -n 200 -c 100 {peer.url()}"])
ok(limited.rc == 2 and "ulimit" in limited.err, "more users than files is refused", limited)
limited = run(["sh", "-c", f"ulimit -n 64; {LOAD} --json --rate 200 --duration 0.5 {peer.url()}"])
is_((json.loads(limited.out)["ok"], json.loads(limited.out)["in_flight_limit"]), (100, 32), "an open loop has as many in flight as there may be files")
done()

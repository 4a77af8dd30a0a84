#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the analyzer says of real clients and services whose timeouts, layers, fallbacks, keys, hedges and limits are known.
The runs go side by side; checks come when all are over."""
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), d) for d in ("../lib", "../schema")]
from peers import silence  # noqa: E402
from tap import *  # noqa: E402,F403
import validate  # noqa: E402

HERE = tmpdir()
ENV = {"http_proxy": None, "no_proxy": "*"}
runs = ThreadPoolExecutor(4)


def script(name, text):
    path = os.path.join(HERE, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def start(*command, faults=(), **kw):
    """The report of a run that is under way: .result() waits for it."""
    def report():
        run_ = shock(faults, *command, timeout=60, env=ENV, **kw)
        return run_.report(), run_
    return runs.submit(report)


def edge(report, client=None, server=None):
    """The edge between two names, each given by a part of it."""
    found = [e for e in report["edges"] if (client or "") in e["client"] and (server or "") in e["server"]]
    return found[0] if len(found) == 1 else None


# ---- timeouts of clients ----
silent = HttpPeer(lambda request: silence if request.path.startswith("/silent") else None)
URL = silent.url("/silent")
PEER = f"127.0.0.1:{silent.port}"
UNREACHABLE = f"to={PEER} hang=connect"

REQUESTS = script("asks.py", """
import sys, requests
for _ in range(3):
    try: requests.get(sys.argv[1], timeout=(float(sys.argv[2]), float(sys.argv[3])))
    except requests.exceptions.Timeout: pass
""")
AIOHTTP = script("aio.py", """
import asyncio, sys, aiohttp
async def main():
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=float(sys.argv[2]))) as session:
        for _ in range(5):
            try:
                async with session.get(sys.argv[1]) as answer: await answer.read()
            except asyncio.TimeoutError: pass
asyncio.run(main())
""")
URLLIB = script("some.py", """
import sys, urllib.request
for path in ["/", "/", "/", "/silent", "/silent"]:
    try: urllib.request.urlopen(sys.argv[1] + path, timeout=0.5).read()
    except OSError: pass
""")
RCVTIMEO = script("rcvtimeo.py", """
import socket, struct, sys
for _ in range(2):
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 500000))
    s.sendall(b"GET /silent HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    try: s.recv(100)
    except BlockingIOError: pass
    s.close()
""")
FETCH = script("fetches.js", """
(async () => {
    for (let i = 0; i < 5; i++)
        try { await fetch(process.argv[2], {signal: AbortSignal.timeout(500)}); } catch (e) { }
})()
""")
ABORT = script("aborts.js", """
// Three calls at once; as one of them fails all are given up.
const all = new AbortController();
(async () => {
    for (let i = 0; i < 3; i++) {
        const stop = new AbortController();
        const calls = ["/silent/a", "/silent/b", "/reset"].map(p => fetch(process.argv[2] + p, {signal: stop.signal}));
        try { await Promise.all(calls); } catch (e) { stop.abort(); }
        await Promise.allSettled(calls);
    }
    setTimeout(() => {}, 300);
})()
""")
def reset_later(conn):
    time.sleep(0.3)
    reset(conn)


def hang_up(conn):
    time.sleep(1.5)


mixed = HttpPeer(lambda request: reset_later if request.path == "/reset" else silence)
patient = HttpPeer(lambda request: hang_up)
three = 'for i in 1 2 3; do curl -s --max-time 0.6 "$0"; done; true'

# what, command, faults, ms, kind, n
clients = [
    ("curl --max-time", ["sh", "-c", three, URL], (), 600, "response", 3),
    ("curl --max-time, once", ["curl", "-s", "--max-time", "0.7", URL], (), 700, "response", 1),
    ("curl --connect-timeout", ["curl", "-s", "--connect-timeout", "0.6", URL], UNREACHABLE, 600, "connect", 1),
    ("curl --max-time under a fault", ["curl", "-s", "--max-time", "0.6", silent.url("/")], f"to={PEER} hang=response", 600, "response", 1),
    ("wget --timeout", ["wget", "-q", "-O", "/dev/null", "--tries=2", "--timeout=0.6", URL], (), 600, "response", 2),
    ("wget --timeout, when it can not connect", ["wget", "-q", "-O", "/dev/null", "--tries=1", "--timeout=0.6", URL], UNREACHABLE, 600, "connect", 1),
    ("requests, waiting", [PYTHON, REQUESTS, URL, "0.3", "0.6"], (), 600, "response", 3),
    ("requests, connecting", [PYTHON, REQUESTS, URL, "0.3", "0.6"], UNREACHABLE, 300, "connect", 3),
    ("aiohttp", [PYTHON, AIOHTTP, URL, "0.4"], (), 400, "response", 5),
    ("urllib", [PYTHON, URLLIB, f"http://{PEER}"], (), 500, "response", 2),
    ("SO_RCVTIMEO", [PYTHON, RCVTIMEO, str(silent.port)], (), 500, "response", 2),
    ("fetch with AbortSignal", ["node", FETCH, URL], (), 500, "response", 5),
]
timeouts = [start(*command, faults=faults) for _, command, faults, *_ in clients]
nones = {
    "curl without a timeout": start("curl", "-s", patient.url("/")),
    "curl that is killed": start("sh", "-c", 'timeout -s KILL 0.6 curl -s "$0"; true', URL),
    "calls aborted because another failed": start("node", ABORT, f"http://127.0.0.1:{mixed.port}"),
}

# ---- layers ----
MID = script("mid.py", """
import http.client, http.server, sys
leaf, timeout, attempts = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        status = 503
        for _ in range(attempts):
            c = http.client.HTTPConnection("127.0.0.1", leaf, timeout=timeout)
            try:
                c.request("GET", "/silent")
                c.getresponse().read()
                status = 200
                break
            except OSError: pass
            finally: c.close()
        try:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
        except OSError: pass
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[4])), Handler)
server.daemon_threads = True
server.serve_forever()
""")
LAYERS = script("layers.py", """
# nginx before mid.py before a silent server; three requests, one after another.
import os, subprocess, sys, tempfile, time, socket, urllib.request
mid, front, leaf, patience, timeout, attempts = sys.argv[1:7]
d = tempfile.mkdtemp(dir=os.path.dirname(mid))
temporary = "".join(f"{k}_temp_path {k};" for k in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
port = int(front)
def free():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
back = free()
user = "user root;" if os.getuid() == 0 else ""
open(d + "/nginx.conf", "w").write(f"{user} daemon off; worker_processes 1; pid nginx.pid; events {{}} http {{ {temporary} access_log off;"
    f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{back}; proxy_read_timeout {patience}; }} }} }}")
children = [subprocess.Popen(["nginx", "-p", d, "-c", "nginx.conf", "-e", "error.log"]),
            subprocess.Popen([sys.executable, mid, leaf, timeout, attempts, str(back)])]
for p in (port, back):
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", p)).close()
            break
        except OSError: time.sleep(0.02)
for _ in range(3):
    subprocess.run(["curl", "-s", "-o", "/dev/null", f"http://127.0.0.1:{port}/"])
time.sleep(float(timeout) * int(attempts))
for c in children:
    c.terminate()
    c.wait()
""")


def layers(patience, timeout, attempts):
    return start(PYTHON, LAYERS, MID, str(free_port()), str(silent.port), patience, timeout, attempts)


inverted, fitting, too_often = layers("400ms", "0.9", "1"), layers("3s", "0.4", "1"), layers("700ms", "0.3", "3")

# ---- services: fallback, keys, limits ----
SERVICE = """
import http.client, http.server, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
dependency, how = int(sys.argv[1]), sys.argv[2]
def call(method, path, timeout=5):
    c = http.client.HTTPConnection("127.0.0.1", dependency, timeout=timeout)
    try:
        c.request(method, path)
        answer = c.getresponse()
        return answer.status, answer.read()
    except OSError:
        return 0, b""
    finally: c.close()
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def reply(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
    def do_POST(self):
        self.do_GET()
"""
SERVE = """
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
import subprocess
subprocess.run([sys.executable, sys.argv[3], str(server.server_port)], check=True)
"""
SHOP = script("shop.py", SERVICE + """
    def do_GET(self):
        status, body = call("GET", "/price")
        if status != 200 and how == "cache":
            status, body = 200, b"about 10"
        self.reply(status, body)
""" + SERVE)
VISITS = script("visits.py", """
import http.client, sys
for _ in range(30):
    c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
    c.request("GET", "/page")
    c.getresponse().read()
    c.close()
""")
BANK = script("bank.py", SERVICE + """
    done, lock = {}, threading.Lock()
    def do_GET(self):
        key = self.headers["Idempotency-Key"]
        if how == "forgets" or key not in self.done:
            self.done[key] = call("POST", "/charge")
        self.reply(201, self.done[key][1])
""" + SERVE)
ORDERS = script("orders.py", """
import http.client, sys
for key in range(6):
    for _ in range(2):
        c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
        c.request("POST", "/order", headers={"Idempotency-Key": f"order-{key}", "Content-Length": "0"})
        c.getresponse().read()
        c.close()
""")
DOOR = script("door.py", SERVICE + """
    places = threading.Semaphore(2)
    def do_GET(self):
        if how == "out" or not self.places.acquire(blocking=False):
            self.reply(503, b"")
            return
        time.sleep(0.1)
        self.places.release()
        self.reply(200, b"welcome")
""" + SERVE)
CROWD = script("crowd.py", """
import http.client, sys, threading, time
def ask():
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
        c.request("GET", "/")
        c.getresponse().read()
        c.close()
        time.sleep(0.05)
threads = [threading.Thread(target=ask) for _ in range(6)]
for t in threads: t.start()
for t in threads: t.join()
""")
prices = HttpPeer(lambda request: "the price is 10.00 today\n")
OUT = f"to=127.0.0.1:{prices.port} status=503 after=12 max=8 process=shop*"
cached = start(PYTHON, SHOP, str(prices.port), "cache", VISITS, faults=OUT)
bare = start(PYTHON, SHOP, str(prices.port), "none", VISITS, faults=OUT)
remembers = start(PYTHON, BANK, str(prices.port), "remembers", ORDERS)
forgets = start(PYTHON, BANK, str(prices.port), "forgets", ORDERS)
sheds = start(PYTHON, DOOR, str(prices.port), "busy", CROWD)
down = start(PYTHON, DOOR, str(prices.port), "out", CROWD)

# ---- hedges ----
HEDGES = script("hedges.py", """
import asyncio, sys, aiohttp
async def get(session):
    async with session.get(sys.argv[1]) as answer: return await answer.read()
async def main():
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        for i in range(12):
            calls = {asyncio.create_task(get(session))}
            done, _ = await asyncio.wait(calls, timeout=0.1)
            if not done:
                calls.add(asyncio.create_task(get(session)))
                done, calls = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
                for c in calls: c.cancel()
            await asyncio.sleep(0.02)
asyncio.run(main())
""")
POOL = script("pool.py", """
import http.client, sys
from concurrent.futures import ThreadPoolExecutor
def get(_):
    c = http.client.HTTPConnection(sys.argv[1].split("/")[2])
    c.request("GET", "/")
    c.getresponse().read()
    c.close()
with ThreadPoolExecutor(3) as pool: list(pool.map(get, range(24)))
""")


def wavering():
    """A server that takes 400 ms for every third request."""
    peer = HttpPeer(lambda request: time.sleep(0.4 if peer.requests.index(request) % 3 == 0 else 0.01))
    return peer


hedged, pooled = start(PYTHON, HEDGES, wavering().url("/")), start(PYTHON, POOL, wavering().url("/"))

# ---- what came of it ----
schema = validate.load("report")
for (what, _, _, ms, kind, n), future in zip(clients, timeouts):
    report, run_ = future.result()
    timeout = (edge(report) or {}).get("timeout") or {"modes": []}
    modes = timeout["modes"]
    is_([m["kind"] for m in modes], [kind], f"{what}: one mode, {kind}", f"{timeout}\n{run_}")
    # some are late by more than makes one mode: the first while a program warms up, others where all clients share a slow processor
    within(modes[0]["n"] if modes else None, n if n < 5 else n // 2 + 1, n, f"{what}: of {n}, or most of them", timeout)
    # a busy machine is late, never early but for the moment between the start of a timer and connect()
    within(modes[0]["ms"] if modes else None, ms * 0.9 - 15, ms + 150, f"{what}: {ms} ms", timeout)
    is_(validate.problems(report, schema), [], f"{what}: the report meets its schema")
    if what == "urllib":
        within(modes[0]["low_ms"], 0.01, 400, "urllib: above what was answered", timeout)
for what, future in nones.items():
    report, run_ = future.result()
    timeout = (edge(report) or {}).get("timeout")
    is_((timeout or {"modes": []})["modes"], [], f"{what}: no timeout", timeout)
    if "without" in what:
        within(timeout and timeout["longest_ms"], 1400, 2200, f"{what}: or more than it waited")


def misfits(report):
    return sorted((h["code"], h["parent"] and h["parent"]["client"]) for h in report["hierarchy"])


report, run_ = inverted.result()
near(edge(report, "nginx")["timeout"]["modes"][0]["ms"], 450, 100, "nginx gives mid.py up after 400 ms", report["edges"])
near(edge(report, "mid.py")["timeout"]["modes"][0]["ms"], 950, 100, "which gives up after 900", report["edges"])
is_(misfits(report), [("timeout-inversion", "nginx")], "that is an inversion of nginx's timeout, and nothing else", report["hierarchy"])
found = report["hierarchy"][0] if report["hierarchy"] else {}
is_(found.get("count"), 3, "seen three times", found)
within(found.get("orphan_ms"), 3 * 400, 3 * 700, "with half a second of work for nobody each time", found)
is_(run_.one("SELECT outcome FROM exchange WHERE id = ?", found.get("child_witness")), "indeterminate", "its witness is a call that was given up")
is_(validate.problems(report, schema), [], "the report meets its schema")
report, _ = fitting.result()
is_(misfits(report), [], "when nginx waits longer than mid.py nothing is wrong", report["hierarchy"])
report, _ = too_often.result()
found = [h for h in report["hierarchy"] if h["code"] == "retries-exceed-deadline"]
is_([(h["fits"], h["attempts"]) for h in found], [(2, 3)], "of three attempts of 300 ms two fit into nginx's 700", report["hierarchy"])


def service(report, name):
    return next(s for s in report["services"] if name in s["name"])


report, run_ = cached.result()
shop = service(report, "shop")
is_([shop[k] for k in ("requests", "ok", "degraded", "failed")], [30, 22, 8, 0], "a shop with a cache: 8 of 30 answers are degraded", run_)
is_(shop["success"]["value"], 1, "they count as success")
is_([(shop["fallback"] or {}).get(k) for k in ("degraded", "dependency", "distinct")], [8, f"127.0.0.1:{prices.port}", True],
    "it does without prices, and its answers show it", shop["fallback"])
is_(validate.problems(report, schema), [], "the report meets its schema")
report, run_ = bare.result()
shop = service(report, "shop")
is_([shop[k] for k in ("requests", "ok", "degraded", "failed", "fallback")], [30, 22, 0, 8, None], "a shop without: they failed", run_)

report, run_ = remembers.result()
keys = edge(report, "orders", "bank")["idempotency"]
is_([keys[k] for k in ("keys", "duplicates", "violations", "lost", "conflicts", "mismatched")], [6, 6, 0, 0, 0, 0],
    "a bank that remembers its keys: six, each sent twice, no second effect", run_)
report, run_ = forgets.result()
keys = edge(report, "orders", "bank")["idempotency"]
is_([keys[k] for k in ("keys", "duplicates", "violations")], [6, 6, 6], "a bank that does not: six violations", keys)
is_(run_.one("SELECT role FROM exchange WHERE id = ?", keys["witness"]), "server", "with a request as witness")
is_(validate.problems(report, schema), [], "the report meets its schema")

report, run_ = sheds.result()
door = service(report, "door")
shed = door["shedding"] or {}
refused = run_.one("SELECT COUNT(*) FROM exchange WHERE role = 'server' AND status = 503")
within(shed.get("shed"), 0.7 * refused, refused, "a door with two places sheds what it refuses at once", f"{shed} {refused}")
ok(shed and shed["latency_ms"] < 0.1 * shed["success_latency_ms"], "in a tenth of the time of an answer", shed)
is_(validate.problems(report, schema), [], "the report meets its schema")
report, _ = down.result()
is_(service(report, "door")["shedding"], None, "one that refuses everybody is out")

report, run_ = hedged.result()
hedging = edge(report)["hedging"] or {}
within(hedging.get("hedged"), 4, 8, "a client that hedges after 100 ms is seen to", f"{hedging}\n{run_}")
within((hedging.get("delay_ms") or {}).get("p50"), 90, 160, "after about 100 ms", hedging)
within(hedging.get("cancelled"), 3, 8, "it gives the loser up", hedging)
within((hedging.get("share") or {}).get("n"), 11, 13, "of twelve requests", hedging)
is_((edge(report)["timeout"] or {"modes": []})["modes"], [], "which is no timeout", edge(report)["timeout"])
is_(validate.problems(report, schema), [], "the report meets its schema")
report, _ = pooled.result()
is_(edge(report)["hedging"], None, "three workers that ask for the same do not hedge")

done()

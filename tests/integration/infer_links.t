#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Real clients whose next request is no retry: pollers, loops, redirects, challenges, pipelines; and retries beside them."""
import json
import os
import re
import shutil
import sys

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), d) for d in ("../lib", "../schema")]
from tap import *  # noqa: E402,F403
import validate  # noqa: E402

nginx = Nginx("""
    location / { return 200 "hello\\n"; }
    location /gone { return 503; }
    location /moved { return 302 /there; }
    location /locked { if ($http_authorization = "") { add_header WWW-Authenticate 'Basic realm="x"' always; return 401; } return 200 "in\\n"; }
""", workers=1)
URL = f"http://127.0.0.1:{nginx.port}"


def infer(name, fault, *command, **kw):
    """The edge to nginx as the report sees it, and the notes."""
    r = shock(fault, *command, trace="shim", **kw)
    result = aftershock("report", r.db, "--format", "json")
    value = json.loads(result.out)
    is_(validate.problems(value, validate.load("report")), [], f"{name}: the report meets its schema")
    edges = [e for e in value["edges"] if e["server"].endswith(f":{nginx.port}")]
    is_(len(edges), 1, f"{name}: one edge", r)
    return edges[0], value["data_quality"]["notes"]


def poller(path, polls, every):
    return f"""
import time, urllib.request
for i in range({polls}):
    try:
        urllib.request.urlopen('{URL}{path}').read()
    except OSError:
        pass
    time.sleep({every})
"""


# ---- pollers ----
e, notes = infer("poller", [f"to=127.0.0.1:{nginx.port} name=outage after=8 status=503"], PYTHON, "-c", poller("/", 16, 0.2))
is_([e["attempts"], e["logical"], e["excluded"]["polls"]], [16, 16, 7], "a poller that was seen healthy does not retry through an outage", e)
is_(e["amplification"]["value"], 1, "its amplification is 1")
e, notes = infer("failing poller", [], PYTHON, "-c", poller("/gone", 8, 0.5))
is_([e["attempts"], e["logical"], e["linking"]], [8, None, "aggregate"], "one that only ever fails every 500 ms is not called a retrier", e)
ok(any("can not be told from its next request" in n for n in notes), "and that is said", notes)

# ---- loops over a client that retries ----
LOOP = f"""
import urllib3
from urllib3.util.retry import Retry
http = urllib3.PoolManager(retries=Retry(total=3, backoff_factor=.05, status_forcelist=[503]))
for i in range(8):
    try:
        http.request('GET', '{URL}/gone')
    except urllib3.exceptions.MaxRetryError:
        pass
"""
e, notes = infer("loop", [], PYTHON, "-c", LOOP)
is_([e["attempts"], e["logical"]], [32, 8], "a loop without pause over urllib3's Retry(3) makes 8 requests of 4 attempts", e)
is_(e["amplification"]["method"], "exact", "exactly")
e, notes = infer("curl", [], "curl", "-s", "--retry", "5", "--retry-delay", "1", URL + "/gone")
is_([e["attempts"], e["logical"], e["excluded"]["polls"]], [6, 1, 0], "curl --retry 5 --retry-delay 1 makes one request of 6 attempts", e)

# ---- what else follows an answer ----
e, notes = infer("curl -L", [], "curl", "-sL", URL + "/moved")
is_([e["attempts"], e["amplification"]["value"], e["excluded"]["redirects"]], [2, 1, 1], "what curl -L follows is a redirect, no retry", e)
e, notes = infer("challenge", [], "curl", "-s", "--anyauth", "-u", "me:secret", URL + "/locked")
is_([e["attempts"], e["amplification"]["value"], e["excluded"]["challenges"]], [2, 1, 1], "credentials after a 401 are no retry", e)

PIPELINE = f"""
import socket
s = socket.create_connection(('127.0.0.1', {nginx.port}))
s.sendall(b'GET /gone HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' * 4)
s.sendall(b'GET /gone HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n')
while s.recv(65536):
    pass
"""
e, notes = infer("pipeline", [], PYTHON, "-c", PIPELINE)
is_([e["attempts"], e["logical"]], [5, 5], "five requests in a pipeline, all failing, are five requests", e)

# ---- a server that closes idle connections ----
class Closing(Peer):
    """Answers one request of each connection, and closes it when the next begins to come."""

    def __init__(self):
        super().__init__(self.once)

    @staticmethod
    def once(conn, n):
        conn.recv(65536)
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        conn.recv(1)


closing = Closing()
r = shock([], "curl", "-s", *[closing.url("/")] * 8, trace="shim")
e = r.edge()
is_([e["attempts"], e["logical"], e["success"]["value"], e["excluded"]["reconnects"]], [8, 8, 1, 7],
    "requests that curl sends again as their idle connection was closed are no retries", e)

# ---- retries at another server ----
def destinations(db):
    result = aftershock("report", db, "--format", "json")
    report = json.loads(result.out)
    is_(validate.problems(report, validate.load("report")), [], "the report meets its schema")
    return report["destinations"], aftershock("report", db).out


FAILOVER = """
import http.client, sys, time
for i in range(30):
    for port in map(int, sys.argv[2:]):
        c = http.client.HTTPConnection('127.0.0.1', port)
        try:
            c.request('GET', '/x')
            good = c.getresponse().status < 500
        except OSError:
            good = False
        if good and sys.argv[1] == 'failover':
            break
    time.sleep(.02)
"""
for how, want in (("failover", 1), ("health", 0)):
    servers = [HttpPeer((lambda c: lambda request: (c.append(0), 503 if 10 < len(c) <= 20 else 200)[1])([])), HttpPeer(lambda request: 200)]
    r = shock([], PYTHON, "-c", FAILOVER, how, *[s.port for s in servers], trace="shim")
    d, text = destinations(r.db)
    is_(len(d), want, f"{how}: {want} destinations", d)
    if d:
        is_([d[0]["logical"], d[0]["attempts"], d[0]["success"]["value"], d[0]["hops"], d[0]["max_attempts_seen"], d[0]["linking"]],
            [30, 40, 1, 10, 2, "temporal"], "a client with two addresses makes 30 requests, ten of them of two attempts", d)
        ok("127.0.0.1:" in text and "(2 servers)" in text and "1.33x" in text, "the text has it in its load and its first lines", text)
servers = [HttpPeer(lambda request, i=i: 503 if i < 2 else 200) for i in range(3)]
db = os.path.join(tmpdir(), "proxy.db")
proxy = Nginx("location / { proxy_pass http://up; proxy_next_upstream error http_503; }",
              http="upstream up { %s }" % " ".join(f"server 127.0.0.1:{s.port} max_fails=0;" for s in servers),
              under=shock_argv([], db, (), "shim")[:-1])
for _ in range(30):
    run(["curl", "-s", proxy.url("/in")])
proxy.stop()
d, text = destinations(db)
is_(len(d), 1, "nginx with three upstreams of which two are out: one destination", text)
if d:
    is_([d[0]["logical"], d[0]["success"]["value"], len(d[0]["servers"]), d[0]["linking"]], [30, 1, 3, "nesting"], "every request got its answer", d)
    is_([d[0]["attempts"], d[0]["max_attempts_seen"]], [sum(len(s.requests) for s in servers), 3], "the servers saw as many attempts", d)
    is_([d[0]["chain"]["exhausted_share"]["value"], d[0]["chain"]["max"]], [0, 3], "and none of those that failed at first failed everywhere", d)
    is_([d[0]["retry"]["backoff"], d[0]["retry"]["yield"]["value"] > 0.5], ["none", True], "its retries go on at once, and most of them help", d)
    ok("at 3 servers in all, no backoff" in text, "the text says so", text)
    charts = re.findall(r'"chain":(\[\[.*?\]\])', run([BIN, "report", db, "--format", "html"]).out)
    is_(max(attempts for chain in charts for attempts, _ in json.loads(chain)), 3, "and the page's chart of attempts per request", charts)

# ---- two servers in turn, with waits, and keys that tell requests apart ----
IN_TURN = """
import sys, time, urllib.error, urllib.request
urls, turn = sys.argv[1:], 0
for i in range(40):
    for k in range(4):
        request = urllib.request.Request(urls[turn % 2], headers={"X-Request-Id": "r%d" % i})
        turn += 1
        try:
            urllib.request.urlopen(request, timeout=5).read()
            break
        except urllib.error.HTTPError:
            if k < 3:
                time.sleep(.04 * 2 ** k)
    time.sleep(.02)
"""
servers = [HttpPeer((lambda c: lambda request: (c.append(0), 503 if len(c) > 10 else 200)[1])([])) for _ in range(2)]
r = shock([], PYTHON, "-c", IN_TURN, *[s.url() for s in servers], trace="shim")
d, text = destinations(r.db)
is_(len(d), 1, "two servers asked in turn: one destination", text)
if d:
    said = d[0]["retry"] or {}
    is_([said.get(key) for key in ("max_attempts", "backoff", "multiplier", "servers_per_attempt")], [4, "exponential", 2, 1], "4 attempts, doubled", d)
    near(said.get("base_ms"), 40, 5, "from 40 ms", said)

# ---- event loops: several requests for the same at once, without ids ----
FLOWS = """
const [how, url, n, wait, ms] = process.argv.slice(1);
const http = require("http");
const agent = new http.Agent({ keepAlive: true });
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
const once = () => new Promise((yes, no) => http.get(url, { agent }, (r) => {
	r.resume();
	r.on("end", () => (r.statusCode >= 500 ? no(r.statusCode) : yes()));
}).on("error", no));
async function call() {
	for (let k = 0; k < (wait < 0 ? 1 : 3); k++) {
		try { return await once(); } catch (e) { if (k < 2 && wait > 0) await sleep(wait * 2 ** k); }
	}
}
async function flow(i) {
	await sleep(i * 7);
	for (const end = Date.now() + Number(ms); Date.now() < end; await sleep(50 + 100 * Math.random()))
		await call();
}
Promise.all(Array.from({ length: Number(n) }, (_, i) => (how === "flows" ? flow(i) : call()))).then(() => process.exit(0));
"""


class Outage:
    """Answers after 30 ms; fails from 1 s to 2.5 s after its first request."""

    def __init__(self):
        self.first, self.peer = None, HttpPeer(self.answer, 0.03)

    def answer(self, request):
        self.first = self.first or request.at
        return 503 if 1 <= request.at - self.first < 2.5 else 200


def crowd(name, *arguments, fault=()):
    o = Outage()
    r = shock([f"to=127.0.0.1:{o.peer.port} {f}" for f in fault], "node", "-e", FLOWS, *[o.peer.url("/") if a == "URL" else a for a in arguments],
              trace="shim", timeout=40)
    report = r.report()
    is_(validate.problems(report, validate.load("report")), [], f"{name}: the report meets its schema")
    return report["edges"][0], report["data_quality"]["notes"], report


if shutil.which("node"):
    e, notes, _ = crowd("flows", "flows", "URL", 10, -1, 3500)
    is_([e["linking"], e["amplification"]["value"], e["success"]["value"], e["retry"]], ["aggregate", None, None, None],
        "ten flows of an event loop that never retry: no retries are made up", e)
    ok(0.3 < e["attempt_success"]["value"] < 0.8, "and their outage shows", e["attempt_success"])
    ok(any("of the same request in flight at once" in n for n in notes), "it says why", notes)
    e, notes, _ = crowd("waiting flows", "flows", "URL", 10, 100, 3500)
    is_([e["linking"], e["retry"]], ["aggregate", None], "with waits as long as those of others nobody can tell either", e)
    for _ in range(3):  # a busy machine spoils some waits, and then they prove nothing: silence is right, another number is not
        e, notes, report = crowd("batch", "batch", "URL", 20, 100, 0, fault=["status=503"])
        if e["linking"] != "aggregate":
            break
    is_([e["logical"], e["attempts"], e["amplification"]["value"], (e["retry"] or {}).get("max_attempts")], [20, 60, 3, 3],
        "a batch of 20 with three attempts each", e)
    e, notes, _ = crowd("refused batch", "batch", f"http://127.0.0.1:{free_port()}/", 20, 100, 0)
    is_([e["logical"], e["attempts"], e["amplification"]["value"]], [20, 60, 3], "and where nobody listens", e)
else:
    skip("there is no node here", 9)
done()

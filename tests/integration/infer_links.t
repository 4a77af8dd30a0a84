#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Real clients whose next request is no retry: pollers, loops, redirects, challenges, pipelines; and retries beside them."""
import json
import os
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
done()

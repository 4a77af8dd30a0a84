#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# A service that calls another: each call names the request that it was made for, whoever is the witness.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

nginx = Nginx('location / { return 200 "hello\\n"; }', workers=1)
# /thread asks nginx on the thread that serves it, /pool on another one, handing the id on; /alone on another one without an id.
SERVICE = f"""
import http.client, http.server, subprocess, threading
from concurrent.futures import ThreadPoolExecutor

pool = ThreadPoolExecutor(1)

def ask(path, headers):
    c = http.client.HTTPConnection('127.0.0.1', {nginx.port})
    c.request('GET', path, headers=headers)
    c.getresponse().read()
    c.close()

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        headers = {{'X-Request-Id': self.headers['X-Request-Id']}} if self.path.startswith('/pool') else {{}}
        for i in range(2):
            if self.path.startswith('/thread'):
                ask(self.path + f'/{{i}}', headers)
            else:
                pool.submit(ask, self.path + f'/{{i}}', headers).result()
        self.send_response(200)
        self.send_header('Content-Length', '0')
        self.end_headers()
    def log_message(self, *args):
        pass

server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
for n in range(5):
    for path in ('thread', 'pool', 'alone'):
        subprocess.run(['curl', '-sS', '-H', f'X-Request-Id: {{path}}{{n}}', f'http://127.0.0.1:{{server.server_port}}/{{path}}/{{n}}'], check=True)
"""
PARENTS = """SELECT x.path, x.parent_tier tier, p.path parent, p.role role, p.process_id = x.process_id same, x.sources sources
             FROM exchange x JOIN connection c ON c.id = x.connection_id LEFT JOIN exchange p ON p.id = x.parent_id
             WHERE x.role = 'client' AND c.peer = ? ORDER BY x.path"""


def check(name, sources, watch=(), **options):
    r = shock(watch, PYTHON, "-c", SERVICE, **options)
    is_(r.rc, 0, f"{name}: the service works", r)
    calls = [dict(row) for row in r.rows(PARENTS, f"127.0.0.1:{nginx.port}")]
    is_(len(calls), 30, f"{name}: each of its calls is recorded once")
    is_({c["sources"] for c in calls}, {sources}, f"{name}: by {sources}")
    wrong = [c for c in calls if c["parent"] and c["parent"] != c["path"].rpartition("/")[0]]
    is_(wrong, [], f"{name}: no call is laid to another request")
    tiers = {kind: sorted({str(c["tier"]) for c in calls if c["path"].startswith("/" + kind)}) for kind in ("thread", "pool", "alone")}
    is_(tiers, {"thread": ["nesting"], "pool": ["id"], "alone": ["None"]},
        f"{name}: known by its thread, by its id on another one, or not")
    is_({(c["role"], c["same"]) for c in calls if c["parent"]}, {("server", 1)}, f"{name}: a parent came in to the same process")
    is_(r.one("SELECT count(*) FROM exchange x JOIN process p ON p.id = x.process_id WHERE p.service = 'curl' AND x.parent_id IS NOT NULL"), 0,
        f"{name}: who begins has none")


check("the library", "shim", trace="shim")
if aftershock("run", "--trace", "ebpf", "-o", os.path.join(tmpdir(), "try.db"), "true").rc:
    skip("eBPF is not available here (root and BTF are needed)", 14)
else:
    check("the kernel", "ebpf", trace="ebpf")
    check("both", "shim,ebpf", [f"{there} status=503 probability=0" for there in ("at=*", f"to=127.0.0.1:{nginx.port}")], trace="ebpf")
done()

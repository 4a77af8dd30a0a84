#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""throttle at a server: its answers leave at the rate, however it sends them, and nothing else of it is slow."""
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

BODY = bytes(i * 31 % 253 for i in range(65536))
SERVERS = {
    "a blocking server": """
import http.server, sys
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", str(len(B))); self.end_headers(); self.wfile.write(B)
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()
""",
    "an asyncio server": """
import asyncio, sys
async def serve(r, w):
    while True:
        try:
            await r.readuntil(b"\\r\\n\\r\\n")
        except asyncio.IncompleteReadError:
            return w.close()
        w.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(B) + B)
        await w.drain()
async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1])) as s:
        await s.serve_forever()
asyncio.run(main())
""",
}
body = os.path.join(tmpdir(), "body")
with open(body, "wb") as f:
    f.write(BODY)


def times(port, count=1):
    """Seconds and whether it is the body, for `count` requests on one connection."""
    out = os.path.join(tmpdir(), "out")
    argv = ["curl", "-s", "-w", "%{time_total} "]
    for _ in range(count):
        argv += ["-o", out, f"http://127.0.0.1:{port}/body"]
    seconds = [float(s) for s in run(argv).out.split()]
    with open(out, "rb") as f:
        return seconds, f.read() == BODY


def cpu_of_child(pid):
    """Seconds of CPU of the command that `run` with this pid started."""
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        pid = int(f.read().split()[0])
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


for name, code in SERVERS.items():
    port = free_port()
    db = os.path.join(tmpdir(), "at.db")
    server = spawn(shock_argv(f"at=127.0.0.1:{port} throttle=64k", db, (PYTHON, "-c", f"B = open({body!r}, 'rb').read()\n{code}", port)))
    wait_for(lambda: listening(port))
    before = cpu_of_child(server.pid)
    seconds, whole = times(port, 2)
    used = cpu_of_child(server.pid) - before
    ok(whole, f"the answer of {name} arrives whole")
    ok(len(seconds) == 2 and all(0.93 < s < 1.5 for s in seconds), f"64 KB of {name} at 64 KB a second take a second, each time", seconds)
    within(used, 0, 0.4, f"{name} does not spin meanwhile")
    stop(server)
    hits = Run(db).rows("SELECT action, achieved_ns / 1e9 AS s FROM injection WHERE exchange_id IS NOT NULL")
    ok(len(hits) == 2 and all(hit["action"] == "throttle" for hit in hits), f"each answer of {name} that was slowed is recorded", hits)

web = Nginx(server=f"location /body {{ alias {body}; sendfile on; }}", under=lambda port: shock_argv(
    f"at=127.0.0.1:{port} throttle=64k path=/body", os.path.join(tmpdir(), "nginx.db")))
slow = spawn(["curl", "-s", "-o", "/dev/null", "-w", "%{time_total}", web.url("/body")], stdout=-1)
quick = run(["curl", "-s", "-o", "/dev/null", "-w", "%{time_total}", web.url()]).out
within(float(slow.communicate(timeout=20)[0]), 0.93, 1.5, "nginx sends a file at the rate")
within(float(quick), 0, 0.3, "its other connection is not held up")
seconds, whole = times(web.port)
ok(whole, "a file that nginx sends at a rate arrives whole")
web.stop()
done()

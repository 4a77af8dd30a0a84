#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""delay_on=request: the program has sent its request at once, the peer gets it later, and nothing else is different."""
import os
import sys
import threading
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

STYLES = ("blocking", "timeo", "poll", "select", "epoll", "edge")
MEASURES = ("ms", "cpu_ms", "connect_ms", "wakes")
peer = HttpPeer()
slow = HttpPeer(delay=0.3)


def world(line):
    said = dict(word.split("=") for word in line.split())
    return {k: v for k, v in said.items() if k not in MEASURES}, {k: float(said[k]) for k in MEASURES if k in said}


def late(delay, *command, port=None, more="", **kw):
    return shock(f"to=127.0.0.1:{port or peer.port} delay={delay} delay_on=request {more}", *command, **kw)


for style in STYLES:
    want, _ = world(run([victim("get"), style, slow.port, 2000]).out)
    r = late("300ms", victim("get"), style, peer.port, 2000)
    got, figures = world(r.out)
    is_(got, want, f"a_{style}_client_sees_a_slow_peer", r)
    within(figures.get("ms"), 299, 700, f"a_{style}_client_waits_for_its_time", r)
    ok(figures.get("wakes", 99) <= 4 and figures.get("cpu_ms", 99) < 20, f"a_{style}_client_does_not_spin", r)

# where the delay is: between the program's send and the peer
r = late("300ms", victim("get"), "poll", peer.port, 2000)
row = r.rows("SELECT (sent_ns - started_ns) / 1e6 AS held, (first_byte_ns - sent_ns) / 1e6 AS answer, outcome FROM exchange")[0]
ok(row["outcome"] == "ok" and 299 < row["held"] < 700 and row["answer"] < 200, "sent_ns_is_when_the_request_left", row)
row = r.rows("SELECT action, intended_ns, achieved_ns / 1e6 AS ms FROM injection")
ok(len(row) == 1 and 299.9 < row[0]["ms"] < 400, "the_achieved_delay_is_recorded", row)

# a client that gives up: what it had sent is delivered when it closes, as a network would
before = len(peer.requests)
r = late("5s", victim("get"), "epoll", peer.port, 300)
within(world(r.out)[1].get("ms"), 299, 700, "the_client's_own_timeout_fires", r)
is_(wait_for(lambda: len(peer.requests) - before) and len(peer.requests) - before, 1, "close_delivers_what_waits")
for how in ("s.shutdown(socket.SHUT_WR)", "sys.exit()", "s.close()", "s.detach()", "os.execvp('true', ['true'])"):
    before = len(peer.requests)
    late("5s", PYTHON, "-c", f"import os, socket, sys\ns = socket.create_connection(('127.0.0.1', {peer.port}))\n"
         f"s.sendall(b'GET /end HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')\n{how}\n")
    is_(wait_for(lambda: len(peer.requests) - before) and len(peer.requests) - before, 1, f"{how}_delivers_what_waits")

# a piece of a head, which waits for its rest
pieces = []
raw = Peer(lambda conn, n: pieces.append(b"".join(iter(lambda: conn.recv(100), b""))))
for how in ("ctypes.CDLL(None).exit(0)", "os.execvp('true', ['true'])", "s.close()"):
    pieces.clear()
    r = shock(f"to=127.0.0.1:{raw.port} method=POST status=503", PYTHON, "-c", "import ctypes, os, socket\n"
              f"s = socket.create_connection(('127.0.0.1', {raw.port}))\ns.sendall(b'POST / HT')\n{how}\n")
    is_(wait_for(lambda: pieces) and pieces, [b"POST / HT"], f"{how}_delivers_a_piece_of_a_head", r)

# a request that a fork's child also holds a copy of is sent once
before = len(peer.requests)
r = late("200ms", PYTHON, "-c", f"""
import os, socket
s = socket.create_connection(('127.0.0.1', {peer.port}))
s.sendall(b'GET /fork HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')
pid = os.fork()
if not pid:
    s.close()
    os._exit(0)
os.waitpid(pid, 0)
print(s.recv(100)[:12])
""")
is_((r.out.strip(), len(peer.requests) - before), ("b'HTTP/1.1 200'", 1), "a_fork_sends_what_waits_once", r)

# a thread that waits for the answer before the request is sent
r = late("300ms", victim("guest"), "early_reader", peer.port)
ok("read=1" in r.out, "a_thread_that_reads_before_another_sends_gets_its_answer", r)

# keep-alive and pipelining: each request is late, each answer is its own
names = HttpPeer(lambda request: request.path)
r = late("100ms", "curl", "-s", *(names.url(f"/{i}") for i in "abc"), port=names.port)
is_(r.out, "/a/b/c", "each_request_on_a_connection_gets_its_answer", r)
within(r.seconds, 0.3, 1.5, "each_request_on_a_connection_is_late", r)
r = late("100ms", PYTHON, "-c", f"""
import socket
s = socket.create_connection(('127.0.0.1', {names.port}))
s.settimeout(5)
for i in range(8):
    s.sendall(b'GET /%d HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' % i)
got = b''
while got.count(b'HTTP/1.1') < 8 or not got.endswith(b'/7'):
    got += s.recv(65536)
print([part.split(b'\\r\\n\\r\\n')[1].decode() for part in got.split(b'HTTP/1.1')[1:]])
""", port=names.port, more="pattern=x.")
is_(r.out.strip(), str([f"/{i}" for i in range(8)]), "pipelined_requests_stay_in_order_when_every_other_is_late", r)

# bodies larger than the outbox: blocking, non-blocking, from a file
echoing = HttpPeer(lambda request: (200, {}, str(hash_of(request.body))))


def hash_of(body):
    return f"{len(body)}:{sum(body) % 9973}"


body = bytes(i * 7 % 251 for i in range(1 << 20))
file = os.path.join(tmpdir(), "body")
with open(file, "wb") as f:
    f.write(body)
UPLOADS = (
    ("curl", ("curl", "-s", "-H", "Expect:", "--data-binary", f"@{file}", echoing.url())),
    ("http.client", (PYTHON, "-c", f"""
import http.client
c = http.client.HTTPConnection('127.0.0.1', {echoing.port})
c.request('POST', '/', open({file!r}, 'rb').read())
print(c.getresponse().read().decode(), end='')
""")),
    ("aiohttp", (PYTHON, "-c", f"""
import aiohttp, asyncio
async def main():
    async with aiohttp.ClientSession() as session:
        async with session.post('{echoing.url()}', data=open({file!r}, 'rb').read()) as answer:
            print(await answer.text(), end='')
asyncio.run(main())
""")),
    ("sendfile", (PYTHON, "-c", f"""
import socket
s = socket.create_connection(('127.0.0.1', {echoing.port}))
s.sendall(b'POST / HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n')
s.sendfile(open({file!r}, 'rb'))
print(s.recv(65536).split(b'\\r\\n\\r\\n')[1].decode(), end='')
""")),
    ("asyncio.sendfile", (PYTHON, "-c", f"""
import asyncio
async def main():
    r, w = await asyncio.open_connection('127.0.0.1', {echoing.port})
    w.write(b'POST / HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n')
    await asyncio.get_running_loop().sendfile(w.transport, open({file!r}, 'rb'))
    print((await r.read(65536)).split(b'\\r\\n\\r\\n')[1].decode(), end='')
asyncio.run(main())
""")),
)
for name, command in UPLOADS:
    r = late("300ms", *command, port=echoing.port)
    is_(r.out, hash_of(body), f"a_late_upload_by_{name}_arrives_whole", r)
    within(r.seconds, 0.3, 4, f"a_late_upload_by_{name}_is_late_once", r)

# a full outbox: the loop that waits for room sleeps
r = late("1s", PYTHON, "-c", f"""
import asyncio, resource
def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
async def main():
    r, w = await asyncio.open_connection('127.0.0.1', {echoing.port})
    before = cpu()
    w.write(b'POST / HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n' + open({file!r}, 'rb').read())
    await w.drain()
    await r.readuntil(b'\\r\\n\\r\\n')
    print(cpu() - before)
asyncio.run(main())
""", port=echoing.port)
within(float(r.out or 9), 0, 0.3, "a_loop_that_waits_for_room_sleeps", r)

# other loops: the connection beside it is not held up, and nobody spins
r = shock((f"to=127.0.0.1:{names.port} delay=500ms delay_on=request",), PYTHON, "-c", f"""
import asyncio, resource, time
async def get(port):
    began = time.monotonic()
    r, w = await asyncio.open_connection('127.0.0.1', port)
    w.write(b'GET /x HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')
    await r.readuntil(b'/x' if port == {names.port} else b'page')
    w.close()
    return time.monotonic() - began
async def main():
    late, quick = await asyncio.gather(get({names.port}), get({peer.port}))
    try:
        await asyncio.wait_for(get({names.port}), 0.2)
    except asyncio.TimeoutError:
        print('timeout', end=' ')
    print(late, quick)
asyncio.run(main())
""")
words = r.out.split()
ok(words[:1] == ["timeout"] and float(words[1]) > 0.499 and float(words[2]) < 0.3, "asyncio_is_late_on_one_connection_only", r)

# another protocol: each turn
redis = Redis()
r = late("100ms", "redis-cli", "-p", redis.port, port=redis.port, input="set a 1\nget a\ndel a\n")
is_(r.out.split(), ["OK", "1", "1"], "redis-cli_gets_each_answer_in_order", r)
within(r.seconds, 0.3, 1.2, "each_redis_command_is_late", r)

# with another action: the request is late, then what the action says
r = late("300ms", victim("get"), "epoll", peer.port, 2000, more="reset=response")
got, figures = world(r.out)
ok(got.get("answer") == "ECONNRESET" and 299 < figures["ms"] < 700, "a_late_request_can_be_reset_at_its_response", r)
r = late("300ms", victim("get"), "epoll", peer.port, 700, more="hang=response")
got, figures = world(r.out)
ok(got.get("answer") == "EAGAIN" and 690 < figures["ms"] < 1200, "a_late_request_can_hang", r)
r = late("300ms", victim("get"), "poll", peer.port, 2000, more="status=503")
got, figures = world(r.out)
ok(got.get("answer") == "503" and 299 < figures["ms"] < 700, "a_late_request_can_be_answered", r)

# the fault is cleared: what waits leaves
spawned = spawn(shock_argv(f"to=127.0.0.1:{peer.port} delay=20s delay_on=request", os.path.join(tmpdir(), "live.db"),
                           (victim("get"), "blocking", peer.port), options=("--name", f"late-{peer.port}")), stdout=-1)
time.sleep(0.5)  # the request is sent: nothing shows that yet, and cleared before it is, it would only not be late
cleared = aftershock("fault", "clear", "--run", f"late-{peer.port}")
got, figures = world(spawned.communicate(timeout=30)[0].decode())
ok(got.get("answer") == "200" and figures["ms"] < 5000, "a_cleared_fault_lets_a_late_request_go", (got, figures, cleared))

# at a server it is the delay that it always was
web = Nginx(under=lambda port: shock_argv(f"at=127.0.0.1:{port} delay=200ms delay_on=request", os.path.join(tmpdir(), "at.db")))
got = run(["curl", "-s", "-w", "%{time_total}", web.url()]).out.split("\n")
ok(got[0] == "this is the real page" and 0.199 < float(got[1]) < 0.9, "at_a_server_the_request_is_seen_late", got)
web.stop()
done()

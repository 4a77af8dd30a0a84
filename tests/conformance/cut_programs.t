#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Real programs whose answer is truncated, reset after n bytes, or whose request is reset: what they say and do, retries and all, is
what they say and do with a peer that really does so."""
import os
import re
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

BODY = b"x" * 20_000
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 20000\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKS = b"".join(b"%x\r\n%s\r\n" % (4000, BODY[:4000]) for _ in range(5)) + b"0\r\n\r\n"
DIRECT = {"http_proxy": None, "HTTP_PROXY": None, "no_proxy": "*"}
ASYNCIO = """
import asyncio, sys
async def main():
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1].split(":")[2].strip("/")))
    writer.write(b"GET / HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n")
    await reader.readuntil(b"\\r\\n\\r\\n")
    print(len(await reader.readexactly(20000)))
asyncio.run(main())
"""
PROGRAMS = {
    "curl": ("curl", "-sS", "-m", "10", "-o", "/dev/null", "-w", "%{http_code} %{size_download} %{errormsg}", "URL"),
    "curl_retry": ("curl", "-sS", "-m", "10", "--retry", "1", "--retry-all-errors", "--retry-delay", "0", "-o", "/dev/null", "URL"),
    "wget": ("wget", "-q", "-O", "/dev/null", "--tries=2", "--waitretry=0", "--timeout=5", "URL"),
    "requests": (PYTHON, "-c", "import requests, sys; print(len(requests.get(sys.argv[1], timeout=5).content))", "URL"),
    "urllib3": (PYTHON, "-c", "import urllib3, sys; print(len(urllib3.PoolManager(retries=1).request('GET', sys.argv[1], timeout=5).data))",
                "URL"),
    "asyncio": (PYTHON, "-c", ASYNCIO, "URL"),
    "aiohttp": (PYTHON, "-c", "import aiohttp, asyncio, sys\nasync def main():\n  async with aiohttp.ClientSession() as s:\n"
                "    async with s.get(sys.argv[1]) as r: print(len(await r.read()))\nasyncio.run(main())", "URL"),
    "node_fetch": ("node", "-e", "fetch(process.argv[1]).then(r => r.text()).then(b => console.log(b.length),"
                   " e => { console.log(e.message, (e.cause || {}).code); process.exit(3) })", "URL"),
    "node_http": ("node", "-e", "let n = 0; const end = w => { console.log(n, w); process.exit(w ? 3 : 0) };"
                  " require('http').get(process.argv[1], r => { r.on('data', d => n += d.length); r.on('end', () => end(''));"
                  " r.on('error', e => end(e.code)) })"
                  ".on('error', e => end(e.code))", "URL"),
    "perl": ("perl", "-MIO::Socket::INET", "-e", "my ($p) = $ARGV[0] =~ /:(\\d+)/; my $s = IO::Socket::INET->new(\"127.0.0.1:$p\") or die;"
             " print $s \"GET / HTTP/1.0\\r\\n\\r\\n\"; my $n = 0; while (defined(my $r = sysread($s, my $b, 65536))) { last unless $r; $n += $r }"
             " print \"$n \", $!+0, \"\\n\"", "URL"),
}


def linger(conn):
    try:
        while conn.recv(65536):
            pass
    except OSError:
        pass


def peer_of(answer, end):
    """A peer that counts requests, sends that much, and then: keeps open, closes, or resets."""
    def serve(conn, n):
        if not conn.recv(65536):
            return
        peer.asked += 1
        if end == "reset at once":
            return reset(conn)
        conn.sendall(answer)
        if end == "keep":
            linger(conn)
        elif end == "reset":
            time.sleep(0.05)
            reset(conn)
    peer = Peer(serve)
    peer.asked = 0
    return peer


def outcome(result):
    """How a program ended, without what differs from run to run: ports, times, addresses of objects and line numbers of tracebacks."""
    last = (result.err.strip().splitlines() or [""])[-1]
    text = re.sub(r"0x[0-9a-f]+|(?<=[:=])\d{4,5}|\d+ ms|port \d+", "N", f"{result.out.strip()} | {last}")
    return result.rc, re.sub(r"aftershock: .*", "", text)


WORLDS = (
    ("truncate=5000", HEAD + BODY, HEAD + BODY[:5000], "close"),
    ("truncate=0", HEAD + BODY, HEAD, "close"),
    ("truncate=5000", CHUNKED + CHUNKS, CHUNKED + CHUNKS[:len(b"fa0\r\n") * 2 + len(b"\r\n") + 5000], "close"),
    ("reset=5000", HEAD + BODY, (HEAD + BODY)[:5000], "reset"),
    ("reset=request", HEAD + BODY, b"", "reset at once"),
)
for fault, answer, part, end in WORLDS:
    framing = "chunked" if answer.startswith(CHUNKED) else "sized"
    for name, command in PROGRAMS.items():
        there, here = peer_of(part, end), peer_of(answer, "keep")
        want = outcome(run([word.replace("URL", there.url()) for word in map(str, command)], env=DIRECT))
        r = shock(f"to=127.0.0.1:{here.port} {fault}", *(word.replace("URL", here.url()) for word in map(str, command)), env=DIRECT)
        is_(outcome(r), want, f"{name}_under_{fault}_of_a_{framing}_answer_ends_as_it_really_would", r)
        attempts = r.one("SELECT count(*) FROM exchange WHERE role = 'client'")
        is_(attempts, there.asked, f"{name}_under_{fault}_of_a_{framing}_answer_asks_as_often_as_it_really_would", r)
        ok(r.seconds < 8, f"{name}_under_{fault}_of_a_{framing}_answer_does_not_hang", r)
done()

# SPDX-License-Identifier: MIT
"""A small HTTP/1.1 server that answers with what it understood: serve.py MODE LOG

MODE: threads, fork (a process a connection), prefork (two processes accept on one socket), asyncio.
Prints its port; appends the line "METHOD path bytes" of each request to LOG and answers with the same line.
"""
import asyncio
import http.server
import os
import socketserver
import sys


def understood(log, method, path, body):
    line = f"{method} {path} {len(body)}\n"
    with open(log, "a") as f:
        f.write(line)
    return b"" if method == "HEAD" else line.encode(), len(line)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    log = None

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def answer(self):
        data, size = understood(self.log, self.command, self.path, self.body())
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_HEAD = do_POST = do_PUT = answer

    def log_message(self, *_):
        pass


class Threads(http.server.ThreadingHTTPServer):
    daemon_threads = True


class Fork(socketserver.ForkingMixIn, http.server.HTTPServer):
    pass


async def asyncio_talk(log, reader, writer):
    while line := await reader.readline():
        if not line.strip():
            continue
        method, path = line.decode().split()[:2]
        headers = {}
        while (line := (await reader.readline()).decode().strip()):
            key, _, value = line.partition(":")
            headers[key.lower()] = value.strip()
        if headers.get("expect"):
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        data, size = understood(log, method, path, await asyncio_body(reader, headers))
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode() + data)
        await writer.drain()
        if headers.get("connection") == "close":
            break
    writer.close()


async def asyncio_body(reader, headers):
    if headers.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(headers.get("content-length", 0)))
    body = b""
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readline()
    while (await reader.readline()).strip():
        pass
    return body


async def asyncio_serve(log):
    server = await asyncio.start_server(lambda r, w: asyncio_talk(log, r, w), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main(mode, log):
    Handler.log = log
    if mode == "asyncio":
        return asyncio.run(asyncio_serve(log))
    server = {"threads": Threads, "fork": Fork, "prefork": Threads}[mode](("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    if mode == "prefork":
        os.fork()
    server.serve_forever()


try:
    main(*sys.argv[1:])
except KeyboardInterrupt:
    pass

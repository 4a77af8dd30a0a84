# SPDX-License-Identifier: MIT
"""Many keep-alive connections at once, or many threads on one: crowd.py KIND PORT N

serve: answers 200 on PORT until it ends. ask: a request on each of N connections, then another; prints how often each status came.
poll: a request on each, then one poll() of all; prints whether something came, and whether that took half a second.
threads: N threads poll one connection, then it is asked; prints how many of them learned of the answer within five seconds.
late: a server that looks at its first request, is away for N seconds, and then receives; prints what it gets."""
import asyncio
import collections
import resource
import select
import socket
import sys
import threading
import time

REQUEST = b"GET /crowd HTTP/1.1\r\nHost: crowd\r\n\r\n"


class Answering(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" * data.count(b"\r\n\r\n"))


async def serving(port):
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", port, backlog=4096)
    print("ready", flush=True)
    await server.serve_forever()


def dial(port, n):
    return [socket.create_connection(("127.0.0.1", port)) for _ in range(n)]


def status(connection):
    try:
        connection.sendall(REQUEST)
        return connection.recv(4096).split(b" ")[1].decode()
    except OSError as e:
        return type(e).__name__


def ask(port, n):
    connections = dial(port, n)
    for _ in range(2):
        print(dict(collections.Counter(status(c) for c in connections)))


def poll(port, n):
    poller, connections = select.poll(), dial(port, n)
    for c in connections:
        poller.register(c, select.POLLIN)
        c.sendall(REQUEST)
    began = time.monotonic()
    came = poller.poll(20000)
    print(bool(came), time.monotonic() - began > 0.5)


def threads(port, n):
    connection, came = dial(port, 1)[0], []

    def wait():
        poller = select.poll()
        poller.register(connection, select.POLLIN)
        came.append(len(poller.poll(5000)))

    crowd = [threading.Thread(target=wait) for _ in range(n)]
    for t in crowd:
        t.start()
    time.sleep(0.3)
    connection.sendall(REQUEST)
    for t in crowd:
        t.join()
    print(sum(came))


def late(port, seconds):
    with socket.create_server(("127.0.0.1", port)) as server:
        print("ready", flush=True)
        connection = server.accept()[0]
        poller = select.poll()
        poller.register(connection, select.POLLIN)
        poller.poll(300)
        print("away", flush=True)
        time.sleep(seconds)
        try:
            print(connection.recv(4096))
        except OSError as e:
            print(type(e).__name__)


resource.setrlimit(resource.RLIMIT_NOFILE, [resource.getrlimit(resource.RLIMIT_NOFILE)[1]] * 2)
kind, port, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if kind == "serve":
    asyncio.run(serving(port))
else:
    {"ask": ask, "poll": poll, "threads": threads, "late": late}[kind](port, n)

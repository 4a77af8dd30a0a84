# SPDX-License-Identifier: MIT
"""A server that sends a file as its answer and tells what it saw: answer.py HOW FILE

HOW: send (blocking), pieces (blocking, 7 bytes a call), vector (sendmsg of many buffers), sendfile, splice (both by way of the kernel),
epoll (non-blocking), asyncio. Prints its port; then for each connection one line: bytes sent (or the errno), and what receiving gave after
that: bytes, "eof" or an errno.
"""
import asyncio
import errno
import os
import select
import socket
import sys


def named(error):
    return errno.errorcode.get(error.errno, type(error).__name__)


def send(s, path):
    with open(path, "rb") as f:
        data = f.read()
    s.sendall(data)
    return len(data)


def pieces(s, path):
    with open(path, "rb") as f:
        data = f.read()
    return sum(s.send(data[at:at + 7]) for at in range(0, len(data), 7))


def vector(s, path):
    with open(path, "rb") as f:
        data = f.read()
    sent = 0
    while sent < len(data):
        rest = data[sent:sent + 1000]
        sent += s.sendmsg([rest[at:at + 9] for at in range(0, len(rest), 9)])
    return sent


def sendfile(s, path):
    """As servers do: the head by send, the rest by sendfile."""
    size = os.path.getsize(path)
    with open(path, "rb") as f:
        sent = s.send(f.read().partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
        while sent < size:
            sent += os.sendfile(s.fileno(), f.fileno(), sent, size - sent)
    return sent


def splice(s, path):
    size, ends = os.path.getsize(path), os.pipe()
    with open(path, "rb") as f:
        sent = s.send(f.read().partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
        while sent < size:
            n = os.splice(f.fileno(), ends[1], 30000, offset_src=sent)
            while n:
                m = os.splice(ends[0], s.fileno(), n)
                n, sent = n - m, sent + m
    os.close(ends[0])
    os.close(ends[1])
    return sent


def epoll(s, path):
    with open(path, "rb") as f:
        data = f.read()
    s.setblocking(False)
    with select.epoll() as set_:
        set_.register(s, select.EPOLLOUT)
        sent = 0
        while sent < len(data):
            set_.poll()
            try:
                sent += s.send(data[sent:])
            except BlockingIOError:
                pass
    s.setblocking(True)
    return sent


def talk(how, path, s):
    try:
        if not s.recv(65536):
            return
        sent = how(s, path)
    except OSError as error:
        sent = named(error)
    try:
        after = len(s.recv(65536)) or "eof"
    except OSError as error:
        after = named(error)
    print(sent, after, flush=True)


async def asyncio_talk(path, reader, writer):
    try:
        if not await reader.read(65536):
            return
        with open(path, "rb") as f:
            data = f.read()
        writer.write(data)
        await writer.drain()
        sent = len(data)
    except OSError as error:
        sent = named(error)
    try:
        after = len(await reader.read(65536)) or "eof"
    except OSError as error:
        after = named(error)
    writer.close()
    print(sent, after, flush=True)


async def asyncio_serve(path):
    server = await asyncio.start_server(lambda r, w: asyncio_talk(path, r, w), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main(how, path):
    if how == "asyncio":
        return asyncio.run(asyncio_serve(path))
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        with listener.accept()[0] as s:
            talk(globals()[how], path, s)


try:
    main(*sys.argv[1:])
except KeyboardInterrupt:
    pass

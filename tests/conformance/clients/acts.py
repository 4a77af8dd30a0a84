# SPDX-License-Identifier: MIT
"""Both ends of a connection in one process, one act each: prints what each call said. The same lines with and without the library.

    acts.py ACT
"""
import ctypes
import select
import socket
import struct
import sys
import threading

LIMIT = 5


def pair(family=socket.AF_INET):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname(), LIMIT)
        server, _ = listener.accept()
    server.settimeout(LIMIT)
    return client, server


def said(call, *arguments):
    try:
        return call(*arguments)
    except OSError as e:
        return type(e).__name__


def polled(sock, events, ms=2000):
    p = select.poll()
    p.register(sock, events)
    return [bits for _, bits in p.poll(ms)]


def ready():
    """Waits for what is there already, as programs do that read byte by byte."""
    client, server = pair()
    client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    server.recv(4096)
    server.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123456789")
    yield all(polled(client, select.POLLIN) and select.select([client], [], [], LIMIT)[0] and client.recv(1) for _ in range(40))


def closed():
    """A thread closes what another waits for; then the wait is asked for what is closed."""
    for call in (lambda fd: select.select([fd], [], [fd], 0.4), lambda fd: select.select([], [fd], [], 0), lambda fd: polled(fd, select.POLLIN, 400)):
        client, _ = pair()
        fd = client.fileno()
        threading.Timer(0.1, client.close).start()
        yield [bool(part) for part in said(call, fd)]
        client.close()
        yield said(call, fd)


def words():
    """Messages that a request could begin with, and that are none: the server must see each at once."""
    for word in (b"foo", b"test data", b"PING", b"QUIT now", b"HELO me", b"A" * 4000):
        client, server = pair()
        client.sendall(word)
        yield word[:20], said(server.recv, 8000) == word
        server.sendall(b"roger")
        yield said(client.recv, 99)
        client.sendall(b"more\r\n")
        yield said(server.recv, 99)
        server.sendall(b"done\r\n")
        yield said(client.recv, 99)


def edge():
    """Edge-triggered: both directions of a fresh connection with one word each."""
    client, server = pair()
    with select.epoll() as ep:
        ep.register(client, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
        ep.register(server, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
        yield sorted(bits for _, bits in ep.poll(1, 4))
        client.sendall(b"Hello!")
        server.sendall(b"world!!!")
        yield sorted(bits for _, bits in ep.poll(1, 4))
        yield said(client.recv, 99), said(server.recv, 99)


def large():
    """A server that takes a short read for an empty socket, as edge-triggered servers may: it has the whole request in the end."""
    body = b"x" * 300000
    client, server = pair()
    client.settimeout(None)
    writer = threading.Thread(target=client.sendall, args=(b"POST /in HTTP/1.1\r\nContent-Length: 300000\r\n\r\n" + body,))
    writer.start()
    server.setblocking(False)
    got, want = b"", len(body) + 45
    with select.epoll() as ep:
        ep.register(server, select.EPOLLIN | select.EPOLLET | select.EPOLLRDHUP)
        while len(got) < want and ep.poll(LIMIT):
            n = 65536
            while n == 65536:
                got += (piece := server.recv(65536))
                n = len(piece)
    yield len(got) - want, got[-9:]
    server.close()
    writer.join()


GET = b"GET /in HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST /in HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"POST /in HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
UPGRADE = b"GET /up HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
CONNECT = b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"
LONG = b"GET /in HTTP/1.1\r\nHost: h\r\nCookie: " + b"c" * 17000 + b"\r\n\r\n"
TOGETHER = (GET * 3, POST + CHUNKED + GET, GET * 40, (GET + b"\r\n") * 3, POST + b"\r\n", UPGRADE + b"\x81\x05hello", UPGRADE + b"first words",
            CONNECT + b"\x16\x03\x01\x00\x05hello", GET + UPGRADE + b"\x00", LONG, GET + LONG + GET, GET * 1200)


def together():
    """What came in one piece is read in one piece: requests behind requests, and what follows one that asks for another protocol."""
    for data in TOGETHER:
        client, server = pair()
        client.sendall(data)
        polled(server, select.POLLIN)
        yield len(said(server.recv, 65536, socket.MSG_PEEK)), len(said(server.recv, 65536)), polled(server, select.POLLIN, 0)
        client.sendall(data + data)
        yield len(said(server.recv, len(data) - 9)), len(said(server.recv, 19)), len(said(server.recv, 65536)) == len(data) - 10
    client, server = pair()
    server.settimeout(None)
    threading.Thread(target=lambda: [client.sendall(GET), client.sendall(GET)]).start()
    yield len(said(server.recv, 2 * len(GET), socket.MSG_WAITALL))


def edges():
    """A server that takes a short read for an empty socket has every request of a pipeline, whichever way its pieces fall."""
    for size in (7, 100, 4000, 1 << 20):
        data = (GET + POST + CHUNKED) * 400
        client, server = pair()
        writer = threading.Thread(target=lambda: [client.sendall(data[i:i + size]) for i in range(0, len(data), size)])
        writer.start()
        server.setblocking(False)
        got = b""
        with select.epoll() as ep:
            ep.register(server, select.EPOLLIN | select.EPOLLET | select.EPOLLRDHUP)
            while len(got) < len(data) and ep.poll(LIMIT):
                n = 4096
                while n == 4096:
                    piece = said(server.recv, 4096)
                    n = len(piece) if isinstance(piece, bytes) else 0
                    got += piece if n else b""
        yield got == data
        writer.join()


def behind():
    """The edge that brings the rest of a request brings the next one too; and one comes before the first is read."""
    for first, second, reads in ((POST[:-3], POST[-3:] + GET, True), (GET, POST + GET, False)):
        client, server = pair()
        server.setblocking(False)
        got = b""
        with select.epoll() as ep:
            ep.register(server, select.EPOLLIN | select.EPOLLET)
            client.sendall(first)
            yield bool(ep.poll(LIMIT))
            got += server.recv(4096) if reads else b""
            client.sendall(second)
            while len(got) < len(first + second) and ep.poll(1):
                got += server.recv(4096)
        yield got == first + second


def silence():
    """The beginning of a request and no more: the server sees it in the end, and its answer comes back."""
    for way in (select_way, poll_way, epoll_way, blocking_way):
        for piece in (b"GET / HTTP/1.1\r\nHost:", b"G"):
            client, server = pair()
            client.sendall(piece)
            way(client, 1.5)
            server.settimeout(None if piece == b"G" else LIMIT)
            yield said(server.recv, 99)
            server.sendall(b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n")
            yield said(client.recv, 99)


def select_way(sock, seconds):
    return select.select([sock], [], [], seconds)


def poll_way(sock, seconds):
    return polled(sock, select.POLLIN, int(seconds * 1000))


def epoll_way(sock, seconds):
    with select.epoll() as ep:
        ep.register(sock, select.EPOLLIN | select.EPOLLET)
        return ep.poll(seconds)


def blocking_way(sock, seconds):
    sock.setblocking(True)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", int(seconds), int(seconds % 1 * 1000000)))
    return said(sock.recv, 99)


def urgent():
    """Urgent data in either direction, beside ordinary data."""
    for giver, taker in (pair(), reversed(pair())):
        giver.sendall(b"before")
        giver.send(b"!", socket.MSG_OOB)
        yield polled(taker, select.POLLPRI)
        yield said(taker.recv, 9, socket.MSG_OOB)
        yield said(taker.recv, 9, socket.MSG_OOB)
        yield said(taker.recv, 99)
        giver.sendall(b"after")
        yield said(taker.recv, 99)


def notices():
    """The queue of errors is no part of the stream: asking it never waits."""
    client, server = pair()
    client.settimeout(None)
    server.settimeout(None)
    yield said(client.recvmsg, 9, 99, socket.MSG_ERRQUEUE)
    client.sendall(b"x\n")
    yield said(server.recvmsg, 9, 99, socket.MSG_ERRQUEUE)
    yield said(server.recv, 9)


def timeouts():
    """Timeouts that are none: what select and poll say to them on a connection."""
    libc = ctypes.CDLL(None, use_errno=True)
    client, server = pair()
    client.sendall(GET)
    polled(server, select.POLLIN)
    for seconds, rest in ((-1, 0), (0, -1), (0, 1500000), (1, 2 * 10**9), (2**62, 0), (0, 0)):
        span = struct.pack("ll", seconds, rest)
        for sock in (client, server):
            bits = (ctypes.c_long * 16)()
            bits[sock.fileno() // 64] = 1 << sock.fileno() % 64
            asked = ctypes.create_string_buffer(struct.pack("ihh", sock.fileno(), select.POLLIN, 0))
            if sock is server or rest < 0 or seconds < 0:
                yield "select", seconds, rest, libc.select(sock.fileno() + 1, bits, None, None, span), ctypes.get_errno()
                ctypes.set_errno(0)
            if sock is server or rest >= 10**9 or min(rest, seconds) < 0:
                yield "pselect", seconds, rest, libc.pselect(sock.fileno() + 1, bits, None, None, span, None), ctypes.get_errno()
                ctypes.set_errno(0)
                yield "ppoll", seconds, rest, libc.ppoll(asked, 1, span, None), ctypes.get_errno()
                ctypes.set_errno(0)


for line in globals()[sys.argv[1]]():
    print(line, flush=True)

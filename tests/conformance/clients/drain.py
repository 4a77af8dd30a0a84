# SPDX-License-Identifier: MIT
"""Asks once and takes what comes, in one of many ways: drain.py HOW PORT SIZE [REQUEST]

HOW: recv, byte, peek, waitall, dontwait, recvmsg, read, fionread, splice (blocking sockets, SIZE bytes a call); poll, level, edge, oneshot
(a non-blocking one; edge takes a short read for an empty socket, as epoll(7) allows). PORT may be unix:PATH.
Prints JSON: got (as text, when it is not too much), bytes, end ("eof" or an errno's name), again (the same asked once more), calls,
wakes, seconds, cpu, and at: the seconds at which a quarter, half, three quarters and all of it were there.
"""
import errno
import fcntl
import json
import os
import select
import socket
import struct
import sys
import termios
import time

REQUEST = "GET /drain HTTP/1.1\r\nHost: h\r\n\r\n"
MOST_SHOWN = 5_000_000
calls = wakes = 0


def named(error):
    return errno.errorcode.get(error.errno, type(error).__name__)


def recv(s, size):
    return s.recv(size)


def byte(s, size):
    return s.recv(1)


def peek(s, size):
    seen = s.recv(size, socket.MSG_PEEK)
    data = s.recv(len(seen) or 1)
    assert data == seen, (data, seen)
    return data


def waitall(s, size):
    return s.recv(size, socket.MSG_WAITALL)


def dontwait(s, size):
    while True:
        try:
            return s.recv(size, socket.MSG_DONTWAIT)
        except BlockingIOError:
            woken(select.select([s], [], []))


def recvmsg(s, size):
    first, second = bytearray(7), bytearray(size)
    n = s.recvmsg_into([first, second])[0]
    return bytes(first + second)[:n]


def read(s, size):
    return os.read(s.fileno(), size)


def fionread(s, size):
    woken(select.select([s], [], []))
    n = struct.unpack("i", fcntl.ioctl(s, termios.FIONREAD, b"\0\0\0\0"))[0]
    data = s.recv(max(n, 1))
    assert len(data) == n, (len(data), n)
    return data


ends = os.pipe()


def splice(s, size):
    n = os.splice(s.fileno(), ends[1], min(size, 65536))
    return os.read(ends[0], n) if n else b""


def woken(result):
    global wakes
    wakes += 1
    return result


class Poll:
    def __init__(self, s):
        self.s, self.p = s, select.poll()
        self.p.register(s, select.POLLIN)

    def __call__(self, s, size):
        while True:
            woken(self.p.poll())
            try:
                return s.recv(size)
            except BlockingIOError:
                pass


class Level:
    flags = select.EPOLLIN | select.EPOLLRDHUP

    def __init__(self, s):
        self.s, self.set = s, select.epoll()
        self.set.register(s, self.flags)

    def again(self):
        pass

    def __call__(self, s, size):
        while True:
            woken(self.set.poll())
            try:
                return s.recv(size)
            except BlockingIOError:
                pass
            finally:
                self.again()


class Oneshot(Level):
    flags = select.EPOLLIN | select.EPOLLONESHOT

    def again(self):
        self.set.modify(self.s, self.flags)


class Edge(Level):
    """Waits only after a read that was short, or said EAGAIN."""
    flags = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET

    def __init__(self, s):
        super().__init__(s)
        self.ended, self.more = False, False

    def __call__(self, s, size):
        while True:
            while not self.more:
                for _, events in woken(self.set.poll()):
                    self.more = events & select.EPOLLIN
                    self.ended |= bool(events & (select.EPOLLRDHUP | select.EPOLLHUP))
            try:
                data = s.recv(size)
                self.more = len(data) == size or self.ended
                return data
            except BlockingIOError:
                self.more = False


def connect(where):
    if where.startswith("unix:"):
        s = socket.socket(socket.AF_UNIX)
        s.connect(where[5:])
        return s
    return socket.create_connection(("127.0.0.1", int(where)))


def once(take, s, size):
    global calls
    calls += 1
    try:
        return take(s, size) or "eof"
    except OSError as error:
        return named(error)


def main(how, where, size, request=REQUEST):
    s, size, got, there = connect(where), int(size), [], 0
    take = {"poll": Poll, "level": Level, "edge": Edge, "oneshot": Oneshot}.get(how)
    s.setblocking(not take)
    take = take(s) if take else globals()[how]
    s.sendall(request.encode("latin-1"))
    began, cpu, times = time.monotonic(), time.process_time(), []
    while isinstance(data := once(take, s, size), bytes):
        got.append(data)
        there += len(data)
        times.append((time.monotonic() - began, there))
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    if size > 1 and isinstance(take, Edge):
        again = data
    else:
        again = once(take, s, size)
    at = [next((t for t, n in times if 4 * n >= k * there), None) for k in (1, 2, 3, 4)]
    text = b"".join(got).decode("latin-1") if there < MOST_SHOWN else ""
    print(json.dumps({"got": text, "bytes": there, "end": data, "again": again, "calls": calls, "wakes": wakes, "seconds": seconds,
                      "cpu": cpu, "at": at}))


main(*sys.argv[1:])

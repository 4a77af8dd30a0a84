#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Which sockets are connections: TCP of both families, mapped addresses, Unix streams, however they came; and which are left alone:
datagrams, sequenced packets, socketpairs, pipes."""
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

HELD = 0.2
work = tmpdir()


def said(fault, program):
    """What a Python program prints under a fault; in it ask(s) says whether the answer on s took its time."""
    return shock(fault, PYTHON, "-c", f"""
import os, socket, threading, time
def ask(s, text=b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"):
    began = time.monotonic(); s.send(text); n = len(s.recv(1000)); print(n > 0 and time.monotonic() - began >= {HELD})
def echo(s):
    while data := s.recv(1000): s.send(data)
{program}""")


four, six = HttpPeer(), HttpPeer(host="::1")
for name, fault, host, port in (("IPv4", "127.0.0.1", "127.0.0.1", four.port), ("IPv6", "[::1]", "::1", six.port),
                                ("a mapped address", "127.0.0.1", "::ffff:127.0.0.1", four.port)):
    r = said(f"to={fault}:{port} delay=200ms", f"ask(socket.create_connection(('{host}', {port})))")
    is_(r.out.strip(), "True", f"a connection to {name} is one", r)

r = said(f"at=127.0.0.1 delay=200ms", """
l = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
threading.Thread(target=lambda: echo(l.accept()[0]), daemon=True).start()
ask(socket.create_connection(("127.0.0.1", l.getsockname()[1])))""")
is_(r.out.strip(), "True", "so is one that a dual-stack server accepts from IPv4, by its IPv4 address", r)

path = os.path.join(work, "server")
for side in ("to", "at"):
    r = said(f"{side}=unix:{path} delay=200ms", f"""
l = socket.socket(socket.AF_UNIX); l.bind("{path}"); l.listen()
threading.Thread(target=lambda: echo(l.accept()[0]), daemon=True).start()
s = socket.socket(socket.AF_UNIX); s.connect("{path}"); ask(s); os.unlink("{path}")""")
    is_(r.out.strip(), "True", f"a Unix stream is a connection of the side `{side}`", r)

# Asked at once and read in turn, answers are late together: also those of which the kernel does not tell when they came.
IN_TURN = f"""
def serve(c):
    while data := c.recv(1000): c.sendall(data.count(b"GET") * b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
def accept():
    while True: threading.Thread(target=serve, args=(l.accept()[0],), daemon=True).start()
l = socket.socket(socket.AF_UNIX); l.bind("{path}"); l.listen(); threading.Thread(target=accept, daemon=True).start()
def dial():
    s = socket.socket(socket.AF_UNIX); s.connect("{path}"); return s
"""
for name, dials in (("connections", "[dial() for _ in range(4)]"), ("requests of a pipeline", "[dial()] * 4")):
    r = said(f"to=unix:{path} delay=300ms", IN_TURN + f"""
s = {dials}; began = time.monotonic()
for one in s: one.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
for one in s: one.recv(40, socket.MSG_WAITALL)
print(0.3 <= time.monotonic() - began < 0.6); os.unlink("{path}")""")
    is_(r.out.strip(), "True", f"the answers to four {name} over Unix sockets are late together", r)

ALONE = (
    ("a datagram socket", """
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("127.0.0.1", 0))
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(u.getsockname())
def once():
    data, a = u.recvfrom(1000); u.sendto(data, a)
threading.Thread(target=once, daemon=True).start(); ask(s)"""),
    ("a Unix datagram socket", f"""
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM); threading.Thread(target=echo, args=(b,), daemon=True).start(); ask(a)"""),
    ("a sequenced packet socket", f"""
l = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); l.bind("{path}"); l.listen()
threading.Thread(target=lambda: echo(l.accept()[0]), daemon=True).start()
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.connect("{path}"); ask(s); os.unlink("{path}")"""),
    ("a socketpair", """
a, b = socket.socketpair(); threading.Thread(target=echo, args=(b,), daemon=True).start(); ask(a)"""),
    ("a socketpair that a child inherits", """
import subprocess, sys
a, b = socket.socketpair(); b.set_inheritable(True)
p = subprocess.Popen([sys.executable, "-c", f"import socket; s = socket.socket(fileno={b.fileno()}); print(flush=True); s.send(s.recv(1000))"],
                     close_fds=False, stdout=subprocess.PIPE)
p.stdout.readline(); ask(a); p.wait()"""),
    ("a pipe", """
r, w = os.pipe(); began = time.monotonic(); os.write(w, b"x"); os.read(r, 1); print(time.monotonic() - began >= 0.2)"""),
)
for name, program in ALONE:
    for side in ("to", "at"):
        r = said(f"{side}=* delay=200ms", program)
        is_((r.out.strip(), r.one("SELECT count(*) FROM connection")), ("False", 0), f"{name} is left alone by `{side}=*`", r)
done()

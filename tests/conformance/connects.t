#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Faults at connect, seen by a program that waits in each of six ways, next to a peer that really hangs, is slow, refuses or resets.

A listener whose backlog is full drops SYNs: a connect to it hangs, and is made at a retransmission (after a second) once there is room.
"""
import os
import sys
import threading
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from peers import refusing
import socket

STYLES = ("blocking", "timeo", "poll", "select", "epoll", "edge", "oneshot", "nested")
WAITING = STYLES[2:]
MEASURES = ("ms", "cpu_ms")


def dialled(port):
    """Whether a connect to this port of 127.0.0.1 is under way: its SYN was sent (state 02) and not answered."""
    with open("/proc/net/tcp") as table:
        return any(row[2] == f"0100007F:{port:04X}" and row[3] == "02" for row in map(str.split, table))


class Full:
    """A listener with a full backlog, with room again `drained` seconds after a SYN to it was dropped."""

    def __init__(self, drained=None):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(0)
        self.port = self.socket.getsockname()[1]
        self.taken = [socket.create_connection(self.socket.getsockname())]
        if drained:
            threading.Thread(target=self.drain, args=(drained,), daemon=True).start()

    def drain(self, seconds):
        wait_for(lambda: dialled(self.port), 10)
        time.sleep(seconds)
        self.taken.append(self.socket.accept())


listeners = []


def full(drained):
    listeners.append(Full(drained))
    return listeners[-1].port


def world(line):
    """The victim's line: what was said, and the figures apart."""
    said = dict(word.split("=") for word in line.split())
    return {k: v for k, v in said.items() if k not in MEASURES}, {k: float(said[k]) for k in MEASURES if k in said}


def real(style, where, timeout_ms, *more):
    return world(run([victim("dial"), style, where, timeout_ms, *more]).out)


def injected(fault, style, where, timeout_ms, *more, to=None):
    r = shock(f"to={to or f'127.0.0.1:{where}'} {fault}", victim("dial"), style, where, timeout_ms, *more)
    return (*world(r.out), r)


def silent(conn, n):
    while conn.recv(4096):
        pass


healthy = Peer(silent)
closed = free_port()
resetting = Peer(lambda conn, n: reset(conn))
hanging = Full()

# name, the fault, where it really happens, styles, timeout of the victim, how long it takes, whether it asks only at the end
WORLDS = (
    ("no_hit", "probability=0 delay=1s delay_on=connect", lambda: healthy.port, STYLES, 2000, (0, 500), ()),
    ("hang", "hang=connect", lambda: hanging.port, STYLES[1:], 400, (395, 900), ()),
    ("delay", "delay=1s delay_on=connect", lambda: full(0.3), STYLES, 3000, (999, 1500), ()),
    ("delay_beyond_the_timeout", "delay=3s delay_on=connect", lambda: hanging.port, STYLES[1:], 400, (395, 900), ()),
    ("late_refusal", "refuse=true delay=300ms", lambda: closed, STYLES, 2000, (299, 900), ("end",)),
    ("reset", "reset=connect", lambda: resetting.port, STYLES, 2000, None, ("end",)),
    ("late_reset", "reset=connect delay=300ms delay_on=connect", lambda: resetting.port, STYLES, 2000, (299, 900), ("end",)),
)
for name, fault, where, styles, timeout, took, more in WORLDS:
    for style in styles:
        want, _ = real(style, where(), timeout, *more)
        got, figures, r = injected(fault, style, healthy.port, timeout, *more)
        if "end" in more:  # a second try is a new attempt under the fault
            want.pop("again2", None), got.pop("again2", None)
        is_(got, want, f"{name}_is_what_a_{style}_client_would_really_see", r)
        if took:
            within(figures.get("ms"), *took, f"{name}_takes_a_{style}_client_its_time", r)
        ok(figures.get("cpu_ms", 99) < 20, f"{name}_does_not_spin_a_{style}_client", r)

# signals: a handler ends the wait or lets it go on
for how in ("interrupt", "restart"):
    for style in STYLES[:2]:
        for name, fault, where in (("hang", "hang=connect for=700ms", lambda: full(0.7)), ("delay", "delay=1s delay_on=connect", lambda: full(0.3))):
            want, _ = real(style, where(), 3000, how)
            got, figures, r = injected(fault, style, healthy.port, 3000, how)
            is_(got, want, f"a_{style}_connect_under_{name}_is_{how}ed_by_a_signal_as_it_would_be", r)
            within(figures.get("ms"), *((195, 600) if got.get("connect") == "EINTR" else (500, 2000)), f"at_that_time: {style} {name} {how}", r)

# the local address is that of the way to the peer
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
    way.connect(("198.51.100.1", 9))  # a documentation address; nothing is sent
    local = way.getsockname()[0]
r = shock("to=* hang=connect", PYTHON, "-c", "import socket\ns = socket.socket()\ns.setblocking(False)\n"
          "s.connect_ex(('198.51.100.1', 9))\nprint(s.getsockname()[0], s.getsockname()[1] > 0)")
is_(r.out.split(), [local, "True"], "getsockname_tells_the_local_address_of_the_way_to_the_peer", r)

# over IPv6 too, and over IPv4 on an IPv6 socket
r = shock(f"to=127.0.0.1:{healthy.port} hang=connect", PYTHON, "-c", f'''
import errno, select, socket
s = socket.socket(socket.AF_INET6)
s.setblocking(False)
print(errno.errorcode[s.connect_ex(('::ffff:127.0.0.1', {healthy.port}))], select.select([], [s], [], 0.3)[1], s.getsockname()[0])
''')
is_(r.out.split(), ["EINPROGRESS", "[]", "::ffff:127.0.0.1"], "a_connect_to_a_mapped_address_hangs", r)
v6 = Peer(silent, host="::1")
got, figures, r = injected("hang=connect", "poll", f"6:{v6.port}", 300, to=f"[::1]:{v6.port}")
is_((got.get("connect"), got.get("wait"), got.get("again")), ("EINPROGRESS", "0:0", "EALREADY"), "an IPv6 connect hangs", r)

# each errno: at once when no packet would have been sent, else as the outcome; a new connect on the socket is a new attempt
IMMEDIATE = ("ENETUNREACH", "EADDRNOTAVAIL", "EACCES")
for errno in ("ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "EHOSTUNREACH", *IMMEDIATE):
    for style in STYLES:
        got, _, r = injected(f"error=connect:{errno} max=1", style, healthy.port, 2000, "end")
        at_once = style in STYLES[:2] or errno in IMMEDIATE
        is_(got.get("connect"), errno if at_once else "EINPROGRESS", f"a_{style}_connect_that_fails_with_{errno}_says_so_in_time", r)
        is_((got.get("error2"), got.get("ready2")), ("0", "0x14") if at_once else (errno, "0x201d"),
            f"a_{style}_socket_is_as_the_kernel_leaves_it_after_{errno}", r)
        is_(r.one("SELECT count(*) FROM exchange WHERE error = 'ECONNABORTED'"), 0, f"that_no_{style}_connect_was_an_attempt_twice_after_{errno}", r)
        is_(got.get("again2"), "ECONNABORTED" if not at_once else "EINPROGRESS" if style in WAITING else "0",
            f"a_{style}_socket_can_be_connected_again_after_{errno}", r)

# Unix sockets: a connect that must wait for room in the backlog waits, or is told to come back
path = os.path.join(tmpdir(), "socket")
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen(64)
got, figures, r = injected("delay=300ms delay_on=connect", "blocking", path, 2000, to=f"unix:{path}")
is_(got.get("connect"), "0", "a_slow_Unix_peer_is_reached_by_a_blocking_client", r)
within(figures.get("ms"), 299, 900, "a_slow_Unix_peer_takes_its_time", r)
for fault in ("delay=1s delay_on=connect", "hang=connect"):
    got, figures, r = injected(fault, "timeo", path, 300, to=f"unix:{path}")
    is_(got.get("connect"), "EAGAIN", f"SO_SNDTIMEO_ends_a_Unix_connect_under_{fault}", r)
    within(figures.get("ms"), 299, 800, f"SO_SNDTIMEO_ends_it_in_time_under_{fault}", r)
    got, figures, r = injected(fault, "poll", path, 300, to=f"unix:{path}")
    is_((got.get("connect"), got.get("again2")), ("EAGAIN", "EAGAIN"), f"a_non-blocking_Unix_connect_is_told_to_come_back_under_{fault}", r)

# a connect that hangs goes on when the fault ends: the peer is reached, by each kind of wait
for style in STYLES:
    got, figures, r = injected("hang=connect for=700ms", style, healthy.port, 5000)
    ok(got.get("connect") in ("0", "EINPROGRESS") and got.get("error2") == "0" and got.get("peer2") == "0" and got.get("send2") == "1",
       f"a_{style}_connect_goes_on_when_the_hang_ends", r)
    within(figures.get("ms"), 500, 1900, f"a_{style}_connect_goes_on_soon_after_the_hang_ended", r)

# evidence
http = HttpPeer()
r = shock(f"to=127.0.0.1:{http.port} delay=200ms delay_on=connect", victim("get"), "poll", http.port)
row = r.rows("SELECT action, intended_ns, achieved_ns, exchange_id FROM injection")
is_(len(row), 1, "one_injection_for_one_late_connect", row)
within(row[0]["achieved_ns"] / 1e6 if row and row[0]["achieved_ns"] else None, 199.9, 300, "the_achieved_delay_is_recorded", row)
is_(r.one("SELECT count(*) FROM injection AS i JOIN exchange AS x ON x.id = i.exchange_id"), 1, "it_points_to_the_first_exchange", r)
within(r.one("SELECT (connected_ns - opened_ns) / 1e6 FROM connection"), 199.9, 400, "the_connection_counts_as_made_when_the_program_could_know", r)
for fault, error in (("reset=connect", "ECONNRESET"), ("hang=connect", "closed")):
    r = shock(f"to=127.0.0.1:{http.port} {fault}", victim("get"), "epoll", http.port, 300)
    is_(r.rows("SELECT outcome, error FROM exchange"), [{"outcome": "not_sent", "error": error}], f"{fault}_is_an_attempt_that_was_not_sent", r)
    is_(r.one("SELECT count(*) FROM injection WHERE exchange_id IS NOT NULL"), 1, f"its_injection_points_to_it_under_{fault}", r)

# a program that asks for the outcome by a receive, as ab does
ASKS = """
import select, socket, sys
for act in (lambda s: s.recv(1), lambda s: s.send(b'GET / HTTP/1.1\\r\\n')):
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex(('127.0.0.1', int(sys.argv[1])))
    select.select([], [s], [], 5)
    try:
        act(s)
    except OSError as e:
        print(e.errno)
"""
closed = refusing()
r = shock("to=* delay=1ms probability=0", PYTHON, "-c", ASKS, closed.getsockname()[1])
is_(r.out, "111\n111\n", "it_is_told", r)
is_(r.rows("SELECT outcome, error, end FROM exchange AS x JOIN connection AS c ON c.id = x.connection_id"),
    [{"outcome": "not_sent", "error": "ECONNREFUSED", "end": "refused"}] * 2, "and_the_run_file_knows_that_it_was_refused", r)

# delay on the connect and a status on the request in one fault: decided once
r = shock(f"to=127.0.0.1:{http.port} delay=200ms delay_on=connect status=503 first=1", "curl", "-s", "-o", "/dev/null", "-o", "/dev/null", "-w",
          "%{http_code} %{time_connect} ", http.url("/a"), http.url("/b"))
words = r.out.split()
ok(words[0:3:2] == ["503", "200"], "a_late_connect_and_a_status_hit_the_same_request", r)
within(float(words[1]), 0.199, 0.6, "whose_connect_was_late", r)
done()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Each fault, seen by a program that waits in each of six ways, next to the same thing really happening.

The victim prints what every call of one request said. The line of the injected world must be that of the real world;
only how long it took and how often it woke may differ within limits.
"""
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

STYLES = ("blocking", "timeo", "poll", "select", "epoll", "edge")
TIMED = STYLES[1:]  # those that have a timeout of their own while they wait for an answer
MEASURES = ("ms", "cpu_ms", "connect_ms", "wakes")


def world(line):
    """The victim's line: what was said, and the figures apart."""
    said = dict(word.split("=") for word in line.split())
    return {k: v for k, v in said.items() if k not in MEASURES}, {k: float(said[k]) for k in MEASURES if k in said}


def real(style, port, timeout_ms):
    return world(run([victim("get"), style, port, timeout_ms]).out)


def injected(fault, style, port, timeout_ms):
    r = shock(fault, victim("get"), style, port, timeout_ms)
    return (*world(r.out), r)


def never(conn, n):
    """Takes the request and never answers; ends when the client does."""
    while conn.recv(4096):
        pass


healthy = HttpPeer()
closed = free_port()
resetting = Peer(lambda conn, n: (conn.recv(4096), reset(conn)))
silent = Peer(never)
slow = HttpPeer(delay=0.3)
busy = HttpPeer(lambda request: 503)

# name, the fault, the port where it really happens, styles, timeout of the victim, how long it takes, requests that the peer gets
WORLDS = (
    ("no_hit", "probability=0", healthy.port, STYLES, 2000, (0, 500), 1),
    ("refuse", "refuse=true", closed, STYLES, 2000, None, 0),
    ("reset", "reset=response", resetting.port, STYLES, 2000, (0, 500), 1),
    ("hang", "hang=response", silent.port, TIMED, 500, (490, 900), 1),
    ("delay", "delay=300ms", slow.port, STYLES, 2000, (299, 700), 1),
    ("delay_beyond_the_timeout", "delay=2s", silent.port, TIMED, 500, (490, 900), 1),
    ("status", "status=503", busy.port, STYLES, 2000, (0, 500), 0),
)
for name, fault, there, styles, timeout, took, delivered in WORLDS:
    for style in styles:
        want, _ = real(style, there, timeout)
        before = len(healthy.requests)
        got, figures, r = injected(f"to=127.0.0.1:{healthy.port} {fault}", style, healthy.port, timeout)
        is_(got, want, f"{name}_is_what_a_{style}_client_would_really_see", r)
        if took:
            within(figures.get("ms"), *took, f"{name}_takes_a_{style}_client_its_time", r)
            ok(figures.get("wakes", 99) <= 4 and figures.get("cpu_ms", 99) < 20, f"{name}_does_not_spin_a_{style}_client", r)
        is_(wait_for(lambda: len(healthy.requests) - before >= delivered) and len(healthy.requests) - before, delivered,
            f"{name}_lets_the_right_requests_of_a_{style}_client_out")

# error=CALL:ERRNO: the call says so, and what comes after fits
ERRORS = (
    ("connect", "ETIMEDOUT", lambda said: said.get("connect") == "ETIMEDOUT"),
    ("connect", "EHOSTUNREACH", lambda said: said.get("connect") == "EHOSTUNREACH"),
    ("send", "EPIPE", lambda said: said.get("sent") == "EPIPE"),
    ("send", "ECONNRESET", lambda said: said.get("sent") == "ECONNRESET"),
    ("recv", "ECONNRESET", lambda said: said.get("answer") == "ECONNRESET" and said["recv2"] == "0" and said["send2"] == "EPIPE"),
    ("recv", "ETIMEDOUT", lambda said: said.get("answer") == "ETIMEDOUT" and said["recv2"] == "0" and said["send2"] == "EPIPE"),
)
for call, errno, fits in ERRORS:
    for style in STYLES:
        got, figures, r = injected(f"to=127.0.0.1:{healthy.port} error={call}:{errno}", style, healthy.port, 2000)
        ok(fits(got), f"error_{call}_{errno}_is_seen_by_a_{style}_client", r)

# a reset is a real one: the peer gets an RST, not an orderly end
ends = []


def how_it_ends(conn, n):
    conn.recv(4096)
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    try:
        ends.append("data" if conn.recv(1) else "eof")
    except ConnectionResetError:
        ends.append("reset")


witness = Peer(how_it_ends)
shock(f"to=127.0.0.1:{witness.port} reset=response", victim("get"), "poll", witness.port)
is_(wait_for(lambda: ends), ["reset"], "the_peer_of_a_reset_gets_an_RST")

# what the run file says of them
for fault, outcome, error in (("refuse=true", "not_sent", "ECONNREFUSED"), ("reset=response", "indeterminate", "ECONNRESET"),
                              ("error=recv:ETIMEDOUT", "indeterminate", "ETIMEDOUT"), ("status=503", "failed", None)):
    r = shock(f"to=127.0.0.1:{healthy.port} {fault}", victim("get"), "epoll", healthy.port)
    is_(r.rows("SELECT role, outcome, error FROM exchange"), [{"role": "client", "outcome": outcome, "error": error}],
        f"the_run_file_calls_{fault.split('=')[0]}_{outcome}", r)
    is_(r.one("SELECT count(*) FROM injection WHERE exchange_id IS NOT NULL"), 1, f"the_injection_of_{fault.split('=')[0]}_points_to_its_exchange")
done()

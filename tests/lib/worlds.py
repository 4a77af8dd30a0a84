# SPDX-License-Identifier: MIT
"""A victim's cases in several worlds: each says under a fault what it says, without the library, of a server that really behaves so."""
from concurrent.futures import ThreadPoolExecutor
from tap import *

healthy, slow, busy = HttpPeer(), HttpPeer(delay=0.3), HttpPeer(lambda request: 503, delay=0.3)
# name, fault, the peer it acts on, a peer that really does so
WATCHED = ("is_only_watched", "probability=0 delay=1s", slow, slow)
SLOW = ("is_slow", "delay=300ms", healthy, slow)
LATE_TO_HEAR = ("is_slow_to_hear", "delay=300ms delay_on=request", healthy, slow)
BUSY = ("answers_503", "delay=300ms status=503", healthy, busy)


def really(name, port, case):
    return run([victim(name), case, port], timeout=20)


def injected(name, peer, fault, case):
    return shock(f"to=127.0.0.1:{peer.port} {fault}", victim(name), case, peer.port, timeout=20)


def same_in(worlds, name, cases, apart=()):
    """One check a world and case, but for the pairs (case, world's name) in apart."""
    pool = ThreadPoolExecutor(4)  # they wait most of the time
    pairs = [(world, case) for world in worlds for case in cases if (case, world[0]) not in apart]
    wants = {key: pool.submit(really, name, *key) for key in dict.fromkeys((world[3].port, case) for world, case in pairs)}
    gots = [pool.submit(injected, name, world[2], world[1], case) for world, case in pairs]
    for (world, case), got in zip(pairs, gots):
        want, r = wants[world[3].port, case].result(), got.result()
        ok(want.rc == 0 and want.out, f"{case}_says_something", want)
        is_(r.out, want.out, f"{case}_says_the_same_of_a_server_that_{world[0]}", r)

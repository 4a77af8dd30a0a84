#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Flags, vectors, numbers, streams of stdio and bad arguments: each case of victims/corners.c says under a fault what it says
without the library of a server that really behaves so."""
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from worlds import BUSY, SLOW, WATCHED, healthy, really, same_in

CASES = ("wait_all", "peek", "discard", "dont_wait", "no_wait_vector", "zero_bytes", "urgent", "no_name", "messages", "by_number",
         "stdio", "printed", "half_closed", "bad_pointers", "last_request")
same_in((WATCHED, SLOW, BUSY), "corners", CASES)

port = free_port()
want = run([victim("corners"), "low_water", port])
r = shock(f"at=:{port} method=POST status=503", victim("corners"), "low_water", port)
is_(r.out, want.out, "a_server_keeps_its_low_water_mark_while_ours_waits_for_a_whole_head", r)
for case in ("waits_once", "reset_is_read", "reset_is_polled"):
    want = run([victim("corners"), case, port])
    for side in ("to=", "at="):
        r = shock(f"{side}:{port} status=503 probability=0", victim("corners"), case, port)
        is_(r.out, want.out, f"{case}_says_the_same_when_{side}_is_only_watched", r)
want = run([victim("corners"), "slow_reader", port])
r = shock(f"at=:{port} reset=1000000", victim("corners"), "slow_reader", port, timeout=20)
is_(r.out, want.out, "a_send_that_is_cut_behind_what_its_client_reads_ends_in_its_time", r)
want = run([victim("corners"), "full", port])
r = shock(f"to=unix:@corner.{port} method=POST status=503", victim("corners"), "full", port, timeout=20)
is_(r.out, want.out, "a_file_behind_a_piece_of_a_head_that_the_socket_has_no_room_for_ends_in_its_time", r)
slower = HttpPeer(delay=3)
r = shock(f"to=127.0.0.1:{slower.port} delay=400ms delay_on=request", victim("corners"), "times_out", slower.port)
is_(r.out, really("corners", slower.port, "times_out").out, "a_receive_behind_a_request_that_is_late_has_its_own_time_and_no_more", r)
def torn(conn):
    conn.sendall(b"HTTP/1.1 20")
    reset(conn)


for case in ("only_sends", "never_reads", "asks_for_error"):
    for way, faults in ((reset, (("reset=response", "ECONNRESET"), ("reset=response delay=200ms", "ECONNRESET"), ("error=recv:ETIMEDOUT", "ETIMEDOUT"))),
                        (torn, (("reset=11", "ECONNRESET"), ("reset=11 delay=200ms", "ECONNRESET")))):
        want = really("corners", HttpPeer(lambda request: way).port, case).out
        for fault, error in faults:
            r = shock(f"to=127.0.0.1:{healthy.port} {fault}", victim("corners"), case, healthy.port)
            is_(r.out, want.replace("ECONNRESET", error), f"who_{case}_is_told_of {fault}", r)
page = lambda request: "x" * 300000
large, large_slow = HttpPeer(page), HttpPeer(page, delay=0.3)
want = really("corners", large_slow.port, "discard_all")
for fault in ("delay=300ms", "status=503 method=POST"):
    r = shock(f"to=127.0.0.1:{large.port} {fault}", victim("corners"), "discard_all", large.port)
    is_(r.out, want.out, f"a_receive_that_discards_waits_for_all_that_it_asks_for_under {fault}", r)
URGENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients", "urgent.py")
want = run([PYTHON, URGENT, port])
for fault in ("method=POST status=503", "delay=300ms"):
    r = shock(f"at=:{port} {fault}", PYTHON, URGENT, port)
    is_(r.out, want.out, f"a_server_is_told_of_urgent_data_that_is_no_part_of_a_request_under {fault}", r)
r = shock(f"to=* probability=0 status=503", victim("corners"), "ring", 1)
is_(r.out.strip(), "ring=EPERM", "a_program_is_told_that_rings_are_switched_off", r)
done()

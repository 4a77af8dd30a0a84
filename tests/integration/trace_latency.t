#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The kernel's latencies of system calls: by the second of the run, and by how far away the peer is."""
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from tracing import need_ebpf

need_ebpf()
TALK = """
import socket, sys, threading, time
def talk(family, address):
    door = socket.socket(family); door.bind((address, 0)); door.listen()
    c = socket.socket(family); c.connect(door.getsockname()[:2]); s, _ = door.accept()
    c.send(b'x'); s.recv(1); s.send(b'y'); c.recv(1)
    c.close(); s.close(); door.close()
time.sleep(1.3)
print(time.monotonic_ns(), flush=True)
for address in sys.argv[1:]:
    talk(socket.AF_INET6 if ':' in address else socket.AF_INET, address)
time.sleep(1.2)
"""
CALLS = "SELECT DISTINCT peer, syscall FROM syscall_latency WHERE syscall IN ('connect', 'sendto', 'recvfrom', 'accept4') ORDER BY 1, 2"


def calls(run):
    return [(row["peer"], row["syscall"]) for row in run.rows(CALLS)]


def of(peer):
    return [(peer, call) for call in ("connect", "recvfrom", "sendto")]


r = shock([], PYTHON, "-c", TALK, "127.0.0.1", "::1", trace="ebpf")
is_(calls(r), [(None, "accept4")] + of("loopback"), "calls_on_a_connection_have_the_class_of_its_peer_a_listener_has_none", r)
started = int(r.meta("started_ns"))
is_({row["second"] for row in r.rows("SELECT DISTINCT second FROM syscall_latency WHERE syscall = 'sendto'")},
    {(int(r.out) - started) // 10**9}, "their_second_is_counted_from_the_start_of_the_run", r.rows("SELECT * FROM syscall_latency"))

APART = "ip link set lo up && ip addr add 10.9.8.7/32 dev lo && ip addr add 9.9.8.7/32 dev lo && exec \"$@\""
if run(["unshare", "--net", "sh", "-c", APART, "sh", "true"]).rc:
    skip("no network namespace can be made here")
else:
    r = shock([], "unshare", "--net", "sh", "-c", APART, "sh", PYTHON, "-c", TALK, "10.9.8.7", "::ffff:10.9.8.7", "9.9.8.7", trace="ebpf")
    is_(calls(r), [(None, "accept4")] + of("private") + of("public"), "private_and_public_addresses_are_told_apart", r)
done()

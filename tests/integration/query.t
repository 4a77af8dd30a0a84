#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Query strings: dropped unless asked for, so that no byte of them is in the run file; with --keep-query stored as data, by either witness."""
import glob
import os
import shlex
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from tracing import Trace, need_ebpf

SECRET = "card-4711"
KEPT = SECRET + "&x=\x1b[31m<b>'\"\\xff\\x00"  # what the run file has of the bytes below
# The secret is put together here: command lines are recorded.
CLIENT = """
import socket, sys
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
for target in b'/pay?' + b'-'.join([b'card', b'4711']) + b"&x=\\x1b[31m<b>'\\"\\xff\\0", b'/plain', b'/empty?':
    s.sendall(b'GET ' + target + b' HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')
    s.recv(65536)
s.close()
"""
peer = HttpPeer()
command = [PYTHON, "-c", CLIENT, peer.port]
WATCH = f"to=127.0.0.1:{peer.port} path=/pay name=w status=503 probability=0"


def told(run):
    """(path, query, sources) of the client's exchanges."""
    return [tuple(row.values()) for row in run.rows("SELECT path, query, sources FROM exchange WHERE role = 'client' ORDER BY started_ns")]


def bytes_of(run):
    return b"".join(open(name, "rb").read() for name in glob.glob(run.db + "*"))


def dropped(name, run, sources):
    is_(told(run), [(path, None, sources) for path in ("/pay", "/plain", "/empty")], f"{name}: no_query_is_kept", run)
    ok(SECRET.encode() not in bytes_of(run), f"{name}: nothing_of_it_is_in_the_file")
    is_(run.meta("queries"), None, f"{name}: nor_is_it_said_to_be")


def kept(name, run, sources):
    is_(told(run), [("/pay", KEPT, sources), ("/plain", None, sources), ("/empty", "", sources)], f"{name}: with_keep_query_it_is_data", run)
    is_(run.meta("queries"), "kept", f"{name}: the_file_says_so")


KEEP = ["--keep-query"]
dropped("library", shock(WATCH, *command, trace="shim"), "shim")
watched = shock(WATCH, *command, trace="shim", options=KEEP)
kept("library", watched, "shim")
is_(watched.one("SELECT matched FROM fault"), 1, "a_path_is_matched_without_its_query")
report = aftershock("report", watched.db)
ok(report.rc == 0 and "\x1b" not in report.out, "a_report_of_it_moves_no_cursor", report)

db = os.path.join(tmpdir(), "env.db")
shell = aftershock("env", "--name", f"query{os.getpid()}", "-o", db, *KEEP, "--format", "shell")
run(["sh", "-c", shell.out + shlex.join(map(str, command))])
aftershock("env", "--stop", "--name", f"query{os.getpid()}")
kept("env", Run(db, shell), "shim")

need_ebpf()
dropped("both", shock(WATCH, *command, trace="ebpf"), "shim,ebpf")
kept("both", shock(WATCH, *command, trace="ebpf", options=KEEP), "shim,ebpf")
dropped("kernel", shock([], *command, trace="ebpf"), "ebpf")
kept("kernel", shock([], *command, trace="ebpf", options=KEEP), "ebpf")
for options, check in ([], dropped), (KEEP, kept):
    trace = Trace("--port", peer.port, options=options)
    run(command)
    check("trace", trace.stop(), "ebpf")
done()

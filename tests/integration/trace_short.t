#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""10,000 processes that live for a millisecond: each exchange is there, each life has its name and end, the kernel's maps are as before."""
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from tracing import Trace, maps_of, marked_pids, need_ebpf

need_ebpf()
N = int(os.environ.get("AFTERSHOCK_LIVES", 10000))
nginx = Nginx('keepalive_timeout 0; location / { return 204; }', workers=1)
brief = spawn([victim("brief"), nginx.port, N], {"AFTERSHOCK_SERVICE": "even"}, stdin=-1)
trace = Trace("--pid", brief.pid, "--pid", nginx.process.pid)


def kept():
    """What the tracer's maps hold: entries of each hash, marks of processes."""
    maps = maps_of(trace.process)
    return {name: len(m.entries()) for name, m in maps.items() if m.type == "hash"} | {"marks": len(marked_pids(trace.process))}


run(["curl", "-s", nginx.url("/warm")])    # nginx has the slot of a thread that calls from now on
before = kept()
brief.stdin.write(b"go\n")
brief.stdin.close()
is_(brief.wait(120), 0, "they_get_their_answers")
before["marks"] -= 1    # the parent
ok(wait_for(lambda: all(n <= before[name] for name, n in kept().items())), "no_map_has_more_entries_than_before", (before, kept()))
trace.stop()
logged = len(nginx.access()) - 1
nginx.stop()
is_(trace.rows("SELECT * FROM loss"), [], "nothing_is_lost")
for role, where in ("client", "service IN ('even', 'odd')"), ("server", "service = 'nginx'"):
    got = trace.rows("SELECT path, x.status, outcome FROM exchange x JOIN process p ON p.id = process_id WHERE role = ? AND path <> '/warm' AND " + where, role)
    is_({(x["status"], x["outcome"]) for x in got}, {(204, "ok")}, f"each_{role}_exchange_is_ok")
    ok(sorted(int(x["path"][1:]) for x in got) == list(range(N)) and logged == N, f"each_of_{N}_{role}_exchanges_is_there_once", len(got))
wrong = trace.rows("SELECT path, service, exit_status FROM exchange x JOIN process p ON p.id = process_id WHERE role = 'client' "
                   "AND (exit_status IS NOT substr(path, 2) % 100 OR service IS NOT CASE substr(path, 2) % 2 WHEN 1 THEN 'odd' ELSE 'even' END) LIMIT 5")
is_(wrong, [], "each_life_has_its_name_and_its_end")
is_(trace.one("SELECT count(*) FROM process WHERE parent_id = (SELECT id FROM process WHERE pid = ?)", brief.pid), N, "and_its_parent")
done()

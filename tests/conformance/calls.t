#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The table of calls, row by row: each is exported and nothing else is, each ends where libc's does and says the same of bad
arguments, leaves errno alone when it succeeds, and returns the errors that a fault asks for. victims/calls.c makes the calls."""
import glob
import os
import re
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

MANUAL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "cli", "aftershock-run.1")


def said(result):
    """What the victim printed: name -> its words."""
    return {line.split()[0]: line.split()[1:] for line in result.out.splitlines()}


def errors_of(call):
    """The errors that a plan may ask for at this call, as its refusal of a wrong one lists them."""
    refusal = aftershock("run", "--fault", f"to=* error={call}:EBADF", "--", "true").err
    return [word for word in refusal.replace(",", " ").split() if word.startswith("E") and word.isupper() and word != "EBADF"]


peer = HttpPeer()
rows = said(run([victim("calls"), "list"]))
exported = {line.split()[-1] for line in run(["nm", "-D", "--defined-only", LIB]).out.splitlines()}
is_(sorted(exported), sorted(rows), "what_the_library_exports_is_its_table_of_calls")
ok(len(rows) > 50, "the_table_has_its_rows", rows)

with open(MANUAL) as f:
    listed = f.read().split(".SH CALLS")[1].split(".SH")[0].split(".PP")[1]
is_(sorted(listed.split()), sorted(rows), "the_manual_lists_the_table_of_calls")

with open(MANUAL) as f:
    listed = f.read().split(".SH SANDBOXES")[1].split(".SH")[0].split(".PP")[1]
made = set()
for path in glob.glob(os.path.join(os.path.dirname(MANUAL), "..", "preload", "*.[ch]")):
    if os.path.basename(path) not in ("calls.h", "numbers.c", "real.c"):  # there the program's own calls are named
        with open(path) as f:
            made |= set(re.findall(r"\bSYS_(\w+)", f.read()))
is_(sorted(listed.split()), sorted(made), "the_manual_lists_the_system_calls_that_the_library_makes_for_itself")

for plan in ("to=* probability=0 status=503", "to=203.0.113.1:1 refuse=true"):
    world = "tracked" if "*" in plan else "untracked"
    got = said(shock(plan, victim("calls"), "refused"))
    for name in rows:
        is_(got.get(name, ["nothing"])[:2], ["in=libaftershock.so", "same=1"], f"{name}_says_of_bad_arguments_what_libc_says_when_{world}",
            got.get(name))
    r = shock(plan, victim("calls"), "done", peer.port)
    got = said(r)
    for name in rows:
        is_(got.get(name), ["good=1", "errno=kept"], f"{name}_succeeds_and_keeps_errno_when_{world}", r)

for call in ("connect", "send", "recv"):
    names = [name for name in rows if f"{call}=1" in rows[name]]
    errors = errors_of(call)
    ok(names and errors, f"there_are_rows_and_errors_of_{call}", (names, errors))
    for error in errors:
        r = shock(f"to=127.0.0.1:{peer.port} error={call}:{error}", victim("calls"), "faulted", call, peer.port)
        is_(said(r), {name: [error] for name in names}, f"every_call_of_{call}_can_be_made_to_say_{error}", r)
done()

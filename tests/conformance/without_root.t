#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A user who is not root: everything works, with the library as the only witness, and one line says so."""
import os
import shutil
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from peers import PAGE

if os.getuid() != 0:
    skip_all("only root can become another user")

NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
ENV = {"XDG_RUNTIME_DIR": None, "HOME": "/nonexistent"}

# the build may lie where nobody else can look
here = tmpdir()
tool = shutil.copy(BIN, here)
shutil.copy(LIB, here)


def as_nobody(faults, *command, trace="auto", options=()):
    db = os.path.join(tmpdir(0o777), "run.db")
    argv = shock_argv(faults, db, command, trace, options)
    return Run(db, run([*NOBODY, tool, *argv[1:]], env=ENV, cwd="/"))


peer = HttpPeer()
plain = as_nobody(f"to=127.0.0.1:{peer.port} status=503 first=1", "curl", "-s", "--retry", "2", "--retry-delay", "1", peer.url())
is_(plain.rc, 0, "a_run_without_root_succeeds", plain)
ok(plain.out.endswith(PAGE), "the_command_does_its_work", plain)
is_(plain.meta("sources"), '["shim"]', "the_library_alone_is_the_witness")
is_(len([line for line in plain.err.splitlines() if "eBPF" in line]), 1, "one_line_says_that_eBPF_is_not_available", plain)
is_(len(plain.err.splitlines()), 1, "and_it_is_the_only_line", plain)
is_([row["status"] for row in plain.rows("SELECT status FROM exchange ORDER BY started_ns")], [503, 200], "both_attempts_are_recorded")
is_(os.stat(plain.db).st_mode & 0o777, 0o600, "the_run_file_is_private")
report = run([*NOBODY, tool, "report", plain.db], env=ENV, cwd="/")
is_(report.rc, 0, "the_report_works_without_root", report)
is_(as_nobody((), "true", trace="shim").err, "", "who_asks_for_the_library_alone_is_told_nothing")

forced = as_nobody((), "true", trace="ebpf")
is_((forced.rc, forced.err.count("\n")), (2, 1), "asking_for_ebpf_without_the_right_is_refused_in_one_line", forced)
refused = run([*NOBODY, tool, "run", "-o", "/nonexistent/run.db", "--", "true"], env=ENV, cwd="/")
is_((refused.rc, refused.err.count("\n")), (2, 1), "what_is_refused_is_refused_in_one_line_and_not_a_word_of_ebpf", refused)
trace = run([*NOBODY, tool, "trace", "--pid", os.getpid(), "-o", os.path.join(tmpdir(0o777), "t.db")], env=ENV, cwd="/")
is_((trace.rc, trace.err.count("\n")), (2, 1), "trace_without_the_right_is_refused_in_one_line", trace)
doctor = run([*NOBODY, tool, "doctor"], env=ENV, cwd="/")
is_(doctor.rc, 0, "doctor_finds_that_a_run_can_work", doctor)
like(doctor.out, r"(?m)^eBPF +no +\w", "doctor_says_what_is_missing_for_eBPF")

stopped = os.path.join(tmpdir(0o777), "stopped.db")
process = spawn([*NOBODY, tool, *shock_argv((), stopped, ("sleep", "60"), "auto")[1:]], env=ENV, cwd="/", stderr=-1)
ok(wait_for(lambda: os.path.exists(stopped)), "a_run_without_root_opens_its_run_file")
child = wait_for(lambda: open(f"/proc/{process.pid}/task/{process.pid}/children").read().split())
is_(stop(process), 128 + 15, "and_ends_on_SIGTERM")
ok(child and not os.path.exists(f"/proc/{child[0]}"), "with_its_command")
done()

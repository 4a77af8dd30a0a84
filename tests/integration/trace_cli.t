#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`aftershock trace` as a command: what it refuses, how it ends, what it says without the right to trace."""
import ctypes
import os
import signal
import struct
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from tracing import Trace, need_ebpf

work = tmpdir(0o777)


def refused(name, *args, says, **kw):
    result = aftershock("trace", *args, timeout=20, **kw)
    good = result.rc == 2 and result.err.count("\n") == 1 and result.err.startswith("aftershock: ") and not result.out
    ok(good and says in result.err, name, f"want {says!r}\n{result}")


gone = spawn(["true"])
gone.wait()
refused("nothing_to_follow_is_refused", says="--pid, --comm, --port or --all")
refused("a_pid_that_is_no_number_is_refused", "--pid", "12x", says="'12x'")
refused("pid_0_is_refused", "--pid", "0", says="'0'")
refused("a_process_that_is_gone_is_refused", "--pid", gone.pid, says=f"--pid {gone.pid}")
refused("a_port_out_of_range_is_refused", "--port", "65536", says="'65536'")
refused("a_name_that_no_process_can_have_is_refused", "--comm", "a-name-of-16-char", says="'a-name-of-16-char'")
refused("a_duration_without_a_unit_is_refused", "--all", "--duration", "30", says="'30'")
refused("an_unknown_option_is_refused", "--everything", says="everything")
refused("an_operand_is_refused", "--all", "nginx", says="'nginx'")
help_text = aftershock("trace", "--help")
ok(help_text.rc == 0 and "--comm" in help_text.out and not help_text.err, "help_is_on_stdout", help_text)

need_ebpf()
refused("an_output_that_can_not_be_written_is_refused", "--all", "-o", "/nonexistent/x.db", says="/nonexistent/x.db")
with open(os.path.join(work, "mine"), "w") as f:
    f.write("not a run file\n")
refused("a_file_that_is_no_run_file_is_not_overwritten", "--all", "-o", os.path.join(work, "mine"), says="mine")

short = aftershock("trace", "--comm", "no-such-name", "--duration", "300ms", cwd=work)
is_(short.rc, 0, "a_duration_ends_it", short)
ok(os.path.exists(os.path.join(work, "aftershock-trace-1.db")), "the_default_file_is_in_the_current_directory", os.listdir(work))
is_(os.stat(os.path.join(work, "aftershock-trace-1.db")).st_mode & 0o777, 0o600, "which_only_its_owner_can_read")

timed = Trace("--comm", "no-such-name", options=("--duration", "300ms"))
began = time.monotonic()
timed.process.wait(30)
ok(time.monotonic() - began >= 0.28, "a_duration_begins_when_recording_does_not_when_loading_does", time.monotonic() - began)

peer = HttpPeer()
trace = Trace("--all")
run(["curl", "-s", "-o", "/dev/null", peer.url("/all?secret=1")])
trace.stop(signal.SIGTERM)
is_(trace.rc, 0, "sigterm_ends_it_in_order", trace)
got = trace.exchanges("c.peer = ? OR c.local = ?", *[f"127.0.0.1:{peer.port}"] * 2)
is_(sorted((x["role"], x["path"]) for x in got), [("client", "/all"), ("server", "/all")], "all_means_both_ends_and_queries_are_not_kept", got)
is_(trace.one("SELECT count(*) FROM process WHERE pid = ?", trace.process.pid), 0, "it_never_traces_itself")
is_(trace.meta("sources"), '["ebpf"]', "the_kernel_is_the_only_source")
is_(trace.meta("clean_end"), 1, "the_file_was_closed")

killed = Trace("--all")
is_(os.sched_getscheduler(killed.process.pid), os.SCHED_BATCH, "it_waits_for_its_turn")
attributes = ctypes.create_string_buffer(48)  # struct sched_attr
asked = ctypes.CDLL(None).syscall({"x86_64": 315, "aarch64": 275}[os.uname().machine], killed.process.pid, attributes, 48, 0)
slice_ns = struct.unpack("IIQiIQQQ", attributes.raw)[5]
if asked == 0 and slice_ns:  # told since 6.12
    is_(slice_ns, 10000000, "and_makes_way_in_it_for_who_has_a_shorter_one")
else:
    skip("this kernel knows no slices of one's own", 1)
run(["curl", "-s", "-o", "/dev/null", peer.url("/killed")])
wait_for(lambda: killed.one("SELECT count(*) FROM exchange WHERE path = '/killed'"), 10)
killed.stop(signal.SIGKILL)
ok(killed.one("SELECT count(*) FROM exchange WHERE path = '/killed'") == 2 and killed.meta("clean_end") is None,
   "a_killed_trace_leaves_a_file_with_what_it_had_and_no_clean_end")

plain = run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", BIN, "trace", "--all", "-o", os.path.join(work, "plain.db")])
ok(plain.rc == 2 and plain.err.count("\n") == 1 and "CAP_BPF" in plain.err, "without_the_right_one_sentence_says_what_is_missing", plain)
ok(not os.path.exists(os.path.join(work, "plain.db")), "and_no_file_is_made")
done()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The command line itself: help on stdout, misuse in one sentence on stderr, versions, colours."""
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

COMMANDS = ("run", "trace", "watch", "report", "compare", "plan", "doctor")

bare = aftershock()
is_((bare.rc, bare.err.count("\n")), (2, 1), "no_command_is_refused_in_one_line", bare)
top = aftershock("--help")
is_((top.rc, top.err), (0, ""), "help_goes_to_stdout_and_is_no_error", top)
for command in COMMANDS:
    like(top.out, rf"(?m)^ +{command} ", f"help_lists_{command}")
    shown = aftershock(command, "--help")
    is_((shown.rc, shown.err), (0, ""), f"{command}_help_goes_to_stdout_and_is_no_error", shown)
    like(shown.out, r"(?s)Usage: aftershock.*Example", f"{command}_help_has_usage_and_examples")
    ok(all(len(line) <= 130 for line in shown.out.splitlines()), f"{command}_help_fits_a_terminal")
    wrong = aftershock(command, "--no-such-option")
    is_((wrong.rc, wrong.err.count("\n"), wrong.out), (2, 1, ""), f"{command}_refuses_an_unknown_option_in_one_line", wrong)
    ok("--no-such-option" in wrong.err, f"{command}_names_the_unknown_option", wrong)
like(aftershock("--version").out, r"^aftershock \d+\.\d+\.\d+\n$", "version_is_one_line")
unknown = aftershock("rum")
is_((unknown.rc, unknown.err.count("\n")), (2, 1), "an_unknown_command_is_refused_in_one_line", unknown)
ok("rum" in unknown.err, "and_named")
keys = aftershock("plan", "keys")
is_(keys.rc, 0, "plan_keys_prints_the_table", keys)
for key in ("name to at process method path header probability every after first max pattern from for delay delay_on status retry_after "
            "reply_header body refuse hang reset error truncate throttle resolve").split():
    like(keys.out, rf"(?m)^\W*{key}\b", f"plan_keys_has_{key}")

# the status of the command, whatever it is
for code in (0, 1, 7, 42, 255):
    is_(shock((), "sh", "-c", f"exit {code}").rc, code, f"exit_status_{code}_is_passed_on")
is_(shock((), "sh", "-c", "kill -TERM $$").rc, 143, "death_by_SIGTERM_is_143")
is_(shock((), "sh", "-c", "kill -SEGV $$").rc, 139, "death_by_SIGSEGV_is_139")
shown = shock((), "sh", "-c", "echo out; echo err >&2; cat", input="in\n")
is_((shown.out, "err" in shown.err), ("out\nin\n", True), "the_command_keeps_its_standard_streams", shown)
arguments = shock((), PYTHON, "-c", "import sys; print(sys.argv[1:])", "--fault", "", "a b", "--", "-o")
is_(arguments.out, "['--fault', '', 'a b', '--', '-o']\n", "the_command_gets_its_arguments_as_they_are", arguments)
kept = shock((), "sh", "-c", "echo $LD_PRELOAD", env={"LD_PRELOAD": "libm.so.6", "ASAN_OPTIONS": "verify_asan_link_order=0"})
ok("libm.so.6" in kept.out and "libaftershock.so" in kept.out, "an_LD_PRELOAD_that_was_set_is_kept", kept)
full = run(["sh", "-c", f"'{BIN}' --help > /dev/full"])
is_(full.rc, 2, "output_that_can_not_be_written_is_an_error", full)
done()

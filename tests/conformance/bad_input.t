#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Bad input: one sentence on stderr that names key and value, exit 2, and nothing was started."""
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

work = tmpdir()
MARKER, OUT = os.path.join(work, "started"), os.path.join(work, "out.db")


def file(name, content):
    path = os.path.join(work, name)
    with open(path, "wb") as f:
        f.write(content if isinstance(content, bytes) else content.encode())
    return path


def refused(name, result, *named):
    is_(result.rc, 2, f"{name}_exits_2", result)
    is_(result.err.count("\n"), 1, f"{name}_is_answered_by_one_line", result)
    is_(result.out, "", f"{name}_prints_nothing_on_stdout", result)
    for text in named:
        ok(text in result.err, f"{name}_names {text!r}", result)
    ok(not os.path.exists(MARKER), f"{name}_starts_nothing")


def refused_run(name, arguments, *named):
    refused(name, aftershock("run", "-o", OUT, *arguments, "--", "touch", MARKER), *named)
    ok(not os.path.exists(OUT), f"{name}_makes_no_run_file")


# spec, what the sentence must name
SPECS = (
    ("to=127.0.0.1:80 colour=red", "colour"),
    ("to=127.0.0.1:80 stauts=503", "stauts", "status"),
    ("to=127.0.0.1:80 status=503 probability=1.5", "probability", "1.5"),
    ("to=127.0.0.1:80 status=503 probability=-0.1", "probability", "-0.1"),
    ("to=127.0.0.1:80 status=503 probability=nan", "probability", "nan"),
    ("to=127.0.0.1:80 delay=-1s", "delay", "-1s"),
    ("to=127.0.0.1:80 delay=600", "delay", "600"),
    ("to=127.0.0.1:80 delay=fast", "delay", "fast"),
    ("to=127.0.0.1:80 delay=300ms..100ms", "delay", "300ms..100ms"),
    ("to=127.0.0.1:80 status=42", "status", "42"),
    ("to=127.0.0.1:80 status=abc", "status", "abc"),
    ("to=127.0.0.1:80 status=4290", "status", "4290"),
    ("to=127.0.0.1:80 at=:81 status=503", "to", "at"),
    ("status=503", "to", "at"),
    ("to=127.0.0.1:80", "action"),
    ("to=127.0.0.1:99999 status=503", "to", "99999"),
    ("to=127.0.0.1:http status=503", "to", "http"),
    ("to=300.1.1.1:80 status=503", "to", "300.1.1.1"),
    ("to= status=503", "to"),
    ("to=127.0.0.1:80 status=", "status"),
    ("to=127.0.0.1:80 status=503 status=504", "status"),
    ("to=127.0.0.1:80 status=503 refuse=true", "status", "refuse"),
    ("to=127.0.0.1:80 refuse=maybe", "refuse", "maybe"),
    ("to=127.0.0.1:80 error=recv:EFOO", "error", "EFOO"),
    ("to=127.0.0.1:80 error=recv:ENOENT", "error", "ENOENT"),
    ("to=127.0.0.1:80 error=read:EIO", "error", "read"),
    ("to=127.0.0.1:80 hang=never", "hang", "never"),
    ("to=127.0.0.1:80 status=503 first=0", "first", "0"),
    ("to=127.0.0.1:80 status=503 every=0", "every", "0"),
    ("to=127.0.0.1:80 status=503 max=-1", "max", "-1"),
    ("to=127.0.0.1:80 status=503 pattern=xyz", "pattern", "xyz"),
    ("to=127.0.0.1:80 status=503 for=10", "for", "10"),
    ("to=127.0.0.1:80 delay=1s retry_after=2s", "retry_after"),
    ("to=127.0.0.1:80 status=429 retry_after=1500ms", "retry_after", "1500ms"),
    ("to=127.0.0.1:80 status=429 reply_header=nocolon", "reply_header", "nocolon"),
    ("to=127.0.0.1:80 status=503 body='open", "body"),
    ("to=127.0.0.1:80 status", "status"),
    ("to=http://127.0.0.1:80 status=503", "to", "http://127.0.0.1:80", "URL"),
    ("to=127.0.0.1:80 delay=1ms..1001h", "delay", "1001h", "at most 1000h"),
    ("to=127.0.0.1:80 status=503 for=2000h", "for", "2000h", "at most 1000h"),
    ("to=127.0.0.1:80 status=503 every=9007199254740993", "every", "whole number of at most 9007199254740992"),
    ("to=127.0.0.1:80 throttle=99999999999g", "throttle", "99999999999g", "less than 8589934592g"),
    ("", "to", "at"),
)
for spec, *named in SPECS:
    refused_run(f"fault '{spec}'", ["--fault", spec], *named)

GOOD = '{"to": "127.0.0.1:80", "status": 503}'
PLANS = (
    ("broken.json", '{"faults": [\n  {"to": "127.0.0.1:80",\n   "status": 503,}\n]}', "broken.json", "3"),
    ("cut.json", '{"faults": [{"to": "127', "cut.json", "1"),
    ("empty.json", "", "empty.json"),
    ("binary.json", bytes(range(256)), "binary.json"),
    ("list.json", "[]", "list.json"),
    ("number.json", "7", "number.json"),
    ("unknown_top.json", f'{{"sed": 1, "faults": [{GOOD}]}}', "sed"),
    ("no_faults.json", '{"seed": 1}', "faults"),
    ("faults_object.json", '{"faults": {}}', "faults"),
    ("fault_text.json", '{"faults": ["to=127.0.0.1:80"]}', "fault"),
    ("unknown_key.json", '{"faults": [{"to": "127.0.0.1:80", "sattus": 503}]}', "sattus"),
    ("wrong_type.json", '{"faults": [{"to": "127.0.0.1:80", "status": [503]}]}', "status"),
    ("share.json", '{"faults": [{"to": "127.0.0.1:80", "status": 503, "probability": 1.5}]}', "probability", "1.5"),
    ("unit.json", '{"faults": [{"to": "127.0.0.1:80", "delay": 600}]}', "delay", "600"),
    ("twice.json", '{"faults": [{"to": "127.0.0.1:80", "status": 503, "status": 504}]}', "status"),
    ("seed.json", f'{{"seed": -1, "faults": [{GOOD}]}}', "seed"),
    ("names.json", '{"faults": [{"name": "a", "to": ":1", "status": 503}, {"name": "a", "to": ":2", "status": 503}]}', "a"),
    ("injection.json", '{"faults": [{"to": ":1", "status": 503, "reply_header": "A: b\\r\\nC: d"}]}', "reply_header"),
)
for name, content, *named in PLANS:
    path = file(name, content)
    refused_run(f"plan {name}", ["--plan", path], *named)
    refused(f"plan check {name}", aftershock("plan", "check", path), *named)
refused_run("a missing plan", ["--plan", os.path.join(work, "missing.json")], "missing.json")
refused_run("a directory as a plan", ["--plan", work], work)
refused_run("a plan without a name", ["--plan", ""], "plan", "empty")
with_plan = file("good.json", f'{{"faults": [{GOOD}]}}')
is_(aftershock("plan", "check", with_plan).rc, 0, "a_good_plan_is_fine")
pipe = os.path.join(work, "pipe")
os.mkfifo(pipe)
refused("a pipe to which nobody writes", aftershock("plan", "check", pipe, timeout=30), pipe, "empty")
late = run(["sh", "-c", f"(exec 3> {pipe}; sleep 2.5; cat {with_plan} >&3) & {BIN} plan check {pipe}"])
is_((late.rc, late.out), (0, "plan ok: 1 fault\n"), "a_pipe_whose_writer_takes_its_time_is_read", late)

# options of run
text = file("text.txt", "this is not a run file\n")
for name, arguments, *named in (
        ("an unknown option", ["--colour"], "--colour"),
        ("a seed that is no number", ["--seed", "x"], "seed", "x"),
        ("a negative seed", ["--seed", "-1"], "seed", "-1"),
        ("an unknown witness", ["--trace", "xray"], "trace", "xray"),
        ("a name with a slash", ["--name", "a/b"], "a/b")):
    refused(name, aftershock("run", "-o", OUT, *arguments, "--", "touch", MARKER), *named)
refused("a fault option without a value", aftershock("run", "-o", OUT, "--fault"), "fault")
for name, path in (("a directory as the run file", work), ("a run file in a missing directory", os.path.join(work, "no", "run.db")),
                   ("a run file in a file", os.path.join(text, "run.db")), ("a run file over another file", text)):
    refused(name, aftershock("run", "-o", path, "--", "touch", MARKER), path)
is_(open(text).read(), "this is not a run file\n", "another_file_is_left_as_it_was")
refused("no command", aftershock("run", "-o", OUT), "command")
refused("a missing library", aftershock("run", "-o", OUT, "--", "touch", MARKER, env={"AFTERSHOCK_LIB": "/nonexistent.so"}), "/nonexistent.so")
missing = aftershock("run", "-o", OUT, "--", "no-such-command-anywhere")
ok(missing.rc in (2, 127) and missing.err.count("\n") == 1 and "no-such-command-anywhere" in missing.err, "a_command_that_is_not_there_is_named", missing)

# run files that are none
cut = os.path.join(work, "cut.db")
shock((), "true", db=cut)
with open(cut, "r+b") as f:
    f.truncate(150)
empty_database = os.path.join(work, "other.db")
run([PYTHON, "-c", "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('create table t(x)')", empty_database])
for name, path in (("a text file", text), ("an empty file", file("empty.db", "")), ("a directory", work), ("a missing file", os.path.join(work, "none.db")),
                   ("a cut run file", cut), ("another database", empty_database), ("a device", "/dev/null")):
    refused(f"report of {name}", aftershock("report", path), path)
    refused(f"report in JSON of {name}", aftershock("report", path, "--format", "json"), path)
    refused(f"compare with {name}", aftershock("compare", "--base", path, "--new", path), path)
good = shock((), "true")
refused("an unknown format", aftershock("report", good.db, "--format", "xml"), "xml")
refused("an slo that is no share", aftershock("report", good.db, "--slo", "120%"), "slo", "120%")
refused("an unwritable report", aftershock("report", good.db, "-o", os.path.join(work, "no", "r.txt")), os.path.join(work, "no", "r.txt"))
refused("a report of nothing", aftershock("report"))
refused("a comparison of nothing", aftershock("compare"))
refused("a gate on an unknown metric", aftershock("compare", "--base", good.db, "--new", good.db, "--gate", "beauty<=1"), "beauty")
done()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The real-clients demo in its short mode: what the reports say of each client against what it is known to do; and that nothing of it is left
running, at its end, on Ctrl-C and when a client fails."""
import json
import os
import re
import signal
import subprocess
import sys
sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), d) for d in ("../lib", "../schema")]
from tap import *  # noqa: E402,F403
import validate  # noqa: E402

DEMO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "demos", "real-clients", "run.py")
LIBRARIES = os.path.join(BUILD, "real_client_libraries")

# What each client does in the short mode: attempts, then the backoff (None: it has no retry, or the server chose the wait) and its figures.
RETRIES = {
    "curl": (4, "exponential", {"base_ms": 1000, "multiplier": 2}),
    "curl-two": (3, ("exponential", "linear"), {}),
    "curl-delay": (4, "fixed", {"base_ms": 1000}),
    "curl-asked": (3, None, {}),
    "curl-refused": (1, None, {}),
    "wget": (5, "linear", {"base_ms": 1000, "step_ms": 1000}),
    "urllib3": (6, "exponential", {"base_ms": 200, "multiplier": 2}),
    "undici": (6, "exponential", {"base_ms": 500, "multiplier": 2}),
    "undici-refused": (6, "exponential", {"base_ms": 100, "multiplier": 2}),
    "nginx-refused": (4, "none", {}),
    "nginx-503": (3, "none", {}),
    "nginx-post": (1, None, {}),
    "haproxy-refused": (4, "fixed", {"base_ms": 100}),
    "haproxy-503": (4, "none", {}),
    "haproxy-reset": (1, None, {}),
}
BREAKERS = {"opossum": 1, "opossum-volume": 10}  # failures that open it; for 1.5 s
OF_NPM = {"undici", "undici-refused", *BREAKERS}
ALL = {*RETRIES, *BREAKERS, "nginx-others"}
VERDICTS = {**{name: "same" for name in ALL}, "curl-two": "ambiguous", "opossum": "ambiguous", "haproxy-503": "differs"}


def short(out, *more):
    return [DEMO, "--build", BUILD, "--out", out, "--libraries", os.path.relpath(LIBRARIES), "--short", *more]


def edges(name):
    with open(os.path.join(where.get(name, out), name, "report.json"), encoding="utf-8") as f:
        report = json.load(f)
    is_(validate.problems(report, validate.load("report")), [], f"{name}: the report meets its schema")
    return report, [e for e in report["edges"] if str(e["server"]).endswith(f":{rows[name]['port']}")]


def steady(name):
    """Whether the waits of a client without jitter agree as analysis asks of it: to 15 ms or 4 %. On a busy machine its timers are late."""
    with open(os.path.join(where.get(name, out), name, "report.json"), encoding="utf-8") as f:
        gaps = [gap for e in json.load(f)["edges"] if e["retry"] for gap in e["retry"]["gaps_ms"]]
    return all(high - low <= max(15, 0.04 * median) for _, low, median, high, _ in gaps)


def again_until_steady(name):
    """A client that others got in the way of runs again, alone."""
    for _ in range(2):
        if steady(name):
            return
        diag(f"{name}: its waits vary by more than it can make them: once more, alone")
        where[name] = tmpdir()
        run(short(where[name], "--only", name), timeout=90)
        with open(os.path.join(where[name], "table.json"), encoding="utf-8") as f:
            rows[name] = json.load(f)["rows"][0]


def check_retries(name):
    attempts, law, figures = RETRIES[name]
    again_until_steady(name)
    report, to_server = edges(name)
    is_(len(to_server), 1, f"{name}: one edge", to_server)
    retry = (to_server[0]["retry"] if to_server else None) or {}
    # of the many processes of a command-line client the shim does not tell how each ended: then the number is left open, not guessed
    counted = "ebpf" in report["run"]["sources"] or name.split("-")[0] not in ("curl", "wget")
    is_(retry.get("max_attempts"), attempts if counted else None, f"{name}: {attempts} attempts", retry)
    if isinstance(law, tuple):
        is_((retry.get("backoff"), sorted(retry.get("candidates", []))), ("ambiguous", sorted(law)), f"{name}: {' or '.join(law)}", retry)
        is_(retry.get("confidence"), "low", f"{name}: with low confidence", retry)
    elif law:
        is_(retry.get("backoff"), law, f"{name}: the backoff is {law}", retry)
        for key, value in figures.items():
            near(retry.get(key), value, value / 10, f"{name}: {key} is {value}", retry)
        is_(retry.get("skip_first"), name == "urllib3", f"{name}: whether the first retry is at once", retry)
    else:
        ok(retry.get("backoff") in ("unknown", "none") and retry.get("confidence") != "high", f"{name}: no law is named", retry)


def check_breaker(name):
    _, to_server = edges(name)
    breaker = (to_server[0]["breaker"] if len(to_server) == 1 else None) or {}
    ok(breaker.get("opens", 0) >= 1 and not breaker["absent"], f"{name}: a breaker opened", breaker)
    if breaker:
        ok(breaker["threshold"]["low"] <= BREAKERS[name] <= breaker["threshold"]["high"], f"{name}: after {BREAKERS[name]} failures", breaker)
        ok(breaker["open_ms"]["low"] <= 1530 and 1495 <= breaker["open_ms"]["high"] <= 1750, f"{name}: for 1.5 s", breaker)
        ok(breaker["confidence"] != "high", f"{name}: a program that serves nobody is no sure proof", breaker)


def field(pid, index):
    """A field of /proc/PID/stat behind the name; None when the process is gone or only waits to be collected."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            fields = f.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[index]


def groups_of(out):
    """Process groups that the demo started: the leader of each is `aftershock run`, with the directory of the demo in its command line."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                words = f.read()
        except OSError:
            continue
        if os.fsencode(out) + b"/" in words and field(pid, 2) == pid:
            found.add(pid)
    return found


def members(groups):
    return [pid for pid in filter(str.isdigit, os.listdir("/proc")) if field(pid, 2) in groups]


# ---- the whole gallery ----
out = tmpdir()
# Debian's users have no sbin in their PATH, where nginx and HAProxy are.
demo = run(short(out), timeout=150, env={"PATH": ":".join(p for p in os.environ["PATH"].split(":") if not p.endswith("sbin"))})
is_(demo.rc, 0, "the_short_demo_ends_well", demo)
within(demo.seconds, 0, 45 + (60 if not os.path.isdir(LIBRARIES) else 0), "in_45_seconds")
with open(os.path.join(out, "table.json"), encoding="utf-8") as f:
    kept = json.load(f)
where = {}  # of a client that ran again: its directory
rows, left_out = {row["name"]: row for row in kept["rows"]}, kept["left_out"]
is_(set(rows) | set(left_out), ALL, "each_client_has_a_row_or_a_reason", kept)
ok(set(left_out) <= OF_NPM, "only_the_libraries_of_npm_may_be_left_out", left_out)
with open(os.path.join(out, "table.txt"), encoding="utf-8") as f:
    ok(f.read() in demo.out, "the_table_is_printed_and_kept")
steps = re.findall(r"^\[\d+/\d+\] .*\((?:about \d+ s left|longer than expected)\)$", demo.err, re.M)
is_(len(steps), len(rows) + 1, "progress_is_on_stderr", demo.err)
ok(f"are in {out}/NAME" in demo.out, "it_names_the_directory")
is_(groups_of(out), set(), "nothing_is_left_running")
for name in sorted(rows):
    ok(all(os.path.getsize(os.path.join(out, name, f)) > 0 for f in ("run.db", "report.html", "report.json")), f"{name}: run file and reports are kept")
    if name in RETRIES:
        check_retries(name)
    elif name in BREAKERS:
        check_breaker(name)
for name in sorted(left_out):
    skip(f"{name}: {left_out[name]}", 1)
asked = edges("curl-asked")[1][0]["retry"]
is_(asked["retry_after"], "honoured", "curl-asked: Retry-After is kept", asked)
others = edges("nginx-others")[0]["destinations"]
is_(len(others), 1, "nginx-others: its four servers are one destination", others)
is_([others[0]["retry"][key] for key in ("max_attempts", "backoff")] if others else None, [4, "none"], "nginx-others: 4 attempts, without a wait", others)
if not os.geteuid():
    verdicts = {name: row["verdict"] for name, row in rows.items()}
    is_(verdicts, {name: VERDICTS[name] for name in rows}, "the_verdicts_of_the_table", kept)

# ---- Ctrl-C ----
interrupted = tmpdir()
child = spawn(short(interrupted), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
ok(wait_for(lambda: len(groups_of(interrupted)) >= 8, 30), "the_clients_run")
ok(wait_for(lambda: len(members(groups_of(interrupted))) > len(groups_of(interrupted)), 10), "with_what_they_started")
groups = groups_of(interrupted)
child.send_signal(signal.SIGINT)
_, words = child.communicate(timeout=60)
is_(child.returncode, 130, "an_interrupted_demo_is_status_130", words)
is_((members(groups), groups_of(interrupted)), ([], set()), "and_leaves_nothing_running")
ok("Traceback" not in words, "and_no_stack_trace", words)

# ---- a client that fails ----
failing, programs = tmpdir(), tmpdir()
with open(os.path.join(programs, "haproxy"), "w", encoding="utf-8") as f:
    f.write("#!/bin/sh\nsleep 1\necho 'no such backend'\nexit 1\n")
os.chmod(os.path.join(programs, "haproxy"), 0o755)
child = spawn(short(failing, "--only", "wget", "--only", "nginx-503", "--only", "haproxy-503"), env={"PATH": f"{programs}:{os.environ['PATH']}"},
              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
ok(wait_for(lambda: len(groups_of(failing)) == 3, 20), "the_others_run_meanwhile")
groups = groups_of(failing)
_, words = child.communicate(timeout=60)
is_(child.returncode, 1, "a_client_that_fails_is_status_1", words)
ok("real-clients: haproxy-503 did not begin to listen" in words, "and_is_named", words)
is_((members(groups), groups_of(failing)), ([], set()), "and_the_others_are_ended")

with open(os.path.join(programs, "wget"), "w", encoding="utf-8") as f:
    f.write("#!/bin/sh\necho 'no such page'\nexit 1\n")
os.chmod(os.path.join(programs, "wget"), 0o755)
out = tmpdir()
absent = run(short(out, "--only", "wget"), env={"PATH": f"{programs}:{os.environ['PATH']}"})
ok(absent.rc == 1 and "wget never asked the server: no fault fired; what it said is in " in absent.err, "a_client_that_never_asks_is_no_row", absent)
with open(os.path.join(out, "wget", "output.log"), encoding="utf-8") as f:
    ok("no such page" in f.read(), "and_what_it_said_is_kept")

unknown = run(short(tmpdir(), "--only", "lynx"))
ok(unknown.rc == 1 and "no client is called lynx" in unknown.err, "an_unknown_client_is_said", unknown)
done()

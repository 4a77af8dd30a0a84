#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The pattern-catalogue demo in its short mode: what the reports of its run files say against what was configured and what the
services counted; Ctrl-C in the middle of the sagas."""
import glob
import json
import os
import re
import signal
import subprocess
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
DEMO = os.path.join(ROOT, "demos", "pattern-catalogue", "run.py")
STEPS = ("orders", "payments", "inventory", "shipping")
KINDS = {"refused": 1, "out": 2, "lost": 2, "late": 2}  # tries of an action that fails so
PER_FAULT = 6
temporary = os.environ["TMPDIR"] = tmpdir()  # where PostgreSQL keeps its things: databases of others are none of ours
os.chmod(temporary, 0o755)


def counted(service, sample):
    """What a service counted, from the copy of its /metrics page that the demo leaves; several samples are added."""
    with open(os.path.join(out, f"{service}.metrics"), encoding="utf-8") as f:
        return sum(int(n) for n in re.findall("^" + sample + r" (\d+)$", f.read(), re.M))


def only(rows):
    rows = list(rows)
    return rows[0] if len(rows) == 1 else {}


def edge(name, client, server):
    return only(e for e in report[name]["edges"] if (e["client"], e["server"]) == (client, server))


out = tmpdir()
demo = run([DEMO, "--build", BUILD, "--out", out, "--short"], timeout=180)
is_(demo.rc, 0, "the_short_demo_shows_what_it_must", demo)
within(demo.seconds, 0, 60, "in_less_than_a_minute")
is_(len(re.findall(r"^\[\d+/17\] .*\((?:about \d+ s left|longer than expected)\)$", demo.err, re.M)), 17, "progress_is_on_stderr", demo.err)
ok(f"reports, run files and table: {out}" in demo.out, "it_names_the_directory")
RUNS = ("waits", "isolation", "sagas", "history")
is_(sorted(f for f in os.listdir(out) if f.endswith((".html", ".db", ".txt"))),
    sorted([*(f"{name}.{suffix}" for name in RUNS for suffix in ("db", "html")), "table.txt"]), "and_leaves_reports_run_files_and_table_there")
is_(processes_naming(out) + processes_naming(temporary), [], "nothing_is_left_running")
is_(glob.glob(f"{temporary}/demo-store-*"), [], "and_no_database")
report = {name: json.loads(run([os.path.join(BUILD, "aftershock"), "report", os.path.join(out, f"{name}.db"), "--format", "json"]).out)
          for name in RUNS}
fired = {fault["name"]: fault["fired"] for name in RUNS for fault in report[name]["faults"]}

retry = {jitter: edge("waits", f"client-{jitter}", "backend")["retry"] for jitter in ("full", "decorrelated")}
is_(retry["decorrelated"]["backoff"], "decorrelated", "decorrelated_jitter_is_inferred", retry["decorrelated"])
ok(retry["full"]["backoff"] == "exponential" and "full" in retry["full"]["jitter"]["names"] or retry["full"]["confidence"] == "low",
   "full_jitter_is_inferred_unless_the_machine_is_too_busy_to_tell", retry["full"])
for jitter in retry:
    is_(edge("waits", f"client-{jitter}", "backend")["attempts"], counted(f"client-{jitter}", r"peer_attempts_total\{.*\}"),
        f"{jitter}: attempts are those that the client made")
    is_(retry[jitter]["max_attempts"], 5, f"{jitter}: and five at most")
inversion = only(f for f in report["waits"]["findings"] if f["code"] == "timeout-inversion")
ok("gateway-inverted" in inversion.get("where", ""), "the_inverted_timeouts_are_a_finding_and_no_others_are", report["waits"]["findings"])
within(inversion.get("evidence", {}).get("timeout_caller_ms"), 240, 300, "with_the_timeout_of_who_asks", inversion)
within(inversion.get("evidence", {}).get("timeout_callee_ms"), 590, 660, "and_of_who_is_asked", inversion)

api = only(s for s in report["isolation"]["services"] if s["name"] == "api")
limited = counted("api", r'http_requests_limited_total\{.*\}')
ok(limited > 100, "a_tenant_that_floods_is_limited")
is_(api["failed"], limited, "and_nobody_else_is_refused", api)
within(api["shedding"]["shed"], 0.9 * limited, limited, "which_is_shedding", api)
page = only(s for s in report["isolation"]["services"] if s["name"] == "page")
is_(page["degraded"], counted("page", r'http_requests_degraded_total\{.*\}'), "answers_from_the_cache_are_degraded_in_the_report", page)
is_(page["degraded"] + 1, fired["out"], "one_for_each_call_that_failed_but_for_the_page_that_was_never_seen", page)
is_(page["failed"], 1, "which_fails", page)

for step in STEPS:
    for kind, tries in KINDS.items():
        is_(fired[f"{step}-{kind}"], PER_FAULT * tries, f"sagas: each try of {step} meets the fault when it is {kind}")
    timeouts = edge("sagas", "checkout", step)["timeout"]["modes"]
    ok(len(timeouts) == 1 and 245 <= timeouts[0]["ms"] <= 300, f"sagas: the timeout of {step} is inferred", timeouts)
ok(counted("checkout", r'sagas_resumed_total\{saga="checkout"\}') >= 4, "the_started_again_orchestrator_takes_sagas_up")
is_(counted("checkout", r'sagas_over_total\{saga="checkout",state="stuck"\}'), 0, "and_none_is_stuck")
is_(counted("checkout", r'sagas_begun_total\{saga="checkout"\}'), 0, "it_has_begun_none_itself")
ok(fired["lost"] > 0, "events: answers of the database were lost")
ok(counted("orders", r'projection_rebuilds_total\{projection="order_summary"\}') == 1, "events: the read model was rebuilt once")

interrupted = tmpdir()
child = spawn([DEMO, "--build", BUILD, "--out", interrupted, "--short"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
for line in child.stderr:
    if "sagas: payments" in line:
        break
ok(len(processes_naming(interrupted)) > 6, "the_demo_runs")
child.send_signal(signal.SIGINT)
_, words = child.communicate(timeout=60)
is_(child.returncode, 130, "an_interrupted_demo_is_status_130", words)
ok(wait_for(lambda: not processes_naming(interrupted) + processes_naming(temporary)), "and_leaves_nothing_running",
   processes_naming(interrupted) + processes_naming(temporary))
is_(glob.glob(f"{temporary}/demo-store-*"), [], "nor_a_database")
ok("Traceback" not in words, "and_no_stack_trace", words)
done()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The reliability-patterns demo in its short mode, as `make demo-reliability-patterns` runs it: what the reports of its run files say
against what was configured and what the services counted on their /metrics; Ctrl-C."""
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
DEMO = os.path.join(ROOT, "demos", "reliability-patterns", "run.py")
NAMES = ["baseline", "bulkhead", "breaker", "combined", "growth", "idempotency", "metrics", "rejects", "retry", "timeout"]
OPEN_MS = 2000  # in short mode; the document's are 30 s

if not shutil.which("prometheus"):
    skip_all("prometheus is not there")
out = tmpdir()
demo = run([DEMO, "--build", BUILD, "--out", out, "--short"], timeout=150, env={"TMPDIR": out})
is_(demo.rc, 0, "the_short_demo_shows_what_it_must", demo)
within(demo.seconds, 0, 90, "in_about_a_minute")
is_(len(re.findall(r"^\[\d+/10\] .*\((?:about \d+ s left|longer than expected)\)$", demo.err, re.M)), 10, "progress_is_on_stderr", demo.err)
ok(f"reports, run files and table: {out}" in demo.out, "it_names_the_directory")
is_(sorted(f for f in os.listdir(out) if f.endswith((".html", ".db", ".txt"))),
    sorted([f"report-{name}.html" for name in NAMES] + [f"{name}.db" for name in NAMES] + ["table.txt"]), "and_leaves_reports_run_files_and_table")
ok("for 2 s instead of 30" in demo.out, "it_says_what_is_shorter")
is_((processes_naming(out), glob.glob(os.path.join(out, "aftershock-prometheus-*"))), ([], []), "nothing_is_left_running_nor_lying_about")


def counted(name, service, sample):
    """What a service counted, from the copy of its /metrics page that the demo leaves; all samples of that name with these labels."""
    with open(os.path.join(out, f"{name}-{service}.metrics"), encoding="utf-8") as f:
        found = re.findall(r"^(\w+)(?:\{(.*)\})? (\d+)$", f.read(), re.M)
    metric, labels = re.fullmatch(r"(\w+)(?:\{(.*)\})?", sample).groups()
    wanted = set((labels or "").split(",")) - {""}
    return sum(int(value) for n, have, value in found if n == metric and wanted <= set(have.split(",")))


def only(found):
    found = list(found)
    return found[0] if len(found) == 1 else {}


report, edge = {}, {}
for n in NAMES:
    report[n] = json.loads(run([os.path.join(BUILD, "aftershock"), "report", os.path.join(out, f"{n}.db"), "--format", "json"]).out)
    edge[n] = only(e for e in report[n]["edges"] if (e["client"], e["server"]) == ("order-service", "payment-service"))
    attempts, late = counted(n, "order", 'peer_attempts_total{peer="payment"}'), counted(n, "order", 'peer_attempts_total{error="timeout"}')
    # Who begins with next to nothing left of the budget may give up before there is a connection.
    within(edge[n]["attempts"], attempts - (late if n in ("bulkhead", "rejects", "combined") else 0), attempts,
           f"{n}: attempts are those that the order service made")
    is_(edge[n]["attempts"] - edge[n]["logical"], counted(n, "order", 'retry_attempts_total{peer="payment"}'), f"{n}: and so are retries")
    is_(report[n]["data_quality"]["lost"], {}, f"{n}: no event was lost")

is_((edge["baseline"]["logical"], edge["baseline"]["outcomes"]["ok"]), (100, 100), "baseline: a hundred orders, all paid for")
is_([m["kind"] for m in edge["timeout"]["timeout"]["modes"]], ["response"], "timeout: one is inferred")
within(edge["timeout"]["timeout"]["modes"][0]["ms"], 495, 550, "timeout: of the configured 500 ms")
is_(edge["timeout"]["outcomes"]["indeterminate"], counted("timeout", "order", 'peer_attempts_total{error="timeout"}'),
    "timeout: as often as the service gave up")
# Orders that came in the moment before it opened, and asked it the moment after, are refused but not seen to be: ten are asked for at once.
refused = counted("timeout", "order", 'peer_refused_total{by="breaker"}')
within(edge["timeout"]["breaker"]["shed"], refused - 10, 95, "timeout: the rest is shed")
is_(edge["timeout"]["retry"]["retried"], {}, "timeout: which is not retried")
is_((edge["retry"]["retry"]["max_attempts"], edge["growth"]["retry"]["max_attempts"]), (3, 4), "retry, growth: attempts at most are the configured ones")
is_((edge["retry"]["retry"]["backoff"], edge["growth"]["retry"]["backoff"]), ("ambiguous", "exponential"), "retry, growth: two waits can not tell, three can")
for n in ("retry", "growth", "combined"):
    is_(sum(edge[n]["statuses"].get(s, 0) for s in ("429", "503")), counted(n, "order", 'peer_attempts_total{status="429"}') +
        counted(n, "order", 'peer_attempts_total{status="503"}'), f"{n}: failures are those that the service was answered")
b = edge["breaker"]["breaker"]
is_(b["opens"], counted("breaker", "order", 'breaker_transitions_total{peer="payment",to="open"}'), "breaker: it opened as often as it says itself")
# It counts orders: others, let in before it opened, still try again for up to 150 ms.
ok(b["open_ms"]["low"] <= OPEN_MS <= b["open_ms"]["high"] + 150 and b["open_ms"]["high"] <= 1.3 * OPEN_MS, "breaker: for the configured time", b)
ok(1 <= b["half_open_probes"] <= 3 and (b["half_open_probes"] == 3 or b["half_open_at_least"]), "breaker: with the configured probes", b)
ok(counted("breaker", "order", 'breaker_transitions_total{peer="payment",to="closed"}') >= 1, "breaker: and it closed")
i = edge["idempotency"]
is_((i["logical"], i["idempotency"]["keys"], counted("idempotency", "payment", 'http_requests_total{route="/charge"}')), (21, 21, 21),
    "idempotency: 46 orders of 21 keys are 21 payments")
is_(counted("idempotency", "order", 'idempotent_requests_total{verdict="other_payload"}'), 1, "idempotency: another order under a used key is none")
users = only(e for e in report["idempotency"]["edges"] if (e["client"], e["server"]) == ("external", "order-service"))["idempotency"]
is_((users["keys"], users["duplicates"], users["violations"]), (21, 25, 0), "idempotency: the report sees the repetitions and no order made twice")
is_((edge["rejects"]["bulkhead"] or {}).get("width"), 10, "rejects: the width of the bulkhead", edge["rejects"]["bulkhead"])
for n in ("bulkhead", "rejects"):
    crowd = edge[n]["by_window"]["fault"]
    is_((edge[n]["by_window"]["baseline"]["success"]["value"], edge[n]["logical"] - crowd["logical"]), (1, 40), f"{n}: orders went well before the crowd came")
    within(edge[n]["outcomes"]["ok"] - 40, 1, 20, f"{n}: one or two orders of each place go through")
with open(os.path.join(out, "table.txt"), encoding="utf-8") as f:
    table = f.read()
seen = re.findall(r"^  ([\w, ]+?) +([\d.]+)  report ([\d.]+) +\S", table, re.M)
ok(len(seen) == 5 and all(abs(float(a) - float(b)) < 1e-4 for _, a, b in seen), "metrics: Prometheus has what the report says", table)
is_(float(seen[0][1]), edge["metrics"]["logical"], "metrics: of this run")

interrupted = tmpdir()
child = spawn([DEMO, "--build", BUILD, "--out", interrupted, "--short"], env={"TMPDIR": interrupted}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
for line in child.stderr:
    if "[3/10]" in line:
        break
ok(wait_for(lambda: len(processes_naming(interrupted)) > 3), "the_demo_runs")
child.send_signal(signal.SIGINT)
_, words = child.communicate(timeout=60)
is_(child.returncode, 130, "an_interrupted_demo_is_status_130", words)
ok(wait_for(lambda: not processes_naming(interrupted)), "and_leaves_nothing_running", processes_naming(interrupted))
is_(glob.glob(os.path.join(interrupted, "aftershock-prometheus-*")), [], "and_no_directory_of_prometheus")
ok("Traceback" not in words, "and_no_stack_trace", words)
done()

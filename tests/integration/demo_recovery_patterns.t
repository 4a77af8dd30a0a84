#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The recovery-patterns demo in its short mode: a retry storm that stays without a breaker and ends with one, the full configuration under
errors, a service killed in the middle of it; what the reports say against what was configured and what the services counted; Ctrl-C."""
import json
import os
import re
import signal
import subprocess
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

DEMO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "demos", "recovery-patterns", "run.py")
STORM = ("A", "B", "D")
OPEN_MS = 5000  # the document's 30 s, divided by 6
UNSENT = 0.005  # of all attempts, at most: where the machine is busy, the time of one may be over before its request was sent


def counted(run, sample):
    """What orders counted, from the copy of the /metrics pages that the demo leaves."""
    with open(os.path.join(out, f"{run}.metrics"), encoding="utf-8") as f:
        page = re.search(r"^# service orders\n(.*?)(?=^# service |\Z)", f.read(), re.M | re.S).group(1)
    return sum(int(n) for n in re.findall("^" + re.escape(sample) + r'[^}\n]*\} (\d+)$', page, re.M))


def same(reported, own, name):
    ok(own * (1 - UNSENT) <= reported <= own, name, (reported, own))


def only(rows):
    rows = list(rows)
    return rows[0] if len(rows) == 1 else {}


out = tmpdir()
demo = run([DEMO, "--build", BUILD, "--out", out, "--short"], timeout=150)
is_(demo.rc, 0, "the_short_demo_shows_what_it_must", demo)
within(demo.seconds, 0, 75, "in_about_three_quarters_of_a_minute")
is_(len(re.findall(r"^\[\d/3\] .*\((?:about \d+ s left|longer than expected)\)$", demo.err, re.M)), 3, "progress_is_on_stderr", demo.err)
ok(f"report.html (B beside D in the storm), reports, run files and table: {out}" in demo.out, "it_names_the_directory")
is_(sorted(f for f in os.listdir(out) if f.endswith((".html", ".txt")) or re.search(r"(B|D|F)-1\.db$", f)),
    ["kill-F-1.db", "payment_errors-F-1.db", "report-payment_errors-F-1.html", *(f"report-retry_storm-{c}-1.html" for c in STORM), "report.html",
     "retry_storm-B-1.db", "retry_storm-D-1.db", "table.txt"], "and_leaves_reports_run_files_and_table_there")
ok("not for 30 s" in demo.out, "it_says_that_a_time_is_scaled")
is_(processes_naming(out), [], "nothing_is_left_running")

report, edge, stall = {}, {}, {}
runs = {c: f"retry_storm-{c}-1" for c in STORM} | {"F": "payment_errors-F-1"}
for c, name in runs.items():
    report[c] = json.loads(run([os.path.join(BUILD, "aftershock"), "report", os.path.join(out, f"{name}.db"), "--format", "json"]).out)
    edge[c] = only(e for e in report[c]["edges"] if (e["client"], e["server"]) == ("orders", "payments"))
    same(edge[c]["attempts"], counted(name, 'peer_attempts_total{peer="payments"'), f"{c}: the report and orders count the same attempts")
    same(edge[c]["attempts"] - edge[c]["logical"], counted(name, 'retry_attempts_total{peer="payments"'), f"{c}: and the same retries")
    is_((edge[c]["breaker"] or {"opens": 0})["opens"], counted(name, 'breaker_transitions_total{peer="payments",to="open"'),
        f"{c}: and openings of a breaker", edge[c]["breaker"])
for c in STORM:
    stall[c] = only(r for r in report[c]["recovery"] if r["fault"] == "stall")
    before = edge[c]["by_window"].get("baseline", {"logical": 0})
    ok(before["logical"] >= 40, f"{c}: there are errors when users come, not before", before)
    modes = sorted(edge[c]["timeout"]["modes"], key=lambda mode: -mode["n"])
    within(modes[0]["ms"], 395, 412, f"{c}: the timeout of an attempt is 400 ms", modes)

ok(edge["A"]["amplification"]["value"] == 1 and stall["A"]["label"] in ("recovered", "slow_recovery"), "A: who does not retry recovers", stall["A"])
is_((stall["B"]["label"], stall["B"]["censored"]), ("metastable_suspected", True), "B: naive retries stay bad by themselves", stall["B"])
found = edge["B"]["retry"]  # of a machine with more to do than it can, some are late
ok(found["max_attempts"] == 3 and (found["backoff"] == "none" or found["candidates"] == ["none"]), "B: three attempts without a wait", found)
ok(edge["B"]["amplification"]["value"] > 1.7, "B: which is more than twice the load, and 1.24 before", edge["B"]["amplification"])
ok("retry-storm" in [f["code"] for f in report["B"]["findings"]], "B: the finding is a retry storm", report["B"]["findings"])
ok(stall["D"]["label"] in ("recovered", "slow_recovery") and not stall["D"]["censored"], "D: with a breaker it recovers", stall["D"])
breaker = edge["D"]["breaker"]
ok(breaker["threshold"]["low"] <= 5 <= breaker["threshold"]["high"], "D: which opens after five failed calls", breaker)
ok(breaker["open_ms"]["low"] <= OPEN_MS <= 1.05 * breaker["open_ms"]["high"], "D: for the configured time", breaker)
is_((breaker["half_open_probes"], breaker["counts"]), (1, "requests"), "D: with one probe, and counts calls with all their attempts", breaker)
ok("exponential" in [edge["D"]["retry"]["backoff"], *edge["D"]["retry"]["candidates"]], "D: its backoff may be exponential", edge["D"]["retry"])
gateway = {c: only(s for s in report[c]["services"] if s["name"] == "gateway") for c in runs}
ok(gateway["D"]["success"]["low"] > gateway["B"]["success"]["high"], "D: serves more than B", (gateway["D"]["success"], gateway["B"]["success"]))

inside = gateway["F"]["by_window"]["fault"]
ok(inside["success"]["value"] > 0.96, "F: three attempts get nearly all orders through 20 % of errors", inside)
ok(any(e["idempotency"] and e["idempotency"]["keys"] for e in report["F"]["edges"]), "F: its keys are seen", edge["F"]["idempotency"])

asked = re.search(r"^payments killed in the middle of configuration F: (\d+) orders asked for", demo.out, re.M)
answers = re.findall(r"^  (SELECT .*)\n    => (\d+)(.*)$", demo.out, re.M)
ok(asked and len(answers) >= 8 and not any(more for _, _, more in answers), "the databases say that no order is lost and none charged twice", demo.out)
ok(asked and ("SELECT count(*) FROM charges", asked.group(1), "") in answers, "as many charges as orders", answers)

interrupted = tmpdir()
child = spawn([DEMO, "--build", BUILD, "--out", interrupted, "--short"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
ok(wait_for(lambda: len(processes_naming(interrupted)) > 6, 30), "the_demo_runs")
child.send_signal(signal.SIGINT)
_, words = child.communicate(timeout=60)
is_(child.returncode, 130, "an_interrupted_demo_is_status_130", words)
ok(wait_for(lambda: not processes_naming(interrupted)), "and_leaves_nothing_running", processes_naming(interrupted))
ok("Traceback" not in words, "and_no_stack_trace", words)
done()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The cascading-failure demo in its short mode, as `make demo-cascading-failure` runs it: what the reports of its run files say
against what was configured and what the gateways counted; Ctrl-C; the list of demos."""
import json
import os
import re
import signal
import subprocess
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
DEMO = os.path.join(ROOT, "demos", "cascading-failure", "run.py")
TIMEOUT_MS = {"v1": 6000, "v2": 1000}  # the document's 30 and 5 s, divided by 5
OPEN_MS = 1000


def counted(version, sample):
    """What the gateway counted, from the copy of its /metrics page that the demo leaves."""
    with open(os.path.join(out, f"{version}.metrics"), encoding="utf-8") as f:
        found = re.search("^" + re.escape(sample) + r" (\d+)$", f.read(), re.M)
    return int(found.group(1)) if found else 0


def only(rows):
    rows = list(rows)
    return rows[0] if len(rows) == 1 else {}


out = tmpdir()
demo = run([DEMO, "--build", BUILD, "--out", out, "--short"], timeout=120)
is_(demo.rc, 0, "the_short_demo_shows_what_it_must", demo)
within(demo.seconds, 0, 60, "in_less_than_a_minute")
is_(len(re.findall(r"^\[\d/5\] .*\((?:about \d+ s left|longer than expected)\)$", demo.err, re.M)), 5, "progress_is_on_stderr", demo.err)
ok(f"report.html, run files and table: {out}" in demo.out, "it_names_the_directory")
is_(sorted(f for f in os.listdir(out) if f.endswith((".html", ".db", ".txt"))),
    ["report-v1.html", "report-v2.html", "report.html", "table.txt", "v1.db", "v2.db"], "and_leaves_reports_run_files_and_table_there")
ok("divided by 5" in demo.out, "it_says_that_times_are_scaled")
is_(processes_naming(out), [], "nothing_is_left_running")

report, edge, gateway, metric = {}, {}, {}, {}
for v in ("v1", "v2"):
    report[v] = json.loads(run([os.path.join(BUILD, "aftershock"), "report", os.path.join(out, f"{v}.db"), "--format", "json"]).out)
    edge[v] = only(e for e in report[v]["edges"] if (e["client"], e["server"]) == ("gateway", "recommendations"))
    gateway[v] = only(s for s in report[v]["services"] if s["name"] == "gateway")
    modes = edge[v]["timeout"]["modes"]
    is_(len(modes), 1, f"{v}: one timeout is inferred", modes)
    within(modes[0]["ms"], TIMEOUT_MS[v] * 0.995, TIMEOUT_MS[v] * 1.01, f"{v}: and it is the configured one", modes)
    is_(modes[0]["n"], counted(v, 'peer_attempts_total{peer="recommendations",status="",error="timeout"}'),
        f"{v}: as often as the gateway gave up")
    is_(edge[v]["attempts"], modes[0]["n"] + counted(v, 'peer_attempts_total{peer="recommendations",status="200",error=""}'),
        f"{v}: attempts are those that the gateway made")
    is_(report[v]["faults"][0]["fired"], modes[0]["n"], f"{v}: each call that hung was given up")
    is_(gateway[v]["degraded"], counted(v, 'http_requests_degraded_total{method="GET",route="/product-details"}'),
        f"{v}: degraded answers are those that the gateway counted")
    is_(gateway[v]["failed"], counted(v, 'http_requests_total{method="GET",route="/product-details",status="504"}'),
        f"{v}: and so are failures")

# One request may arrive while the hang is on and get to recommendations when it is over.
hang = {v: gateway[v]["by_window"]["fault"] for v in gateway}
ok(150 < hang["v1"]["requests"] <= hang["v1"]["failed"] + 1, "v1: every request of the hang fails", hang["v1"])
is_((gateway["v1"]["degraded"], edge["v1"]["breaker"]["opens"]), (0, 0), "v1: nothing is degraded and no breaker is seen")
ok("no-breaker-under-outage" in [f["code"] for f in report["v1"]["findings"]], "v1: and that is a finding", report["v1"]["findings"])
ok(150 < hang["v2"]["requests"] <= hang["v2"]["degraded"] + 1, "v2: every request of the hang is degraded", hang["v2"])
is_(gateway["v2"]["failed"], 0, "v2: and none fails")
is_(gateway["v2"]["fallback"]["dependency"], "recommendations", "v2: and the report names what they are without")
breaker = edge["v2"]["breaker"]
ok(breaker["threshold"]["low"] <= 3 <= breaker["threshold"]["high"] <= 5, "v2: the breaker opens after three failures", breaker)
ok(breaker["open_ms"]["low"] <= OPEN_MS <= breaker["open_ms"]["high"] <= OPEN_MS * 1.2, "v2: for the configured time", breaker)
is_((breaker["opens"], breaker["half_open_probes"]),
    (counted("v2", 'breaker_transitions_total{peer="recommendations",to="open"}'), 1), "v2: as often as it says itself, with one probe")
ok(breaker["opens"] >= 5 and breaker["reopens"] == breaker["opens"] - 1, "v2: each probe of the hang failed and opened it again", breaker)
within(hang["v1"]["latency_ms"]["p50"], 5950, 6500, "v1: half of the requests take the whole timeout", hang["v1"])
within(hang["v2"]["latency_ms"]["p50"], 0, 100, "v2: half of them take milliseconds", hang["v2"])

interrupted = tmpdir()
child = spawn([DEMO, "--build", BUILD, "--out", interrupted, "--short"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
for line in child.stderr:
    if "recommendations hangs" in line:
        break
ok(len(processes_naming(interrupted)) > 6, "the_demo_runs")
child.send_signal(signal.SIGINT)
_, words = child.communicate(timeout=60)
is_(child.returncode, 130, "an_interrupted_demo_is_status_130", words)
ok(wait_for(lambda: not processes_naming(interrupted)), "and_leaves_nothing_running", processes_naming(interrupted))
ok("Traceback" not in words, "and_no_stack_trace", words)

listed = run(["make", "-s", "-C", ROOT, "demos"]).out
folders = sorted(os.path.basename(d) for d, _, files in os.walk(os.path.join(ROOT, "demos")) if "run.py" in files)
is_(sorted(re.findall(r"^make demo-(\S+) +\d+ min +.*\?$", listed, re.M)), folders, "make_demos_lists_each_with_its_time_and_question", listed)
done()

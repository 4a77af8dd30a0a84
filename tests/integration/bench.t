#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The benchmarks run and print their tables: one short round each, no figure is judged here."""
import json
import os
import re
import shutil
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

BENCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench")


def bench(name, **env):
    return run([PYTHON, os.path.join(BENCH, name)], timeout=120, env={"ROUNDS": "1", "SECONDS": "0.2", "RUNS": "1", **env})


cost = bench("preload.py", WORK="nginx redis-benchmark pair", WAYS="off shim")
is_(cost.rc, 0, "the_cost_benchmark_ends_in_order", cost)
rows = [line for line in cost.out.splitlines() if line.startswith(("a plan that matches nothing", "every exchange"))]
is_(len(rows), 6, "each_way_of_each_workload_has_a_row", cost)
raw = [json.loads(line) for line in cost.out.splitlines() if line.startswith("{")]
ok(len(raw) == 6 and all(len(r["plain"]) == len(r["with"]) == 2 and r["ratios"][0] > 0 for r in raw),
   "the_raw_figures_of_each_run_are_kept", cost)
ok(all(cpu >= 0 for r in raw for _, cpu in r["plain"] + r["with"]), "the_cpu_time_of_each_run_is_known", raw)

traced = bench("trace.py", WORK="fixed", WAYS="all", RATE="2000") if os.getuid() == 0 else None
if traced:
    is_(traced.rc, 0, "the_tracing_benchmark_ends_in_order", traced)
    raw = [json.loads(line) for line in traced.out.splitlines() if line.startswith("{")]
    ok(len(raw) == 1 and all(f["requests"] == 2000 for p in raw[0]["pairings"] for f in p["plain"] + p["with"]), "the_fixed_rate_is_kept", traced)
    ok(all(f["rows"] >= 2000 for p in raw[0]["pairings"] for f in p["with"]), "each_request_is_in_the_run_file", traced)
else:
    skip("the tracing benchmark needs root", 3)

reports = bench("analyzer.py", SIZES="2000 20000", ROUNDS="2")
is_(reports.rc, 0, "the_report_benchmark_ends_in_order", reports)
ok("20,000" in reports.out and "report" in reports.out, "and_has_a_row_for_each_size", reports)

demo = bench("demo_load.py", SECONDS="0.3") if shutil.which("hey") else None
if demo:
    is_(demo.rc, 0, "the_benchmark_of_the_load_generator_ends_in_order", demo)
    ok(all(name in demo.out for name in ("closed loop", "one rate", "stops for 1 s", "wrk", "hey")), "and_has_its_three_tables", demo)
else:
    skip("hey is not there", 2)

service = bench("demo_service.py", SECONDS="1")
is_((service.rc, re.findall(r"(?m)^(\d+) +[\d,]+ +[\d,]+\.\.", service.out)), (0, ["16", "256", "2000"]),
    "the_benchmark_of_the_demo_service_has_a_row_for_each_number_of_connections", service)

late = bench("accuracy.py", HELD="10", MODES="blocking poll epoll")
is_(late.rc, 0, "the_accuracy_benchmark_ends_in_order", late)
figures = {m.group(1): [float(v) for v in m.group(2).split()]
           for m in re.finditer(r"^(\w+), 10 held +((?:-?[\d.]+ +){11})", late.out, re.M)}
is_(sorted(figures), ["blocking", "epoll", "poll"], "each_way_of_waiting_has_a_row", late)
ok(all(v[1] > 0 and 0 <= v[2] <= v[3] <= v[4] < 1000 for v in figures.values()), "delays_were_measured_and_none_came_early", late)
done()

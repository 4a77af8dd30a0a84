#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""curl --retry against a real nginx: two synthetic 429 with Retry-After, then the page. Watched by each witness."""
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from peers import PAGE

WITNESSES = ("shim", "auto", "off")

for trace in WITNESSES:
    nginx = Nginx()
    curl = shock(f"to=127.0.0.1:{nginx.port} status=429 retry_after={'1' if trace == 'shim' else '1s'} first=2",
                 "curl", "-sS", "--retry", "5", nginx.url(), trace=trace)
    nginx.stop()
    is_(curl.rc, 0, f"{trace}: curl_succeeds_and_its_status_is_passed_on", curl)
    ok(curl.out.endswith(PAGE), f"{trace}: curl_prints_the_page_of_nginx", curl)
    # the command took two waits of 1 s; attaching and detaching the kernel's witness comes on top of that
    within(curl.seconds, 2.0, 3.5 if trace in ("shim", "off") else 9, f"{trace}: curl_waits_1_s_twice", curl)
    is_([line.split()[:3] for line in nginx.access()], [["GET", "/", "200"]], f"{trace}: nginx_saw_one_request")
    is_(curl.one("SELECT count(*) FROM injection"), 2, f"{trace}: two_injections_are_recorded")
    fault = curl.fault()
    is_((fault["matched"], fault["fired"]), (3, 2), f"{trace}: the_report_says_3_matched_2_fired", fault)
    if trace == "off":
        continue
    gaps = [row["started_ns"] for row in curl.rows("SELECT started_ns FROM exchange WHERE role = 'client' ORDER BY started_ns")]
    is_(len(gaps), 3, f"{trace}: three_attempts_are_recorded_once_each")
    for i in range(len(gaps) - 1):
        near((gaps[i + 1] - gaps[i]) / 1e9, 1.0, 0.4, f"{trace}: attempt_{i + 2}_comes_1_s_after_the_one_before")
    edge = curl.edge()
    ok(edge, f"{trace}: the_report_has_one_edge", curl.report()["edges"])
    edge = edge or {}
    is_([edge.get(k) for k in ("client", "protocol", "logical", "attempts", "delivered")], ["curl", "http1", 1, 3, 1],
        f"{trace}: one_logical_request_three_attempts_one_delivered", edge)
    near((edge.get("amplification") or {}).get("value"), 3.0, 0, f"{trace}: amplification_is_3", edge)
    is_(edge.get("statuses"), {"200": 1, "429": 2}, f"{trace}: the_statuses_are_two_429_and_a_200", edge)
    waits = curl.rows("SELECT retry_after_ms FROM exchange WHERE status = 429")
    is_([row["retry_after_ms"] for row in waits], [1000, 1000], f"{trace}: the_run_file_holds_the_Retry_After")
    is_(curl.meta("sources"), '["shim"]' if trace == "shim" else '["shim","ebpf"]', f"{trace}: sources_name_the_witnesses")
    is_(curl.meta("clean_end"), 1, f"{trace}: the_run_file_was_closed_properly")
    is_(curl.rows("SELECT * FROM loss WHERE count > 0"), [], f"{trace}: nothing_was_lost")

# the answer as curl sees it
nginx = Nginx()
spec = f"to=127.0.0.1:{nginx.port} status=503 retry_after=7s reply_header='X-Why: test' body='busy now'"
shown = shock(spec, "curl", "-sSi", nginx.url())
like(shown.out, r"^HTTP/1\.1 503 \w", "the_answer_has_a_status_line")
for header in (r"Retry-After: 7\r", r"X-Why: test\r", r"Content-Length: 8\r", r"Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r"):
    like(shown.out, r"(?mi)^" + header, f"the_answer_has_the_header {header[:-2]}")
ok(shown.out.endswith("\r\n\r\nbusy now"), "the_answer_ends_with_the_given_body", shown)
report = shock(f"to=127.0.0.1:{nginx.port} status=503", "curl", "-s", nginx.url(), options=["--report"])
like(report.out + report.err, r"(?i)attempts", "run_with_report_prints_the_report")
baseline = shock((), "curl", "-s", nginx.url())
is_((baseline.rc, baseline.out, len(baseline.rows("SELECT 1 FROM exchange"))), (0, PAGE, 1), "a_run_without_a_fault_records_a_baseline", baseline)
vacuous = shock("to=127.0.0.1:1 status=503 name=nowhere", "curl", "-s", nginx.url())
is_(vacuous.rc, 3, "a_fault_that_never_fired_makes_the_run_vacuous", vacuous)
like(vacuous.err, "nowhere", "and_is_named")
is_(shock("to=127.0.0.1:1 status=503 probability=0", "curl", "-s", nginx.url()).rc, 0, "a_fault_that_only_watches_is_exempt")
is_(shock(f"to=127.0.0.1:{nginx.port} refuse=true", "curl", "-s", nginx.url()).rc, 7, "the_status_of_a_failed_command_is_passed_on")
done()

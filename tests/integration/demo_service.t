#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The demo service and the load generator, as a user runs them: policies on the wire, counts, concurrency, an end in order."""
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

SERVICE = os.path.join(BUILD, "demos", "service", "service")
LOAD = os.path.join(BUILD, "demos", "load", "load")
HOME = tmpdir()


class Service:
    """A service that listens, and what it answers."""

    def __init__(self, **config):
        path = os.path.join(HOME, config["name"] + ".json")
        with open(path, "w", encoding="utf-8") as f:
            json.dump({"listen": "127.0.0.1:0", **config}, f)
        self.child = spawn([SERVICE, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.line = self.child.stdout.readline()
        self.port = int(self.line.rsplit(":", 1)[1])

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def ask(self, path, body=None, method=None, headers=None):
        """(status, body, headers) of one request."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url(path), data=data, method=method, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read().decode(), answer.headers
        except urllib.error.HTTPError as answer:
            return answer.code, answer.read().decode(), answer.headers

    def status(self, *args, **kw):
        return self.ask(*args, **kw)[0]

    def metric(self, sample):
        """The value of the sample that is written exactly so; 0 when it is not there."""
        found = re.search("^" + re.escape(sample) + r" (\d+)$", self.ask("/metrics")[1], re.M)
        return int(found.group(1)) if found else 0


def answers(request):
    """A peer of many moods, chosen by the path."""
    mood = request.path.strip("/")
    if mood == "asks-for-a-second":
        return 503, {"Retry-After": "1"}, "later"
    if mood == "asks-for-a-minute":
        return 429, {"Retry-After": "60"}, "much later"
    if mood == "closes":
        return False
    return int(mood) if mood.isdigit() else None


peer = HttpPeer(answers)
slow = HttpPeer(delay=0.4)
gone = free_port()
client = Service(
    name="client",
    strategies={
        "naive": {"backoff": "immediate", "max_attempts": 3},
        "fixed": {"backoff": "fixed", "base_ms": 150, "max_attempts": 3},
        "patient": {"backoff": "fixed", "base_ms": 10000, "max_attempts": 2},
    },
    peers={
        "peer": {"url": peer.url("").rstrip("/"), "strategy": "naive"},
        "slow": {"url": slow.url("").rstrip("/"), "strategy": "naive", "attempt_timeout_ms": 100},
        "gone": {"url": f"http://127.0.0.1:{gone}", "strategy": "naive"},
    },
    routes=[
        {"path": "/fine", "steps": [{"call": "peer", "path": "/fine?x=1"},
                                    {"answer": 201, "body": "done", "content_type": "text/plain"}]},
        {"path": "/503", "steps": [{"call": "peer", "path": "/503"}]},
        *({"path": f"/{n}", "steps": [{"call": "peer", "path": f"/{n}"}]} for n in (400, 401, 403, 404, 408, 409, 410, 412, 422, 425, 451, 500)),
        {"path": "/minute", "steps": [{"call": "peer", "path": "/asks-for-a-minute"}]},
        {"path": "/later", "steps": [{"call": "peer", "path": "/asks-for-a-second"}]},
        {"path": "/closes", "steps": [{"call": "peer", "path": "/closes"}]},
        {"path": "/post", "method": "POST", "steps": [{"call": "peer", "method": "POST", "path": "/fine", "body": "{\"n\":1}"}]},
        {"path": "/slow", "steps": [{"call": "slow", "path": "/"}]},
        {"path": "/gone", "steps": [{"call": "gone", "path": "/"}]},
        {"path": "/half-second", "steps": [{"compute_ms": 500}]},
        {"path": "/long", "steps": [{"compute_ms": 1500}]},
    ])


def asked(path):
    return [r for r in peer.requests if r.path.split("?")[0] == path]


ok(re.fullmatch(r"listening on 127\.0\.0\.1:\d+\n", client.line), "it_says_where_it_listens", client.line)

# ---- routes and what a failed call becomes ----
status, body, headers = client.ask("/fine")
is_((status, body, headers["Content-Type"]), (201, "done", "text/plain"), "a_route_answers_as_configured")
is_(len(asked("/fine")), 1, "a_good_answer_is_not_asked_for_again")
is_(client.status("/503"), 502, "a_failed_call_is_502")
is_(len(asked("/503")), 3, "naive_makes_three_attempts")
is_((client.status("/404"), len(asked("/404"))), (404, 1), "a_status_that_is_not_retryable_is_tried_once")
is_([client.status(f"/{n}") for n in (409, 410, 412, 422)], [409, 410, 412, 422], "what_is_said_of_the_request_is_handed_on")
is_([client.status(f"/{n}") for n in (400, 401, 403, 408, 425, 451, 500)], [502] * 7, "what_is_between_service_and_peer_is_not")
status, body, headers = client.ask("/minute")
is_((status, headers["Retry-After"]), (429, "60"), "too_many_requests_is_handed_on_with_when_to_come_again")
is_((client.status("/slow"), client.status("/gone")), (504, 502), "a_peer_that_is_late_is_504_and_one_that_is_gone_502")
is_((client.status("/nix"), client.status("/fine", b"x")), (404, 405), "unknown_paths_and_methods_are_refused")
is_(client.ask("/admin/strategy", method="PUT")[2]["Allow"], "GET, POST", "a_refused_method_names_those_allowed")
is_(client.status("/post", b"in"), 200, "a_post_route_takes_a_body")
is_((asked("/fine")[-1].method, asked("/fine")[-1].body), ("POST", b'{"n":1}'), "a_call_can_carry_a_body")
head = run(["curl", "-sI", client.url("/fine")])
ok(head.out.startswith("HTTP/1.1 201") and "Content-Length: 4" in head.out, "head_answers_a_get_route", head)

# ---- trace context ----
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
peer.requests.clear()
client.ask("/503", headers={"traceparent": f"00-{TRACE}-{SPAN}-00", "tracestate": "vendor=7"})
parents = [r.headers.get("traceparent", "") for r in asked("/503")]
ok(len(parents) == 3 and all(p.startswith(f"00-{TRACE}-") and p.endswith("-00") for p in parents), "all_attempts_carry_the_trace", parents)
is_(len({*parents, f"00-{TRACE}-{SPAN}-00"}), 4, "each_attempt_is_a_span_of_its_own")
is_({r.headers.get("tracestate") for r in asked("/503")}, {"vendor=7"}, "the_trace_state_is_passed_on")
client.ask("/503")
client.ask("/503")
is_(len({r.headers["traceparent"][3:35] for r in asked("/503")}), 3, "requests_without_a_trace_begin_one_each")

# ---- strategies switched while it runs ----
is_(json.loads(client.ask("/admin/strategy")[1])["peers"]["peer"], "naive", "it_says_its_strategy")
is_(client.status("/admin/strategy", {"strategy": "fixed", "peer": "peer"}), 200, "a_strategy_can_be_switched")
is_(json.loads(client.ask("/admin/strategy")[1])["peers"], {"peer": "fixed", "slow": "naive", "gone": "naive"}, "for_one_peer_only")
for wrong in ({"strategy": "nix"}, {"strategy": "fixed", "peer": "nix"}, {"strategie": "fixed"}, {}, [], b"{", b"", {"strategy": 1}):
    is_(client.status("/admin/strategy", wrong), 400, f"refused: {wrong}")
is_(client.status("/admin/strategy", b"1" * 70000), 413, "a_body_too_large_is_refused")
is_(json.loads(client.ask("/admin/strategy")[1])["peers"]["peer"], "fixed", "what_was_refused_changed_nothing")
peer.requests.clear()
client.ask("/503")
at = [r.at for r in asked("/503")]
ok(len(at) == 3 and all(0.149 <= b - a <= 0.6 for a, b in zip(at, at[1:])), "fixed_waits_150_ms_between_attempts", at)
client.ask("/later")
at = [r.at for r in asked("/asks-for-a-second")]
ok(len(at) == 3 and all(0.999 <= b - a <= 1.6 for a, b in zip(at, at[1:])), "retry_after_is_honoured", at)
client.ask("/admin/strategy", {"strategy": "none"})
peer.requests.clear()
is_((client.status("/503"), len(asked("/503"))), (502, 1), "there_is_always_a_strategy_without_retries")
client.ask("/admin/strategy", {"strategy": "naive"})
client.ask("/fine")
client.ask("/closes")
is_(len(asked("/closes")), 3, "a_kept_connection_that_breaks_is_an_error_and_retried_by_the_policy_alone")

# ---- counts ----
client.ask("/admin/strategy", {"strategy": "naive"})
failed = client.metric('peer_attempts_total{peer="peer",status="503",error=""}')
retries = client.metric('retry_attempts_total{peer="peer"}')
calls = client.metric('peer_calls_total{peer="peer",result="failed"}')
peer.requests.clear()
began = time.monotonic()
load = json.loads(run([LOAD, "-n", "50", "-c", "10", "--json", client.url("/503")]).out)
is_((load["requests"], load["ok"], load["statuses"]), (50, 0, {"502": 50}), "load_counts_what_it_was_answered")
is_(len({r.headers["traceparent"][3:35] for r in asked("/503")}), 50, "each_request_of_load_is_a_trace_of_its_own")
is_(len(asked("/503")), 150, "the_peer_was_asked_three_times_for_each")
is_(client.metric('peer_attempts_total{peer="peer",status="503",error=""}') - failed, 150, "the_service_counted_those_attempts")
is_(client.metric('retry_attempts_total{peer="peer"}') - retries, 100, "and_the_retries_among_them")
is_(client.metric('peer_calls_total{peer="peer",result="failed"}') - calls, 50, "and_the_calls")
is_(client.metric('peer_attempts_total{peer="slow",status="",error="timeout"}'), 3, "timeouts_are_counted_apart")
is_(client.metric('peer_attempts_total{peer="gone",status="",error="connect"}'), 3, "and_so_are_refused_connections")
is_(client.metric('http_requests_total{method="GET",route="/fine",status="201"}'), 3, "requests_are_counted_by_route_and_status")
is_(client.metric('http_requests_total{method="GET",route="/health",status="200"}'), 0, "health_and_metrics_are_not")

# ---- ten at once ----
load = json.loads(run([LOAD, "-n", "10", "-c", "10", "--json", client.url("/half-second")]).out)
within(load["elapsed_ms"], 500, 1500, "ten_requests_of_half_a_second_run_at_once", load)
ok(load["latency_ms"]["p50"] >= 500 and load["ok"] == 10, "and_each_takes_its_time", load)

# ---- an end in order ----
health = json.loads(client.ask("/health")[1])
is_((health["status"], health["pid"]), ("ok", client.child.pid), "it_is_healthy_and_says_who_it_is")
is_((client.status("/health/live"), client.status("/health/ready")), (200, 200), "it_is_live_and_ready")
client.ask("/admin/strategy", {"strategy": "patient", "peer": "peer"})
peer.requests.clear()
ends = {}


def ask_to_the_end(path):
    ends[path] = client.status(path)


kept = socket.create_connection(("127.0.0.1", client.port))
askers = [threading.Thread(target=ask_to_the_end, args=(path,)) for path in ("/long", "/503")]
for asker in askers:
    asker.start()
ok(wait_for(lambda: len(asked("/503")) == 1 and client.metric("http_requests_in_flight") == 3), "two_requests_are_at_work")
began = time.monotonic()
client.child.send_signal(signal.SIGTERM)
ok(wait_for(lambda: not listening(client.port)) and askers[0].is_alive(), "it_takes_no_more_connections_while_it_finishes_the_last")
for asker in askers:
    asker.join()
status = client.child.wait(15)
is_(ends, {"/long": 200, "/503": 502}, "requests_at_work_are_answered")
is_(len(asked("/503")), 1, "a_wait_of_10_s_is_cut_short_and_no_attempt_follows")
is_(status, 0, "it_ends_with_status_0")
within(time.monotonic() - began, 0, 5, "and_soon")
is_(client.child.stderr.read(), "", "and_had_nothing_to_complain_about")

# ---- breaker, bulkhead, deadline, fallback ----
bad = {"status": 200}
moody = HttpPeer(lambda request: bad["status"])
BREAKER = {"consecutive": 3, "open_ms": 400}
guarded = Service(
    name="guarded",
    strategies={"naive": {"backoff": "immediate", "max_attempts": 5}, "fixed": {"backoff": "fixed", "base_ms": 200, "max_attempts": 9}},
    peers={
        "moody": {"url": moody.url("").rstrip("/"), "breaker": BREAKER},
        "eager": {"url": moody.url("").rstrip("/"), "strategy": "naive", "breaker": {**BREAKER, "scope": "attempt"}},
        "narrow": {"url": slow.url("").rstrip("/"), "bulkhead": {"width": 2}},
        "queued": {"url": slow.url("").rstrip("/"), "bulkhead": {"width": 2, "queue": 2, "wait_ms": 3000}},
        "hasty": {"url": moody.url("").rstrip("/"), "strategy": "fixed", "total_timeout_ms": 500},
        "late": {"url": slow.url("").rstrip("/"), "strategy": "naive", "attempt_timeout_ms": 150, "total_timeout_ms": 250},
        "nobody": {"url": f"http://127.0.0.1:{gone}"},
    },
    routes=[
        *({"path": "/" + name, "steps": [{"call": name, "path": "/" + name}]}
          for name in ("moody", "eager", "narrow", "queued", "hasty", "late")),
        {"path": "/static", "steps": [{"call": "moody", "path": "/", "fallback": {"kind": "static", "body": "[]"}}, {"answer": 201}]},
        {"path": "/default", "steps": [{"call": "moody", "path": "/", "fallback": {"kind": "default"}},
                                       {"call": "nobody", "path": "/", "fallback": {"kind": "default"}}]},
        {"path": "/half", "steps": [{"call": "moody", "path": "/", "fallback": {"kind": "default"}}, {"call": "nobody", "path": "/"}]},
    ])


def breaker(name="moody"):
    return json.loads(guarded.ask("/status/breakers")[1])["breakers"][name]


is_(breaker(), {"state": "closed", "open_left_ms": 0, "failures_in_a_row": 0, "opened": 0, "refused": 0}, "a_breaker_begins_closed")
is_(sorted(json.loads(guarded.ask("/status/breakers")[1])["breakers"]), ["eager", "moody"], "peers_without_one_are_left_out")
bad["status"] = 404
is_([guarded.status("/moody") for _ in range(4)], [404] * 4, "an_answer_that_blames_the_caller_fails_the_call")
is_(guarded.status("/static"), 404, "and_no_fallback_hides_it")
is_(breaker()["failures_in_a_row"], 0, "and_does_not_count_against_the_peer")
bad["status"] = 503
is_([guarded.status("/moody") for _ in range(3)], [502] * 3, "three_failures_reach_the_peer")
is_((breaker()["state"], guarded.status("/moody")), ("open", 503), "then_the_breaker_is_open_and_refuses")
moody.requests.clear()
status, body, headers = guarded.ask("/static")
is_((status, body, headers["X-Degraded"]), (200, "[]", "moody"), "a_static_fallback_answers_and_says_that_it_is_degraded")
status, body, headers = guarded.ask("/default")
is_((status, headers["X-Degraded"]), (200, "moody, nobody"), "a_default_lets_the_route_go_on_and_names_all_that_were_missed")
status, body, headers = guarded.ask("/half")
is_((status, headers["X-Degraded"]), (502, None), "an_answer_that_failed_after_all_is_not_called_degraded")
is_(len(moody.requests), 0, "an_open_breaker_spares_the_peer")
ok(wait_for(lambda: breaker()["open_left_ms"] == 0), "its_time_ends")
is_((guarded.status("/moody"), breaker()["state"]), (502, "open"), "a_bad_probe_opens_it_again")
bad["status"] = 200
ok(wait_for(lambda: breaker()["open_left_ms"] == 0), "its_time_ends_again")
is_((guarded.status("/moody"), breaker()["state"]), (200, "closed"), "a_good_probe_closes_it")
is_([guarded.metric('breaker_transitions_total{peer="moody",to="%s"}' % s) for s in ("open", "half_open", "closed")], [2, 2, 1],
    "transitions_are_counted")
is_((guarded.metric('peer_refused_total{peer="moody",by="breaker"}'), guarded.metric('breaker_state{peer="moody"}')), (4, 0),
    "and_calls_refused")
is_((guarded.metric('peer_fallbacks_total{peer="moody"}'), guarded.metric('peer_fallbacks_total{peer="nobody"}')), (3, 1),
    "and_fallbacks")
is_([guarded.metric('http_requests_degraded_total{method="GET",route="%s"}' % r) for r in ("/static", "/default", "/half")], [1, 1, 0],
    "and_degraded_answers")
bad["status"] = 503
moody.requests.clear()
is_((guarded.status("/eager"), len(moody.requests)), (503, 3), "a_breaker_of_attempts_stops_the_retries_of_one_request")

narrow = json.loads(run([LOAD, "-n", "6", "-c", "6", "--json", guarded.url("/narrow")]).out)
is_(narrow["statuses"], {"200": 2, "503": 4}, "a_bulkhead_of_two_lets_two_of_six_in")
is_(guarded.metric('peer_refused_total{peer="narrow",by="bulkhead"}'), 4, "and_counts_the_others")
queued = json.loads(run([LOAD, "-n", "6", "-c", "6", "--json", guarded.url("/queued")]).out)
is_(queued["statuses"], {"200": 4, "503": 2}, "a_queue_of_two_saves_two_more")
within(queued["elapsed_ms"], 790, 3000, "who_wait_for_their_turn", queued)
is_(guarded.metric('bulkhead_attempts{peer="queued",state="in"}'), 0, "and_all_places_are_given_back")

moody.requests.clear()
began = time.monotonic()
is_((guarded.status("/hasty"), len(moody.requests)), (502, 3), "a_total_timeout_of_500_ms_has_time_for_two_waits_of_200")
within(time.monotonic() - began, 0.39, 0.52, "and_begins_no_wait_that_would_not_end_in_time")
is_(guarded.metric('peer_calls_cut_short_total{peer="hasty"}'), 1, "which_is_counted")
began = time.monotonic()
is_(guarded.status("/late"), 504, "a_call_ends_with_its_total_timeout")
within(time.monotonic() - began, 0.24, 0.39, "in_the_middle_of_an_attempt")
is_(guarded.metric('peer_attempts_total{peer="late",status="",error="timeout"}'), 2, "the_second_was_given_what_was_left")
is_(stop(guarded.child), 0, "and_it_ends_with_status_0_too")

# ---- what steps know: the request's own values, and what earlier steps brought ----
def tells(request):
    """A peer that answers with what it was asked."""
    if request.path.startswith("/text"):
        return 200, {}, "not JSON"
    return 200, {"Content-Type": "application/json"}, json.dumps({
        "path": request.path, "key": request.headers.get("idempotency-key"), "type": request.headers.get("content-type"),
        "body": request.body.decode(), "n": 7})


teller = HttpPeer(tells)
values = Service(
    name="values", peers={"teller": {"url": teller.url("").rstrip("/")}},
    routes=[
        {"path": "/orders/{id}", "method": "POST", "steps": [
            {"call": "teller", "method": "POST", "path": "/o/${path.id}?q=${query.q}", "as": "told",
             "body": {"amount": "${body.amount}", "who": "for ${header.x-who}", "list": ["${body.list.1}"]},
             "idempotency_key": "${header.idempotency-key}"},
            {"call": "teller", "path": "/text", "as": "text"},
            {"answer": 201, "body": {"id": "${path.id}", "told": "${told}", "n": "${told.n}", "text": "${text}"}}]},
        {"path": "/orders/last", "steps": [{"answer": 200, "body": "last of ${query.n} for ${header.x-who}", "content_type": "text/plain"}]},
        {"path": "/orders/{id}", "steps": [{"call": "teller", "path": "/o/${path.id}", "as": "told"}, {"answer": 200, "body": "${told.path}"}]},
    ])
status, body, headers = values.ask("/orders/a%20b?q=x%26y", {"amount": 12.5, "list": [1, {"deep": None}]},
                                   headers={"X-Who": "Ann", "Idempotency-Key": "k:1\u00e9"})
answer = json.loads(body)
is_((status, answer["id"], answer["n"], answer["text"]), (201, "a b", 7, "not JSON"), "a_template_takes_values_with_their_types")
is_(answer["told"]["path"], "/o/a%20b?q=x%26y", "values_in_an_url_are_encoded")
is_(json.loads(answer["told"]["body"]), {"amount": 12.5, "who": "for Ann", "list": [{"deep": None}]}, "a_body_is_made_from_the_requests_own")
is_((answer["told"]["type"], answer["told"]["key"]), ("application/json", "k%3A1%E9"), "and_the_idempotency_key_is_passed_on_as_a_token")
is_(values.ask("/orders/last?n=3", headers={"X-Who": "Bob"})[1], "last of 3 for Bob", "a_path_without_names_comes_before_one_with")
is_(values.ask("/orders/last?n", headers={"X-WHO": "Bob"})[1], "last of  for Bob", "a_value_that_is_not_there_is_empty")
is_(values.ask("/orders/7")[1], "/o/7", "methods_of_one_path_are_told_apart")
is_(values.ask("/orders/7", method="PUT")[2]["Allow"], "POST, GET", "and_named_where_none_fits")
status, body, headers = values.ask("/orders/7", b"{nonsense")
is_((status, json.loads(body)["error"]), (400, "the body is not JSON"), "a_body_that_is_not_json_is_refused_where_steps_need_it")
status, body, headers = values.ask("/orders/7", b"", method="POST")
is_((status, json.loads(json.loads(body)["told"]["body"])["amount"]), (201, None), "and_none_at_all_is_empty_values")
is_(teller.requests[-2].headers.get("idempotency-key"), None, "a_key_that_is_empty_is_not_sent")
is_(values.metric('http_requests_total{method="POST",route="/orders/{id}",status="201"}'), 2, "requests_are_counted_by_pattern_not_by_path")
is_(stop(values.child), 0, "it_ends_with_status_0")

# ---- workers: so many at once, the others in order, nothing cancelled ----
worked = Service(name="worked", routes=[
    {"path": "/work", "steps": [{"compute_ms": 200, "workers": 2, "queue": 2}]},
    {"path": "/alone", "steps": [{"compute_ms": 300, "workers": 1}]},
    {"path": "/chance", "steps": [{"compute_ms": 2, "distribution": "exponential"}]}])
load = json.loads(run([LOAD, "-n", "6", "-c", "6", "--json", worked.url("/work")]).out)
is_(load["statuses"], {"200": 4, "503": 2}, "two_workers_and_a_queue_of_two_take_four_of_six")
within(load["elapsed_ms"], 400, 1500, "in_two_rounds", load)
is_([worked.metric('compute_%s{method="GET",route="/work",step="0"}' % m) for m in ("taken_total", "refused_total", "waiting")], [4, 2, 0],
    "which_is_counted")
is_(run(["curl", "-s", "-m", "0.05", worked.url("/alone")]).rc, 28, "a_caller_that_gives_up")
began = time.monotonic()
is_(worked.status("/alone"), 200, "leaves_work_behind")
within(time.monotonic() - began, 0.45, 1.5, "for_which_the_next_one_waits")
load = json.loads(run([LOAD, "-n", "400", "-c", "4", "--json", worked.url("/chance")]).out)
ok(load["ok"] == 400 and load["latency_ms"]["p99"] > 3 * load["latency_ms"]["p50"], "exponential_times_have_a_long_tail", load)
is_(stop(worked.child), 0, "it_ends_with_status_0")

# ---- backpressure: a quick no ----
pressed = Service(name="pressed", backpressure={"max_in_flight": 2, "retry_after_s": 7},
                  routes=[{"path": "/", "steps": [{"compute_ms": 400}]}, {"path": "/quick", "steps": [{"answer": 200}]}])
load = json.loads(run([LOAD, "-n", "6", "-c", "6", "--json", pressed.url("/")]).out)
is_(load["statuses"], {"200": 2, "503": 4}, "two_of_six_are_worked_on")
within(load["elapsed_ms"], 400, 790, "and_nobody_waits_for_a_place", load)
is_((pressed.metric("http_requests_shed_total"), pressed.metric('http_requests_total{method="GET",route="/",status="503"}')), (4, 4),
    "those_shed_are_counted")
askers = [threading.Thread(target=lambda: pressed.status("/")) for _ in range(2)]
for asker in askers:
    asker.start()
ok(wait_for(lambda: pressed.metric("http_requests_in_flight") == 3), "a_busy_service_lets_metrics_through")
status, body, headers = pressed.ask("/quick")
is_((status, headers["Retry-After"], pressed.status("/health")), (503, "7", 200), "and_health_but_no_other_route_and_says_when_to_come_back")
for asker in askers:
    asker.join()
is_(pressed.status("/quick"), 200, "places_are_given_back")
is_(stop(pressed.child), 0, "it_ends_with_status_0")

# ---- deadlines handed on ----
late = HttpPeer(delay=0.3)
handed = Service(
    name="handed", strategies={"naive": {"backoff": "immediate", "max_attempts": 3}},
    peers={"late": {"url": late.url("").rstrip("/"), "attempt_timeout_ms": 2000, "strategy": "naive", "propagate_deadline": True},
           "quiet": {"url": late.url("").rstrip("/"), "attempt_timeout_ms": 2000}},
    routes=[{"path": "/late", "steps": [{"call": "late", "path": "/late"}]}, {"path": "/quiet", "steps": [{"call": "quiet", "path": "/quiet"}]},
            {"path": "/work", "steps": [{"compute_ms": 100}, {"call": "late", "path": "/never"}]},
            {"path": "/done", "steps": [{"compute_ms": 100}, {"answer": 200}]}])
TIMEOUT = "X-Request-Timeout-Ms"
is_((handed.status("/late"), late.requests[-1].headers.get(TIMEOUT.lower())), (200, "2000"), "an_attempt_says_how_long_it_will_be_waited_for")
is_((handed.status("/quiet"), late.requests[-1].headers.get(TIMEOUT.lower())), (200, None), "but_only_to_peers_that_are_to_know")
is_(handed.status("/late", headers={TIMEOUT: "nonsense"}), 200, "a_deadline_that_is_none_changes_nothing")
late.requests.clear()
began = time.monotonic()
is_(handed.status("/late", headers={TIMEOUT: "150"}), 504, "a_caller_of_150_ms_is_told_so")
within(time.monotonic() - began, 0.14, 0.29, "in_that_time")
is_(len(late.requests), 1, "and_no_attempt_follows")
within(int(late.requests[0].headers[TIMEOUT.lower()]), 50, 150, "what_is_left_is_handed_on")
late.requests.clear()
is_((handed.status("/work", headers={TIMEOUT: "50"}), len(late.requests)), (504, 0), "no_step_begins_for_a_caller_that_has_gone")
is_(handed.metric("http_requests_over_total"), 1, "which_is_counted")
is_(handed.status("/done", headers={TIMEOUT: "50"}), 200, "but_what_is_done_is_answered")
is_(stop(handed.child), 0, "it_ends_with_status_0")

# ---- the last good answer stands in ----
fickle = {"status": 200, "n": 0}


def counts_up(request):
    fickle["n"] += 1
    return fickle["status"], {}, json.dumps({"path": request.path, "n": fickle["n"]})


source = HttpPeer(counts_up)
cached = Service(
    name="cached", peers={"source": {"url": source.url("").rstrip("/")}},
    routes=[{"path": "/{ttl}/" + str(ttl) + "/{id}", "steps": [
        {"call": "source", "path": "/r/${path.id}", "as": "r", "fallback": {"kind": "cached", "ttl_ms": ttl}},
        {"answer": 200, "body": "${r.n}"}]} for ttl in (60000, 200)])
is_([cached.ask(f"/ttl/{ttl}/a")[1] for ttl in (60000, 200, 60000)], ["1", "2", "3"], "good_answers_are_fresh")
fickle["status"] = 503
status, body, headers = cached.ask("/ttl/60000/a")
is_((status, body, headers["X-Degraded"]), (200, "3", "source"), "then_the_last_good_one_stands_in_and_says_so")
is_(cached.status("/ttl/60000/b"), 502, "but_not_for_another_path")
time.sleep(0.25)
is_(cached.status("/ttl/200/a"), 502, "nor_when_it_is_too_old")
fickle["status"] = 404
is_(cached.status("/ttl/60000/a"), 404, "nor_for_what_the_caller_did_wrong")
is_((cached.metric('peer_fallbacks_by_kind_total{peer="source",kind="cached"}'), cached.metric('peer_fallbacks_total{peer="source"}')), (1, 1),
    "which_is_counted")
is_(stop(cached.child), 0, "it_ends_with_status_0")

# ---- a share for each tenant ----
shared = Service(name="shared", routes=[
    {"path": "/", "limits": {"tenant_header": "X-Tenant", "per_minute": 2, "burst": 3}, "steps": [{"answer": 200}]},
    {"path": "/fast", "limits": {"per_minute": 600, "burst": 1}, "steps": [{"answer": 200}]}])
is_([shared.status("/", headers={"X-Tenant": "a"}) for _ in range(5)], [200] * 3 + [429] * 2, "a_tenant_has_its_burst")
status, body, headers = shared.ask("/", headers={"x-tenant": "a"})
ok(status == 429 and 20 <= int(headers["Retry-After"]) <= 30, "and_is_told_when_to_come_back", headers)
is_([shared.status("/", headers={"X-Tenant": "b"}), shared.status("/")], [200, 200], "another_one_has_its_own_and_so_have_those_without_a_name")
is_([shared.metric(m + '{method="GET",route="/"}') for m in ("http_requests_limited_total", "limits_tenants")], [3, 3], "which_is_counted")
is_((shared.status("/fast"), shared.status("/fast")), (200, 429), "a_route_without_a_header_has_one_share_for_all")
ok(wait_for(lambda: shared.status("/fast") == 200, every=0.05), "and_a_share_comes_back")
is_(stop(shared.child), 0, "it_ends_with_status_0")

# ---- what has started stays started ----
there = free_port()
begun = Service(name="begun", stores={"cache": {"redis": f"127.0.0.1:{there}", "pool": 1}}, routes=[])
is_([begun.status("/health/" + h) for h in ("live", "startup", "ready")], [200, 503, 503], "it_has_not_started_before_its_store_is_there")
redis = spawn(["redis-server", "--port", str(there), "--bind", "127.0.0.1", "--save", "", "--dir", HOME], stdout=subprocess.DEVNULL)
if ok(wait_for(lambda: listening(there)), "its_store_comes"):
    is_([begun.status("/health/" + h) for h in ("startup", "ready")], [200, 200], "then_it_has")
stop(redis)
is_([begun.status("/health/" + h) for h in ("startup", "ready")], [200, 503], "and_is_not_ready_but_started_when_it_goes")
is_(stop(begun.child), 0, "it_ends_with_status_0")

# ---- two thousand connections at once, and an end in order with all of them at work ----
CROWD = 2000
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))  # as a login gives it: the service has to see to more itself
crowded = Service(name="crowded", drain_ms=60000, routes=[{"path": "/", "steps": [{"answer": 200}]}, {"path": "/wait", "steps": [{"compute_ms": 3000}]}])
resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard != resource.RLIM_INFINITY else 65536, hard))
crowd = [socket.create_connection(("127.0.0.1", crowded.port), timeout=60) for _ in range(CROWD)]


def ask_all(path):
    for s in crowd:
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())


def count_good():
    return sum(s.recv(4096).startswith(b"HTTP/1.1 200") for s in crowd)


ask_all("/")
is_(count_good(), CROWD, "two_thousand_connections_are_held_and_served")
ask_all("/wait")
ok(wait_for(lambda: crowded.metric("http_requests_in_flight") == CROWD + 1), "all_of_them_are_at_work")
crowded.child.send_signal(signal.SIGTERM)
ok(wait_for(lambda: not listening(crowded.port)), "new_ones_are_refused_then")
is_((count_good(), crowded.child.wait(60)), (CROWD, 0), "none_is_cut_off_and_it_ends_with_status_0")
for s in crowd:
    s.close()

# ---- a request that outlasts the patience of the shutdown ----
stuck = Service(name="stuck", drain_ms=100, routes=[{"path": "/", "steps": [{"compute_ms": 1500}]}])
asker = threading.Thread(target=lambda: run(["curl", "-s", stuck.url("/")]))
asker.start()
ok(wait_for(lambda: stuck.metric("http_requests_in_flight") == 2), "a_long_request_is_at_work")
is_(stop(stuck.child), 1, "a_request_that_is_cut_off_is_status_1")
is_(stuck.child.stderr.read(), "service: stopped with 1 requests unfinished\n", "and_said")
asker.join()

# ---- refusals ----
broken = os.path.join(HOME, "broken.json")
with open(broken, "w", encoding="utf-8") as f:
    f.write('{"name": "x", "listen": "127.0.0.1:0", "routes": [], "breaker": {}}')
with socket.create_server(("127.0.0.1", 0)) as taken:
    busy = os.path.join(HOME, "busy.json")
    with open(busy, "w", encoding="utf-8") as f:
        json.dump({"name": "x", "listen": f"127.0.0.1:{taken.getsockname()[1]}", "routes": []}, f)
    for argv, words in (
            ([SERVICE], "one argument"), ([SERVICE, "/nonexistent"], "No such file"), ([SERVICE, busy], "in use"),
            ([SERVICE, broken], "unknown key \"breaker\""), ([LOAD], "one URL"), ([LOAD, "-n", "0", "http://h/"], "-n needs"),
            ([LOAD, "-c", "x", "http://h/"], "-c needs"), ([LOAD, "-t", "-1", "http://h/"], "-t needs")):
        got = run(argv)
        ok(got.rc == 2 and not got.out and got.err.count("\n") == 1 and words in got.err, f"one sentence and status 2: {words}", got)
for program in (SERVICE, LOAD):
    got = run([program, "--help"])
    ok(got.rc == 0 and "example:" in got.out and not got.err, f"{os.path.basename(program)}_explains_itself", got)
dead = json.loads(run([LOAD, "-n", "3", "-c", "5", "--json", f"http://127.0.0.1:{gone}/"]).out)
is_((dead["requests"], dead["errors"], dead["statuses"]), (3, 3, {}), "load_counts_what_was_not_answered")
done()

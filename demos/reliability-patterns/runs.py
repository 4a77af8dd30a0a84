# SPDX-License-Identifier: MIT
"""The runs of the demo: what happens in each, under which load, and what all who were there saw of it."""
import collections
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lab  # noqa: E402
from system import CALLEE, OPEN_S, System  # noqa: E402

# Orders, and seconds. Only the breaker's open time is changed in short mode; half a minute does not fit into a test.
FULL = {"retry": 1000, "growth": 1000, "combined": 1000, "open": OPEN_S, "before": 5, "fault": 10, "after": 8, "watch": 5, "seconds": 120}
SHORT = {"retry": 500, "growth": 300, "combined": 200, "open": 2, "before": 2, "fault": 1.5, "after": 2, "watch": 2, "seconds": 36}
BREAKER_RATE = 150  # orders per second: a probe takes 25 ms, in which more orders come than there may be probes
FAILING = f"{CALLEE} name=error status=503 probability=80%"
MIXED = ("name=error status=503 probability=10% delay=150ms", "name=limit status=429 probability=5% delay=150ms", "name=slow delay=150ms")

# What all runs have in common: the lab, how large they are, where they tell how far they are, and who collects metrics.
Stage = collections.namedtuple("Stage", "bench size progress exporter prometheus")


def closed_loop(name, requests, users, faults=(), **policy):
    """A run under the same faults from beginning to end. It goes on for a moment after the last order: else nobody could tell an
    attempt that was given up then from one that the end of the run cut off."""
    def record(stage):
        system = System(stage.bench, name, faults, **policy)
        users_saw = system.load(stage.size.get(requests, requests), users)
        pause(stage, 0.3, system)
        return system.close(users_saw)
    return record


FIRST = 40  # orders by which a service is known to be well, and what it then does with an order


def crowd(name, size):
    """So many orders at once, while payments are slow. Others went well before them: in a crowd that comes first of all, those who arrive
    first need not be those who get in, and nobody could tell who was turned away from who never asks."""
    def record(stage):
        system = System(stage.bench, name)
        first = system.load(FIRST, 4)
        stage.bench.fault(system.run, "set", f"{CALLEE} name=slow delay=400ms")
        log_path = stage.bench.path(f"{name}.users.csv")
        at_once = system.load(size, size, "--log", log_path)
        pause(stage, 0.3, system)
        seen = system.close_parts({"first": first, "crowd": at_once})
        seen.answers = lab.answers_of(log_path, at_once)
        return seen
    return record


def record_breaker(stage):
    """Most charges fail for a while; the breaker opens, and closes when its probes find all well again."""
    system = System(stage.bench, "breaker", open_s=stage.size["open"])
    arrivals = system.arrivals(BREAKER_RATE)
    pause(stage, stage.size["before"], system)
    stage.bench.fault(system.run, "set", FAILING)
    pause(stage, stage.size["fault"], system)
    stage.bench.fault(system.run, "clear")
    pause(stage, stage.size["open"] + stage.size["after"], system)
    answers = arrivals.end()
    seen = system.close(arrivals.summary)
    seen.answers = answers
    return seen


KEYS, CROWD = 20, 5


def record_idempotency(stage):
    """Orders with a key each; all of them again; one key with another order; one key from several users at once."""
    system = System(stage.bench, "idempotency")
    keyed = ("-H", "Idempotency-Key: order-{n}", "--mark", "Idempotency-Replayed")
    parts = {
        "first": system.load(KEYS, 4, "-d", '{"order":{n}}', *keyed),
        "again": system.load(KEYS, 4, "-d", '{"order":{n}}', *keyed),
        "other": system.load(1, 1, "-d", '{"order":"another"}', *keyed),
        "crowd": system.load(CROWD, CROWD, "-H", "Idempotency-Key: crowd"),
    }
    return system.close_parts(parts)


def record_metrics(stage):
    """The same in little, watched: Prometheus scrapes the report while the run goes on, and once more when it is over."""
    stage.prometheus.wait()
    system = System(stage.bench, "metrics", open_s=1)
    stage.exporter.db = system.db
    arrivals = system.arrivals(BREAKER_RATE)
    pause(stage, stage.size["watch"], system)
    stage.bench.fault(system.run, "set", FAILING)
    pause(stage, stage.size["watch"], system)
    stage.bench.fault(system.run, "clear")
    pause(stage, 2, system)
    arrivals.end()
    seen = system.close(arrivals.summary)
    seen.watched = watch(stage, seen)
    return seen


EDGE = 'client="order-service",server="payment-service"'
QUERIES = (  # the document's question · in PromQL · the same in the report
    ("orders that were paid for", f'aftershock_requests{{{EDGE},window="run"}}', lambda s: s.edge["logical"]),
    ("attempts under the fault", f'aftershock_attempts{{{EDGE},window="fault"}}', lambda s: s.edge["by_window"]["fault"]["attempts"]),
    ("error rate under the fault", f'1 - aftershock_success_ratio{{{EDGE},window="fault"}}',
     lambda s: 1 - s.edge["by_window"]["fault"]["success"]["value"]),
    ("P95 latency, s", f'aftershock_attempt_latency_seconds{{{EDGE},quantile="0.95"}}', lambda s: s.edge["latency_ms"]["p95"] / 1000),
    ("breaker openings", f'aftershock_breaker_opens{{{EDGE}}}', lambda s: s.edge["breaker"]["opens"]),
)


def is_near(a, b):
    return a is not None and b is not None and abs(a - b) <= 1e-6 * max(1, abs(b))


def watch(stage, seen):
    """(question, query, Prometheus' value, the report's) of each, once it has seen the end of the run; and how many steps it saw before."""
    wanted = [(question, query, value(seen)) for question, query, value in QUERIES]
    end = time.monotonic() + 10
    while not all(is_near(stage.prometheus.one(query), value) for _, query, value in wanted) and time.monotonic() < end:
        time.sleep(0.1)
        stage.progress.tick()
    steps = stage.prometheus.one(f'changes(aftershock_attempts{{{EDGE},window="run"}}[1m])')
    return [(question, query, stage.prometheus.one(query), value) for question, query, value in wanted], steps


def pause(stage, seconds, system):
    lab.wait_until(time.monotonic() + seconds, stage.progress, system.order)


RUNS = {  # name: (what happens, how it is recorded)
    "baseline": ("all is well", closed_loop("baseline", 100, 10)),
    "timeout": ("payments take 600 ms longer", closed_loop("timeout", 100, 10, ["name=slow delay=600ms"])),
    "retry": ("30 % of payments fail", closed_loop("retry", "retry", 10, ["name=error status=503 probability=30%"])),
    "growth": ("half of them do, and four attempts are made",
               closed_loop("growth", "growth", 10, ["name=error status=503 probability=50%"], attempts=4, budget_ms=1000)),
    "breaker": ("80 % fail for a while", record_breaker),
    "idempotency": ("the same orders twice", record_idempotency),
    "bulkhead": ("100 orders at once, payments take 400 ms longer", crowd("bulkhead", 100)),
    "rejects": ("200 orders at once", crowd("rejects", 200)),
    "combined": ("150 ms longer, 10 % fail, 5 % are limited", closed_loop("combined", "combined", 10, MIXED)),
    "metrics": ("the breaker's run in little, watched by Prometheus", record_metrics),
}

# SPDX-License-Identifier: MIT
"""What must be seen, each a sentence that can be false."""
from runs import CROWD, KEYS, is_near
from system import ATTEMPTS, BUDGET_MS, PROBES, WIDTH
from table import refusal


def expect_all(runs):
    for name, s in runs.items():
        # Who begins with next to nothing left of the budget may give up before there is a connection.
        unsent = s.counted["attempts"] - s.edge["attempts"]
        yield unsent == 0 if name not in ("bulkhead", "rejects", "combined") else 0 <= unsent <= s.counted["timeouts"], \
            f"{name}: the report and the order service count the same attempts"
        yield s.edge["attempts"] - s.edge["logical"] == s.counted["retries"], f"{name}: ... and the same retries"
        yield s.counted["requests"] == s.users["requests"], f"{name}: the order service counts its users' requests"
        yield s.counted["ok"] == s.users["ok"], f"{name}: ... and how many went well"
        hits = sum(f["fired"] for fault, f in s.faults.items() if fault in ("error", "limit"))
        reached = s.edge["attempts"] - hits
        yield s.counted["charged"] == reached if not s.counted["timeouts"] else s.counted["charged"] <= reached + s.counted["timeouts"], \
            f"{name}: the payment service sees all attempts but those that a fault answered"


def expect_waits(runs):
    s = runs["baseline"]
    yield s.users["ok"] == s.users["requests"] == 100, "baseline: all goes well"
    yield s.edge["amplification"]["value"] == 1 and s.edge["breaker"] is None, "baseline: nobody retries and no breaker is seen"
    yield s.edge["timeout"] is None or not s.edge["timeout"]["modes"], "baseline: no timeout is seen"
    s = runs["timeout"]
    modes = (s.edge["timeout"] or {"modes": []})["modes"]
    yield s.users["ok"] == 0, "timeout: no order goes through"
    yield len(modes) == 1 and 0.99 * BUDGET_MS <= modes[0]["ms"] <= 1.1 * BUDGET_MS, "timeout: the report finds the budget"
    yield s.counted["timeouts"] == s.edge["attempts"] >= 5, "timeout: each attempt runs into it"
    yield s.edge["amplification"]["value"] == 1 and s.counted["retries"] == 0, "timeout: and none is retried"
    yield s.counted["shed"] + s.counted["timeouts"] + s.counted["rejected"] == s.users["requests"], "timeout: all others are refused by the breaker"
    yield s.edge["breaker"] and s.edge["breaker"]["opens"] == s.counted["opened"] == 1, "timeout: which the report sees open once"


def is_30_percent(low_ratio):
    """The least part of a wait that is waited, 0.7/1.3 = 0.54 here; 20 % would be 0.67, and 50 % 0.33."""
    return low_ratio["value"] is not None and 0.43 < low_ratio["value"] < 0.6


def expect_retries(runs):
    s = runs["retry"]
    found = s.edge["retry"]
    yield 0.93 < s.users["ok"] / s.users["requests"] <= 1, "retry: three attempts save nearly all"
    yield 1.2 < s.edge["amplification"]["value"] < 1.6, "retry: for about 1.39 attempts per order"
    yield found["backoff"] == "ambiguous" and "exponential" in found["candidates"], "retry: two waits are called ambiguous, with exponential among them"
    yield found["max_attempts"] == ATTEMPTS, "retry: the report finds three attempts"
    yield is_30_percent(found["jitter"]["low_ratio"]), "retry: ... and the jitter of 30 %"
    yield set(found["retried"]) == {"503"} and s.counted["opened"] == 0, "retry: of a breaker that never opens"
    found = runs["growth"].edge["retry"]
    yield found["backoff"] == "exponential" and abs(found["multiplier"] - 2) < 0.2, "growth: three waits are enough to name what doubles"
    yield found["max_attempts"] == 4, "growth: the report finds four attempts"
    yield 42 <= found["base_ms"] <= 58, "growth: ... and the first wait of 50 ms"
    yield is_30_percent(found["jitter"]["low_ratio"]), "growth: ... and the jitter of 30 %"


def expect_breaker(s, open_s):
    b = s.edge["breaker"] or {"opens": 0, "open_ms": {"low": None, "high": None}, "half_open_probes": None, "half_open_at_least": False}
    yield b["opens"] == s.counted["opened"] > 0, "breaker: the report and the breaker count the same openings"
    low, high = b["open_ms"]["low"], b["open_ms"]["high"]
    # It counts orders: one whose last attempt fails opens it while others, let in before, still try again for up to 150 ms.
    yield low is not None and low <= 1000 * open_s <= high + 150 and high <= 1000 * open_s + 1000, "breaker: the report finds its open time"
    found = b["half_open_probes"] or 0
    yield found == PROBES or (b["half_open_at_least"] and 1 <= found < PROBES), "breaker: ... and how many probes it lets through"
    yield s.counted["closed"] >= 1 and s.breaker_says["state"] == "closed", "breaker: it has closed again"
    yield s.counted["shed"] > 0 and (refusal(s) or 1e3) < 100, "breaker: while it is open orders are refused at once"
    yield s.users["late"] < 0.5 * s.users["requests"] and s.users["held_back"] == 0, "breaker: the users kept their rate"


def expect_crowds(runs):
    for name in ("bulkhead", "rejects"):
        s = runs[name]
        yield s.parts["first"]["ok"] == s.parts["first"]["requests"], f"{name}: all goes well before the crowd comes"
        yield 1 <= s.parts["crowd"]["ok"] <= 2 * WIDTH, f"{name}: in 500 ms there is time for one or two of each place"
        told = sum(s.parts["crowd"]["statuses"].get(status, 0) for status in ("503", "504"))
        yield told == s.parts["crowd"]["requests"] - s.parts["crowd"]["ok"], f"{name}: others find no place, or too late, and are told so"
    yield runs["rejects"].counted["rejected"] > 0, "rejects: some find no place at once"  # who may wait may find one as their time ends
    found = runs["rejects"].edge["bulkhead"]
    yield found is not None and found["width"] == WIDTH, "rejects: the report finds the bulkhead's width"
    outside = runs["rejects"].users["requests"] - runs["rejects"].edge["logical"]
    yield found is not None and found["rejected"] == outside, "rejects: and who never got in"
    s = runs["combined"]
    yield 0.9 < s.users["ok"] / s.users["requests"] <= 1, "combined: nearly all orders go through"
    yield set(s.edge["retry"]["retried"]) == {"429", "503"}, "combined: both kinds of failure are retried"
    for status, fault in (("429", "limit"), ("503", "error")):  # an attempt may be given up before its answer comes
        missing = s.faults[fault]["fired"] - s.edge["statuses"].get(status, 0)
        yield 0 <= missing <= s.counted["timeouts"], f"combined: the report counts each {status} that the fault made"


def expect_idempotency(s):
    first, again, other, crowd = (s.parts[p] for p in ("first", "again", "other", "crowd"))
    yield first["ok"] == KEYS and first["marked"] == 0, "idempotency: the first of each key is a new order"
    yield again["ok"] == again["marked"] == KEYS, "idempotency: the second is answered from the store"
    yield other["statuses"] == {"422": 1}, "idempotency: another order under the same key is refused"
    yield crowd["ok"] >= 1 and crowd["statuses"].get("201", 0) + crowd["statuses"].get("409", 0) == CROWD, \
        "idempotency: of several at once one is made and the others are told so"
    yield s.counted["charged"] == s.counted["begun"] == s.edge["logical"] == KEYS + 1, "idempotency: no order is paid for twice, by all counts"
    yield s.edge["idempotency"]["keys"] == KEYS + 1 and s.edge["idempotency"]["violations"] == 0, "idempotency: the report sees the keys handed on"


def expect_metrics(s):
    rows, steps = s.watched
    for question, _, value, reported in rows:
        yield is_near(value, reported), f"metrics: Prometheus has the report's {question}"
    yield steps is not None and steps >= 2, "metrics: it saw them grow while the run went on"


def expect(runs, size):
    yield from expect_all(runs)
    yield from expect_waits(runs)
    yield from expect_retries(runs)
    yield from expect_breaker(runs["breaker"], size["open"])
    yield from expect_idempotency(runs["idempotency"])
    yield from expect_crowds(runs)
    yield from expect_metrics(runs["metrics"])

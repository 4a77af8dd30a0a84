# SPDX-License-Identifier: MIT
"""What must be seen, each a sentence that can be false: in each run, that the report counts what the services counted and finds the
policies that were configured; over all runs, what the document says as far as it can come true."""
import topology

TIMEOUT_OFF = 0.03  # of an inferred timeout, at most
UNSENT = 0.005  # of all attempts, at most
FULL = 100  # calls that a bulkhead turned away: fewer are a matter of moments, and not always told
LATE_MS = 25  # that a thread may have to wait for its turn
CHAINS = 30  # requests with two waits that tell how they grow


def counted(system, name, callee, **labels):
    return system.total("orders", name, peer=callee, **labels)


def of_run(run, system):
    """Sentences begin with the run's name."""
    name, edge = system.name, run.whole_edge
    gateway = [s for s in run.whole["services"] if s["name"] == "gateway"][0]
    counts = system.total("gateway", "http_requests_total", route="/orders")
    yield counts == system.asked, f"{name}: the gateway and the users count the same orders"
    yield (gateway["failed"] == system.asked - system.served,
           f"{name}: the report and the users count the same failures ({gateway['failed']}, {system.asked - system.served})")
    yield from of_count(name, "attempts", edge["attempts"], counted(system, "peer_attempts_total", run.callee))
    yield from of_count(name, "retries", edge["attempts"] - edge["logical"], counted(system, "retry_attempts_total", run.callee))
    yield from of_retry(run, system)
    yield from of_timeout(run, system)
    yield from of_breaker(run, system)
    yield from of_bulkhead(run, system)
    if topology.has(run.configuration, "F"):
        violations = [e["idempotency"]["violations"] for e in run.whole["edges"] if e["idempotency"]]
        yield not any(violations), f"{name}: no key was used for two effects"


def of_count(name, what, reported, own):
    """An attempt whose time was over before its request was sent is one to orders, but nothing that anyone could see."""
    yield own * (1 - UNSENT) <= reported <= own, f"{name}: the report and orders count the same {what} ({reported}, {own})"


def of_retry(run, system):
    """Where calls fail: the policy that made them again."""
    if run.scenario.name not in ("payment_errors", "retry_storm"):
        return
    retry, name = run.whole_edge["retry"], system.name
    if not topology.has(run.configuration, "B"):
        yield run.whole_edge["amplification"]["value"] == 1, f"{name}: nobody retries"
        return
    # Where few fail, hardly one uses up its attempts, and where a breaker opens between two of them the second never comes: then nobody can tell.
    said, most = retry["max_attempts"], run.whole_edge["chain"]["max"]
    yield (said == topology.ATTEMPTS or not retry["exhausted"] or (said is None and most == topology.ATTEMPTS),
           f"{name}: the report finds {topology.ATTEMPTS} attempts, or no more than those (it says {said}, at most {most})")
    if not topology.has(run.configuration, "C"):  # who drowns in retries also waits for a thread
        yield ("none" in (retry["backoff"], *retry["candidates"]) or retry["confidence"] == "low",
               f"{name}: ... and no backoff, or does not say (it says {retry['backoff']}, {retry['confidence']} confidence)")
    elif any(k == 2 and n >= CHAINS for k, _, _, _, n in retry["gaps_ms"]):  # two waits can not tell linear from exponential
        families = [retry["backoff"], *retry["candidates"]]
        yield "exponential" in families, f"{name}: ... and that exponential backoff is possible (it says {', '.join(families)})"


def of_timeout(run, system):
    if not run.scenario.timeout_ms:
        return
    modes = (run.whole_edge["timeout"] or {"modes": []})["modes"]
    most = max(modes, key=lambda mode: mode["n"])["ms"] if modes else 0
    yield (abs(most - run.scenario.timeout_ms) <= TIMEOUT_OFF * run.scenario.timeout_ms,
           f"{system.name}: the report finds the timeout of {run.scenario.timeout_ms} ms")


def of_breaker(run, system):
    """Only where it opened: of a breaker that never did, traffic tells nothing."""
    opened, breaker = counted(system, "breaker_transitions_total", run.callee, to="open"), run.whole_edge["breaker"]
    name = system.name
    if counted(system, "peer_refused_total", run.callee, by="bulkhead"):  # which of the two turned a call away is not to be seen
        yield not opened or (breaker or {"opens": 0})["opens"] > 0, f"{name}: the report finds the breaker"
        return
    seen = (breaker or {"opens": 0})["opens"]
    # An order is for inventory first: while that one's breaker is open nothing asks for payments, and nobody can tell whether theirs is open too.
    hidden = run.callee == "payments" and counted(system, "breaker_transitions_total", "inventory", to="open")
    yield seen == opened or (hidden and seen < opened), f"{name}: the report and the breaker count the same openings ({seen}, {opened})"
    if not seen:
        return
    low, high = breaker["threshold"]["low"], breaker["threshold"]["high"]
    yield (low is not None and low <= topology.BREAKER_FAILURES <= high,
           f"{name}: the breaker's threshold is {topology.BREAKER_FAILURES} (the report says {low} to {high})")
    low, high, open_ms = breaker["open_ms"]["low"], breaker["open_ms"]["high"], topology.BREAKER_OPEN_MS / run.scenario.scale
    # Its time begins when the thread that is told of the last failure has its turn, which the traffic does not show.
    yield low is not None and low - LATE_MS <= open_ms <= 1.05 * high, f"{name}: ... its open time {open_ms:g} ms (the report says {low} to {high})"
    yield breaker["half_open_probes"] == 1, f"{name}: ... with one probe"


def of_bulkhead(run, system):
    """Where it was full for some time, and no breaker beside it open."""
    if counted(system, "peer_refused_total", run.callee, by="bulkhead") < FULL or counted(system, "peer_refused_total", run.callee, by="breaker"):
        return
    bulkhead = run.whole_edge["bulkhead"] or {"width": None, "mode": None}
    yield bulkhead["width"] == topology.BULKHEAD, f"{system.name}: the bulkhead's width is {topology.BULKHEAD} (the report says {bulkhead['width']})"
    yield bulkhead["mode"] == "reject", f"{system.name}: ... and it rejects"


def of_storm(letter, runs):
    """What a system does that drowns, or does not, is chance: one run in six may be another."""
    labels = [r.recovery["label"] for r in runs]
    if letter in "BC":
        seen = [r.recovery["label"] in ("metastable_suspected", "metastable_confirmed") and r.recovery["censored"] for r in runs]
        what = "stays bad by itself to the end"
    else:  # of A one request in five fails always: a bad second at the very end may be chance
        seen = [r.recovery["label"] in ("recovered", "slow_recovery") and (letter == "A" or not r.recovery["censored"]) for r in runs]
        what = "recovers"
    yield sum(seen) >= len(runs) - len(runs) // 6, f"{letter} in retry_storm {what}, in all runs or all but one of six (the report says {', '.join(labels)})"


def of_all(runs):
    def cells(scenario, letters):
        return [r for r in runs if r.scenario.name == scenario and r.configuration in letters]

    for letter in sorted({r.configuration for r in runs if r.scenario.name == "retry_storm"}):
        yield from of_storm(letter, cells("retry_storm", letter))
    for r in cells("payment_errors", "A"):
        yield 0.65 < r.success < 0.92, f"A in payment_errors: one call in five fails and nothing else (success {r.success:.3f})"
    for r in cells("payment_errors", "BCDEF"):
        yield (r.success > 0.96 and 1.1 < r.amplification < 1.4,
               f"{r.configuration} in payment_errors: retries win (success {r.success:.3f}, amplification {r.amplification:.2f})")

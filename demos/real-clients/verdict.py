# SPDX-License-Identifier: MIT
"""What a report says of a client, in words, and whether that is what the documentation says: same, ambiguous or differs."""

TOLERANCE = 0.1  # of a time, and a few ms of the clock
SLACK_MS = 30
BREAKER_SLACK_MS = 150  # a breaker notices demand only every 50 ms


def near(found, wanted, slack=SLACK_MS):
    return found is not None and abs(found - wanted) <= TOLERANCE * wanted + slack


def ms(value):
    return f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.3g} s"


def counted(attempts):
    return f"{attempts} attempt" + ("s" if attempts != 1 else "")


def span(low, high):
    if low is None or high is None:
        return ""
    return f" ({low:.0f}..{high:.0f})"


def words_of_retry(retry):
    """What was inferred of the retries, each figure with its interval."""
    attempts = retry["max_attempts"]
    if attempts == 1:
        return f"1 attempt: no retry, {retry['failed_requests']} failed requests"
    text = "attempts unknown" if attempts is None else counted(attempts)
    if retry["other_share_high"]:
        text += f" (others in at most {100 * retry['other_share_high']:.0f} % of requests, by {retry['exhausted']})"
    text += "; backoff " + (" or ".join(retry["candidates"]) if retry["candidates"] else retry["backoff"])
    if retry["base_ms"] is not None:
        text += f" from {ms(retry['base_ms'])}{span(*retry['base_range_ms'])}"
    if retry["multiplier"] is not None:
        text += f" x{retry['multiplier']:g}"
    if retry["step_ms"] is not None:
        text += f" +{ms(retry['step_ms'])}"
    if retry["cap_ms"] is not None:
        text += f" up to {ms(retry['cap_ms'])}"
    if retry["skip_first"]:
        text += ", the first at once"
    if retry["jitter"]["names"]:
        text += ", jitter " + " or ".join(retry["jitter"]["names"])
    if retry["gaps_ms"]:
        text += "; median waits " + ", ".join(f"{gap[2]:.0f}" for gap in retry["gaps_ms"][:6]) + (" ..." if len(retry["gaps_ms"]) > 6 else "") + " ms"
    if retry["retry_after"] != "none_seen":
        text += f"; Retry-After {retry['retry_after']}"
    return text


def words_of_breaker(breaker):
    if breaker["absent"]:
        return f"no breaker in {breaker['outage_attempts']} failures"
    low, high = breaker["threshold"]["low"], breaker["threshold"]["high"]
    text = "breaker: opens by the share of failures" if low is None else \
        f"breaker: opens after {low:g}" + ("" if low == high else f"..{high:g}") + (" failure" if high == 1 else " failures")
    text += f"; open for {breaker['open_ms']['low']:.0f}..{breaker['open_ms']['high']:.0f} ms; probes {breaker['half_open_probes'] or '?'}"
    return text + f"; opened {breaker['opens']} time" + ("s" if breaker["opens"] != 1 else "")


def retry_differences(documented, retry):
    """One sentence for each thing that the report says otherwise. An ambiguous backoff is none when the documented one is a candidate."""
    if retry["max_attempts"] not in (None, documented["attempts"]):
        yield f"{counted(retry['max_attempts'])}, not {documented['attempts']}"
    if "retry_after" in documented and retry["retry_after"] != documented["retry_after"]:
        yield f"Retry-After {retry['retry_after']}, not {documented['retry_after']}"
    if "backoff" not in documented or documented["backoff"] in retry["candidates"] or (retry["backoff"] == "ambiguous" and not retry["candidates"]):
        return
    if retry["backoff"] != documented["backoff"]:
        yield f"backoff {retry['backoff']}, not {documented['backoff']}"
        return
    for key in ("base_ms", "step_ms", "multiplier"):
        if key in documented and not near(retry[key], documented[key], 0.05 if key == "multiplier" else SLACK_MS):
            yield f"{key} {retry[key]}, not {documented[key]}"
    if retry["skip_first"] != documented.get("skip_first", False):
        yield "the first retry is at once" if retry["skip_first"] else "the first retry is not at once"


def unknown(documented, retry):
    """What the report leaves open of what is documented."""
    if retry["max_attempts"] is None:
        yield "the attempts can not be counted: it is not known of the processes that they ended by themselves (needs eBPF)"
    if "backoff" in documented and retry["backoff"] == "ambiguous":
        yield f"{len(retry['gaps_ms'])} waits can not tell " + " from ".join(retry["candidates"]) if retry["candidates"] else "the waits fit no law"


def breaker_differences(documented, breaker):
    if breaker["absent"]:
        yield "no breaker"
        return
    low, high = breaker["threshold"]["low"], breaker["threshold"]["high"]
    if low is None:
        yield f"opens by the share of failures, not after {documented['threshold']}"
    elif not low <= documented["threshold"] <= high:
        yield f"opens after {low:g}..{high:g} failures, not {documented['threshold']}"
    low, high = breaker["open_ms"]["low"], breaker["open_ms"]["high"]
    if low > documented["open_ms"] + BREAKER_SLACK_MS or high < documented["open_ms"] - 5 or high > documented["open_ms"] * 1.1 + BREAKER_SLACK_MS:
        yield f"open for {low:.0f}..{high:.0f} ms, not {documented['open_ms']}"
    if breaker["half_open_probes"] not in (None, documented["probes"]):
        yield f"{breaker['half_open_probes']:g} probes, not {documented['probes']}"


def edges_to(report, port):
    return [edge for edge in report["edges"] if str(edge["server"]).endswith(f":{port}")]


def policies(kind, report, port):
    """Of the destination, where one request asks several servers for the same; else of each server."""
    whole = [d for d in report["destinations"] if any(server.endswith(f":{port}") for server in d["servers"])] if kind == "retry" else []
    return [place[kind] for place in whole or edges_to(report, port) if place[kind]]


def judge(client, report, port):
    """{found, confidence, verdict, why} of a client and its report."""
    kind = "breaker" if "threshold" in client.documented else "retry"
    told = policies(kind, report, port)
    if not told:
        return {"found": f"no {kind}", "confidence": "-", "verdict": "differs", "why": client.why or f"the report names no {kind}"}
    policy = told[0]
    words, differences = {"retry": (words_of_retry, retry_differences), "breaker": (words_of_breaker, breaker_differences)}[kind]
    found = words(policy)
    wrong = list(differences(client.documented, policy))
    unsure = list(unknown(client.documented, policy)) if kind == "retry" else [f"{policy['alike']} looks the same"] if policy["alike"] else []
    verdict = "differs" if wrong else "ambiguous" if unsure else "same"
    why = "; ".join(wrong + unsure + ([client.why] if client.why and verdict != "same" else []))
    return {"found": found, "confidence": policy["confidence"], "verdict": verdict, "why": why}

# SPDX-License-Identifier: MIT
"""What the runs came to, beside the document's figures."""
from runs import KEYS
from system import ATTEMPTS, BUDGET_MS

RETRY_SUCCESS = 1 - 0.3 ** ATTEMPTS  # of orders whose attempts fail independently


def share(n, of):
    """With Wilson's 95 % interval."""
    if not of:
        return "-"
    p, z = n / of, 1.96
    middle, reach = (p + z * z / (2 * of)) / (1 + z * z / of), z * (p * (1 - p) / of + z * z / (4 * of * of)) ** 0.5 / (1 + z * z / of)
    return f"{100 * p:.1f} % ({100 * max(0, middle - reach):.1f}..{100 * min(1, middle + reach):.1f})"


def success(seen):
    return share(seen.users["ok"], seen.users["requests"])


def latency(seen, *which, part=None):
    users = seen.parts[part] if part else seen.users
    return ", ".join(f"{users['latency_ms'][each]:.0f}" for each in which) + " ms"


def bounds(part, form="{:.0f}"):
    shown = ["?" if part[end] is None else form.format(part[end]) for end in ("low", "high")]
    return shown[0] if shown[0] == shown[1] else "..".join(shown)


def timeouts(seen):
    modes = (seen.edge["timeout"] or {"modes": []})["modes"]
    return ", ".join(f"{mode['ms']:.0f} ms ({mode['n']} times)" for mode in modes) or "none"


def retry(seen, key, form="{}"):
    value = seen.edge["retry"][key]
    return "-" if value is None else form.format(value)


def backoff(seen):
    found = seen.edge["retry"]
    names = found["candidates"] if found["backoff"] == "ambiguous" else [found["backoff"]]
    return (f"{'ambiguous: ' if len(names) > 1 else ''}{' or '.join(names)}" +
            (f" x{found['multiplier']:.1f}" if found["multiplier"] and len(names) == 1 else ""))


def metric(part, form="{:.2f}"):
    if part["value"] is None:
        return "-"
    return form.format(part["value"]) + ("" if part["low"] == part["high"] else f" ({form.format(part['low'])}..{form.format(part['high'])})")


def failing_share(seen):
    """Of the orders that came while the fault was there."""
    found = seen.entry["by_window"]["fault"]["success"]
    return f"{100 * found['value']:.1f} % ({100 * found['low']:.1f}..{100 * found['high']:.1f})"


def answers(seen):
    return ", ".join(f"{n} x {status}" for status, n in sorted(seen.users["statuses"].items()))


def refusal(seen):
    """The median time of the orders that were refused at once."""
    times = sorted(ms for _, ms, status, _ in seen.answers if status == 503 and ms < BUDGET_MS / 2)
    return times[len(times) // 2] if times else None


def milliseconds(value, digits):
    return "-" if value is None else f"{value:.{digits}f} ms"


def threshold(seen):
    found = seen.edge["breaker"]["threshold"]
    if found["low"] is None:
        return "a share of failures"
    return f"{bounds(found)} failures" + (f", {found['kind']}" if found["kind"] != "unknown" else ", rule not known")


def probes(seen):
    breaker = seen.edge["breaker"]
    return f"{'at least ' if breaker['half_open_at_least'] else ''}{breaker['half_open_probes']}"


ROWS = (  # run · what · ours · the document's · why they differ
    ("baseline", "success", success, "100 %", ""),
    ("", "average, P50, P95, P99", lambda s: latency(s, "mean", "p50", "p95", "p99"), "35, 32, 55, 78 ms", ""),
    ("", "orders per second", lambda s: f"{s.users['requests_per_s']:.0f}", "45.23", "of ten users who wait 31 ms; at 35 ms 45 are one or two users"),
    ("", "attempts per order", lambda s: metric(s.edge["amplification"]), "1", ""),
    ("timeout", "success", success, "0 of 100", ""),
    ("", "timeout, inferred", timeouts, "~500 ms, 100 times", "five in a row open the document's own breaker: the rest is refused"),
    ("", "refused by the breaker", lambda s: str(s.counted["shed"]), "-", ""),
    ("", "attempts per order", lambda s: metric(s.edge["amplification"]), "1", "a timeout is not retried"),
    ("retry", "success", success, "85 to 95 %", f"three attempts: 1 - 0.3^3 = {100 * RETRY_SUCCESS:.1f} %; two would be 91 %"),
    ("", "attempts per order", lambda s: metric(s.edge["amplification"]), "-", "1 + 0.3 + 0.3^2 = 1.39"),
    ("", "average, P95, P99", lambda s: latency(s, "mean", "p95", "p99"), "65, 180, 250 ms", ""),
    ("", "attempts at most, inferred", lambda s: retry(s, "max_attempts"), "3", ""),
    ("", "backoff, inferred", backoff, "exponential", "two waits can not tell"),
    ("", "jitter, inferred", lambda s: " or ".join(s.edge["retry"]["jitter"]["names"]) or "-", "±30 %", ""),
    ("growth", "attempts at most, inferred", lambda s: retry(s, "max_attempts"), "-", ""),
    ("", "backoff, inferred", backoff, "50 ms x2", "three waits can"),
    ("", "first wait, inferred", lambda s: retry(s, "base_ms", "{:.0f} ms"), "35 to 65 ms", ""),
    ("", "jitter, inferred", lambda s: " or ".join(s.edge["retry"]["jitter"]["names"]) or "-", "±30 %", ""),
    ("breaker", "success while payments fail", failing_share, "5 to 15 %",
     "until it opens 1 - 0.8^3 = 49 %; then none, and how many ask then decides: ours come at a steady rate"),
    ("", "of the whole run", success, "-", "also before and after"),
    ("", "opened", lambda s: f"{s.edge['breaker']['opens']} (by its own count {s.counted['opened']})", "once", ""),
    ("", "opens after, inferred", threshold, "5 in a row, or 60 % of 10", "which of the two opens it is chance, and one opening does not always tell"),
    ("", "stays open, inferred", lambda s: bounds(s.edge["breaker"]["open_ms"]) + " ms", "30 s",
     "from the last attempt of an order let in before to the first probe"),
    ("", "probes at once, inferred", probes, "3", ""),
    ("", "good probes that close it", lambda s: str(s.edge["breaker"]["close_after"] or "not known"), "3",
     "it closes between two orders, of which either may be the first that is let in freely"),
    ("", "an order refused, median", lambda s: milliseconds(refusal(s), 1), "1 to 2 ms", ""),
    ("", "at the end", lambda s: s.breaker_says["state"], "closed", ""),
    ("idempotency", "orders sent, paid for", lambda s: f"{s.users['requests']}, {s.counted['charged']}", "3, 2", ""),
    ("", "sent again: answered from store", lambda s: f"{s.parts['again']['marked']} of {KEYS}", "1 of 1", ""),
    ("", "P50 of first, again", lambda s: " and ".join(f"{s.parts[p]['latency_ms']['p50']:.1f} ms" for p in ("first", "again")),
     "30 to 50, 1 to 2 ms", ""),
    ("", "another order under a used key", lambda s: "refused, " + "".join(s.parts["other"]["statuses"]), "-", ""),
    ("bulkhead", "success", lambda s: f"{s.parts['crowd']['ok']} of 100", "90 to 95",
     "10 at a time, 425 ms each: the last of 100 would end at 4.3 s; 500 ms are enough for the first ten"),
    ("", "average, P95, P99", lambda s: latency(s, "mean", "p95", "p99", part="crowd"), "420, 480, 500 ms",
     "all but the first ten wait until their budget ends"),
    ("", "waited in vain for a place", lambda s: str(s.counted["rejected"]), "0", ""),
    ("rejects", "success", lambda s: f"{s.parts['crowd']['ok']} of 200", "-", ""),
    ("", "width, inferred", lambda s: str(s.edge["bulkhead"] and s.edge["bulkhead"]["width"]), "10", ""),
    ("", "found no place", lambda s: str(s.counted["rejected"]), "some", "100 may wait; more are refused at once"),
    ("", "an order refused, median", lambda s: milliseconds(refusal(s), 0), "1 ms", "it is one of 200 that want to be read at the same time"),
    ("combined", "success", success, "95 to 97 %", "a third attempt does not fit: 175 + 50 + 175 + 100 ms are the whole budget"),
    ("", "average, P50, P95, P99", lambda s: latency(s, "mean", "p50", "p95", "p99"), "165, 155, 320, 480 ms",
     "a retry takes 175 + 50 + 175 = 400 ms, and 15 % of orders need one"),
    ("", "answers", answers, "960 x 200, 30 x 500, 10 x 429", "a 429 is tried again as a 503 is; what fails in the end is the budget"),
    ("", "attempts per order", lambda s: metric(s.edge["amplification"]), "-", ""),
)


def table(runs):
    lines = [("run", "what", "ours", "document", "why they differ")]
    name = ""
    for run, what, cell, document, why in ROWS:
        name = run or name
        lines.append((run, what, cell(runs[name]), document, why))
    widths = [max(len(line[i]) for line in lines) for i in range(4)]
    return "\n".join("  ".join([*(c.ljust(w) for c, w in zip(line, widths)), line[4]]).rstrip() for line in lines) + "\n"


def watched_table(seen):
    rows, steps = seen.watched
    lines = [f"what Prometheus has seen of the last run (the attempts grew {steps:.0f} times from one look to the next)"]
    for question, query, value, reported in rows:
        shown = "nothing" if value is None else f"{value:.6g}"
        lines.append(f"  {question:<27}{shown:>10}  report {reported:<10.6g}  {query}")
    return "\n".join(lines) + "\n"

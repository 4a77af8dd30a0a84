#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Retry storm: what do three retry strategies do to a backend that is out for ten seconds?

A client service calls a backend; `aftershock run` around the client turns every answer of the backend into a 503 for the
length of the outage. Ten users ask at once, early in the outage, once for each strategy. Neither service knows of the outage
or of aftershock. What the reports say is then held against what the services themselves counted.
"""
import signal
signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing is started yet: Ctrl-C may end it at once; lab.main() looks after the rest
import os
import sqlite3
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lab  # noqa: E402

USERS = 10
BEFORE = 5  # healthy requests before the outage
AFTER = 6  # healthy requests after it, one a second: the report calls a service recovered when 5 s went well
OUTAGE_FROM_S = 3  # since the start of the run: room for the services to start and for the healthy requests
MARGIN_S = 0.2  # how far inside or outside the outage requests are sent
STEPS = 4  # of each strategy

# The waits are those of the document: 1 s, doubled. Three attempts have two waits; the 4 s would come before a fourth.
ATTEMPTS = 3
WAITS = {"backoff": "exponential", "max_attempts": ATTEMPTS, "base_ms": 1000, "multiplier": 2, "cap_ms": 4000}
STRATEGIES = {
    "naive": {"backoff": "immediate", "max_attempts": ATTEMPTS},
    "backoff": WAITS,
    "jitter": {**WAITS, "jitter": "additive", "jitter_ms": 1000},
}
BACKEND = {
    "name": "backend", "listen": "127.0.0.1:0",
    "routes": [{"path": "/work", "steps": [{"compute_ms": 20}, {"answer": 200, "body": "{\"work\":\"done\"}"}]}],
}


def client_config(strategy, backend):
    return {
        "name": "client", "listen": "127.0.0.1:0", "strategies": STRATEGIES,
        "peers": {"backend": {"url": f"http://127.0.0.1:{backend.port}", "strategy": strategy, "attempt_timeout_ms": 2000}},
        "routes": [{"path": "/process", "steps": [{"call": "backend", "path": "/work"}, {"answer": 200}]}],
    }


def healthy(bench, client, requests, when):
    got = bench.load(client.url("/process"), requests, 1)
    if got["ok"] != requests:
        raise lab.Failed(f"{when} the outage {got['ok']} of {requests} requests succeeded: {got['statuses']}")


def record(bench, strategy, outage_s, progress):
    """One run under one strategy; returns what the users saw and what the services counted."""
    db = bench.path(f"{strategy}.db")
    progress.next(f"{strategy}: starting backend and client")
    backend = bench.service(BACKEND)
    fault = f"name=outage to=127.0.0.1:{backend.port} status=503 from={OUTAGE_FROM_S}s for={outage_s}s"
    client = bench.service(client_config(strategy, backend), bench.run_under(fault, db))
    healthy(bench, client, BEFORE, "before")

    # The outage is a window of time since the run began, so here is the one place that waits for time instead of an event.
    # Asking the service whether the outage has begun, or what it has counted, would send it requests that the figures must not hold.
    begins = began_s(db) + OUTAGE_FROM_S
    progress.next(f"{strategy}: {USERS} users at once in a {outage_s} s outage")
    lab.wait_until(begins + MARGIN_S, progress, client, backend)
    users = bench.load(client.url("/process"), USERS, USERS)
    if time.monotonic() > begins + outage_s:
        raise lab.Failed(f"{strategy}: the users had to wait until after the outage; this machine is too busy to tell")

    progress.next(f"{strategy}: waiting for the end of the outage, then watching the recovery")
    over = begins + outage_s + MARGIN_S
    for second in range(AFTER):
        lab.wait_until(over + second, progress, client, backend)
        healthy(bench, client, 1, "after")
    asked, got_through = client.counters(), backend.counters()
    progress.next(f"{strategy}: closing the run file, reading its report")
    bench.stop(client)
    bench.stop(backend)
    return {"db": db, "port": backend.port, "users": users, "from": OUTAGE_FROM_S, "to": OUTAGE_FROM_S + outage_s,
            "counted": {
                "requests": asked.total("http_requests_total", route="/process") - BEFORE - AFTER,
                "attempts": asked.total("peer_attempts_total", peer="backend") - BEFORE - AFTER,
                "retries": asked.total("retry_attempts_total", peer="backend"),
                "got_through": got_through.total("http_requests_total", route="/work"),
            }}


def read(db):
    """An open run file. Its path may hold what a URI gives a meaning to."""
    return sqlite3.connect(f"file:{urllib.parse.quote(db)}?mode=ro", uri=True)


def began_s(db):
    """When a run began, in seconds of CLOCK_MONOTONIC; also while it goes on."""
    with read(db) as run:
        return int(run.execute("SELECT value FROM run WHERE key = 'started_ns'").fetchone()[0]) / 1e9


def edge_of(report, run):
    found = [e for e in report["edges"] if e["client"] == "client" and str(e["server"]).endswith((f":{run['port']}", "backend"))]
    if len(found) != 1:
        raise lab.Failed(f"the report of {run['db']} has {len(found)} edges from the client to the backend, not one")
    return found[0]


def service_of(report, run):
    found = [s for s in report["services"] if s["name"] == "client"]
    if len(found) != 1:
        raise lab.Failed(f"the report of {run['db']} has {len(found)} services called client, not one")
    return found[0]


def path_of(report, run):
    if len(report["end_to_end"]) != 1:
        raise lab.Failed(f"the report of {run['db']} has {len(report['end_to_end'])} ways from users to a leaf, not one")
    return report["end_to_end"][0]


def recovery_of(report, run):
    if len(report["recovery"]) != 1:
        raise lab.Failed(f"the report of {run['db']} tells of {len(report['recovery'])} recoveries, not of one")
    return report["recovery"][0]


def attempts_of(run):
    """(seconds since the first attempt, is it a retry) of each attempt in the outage, from the run file. A request's attempts
    carry its trace, so that within one trace all but the first are retries."""
    window = [int((began_s(run["db"]) + s) * 1e9) for s in (run["from"], run["to"])]
    with read(run["db"]) as db:
        rows = db.execute(
            """SELECT x.started_ns, row_number() OVER (PARTITION BY x.correlation ORDER BY x.started_ns) > 1
               FROM exchange x JOIN connection c ON c.id = x.connection_id
               WHERE x.role = 'client' AND c.peer LIKE ? AND x.started_ns BETWEEN ? AND ? ORDER BY x.started_ns""",
            (f"%:{run['port']}", *window)).fetchall()
    if not rows:
        raise lab.Failed(f"{run['db']} holds no attempt of the outage")
    return [((at - rows[0][0]) / 1e9, bool(retry)) for at, retry in rows]


def busiest(times, width):
    """The most of these moments that any window of that width holds."""
    return max((sum(1 for t in times if start <= t < start + width) for start in times), default=0)


def judge(bench, run):
    """Adds what the run's report and run file say."""
    window = ("--from", str(run["from"]), "--to", str(run["to"]))
    inside, whole = (bench.report(run["db"], "--format", "json", *options) for options in (window, ()))
    edge, service = edge_of(inside, run), service_of(inside, run)
    attempts = attempts_of(run)
    run.update(edge=edge, service=service, whole=edge_of(whole, run), recovery=recovery_of(whole, run), path=path_of(whole, run), attempts=attempts,
               bunched=busiest([at for at, retry in attempts if retry], 0.1))
    return run


def value(metric):
    return metric["value"] if isinstance(metric, dict) else metric


def show(number, form="{:g}", unit=""):
    return "-" if number is None else form.format(number) + unit


def share(metric):
    if metric["value"] is None:
        return "-"
    return "{value:.0f} % ({low:.0f}..{high:.0f})".format(**{key: 100 * metric[key] for key in ("value", "low", "high")})


def policy_of(run):
    """What the traffic of the whole run tells of the client's retries."""
    return run["whole"]["retry"]


def backoffs(run):
    """The kinds of backoff that fit: one, or several that the traffic can not tell apart."""
    found = policy_of(run)
    return found["candidates"] if found["backoff"] == "ambiguous" else [found["backoff"]]


def show_backoff(run):
    base = policy_of(run)["base_ms"]
    return " or ".join(backoffs(run)) + (f", {base / 1000:.2f} s" if base else "")


ROWS = (  # what · where it is from · the document's figure
    ("logical requests", lambda r: show(r["edge"]["logical"]), "10"),
    ("attempts", lambda r: show(r["edge"]["attempts"]), "~30 / lower / lowest"),
    ("amplification", lambda r: show(value(r["edge"]["amplification"]), "{:.2f}", "x"), "3 / - / -"),
    ("... from users to backend", lambda r: show(value(r["path"]["amplification"]), "{:.2f}", "x"), "-"),
    ("delivered to the backend", lambda r: show(r["edge"]["delivered"]), "~30 / - / -"),
    ("peak attempts per second", lambda r: show(value(r["edge"]["peak_attempts_per_s"])), "-"),
    ("most retries in any 100 ms *", lambda r: show(r["bunched"]), "\"spikes\" / \"smoothest\""),
    ("success", lambda r: share(r["service"]["success"]), "-"),
    ("latency p50", lambda r: show(r["service"]["latency_ms"]["p50"], "{:.0f}", " ms"), "-"),
    ("latency p95", lambda r: show(r["service"]["latency_ms"]["p95"], "{:.0f}", " ms"), "-"),
    ("time to finish", lambda r: show(r["service"]["latency_ms"]["max"], "{:.0f}", " ms"), "fast / slower / -"),
    ("time to recovery", lambda r: show(r["recovery"]["mttr_ms"], "{:.0f}", " ms"), "-"),
    ("attempts at most, inferred", lambda r: show(policy_of(r)["max_attempts"]), "3 / - / -"),
    ("backoff, inferred", show_backoff, "at once / 1, 2, 4 s / backoff + random delay"),
    ("whole run: delivered", lambda r: show(r["whole"]["delivered"]), "-"),
    ("backend's own count", lambda r: show(r["counted"]["got_through"]), "-"),
)

NOTES = f"""\
  * from the run files; all other figures but the last row are from the reports.
The document expects backoff to lower the count. In an outage that outlasts the waits it can not: every request uses all its
attempts, and only the peak rate falls. Jitter spreads what backoff still sends in step. The document's backend answers its
503 itself and so counts ~30 requests; here aftershock answers for it, and the backend's own count shows what got through:
the {BEFORE + AFTER} healthy requests around the outage. The reports count one more request of users: this
script's own, of /metrics, at the end.
"""


def table(runs):
    lines = [("", *runs, "document (naive / backoff / jitter)")]
    lines += [(what, *(cell(r) for r in runs.values()), document) for what, cell, document in ROWS]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = ["  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:-1], widths[1:-1])), line[-1]]).rstrip()
            for line in lines]
    return "\n".join(text) + "\n"


def timeline(runs):
    """How many attempts began in each half second since the first."""
    halves = int(2 * max(r["attempts"][-1][0] for r in runs.values())) + 1
    text = f"attempts in each half second, {halves / 2:g} s from the first\n"
    for name, r in runs.items():
        counts = [sum(1 for at, _ in r["attempts"] if int(2 * at) == half) for half in range(halves)]
        text += name.ljust(9) + "".join(f"{n or '.':>3}" for n in counts) + "\n"
    return text


def expect(runs):
    """What must be seen, each a sentence that can be false."""
    naive, backoff, jitter = (runs[name] for name in STRATEGIES)
    yield value(naive["edge"]["amplification"]) == 3, "naive comes out at amplification 3.00"
    yield value(naive["path"]["amplification"]) == 3, "... also from the users to the backend"
    for name, r in runs.items():
        edge, counted = r["edge"], r["counted"]
        yield edge["logical"] == counted["requests"] == USERS, f"{name}: the report and the client count {USERS} logical requests"
        yield edge["attempts"] == counted["attempts"], f"{name}: the report and the client count the same attempts"
        yield edge["attempts"] - edge["logical"] == counted["retries"], f"{name}: ... and the same retries"
        yield edge["delivered"] == 0, f"{name}: no attempt reached the backend in the outage"
        yield (r["whole"]["delivered"] == counted["got_through"] == BEFORE + AFTER,
               f"{name}: the report and the backend count the same requests that got through")
        yield r["users"]["ok"] == 0, f"{name}: no user was served in the outage"
        yield r["recovery"]["label"] == "recovered", f"{name}: the report sees the recovery"
        yield edge["attempts"] == naive["edge"]["attempts"], f"{name}: makes as many attempts as naive"
        yield policy_of(r)["max_attempts"] == ATTEMPTS, f"{name}: the report finds three attempts"
    yield backoffs(naive) == ["none"], "naive: ... and that it does not wait"
    # Two waits that double are two that grow by a second, and ten draws of chance are few: what is said of them may be ambiguous.
    yield "exponential" in backoffs(backoff), "backoff: ... and a backoff that may be exponential"
    yield not {"none", "fixed"} & set(backoffs(jitter)), "jitter: ... and waits that grow"
    peak = [value(r["edge"]["peak_attempts_per_s"]) for r in (naive, backoff, jitter)]
    yield peak[0] > peak[1] and peak[0] > peak[2], "waiting lowers the peak rate"
    yield jitter["bunched"] < backoff["bunched"] <= naive["bunched"], "jitter bunches retries least"


def options():
    return lab.options(__doc__, "the run files and reports",
                       "a 6 s outage instead of 10 s; under a minute in all").parse_args()


def demo():
    args = options()
    outage_s = 6 if args.short else 10
    progress = lab.Progress(STEPS * len(STRATEGIES), len(STRATEGIES) * (OUTAGE_FROM_S + outage_s + AFTER))
    with lab.Lab(args.build, args.out) as bench:
        runs = {name: judge(bench, record(bench, name, outage_s, progress)) for name in STRATEGIES}
        progress.done()
        for name, r in runs.items():
            print(f"==== {name} ====\n{bench.report(r['db'])}")
            bench.report(r["db"], "--format", "html", "-o", bench.path(f"report-{name}.html"))
        bench.tool("compare", "--base", runs["naive"]["db"], "--new", runs["jitter"]["db"], "--format", "html", "-o", bench.path("report.html"),
                   fine=(0, 1, 3))
    text = f"{table(runs)}\n{timeline(runs)}\n{NOTES}"
    print(f"==== {USERS} users, one {outage_s} s outage, three strategies ====\n{text}")
    with open(bench.path("table.txt"), "w", encoding="utf-8") as f:
        f.write(text)
    wrong = [sentence for holds, sentence in expect(runs) if not holds]
    print(f"report.html (naive beside jitter), reports, run files and table: {bench.out}")
    if wrong:
        raise lab.Failed("this was not seen: " + "; ".join(wrong))
    return 0


if __name__ == "__main__":
    sys.exit(lab.main(demo))

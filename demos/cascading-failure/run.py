#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Cascading failure: what does one hanging dependency, and not even an important one, do to the users of a gateway?

Two gateways call the same two services, product and recommendations; v1 waits for both, v2 has a short timeout, a breaker and a
fallback for recommendations. Both get the same open-loop load, side by side, each in an `aftershock run` of its own. Then
`aftershock fault` makes recommendations hang and, later, clears that. No service knows of the fault or of aftershock. What the
reports say is then held against what the gateways and the users themselves counted.
"""
import signal
signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing is started yet: Ctrl-C may end it at once; lab.main() looks after the rest
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lab  # noqa: E402

RATE = 10  # requests per second to each gateway, whatever becomes of them
ROUTE = "/product-details"
THRESHOLD = 3
# Seconds. `scale` divides the document's times; 30 s timeouts do not fit into a test of 60.
FULL = {"scale": 1, "before": 10, "hang": 120, "after": 20, "bin": 5}
SHORT = {"scale": 5, "before": 5, "hang": 20, "after": 7, "bin": 1}
V1_TIMEOUT_S, V2_TIMEOUT_S, OPEN_S = 30, 5, 5  # the document's
HANG = "name=hang process=recommendations at=* path=/recommendations hang=response"

HEALTHY = '{"product":{"id":1,"name":"Laptop","price":999.99},"recommendations":[{"id":2,"name":"Mouse"},{"id":3,"name":"Keyboard"}]}'
DEGRADED = '{"product":{"id":1,"name":"Laptop","price":999.99},"recommendations":[],"degraded_mode":true}'


def leaf(name, path, body):
    return {"name": name, "listen": "127.0.0.1:0",
            "routes": [{"path": path, "steps": [{"compute_ms": 3}, {"answer": 200, "body": body}]}]}


PRODUCT = leaf("product", "/product", '{"id":1,"name":"Laptop","price":999.99}')
RECOMMENDATIONS = leaf("recommendations", "/recommendations", '[{"id":2,"name":"Mouse"},{"id":3,"name":"Keyboard"}]')


def gateway_config(version, product, recommendations, scale):
    """v2 differs from v1 in three policies of one call, and in nothing else."""
    peer = {"url": f"http://127.0.0.1:{recommendations.port}", "attempt_timeout_ms": 1000 * V1_TIMEOUT_S / scale}
    call = {"call": "recommendations", "path": "/recommendations"}
    if version == "v2":
        peer["attempt_timeout_ms"] = 1000 * V2_TIMEOUT_S / scale
        peer["breaker"] = {"consecutive": THRESHOLD, "open_ms": 1000 * OPEN_S / scale, "permits": 1, "close_after": 1}
        call["fallback"] = {"kind": "static", "body": DEGRADED}
    return {
        "name": "gateway", "listen": "127.0.0.1:0",
        "peers": {"product": {"url": f"http://127.0.0.1:{product.port}"}, "recommendations": peer},
        "routes": [{"path": ROUTE, "steps": [{"call": "product", "path": "/product"}, call, {"answer": 200, "body": HEALTHY}]}],
    }


class System:
    """One version of the system in a run of its own, and its users."""

    def __init__(self, bench, version, scale):
        self.bench, self.version, self.db = bench, version, bench.path(f"{version}.db")
        self.run = f"cascading-{version}-{os.getpid()}"
        self.host = bench.host(version, bench.run_under(None, self.db, self.run))
        self.product = bench.service_at(self.host, PRODUCT)
        self.recommendations = bench.service_at(self.host, RECOMMENDATIONS)
        self.gateway = bench.service_at(self.host, gateway_config(version, self.product, self.recommendations, scale))

    def open_doors(self):
        self.users = self.bench.arrivals(f"{self.version}.users", self.gateway.url(ROUTE), RATE, "-t", "60")

    def close(self):
        """The users stop, what the services counted is read, the run file is closed."""
        self.answers = self.users.end()
        page = self.gateway.get("/metrics")
        with open(self.bench.path(f"{self.version}.metrics"), "w", encoding="utf-8") as f:
            f.write(page)
        self.counters = lab.Counters(page)
        self.breakers = self.gateway.get("/status/breakers")["breakers"]
        self.bench.stop_host(self.host)


def record(bench, times, progress):
    progress.next("starting two systems: gateway v1 and gateway v2, each with product and recommendations")
    systems = {version: System(bench, version, times["scale"]) for version in ("v1", "v2")}
    services = [s.gateway for s in systems.values()]
    for system in systems.values():
        system.open_doors()
    progress.next(f"all is well, {RATE} requests a second to each gateway")
    lab.wait_until(time.monotonic() + times["before"], progress, *services)
    for system in systems.values():
        bench.fault(system.run, "set", HANG)
        system.hung = time.monotonic()  # a moment after it began: who arrives from now on meets it for sure
    progress.next("recommendations hangs")
    lab.wait_until(time.monotonic() + times["hang"], progress, *services)
    for system in systems.values():
        bench.fault(system.run, "clear")
        system.cleared = time.monotonic()
    progress.next("recommendations answers again")
    lab.wait_until(time.monotonic() + times["after"], progress, *services)
    progress.next("closing the run files, reading the reports")
    for system in systems.values():
        system.close()
    return systems


def status(system):
    """What the gateway says of its breaker at the end. Nobody asks earlier: a question is a request to the gateway too, and the
    figures are to be of its users alone."""
    return "v2's breaker at the end, by its own word: {state}; opened {opened} times, {refused} calls refused\n".format(
        **system.breakers["recommendations"])


def waited(system):
    """The answers to the requests that arrived while recommendations hung."""
    return [a for a in system.answers if system.hung <= a[0] < system.cleared]


def edge_of(report, client, server):
    found = [e for e in report["edges"] if (e["client"], e["server"]) == (client, server)]
    if len(found) != 1:
        raise lab.Failed(f"the report of {report['run']['file']} has {len(found)} edges {client} -> {server}, not one")
    return found[0]


def judge(bench, system):
    """Adds what the run's report says, and what those counted who were there."""
    report = bench.report(system.db, "--format", "json")
    bench.report(system.db, "--format", "html", "-o", bench.path(f"report-{system.version}.html"))
    gateway = [s for s in report["services"] if s["name"] == "gateway"]
    if len(gateway) != 1 or "fault" not in gateway[0]["by_window"]:
        raise lab.Failed(f"the report of {system.db} does not tell of the gateway while recommendations hung")
    counters = system.counters
    system.report, system.service = report, gateway[0]
    system.hang = gateway[0]["by_window"]["fault"]
    system.edge = edge_of(report, "gateway", "recommendations")
    system.fault = report["faults"][0]
    system.counted = {
        "requests": counters.total("http_requests_total", route=ROUTE),
        "failed": counters.total("http_requests_total", route=ROUTE, status="504"),
        "degraded": counters.total("http_requests_degraded_total", route=ROUTE),
        "attempts": counters.total("peer_attempts_total", peer="recommendations"),
        "timeouts": counters.total("peer_attempts_total", peer="recommendations", error="timeout"),
        "opened": counters.total("breaker_transitions_total", peer="recommendations", to="open"),
        "refused": counters.total("peer_refused_total", peer="recommendations", by="breaker"),
    }


def median_interval(values):
    """The median and its distribution-free 95 % interval: ranks n/2 -+ 0.98 sqrt(n), as the binomial has them."""
    ordered, n = sorted(values), len(values)
    reach = 0.98 * n ** 0.5
    return ordered[(n - 1) // 2], ordered[max(0, int(n / 2 - reach))], ordered[min(n - 1, int(n / 2 + reach) + 1)]


def ms(number):
    return f"{number:,.0f}" if number >= 100 else f"{number:.1f}"


def show_median(system):
    return "{} ms ({}..{})".format(*map(ms, median_interval([latency for _, latency, _, _ in waited(system)])))


def show_mean(system):
    return ms(system.hang["latency_ms"]["mean"]) + " ms"


def show_share(metric, turned=False):
    if metric["value"] is None:
        return "-"
    low, value, high = (100 * metric[key] for key in ("low", "value", "high"))
    if turned:
        low, value, high = 100 - high, 100 - value, 100 - low
    return f"{value:.1f} % ({low:.1f}..{high:.1f})"


def show_timeout(system):
    modes = (system.edge["timeout"] or {"modes": []})["modes"]
    return ", ".join(f"{ms(m['ms'])} ms ({m['n']} times)" for m in modes) or "-"


def show_breaker(system, what):
    breaker = system.edge["breaker"]
    if not breaker or not breaker["opens"]:
        return "none"
    if what == "threshold" and breaker["threshold"]["low"] is None:
        return "a share of failures"
    if what == "threshold":
        return "{low} failures".format(**breaker["threshold"]) if breaker["threshold"]["low"] == breaker["threshold"]["high"] \
            else "{low}..{high} failures".format(**breaker["threshold"])
    return "{} to {} ms".format(ms(breaker["open_ms"]["low"]), ms(breaker["open_ms"]["high"]))


def good_per_s(system):
    """Requests of users that were answered well, each second of the hang."""
    answers = waited(system)
    return f"{sum(1 for a in answers if a[2] == 200) / (system.cleared - system.hung):.2f}"


ROWS = (  # while recommendations hangs: what · ours · the document's (v1 / v2) · why they differ
    ("latency, mean", show_mean, "30,011 / 5 ms",
     "v2: the first wave and each probe wait for the timeout; 5 ms is no mean"),
    ("latency, median", show_median, "- / 5 ms", ""),
    ("failed", lambda s: show_share(s.hang["success"], turned=True), "100 / 100 %",
     "v2: the document's load generator calls an answer without recommendations a failure"),
    ("degraded", lambda s: f"{100 * s.hang['degraded'] / max(1, s.hang['requests']):.0f} %", "- / \"100 %*\"", "good, but without a part"),
    ("answered well per second", good_per_s, "0 / 64.22",
     f"ours is the demand, {RATE}; the document's 100 users wait 1 to 2 s between requests"),
    ("calls to recommendations", lambda s: str(s.fault["fired"]), "-", "v2: the first wave, then one probe after each open time"),
    ("timeout, inferred", show_timeout, "30 / 5 s", ""),
    ("breaker opens after, inferred", lambda s: show_breaker(s, "threshold"), "none / 3", ""),
    ("and stays open, inferred", lambda s: show_breaker(s, "open"), "none / 5 s", "the document's text and figure say 10 s, its code 5 s"),
    ("breaker's own count of openings", lambda s: str(s.counted["opened"]), "-", ""),
)


def table(systems, scale):
    lines = [("while recommendations hangs", "v1", "v2", "document (v1 / v2)", "why they differ")]
    lines += [(what, *(cell(s) for s in systems.values()), document, why) for what, cell, document, why in ROWS]
    widths = [max(len(line[i]) for line in lines) for i in range(4)]
    text = "\n".join("  ".join([*(c.ljust(w) for c, w in zip(line, widths)), line[4]]).rstrip() for line in lines) + "\n"
    if scale > 1:
        text += f"Short mode: all times of the document are divided by {scale}, also in the systems: 30 s are {30 / scale:g} s, 5 s are {5 / scale:g} s.\n"
    return text


def timeline(systems, width):
    """What became of the requests that arrived in each `width` seconds."""
    kinds = (("whole", lambda a: a[2] == 200 and not a[3]), ("degraded", lambda a: a[3]), ("failed", lambda a: a[2] != 200))
    text = f"what became of the requests that arrived in each {width} s; recommendations hangs between the bars\n"
    for version, system in systems.items():
        began = system.hung - width * int((system.hung - system.answers[0][0]) / width + 1)
        bins = int((system.answers[-1][0] - began) / width) + 1
        bars = (int((system.hung - began) / width + 0.5), int((system.cleared - began) / width + 0.5))
        for kind, is_kind in kinds:
            counts = [0] * bins
            for a in filter(is_kind, system.answers):
                counts[int((a[0] - began) / width)] += 1
            text += f"{version} {kind:<9}" + "".join((" |" if i in bars else "  ") + f"{n or '.':>3}" for i, n in enumerate(counts)) + "\n"
    return text


def expect(systems, scale):
    """What must be seen, each a sentence that can be false."""
    v1, v2 = systems["v1"], systems["v2"]
    for version, s in systems.items():
        timeout_ms = 1000 * (V1_TIMEOUT_S if version == "v1" else V2_TIMEOUT_S) / scale
        modes = (s.edge["timeout"] or {"modes": []})["modes"]
        yield len(modes) == 1 and abs(modes[0]["ms"] - timeout_ms) <= 0.01 * timeout_ms, f"{version}: the report finds the timeout"
        yield s.edge["attempts"] == s.counted["attempts"], f"{version}: the report and the gateway count the same attempts"
        yield s.edge["outcomes"]["indeterminate"] == s.counted["timeouts"], f"{version}: ... and the same timeouts"
        yield s.edge["amplification"]["value"] == 1, f"{version}: nobody retries"
        yield s.service["failed"] == s.counted["failed"], f"{version}: ... and the same failures"
        yield s.service["degraded"] == s.counted["degraded"], f"{version}: ... and the same degraded answers"
        yield s.counted["requests"] == len(s.answers), f"{version}: the gateway counts its users' requests"
    # One request may arrive while the hang is on and get to recommendations when it is over.
    yield 1 < v1.hang["requests"] <= v1.hang["failed"] + 1, "v1: every request fails while recommendations hangs"
    yield v1.service["degraded"] == 0, "v1: nothing is degraded"
    yield median_interval([a[1] for a in waited(v1)])[1] >= 990 * V1_TIMEOUT_S / scale, "v1: they wait for the whole timeout"
    yield v1.edge["breaker"] is None or v1.edge["breaker"]["opens"] == 0, "v1: the report sees no breaker"
    yield v2.service["failed"] == 0 and all(a[2] == 200 for a in v2.answers), "v2: no request fails"
    yield 1 < v2.hang["requests"] <= v2.hang["degraded"] + 1, "v2: every answer is degraded while recommendations hangs"
    yield v2.service["degraded"] == sum(1 for a in v2.answers if a[3]), "v2: the users and the report see the same degraded answers"
    yield median_interval([a[1] for a in waited(v2)])[2] < 100, "v2: the median is a matter of milliseconds"
    breaker = v2.edge["breaker"] or {"opens": 0, "threshold": {"low": None}, "open_ms": {"low": None}, "half_open_probes": None}
    yield breaker["opens"] == v2.counted["opened"] > 0, "v2: the report and the breaker count the same openings"
    low, high = breaker["threshold"].get("low"), breaker["threshold"].get("high")
    yield low is not None and low <= THRESHOLD <= high <= THRESHOLD + 2, "v2: the report finds the breaker's threshold"
    low, high = breaker["open_ms"].get("low"), breaker["open_ms"].get("high")
    yield low is not None and low <= 1000 * OPEN_S / scale <= high <= 1.1 * 1000 * OPEN_S / scale, "v2: ... and its open time"
    yield breaker["half_open_probes"] == 1, "v2: ... and its one probe"


def options():
    return lab.options(__doc__, "the run files and reports",
                       "all times of the document divided by 5 (v1 waits 6 s, v2 1 s); under a minute in all").parse_args()


def demo():
    args = options()
    times = SHORT if args.short else FULL
    progress = lab.Progress(5, times["before"] + times["hang"] + times["after"] + 5)
    with lab.Lab(args.build, args.out) as bench:
        systems = record(bench, times, progress)
        progress.done()
        for version, system in systems.items():
            judge(bench, system)
            print(f"==== {version} ====\n{bench.report(system.db)}")
        versions = ("--base", systems["v1"].db, "--new", systems["v2"].db)
        print(f"==== v1 and v2 ====\n{bench.tool('compare', *versions, fine=(0, 1, 3))}")
        bench.tool("compare", *versions, "--format", "html", "-o", bench.path("report.html"), fine=(0, 1, 3))
    text = f"{table(systems, times['scale'])}\n{timeline(systems, times['bin'])}\n{status(systems['v2'])}"
    print(f"==== {RATE} requests a second, recommendations hangs for {times['hang']} s ====\n{text}")
    with open(bench.path("table.txt"), "w", encoding="utf-8") as f:
        f.write(text)
    wrong = [sentence for holds, sentence in expect(systems, times["scale"]) if not holds]
    print(f"report.html, run files and table: {bench.out}")
    if wrong:
        raise lab.Failed("this was not seen: " + "; ".join(wrong))
    return 0


if __name__ == "__main__":
    sys.exit(lab.main(demo))

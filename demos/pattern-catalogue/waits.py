# SPDX-License-Identifier: MIT
"""Retries with full and with decorrelated jitter; timeouts that fit into each other, and ones that do not."""
from common import Run, edge_of, side_by_side

STEPS, SECONDS, SHORT_SECONDS = 2, 15, 8
DATABASES = {}
ATTEMPTS, BASE_MS, CAP_MS = 5, 80, 2000
JITTERS = ("full", "decorrelated")
CALLS, SHORT_CALLS, USERS = 180, 60, 30  # of each client: a report tells families of waits apart from some thirty calls on
# What counts is which is longer: the document's 30, 10 and 5 s make the same hierarchy.
FITTING_MS, CHILD_MS, INVERTED_MS = 900, 600, 250
GATEWAYS = {"gateway": FITTING_MS, "gateway-inverted": INVERTED_MS}
ASKED = 12  # requests to each gateway while the database hangs
OUT = "name=out process=backend at=* path=/work status=503"
HANG = "name=hang process=database at=* path=/query hang=response"


def leaf(name, path):
    return {"name": name, "listen": "127.0.0.1:0", "routes": [{"path": path, "steps": [{"compute_ms": 2}, {"answer": 200}]}]}


def caller(name, path, server, server_path, timeout_ms, jitter=None):
    """A service that does nothing but call another."""
    strategy = {"backoff": "exponential", "max_attempts": ATTEMPTS, "base_ms": BASE_MS, "multiplier": 2, "cap_ms": CAP_MS, "jitter": jitter}
    peer = {"url": f"http://127.0.0.1:{server.port}", "attempt_timeout_ms": timeout_ms, **({"strategy": "retries"} if jitter else {})}
    return {"name": name, "listen": "127.0.0.1:0", "strategies": {"retries": strategy} if jitter else {}, "peers": {server.name: peer},
            "routes": [{"path": path, "steps": [{"call": server.name, "path": server_path}, {"answer": 200}]}]}


class Waits:
    """One run: two clients of one backend that differ in their jitter, two gateways of one service that differ in their timeout."""

    def __init__(self, bench, progress, _, short):
        with Run(bench, "waits") as run:
            self.run = run
            progress.next("retries with full and with decorrelated jitter: a backend answers 503")
            self.start()
            self.ask(bench, self.clients + self.gateways, 10, 2)
            run.fault(OUT)
            self.ask(bench, self.clients, SHORT_CALLS if short else CALLS, USERS)
            run.fault(None)
            progress.next("timeouts that fit into each other and ones that do not: a database hangs")
            run.fault(HANG)
            self.ask(bench, self.gateways, ASKED, 4)
            run.fault(None)
            self.ask(bench, self.clients + self.gateways, 10, 2)
            self.counted = {s.name: run.counters(s) for s in self.clients + self.gateways}
        self.judge()

    def start(self):
        run = self.run
        backend, database = run.service(leaf("backend", "/work")), run.service(leaf("database", "/query"))
        self.clients = [run.service(caller(f"client-{jitter}", "/ask", backend, "/work", 5000, jitter)) for jitter in JITTERS]
        self.service = run.service(caller("service", "/serve", database, "/query", CHILD_MS))
        self.gateways = [run.service(caller(name, "/ask", self.service, "/serve", ms)) for name, ms in GATEWAYS.items()]

    @staticmethod
    def ask(bench, services, requests, users):
        side_by_side(*(lambda s=s: bench.load(s.url("/ask"), requests, users) for s in services))

    def judge(self):
        report = self.run.report()
        edges = {jitter: edge_of(report, f"client-{jitter}", "backend") for jitter in JITTERS}
        self.retries = {jitter: edge["retry"] for jitter, edge in edges.items()}
        self.attempts = {jitter: edge["attempts"] for jitter, edge in edges.items()}
        self.own_attempts = {j: self.counted[f"client-{j}"].total("peer_attempts_total", peer="backend") for j in JITTERS}
        self.timeouts = {name: [m["ms"] for m in (edge_of(report, name, "service")["timeout"] or {"modes": []})["modes"]] for name in GATEWAYS}
        self.inversions = [f for f in report["findings"] if f["code"] == "timeout-inversion"]

    def rows(self):
        for jitter in JITTERS:
            r = self.retries[jitter]
            yield f"{jitter} jitter, inferred", "{}{}, {} confidence, at most {} attempts".format(
                r["backoff"], "".join(f", {name}" for name in r["jitter"]["names"]), r["confidence"], r["max_attempts"])
        for name, ms in GATEWAYS.items():
            yield f"{name}: {ms} ms over {CHILD_MS} ms", ", ".join(f"{found:.0f} ms" for found in self.timeouts[name]) or "its timeout is not met"
        for finding in self.inversions:
            yield "finding", finding["message"]

    def expect(self):
        full, decorrelated = (self.retries[jitter] for jitter in JITTERS)
        yield full["backoff"] == "exponential" and "full" in full["jitter"]["names"], "the report finds full jitter"
        yield decorrelated["backoff"] == "decorrelated", "... and tells decorrelated jitter from it"
        for jitter in JITTERS:
            yield self.retries[jitter]["max_attempts"] == ATTEMPTS, f"{jitter}: the report finds the most attempts"
            yield self.attempts[jitter] == self.own_attempts[jitter], f"{jitter}: report and client count the same attempts"
        yield len(self.inversions) == 1 and "gateway-inverted" in self.inversions[0]["where"], "inverted timeouts, and no others, are a finding"
        found = self.timeouts["gateway-inverted"]
        yield len(found) == 1 and abs(found[0] - INVERTED_MS) < 0.1 * INVERTED_MS, "the report finds the inverted timeout"

# SPDX-License-Identifier: MIT
"""The system of the demo: an order service that calls a payment service with every pattern at once. Each run has one of its own,
so that no breaker remembers the run before."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lab  # noqa: E402

ROUTE = "/orders"
CALLEE = "process=payment-service at=* path=/charge"  # where all faults act
BUDGET_MS, ATTEMPTS, CONSECUTIVE, RATE, MIN_CALLS, OPEN_S, PROBES, WIDTH = 500, 3, 5, 0.6, 10, 30, 3, 10  # the document's

PAYMENT = {
    "name": "payment-service", "listen": "127.0.0.1:0",
    "routes": [{"path": "/charge", "method": "POST", "steps": [{"compute_ms": 25}, {"answer": 200, "body": '{"status":"charged"}'}]}],
}
BACKOFF = {"backoff": "exponential", "base_ms": 50, "multiplier": 2, "jitter": "proportional", "jitter_share": 0.3,
           "retry_on": [429, 500, 502, 503, "error"]}  # a timeout is not retried


def order_config(payment, attempts=ATTEMPTS, budget_ms=BUDGET_MS, open_s=OPEN_S):
    return {
        "name": "order-service", "listen": "127.0.0.1:0",
        "strategies": {"backoff": {**BACKOFF, "max_attempts": attempts}},
        "peers": {"payment": {
            "url": f"http://127.0.0.1:{payment.port}", "strategy": "backoff", "attempt_timeout_ms": budget_ms, "total_timeout_ms": budget_ms,
            "breaker": {"consecutive": CONSECUTIVE, "rate": RATE, "window": MIN_CALLS, "min_calls": MIN_CALLS, "open_ms": 1000 * open_s,
                        "permits": PROBES, "close_after": PROBES, "scope": "request"},
            "bulkhead": {"width": WIDTH, "queue": 100, "wait_ms": BUDGET_MS}}},
        "routes": [{"path": ROUTE, "method": "POST", "idempotency": {"store": "memory", "ttl_ms": 24 * 3600 * 1000}, "steps": [
            {"call": "payment", "method": "POST", "path": "/charge", "body": '{"amount":199.99,"currency":"USD"}',
             "idempotency_key": "${header.idempotency-key}"},
            {"compute_ms": 5}, {"answer": 201, "body": '{"status":"completed"}'}]}],
    }


class System:
    """Both services in a run of that name; `faults` act from its start, others can be set while it goes on."""

    def __init__(self, bench, name, faults=(), **policy):
        self.bench, self.name, self.db = bench, name, bench.path(f"{name}.db")
        self.run = f"reliability-{name}-{os.getpid()}"
        words = bench.run_under(None, self.db, self.run)
        words[2:2] = [word for fault in faults for word in ("--fault", f"{CALLEE} {fault}")]
        self.host = bench.host(name, words)
        self.payment = bench.service_at(self.host, PAYMENT)
        self.order = bench.service_at(self.host, order_config(self.payment, **policy))

    def load(self, requests, users, *options):
        """A closed loop of orders; the load generator's summary."""
        return self.bench.load(self.order.url(ROUTE), requests, users, "-X", "POST", *options)

    def arrivals(self, rate):
        """An open loop of orders, until its end()."""
        return self.bench.arrivals(f"{self.name}.users", self.order.url(ROUTE), rate, "-X", "POST")

    def close(self, users):
        """What the services counted and what the report says. users: the load generator's summary, of all orders together."""
        counters = [self.counters_of(kind, service) for kind, service in (("order", self.order), ("payment", self.payment))]
        breaker = self.order.get("/status/breakers")["breakers"]["payment"]
        self.bench.stop_host(self.host)
        report = self.bench.report(self.db, "--format", "json")
        self.bench.report(self.db, "--format", "html", "-o", self.bench.path(f"report-{self.name}.html"))
        return Seen(self, users, report, counters, breaker)

    def close_parts(self, parts):
        """The same of orders that came in several parts: {name: summary}."""
        seen = self.close({each: sum(part[each] for part in parts.values()) for each in ("requests", "ok")})
        seen.parts = parts
        return seen

    def counters_of(self, kind, service):
        """What a service has counted; a copy of the page is left beside the run file."""
        page = service.get("/metrics")
        with open(self.bench.path(f"{self.name}-{kind}.metrics"), "w", encoding="utf-8") as f:
            f.write(page)
        return lab.Counters(page)


class Seen:
    """One run by all who saw it: the users, the services themselves, and the report."""

    def __init__(self, system, users, report, counters, breaker):
        order, payment = counters
        self.name, self.db, self.users, self.report, self.breaker_says = system.name, system.db, users, report, breaker
        self.edge = only([e for e in report["edges"] if (e["client"], e["server"]) == ("order-service", "payment-service")], system.db, "edges")
        self.entry = only([e for e in report["edges"] if (e["client"], e["server"]) == ("external", "order-service")], system.db, "entries")
        self.faults = {f["name"]: f for f in report["faults"]}
        self.counted = {
            "requests": order.total("http_requests_total", route=ROUTE),
            "ok": order.total("http_requests_total", route=ROUTE, status="201"),
            "attempts": order.total("peer_attempts_total", peer="payment"),
            "timeouts": order.total("peer_attempts_total", peer="payment", error="timeout"),
            "retries": order.total("retry_attempts_total", peer="payment"),
            "opened": order.total("breaker_transitions_total", peer="payment", to="open"),
            "closed": order.total("breaker_transitions_total", peer="payment", to="closed"),
            "shed": order.total("peer_refused_total", peer="payment", by="breaker"),
            "rejected": order.total("peer_refused_total", peer="payment", by="bulkhead"),
            "begun": order.total("idempotent_requests_total", route=ROUTE, verdict="run"),
            "replayed": order.total("idempotent_requests_total", route=ROUTE, verdict="replay"),
            "charged": payment.total("http_requests_total", route="/charge"),
        }


def only(found, db, what):
    if len(found) != 1:
        raise lab.Failed(f"the report of {db} has {len(found)} {what} of that kind, not one")
    return found[0]

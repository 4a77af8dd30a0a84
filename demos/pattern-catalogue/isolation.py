# SPDX-License-Identifier: MIT
"""What one part of a service can do to another: pools of connections, tenants, cached fallback, health while the database is gone."""
from collections import Counter
import json
import time
import urllib.error
import urllib.request

from common import Run, edge_of, service_of, trace_headers

STEPS, SECONDS, SHORT_SECONDS = 4, 20, 7
DATABASES = {"shop": "CREATE TABLE orders (id bigserial PRIMARY KEY)"}
REPORT_S = 0.4  # how long a report keeps its connection
REPORTERS, REPORTS, SHORT_REPORTS = 12, 240, 60
ORDERS_RATE = 20  # per second, whatever becomes of them
POOL, WAIT_MS = 4, 250
PAGES, AGAIN = 8, 4  # pages, and how often each is asked for: a report knows what a service normally needs from twenty answers on
PER_MINUTE, BURST = 1000, 20  # of each tenant
TENANTS = {"tenant-a": 200, "tenant-b": 10, "tenant-c": 10}  # requests per second: the first floods
FLOOD_S, SHORT_FLOOD_S = 6, 2
WORK_MS = 30  # of a request: what is refused takes less than a tenth of that, by which a report knows it
OUT = "name=out process=recommendations at=* path=/for/* status=503"


def shop(name, postgres, pools):
    """pools: connections for orders and for reports, or one number for both."""
    def store(width):
        return {"postgres": postgres.address("shop"), "pool": width, "queue": 100, "wait_ms": WAIT_MS}
    return {
        "name": name, "listen": "127.0.0.1:0",
        "stores": {"orders": store(pools[0]), "reports": store(pools[1])} if len(pools) == 2 else {"orders": store(pools[0])},
        "routes": [
            {"path": "/order", "steps": [{"sql": "orders", "query": "INSERT INTO orders DEFAULT VALUES"}, {"answer": 200}]},
            {"path": "/report", "steps": [{"sql": "reports" if len(pools) == 2 else "orders", "rows": "one", "as": "report",
                                           "query": f"SELECT count(*) AS orders, pg_sleep({REPORT_S}) IS NULL AS slept FROM orders"},
                                          {"answer": 200, "body": {"orders": "${report.orders}"}}]},
        ],
    }


API = {"name": "api", "listen": "127.0.0.1:0", "routes": [
    {"path": "/api", "limits": {"tenant_header": "X-Tenant", "per_minute": PER_MINUTE, "burst": BURST}, "steps": [{"compute_ms": WORK_MS}, {"answer": 200}]}]}
RECOMMENDATIONS = {"name": "recommendations", "listen": "127.0.0.1:0", "routes": [
    {"path": "/for/{id}", "steps": [{"compute_ms": 2}, {"answer": 200, "body": {"for": "${path.id}", "try": ["mouse", "keyboard"]}}]}]}


def page(recommendations):
    return {
        "name": "page", "listen": "127.0.0.1:0", "peers": {"recommendations": {"url": f"http://127.0.0.1:{recommendations.port}"}},
        "routes": [{"path": "/page/{id}", "steps": [
            {"call": "recommendations", "path": "/for/${path.id}", "as": "more", "fallback": {"kind": "cached", "ttl_ms": 60000}},
            {"answer": 200, "body": {"page": "${path.id}", "more": "${more}"}}]}],
    }


def get(service, path):
    """Status, JSON of the answer or None, and whether it says that it is degraded."""
    try:
        with urllib.request.urlopen(urllib.request.Request(service.url(path), headers=trace_headers()), timeout=10) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None, "X-Degraded" in answer.headers
    except urllib.error.HTTPError as answer:
        return answer.code, None, False


class Isolation:
    def __init__(self, bench, progress, postgres, short):
        self.postgres, self.reports, self.flood_s = postgres, *((SHORT_REPORTS, SHORT_FLOOD_S) if short else (REPORTS, FLOOD_S))
        progress.next("pools of connections: reports and orders share one, or have one each")
        with Run(bench, "isolation") as self.run:
            self.shops = {"shared": self.run.service(shop("shop-shared", self.postgres, (POOL + 2,))),
                          "isolated": self.run.service(shop("shop-isolated", self.postgres, (POOL, 2)))}
            self.orders = {name: self.sell(bench, service) for name, service in self.shops.items()}
            progress.next("limits of tenants: one floods a service, two ask as they may")
            self.flood(bench)
            progress.next("cached fallback: recommendations is out")
            self.fall_back()
            progress.next("health while the database is gone")
            self.health = [self.probe()]
            self.postgres.kill()
            late = self.run.service(shop("shop-late", self.postgres, (POOL, 2)))
            self.health.append(self.probe())
            self.started = [self.has_started(late)]
            self.postgres.start()
            self.health.append(self.probe())
            self.started.append(self.has_started(late))
        self.judge()

    def sell(self, bench, service):
        """Orders arrive at their rate while reports are asked for; what became of those that arrived meanwhile."""
        arrivals = bench.arrivals(f"{service.name}.orders", service.url("/order"), ORDERS_RATE)
        began = time.monotonic()
        bench.load(service.url("/report"), self.reports, REPORTERS)
        ended = time.monotonic()
        return [answer for answer in arrivals.end() if began < answer[0] < ended]

    def flood(self, bench):
        """What each tenant was answered, while all ask at their rates."""
        api = self.run.service(API)
        asking = {name: bench.arrivals(f"{name}.requests", api.url("/api"), rate, "-H", f"X-Tenant: {name}") for name, rate in TENANTS.items()}
        time.sleep(self.flood_s)
        answers = {name: arrivals.end() for name, arrivals in asking.items()}
        self.tenants = {name: Counter(status for _, _, status, _ in all) for name, all in answers.items()}
        self.flooded_s = max(answers["tenant-a"])[0] - min(answers["tenant-a"])[0]
        self.limited = self.run.counters(api).total("http_requests_limited_total")

    def fall_back(self):
        recommendations = self.run.service(RECOMMENDATIONS)
        self.page = self.run.service(page(recommendations))
        asked = [n for _ in range(AGAIN) for n in range(PAGES)]
        fresh = [get(self.page, f"/page/{n}")[1] for n in asked]
        self.run.fault(OUT)
        self.stale = [get(self.page, f"/page/{n}") for n in asked]
        self.unseen = get(self.page, "/page/unseen")[0]
        self.run.fault(None)
        self.well = get(self.page, "/page/0")
        self.is_last_good = [answer for _, answer, _ in self.stale] == fresh
        self.counted = self.run.counters(self.page)

    def probe(self):
        """Of a service whose database is there or not: started, alive, ready; and what an order is answered."""
        return tuple(get(self.shops["isolated"], path)[0] for path in ("/health/startup", "/health/live", "/health/ready", "/order"))

    @staticmethod
    def has_started(service):
        return get(service, "/health/startup")[0]

    def judge(self):
        report = self.run.report()
        self.service = service_of(report, "page")
        self.shed = (service_of(report, "api")["shedding"] or {"shed": 0})["shed"]
        self.failed_calls = edge_of(report, "page", "recommendations")["outcomes"]["failed"]
        self.fired = sum(fault["fired"] for fault in report["faults"])

    @staticmethod
    def share_well(answers):
        return sum(1 for _, _, status, _ in answers if status == 200) / max(1, len(answers))

    @staticmethod
    def median(answers):
        ordered = sorted(ms for _, ms, _, _ in answers)
        return ordered[len(ordered) // 2] if ordered else float("inf")

    def rows(self):
        for name, answers in self.orders.items():
            yield f"pools {name}: orders while reports run", "{:.0f} % of {} answered well, median {:.1f} ms".format(
                100 * self.share_well(answers), len(answers), self.median(answers))
        yield f"tenants, {PER_MINUTE} a minute each: 200, 429", "; ".join(f"{n}: {a[200]}, {a[429]}" for n, a in self.tenants.items())
        yield "... refused, shed by the report", f"{self.limited}, {self.shed}"
        yield "cached fallback", f"{len(self.stale)} answers from the cache, {self.service['degraded']} of them degraded in the report"
        yield "... of a page that was never seen", str(self.unseen)
        for when, probe in zip(("there", "gone", "back"), self.health):
            yield f"database {when}: startup live ready order", "{} {} {} {}".format(*probe)
        yield "started without its database, then it came", "{} {}".format(*self.started)

    def expect(self):
        shared, isolated = self.orders["shared"], self.orders["isolated"]
        yield self.share_well(isolated) == 1 and len(isolated) > 10, "with a pool of their own all orders go well while reports run"
        yield self.share_well(shared) < 0.8 or self.median(shared) > 5 * self.median(isolated), "with a shared one they suffer"
        flood, others = self.tenants["tenant-a"], [self.tenants[name] for name in TENANTS if name != "tenant-a"]
        yield all(set(answers) == {200} for answers in others), "who asks as it may is not limited by another tenant's flood"
        # What comes in is known to a few requests: the clock of the users is not that of the service.
        allowed = BURST + PER_MINUTE / 60 * self.flooded_s
        yield set(flood) == {200, 429} and abs(flood[200] - allowed) <= 5 + 0.1 * allowed, "who floods gets what it may have, and no more"
        yield self.limited == flood[429], "service and users count the same refusals"
        yield 0.9 * self.limited <= self.shed <= self.limited, "... and the report finds them shed"
        yield all(status == 200 and degraded for status, _, degraded in self.stale), "what was seen before is answered from the cache, as degraded"
        yield self.is_last_good, "... with the last good answer"
        yield self.unseen == 502, "what was not seen fails"
        yield self.well[0] == 200 and not self.well[2], "afterwards answers are whole"
        yield self.service["degraded"] == self.counted.total("http_requests_degraded_total") == len(self.stale), \
            "report, page and users count the same degraded answers"
        yield self.failed_calls == self.fired == len(self.stale) + 1, "... and the same failed calls"
        yield self.health == [(200, 200, 200, 200), (200, 200, 503, 503), (200, 200, 200, 200)], \
            "a service that has lost its database has started and is alive, but not ready"
        yield self.started == [503, 200], "a service that has never seen its database has not started until it does"

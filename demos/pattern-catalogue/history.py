# SPDX-License-Identifier: MIT
"""Orders as streams of events, and two read models that follow them, through lost answers, a killed service and a killed database."""
import json
import os
import signal
import threading
import time
import urllib.error
import urllib.request

from common import Run, side_by_side, trace_headers
from stores import StoreFailed

STEPS, SECONDS, SHORT_SECONDS = 4, 15, 5
USERS = 8
LIVES, SHORT_LIVES = 300, 50  # orders under each fault
RACERS = 12  # all at once, with the same version in mind
FOLLOWED, LOSSY_S = 10, 20  # so many events the read models must follow in this time, while answers are lost
PATIENCE_S = 60  # how long a user asks again
CUSTOMERS = ("ann", "bob", "eve")
LIFE = (("place", "OrderPlaced"), ("pay", "PaymentReceived"), ("ship", "OrderShipped"))

SCHEMA = """CREATE TABLE events (stream text, version bigint, type text NOT NULL, data jsonb NOT NULL, id text NOT NULL UNIQUE,
at timestamptz NOT NULL DEFAULT now(), position bigserial, tx xid8 NOT NULL DEFAULT pg_current_xact_id(), PRIMARY KEY (stream, version));
CREATE INDEX events_in_order ON events (tx, position);
CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'events are only added to'; END $$;
CREATE TRIGGER only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON events FOR EACH STATEMENT EXECUTE FUNCTION never();
CREATE TABLE projections (name text PRIMARY KEY, tx xid8 NOT NULL, position bigint NOT NULL, applied bigint NOT NULL, rebuilds bigint NOT NULL);
CREATE TABLE order_summary (order_id text PRIMARY KEY, customer text, status text, total numeric, version bigint);
CREATE TABLE customer_totals (customer text PRIMARY KEY, orders bigint NOT NULL DEFAULT 0, paid numeric NOT NULL DEFAULT 0);"""

DATABASES = {"events": SCHEMA}

# What the read models must hold, from the events alone: the projections add up one event after the other, these queries all at once.
SUMMARY = """SELECT stream, (array_agg(data->>'customer' ORDER BY version))[1], (array_agg(data->>'status' ORDER BY version DESC))[1],
max(data->>'total'), max(version) FROM events GROUP BY stream ORDER BY stream"""
SUMMARY_MODEL = "SELECT order_id, customer, status, total::text, version FROM order_summary ORDER BY order_id"
TOTALS = """SELECT data->>'customer', count(*) FILTER (WHERE type = 'OrderPlaced'),
coalesce(sum((data->>'paid')::numeric) FILTER (WHERE type = 'PaymentReceived'), 0) FROM events WHERE data ? 'customer' GROUP BY 1 ORDER BY 1"""
TOTALS_MODEL = "SELECT customer, orders, paid FROM customer_totals ORDER BY customer"
BEHIND = "SELECT count(*) FROM events AS e, projections AS p WHERE (e.tx, e.position) > (p.tx, p.position)"
GAPS = "SELECT count(*) FROM (SELECT stream FROM events GROUP BY stream HAVING count(*) <> max(version) OR min(version) <> 1) AS broken"


def projection(name, reset, **applies):
    return {"name": name, "store": "db", "events": "events", "positions": "projections", "poll_ms": 20, "batch": 50, "reset": reset,
            "apply": {kind: {"query": query, "params": params} for kind, (query, params) in applies.items()}}


PROJECTIONS = [
    projection("order_summary", "DELETE FROM order_summary",
               OrderPlaced=("INSERT INTO order_summary VALUES ($1, $2, $3, $4::numeric, 1)",
                            ["${stream}", "${data.customer}", "${data.status}", "${data.total}"]),
               PaymentReceived=("UPDATE order_summary SET status = $2, version = $3::bigint WHERE order_id = $1",
                                ["${stream}", "${data.status}", "${version}"]),
               OrderShipped=("UPDATE order_summary SET status = $2, version = $3::bigint WHERE order_id = $1",
                             ["${stream}", "${data.status}", "${version}"])),
    # Adding up forgives nothing: an event applied twice, or not at all, stays visible.
    projection("customer_totals", "DELETE FROM customer_totals",
               OrderPlaced=("INSERT INTO customer_totals AS t (customer, orders) VALUES ($1, 1) ON CONFLICT (customer) DO UPDATE "
                            "SET orders = t.orders + 1", ["${data.customer}"]),
               PaymentReceived=("UPDATE customer_totals SET paid = paid + $2::numeric WHERE customer = $1",
                                ["${data.customer}", "${data.paid}"])),
]


def orders(postgres, port=0):
    def command(path, kind, after, data):
        return {"method": "POST", "path": f"/orders/{{id}}/{path}", "steps": [
            {"event": "db", "table": "events", "stream": "${path.id}", "type": kind, "after": after, "seen": "${body.version}",
             "id": "${header.idempotency-key}", "data": data, "as": "event"},
            {"answer": 201, "body": {"version": "${event.version}", "repeated": "${event.repeated}"}}]}
    return {
        "name": "orders", "listen": f"127.0.0.1:{port}", "projections": PROJECTIONS,
        "stores": {"db": {"postgres": postgres.address("events"), "pool": 12, "timeout_ms": 5000, "connect_timeout_ms": 2000}},
        "routes": [
            command("place", "OrderPlaced", [""], {"status": "placed", "customer": "${body.customer}", "total": "${body.total}"}),
            command("pay", "PaymentReceived", ["OrderPlaced"], {"status": "paid", "customer": "${body.customer}", "paid": "${body.total}"}),
            command("ship", "OrderShipped", ["PaymentReceived"], {"status": "shipped", "carrier": "post"}),
            {"path": "/orders/{id}", "steps": [{"replay": "db", "table": "events", "stream": "${path.id}", "until": "${query.version}",
                                                "as": "order"}, {"answer": 200, "body": {"order": "${order}"}}]},
        ],
    }


class History:
    def __init__(self, bench, progress, postgres, short):
        self.postgres, self.lives = postgres, SHORT_LIVES if short else LIVES
        self.bench, self.asked, self.again, self.lock = bench, {}, 0, threading.Lock()
        progress.next("events: many ask for the next version of the same order")
        with Run(bench, "history") as self.run:
            self.orders = self.run.service(orders(self.postgres))
            self.race()
            side_by_side(lambda: self.live("well"), self.commit_late)
            progress.next("events: a tenth of all answers of the database is lost")
            self.run.fault(f"name=lost to=127.0.0.1:{self.postgres.port} error=recv:ECONNRESET probability=10%")
            self.live("lossy")
            self.follow()
            self.run.fault(None)
            progress.next("events: orders is killed, the database is killed, and both start again")
            self.die()
            progress.next("events: the read models are damaged, and rebuilt from the events")
            self.rebuild()
            self.look()
        self.report = self.run.report()

    def ask(self, path, body=None, key=None):
        """One request: status (0: no answer) and the JSON of the answer."""
        headers = {**trace_headers(), "Content-Type": "application/json", **({"Idempotency-Key": key} if key else {})}
        data = json.dumps(body).encode() if body is not None else None
        try:
            with urllib.request.urlopen(urllib.request.Request(self.orders.url(path), data, headers), timeout=10) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as answer:
            return answer.code, None
        except (OSError, ValueError):
            return 0, None

    def command(self, order, what, version, customer):
        """Asks until there is an answer that settles it, always under the same key. Returns the status."""
        key, began = f"{order}:{what}", time.monotonic()
        while True:
            status, answer = self.ask(f"/orders/{order}/{what}", {"version": version, "customer": customer, "total": 10}, key)
            if status not in (0, 503) or time.monotonic() > began + PATIENCE_S:
                break
            with self.lock:
                self.again += 1
            time.sleep(0.05)
        self.asked[key] = (status, bool(answer and answer["repeated"]))
        return status

    def live(self, name):
        """So many orders are placed, paid and shipped, by some users side by side."""
        def user(n):
            for i in range(n, self.lives, USERS):
                for version, (what, _) in enumerate(LIFE):
                    if self.command(f"{name}-{i}", what, version, CUSTOMERS[i % len(CUSTOMERS)]) != 201:
                        break
        side_by_side(*(lambda n=n: user(n) for n in range(USERS)))

    def commit_late(self):
        """An order that is placed and becomes visible a second later, when others have been placed and applied long since."""
        self.query("""BEGIN; INSERT INTO events (stream, version, type, data, id) VALUES ('late', 1, 'OrderPlaced',
            '{"status": "placed", "customer": "eve", "total": 10}', 'late:place'); SELECT pg_sleep(1); COMMIT""")

    def race(self):
        """Many have seen version 1 and pay at once: one of them is the first."""
        self.command("race", "place", 0, "ann")
        body = {"version": 1, "customer": "ann", "total": 10}
        self.raced = sorted(status for status, _ in side_by_side(
            *(lambda n=n: self.ask("/orders/race/pay", body, f"race:pay-{n}") for n in range(RACERS))))
        self.out_of_place = self.ask("/orders/race/place", {"customer": "ann", "total": 10}, "race:again")[0]
        self.at_version = [self.ask(f"/orders/race?version={v}")[1]["order"]["state"]["status"] for v in (1, 2)]

    def die(self):
        """Both are killed while users are at work, who ask again until they are answered."""
        def kill_service():
            time.sleep(0.2)
            os.kill(self.orders.pid, signal.SIGKILL)
            self.orders = self.run.service(orders(self.postgres, self.orders.port))

        def kill_database():
            time.sleep(0.2)
            self.postgres.kill()
            self.postgres.start()
        side_by_side(lambda: self.live("killed"), kill_service)
        side_by_side(lambda: self.live("crashed"), kill_database)

    def caught_up(self, within_s=15):
        """Waits until the projections have followed all events."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            status, answer = self.ask("/status/projections")
            rows = answer["projections"].values() if status == 200 else []
            if rows and all(row and row["behind"] == 0 for row in rows):
                return True
            time.sleep(0.02)
        return False

    def follow(self):
        """How far the read models come while answers are lost, no command being under way: asked of the database itself."""
        began = time.monotonic()
        self.behind = left = int(self.query(BEHIND)[0][0])
        while left > max(0, self.behind - FOLLOWED) and time.monotonic() - began < LOSSY_S:
            time.sleep(0.1)
            left = int(self.query(BEHIND)[0][0])
        self.left, self.followed_in = left, time.monotonic() - began

    def query(self, sql):
        return self.postgres.query("events", sql)

    def is_same(self):
        """Whether both read models are what the events say."""
        return self.query(SUMMARY) == self.query(SUMMARY_MODEL) and self.query(TOTALS) == self.query(TOTALS_MODEL)

    def rebuild(self):
        self.followed = self.caught_up() and self.is_same()
        self.query("DELETE FROM order_summary WHERE order_id LIKE '%1'; UPDATE customer_totals SET paid = paid + 1000")
        self.damaged = not self.is_same()
        began = time.monotonic()
        rebuilt = [self.ask("/admin/rebuild", {"projection": p["name"]})[0] for p in PROJECTIONS]
        self.rebuilt = rebuilt == [200, 200] and self.caught_up() and self.is_same()
        self.rebuilt_in = time.monotonic() - began

    def look(self):
        self.events = int(self.query("SELECT count(*) FROM events")[0][0])
        self.gaps = int(self.query(GAPS)[0][0])
        self.ids = {id for id, in self.query("SELECT id FROM events")}
        self.replayed = {order: self.ask(f"/orders/{order}")[1]["order"]["state"]["status"] for order in ("lossy-0", "killed-0", "crashed-0")}
        try:
            self.query("UPDATE events SET data = '{}'")
            self.immutable = False
        except StoreFailed:
            self.immutable = True
        self.counted = self.run.counters(self.orders)

    def acknowledged(self):
        return {key for key, (status, _) in self.asked.items() if status == 201}

    def rows(self):
        repeated = sum(1 for _, repeated in self.asked.values() if repeated)
        yield f"{RACERS} ask for the same version", f"{self.raced.count(201)} is answered 201, {self.raced.count(409)} are answered 409"
        yield "an order as of its versions 1 and 2", ", ".join(self.at_version)
        yield "commands answered 201 / asked again", f"{len(self.acknowledged())} / {self.again}"
        yield "... done before, their answer was lost", f"{repeated}"
        yield "events, streams with a gap", f"{self.events}, {self.gaps}"
        yield "answers of the database lost by the fault", str(self.fired)
        yield "... read models meanwhile", f"{self.behind} events behind, {self.left} after {self.followed_in:.1f} s more"
        yield "read models rebuilt", f"{self.events} events in {self.rebuilt_in:.2f} s, and they are what the events say"

    @property
    def fired(self):
        return sum(fault["fired"] for fault in self.report["faults"] if fault["name"] == "lost")

    def expect(self):
        yield self.raced == [201] + [409] * (RACERS - 1), "of many who ask for one version one gets it, the others 409"
        yield self.out_of_place == 409, "an event that may not follow is refused"
        yield self.at_version == ["placed", "paid"], "an order can be seen at any of its versions"
        yield self.fired > 0 and self.again > 0, "answers of the database were lost and commands asked again"
        yield self.left <= max(0, self.behind - FOLLOWED), "the read models follow, more slowly, while answers are lost"
        yield all(status == 201 for status, _ in self.asked.values()), "each command is settled in the end"
        yield self.acknowledged() <= self.ids, "no event that was answered for is lost"
        # Two more than the commands: the racer that won has a key of its own, and one was committed late.
        yield self.events == len(self.asked) + 2 and self.gaps == 0, "none is there twice, and no version is missing"
        yield set(self.replayed.values()) == {"shipped"}, "orders can be replayed after the crashes"
        yield self.followed, "the read models followed all events exactly once, through all faults"
        yield self.damaged and self.rebuilt, "damaged, they are rebuilt from the events"
        yield self.immutable, "events can not be changed"

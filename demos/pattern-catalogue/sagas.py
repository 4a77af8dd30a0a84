# SPDX-License-Identifier: MIT
"""An order over four services with a database each, as a saga: a fault at each step, and an orchestrator that is killed in the middle."""
from collections import Counter
import itertools
import json
import os
import signal
import time
import urllib.error
import urllib.request

from common import Run, side_by_side, trace_headers

STEPS, SECONDS, SHORT_SECONDS = 6, 11, 7
NAMES = ("orders", "payments", "inventory", "shipping")
TRIES = 2
TIMEOUT_MS, LATE_MS = 250, 3000
LEASE_MS = 2000  # longer than a busy machine lets an orchestrator wait for its turn, or a second one takes the saga over
OVER_S = 20  # how long sagas may take until all are over
PER_FAULT, SHORT_PER_FAULT = 20, 6  # orders at once for each way in which a step fails
USERS, SHORT_USERS = 60, 24  # who ask for one order after another until the orchestrator is killed

# The ways in which a step fails, by what aftershock does to the service: it says no; it is out; it does what it is asked for, but its
# answers are lost; or what it is asked for arrives when it was given up and undone: at the latest as the fault is cleared, for what is
# held is let go then.
FAULTS = {"refused": "status=422", "out": "status=503", "lost": "hang=response", "late": f"delay={LATE_MS}ms delay_on=request"}

# What a service keeps of an order is one row: done, or undone. An undo that comes first leaves its row too, and an action that comes
# late meets it: that is what saga.h asks of services.
SCHEMA = """CREATE TABLE things (order_id text PRIMARY KEY, state text NOT NULL, was_done boolean NOT NULL, asked int NOT NULL DEFAULT 0,
at timestamptz NOT NULL DEFAULT now());"""
DO = """INSERT INTO things (order_id, state, was_done, asked) VALUES ($1, 'done', true, 1)
ON CONFLICT (order_id) DO UPDATE SET asked = things.asked + 1 RETURNING order_id, state"""
UNDO = """INSERT INTO things (order_id, state, was_done) VALUES ($1, 'undone', false)
ON CONFLICT (order_id) DO UPDATE SET state = 'undone', at = now() WHERE things.state = 'done'"""
# An action that finds its undo is refused, and changes nothing.
IS_UNDONE = "SELECT 1 AS fine WHERE NOT EXISTS (SELECT 1 FROM things WHERE order_id = $1 AND state = 'undone')"
SAGAS = """CREATE TABLE sagas (name text, id text, state text NOT NULL, step int NOT NULL, tries int NOT NULL, version bigint NOT NULL,
payload jsonb NOT NULL, reason text NOT NULL, due_at timestamptz NOT NULL, created_at timestamptz NOT NULL,
updated_at timestamptz NOT NULL, PRIMARY KEY (name, id));
CREATE INDEX sagas_due ON sagas (name, due_at) WHERE state IN ('running', 'compensating');"""
UNDER_WAY = "SELECT state, count(*) FROM sagas WHERE state IN ('running', 'compensating') GROUP BY state"
GO_ON_OR_BACK = "SELECT state, count(*) FROM sagas WHERE state = 'running' OR state = 'compensating' AND reason LIKE '%shipping%' GROUP BY state"

DATABASES = {**{name: SCHEMA for name in NAMES}, "sagas": SAGAS}


def participant(name, postgres):
    return {
        "name": name, "listen": "127.0.0.1:0",
        "stores": {"db": {"postgres": postgres.address(name), "pool": 8}},
        "routes": [
            {"method": "POST", "path": "/do/{id}", "steps": [
                {"sql": "db", "transaction": [
                    {"query": DO, "params": ["${path.id}"], "rows": "one", "as": "thing"},
                    {"query": IS_UNDONE, "params": ["${path.id}"], "rows": "one", "missing": 409}]},
                {"answer": 201, "body": {"id": "${thing.order_id}"}}]},
            {"method": "POST", "path": "/undo/{id}", "steps": [{"sql": "db", "query": UNDO, "params": ["${path.id}"]}, {"answer": 200}]},
        ],
    }


def orchestrator(services, postgres, port=0):
    def act(name, what):
        return {"call": name, "method": "POST", "path": f"/{what}/${{body.order_id}}"}
    return {
        "name": "checkout", "listen": f"127.0.0.1:{port}",
        "stores": {"db": {"postgres": postgres.address("sagas"), "pool": 20}},
        "peers": {name: {"url": f"http://127.0.0.1:{s.port}", "attempt_timeout_ms": TIMEOUT_MS} for name, s in services.items()},
        "routes": [{"method": "POST", "path": "/checkout", "steps": [
            {"saga": "checkout", "store": "db", "table": "sagas", "id": "${body.order_id}", "as": "saga",
             "tries": TRIES, "backoff_ms": 20, "backoff_max_ms": 200, "lease_ms": LEASE_MS, "poll_ms": 50, "answer_ms": 5000,
             "steps": [{"name": name, "do": {**act(name, "do"), "as": name}, "undo": act(name, "undo")} for name in NAMES]},
            {"answer": 201, "body": {"order": "${body.order_id}", "saga": "${saga.state}"}}]}],
    }


class Sagas:
    def __init__(self, bench, progress, postgres, short):
        self.postgres = postgres
        self.per_fault, self.users = (SHORT_PER_FAULT, SHORT_USERS) if short else (PER_FAULT, USERS)
        self.answers = {}  # by order: the status
        progress.next("sagas: starting four services with a database each, and an orchestrator")
        with Run(bench, "sagas") as self.run:
            self.services = {name: self.run.service(participant(name, self.postgres)) for name in NAMES}
            self.checkout = self.run.service(orchestrator(self.services, self.postgres))
            self.buy("well", 10, 2)
            for name in NAMES:
                progress.next(f"sagas: {name} refuses, is out, loses its answers, is asked too late")
                self.fail_at(name)
            self.before = self.run.counters(self.checkout)
            progress.next("sagas: the orchestrator is killed in the middle of orders, and started again")
            self.kill()
            self.after = self.run.counters(self.checkout)
        self.look()
        self.report = self.run.report()
        self.fired = {fault["name"]: fault["fired"] for fault in self.report["faults"]}

    def ask(self, order):
        """Asks for an order; returns the status, 0 without an answer."""
        request = urllib.request.Request(self.checkout.url("/checkout"), json.dumps({"order_id": order}).encode(), trace_headers())
        try:
            with urllib.request.urlopen(request, timeout=15) as answer:
                answer.read()
                return answer.status
        except urllib.error.HTTPError as answer:
            return answer.code
        except OSError:
            return 0

    def buy(self, what, count, users):
        """Asks for count orders, some users side by side."""
        def user(n):
            for i in range(n, count, users):
                self.answers[f"{what}-{i}"] = self.ask(f"{what}-{i}")
        side_by_side(*(lambda n=n: user(n) for n in range(users)))

    def fail_at(self, name):
        for kind, fault in FAULTS.items():
            self.run.fault(f"name={name}-{kind} process={name} at=* path=/do/* {fault}")
            self.buy(f"{name}-{kind}", self.per_fault, self.per_fault)
            self.wait_until_over()  # a saga that goes on once the fault is cleared may find what it asks for
            self.run.fault(None)

    def under_way(self, which=UNDER_WAY):
        return {state: int(count) for state, count in self.postgres.query("sagas", which)}

    def wait_until_over(self):
        """Returns how long it took, in seconds."""
        began = time.monotonic()
        while self.under_way() and time.monotonic() < began + OVER_S:
            time.sleep(0.05)
        return time.monotonic() - began

    def kill(self):
        """Kills it while some orders go on and others go back: each act takes its time, and shipping refuses every second."""
        for name in NAMES[:-1]:
            self.run.fault(f"name=slow-{name} process={name} at=* delay=30ms..200ms")
        self.run.fault("name=half process=shipping at=* path=/do/* status=422 every=2")
        side_by_side(*(lambda n=n: self.buy_until_killed(n) for n in range(self.users)), self.kill_it)
        self.run.fault(None)
        self.checkout = self.run.service(orchestrator(self.services, self.postgres, self.checkout.port))
        self.resumed_in = self.wait_until_over()
        self.left = self.under_way()

    def buy_until_killed(self, user):
        for i in itertools.count():
            order = f"killed-{user}-{i}"
            self.answers[order] = self.ask(order)
            if not self.answers[order]:
                return

    def kill_it(self):
        end = time.monotonic() + 15
        while ((ways := self.under_way(GO_ON_OR_BACK)).get("compensating", 0) < 3 or not ways.get("running")) and time.monotonic() < end:
            pass
        os.kill(self.checkout.pid, signal.SIGKILL)
        self.at_death = self.under_way()

    def look(self):
        """What the five databases hold at the end."""
        self.states = dict(self.postgres.query("sagas", "SELECT id, state FROM sagas"))
        rows = {name: self.postgres.query(name, "SELECT order_id, state, was_done, extract(epoch FROM at) FROM things") for name in NAMES}
        self.things = {name: {order: state for order, state, _, _ in found} for name, found in rows.items()}
        self.was_done = {name: {order for order, _, was, _ in found if was == "t"} for name, found in rows.items()}
        self.at = {name: {order: float(at) for order, _, _, at in found} for name, found in rows.items()}

    def orders(self, what):
        return [f"{what}-{i}" for i in range(self.per_fault)]

    def is_whole(self, order):
        """A completed order is done everywhere, any other nowhere."""
        done = [self.things[name].get(order) == "done" for name in NAMES]
        return all(done) if self.states.get(order) == "completed" else not any(done)

    def went_back_in_order(self, order, name):
        """The step that failed and all before it were undone, the last first."""
        steps = NAMES[:NAMES.index(name) + 1]
        times = [self.at[step].get(order, 0) for step in steps]
        return all(self.things[step].get(order) == "undone" for step in steps) and times == sorted(times, reverse=True)

    def rows(self):
        for kind in FAULTS:
            orders = [order for name in NAMES for order in self.orders(f"{name}-{kind}")]
            undone = sum(1 for order in orders for name in NAMES if self.things[name].get(order) == "undone")
            yield f"saga: a step {kind}, at each of {len(NAMES)} steps", "{} orders: {}; {} acts undone, {} of them never done".format(
                len(orders), ", ".join(f"{n} {state}" for state, n in Counter(self.states[o] for o in orders).items()), undone,
                sum(1 for o in orders for name in NAMES if self.things[name].get(o) == "undone" and o not in self.was_done[name]))
        killed = Counter(self.states.get(order, "never begun") for order in self.answers if order.startswith("killed-"))
        yield "saga: orchestrator killed", "; ".join((
            "under way then: " + ", ".join(f"{n} {state}" for state, n in sorted(self.at_death.items())),
            f"all over {self.resumed_in:.1f} s after the start: " + ", ".join(f"{n} {state}" for state, n in sorted(killed.items()))))
        yield "orders half done", str(sum(1 for order in self.states if not self.is_whole(order)))

    def expect(self):
        yield all(self.answers[f"well-{i}"] == 201 for i in range(10)), "sagas are completed when all is well"
        for name in NAMES:
            for kind in FAULTS:
                orders = self.orders(f"{name}-{kind}")
                yield {self.states.get(o) for o in orders} == {"compensated"}, f"orders are compensated when {name} is {kind}"
                yield {self.answers[o] for o in orders} == {409}, "... and their users told so"
                yield self.fired.get(f"{name}-{kind}") == self.per_fault * (1 if kind == "refused" else TRIES), "... and each try met the fault"
                if kind != "refused":
                    yield all(self.went_back_in_order(o, name) for o in orders), f"what may have been done is undone in reverse order ({kind})"
            yield set(self.orders(f"{name}-lost")) <= self.was_done[name], f"{name} had done what its lost answers said"
            yield not self.was_done[name] & set(self.orders(f"{name}-late")), f"{name} does nothing that was undone before it came"
        yield len(self.at_death) == 2, "the orchestrator dies while some sagas go on and others go back"
        yield not self.left, "another takes all of them to their end"
        yield self.after.total("sagas_resumed_total") >= sum(self.at_death.values()), "... by taking them up"
        yield all(self.is_whole(order) for order in self.states), "no order is half done"
        yield set(self.states.values()) == {"completed", "compensated"}, "no saga is stuck"

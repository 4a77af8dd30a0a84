# SPDX-License-Identifier: MIT
"""One system of document 003 in an `aftershock run` of its own, under one configuration and one scenario: started, asked, disturbed,
stopped. Several may run side by side, each with databases of its own in the same two PostgreSQL servers."""
import json
import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass

import lab
import stores
import topology


FIRST = 40  # orders by which a system is broken in


@dataclass(frozen=True)
class Scenario:
    """What is done to a system. Times in seconds; `scale` divides the breaker's open time."""
    name: str
    rate: float  # users' orders per second, Poisson arrivals in an open loop
    before: float
    during: float  # how long the trigger is there
    after: float
    scale: float = 1
    workers: int = 4  # of payments, which serves 33 a second with each
    timeout_ms: float = 0  # of an attempt of orders, whatever the configuration; 0: the configuration's
    background: str = ""  # a fault that is there as long as there are users
    trigger: str = ""  # the fault that comes and goes; {inventory}: the port of that database

    @property
    def seconds(self):
        return self.before + self.during + self.after

    @property
    def fault(self):
        """The name of the fault whose recovery is asked for; None without a trigger."""
        return re.search(r"name=(\S+)|$", self.trigger).group(1)


ERRORS = "process=payments at=* path=/charges status=500 probability=20%"
# All requests that arrive at payments are held until the fault is cleared, and then are there at once: payments stalls, and has it all to do.
STALL = "name=stall process=payments at=* path=/charges delay=60s delay_on=request"


def scenarios(scale=1):
    """By name. The three of the document are disturbed for as long as `during`; the storm has its errors always and one stall. A scale
    other than 1 is short: less time, and a storm of half the size, for several are to run side by side, at a tenth less of
    what payments can do: who does not retry is to recover each time."""
    times = {"before": 5, "during": 30, "after": 10} if scale == 1 else {"before": 4, "during": 9, "after": 7}
    storm = {"rate": 100, "before": 10, "during": 5, "after": 60} if scale == 1 else \
        {"rate": 45, "workers": 2, "before": 4, "during": 2.5, "after": 14.5}
    slow = "name=payment-slow process=payments at=* path=/charges delay=3s"
    lock = "name=inventory-lock process=repricer to=127.0.0.1:{inventory} delay=2s"
    return {s.name: s for s in (
        Scenario("payment_errors", 20, trigger="name=payment-errors " + ERRORS, scale=scale, **times),
        Scenario("payment_slow", 20, trigger=slow, scale=scale, **times),
        Scenario("inventory_lock", 20, trigger=lock, scale=scale, **times),
        Scenario("retry_storm", timeout_ms=400, background="name=errors " + ERRORS, trigger=STALL, scale=scale, **storm),
    )}


class Databases:
    """The two PostgreSQL servers and one Redis, which systems that run side by side share."""

    def __init__(self, stack):
        settings = ("max_connections=400", "autovacuum=off")
        self.orders = stack.enter_context(stores.Postgres(options=settings))
        self.inventory = stack.enter_context(stores.Postgres(options=settings))
        self.redis = stack.enter_context(stores.Redis())

    def make(self, name, configuration):
        """Fresh databases of that name."""
        self.orders.fill({name: topology.orders_schema(configuration)})
        self.inventory.fill({name: topology.inventory_schema(configuration)})

    def drop(self, name):
        for server in (self.orders, self.inventory):
            server.query("postgres", f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


class System:
    """`services` by name; `run` is the name of its aftershock run, `db` the run file, `users` the load
    generator's summary of its users, `asked` and `served` the orders of all and those of them that were answered well."""

    def __init__(self, bench, databases, configuration, scenario, number=1):
        self.bench, self.databases, self.configuration, self.scenario, self.number = bench, databases, configuration, scenario, number
        self.name = f"{scenario.name}-{configuration}-{number}"
        self.db, self.run = bench.path(f"{self.name}.db"), f"recovery-{self.name}-{os.getpid()}"
        databases.make(self.name, configuration)
        self.orders_address, self.inventory_address = databases.orders.address(self.name), databases.inventory.address(self.name)
        self.redis_address = databases.redis.address()
        self.loads, self.pages = [], {}
        self.host = bench.host(self.name, bench.run_under(None, self.db, self.run))
        self.services = {}
        for make in (topology.payments, topology.inventory, topology.notifications):
            self.start(make(self))
        self.start(topology.orders(self, {name: s.port for name, s in self.services.items()}))
        self.start(topology.gateway(self, self.services["orders"].port))
        if scenario.fault == "inventory-lock":
            self.start(topology.repricer(self))
            self.ask("prices", self.services["repricer"].url("/prices"), "--rate", 0.34, "--duration", 86400, "-d", "{}")

    def start(self, config):
        self.services[config["name"]] = self.bench.service_at(self.host, config)

    def ask(self, name, url, *options):
        """Starts a load generator, which asks until it is told to stop. Its log has a line for each request."""
        log = self.bench.path(f"{self.name}-{name}.csv")
        words = [self.bench.program("demos/load/load"), *map(str, options), "-q", "--json", "--log", log, url]
        with open(self.bench.path(f"{self.name}-{name}.log"), "w", encoding="utf-8") as errors:
            child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True,
                                     start_new_session=True)
        self.bench.children.append(child)
        self.loads.append((name, child))

    def break_in(self):
        """The first orders come a few at a time: threads, connections and caches that are not there yet must not be a storm of their own."""
        self.ask("first", self.services["gateway"].url("/orders"), "-n", FIRST, "-c", 4, "-t", 60, *self.order("first"))

    def await_first(self):
        for name, child in self.loads:
            if name == "first":
                child.wait(90)

    def open_doors(self):
        """Users come, and with them the fault that is always there: a report compares what users ask after the trigger with what they did in
        the time of that fault alone, which must not begin without them. Each order has a key of its own, heeded or not."""
        if self.scenario.background:
            self.disturb(self.scenario.background)
        self.ask("users", self.services["gateway"].url("/orders"), "--rate", self.scenario.rate, "--arrivals", "poisson",
                 "--seed", self.number, "--duration", 86400, "-c", 2000, "-t", 60, *self.order())

    def key(self, n, group="users"):
        return f"{self.name}-{group}-{n}"

    def order(self, group="users"):
        """Words for the load generator: one order for each number {n}, with a key that no other has."""
        return "-H", f"Idempotency-Key: {self.key('{n}', group)}", "-d", topology.ORDER

    def disturb(self, spec):
        self.bench.fault(self.run, "set", spec.format(inventory=self.databases.inventory.port))

    def calm(self, name):
        self.bench.fault(self.run, "clear", name)

    def close_doors(self):
        """No more users come; those who wait for an answer will get it."""
        for _, child in self.loads:
            child.send_signal(signal.SIGTERM)

    def see_off(self):
        """Waits until the last user has got an answer; `users` is then the load generator's summary."""
        summaries = {}
        for name, child in self.loads:
            summaries[name] = child.communicate(timeout=90)[0]
            self.bench.children.remove(child)
        self.loads = []
        self.users = json.loads(summaries["users"])
        both = [json.loads(summary) for name, summary in summaries.items() if name in ("first", "users")]
        self.asked, self.served = (sum(summary[what] for summary in both) for what in ("requests", "ok"))

    def ask_all(self, orders):
        """The first so many orders are asked for again, each with the key it had. Returns the load generator's summary."""
        done = subprocess.run([self.bench.program("demos/load/load"), "-n", str(orders), "-c", "10", "-q", "--json", *self.order(),
                               self.services["gateway"].url("/orders")], stdout=subprocess.PIPE, text=True, start_new_session=True, check=False)
        if done.returncode:
            raise lab.Failed(f"{self.name}: the load generator ended with status {done.returncode}")
        return json.loads(done.stdout)

    def read_counters(self):
        """What the services counted, also left as a file."""
        for name, service in self.services.items():
            self.pages[name] = service.get("/metrics")
        with open(self.bench.path(f"{self.name}.metrics"), "w", encoding="utf-8") as f:
            f.writelines(f"# service {name}\n{page}" for name, page in self.pages.items())
        self.counters = {name: lab.Counters(page) for name, page in self.pages.items()}

    def stop(self):
        self.bench.stop_host(self.host)

    def total(self, service, name, **labels):
        return self.counters[service].total(name, **labels)


def wait(seconds, progress, *systems):
    lab.wait_until(time.monotonic() + seconds, progress, *(system.services["gateway"] for system in systems))

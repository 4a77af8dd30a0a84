# SPDX-License-Identifier: MIT
"""Something is killed in the middle of configuration F. Is an order lost? Is one charged twice? The databases
answer, not we: each statement is printed with what it returned."""
import csv
import os
import signal
import time

import lab
import topology
from system import System, wait

SERVICES = {"payments": "/charges", "orders": "/orders", "inventory": "/reservations", "notifications": "/notifications", "gateway": "/orders"}
TARGETS = ("payments", "orders", "redis", "postgres", "inventory", "notifications", "gateway")
DOWN_S = 1.0
LOST_S = 1.0  # before a service dies, its answers stop to arrive: what it has done in that time nobody has heard of
ROUNDS_S = 60  # how long users go on asking again for what they were not answered


class Question:
    """A statement whose one number must be what it should be."""

    def __init__(self, server, database, sql, wanted):
        self.sql, self.wanted = " ".join(sql.split()), wanted
        self.got = server.value(database, sql)

    def is_right(self):
        return self.got == self.wanted

    def __str__(self):
        return f"  {self.sql}\n    => {self.got}" + ("" if self.is_right() else f"   but it should be {self.wanted}")


def kill_service(system, name):
    """Kills a service by its id and starts it again at its port. Its answers of the last second were lost."""
    service = system.services[name]
    system.disturb(f"name=lost process={name} at=* path={SERVICES[name]} reset=response")
    time.sleep(LOST_S)
    if not lab.is_service(service.pid, system.bench.program("demos/service/service")):
        raise lab.Failed(f"{name} has ended before it was killed")
    system.host.services.remove(service)
    os.kill(service.pid, signal.SIGKILL)
    system.calm("lost")
    time.sleep(DOWN_S)
    system.start(topology.again(system, name))


def kill_servers(*servers):
    for server in servers:
        server.kill()
    time.sleep(DOWN_S)
    for server in servers:
        server.start()


def kill(system, target):
    if target in system.services:
        kill_service(system, target)
    elif target == "redis":
        kill_servers(system.databases.redis)
    else:
        kill_servers(system.databases.orders, system.databases.inventory)


def answered(system):
    """The numbers of the users' requests that were answered 201."""
    with open(system.bench.path(f"{system.name}-users.csv"), encoding="utf-8") as f:
        return [n for n, row in enumerate(csv.DictReader(f), 1) if row["status"] == "201"]


def ask_again(system, asked, progress):
    """All users ask again with the keys they had, until each is answered 201, as clients do that know what a key is for. Returns how
    many were in the end, and in which round."""
    end, rounds, made = time.monotonic() + ROUNDS_S, 0, 0
    while made < asked and time.monotonic() < end:
        rounds += 1
        made = system.ask_all(asked)["statuses"].get("201", 0)
        if made < asked:
            wait(1, progress, system)
    return made, rounds


def drain(system, progress):
    """Waits until the outbox has told all that it has to tell."""
    end = time.monotonic() + ROUNDS_S
    while time.monotonic() < end and system.databases.orders.value(system.name, "SELECT count(*) FROM outbox WHERE sent_at IS NULL"):
        wait(0.2, progress, system)


ONCE = "(SELECT order_id, count(*) AS n FROM {table} GROUP BY order_id) AS c ON c.order_id = o.id WHERE coalesce(c.n, 0) <> 1"


def kept(system, numbers):
    """Right after the kill: what was promised to users."""
    keys = ", ".join(f"'{system.key(n)}'" for n in numbers)
    question = Question(system.databases.orders, system.name, "SELECT count(*) FROM orders WHERE state = 'confirmed' AND client_key IN "
                        f"({keys or 'NULL'})", len(numbers))
    question.sql = question.sql.replace(keys, f"the keys of the {len(numbers)} orders that were answered 201") if keys else question.sql
    return [question]


def settled(system, asked):
    """After all have asked again: each order is there once, whole, with one charge, one reservation, one notice."""
    def orders(sql, wanted):
        return Question(system.databases.orders, system.name, sql, wanted)

    def inventory(sql, wanted):
        return Question(system.databases.inventory, system.name, sql, wanted)

    return [
        orders("SELECT count(*) FROM orders WHERE state = 'confirmed'", asked),
        orders("SELECT count(*) FROM orders WHERE state <> 'confirmed'", 0),
        orders("SELECT count(*) FROM orders AS o LEFT JOIN " + ONCE.format(table="charges"), 0),
        orders("SELECT count(*) FROM charges", asked),
        orders("SELECT count(*) FROM outbox WHERE sent_at IS NULL", 0),
        orders("SELECT count(*) FROM orders AS o LEFT JOIN " + ONCE.format(table="notices"), 0),
        inventory("SELECT count(*) FROM reservations", asked),
        inventory("SELECT count(DISTINCT order_id) FROM reservations", asked),
        inventory(f"SELECT {topology.STOCK} - there FROM stock", 2 * asked),
    ]


class Killed:
    """One run in which something was killed; `ok`, `lost` are what users got before they asked again."""

    def __init__(self, system, target):
        self.system, self.target = system, target

    def end(self, progress):
        """Users have left. Looks at what was promised, lets all ask again, looks at what there is."""
        system = self.system
        numbers = answered(system)
        self.asked, self.ok = system.users["requests"], len(numbers)
        self.questions = kept(system, numbers)
        self.made, self.rounds = ask_again(system, self.asked, progress)
        drain(system, progress)
        self.questions += settled(system, self.asked)
        system.read_counters()

    def text(self):
        what = {"redis": "Redis", "postgres": "both PostgreSQL servers"}.get(self.target, self.target)
        return (f"{what} killed in the middle of configuration F: {self.asked} orders asked for, {self.ok} of them answered 201; all asked again "
                f"with their keys, {self.made} answered 201 by round {self.rounds}\n" + "\n".join(map(str, self.questions)) + "\n")

    def expect(self):
        yield 0 < self.ok <= self.asked, f"{self.target} killed: some orders were made meanwhile"
        yield self.made == self.asked, f"{self.target} killed: in the end each order that was asked for is answered 201"
        for question in self.questions:
            yield question.is_right(), f"{self.target} killed: {question.sql} is {question.wanted} (it is {question.got})"


TWICE = "SELECT count(*) FROM (SELECT order_id FROM charges GROUP BY order_id HAVING count(*) > 1) AS twice"


class Doubled:
    """The same without keys: that the databases could tell of a second charge, and what keys are for."""

    def __init__(self, system, target):
        self.system, self.target = system, target

    def end(self, _progress):
        self.asked = self.system.users["requests"]
        self.twice = self.system.databases.orders.value(self.system.name, TWICE)

    def text(self):
        return (f"{self.target} killed in the middle of configuration {self.system.configuration}, which has no keys: {self.asked} orders asked "
                f"for\n  {TWICE}\n    => {self.twice}\n")

    def expect(self):
        yield self.twice > 0, f"{self.target} killed without keys: orders are charged twice"

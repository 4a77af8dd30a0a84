#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The demo service's stores, with a real PostgreSQL and a real Redis: pools, timeouts and errors; idempotency keys across crashes; an outbox
while each of the programs is killed with SIGKILL and started again in the middle of the work. What counts is asked of the databases."""
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "demos"))
from tap import *
import stores

SERVICE = os.path.join(BUILD, "demos", "service", "service")
HOME = tmpdir()

# An order and the message that tells of it are written together, and only by the first who asks for it.
ORDERS = """CREATE TABLE orders (id text PRIMARY KEY, item text NOT NULL, amount int NOT NULL CHECK (amount > 0));""" + stores.OUTBOX
INSERT_ORDER = """WITH fresh AS (INSERT INTO orders (id, item, amount) VALUES ($1, $2, $3::int) ON CONFLICT (id) DO NOTHING RETURNING id)
INSERT INTO outbox (payload) SELECT jsonb_build_object('order', id) FROM fresh"""
# A notification is sent once for each message; deliveries counts how often it came.
NOTIFICATIONS = """CREATE TABLE notifications (message text PRIMARY KEY, order_id text NOT NULL);
CREATE TABLE deliveries (message text NOT NULL);
CREATE TABLE payments (order_id text PRIMARY KEY, amount int NOT NULL);"""


class Service:
    """A service at a port of its own, which can be killed and started again there."""

    def __init__(self, **config):
        self.port = free_port()
        self.path = os.path.join(HOME, config["name"] + ".json")
        with open(self.path, "w", encoding="utf-8") as f:
            json.dump({"listen": f"127.0.0.1:{self.port}", **config}, f)
        self.start()

    def start(self):
        self.child = spawn([SERVICE, self.path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if not self.child.stdout.readline():
            raise RuntimeError(self.child.stderr.read())

    def kill(self):
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()

    def ask(self, path, body=None, key=None, method=None):
        """(status, body parsed, headers) of one request; status 0 without an answer."""
        headers = {"Content-Type": "application/json", **({"Idempotency-Key": key} if key else {})}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=None if body is None else json.dumps(body).encode(),
                                         method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, parsed(answer.read()), answer.headers
        except urllib.error.HTTPError as answer:
            return answer.code, parsed(answer.read()), answer.headers
        except OSError:
            return 0, None, {}

    def status(self, *args, **kw):
        return self.ask(*args, **kw)[0]

    def metric(self, sample):
        """The value of the sample that is written exactly so; 0 when it is not there."""
        found = re.search("^" + re.escape(sample) + r" (\d+)$", str(self.ask("/metrics")[1]), re.M)
        return int(found.group(1)) if found else 0


def parsed(data):
    text = data.decode()
    try:
        return json.loads(text)
    except ValueError:
        return text


def at_once(*calls):
    """What each call returned, all made in threads of their own."""
    results = [None] * len(calls)

    def run_one(i):
        results[i] = calls[i]()

    threads = [threading.Thread(target=run_one, args=(i,)) for i in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


postgres = stores.Postgres({"orders": ORDERS, "notifications": NOTIFICATIONS}, directory=tmpdir(), popen=spawn)
redis = stores.Redis(directory=tmpdir(), popen=spawn)


def rows(database, sql):
    return postgres.value(database, sql)


# ---- steps ----
SLEEP = {"query": "SELECT pg_sleep($1::float8)", "params": ["${path.s}"]}
shop = Service(
    name="shop",
    stores={"db": {"postgres": postgres.address("orders"), "timeout_ms": 1000},
            "narrow": {"postgres": postgres.address("orders"), "pool": 1, "queue": 0},
            "queued": {"postgres": postgres.address("orders"), "pool": 1, "queue": 5, "wait_ms": 200},
            "cache": {"redis": redis.address(), "pool": 2, "connect_timeout_ms": 300, "timeout_ms": 300}},
    routes=[
        {"method": "POST", "path": "/orders", "steps": [
            {"sql": "db", "query": "INSERT INTO orders VALUES ($1, $2, $3::int) RETURNING id, amount, amount > 5 AS large", "rows": "one", "as": "order",
             "params": ["${body.id}", "${body.item}", "${body.amount}"]},
            {"answer": 201, "body": "${order}"}]},
        {"path": "/orders/{id}", "steps": [
            {"sql": "db", "query": "SELECT * FROM orders WHERE id = $1", "params": ["${path.id}"], "rows": "one", "as": "order"},
            {"answer": 200, "body": {"order": "${order}"}}]},
        {"path": "/orders", "steps": [
            {"sql": "db", "query": "SELECT id FROM orders ORDER BY id", "rows": "many", "as": "all"}, {"answer": 200, "body": {"orders": "${all}"}}]},
        {"method": "PATCH", "path": "/orders/{id}/item/{to}", "steps": [
            {"sql": "db", "as": "got", "query": "UPDATE orders SET item = $2 WHERE id = $1", "params": ["${path.id}", "${path.to}"], "missing": 410},
            {"answer": 200, "body": "${got}"}]},
        {"method": "POST", "path": "/swap", "steps": [
            {"sql": "db", "isolation": "serializable", "transaction": [
                {"query": "UPDATE orders SET item = 'swapped' WHERE id = $1", "params": ["${body.from}"], "as": "first"},
                {"query": "SELECT $1::int + 1 AS n", "params": ["${first.affected}"], "rows": "one", "as": "second"},
                {"query": "SELECT id FROM orders WHERE id = $1", "params": ["${body.to}"], "rows": "one", "missing": 424}]},
            {"answer": 200, "body": {"n": "${second.n}"}}]},
        {"path": "/sleep/{s}", "steps": [{"sql": "db", **SLEEP}]},
        {"path": "/narrow/{s}", "steps": [{"sql": "narrow", **SLEEP}]},
        {"path": "/queued/{s}", "steps": [{"sql": "queued", **SLEEP}]},
        {"path": "/copy", "steps": [{"sql": "db", "query": "COPY orders TO STDOUT"}]},
        {"path": "/wrong", "steps": [{"sql": "db", "query": "SELEC"}]},
        {"method": "PUT", "path": "/stock/{id}", "steps": [{"redis": "cache", "command": ["SET", "stock:${path.id}", "${body.n}", "EX", 60], "as": "got"},
                                                           {"answer": 200, "body": {"got": "${got}"}}]},
        {"path": "/stock/{id}", "steps": [{"redis": "cache", "command": ["GET", "stock:${path.id}"], "as": "n", "missing": 404},
                                          {"answer": 200, "body": {"n": "${n}"}}]},
        {"path": "/maybe/{id}", "steps": [{"redis": "cache", "optional": True, "command": ["GET", "stock:${path.id}"], "as": "n"},
                                          {"answer": 200, "body": {"n": "${n}"}}]},
        {"path": "/lists", "steps": [{"redis": "cache", "command": ["LRANGE", "stock:1", "0", "1"]}]},
    ])
is_(shop.ask("/orders", {"id": "a", "item": "it's", "amount": 7})[:2], (201, {"id": "a", "amount": 7, "large": True}), "a_row_comes_with_its_types")
is_(shop.status("/orders", {"id": "a", "item": "x", "amount": 1}), 409, "a_second_one_with_the_same_key_is_a_conflict")
is_(shop.status("/orders", {"id": "b", "item": "x", "amount": 0}), 409, "so_is_what_a_check_forbids")
is_(shop.status("/orders", {"id": "b", "item": "x", "amount": "many"}), 400, "a_number_that_is_none_is_the_callers_fault")
is_(shop.status("/orders", {"id": "b", "item": "x"}), 500, "a_value_that_is_not_there_is_null")
is_(shop.status("/orders/a", key="k"), 200, "a_route_that_is_not_idempotent_does_not_mind_a_key")
is_(shop.ask("/orders/a")[:2], (200, {"order": {"id": "a", "item": "it's", "amount": 7}}), "one_row_is_an_object")
is_(shop.status("/orders/b"), 404, "no_row_is_404")
is_(shop.ask("/orders")[:2], (200, {"orders": [{"id": "a"}]}), "many_rows_are_an_array")
is_(shop.ask("/orders/a/item/y", method="PATCH")[:2], (200, {"affected": 1}), "what_returns_no_rows_says_how_many_it_affected")
is_(shop.status("/orders/b/item/y", method="PATCH"), 410, "and_none_can_be_missed")
is_(shop.ask("/swap", {"from": "a", "to": "a"})[:2], (200, {"n": 2}), "a_statement_can_use_what_an_earlier_one_found")
is_(shop.status("/orders/a/item/kept", method="PATCH"), 200, "(a mark)")
is_(shop.status("/swap", {"from": "a", "to": "b"}), 424, "a_transaction_ends_with_what_is_missing")
is_(rows("orders", "SELECT item FROM orders WHERE id = 'a'"), "kept", "and_is_rolled_back")
is_(shop.metric('store_connections_replaced_total{store="db"}'), 0, "which_does_not_cost_the_connection")
is_(shop.status("/copy"), 500, "a_copy_is_given_up")
is_(shop.status("/wrong"), 500, "a_statement_that_is_none_is_the_services_fault")
is_(shop.status("/orders"), 200, "and_the_next_request_knows_nothing_of_it")

began = time.monotonic()
is_(shop.status("/sleep/5"), 503, "a_statement_that_takes_too_long_ends")
within(time.monotonic() - began, 0.9, 4, "with_the_timeout")
is_(shop.metric('store_operations_total{store="db",end="timeout"}'), 1, "which_is_counted")
is_(rows("orders", "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(%' AND state = 'active' AND pid <> pg_backend_pid()"), 0,
    "and_the_server_has_let_go_of_it")
is_(sorted(at_once(*[lambda: shop.status("/narrow/0.8")] * 3)), [200, 503, 503], "a_pool_of_one_without_a_queue_lets_one_in")
is_(shop.metric('store_operations_total{store="narrow",end="exhausted"}'), 2, "and_counts_the_others")
is_(shop.status("/orders"), 200, "other_stores_are_not_held_up")
is_(at_once(*[lambda: shop.status("/queued/0")] * 4), [200] * 4, "a_queue_lets_them_in_one_by_one")
is_(sorted(at_once(*[lambda: shop.status("/queued/0.9")] * 2)), [200, 503], "but_nobody_waits_longer_than_it_is_told")

is_(shop.ask("/stock/1", {"n": 7}, method="PUT")[:2], (200, {"got": "OK"}), "redis_takes_a_command")
is_(shop.ask("/stock/1")[:2], (200, {"n": "7"}), "and_answers_one")
is_(shop.status("/stock/2"), 404, "nil_can_be_missed")
is_(shop.status("/lists"), 500, "a_command_that_does_not_fit_is_the_services_fault")

# ---- servers that hang, die and come back ----
is_(shop.status("/health/ready"), 200, "it_is_ready")
redis.suspend()
began = time.monotonic()
is_(shop.status("/stock/1"), 503, "a_redis_that_hangs_is_503")
within(time.monotonic() - began, 0.2, 3, "after_the_timeout")
status, body, headers = shop.ask("/maybe/1")
is_((status, body, headers["X-Degraded"]), (200, {"n": None}, "cache"), "an_optional_step_is_passed_over_and_said_to_be_missing")
is_(shop.status("/health/ready"), 503, "it_is_not_ready_without_a_store")
redis.resume()
is_(shop.status("/stock/1"), 200, "and_works_again_as_soon_as_redis_does")
redis.kill()
is_(shop.status("/stock/1"), 503, "a_redis_that_is_gone_is_503")
redis.start()
is_(shop.ask("/stock/1")[:2], (200, {"n": "7"}), "and_back_with_the_first_request")
at_once(*[lambda: shop.status("/sleep/0.2")] * 4)
lost = at_once(lambda: shop.status("/sleep/0.9"), lambda: (time.sleep(0.3), postgres.kill()))
is_(lost[0], 503, "a_statement_whose_server_is_killed_is_503")
is_(shop.metric('store_operations_total{store="db",end="lost"}'), 1, "and_counted_as_lost_for_nobody_knows_its_effect")
is_(shop.status("/orders"), 503, "a_postgresql_that_is_gone_is_503")
postgres.start()
is_(at_once(*[lambda: shop.status("/orders")] * 4), [200] * 4, "and_back_with_the_first_requests_all_connections_being_new")
is_(shop.metric('store_connections{store="db",state="in"}'), 0, "all_places_of_the_pool_are_given_back")
is_(stop(shop.child), 0, "and_it_ends_in_order")

# ---- idempotency ----
PAY = {"sql": "db", "transaction": [
    {"query": "INSERT INTO payments VALUES ($1, $2::int) ON CONFLICT (order_id) DO NOTHING", "params": ["${body.order}", "${body.amount}"]},
    {"query": "SELECT order_id, amount FROM payments WHERE order_id = $1", "params": ["${body.order}"], "rows": "one", "as": "payment"}]}


def payments(store, wait_ms=0):
    return [{"method": "POST", "path": "/payments", "idempotency": {"store": store, "lease_ms": 1500, "ttl_ms": 60000, "required": True},
             "steps": [PAY, *([{"compute_ms": wait_ms}] if wait_ms else []), {"answer": 201, "body": "${payment}"}]},
            {"method": "POST", "path": "/moody", "idempotency": {"store": store},
             "steps": [{"sql": "db", "query": "SELECT 1 FROM payments WHERE order_id = $1", "params": ["${body.order}"], "rows": "one", "missing": 503},
                       {"answer": 200}]},
            {"method": "POST", "path": "/partly", "idempotency": {"store": store},
             "steps": [{"redis": "closed", "optional": True, "command": ["GET", "x"], "as": "x"}, {"answer": 201, "body": "made"}]}]


def paid(order):
    return rows("notifications", f"SELECT count(*) FROM payments WHERE order_id = '{order}'")


for kind in ("memory", "cache"):
    till = Service(name=f"till-{kind}", routes=payments(kind), stores={
        "db": {"postgres": postgres.address("notifications")}, "closed": {"redis": f"127.0.0.1:{free_port()}"},
        "cache": {"redis": redis.address(), "connect_timeout_ms": 300, "timeout_ms": 300}})
    order = f"o-{kind}"
    first = till.ask("/payments", {"order": order, "amount": 5}, key="k1")
    again = till.ask("/payments", {"order": order, "amount": 5}, key="k1")
    is_((first[:2], first[2]["Idempotency-Replayed"]), ((201, {"order_id": order, "amount": 5}), None), f"the_first_runs ({kind})")
    is_((again[:2], again[2]["Idempotency-Replayed"], again[2]["Content-Type"]), (first[:2], "true", first[2]["Content-Type"]),
        "the_second_is_answered_with_its_answer")
    is_(till.status("/payments", {"order": order, "amount": 6}, key="k1"), 422, "another_payload_is_422")
    is_(till.status("/payments", {"order": order, "amount": 5}), 400, "without_a_key_it_is_400_where_one_is_required")
    is_(till.status("/payments", {"order": order, "amount": 5}, key="k" * 256), 400, "a_key_may_have_255_characters")
    is_(till.status("/moody", {"order": order + "!"}, key="k1"), 503, "keys_of_another_route_are_others")
    till.ask("/payments", {"order": order + "!", "amount": 5}, key="k2")
    is_(till.status("/moody", {"order": order + "!"}, key="k1"), 200, "an_answer_of_503_is_not_kept_but_tried_again")
    partly = [till.ask("/partly", {"order": order}, key="k9") for _ in range(2)]
    is_([(answer[0], answer[2]["X-Degraded"], answer[2]["Idempotency-Replayed"]) for answer in partly],
        [(201, "closed", None), (201, "closed", "true")], "an_answer_that_was_degraded_is_so_when_it_is_given_again")
    is_([till.metric('idempotent_requests_total{method="POST",route="/payments",verdict="%s"}' % v)
         for v in ("run", "replay", "other_payload", "in_progress")], [2, 1, 1, 0], "all_is_counted")
    is_(stop(till.child), 0, "(it ends)")
    till.start()
    replayed = till.ask("/payments", {"order": order, "amount": 5}, key="k1")[2]["Idempotency-Replayed"]
    is_(replayed, "true" if kind == "cache" else None, "redis_keeps_the_answer_across_a_restart" if kind == "cache" else "memory_forgets_with_the_process")
    is_(paid(order), 1, "and_the_payment_is_one")
    if kind == "cache":
        redis.kill()
        status, _, headers = till.ask("/payments", {"order": "o-down", "amount": 5}, key="k3")
        is_((status, headers["Retry-After"]), (503, "1"), "without_its_storage_a_request_with_a_key_is_refused")
        is_(paid("o-down"), 0, "and_nothing_was_done")
        redis.start()
        is_(till.status("/payments", {"order": "o-down", "amount": 5}, key="k3"), 201, "afterwards_it_is_done")
        is_(till.ask("/payments", {"order": order, "amount": 5}, key="k1")[2]["Idempotency-Replayed"], "true",
            "and_a_redis_that_was_killed_has_forgotten_nothing")
    stop(till.child)

# A run of a second: others come meanwhile, and then its process dies between the effect and the stored answer.
slow = Service(name="slow", routes=payments("cache", wait_ms=1000),
               stores={"db": {"postgres": postgres.address("notifications")}, "closed": {"redis": f"127.0.0.1:{free_port()}"},
                       "cache": {"redis": redis.address()}})
got = at_once(*[lambda: slow.status("/payments", {"order": "o-many", "amount": 5}, key="k4")] * 5)
is_(sorted(got), [201, 409, 409, 409, 409], "of_many_at_once_one_runs_and_the_others_are_told_so")
is_(slow.ask("/payments", {"order": "o-many", "amount": 5}, key="k4")[2]["Idempotency-Replayed"], "true", "and_get_its_answer_later")
asked = time.monotonic()
died = at_once(lambda: slow.status("/payments", {"order": "o-died", "amount": 5}, key="k5"),
               lambda: (wait_for(lambda: paid("o-died")), slow.kill()))
is_((died[0], paid("o-died")), (0, 1), "the_service_was_killed_with_the_payment_made_and_no_answer_given")
slow.start()
is_(slow.status("/payments", {"order": "o-died", "amount": 5}, key="k5"), 409, "the_key_is_blocked_by_the_dead")
final = wait_for(lambda: (slow.status("/payments", {"order": "o-died", "amount": 5}, key="k5") == 201 and time.monotonic() - asked), 20, 0.2)
within(final, 1.5, 19, "for_its_lease_of_1.5_s_not_for_its_ttl_of_a_minute")
is_(paid("o-died"), 1, "and_nobody_is_charged_twice")
is_(slow.metric('idempotent_requests_total{method="POST",route="/payments",verdict="take_over"}'), 1, "the_succession_is_counted")
stop(slow.child)

# ---- an outbox, and everything is killed once ----
mail = Service(name="notifications", stores={"db": {"postgres": postgres.address("notifications")}}, routes=[
    {"method": "POST", "path": "/notifications", "steps": [
        {"sql": "db", "transaction": [
            {"query": "INSERT INTO deliveries VALUES ($1)", "params": ["${header.idempotency-key}"]},
            {"query": "INSERT INTO notifications VALUES ($1, $2) ON CONFLICT (message) DO NOTHING",
             "params": ["${header.idempotency-key}", "${body.order}"]}]},
        {"answer": 202}]}])
desk = Service(
    name="orders",
    stores={"db": {"postgres": postgres.address("orders"), "timeout_ms": 1000}, "cache": {"redis": redis.address(), "timeout_ms": 500}},
    peers={"notifications": {"url": f"http://127.0.0.1:{mail.port}", "attempt_timeout_ms": 1000}},
    outbox=[{"store": "db", "table": "outbox", "peer": "notifications", "path": "/notifications", "poll_ms": 20, "batch": 10, "lease_ms": 1000,
             "backoff_ms": 50, "backoff_max_ms": 500}],
    routes=[{"method": "POST", "path": "/orders", "idempotency": {"store": "cache", "lease_ms": 2000, "required": True}, "steps": [
        {"sql": "db", "query": INSERT_ORDER, "params": ["${body.id}", "${body.item}", "${body.amount}"], "as": "written"},
        {"answer": 201, "body": {"id": "${body.id}"}}]}])
accepted, over = [], threading.Event()


def customer(n):
    """Orders one thing after the other, and asks again, under the same key, until each is accepted. Each third it orders twice."""
    i = 0
    while not over.is_set():
        name, i = f"c{n}-{i}", i + 1
        for _ in range(2 if i % 3 == 0 else 1):
            if wait_for(lambda: desk.status("/orders", {"id": name, "item": "x", "amount": 1}, key=name) == 201, 40, 0.05):
                accepted.append(name)
        time.sleep(0.01)


def restart(server, down_s):
    server.kill()
    time.sleep(down_s)
    server.start()
    time.sleep(1)


rows("orders", "TRUNCATE orders, outbox")
rows("notifications", "TRUNCATE notifications, deliveries")
customers = [threading.Thread(target=customer, args=(n,)) for n in range(4)]
for thread in customers:
    thread.start()
time.sleep(1)
for server in (mail, postgres, desk, redis):
    restart(server, 0.4)
over.set()
for thread in customers:
    thread.join()
ok(wait_for(lambda: rows("orders", "SELECT count(*) FROM outbox WHERE sent_at IS NULL") == 0, 30, 0.1), "the_outbox_is_emptied_once_all_are_back",
   [postgres.query("orders", "SELECT attempts, last_error, due_at - now() FROM outbox WHERE sent_at IS NULL LIMIT 5"), desk.ask("/metrics")[1]])
ids = {row[0] for row in postgres.query("orders", "SELECT id FROM orders")}
diag(f"{len(set(accepted))} orders accepted {len(accepted)} times, {rows('notifications', 'SELECT count(*) FROM deliveries')} deliveries")
ok(len(ids) > 40, "orders_went_on", len(ids))
is_(set(accepted) - ids, set(), "no_order_that_was_accepted_is_lost")
is_(ids - set(accepted), set(), "and_none_is_there_that_nobody_was_told_of")
is_(rows("orders", "SELECT count(*) FROM outbox"), len(ids), "each_has_one_message")
told = {row[0] for row in postgres.query("notifications", "SELECT order_id FROM notifications")}
is_(ids - told, set(), "which_had_its_effect")
is_(rows("notifications", "SELECT count(*) FROM notifications"), len(ids), "once")
within(rows("notifications", "SELECT count(*) FROM deliveries"), len(ids), 3 * len(ids), "and_was_delivered_at_least_once")
ok(desk.metric('outbox_messages_total{table="outbox",verdict="sent"}') > 0, "which_is_counted")
is_(wait_for(lambda: desk.metric('outbox_pending{table="outbox"}') == 0, 5, 0.1), True, "and_none_is_pending")

# ---- an outbox's worker by itself ----
mail.kill()
is_(desk.status("/orders", {"id": "late", "item": "x", "amount": 1}, key="late"), 201, "a_peer_that_is_gone_does_not_hold_up_orders")
ok(wait_for(lambda: desk.metric('outbox_messages_total{table="outbox",verdict="retried"}') > 1), "its_message_is_tried_again")
mail.start()
ok(wait_for(lambda: rows("notifications", "SELECT count(*) FROM notifications WHERE order_id = 'late'") == 1, 10), "until_it_is_delivered")
rows("orders", """INSERT INTO outbox (payload) VALUES ('"no object"'), ('{"order": "fine"}')""")
ok(wait_for(lambda: rows("notifications", "SELECT count(*) FROM notifications WHERE order_id = 'fine'") == 1, 10),
   "one_that_is_delivered_in_vain_holds_up_no_other")
rows("orders", "INSERT INTO outbox (payload) SELECT jsonb_build_object('order', 'last-' || n) FROM generate_series(1, 200) n")
is_(stop(desk.child), 0, "the_worker_ends_in_order")
is_(rows("notifications", "SELECT count(*) FROM notifications WHERE order_id LIKE 'last-%'"), 200, "having_delivered_what_was_there")
stop(mail.child)

# ---- configurations ----
broken = os.path.join(HOME, "broken.json")
for part, words in (
        ({"stores": {"db": {}}}, "postgres or redis"), ({"stores": {"db": {"postgres": "host"}}}, "connection string"),
        ({"stores": {"db": {"redis": "localhost:1"}}}, "IPv4 address"), ({"stores": {"db": {"redis": "127.0.0.1:1", "postgres": "host=x"}}}, "one kind"),
        ({"stores": {"db": {"redis": "127.0.0.1:1", "pool": 0}}}, "from 1 to"), ({"outbox": [{}]}, "given"),
        ({"stores": {"db": {"redis": "127.0.0.1:1"}}, "outbox": [{"store": "db", "table": "t", "peer": "p", "path": "/"}]}, "that is of postgres"),
        ({"outbox": [{"store": "db", "table": "t; DROP", "peer": "p", "path": "/"}]}, "name of a table"),
        ({"routes": [{"path": "/", "steps": [{"sql": "none", "query": "x"}]}]}, "one of stores"),
        ({"routes": [{"path": "/", "steps": [{"redis": "none", "command": []}]}]}, "1 to"),
        ({"stores": {"db": {"postgres": "host=x"}}, "routes": [{"path": "/", "steps": [{"redis": "db", "command": ["GET"]}]}]}, "store of redis"),
        ({"stores": {"db": {"postgres": "host=x"}}, "routes": [{"path": "/", "steps": [{"sql": "db"}]}]}, "either query or transaction"),
        ({"stores": {"db": {"postgres": "host=x"}},
          "routes": [{"path": "/", "steps": [{"sql": "db", "query": "x", "rows": "many", "missing": 404}]}]}, "empty array"),
        ({"routes": [{"path": "/", "idempotency": {"store": "none"}}]}, "one of stores"),
        ({"routes": [{"path": "/", "idempotency": {"store": "memory", "ttl_ms": 10}}]}, "at least lease_ms")):
    with open(broken, "w", encoding="utf-8") as f:
        json.dump({"name": "x", "listen": "127.0.0.1:0", "routes": [], **part}, f)
    got = run([SERVICE, broken], timeout=5)
    ok(got.rc == 2 and got.err.count("\n") == 1 and words in got.err, f"refused: {words}", got)
postgres.stop()
redis.stop()
done()

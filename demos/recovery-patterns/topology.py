# SPDX-License-Identifier: MIT
"""The system of document 003: what each service is under each of the configurations A to F, and the tables it keeps its state in.

    users -> gateway -> orders -> inventory -> PostgreSQL "inventory"
                               -> payments  -> PostgreSQL "orders" (the ledger)
                               -> notifications       (F: through an outbox in PostgreSQL "orders")

A configuration differs from the one before it in what its letter says and in nothing else. The figures are the document's where it
has them.
"""
import stores

CONFIGURATIONS = {
    "A": "no resilience patterns",
    "B": "retries at once, no jitter",
    "C": "B with backoff and jitter, and timeouts of each hop",
    "D": "C and a breaker for each downstream",
    "E": "D and bulkheads, load shedding at the gateway",
    "F": "E and idempotency keys (Redis), outbox",
}
ATTEMPTS = 3
BACKOFF_MS = 100
BREAKER_FAILURES, BREAKER_OPEN_MS = 5, 30000
BULKHEAD = 20
HOP_TIMEOUT_MS, DEADLINE_MS = 10000, 25000
MAX_IN_FLIGHT = 200
KEY_TTL_MS = 24 * 3600 * 1000
PATIENCE_MS = 60000  # A and B: longer than any user waits, so no timeout of their own ever ends a call

POOL = 10  # connections of a service to a database
POOL_WAIT_MS = 30000  # for a connection to a database, one that is there or a new one
SERVICE_MS = 30  # of payments, on average
STOCK = 1000000
PRODUCT = "prod-001"
ORDER = '{"customer_id":"customer-{n}","product_id":"prod-001","quantity":2,"unit_price":29.99}'  # {n}: the load generator's count


def has(configuration, letter):
    """Whether a configuration has what came with that letter."""
    return configuration >= letter


# ---- tables ----

def orders_schema(configuration):
    """F alone has unique keys: an effect that may be asked for twice has to say no to the second by itself, whatever a cache knows."""
    unique = "UNIQUE" if has(configuration, "F") else ""
    return f"""
        CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, client_key text {unique}, customer text, product text,
                             quantity int, amount numeric(12,2), state text NOT NULL DEFAULT 'pending', made timestamptz DEFAULT now());
        CREATE TABLE charges (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, order_id bigint NOT NULL {unique}, amount numeric(12,2),
                              made timestamptz DEFAULT now());
        CREATE TABLE notices (order_id bigint NOT NULL {unique}, made timestamptz DEFAULT now());
        {stores.OUTBOX if has(configuration, "F") else ""}
        """


def inventory_schema(configuration):
    unique = "UNIQUE" if has(configuration, "F") else ""
    return f"""
        CREATE TABLE stock (product text PRIMARY KEY, there int NOT NULL CHECK (there >= 0));
        CREATE TABLE reservations (order_id bigint NOT NULL {unique}, product text, quantity int, made timestamptz DEFAULT now());
        INSERT INTO stock VALUES ('{PRODUCT}', {STOCK});
        """


# ---- policies ----

def strategies(configuration):
    backoff = {"backoff": "exponential", "base_ms": BACKOFF_MS, "multiplier": 2, "max_attempts": ATTEMPTS, "jitter": "full"}
    if has(configuration, "F"):  # "in progress": another attempt of ours is at work on it; its answer is there soon
        backoff["retry_on"] = [409, 429, 500, 502, 503, 504, "timeout", "error"]
    return {"once": {"backoff": "none", "max_attempts": 1}, "naive": {"backoff": "immediate", "max_attempts": ATTEMPTS}, "backoff": backoff}


def downstream(configuration, scenario, port):
    """How orders calls one of its peers."""
    peer = {"url": f"http://127.0.0.1:{port}", "attempt_timeout_ms": HOP_TIMEOUT_MS if has(configuration, "C") else PATIENCE_MS,
            "strategy": "backoff" if has(configuration, "C") else "naive" if has(configuration, "B") else "once"}
    if scenario.timeout_ms:
        peer["attempt_timeout_ms"] = scenario.timeout_ms
    if has(configuration, "C"):
        peer["total_timeout_ms"] = DEADLINE_MS
    if has(configuration, "D"):
        peer["breaker"] = {"scope": "request", "consecutive": BREAKER_FAILURES, "open_ms": BREAKER_OPEN_MS / scenario.scale,
                           "permits": 1, "close_after": 1}
    if has(configuration, "E"):
        peer["bulkhead"] = {"width": BULKHEAD, "queue": 0}
    return peer


# ---- services ----

def base(name, port, configuration, **more):
    return {"name": name, "listen": f"127.0.0.1:{port}", "strategies": strategies(configuration), **more}


def database(name, address):
    """The pool is full before users come: where processes are slow to start, the requests that wait for the first connections would be
    a storm before the storm. And who gives up connecting early asks a busy server for one more process at once, and never gets one."""
    return {name: {"postgres": address, "pool": POOL, "min_idle": POOL, "queue": 1000, "wait_ms": POOL_WAIT_MS,
                   "connect_timeout_ms": POOL_WAIT_MS, "timeout_ms": PATIENCE_MS}}


def payments(system, port=0):
    charge = "INSERT INTO charges (order_id, amount) VALUES ($1::bigint, $2::numeric)"
    route = {"method": "POST", "path": "/charges", "steps": [
        {"compute_ms": SERVICE_MS, "distribution": "exponential", "workers": system.scenario.workers,
         "queue": 50 * system.scenario.workers},
        {"sql": "ledger", "query": charge, "params": ["${body.order_id}", "${body.amount}"], "rows": "none"},
        {"answer": 201, "body": {"charged": "${body.amount}"}}]}
    stores = database("ledger", system.orders_address)
    if has(system.configuration, "F"):
        route["steps"][1]["query"] += " ON CONFLICT (order_id) DO NOTHING"
        route["idempotency"] = {"store": "keys", "ttl_ms": KEY_TTL_MS, "lease_ms": 2000}
        stores["keys"] = {"redis": system.redis_address}
    return base("payments", port, system.configuration, stores=stores, routes=[route])


def inventory(system, port=0):
    """One statement takes from the stock what one reservation says; in F a reservation that is there already takes nothing again."""
    again = "ON CONFLICT (order_id) DO NOTHING" if has(system.configuration, "F") else ""
    reserve = (f"WITH new AS (INSERT INTO reservations (order_id, product, quantity) VALUES ($1::bigint, $2, $3::int) {again} "
               "RETURNING product, quantity) UPDATE stock SET there = there - new.quantity FROM new WHERE stock.product = new.product")
    return base("inventory", port, system.configuration, stores=database("inventory_db", system.inventory_address), routes=[
        {"method": "POST", "path": "/reservations", "steps": [
            {"sql": "inventory_db", "query": reserve, "params": ["${body.order_id}", "${body.product_id}", "${body.quantity}"],
             "rows": "none"},
            {"answer": 201, "body": {"reserved": "${body.quantity}"}}]}])


def repricer(system, port=0):
    """A job that changes prices and for that locks the rows of the stock, usually for a moment."""
    return base("repricer", port, system.configuration, stores=database("inventory_db", system.inventory_address), routes=[
        {"method": "POST", "path": "/prices", "steps": [
            {"sql": "inventory_db", "transaction": [{"query": "SELECT product FROM stock FOR UPDATE", "params": [], "rows": "many"}]},
            {"answer": 200}]}])


def notifications(system, port=0):
    return base("notifications", port, system.configuration, stores=database("notices", system.orders_address), routes=[
        {"method": "POST", "path": "/notifications", "steps": [
            {"sql": "notices", "query": "INSERT INTO notices (order_id) VALUES ($1::bigint)" +
             (" ON CONFLICT DO NOTHING" if has(system.configuration, "F") else ""), "params": ["${body.order_id}"], "rows": "none"},
            {"answer": 200}]}])


def orders(system, ports, port=0):
    configuration, scenario = system.configuration, system.scenario
    insert = ("INSERT INTO orders (client_key, customer, product, quantity, amount) VALUES ($1, $2, $3, $4::int, $4::int * $5::numeric)"
              + (" ON CONFLICT (client_key) DO UPDATE SET client_key = excluded.client_key" if has(configuration, "F") else "")
              + " RETURNING id, amount")
    # Of this system alone: others use the same Redis, and their orders have the same numbers.
    key = {"idempotency_key": f"{system.name}-order-${{order.id}}"} if has(configuration, "F") else {}
    confirm = {"query": "UPDATE orders SET state = 'confirmed' WHERE id = $1::bigint", "params": ["${order.id}"], "rows": "none"}
    steps = [
        {"sql": "orders_db", "query": insert, "rows": "one", "as": "order", "params": [
            "${header.idempotency-key}", "${body.customer_id}", "${body.product_id}", "${body.quantity}", "${body.unit_price}"]},
        {"call": "inventory", "method": "POST", "path": "/reservations", **key,
         "body": {"order_id": "${order.id}", "product_id": "${body.product_id}", "quantity": "${body.quantity}"}},
        {"call": "payments", "method": "POST", "path": "/charges", **key,
         "body": {"order_id": "${order.id}", "amount": "${order.amount}"}},
    ]
    config = base("orders", port, configuration, stores=database("orders_db", system.orders_address))
    config["peers"] = {name: downstream(configuration, scenario, ports[name]) for name in ("inventory", "payments")}
    config["peers"]["notifications"] = {"url": f"http://127.0.0.1:{ports['notifications']}"}
    route = {"method": "POST", "path": "/orders", "steps": steps}
    if has(configuration, "F"):
        route["idempotency"] = {"store": "keys", "ttl_ms": KEY_TTL_MS, "lease_ms": 2000}
        config["stores"]["keys"] = {"redis": system.redis_address}
        config["outbox"] = [{"store": "orders_db", "table": "outbox", "peer": "notifications", "path": "/notifications",
                             "poll_ms": 100, "batch": 20}]
        steps.append({"sql": "orders_db", "rows": "none", "params": ["${order.id}"], "query":
                      "WITH made AS (UPDATE orders SET state = 'confirmed' WHERE id = $1::bigint AND state <> 'confirmed' RETURNING id) "
                      "INSERT INTO outbox (payload) SELECT jsonb_build_object('order_id', id) FROM made"})
    else:
        steps += [{"sql": "orders_db", **confirm},
                  {"call": "notifications", "method": "POST", "path": "/notifications", "body": {"order_id": "${order.id}"},
                   "fallback": {"kind": "default"}}]
    steps.append({"answer": 201, "body": {"order_id": "${order.id}"}})
    config["routes"] = [route]
    return config


def gateway(system, orders_port, port=0):
    peer = {"url": f"http://127.0.0.1:{orders_port}", "attempt_timeout_ms": DEADLINE_MS if has(system.configuration, "C") else PATIENCE_MS}
    if has(system.configuration, "C"):
        peer["propagate_deadline"] = True
    config = base("gateway", port, system.configuration, peers={"orders": peer}, routes=[
        {"method": "POST", "path": "/orders", "steps": [
            {"call": "orders", "method": "POST", "path": "/orders", "body": "${body}", "idempotency_key": "${header.idempotency-key}",
             "as": "made"},
            {"answer": 201, "body": "${made}"}]}])
    if has(system.configuration, "E"):
        config["backpressure"] = {"max_in_flight": MAX_IN_FLIGHT, "retry_after_s": 1}
    return config


def again(system, name):
    """A service that is not there any more, at the port that it had."""
    ports = {other: s.port for other, s in system.services.items()}
    makers = {"payments": payments, "inventory": inventory, "notifications": notifications}
    if name == "gateway":
        return gateway(system, ports["orders"], ports[name])
    return orders(system, ports, ports[name]) if name == "orders" else makers[name](system, ports[name])

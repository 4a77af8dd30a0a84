#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""wget, curl, redis-cli and nginx as a reverse proxy, each with its own timeout, under delays and failures."""
import json
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from peers import PAGE

TIMED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients", "timed.py")
DIRECT = {"http_proxy": None, "HTTP_PROXY": None, "no_proxy": "*"}


def timed(port, fault, *command):
    """How `command` ends under a fault towards port; the time and CPU are the command's own."""
    r = shock(f"to=127.0.0.1:{port} {fault}", PYTHON, TIMED, *command, env=DIRECT)
    try:
        return json.loads(r.out), r
    except ValueError:
        diag(r)
        return {"rc": None, "seconds": None, "cpu": None, "out": "", "err": ""}, r


peer = HttpPeer()
redis = Redis()
wget = ("wget", "-q", "-O", "-", "--tries=1", "--timeout=0.5", peer.url())
curl = ("curl", "-sS", "-m", "0.5", peer.url())
ping = ("redis-cli", "-h", "127.0.0.1", "-p", redis.port, "ping")

# command, port, fault, exit status, seconds, what it prints
CASES = (
    (wget, peer.port, "delay=2s", 4, (0.49, 0.9), ""),
    (wget, peer.port, "delay=300ms", 0, (0.3, 0.75), PAGE),
    (wget, peer.port, "hang=response", 4, (0.49, 0.9), ""),
    (wget, peer.port, "refuse=true", 4, (0, 0.6), ""),
    (wget, peer.port, "reset=response", 4, (0, 0.6), ""),
    (wget, peer.port, "status=503", 8, (0, 0.6), ""),
    (curl, peer.port, "delay=2s", 28, (0.49, 0.9), ""),
    (curl, peer.port, "delay=300ms", 0, (0.3, 0.75), PAGE),
    (curl, peer.port, "hang=response", 28, (0.49, 0.9), ""),
    (curl, peer.port, "refuse=true", 7, (0, 0.6), ""),
    (curl, peer.port, "reset=response", 56, (0, 0.6), ""),
    (curl, peer.port, "error=recv:ETIMEDOUT", 56, (0, 0.6), ""),
    (ping, redis.port, "delay=300ms", 0, (0.3, 0.75), "PONG\n"),
    (ping, redis.port, "delay=2s", 0, (2.0, 2.6), "PONG\n"),
    (ping, redis.port, "refuse=true", 1, (0, 0.6), ""),
    (("timeout", "0.5", *ping), redis.port, "hang=response", 124, (0.49, 0.9), ""),
)
# what a command takes to start and end, on this machine
AT_REST = {command: timed(port, "probability=0 delay=1s", *command)[0]["cpu"] for command, port in {case[:2] for case in CASES}}
for command, port, fault, status, took, printed in CASES:
    name = f"{command[0] if command[0] != 'timeout' else 'redis-cli'}_under_{fault}"
    got, r = timed(port, fault, *command)
    is_(got["rc"], status, f"{name}_exits_{status}", r)
    within(got["seconds"], *took, f"{name}_takes_its_time", r)
    ok(printed in got["out"] if printed else True, f"{name}_prints_what_it_should", r)
    ok(got["cpu"] is not None and got["cpu"] < AT_REST[command] + 0.06, f"{name}_does_not_burn_CPU", (got, AT_REST[command]))

got, r = timed(redis.port, "reset=response", *ping)
ok(got["rc"] != 0 or "rror" in got["out"] + got["err"], "redis-cli_under_reset_says_so", got)
requests = r.rows("SELECT protocol, outcome FROM exchange WHERE role = 'client'")
ok(requests and all(row["protocol"] != "http1" for row in requests), "redis_is_not_taken_for_http", requests)
piped = shock(f"to=127.0.0.1:{redis.port} delay=100ms", "redis-cli", "-p", redis.port, input="set a 1\nget a\ndel a\n")
is_(piped.out.split(), ["OK", "1", "1"], "redis-cli_gets_each_answer_in_order", piped)
within(piped.seconds, 0.3, 0.9, "each_redis_answer_is_delayed_once", piped)
turns = piped.rows("SELECT outcome, bytes_in FROM exchange WHERE role = 'client' ORDER BY started_ns")[-3:]
is_(turns, [{"outcome": "ok", "bytes_in": n} for n in (5, 7, 4)], "each_redis_command_is_one_exchange_with_its_bytes", turns)

# a reverse proxy: its read timeout makes 504, other upstreams are not held up
other = HttpPeer()
routes = (f"location / {{ proxy_pass http://127.0.0.1:{peer.port}; proxy_read_timeout 1s; }}"
          f"location /other {{ proxy_pass http://127.0.0.1:{other.port}; }}")
for fault, status, took in (("delay=2s", "504", (0.99, 1.6)), ("delay=300ms", "200", (0.3, 0.9)), ("hang=response", "504", (0.99, 1.6)),
                            ("refuse=true", "502", (0, 0.6)), ("reset=response", "502", (0, 0.2)), ("status=429", "429", (0, 0.2))):
    db = os.path.join(tmpdir(), "proxy.db")
    proxy = Nginx(server=routes, under=shock_argv(f"to=127.0.0.1:{peer.port} {fault}", db))
    slow = spawn(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code} %{time_total}", proxy.url()], stdout=-1)
    quick = run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code} %{time_total}", proxy.url("/other")]).out.split()
    answer, seconds = slow.communicate(timeout=20)[0].decode().split()
    is_(answer, status, f"nginx_as_a_proxy_answers_{status}_under_{fault}", proxy.errors())
    within(float(seconds), *took, f"nginx_as_a_proxy_takes_its_time_under_{fault}")
    ok(quick[0] == "200" and float(quick[1]) < 0.1, f"its_other_upstream_keeps_its_latency_under_{fault}", quick)
    proxy.stop()
    links = Run(db).rows("SELECT role, count(*) AS n FROM exchange GROUP BY role ORDER BY role")
    is_(links, [{"role": "client", "n": 2}, {"role": "server", "n": 2}], f"both_sides_of_the_proxy_are_recorded_under_{fault}")
done()

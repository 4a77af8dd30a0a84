# SPDX-License-Identifier: MIT
"""The clients of the gallery: how each is started, what its documentation says, and why it may differ.

`documented` holds the documentation in the words of the report: attempts, backoff, base_ms, multiplier, step_ms, skip_first, retry_after (of edge.retry)
or threshold, open_ms, probes (of edge.breaker). What is not in it is not compared.
"""
import json
import os
from dataclasses import dataclass
from typing import Callable

import bench

PROGRAMS, REQUESTS = 12, 30  # so many processes of a command-line client, so many requests by a library or through a proxy
IN_TURN = 3  # requests one behind the other: connections that are refused hold nothing that tells one request from another
SERVERS = 4


@dataclass
class Client:
    name: str  # of its directory
    title: str  # the program; its version is put in front of the settings
    settings: str
    says: str  # what the documentation says, for the reader
    documented: dict
    faults: tuple
    command: Callable  # of a Bench and a directory (and a port, for a proxy): the words that start it
    seconds: float  # it takes about so long
    needs: tuple = ()  # commands; "npm" stands for the libraries
    why: str = ""  # why it differs from its documentation
    busy: bool = False  # needs the processor while it starts: one at a time, or timers are late
    proxy: bool = False
    crowd: bool = False  # is many processes: that each ended by itself, and not in a wait that was cut, only eBPF tells
    method: str = "GET"
    version: tuple = ()  # a command whose first line of output has it, or (library,)
    documentation: str = ""  # where


def crowd(*words):
    """A command that starts so many processes of another at once and waits for them."""
    return ["sh", "-c", f'for i in $(seq {PROGRAMS}); do "$@" & done; wait', "sh", *words]


def curl(*options):
    return lambda lab, directory: crowd("curl", "-s", "-o", "/dev/null", *options, lab.server.url)


def programs(short):
    retries = 3 if short else 5
    tries = 5 if short else 20
    common = {"crowd": True, "needs": ("curl",), "version": ("curl", "--version"), "title": "curl", "documentation": "curl(1)"}
    yield Client(
        name="curl", settings=f"--retry {retries}", seconds=2 ** retries - 1, faults=("status=503",), command=curl("--retry", str(retries)),
        says=f"{retries} retries of 408, 429, 500, 502, 503, 504 and timeouts; waits 1 s, doubled each time, up to 10 minutes; no jitter; keeps to Retry-After",
        documented={"attempts": retries + 1, "backoff": "exponential", "base_ms": 1000, "multiplier": 2, "skip_first": False}, **common)
    yield Client(
        name="curl-two", settings="--retry 2", seconds=3, faults=("status=503",), command=curl("--retry", "2"),
        says="2 retries; waits 1 s, then 2 s", documented={"attempts": 3, "backoff": "exponential", "base_ms": 1000, "multiplier": 2}, **common)
    yield Client(
        name="curl-delay", settings="--retry 3 --retry-delay 1", seconds=3, faults=("status=503",), command=curl("--retry", "3", "--retry-delay", "1"),
        says="3 retries; 1 s before each, no doubling", documented={"attempts": 4, "backoff": "fixed", "base_ms": 1000}, **common)
    yield Client(
        name="curl-asked", settings="--retry 2, server asks for 2 s", seconds=4, faults=("status=503 retry_after=2s",), command=curl("--retry", "2"),
        says="2 retries; the server's Retry-After in place of its own wait", documented={"attempts": 3, "retry_after": "honoured"}, **common)
    yield Client(
        name="curl-refused", settings="--retry 2, connection refused", seconds=1, faults=("refuse=true",), command=curl("--retry", "2"),
        says="a refused connection is no transient error: no retry without --retry-connrefused", documented={"attempts": 1}, **common)
    yield Client(
        name="wget", crowd=True, title="wget", settings=f"--tries={tries} --retry-on-http-error=503", seconds=sum(min(n, 10) for n in range(1, tries)),
        faults=("status=503",), needs=("wget",), version=("wget", "--version"), documentation="wget(1)",
        command=lambda lab, directory: crowd("wget", "-q", "-O", "/dev/null", f"--tries={tries}", "--retry-on-http-error=503", lab.server.url),
        says=f"{tries} attempts (20 by default; none but the first on 503 without the option); waits 1 s, 2 s, ... up to 10 s; no jitter",
        documented={"attempts": tries, "backoff": "linear", "base_ms": 1000, "step_ms": 1000, "skip_first": False})


def libraries(short):
    factor, quick, reset, openings = (0.1, 100, 1500, 4) if short else (1, 500, 30000, 2)
    first = 500  # undici's own: smaller waits drown in what a busy machine adds to them
    agent = {"title": "undici RetryAgent", "needs": ("node", "npm"), "documentation": "undici, RetryHandler",
             "version": ("undici",)}

    def undici(count, order, wait):
        return lambda lab, directory: ["node", os.path.join(bench.CLIENTS, "retry-agent.js"), lab.modules, lab.server.url, lab.warm.url, count, order, wait]

    yield Client(
        name="urllib3", title="urllib3 Retry", settings=f"total=5 backoff_factor={factor} status_forcelist=[503]", seconds=30 * factor + 1, busy=True,
        faults=("status=503",), version=(bench.PYTHON, "-c", "import urllib3; print(urllib3.__version__)"), needs=("py:urllib3",),
        command=lambda lab, directory: [bench.PYTHON, os.path.join(bench.CLIENTS, "retry.py"), lab.server.url, REQUESTS, factor],
        documentation="urllib3.util.Retry",
        says=f"5 retries (10 by default, without a wait); the first at once, then {2 * factor:g} s doubled each time, up to 120 s; no jitter; keeps to "
             "Retry-After",
        documented={"attempts": 6, "backoff": "exponential", "base_ms": 2000 * factor, "multiplier": 2, "skip_first": True})
    yield Client(
        name="undici", settings="defaults", seconds=31 * first / 1000 + 1, faults=("status=503",), busy=True,
        command=undici(REQUESTS, "at-once", first),
        says=f"5 retries of 429, 500, 502, 503, 504; waits {first} ms, doubled each time, up to 30 s; no jitter; keeps to Retry-After",
        documented={"attempts": 6, "backoff": "exponential", "base_ms": first, "multiplier": 2, "skip_first": False}, **agent)
    yield Client(
        name="undici-refused", settings=f"minTimeout={quick}, connection refused", seconds=IN_TURN * 31 * quick / 1000 + 1, faults=("refuse=true",),
        command=undici(IN_TURN, "in-turn", quick),
        says="ECONNREFUSED is retried as 503 is", documented={"attempts": 6, "backoff": "exponential", "base_ms": quick, "multiplier": 2,
                                                              "skip_first": False}, **agent)
    seconds = openings * reset / 1000 * 1.1 + 2  # of calls: until the last opening is over, and some
    for name, volume in (("opossum", 0), ("opossum-volume", 10)):
        options = {"resetTimeout": reset, **({"volumeThreshold": volume} if volume else {})}
        outage = max(volume, 1) + openings - 1  # so many failures: of how fast the machine is, the openings do not depend
        yield Client(
            name=name, title="opossum", settings=" ".join(f"{key}={value}" for key, value in options.items()), seconds=seconds + 1,
            faults=(f"status=503 first={outage}",), needs=("node", "npm"), version=("opossum",), documentation="opossum, options",
            command=lambda lab, directory, words=json.dumps(options): ["node", os.path.join(bench.CLIENTS, "breaker.js"), lab.modules, lab.server.url,
                                                                       lab.warm.url, words, seconds],
            says=f"breaker: opens when more than 50 % fail within 10 s{f', after {volume} calls' if volume else ''}; "
                 f"open for {reset / 1000:g} s (30 by default); then one probe; no retries",
            documented={"threshold": max(volume, 1), "open_ms": reset, "probes": 1})


def proxies(short):
    connect = 100 if short else 5000
    wait = min(connect, 1000)
    settings = {"proxy": True, "title": "nginx", "needs": ("nginx",), "version": ("nginx", "-v"), "seconds": 4,
                "documentation": "ngx_http_proxy_module"}
    yield Client(
        name="nginx-refused", settings=f"upstream of {SERVERS}, defaults, all refuse", faults=("refuse=true",), command=nginx("error timeout"),
        says="proxy_next_upstream error timeout: each server of the group once, without a wait", documented={"attempts": SERVERS, "backoff": "none"},
        **settings)
    yield Client(
        name="nginx-503", settings="proxy_next_upstream http_503, tries 3", faults=("status=503",),
        command=nginx("error timeout http_503; proxy_next_upstream_tries 3"),
        says="3 attempts, without a wait; 503 only because it is named", documented={"attempts": 3, "backoff": "none"}, **settings)
    yield Client(
        name="nginx-post", settings="POST, defaults, server resets", faults=("reset=response",), command=nginx("error timeout"), method="POST",
        says="no retry of POST once it was sent, without non_idempotent", documented={"attempts": 1}, **settings)
    yield Client(
        name="nginx-others", settings=f"upstream of {SERVERS} addresses, defaults, all refuse", faults=("refuse=true",),
        command=nginx("error timeout", [f"127.0.0.{n + 1}" for n in range(SERVERS)]),
        says="proxy_next_upstream error timeout: each server of the group once, without a wait", documented={"attempts": SERVERS, "backoff": "none"},
        **settings)
    settings = {**settings, "title": "HAProxy", "needs": ("haproxy",), "version": ("haproxy", "-v"), "documentation": "configuration.txt, retries"}
    settings["seconds"] = REQUESTS * 3 * wait / 1000 + 1
    yield Client(
        name="haproxy-refused", settings=f"defaults, timeout connect {connect}ms, refused", faults=("refuse=true",), command=haproxy(connect),
        says=f"3 retries of a failed connection; min(timeout connect, 1 s) = {wait} ms before each", documented={"attempts": 4, "backoff": "fixed",
                                                                                                              "base_ms": wait}, **settings)
    settings["seconds"] = 3
    yield Client(
        name="haproxy-503", settings=f"retry-on 503, timeout connect {connect}ms", faults=("status=503",), command=haproxy(connect, "retry-on 503"),
        says=f"3 retries, as many as of connections; {wait} ms before a retry on the same server", documented={"attempts": 4, "backoff": "fixed",
                                                                                                             "base_ms": wait},
        why="the wait is only made after a failed connection; an answer is retried at once", **settings)
    yield Client(
        name="haproxy-reset", settings="defaults, server resets", faults=("reset=response",), command=haproxy(connect),
        says="retry-on conn-failure: no retry once the request was sent", documented={"attempts": 1}, **settings)


def nginx(when, addresses=("127.0.0.1",) * SERVERS):
    def command(lab, directory, port):
        temporary = "".join(f"{kind}_temp_path {kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        servers = " ".join(f"server {address}:{lab.server.port} max_fails=0;" for address in addresses)
        with open(os.path.join(directory, "nginx.conf"), "w", encoding="utf-8") as f:
            f.write(f"{'user root; ' if os.getuid() == 0 else ''}daemon off; worker_processes 1; pid nginx.pid; error_log error.log;\n"
                    f"events {{ worker_connections 64; }}\nhttp {{ {temporary}access_log off;\nupstream group {{ {servers} }}\n"
                    f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://group; proxy_next_upstream {when}; }} }} }}\n")
        return ["nginx", "-p", directory, "-c", "nginx.conf", "-e", "error.log"]
    return command


def haproxy(connect, *lines):
    def command(lab, directory, port):
        path = os.path.join(directory, "haproxy.cfg")
        with open(path, "w", encoding="utf-8") as f:
            f.write("\n".join((f"defaults\n mode http\n timeout client 10s\n timeout server 10s\n timeout connect {connect}ms",
                               f"frontend users\n bind 127.0.0.1:{port}\n default_backend group",
                               "backend group", *(f" {line}" for line in lines), f" server one 127.0.0.1:{lab.server.port}", "")))
        return ["haproxy", "-db", "-f", path]
    return command


def clients(short):
    return [*programs(short), *libraries(short), *proxies(short)]

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Real clients whose retry policy is known: what the report says of it. All run at the same time: the longest, curl, takes 31 s."""
import concurrent.futures
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

CLIENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients")
peer = HttpPeer()


def python(policy, count=30, *more):
    return (PYTHON, os.path.join(CLIENTS, "retries.py"), policy, peer.url("/"), count, *more)


def curl(*options):
    return ("curl", "-s", *options, peer.url())


# name: fault, command
RUNS = {
    "curl": ("status=503", curl("--retry", "5")),
    "curl-fixed": ("status=503", curl("--retry", "4", "--retry-delay", "1")),
    "curl-two": ("status=503", curl("--retry", "2")),
    "curl-timeout": ("hang=response", curl("--retry", "3", "-m", "0.3")),
    "curl-asked": ("status=503 retry_after=2s", curl("--retry", "2")),
    "curl-404": ("status=404", curl("--retry", "3")),
    "wget": ("status=503", ("wget", "-q", "-O", "/dev/null", "--tries=5", "--waitretry=10", "--retry-on-http-error=503", peer.url())),
    "node": ("status=503", ("node", os.path.join(CLIENTS, "retries.mjs"), peer.url(), 12)),
    "urllib3": ("status=503", python("urllib3")),
    "requests-loop": ("status=503", python("requests", 5, "loop")),
    "urllib3-refused": ("refuse=true", python("urllib3", 1)),
    "urllib3-timeout": ("hang=response", python("urllib3", 10)),
    "requests": ("status=503", python("requests", 15)),
    "backoff-fibonacci": ("status=503", python("backoff-fibonacci", 30)),
    **{name: ("status=503", python(name)) for name in (
        "tenacity-exponential", "tenacity-full", "tenacity-added", "tenacity-incrementing", "tenacity-random", "tenacity-two", "backoff-full",
        "backoff-constant")},
    "tenacity-timeout": ("hang=response", python("tenacity-exponential", 15)),
}


def judged(name):
    """The run and what the report says of its retries."""
    fault, command = RUNS[name]
    r = shock(f"to=127.0.0.1:{peer.port} {fault}", *command, timeout=90)
    edge = r.edge()
    return r, (edge or {}).get("retry") or {}


# Those that need time wait; those that need the processor go one behind the other, so that their timers stay true.
slow = ("curl", "curl-fixed", "curl-two", "curl-timeout", "curl-asked", "curl-404", "wget", "urllib3-timeout")
with concurrent.futures.ThreadPoolExecutor(len(slow)) as pool:
    waiting = {name: pool.submit(judged, name) for name in slow}
    # ---- a proxy, while curl waits ----
    server = "location / { proxy_pass http://up; proxy_next_upstream error timeout http_503 non_idempotent; proxy_next_upstream_tries 4; }"
    names = " ".join(f"server 127.0.0.1:{peer.port} max_fails=0;" for _ in range(4))
    db = os.path.join(tmpdir(0o777), "nginx.db")
    nginx = Nginx(server=server, http=f"upstream up {{ {names} }}", under=[BIN, "run", "--fault", f"to=127.0.0.1:{peer.port} status=503", "-o", db,
                                                                           "--trace", "shim", "--"])
    for _ in range(12):
        run(["curl", "-s", nginx.url("/")])
    nginx.stop()
    got = {name: judged(name) for name in RUNS if name not in slow}
    got.update({name: waiting[name].result() for name in slow})


def policy(name, backoff, attempts, base=None, confidence=("high",), **more):
    """What is said of a run: backoff, attempts, and each further key; base_ms to a tenth."""
    r, retry = got[name]
    evidence = (retry, r)
    is_(retry.get("backoff"), backoff, f"{name}: the backoff is {backoff}", evidence)
    is_(retry.get("max_attempts"), attempts, f"{name}: {attempts} attempts", evidence)
    ok(retry.get("confidence") in confidence, f"{name}: the confidence is {' or '.join(confidence)}", evidence)
    if base:
        near(retry.get("base_ms"), base, base / 10 + 3, f"{name}: the base is {base} ms", evidence)
    for key, value in more.items():
        is_(retry.get(key), value, f"{name}: {key} is {value}", evidence)
    return retry


# ---- one request says what it can, with low confidence ----
one = policy("curl", "exponential", 6, 1000, ("low", "medium"), multiplier=2, skip_first=False, exhausted=1, retried={"503": 5}, not_retried={})
is_(len(one["gaps_ms"]), 5, "curl: five waits")
policy("curl-fixed", "fixed", 5, 1000, ("low", "medium"))
two = policy("curl-two", "ambiguous", 3, None, ("low",))
is_(sorted(two["candidates"]), ["exponential", "linear"], "curl-two: 1 s and 2 s are linear or exponential", two)
policy("curl-timeout", "exponential", 4, 1000, ("low", "medium"), multiplier=2, retried={"closed": 3})
asked = got["curl-asked"][1]
is_([asked.get("retry_after"), asked.get("backoff")], ["honoured", "unknown"], "curl-asked: Retry-After is kept and says nothing of the policy", asked)
is_(got["curl-404"][1], {}, "curl-404: what is no failure of the peer and is not repeated has no policy")
near(policy("wget", "linear", 5, 1000, ("low", "medium")).get("step_ms"), 1000, 30, "wget: each wait is 1 s longer")

# ---- many requests ----
policy("urllib3", "exponential", 6, 200, multiplier=2, skip_first=True, exhausted=30, mixed=False)
policy("requests-loop", "exponential", 5, 100, ("low", "medium"), multiplier=2, skip_first=True, failed_requests=5)
policy("urllib3-refused", "exponential", 6, 200, ("low",), multiplier=2, skip_first=True, retried={"ECONNREFUSED": 5})
policy("urllib3-timeout", "exponential", 6, 200, ("medium",), multiplier=2, skip_first=True, retried={"closed": 50})  # it sleeps, then closes
policy("requests", "exponential", 5, 100, ("medium",), multiplier=2, skip_first=True)
policy("tenacity-exponential", "exponential", 5, 50, multiplier=2, skip_first=False)
policy("tenacity-timeout", "exponential", 5, 50, ("medium",), multiplier=2)
policy("tenacity-incrementing", "linear", 5, 100)
policy("backoff-constant", "fixed", 5, 100)
policy("node", "exponential", 4, 50, ("medium", "low"), multiplier=2, failed_requests=12)
two = policy("tenacity-two", "ambiguous", 3, None, ("low",))
is_(sorted(two["candidates"]), ["exponential", "linear"], "tenacity-two: two waits are linear or exponential", two)


def jittered(name, backoff, jitter=None, **more):
    retry = policy(name, backoff, 5, None, ("high", "medium"), **more)  # what chance drew, a busy machine has blurred
    if jitter:
        ok(jitter in retry["jitter"]["names"], f"{name}: the jitter is called {jitter}", retry)
    return retry


jittered("tenacity-full", "exponential", "full")
jittered("backoff-full", "exponential", "full")
jittered("tenacity-random", "fixed", "±50 %")
added = got["tenacity-added"][1]
if added.get("backoff") == "ambiguous":  # waits that the machine made later by as much as the client did
    ok(added["confidence"] == "low" and "additive_jitter" in added["candidates"], "tenacity-added: added jitter is among what it may be", added)
else:
    near(jittered("tenacity-added", "additive_jitter")["jitter"]["added_ms"], 100, 25, "tenacity-added: 100 ms are added")
ok(got["backoff-fibonacci"][1].get("confidence") == "low", "backoff-fibonacci: a law without a name here is given none with confidence",
   got["backoff-fibonacci"])

# ---- the proxy ----
retry = (Run(db).edge(peer.port) or {}).get("retry") or {}
is_([retry.get("backoff"), retry.get("max_attempts"), retry.get("retried")], ["none", 4, {"503": 36}], "nginx: four tries without a wait", retry)
ok(retry.get("confidence") != "high", "nginx: of twelve requests, with medium confidence", retry)
done()

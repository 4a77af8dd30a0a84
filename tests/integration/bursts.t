#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What is counted while recording (tables pulse and burst): it agrees with the exchanges, and with what the clients know of themselves."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

# 20 clients ask again and again, each time something else (or always the same); when that fails, some times more at once. Prints how
# often they asked and asked again.
CLIENTS = """
import http.client, sys, threading, time
port, seconds, retries, same = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), len(sys.argv) > 4
asked, again = [0] * 20, [0] * 20
def ask(path):
    c = http.client.HTTPConnection("127.0.0.1", port)
    c.request("GET", path)
    status = c.getresponse().status
    c.close()
    return status == 200
def client(i):
    time.sleep(.004 * i)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        asked[i] += 1
        for k in range(1 + retries):
            again[i] += k > 0
            if ask(f"/{i}" if same else f"/{i}/{asked[i]}"):
                break
        time.sleep(.08)
threads = [threading.Thread(target=client, args=(i,)) for i in range(20)]
[t.start() for t in threads]
[t.join() for t in threads]
print(sum(asked), sum(again))
"""
clients = os.path.join(tmpdir(), "clients.py")
with open(clients, "w") as f:
    f.write(CLIENTS)

peers = [HttpPeer(), HttpPeer()]
faults = [f"to=127.0.0.1:{peers[0].port} status=503 from=1s for=2s", f"to=127.0.0.1:{peers[1].port} status=503 from=4500ms for=2s"]


def stalled(run_file):
    """Whether the machine kept all 20 clients from going on in an outage: then the burst has a gap."""
    at = [row["at"] for row in run_file.rows("SELECT (started_ns - value) / 1e6 AS at FROM exchange, run WHERE key = 'started_ns' ORDER BY started_ns")]
    return any(b - a > 25 and (1000 < b < 2950 or 4550 < b < 6450) for a, b in zip(at, at[1:]))


for _ in range(5):
    r = shock(faults, "sh", "-c", " && ".join(f"{PYTHON} {clients} {peer.port} 3.5 3" for peer in peers), timeout=60)
    if not stalled(r):
        break
asked, again = [sum(column) for column in zip(*[map(int, line.split()) for line in r.out.splitlines()])]
is_(r.one("SELECT sum(attempts) FROM pulse WHERE peer NOT NULL"), asked + again, "every attempt is counted, once", r)
is_(r.one("SELECT sum(retries) FROM pulse"), again, "and every retry", r)
is_(r.rows("SELECT sum(ok) ok, sum(failed) failed, sum(indeterminate) + sum(not_sent) other FROM pulse"),
    r.rows("SELECT sum(outcome = 'ok') ok, sum(outcome = 'failed') failed, sum(outcome NOT IN ('ok', 'failed')) other FROM exchange"),
    "and every outcome")
is_(r.one("SELECT count(*) FROM (SELECT DISTINCT second, process_id, peer FROM pulse)"), r.one("SELECT count(*) FROM pulse"),
    "in one row an edge and second")
bursts = r.rows("SELECT peer, attempts, peak_per_s, (ended_ns - started_ns) / 1e9 AS lasts, (started_ns - value) / 1e9 AS at FROM burst, run"
                " WHERE key = 'started_ns' ORDER BY started_ns")
is_([b["peer"] for b in bursts], [f"127.0.0.1:{peer.port}" for peer in peers],
    "20 clients that retry 3 times at once in an outage of 2 s are one burst an edge", bursts)
for burst, begin in zip(bursts, (1, 4.5)):
    near(burst["at"], begin, 0.2, "it begins with the outage", burst)
    near(burst["lasts"], 2, 0.3, "and lasts as long", burst)
    ok(burst["peak_per_s"] >= burst["attempts"] / burst["lasts"], "its peak is not below its mean", burst)
near(sum(b["attempts"] for b in bursts), again, again * 0.1, "nearly all retries are in it", (bursts, again))

calm = shock([], PYTHON, clients, peers[0].port, 1.5, 3)
is_((calm.one("SELECT count(*) FROM burst"), calm.one("SELECT sum(retries) FROM pulse")), (0, 0), "without an outage there is none, nor a retry", calm)
for how, words in ((), "that do not retry"), (("same", ), "that always ask the same"):
    alone = shock(f"to=127.0.0.1:{peers[0].port} status=503 from=1s", PYTHON, clients, peers[0].port, 2.5, 0, *how)
    ok(alone.one("SELECT sum(failed) FROM pulse") > 100, f"clients {words} fail as well", alone)
    is_(alone.one("SELECT count(*) FROM burst"), 0, "but that is no burst", alone.rows("SELECT * FROM pulse"))
    if not how:
        is_(alone.one("SELECT sum(retries) FROM pulse"), 0, "nor is one of it a retry", alone)

if re.search(r"(?m)^eBPF +ok", aftershock("doctor").out):
    both = shock(f"to=127.0.0.1:{peers[0].port} status=503 from=500ms", "sh", "-c", f"{PYTHON} {clients} {peers[0].port} 1.5 3;"
                 f"{PYTHON} {clients} {peers[1].port} 0.5 3", trace="ebpf")
    asked, again = [sum(column) for column in zip(*[map(int, line.split()) for line in both.out.splitlines()])]
    is_(both.rows("SELECT sum(attempts) attempts, sum(retries) retries FROM pulse WHERE peer NOT NULL"),
        [{"attempts": asked + again, "retries": again}], "with both witnesses too, also where only the kernel looks", both)
else:
    skip("both witnesses: eBPF is not available")
done()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Threads, forks and children: every exchange is counted once, decisions depend on order alone, connections are not mixed up."""
import json
import os
import re
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

MANY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients", "many.py")


def many(fault, kind, workers, count, peer=None, **kw):
    peer = peer or HttpPeer()
    r = shock(f"to=127.0.0.1:{peer.port} {fault}", PYTHON, MANY, kind, peer.port, workers, count, **kw)
    answers = {line.rsplit(" ", 1)[0]: int(line.rsplit(" ", 1)[1]) for line in r.out.splitlines()}
    return answers, peer, r


def ordinals(r):
    return [row["ordinal"] for row in r.rows("SELECT ordinal FROM injection ORDER BY ordinal")]


# threads
answers, peer, r = many("delay=30ms probability=0.5", "threads", 8, 25, options=("--seed", "3"))
is_(answers, {"ok": 200}, "eight_threads_get_all_their_answers", r)
is_(r.one("SELECT count(*) FROM exchange WHERE outcome = 'ok'"), 200, "each_exchange_is_recorded_once")
is_(r.one("SELECT count(DISTINCT connection_id) FROM exchange"), 8, "on_eight_connections")
is_(r.one("SELECT count(DISTINCT tid) FROM exchange"), 8, "by_eight_threads")
is_(r.one("SELECT max(n) FROM (SELECT count(*) AS n FROM injection GROUP BY exchange_id)"), 1, "no_exchange_is_hit_twice")
is_(r.one("SELECT count(*) FROM injection WHERE achieved_ns < intended_ns"), 0, "no_delay_is_too_short")
ok(r.one("SELECT count(*) FROM injection WHERE achieved_ns > intended_ns + 100e6") <= 5, "delays_are_not_much_too_long",
   r.rows("SELECT achieved_ns FROM injection"))
_, _, again = many("delay=30ms probability=0.5", "threads", 8, 25, peer, options=("--seed", "3"))
is_(ordinals(again), ordinals(r), "the_same_seed_hits_the_same_ordinals_whatever_the_threads_do")
_, _, other = many("delay=30ms probability=0.5", "threads", 8, 25, peer, options=("--seed", "4"))
ok(ordinals(other) != ordinals(r), "another_seed_hits_others")
plan = os.path.join(tmpdir(), "plan.json")
with open(plan, "w") as f:
    json.dump({"seed": 3, "faults": [{"to": f"127.0.0.1:{peer.port}", "delay": "30ms", "probability": 0.5}]}, f)
told = re.search(r"First 20 decisions[^:]*:.*: ([x.]{20})", aftershock("plan", "explain", plan).out)
is_(told and [i + 1 for i, c in enumerate(told.group(1)) if c == "x"], [n for n in ordinals(r) if n <= 20], "plan_explain_tells_which_they_will_be")

# one thread sends, another receives: each answer belongs to its request
nginx = Nginx()
r = shock((), victim("duplex"), nginx.port, 900)
is_(r.out, "900\n", "a_reader_and_a_writer_on_one_connection_get_their_answers", r)
is_(r.one("SELECT count(*) FROM exchange WHERE outcome = 'ok'"), 900, "each_exchange_is_whole",
    r.rows("SELECT outcome, error, count(*) FROM exchange GROUP BY 1, 2"))
is_(r.one("SELECT count(*) FROM (SELECT ended_ns, lead(started_ns) OVER (ORDER BY started_ns) AS next FROM exchange) WHERE ended_ns > next"), 0,
    "and_ends_before_the_next_begins")

# counts: first, after, every, max, pattern on one connection
for keys, want in (("first=3", "xxx......."), ("after=7", ".......xxx"), ("every=4", "...x...x.."), ("max=2", "xx........"),
                   ("pattern=x..", "x..x..x..x"), ("after=2 first=2", "..xx......"), ("after=1 every=3 max=2", "...x..x...")):
    answers, peer, r = many(f"status=503 {keys}", "threads", 1, 10)
    hit = ["x" if row["status"] == 503 else "." for row in r.rows("SELECT status FROM exchange ORDER BY started_ns")]
    is_("".join(hit), want, f"{keys.replace(' ', '_')}_hits {want}", r)
    is_(len(peer.requests), want.count("."), f"{keys.replace(' ', '_')}_lets_the_others_through")

# fork without exec
answers, peer, r = many("status=503 path=/*/1", "processes", 3, 5)
is_(answers, {"ok": 16, "bad 503": 4}, "the_parent_and_three_forked_children_get_their_answers", r)
is_(r.one("SELECT count(DISTINCT process_id) FROM exchange"), 4, "the_exchanges_belong_to_four_processes")
is_(r.one("SELECT count(*) FROM process WHERE covered = 1"), 4, "which_are_all_covered", r.rows("SELECT * FROM process"))
is_(r.one("SELECT count(*) FROM process WHERE parent_id IS NOT NULL"), 3, "and_know_their_parent")
answers, peer, r = many("status=503 path=/*/1", "inherited", 2, 3)
is_(answers, {"ok": 8, "bad 503": 4}, "children_go_on_with_an_inherited_connection", r)
is_(peer.connections, 1, "which_stays_one_connection")
answers, peer, r = many("delay=50ms", "inherited", 2, 2)
is_((answers, r.one("SELECT count(*) FROM injection")), ({"ok": 8}, 8), "a_delay_works_on_an_inherited_connection", r)

# an epoll set with two descriptors goes on through either when the other is closed
SET = """
import os, select, socket, sys, time
for first in (True, False):
    connection, one = socket.create_connection(("127.0.0.1", int(sys.argv[1]))), select.epoll()
    if first:
        one.register(connection, select.EPOLLIN)
    two = select.epoll.fromfd(os.dup(one.fileno()))
    if not first:
        two.register(connection, select.EPOLLIN)
    (one if first else two).close()
    connection.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    began, cpu = time.monotonic(), time.process_time()
    print(len((two if first else one).poll(10)), time.monotonic() - began > 0.4, time.process_time() - cpu > 0.2, end=" ")
"""
for fault, waits in (("probability=0 delay=1s", False), ("delay=500ms", True), ("delay=500ms status=503", True)):
    r = shock(f"to=127.0.0.1:{peer.port} {fault}", PYTHON, "-c", SET, peer.port)
    is_(r.out.strip(), " ".join([f"1 {waits} False"] * 2), f"a_set_goes_on_through_a_duplicate_when_its_other_descriptor_is_closed_under {fault}", r)

# children that exec
peer = HttpPeer()
r = shock(f"to=127.0.0.1:{peer.port} status=503 first=1", "sh", "-c", f"curl -s {peer.url()} & curl -s {peer.url()} & wait; curl -s {peer.url()}")
is_(r.one("SELECT count(*) FROM exchange WHERE role = 'client'"), 3, "the_requests_of_all_children_are_recorded", r)
is_(r.one("SELECT count(*) FROM process WHERE service = 'curl' AND covered = 1"), 3, "under_the_name_of_their_program", r.rows("SELECT * FROM process"))
is_(len(peer.requests), 2, "a_count_holds_for_the_whole_run")
r = shock(f"to=127.0.0.1:{peer.port} process=wget status=503", "sh", "-c", f"curl -s {peer.url()}; wget -q -O - {peer.url()}", env={"no_proxy": "*"})
is_(r.rows("SELECT p.service, e.status FROM exchange e JOIN process p ON p.id = e.process_id ORDER BY e.started_ns"),
    [{"service": "curl", "status": 200}, {"service": "wget", "status": 503}], "process_picks_the_program", r)
named = shock(f"to=127.0.0.1:{peer.port} process=shop* status=503", "curl", "-s", peer.url(), env={"AFTERSHOCK_SERVICE": "shopfront"})
is_(named.one("SELECT status FROM exchange"), 503, "a_service_can_be_named_by_the_environment", named)

# subprocess (vfork and exec) from python, with an environment of its own
r = shock(f"to=127.0.0.1:{peer.port} status=503", PYTHON, "-c",
          "import subprocess, sys; print(subprocess.run(sys.argv[1:], capture_output=True).stdout.decode())",
          "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", peer.url())
is_(r.out, "503\n", "a_child_of_python_s_subprocess_is_covered", r)

# children that are given an environment of their own stay in the run, and keep what else is in it
curl = f'"curl", "-s", "-o", "/dev/null", "-w", "%{{http_code}} ", "{peer.url()}"'
for name, code in (("subprocess", f"import subprocess; subprocess.run([{curl}], env={{'A': 'b'}})"),
                   ("posix_spawn", f"import os; os.waitpid(os.posix_spawnp('curl', [{curl}], {{}}), 0)"),
                   ("execve", f"import os; os.execve('/usr/bin/curl', [{curl}], {{}})"),
                   ("environ_cleared_and_execlp", f"import os; os.environ.clear(); os.execlp('curl', {curl})")):
    r = shock(f"to=127.0.0.1:{peer.port} status=503", PYTHON, "-c", code)
    is_(r.out.strip(), "503", f"a_child_with_a_cleaned_environment_stays_in_the_run_{name}", r)
r = shock(f"to=127.0.0.1:{peer.port} status=503 probability=0", "env", "-i", "A=b", "env")
is_(sorted(line.partition("=")[0] for line in r.out.splitlines()), ["A", "AFTERSHOCK_RUN", "ASAN_OPTIONS", "LD_PRELOAD"],
    "env_-i_keeps_the_words_that_are_ours_and_its_own", r)
r = shock(f"to=127.0.0.1:{peer.port} status=503 probability=0", "env", "LD_PRELOAD=libm.so.6", "sh", "-c", "echo $LD_PRELOAD")
is_(r.out.strip(), f"{os.path.realpath(LIB)}:libm.so.6", "a_child_s_own_LD_PRELOAD_is_kept_behind_ours", r)

# what matches nothing changes nothing
for keys in ("path=/other status=503", "method=POST status=503", "header='X-Test: yes' status=503", "from=1h status=503"):
    r = shock(f"to=127.0.0.1:{peer.port} {keys}", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", peer.url())
    is_((r.out, r.rc), ("200", 3), f"{keys.split('=')[0]}_that_does_not_match_lets_the_request_pass", r)
for keys, arguments in (("path=/a*", ()), ("method=POST", ("-d", "x")), ("header='X-Test: y*'", ("-H", "X-Test: yes")), ("for=1h", ())):
    r = shock(f"to=127.0.0.1:{peer.port} status=503 {keys}", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", *arguments, peer.url("/abc"))
    is_(r.out, "503", f"{keys.split('=')[0]}_that_matches_hits", r)

# ways to name a peer
for to in (f":{peer.port}", "127.0.0.1", "127.0.0.0/8", "localhost", f"localhost:{peer.port}", "*"):
    r = shock(f"to={to} status=503", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", peer.url())
    is_(r.out, "503", f"to_{to.replace(str(peer.port), 'PORT')}_is_this_peer", r)
six = HttpPeer(host="::1")
for to in (f"[::1]:{six.port}", f":{six.port}", "localhost", "*"):
    r = shock(f"to={to} status=503", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", six.url())
    is_(r.out, "503", f"to_{to.replace(str(six.port), 'PORT')}_is_a_peer_on_IPv6", r)
# asked at once, read one after the other: the delays run side by side, though the kernel tells in ticks of its clock when an answer came
IN_ORDER = """
import socket, sys, time
sockets = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(8)]
for _ in range(5):
    began = time.monotonic()
    for s in sockets:
        s.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    time.sleep(0.05)
    for s in sockets:
        s.recv(65536)
    print(time.monotonic() - began)
"""
peer = HttpPeer()
r = shock(f"to=127.0.0.1:{peer.port} delay=300ms", PYTHON, "-c", IN_ORDER, peer.port)
rounds = [float(line) for line in r.out.split()]
ok(len(rounds) == 5 and min(rounds) >= 0.29 and sorted(rounds)[3] < 0.335, "answers_that_came_while_the_program_was_busy_are_held_from_when_they_came", r)

done()

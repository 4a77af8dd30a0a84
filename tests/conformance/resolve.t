#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Faults on the resolution of host names: each call says what it says under a name server that really fails, decisions have
ordinals of their own, a slow resolution is slow for the caller alone, and what happened is in the run file."""
import os
import signal
import subprocess
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from names import NameServer, can_name, with_names

if not can_name():
    skip_all("no mount namespace can be made here")
RESOLVE = victim("resolve")
NAMED = with_names({"api.test": "127.0.0.1", "other.test": "127.0.0.1", "two.test": ["127.0.0.1", "127.0.0.2"]})
ASK = "import socket, time\ndef ask(name, *more):\n    try: return socket.getaddrinfo(name, *(more or (80,)))[0][4][0]\n" \
      "    except socket.gaierror as e: return e.args[0]\n"
HELD = "SELECT achieved_ns / 1e9 AS s FROM injection WHERE action = 'delay'"


def asking(fault, script, **kw):
    return shock(fault, *NAMED, PYTHON, "-c", ASK + script, **kw)


def ample(r):
    """What the calls with a buffer that is large enough said."""
    return [line for i, line in enumerate(r.out.splitlines()) if i != 3]


# the same lines as under a name server that really says so
if os.getuid() == 0:
    dns = NameServer()
    real = with_names({}, dns.host)
    for label, error in (("nxdomain", "EAI_NONAME"), ("nodata", "EAI_NODATA"), ("servfail", "EAI_AGAIN")):
        ours, theirs = shock(f"to=good.test resolve={error}", *real, RESOLVE, "good.test"), run([*real, RESOLVE, f"{label}.test"])
        is_(ample(ours), ample(theirs), f"{error}_looks_like_the_{label}_of_a_real_name_server")
    is_([line.split()[1:3] for line in run([*real, RESOLVE, "formerr.test"]).out.splitlines()[1:3]], [["NULL", "3"]] * 2,
        "the_gethostbyname_family_says_NO_RECOVERY_to_a_server_that_cannot_read")
    is_(shock("to=other.test resolve=EAI_AGAIN", *real, RESOLVE, "good.test").out, run([*real, RESOLVE, "good.test"]).out,
        "other_names_are_resolved_as_ever")
    slow = NameServer(delay=0.4)
    late = run([*with_names({}, slow.host), PYTHON, "-c", ASK + "b = time.monotonic(); ask('good.test'); print(time.monotonic() - b)"])
    ours = shock("to=good.test delay=400ms delay_on=resolve", *real, PYTHON, "-c", ASK + "b = time.monotonic(); ask('good.test'); "
                 "print(time.monotonic() - b)")
    near(float(ours.out), float(late.out), 0.35, "a_delay_takes_as_long_as_a_name_server_that_is_really_slow", late)
else:
    skip("a name server needs port 53", 6)

LINES = {"EAI_FAIL": "getaddrinfo -4 0 -\ngethostbyname NULL 3 -\ngethostbyname2 NULL 3 -\ngethostbyname_r 0 3 -\n"
                     "gethostbyname_r 0 3 -\ngethostbyname2_r 0 3 -\n",
         "EAI_MEMORY": "getaddrinfo -10 0 -\ngethostbyname NULL -1 Cannot allocate memory\ngethostbyname2 NULL -1 Cannot allocate memory\n"
                       "gethostbyname_r 12 -1 -\ngethostbyname_r 12 -1 -\ngethostbyname2_r 12 -1 -\n",
         "EAI_SYSTEM": "getaddrinfo -11 24 -\ngethostbyname NULL -1 Too many open files\ngethostbyname2 NULL -1 Too many open files\n"
                       "gethostbyname_r 24 -1 -\ngethostbyname_r 24 -1 -\ngethostbyname2_r 24 -1 -\n"}
for error, lines in LINES.items():
    is_(shock(f"to=api.test resolve={error}", *NAMED, RESOLVE, "api.test").out, lines, f"{error}_in_each_call")
r = shock("to=* resolve=EAI_AGAIN", *NAMED, RESOLVE, "127.0.0.1", "127.1")
is_(r.out, run([RESOLVE, "127.0.0.1", "127.1"]).out, "addresses_are_never_resolved", r)
is_(r.one("SELECT matched FROM fault"), 0, "and_not_counted")
r = asking("to=* resolve=EAI_AGAIN", "print(ask('127.0.0.1', 80, 0, 0, 0, socket.AI_NUMERICHOST), ask(None))")
is_(r.out, "127.0.0.1 ::1\n" if "::1" in r.out else "127.0.0.1 127.0.0.1\n", "nor_are_AI_NUMERICHOST_and_no_name", r)

# which look-ups are hit
r = asking("to=API.test. resolve=EAI_AGAIN", "print(ask('api.test'), ask('Api.TEST.'), ask('other.test'), ask('xapi.test'))")
ok(r.out.startswith("-3 -3 127.0.0.1 "), "case_and_a_dot_at_the_end_make_no_difference", r)
r = asking("to=api.test resolve=EAI_AGAIN pattern=x..", "print(*[ask('api.test') for _ in range(6)], ask('other.test'))")
is_(r.out, "-3 127.0.0.1 127.0.0.1 -3 127.0.0.1 127.0.0.1 127.0.0.1\n", "a_pattern_counts_look_ups_of_the_name", r)
r = asking("to=* resolve=EAI_AGAIN first=1", "print(*[ask(n) for n in ('api.test', 'api.test', 'other.test', 'other.test')])")
is_(r.out, "-3 127.0.0.1 -3 127.0.0.1\n", "each_name_has_ordinals_of_its_own", r)
r = asking("to=api.test:81 resolve=EAI_AGAIN", "print(ask('api.test', 80), ask('api.test', 81), ask('api.test', None))")
is_(r.out, "127.0.0.1 -3 -3\n", "a_port_must_be_the_one_asked_for_when_one_is", r)
r = asking("to=api.test resolve=EAI_AGAIN process=nobody", "print(ask('api.test'))")
is_(r.out, "127.0.0.1\n", "process_picks_the_program", r)
script = "print(''.join('x' if ask('api.test') == -3 else '.' for _ in range(20)))"
hits = asking("to=api.test resolve=EAI_AGAIN probability=40%", script, options=("--seed", "5")).out.strip()
plan = aftershock("plan", "explain", "--seed", "5", "--fault", "to=api.test resolve=EAI_AGAIN probability=40%")
ok("x" in hits and f"for api.test: {hits}" in plan.out, "plan_explain_tells_the_look_ups_that_are_hit", f"{hits}\n{plan}")
threads = "import threading\nout = []\ndef work():\n    for _ in range(25): out.append(ask('api.test'))\n" \
          "t = [threading.Thread(target=work) for _ in range(8)]\n[x.start() for x in t]; [x.join() for x in t]\nprint(out.count(-3))"
runs = [asking("to=api.test resolve=EAI_AGAIN probability=50%", threads, options=("--seed", "3")) for _ in range(2)]
sets = [r.rows("SELECT ordinal FROM injection ORDER BY ordinal") for r in runs]
ok(sets[0] == sets[1] and len(sets[0]) == int(runs[0].out), "8_threads_hit_the_same_ordinals_in_each_run", (len(sets[0]), len(sets[1])))

r = shock("to=api.test resolve=EAI_AGAIN probability=0", *NAMED, RESOLVE, "api.test")
is_((r.out.splitlines()[3], r.one("SELECT matched FROM fault")), ("gethostbyname_r 34 -1 -", 5),
    "a_call_made_again_with_a_larger_buffer_is_one_look_up", r)

# what is stored
r = asking("to=api.test resolve=EAI_NONAME first=1", "print(ask('api.test', 8080), ask('api.test', 8080))")
rows = r.rows("SELECT outcome, error, x.role, sent_ns, fault_id, family, peer, end, status FROM exchange x JOIN connection c ON c.id = connection_id")
is_(rows, [{"outcome": "not_sent", "error": "EAI_NONAME", "role": "client", "sent_ns": None, "fault_id": 1, "family": "name",
            "peer": "api.test:8080", "end": "unresolved", "status": None}], "a_failed_resolution_is_an_attempt_that_was_not_sent", r)
is_(r.rows("SELECT action, ordinal, exchange_id FROM injection"), [{"action": "resolve", "ordinal": 1, "exchange_id": 1}],
    "with_its_injection", r)
ok(any(e["server"] == "api.test:8080" and e["errors"] == {"EAI_NONAME": 1} for e in r.report()["edges"]),
   "the_report_has_an_edge_to_the_name")
r = asking("to=127.0.0.1:1 delay=1s", "print(ask('nosuch.test'))", trace="shim")
is_(r.rows("SELECT outcome, error, fault_id FROM exchange"), [{"outcome": "not_sent", "error": "EAI_AGAIN", "fault_id": None}],
    "a_name_that_really_is_not_resolved_is_one_too", r)
r = asking("to=127.0.0.1:1 delay=1s", "print(ask('nosuch.test', 80, 0, 0, 0, socket.AI_CANONNAME), ask('nosuch.test', 80, socket.AF_INET6))", trace="shim")
is_(r.rows("SELECT * FROM exchange"), [], "but_not_what_asks_for_a_canonical_name_or_for_IPv6_alone", r)
r = asking("to=api.test resolve=EAI_AGAIN", "print(ask('api.test'))", trace="off")
is_((r.out, r.rows("SELECT * FROM exchange"), len(r.rows("SELECT * FROM injection"))), ("-3\n", [], 1), "trace_off_keeps_the_injection_only", r)

page = HttpPeer()
r = shock("to=api.test resolve=EAI_AGAIN first=2", *NAMED, "curl", "-s", "--retry", "3", "--retry-delay", "1", f"http://api.test:{page.port}/",
          env={"http_proxy": None, "no_proxy": "*"})
edge = r.edge(page.port)
ok(edge and (edge["server"], edge["logical"], edge["attempts"], edge["delivered"]) == (f"127.0.0.1:{page.port}", 1, 3, 1),
   "curl's_retries_after_failed_look_ups_are_attempts_at_the_peer_that_it_reached_in_the_end", r.report()["edges"])
is_(r.rows("SELECT * FROM host"), [{"name": "api.test", "address": "127.0.0.1"}], "the_run_file_says_where_the_name_led")

# a slow resolution
r = asking("to=api.test delay=300ms delay_on=resolve", "b = time.monotonic(); print(ask('api.test')); print(time.monotonic() - b)")
address, seconds = r.out.split()
is_(address, "127.0.0.1", "a_delayed_resolution_has_the_real_answer", r)
within(float(seconds), 0.3, 2, "and_takes_as_long_as_asked")
is_(r.rows("SELECT * FROM exchange"), [], "it_is_no_exchange", r)
within(r.one(HELD), 0.3, 2, "its_achieved_delay_is_recorded", r)
r = asking("to=api.test delay=300ms resolve=EAI_AGAIN", "b = time.monotonic(); print(ask('api.test')); print(time.monotonic() - b)")
ok(r.out.startswith("-3\n") and 0.3 <= float(r.out.split()[1]) < 2, "delay_and_resolve_combine_to_a_late_failure", r)
ticks = "import signal\nsignal.signal(signal.SIGALRM, lambda *a: n.append(1)); n = []\nsignal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)\n" \
        "b = time.monotonic(); ask('api.test'); print(time.monotonic() - b, time.process_time())"
r = asking("to=api.test delay=400ms delay_on=resolve", ticks)
within(float(r.out.split()[0]), 0.4, 2, "signals_do_not_shorten_it", r)
beside = "import threading\nt = threading.Thread(target=ask, args=('api.test',)); t.start(); time.sleep(0.05)\n" \
         "b = time.monotonic(); ask('other.test'); print(time.monotonic() - b); t.join(); print(time.monotonic() - b)"
r = asking("to=api.test delay=1s delay_on=resolve", beside)
quick, slow = map(float, r.out.split())
ok(quick < 0.6 < 0.7 < slow, "another_thread_resolves_meanwhile", r)
fork = "import os\npid = os.fork()\nb = time.monotonic(); ask('api.test'); t = time.monotonic() - b\n" \
       "if not pid: os._exit(0 if t >= 0.2 else 1)\nprint(t, os.waitpid(pid, 0)[1])"
r = asking("to=api.test delay=200ms delay_on=resolve", fork)
ok(float(r.out.split()[0]) >= 0.2 and r.out.split()[1] == "0", "parent_and_child_of_a_fork_both_wait", r)

# the end of the controller is the end of its faults
directory = tmpdir()
waits = f"print('asking', flush=True); ask('api.test'); open({directory + '/over'!r}, 'w').close()"
run_ = spawn(shock_argv("to=api.test delay=60s delay_on=resolve", os.path.join(directory, "run.db"), [*NAMED, PYTHON, "-c", ASK + waits]),
             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0)
is_(line_of(run_), "asking\n", "a_program_begins_to_wait_for_a_name")
os.kill(run_.pid, signal.SIGKILL)
ok(wait_for(lambda: os.path.exists(directory + "/over"), 10), "and_stops_waiting_when_the_controller_is_killed")
done()

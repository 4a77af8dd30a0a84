#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The harness itself: its servers answer, its timing is honest, and a check that is false fails."""
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from peers import PAGE, echo

nginx = Nginx()
curl = run(["curl", "-sS", nginx.url()])
is_(curl.out, PAGE, "nginx_serves_its_page", curl)
is_(nginx.stop(), 0, "nginx_ends_in_order")
is_([line.split()[:3] for line in nginx.access()], [["GET", "/", "200"]], "one_request_is_one_line_in_the_access_log")

peer = HttpPeer(lambda request: (503, {"X-Peer": "yes"}, "busy") if request.conn == 0 else None)
is_(run(["curl", "-sS", peer.url()]).out, "busy", "a_scripted_peer_answers_as_scripted")
is_(run(["curl", "-sS", "-d", "a=1", "-H", "Transfer-Encoding: chunked", peer.url()]).out, PAGE, "its_second_answer_is_another")
is_([(r.method, r.body, r.conn) for r in peer.requests], [("GET", b"", 0), ("POST", b"a=1", 1)], "it_remembers_requests_and_bodies")

rst = Peer(lambda conn, n: (conn.recv(4096), reset(conn)))
is_(run(["curl", "-s", rst.url()]).rc, 56, "a_peer_can_reset_for_real")
slow = HttpPeer(delay=0.3)
near(run(["curl", "-s", slow.url()]).seconds, 0.3, 0.25, "a_delay_of_0_3_s_takes_0_3_s")
ok(run(["sleep", "30"], timeout=0.2).timed_out, "a_command_that_takes_too_long_is_ended")

redis = Redis()
is_(run(["redis-cli", "-p", redis.port, "ping"]).out, "PONG\n", "redis_answers")
is_(redis.stop(), 0, "redis_ends_in_order")

lib = os.path.dirname(sys.modules["tap"].__file__)
false = run([PYTHON, "-c", "from tap import *\nok(1, 'a')\nnear(2, 1, 0.5, 'b')\nis_(1, 2, 'c')\nskip('d')\ndone()"],
            env={"PYTHONPATH": lib, "MUST_RUN": None})
is_((false.rc, false.out.count("not ok"), false.out.count("# SKIP")), (1, 2, 1), "a_false_check_fails_the_script", false)
strict = run([PYTHON, "-c", "from tap import *\nskip_all('no such thing')"], env={"PYTHONPATH": lib, "MUST_RUN": "1"})
is_(strict.rc, 1, "a_skip_is_a_failure_under_MUST_RUN", strict)
done()

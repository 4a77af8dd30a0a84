#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Faults on hosts: what the program resolved, and what its requests ask for, exchange by exchange."""
import json
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from names import can_name, with_names

if not can_name():
    skip_all("no mount namespace can be made here")
RAW = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients", "raw.py")
NAMED = with_names({"api.test": "127.0.0.1", "other.test": "127.0.0.1", "far.test": "127.0.0.2", "two.test": ["127.0.0.3", "127.0.0.4"]})
DIRECT = {"http_proxy": None, "HTTP_PROXY": None, "no_proxy": "*"}
GET = """
import sys, urllib.error, urllib.request
for url in sys.argv[1:]:
    try: print(urllib.request.urlopen(url, timeout=5).status)
    except urllib.error.HTTPError as e: print(e.code)
    except OSError as e: print(type(getattr(e, 'reason', e)).__name__)
"""
peer, far = HttpPeer(), HttpPeer(host="127.0.0.2")


def at(host, port):
    return f"http://{host}:{port}/"


def get(fault, *urls, **kw):
    """Each URL by one Python program, one after the other: statuses, or the names of errors."""
    r = shock(fault, *NAMED, PYTHON, "-c", GET, *urls, env=DIRECT, **kw)
    return r.out.split(), r


def raw(fault, *hosts, peer=peer):
    """One connection, to a number, with a request for each of these hosts: the statuses."""
    steps = [step for host in hosts for step in (["send", f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"], ["read", "GET"])]
    r = shock(fault, PYTHON, RAW, peer.port, input=json.dumps(steps))
    return [answer[0] for answer in json.loads(r.out)], r


# names that were resolved
urls = [at(host, peer.port) for host in ("api.test", "other.test", "API.Test", "127.0.0.1")]
got, r = get(f"to=api.test:{peer.port} status=503", *urls[:3])
is_(got, ["503", "200", "503"], "names_that_share_an_address_are_told_apart_by_what_is_asked_for", r)
got, r = get("to=far.test refuse=true", at("far.test", far.port), at("api.test", peer.port))
is_(got, ["ConnectionRefusedError", "200"], "a_connect_to_a_resolved_address_is_hit_and_no_other", r)
got, r = get("to=far.test refuse=true", at("127.0.0.2", far.port), at("api.test", peer.port))
is_((got, r.one("SELECT matched FROM fault")), (["200", "200"], 0), "an_address_that_was_not_resolved_from_the_name_is_not_the_host", r)
got, r = get(f"to=far.test:{far.port + 1} refuse=true", at("far.test", far.port))
is_(got, ["200"], "the_port_must_be_the_one_given", r)
got, r = get("to=localhost refuse=true", *urls[2:], at("127.0.0.2", far.port))
is_(got, ["ConnectionRefusedError"] * 3, "localhost_is_every_loopback_address", r)
is_(shock("to=far.test refuse=true", *NAMED, PYTHON, "-c", GET, at("far.test", far.port), env=DIRECT).rows("SELECT peer, error FROM exchange x "
    "JOIN connection c ON c.id = connection_id"), [{"peer": f"127.0.0.2:{far.port}", "error": "ECONNREFUSED"}], "its_peer_is_the_real_address")
several = [HttpPeer(host="127.0.0.3")]
several.append(Peer(several[0]._http, host="127.0.0.4"))
both = "import socket\nfor a in socket.getaddrinfo('two.test', None, proto=6):\n for port in sys.argv[1:]:\n  s = socket.socket()\n" \
       "  try: s.connect((a[4][0], int(port)))\n  except ConnectionRefusedError: pass\n"
r = shock("to=two.test error=connect:ETIMEDOUT", *NAMED, PYTHON, "-c", "import sys\n" + both.replace("except ConnectionRefusedError: pass",
          "except OSError as e: print(e.errno)"), 1)
is_(r.out.split(), ["110", "110"], "each_address_of_a_name_is_the_host", r)
r = shock("to=two.test refuse=true every=2", *NAMED, PYTHON, "-c", "import sys\n" + both, 1)
is_(r.rows("SELECT ordinal FROM injection"), [{"ordinal": 2}], "the_addresses_of_a_name_are_counted_together", r)
threads = "import socket, sys, threading\ndef work(i):\n    socket.getaddrinfo('far.test', None)\n    s = socket.socket()\n" \
          "    try: s.connect(('127.0.0.2', int(sys.argv[1]))); sys.stdout.write('connected\\n')\n" \
          "    except ConnectionRefusedError: sys.stdout.write('refused\\n')\n" \
          "t = [threading.Thread(target=work, args=(i,)) for i in range(8)]\n[x.start() for x in t]; [x.join() for x in t]"
r = shock("to=far.test refuse=true", *NAMED, PYTHON, "-c", threads, far.port)
is_(r.out.split(), ["refused"] * 8, "what_one_thread_resolved_counts_for_all", r)
fork = "import os, socket, sys\nsocket.getaddrinfo('far.test', None)\nif not os.fork():\n    try: socket.create_connection(('127.0.0.2', sys.argv[1]))\n" \
       "    except OSError as e: print(type(e).__name__)\nelse: os.wait()"
r = shock("to=far.test refuse=true", *NAMED, PYTHON, "-c", fork, far.port)
is_(r.out, "ConnectionRefusedError\n", "a_child_of_a_fork_knows_what_its_parent_resolved", r)
got, r = get("to=far.test delay=1s probability=0", at("far.test", far.port))
is_(r.one("SELECT matched FROM fault"), 1, "an_exchange_with_a_resolved_host_is_counted_once", r)
redis = Redis()
r = shock("to=api.test delay=300ms", *NAMED, "redis-cli", "-h", "api.test", "-p", redis.port, "ping")
ok(r.out == "PONG\n" and r.seconds >= 0.3 and len(r.rows("SELECT * FROM injection")) >= 1, "other_protocols_are_hit_by_the_resolved_name", r)
r = shock("to=api.test delay=300ms", "redis-cli", "-h", "127.0.0.1", "-p", redis.port, "ping")
ok(r.rc == 3 and r.out == "PONG\n" and not r.rows("SELECT * FROM injection"), "and_not_where_nothing_was_resolved", r)

# requests that name their host, on any connection
got, r = raw("to=api.test status=503", "api.test", "other.test", f"API.TEST.:{peer.port}", "api.test.example", "api.test")
is_(got, [503, 200, 503, 200, 503], "a_connection_to_a_shared_address_is_hit_for_that_Host_only", r)
is_(r.rows("SELECT status, synthetic FROM exchange ORDER BY started_ns"), [{"status": s, "synthetic": s == 503} for s in got],
    "and_its_exchanges_are_stored_as_they_were", r)
got, r = raw("to=api.test:81 status=503", "api.test:81", "api.test:82", "api.test")
is_(got, [503, 200, 200], "the_port_is_that_of_the_Host", r)
got, r = raw("to=api.test:80 status=503", "api.test", "api.test:80", "api.test:81")
is_(got, [503, 503, 200], "which_is_80_when_it_names_none", r)
got, r = raw(f"to=api.test:{peer.port} status=503", "api.test", "other.test")
is_(got, [503, 200], "or_that_of_the_connection", r)
got, r = raw("to=api.test status=503 every=2", *["api.test", "other.test"] * 4)
is_(got, [200, 200, 503, 200] * 2, "only_exchanges_with_the_host_are_counted", r)
got, r = raw("to=localhost:81 status=503", "localhost:81", "other.test:81", "localhost")
is_(got, [503, 200, 200], "localhost_is_also_what_a_request_asks_for", r)
got, r = raw("to=api.test:81 refuse=true", "api.test:81")
is_((got, r.rc), ([200], 3), "what_happens_at_connect_needs_a_resolved_name", r)
r = shock("to=api.test:81 status=503", "curl", "-s", "-w", "%{http_code} ", "-x", peer.url(),
          *[word for host in ("api.test", "other.test", "api.test") for word in ("-o", "/dev/null", f"http://{host}:81/x")], env={"no_proxy": None})
is_(sorted(r.out.split()), ["200", "503", "503"], "a_proxy_is_hit_for_the_host_of_the_absolute_target", r)


def tunnel(conn, n):
    """A proxy that says yes to CONNECT and then echoes."""
    while not (data := conn.recv(65536)).endswith(b"\r\n\r\n"):
        pass
    conn.sendall(b"HTTP/1.1 200 yes\r\n\r\n")
    while data := conn.recv(65536):
        conn.sendall(data)


proxy = Peer(tunnel)
through = "import socket, sys, time\ns = socket.create_connection(('127.0.0.1', sys.argv[1]))\n" \
          "s.sendall(f'CONNECT {sys.argv[2]}:443 HTTP/1.1\\r\\nHost: {sys.argv[2]}:443\\r\\n\\r\\n'.encode()); s.recv(4096)\n" \
          "b = time.monotonic(); s.sendall(b'\\1\\2\\3'); s.recv(99); print(time.monotonic() - b)"
for host, hit in (("secret.test", True), ("other.test", False)):
    r = shock("to=secret.test:443 delay=300ms after=1", PYTHON, "-c", through, proxy.port, host)
    is_(float(r.out) >= 0.3, hit, f"what_goes_through_a_tunnel_to_{host}_is_{'' if hit else 'not_'}hit", r)

# virtual hosts: `at`
for fault, asked, want in (("at=api.test status=503", ("api.test", "other.test", "Api.Test:8080"), ["503", "200", "503"]),
                           ("at=api.test:8080 status=503", ("api.test", "other.test:8080", "api.test:8080"), ["200", "200", "503"]),
                           ("at=localhost status=503", ("other.test", "localhost"), ["503", "503"])):
    nginx = Nginx(under=lambda port: shock_argv(fault, os.path.join(tmpdir(), "at.db")))
    got = [run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", f"Host: {host}", nginx.url()]).out for host in asked]
    nginx.stop()
    is_(got, want, f"{fault.split()[0]}_hits_requests_for_that_host", nginx.errors())
done()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Real programs with a connect timeout of their own: under hang=connect and delay_on=connect each says what it says of a peer whose
backlog is really full, after the same time."""
import os
import shutil
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
import socket

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients")
DIRECT = {"http_proxy": None, "HTTP_PROXY": None, "no_proxy": "*"}
RUBY = """
require 'net/http'
begin
  h = Net::HTTP.new('127.0.0.1', ARGV[0].to_i); h.open_timeout = 0.5; h.max_retries = 0; h.get('/'); puts 'ok'
rescue => e
  puts e.class
end
"""
PERL = "use IO::Socket::INET; print IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $ARGV[0], Timeout => 1) ? 'ok' : $@"
PHP = "$s = @fsockopen('127.0.0.1', (int)$argv[1], $n, $text, 0.5); echo $s ? 'ok' : $n;"


class Full:
    """A listener with a full backlog: SYNs to it are dropped."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(0)
        self.port = self.socket.getsockname()[1]
        self.taken = socket.create_connection(self.socket.getsockname())


def python(kind):
    return lambda port: (PYTHON, os.path.join(HERE, "connect.py"), kind, port)


def node(kind):
    return lambda port: ("node", os.path.join(HERE, "connect.mjs"), kind, port)


classes = tmpdir()
if shutil.which("javac"):
    run(["javac", "-d", classes, os.path.join(HERE, "Connect.java")])

# program, its command for a port, its timeout in seconds
CLIENTS = (
    ("curl", lambda port: ("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--connect-timeout", "0.5", f"http://127.0.0.1:{port}/"), 0.5),
    ("wget", lambda port: ("wget", "-q", "-O", "/dev/null", "--tries=1", "--connect-timeout=0.5", f"http://127.0.0.1:{port}/"), 0.5),
    *((f"python_{kind}", python(kind), 0.5) for kind in ("socket", "urllib", "requests", "httpx", "asyncio", "aiohttp")),
    *((f"node_{kind}", node(kind), 0.5) for kind in ("net", "http")),
    ("java", lambda port: ("java", "-Xshare:auto", "-cp", classes, "Connect", port), 0.5),
    ("ruby", lambda port: ("ruby", "-e", RUBY, port), 0.5),
    ("perl", lambda port: ("perl", "-e", PERL, port), 1),
    ("php", lambda port: ("php", "-r", PHP, port), 0.5),
    ("psql", lambda port: ("psql", f"host=127.0.0.1 port={port} user=x connect_timeout=2", "-c", "select 1"), 2),
)
full, peer = Full(), HttpPeer()


def outcome(result):
    return result.rc, result.out.strip()


for name, command, timeout in CLIENTS:
    if not shutil.which(str(command(1)[0])):
        skip(f"no {command(1)[0]}", 5)
        continue
    want = outcome(run(command(full.port), env=DIRECT))
    for fault in ("hang=connect", "delay=20s delay_on=connect"):
        r = shock(f"to=127.0.0.1:{peer.port} {fault}", *command(peer.port), env=DIRECT)
        is_(outcome(r), want, f"{name}_says_under_{fault}_what_it_says_of_a_full_backlog", r)
        within(r.one("SELECT (c.closed_ns - c.opened_ns) / 1e9 FROM connection AS c"), timeout - 0.02, timeout + 1,
               f"{name}_gives_up_under_{fault}_when_its_timeout_is_over", r)
    if name == "psql":
        continue  # the peer speaks HTTP
    r = shock(f"to=127.0.0.1:{peer.port} delay=200ms delay_on=connect", *command(peer.port), env=DIRECT)
    is_(outcome(r), outcome(run(command(peer.port), env=DIRECT)), f"{name}_gets_through_when_the_connect_is_only_late", r)

# proxies: their own connect timeout makes the answer, and the other upstream is not held up
healthy = HttpPeer()


def haproxy(under=()):
    port, directory = free_port(), tmpdir()
    with open(os.path.join(directory, "haproxy.cfg"), "w") as f:
        f.write(f"defaults\n mode http\n timeout connect 1s\n timeout client 10s\n timeout server 10s\n retries 0\n"
                f"frontend f\n bind 127.0.0.1:{port}\n use_backend other if {{ path /other }}\n default_backend b\n"
                f"backend b\n server s 127.0.0.1:{{}}\nbackend other\n server s 127.0.0.1:{healthy.port}\n")
    return port, os.path.join(directory, "haproxy.cfg")


def through_haproxy(upstream, under):
    port, config = haproxy()
    with open(config) as f:
        text = f.read().replace("{}", str(upstream))
    with open(config, "w") as f:
        f.write(text)
    process = spawn([*under, "haproxy", "-f", config], stderr=-3)
    wait_for(lambda: listening(port))
    return port, lambda: stop(process)


def through_nginx(upstream, under):
    proxy = Nginx(server=f"location / {{ proxy_pass http://127.0.0.1:{upstream}; proxy_connect_timeout 1s; }}"
                         f"location /other {{ proxy_pass http://127.0.0.1:{healthy.port}; }}", under=under)
    return proxy.port, proxy.stop


def ask(port, path):
    r = run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code} %{time_total}", f"http://127.0.0.1:{port}{path}"])
    return r.out.split()[0], float(r.out.split()[1])


for name, through in (("nginx", through_nginx), ("haproxy", through_haproxy)):
    if not shutil.which(name):
        skip(f"no {name}", 6)
        continue
    port, end = through(full.port, ())
    want, _ = ask(port, "/")
    end()
    for fault in ("hang=connect", "delay=20s delay_on=connect"):
        port, end = through(peer.port, shock_argv(f"to=127.0.0.1:{peer.port} {fault}", os.path.join(tmpdir(), "proxy.db")))
        held = spawn(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code} %{time_total}", f"http://127.0.0.1:{port}/"], stdout=-1)
        _, other = ask(port, "/other")
        got, seconds = held.communicate(timeout=20)[0].decode().split()
        end()
        is_(got, want, f"{name}_answers_under_{fault}_as_with_a_full_backlog")
        within(float(seconds), 0.98, 2, f"{name}_answers_under_{fault}_when_its_timeout_is_over")
        ok(other < 0.3, f"{name}_does_not_hold_up_its_other_upstream_under_{fault}", other)
done()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the kernel's witness makes of protocols that change, hide, or are longer than what it captures: real programs on both sides."""
import os
import re
import shutil
import socket
import ssl
import struct
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from peers import Peer, Postgres
from tracing import Trace, need_ebpf, own

need_ebpf()
CURL, CURL_COMM = own("curl")


def short(exchanges):
    return [(x["protocol"], x["method"], x["status"], x["outcome"]) for x in exchanges]


def certificate(directory):
    """A key and a certificate of it for 127.0.0.1."""
    key, cert = (os.path.join(directory, f"server.{kind}") for kind in ("key", "crt"))
    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-keyout", key, "-out", cert])
    return key, cert


# ---- redis counts its commands itself, pipelined or not ----

redis = Redis()


def commandstats():
    said = run(["redis-cli", "-p", redis.port, "INFO", "commandstats"]).out
    return {name.upper(): int(calls) for name, calls in re.findall(r"cmdstat_(\w+):calls=(\d+)", said)}


before = commandstats()
trace = Trace("--pid", redis.process.pid)
for depth, tests in ((1, "get,set,lpush,lrange_100"), (16, "get,set,lpush")):
    run(["redis-benchmark", "-p", redis.port, "-q", "-n", 1600, "-c", 4, "-P", depth, "-t", tests], timeout=60)
run(["redis-cli", "-p", redis.port, "eval", "return redis.error_reply('ERR made')", 0])
after = commandstats()
trace.stop()
redis.stop()
calls = {name: n - before.get(name, 0) for name, n in after.items()}   # INFO counts itself when it is over: one for one
rows = {r["method"]: r["n"] for r in trace.rows("SELECT method, count(*) n FROM exchange WHERE role = 'server' GROUP BY method")}
ok(calls.get("GET") == 3200 and calls.get("LRANGE") == 1600, "redis_counts_what_the_benchmark_was_to_send", calls)
subcommands = {"CONFIG", "CLIENT", "COMMAND"}   # which it counts by their second word
is_({k: v for k, v in rows.items() if k not in subcommands}, {k: v for k, v in calls.items() if k.split("|")[0] not in subcommands},
    "each_command_that_redis_counts_is_an_exchange_of_that_name", rows)
is_(trace.one("SELECT count(*) FROM loss"), 0, "and_nothing_is_lost", trace.rows("SELECT * FROM loss"))
is_(trace.rows("SELECT method, outcome FROM exchange WHERE outcome <> 'ok'"), [{"method": "EVAL", "outcome": "failed"}],
    "only_the_command_that_redis_refused_has_failed")
is_(trace.one("SELECT sum(end_inferred) FROM exchange WHERE method IN ('GET', 'LRANGE')"), 0, "the_end_of_each_answer_was_seen")

# ---- pipelines of Redis that are longer than what is captured, and commands that are typed ----

REDIS = r"""
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
sys.stdin.readline()

def ask(commands, answer):
    s.sendall(commands)
    left = len(answer)
    while left:
        left -= len(s.recv(left))

for i in range(3):
    ask(b"*3\r\n$3\r\nSET\r\n$5\r\nkey:1\r\n$5\r\nvalue\r\n" * 99 + b"*2\r\n$4\r\nLLEN\r\n$5\r\nkey:1\r\n",
        b"+OK\r\n" * 99 + b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n")
    ask(b"*2\r\n$3\r\nGET\r\n$5\r\nkey:1\r\n", b"$5\r\nvalue\r\n")
    ask(b"ping\r\n", b"+PONG\r\n")
"""
redis = Redis()
client = spawn([PYTHON, "-c", REDIS, redis.port], stdin=-1)
trace = Trace("--pid", client.pid, "--pid", redis.process.pid)
client.communicate(b"go\n")
run(["redis-benchmark", "-p", redis.port, "-q", "-n", 2000, "-c", 2, "-P", 100, "-t", "get"], timeout=60)
trace.stop()
redis.stop()
for role in ("client", "server"):
    told = [(x["method"], x["outcome"]) for x in trace.exchanges("x.role = ? AND (x.method = 'PING' OR x.outcome <> 'ok')", role)]
    is_(told, [(None, "failed"), ("PING", "ok")] * 3, f"commands_that_are_not_seen_or_not_listed_have_their_answers_at_the_{role}")
is_(trace.one("SELECT count(*) FROM exchange WHERE role = 'server' AND method IS NOT 'CONFIG'"), 3 * 102 + 2000, "as_many_as_there_were_commands")
is_(trace.one("SELECT sum(end_inferred) FROM exchange"), 0, "with_ends_that_were_seen")
is_(trace.rows("SELECT * FROM loss"), [], "and_nothing_is_lost")

# ---- PostgreSQL in the clear and encrypted ----

postgres = Postgres()
for path in certificate(postgres.directory):
    target = shutil.copy(path, os.path.join(postgres.directory, "data"))
    os.chmod(target, 0o600)
    if os.getuid() == 0:
        shutil.chown(target, "postgres", "postgres")
PSQL = os.path.join(tmpdir(), f"psql{os.getpid()}")
os.symlink(f"{Postgres.PROGRAMS}/psql", PSQL)


def psql(mode, *statements):
    return run([PSQL, "-X", "-q", f"host=127.0.0.1 port={postgres.port} user=postgres dbname=postgres sslmode={mode} gssencmode=disable",
                *(word for s in statements for word in ("-c", s))])


psql("disable", "ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()")
wait_for(lambda: psql("require", "SELECT 1").rc == 0)
trace = Trace("--comm", os.path.basename(PSQL))
psql("disable", "SELECT 1", "SELECT 1/0", "SELECT repeat('x', 3000) FROM generate_series(1, 50)", "SELECT 2")
psql("require", "SELECT 1")
trace.stop()
postgres.stop()
x = trace.exchanges("x.role = 'client'")
is_([e["outcome"] for e in x if e["protocol"] == "postgresql"][:5], ["ok", "ok", "failed", "ok", "ok"],
    "a_login_and_each_query_is_an_exchange_and_an_error_is_failed", x)
is_([(e["protocol"], e["outcome"]) for e in x[5:]], [("postgresql", "ok"), ("tls", "ok")],
    "with_encryption_there_are_the_request_for_it_and_one_of_tls", x)
is_([e["end_inferred"] for e in x[:6]], [0] * 6, "their_ends_were_seen_also_behind_rows_beyond_the_capture")
is_(trace.one("SELECT count(*) FROM loss"), 0, "and_nothing_is_lost", trace.rows("SELECT * FROM loss"))

# ---- TLS behind a proxy's CONNECT ----

key, cert = certificate(tmpdir())
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)


def proxy(conn, n):
    """Answers CONNECT, and then is the server behind it."""
    stream = conn.makefile("rb", buffering=0)
    while stream.readline().strip():
        pass
    conn.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
    with context.wrap_socket(conn, server_side=True) as tls:
        for _ in range(2):
            data = b""
            while b"\r\n\r\n" not in data:
                data += tls.recv(4096)
            tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        tls.recv(4096)  # its good-bye: sent to a socket that is closed already, the connection would end by a reset


peer = Peer(proxy)
trace = Trace("--comm", CURL_COMM)
said = run([CURL, "-sSk", "-x", f"http://127.0.0.1:{peer.port}", "https://127.0.0.1:1/a", "https://127.0.0.1:1/b"])
trace.stop()
is_(said.out, "hellohello", "curl_gets_its_pages_through_the_proxy", said)
is_(short(trace.exchanges()), [("http1", "CONNECT", 200, "ok"), ("tls", None, None, "ok")], "behind_CONNECT_is_one_exchange_of_tls",
    trace.exchanges())

# ---- HTTP/2 after an upgrade, and at once ----


def http2(conn, n):
    """Upgrades when it is asked to, and answers the first stream with 200 and nothing."""
    first = conn.recv(4096)
    if not first.startswith(b"PRI "):
        conn.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
        first = conn.recv(4096)
    settings, answer = struct.pack(">I", 0)[1:] + b"\4\0\0\0\0\0", struct.pack(">I", 1)[1:] + b"\1\5\0\0\0\1\x88"
    conn.sendall(settings + answer)
    while conn.recv(4096):
        pass


peer = Peer(http2)
trace = Trace("--comm", CURL_COMM)
for how in ("--http2", "--http2-prior-knowledge"):
    said = run([CURL, "-sS", how, "-w", "%{http_version} %{http_code}", peer.url()])
    is_(said.out, "2 200", f"curl_{how}_speaks_http2", said)
trace.stop()
is_(short(trace.exchanges()), [("http1", "GET", 101, "ok"), ("http2", None, None, "ok"), ("http2", None, None, "ok")],
    "http2_is_one_exchange_of_its_connection_after_an_upgrade_as_well", trace.exchanges())

# ---- chunks that are flushed one by one, larger than what is captured; and heads that are ----

NODE = """
require("http").createServer((ask, answer) => {
  if (ask.url == "/head") { answer.setHeader("X-Long", "y".repeat(1500)); answer.statusCode = 503; answer.end("no"); return; }
  answer.write("x".repeat(20000));
  setTimeout(() => { answer.write("x".repeat(30000)); setTimeout(() => answer.end(), 30); }, 30);
}).listen(+process.argv[1], "127.0.0.1");
"""
port = free_port()
node = spawn(["node", "-e", NODE, port])
ok(wait_for(lambda: listening(port)), "the_server_listens")
trace = Trace("--pid", node.pid, "--comm", CURL_COMM)
urls = [f"http://127.0.0.1:{port}{path}" for path in ("/1", "/head", "/2", "/head", "/3")]
run([CURL, "-sS", *(word for url in urls for word in (url, "-o", "/dev/null"))])
trace.stop()
stop(node)
for role in ("client", "server"):
    x = trace.exchanges("x.role = ?", role)
    is_([(e["path"], e["status"], e["outcome"]) for e in x],
        [("/1", 200, "ok"), ("/head", 503, "failed"), ("/2", 200, "ok"), ("/head", 503, "failed"), ("/3", 200, "ok")],
        f"chunked_answers_and_long_heads_have_their_statuses_at_the_{role}", x)
    # Timers of node may be a millisecond early each: they count whole ones.
    ok(all(57e6 <= e["ended_ns"] - e["started_ns"] < 500e6 for e in x if e["status"] == 200), f"and_end_when_they_end_at_the_{role}", x)
is_([e["end_inferred"] for e in trace.exchanges("x.role = 'server' AND x.status = 200")], [0, 0, 0], "the_last_chunk_of_a_server_is_seen")

nginx = Nginx("location /long { add_header X-Policy " + "p" * 1500 + "; return 200 fine; }")
trace = Trace("--pid", nginx.process.pid, "--comm", CURL_COMM)
run([CURL, "-sS", *(word for i in range(3) for word in (nginx.url(f"/long{i}"), "-o", "/dev/null"))])
trace.stop()
nginx.stop()
for role in ("client", "server"):
    is_([(e["path"], e["status"], e["outcome"]) for e in trace.exchanges("x.role = ?", role)],
        [(f"/long{i}", 200, "ok") for i in range(3)], f"answers_of_nginx_with_long_heads_have_theirs_at_the_{role}")
is_(trace.one("SELECT count(*) FROM loss"), 0, "and_nothing_is_lost", trace.rows("SELECT * FROM loss"))

# ---- pipelines of HTTP/1 that are longer than what is captured ----

PIPELINE = r"""
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
for i in range(3):
    s.sendall(b"".join(b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"busy" if i % 7 == 3 else b"fine") for i in range(100)))
    got = b""
    while got.count(b"HTTP/1.1 ") < 100 or not got.endswith(b"\n"):
        got += s.recv(65536)
"""
nginx = Nginx('location / { return 200 "fine\n"; } location /busy { return 503; }')
trace = Trace("--pid", nginx.process.pid)
is_(run([PYTHON, "-c", PIPELINE, nginx.port]).rc, 0, "the_client_has_all_answers")
ok(wait_for(lambda: len(nginx.access()) >= 300), "nginx_counts_them")
trace.stop()
nginx.stop()
told = {row["status"]: row["n"] for row in trace.rows("SELECT status, count(*) n FROM exchange WHERE role = 'server' GROUP BY status")}
is_((told.get(200, 0) >= 258, told.get(503)), (True, 42), "each_request_is_told_by_its_answer_where_it_was_not_seen", told)
ok(trace.one("SELECT count(*) FROM exchange WHERE path IS NULL") > 50, "many_of_them_were_not")
is_(trace.rows("SELECT * FROM loss"), [], "and_nothing_is_lost")

# ---- bytes that are no text, in a path ----

peer = HttpPeer()
trace = Trace("--pid", os.getpid())
with socket.create_connection(("127.0.0.1", peer.port)) as s:
    for path in (b"/\x1b[31m", b"/a\0b", b"/\xff<b>"):
        s.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: \x01\r\n\r\n")
        while b"\r\n\r\n" not in s.recv(4096):
            pass
trace.stop()
x = trace.exchanges("x.role = 'client'")
is_([(e["path"], e["status"]) for e in x], [("/\x1b[31m", 200), ("/a\\x00b", 200), ("/\\xff<b>", 200)], "hostile_bytes_are_data", x)
report = aftershock("report", trace.db)
ok("\x1b" not in report.out + report.err, "and_no_escape_byte_reaches_a_terminal", report)
done()

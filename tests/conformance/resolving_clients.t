#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Real programs whose host name is not resolved, resolved late, or resolved and then refused: they say what they say under a name
server that really fails, whichever thread resolves."""
import json
import os
import re
import shutil
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from concurrent.futures import ThreadPoolExecutor
from tap import *
from names import NameServer, can_name, with_names

if not can_name():
    skip_all("no mount namespace can be made here")
CLIENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients")
FETCH = os.path.join(CLIENTS, "fetch.py")
NODE = "fetch(process.argv[1]).then(r => console.log(r.status), e => console.log(e.cause.code, e.cause.syscall))"
NODE_HTTP = "require('http').get(process.argv[1], r => { console.log(r.statusCode); r.resume() }).on('error', e => console.log(e.code, e.syscall))"
RUBY = "begin; puts Net::HTTP.get_response(URI(ARGV[0])).code; rescue => e; puts e.message; end"
PHP = "echo @file_get_contents($argv[1]) === false ? error_get_last()['message'] : 'ok';"
PERL = "use HTTP::Tiny; $r = HTTP::Tiny->new->get($ARGV[0]); print $$r{status}, $$r{status} == 599 ? $$r{content} : ''"
PERL_INET = "use IO::Socket::INET; ($h, $p) = $ARGV[0] =~ m{//(.*):(\\d+)}; print IO::Socket::INET->new(\"$h:$p\") ? 'ok' : $@"

# What is asked with a URL, by words that name it; a program that CI does not install counts where it is there.
PROGRAMS = {
    "curl": lambda url: ["curl", "-sS", url],
    "wget": lambda url: ["wget", "-nv", "-O", "-", "--tries=1", url],
    **{f"python {name}": lambda url, name=name: [PYTHON, FETCH, name, url, "5"] for name in
       ("socket", "urllib", "requests", "httpx", "aiohttp", "asyncio")},
    "node fetch": lambda url: ["node", "-e", NODE, url],
    "node http": lambda url: ["node", "-e", NODE_HTTP, url],
    "perl HTTP::Tiny": lambda url: ["perl", "-e", PERL, url],
    "perl IO::Socket::INET": lambda url: ["perl", "-e", PERL_INET, url],
}
EXTRA = {
    "java HttpClient": lambda url: ["java", os.path.join(CLIENTS, "Get.java"), url],
    "ruby net/http": lambda url: ["ruby", "-rnet/http", "-e", RUBY, url],
    "php": lambda url: ["php", "-r", PHP, url],
}
ENV = {"http_proxy": None, "HTTP_PROXY": None, "no_proxy": "*"}
PROGRAMS.update({name: words for name, words in EXTRA.items() if shutil.which(words("")[0])})

peer = HttpPeer()
there = with_names({"good.test": "127.0.0.1"})
dns = NameServer("127.0.0.1") if os.getuid() == 0 else None


def said(r):
    """Exit status and output without what differs from run to run: names, times, addresses in memory."""
    try:
        text = json.dumps([json.loads(r.out)[key] for key in ("outcome", "status")])
    except (ValueError, TypeError, KeyError):
        text = r.out + "\n".join(line for line in r.err.splitlines() if not line.startswith("aftershock:"))
    return r.rc, re.sub(r"\d{4}-\d\d-\d\d.*\[", "[", re.sub(r"0x[0-9a-f]+|line \d+", "", re.sub(r"(good|servfail)\.test", "NAME", text)))


def try_all(name):
    words = PROGRAMS[name]
    url = f"http://good.test:{peer.port}/"
    result = {
        "late": shock("to=good.test delay=500ms delay_on=resolve first=1", *there, *words(url), env=ENV),
        "refused": shock(f"to=good.test:{peer.port} refuse=true", *there, *words(url), env=ENV),
        "again": shock("to=good.test resolve=EAI_AGAIN", *there, *words(url), env=ENV),
        "plain": shock("to=good.test probability=0", *there, *words(url), env=ENV),
    }
    if dns:
        real = with_names({}, dns.host)
        result["real"] = run([*real, *words(f"http://servfail.test:{peer.port}/")], env=ENV)
    return result


with ThreadPoolExecutor(4) as pool:
    results = dict(zip(PROGRAMS, pool.map(try_all, PROGRAMS)))
for name, r in results.items():
    late, plain = r["late"], r["plain"]
    is_(said(late), said(plain), f"{name}: a_late_resolution_gives_the_same_answer", late)
    within(late.one("SELECT achieved_ns / 1e9 FROM injection"), 0.5, 3, f"{name}: and_is_as_late_as_asked", late)
    ok(late.rows("SELECT 1 FROM exchange") and all(row["outcome"] == "ok" for row in late.rows("SELECT outcome FROM exchange")) or
       name.endswith("INET"), f"{name}: its_exchange_is_fine", late)
    errors = [row["error"] for row in r["refused"].rows("SELECT error FROM exchange")]
    ok(errors and set(errors) == {"ECONNREFUSED"}, f"{name}: its_connect_is_known_by_the_name_that_it_resolved", r["refused"])
    failed = [(row["outcome"], row["error"]) for row in r["again"].rows("SELECT outcome, error FROM exchange")]
    ok(failed and set(failed) == {("not_sent", "EAI_AGAIN")}, f"{name}: a_name_that_is_not_resolved_is_an_attempt_not_sent", r["again"])
    if dns:
        is_(said(r["again"]), said(r["real"]), f"{name}: it_says_what_it_says_when_the_name_server_fails", r["again"])

# servers that resolve when they start
proxy = Nginx(server=f"location / {{ proxy_pass http://good.test:{peer.port}; }}",
              under=lambda port: [*shock_argv(f"to=good.test:{peer.port} refuse=true", os.path.join(tmpdir(), "proxy.db")), *there])
is_(run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", proxy.url()]).out, "502", "nginx_as_a_proxy_is_hit_by_the_name_it_resolved_at_start",
    proxy.errors())
proxy.stop()
redis = Redis()
r = shock("to=good.test refuse=true", *there, "redis-cli", "-h", "good.test", "-p", redis.port, "ping")
ok(r.rc == 1 and "refused" in r.err, "redis-cli_is_hit_by_the_name_it_resolved", r)
r = shock("to=good.test resolve=EAI_NONAME", *there, "redis-cli", "-h", "good.test", "-p", redis.port, "ping")
ok(r.rc == 1 and "Name or service not known" in r.err + r.out, "redis-cli_says_that_the_name_is_not_known", r)
if shutil.which("psql"):
    r = shock("to=good.test resolve=EAI_AGAIN", *there, "psql", "-h", "good.test", "-p", peer.port, "-c", "select 1")
    like(r.err, r"could not translate host name .* Temporary failure in name resolution", "psql_says_that_the_name_is_not_resolved")
done()

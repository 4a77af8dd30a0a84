#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`aftershock report`: both faces of run files made by hand, its options, its refusals."""
import json
import os
import pty
import sys

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), d) for d in (".", "../lib", "../schema")]
from runfile import START, RunFile  # noqa: E402
from tap import *  # noqa: E402,F403
import validate  # noqa: E402

HERE = tmpdir()


def path(name):
    return os.path.join(HERE, name)


def curl_run(name, **kw):
    """Two 429 answered by a fault, then a 200."""
    r = RunFile(path(name), **kw)
    r.insert("fault", id=1, name="busy", spec='{"status":429}', matched=3, fired=2)
    for k in range(2):
        x = r.exchange(10 + 1001 * k, 1, status=429, sent_ns=None, synthetic=1, fault_id=1)
        r.inject(1, x, 10.5 + 1001 * k)
    r.exchange(2012, 4, status=200)
    return r


def report_json(db, *args):
    result = aftershock("report", db, "--format", "json", *args)
    value = json.loads(result.out)
    is_(validate.problems(value, validate.load("report")), [], f"the JSON of {os.path.basename(db)} meets its schema")
    return value, result


# ---- a plain run ----
db = curl_run("curl.db").close()
value, result = report_json(db)
is_(result.rc, 0, "a run without a complaint exits with 0")
edge = value["edges"][0]
is_([edge["logical"], edge["attempts"], edge["delivered"]], [1, 3, 1], "1 request, 3 attempts, 1 delivered")
is_(edge["amplification"], {"value": 3, "low": 3, "high": 3, "n": 1, "method": "exact"}, "the amplification is an exact metric")
is_(edge["statuses"], {"200": 1, "429": 2}, "statuses are counted by their number")
is_([edge[k] for k in ("timeout", "breaker", "bulkhead", "idempotency")], [None] * 4, "what is not inferred yet is null")
is_([edge["retry"]["backoff"], edge["retry"]["retried"]], ["fixed", {"429": 2}], "the retries are judged")
is_(value["faults"][0]["fired"], 2, "the fault fired twice")
is_(value["run"]["sources"], ["shim"], "the witnesses are a list")
is_(value["run"]["seed"], 7, "the seed is a number")
is_(value["run"]["duration_s"], 10, "the duration is in seconds")

text = aftershock("report", db)
is_(text.rc, 0, "the text face exits with 0 too")
ok(text.out.startswith("PASS"), "the verdict is the first word", text.out)
like(text.out, r"curl -> 127\.0\.0\.1:80 +1 +3 +1 +3\.00x +exact +100\.0 % +1", "the amplification is in the edge's row")
like(text.out, r"\n  amplification +3\.00x  curl -> 127\.0\.0\.1:80 while the fault lasted \(exact\)\n", "and among the first numbers")
like(text.out, r"busy +3 +2 ", "the fault's counts are in its row")
ok("\033" not in text.out, "no colours but on a terminal")
ok(all(len(line) <= 100 for line in text.out.splitlines()), "no line is wider than 100 columns", text.out)
ok(all(line == line.rstrip() for line in text.out.splitlines()), "no line ends with blanks")

# ---- a fault that never fired ----
r = RunFile(path("vacuous.db"))
r.insert("fault", id=1, name="never", spec='{"status":503}', matched=0, fired=0)
r.exchange(10, 1, status=200)
db_vacuous = r.close()
value, result = report_json(db_vacuous)
is_([value["verdict"]["status"], result.rc], ["vacuous", 3], "a fault that never fired: vacuous, exit 3")
like(value["verdict"]["reasons"][0], "never", "the reason names the fault")
text = aftershock("report", db_vacuous)
like(text.out, r"^VACUOUS", "the text says so first")
like(text.out, "NEVER FIRED", "and loudly in the fault's row")

# ---- the objective ----
r = RunFile(path("slo.db"))
for i in range(100):
    r.exchange(10 * i, 1, status=503 if i < 5 else 200, tid=100 + i)
db_slo = r.close()
for slo, rc in (("95%", 0), ("0.95", 0), ("95.1%", 1), ("100%", 1)):
    is_(aftershock("report", db_slo, "--slo", slo).rc, rc, f"95 of 100 succeeded: --slo {slo} exits with {rc}")
like(aftershock("report", db_slo, "--slo", "99%").out, r"^FAIL", "a missed objective is the first word")

# ---- findings ----
r = RunFile(path("findings.db"))
r.insert("fault", id=1, name="outage", spec='{"status":503}', matched=30, fired=30)
for i in range(10):
    for k in range(3):
        r.inject(1, r.exchange(100 * i + 30 * k, 1, status=503, tid=100 + i, fault_id=1), 100 * i + 30 * k)
db_findings = r.close()
value, result = report_json(db_findings)
found = {f["code"]: f for f in value["findings"]}
ok("amplification-over-budget" in found, "three attempts for each of ten requests are over any budget", value["findings"])
finding = found["amplification-over-budget"]
is_([finding["severity"], finding["where"], finding["evidence"], finding["witness"]],
    ["medium", "curl -> 127.0.0.1:80", {"amplification": 3, "requests": 10}, 1], "the finding names place, numbers and a witness")
is_([value["verdict"]["status"], result.rc], ["pass", 0], "findings alone do not fail a run")
for severity, rc in (("critical", 0), ("medium", 1), ("info", 1)):
    is_(aftershock("report", db_findings, "--fail-on", severity).rc, rc, f"--fail-on {severity} exits with {rc}")
value, result = report_json(db_findings, "--fail-on", "medium")
is_([value["verdict"]["status"], result.rc], ["fail", 1], "--fail-on medium: fail, exit 1")
ok(any("amplification-over-budget" in reason for reason in value["verdict"]["reasons"]), "its reason names the finding", value["verdict"])
text = aftershock("report", db_findings, "--fail-on", "medium").out
like(text, r"\AFAIL  ", "which is the first word")
like(text, r"(?s)Findings\n.*  medium    amplification-over-budget\n    curl -> 127\.0\.0\.1:80 makes 3\.00 .*\(exchange 1\)\n    fix: ",
     "the text shows findings, with an exchange and what to change")
ok(all(len(line) <= 100 for line in text.splitlines()), "in 100 columns", text)
value, result = report_json(db, "--fail-on", "medium")
is_([value["findings"], result.rc], [[], 0], "one curl with three attempts is no finding")

# ---- empty, hostile, damaged ----
r = RunFile(path("empty.db"))
db_empty = r.close()
value, result = report_json(db_empty)
is_([value["verdict"]["status"], result.rc], ["inconclusive", 3], "an empty run: inconclusive, exit 3")

HOSTILE = "\033[2J\033[1;31mowned\007\r\n<script>alert(1)</script>\u009b31m\u202e\"'\\"
r = RunFile(path("hostile.db"), service=HOSTILE, peer=HOSTILE)
r.insert("fault", id=1, name=HOSTILE, spec="{" + HOSTILE, matched=0, fired=0)
r.insert("loss", source=HOSTILE, reason=HOSTILE, count=1)
r.insert("process", id=2, pid=2, service=HOSTILE, covered=0, why=HOSTILE)
r.exchange(10, 1, status=200, method=HOSTILE, path=HOSTILE, error=HOSTILE)
r.db.execute("UPDATE run SET value = ? WHERE key IN ('host', 'started', 'sources', 'seed')", (HOSTILE,))
r.db.execute("INSERT INTO process(id, pid, service) VALUES(3, 3, CAST(x'ff2f80c328' AS TEXT))")
r.db.execute("INSERT INTO connection(id, process_id, role, local, peer) VALUES(2, 3, 'client', 'a:1', CAST(x'fe' AS TEXT))")
r.exchange(20, 1, status=200, process_id=3, connection_id=2)
db_hostile = r.close()
value, result = report_json(db_hostile)
is_(value["edges"][0]["client"], HOSTILE, "JSON gives hostile names back as they are, escaped")
ok(any(e["client"].startswith("\\xff/\\x80") for e in value["edges"]), "bytes that are no UTF-8 are shown as \\xNN", value["edges"])
text = aftershock("report", db_hostile).out
ok(not any(ord(c) < 32 and c != "\n" or 0x7F <= ord(c) < 0xA0 or c == "\u202e" for c in text), "the text holds no control character")
like(text, r"\\x1b\[2J", "it shows them as \\xNN")

r = RunFile(path("types.db"))
r.db.execute("INSERT INTO exchange(id, role, started_ns, status, outcome, tid) VALUES('x' + 5, 7, 'soon', 'many', 3, 'nine')")
r.db.execute("UPDATE run SET value = 'never' WHERE key = 'started_ns'")
db_types = r.close()
report_json(db_types)

# ---- options ----
out = path("report.json")
result = aftershock("report", db, "--format", "json", "-o", out)
with open(out, encoding="utf-8") as f:
    is_([result.rc, result.out, json.load(f)["schema"]], [0, "", "aftershock/report/1"], "-o writes the file and nothing else")
page = path("page.html")
with open(page, "w", encoding="utf-8") as f:
    f.write("the report of yesterday")
os.chmod(page, 0o640)
os.symlink(page, path("latest.html"))
words = [BIN, "report", db, "--format", "html", "-o", path("latest.html")]
result = run(["sh", "-c", "trap '' XFSZ; ulimit -f 100; exec \"$@\"", "sh", *words])
with open(page, encoding="utf-8") as f:
    is_([result.rc, f.read()], [2, "the report of yesterday"], "where there is no room for a new report the old one is still there", result)
like(result.err, r"\Aaftershock: --output '.*latest.html' could not be written in full: File too large\n\Z", "and one sentence says why")
result = run(words)
with open(page, encoding="utf-8") as f:
    like(f.read(), "^<!doctype html>", "a new one takes the place of the file, not of a link to it")
is_([os.stat(page).st_mode & 0o777, os.path.islink(path("latest.html")), [f for f in os.listdir(path("")) if f.startswith("page.html.")]],
    [0o640, True, []], "which keeps its mode; nothing else is left")
is_(run(["sh", "-c", f"'{BIN}' report '{db}' -o /dev/stdout | cat"]).out, run([BIN, "report", db]).out, "a pipe is written as it is")
value, _ = report_json(db, "--from", "1", "--to", "2s")
is_(value["edges"][0]["attempts"], 0, "--from and --to leave out requests that started outside")
value, _ = report_json(db, "--to", "0.5")
is_(value["edges"][0]["attempts"], 3, "retries belong to the second in which their request started")

REFUSED = [
    (["report"], "run file"),
    (["report", path("missing.db")], "missing.db"),
    (["report", HERE], HERE),
    (["report", __file__], os.path.basename(__file__)),
    (["report", db, db], "compare"),
    (["report", db, "--format", "xml"], "text, json, html, csv, junit or openmetrics"),
    (["report", db, "--slo", "101%"], "101%"),
    (["report", db, "--slo", "often"], "often"),
    (["report", db, "--fail-on", "grave"], "critical, high, medium or info"),
    (["report", db, "--fail-on", ""], "critical, high, medium or info"),
    (["report", db, "--from", "x"], "x"),
    (["report", db, "--from", "-1"], "-1"),
    (["report", db, "--from", "nan"], "nan"),
    (["report", db, "--from", "5", "--to", "5"], "5"),
    (["report", db, "-o", "/nonexistent/x"], "/nonexistent/x"),
    (["report", db, "-o", HERE], HERE),
    (["report", db, "-o", db], "run file itself"),
    (["report", db, "--colour"], "--colour"),
]
before = open(db, "rb").read()
for args, names in REFUSED:
    result = aftershock(*args)
    shown = " ".join(args).replace(HERE, "DIR").replace(__file__, "SCRIPT")
    ok(result.rc == 2 and result.out == "" and result.err.count("\n") == 1 and names in result.err,
       f"{shown}: one sentence, exit 2", result)
ok(open(db, "rb").read() == before, "the run file is not touched by any of that")

help_ = aftershock("report", "--help")
ok(help_.rc == 0 and "Examples:" in help_.out and help_.err == "", "--help is on stdout, with examples", help_)


# ---- a terminal ----
def on_terminal(env):
    """What `report` writes to a terminal."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(BIN, [BIN, "report", db_vacuous], {**{k: v for k, v in os.environ.items() if k != "NO_COLOR"}, **env})
    out = b""
    while True:
        try:
            piece = os.read(fd, 65536)
        except OSError:
            break
        if not piece:
            break
        out += piece
    os.waitpid(pid, 0)
    os.close(fd)
    return out


ok(b"\033[" in on_terminal({}), "colours on a terminal")
ok(b"\033[" not in on_terminal({"NO_COLOR": "1"}), "none with NO_COLOR")
ok(b"\033[" in on_terminal({"NO_COLOR": ""}), "an empty NO_COLOR means nothing")
done()

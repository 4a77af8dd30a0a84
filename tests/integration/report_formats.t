#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`aftershock report --format csv|junit|openmetrics`: read back by the parsers that others use, held against the JSON; hostile names."""
import csv
import json
import os
import re
import sys
import xml.etree.ElementTree as ET

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), d) for d in (".", "../lib")]
from runfile import RunFile, two_servers  # noqa: E402
from tap import *  # noqa: E402,F403
from prometheus_client.openmetrics.parser import text_string_to_metric_families  # noqa: E402

HERE = tmpdir()
HOSTILE = "=1+1\033[2J\r\n<script>&amp;]]>\u009b31m\u202e\ufffe\uffff\"'\\,;"


def outage(name, **kw):
    """Ten requests that work, ten of three attempts under a fault, ten that work; a second fault never fires."""
    r = RunFile(os.path.join(HERE, name), seconds=40, **kw)
    r.insert("fault", id=1, name="outage", spec='{"status":503}', matched=50, fired=30)
    for i in range(30):
        bad = 10 <= i < 20
        for k in range(3 if bad else 1):
            x = r.exchange(1000 * i + 100 * k, 5, status=503 if bad else 200, tid=100 + i, **({"fault_id": 1} if bad else {}))
            if bad:
                r.inject(1, x, 1000 * i + 100 * k)
    return r


def hostile():
    r = outage("hostile.db", service=HOSTILE, peer=HOSTILE)
    r.insert("fault", id=2, name=HOSTILE, spec="{}", matched=3, fired=0)
    r.exchange(31000, 1, status=200, method=HOSTILE, path=HOSTILE, error=HOSTILE)
    r.db.execute("UPDATE run SET value = ? WHERE key IN ('host', 'started', 'sources', 'seed')", (HOSTILE,))
    return r.close()


def report(db, form, *args):
    return aftershock("report", db, "--format", form, *args)


db, db_hostile = outage("outage.db").close(), hostile()
wanted = json.loads(report(db, "json").out)
edge = wanted["edges"][0]


# ---- CSV ----

def rows(text):
    """RFC 4180: each line ends with CR LF and has as many fields as the first; strict quoting."""
    ok(text.endswith("\r\n") and not re.search(r"(?<!\r)\n|\r(?!\n)", text), "every line of the CSV ends with CR LF")
    found = list(csv.reader(text.splitlines(keepends=True), strict=True))
    is_({len(r) for r in found}, {len(found[0])}, "every row of the CSV has all columns")
    is_(len(set(found[0])), len(found[0]), "no two columns have one name")
    return [dict(zip(found[0], r)) for r in found[1:]]


def raw(db, form, *args):
    """The face as it is written: line ends are not translated."""
    path = os.path.join(HERE, "face")
    aftershock("report", db, "--format", form, "-o", path, *args)
    with open(path, encoding="utf-8", newline="") as f:
        return f.read()


table = rows(raw(db, "csv"))
is_([r["window"] for r in table], ["run", "baseline", "fault", "recovery"], "one row for the run and for each window")
for r, cohort in [(table[0], edge)] + [(r, edge["by_window"][r["window"]]) for r in table[1:]]:
    is_([float(r[k]) for k in ("requests", "attempts", "delivered")], [cohort[k] for k in ("logical", "attempts", "delivered")],
        f"{r['window']}: its counts are those of the JSON")
    for metric in ("amplification", "amplification_delivered", "success"):
        is_([float(r[metric]), float(r[metric + "_low"]), float(r[metric + "_high"])], [cohort[metric][k] for k in ("value", "low", "high")],
            f"{r['window']}: its {metric} is that of the JSON")
is_([table[0]["statuses"], float(table[0]["latency_p99_ms"])], ["200=20 503=30", edge["latency_ms"]["p99"]], "statuses and latency are there")
is_([table[0]["bulkhead_width"], table[1]["latency_p99_ms"]], ["", ""], "what is not known, or not of this window, is empty")
first = rows(raw(db_hostile, "csv"))[0]
ok(first["client"].startswith("'=1+1\\x1b[2J\\x0d\\x0a<script>"), "a name that a spreadsheet would compute has an apostrophe before it", first["client"])
ok(not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in "".join(first.values())), "no cell holds a control character")

db_pool = two_servers(os.path.join(HERE, "pool.db"))
pool = json.loads(report(db_pool, "json").out)["destinations"][0]
whole = [r for r in rows(raw(db_pool, "csv")) if r["servers"] == "2"]
is_([(r["client"], r["server"], r["destination"], r["window"]) for r in whole], [("front", pool["name"], pool["name"], "run")],
    "a destination has a row of its own")
is_([float(whole[0][k]) for k in ("requests", "attempts", "amplification", "retry_max_attempts", "breaker_opens")],
    [pool["logical"], pool["attempts"], pool["amplification"]["value"], pool["retry"]["max_attempts"], pool["breaker"]["opens"]], "with its figures")
is_([r["destination"] for r in rows(raw(db_pool, "csv")) if r["client"] == "front"], [pool["name"]] * 3, "and its servers' rows name it")
is_({(r["destination"], r["servers"]) for r in table}, {("", "1")}, "what is of none names none")


# ---- JUnit ----

OUTCOMES = {"failure", "error"}


def suite(text):
    """What Ant's JUnit.xsd and Jenkins' junit-10.xsd ask for, as far as it concerns what is printed."""
    root = ET.fromstring(text)
    is_((root.tag, root.attrib, [s.tag for s in root]), ("testsuites", {}, ["testsuite"]), "the document is a list of one suite")
    s = root[0]
    is_(sorted(s.attrib), ["errors", "failures", "hostname", "id", "name", "package", "tests", "time", "timestamp"], "the suite has its attributes")
    ok(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", s.get("timestamp")) and s.get("hostname") and float(s.get("time")) > 0, "of the right form", s.attrib)
    tags = [e.tag for e in s]
    is_(tags, ["properties"] + ["testcase"] * (len(tags) - 3) + ["system-out", "system-err"], "properties, tests and output are in order")
    tests = s.findall("testcase")
    ok(all(set(t.attrib) == {"classname", "name", "time"} and len(t) <= 1 and {e.tag for e in t} <= OUTCOMES for t in tests),
       "every test has its attributes and at most one outcome")
    ok(all(set(e.attrib) == {"type", "message"} for t in tests for e in t), "every outcome has type and message")
    is_([int(s.get(k)) for k in ("tests", "failures", "errors")],
        [len(tests), len(s.findall("testcase/failure")), len(s.findall("testcase/error"))], "the suite's counts are those of its tests")
    return s


def wrong(s):
    return [(t.get("classname"), t.get("name"), t[0].tag) for t in s.findall("testcase") if len(t)]


result = report(db, "junit", "--slo", "50%")
found = suite(result.out)
is_((result.rc, wrong(found)), (0, []), "where nothing fails the run, no test fails")
ok("amplification-over-budget" in {t.get("name") for t in found.iter("testcase")}, "each kind of finding is a test")
is_(len({(t.get("classname"), t.get("name")) for t in found.iter("testcase")}), len(found.findall("testcase")), "no two tests have one name")
ok("curl -> 127.0.0.1:80 makes 3.00 attempts per request while the fault lasts" in found.find("system-out").text,
   "findings that fail nothing are in the output")
result = report(db, "junit", "--slo", "99%", "--fail-on", "medium")
found = suite(result.out)
is_(result.rc, 1, "a missed objective and a finding: exit 1")
bad = wrong(found)
ok(("aftershock.slo", "curl -> 127.0.0.1:80: at least 99 % succeed", "failure") in bad, "the missed objective is a failure", bad)
ok(("aftershock.finding", "amplification-over-budget", "failure") in bad, "and so is the finding", bad)
details = [t[0].text for t in found.iter("testcase") if t.get("name") == "amplification-over-budget"][0]
ok("fix: " in details and "(exchange 11)" in details, "with the exchange and the fix", details)
ok("3.00 attempts" not in (found.find("system-out").text or ""), "which is not told twice")
result = report(db_hostile, "junit", "--fail-on", "info")
found = suite(result.out)
ok(any(c == "aftershock.fault" and what == "error" for c, _, what in wrong(found)), "a fault that never fired is an error", wrong(found))
is_(found.get("timestamp"), "1970-01-01T00:00:00", "a start that is no time is none")
ok(not re.search("[^\n -~\u00a0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", result.out), "only characters that XML allows")
ok("\\x1b[2J" in ET.tostring(found, encoding="unicode"), "hostile names are shown, escaped")
r = RunFile(os.path.join(HERE, "empty.db"))
found = suite(report(r.close(), "junit").out)
ok(("aftershock.data", "what was recorded can be trusted", "error") in wrong(found), "an empty run is an error", wrong(found))


# ---- OpenMetrics ----

def samples(text):
    """{name: {frozenset of labels: value}} by the parser of Prometheus' own client; every family with a unit carries it."""
    ok(text.endswith("# EOF\n") and text.count("# EOF") == 1, "the metrics end with # EOF")
    families = list(text_string_to_metric_families(text))
    ok(all(f.documentation and (not f.unit or f.name.endswith("_" + f.unit)) for f in families), "each family has help, and its unit in its name")
    ok(all(f.name.startswith("aftershock_") for f in families), "and the program's name")
    return {s.name: {frozenset(x.labels.items()): x.value for f in families for x in f.samples if x.name == s.name}
            for f in families for s in f.samples}


def one(metrics, name, **labels):
    return [v for key, v in metrics[name].items() if set(labels.items()) <= key]


metrics = samples(report(db, "openmetrics", "--fail-on", "medium").out)
for window, cohort in [("run", edge)] + list(edge["by_window"].items()):
    is_([[round(v, 6) for v in one(metrics, f"aftershock_{k}", window=window)] for k in ("requests", "attempts", "amplification_ratio", "success_ratio")],
        [[cohort["logical"]], [cohort["attempts"]], [cohort["amplification"]["value"]], [cohort["success"]["value"]]],
        f"{window}: the figures are those of the JSON")
is_(one(metrics, "aftershock_attempt_latency_seconds", quantile="0.99"), [edge["latency_ms"]["p99"] / 1000], "times are in seconds")
is_([one(metrics, "aftershock_verdict", aftershock_verdict=v) for v in ("pass", "fail")], [[0], [1]], "the verdict is a set of states")
is_(sum(metrics["aftershock_findings"].values()), len(wanted["findings"]), "findings are counted by severity")
ok(not any(k.startswith("aftershock_destination_") for k in metrics), "who has no destination has no sample of one", metrics.keys())
of_pool = samples(report(db_pool, "openmetrics").out)
is_([one(of_pool, f"aftershock_destination_{k}", client="front", destination=pool["name"]) for k in
     ("requests", "attempts", "servers", "hops", "retry_max_attempts", "breaker_opens")],
    [[pool["logical"]], [pool["attempts"]], [2], [pool["hops"]], [pool["retry"]["max_attempts"]], [pool["breaker"]["opens"]]],
    "a destination has samples of its own", of_pool)
is_(sum(one(of_pool, "aftershock_attempts", client="front")), pool["attempts"], "which those of its servers do not count again")
ok("aftershock_breaker_opens" not in metrics, "what is not known has no sample", metrics.keys())
text = report(db_hostile, "openmetrics").out
metrics = samples(text)
ok(any("=1+1\\x1b[2J\\x0d\\x0a<script>&amp;]]>\\xc2\\x9b31m" in v for key in metrics["aftershock_attempts"] for _, v in key), "hostile names come back escaped",
   metrics["aftershock_attempts"])
ok(not any(ord(c) < 32 and c != "\n" or 0x7F <= ord(c) < 0xA0 for c in text), "without a control character")
done()

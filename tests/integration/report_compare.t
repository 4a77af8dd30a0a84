#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`aftershock compare`: its faces, exit statuses and refusals."""
import json
import os
import sys
import xml.etree.ElementTree as ElementTree

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), d) for d in (".", "../lib", "../schema")]
from runfile import RunFile  # noqa: E402
from tap import *  # noqa: E402,F403
import validate  # noqa: E402

HERE = tmpdir()


def make(name, attempts=1, n=20, ms=1.0, **kw):
    """n requests, each failing but for its last attempt."""
    r = RunFile(os.path.join(HERE, name), **kw)
    for i in range(n):
        for k in range(attempts):
            r.exchange(20 * i + 3 * k, ms, status=200 if k == attempts - 1 else 503, tid=100 + i)
    return r.close()


base, new = make("base.db"), make("new.db", attempts=3)


def compare(*args):
    return aftershock("compare", *args)


def metrics(*args):
    result = compare(*args, "--format", "json")
    value = json.loads(result.out)
    is_(validate.problems(value, validate.load("compare")), [], "the JSON meets its schema")
    return result, value, {(m["name"], m["where"]): m for m in value["metrics"]}


result, value, rows = metrics("--base", base, "--new", new)
is_([result.rc, value["verdict"]["status"]], [0, "pass"], "without gates a difference is no failure")
row = rows["amplification", "curl -> 127.0.0.1:80"]
is_(row["ratio"], {"value": 3, "low": 3, "high": 3, "n": 40, "method": "exact"}, "3 attempts against 1 are exactly 3 times")
is_([row["significant"], row["gate"]], [True, None], "significant, without a gate")
ok(any("between-run variance unknown" in n for n in value["notes"]), "one run a side is noted", value["notes"])

result, value, rows = metrics("--base", new, "--new", new, "--gate", "amplification<=1.10x")
is_([result.rc, rows["amplification", "curl -> 127.0.0.1:80"]["gate"]], [0, "pass"], "a run against itself passes")
is_(rows["amplification", "curl -> 127.0.0.1:80"]["significant"], False, "and does not differ")
for gate, rc, outcome in (("amplification<=1.10x", 1, "regress"), ("amplification<=2", 1, "regress"), ("amplification<=3", 0, "pass"),
                          ("amplification<=3@curl->127.0.0.1:80", 0, "pass"),
                          ("amplification@curl->127.0.0.1:80<=3", 0, "pass"),
                          ("amplification@curl -> 127.0.0.1:80<=2", 1, "regress"), ("success>=50%", 0, "pass"),
                          ("success>=99%", 3, "inconclusive"), ("p99_ms<=1.1x", 3, "inconclusive"),
                          ("shed_efficacy>=10%", 3, "inconclusive")):
    result, value, rows = metrics("--base", base, "--new", new, "--gate", gate)
    got = [m["gate"] for m in value["metrics"] if m["gate"]]
    is_([result.rc, got], [rc, [outcome]], f"{gate}: {outcome}, exit {rc}", result)

empty = RunFile(os.path.join(HERE, "other.db"), service="other")
empty.exchange(0, 1.0)
apart = compare("--base", base, "--new", empty.close())
is_(apart.rc, 3, "runs with no name in common are vacuous, exit 3", apart)
like(apart.out, r"(?m)^VACUOUS.*\n.*nothing to compare", "and it is said")

text = compare("--base", base, "--new", new, "--gate", "amplification<=1.10x")
ok(text.rc == 1 and text.out.startswith("FAIL"), "the text face says FAIL first", text)
like(text.out, r"amplification +1\.00x +exact +3\.00x +exact +3\.00x +exact +differs +regress", "with the whole row")

quick = compare("--base", make("slow.db", ms=3000.0), "--new", base)
like(quick.out, r"p50_ms +3000 .* 0\.00033x", "what is three thousand times faster is not 0.00 times as slow")

# ---- several runs a side, each on a port of its own ----
many_base = [make(f"b{i}.db", ms=1 + 0.01 * i, peer=f"127.0.0.1:{1000 + i}") for i in range(4)]
many_new = [make(f"n{i}.db", ms=2 + 0.01 * i, peer=f"127.0.0.1:{2000 + i}") for i in range(4)]
result, value, rows = metrics("--base", *many_base, "--new", *many_new, "--gate", "p50_ms<=1.5x")
row = rows["p50_ms", "curl -> *"]
is_([result.rc, row["gate"], row["significant"]], [1, "regress", True], "four runs a side are enough for a regression")
near(row["ratio"]["value"], (2.02 / 1.02 * 2.01 / 1.01) ** 0.5, 1e-5, "the ratio is that of Hodges and Lehmann")
is_([value["base"], value["new"]], [many_base, many_new], "operands behind --base and --new all count")
result, value, rows = metrics(f"--base={many_base[0]}", *many_base[1:3], "--new", *many_new[:3], "--gate", "p50_ms<=1.5x")
is_([result.rc, rows["p50_ms", "curl -> *"]["significant"]], [3, None], "three are not")

# ---- a run whose fault never fired ----
r = RunFile(os.path.join(HERE, "vacuous.db"))
r.insert("fault", id=1, name="never", spec="{}", matched=0, fired=0)
r.exchange(10, 1, status=200)
result, value, rows = metrics("--base", base, "--new", r.close())
is_([result.rc, value["verdict"]["status"]], [3, "vacuous"], "a vacuous run makes the comparison vacuous")

# ---- JUnit, into a file ----
xml = os.path.join(HERE, "compare.xml")
result = compare("--base", base, "--new", new, "--gate", "amplification<=1.10x", "--gate", "success>=50%", "--format", "junit", "-o", xml)
is_([result.rc, result.out], [1, ""], "with -o the comparison goes to a file, the exit status stays", result)
suite = ElementTree.parse(xml).getroot().find("testsuite")
cases = {c.get("name"): [e.tag for e in c] for c in suite.iter("testcase")}
is_([c[0] for c in cases.values() if c], ["failure"], "the gate that regresses is the one failure", cases)
ok(any(name.startswith("amplification<=1.10x at curl") and tags == ["failure"] for name, tags in cases.items()), "named by gate and place", cases)
is_([suite.get("tests"), suite.get("failures"), suite.get("errors")], [str(len(cases)), "1", "0"], "and the suite counts it")

REFUSED = [
    ([], "--base"),
    (["--base", base], "--new"),
    (["--new", new], "--base"),
    ([base, new], base),
    (["--base", base, "--new", "/nonexistent.db"], "/nonexistent.db"),
    (["--base", __file__, "--new", new], os.path.basename(__file__)),
    (["--base", base, "--new", new, "--gate", "speed<=1x"], "speed<=1x"),
    (["--base", base, "--new", new, "--gate", "amplification<1x"], "<="),
    (["--base", base, "--new", new, "--gate", "amplification<=1x@nobody"], "nobody"),
    (["--base", base, "--new", new, "--format", "csv"], "junit"),
    (["--base", base, "--new", new, "-o", new], os.path.basename(new)),
    (["--base", base, "--new", new, "-o", "/nonexistent/x"], "/nonexistent/x"),
    (["--base", base, "--new", new, "--gate"], "--gate"),
]
for args, names in REFUSED:
    result = compare(*args)
    shown = " ".join(args).replace(HERE, "DIR").replace(__file__, "SCRIPT")
    ok(result.rc == 2 and result.out == "" and result.err.count("\n") == 1 and names in result.err,
       f"compare {shown}: one sentence, exit 2", result)
help_ = compare("--help")
ok(help_.rc == 0 and "Examples:" in help_.out and help_.err == "", "--help is on stdout, with examples", help_)
done()

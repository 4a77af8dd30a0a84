#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the documentation says is so: README's commands give the output that it shows, its table of keys is the command's
own, what it calls missing is refused, and each command has a man page with the options of its --help.

README marks its blocks: `sh run=NAME` is executed (needs=OTHER: after that block; status=N: and ends so), `text of=NAME`
is output of it, line by line in this order. Measured times differ from run to run: see comparable().
"""
import atexit
import os
import re
import shutil
import signal
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
PORTS = {"8081": str(free_port()), "8082": str(free_port())}  # of README, and those that stand for them here
QUICK = (("1 2 3 4 5 6 7", "1"), ("-d3", "-d1"), ("[1-500]", "[1-100]"))  # the measurements, made short
ROFF = {"TH", "SH", "SS", "TP", "PP", "B", "I", "BR", "BI", "IB", "IP", "IR", "RB", "RI", "EX", "EE", "nf", "fi", "br"}
directory = tmpdir()


def text(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as f:
        return f.read()


def renamed(content, names):
    for old, new in names.items():
        content = re.sub(rf"(?<!\d){old}(?!\d)", new, content)
    return content


def attributes(info):
    return dict(word.split("=", 1) for word in info.split() if "=" in word)


def stop_servers():
    for name in os.listdir(directory):
        if name.endswith(".pid"):
            with open(os.path.join(directory, name)) as f:
                os.kill(int(f.read()), signal.SIGTERM)


atexit.register(stop_servers)
readme = text("README.md")
blocks = [(language, attributes(info), body) for language, info, body in
          re.findall(r"^```(\w+)([^\n]*)\n(.*?)^```$", readme, re.M | re.S)]
scripts = {info["run"]: (info, body) for _, info, body in blocks if "run" in info}
shown = {info["of"]: body for _, info, body in blocks if "of" in info}


# ---- the commands ----

def comparable(line):
    """A line without what may differ: blanks, times of day, host, witnesses, decimal fractions (all but ratios such as 3.00x
    and shares such as 75.0 %), durations, and the rate at the end of an edge. Whole numbers stay."""
    line = re.sub(r"\d{4}-\d\d-\d\dT\S+Z", "TIME", " ".join(line.split()))
    line = re.sub(r"\bon \S+ seed", "on HOST seed", re.sub(r"seen by .*", "seen by WITNESSES", line))
    line = re.sub(r"(\d\.\d+x?(?: %)?) \d+(\.\d+)?$", r"\1 RATE", line)
    line = re.sub(r"\b\d+(\.\d+)? (ms|s)\b", r"N \2", line)
    return re.sub(r"\d+\.\d+(?!\d|x| %)", "N", line)


def missing_line(expected, got):
    """The first line of expected that does not come in got behind those before it; None when all do."""
    lines = iter([comparable(line) for line in got.splitlines()])
    for line in expected.splitlines():
        if line.strip() and comparable(line) not in lines:
            return line
    return None


def run_block(name):
    info, body = scripts[name]
    for old, new in QUICK:
        body = body.replace(old, new)
    path = f"{os.path.dirname(BIN)}:{os.environ['PATH']}"
    result = run(["bash", "-eo", "pipefail", "-c", renamed(body, PORTS)], cwd=directory, timeout=90,
                 env={"PATH": path, "AFTERSHOCK_LIB": LIB, "LC_ALL": "C.UTF-8"})
    result.out = renamed(result.out, {new: old for old, new in PORTS.items()})
    is_(result.rc, int(info.get("status", 0)), f"readme_block_{name}_ends_with_its_status", result)
    return result


def run_all(names):
    done_with = {}
    for name in names:
        for wanted in (scripts[name][0].get("needs"), name):
            if wanted and wanted not in done_with:
                done_with[wanted] = run_block(wanted)
    return done_with


ok(shown.keys() <= scripts.keys() and {"setup", "first", "server", "compare", "sql", "accuracy", "cost"} <= scripts.keys(),
   "every_output_in_readme_belongs_to_a_command", (scripts.keys(), shown.keys()))
kernel = re.search(r"(?m)^eBPF +ok", aftershock("doctor").out)
results = run_all([name for name in scripts if name != "cost"])
for name in shown:
    expected = shown[name].replace("500|", "100|") if name == "accuracy" else shown[name]
    absent = missing_line(expected, results[name].out)
    ok(absent is None, f"readme_shows_what_{name}_prints", f"not there, or not in this order: {absent}\n{results[name]}")
ok(missing_line(shown["first"].replace("3.00x", "2.00x"), results["first"].out), "and_another_ratio_would_be_noticed")
within(float(results["accuracy"].out.split("|")[1]), 0, 5, "a_delay_comes_within_5_ms_of_its_length")
if kernel and shutil.which("wrk"):
    rates = re.findall(r"(?m)^([\d.]+)\t(env|aftershock run .*)", run_block("cost").out)
    ok(len(rates) == 5 and all(float(rate) > 0 for rate, _ in rates), "the_cost_of_every_kind_of_trace_is_measured", rates)
else:
    skip("the cost of tracing needs eBPF (root) and wrk")

# ---- what it says about faults, files and commands ----

ok(aftershock("plan", "keys", "--markdown").out.strip() in readme, "the_table_of_keys_is_that_of_plan_keys")
report = Run(os.path.join(directory, "first.db")).report()
ok(all(report["edges"][0][key] is None for key in ("timeout", "breaker", "bulkhead", "idempotency")),
   "what_is_not_inferred_is_null", report["edges"])
tables = re.search(r"tables `([a-z_ ]+)`", readme).group(1).split()
is_(sorted(tables), sorted(row["name"] for row in Run(os.path.join(directory, "first.db")).rows(
    "SELECT name FROM sqlite_master WHERE type = 'table'")), "readme_names_the_tables_of_a_run_file")
within(len(readme.splitlines()), 1, 249, "readme_has_less_than_250_lines")
links = [link for link in re.findall(r"\]\(([^)]+)\)", readme) if not link.startswith(("#", "http"))]
is_([link for link in links if not os.path.exists(os.path.join(ROOT, link))], [], "links_of_readme_lead_somewhere")
targets = run(["make", "-s", "-C", ROOT, "help"], env={"MAKEFLAGS": None, "MAKELEVEL": None, "MFLAGS": None}).out
ok(all(re.search(rf"(?m)^  {t}\b", targets) for t in ("demo", "test", "install")), "make_has_the_targets_that_readme_names", targets)
version = aftershock("--version").out.split()[-1]
like(text("CHANGELOG.md"), rf"(?m)^## {re.escape(version)}\b", "the_changelog_knows_this_version")

# ---- the demos ----

listed = re.findall(r"(?m)^make demo-([a-z-]+) ", run(["make", "-s", "-C", ROOT, "demos"]).out)
told = re.findall(r"(?m)^\| \[`make demo-([a-z-]+)`\]\(demos/([a-z-]+)/README\.md\) \| .+\? \| .+ \|$", readme)
is_((len(listed) > 0, told), (True, [(name, name) for name in listed]), "its_table_has_the_demos_that_make_lists_each_with_its_command_and_page")


# ---- man pages ----


def options(content):
    """The options in a text; -h is part of --help."""
    return set(re.findall(r"(?<![\w-])(?:--[a-z][a-z-]*|-[a-z](?![\w-]))", content)) - {"-h"}


def help_options(*command):
    """The options that --help describes, examples apart: there, other programs have theirs."""
    return options(aftershock(*command, "--help").out.split("\nExamples:")[0])


def page_options(page):
    """Those of the man page's synopsis and options, which are in its source as \\-\\-name."""
    sections = dict(re.findall(r"(?ms)^\.SH ([A-Z ]+)\n(.*?)(?=^\.SH|\Z)", page))
    plain = re.sub(r"\\f[A-Z]|\"", "", sections["SYNOPSIS"] + sections.get("OPTIONS", "")).replace("\\-", "-")
    return options(re.sub(r"(?m)^\.[A-Z]+ |\[", " ", plain))


def unknown_requests(page):
    return sorted(set(re.findall(r"(?m)^\.([A-Za-z]+)", page)) - ROFF)


def complaints(path):
    """What man or groff says against a page; "" too when neither is there."""
    if shutil.which("man"):
        return run(["man", "-l", "--warnings", path], env={"MANPAGER": "cat", "LC_ALL": "C.UTF-8"}).err
    if shutil.which("groff"):
        return run(["groff", "-man", "-Tutf8", "-ww", "-z", path]).err
    return ""


commands = re.findall(r"(?m)^  ([a-z]+)  +\S", aftershock("--help").out)
ok("run" in commands and "report" in commands, "help_lists_the_commands", commands)
pages = sorted(name for name in os.listdir(os.path.join(ROOT, "cli")) if name.endswith(".1"))
is_(pages, sorted(["aftershock.1"] + [f"aftershock-{c}.1" for c in commands]), "each_command_has_a_man_page_and_no_other_page_is_there")
for name in pages:
    page, command = text("cli", name), re.findall(r"-([a-z]+)\.1$", name)
    ok(page.startswith('.\\" SPDX') and all(f"\n.SH {s}\n" in page for s in ("NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "EXAMPLES")),
       f"{name}_has_its_sections")
    is_((unknown_requests(page), complaints(os.path.join(ROOT, "cli", name))), ([], ""), f"{name}_renders_without_a_complaint")
    if command:
        is_(sorted(page_options(page)), sorted(help_options(*command)), f"{name}_has_the_options_of_help")
    else:
        ok(all(f"aftershock-{c}" in page for c in commands), "aftershock.1_leads_to_every_command")
done()

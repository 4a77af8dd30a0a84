#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Run files that nobody recorded (tests/unit/test_hostile.c makes them from a seed): the JSON meets its schema, every face can be parsed or is clean."""
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), d) for d in ("../lib", "../schema")]
from tap import *  # noqa: E402,F403
import validate  # noqa: E402
from prometheus_client.openmetrics.parser import text_string_to_metric_families  # noqa: E402

HERE = tmpdir()
MAKER = os.path.join(BUILD, "tests", "unit", "test_hostile")
TOOL = os.path.join(BUILD, "aftershock")
KINDS = 16
SCHEMAS = {name: validate.load(name) for name in ("report", "compare")}
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def face(command, *args):
    p = subprocess.run([TOOL, command, *args], capture_output=True, timeout=60)
    return p.returncode, p.stdout.decode(), p.stderr.decode()


def problems(number, path, before):
    """What is wrong with the faces of a run file, as sentences."""
    found = []
    for schema, args in (("report", [path]), ("compare", ["--base", before, "--new", path])):
        rc, out, err = face(schema, *args, "--format", "json")
        found += [f"{schema} exits with {rc}: {err}"] if rc not in (0, 3) else validate.problems(json.loads(out), SCHEMAS[schema])
        rc, out, err = face(schema, *args, "--format", "junit")
        ET.fromstring(out)
        rc, out, err = face(schema, *args)
        found += [f"{schema} has {m.group()!r}" for m in [CONTROL.search(out)] if m]
    rc, out, err = face("report", path, "--format", "openmetrics")
    list(text_string_to_metric_families(out))
    return found


before = None
for number in range(KINDS, 3 * KINDS):     # with 1 and 10 % of the cells wild
    path = os.path.join(HERE, f"{number}.db")
    subprocess.run([MAKER, "--write", str(number), path], check=True)
    try:
        found = problems(number, path, before or path)
    except (ValueError, ET.ParseError, subprocess.TimeoutExpired) as error:
        found = [repr(error)]
    is_(found[:5], [], f"run file {number}: every face can be read by those who read it")
    if before:
        os.unlink(before)
    before = path
os.truncate(before, 5000)
rc, out, err = face("report", before)
ok(rc == 2 and len(err.splitlines()) == 1 and not out, "a cut file is refused with one sentence and exit 2", (rc, out, err))
done()

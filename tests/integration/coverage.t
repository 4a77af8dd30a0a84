#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Children that get away from the library are rows with the reason, a warning, and an entry in the report's data quality."""
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
import json
import sqlite3

WORK = tmpdir()
SOURCES = {
    "nap": ("", "#include <stdlib.h>\n#include <unistd.h>\nint main(int c, char **v) { usleep(c > 1 ? atoi(v[1]) * 1000 : 0); return 0; }"),
    "lone": ("-static", "int main(void) { return 0; }"),
    "parent": ("-static", "#include <sys/wait.h>\n#include <unistd.h>\nint main(int c, char **v) { char *none[] = {0};\n"
               "if (!fork()) { execve(v[1], v + 1, none); _exit(1); } wait(0); return 0; }"),
}
for name, (flags, text) in SOURCES.items():
    with open(f"{WORK}/{name}.c", "w") as f:
        f.write(text)
    built = run(["gcc", *flags.split(), "-o", f"{WORK}/{name}", f"{WORK}/{name}.c"])
    ok(built.rc == 0, f"{name}_is_built", built)


def covered_run(name, trace, *command):
    db = f"{WORK}/{name}.db"
    r = aftershock("run", "--trace", trace, "-o", db, "--", *command, cwd=WORK, timeout=60)
    con = sqlite3.connect(db)
    con.row_factory = sqlite3.Row
    rows = {p["service"]: p for p in con.execute("SELECT * FROM process")}
    quality = json.loads(aftershock("report", db, "--format", "json").out)["data_quality"]["uncovered"]
    return r, rows, quality


for trace in ["shim"] + (["ebpf"] if os.geteuid() == 0 else []):
    r, p, quality = covered_run("static_" + trace, trace, "sh", "-c", "./lone; ./lone; ./nap; ./nosuch 2>/dev/null; /bin/true")
    evidence = (r, {k: dict(v) for k, v in p.items()}, quality)
    ok(p.get("lone") and p["lone"]["covered"] == 0 and "statically linked" in (p["lone"]["why"] or ""),
       f"a_static_child_that_lived_for_a_moment_is_a_row_with_the_reason_{trace}", evidence)
    is_(len([line for line in r.err.splitlines() if "lone" in line]), 1, f"its_program_is_told_once_on_stderr_{trace}", evidence)
    is_(len([q for q in quality if q.startswith("lone")]), 2, f"each_is_in_the_report_s_data_quality_{trace}", evidence)
    ok(p.get("nap") and p["nap"]["covered"] == 1 and p["true"]["covered"] == 1, f"dynamic_children_are_covered_{trace}", evidence)
    ok(not any("nosuch" in q for q in quality), f"an_exec_that_failed_is_nobody_out_of_reach_{trace}", evidence)

r, p, quality = covered_run("descent", "shim", "./parent", "./nap", "2600")
evidence = (r, {k: dict(v) for k, v in p.items()}, quality)
ok(p.get("nap") and p["nap"]["covered"] == 0 and "environment" in (p["nap"]["why"] or ""),
   "a_child_that_a_static_program_starts_with_a_cleaned_environment_is_found", evidence)
is_(p["nap"]["parent_id"] if p.get("nap") else None, p["parent"]["id"], "it_is_told_whose_child_it_is", evidence)

r, p, quality = covered_run("python", "shim", PYTHON, "-c", "import subprocess\n"
                            "subprocess.run(['./nap', '5'], env={})\nsubprocess.run(['./lone'], env={})\n"
                            "try:\n subprocess.run(['./nosuch'])\nexcept FileNotFoundError: pass")
evidence = (r, {k: dict(v) for k, v in p.items()}, quality)
is_((p["nap"]["covered"], p["lone"]["covered"]), (1, 0), "children_of_a_vfork_are_told_apart", evidence)
is_([x["covered"] for k, x in p.items() if k.startswith("python")], [1], "their_parent_stays_covered", evidence)

if os.geteuid() == 0:
    owned = f"{WORK}/owned"
    run(["cp", f"{WORK}/nap", owned])
    os.chown(owned, 65534, 65534)
    os.chmod(owned, 0o4755)
    nosuid = os.statvfs(WORK).f_flag & os.ST_NOSUID
    r, p, quality = covered_run("setuid", "shim", "sh", "-c", "./owned 5; true")
    if nosuid:
        skip("the temporary directory is mounted nosuid")
    else:
        ok(p["owned"]["covered"] == 0 and "setuid" in (p["owned"]["why"] or ""), "a_setuid_child_is_out_of_reach_and_told",
           (r, {k: dict(v) for k, v in p.items()}))
else:
    skip("a program setuid to another user takes root to make")
done()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""make install and its companions: a staged installation works from where it lies, and packages are asked for by name."""
import os
import shutil
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
CLEAN = {"MAKEFLAGS": None, "MAKELEVEL": None, "MFLAGS": None, "AFTERSHOCK_LIB": None}


def make(*arguments):
    return run(["make", "-s", "-C", ROOT, f"B={os.path.relpath(BUILD, ROOT)}", *arguments], env=CLEAN, timeout=300)


def files(top):
    return sorted(os.path.relpath(os.path.join(d, f), top) for d, _, names in os.walk(top) for f in names)


stage = tmpdir()
installed = make("install", "PREFIX=/opt/test", f"DESTDIR={stage}")
is_(installed.rc, 0, "make_install_works", installed)
there = files(stage)
ok({"opt/test/bin/aftershock", "opt/test/lib/aftershock/libaftershock.so"} <= set(there), "command_and_library_are_installed", there)
ok(all(f.startswith(("opt/test/bin/", "opt/test/lib/aftershock/", "opt/test/share/man/man1/")) for f in there), "and_nothing_elsewhere", there)
tool = os.path.join(stage, "opt/test/bin/aftershock")
doctor = run([tool, "doctor"], env=CLEAN)
like(doctor.out, rf"(?m)^library +ok +{stage}.*libaftershock\.so", "the_installed_command_finds_the_installed_library")
peer = HttpPeer()
db = os.path.join(tmpdir(), "run.db")
used = run([tool, *shock_argv(f"to=127.0.0.1:{peer.port} status=503", db, ("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", peer.url()))[1:]],
           env=CLEAN)
is_((used.rc, used.out), (0, "503"), "an_installed_aftershock_works", used)
again = make("install", "PREFIX=/opt/test", f"DESTDIR={stage}")
is_((again.rc, again.out, again.err), (0, "", ""), "installing_twice_builds_nothing_anew", again)
removed = make("uninstall", "PREFIX=/opt/test", f"DESTDIR={stage}")
is_((removed.rc, files(stage)), (0, []), "make_uninstall_removes_every_file", removed)

shown = make("help")
for target in ("all", "test", "demo", "install", "uninstall", "clean", "lint", "help"):
    like(shown.out, rf"(?m)^ +{target} +\w", f"make_help_tells_of_{target}")
quiet = make("deps")
is_((quiet.rc, quiet.out, quiet.err), (0, "", ""), "with_all_packages_there_deps_is_silent", quiet)
ok(quiet.seconds < 5, "and_quick", quiet)

# the package script with a list of its own and an apt-get that only takes notes
work = tmpdir()
os.makedirs(os.path.join(work, "lib"))
os.makedirs(os.path.join(work, "bin"))
deps = shutil.copy(os.path.join(ROOT, "tests", "lib", "deps"), os.path.join(work, "lib"))


def file(name, content):
    path = os.path.join(work, name)
    with open(path, "w") as f:
        f.write(content)
    os.chmod(path, 0o755)
    return path


notes = file("notes", "")
file("bin/apt-get", f"#!/bin/sh\necho \"$*\" >> {notes}\ncase \"$*\" in *wanted*) ln -sf /bin/true {work}/bin/wanted ;; *) exit 0 ;; esac\n")
file("bin/sudo", "#!/bin/sh\nexec \"$@\"\n")


def ask(listed, *kinds):
    file("packages.txt", listed)
    open(notes, "w").close()
    result = run([deps, *kinds], env={"PATH": f"{work}/bin:{os.environ['PATH']}"})
    with open(notes) as f:
        return result, f.read().splitlines()


present = "build cmd:sh dash everything\n"
result, notes_of = ask(present, "build")
is_((result.rc, result.out + result.err, notes_of), (0, "", []), "what_is_there_is_not_installed", result)
result, notes_of = ask(present + "test cmd:wanted wanted some test\n", "build")
is_((result.rc, notes_of), (0, []), "packages_of_another_kind_are_not_asked_for", result)
result, notes_of = ask(present + "build cmd:wanted wanted everything\n", "build")
is_(result.rc, 0, "a_missing_package_is_installed", result)
like(result.err, r"\Ainstalling wanted\n", "and_named_before")
ok(len(notes_of) == 2 and notes_of[0].startswith("update") and "install" in notes_of[1] and "wanted" in notes_of[1], "after_an_update", notes_of)
result, notes_of = ask("build cmd:no-such-tool-anywhere nothing-like-it the demos\n", "build")
is_(result.rc, 1, "a_build_package_that_can_not_be_had_is_an_error", result)
like(result.err, "nothing-like-it.*the demos", "which_says_what_needs_it")
result, notes_of = ask("test cmd:no-such-tool-anywhere nothing-like-it some.t\n", "build", "test")
is_(result.rc, 0, "without_a_test_package_the_rest_is_still_tested", result)
like(result.err, "nothing-like-it.*some.t", "and_it_is_said_which_test_will_miss_it")
done()

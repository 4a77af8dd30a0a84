#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How a demo ends when it can not go on or is told to stop: one sentence, a status, nothing left behind. demo_*.t stop the demos themselves."""
import fcntl
import os
import signal
import subprocess
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

DEMOS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "demos")
HEAD = f"""import os, sys, threading, time
sys.path[:0] = [{os.path.join(DEMOS, 'pattern-catalogue')!r}, {DEMOS!r}]
import common, lab, stores
"""
TAIL = "\nsys.exit(lab.main(demo))\n"
STOPPED = "interrupted; everything that was started is stopped\n"


def start(body, **kw):
    """A demo that is called small, in a session of its own as a terminal gives it one; it says `ready` when it can be interrupted."""
    directory = os.path.join(tmpdir(), "small")
    os.makedirs(directory)
    path = os.path.join(directory, "run.py")
    with open(path, "w", encoding="utf-8") as f:
        f.write(HEAD + body + TAIL)
    return spawn([PYTHON, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                 preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL), **kw)  # the tests may run under nohup


def interrupt(child, numbers):
    """Signals to all of its session, once it is ready. Returns its status, what it said on stderr and how long that took."""
    child.stdout.readline()
    began = time.monotonic()
    for number in numbers:
        os.killpg(child.pid, number)
        time.sleep(0.1)
    out, err = child.communicate(timeout=30)
    return child.returncode, out, err, time.monotonic() - began


# ---- told to stop ----
AT_WORK = """
def demo():
    print("ready", flush=True)
    common.side_by_side(lambda: time.sleep(20), lambda: time.sleep(20))
"""
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    status, out, err, seconds = interrupt(start(AT_WORK), [number])
    is_((status, err), (130, STOPPED), f"{number.name} ends a demo whose users are at work")
    within(seconds, 0, 5, f"{number.name}: at once, not when the last of them has done")

CLEANING = """
def demo():
    try:
        print("ready", flush=True)
        time.sleep(20)
    finally:
        with lab.INTERRUPT.hold():
            time.sleep(0.4)
            print("clean", flush=True)
"""
is_(interrupt(start(CLEANING), [signal.SIGINT, signal.SIGINT, signal.SIGTERM])[:3], (130, "clean\n", STOPPED), "a_second_signal_does_not_cut_the_end_short")

ENDING = """
def demo():
    with lab.INTERRUPT.hold():
        print("ready", flush=True)
        time.sleep(0.5)
        print("clean", flush=True)
    time.sleep(20)
"""
is_(interrupt(start(ENDING), [signal.SIGINT])[:3], (130, "clean\n", STOPPED), "one_that_comes_while_it_cleans_up_is_not_lost")

if os.path.exists("/usr/lib/postgresql/15/bin/initdb"):
    place = tmpdir()
    os.chmod(place, 0o755)
    stopped = start("""
def demo():
    threading.Timer(0.2, lambda: print("ready", flush=True)).start()
    stores.Postgres()
    time.sleep(20)
""", env={"TMPDIR": place})
    is_(interrupt(stopped, [signal.SIGINT])[::2][:2], (130, STOPPED), "a_database_that_is_being_made_is_given_up")
    is_((os.listdir(place), processes_naming(place)), ([], []), "and_nothing_of_it_is_left")

# ---- can not go on ----
pipe = start("""
def demo():
    for _ in range(100000):
        print("ready")
""")
pipe.stdout.readline()
pipe.stdout.close()
is_((pipe.wait(20), pipe.stderr.read()), (1, ""), "a_reader_that_goes_away_ends_it_silently")

RETRY_STORM = [os.path.join(DEMOS, "retry-storm", "run.py"), "--build", BUILD, "--short", "--out"]
place = tmpdir()
open(os.path.join(place, "file"), "w", encoding="utf-8").close()
demo = run([*RETRY_STORM, os.path.join(place, "file", "out")])
is_((demo.rc, demo.err), (1, f"retry-storm: {place}/file/out: Not a directory\n"), "a_place_where_nothing_can_be_left_is_named")
lock = os.open(place, os.O_RDONLY)
fcntl.flock(lock, fcntl.LOCK_EX)
demo = run([*RETRY_STORM, place])
is_((demo.rc, demo.err), (1, f"retry-storm: another demo is at work in {place}; choose another directory with --out\n"),
    "two_do_not_write_to_one_directory")
os.close(lock)

demo = run([os.path.join(DEMOS, "reliability-patterns", "run.py"), "--build", BUILD, "--out", place], env={"PATH": "/nowhere"})
is_((demo.rc, demo.err), (1, "reliability-patterns: prometheus is not there; `tests/lib/deps demo` installs what the demos need\n"),
    "a_program_that_is_missing_is_named")

sys.path[:0] = [os.path.join(DEMOS, "real-clients"), DEMOS]
import bench  # noqa: E402
place = tmpdir()
os.makedirs(os.path.join(place, "curl"))
for file in ("mine", "run.db"):
    open(os.path.join(place, "curl", file), "w", encoding="utf-8").close()
bench.Bench(BUILD, place, None).directory("curl")
is_(os.listdir(os.path.join(place, "curl")), ["mine"], "what_is_of_an_earlier_run_goes_and_what_is_the_users_stays")
done()

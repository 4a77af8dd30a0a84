#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How a demo ends when it can not go on or is told to stop: one sentence, a status, nothing left behind. demo_*.t stop the demos themselves."""
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

DEMOS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "demos")
sys.path[:0] = [os.path.join(DEMOS, "real-clients"), DEMOS]
import bench  # noqa: E402
import stores  # noqa: E402

HEAD = f"""import os, sys, threading, time
sys.path[:0] = [{os.path.join(DEMOS, 'pattern-catalogue')!r}, {DEMOS!r}]
import common, lab, stores
"""
TAIL = "\nsys.exit(lab.main(demo))\n"
STOPPED = "interrupted; everything that was started is stopped\n"


def start(body, args=(), **kw):
    """A demo that is called small, in a session of its own as a terminal gives it one; it says `ready` when it can be interrupted."""
    directory = os.path.join(tmpdir(), "small")
    os.makedirs(directory)
    path = os.path.join(directory, "run.py")
    with open(path, "w", encoding="utf-8") as f:
        f.write(HEAD + body + TAIL)
    return spawn([PYTHON, path, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
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

# ---- takes longer ----
LATE = """
def demo():
    lab.Progress(2, 0).next("at work")
    lab.Progress(2, 90).next("at work")
    return 0
"""
late = start(LATE)
is_(late.communicate(timeout=30)[1], "[1/2] at work (longer than expected)\n[1/2] at work (about 90 s left)\n", "nobody_is_told_that_0_s_are_left")

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

place = tmpdir()
missing = start(f"""
def demo():
    stores.Postgres.NEEDS = ({place!r} + "/psql", )
    stores.Postgres()
""", env={"TMPDIR": place})
out, err = missing.communicate(timeout=30)
is_((missing.returncode, err), (1, f"small: {place}/psql is not there; `tests/lib/deps demo` installs what the demos need\n"), "so_is_one_of_postgresql")
is_(os.listdir(place), [], "before_anything_is_made_for_it")

place = tmpdir()
for version, programs in (("9.6", ("psql", "postgres")), ("15", ("psql", "postgres")), ("16", ("psql", ))):
    os.makedirs(os.path.join(place, version))
    for program in programs:
        os.symlink("/bin/true", os.path.join(place, version, program))
is_(os.path.basename(stores.newest(place + "/*", "postgres", "psql")), "15", "a_newer_client_without_its_server_is_passed_over")

place = tmpdir()
broken = start("""
def demo():
    with stores.Redis(options=("--no-such-option", "1")):
        pass
""", env={"TMPDIR": place})
out, err = broken.communicate(timeout=60)
like(err, r"^small: Redis does not start: .*\S.*\n$", "a_server_that_does_not_start_says_why")
is_((broken.returncode, os.listdir(place)), (1, []), "and_leaves_nothing_behind")

TAKEN = """
import http.server
sys.path.insert(0, os.path.join(os.path.dirname(lab.__file__), "reliability-patterns"))
import prometheus

def demo():
    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"hello")
        def log_message(self, *_):
            pass
    other = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    free_port, ports = stores.free_port, [other.server_address[1]] * int(sys.argv[2])
    stores.free_port = lambda: ports.pop() if ports else free_port()
    with lab.Lab(sys.argv[1], os.environ["OUT"]) as bench, prometheus.Prometheus(bench, 1) as found:
        found.wait()
        print(found.port != other.server_address[1], flush=True)
    return 0
"""
if shutil.which("prometheus"):
    for times, wanted in (("1", (0, "True\n", [])), ("3", (1, "", []))):
        place = tmpdir()
        taken = start(TAKEN, args=[BUILD, times], env={"OUT": place, "TMPDIR": place})
        out, err = taken.communicate(timeout=90)
        left = [f for f in os.listdir(place) if f != "prometheus.log"]
        is_((taken.returncode, out, left + processes_naming(place)), wanted, f"a_port_that_is_taken_{times}_times_while_prometheus_starts", err)
    like(err, r"^small: Prometheus does not start: .*address already in use.*\n$", "in_the_end_it_says_why")


class Busy(stores.Server):
    """A server that starts children all the time."""
    NEEDS = ("sh", )
    NAP = "1000.25"

    def argv(self, port):
        return ["sh", "-c", f"while :; do sleep {self.NAP} & sleep 0.002; done"]

    def is_ready(self, port):
        return True


with Busy() as busy:
    busy.start()
    wait_for(lambda: len(stores.children_of(busy.process.pid)) > 20)
    busy.kill()
    is_(processes_naming(Busy.NAP), [], "a_server_that_is_killed_leaves_none_of_its_children")

place = tmpdir()
os.makedirs(os.path.join(place, "curl"))
for file in ("mine", "run.db"):
    open(os.path.join(place, "curl", file), "w", encoding="utf-8").close()
bench.Bench(BUILD, place, None).directory("curl")
is_(os.listdir(os.path.join(place, "curl")), ["mine"], "what_is_of_an_earlier_run_goes_and_what_is_the_users_stays")
done()

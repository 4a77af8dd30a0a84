#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# The run file that `aftershock run` leaves: where it may be written, and what is in it when things end badly.
import os
import resource
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

directory = tmpdir()
peer = HttpPeer()

# ---- where ----
notes = os.path.join(directory, "notes.txt")
with open(notes, "w") as f:
    f.write("not yours\n" * 20)
for path, words in ((notes, "exists and is not an aftershock run file; give another -o"), (directory, "Is a directory"),
                    ("/dev/null", "exists and is not an aftershock run file"), (f"{directory}/no/run.db", f"there is no directory '{directory}/no'"),
                    (f"{notes}/run.db", f"there is no directory '{notes}'")):
    started = os.path.join(directory, "started")
    r = aftershock("run", "--trace", "shim", "-o", path, "--", "touch", started)
    ok(r.rc == 2 and path in r.err and words in r.err and r.err.count("\n") == 1, f"-o {os.path.basename(path)}: {words}", r)
    ok(not os.path.exists(started), "nothing is started")
is_(open(notes).read(), "not yours\n" * 20, "what was there is left alone")

db = os.path.join(directory, "run.db")
r = shock([], "curl", "-s", peer.url(), db=db)
ok(not os.path.exists(db + "-wal") and not os.path.exists(db + "-shm"), "the run file is one file")
is_(r.one("SELECT count(*) FROM exchange WHERE status = 200"), 1, "a run without faults records its exchanges")
is_(os.stat(db).st_mode & 0o777, 0o600, "the run file is its owner's alone")
r = shock([], "no-such-command", db=db)
is_(Run(db).one("SELECT count(*) FROM exchange"), 1, "a run that does not start leaves the older run file alone")
r = shock([], "true", db=db)
is_(r.one("SELECT count(*) FROM exchange"), 0, "a run file is replaced by the next run")

# ---- a target killed in the middle ----
script = f"""
import http.client, os, signal
c = http.client.HTTPConnection('127.0.0.1', {peer.port})
for i in range(50):
    c.request('GET', f'/{{i}}'); c.getresponse().read()
c.request('GET', '/last')
os.kill(os.getpid(), signal.SIGKILL)
"""
r = shock([], PYTHON, "-c", script)
is_(r.rc, 137, "a target killed in the middle gives 137")
is_(r.one("SELECT count(*) FROM exchange WHERE status = 200"), 50, "all it had done is recorded")
is_(r.rows("SELECT outcome, error FROM exchange WHERE path = '/last'"), [{"outcome": "indeterminate", "error": "killed"}],
    "and what was under way: its request had left, no answer came")
is_(r.one("SELECT end FROM connection"), "exited", "its connection ended with it")
is_(r.meta("clean_end"), 1, "the file is closed properly")
script_in_child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {script!r}])"
r = shock([], PYTHON, "-c", script_in_child)
is_(r.rows("SELECT outcome, error FROM exchange WHERE path = '/last'"), [{"outcome": "indeterminate", "error": "killed"}],
    "a killed grandchild is noticed too")

# ---- the recorder killed in the middle ----
slow = f"""
import http.client, sys, threading
def get(path):
    c = http.client.HTTPConnection('127.0.0.1', {peer.port}); c.request('GET', path); c.getresponse().read(); c.close()
for i in range(20):
    get('/')
threading.Thread(target=get, args=('/hangs',), daemon=True).start()
print('done', flush=True)
sys.stdin.read()
"""
db = os.path.join(directory, "killed.db")
child = spawn(shock_argv([f"to=127.0.0.1:{peer.port} path=/hangs hang=response", f"to=127.0.0.1:{peer.port} delay=1ms"], db, [PYTHON, "-c", slow]),
              stdin=-1, stdout=-1)
is_(child.stdout.readline(), b"done\n", "a run is under way")
ok(wait_for(lambda: Run(db).one("SELECT count(*) FROM exchange") == 21), "what it does can be read while it goes on")
child.kill()
child.wait()
r = Run(db)
is_(r.one("PRAGMA integrity_check"), "ok", "killed, it leaves a sound file")
is_(r.one("SELECT count(*) FROM exchange WHERE outcome = 'ok'"), 20, "with everything up to then")
is_(r.rows("SELECT path, outcome, error FROM exchange WHERE outcome <> 'ok'"), [{"path": "/hangs", "outcome": "indeterminate", "error": "open"}],
    "and what was under way")
is_(r.one("SELECT x.path FROM injection i JOIN exchange x ON x.id = i.exchange_id WHERE action = 'hang'"), "/hangs", "and why")
is_(r.meta("clean_end"), None, "that does not claim a clean end")

# ---- faults end with the controller ----
reader, writer = os.pipe()
again = f"""
import http.client, sys, time
def status():
    c = http.client.HTTPConnection('127.0.0.1', {peer.port}); c.request('GET', '/')
    return c.getresponse().status
print(status(), flush=True)
sys.stdin.readline()
end = time.monotonic() + 10
while status() != 200 and time.monotonic() < end:
    time.sleep(.05)
print(status(), flush=True)
"""
db = os.path.join(directory, "gone.db")
child = spawn(shock_argv([f"to=127.0.0.1:{peer.port} status=503"], db, [PYTHON, "-c", again]), stdin=-1, stdout=-1)
is_(child.stdout.readline(), b"503\n", "a fault is at work")
child.kill()
child.wait()
child.stdin.write(b"\n")
child.stdin.flush()
is_(child.stdout.readline(), b"200\n", "and ends soon when the controller is killed: the target is left alone")

later = f"""
import http.client, time
def status():
    c = http.client.HTTPConnection('127.0.0.1', {peer.port}); c.request('GET', '/')
    return c.getresponse().status
end = time.monotonic() + 10
while status() != 503 and time.monotonic() < end:
    time.sleep(.05)
print(status())
"""
r = shock(f"to=127.0.0.1:{peer.port} status=503 from=2500ms", PYTHON, "-c", later)
is_(r.out, "503\n", "while the controller lives they stay, longer than a heartbeat is good for")
within(r.seconds, 2.5, 6, "`from` counts from the start of the command")

# ---- no room ----
many = f"""
import http.client, sys
print('ready', flush=True)
sys.stdin.readline()
c = http.client.HTTPConnection('127.0.0.1', {peer.port})
for i in range(1500):
    c.request('GET', '/' + 'x' * 240); c.getresponse().read()
print('all done', flush=True)
sys.stdin.readline()
raise SystemExit(5)
"""
db = os.path.join(directory, "full.db")
child = spawn(shock_argv([], db, [PYTHON, "-c", many]), stdin=-1, stdout=-1, stderr=-1)
is_(child.stdout.readline(), b"ready\n", "a run is under way")
resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (300 << 10, 300 << 10))  # of `run`, not of its command
child.stdin.write(b"\n")
child.stdin.flush()
is_(child.stdout.readline(), b"all done\n", "when the run file can not grow any more the command is not disturbed")
out, err = child.communicate(b"\n", 20)
is_(child.returncode, 5, "and its status is passed on")
like(err.decode(), r"\Aaftershock: (recording stopped|the end of the run could not be written).* the run file '.*\n\Z", "one sentence says so")
is_(Run(db).one("PRAGMA integrity_check"), "ok", "the file is sound")
is_(Run(db).meta("clean_end"), None, "and does not claim a clean end")
done()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# `aftershock env`: programs that others start join a run, by nothing but two variables.
import atexit
import os
import re
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

temporary = os.environ["TMPDIR"] = tmpdir()
os.environ.pop("XDG_RUNTIME_DIR", None)
directory = tmpdir(0o777)
peer = HttpPeer()
started = []


def env(*args, **kw):
    r = aftershock("env", *args, cwd=directory, **kw)
    if found := re.search(r"\(process (\d+)\)", r.err):
        started.append(int(found[1]))
    return r


def gone(pid):
    try:
        with open(f"/proc/{pid}/cmdline") as f:
            return b"aftershock" not in f.read().encode()
    except OSError:
        return True


@atexit.register
def end_all():
    for pid in started:
        if not gone(pid):
            os.kill(pid, signal.SIGKILL)


def variables(text):
    return dict(line.split("=", 1) for line in text.splitlines())


def curl(joined, *args):
    return run(["curl", "-s", "-w", "%{http_code}", "-o", "/dev/null", "-m", "20", *args, peer.url()], env=joined)


# ---- a run in the background ----
r = env("--name", "lab", "-o", "lab.db")
joined = variables(r.out)
ok(r.rc == 0 and list(joined) == ["LD_PRELOAD", "AFTERSHOCK_RUN"], "env starts a run and prints two variables", r)
like(r.err, r"^aftershock: run 'lab' goes on in the background \(process \d+\), recorded in lab.db; 'aftershock env --stop --name lab' ends it$",
     "and says what it started")
ok(os.path.samefile(joined["LD_PRELOAD"], LIB) and os.stat(joined["AFTERSHOCK_RUN"]).st_mode & 0o777 == 0o700,
   "they name the library and a private directory")
is_(curl(joined).out, "200", "a program started with them works")
again = env("--name", "lab")
is_((again.rc, again.out, again.err), (0, r.out, ""), "a second env joins the same run, silently")
is_(env().out, r.out, "which needs no name while it is the only one")
is_(aftershock("fault", "set", f"name=f to=:{peer.port} status=503", "--run", "lab").rc, 0, "a fault is set in it")
is_(curl(joined).out, "503", "and meets the next program")
is_(curl(None).out, "200", "but none that is not in the run")
is_(run(["sh", "-c", f"env -i PATH=/usr/bin:/bin sh -c 'curl -s -w %{{http_code}} -o /dev/null {peer.url()}'"], env=joined).out, "503",
    "children are in it as well")
keep = spawn([PYTHON, "-c", "import http.client, sys\n"
              f"c = http.client.HTTPConnection('127.0.0.1', {peer.port})\n"
              "for line in sys.stdin:\n c.request('GET', '/')\n r = c.getresponse(); r.read(); print(r.status, flush=True)\n"],
             joined, stdin=-1, stdout=-1, bufsize=0)
keep.stdin.write(b"\n")
is_(line_of(keep), "503\n", "a program that lives on meets it")
r = env("--stop", "--name", "lab")
is_((r.rc, r.out + r.err), (0, ""), "the run is stopped")
keep.stdin.write(b"\n")
is_(line_of(keep), "200\n", "its faults end for programs that live on")
for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
    run(["sh", "-c", f"'{BIN}' env --name shut -o {os.path.join(tmpdir(), 'shut.db')} {closed}"])
    started.append(int(open(os.path.join(os.path.dirname(joined["AFTERSHOCK_RUN"]), "shut", "lock")).read()))
    r = run(["timeout", "15", BIN, "env", "--stop", "--name", "shut"])
    is_((r.rc, r.err), (0, ""), f"one that was started with {closed} can be stopped", r)
keep.stdin.close()
ok(not os.path.exists(joined["AFTERSHOCK_RUN"]), "its directory is gone")
lab = Run(os.path.join(directory, "lab.db"))
is_(lab.meta("clean_end"), 1, "and its run file closed")
is_([x["status"] for x in lab.rows("SELECT status FROM exchange WHERE role = 'client' ORDER BY started_ns")], [200, 503, 503, 503],
    "with what its programs asked, as far as they were in it")
ok(lab.one("SELECT count(*) FROM process WHERE service = 'curl'") == 3 and lab.fault()["fired"] == 3, "the programs and the fault")
is_(env("--stop", "--name", "lab").rc, 2, "it can not be stopped twice")
r = curl(joined)
ok(r.out == "200" and "not covered" in r.err, "a program that comes too late says so and runs on its own", r)

# ---- with faults, to SIGTERM ----
plan = os.path.join(directory, "plan.json")
with open(plan, "w") as f:
    f.write(f'{{"seed": 3, "faults": [{{"name": "p", "to": ":{peer.port}", "status": 429}}, {{"name": "idle", "to": ":1", "refuse": true}}]}}')
r = env("-p", plan, "--fault", f"name=q to=:{peer.port} delay=1ms", "--name", "two")
is_((r.rc, curl(variables(r.out)).out), (0, "429"), "a plan starts a run with its faults")
like(r.err, r"recorded in aftershock-env-1\.db", "into a file with a number")
other = env("-p", plan, "--name", "two")
ok(other.rc == 2 and not other.out and "a run named 'two' is going on" in other.err and other.err.count("\n") == 1, "not under a name that is taken", other)
pid = started[-1]
os.kill(pid, signal.SIGTERM)
ok(wait_for(lambda: gone(pid)), "SIGTERM ends it")
two = Run(os.path.join(directory, "aftershock-env-1.db"))
is_([two.meta("clean_end"), two.meta("seed")], [1, 3], "in order")
is_([f["name"] for f in two.rows("SELECT name FROM fault ORDER BY id")], ["p", "idle", "q"], "with the faults of plan and options")

# ---- formats ----
awkward = os.path.join(tmpdir(), "it's a place")
os.mkdir(awkward)
r = env("--name", "quoted", "-o", "quoted.db", "--format", "shell", env={"TMPDIR": awkward})
r = run(["sh", "-c", f'eval "$1"; test -d "$AFTERSHOCK_RUN" && curl -s -o /dev/null {peer.url()} && echo "$LD_PRELOAD"', "sh", r.out], env={"LD_PRELOAD": None})
ok(r.rc == 0 and r.out == LIB + "\n" and not r.err, "--format shell is for eval, whatever is in the path", r)
r = env("--name", "quoted", "--format", "docker", env={"TMPDIR": awkward})
ok(r.rc == 2 and "--format docker can not carry the path" in r.err, "--format docker refuses a path that the shell would take apart", r)
is_(env("--stop", "--name", "quoted", env={"TMPDIR": awkward}).rc, 0, "it is stopped")
r = env("--name", "plain", "-o", "plain.db", "--format", "docker")
place = os.path.join(temporary, f"aftershock-{os.getuid()}", "plain")
is_(r.out.split(), ["--env", f"LD_PRELOAD={LIB}", "--env", f"AFTERSHOCK_RUN={place}", "--volume", f"{LIB}:{LIB}:ro", "--volume", f"{place}:{place}"],
    "--format docker: variables and mounts")
is_(env("--name", "plain", "--format", "systemd").out, f'[Service]\nEnvironment="LD_PRELOAD={LIB}"\nEnvironment="AFTERSHOCK_RUN={place}"\n',
    "--format systemd: a drop-in")
joined = variables(env("--name", "plain").out)

# ---- programs apart: another process id namespace, another user ----
if os.getuid() == 0 and run(["unshare", "--pid", "--fork", "--mount-proc", "true"]).rc == 0:
    aftershock("fault", "set", f"name=c to=:{peer.port} status=503", "--run", "plain")
    code = f"import time, urllib.request, urllib.error\nfor i in range(4):\n try: urllib.request.urlopen('{peer.url()}')\n" \
           " except urllib.error.HTTPError as e: print(e.code, flush=True)\n time.sleep(0.6)\n"
    boxes = [spawn(["unshare", "--pid", "--fork", "--mount-proc", "env", *(f"{k}={v}" for k, v in joined.items()), PYTHON, "-c", code],
                   {"AFTERSHOCK_SERVICE": f"box{i}"}, stdout=-1) for i in range(2)]
    is_([b.communicate(timeout=30)[0] for b in boxes], [b"503\n" * 4] * 2, "faults act in two containers with process ids of their own")
    env("--stop", "--name", "plain")
    plain = Run(os.path.join(directory, "plain.db"))
    rows = plain.rows("SELECT p.service, p.pid, p.ended_ns - p.started_ns lived, count(x.id) n, count(x.fault_id) hit FROM process p JOIN exchange x ON "
                      "x.process_id = p.id GROUP BY p.id ORDER BY p.service")
    is_([(p["service"], p["pid"], p["n"], p["hit"]) for p in rows], [("box0", 1, 4, 4), ("box1", 1, 4, 4)],
        "and their exchanges are told apart, under the ids they have inside")
    ok(all(p["lived"] > 1.7e9 for p in rows), "as long as they lived", rows)
    is_(plain.rows("SELECT * FROM loss"), [], "without loss")
else:
    skip("needs root and namespaces", 4)
    env("--stop", "--name", "plain")

r = env("--name", "mine", "-o", "mine.db", "--fault", f"to=:{peer.port} status=503")
joined = variables(r.out)
if os.getuid() == 0:
    os.chmod(temporary, 0o755)
    copy = os.path.join(directory, "libaftershock.so")
    run(["cp", LIB, copy])
    r = run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", f"LD_PRELOAD={copy}",
             f"AFTERSHOCK_RUN={joined['AFTERSHOCK_RUN']}", "curl", "-s", "-w", "%{http_code}", "-o", "/dev/null", peer.url()])
    ok(r.out == "200" and "no readable control page" in r.err, "a program of another user says that it is not covered, and works", r)
else:
    skip("needs root")
env("--stop", "--name", "mine")

# ---- bad input ----
for args, pattern in ((("lab",), "env takes no operand"), (("--format", "xml"), "not one of env, shell, docker, systemd"),
                      (("--name", "a/b"), "--name 'a/b' is not"),
                      (("--trace", "ebpf"), "not one of shim, off"), (("--stop", "-p", plan), "--stop ends a run"), (("--stop",), "no run is going on"),
                      (("-p", "nowhere.json"), "nowhere.json"), (("--fault", "to=:1 status=1"), "status=1 is not accepted"),
                      (("-o", "/nowhere/x.db"), "/nowhere/x.db")):
    r = env(*args)
    ok(r.rc == 2 and not r.out and r.err.count("\n") == 1 and pattern in r.err, f"env {' '.join(args)}: {pattern}", r)
is_(os.listdir(os.path.join(temporary, f"aftershock-{os.getuid()}")), [], "nothing is left behind")
done()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# `aftershock run` and its command: what the command gets, what becomes of its exit status, what is left behind.
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *


def recorded(*command, options=(), **kw):
    """Runs command without faults, the library as the witness."""
    return shock([], *command, options=options, **kw)


def sh(script, **kw):
    return recorded("sh", "-c", script, **kw)


# ---- exit status ----
is_(recorded("true").rc, 0, "success is passed on")
is_(sh("exit 7").rc, 7, "so is a failure")
is_(sh("exit 2").rc, 2, "also one that looks like ours")
is_(sh("kill -KILL $$").rc, 128 + signal.SIGKILL, "a command killed by SIGKILL gives 137")
is_(sh("kill -TERM $$").rc, 128 + signal.SIGTERM, "one killed by SIGTERM 143")
r = sh("exit 9")
is_(r.meta("exit_status"), "9", "the run file has it")
is_(r.one("SELECT exit_status FROM process"), 9, "also at the process")

# ---- a fault that never fired ----
idle = f"to=127.0.0.1:{free_port()} name=idle refuse=true"
r = shock(idle, "true")
is_(r.rc, 3, "success with a fault that never fired is 3")
like(r.err, r"^aftershock: fault 'idle' never fired \(0 exchanges matched it\)$", "and the fault is named")
is_(r.err.count("\n"), 1, "in one line")
peer = HttpPeer()
r = shock(f"to=127.0.0.1:{peer.port} name=second refuse=true after=1", "curl", "-s", "-o", os.devnull, peer.url())
is_((r.rc, r.err), (3, "aftershock: fault 'second' never fired (1 exchange matched it)\n"), "one that only met what it was to pass is told by number")
is_(shock(idle, "sh", "-c", "exit 4").rc, 4, "the command's failure goes first")
is_(shock(idle + " probability=0", "true").rc, 0, "a fault that only watches is exempt")

# ---- what the command gets ----
r = recorded("cat", input="in and out\n")
is_(r.out, "in and out\n", "standard input and output are the command's")
is_(r.err, "", "and nothing is added")
r = recorded("printf", "%s|", "--help", "-o", "a b", "")
is_(r.out, "--help|-o|a b||", "its arguments are its own")
r = recorded("env", env={"LD_PRELOAD": "libc.so.6", "AFTERSHOCK_RUN": "/nowhere", "KEEP": "yes",
                           "ASAN_OPTIONS": "verify_asan_link_order=0"})  # for a build with sanitizers
values = dict(line.split("=", 1) for line in r.out.splitlines())
is_(values.get("LD_PRELOAD"), f"{os.path.realpath(LIB)}:libc.so.6", "what LD_PRELOAD had is kept, behind the library")
is_(values.get("KEEP"), "yes", "the environment is kept")
is_([line for line in r.out.splitlines() if line.startswith("AFTERSHOCK_RUN=")], [f"AFTERSHOCK_RUN={values['AFTERSHOCK_RUN']}"],
    "AFTERSHOCK_RUN is there once")
ok(not os.path.exists(values["AFTERSHOCK_RUN"]), "and its directory is gone afterwards")
r = sh('stat -c "%a %U" "$AFTERSHOCK_RUN" "$AFTERSHOCK_RUN"/*; basename "$AFTERSHOCK_RUN"', options=["--name", "my-run"])
is_(set(r.out.splitlines()[:-1]), {f"700 {os.popen('id -un').read().strip()}", f"600 {os.popen('id -un').read().strip()}"},
    "the run directory is private")
is_(r.out.splitlines()[-1], "my-run", "and has the run's name")
is_(r.meta("name"), "my-run", "which the run file has too")
r = recorded("sh", "-c", "ls -l /proc/self/fd | grep -c -- '->'")
plain = run(["sh", "-c", "ls -l /proc/self/fd | grep -c -- '->'"])
is_(r.out, plain.out, "no descriptor of ours is left open in it")
listed = os.path.join(tmpdir(), "listed")
under = run(["sh", "-c", f"'{BIN}' run --trace off -o {listed}.db -- sh -c 'ls /proc/self/fd > {listed}' <&- 2>&-"])
plain = run(["sh", "-c", f"sh -c 'ls /proc/self/fd > {listed}.plain' <&- 2>&-"])
is_(open(listed).read(), open(f"{listed}.plain").read(), "a standard stream that is closed stays closed for it")
grep = ["grep", "-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status"]


def signals(text):
    """The sets by name, without 32 and 33: those are libc's own (threads), no program can set or inherit them through libc."""
    return {line.split()[0]: int(line.split()[1], 16) & ~(3 << 31) for line in text.splitlines()}


is_(signals(recorded(*grep).out), signals(run(grep).out), "signals are blocked and ignored in it as without us")
quoted = " ".join(grep).replace("^", "'^").replace("Cgt)", "Cgt)'")
plain = f'trap "" HUP PIPE XFSZ CHLD; exec {quoted}'
under = f'trap "" HUP PIPE XFSZ CHLD; exec {BIN} run --trace off -o {tmpdir()}/i.db -- {quoted}'
is_(signals(run(["bash", "-c", under]).out), signals(run(["bash", "-c", plain]).out), "also when we were started with some ignored")
is_(sh("exec sh -c 'echo $0'").out, "sh\n", "it may exec")

# ---- which command ----
directory = tmpdir()
plain_script = os.path.join(directory, "no-shebang")
with open(plain_script, "w") as f:
    f.write('echo "script got $1"\n')
is_(recorded(plain_script, "x").rc, 2, "a file that is not executable is refused")
os.chmod(plain_script, 0o755)
is_(recorded(plain_script, "x").out, "script got x\n", "a script without #! is run by the shell")
r = recorded("no-such-command-at-all")
is_((r.rc, r.err), (2, "aftershock: command 'no-such-command-at-all' was not found in PATH\n"), "a command that is not there is said")
ok(not os.path.exists(r.db), "and no run file is made")
is_(recorded(directory).err, f"aftershock: command '{directory}' cannot be run: Is a directory\n", "a directory is said")
is_(recorded("./missing").err, "aftershock: command './missing' cannot be run: No such file or directory\n", "a missing file is said")
bad = os.path.join(directory, "bad-interpreter")
with open(bad, "w") as f:
    f.write("#!/no/such/interpreter\n")
os.chmod(bad, 0o755)
r = recorded(bad)
is_(r.rc, 2, "a command whose interpreter is missing does not start")
like(r.err, r"aftershock: command '.*bad-interpreter' cannot be run: No such file or directory\n$", "which is said")
ok(not os.path.exists(r.db), "and no run file is left of it")
r = aftershock("run")
is_((r.rc, r.err), (2, "aftershock: no command given; see 'aftershock run --help'\n"), "no command is said")
r = aftershock("run", "--help")
ok(r.rc == 0 and "Usage: aftershock run" in r.out and not r.err, "--help goes to standard output, exit 0")
r = aftershock("run", "--fault")
is_((r.rc, r.err), (2, "aftershock: option --fault needs a value: SPEC\n"), "an option without its value is said")
for option in ("--sed", "-z"):
    r = aftershock("run", option, "1", "true")
    is_((r.rc, r.err), (2, f"aftershock: unknown option '{option}'; see 'aftershock run --help'\n"), f"unknown {option} is said")
for option, value, words in (("--seed", "-1", "whole number"), ("--seed", "7x", "whole number"), ("--trace", "maybe", "auto, ebpf, shim, off"),
                             ("--name", "../x", "characters"), ("--name", "", "characters")):
    r = aftershock("run", option, value, "true")
    ok(r.rc == 2 and value in r.err and words in r.err and r.err.count("\n") == 1, f"{option} '{value}' is refused", r)

# ---- the library ----
r = recorded("true", env={"AFTERSHOCK_LIB": "/no/such/lib.so"})
is_((r.rc, r.err), (2, "aftershock: AFTERSHOCK_LIB names '/no/such/lib.so', which cannot be read: No such file or directory\n"),
    "a library that is not there is said")
blank = os.path.join(tmpdir(), "a b")
os.mkdir(blank)
os.symlink(os.path.realpath(LIB), os.path.join(blank, "link.so"))
is_(recorded("true", env={"AFTERSHOCK_LIB": os.path.join(blank, "link.so")}).rc, 0, "a link with a blank in its name is followed")
run(["cp", LIB, os.path.join(blank, "lib.so")])
like(recorded("true", env={"AFTERSHOCK_LIB": os.path.join(blank, "lib.so")}).err, "LD_PRELOAD cannot carry", "a real blank is refused")

# ---- who is covered ----
r = sh("true; (true)& wait; /bin/true")
is_(r.rows("SELECT DISTINCT covered FROM process"), [{"covered": 1}], "the command and its children are covered")
is_(sorted({p["service"] for p in r.rows("SELECT service FROM process")}), ["sh", "true"], "and have their names")

# ---- children that outlive the command ----
r = sh("sleep 30 >/dev/null 2>&1 & echo $!", timeout=20)
ok(r.seconds < 10, "a child left in the background is not waited for", r)
pid = int(r.out)
ok(os.path.exists(f"/proc/{pid}"), "and lives on")
os.kill(pid, signal.SIGKILL)
is_(r.meta("clean_end"), 1, "the run file is closed")

# ---- run directories ----
runtime = tmpdir(0o700)
env = {"XDG_RUNTIME_DIR": runtime}
first = spawn([BIN, "run", "--trace", "off", "-o", f"{runtime}/one.db", "--name", "twice", "--", "cat"], env, stdin=-1)


def has_begun(child):
    """Whether it has become the command: until then it holds what its parent had open, the lock of the run directory too."""
    try:
        with open(f"/proc/{child.pid}/task/{child.pid}/children") as f:
            return any(os.readlink(f"/proc/{pid}/exe").endswith("/cat") for pid in f.read().split())
    except OSError:
        return False


ok(wait_for(lambda: os.path.exists(f"{runtime}/aftershock/twice/control")), "the run directory is in XDG_RUNTIME_DIR")
wait_for(lambda: has_begun(first))
r = aftershock("run", "--trace", "off", "-o", f"{runtime}/two.db", "--name", "twice", "--", "true", env=env)
is_((r.rc, r.err), (2, "aftershock: a run named 'twice' is going on; give another --name\n"), "a name in use is refused")
ok(not os.path.exists(f"{runtime}/two.db"), "nothing is recorded then")
first.kill()
first.wait()
ok(os.path.exists(f"{runtime}/aftershock/twice"), "a killed run leaves its directory")
is_(aftershock("run", "--trace", "off", "-o", f"{runtime}/two.db", "--", "true", env=env).rc, 0, "the next run starts")
is_(os.listdir(f"{runtime}/aftershock"), [], "and has cleaned it up")
shared = tmpdir(0o777)
other = os.path.join(shared, f"aftershock-{os.geteuid()}")
os.mkdir(other, 0o777)
os.chmod(other, 0o777)
r = aftershock("run", "--trace", "off", "-o", f"{runtime}/three.db", "--", "true", env={"XDG_RUNTIME_DIR": None, "TMPDIR": shared})
ok(r.rc == 2 and other in r.err, "a directory that others can change is not used", r)

# ---- the default run file ----
here = tmpdir()
r = aftershock("run", "--trace", "off", "sh", "-c", "exit 0", cwd=here)
is_(r.err, "aftershock: recorded in aftershock-sh-1.db\n", "without -o the run file is named after the command, and said")
aftershock("run", "--trace", "off", "sh", "-c", "exit 0", cwd=here)
is_(sorted(os.listdir(here)), ["aftershock-sh-1.db", "aftershock-sh-2.db"], "the next one gets the next number, and nothing else is left")
done()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`aftershock watch`: what it shows of a run that is going on, and of one that is over, is what the run file holds."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from runfile import RunFile
from tap import *

os.environ["TMPDIR"] = tmpdir()  # runs of others are none of ours
os.environ.pop("XDG_RUNTIME_DIR", None)
os.environ.pop("NO_COLOR", None)
directory = tmpdir()
peer = HttpPeer()
URL = f"127.0.0.1:{peer.port}"

# Asks every 20 ms, each time something else, and when that fails twice more at once, until a file is there.
ASK = f"""
import http.client, os, sys, time
n = 0
while not os.path.exists(sys.argv[1]):
    n += 1
    for k in range(3):
        c = http.client.HTTPConnection("127.0.0.1", {peer.port})
        c.request("GET", f"/{{n}}")
        if c.getresponse().status == 200:
            break
    time.sleep(.02)
"""
ask = os.path.join(directory, "ask.py")
with open(ask, "w") as f:
    f.write(ASK)


class Live:
    """A run that goes on until stop(): a client under one fault."""

    def __init__(self, name, fault="", env=None, trace=None):
        self.db, self.end = os.path.join(directory, name + ".db"), os.path.join(directory, name + ".end")
        faults = [f"name=outage to={URL} status=503 {fault}"] if fault else []
        self.child = spawn(shock_argv(faults, os.path.relpath(self.db), [PYTHON, ask, self.end], trace, ("--name", name)), env=env)
        wait_for(lambda: os.path.exists(self.db) and self.counted())

    def counted(self):
        try:
            return Run(self.db).one("SELECT count(*) FROM exchange")
        except Exception:  # it is being made
            return 0

    def stop(self):
        open(self.end, "w").close()
        return self.child.wait(20)


def watch(*arguments, **kw):
    return spawn([BIN, "watch", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kw)


def lines(text):
    """Lines of key=value as dictionaries."""
    return [dict(word.split("=", 1) for word in line.split(" ")) for line in text.splitlines()]


def refused(*arguments):
    """The one sentence with which these are refused."""
    r = aftershock("watch", *arguments)
    return r.err if (r.rc, r.out, r.err.count("\n")) == (2, "", 1) else repr(r)


# ---- a run that goes on, through a pipe ----
live = Live("lab", "from=1s for=2s")
view = watch("lab")
seen = b""
while b"state=ended" not in seen and select.select([view.stdout], [], [], 20)[0]:
    seen += view.stdout.readline()
live.stop()
out, err = view.communicate(timeout=10)
shown, run_file = lines((seen + out).decode()), Run(live.db)
is_((view.returncode, err), (0, b""), "it ends by itself when the run is over")
edges = [line for line in shown if line["kind"] == "edge" and line["second"] != "all"]
ok(len(edges) >= 3, "each second has its line", shown)
is_({(e["client"], e["server"]) for e in edges}, {("ask.py", URL)}, "an edge leads from a service to a peer")
for e in edges:
    row = run_file.rows("SELECT attempts, retries, attempts - retries AS requests, failed, p50_ns / 1e6 p50, p99_ns / 1e6 p99 FROM pulse"
                        " WHERE second = ? AND peer NOT NULL", e["second"])[0]
    is_([int(e[key]) for key in ("requests_per_s", "attempts_per_s", "errors_per_s")], [row["requests"], row["attempts"], row["failed"]],
        f"second {e['second']}: what it shows is in the run file", (e, row))
    near(float(e["p50_ms"]), row["p50"], 0.01 * row["p50"] + 0.006, "its median", (e, row))
    near(float(e["p99_ms"]), row["p99"], 0.01 * row["p99"] + 0.06, "its 99 % quantile", (e, row))
outage = next((e for e in edges if e["second"] == "2"), {})
total = run_file.rows("SELECT sum(attempts) attempts, sum(retries) retries FROM pulse WHERE peer NOT NULL AND second <= 2")[0]
near(float(outage.get("amplification", 0)), total["attempts"] / (total["attempts"] - total["retries"]), 0.006,
     "amplification is that of the last ten seconds", edges)
ok(float(outage["amplification"]) > 1.3, "which retries in an outage raise", edges)
faults = [line for line in shown if line["kind"] == "fault"]
is_({f["name"] for f in faults}, {"outage"}, "the fault is there")
ok([f["state"] for f in faults if f["second"] == "2"] == ["on"] and faults[-1]["state"] == "ended", "and whether it acts", faults)
is_((int(faults[-1]["fired"]), int(faults[-1]["matched"])), tuple(run_file.rows("SELECT fired, matched FROM fault")[0].values()), "and how often it did")
whole = [line for line in shown if line["second"] == "all"]
is_([line["kind"] for line in whole], ["run", "edge", "fault"], "the end is what happened in the whole run", whole)
seconds = float(whole[0]["seconds"])
near(float(whole[1]["attempts_per_s"]) * seconds, run_file.one("SELECT count(*) FROM exchange"), 3 * seconds, "all its attempts", whole)
near(float(whole[1]["errors_per_s"]) * seconds, run_file.one("SELECT count(*) FROM exchange WHERE outcome <> 'ok'"), 3 * seconds, "all its errors", whole)
times = sorted(row["ms"] for row in run_file.rows("SELECT (ended_ns - started_ns) / 1e6 AS ms FROM exchange"))
near(float(whole[1]["p50_ms"]), times[(len(times) - 1) // 2], 0.07 * times[len(times) // 2] + 0.01, "and its median", whole)
is_((whole[0]["lost"], whole[0]["clean_end"]), ("0", "1"), "nothing was lost")

# ---- the same, when it is over ----
over = aftershock("watch", live.db)
is_((over.rc, lines(over.out)), (0, whole), "of a run file that is over it shows just that")
like(refused("lab"), r"there is no run file 'lab', and no run named 'lab' is going on|no run 'lab' is going on|no run named 'lab'", "its name is gone")

# ---- on a terminal ----


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, argv, columns=100, rows=20, **env):
        self.master, slave = pty.openpty()
        self.said = ""
        self.size(columns, rows)
        self.child = spawn(argv, stdin=slave, stdout=slave, stderr=slave, env={"TERM": "xterm", **env},
                           preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)

    def size(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, pattern, deadline=15.0):
        """What it has said when that matches (or the deadline is over), from the last match on."""
        end, begin = time.monotonic() + deadline, len(self.said)
        while not re.search(pattern, self.said[begin:]) and time.monotonic() < end:
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    data = os.read(self.master, 65536)
                except OSError:  # nobody has it open any more
                    break
                self.said += data.decode("utf-8", "replace")
        return self.said[begin:]


def plain(text):
    return re.sub(r"\033\[[0-9;?]*[A-Za-z]", "", text)


HOSTILE = "\033]0;evil\a\033[2J x=1\nsecond=0\u202e"
live = Live("held", "probability=50%", env={"AFTERSHOCK_SERVICE": HOSTILE})
screen = Terminal([BIN, "watch"])
first = screen.until(r"(?s)second \d+ .*second \d+ .*MATCHED.*\033\[J")
like(plain(first), r"(?s)Run held, second \d+ .*Lost: nothing.*EDGE +REQUESTS/S +ATTEMPTS/S .* -> 127.*FAULT +STATE .*outage +on ",
    "a terminal gets one screen")
ok(first.startswith("\033[?1049h") and "\033[1m" in first, "which is the alternate one, with colours", repr(first))
acts = set(re.findall(r"\033(?:\[[?0-9;]*[A-Za-z]|.)", screen.said)) - {"\033[H", "\033[K", "\033[J", "\033[1m", "\033[0m"}
is_(acts, {"\033[?1049h", "\033[?25l", "\033[?7l"}, "a service's name can not move the cursor, or worse")
for columns in (85, 84, 85, 84):  # a second may end just then
    shown_before = re.findall(r"second (\d+)", screen.said)[-1]
    screen.size(columns, 6)
    small = screen.until(r"(?s)\033\[H.*\033\[J")
    if re.findall(r"second (\d+)", small) == [shown_before]:
        break
is_((re.findall(r"second (\d+)", small), small.count("\n") <= 5), ([shown_before], True),
    "another size is drawn at once, and no more than has room", repr(small))
ok("..." in plain(small), "names are cut to it", repr(small))
os.write(screen.master, b"\x03")
rest = screen.until(r"\033\[\?1049l")
is_(screen.child.wait(10), 0, "Ctrl-C ends the view with status 0")
ok(rest.endswith("\033[?7h\033[?25h\033[?1049l") or "\033[?25h" in rest, "and leaves the terminal as it was", repr(rest))
ok(live.child.poll() is None, "the run goes on")
grey = Terminal([BIN, "watch"], NO_COLOR="1")
ok("\033[1m" not in grey.until(r"(?s)MATCHED.*\033\[J"), "NO_COLOR is honoured", repr(grey.said))

# ---- names ----
second = Live("other")
like(refused(), r"several runs are going on; name one of: (held, other|other, held)\n", "of two runs one must be named")
like(refused("rum"), r"there is no run file 'rum', and no run named 'rum' is going on; going on: .*held.*\n", "a name that none has is refused")
like(refused("held", "other"), r"one run", "so are two")
like(refused(__file__), r"is not an aftershock run file", "and a file that is none")
like(refused(directory + "/"), r"is neither a run file nor the directory of a run", "and a directory that is none")
view = watch(second.db)
ok("kind=run" in line_of(view), "a run that goes on may be named by its file as well")
view.send_signal(signal.SIGINT)
is_(view.wait(10), 0, "Ctrl-C is no error through a pipe either")
live.stop()
is_(grey.child.wait(10), 0, "the other view ends with its run")
like(plain(grey.until("is over.*MATCHED")), r"(?s)Run held is over: all of its [\d.]+ s\r\nLost: nothing",
     "and says what happened in it, below what the terminal showed before")

# ---- names that would act on a terminal, in a file that another hand made ----
made = RunFile(os.path.join(directory, "made.db"), service=HOSTILE, peer="unix:/\033[8m\udcff".encode("utf-8", "surrogateescape").decode("latin-1"))
made.insert("fault", id=1, name=HOSTILE, spec="{}", matched=1, fired=0)
made.insert("loss", source=HOSTILE, reason=HOSTILE, count=3)
made.exchange(1, 2)
made.close()
hostile, escaped = lines(aftershock("watch", made.path).out), r"\x1b]0;evil\x07\x1b[2J\x20x=1\x0asecond=0\xe2\x80\xae"
is_([line.get("client") or line.get("source") or line["name"] for line in hostile[1:]], [escaped] * 3, "in lines a hostile name is one word", hostile)
paper = Terminal([BIN, "watch", made.path])
paper.until("is over.*MATCHED.*0 +1")
is_((paper.child.wait(10), re.findall(r"[\0-\x09\x0b\x0c\x0e-\x1f\u202e]", re.sub(r"\033\[[0-9;]*m", "", paper.said))), (0, []),
    "on a terminal it does nothing either", repr(paper.said))
ok(r"\x1b]0;evil\x07" in paper.said and "3 (" in paper.said, "it is shown escaped, and so is what was lost", repr(paper.said))

# ---- a recorder that dies ----
view = watch()
ok("kind=run" in line_of(view), "the only run needs no name")
second.child.kill()
second.child.wait()
out, err = view.communicate(timeout=10)
is_((view.returncode, lines(out.decode())[-2:][0]["clean_end"], err), (0, "0", b""), "a run whose recorder was killed is over, and that is said")
second.stop()

# ---- a trace, of one who serves ----
if re.search(r"(?m)^eBPF +ok", aftershock("doctor").out):
    db = os.path.join(directory, "trace.db")
    port = free_port()
    server = spawn([PYTHON, "-m", "http.server", "--bind", "127.0.0.1", port], env={"AFTERSHOCK_SERVICE": "files"}, cwd=directory,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: listening(port))
    tracer = spawn([BIN, "trace", "--pid", server.pid, "-o", db], stderr=subprocess.PIPE, bufsize=0)
    tracer.stderr.readline()
    view = watch(db)
    client = spawn(["sh", "-c", f"while curl -s -o /dev/null http://127.0.0.1:{port}/; do sleep .05; done"])
    line = ""
    while not line.startswith("second=") or "kind=edge" not in line:
        line = line_of(view)
        if not line:
            break
    edge = lines(line)[0] if line else {}
    is_((edge.get("client"), edge.get("server"), edge.get("amplification")), ("external", "files", "-"),
        "of a server whose clients are not recorded it shows what comes", line)
    stop(tracer, signal.SIGINT)
    out, err = view.communicate(timeout=10)
    is_((view.returncode, err), (0, b""), "and ends with the trace", out)
else:
    skip("a trace: eBPF is not available", 2)
done()

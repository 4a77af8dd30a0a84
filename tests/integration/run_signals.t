#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Signals and `aftershock run`: Ctrl-C on a terminal, signals to it alone, a command that does not want to end.
import atexit
import os
import pty
import select
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

directory = tmpdir()
COUNTER = "import os, signal, sys, time\n" \
          "got = []\n" \
          "def note(n, f):\n    got.append(signal.Signals(n).name); os.write(1, ' '.join(['got', *got, '']).rstrip().encode() + b'\\n')\n" \
          "    if len(got) == {leave}: sys.exit(6)\n" \
          "for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH):" \
          " signal.signal(s, note)\n" \
          "os.write(1, b'ready\\n')\n" \
          "while True: time.sleep(.05)\n"  # pause() would sleep through a signal that came just before it


class Terminal:
    """A run on a terminal of its own, as a user has it."""

    def __init__(self, *command, options=()):
        self.db = os.path.join(directory, f"{os.urandom(4).hex()}.db")
        self.pid, self.fd = pty.fork()
        if not self.pid:
            argv = [BIN, "run", "--trace", "shim", "-o", self.db, *options, "--", *command]
            os.execv(BIN, argv)
        self.out = b""
        atexit.register(self.kill)

    def kill(self):
        if self.pid:
            os.killpg(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        self.pid = 0

    def read_until(self, text, deadline=15):
        end = time.monotonic() + deadline
        while text.encode() not in self.out and time.monotonic() < end:
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.out += os.read(self.fd, 4096)
                except OSError:
                    break
        return text.encode() in self.out

    def key(self, key):
        os.write(self.fd, key)

    def wait(self, deadline=20):
        """Reads on and reaps; the wait status, None when it did not end in time (then it is killed)."""
        end = time.monotonic() + deadline
        while time.monotonic() < end:
            self.read_until("\0never", 0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
        self.kill()
        return None


# ---- Ctrl-C ----
t = Terminal(PYTHON, "-c", COUNTER.format(leave=1))
ok(t.read_until("ready"), "a command runs on a terminal")
t.key(b"\x03")
is_(t.wait(), 6, "Ctrl-C reaches it, and its exit status is passed on")
is_(t.out.count(b"got SIGINT"), 1, "once, not twice")
is_(Run(t.db).meta("clean_end"), 1, "the run file is closed properly")
like(t.out.decode(), r"(?s)got SIGINT.*Data quality", "and the report is printed without being asked for")

t = Terminal("sh", "-c", "echo ready; exec sleep 60")
t.read_until("ready")
t.key(b"\x03")
is_(t.wait(), 130, "a command that Ctrl-C kills gives 130")

t = Terminal(PYTHON, "-c", COUNTER.format(leave=0))
t.read_until("ready")
t.key(b"\x03")
ok(t.read_until("got SIGINT"), "a command may go on after Ctrl-C")
for _ in range(5):  # two that are pending at once are one to the kernel (signal(7)); a user would press again, too
    t.key(b"\x03")
    if t.read_until("will be killed in 2 s unless it ends", 2):
        break
ok(t.read_until("will be killed in 2 s unless it ends"), "a second Ctrl-C announces its end")
is_(t.wait(), 137, "which comes")
is_(Run(t.db).meta("clean_end"), 1, "the run file is closed properly")

t = Terminal("sh", "-i")
t.key(b"echo $((40+2))\n")
ok(t.read_until("42"), "an interactive shell works on it")
t.key(b"stty size >/dev/null && echo has''tty; exit 3\n")
ok(t.read_until("hastty"), "with the terminal as its own")
is_(t.wait(), 3, "and leaves as it likes")

# ---- signals to `run` alone ----
for sig in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH):
    db = os.path.join(directory, f"{sig}.db")
    child = spawn([BIN, "run", "--trace", "shim", "-o", db, "--", PYTHON, "-c", COUNTER.format(leave=1)], stdout=-1, stderr=-1)
    child.stdout.readline()
    child.send_signal(sig)
    out, err = child.communicate(timeout=20)
    ok(child.returncode == 6 and out.startswith(f"got {signal.Signals(sig).name}\n".encode()), f"{signal.Signals(sig).name} is passed on",
       (child.returncode, out, err))
    is_(b"Data quality" in out, sig == signal.SIGINT, "the report follows" if sig == signal.SIGINT else "without a report")
    is_(Run(db).meta("clean_end"), 1, "the run file is closed properly")

db = os.path.join(directory, "stubborn.db")
child = spawn([BIN, "run", "--trace", "shim", "-o", db, "--", PYTHON, "-c", COUNTER.format(leave=0)], stdout=-1, stderr=-1)
child.stdout.readline()
began = time.monotonic()
for _ in range(2):
    child.send_signal(signal.SIGTERM)
    child.stdout.readline()
child.communicate(timeout=20)
is_(child.returncode, 137, "a command that will not end is killed after the second signal")
ok(1.5 < time.monotonic() - began < 10, "but has 2 s to end by itself", time.monotonic() - began)

# ---- ignored, as nohup does ----
db = os.path.join(directory, "nohup.db")
child = spawn(["nohup", BIN, "run", "--trace", "shim", "-o", db, "--", "sh", "-c", "echo up; read line; exit 0"], stdin=-1, stdout=-1,
              stderr=-1)
child.stdout.readline()
child.send_signal(signal.SIGHUP)
child.stdin.write(b"\n")
child.stdin.flush()
is_(child.wait(20), 0, "SIGHUP is ignored where it was ignored")
done()

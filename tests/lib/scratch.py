# SPDX-License-Identifier: MIT
"""Processes, ports and directories of one test, gone when it ends.

Everything started here is ended by its own pid or its own session; nothing is waited for without a deadline.
"""
import atexit
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PYTHON = "/usr/bin/python3"  # the system's, which has the Debian packages
LIMIT = 300  # seconds that a whole script may take
os.environ["PATH"] += ":/usr/sbin:/sbin"
for name in ("SUDO_UID", "SUDO_GID"):  # `sudo make test` is a test as root; what sudo means to the command is told to it where that is tested
    os.environ.pop(name, None)

for number in (signal.SIGINT, signal.SIGQUIT):  # a shell that runs tests in the background ignores them, and so would all that is started here
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)

_directories, _children = [], []


def tmpdir(mode=0o755):
    """A fresh directory, removed at the end. Readable by all, so that servers may drop their user."""
    path = tempfile.mkdtemp(prefix="aftershock-test-")
    os.chmod(path, mode)
    _directories.append(path)
    return path


def free_port(host="127.0.0.1"):
    """A TCP port that the kernel chose and that nothing listens on."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as s:
        s.bind((host, 0))
        return s.getsockname()[1]


def wait_for(predicate, deadline=10.0, every=0.005):
    """Polls until predicate() is true and returns its value; the last (false) value after `deadline` seconds."""
    end = time.monotonic() + deadline
    while True:
        value = predicate()
        if value or time.monotonic() > end:
            return value
        time.sleep(every)


def listening(port, host="127.0.0.1"):
    try:
        socket.create_connection((host, port), timeout=1).close()
        return True
    except OSError:
        return False


def line_of(child, deadline=20.0):
    """The next line that a child (stdout=PIPE, unbuffered: bufsize=0) prints, as text; "" at its end or after the deadline."""
    ready, _, _ = select.select([child.stdout], [], [], deadline)
    return child.stdout.readline().decode() if ready else ""


class Result:
    """How a command ended: rc (negative: its signal), out, err, seconds, timed_out."""

    def __init__(self, rc, out, err, seconds, timed_out=False):
        self.rc, self.out, self.err, self.seconds, self.timed_out = rc, out, err, seconds, timed_out

    def __repr__(self):
        late = " (killed: took too long)" if self.timed_out else ""
        return f"rc {self.rc}{late} after {self.seconds:.3f} s\nout: {self.out[:2000]}\nerr: {self.err[:2000]}"


def _environment(env):
    return {k: v for k, v in {**os.environ, **(env or {})}.items() if v is not None}


def spawn(argv, env=None, **kw):
    """Starts argv in a session of its own; ended with all its children when the test ends. env: additions (None: unset)."""
    child = subprocess.Popen([str(a) for a in argv], env=_environment(env), start_new_session=True, **kw)
    _children.append(child)
    return child


def run(argv, timeout=60, env=None, input=None, **kw):
    """Runs argv to its end and returns a Result; after `timeout` seconds its whole session is killed."""
    began = time.monotonic()
    child = spawn(argv, env, stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kw)
    late = False
    try:
        out, err = child.communicate(input.encode() if isinstance(input, str) else input, timeout)
    except subprocess.TimeoutExpired:
        late = True
        end_session(child)
        out, err = child.communicate()
    text = [stream.decode("utf-8", "surrogateescape") for stream in (out, err)]
    return Result(child.returncode, *text, time.monotonic() - began, late)


def has_ended(child):
    """Whether it has, without reaping it: until that its process id names no other process, nor its session."""
    if child.returncode is not None:
        return True
    try:
        return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def end_session(child):
    """Kills what is there of the session that spawn() made for this child, unless that was reaped already. Returns its exit status."""
    if child.returncode is None:
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return child.wait()


def stop(child, sig=signal.SIGTERM, timeout=15):
    """Asks a child to end and waits; kills what it leaves behind. Returns its exit status."""
    if not has_ended(child):
        os.kill(child.pid, sig)
        wait_for(lambda: has_ended(child), timeout)
    return end_session(child)


def processes_naming(text):
    """Ids of the processes that have this text in their command line (the directory of a test, say), without our own."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if os.fsencode(text) in f.read() and int(pid) != os.getpid():
                    found.append(int(pid))
        except OSError:
            pass
    return found


def _clean():
    for child in _children:
        end_session(child)
    for path in _directories:
        shutil.rmtree(path, ignore_errors=True)


def _give_up(number, _):
    sys.exit(f"took longer than {LIMIT} s" if number == signal.SIGALRM else "ended by SIGTERM")


atexit.register(_clean)
signal.signal(signal.SIGTERM, _give_up)
signal.signal(signal.SIGALRM, _give_up)
signal.alarm(LIMIT)

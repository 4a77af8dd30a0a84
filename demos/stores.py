# SPDX-License-Identifier: MIT
"""Private PostgreSQL and Redis servers for demos: on a free port, in a temporary directory, gone when their `with` block ends, also
after Ctrl-C and failure. Each can be killed (SIGKILL, as a crash does it) and started again at its port with what it had kept.

    with Postgres(databases={"orders": SCHEMA}) as postgres, Redis() as redis:
        service = {..., "stores": {"orders_db": {"postgres": postgres.address("orders")}, "cache": {"redis": redis.address()}}}
        postgres.query("orders", "SELECT count(*) FROM orders")

No server of the system is touched. Processes are ended by their ids.
"""
import csv
import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import lab

STARTING_S = 30  # on a busy machine, recovery after a crash included
STOPPING_S = 15

# What the outbox worker of a service needs (demos/service/outbox.h says what the columns are); to be made with the other tables.
OUTBOX = """CREATE TABLE outbox (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), payload jsonb NOT NULL,
created_at timestamptz NOT NULL DEFAULT now(), due_at timestamptz NOT NULL DEFAULT now(), attempts int NOT NULL DEFAULT 0,
sent_at timestamptz, failed_at timestamptz, last_error text);
CREATE INDEX outbox_due ON outbox (due_at) WHERE sent_at IS NULL AND failed_at IS NULL;"""


class StoreFailed(lab.Failed):
    """A server that is not installed or does not start, or a statement that it refused; the text is one sentence."""


def session(argv, **how):
    """A process that Ctrl-C does not reach: it is for the demo to stop."""
    return subprocess.Popen(argv, start_new_session=True, **how)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def is_listening(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def wait_for(predicate, seconds):
    end = time.monotonic() + seconds
    while not (value := predicate()) and time.monotonic() < end:
        time.sleep(0.01)
    return value


def children_of(pid):
    """Ids of the processes that were started by that one and still are."""
    found = []
    for other in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{other}/stat", encoding="utf-8", errors="replace") as f:
                if int(f.read().rpartition(")")[2].split()[1]) == pid:
                    found.append(int(other))
        except (OSError, IndexError):
            pass
    return found


def state_of(pid):
    """As /proc has it: R, S, T stopped, Z ended and not waited for ...; None: there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            return f.read().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return None


def is_there(pid):
    return state_of(pid) not in ("Z", "X", None)


def newest(pattern, *programs):
    """The directory of the newest version that has all these programs, for a client alone may be newer than its server. Without one the pattern."""
    whole = [d for d in glob.glob(pattern) if all(os.access(os.path.join(d, p), os.X_OK) for p in programs)]
    return max(whole, key=lambda d: [int(n) for n in re.findall(r"\d+", d)], default=pattern)


class Server:
    """What the two have in common. A subclass says NEEDS (programs), argv(port), how (what else Popen is to be given) and is_ready().
    directory: where to keep things, else a temporary one. under: words of a command to run it under, or a function of the port that
    gives them. popen: what starts a process."""

    STOP = signal.SIGTERM

    def __init__(self, directory=None, under=(), popen=session):
        self.is_own = directory is None
        self.directory = directory or tempfile.mkdtemp(prefix="demo-store-")
        self.under, self.popen, self.how, self.port, self.process = under, popen, {}, None, None
        self.starting, self.closed = threading.Lock(), False
        os.chmod(self.directory, 0o755)

    def begin(self, *steps):
        """Starts it the first time; what goes wrong on the way leaves nothing behind, for the `with` block has not begun yet."""
        try:
            lab.need(*self.NEEDS)
            for step in steps:
                step()
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with lab.INTERRUPT.hold():
            with self.starting:  # a thread that was about to start it again
                self.closed = True
            self.stop()
            if self.is_own:
                shutil.rmtree(self.directory, ignore_errors=True)

    def start(self):
        """Starts it at its port; the first time at a free one, which another process may take before it does."""
        path = os.path.join(self.directory, "server.log")
        for _ in range(1 if self.port else 5):
            port = self.port or free_port()
            before = self.under(port) if callable(self.under) else self.under
            with open(path, "w", encoding="utf-8") as log:
                self.run([*before, *self.argv(port)], log)
            if self.comes_up(port):
                self.port = port
                return self
            self.stop()
        raise StoreFailed(f"{type(self).__name__} does not start: {lab.last_line(path) or 'it says nothing'}")

    def run(self, words, output):
        with self.starting:
            if self.closed:
                raise StoreFailed(f"{type(self).__name__} has been closed")
            self.process = self.popen([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                      cwd=self.directory, **self.how)

    def comes_up(self, port):
        wait_for(lambda: self.process.poll() is not None or self.is_ready(port), STARTING_S)
        return self.process.poll() is None

    def is_ready(self, port):
        return is_listening(port)

    def stop(self):
        """Asks it to end, and waits. Returns its exit status, None when it had not been started."""
        if not self.process:
            return None
        if self.process.poll() is None:
            self.process.send_signal(self.STOP)
            try:
                return self.process.wait(STOPPING_S)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.process.wait()

    def stopped_family(self):
        """It and all that it started. It is stopped first: what it starts while we look would not be among them, and outlive it."""
        self.process.send_signal(signal.SIGSTOP)
        wait_for(lambda: state_of(self.process.pid) in ("T", "Z", "X", None), STOPPING_S)
        return [self.process.pid, *children_of(self.process.pid)]

    def kill(self):
        """Ends it and all that it started at once, in the middle of whatever they do. What it has kept is there for start()."""
        family = self.stopped_family()
        for pid in family:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        wait_for(lambda: not any(map(is_there, family)), STOPPING_S)

    def suspend(self):
        """It hangs: its connections stay and are not answered."""
        for pid in self.stopped_family():
            os.kill(pid, signal.SIGSTOP)

    def resume(self):
        for pid in [*children_of(self.process.pid), self.process.pid]:
            os.kill(pid, signal.SIGCONT)


class Postgres(Server):
    """PostgreSQL without passwords; its superuser and first database are called postgres. Root runs it as the user postgres, for it refuses
    root. databases: further ones, by name the SQL that fills each. What is committed survives kill() (but not the machine's end: fsync is off).
    options: settings, as max_connections=200."""

    PROGRAMS = newest("/usr/lib/postgresql/*/bin", "initdb", "postgres", "psql")
    NEEDS = (f"{PROGRAMS}/initdb", f"{PROGRAMS}/postgres", f"{PROGRAMS}/psql")
    STOP = signal.SIGINT  # the fast shutdown: does not wait for clients

    def __init__(self, databases=None, options=(), **kw):
        super().__init__(**kw)
        self.options = options
        self.begin(self.make, self.start, lambda: self.fill(databases or {}))

    def make(self):
        if os.getuid() == 0:
            try:
                shutil.chown(self.directory, "postgres")
            except LookupError:
                raise StoreFailed("there is no user postgres, as whom root has to run PostgreSQL") from None
            self.how = {"user": "postgres", "group": "postgres", "extra_groups": []}
        path = os.path.join(self.directory, "initdb.log")
        with open(path, "w", encoding="utf-8") as log:
            self.run([f"{self.PROGRAMS}/initdb", "-D", self.data(), "-U", "postgres", "-A", "trust", "--no-sync", "--no-locale", "-E", "UTF8"], log)
        if self.process.wait():
            raise StoreFailed(f"initdb ended with status {self.process.returncode}: {lab.last_line(path)}")

    def fill(self, databases):
        for name, schema in databases.items():
            self.query("postgres", f'CREATE DATABASE "{name}"')
            self.query(name, schema)

    def data(self):
        return os.path.join(self.directory, "data")

    def argv(self, port):
        settings = ("fsync=off", "shared_buffers=16MB", "logging_collector=off", *self.options)
        return [f"{self.PROGRAMS}/postgres", "-D", self.data(), "-p", port, "-h", "127.0.0.1", "-k", self.directory,
                *(word for setting in settings for word in ("-c", setting))]

    def is_ready(self, port):
        """It listens before it has recovered from a crash; asked in earnest it says when it is done."""
        return self.psql(port, "postgres", "SELECT 1").returncode == 0

    def psql(self, port, database, sql):
        return subprocess.run([f"{self.PROGRAMS}/psql", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-d", database, "-X", "-q", "--csv",
                               "-t", "-v", "ON_ERROR_STOP=1", "-c", sql],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)

    def address(self, database):
        """As libpq and a service's configuration want it."""
        return f"host=127.0.0.1 port={self.port} dbname={database} user=postgres"

    def query(self, database, sql):
        """Runs statements and returns the rows of the last as lists of texts."""
        done = self.psql(self.port, database, sql)
        if done.returncode:
            raise StoreFailed(f"{database}: {done.stderr.strip()}")
        return list(csv.reader(done.stdout.splitlines()))

    def value(self, database, sql):
        """The first column of the first row; a whole number as one, None without a row."""
        rows = self.query(database, sql)
        text = rows[0][0] if rows and rows[0] else None
        return int(text) if text and text.lstrip("-").isdigit() else text


class Redis(Server):
    """Redis. durable: it keeps an append-only file, so that what it has answered to survives kill()."""

    NEEDS = ("redis-server", "redis-cli")

    def __init__(self, durable=True, options=(), **kw):
        super().__init__(**kw)
        self.options = ("--appendonly", "yes" if durable else "no", *options)
        self.begin(self.start)

    def argv(self, port):
        return ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", self.directory, *self.options]

    def is_ready(self, port):
        return self.cli(port, "PING").stdout.strip() == "PONG"

    @staticmethod
    def cli(port, *words):
        return subprocess.run(["redis-cli", "-h", "127.0.0.1", "-p", str(port), "--raw", *map(str, words)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)

    def address(self):
        return f"127.0.0.1:{self.port}"

    def command(self, *words):
        """Runs one command and returns the lines of its reply."""
        done = self.cli(self.port, *words)
        if done.returncode:
            raise StoreFailed(f"redis: {done.stderr.strip()}")
        return done.stdout.splitlines()

# SPDX-License-Identifier: MIT
"""What the demos share: services started and stopped, one of them under `aftershock run`, load, counters, reports, progress.

Everything a Lab starts runs in a session of its own, so that Ctrl-C reaches the demo alone, which then stops each of them by
its process id. Nothing here knows which question a demo asks.
"""
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
import urllib.request

STARTING_S = 20  # how long a service may take until it listens; loading eBPF programs on a busy machine included
STOPPING_S = 20  # ... and to stop
# By `sudo make demo` the files of the demo are root's, and so its services have to be; `aftershock run` would take the caller's user.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("SUDO_UID", "SUDO_GID")}


class Failed(Exception):
    """The demo can not go on, or did not show what it must; the text is one sentence for the user."""


class Progress:
    """Step n of m on stderr, with the seconds that are left; on a terminal the line counts down."""

    def __init__(self, steps, seconds):
        self.steps, self.step, self.what = steps, 0, ""
        self.end = time.monotonic() + seconds
        self.live = sys.stderr.isatty()

    def next(self, what):
        self.step += 1
        self.what = what
        self.show("\n")

    def show(self, end):
        left = max(0, round(self.end - time.monotonic()))
        line = f"[{self.step}/{self.steps}] {self.what} (about {left} s left)"
        sys.stderr.write(f"\r\033[K{line}" if self.live else line + end)
        sys.stderr.flush()

    def tick(self):
        if self.live:
            self.show("")

    def done(self):
        if self.live:
            sys.stderr.write("\r\033[K")


class Service:
    """A demo service that listens: `port`, `pid` of the service itself, `child` the process that was started for it."""

    def __init__(self, name, child, port, started):
        self.name, self.child, self.port = name, child, port
        self.started = started  # CLOCK_MONOTONIC just before it was started
        self.listening = time.monotonic()
        self.pid = self.get("/health")["pid"]

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def get(self, path):
        trace = {"traceparent": f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-01"}  # a request of its own, to whoever watches
        with urllib.request.urlopen(urllib.request.Request(self.url(path), headers=trace), timeout=10) as answer:
            text = answer.read().decode()
        return json.loads(text) if answer.headers.get_content_type() == "application/json" else text

    def counters(self):
        return Counters(self.get("/metrics"))


class Counters:
    """Samples of a /metrics page; those of a later page can be subtracted from those of an earlier one."""

    SAMPLE = re.compile(r'^(\w+)(?:\{(.*)\})? (\S+)$', re.M)

    def __init__(self, page):
        self.samples = [(name, dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(value))
                        for name, labels, value in self.SAMPLE.findall(page)]

    def total(self, name, **labels):
        """The sum of the samples of that name which carry these labels."""
        return int(sum(v for n, have, v in self.samples if n == name and labels.items() <= have.items()))


class Lab:
    """Use as a context manager: what was started is stopped at the end, also after Ctrl-C and failure."""

    def __init__(self, build, out):
        self.build, self.out = os.path.abspath(build), os.path.abspath(out)
        self.children, self.pids = [], {}
        os.makedirs(self.out, exist_ok=True)

    def __enter__(self):
        signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell started us with it ignored
        signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
        for program in (self.program("aftershock"), self.program("demos/service/service"), self.program("demos/load/load")):
            if not os.access(program, os.X_OK):
                raise Failed(f"{program} is not there; build it with `make`")
        return self

    def __exit__(self, *_):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave anything behind
        for child in reversed(self.children):
            self.end(child)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def program(self, name):
        return os.path.join(self.build, name)

    def path(self, name):
        return os.path.join(self.out, name)

    def service(self, config, under=()):
        """Starts a service and waits until it listens. `under`: the words of a command that is to start it."""
        name = config["name"]
        config_path, log_path = self.path(f"{name}.json"), self.path(f"{name}.log")
        with open(config_path, "w", encoding="utf-8") as f:
            json.dump(config, f, indent=1)
        started = time.monotonic()
        with open(log_path, "w", encoding="utf-8") as log:
            child = subprocess.Popen([*under, self.program("demos/service/service"), config_path], stdin=subprocess.DEVNULL,
                                     stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True,
                                     env={**ENVIRONMENT, "OTEL_SERVICE_NAME": name})
        self.children.append(child)
        service = Service(name, child, self.listening_port(name, child, log_path), started)
        self.pids[child.pid] = service.pid
        return service

    def listening_port(self, name, child, log_path):
        ready, _, _ = select.select([child.stdout], [], [], STARTING_S)
        line = child.stdout.readline() if ready else ""
        found = re.match(r"listening on 127\.0\.0\.1:(\d+)$", line)
        if not found:
            raise Failed(f"{name} did not begin to listen; its last words: {last_line(log_path) or 'none'}")
        return int(found.group(1))

    def run_under(self, fault, db):
        """The words that start a command under a fault and record it to db, which is made anew."""
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(db + suffix):
                os.unlink(db + suffix)
        return [self.program("aftershock"), "run", "--fault", fault, "-o", db, "--"]

    def stop(self, service):
        """Asks a service to stop and waits until all that was started for it has ended, its recorder included."""
        os.kill(service.pid, signal.SIGTERM)
        try:
            status = service.child.wait(STOPPING_S)
        except subprocess.TimeoutExpired:
            raise Failed(f"{service.name} did not stop within {STOPPING_S} s") from None
        self.children.remove(service.child)
        service.child.stdout.close()
        if status:
            raise Failed(f"{service.name} ended with status {status}: {last_line(self.path(service.name + '.log'))}")

    def end(self, child):
        """Stops a child in three tones. The service under a recorder goes with it, or is ended by its own id."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            if child.poll() is not None:
                break
            child.send_signal(number)
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                continue
        pid = self.pids.get(child.pid)
        if pid and pid != child.pid and is_service(pid, self.program("demos/service/service")):
            os.kill(pid, signal.SIGKILL)
        child.stdout.close()

    def load(self, url, requests, users):
        """Sends requests and returns the load generator's summary."""
        done = subprocess.run([self.program("demos/load/load"), "-n", str(requests), "-c", str(users), "--json", url],
                              stdout=subprocess.PIPE, text=True, start_new_session=True, check=False)
        if done.returncode:
            raise Failed(f"the load generator ended with status {done.returncode}")
        return json.loads(done.stdout)

    def report(self, db, *options):
        """`aftershock report`, as text, or parsed when the options ask for JSON. A verdict below "pass" is no error here."""
        done = subprocess.run([self.program("aftershock"), "report", db, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, start_new_session=True, check=False)
        if done.returncode not in (0, 1, 3):
            raise Failed(f"report of {db} ended with status {done.returncode}: {done.stderr.strip()}")
        return json.loads(done.stdout) if "json" in options else done.stdout


def is_service(pid, program):
    """Whether that id still belongs to a process that runs our program: ids are used again."""
    try:
        return os.path.samefile(f"/proc/{pid}/exe", program)
    except OSError:
        return False


def last_line(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        lines = [line.strip() for line in f if line.strip()]
    return lines[-1] if lines else ""


def wait_until(when, progress, *services):
    """Waits for a moment of CLOCK_MONOTONIC, counting down; fails at once when one of the services ends meanwhile."""
    while (left := when - time.monotonic()) > 0:
        for service in services:
            try:
                service.child.wait(min(left, 1) / len(services))
            except subprocess.TimeoutExpired:
                continue
            raise Failed(f"{service.name} ended in the middle of the run")
        progress.tick()


def main(demo):
    """Runs demo() and turns its end into an exit status: 0 shown, 1 not shown, 130 interrupted."""
    try:
        return demo()
    except Failed as why:
        say(f"{os.path.basename(os.path.dirname(os.path.abspath(sys.argv[0])))}: {why}")
        return 1
    except KeyboardInterrupt:
        say("interrupted; everything that was started is stopped")
        return 130


def say(sentence):
    """On a line of its own, also over a progress line."""
    clear = "\r\033[K" if sys.stderr.isatty() else ""
    print(f"{clear}{sentence}", file=sys.stderr)

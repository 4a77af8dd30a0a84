# SPDX-License-Identifier: MIT
"""What the demos share: services started and stopped, one of them under `aftershock run`, load, counters, reports, progress.

Everything a Lab starts runs in a session of its own, so that Ctrl-C reaches the demo alone, which then stops each of them by
its process id. Nothing here knows which question a demo asks.
"""
import argparse
import contextlib
import csv
import errno
import fcntl
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

STARTING_S = 20  # how long a service may take until it listens; loading eBPF programs on a busy machine included
STOPPING_S = 20  # ... and to stop
BUILD = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "build", "release")
os.environ["PATH"] = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"  # Debian's users do not have the place of nginx and HAProxy in it
# By `sudo make demo` the files of the demo are root's, and so its services have to be; `aftershock run` would take the caller's user.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("SUDO_UID", "SUDO_GID")}


class Failed(Exception):
    """The demo can not go on, or did not show what it must; the text is one sentence for the user."""


class Interrupt:
    """What SIGINT, SIGTERM and SIGHUP do: the first ends the demo by KeyboardInterrupt, at once or at the end of what is held; a second
    one must not leave anything behind, and does nothing. hold() is for the main thread."""

    def __init__(self):
        self.held, self.asked = 0, False

    def __call__(self, *_):
        again, self.asked = self.asked, True
        if not again and not self.held:
            raise KeyboardInterrupt

    def heed(self):
        for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell started us with them ignored
            signal.signal(number, self)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup
            signal.signal(signal.SIGHUP, self)

    @contextlib.contextmanager
    def hold(self):
        self.held += 1
        try:
            yield
        finally:
            self.held -= 1
        if self.asked and not self.held:
            raise KeyboardInterrupt


INTERRUPT = Interrupt()


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
        line = f"[{self.step}/{self.steps}] {self.what} ({f'about {left} s left' if left else 'longer than expected'})"
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

    def __init__(self, name, child, port, words):
        self.name, self.child, self.port = name, child, port
        self.pid = pid_of(words)

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def get(self, path):
        trace = {"traceparent": f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-01"}  # a request of its own, to whoever watches
        with urllib.request.urlopen(urllib.request.Request(self.url(path), headers=trace), timeout=10) as answer:
            text = answer.read().decode()
        return json.loads(text) if answer.headers.get_content_type() == "application/json" else text

    def counters(self):
        return Counters(self.get("/metrics"))


class Host:
    """A command, such as `aftershock run`, under which several services are started one after the other: a shell that reads
    from a pipe which to start next. The first line of each service is read before the next is started."""

    SHELL = """trap 'kill $pids' INT TERM
        while IFS='\t' read -r name program config log; do
            OTEL_SERVICE_NAME=$name "$program" "$config" 2>"$log" & pids="$pids $!"
        done
        wait"""

    def __init__(self, name, under, log):
        self.name, self.services = name, []
        self.child = subprocess.Popen([*under, "sh", "-c", self.SHELL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                      text=True, start_new_session=True, env=ENVIRONMENT)

    def start(self, name, program, config_path, log_path):
        self.child.stdin.write(f"{name}\t{program}\t{config_path}\t{log_path}\n")
        self.child.stdin.flush()

    def terminate(self, program):
        """Asks all its services to stop; the shell ends with the last of them."""
        for service in self.services:
            if is_service(service.pid, program):
                os.kill(service.pid, signal.SIGTERM)
        if not self.child.stdin.closed:
            self.child.stdin.close()


class Arrivals:
    """Requests that arrive whatever becomes of the earlier ones (an open loop of the load generator), until end(). Latency counts
    from the intended moment, so that a late start is not forgotten."""

    def __init__(self, program, log_path, url, rate, options):
        self.url, self.log_path, self.options = url, log_path, options
        self.summary = None  # once it has ended
        self.child = subprocess.Popen([program, "--json", "-q", "--rate", str(rate), "-n", "20000000", "--mark", "X-Degraded", "--log", log_path,
                                       *options, url], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True)

    def end(self):
        """No more arrive; those at work are waited for. Returns all answers (answers_of)."""
        self.child.send_signal(signal.SIGTERM)
        out, _ = self.child.communicate()
        if self.child.returncode:
            raise Failed(f"the load on {self.url} ended with status {self.child.returncode}")
        self.summary = json.loads(out)
        return answers_of(self.log_path, self.summary)


def answers_of(log_path, summary):
    """What a load generator logged, in the order of arrival, each as (intended moment of CLOCK_MONOTONIC, ms, status or 0, degraded)."""
    with open(log_path, encoding="utf-8") as log:
        return [(1e-9 * (summary["began_ns"] + int(row["intended_ns"])), 1e-6 * int(row["latency_ns"]), int(row["status"]), row["marked"] == "1")
                for row in csv.DictReader(log)]


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
        self.children, self.hosts, self.pids = [], [], {}
        os.makedirs(self.out, exist_ok=True)

    def __enter__(self):
        INTERRUPT.heed()
        self.lock = os.open(self.out, os.O_RDONLY)
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failed(f"another demo is at work in {self.out}; choose another directory with --out") from None
        for program in (self.program("aftershock"), self.program("demos/service/service"), self.program("demos/load/load")):
            if not os.access(program, os.X_OK):
                raise Failed(f"{program} is not there; build it with `make`")
        return self

    def __exit__(self, _, why, __):
        if isinstance(why, OSError) and why.errno == errno.ENOSPC and not why.filename:
            why.filename = self.out
        with INTERRUPT.hold():
            for host in self.hosts:
                host.terminate(self.program("demos/service/service"))
            for child in reversed(self.children):
                self.end(child)

    def program(self, name):
        return os.path.join(self.build, name)

    def path(self, name):
        return os.path.join(self.out, name)

    def host(self, name, under):
        """Starts a command under which services can be started."""
        with open(self.path(f"{name}.log"), "w", encoding="utf-8") as log:
            host = Host(name, under, log)
        self.children.append(host.child)
        self.hosts.append(host)
        return host

    def service_at(self, host, config):
        """Starts a service under a host and waits until it listens. Files are told apart by the host's name."""
        config_path, log_path = self.write_config(config, f"{host.name}-{config['name']}")
        open(log_path, "w", encoding="utf-8").close()  # the shell makes it anew, but we may read it before
        host.start(config["name"], self.program("demos/service/service"), config_path, log_path)
        port = self.listening_port(config["name"], host.child, log_path)
        host.services.append(Service(config["name"], host.child, port, [self.program("demos/service/service"), config_path]))
        return host.services[-1]

    def stop_host(self, host):
        """Stops its services and waits until the command has ended too."""
        host.terminate(self.program("demos/service/service"))
        try:
            status = host.child.wait(STOPPING_S)
        except subprocess.TimeoutExpired:
            raise Failed(f"{host.name} did not stop within {STOPPING_S} s") from None
        self.children.remove(host.child)
        self.hosts.remove(host)
        host.child.stdout.close()
        if status:
            raise Failed(f"{host.name} ended with status {status}: {last_line(self.path(host.name + '.log'))}")

    def write_config(self, config, name):
        config_path, log_path = self.path(f"{name}.json"), self.path(f"{name}.log")
        with open(config_path, "w", encoding="utf-8") as f:
            json.dump(config, f, indent=1)
        return config_path, log_path

    def service(self, config, under=()):
        """Starts a service and waits until it listens. `under`: the words of a command that is to start it."""
        name = config["name"]
        config_path, log_path = self.write_config(config, name)
        with open(log_path, "w", encoding="utf-8") as log:
            child = subprocess.Popen([*under, self.program("demos/service/service"), config_path], stdin=subprocess.DEVNULL,
                                     stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True,
                                     env={**ENVIRONMENT, "OTEL_SERVICE_NAME": name})
        self.children.append(child)
        service = Service(name, child, self.listening_port(name, child, log_path), [self.program("demos/service/service"), config_path])
        self.pids[child.pid] = service.pid
        return service

    def listening_port(self, name, child, log_path):
        ready, _, _ = select.select([child.stdout], [], [], STARTING_S)
        line = child.stdout.readline() if ready else ""
        found = re.match(r"listening on 127\.0\.0\.1:(\d+)$", line)
        if not found:
            raise Failed(f"{name} did not begin to listen; its last words: {last_line(log_path) or 'none'}")
        return int(found.group(1))

    def run_under(self, fault, db, name=None):
        """The words that start a command under a fault (None: it is to be set later) and record it to db, which is made anew."""
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(db + suffix):
                os.unlink(db + suffix)
        return [self.program("aftershock"), "run", *(("--fault", fault) if fault else ()), *(("--name", name) if name else ()),
                "-o", db, "--"]

    def fault(self, run, *words):
        """`aftershock fault` WORDS, for the run of that name."""
        self.tool("fault", *words, "--run", run)

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

    def arrivals(self, name, url, rate, *options):
        """Lets requests arrive at a rate from now on; their log is called by that name. `options`: of the load generator."""
        arrivals = Arrivals(self.program("demos/load/load"), self.path(f"{name}.csv"), url, rate, options)
        self.children.append(arrivals.child)
        return arrivals

    def load(self, url, requests, users, *options):
        """Sends requests in a closed loop and returns the load generator's summary. `options`: of the load generator."""
        done = subprocess.run([self.program("demos/load/load"), "-n", str(requests), "-c", str(users), "--json", "-q", *options, url],
                              stdout=subprocess.PIPE, text=True, start_new_session=True, check=False)
        if done.returncode:
            raise Failed(f"the load generator ended with status {done.returncode}")
        return json.loads(done.stdout)

    def report(self, db, *options):
        """`aftershock report`, as text, or parsed when the options ask for JSON. A verdict below "pass" is no error here."""
        return self.tool("report", db, *options, fine=(0, 1, 3))

    def tool(self, *words, fine=(0,)):
        """Runs aftershock with these words and returns what it printed: text, or parsed when they ask for JSON."""
        done = subprocess.run([self.program("aftershock"), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, start_new_session=True, check=False)
        if done.returncode not in fine:
            raise Failed(f"aftershock {' '.join(words[:2])} ended with status {done.returncode}: {done.stderr.strip()}")
        return json.loads(done.stdout) if "json" in words else done.stdout


def need(*programs):
    """Says which program is missing, before anything is started that can not go on without it."""
    for program in programs:
        if not shutil.which(program):
            raise Failed(f"{program} is not there; `tests/lib/deps demo` installs what the demos need")


def pid_of(words):
    """The process that was started with these words. Not asked of itself: a question to a service is one more request in its report."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="surrogateescape") as f:
                if f.read().split("\0")[:-1] == words:
                    return int(pid)
        except OSError:
            pass
    raise Failed(f"{' '.join(words)} has ended")


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


def options(description, leaves, short):
    """The parser of what every demo can be told. leaves: what --out is for; short: what --short changes."""
    name = os.path.basename(os.path.dirname(os.path.abspath(sys.argv[0])))
    parser = argparse.ArgumentParser(description=description.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", default=BUILD, help="where aftershock and the demo services were built (default: %(default)s)")
    parser.add_argument("--out", default=f"{name}.out", help=f"where to leave {leaves} (default: %(default)s)")
    parser.add_argument("--short", action="store_true", help=short)
    return parser


def main(demo):
    """Runs demo() and turns its end into an exit status: 0 shown, 1 not shown, 130 interrupted."""
    name = os.path.basename(os.path.dirname(os.path.abspath(sys.argv[0])))
    INTERRUPT.heed()
    try:
        status = demo()
        sys.stdout.flush()
        return status
    except Failed as why:
        say(f"{name}: {why}")
    except BrokenPipeError:  # who read what we print has gone; at our end Python would complain of it once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as why:  # a directory that can not be written, a disk that is full
        say(f"{name}: {f'{why.filename}: ' if why.filename else ''}{why.strerror or why}")
    except KeyboardInterrupt:
        say("interrupted; everything that was started is stopped")
        return 130
    return 1


def say(sentence):
    """On a line of its own, also over a progress line."""
    clear = "\r\033[K" if sys.stderr.isatty() else ""
    print(f"{clear}{sentence}", file=sys.stderr)

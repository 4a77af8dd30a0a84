# SPDX-License-Identifier: MIT
"""Clients under `aftershock run`: a server for them to ask, a directory for each, users for the proxies, and the end of all of them."""
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lab  # noqa: E402

CLIENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients")
PYTHON = "/usr/bin/python3"  # the system's, which has the Debian packages
LIBRARIES = {"undici": "6.29.1", "opossum": "8.5.0"}  # of the last major versions that Node 18, the one of Debian 12, runs
NPM_S = 60
STARTS = 3  # of a proxy, whose port another process may take before it does
FILES = ("run.db", "run.db-wal", "run.db-shm", "output.log", "report.json", "report.html")
LINGER_S = 1  # after the last request: no further attempt means something only when there was time for one


class Healthy(http.server.BaseHTTPRequestHandler):
    """Answers 200 to everything: all that fails is aftershock's doing."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"ok\n")

    do_POST = do_GET

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128

    def __init__(self, host="127.0.0.1", port=0):
        super().__init__((host, port), Healthy)
        self.port = self.server_address[1]
        self.url = f"http://{host}:{self.port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        pass  # a client that goes away is no news


class Bench(lab.Lab):
    """What is started here runs in a process group of its own, which is ended as a whole: a client may be many processes."""

    def __init__(self, build, out, libraries):
        super().__init__(build, out)
        self.server, self.warm = Server(), Server()
        self.home = os.path.abspath(libraries or self.path("libraries"))  # node would look for a relative one beside the client
        self.modules = os.path.join(self.home, "node_modules")
        self.starting, self.closed = threading.Lock(), False

    def __exit__(self, *_):
        with lab.INTERRUPT.hold():
            with self.starting:
                self.closed = True
                for child in self.children:
                    self.end(child)
                self.children.clear()
            self.server.shutdown()
            self.warm.shutdown()

    def directory(self, name):
        """The directory for the files of a client, without those of an earlier run. What else is in it may be the user's."""
        path = self.path(name)
        os.makedirs(path, exist_ok=True)
        for file in FILES:
            if os.path.exists(os.path.join(path, file)):
                os.unlink(os.path.join(path, file))
        return path

    def libraries(self):
        """Whether the npm libraries are there, after an attempt to get them."""
        if not self.have_libraries():
            os.makedirs(self.home, exist_ok=True)
            words = [f"{name}@{version}" for name, version in LIBRARIES.items()]
            with open(os.path.join(self.home, "npm.log"), "w", encoding="utf-8") as log:
                child = self.start(["npm", "install", "--prefix", self.home, "--no-audit", "--no-fund", "--ignore-scripts", *words], log)
            self.ended(child, NPM_S)
            self.forget(child)
        return self.have_libraries()

    def have_libraries(self):
        return all(self.version_of(name) == version for name, version in LIBRARIES.items())

    def version_of(self, library):
        try:
            with open(os.path.join(self.modules, library, "package.json"), encoding="utf-8") as f:
                return json.load(f)["version"]
        except (OSError, ValueError, KeyError):
            return None

    def start(self, words, log):
        with self.starting:
            if self.closed:
                raise lab.Failed("interrupted")
            child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=lab.ENVIRONMENT)
            self.children.append(child)
        return child

    def under_faults(self, directory, faults, witness, words):
        """Starts a client under faults. Returns the child, which is `aftershock run`."""
        spec = [word for fault in faults for word in ("--fault", f"to=:{self.server.port} {fault}")]
        with open(os.path.join(directory, "output.log"), "w", encoding="utf-8") as log:
            return self.start([self.program("aftershock"), "run", "--trace", witness, *spec, "-o", os.path.join(directory, "run.db"), "--",
                               *map(str, words)], log)

    def ended(self, child, seconds):
        """Waits for the end of a child, without taking its exit status: until that its process group has its id. False: too late."""
        end = time.monotonic() + seconds
        while not self.closed and time.monotonic() < end:
            if has_ended(child):
                return True
            time.sleep(0.02)
        return False

    def terminate(self, child):
        """Asks a child to end. Not child.terminate(), which takes the exit status of one that has."""
        with self.starting:
            if child in self.children:
                os.kill(child.pid, signal.SIGTERM)

    def forget(self, child):
        """Ends what is left of a child and its group, and returns its exit status."""
        with self.starting:
            if child in self.children:
                self.children.remove(child)
                self.end(child)
        return child.returncode

    def end(self, child):
        for number, seconds in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
            os.killpg(child.pid, number)  # the group has its name until its leader is waited for
            until = time.monotonic() + seconds
            while time.monotonic() < until and not has_ended(child):
                time.sleep(0.02)
        child.wait()

    def finished(self, name, child, seconds):
        """Waits for a client that ends by itself. Its own exit status tells of the failed requests and is not looked at."""
        late = not self.ended(child, seconds)
        self.forget(child)
        if self.closed:
            raise lab.Failed("interrupted")
        if late:
            raise lab.Failed(f"{name} did not end within {seconds} s")

    def listens(self, child, port):
        """Waits until a proxy does; False when it does not."""
        until = time.monotonic() + lab.STARTING_S
        while not listening(port):
            if time.monotonic() > until or self.closed or has_ended(child):
                return False
            time.sleep(0.02)
        return True

    def proxy(self, name, command, faults):
        """Starts a proxy under faults, at a free port. command: makes its words of the lab, its directory and the port."""
        for _ in range(STARTS):
            port, directory = free_port(), self.directory(name)
            child = self.under_faults(directory, faults, "shim", command(self, directory, port))
            if self.listens(child, port):
                return child, port
            self.forget(child)
        raise lab.Failed(f"{name} did not begin to listen; its last words: {lab.last_line(os.path.join(directory, 'output.log')) or 'none'}")

    def proxied(self, name, child, port, requests, method):
        """Sends requests to a proxy, one behind the other, and ends the proxy."""
        for _ in range(requests):
            if self.closed or has_ended(child):
                raise lab.Failed(f"{name} ended before its last request")
            ask(f"http://127.0.0.1:{port}/", method)
        self.ended(child, LINGER_S)
        self.terminate(child)
        self.finished(name, child, lab.STOPPING_S)


def has_ended(child):
    """Whether a child has, without taking its exit status."""
    try:
        return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # taken meanwhile, by the end of the demo
        return True


def listening(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ask(url, method):
    body = b"an order" if method == "POST" else None
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, method=method), timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None

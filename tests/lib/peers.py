# SPDX-License-Identifier: MIT
"""Servers for the programs under test to talk to: scripted ones in threads, and private instances of real ones.

Every server listens on a loopback port that the kernel chose and is gone when the test ends.
"""
import http
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

from scratch import free_port, listening, spawn, stop, tmpdir, wait_for
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "demos"))
import stores

def reset(conn):
    """Closes a connection with a real RST."""
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    conn.close()


PAGE = "this is the real page\n"  # what Nginx serves at /


def silence(conn):
    """Never answers; ends when the other side does."""
    while conn.recv(65536):
        pass


def cut(n, page=PAGE):
    """A function that begins to answer with the page and ends the connection in order after n bytes of it."""
    return lambda conn: conn.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(page)}\r\n\r\n{page[:n]}".encode())


def refusing():
    """A bound socket that does not listen: connections to its .getsockname() are refused as long as it is open."""
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    return s


class Peer:
    """A TCP server: serve(conn, n) is called in a thread for the n-th connection (0, 1, ...); it is closed afterwards."""

    def __init__(self, serve, host="127.0.0.1", backlog=128):
        self.serve, self.connections, self.ended = serve, 0, 0
        self.socket = socket.create_server((host, 0), backlog=backlog, family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.host, self.port = host, self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                conn, _ = self.socket.accept()
            except OSError:
                return
            n, self.connections = self.connections, self.connections + 1
            threading.Thread(target=self._serve, args=(conn, n), daemon=True).start()

    def _serve(self, conn, n):
        try:
            self.serve(conn, n)
        except OSError:
            pass
        finally:
            conn.close()
            self.ended += 1

    def url(self, path="/"):
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}{path}"

    def close(self):
        self.socket.close()


def echo(conn, n):
    while data := conn.recv(65536):
        conn.sendall(data)


class Request:
    """One request as an HttpPeer read it: method, path, headers (lower case), body, conn (0, 1, ...), at (monotonic seconds)."""

    def __init__(self, method, path, headers, body, conn, at):
        self.method, self.path, self.headers, self.body, self.conn, self.at = method, path, headers, body, conn, at


class HttpPeer(Peer):
    """An HTTP/1.1 server that remembers its requests and answers what answer(request) says: None (200 and the page),
    an int (that status), text or bytes (200 and that body), (status, headers, body), False (close without an answer), or
    a function that does something else to the connection (reset, silence, cut(n)), which then ends.
    delay: seconds before each answer."""

    def __init__(self, answer=None, delay=0.0, host="127.0.0.1"):
        self.answer, self.delay, self.requests = answer, delay, []
        super().__init__(self._http, host)

    def _http(self, conn, n):
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = conn.makefile("rb")
        while request := self._read(stream, conn, n):
            self.requests.append(request)
            time.sleep(self.delay)
            answer = self.answer(request) if self.answer else None
            if callable(answer):
                answer(conn)
                return
            if answer is False or not self._write(conn, request, answer):
                return

    def _read(self, stream, conn, n):
        line = stream.readline()
        if line == b"\r\n":
            line = stream.readline()
        if not line.strip():
            return None
        method, path, version = line.decode("latin-1").split()
        headers = {"connection": "close"} if version == "HTTP/1.0" else {}
        while (line := stream.readline().decode("latin-1").strip()):
            key, _, value = line.partition(":")
            headers[key.strip().lower()] = value.strip()
        if headers.get("expect", "").lower() == "100-continue":
            conn.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return Request(method, path, headers, self._body(stream, headers), n, time.monotonic())

    @staticmethod
    def _body(stream, headers):
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return stream.read(int(headers.get("content-length", 0)))
        body = b""
        while size := int(stream.readline().split(b";")[0], 16):
            body += stream.read(size)
            stream.readline()
        while stream.readline().strip():
            pass
        return body

    @staticmethod
    def _write(conn, request, answer):
        status, headers, body = answer if isinstance(answer, tuple) else (200, {}, answer)
        if isinstance(body, int):
            status, body = body, ""
        body = PAGE.encode() if body is None else body.encode() if isinstance(body, str) else body
        head = f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}\r\nContent-Length: {len(body)}\r\n"
        head += "".join(f"{k}: {v}\r\n" for k, v in headers.items())
        conn.sendall(head.encode() + b"\r\n" + (b"" if request.method == "HEAD" else body))
        return request.headers.get("connection", "").lower() != "close"


class TurnPeer(Peer):
    """A peer in front of a real server, whatever their protocol. A turn is what the client sends until the server answers. act(turn)
    says for each (0, 1, ..., over all connections) what becomes of its answer: None (it goes through), a number (seconds that it is
    late), bytes (the client gets these in its stead), a slice (of its first bytes; the connection then ends), or a function of the connection
    (reset, silence), which then ends.
    No answer comes sooner than PACE: whether a client waits already when it comes is not left to chance.
    requests: the first bytes of each turn."""

    PACE = 0.02

    def __init__(self, server_port, act=lambda turn: None):
        self.server_port, self.act, self.requests = server_port, act, []
        super().__init__(self._relay)

    def _relay(self, conn, n):
        act = None
        with socket.create_connection(("127.0.0.1", self.server_port)) as server:
            for side in self._readable(conn, server):
                if not (data := side.recv(65536)):
                    return
                if side is conn:
                    if not act:
                        self.requests.append(data)
                        act = (self.act(len(self.requests) - 1), )
                    server.sendall(data)
                elif not self._answer(conn, data, act):
                    return
                else:
                    act = None

    @staticmethod
    def _readable(*sides):
        while True:
            yield from select.select(sides, [], [])[0]

    @staticmethod
    def _answer(conn, data, act):
        how = act[0] if act else None
        time.sleep(TurnPeer.PACE if act else 0)
        if callable(how):
            how(conn)
            return False
        if isinstance(how, slice):
            conn.sendall(data[how])
            return False
        if isinstance(how, bytes):
            data = how
        else:
            time.sleep(how or 0)
        conn.sendall(data)
        return True


def _under(under, port):
    """The command line to run a server under: given, or by a function of its port."""
    return under(port) if callable(under) else under


def _for_another_user(argv, directory):
    """argv with the command under test (and its library beside it) copied to where another user can read it: the tree may lie in a home directory."""
    if not argv:
        return argv
    for file in (argv[0], os.path.join(os.path.dirname(argv[0]), "libaftershock.so")):
        if not os.path.exists(os.path.join(directory, os.path.basename(file))):
            shutil.copy2(file, directory)
    return [os.path.join(directory, os.path.basename(argv[0])), *argv[1:]]


def _started(server, start, deadline=10.0):
    """Gives server a free port and starts it there; another process may take the port before it does."""
    for _ in range(5):
        server.port = free_port()
        server.process = start(server.port)
        if wait_for(lambda: listening(server.port) or server.process.poll() is not None, deadline) and server.process.poll() is None:
            return
        stop(server.process)
    raise RuntimeError(f"{type(server).__name__} does not start")


class Nginx:
    """A private nginx. server: directives of its server block (default: serve PAGE). under: a command line to run it
    under, or a function of its port that gives one.
    Its access log has one line a request: method, path, status, connection serial, requests on it so far."""

    LOG = "'$request_method $request_uri $status $connection $connection_requests'"

    def __init__(self, server="", http="", under=(), workers=1, env=None, port=None):
        self.directory = tmpdir()
        os.makedirs(os.path.join(self.directory, "html"))
        with open(os.path.join(self.directory, "html", "index.html"), "w") as f:
            f.write(PAGE)
        for _ in range(5):  # another process may take the port before nginx does
            self.port = port or free_port()
            self._write_config(server, http, workers)
            before = _under(under, self.port)
            self.process = spawn([*before, "nginx", "-p", self.directory, "-c", "nginx.conf", "-e", "error.log"], env,
                                 stderr=subprocess.PIPE)
            if wait_for(lambda: listening(self.port) or self.process.poll() is not None) and self.process.poll() is None:
                return
            self.stop()
        raise RuntimeError(f"nginx does not start: {self.errors()}{self.err}")

    def _write_config(self, server, http, workers):
        user = "user root;" if os.getuid() == 0 else ""
        temporary = "".join(f"{kind}_temp_path {kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(os.path.join(self.directory, "nginx.conf"), "w") as f:
            f.write(f"{user} daemon off; worker_processes {workers}; pid nginx.pid; error_log error.log info;\n"
                    f"events {{ worker_connections 512; }}\nhttp {{ {temporary} log_format test {self.LOG};\n"
                    f"access_log access.log test; default_type text/plain; keepalive_requests 1000000;\n{http}\n"
                    f"server {{ listen 127.0.0.1:{self.port}; root html;\n{server}\n}} }}\n")

    def url(self, path="/"):
        return f"http://127.0.0.1:{self.port}{path}"

    def _read(self, name):
        try:
            with open(os.path.join(self.directory, name), errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def access(self):
        """The lines of the access log so far. After stop() all of them."""
        return self._read("access.log").splitlines()

    def errors(self):
        return self._read("error.log")

    def stop(self, sig=signal.SIGQUIT):
        """Ends it (SIGQUIT: after the requests in flight) and returns its exit status; what it said is in .err."""
        status = stop(self.process, sig)
        self.err = self.process.stderr.read().decode(errors="replace")
        return status


class Redis(stores.Redis):
    """A private redis-server that keeps nothing on disk. Nobody asks it anything before the test does."""

    def __init__(self, under=(), options=()):
        super().__init__(durable=False, options=options, directory=tmpdir(), under=under, popen=spawn)

    def is_ready(self, port):
        return listening(port)

    def stop(self):
        return stop(self.process)


class Memcached:
    """A private memcached."""

    def __init__(self, under=()):
        user = ("-u", "root") if os.getuid() == 0 else ()
        _started(self, lambda port: spawn([*_under(under, port), "memcached", *user, "-l", "127.0.0.1", "-p", port, "-U", "0", "-m", "16",
                                           "-t", "2"]))

    def stop(self):
        return stop(self.process)


class Haproxy:
    """A private HAProxy, a server of HTTP: what it does with requests is said by the lines of its backend (default: answer PAGE)."""

    def __init__(self, backend=None, under=(), defaults=""):
        self.directory = tmpdir()
        backend = backend or f'http-request return status 200 content-type text/plain string "{PAGE.strip()}\\n"'
        _started(self, lambda port: spawn([*_under(under, port), "haproxy", "-db", "-f", self._config(port, backend, defaults)],
                                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def _config(self, port, backend, defaults):
        path = os.path.join(self.directory, "haproxy.cfg")
        with open(path, "w") as f:
            f.write(f"global\n maxconn 200\ndefaults\n mode http\n timeout connect 1s\n timeout client 20s\n timeout server 1s\n"
                    f" {defaults}\nfrontend front\n bind 127.0.0.1:{port}\n default_backend back\nbackend back\n {backend}\n")
        return path

    def url(self, path="/"):
        return f"http://127.0.0.1:{self.port}{path}"

    def stop(self):
        return stop(self.process)


class Postgres(stores.Postgres):
    """A private PostgreSQL, readable for the user it runs as. Nobody asks it anything before the test does."""

    def __init__(self, under=()):
        super().__init__(options=("autovacuum=off",), directory=tmpdir(), popen=spawn,
                         under=lambda port: _for_another_user(_under(under, port), self.directory))

    def is_ready(self, port):
        return listening(port)

    def stop(self):
        return stop(self.process, signal.SIGINT)

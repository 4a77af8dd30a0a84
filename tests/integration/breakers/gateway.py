# SPDX-License-Identifier: MIT
"""gateway.py POLICY PORT LOAD: a service on threads that calls 127.0.0.1:PORT for each of its requests, through a policy of its own, and a driver
of it. POLICY: `breaker THRESHOLD OPEN_SECONDS`, `retry ATTEMPTS WAIT_SECONDS THRESHOLD OPEN_SECONDS`, `none`, `fallback` (200 whatever it gets),
`queue WIDTH`, `reject WIDTH`, in one word with commas. LOAD: phases CLIENTS:SECONDS:PAUSE or CLIENTS:SECONDS:PAUSE:PATIENCE, with commas; who gets
no answer for PATIENCE seconds goes away, and gives each request an id."""
import http.client
import http.server
import socketserver
import subprocess
import sys
import threading
import time


class Breaker:
    def __init__(self, threshold, open_s):
        self.threshold, self.open_s, self.failures, self.until, self.lock, self.probing = int(threshold), float(open_s), 0, 0, threading.Lock(), False

    def __call__(self, call):
        with self.lock:
            half = self.failures >= self.threshold
            if half and (self.probing or time.monotonic() < self.until):
                return 503
            self.probing = half
        status = call()
        with self.lock:
            self.probing = False
            self.failures = self.failures + 1 if status >= 500 else 0
            if self.failures >= self.threshold:
                self.until = time.monotonic() + self.open_s
        return status


class Retry:
    """Around a breaker, which each attempt asks."""

    def __init__(self, attempts, wait_s, *breaker):
        self.attempts, self.wait_s, self.breaker = int(attempts), float(wait_s), Breaker(*breaker)

    def __call__(self, call):
        for k in range(self.attempts):
            time.sleep(self.wait_s * 2 ** (k - 1) if k else 0)
            status = self.breaker(call)
            if status < 500:
                break
        return status


class Bulkhead:
    def __init__(self, width, blocking):
        self.places, self.blocking = threading.Semaphore(int(width)), blocking

    def __call__(self, call):
        if not self.places.acquire(blocking=self.blocking):
            return 503
        try:
            return call()
        finally:
            self.places.release()


POLICIES = {"breaker": Breaker, "retry": Retry, "queue": lambda width: Bulkhead(width, True), "reject": lambda width: Bulkhead(width, False),
            "none": lambda: lambda call: call(), "fallback": lambda: lambda call: (call(), 200)[1]}
DRIVER = """
import http.client, os, sys, threading, time
def drive(until, pause, patience=None):
    c = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]), timeout=patience)
    while time.monotonic() < until:
        try:
            c.request('GET', '/in', headers={'X-Request-Id': os.urandom(8).hex()} if patience else {})
            c.getresponse().read()
        except TimeoutError:
            c.close()
        time.sleep(pause)
for phase in sys.argv[2].split(','):
    clients, seconds, *rest = map(float, phase.split(':'))
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=drive, args=(until, *rest)) for _ in range(int(clients))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
"""
name, *arguments = sys.argv[1].split(",")
policy, port, load = POLICIES[name](*arguments), int(sys.argv[2]), sys.argv[3]


def call():
    c = http.client.HTTPConnection("127.0.0.1", port)
    c.request("GET", "/work")
    response = c.getresponse()
    response.read()
    c.close()
    return response.status


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(policy(call))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 64


server = Server(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.exit(subprocess.run([sys.executable, "-c", DRIVER, str(server.server_port), load]).returncode)

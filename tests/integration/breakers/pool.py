# SPDX-License-Identifier: MIT
"""pool.py PORT LIMIT WORKERS [SECONDS]: a service with so many workers; /in calls 127.0.0.1:PORT for each request, at most LIMIT at once (0: no limit of
its own; beyond it 503), /about calls nobody. A driver asks for /in, twelve at a time, and for /about, one at a time."""
import http.client
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

DRIVER = """
import http.client, sys, threading, time
until = time.monotonic() + float(sys.argv[2])
def drive(path, pause):
    while time.monotonic() < until:
        c = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]), timeout=5)
        c.request('GET', path)
        c.getresponse().read()
        c.close()
        time.sleep(pause)
threads = [threading.Thread(target=drive, args=a) for a in 12 * [('/in', 0.1)] + [('/about', 0.03)]]
for t in threads:
    t.start()
for t in threads:
    t.join()
"""
port, limit, workers = map(int, sys.argv[1:4])
places = threading.Semaphore(limit) if limit else None


def ask():
    c = http.client.HTTPConnection("127.0.0.1", port)
    c.request("GET", "/work")
    status = c.getresponse().status
    c.close()
    return status


def limited():
    if not places.acquire(blocking=False):
        return 503
    try:
        return ask()
    finally:
        places.release()


def serve(connection):
    with connection:
        head = b""
        while b"\r\n\r\n" not in head:
            part = connection.recv(4096)
            if not part:
                return
            head += part
        status = (limited() if places else ask()) if head.startswith(b"GET /in") else 200
        connection.sendall(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)


listener = socket.create_server(("127.0.0.1", 0), backlog=64)
pool = ThreadPoolExecutor(workers)


def accept():
    while True:
        pool.submit(serve, listener.accept()[0])


threading.Thread(target=accept, daemon=True).start()
code = subprocess.run([sys.executable, "-c", DRIVER, str(listener.getsockname()[1]), sys.argv[4]]).returncode
sys.stdout.flush()
import os  # noqa: E402
os._exit(code)

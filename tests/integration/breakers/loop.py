# SPDX-License-Identifier: MIT
"""loop.py POLICY PORT SECONDS: a program that asks 127.0.0.1:PORT every 40 ms and serves nobody. POLICY: `breaker`, three failures in a row open
it for 0.8 s; `backoff`, up to five attempts a request with waits of 100, 200, 400 and 800 ms."""
import http.client
import sys
import time

policy, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
end, failures, open_until = time.monotonic() + seconds, 0, 0.0


def call():
    c = http.client.HTTPConnection("127.0.0.1", port)
    c.request("GET", "/")
    response = c.getresponse()
    response.read()
    c.close()
    return response.status < 500


while time.monotonic() < end:
    if policy == "backoff":
        for wait in (0.1, 0.2, 0.4, 0.8, 0):
            if call():
                break
            time.sleep(wait)
    elif time.monotonic() >= open_until:
        failures = 0 if call() else failures + 1
        open_until = time.monotonic() + 0.8 if failures >= 3 else 0.0
    time.sleep(0.04)

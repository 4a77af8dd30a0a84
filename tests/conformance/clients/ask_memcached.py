# SPDX-License-Identifier: MIT
"""Asks a memcached COUNT times with pymemcache over one connection: ask_memcached.py PORT COUNT TIMEOUT

Prints a JSON list, one entry a request: [what the client said (the value, or the error's class and text), seconds].
"""
import json
import sys
import time

from pymemcache.client.base import Client


def main(port, count, timeout):
    client, said = Client(("127.0.0.1", int(port)), connect_timeout=float(timeout), timeout=float(timeout), no_delay=True), []
    for _ in range(int(count)):
        began = time.monotonic()
        try:
            answer = repr(client.get("key"))
        except Exception as e:
            answer = f"{type(e).__name__}: {e}"
        said.append([answer, time.monotonic() - began])
    print(json.dumps(said))


main(*sys.argv[1:])

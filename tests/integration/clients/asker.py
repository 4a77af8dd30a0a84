# SPDX-License-Identifier: MIT
"""asker.py URL-PORT REQUESTS OPTIONS: a client whose retries are what OPTIONS say, one request after another, each with an id of its own. OPTIONS, with
commas: attempts=N (0: until it succeeds), base=SECONDS factor=X (waits before a retry), on=STATUS+STATUS+error (what is tried again), method=M,
key=request|attempt (an Idempotency-Key), heed=1 (Retry-After), pause=SECONDS (between requests)."""
import http.client
import sys
import time
import uuid

port, requests = int(sys.argv[1]), int(sys.argv[2])
o = {"attempts": "3", "base": "0", "factor": "2", "on": "503+error", "method": "GET", "key": "", "heed": "", "pause": "0.01"}
o.update(pair.split("=") for pair in sys.argv[3].split(",") if pair)
most, base, factor, on = int(o["attempts"]), float(o["base"]), float(o["factor"]), o["on"].split("+")


def once(headers):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        c.request(o["method"], "/thing", b"{}" if o["method"] == "POST" else None, headers)
        r = c.getresponse()
        r.read()
        return str(r.status), float(r.getheader("Retry-After") or 0)
    except OSError:
        return "error", 0.0
    except http.client.HTTPException:
        return "error", 0.0
    finally:
        c.close()


for _ in range(requests):
    ident, attempt = uuid.uuid4().hex, 0
    while True:
        attempt += 1
        headers = {"X-Request-Id": ident}
        if o["key"]:
            headers["Idempotency-Key"] = ident if o["key"] == "request" else uuid.uuid4().hex
        status, after = once(headers)
        if status not in on or attempt == most:
            break
        time.sleep(after if o["heed"] and after else base * factor ** (attempt - 1))
    time.sleep(float(o["pause"]))

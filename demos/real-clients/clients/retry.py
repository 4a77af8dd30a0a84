# SPDX-License-Identifier: MIT
"""retry.py URL COUNT FACTOR: COUNT requests by urllib3, each in a thread of its own, with Retry(5, backoff_factor=FACTOR) on 503."""
import sys
import threading
import time

import urllib3

url, count, factor = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])


def ask(path):
    try:
        urllib3.PoolManager().request("GET", url + path, retries=urllib3.Retry(5, backoff_factor=factor, status_forcelist=[503]))
    except urllib3.exceptions.MaxRetryError:
        pass


threads = [threading.Thread(target=ask, args=(f"/{n}",)) for n in range(count)]
for thread in threads:
    thread.start()
    time.sleep(0.015)  # or they start in each other's way, and every timer is late
for thread in threads:
    thread.join()

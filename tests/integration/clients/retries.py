# SPDX-License-Identifier: MIT
"""Sends requests with the retry policies of Python's libraries: retries.py POLICY URL COUNT, each in a thread of its own, to URL1, URL2, ...;
or one behind the other to the same URL: retries.py POLICY URL COUNT loop."""
import random
import sys
import threading
import time

import urllib3


class Down(Exception):
    pass


def get(url):
    answer = urllib3.PoolManager(retries=False).request("GET", url, timeout=0.15)
    if answer.status >= 500:
        raise Down(answer.status)


def by_urllib3(retry):
    return lambda url: urllib3.PoolManager().request("GET", url, retries=retry, timeout=0.15)


def by_requests(url):
    import requests
    from requests.adapters import HTTPAdapter
    session = requests.Session()
    session.mount("http://", HTTPAdapter(max_retries=urllib3.Retry(4, backoff_factor=0.05, status_forcelist=[503])))
    session.get(url)


def by_tenacity(wait, attempts=5):
    import tenacity
    return tenacity.Retrying(wait=wait(tenacity), stop=tenacity.stop_after_attempt(attempts)).wraps(get)


def by_backoff(law, **options):
    import backoff
    return backoff.on_exception(getattr(backoff, law), Exception, max_tries=5, **options)(get)


POLICIES = {
    "urllib3": lambda: by_urllib3(urllib3.Retry(5, backoff_factor=0.1, status_forcelist=[503])),
    "requests": lambda: by_requests,
    "tenacity-exponential": lambda: by_tenacity(lambda t: t.wait_exponential(multiplier=0.05)),
    "tenacity-full": lambda: by_tenacity(lambda t: t.wait_random_exponential(multiplier=0.05)),
    "tenacity-added": lambda: by_tenacity(lambda t: t.wait_exponential_jitter(initial=0.05, jitter=0.1)),
    "tenacity-incrementing": lambda: by_tenacity(lambda t: t.wait_incrementing(start=0.1, increment=0.05)),
    "tenacity-random": lambda: by_tenacity(lambda t: t.wait_random(0.05, 0.15)),
    "tenacity-two": lambda: by_tenacity(lambda t: t.wait_exponential(multiplier=0.05), attempts=3),
    "backoff-full": lambda: by_backoff("expo", factor=0.05),
    "backoff-constant": lambda: by_backoff("constant", interval=0.1, jitter=None),
    "backoff-fibonacci": lambda: by_backoff("fibo", jitter=lambda wait: wait * 0.05),
}


def attempt(send, url):
    try:
        send(url)
    except Exception:
        pass


random.seed(1)  # of the draws of chance one in twenty lies outside an interval that holds 95 % of them: always the same are drawn
policy, url, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
send = POLICIES[policy]()
if len(sys.argv) > 4:
    for _ in range(count):
        attempt(send, url)
else:
    threads = [threading.Thread(target=attempt, args=(send, f"{url}{i}")) for i in range(count)]
    for t in threads:
        t.start()
        time.sleep(0.015)  # or they start in each other's way, and every timer is late
    for t in threads:
        t.join()

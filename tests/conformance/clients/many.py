# SPDX-License-Identifier: MIT
"""Many requests from threads or processes, each over a keep-alive connection of its own: many.py KIND PORT WORKERS REQUESTS

KIND: threads, processes (fork without exec), inherited (forked children go on with the parent's connection, in turn).
Prints "ok N" with the number of answers 200, and "bad STATUS N" for others.
"""
import collections
import http.client
import os
import sys
import threading


def ask(connection, worker, count, statuses):
    for i in range(count):
        connection.request("GET", f"/{worker}/{i}")
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)


def worker(port, number, count, statuses):
    ask(http.client.HTTPConnection("127.0.0.1", port, timeout=20), number, count, statuses)


def in_threads(port, workers, count, statuses):
    threads = [threading.Thread(target=worker, args=(port, n, count, statuses)) for n in range(workers)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def in_child(work, statuses):
    """Runs work(list) in a forked child; its statuses come back through a pipe."""
    ends = os.pipe()
    pid = os.fork()
    if not pid:
        mine = []
        work(mine)
        os.write(ends[1], " ".join(map(str, mine)).encode())
        os._exit(0)
    os.close(ends[1])
    return pid, ends[0], statuses


def wait_child(pid, end, statuses):
    with os.fdopen(end) as f:
        statuses += [int(s) for s in f.read().split()]
    os.waitpid(pid, 0)


def in_processes(port, workers, count, statuses):
    worker(port, "parent", count, statuses)
    for child in [in_child(lambda mine, n=n: worker(port, n, count, mine), statuses) for n in range(workers)]:
        wait_child(*child)


def inherited(port, workers, count, statuses):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    ask(connection, "parent", count, statuses)
    for n in range(workers):
        wait_child(*in_child(lambda mine, n=n: ask(connection, n, count, mine), statuses))
    ask(connection, "parent", count, statuses)


def main(kind, port, workers, count):
    statuses = []
    {"threads": in_threads, "processes": in_processes, "inherited": inherited}[kind](int(port), int(workers), int(count), statuses)
    for status, n in sorted(collections.Counter(statuses).items()):
        print("ok" if status == 200 else f"bad {status}", n)


main(*sys.argv[1:])

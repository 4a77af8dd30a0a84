#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""CPython's own network tests give the same results under a plan that watches every connection and injects nothing."""
import concurrent.futures
import os
import re
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

MODULES = ("test_epoll", "test_httpservers", "test_asyncore", "test_asynchat", "test_urllib2_localnet", "test_telnetlib")
CLASSES = ("ContextManagersTest", "BasicTCPTest", "*UnixStream*", "NetworkConnection*", "*RecvmsgTCPTest", "SendfileUsingSendfileTest",
           "*FileObjectClassTestCase", "InheritanceTest", "NonBlockingTCPTests")  # of test_socket
WATCH = {
    "delay": ("to=* delay=1s probability=0", "at=* delay=1s probability=0"),
    "status": ("to=* status=503 probability=0", "at=* status=503 probability=0"),
}
SUITES = {
    "the network modules": MODULES,
    "test_socket": tuple(word for c in CLASSES for word in ("-m", c)) + ("test_socket",),
}


def suite(words, faults=None):
    """How many tests ran and which failed."""
    command = (PYTHON, "-m", "test.regrtest", "--timeout", "60", "-v", *words)
    where = {"timeout": 120, "cwd": tmpdir()}
    r = shock(faults, *command, **where) if faults else run(command, **where)
    counts = re.findall(r"^Ran (\d+) tests?", r.out + r.err, re.M)
    return sum(map(int, counts)), set(re.findall(r"^(?:FAIL|ERROR): (.+)$", r.out + r.err, re.M)), r


def same(name, words):
    with concurrent.futures.ThreadPoolExecutor() as pool:  # they wait most of their time
        watched = {plan: pool.submit(suite, words, faults) for plan, faults in WATCH.items()}
        ran, failed, plain = suite(words)
    ok(ran > 20, f"{name}: tests_run_without_the_library", plain)
    for plan, faults in WATCH.items():
        got, broken, r = watched[plan].result()
        if got != ran or broken - failed:  # once more: some of them measure time on a machine that others use
            got, again, r = suite(words, faults)
            broken &= again
        is_(got, ran, f"{name}: as_many_run_under_{plan}", r.out[-3000:])
        is_(sorted(broken - failed), [], f"{name}: none_fails_for_{plan}_that_passes_without", r.out[-3000:])


if run([PYTHON, "-c", "import importlib.util as u, sys; sys.exit(not u.find_spec('test.test_socket'))"]).rc:
    skip_all("package libpython3.11-testsuite is not there")
for name, words in SUITES.items():
    same(name, words)
done()

# SPDX-License-Identifier: MIT
"""Test Anything Protocol for the scripts under tests/: each check is a sentence that can be false.

    from tap import *
    ok(curl.rc == 0, "curl gets the page")
    near(seconds, 0.5, 0.05, "the timeout fires at 0.5 s")
    done()

Beside the checks it hands on the rest of the harness: scratch.py (processes, ports, directories),
peers.py (servers to talk to) and shock.py (the command under test).
"""
import os
import re
import sys

from peers import HttpPeer, Nginx, Peer, Redis, reset
from scratch import (PYTHON, Result, end_session, free_port, line_of, listening, processes_naming, run, spawn, stop, tmpdir, wait_for)
from shock import BIN, BUILD, LIB, Run, aftershock, shock, shock_argv, victim

_state = {"count": 0, "failed": 0}


def diag(text):
    """To standard error, which prove passes on: what failed on another machine can be read there."""
    for line in str(text).splitlines():
        print("#", line, file=sys.stderr, flush=True)


def ok(passed, name, evidence=None):
    """True when passed. evidence (anything printable) is shown when it is not."""
    _state["count"] += 1
    print(f"{'ok' if passed else 'not ok'} {_state['count']} - {name}", flush=True)
    if not passed:
        _state["failed"] += 1
        caller = sys._getframe(1)
        while caller.f_code.co_filename == __file__:
            caller = caller.f_back
        diag(f"{name}: failed at {os.path.basename(caller.f_code.co_filename)}:{caller.f_lineno}")
        if evidence is not None:
            diag(evidence)
    return bool(passed)


def is_(got, want, name, evidence=None):
    shown = f"got  {got!r}\nwant {want!r}"
    return ok(got == want, name, shown if evidence is None else f"{shown}\n{evidence}")


def like(text, pattern, name):
    return ok(re.search(pattern, text or ""), name, f"no match for {pattern!r} in\n{text}")


def near(value, target, tolerance, name, evidence=None):
    """|value - target| <= tolerance; None is near nothing."""
    shown = f"got {value}, want {target} +- {tolerance}"
    good = value is not None and abs(value - target) <= tolerance
    return ok(good, name, shown if evidence is None else f"{shown}\n{evidence}")


def within(value, low, high, name, evidence=None):
    shown = f"got {value}, want {low} .. {high}"
    return ok(value is not None and low <= value <= high, name, shown if evidence is None else f"{shown}\n{evidence}")


def must_run():
    return os.environ.get("MUST_RUN") == "1"


def skip(reason, count=1):
    """Leaves `count` checks out, for a reason; under MUST_RUN=1 that is a failure."""
    for _ in range(count):
        if must_run():
            ok(False, f"must run: {reason}")
        else:
            _state["count"] += 1
            print(f"ok {_state['count']} # SKIP {reason}", flush=True)


def skip_all(reason):
    """Leaves the whole script out, for a reason; under MUST_RUN=1 that is a failure."""
    if must_run():
        ok(False, f"must run: {reason}")
        done()
    print(f"1..0 # SKIP {reason}", flush=True)
    sys.exit(0)


def done():
    """The end of every script: the plan, and exit 1 when a check failed."""
    print(f"1..{_state['count']}", flush=True)
    sys.exit(1 if _state["failed"] else 0)

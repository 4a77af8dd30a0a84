# SPDX-License-Identifier: MIT
"""The command under test: runs it, and reads what it recorded.

AFTERSHOCK_BUILD names the build directory (set by `make test`), default build/release. AFTERSHOCK_BIN and
AFTERSHOCK_LIB name the command and the library when they lie elsewhere.
"""
import itertools
import json
import os
import sqlite3

from scratch import run, tmpdir

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("AFTERSHOCK_BUILD") or os.path.join(ROOT, "build", "release")
BIN = os.environ.get("AFTERSHOCK_BIN") or os.path.join(BUILD, "aftershock")
LIB = os.environ.get("AFTERSHOCK_LIB") or os.path.join(BUILD, "libaftershock.so")
TRACE = os.environ.get("AFTERSHOCK_TEST_TRACE", "shim")  # the witness when a test does not choose one

_serial = itertools.count(1)


def victim(name):
    """The built program of tests/victims/NAME.c."""
    return os.path.join(BUILD, "tests", "victims", name)


def aftershock(*args, **kw):
    """Runs `aftershock ARGS`; keywords are those of scratch.run()."""
    return run([BIN, *args], **kw)


def shock_argv(faults, db, command=(), trace=None, options=()):
    """The command line that runs `command` under `faults` (one spec or several) and records into db."""
    faults = [faults] if isinstance(faults, str) else list(faults)
    spec = [word for fault in faults for word in ("--fault", fault)]
    return [BIN, "run", *spec, "-o", db, "--trace", trace or TRACE, *options, "--", *command]


class Run:
    """What a run left behind: rc, out, err, seconds of the command, and its run file."""

    def __init__(self, db, result=None):
        self.db, self.result = db, result

    def __getattr__(self, name):
        return getattr(self.result, name)

    def __repr__(self):
        return repr(self.result)

    def rows(self, sql, *parameters):
        """The rows of a query on the run file, as dictionaries."""
        connection = sqlite3.connect(f"file:{self.db}?mode=ro", uri=True)
        connection.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in connection.execute(sql, parameters)]
        finally:
            connection.close()

    def one(self, sql, *parameters):
        """The first column of the first row; None without one."""
        rows = self.rows(sql, *parameters)
        return next(iter(rows[0].values())) if rows else None

    def meta(self, key):
        return self.one("SELECT value FROM run WHERE key = ?", key)

    def report(self):
        """`aftershock report --format json`, parsed. A report that is not JSON raises with what the command said."""
        result = aftershock("report", self.db, "--format", "json")
        try:
            return json.loads(result.out)
        except ValueError:
            raise AssertionError(f"no JSON from report {self.db}: {result}") from None

    def edge(self, peer=None):
        """The report's only edge, or the one whose server's name contains `peer`; None when it is not there."""
        edges = [e for e in self.report()["edges"] if peer is None or str(peer) in str(e["server"])]
        return edges[0] if len(edges) == 1 else None

    def fault(self, index=0):
        return self.report()["faults"][index]


def shock(faults, *command, trace=None, options=(), db=None, **kw):
    """Runs `command` under `faults` to its end and returns its Run."""
    db = db or os.path.join(tmpdir(0o777), f"run{next(_serial)}.db")
    return Run(db, run(shock_argv(faults, db, command, trace, options), **kw))

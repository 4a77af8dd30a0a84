# SPDX-License-Identifier: MIT
"""Run files made by hand, with the schema that record/runfile.h publishes."""
import os
import re
import sqlite3

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
START = 1000 * 10**9  # the run's start on its clock, ns


def schema():
    with open(os.path.join(ROOT, "record", "runfile.h"), encoding="utf-8") as f:
        text = f.read()
    start = text.index("#define RUNFILE_SCHEMA")
    return "".join(re.findall(r'"([^"]*)"', text[start:text.index("/*", start)]))


class RunFile:
    """One client process (id 1) with one connection (id 1) to begin with. Times are ms since the run's start."""

    def __init__(self, path, seconds=10, service="curl", peer="127.0.0.1:80"):
        self.path = path
        self.db = sqlite3.connect(path)
        self.db.executescript(f"PRAGMA application_id={0x41465348}; PRAGMA user_version=2; {schema()}")
        self.db.executemany("INSERT INTO run VALUES(?, ?)", [
            ("started", "2026-01-02T03:04:05.678Z"), ("started_ns", START), ("ended_ns", START + int(seconds * 1e9)), ("seed", 7),
            ("host", "here"), ("sources", '["shim"]'), ("clean_end", 1)])
        self.insert("process", id=1, pid=101, service=service, covered=1)
        self.insert("connection", id=1, process_id=1, role="client", local="127.0.0.1:4000", peer=peer)

    def insert(self, table, **row):
        return self.db.execute(f"INSERT INTO {table}({','.join(row)}) VALUES({','.join('?' * len(row))})", list(row.values())).lastrowid

    def exchange(self, at, took, **row):
        start = START + int(at * 1e6)
        row = {"connection_id": 1, "process_id": 1, "tid": 9, "role": "client", "protocol": "http1", "method": "GET", "path": "/",
               "fingerprint": 42, "started_ns": start, "sent_ns": start + 1000, "ended_ns": start + int(took * 1e6), **row}
        row.setdefault("outcome", "failed" if row.get("status", 200) >= 500 or row.get("status") == 429 else "ok")
        return self.insert("exchange", **row)

    def inject(self, fault, exchange, at, action="status", **row):
        return self.insert("injection", fault_id=fault, exchange_id=exchange, at_ns=START + int(at * 1e6), action=action, **row)

    def close(self):
        self.db.commit()
        self.db.close()
        return self.path


def two_servers(path):
    """users -> front -> two servers in turn, 50 requests a second, with one breaker around both (6 failed requests in a row, 700 ms); front asks the other
    one when one fails. Both are out from 1 to 5 s of 7."""
    r, until, failed, probing = RunFile(path, seconds=7, service="front", peer="10.0.0.1:80"), 0, 0, False
    r.insert("connection", id=2, process_id=1, role="client", local="127.0.0.1:4001", peer="10.0.0.2:80")
    r.insert("connection", id=9, process_id=1, role="server", local="127.0.0.1:8000", peer="127.0.0.1:5000")
    for i in range(349):
        at = 5 + 20 * i
        out, shed = 1000 <= at < 5000, at < until
        inbound = r.exchange(at, 0.3 if shed else 8, connection_id=9, role="server", path="/order", fingerprint=43, status=503 if out or shed else 200)
        for k in range(0 if shed else 2 if out else 1):
            r.exchange(at + 1 + 2.2 * k, 2, connection_id=1 + (i + k) % 2, path="/charge", status=503 if out else 200, parent_id=inbound)
        if shed:
            continue
        failed = failed + 1 if out else 0
        if failed >= 6 or (out and probing):
            until, probing = at + 7 + 700, True
        elif not out:
            probing = False
    return r.close()

# SPDX-License-Identifier: MIT
"""A table of clients and faults. The expectation of a cell is made, not written: the client talks to a peer that really
misbehaves, without the library; then to a healthy one, under the fault. It must say the same in about the same time,
ask as often over as many connections, and not burn more CPU.

    row(Client("curl", argv, read), COLUMNS)     one check a cell, judged in a pool of threads
    table(rows)
"""
import concurrent.futures
import functools
import importlib.util
import json
import os
import re
import shutil
import subprocess

from peers import refusing
from scratch import PYTHON, run, wait_for
from shock import shock
from tap import diag, ok, skip

CLIENTS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "conformance", "clients")
DIRECT = {"http_proxy": None, "HTTP_PROXY": None, "no_proxy": "*"}
POOL = 12
TRIES = 4  # a cell that differs only in its figures is looked at again: the machine may have been busy

# what may differ between two runs of one client against one peer
NOISE = (
    (r"0x[0-9a-f]+", "ADDRESS"), (r"\b\d+( ms| milliseconds)", r"N\1"),
    (r"\d{4}-\d\d-\d\d [\d:]+", "WHEN"), (r"\([\d.]+ [KMG]?B/s\)", "(RATE)"), (r" +[\d.]+[KMG]?=[\d.]+s", " SPEED"),
    (r"(\d+%) +[\d.]+[KMG]? [\d.]+s", r"\1"), (r"time: [\d.]+s", "time"), (r" in [\d.]+s", ""),
)


def plain(text, port):
    """What was said, without what may differ: another port is another peer's."""
    text = re.sub(rf"\b{port}\b", "PORT", text)
    text = re.sub(r"(.)\1{99,}", lambda m: f"<{len(m.group())} x {m.group(1)}>", text)
    for pattern, instead in NOISE:
        text = re.sub(pattern, instead, text)
    return text


class Heard:
    """What a client made of one peer: said (a list of texts), seconds (of each), rc, cpu, requests and connections that came."""

    def __init__(self, said, seconds, rc, cpu, requests, connections, evidence):
        self.said, self.seconds, self.rc, self.cpu = said, seconds, rc, cpu
        self.requests, self.connections, self.evidence = requests, connections, evidence

    def story(self):
        return {"said": self.said, "rc": self.rc, "requests": self.requests, "connections": self.connections}

    def __repr__(self):
        return f"{self.story()}\nseconds {self.seconds} cpu {self.cpu}\n{self.evidence}"


def read_json(outcome):
    """A program of conformance/clients: a line of JSON with [text, seconds] for each request."""
    answers = json.loads(outcome["out"])
    return [a[0] for a in answers], [a[1] for a in answers]


def read_text(outcome):
    """A command: what it printed, as a whole."""
    return [outcome["out"] + outcome["err"]], [outcome["seconds"]]


class Client:
    """A row. argv(peer, count, timeout): the command that asks peer `count` times over one connection if it can.
    needs: what must be there, as in packages.txt. omits: columns that do not apply, with the reason."""

    def __init__(self, name, argv, read=read_text, needs=(), omits=None):
        self.name, self.argv, self.read, self.needs, self.omits = name, argv, read, needs, omits or {}

    def missing(self):
        return missing(self.needs)


class Refusing:
    """A peer that refuses connections."""

    def __init__(self):
        self.socket, self.requests, self.connections, self.ended = refusing(), [], 0, 0
        self.host, self.port = self.socket.getsockname()
        self.close = self.socket.close

    def url(self):
        return f"http://{self.host}:{self.port}/"


def missing(needs):
    """The first of these needs that is not there."""
    return next((need for need in needs if not present(need)), None)


def present(need):
    kind, _, what = need.partition(":")
    if kind == "py":
        return importlib.util.find_spec(what) is not None
    if kind == "php":
        return subprocess.run(["php", "-r", f"exit(extension_loaded('{what}') ? 0 : 1);"], check=False).returncode == 0
    if kind == "perl":
        return subprocess.run(["perl", f"-M{what}", "-e1"], stderr=subprocess.DEVNULL, check=False).returncode == 0
    return shutil.which(what) is not None


class Column:
    """A fault. real(): a peer that misbehaves so. healthy(): one that does not, for the fault (a spec without its `to`).
    keeps: whether the requests that it hits never reach the peer. count, timeout: what the client is told."""

    def __init__(self, name, fault, real, healthy, keeps=False, count=1, timeout=4):
        self.name, self.fault, self.real, self.healthy = name, fault, real, healthy
        self.keeps, self.count, self.timeout = keeps, count, timeout


def _listen(client, column, peer, how):
    command = client.argv(peer, column.count, column.timeout)
    result = how([PYTHON, os.path.join(CLIENTS, "timed.py"), *command])
    try:
        outcome = json.loads(result.out)
        said, seconds = client.read(outcome)
    except ValueError:
        outcome, said, seconds = {"rc": None, "cpu": None}, [result.out + result.err], []
    wait_for(lambda: peer.ended == peer.connections, 0.5)  # a good-bye may be on its way; a late answer is not waited for
    heard = Heard([plain(text, peer.port) for text in said], seconds, outcome["rc"], outcome["cpu"], len(peer.requests), peer.connections, result)
    peer.close()
    return heard


def _really(client, column):
    return _listen(client, column, column.real(), lambda argv: run(argv, env=DIRECT, timeout=60))


def _shocked(client, column):
    peer = column.healthy()
    heard = _listen(client, column, peer, lambda argv: shock(f"to=127.0.0.1:{peer.port} {column.fault}", *argv, env=DIRECT, timeout=60))
    heard.fired = heard.evidence.one("SELECT count(*) FROM injection") if os.path.exists(heard.evidence.db) else 0
    heard.requests += heard.fired if column.keeps else 0
    return heard


@functools.cache
def _beginning():
    """Seconds that a run takes to begin on this machine, alone: POOL of them may begin at once."""
    return min(shock("to=127.0.0.99:9 refuse=true", "true").seconds for _ in range(3))


def _differences(column, real, shocked):
    """What of the story differs (sure), and what of the figures (perhaps noise)."""
    sure = [f"{key}: really {value!r}, under the fault {shocked.story()[key]!r}" for key, value in real.story().items()
            if value != shocked.story()[key]]
    if "probability=0" not in column.fault and not shocked.fired:
        sure.append("the fault never fired")
    figures = [f"request {i}: really {a:.2f} s, under the fault {b:.2f} s" for i, (a, b) in enumerate(zip(real.seconds, shocked.seconds))
               if abs(a - b) > 0.4 + 0.2 * a + POOL / os.cpu_count() * _beginning()]
    if None not in (real.cpu, shocked.cpu) and shocked.cpu > 1.6 * real.cpu + 0.3 + 0.1 * sum(real.seconds):
        figures.append(f"CPU: really {real.cpu:.2f} s, under the fault {shocked.cpu:.2f} s")
    return sure, figures


def _both(now, before, which):
    """The figures of two looks in one. Times are the shorter ones: what the machine did meanwhile only adds to them. CPU is that of which():
    a client that never rests uses what the others leave it."""
    if before and before.seconds and len(before.seconds) == len(now.seconds):
        now.seconds = [min(pair) for pair in zip(now.seconds, before.seconds)]
        now.cpu = which(now.cpu, before.cpu)
    return now


def _cell(client, column):
    real = shocked = None
    for _ in range(TRIES):
        real, shocked = _both(_really(client, column), real, max), _both(_shocked(client, column), shocked, min)
        sure, figures = _differences(column, real, shocked)
        if sure or not figures:
            break
    return real, shocked, sure, figures


def _judge(client, column, cell):
    real, shocked, sure, figures = cell
    differences = sure + figures
    ok(not differences, f"{client.name}: {column.name}: it does what it does when that really happens",
       "\n".join([*differences, "REALLY", repr(real), "UNDER THE FAULT", repr(shocked)]))


def _harmless(fault, healthy):
    """Whether the real peer of a column made no difference to the client: then the cell shows nothing."""
    return fault.story() == healthy.story() and abs(sum(fault.seconds) - sum(healthy.seconds)) < 0.2


def table(clients, columns):
    """Judges every cell; one check each, and one a row that no column was without effect. ROWS=curl,wget in the environment: these only."""
    wanted = os.environ.get("ROWS", "").split(",")
    clients = [client for client in clients if any(part in client.name for part in wanted)]
    ready = [client for client in clients if not client.missing()]
    _beginning()  # measured before there are a dozen
    with concurrent.futures.ThreadPoolExecutor(POOL) as pool:
        jobs = {(client.name, column.name): pool.submit(_cell, client, column)
                for client in ready for column in columns if column.name not in client.omits}
    cells = {key: job.result() for key, job in jobs.items()}
    for client in clients:
        if client not in ready:
            skip(f"{client.name}: {client.missing()} is not there", len(columns))
            continue
        _row(client, columns, cells)


def _alone(client, column, cells):
    """A cell whose figures differ beside a dozen others: they are looked at again when all of those are done."""
    _, _, sure, figures = cells[client.name, column.name]
    if figures and not sure:
        cells[client.name, column.name] = _cell(client, column)
    return cells[client.name, column.name]


def _stays_harmless(client, column, first):
    """The same of both peers, asked now: beside a dozen others a client may have taken long without any fault, too."""
    return all(_harmless(_really(client, column), _really(client, first)) for _ in range(TRIES))


def _row(client, columns, cells):
    for column in columns:
        if column.name in client.omits:
            ok(True, f"{client.name}: {column.name}: not applicable: {client.omits[column.name]}")
            continue
        _judge(client, column, _alone(client, column, cells))
    done = {column.name: cells[client.name, column.name][0] for column in columns if column.name not in client.omits}
    idle = [column.name for column in columns[1:] if column.name in done and done[columns[0].name].said and column.count == columns[0].count and
            _harmless(done[column.name], done[columns[0].name]) and _stays_harmless(client, column, columns[0])]
    ok(not idle, f"{client.name}: what really happened made a difference each time", idle)

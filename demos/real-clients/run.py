#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What does this client really do? Each client's retries and breaker as aftershock infers them, beside its documentation.

Each client asks a healthy server of this program under `aftershock run`, which makes the requests fail. All run side by side.
"""
import signal
signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing is started yet: Ctrl-C may end it at once; lab.main() looks after the rest
import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
import textwrap
import threading

sys.dont_write_bytecode = True
sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")]
import bench as benches  # noqa: E402
import gallery  # noqa: E402
import lab  # noqa: E402
import verdict  # noqa: E402

LATE_S = 60  # a client may take so much longer than it should, on a busy machine
ALSO_S = 6  # reports, and the start of all

COLUMNS = (("client and settings", 27), ("its documentation", 38), ("aftershock inferred", 44), ("confidence", 10), ("verdict", 30))


def missing(client):
    """What a client lacks to run here, in words; empty when nothing."""
    for need in client.needs:
        if need.startswith("py:"):
            there = subprocess.run([benches.PYTHON, "-c", f"import {need[3:]}"], stderr=subprocess.DEVNULL, check=False).returncode == 0
        else:
            there = shutil.which(need)
        if not there:
            return f"{need.removeprefix('py:')} is not installed"
    return ""


def version_of(client, bench):
    """The version number of a client, as it tells it itself."""
    if len(client.version) == 1:
        return bench.version_of(client.version[0])
    done = subprocess.run(client.version, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL, check=False)
    numbers = [word for word in done.stdout.replace("/", " ").split() if word[0].isdigit()]
    return numbers[0].split("-")[0] if numbers else ""


def record(bench, client, turn):
    """Runs a client under its faults and writes run.db, report.json and report.html into its directory. Returns its row."""
    directory = bench.directory(client.name)
    with turn if client.busy else threading.Lock():
        if client.proxy:
            child, port = bench.proxy(client.name, client.command, client.faults)
            bench.proxied(client.name, child, port, gallery.REQUESTS, client.method)
        else:
            child = bench.under_faults(directory, client.faults, "auto" if client.crowd else "shim", client.command(bench, directory))
            bench.finished(client.name, child, client.seconds + LATE_S)
    db = os.path.join(directory, "run.db")
    report = bench.report(db, "--format", "json")
    if not any(fault["fired"] for fault in report["faults"]):
        raise lab.Failed(f"{client.name} never asked the server: no fault fired; what it said is in {os.path.join(directory, 'output.log')}")
    for name, text in (("report.json", json.dumps(report, indent=1)), ("report.html", bench.report(db, "--format", "html"))):
        with open(os.path.join(directory, name), "w", encoding="utf-8") as f:
            f.write(text)
    return {"name": client.name, "client": f"{client.title} {version_of(client, bench)} {client.settings}", "faults": client.faults, "says": client.says,
            "documentation": client.documentation, "documented": client.documented, "port": bench.server.port,
            **verdict.judge(client, report, bench.server.port)}


def table(rows):
    cells = [[head for head, _ in COLUMNS]] + [
        [row["client"], f"{row['says']} [{row['documentation']}]", row["found"], row["confidence"], row["verdict"] + (f": {row['why']}" if row["why"] else "")]
        for row in rows]
    text = ""
    for number, line in enumerate(cells):
        wrapped = [textwrap.wrap(cell, width, break_on_hyphens=False) or [""] for cell, (_, width) in zip(line, COLUMNS)]
        for i in range(max(map(len, wrapped))):
            text += "  ".join((part[i] if i < len(part) else "").ljust(width) for part, (_, width) in zip(wrapped, COLUMNS)).rstrip() + "\n"
        text += ("=" if number == 0 else "-") * (sum(width for _, width in COLUMNS) + 2 * len(COLUMNS) - 2) + "\n"
    return text


def expected_seconds(clients):
    """All run side by side, but for the busy ones, which wait for each other."""
    return ALSO_S + max([sum(c.seconds for c in clients if c.busy), *(c.seconds for c in clients if not c.busy)])


def gather(bench, pool, clients):
    """Runs all clients. Returns the rows, in the order of the gallery, and why others have none."""
    progress = lab.Progress(len(clients) + 1, expected_seconds(clients))
    progress.next(f"{len(clients)} clients side by side, each under its fault")
    turn = threading.Lock()
    waiting = {pool.submit(record, bench, client, turn): client for client in clients}
    rows, failed = {}, {}
    while waiting:
        done, _ = concurrent.futures.wait(waiting, timeout=1, return_when=concurrent.futures.FIRST_COMPLETED)
        for future in done:
            client = waiting.pop(future)
            try:
                rows[client.name] = future.result()
            except lab.Failed as why:  # the others have something to say all the same
                failed[client.name] = str(why)
            progress.next(f"{client.name}: {rows[client.name]['verdict'] if client.name in rows else 'failed'}")
        progress.tick()
    progress.done()
    return [rows[client.name] for client in clients if client.name in rows], failed


def options():
    parser = lab.options(__doc__, "the run files and reports",
                         "smaller waits where a client has a setting for them; under 45 s in all")
    parser.add_argument("--libraries", help="where undici and opossum are, or are put; libraries/ of --out when not given")
    parser.add_argument("--only", action="append", metavar="NAME", help="only this client; may be repeated")
    return parser.parse_args()


def demo():
    args = options()
    clients = gallery.clients(args.short)
    unknown = set(args.only or ()) - {client.name for client in clients}
    if unknown:
        raise lab.Failed(f"no client is called {', '.join(sorted(unknown))}; there are {', '.join(client.name for client in clients)}")
    clients = [client for client in clients if not args.only or client.name in args.only]
    with concurrent.futures.ThreadPoolExecutor(len(clients)) as pool, benches.Bench(args.build, args.out, args.libraries) as bench:
        left_out = {client.name: missing(client) for client in clients if missing(client)}
        if any("npm" in client.needs and client.name not in left_out for client in clients) and not bench.libraries():
            left_out.update({client.name: "npm could not get its library" for client in clients if "npm" in client.needs})
        there = [client for client in clients if client.name not in left_out]
        if not there:
            raise lab.Failed("none of the clients is here: " + "; ".join(f"{name}: {why}" for name, why in left_out.items()))
        rows, failed = gather(bench, pool, there)
    text = table(rows) + "".join(f"left out: {name}, because {why}\n" for name, why in left_out.items())
    print(text, end="")
    for name, content in (("table.txt", text), ("table.json", json.dumps({"rows": rows, "left_out": left_out}, indent=1))):
        with open(os.path.join(args.out, name), "w", encoding="utf-8") as f:
            f.write(content)
    print(f"of each client run.db, report.html and report.json are in {os.path.abspath(args.out)}/NAME")
    if failed:
        raise lab.Failed("; ".join(failed.values()))
    return 0


if __name__ == "__main__":
    sys.exit(lab.main(demo))

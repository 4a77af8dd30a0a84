# SPDX-License-Identifier: MIT
"""What the parts of the demo share: services in a run of their own, requests side by side, and what a report says of an edge."""
import os
import threading

import lab


class Run:
    """Services under one `aftershock run`, with faults that are set and cleared while it runs. A context manager, for the recorder
    has to close the run file before a report can be read; what fails on the way is stopped by the lab."""

    def __init__(self, bench, name):
        self.bench, self.name, self.db = bench, f"catalogue-{name}-{os.getpid()}", bench.path(f"{name}.db")
        self.host = bench.host(name, bench.run_under(None, self.db, self.name))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if not kind:
            self.bench.stop_host(self.host)

    def service(self, config):
        return self.bench.service_at(self.host, config)

    def fault(self, spec):
        """Sets a fault; None clears what is set."""
        self.bench.fault(self.name, *(("set", spec) if spec else ("clear",)))

    def counters(self, service):
        """What a service has counted; the page is kept beside the run file."""
        page = service.get("/metrics")
        with open(self.bench.path(f"{service.name}.metrics"), "w", encoding="utf-8") as f:
            f.write(page)
        return lab.Counters(page)

    def report(self):
        self.bench.report(self.db, "--format", "html", "-o", self.db.replace(".db", ".html"))
        return self.bench.report(self.db, "--format", "json")


def side_by_side(*jobs):
    """Runs functions at once and returns what they return; the first failure is that of all. Who is interrupted does not wait for them."""
    results, failures = [None] * len(jobs), []

    def do(i, job):
        try:
            results[i] = job()
        except Exception as why:  # whatever it is, it is raised again where it can be seen
            failures.append(why)
    threads = [threading.Thread(target=do, args=each, daemon=True) for each in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return results


def trace_headers():
    """A trace of its own for each request, as a browser's first call begins one."""
    return {"traceparent": f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-01"}


def edge_of(report, client, server):
    found = [e for e in report["edges"] if (e["client"], e["server"]) == (client, server)]
    if len(found) != 1:
        raise lab.Failed(f"the report of {report['run']['file']} has {len(found)} edges {client} -> {server}, not one")
    return found[0]


def service_of(report, name):
    found = [s for s in report["services"] if s["name"] == name]
    if len(found) != 1:
        raise lab.Failed(f"the report of {report['run']['file']} has {len(found)} services called {name}, not one")
    return found[0]

# SPDX-License-Identifier: MIT
"""A private Prometheus that scrapes the report of a run, also while the run goes on, and is asked what it has seen. It takes five seconds until
it scrapes for the first time, so it is started before there is a run."""
import http.client
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import lab  # noqa: E402
import stores  # noqa: E402

STARTING_S, STARTS = 30, 3
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
CONFIG = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: aftershock
    static_configs: [{{targets: ['127.0.0.1:{port}']}}]
"""


class Exporter:
    """Serves `aftershock report --format openmetrics` of the run file `db`, made anew for each scrape; 503 while that is None."""

    def __init__(self, bench):
        exporter = self
        self.db = None

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # noqa: N802 (the name is the library's)
                try:
                    page = bench.report(exporter.db, "--format", "openmetrics").encode() if exporter.db else b""
                except lab.Failed:  # it is scraped while the run begins, too
                    page = b""
                if not page:
                    self.send_error(503)
                    return
                self.send_response(200)
                self.send_header("Content-Type", OPENMETRICS)
                self.send_header("Content-Length", str(len(page)))
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Prometheus:
    """Use as a context manager: it keeps its data in a directory of its own, which is gone at the end, as it is itself."""

    def __init__(self, bench, target_port):
        lab.need("prometheus")
        self.bench, self.temporary = bench, tempfile.TemporaryDirectory(prefix="aftershock-prometheus-", ignore_cleanup_errors=True)
        self.directory = self.temporary.name
        with open(os.path.join(self.directory, "prometheus.yml"), "w", encoding="utf-8") as f:
            f.write(CONFIG.format(port=target_port))

    def __enter__(self):
        self.start()
        return self

    def start(self):
        self.port = stores.free_port()
        with open(self.bench.path("prometheus.log"), "w", encoding="utf-8") as log:
            self.child = subprocess.Popen(
                ["prometheus", f"--config.file={self.directory}/prometheus.yml", f"--storage.tsdb.path={self.directory}/data",
                 f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True)
        self.bench.children.append(self.child)

    def stop(self):
        self.bench.end(self.child)
        self.bench.children.remove(self.child)

    def __exit__(self, *_):
        with lab.INTERRUPT.hold():
            self.stop()
            self.temporary.cleanup()

    def wait(self):
        """Until it has scraped, or found that there is nothing yet. Another process may have taken the port before it did: then it ended, and
        is started at another."""
        for tries_left in range(STARTS - 1, -1, -1):
            end = time.monotonic() + STARTING_S
            while self.child.poll() is None and time.monotonic() < end:
                if self.has_scraped():
                    return
                time.sleep(0.05)
            if not tries_left:
                raise lab.Failed(f"Prometheus does not start: {lab.last_line(self.bench.path('prometheus.log'))}")
            self.stop()
            self.start()

    def has_scraped(self):
        try:
            return self.one("up") is not None
        except (OSError, http.client.HTTPException, ValueError, KeyError):  # nobody answers yet, or another process that took the port does
            return False

    def ask(self, query):
        """An instant query in PromQL; a list of (labels, value)."""
        url = f"http://127.0.0.1:{self.port}/api/v1/query?" + urllib.parse.urlencode({"query": query})
        with urllib.request.urlopen(url, timeout=10) as answer:
            found = json.load(answer)
        return [(sample["metric"], float(sample["value"][1])) for sample in found["data"]["result"]]

    def one(self, query):
        """Its only value; None when there is none."""
        found = self.ask(query)
        return found[0][1] if len(found) == 1 else None

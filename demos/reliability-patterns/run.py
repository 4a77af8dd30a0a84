#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Reliability patterns: what do timeout, retry, breaker, idempotency and bulkhead do, each alone and all together?

An order service calls a payment service with all of them at once. Each run has the two services anew, one kind of trouble at the
payment service (by `aftershock run` or, while it goes on, by `aftershock fault`), and a load. Neither service knows of the fault or
of aftershock. What the reports say is then held against what the services and the users themselves counted; in the last run a real
Prometheus collects the report and is asked for it.
"""
import signal
signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing is started yet: Ctrl-C may end it at once; lab.main() looks after the rest
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..")]
import lab  # noqa: E402
from expect import expect  # noqa: E402
from prometheus import Exporter, Prometheus  # noqa: E402
from runs import FULL, RUNS, SHORT, Stage  # noqa: E402
from system import OPEN_S  # noqa: E402
from table import table, watched_table  # noqa: E402


def options():
    return lab.options(__doc__, "the run files and reports",
                       "fewer orders, and a breaker that is open for 2 s instead of 30; under a minute").parse_args()


def demo():
    args = options()
    size = SHORT if args.short else FULL
    progress = lab.Progress(len(RUNS), size["seconds"])
    runs = {}
    with lab.Lab(args.build, args.out) as bench, Exporter(bench) as exporter, Prometheus(bench, exporter.port) as prometheus:
        stage = Stage(bench, size, progress, exporter, prometheus)
        for name, (what, record) in RUNS.items():
            progress.next(f"{name}: {what}")
            runs[name] = record(stage)
        progress.done()
        for name in RUNS:
            print(f"==== {name}: {RUNS[name][0]} ====\n{bench.report(runs[name].db)}")
    text = f"{table(runs)}\n{watched_table(runs['metrics'])}"
    if args.short:
        text += f"Short mode: the breaker is open for {size['open']} s instead of {OPEN_S}.\n"
    print(f"==== what each run shows ====\n{text}")
    with open(bench.path("table.txt"), "w", encoding="utf-8") as f:
        f.write(text)
    wrong = [sentence for holds, sentence in expect(runs, size) if not holds]
    print(f"reports, run files and table: {bench.out}")
    if wrong:
        raise lab.Failed("this was not seen: " + "; ".join(wrong))
    return 0


if __name__ == "__main__":
    sys.exit(lab.main(demo))

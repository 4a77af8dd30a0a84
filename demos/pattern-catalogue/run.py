#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The pattern catalogue: do the patterns that no other demo shows do what is said of them, when something fails?"""
import signal
signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing is started yet: Ctrl-C may end it at once; lab.main() looks after the rest
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..")]
import lab  # noqa: E402
from stores import Postgres  # noqa: E402
import history  # noqa: E402
import isolation  # noqa: E402
import sagas  # noqa: E402
import waits  # noqa: E402

STARTING_S = 6
PARTS = ((waits, waits.Waits), (isolation, isolation.Isolation), (sagas, sagas.Sagas), (history, history.History))


def options():
    return lab.options(__doc__, "the run files and reports",
                       "fewer requests; half a minute in all").parse_args()


def demo():
    args = options()
    seconds = STARTING_S + sum(module.SHORT_SECONDS if args.short else module.SECONDS for module, _ in PARTS)
    progress = lab.Progress(1 + sum(module.STEPS for module, _ in PARTS), seconds)
    databases = {name: schema for module, _ in PARTS for name, schema in module.DATABASES.items()}
    with lab.Lab(args.build, args.out) as bench:
        progress.next(f"starting PostgreSQL with {len(databases)} databases")
        with Postgres(databases=databases, options=("max_connections=200",)) as postgres:
            parts = [part(bench, progress, postgres, args.short) for _, part in PARTS]
        progress.done()
    text = "".join(f"{name:<44} {said}\n" for part in parts for name, said in part.rows())
    print(text)
    with open(bench.path("table.txt"), "w", encoding="utf-8") as f:
        f.write(text)
    wrong = [sentence for part in parts for holds, sentence in part.expect() if not holds]
    print(f"reports, run files and table: {bench.out}")
    if wrong:
        raise lab.Failed("this was not seen: " + "; ".join(wrong))
    return 0


if __name__ == "__main__":
    sys.exit(lab.main(demo))

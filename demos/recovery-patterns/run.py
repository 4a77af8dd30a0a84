#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Recovery patterns: what does each of them change, on top of those before it, when a system is disturbed?

Retries, timeouts, breakers, bulkheads, load shedding, idempotency keys, an outbox.

Six configurations of the system of document 003 (topology.py) meet four scenarios, each several times: payments fails one call in five,
payments is slow, rows of the inventory are locked, a retry storm. Faults come from aftershock alone; no service knows of it. Then
configuration F loses a service, Redis or PostgreSQL in the middle of its work, and the databases are asked what became of the orders.
"""
import signal
signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing is started yet: Ctrl-C may end it at once; lab.main() looks after the rest
import argparse
import contextlib
import os
import sys

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."), os.path.dirname(os.path.abspath(__file__))]
import expect  # noqa: E402
import figures  # noqa: E402
import kill  # noqa: E402
import lab  # noqa: E402
import topology  # noqa: E402
from system import Databases, Scenario, System, scenarios, wait  # noqa: E402

SHORT_SCALE = 6  # the breaker is open for 5 s instead of 30 s
KILLS = ("payments", )  # of the short mode
SHORT = (("A", "retry_storm"), ("B", "retry_storm"), ("D", "retry_storm"), ("F", "payment_errors"))
SETTLING_S = 1  # after so many services were started
BUSY_RATE = 100  # users per second of a system that is busy: of lesser ones more run at once
OVERHEAD_S = 10  # of a batch: databases, services, reports


def kill_scenario(scale):
    """Users come for so long before something is killed, and after it is there again."""
    return Scenario("kill", 20, before=2, during=0, after=4 if scale == 1 else 2, scale=scale)


class Plan:
    """Batches of (configuration, scenario, number of the run), those of a batch side by side; kills of (configuration, what)."""

    def __init__(self, args):
        self.scale = SHORT_SCALE if args.short else 1
        known = scenarios(self.scale)
        is_chosen = args.scenarios or args.configurations
        self.batches = [] if args.kill else [[(c, known[s], 1) for c, s in SHORT]] if args.short and not is_chosen else list(self.all(known, args))
        self.kills = [] if is_chosen else [("F", target) for target in ([args.kill] if args.kill else KILLS if args.short else kill.TARGETS)]
        if ("F", "payments") in self.kills and not args.short:
            self.kills.append(("C", "payments"))  # the same without keys

    @staticmethod
    def all(known, args):
        """Runs of all configurations follow one another, in another order each time, so that what changes on the machine meets all."""
        letters = sorted(args.configurations or topology.CONFIGURATIONS)
        for number in range(1, args.runs + 1):
            turned = letters[number % len(letters):] + letters[:number % len(letters)]
            for name in args.scenarios or known:
                width = args.side_by_side * max(1, int(BUSY_RATE / known[name].rate))
                for i in range(0, len(turned), width):
                    yield [(letter, known[name], number) for letter in turned[i:i + width]]

    def seconds(self):
        runs = sum(max(scenario.seconds for _, scenario, _ in batch) + OVERHEAD_S for batch in self.batches)
        kills = sum(kill_scenario(self.scale).seconds + 6 + (topology.BREAKER_OPEN_MS / 1000 / self.scale if letter == "F" else 0)
                    for letter, _ in self.kills)
        return 5 + runs + kills


def run_batch(bench, databases, batch, progress):
    """Starts these systems side by side, lets users come, disturbs, waits, stops. Returns the systems, whose run files are whole."""
    what = ", ".join(f"{letter} in {scenario.name} (run {number})" for letter, scenario, number in batch)
    progress.next(what)
    systems = [System(bench, databases, letter, scenario, number) for letter, scenario, number in batch]
    for system in systems:
        system.break_in()
    for system in systems:
        system.await_first()
    wait(SETTLING_S, progress, *systems)
    for system in systems:
        system.open_doors()
    times = sorted({t for s in systems for t in (s.scenario.before, s.scenario.before + s.scenario.during, s.scenario.seconds)})
    passed = 0
    for at in times:
        wait(at - passed, progress, *systems)
        passed = at
        for system in systems:
            if at == system.scenario.before:
                system.disturb(system.scenario.trigger)
            elif at == system.scenario.before + system.scenario.during:
                system.calm(system.scenario.fault)
    for system in systems:
        system.close_doors()
    for system in systems:
        system.see_off()
        system.read_counters()
    for system in systems:
        system.stop()
        databases.drop(system.name)
    return systems


def run_kill(bench, databases, letter, target, scale, progress):
    """A system of which one part is killed while users ask."""
    progress.next(f"{letter}, {target} is killed")
    system = System(bench, databases, letter, kill_scenario(scale), 1 + kill.TARGETS.index(target))
    system.open_doors()
    wait(system.scenario.before, progress, system)
    kill.kill(system, target)
    wait(system.scenario.after, progress, system)
    system.close_doors()
    system.see_off()
    killed = kill.Killed(system, target) if topology.has(letter, "F") else kill.Doubled(system, target)
    killed.end(progress)
    system.stop()
    databases.drop(system.name)
    return killed


def count(text):
    if not text.isdigit() or not 0 < int(text) <= 100:
        raise argparse.ArgumentTypeError(f"a number from 1 to 100, not {text}")
    return int(text)


def options():
    parser = lab.options(__doc__, "run files, reports and the table",
                         "less time, and breakers open for 5 s instead of 30 s; without a choice A, B, D "
                         "in the retry storm, F in payment errors, one kill: three quarters of a minute")
    parser.add_argument("--runs", type=count, default=6, help="runs of each configuration in each scenario (default: %(default)s)")
    parser.add_argument("--side-by-side", type=count, default=2,
                        help="systems of 100 users a second that run at once, five times as many of 20 (default: %(default)s)")
    parser.add_argument("--scenarios", nargs="+", choices=list(scenarios()), help="which; without: all")
    parser.add_argument("--configurations", nargs="+", choices=list(topology.CONFIGURATIONS), help="which; without: all")
    parser.add_argument("--kill", choices=kill.TARGETS, help="only this: kill it in the middle of configuration F")
    return parser.parse_args()


class Record:
    """What all runs came to. A run file is kept of the first of each configuration in each scenario, and of those that were not as they must be."""

    def __init__(self):
        self.runs, self.storms, self.killed, self.wrong = [], {}, [], []

    def make(self, bench, plan, progress):
        with contextlib.ExitStack() as stack:
            progress.next("starting two PostgreSQL servers and Redis")
            databases = Databases(stack)
            for batch in plan.batches:
                for system in run_batch(bench, databases, batch, progress):
                    self.add(bench, system)
            for letter, target in plan.kills:
                self.killed.append(run_kill(bench, databases, letter, target, plan.scale, progress))
                self.wrong += [sentence for holds, sentence in self.killed[-1].expect() if not holds]
            self.wrong += [sentence for holds, sentence in expect.of_all(self.runs) if not holds]

    def add(self, bench, system):
        run = figures.Figures(bench, system)
        self.runs.append(run)
        wrong = [sentence for holds, sentence in expect.of_run(run, system) if not holds]
        self.wrong += wrong
        if system.number > 1:
            if not wrong:
                os.unlink(system.db)
            return
        if system.scenario.name == "retry_storm":
            self.storms[system.configuration] = system.scenario, system.users["series"]
        bench.report(system.db, "--format", "html", "-o", bench.path(f"report-{system.name}.html"))

    def text(self, is_short):
        text = figures.table(self.runs) + figures.timeline(self.storms) + "\n".join(k.text() for k in self.killed)
        if is_short:
            text += (f"Short mode: breakers are open for {topology.BREAKER_OPEN_MS / SHORT_SCALE / 1000:g} s, not for 30 s; the storm is half as "
                     "large.\n")
        return text


def compare(bench, storms):
    """report.html: the retry storm without a breaker and with one, side by side. Returns whether both were run."""
    there = {"B", "D"} <= storms.keys()
    if there:
        bench.tool("compare", "--base", bench.path("retry_storm-B-1.db"), "--new", bench.path("retry_storm-D-1.db"), "--format", "html",
                   "-o", bench.path("report.html"), fine=(0, 1, 3))
    return there


def demo():
    args = options()
    plan, record = Plan(args), Record()
    progress = lab.Progress(1 + len(plan.batches) + len(plan.kills), plan.seconds())
    broken, compared = None, False
    with lab.Lab(args.build, args.out) as bench:
        try:
            record.make(bench, plan, progress)
            compared = compare(bench, record.storms)
        except lab.Failed as why:  # what has been recorded by then, in an hour perhaps, is shown all the same
            broken = why
        progress.done()
    text = record.text(args.short)
    print(text)
    with open(bench.path("table.txt"), "w", encoding="utf-8") as f:
        f.write(text)
    print(f"{'report.html (B beside D in the storm), ' if compared else ''}reports, run files and table: {bench.out}")
    if broken:
        raise lab.Failed(broken)
    if record.wrong:
        raise lab.Failed("this was not seen: " + "; ".join(record.wrong))
    return 0


if __name__ == "__main__":
    sys.exit(lab.main(demo))

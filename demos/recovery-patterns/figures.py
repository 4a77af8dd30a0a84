# SPDX-License-Identifier: MIT
"""What the runs came to: one set of figures from each run's report, the table over all runs, and the document's figures beside ours."""
import math

import lab

DOCUMENT = {  # of payment_errors, as its README has them: success, P95, amplification; MTTR is from its text
    "A": ("80 %", "340 ms", "1.0x", "120 s"), "B": ("51 %", "890 ms", "2.6x", "120 s"), "D": ("92 %", "210 ms", "1.1x", "35 s"),
    "F": ("94 %", "185 ms", "1.1x", "-"),
}


def one(things, what):
    things = list(things)
    if len(things) != 1:
        raise lab.Failed(f"there are {len(things)} {what}, not one")
    return things[0]


def edge_of(report, client, server):
    return one((e for e in report["edges"] if (e["client"], e["server"]) == (client, server)), f"edges {client} -> {server} in the report")


class Figures:
    """Of one run: `inside` is its report for the time in which the scenario was on, `whole` for all of it."""

    def __init__(self, bench, system):
        self.configuration, self.scenario, self.number = system.configuration, system.scenario, system.number
        self.whole = bench.report(system.db, "--format", "json")
        faults = [w for w in self.whole["windows"] if w["name"] == "fault"]
        if not faults:
            raise lab.Failed(f"the report of {system.db} knows of no time in which the fault was felt")
        self.on = (min(w["from_s"] for w in faults), max(w["to_s"] for w in faults))
        self.inside = bench.report(system.db, "--format", "json", "--from", f"{self.on[0]:.3f}", "--to", f"{self.on[1]:.3f}")
        self.gateway = one((s for s in self.inside["services"] if s["name"] == "gateway"), "services called gateway in the report")
        self.callee = "inventory" if self.scenario.name == "inventory_lock" else "payments"
        self.edge, self.whole_edge = edge_of(self.inside, "orders", self.callee), edge_of(self.whole, "orders", self.callee)
        found = [r for r in self.whole["recovery"] if r["fault"] == self.scenario.fault]
        self.recovery = found[0] if found else {"label": "no_impact", "censored": False, "mttr_ms": None, "observed_ms": None}

    @property
    def success(self):
        return self.gateway["success"]["value"]

    @property
    def p95(self):
        return self.gateway["latency_ms"]["p95"]

    @property
    def amplification(self):
        """Attempts for each order that reached the call."""
        metric = self.edge["amplification_demand"]
        return metric["value"] if metric and metric["value"] is not None else self.edge["amplification"]["value"]

    @property
    def mttr(self):
        """(seconds, was its end seen); None when users felt nothing, or the report can not tell."""
        if self.recovery["mttr_ms"] is not None:
            return self.recovery["mttr_ms"] / 1000, True
        return (self.recovery["observed_ms"] / 1000, False) if self.recovery["censored"] else None


def median_interval(values):
    """The median and its distribution-free 95 % interval from order statistics; the interval is None for fewer than 6 values."""
    ordered, n = sorted(values), len(values)
    middle = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    rank = 0  # values left out at either end: as many as leave a chance of at most 2.5 % that the median lies among them
    while sum(math.comb(n, i) for i in range(rank + 1)) / 2 ** n <= 0.025:
        rank += 1
    return middle, (ordered[rank - 1], ordered[n - rank]) if rank else None


def show(values, form):
    """A median over runs; in brackets its interval, or of fewer than six runs their range."""
    values = [v for v in values if v is not None]
    if not values:
        return "-"
    middle, interval = median_interval(values)
    low, high = interval or (min(values), max(values))
    return form(middle) if len(values) == 1 else f"{form(middle)} ({form(low)}..{form(high)})"


def percent(share):
    return f"{100 * share:.1f} %"


def ms(number):
    return f"{number:,.0f} ms"


def times(number):
    return f"{number:.2f}x"


def show_mttr(runs):
    """Runs that did not recover have no time, and no mean: where they are the most, the median is longer than what was seen."""
    seen = [r.mttr for r in runs if r.mttr]
    if not seen:
        return "not felt" if all(r.recovery["label"] == "no_impact" for r in runs) else "-"
    ended = sorted(s for s, done in seen if done)
    text = f"> {min(s for s, done in seen if not done):.0f} s" if 2 * len(ended) <= len(seen) else f"{ended[len(seen) // 2]:.1f} s"
    return text if len(seen) == 1 else f"{text}, {len(ended)} of {len(seen)} recovered"


def align(lines):
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths)).rstrip() for line in lines) + "\n"


def table(runs):
    """runs: a list of Figures. One block for each scenario."""
    text = ""
    for scenario in dict.fromkeys(r.scenario.name for r in runs):
        lines = [("", "success", "P95", "attempts per order", "MTTR", "as the report calls it")]
        mine = [r for r in runs if r.scenario.name == scenario]
        for configuration in sorted({r.configuration for r in mine}):
            cell = [r for r in mine if r.configuration == configuration]
            labels = [r.recovery["label"] or "not judged" for r in cell]
            lines.append((configuration, show([r.success for r in cell], percent), show([r.p95 for r in cell], ms),
                          show([r.amplification for r in cell], times), show_mttr(cell), max(set(labels), key=labels.count)))
            if scenario == "payment_errors" and configuration in DOCUMENT:
                lines.append((f"  document's {configuration}", *DOCUMENT[configuration], ""))
        text += f"{scenario} ({len({r.number for r in mine})} run(s) of each)\n{align(lines)}\n"
    return text


def timeline(storms):
    """storms: by configuration the scenario and what users got in each second."""
    if not storms:
        return ""
    scenario = next(iter(storms.values()))[0]
    width = 5 if scenario.seconds > 30 else 1
    bars = (int(scenario.before / width), math.ceil((scenario.before + scenario.during) / width))
    text = f"orders answered well, of those that came in each {width} s of retry_storm; payments stalls between the bars\n"
    for configuration, (_, series) in sorted(storms.items()):
        bins = [0] * math.ceil(scenario.seconds / width)
        for second in series:
            if second["s"] < width * len(bins):
                bins[second["s"] // width] += second["ok"]
        text += f"  {configuration}" + "".join((" |" if i in bars else "  ") + f"{n or '.':>4}" for i, n in enumerate(bins)) + "\n"
    return text + "\n"

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Whether the unit tests of each detector see it when the detector is wrong (`make mutants`).

A mutant is a detector with one operator or one small number changed. For each detector of DETECTORS, N of them are compiled and linked with the
tests that judge it; a mutant is found when one of these fails, crashes (with AddressSanitizer, too) or does not end. One that
survives is a gap in the tests, or makes no difference that anybody could see: those are in `equivalent`, beside this file, each with its reason.

Which mutants are taken depends on SEED and on the changed line only, so that other lines may come and go. A line per survivor, then a table.
Exit status 1 when a mutant survives that is not in the list, or the list has one that is no mutant any more.
Environment: DETECTORS (names, separated by blanks), N (per detector), SEED, JOBS, V=1 (says of each mutant which test finds it).
"""
import concurrent.futures
import glob
import hashlib
import os
import re
import resource
import shlex
import signal
import subprocess
import sys
import tempfile
import threading

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
from scratch import end_session, spawn  # noqa: E402

signal.alarm(0)  # the limit of a single test
os.chdir(ROOT)
BUILD = os.environ["AFTERSHOCK_BUILD"]
CC, CFLAGS, LIBS = (shlex.split(os.environ[name]) for name in ("CC", "MUTANT_CFLAGS", "MUTANT_LIBS"))
N, SEED, JOBS = (int(os.environ.get(name) or default) for name, default in (("N", 4), ("SEED", 1), ("JOBS", 1)))
VERBOSE = bool(os.environ.get("V"))
os.environ["ASAN_OPTIONS"] = "detect_leaks=0:malloc_context_size=0:quarantine_size_mb=1:hard_rss_limit_mb=1000"

# Detector: its sources below analyzer/, and the tests that judge it.
DETECTORS = {
    "breaker": ("infer/breaker*.c link/pauses.c", "breaker_effects breaker_view breaker_rules breaker_unit breaker ejection"),
    "silence": ("infer/silence*.c", "silence_work silence_waits silence_find silence_mixed silence breaker_unit breaker"),
    "retry": ("infer/retry*.c", "retry_rate retry_bounds retry_budget retry_elsewhere analyzer retry"),
    "backoff": ("infer/backoff*.c", "backoff_law backoff_fit retry backoff"),
    "timeout": ("infer/timeout*.c infer/given_up*.c infer/unresolved.c", "given_up timeout_modes closes timeouts"),
    "hierarchy": ("infer/hierarchy.c", "hierarchy"),
    "bulkhead": ("infer/bulkhead*.c infer/plateau.c", "plateau_bounds bulkhead bulkhead_flood plateau"),
    "hedging": ("infer/hedging.c", "hedging_bounds hedging"),
    "storm": ("infer/storm.c infer/herding.c infer/period.c", "storm herding period retry_rate retry"),
    "recovery": ("measure/recovery.c measure/returns.c measure/felt.c measure/metastable.c", "felt metastable hops analyzer analyzer_recovery"),
    "shedding": ("infer/shedding.c", "shedding"),
    "backpressure": ("infer/backpressure.c", "backpressure"),
    "idempotency": ("infer/idempotency.c", "idempotency"),
    "fallback": ("infer/fallback.c infer/clusters.c", "clusters fallback"),
    "links": ("link/oneway.c link/link.c link/nest.c link/spans.c link/chains.c link/rivals.c link/excluded.c",
              "link_unit oneway analyzer_link analyzer hedging analyzer_rhythm"),
    "rhythm": ("link/rhythm.c", "rhythm analyzer_rhythm"),
    "lanes": ("link/lanes.c", "lanes analyzer_rhythm"),
    "crowd": ("link/crowd.c link/crew.c", "crew crowd_unit crowd"),
    "hops": ("link/hops.c", "hops_unit hops retry_elsewhere"),
    "pool": ("link/balance.c measure/pools.c", "pools pool ejection"),
    "reconnect": ("link/closes.c link/reconnects.c", "closes_unit reconnects_unit closes reconnects"),
    "graph": ("link/graph*.c", "graph graph_order analyzer analyzer_link"),
    "amplification": ("measure/amplification.c measure/cohort.c measure/wasted.c measure/destinations.c",
                      "amplification wasted hops analyzer analyzer_amplification"),
    "demand": ("measure/demand.c measure/forerunners.c measure/calls.c", "demand analyzer analyzer_amplification"),
    "finding": ("judge/*.c", "verdict findings analyzer"),
    "gate": ("compare/*.c", "gate compare_destinations compare_design analyzer_compare"),
    "stats": ("stats/*.c", "stats"),
}

# What is changed into what; operators stand between blanks in this tree, the logical not before what it negates.
ORDER = re.compile(r"(?<= )(<|<=|>|>=)(?= )")
CHANGES = [
    (ORDER, {"<": ["<=", ">"], "<=": ["<", ">="], ">": [">=", "<"], ">=": [">", "<="]}),
    (re.compile(r"(?<= )(==|!=)(?= )"), {"==": ["!="], "!=": ["=="]}),
    (re.compile(r"(?<= )(&&|\|\|)(?= |$)"), {"&&": ["||"], "||": ["&&"]}),
    (re.compile(r"!(?=[\w(*])"), {"!": [""]}),
    (re.compile(r"(?<= )([+-]=?)(?= )"), {"+": ["-"], "-": ["+"], "+=": ["-="], "-=": ["+="]}),
    (re.compile(r"(?<![\w.\-{])\d\d?(?![\w.])"), None),
    (re.compile(r"\b(true|false)\b"), {"true": ["false"], "false": ["true"]}),
]
NO_DETECTOR = re.compile(r"^\s*#|assert|alloc\(")
# At their bound these are equal: the larger or the smaller of two, and the order of two that differ.
EITHER = re.compile(r"(\S+) (?:<|<=|>|>=) (\S+) \? (?:\1 : \2|\2 : \1|-1 : 1)(?![\w.\[(])")
NOT_CODE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


class Mutant:
    """One changed place: the file, the number of the line (from 0), the line before and after."""

    def __init__(self, path, number, before, after, turn):
        self.path, self.number, self.before, self.after = path, number, before, after
        self.name = (path, before.strip(), after.strip())
        self.rank = hashlib.sha256(repr((SEED, self.name, turn)).encode()).digest()

    def __str__(self):
        return f"{self.path}:{self.number + 1}: {self.before.strip()}\n  -> {self.after.strip()}"

    def source(self):
        with open(self.path, encoding="utf-8") as f:
            lines = f.read().split("\n")
        lines[self.number] = self.after
        return "\n".join(lines)


def blank(match):
    return re.sub(r"[^\n]", "_", match.group())


def instead_of(word, table):
    return table[word] if table else [str(int(word) + 1)] + ([str(int(word) - 1)] if word != "0" else [])


def mutants_of(path):
    """All mutants of a file: of lines in bodies of functions that are not the preprocessor's, assert nothing and allocate nothing."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    inside, found, turns = False, [], {}
    for number, (line, code) in enumerate(zip(text.split("\n"), NOT_CODE.sub(blank, text).split("\n"))):
        if line[:1] in ("{", "}"):
            inside = line[0] == "{"
        if not inside or NO_DETECTOR.search(code):
            continue
        either = {at for match in EITHER.finditer(code) for at in range(*match.span())}
        for pattern, table in CHANGES:
            for match in pattern.finditer(code):
                for word in instead_of(match.group(), table)[pattern is ORDER and match.start() in either:]:
                    after = line[:match.start()] + word + line[match.end():]
                    turn = turns[line, after] = turns.get((line, after), -1) + 1
                    found.append(Mutant(path, number, line, after, turn))
    return found


def equivalents():
    """The list as {name: reason}: blocks of four lines, which are the path, -before, +after and the reason."""
    with open(os.path.join(ROOT, "tests", "mutants", "equivalent"), encoding="utf-8") as f:
        blocks = [block.split("\n") for block in re.sub(r"(?m)^#.*\n", "", f.read()).strip().split("\n\n")]
    return {(path, before[1:], after[1:]): reason for path, before, after, reason in filter(any, blocks)}


def sources(detector):
    return [path for pattern in DETECTORS[detector][0].split() for path in sorted(glob.glob(f"analyzer/{pattern}"))]


def compiled(arguments, to, checked):
    flags = ["-fsanitize=address"] if checked else []
    return subprocess.run([*CC, *CFLAGS, *flags, "-O1", "-g0", "-w", "-o", to, *arguments], stderr=subprocess.PIPE, check=False)


def link(test, objects, to, checked=False):
    """What is linked in front of the archive is taken instead of what is in there."""
    done = compiled([f"{BUILD}/tests/unit/test_{test}.o", *objects, f"{BUILD}/libhouse.a", *LIBS], to, checked)
    if done.returncode:
        sys.exit(done.stderr.decode())


def passes(program, seconds, directory):
    """Runs a test to its first failure. Whether there was none, within so many seconds of CPU and ten times as many by the clock."""
    child = spawn([program], env={"TMPDIR": directory, "LC_ALL": "C.UTF-8"}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    late = threading.Timer(10 * seconds, os.killpg, (child.pid, signal.SIGKILL))
    resource.prlimit(child.pid, resource.RLIMIT_CPU, (int(seconds), int(seconds)))
    late.start()
    failed = any(line.startswith((b"not ok", b"Bail out")) for line in child.stdout)
    late.cancel()
    if failed:
        end_session(child)
    _, status, usage = os.wait4(child.pid, 0) if child.returncode is None else (0, 1, None)
    child.returncode = os.waitstatus_to_exitcode(status)
    child.stdout.close()
    return not status, usage and usage.ru_utime + usage.ru_stime


class Tests:
    """The tests of the table: how much CPU each takes when nothing is wrong. Each is measured once, when first asked for."""

    def __init__(self):
        self.seconds, self.lock = {}, threading.Lock()

    def cost(self, test, scratch):
        with self.lock:
            if test not in self.seconds:
                program = os.path.join(scratch, test)
                link(test, [], program)
                good, self.seconds[test] = passes(program, 300, scratch)
                if not good:
                    sys.exit(f"test_{test} fails without a change")
            return self.seconds[test]


def judge(mutant, names, tests, scratch):
    """The test that finds it, "" when none does, None when it does not compile. AddressSanitizer takes long: it sees only what would survive."""
    with tempfile.TemporaryDirectory(dir=scratch) as directory:
        changed, program = os.path.join(directory, "changed.c"), os.path.join(directory, "test")
        with open(changed, "w", encoding="utf-8") as f:
            f.write(mutant.source())
        for checked in (False, True):
            if compiled(["-c", changed], changed + ".o", checked).returncode:
                return None
            for name in names:
                link(name, [changed + ".o"], program, checked)
                if not passes(program, 3 + (15 if checked else 5) * tests.cost(name, scratch), directory)[0]:
                    return name
        return ""


def campaign(detector, known, pool, tests, scratch):
    """Takes mutants until N of them compile. Returns how many, how many are known as equivalent, and those that survive."""
    names = sorted(DETECTORS[detector][1].split(), key=lambda test: tests.cost(test, scratch))
    ranked = sorted((m for path in sources(detector) for m in mutants_of(path)), key=lambda m: m.rank)
    taken, equivalent, survivors = 0, 0, []
    while ranked and taken + equivalent < N:
        batch, ranked = ranked[:N - taken - equivalent], ranked[N - taken - equivalent:]
        equivalent += sum(m.name in known for m in batch)
        batch = [m for m in batch if m.name not in known]
        for mutant, found in zip(batch, pool.map(lambda m: judge(m, names, tests, scratch), batch)):
            taken += found is not None
            if VERBOSE or found == "":
                print(f"{mutant}\n  {'survives' if found == '' else 'does not compile' if found is None else 'found by test_' + found}", flush=True)
            if found == "":
                survivors.append(mutant)
    return taken, equivalent, survivors


def stale(known):
    """Entries of the list that are no mutant any more."""
    there = {m.name for path in {path for path, _, _ in known} if os.path.exists(path) for m in mutants_of(path)}
    return [name for name in known if name not in there]


def main():
    chosen = (os.environ.get("DETECTORS") or " ".join(DETECTORS)).split()
    if unknown := set(chosen) - set(DETECTORS):
        sys.exit(f"no detector {' '.join(unknown)}; there are {' '.join(DETECTORS)}")
    known, tests, rows, gone = equivalents(), Tests(), [], 0
    pool = concurrent.futures.ThreadPoolExecutor(JOBS)
    with tempfile.TemporaryDirectory(dir=BUILD, prefix="mutants-") as scratch:
        try:
            for detector in chosen:
                taken, equivalent, survivors = campaign(detector, known, pool, tests, scratch)
                rows.append((detector, taken, taken - len(survivors), len(survivors), equivalent))
        finally:
            pool.shutdown(cancel_futures=True)
    print(f"{'detector':<16}{'mutants':>8}{'found':>8}{'survived':>10}{'share':>8}{'equivalent':>12}")
    for detector, taken, found, survived, equivalent in rows:
        print(f"{detector:<16}{taken:>8}{found:>8}{survived:>10}{100 * found / max(taken, 1):>6.0f} %{equivalent:>12}")
    for path, before, after in stale(known):
        print(f"not a mutant any more: {path}: {before} -> {after}")
        gone += 1
    return 1 if gone or any(survived for _, _, _, survived, _ in rows) else 0


sys.exit(main())

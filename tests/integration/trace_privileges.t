#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The tracer's privileges: which it needs, that they are gone while it records, and that COMMAND and its files are the user's who asked."""
import ctypes
import json
import os
import re
import shutil
import struct
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from tracing import Trace, need_ebpf, own

if os.getuid() != 0:
    skip_all("only root can take on other users' ids and capabilities")
need_ebpf()
NOBODY = 65534
CAP_BPF = 1 << 39
NEEDED = ("bpf", "perfmon")
PLAIN = {"XDG_RUNTIME_DIR": None, "SUDO_UID": None, "SUDO_GID": None}
SUDO = {"XDG_RUNTIME_DIR": None, "SUDO_UID": NOBODY, "SUDO_GID": NOBODY, "SUDO_USER": "nobody", "SUDO_COMMAND": "x", "HOME": "/nowhere"}
SUDO = {k: v if v is None else str(v) for k, v in SUDO.items()}
# the build may lie where nobody else can look
here = tmpdir()
tool = shutil.copy(BIN, here)
shutil.copy(LIB, here)
secret = os.path.join(here, "secret")
with open(secret, "w") as f:
    f.write('{"faults": []}')
os.chmod(secret, 0o600)
peer = HttpPeer()
curl, CURL_COMM = own("curl")
STATUS = 'grep -hE "^(Uid|Groups|Cap|NoNew)" /proc/self/status; id -G; echo "home=$HOME user=$USER sudo=${SUDO_UID-}${SUDO_COMMAND-}"'


def nobody_with(*capabilities):
    """A command in front that becomes nobody with these ambient capabilities, as systemd's AmbientCapabilities= does."""
    words = ",".join(f"+{c}" for c in capabilities)
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *([f"--inh-caps={words}", f"--ambient-caps={words}"] if words else [])]


def place(name):
    return os.path.join(tmpdir(0o777), name)


def threads(pid, key):
    """What /proc says of all threads of a process: a set of values."""
    found = set()
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status") as f:
            found |= {line.split(":", 1)[1].strip() for line in f if line.startswith(key + ":")}
    return found


def capabilities(text, key):
    return int(re.search(rf"{key}:\s*(\w+)", text).group(1), 16)


def refuse_next_key():
    """bpf(BPF_MAP_GET_NEXT_KEY) is refused, as a kernel before 5.19 does to whoever has no CAP_BPF."""
    load, unless, answer = 0x20, 0x15, 0x06  # BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ|BPF_K, BPF_RET|BPF_K
    number = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
    rules = [(load, 0, 0, 0), (unless, 0, 3, number), (load, 0, 0, 16), (unless, 0, 1, 4), (answer, 0, 0, 0x00050001), (answer, 0, 0, 0x7fff0000)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(rules), ctypes.addressof(code)))
    if ctypes.CDLL(None).prctl(22, 2, program, 0, 0):  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
        raise OSError("no seccomp")


def fetch(path, **env):
    return run([curl, "-s", "-o", "/dev/null", peer.url(path)], env=env)


def owner(path):
    st = os.stat(path)
    return st.st_uid, st.st_mode & 0o777


# ---- capabilities without root ----
trace = Trace("--comm", CURL_COMM, under=nobody_with(*NEEDED), tool=tool, db=place("caps.db"), env=PLAIN)
held = [threads(trace.process.pid, key) for key in ("CapEff", "CapPrm", "CapInh", "CapAmb", "NoNewPrivs")]
fetch("/caps", OTEL_SERVICE_NAME="shop")
trace.stop()
zero = {"0" * 16}
is_(held, [zero, zero, zero, zero, {"1"}], "while_it_records_no_thread_has_a_capability_nor_a_way_to_one")
is_(trace.rc, 0, "two_capabilities_are_enough_to_trace_the_processes_of_root", trace)
got = trace.exchanges()
is_([(x["path"], x["status"], x["service"]) for x in got], [("/caps", 200, "shop")], "what_starts_after_they_are_gone_is_recorded_and_named", got)
ok(trace.one("SELECT count(*) FROM syscall_latency") > 0, "the_kernel's_maps_are_read_without_them")
is_(owner(trace.db), (NOBODY, 0o600), "the_run_file_is_the_user's_alone")
is_(trace.meta("privileges"), "none", "and_says_so")

for missing, row in (("bpf", "CAP_BPF"), ("perfmon", "CAP_PERFMON")):
    under = nobody_with(*(c for c in NEEDED if c != missing))
    doctor = run([*under, tool, "doctor"], env=PLAIN, cwd="/")
    rows = dict(re.findall(r"(?m)^(.{25}) (ok|no)", doctor.out))
    wanted = {row: "no", "eBPF": "no", **({"bpf(2)": "no"} if missing == "bpf" else {})}
    is_({k.strip(): v for k, v in rows.items() if v == "no"}, wanted, f"without_{missing}_doctor_says_no_in_its_row_and_in_no_other", doctor)
    ok(f"CAP_{missing.upper()}" in doctor.out, f"and_names_cap_{missing}", doctor)
    refused = run([*under, tool, "trace", "--all", "-o", place("none.db")], env=PLAIN, cwd="/")
    ok(refused.rc == 2 and refused.err.count("\n") == 1 and f"CAP_{missing.upper()}" in refused.err, f"trace_without_{missing}_says_it_in_one_sentence",
       refused)
both = run([*nobody_with(*NEEDED), tool, "doctor"], env=PLAIN, cwd="/")
ok(re.search(r"(?m)^eBPF +ok", both.out) and not re.search(r"(?m)^.{25} no", both.out), "with_both_every_row_is_ok", both)
like(both.out, r"(?m)^hook \w+ +(ok|no)", "each_optional_hook_has_a_row")

blind = {**PLAIN, "AFTERSHOCK_WITHOUT": "sys_exit"}
doctor, refused = aftershock("doctor", env=blind), run([tool, "trace", "--all", "-o", place("none.db")], env=blind, cwd="/")
is_(re.findall(r"(?m)^(.{25}) no", doctor.out), [f"{row:25}" for row in ("system calls", "eBPF")], "doctor_says_when_calls_can_not_be_watched", doctor)
ok(refused.rc == 2 and refused.err.count("\n") == 1 and "FTRACE_SYSCALLS" in refused.err, "and_trace_in_one_sentence", refused)
stands = run([*nobody_with("sys_admin"), tool, "doctor"], env=PLAIN, cwd="/")
like(stands.out, r"(?m)^CAP_BPF +ok +CAP_SYS_ADMIN stands for it$", "CAP_SYS_ADMIN_stands_for_the_finer_ones")
trace = Trace("--comm", CURL_COMM, under=nobody_with(*NEEDED), tool=tool, db=place("old.db"), env=PLAIN, preexec_fn=refuse_next_key)
held = threads(trace.process.pid, "CapPrm"), trace.stop().meta("privileges")
is_(held, ({f"{CAP_BPF:016x}"}, "CAP_BPF"), "where_the_kernel_asks_for_CAP_BPF_at_each_look_into_a_map_it_is_kept_and_told")

command = run([*nobody_with(*NEEDED), tool, "run", "--trace", "ebpf", "-o", place("run.db"), "sh", "-c", STATUS], env=PLAIN, cwd="/")
is_(command.rc, 0, "a_run_with_capabilities_works", command)
is_([capabilities(command.out, key) for key in ("CapPrm", "CapEff", "CapInh", "CapAmb")], [0] * 4, "ambient_capabilities_do_not_reach_COMMAND", command)
like(command.out, r"NoNewPrivs:\s*0", "which_may_gain_others_as_ever")

# ---- hooks that a kernel may lack: each is named, the rest works ----
HOOKS = re.findall(r"(?m)^hook (\w+)", both.out)
for without in (HOOKS[:1], HOOKS):
    names, env = "_and_".join(without), {**PLAIN, "AFTERSHOCK_WITHOUT": ",".join(without)}
    rows = dict(re.findall(r"(?m)^(.{25}) (ok|no)", aftershock("doctor", env=env).out))
    is_([k.split()[-1] for k, v in rows.items() if v == "no"], without, f"doctor_says_no_to_{names}_and_to_nothing_else", rows)
    trace = Trace("--comm", CURL_COMM, env=env)
    fetch("/without")
    trace.stop()
    is_([(x["path"], x["status"]) for x in trace.exchanges()], [("/without", 200)], f"without_{names}_exchanges_are_recorded", trace)
    is_(json.loads(trace.meta("sources")), ["ebpf"] + [f"-{hook}" for hook in without], f"sources_say_that_{names}_is_left_out")
    r = shock((), curl, "-s", "-o", "/dev/null", peer.url("/without"), trace="ebpf", env=env)
    is_((r.rc, json.loads(r.meta("sources")), r.meta("missing_hooks")), (0, ["shim", "ebpf"] + [f"-{hook}" for hook in without], ",".join(without)),
        f"so_does_a_run_without_{names}", r)
    is_(r.report()["run"]["sources"], json.loads(r.meta("sources")), f"and_its_report_without_{names}")

# ---- file capabilities: whoever may execute it may trace, and nothing else ----
granted = os.path.join(here, "granted")
shutil.copy(BIN, granted)
high = (1 << 38 | CAP_BPF) >> 32  # CAP_PERFMON, CAP_BPF
try:
    os.setxattr(granted, "security.capability", struct.pack("<IIIII", 0x02000001, 1 << 2, 0, high, 0))
    heeded = not os.statvfs(here).f_flag & os.ST_NOSUID
except OSError:
    heeded = False
if heeded:
    trace = Trace("--comm", CURL_COMM, under=nobody_with(), tool=granted, db=place("file.db"), env=PLAIN)
    held = threads(trace.process.pid, "CapPrm")
    fetch("/granted")
    trace.stop()
    is_((trace.rc, held, [x["path"] for x in trace.exchanges()]), (0, zero, ["/granted"]), "with_file_capabilities_any_user_may_trace", trace)
    for words in (("run", "-p", secret, "-o", place("x.db"), "true"), ("report", secret), ("plan", "check", secret),
                  ("compare", "--base", secret, "--new", secret)):
        refused = run([*nobody_with(), granted, *words], env={**PLAIN, "AFTERSHOCK_LIB": os.path.join(here, os.path.basename(LIB))}, cwd="/")
        ok(refused.rc == 2 and "secret" in refused.err and "Permission denied" in refused.err, f"but_{words[0]}_reads_no_file_that_they_may_not", refused)
    db = place("granted.db")
    r = Run(db, run([*nobody_with(), granted, *shock_argv(f"to=127.0.0.1:{peer.port} status=503 first=1", db, (curl, "-s", "-o", "/dev/null", peer.url("/503")),
                                                         "ebpf")[1:]], env=PLAIN, cwd="/"))
    is_((r.rc, [x["status"] for x in r.rows("SELECT status FROM exchange")]), (0, [503]), "faults_reach_a_COMMAND_that_it_starts", r)
    os.removexattr(granted, "security.capability")
    os.chmod(granted, 0o4755)
    refused = run([*nobody_with(), granted, "doctor"], env=PLAIN, cwd="/")
    ok(refused.rc == 2 and refused.err.count("\n") == 1 and "setuid" in refused.err, "as_a_setuid_program_it_does_nothing", refused)
else:
    skip("file capabilities are not heeded where temporary files are", 7)

# ---- sudo ----
script = f"{STATUS}; grep -hE '^(Uid|Cap)' /proc/$PPID/status | sed s/^/recorder/; {curl} -s -o /dev/null {peer.url('/sudo')}"
db = place("sudo.db")
r = Run(db, run(["setpriv", "--groups", "4,27", *shock_argv((), db, ("sh", "-c", script), "ebpf")],
                env={**SUDO, "AFTERSHOCK_LIB": os.path.join(here, os.path.basename(LIB))}))
is_(r.rc, 0, "a_run_by_sudo_succeeds", r)
like(r.out, rf"(?m)^Uid:(\s+{NOBODY}){{4}}$", "COMMAND_is_the_user's_who_called_sudo")
like(r.out, rf"(?m)^{NOBODY}$", "with_that_user's_groups_and_no_others")
like(r.out, r"(?m)^home=/nonexistent user=nobody sudo=$", "HOME_is_theirs_and_sudo's_variables_are_gone")
is_([capabilities(r.out, "\n" + key) for key in ("CapPrm", "CapEff")], [0, 0], "it_has_no_capability", r)
is_([re.search(rf"(?m)^recorderUid:(\s+{NOBODY}){{4}}$", r.out) is not None, capabilities(r.out, "recorderCapPrm")], [True, 0],
    "nor_has_the_recorder_which_is_that_user_too", r)
is_(owner(r.db), (NOBODY, 0o600), "the_run_file_is_theirs")
is_([(x["path"], x["sources"]) for x in r.rows("SELECT path, sources FROM exchange")], [("/sudo", "ebpf")], "the_kernel_was_the_witness", r)
ok("nobody, who called sudo" in r.err and r.err.count("\n") == 1, "one_line_says_as_whom_COMMAND_runs", r)
trace = Trace("--comm", CURL_COMM, db=place("sudo-trace.db"), env=SUDO)
fetch("/sudo-trace")
trace.stop()
is_((trace.rc, owner(trace.db), [x["path"] for x in trace.exchanges()]), (0, (NOBODY, 0o600), ["/sudo-trace"]),
    "trace_by_sudo_leaves_a_file_of_that_user", trace)
refused = run([tool, "trace", "--all", "-o", os.path.join(here, "x.db")], env=SUDO)
ok(refused.rc == 2 and refused.err.count("\n") == 1 and "as nobody, who called sudo" in refused.err, "trace_says_as_whom_it_may_not_write", refused)
doctor = run([tool, "doctor"], env=SUDO)
ok(doctor.rc == 0 and re.search(rf"(?m)^run directory +ok .*-{NOBODY}$", doctor.out) and re.search(r"(?m)^eBPF +ok", doctor.out),
   "doctor_by_sudo_looks_at_that_user's_directory_with_root's_capabilities", doctor)
refused = run([tool, "run", "-p", secret, "-o", place("x.db"), "true"], env=SUDO)
ok(refused.rc == 2 and "secret" in refused.err and "Permission denied" in refused.err, "by_sudo_nobody_reads_a_plan_of_root", refused)
stayed = run([tool, "run", "-o", place("x.db"), "id", "-u"], env={**SUDO, "SUDO_UID": "0", "SUDO_GID": "0"})
is_((stayed.rc, stayed.out, stayed.err), (0, "0\n", ""), "root_who_called_sudo_stays_root", stayed)
for name, value in (("SUDO_UID", "nobody"), ("SUDO_UID", "4294967295"), ("SUDO_GID", "-1"), ("SUDO_GID", None)):
    refused = run([tool, "run", "-o", place("x.db"), "true"], env={**SUDO, name: value})
    ok(refused.rc == 2 and refused.err.count("\n") == 1 and name in refused.err, f"{name}={value}_is_refused_by_name", refused)

# ---- root ----
OWN = int(re.search(r"CapPrm:\s*(\w+)", open("/proc/self/status").read()).group(1), 16)
ROOT_KEEPS = OWN & (1 << 2 | 1 << 5 | 1 << 19)  # CAP_DAC_READ_SEARCH, CAP_KILL, CAP_SYS_PTRACE
script = f"{STATUS}; cat /proc/$PPID/task/*/status | grep -E '^(Cap|NoNew)' | sed s/^/recorder/"
r = shock((), "sh", "-c", script, trace="ebpf", env=PLAIN)
is_({int(x, 16) for x in re.findall(r"recorderCap(?:Prm|Eff):\s*(\w+)", r.out)}, {ROOT_KEEPS}, "root's_recorder_keeps_what_it_takes_to_watch_COMMAND", r)
is_(set(re.findall(r"recorderNoNewPrivs:\s*(\d)", r.out)), {"1"}, "and_can_gain_nothing")
ok(set(r.meta("privileges").split(",")) <= {"CAP_DAC_READ_SEARCH", "CAP_KILL", "CAP_SYS_PTRACE"}, "the_run_file_says_what_is_kept")
is_(capabilities(r.out, "\nCapPrm"), OWN, "COMMAND_of_root_is_root", r)
theirs = tmpdir()
os.chown(theirs, NOBODY, NOBODY)
os.chmod(theirs, 0o700)
r = shock((), "true", trace="ebpf", options=("--report",), db=os.path.join(theirs, "run.db"), env=PLAIN)
ok(r.rc == 0 and "complete: no event was lost" in r.out, "root_records_into_and_reports_from_a_directory_of_somebody_else", r)
is_(os.listdir(theirs), ["run.db"], "and_leaves_nothing_else_there")
trace = Trace("--all", env=PLAIN)
held = threads(trace.process.pid, "CapPrm"), threads(trace.process.pid, "NoNewPrivs")
trace.stop()
is_(held, (zero, {"1"}), "root's_trace_keeps_nothing")
done()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`aftershock doctor`: what works here, and for each kind of program whether the library can get into it."""
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

work = tmpdir()


def at(name):
    return os.path.join(work, name)


def file(name, content, mode=0o755):
    with open(at(name), "wb") as f:
        f.write(content)
    os.chmod(at(name), mode)
    return at(name)


def build(name, *flags):
    made = run(["gcc", "-x", "c", "-", "-o", at(name), *flags], input="int main(void) { return 0; }\n")
    if made.rc:
        raise RuntimeError(f"cannot build {name}: {made}")
    return at(name)


machine = aftershock("doctor")
is_(machine.rc, 0, "the_machine_of_the_tests_is_fine", machine)
like(machine.out, r"(?m)^library +ok +.*libaftershock\.so", "the_library_is_found_and_loads")
like(machine.out, r"(?m)^run directory +ok +/", "the_run_directory_can_be_made")
like(machine.out, r"(?m)^run files +ok +SQLite \d", "sqlite_is_there")
like(machine.out, r"(?m)^eBPF +(ok|no) +\w", "it_says_whether_ebpf_works_and_why")
lost = aftershock("doctor", env={"AFTERSHOCK_LIB": at("nothing.so")})
is_(lost.rc, 1, "a_library_that_is_not_there_is_a_failure", lost)
like(lost.out, r"(?m)^library +no +.*nothing\.so", "and_is_named")
damaged = aftershock("doctor", env={"AFTERSHOCK_LIB": file("bad.so", b"not a library")})
is_(damaged.rc, 1, "a_library_that_does_not_load_is_a_failure", damaged)

dynamic = build("dynamic")
static = build("static", "-static")
os.system(f"cp {static} {at('goish')} && objcopy --add-section .go.buildinfo=/etc/hostname {at('goish')}")
os.system(f"cp {dynamic} {at('cgo')} && objcopy --add-section .go.buildinfo=/etc/hostname {at('cgo')}")
other = bytearray(open(dynamic, "rb").read())
other[18:20] = b"\x16\x00"  # e_machine: s390
word32 = bytearray(open(dynamic, "rb").read())
word32[4], word32[18:20] = 1, b"\x03\x00"  # ELFCLASS32, i386

# program, exit status, what must be said
programs = [
    (dynamic, 0, r"reachable +yes"),
    (build("no_pie", "-no-pie"), 0, r"reachable +yes"),
    (static, 1, r"statically linked"),
    (build("static_pie", "-static-pie"), 1, r"statically linked"),
    (at("goish"), 1, r"static Go program"),
    (at("cgo"), 1, r"Go program.*not through libc"),
    (build("musl", "-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1"), 1, r"built for musl"),
    (build("no_loader", "-Wl,--dynamic-linker=/lib/ld-none.so.9"), 1, r"its loader is not on this machine"),
    (file("machine", bytes(other)), 1, r"another processor"),
    (file("word32", bytes(word32)), 1, r"32-bit"),
    (build("library.so", "-shared", "-fPIC"), 1, r"neither an executable ELF program nor a script"),
    (file("cut", open(dynamic, "rb").read()[:200]), 1, r"cut short or damaged"),
    (file("noise", b"\0\1\2\3" * 64), 1, r"neither"),
    (file("script", f"#!{dynamic} -x\n".encode()), 0, r"runs .*/dynamic"),
    (file("static_script", f"#!{static}\n".encode()), 1, r"statically linked"),
    (file("env_script", f"#!/usr/bin/env -S A=1 {static}\n".encode()), 1, r"statically linked"),
    (file("text", b"exit 0\n"), 0, r"runs /bin/sh"),
    ("sh", 0, r"reachable +yes"),
    (file("loop", f"#!{at('loop')}\n".encode()), 2, r"interpreters"),
    (file("plain", b"text", 0o644), 2, r"Permission denied"),
    (work, 2, r"directory"),
    (at("missing"), 2, r"No such file"),
    ("no-such-command-anywhere", 2, r"not found in PATH"),
    (os.devnull, 2, r"."),
]
for path, status, pattern in programs:
    name = os.path.basename(path)
    got = aftershock("doctor", path)
    is_(got.rc, status, f"doctor_on_{name}_exits_{status}", got)
    like(got.out + got.err, pattern, f"doctor_on_{name}_says_it")
    if status == 1:
        like(got.out, r"(?m)^what to do +\w", f"doctor_on_{name}_says_what_to_do")
    if status == 2:
        is_(got.err.count("\n"), 1, f"doctor_on_{name}_refuses_in_one_line", got)

if os.getuid() == 0 and not os.statvfs(work).f_flag & os.ST_NOSUID:
    owned = build("setuid")
    os.chown(owned, 65534, 65534)
    os.chmod(owned, 0o4755)
    like(aftershock("doctor", owned).out, r"setuid to another user.*AT_SECURE", "a_program_setuid_to_another_user_is_out_of_reach")
    os.chmod(owned, 0o2755)
    like(aftershock("doctor", owned).out, r"setgid to another group.*AT_SECURE", "a_program_setgid_to_another_group_is_out_of_reach")
    os.chown(owned, 0, 0)
    os.chmod(owned, 0o4755)
    like(aftershock("doctor", owned).out, r"reachable +yes\nnote +it is setuid", "for_its_owner_a_setuid_program_is_reachable")
else:
    skip("setuid programs need root and a mount that heeds them", 3)

child = spawn(["sleep", "60"])
bare = aftershock("doctor", "--pid", child.pid)
is_(bare.rc, 1, "a_process_started_without_the_library_is_not_covered", bare)
like(bare.out, r"covered +no: it was started without the library", "and_that_is_said")
loaded = spawn(["sleep", "60"], env={"LD_PRELOAD": LIB})
under = wait_for(lambda: (r := aftershock("doctor", "--pid", loaded.pid)).rc == 0 and r)
ok(under and "covered        yes" in under.out, "a_process_with_the_library_is_covered", under)
for value in ("0", "x", "-1", "99999999999"):
    bad = aftershock("doctor", "--pid", value)
    is_((bad.rc, bad.err.count("\n"), value in bad.err), (2, 1, True), f"pid_{value}_is_refused_by_name", bad)
both = aftershock("doctor", "--pid", "1", "sh")
is_(both.rc, 2, "a_program_and_a_pid_together_are_refused", both)
is_(aftershock("doctor", "--help").rc, 0, "help_is_no_error")
done()

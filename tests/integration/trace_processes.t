#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Who did it: names of processes that are gone when their records are read, pid namespaces, pids used again, threads, who accepts."""
import os
import signal
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *
from tracing import Trace, maps_of, need_ebpf

need_ebpf()
peer = HttpPeer()
GET = f"""
import ctypes, os, socket, sys, threading, time
def get(path):
    c = socket.create_connection(('127.0.0.1', {peer.port}))
    c.sendall(f'GET {{path}} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'.encode()); c.recv(4096); c.close()
"""


def python(code, *args):
    """A program that says when it is there and then goes on at each line on its stdin."""
    child = spawn([PYTHON, "-uc", GET + "print(os.getpid())\nwait = sys.stdin.readline\nwait()\n" + code, *args], stdin=-1, stdout=-1, bufsize=0)
    line_of(child)
    return child


def go(child):
    child.stdin.write(b"go\n")
    child.stdin.flush()


def end(child):
    child.stdin.close()
    child.wait(30)


# ---- names of the short-lived ----

BIG = "x" * 3000
shell = spawn(["bash", "-c", "read go; for i in $(seq 500); do OTEL_SERVICE_NAME=job-$i /bin/true; done; AFTERSHOCK_SERVICE=first "
               "OTEL_SERVICE_NAME=second /bin/true; AFTERSHOCK_SERVICE= OTEL_SERVICE_NAME=third /bin/true; "
               "(for i in $(seq 300); do export V$i=$i; done; export A=$0 OTEL_SERVICE_NAME=among-many; exec /bin/true); "
               "XOTEL_SERVICE_NAME=no OTEL_SERVICE_NAMES=no /bin/true", BIG], stdin=-1)
trace = Trace("--pid", shell.pid)
go(shell)
shell.wait(60)
trace.stop(None)
is_(trace.rc, 0, "nothing_is_lost_of_500_short_lives", trace)
is_(trace.one("SELECT count(DISTINCT service) FROM process WHERE service LIKE 'job-%' AND exit_status = 0"), 500,
    "each_is_called_what_its_environment_says_although_it_is_gone")
names = [row["service"] for row in trace.rows("SELECT service FROM process WHERE command = '/bin/true' AND service NOT LIKE 'job-%'")]
is_(sorted(names), ["among-many", "first", "third", "true"],
    "AFTERSHOCK_SERVICE_goes_first_unless_it_is_empty_and_a_big_environment_is_read_to_its_end")

# ---- a name of more than 15 bytes ----

LONG = os.path.join(tmpdir(), "a-program-with-a-long-name")
os.symlink("/bin/true", LONG)
shell = spawn(["sh", "-c", f"read go; {LONG}; true"], stdin=-1)
trace = Trace("--pid", shell.pid)
go(shell)
shell.wait(60)
trace.stop(None)
is_(trace.one("SELECT service FROM process WHERE command = ?", LONG), os.path.basename(LONG), "a_long_name_is_not_cut")

# ---- a pid that is used again while the recorder does not look ----

AGAIN = """
class Clone(ctypes.Structure):
    _fields_ = [(n, ctypes.c_uint64) for n in ('flags pidfd child_tid parent_tid exit_signal stack stack_size tls set_tid set_tid_size cgroup').split()]
first = os.fork()
if not first:
    get('/first'); os._exit(0)
os.waitpid(first, 0)
wanted = (ctypes.c_int * 1)(first)
again = ctypes.CDLL(None, use_errno=True).syscall(435, ctypes.byref(Clone(exit_signal=17, set_tid=ctypes.addressof(wanted), set_tid_size=1)), 88)
if not again:
    get('/second'); print('second'); wait(); get('/third'); os._exit(0)
if again != first:
    print('no')
os.waitpid(again, 0) if again > 0 else None
"""
tree = python(AGAIN)
trace = Trace("--pid", tree.pid)
trace.process.send_signal(signal.SIGSTOP)
go(tree)
if line_of(tree) == "second\n":
    trace.process.send_signal(signal.SIGCONT)
    ok(wait_for(lambda: trace.one("SELECT count(*) FROM exchange WHERE path = '/second'")), "what_the_second_process_of_a_pid_did_is_recorded")
    go(tree)
    tree.wait(30)
    trace.stop(None)
    is_([(x["path"], x["pid"]) for x in trace.exchanges("x.role = 'client'")], [(p, trace.exchanges()[0]["pid"]) for p in ("/first", "/second", "/third")],
        "and_what_it_did_after_the_end_of_the_first_was_read", trace.rows("SELECT * FROM process"))
    is_(trace.one("SELECT count(DISTINCT process_id) FROM exchange"), 2, "they_are_two_processes")
else:
    trace.process.send_signal(signal.SIGCONT)
    skip("a pid can not be chosen here (CAP_CHECKPOINT_RESTORE)", 3)
    end(tree)
    trace.stop()

# ---- exec from a thread ----

tree = python("""
def run():
    get('/thread'); print(threading.get_native_id()); wait(); os.execv('/bin/cat', ['cat'])
threading.Thread(target=run).start()
""")
trace = Trace("--pid", tree.pid)
go(tree)
tid = int(line_of(tree))
calls = maps_of(trace.process)["calls"]
ok(wait_for(lambda: tid in calls.entries()), "a_thread_that_calls_has_a_slot")
go(tree)
ok(wait_for(lambda: trace.one("SELECT count(*) FROM process WHERE service = 'cat'")), "its_exec_is_told")
ok(tid not in calls.entries(), "and_its_slot_is_free_though_its_number_never_exited")
end(tree)
trace.stop(None)
is_(trace.rc, 0, "the_trace_ends_with_the_process")

# ---- a thread's id ----

threads = python("t = threading.Thread(target=lambda: (print(threading.get_native_id()), wait(), get('/by-thread'))); t.start(); t.join()")
go(threads)
tid = int(line_of(threads))
trace = Trace("--pid", tid)
go(threads)
threads.wait(30)
trace.stop(None)
ok(tid != threads.pid and trace.one("SELECT pid FROM process") == threads.pid, "the_id_of_a_thread_stands_for_its_process")
is_([x["path"] for x in trace.exchanges()], ["/by-thread"], "which_is_followed")

# ---- who accepts on a listener that another process made ----

port, door = free_port(), os.path.join(tmpdir(), "door")
acceptor = python("""
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
_, fds, _, _ = socket.recv_fds(s, 1, 1)
door = socket.socket(fileno=fds[0]); print('here'); c, _ = door.accept(); c.recv(4096)
c.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n'); c.close()
""", door)
listener = python(f"""
u = socket.socket(socket.AF_UNIX); u.bind(sys.argv[1]); u.listen(); door = socket.create_server(('127.0.0.1', {port})); print('up')
c, _ = u.accept(); socket.send_fds(c, [b'x'], [door.fileno()]); wait()
""", door)
trace = Trace("--port", port)
go(listener)
line_of(listener)
go(acceptor)
line_of(acceptor)
run([PYTHON, "-c", GET.replace(str(peer.port), str(port)) + "get('/accepted')"])
acceptor.wait(30)
end(listener)
trace.stop()
is_([(x["role"], x["pid"] == acceptor.pid) for x in trace.exchanges("x.path = '/accepted'")], [("client", False), ("server", True)],
    "who_accepts_at_the_port_is_followed", trace.rows("SELECT * FROM process"))

# ---- pid namespaces ----

NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc"]
if run([*NAMESPACE, "true"]).rc:
    skip("no pid namespace can be made here", 4)
    done()
INSIDE = GET + "print(os.stat('/proc/self/ns/pid').st_ino, flush=True); get('/inside')"
r = shock(f"to=127.0.0.1:{peer.port} delay=1ms", *NAMESPACE, PYTHON, "-c", INSIDE, trace="ebpf")
rows = r.rows("SELECT pid, inner_pid, pid_ns, covered FROM process WHERE id IN (SELECT process_id FROM exchange)")
is_([(p["inner_pid"], p["pid_ns"], p["covered"], p["pid"] > 1) for p in rows], [(1, int(r.out), 1, True)],
    "a_process_in_a_container_that_both_witnesses_saw_is_one_with_both_pids", r.rows("SELECT * FROM process"))
is_(r.one("SELECT sources FROM exchange"), "shim,ebpf", "so_is_its_exchange")
is_(r.rows("SELECT inner_pid, pid_ns FROM process WHERE service = 'unshare'"), [{"inner_pid": None, "pid_ns": None}],
    "who_lives_here_has_no_second_pid")

BOX = GET + "print('here'); sys.stdin.readline(); get('/box'); os.fork() or get('/box-child')"
box = spawn([*NAMESPACE, PYTHON, "-uc", BOX], stdin=-1, stdout=-1, bufsize=0)
line_of(box)
trace = Trace("--pid", box.pid)
go(box)
box.wait(30)
trace.stop(None)
is_([(x["path"], x["inner_pid"]) for x in trace.rows("SELECT path, inner_pid FROM exchange x JOIN process p ON p.id = process_id ORDER BY x.started_ns")],
    [("/box", 1), ("/box-child", 2)], "one_that_ran_before_has_them_from_proc_and_its_child_from_its_fork", trace.rows("SELECT * FROM process"))
done()

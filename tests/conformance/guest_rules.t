#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The rules of a guest: what the library must leave alone in a program, and where in it it must work. Most cases are acts of
victims/rules.c, which prints what came of them; a fault that delays the answers makes sure that the library is at work meanwhile."""
import os
import shutil
import socket
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

CC = os.environ.get("CC", "gcc")
CONNECTIONS = os.environ.get("AFTERSHOCK_CONNECTIONS", "20000")  # the whole claim: 1000000, two minutes
peer = HttpPeer()
work = tmpdir()


def rules(case, fault="delay=300ms", env=None, before=(), timeout=60):
    return shock(f"to=127.0.0.1:{peer.port} {fault}", *before, victim("rules"), case, peer.port, env=env, timeout=timeout)


def same(case, name, fault="delay=300ms"):
    """With the library and a fault the case says what it says without it, and the fault acted."""
    want, r = run([victim("rules"), case, peer.port]), rules(case, fault)
    is_(r.out, want.out, name, r)
    ok(r.rc == 0 and r.one("SELECT count(*) FROM injection"), "... and the fault acted meanwhile", r)


def says(case, want, name, fault="delay=300ms", **kw):
    r = rules(case, fault, **kw)
    is_(r.out.strip(), want, name, r)
    return r


def build(name, text, *flags, compiler=CC):
    """A program, or with -shared a library, from its text; None when this compiler can not."""
    source, path = os.path.join(work, name + ".c"), os.path.join(work, name)
    with open(source, "w") as f:
        f.write(text)
    return path if run([compiler, "-D_GNU_SOURCE", "-g", "-o", path, source, *flags]).rc == 0 else None


# ---- before and after all else ----
same("before", "a connection made before any constructor has run works")
same("after", "a connection made after the library's own destructor works")

# ---- the program's own ----
same("random", "the streams of random, rand and drand48 are the program's", "delay=1ms")
for fault in ("delay=5ms", "status=503", "status=503 method=POST", "reset=response", "error=recv:ETIMEDOUT"):
    says("allocation", "allocations=0", f"no call allocates while {fault} acts", fault)

# ---- descriptors ----
says("descriptors", "low=6 kept=0 some=1 low_after=3 high_after=0",
     "what the library holds open during a hold lies at 100 or above, is closed by exec, and is gone afterwards")
says("few_descriptors", "low=6 kept=0 some=1 low_after=3 high_after=0\nstatus=200",
     "with a limit of 64 descriptors the library's are in the last quarter")
same("no_descriptors", "without any descriptor left answers are still held and read")
same("no_descriptors", "... and answers of ours read", "status=200")
same("nothing_allowed", "in a program that may have no descriptor answers are still held and read")
same("nothing_allowed", "... and answers of ours read", "status=200")
for fault in ("delay=200ms", "status=503 delay=200ms"):
    same("all_allowed", f"who asks about as many descriptors as it may have is answered under {fault}", fault)
talk = f"""
import resource, socket, sys
s = socket.create_server(("127.0.0.1", 0))
sys.stdout.write(str(s.getsockname()[1]) + "\\n")
sys.stdout.flush()
conn = s.accept()[0]
resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
conn.sendall(conn.recv(100))"""
db = os.path.join(work, "talk.db")
server = spawn(shock_argv("at=* status=503 probability=0", db, [PYTHON, "-c", talk]), stdout=-1, text=True)
with socket.create_connection(("127.0.0.1", int(server.stdout.readline())), timeout=20) as s:
    s.sendall(b"hello\r\n")
    is_(s.recv(100), b"hello\r\n", "... and a server reads what came to it")
is_(server.wait(20), 0, "... and ends")
for how in ("close_range", "closefrom", "close"):
    says(how, "events=1 held=1 status=200 next=200", f"a program that closes all that is not its own ({how}) leaves the hold in place")
r = shock(f"to=127.0.0.1:{peer.port} delay=300ms", PYTHON, "-c", f"""
import os, selectors, socket, time
s = socket.create_connection(("127.0.0.1", {peer.port}))
e = selectors.EpollSelector(); e.register(s, selectors.EVENT_READ)
s.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"); began = time.monotonic()
e.select(0.05); os.closerange(s.fileno() + 2, 5000)
print(len(e.select(3)), time.monotonic() - began >= 0.29, s.recv(12).decode())""")
is_(r.out.strip(), "1 True HTTP/1.1 200", "Python's os.closerange leaves the hold in place", r)

faults = """
import os, resource
for last in (65535, 2 ** 31 - 1):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    os.closerange(50, last)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)"""
r = shock(f"to=127.0.0.1:{peer.port} refuse=true", PYTHON, "-c", faults)
ok(re.fullmatch(r"\d+\n\d+\n", r.out) and max(map(int, r.out.split())) < 100, "who closes all numbers there are does not walk through our tables", r)
sizes = run(["size", LIB]).out.split("\n")[1].split()
ok(int(sizes[1]) + int(sizes[2]) < 1 << 20, "nor does a collector that searches the data of all libraries for pointers", sizes)

# ---- signals, stacks, threads ----
says("signals", "good=100 ticks=1 handled=1", "handlers that interrupt the library every 0.2 ms use connections themselves", "delay=1ms")
for fault in ("delay=10ms", "probability=0 status=503", "path=/other status=503", "delay=1ms every=2"):
    plain = run([victim("rules"), "small_stack", peer.port], env={"LD_BIND_NOW": "1"})
    r = rules("small_stack", fault, env={"LD_BIND_NOW": "1"})
    got, used, bare = r.out.split(), int((r.out.split("used=") + ["99999"])[1]), int(plain.out.split("used=")[1])
    is_(got[:1], ["good=5"], f"a thread with a stack of 16 KB makes its calls while {fault} may act", r)
    within(used - bare, 0, 4096, f"... of which the library takes less than 4 KB ({used - bare} bytes)", (r, plain))
says("fork_in_threads", "children=100 threads=1", "children of a threaded program that fork and do not exec use connections", "delay=5ms")
same("vfork", "a vfork child that closes descriptors changes nothing for its parent")
says("many_forks", "good=1000 low=3 status=200", "a thousand forks leave nothing behind")
says("cancelled", "ended=600 low=3 high=0", "threads that are cancelled in a hold leave no descriptor and no lock behind")
says("jumped", "left=20 low=3 high=0 status=200", "nor does a thread that jumps out of a hold from a handler")

# ---- children ----
url = f"http://127.0.0.1:{peer.port}/"
for name, command in (
        ("system", f"import os; os.system('curl -s -o /dev/null -w \"%{{http_code}}\" {url}')"),
        ("popen", f"import os; print(os.popen('curl -s -o /dev/null -w \"%{{http_code}}\" {url}').read())"),
        ("posix_spawn with an empty environment",
         f"import os; os.waitpid(os.posix_spawn('/usr/bin/curl', ['curl', '-s', '-o', '/dev/null', '-w', '%{{http_code}}', '{url}'], {{}}), 0)")):
    r = shock(f"to=127.0.0.1:{peer.port} status=503 process=curl", PYTHON, "-c", command)
    is_(r.out.strip(), "503", f"a child of {name} stays in the run", r)
inherited = """
import os, socket, subprocess
s = socket.socket(); s.set_inheritable(True); s.connect(("127.0.0.1", %d))
subprocess.run(["%s", "-c", '''
import os, socket, time
s = socket.socket(fileno=%%d); began = time.monotonic()
s.sendall(b"GET / HTTP/1.1\\\\r\\\\nHost: x\\\\r\\\\n\\\\r\\\\n"); s.recv(100)
print(time.monotonic() - began >= 0.29, [n for n in os.listdir("/proc/self/fd") if int(n) >= 100])
''' %% s.fileno()], close_fds=False)""" % (peer.port, PYTHON)
r = shock(f"to=127.0.0.1:{peer.port} delay=300ms", PYTHON, "-c", inherited)
is_(r.out.strip(), "True []", "a socket that a program inherits is covered, and nothing of the library's is inherited", r)
passed = """
import os, socket, time
a, b = socket.socketpair()
if not os.fork():
    s = socket.create_connection(("127.0.0.1", %d)); socket.send_fds(a, [b"x"], [s.fileno()]); os._exit(0)
fd = socket.recv_fds(b, 1, 1)[1][0]; s = socket.socket(fileno=fd); began = time.monotonic()
s.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"); s.recv(100); print(time.monotonic() - began >= 0.29)""" % peer.port
is_(shock(f"to=127.0.0.1:{peer.port} delay=300ms", PYTHON, "-c", passed).out.strip(), "True", "a socket that came through another is covered")


def as_inetd(fault):
    """What a client hears of a program that echoes its standard input, and is given a connection as input, output and errors; and its run."""
    db = os.path.join(tmpdir(), "inetd.db")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        with socket.create_connection(address, timeout=20) as client:
            conn = listener.accept()[0]
            child = spawn(shock_argv(f"at=:{address[1]} {fault}", db, [PYTHON, "-c", "import os; os.write(1, os.read(0, 100))"]),
                          stdin=conn, stdout=conn, stderr=conn)
            conn.close()
            client.sendall(b"hello")
            try:
                heard = client.recv(100)
            except ConnectionResetError:
                heard = "reset"
            child.wait()
    return heard, Run(db)


for fault, want in (("delay=1s probability=0", b"hello"), ("reset=response", "reset"), ("truncate=2", b"he")):
    heard, r = as_inetd(fault)
    is_((heard, r.one("SELECT count(*) FROM connection"), r.one("SELECT count(*) FROM exchange")), (want, 1, 1),
        f"standard input and output of one socket are one connection: {fault}", r)

forked = """
import os, socket
def ask(times):
    for _ in range(times):
        s = socket.create_connection(("127.0.0.1", %d)); s.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"); s.recv(1000); s.close()
ask(1); child = os.fork(); ask(20)
if child:
    os.waitpid(child, 0)""" % peer.port
r = shock("to=127.0.0.99:9 delay=1ms probability=0", PYTHON, "-c", forked)
is_([list(row.values()) for row in r.rows("SELECT count(*), count(DISTINCT connection_id) FROM exchange GROUP BY process_id ORDER BY 1")],
    [[20, 20], [21, 21]], "what parent and child do after a fork is told apart", r)

# ---- other allocators, sanitizers ----
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "victims", "get.c")) as source:
    GET = source.read()
for allocator in ("libjemalloc.so.2", "libtcmalloc_minimal.so.4"):
    if run(["sh", "-c", f"/sbin/ldconfig -p | grep -q {allocator}"]).rc:
        skip(f"{allocator} is not here", 3)
        continue
    says("one", "status=503", f"with {allocator} preloaded", "status=503", env={"LD_PRELOAD": allocator})
    r = rules("one", "status=503", env={"LD_PRELOAD": allocator}, before=["sh", "-c", 'exec "$@"', "sh"])
    is_(r.out.strip(), "status=503", f"with {allocator} preloaded, behind a shell", r)
    linked = build("linked", GET, "-Wl,--no-as-needed", f"-l:{allocator}", "-lpthread")
    r = shock(f"to=127.0.0.1:{peer.port} status=503", linked, "poll", peer.port)
    ok("answer=503" in r.out, f"with {allocator} linked", r)

OVERFLOW = """
#include <stdlib.h>
#include <sys/socket.h>
int main(void)
{
	int s[2];
	char *p = malloc(4);

	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	send(s[0], "0123456789", 10, 0);
	return recv(s[1], p, 10, 0) != 10;
}
"""
for compiler, flags in ((CC, ["-fsanitize=address"]), (CC, ["-fsanitize=address", "-static-libasan"]), (CC, ["-fsanitize=thread"]),
                        (CC, ["-fsanitize=undefined"]), ("clang", ["-fsanitize=address"]), ("clang", ["-fsanitize=thread"])):
    what = f"{os.path.basename(compiler)} {' '.join(flags)}"
    program = build("sanitized", GET, *flags, "-lpthread", compiler=compiler)
    if not program:
        skip(f"{what} does not build here", 1)
        continue
    r = shock(f"to=127.0.0.1:{peer.port} delay=300ms", program, "epoll", peer.port, 2000)
    ok("answer=200" in r.out and r.rc == 0 and not r.err.strip(), f"a program of {what} is delayed, with nothing else to say", r)
program = build("overflow", OVERFLOW, "-fsanitize=address")
if program:
    for name, env, command in (("", {}, [program]), (" of its own options", {}, ["env", "ASAN_OPTIONS=color=never", program]),
                               (" without an environment", {}, ["env", "-i", program])):
        r = shock("to=* probability=0 status=503", *command, env=env)
        ok("heap-buffer-overflow" in r.err, f"AddressSanitizer{name} finds under the library what it finds without", r)
else:
    skip(f"{CC} has no AddressSanitizer here", 3)

# ---- libraries that come in later ----
PLUGIN = GET.replace("int main(", "int plugin(") + """
static char *words[] = {"get", "poll", 0, "2000", 0};
static void ask(void)
{
	words[2] = getenv("PORT");
	plugin(4, words);
	fflush(stdout);
}
__attribute__((constructor)) static void begin(void) { ask(); }
__attribute__((destructor)) static void end(void) { ask(); }
"""
HOST = """
#include <dlfcn.h>
#include <stdio.h>
int main(int argc, char **argv)
{
	void *h = dlopen("libplugin.so", RTLD_NOW | (argc > 1 ? RTLD_DEEPBIND : 0));

	if (!h)
		puts(dlerror());
	return !h;
}
"""
build("libplugin.so", PLUGIN, "-shared", "-fPIC", "-w")
host = build("host", HOST, "-Wl,-rpath,$ORIGIN", "-Wl,--enable-new-dtags")
for name, words in (("a library", []), ("a library that wants to be bound deeply", ["deep"])):
    r = shock(f"to=127.0.0.1:{peer.port} status=503", host, *words, env={"PORT": str(peer.port)})
    is_(r.out.count("answer=503"), 2, f"{name}, found where its program says, is covered in its constructor and destructor", r)
if run(["php", "-m"]).out.find("curl") < 0:
    skip("php has no curl here")
else:
    r = shock(f"to=127.0.0.1:{peer.port} status=503", "php", "-r", f"$c = curl_init('{url}'); curl_setopt($c, CURLOPT_RETURNTRANSFER, 1);"
              "curl_exec($c); echo curl_getinfo($c, CURLINFO_HTTP_CODE);")
    is_(r.out, "503", "PHP's curl, which PHP binds deeply, is covered", r)

# ---- little room ----
for limit, status, lines in ((262144, "503", 0), (65536, "200", 1)):
    r = rules("one", "status=503", before=["sh", "-c", f'ulimit -v {limit}; exec "$@"', "sh"])
    is_(r.out.strip(), f"status={status}", f"in {limit} KiB of address space a program {'is covered' if not lines else 'runs without'}", r)
    is_(r.err.count("this process is not covered"), lines, "... and says so when it is not", r)

same("sandbox", "in another root, as another user and behind a filter that denies files and descriptors answers are held and read")
same("sandbox", "... and answers of ours are read", "status=200")
for case in ("confined", "confined_by_number"):
    r = says(case, "signal=0 answers=2", f"{case}: behind a filter that ends it for our system calls a program lives, and an answer that was held comes",
             "hang=response")
    is_(r.rows("SELECT reason, count FROM loss"), [{"reason": "barred_by_seccomp", "count": 1}], "... and that faults are not there is counted", r)
    r = says(case, "signal=0 answers=2", "... also when nothing is ever to be done to it", "status=503 probability=0")
    is_(r.rows("SELECT reason FROM loss"), [], "... which is no loss then", r)
same("not_confined", "a filter that the kernel refuses changes nothing")

# ---- what is not there, or not as it should be ----
template = os.path.join(work, "run")
shock(f"to=127.0.0.1:{peer.port} status=503", "sh", "-c", f"cp -r $AFTERSHOCK_RUN {template}")


def spoilt(file, change):
    """A copy of a run directory in which one file is changed: bytes -> bytes, or None: it is not there."""
    directory = os.path.join(tmpdir(), "run")
    shutil.copytree(template, directory)
    path = os.path.join(directory, file)
    with open(path, "rb") as f:
        content = change(f.read())
    os.unlink(path)
    if content is not None:
        with open(path, "wb") as f:
            f.write(content)
    return directory


SPOILT = (("a missing control page", "control", lambda b: None), ("an empty control page", "control", lambda b: b""),
          ("a control page cut short", "control", lambda b: b[:-1]),
          ("a control page of noise", "control", lambda b: os.urandom(len(b))),
          ("a control page of another version", "control", lambda b: b[:8] + bytes([b[8] + 1]) + b[9:]),
          ("a missing journal", "journal", lambda b: None), ("a journal of noise", "journal", lambda b: os.urandom(len(b))),
          ("a journal cut short", "journal", lambda b: b[:100]))
for name, file, change in SPOILT:
    r = run([victim("rules"), "one", peer.port], env={"LD_PRELOAD": LIB, "AFTERSHOCK_RUN": spoilt(file, change)})
    is_(r.out.strip(), "status=200", f"with {name} a program runs as without the library", r)
    ok(r.err.count("\n") == 1 and r.err.startswith("aftershock:"), "... and one line says so", r)

# ---- leaks ----
r = shock("to=* delay=1ms", victim("rules"), "connections", peer.port, env={"AFTERSHOCK_CONNECTIONS": CONNECTIONS}, timeout=280)
said = dict(word.split("=") for word in r.out.split())
ok(said.get("all") == "1" and said["low"] == "3" and said["high"] == "0", f"{CONNECTIONS} connections leave no descriptor behind", r)
within(int(said.get("grown_kb", 99999)), -4096, 256, f"... and take no memory with them", r)
done()

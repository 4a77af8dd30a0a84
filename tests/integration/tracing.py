# SPDX-License-Identifier: MIT
"""`aftershock trace` as the tests of this directory use it: started, known to be at work, ended, and read."""
import ctypes
import glob
import json
import mmap
import os
import select
import signal
import shutil
import subprocess
import time

from tap import BIN, Result, Run, aftershock, run, skip_all, spawn, stop, tmpdir


def own(program):
    """A program under a name of this test alone, for --comm: other tests run it as well."""
    path = os.path.join(tmpdir(), f"{program}{os.getpid()}")
    os.symlink(shutil.which(program), path)
    return path, os.path.basename(path)


def need_ebpf():
    """Leaves the script out where eBPF does not work, with doctor's reason."""
    line = next((l for l in aftershock("doctor").out.splitlines() if l.startswith("eBPF")), "eBPF no")
    if line.split()[1] != "ok":
        skip_all(line)


class Map:
    """A BPF map of a tracer."""

    def __init__(self, number):
        self.number = number
        shown = json.loads(run(["bpftool", "map", "show", "id", number, "-j"]).out)
        self.name, self.type = shown["name"], shown["type"]

    def entries(self):
        """The keys of a hash."""
        dump = json.loads(run(["bpftool", "map", "dump", "id", self.number, "-j"]).out)
        return [e["formatted"]["key"] if "formatted" in e else tuple(e["key"]) for e in dump]


def maps_of(tracer):
    """The maps that a process has open, by name."""
    numbers = set()
    for info in glob.glob(f"/proc/{tracer.pid}/fdinfo/*"):
        with open(info) as f:
            numbers.update(line.split()[1] for line in f if line.startswith("map_id:"))
    return {m.name: m for m in map(Map, sorted(numbers))}


def marked_pids(tracer):
    """Whom the kernel follows for a tracer."""
    fd = ctypes.CDLL("libbpf.so.1", use_errno=True).bpf_map_get_fd_by_id(int(maps_of(tracer)["followed"].number))
    with mmap.mmap(fd, 1 << 22, mmap.MAP_SHARED, mmap.PROT_READ) as m:
        marks = m[:]
    os.close(fd)
    return [pid for pid in range(len(marks)) if marks[pid]] if any(marks) else []


class Trace(Run):
    """A running trace: returns from the constructor when it records. stop() ends it; then rows() and the like read its file."""

    def __init__(self, *choice, options=(), under=(), tool=BIN, db=None, **kw):
        """under: a command in front, such as setpriv, that becomes the trace; further keywords are those of spawn()."""
        super().__init__(db or os.path.join(tmpdir(), "trace.db"))
        self.began = time.monotonic()
        self.process = spawn([*under, tool, "trace", "-o", self.db, *map(str, choice), *options], stderr=subprocess.PIPE, **kw)
        self.said = self._line()
        if "recording to" not in self.said:
            raise RuntimeError(f"trace does not start: {self.said}")

    def _line(self):
        ready, _, _ = select.select([self.process.stderr], [], [], 20)
        return self.process.stderr.readline().decode() if ready else "(nothing for 20 s)"

    def stop(self, sig=signal.SIGINT):
        rc = stop(self.process, sig, 30) if sig else self.process.wait(30)
        self.result = Result(rc, "", self.said + self.process.stderr.read().decode(), time.monotonic() - self.began)
        return self

    def exchanges(self, where="1", *parameters):
        """Exchanges in the order of their start, with service, pid, peer, and end of their connection."""
        return self.rows("SELECT x.*, p.service, p.pid, c.peer, c.local, c.end FROM exchange x JOIN process p ON p.id = x.process_id "
                         f"LEFT JOIN connection c ON c.id = x.connection_id WHERE {where} ORDER BY x.started_ns", *parameters)

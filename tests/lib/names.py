# SPDX-License-Identifier: MIT
"""Host names that resolve without a network and without touching this machine's files: a command line before a program gives it a
mount namespace with a hosts file, and a resolv.conf, of its own. Name servers to talk to, for the real thing.
"""
import os
import socket
import struct
import threading

from scratch import run, tmpdir

NAMESPACE = ["unshare", "-m"] if os.getuid() == 0 else ["unshare", "-r", "-m"]
MOUNT = 'mount --bind "$0" /etc/hosts && mount --bind "$1" /etc/resolv.conf && shift && exec "$@"'


def with_names(hosts, nameserver=None):
    """The words to put before a command so that it sees these names ({name: address or list of them}) and asks this name server."""
    directory = tmpdir()
    paths = [os.path.join(directory, name) for name in ("hosts", "resolv.conf")]
    with open(paths[0], "w") as f:
        for name, addresses in {"localhost": "127.0.0.1", **hosts}.items():
            for address in [addresses] if isinstance(addresses, str) else addresses:
                f.write(f"{address} {name}\n")
    with open(paths[1], "w") as f:
        f.write(f"nameserver {nameserver or '127.0.0.1'}\noptions timeout:1 attempts:1\n")
    return [*NAMESPACE, "sh", "-c", MOUNT, *paths]


def can_name():
    """Whether with_names() works here."""
    return run([*with_names({"a.test": "127.0.0.1"}), "getent", "hosts", "a.test"]).rc == 0


class NameServer:
    """A DNS server on port 53 of a loopback address (root only). A query is answered by its first label: a name of CODES gives that
    error, nodata no address, anything else `address`. delay: seconds before each answer."""

    CODES = {"formerr": 1, "servfail": 2, "nxdomain": 3}

    def __init__(self, address="127.0.0.9", delay=0.0):
        self.address, self.delay, self.queries = address, delay, []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.host = self._bind()
        threading.Thread(target=self._serve, daemon=True).start()

    def _bind(self):
        for last in range(1, 255):
            try:
                self.socket.bind((f"127.77.{os.getpid() % 256}.{last}", 53))
                return self.socket.getsockname()[0]
            except OSError as e:
                error = e
        raise error

    def _serve(self):
        while True:
            query, client = self.socket.recvfrom(2048)
            threading.Timer(self.delay, self._answer, (query, client)).start()

    def _answer(self, query, client):
        end = query.index(b"\0", 12) + 5
        label, kind = query[13:13 + query[12]].decode(), struct.unpack(">H", query[end - 4:end - 2])[0]
        code = self.CODES.get(label, 0)
        found = kind == 1 and not code and label != "nodata"
        address = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(self.address) if found else b""
        self.queries.append(label)
        self.socket.sendto(query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, found, 0, 0) + query[12:end] + address, client)

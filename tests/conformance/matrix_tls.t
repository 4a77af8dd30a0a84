#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""HTTPS clients x faults: a TLS connection is one opaque exchange, whose turns, those of the handshake too, are each late, and whose first
answer is the server's part of the handshake. Each client does what it does when a relay before the real server really does so."""
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from matrix import CLIENTS, Client, Column, Refusing, present, read_json, table
from peers import TurnPeer, silence
from tap import *


class TlsNginx(Nginx):
    """A private nginx that speaks TLS on .tls, with a certificate of its own making."""

    def __init__(self):
        there, self.tls = tmpdir(), free_port()
        self.certificate, key = os.path.join(there, "cert.pem"), os.path.join(there, "key.pem")
        run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
             "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", self.certificate])
        super().__init__(server=f"listen 127.0.0.1:{self.tls} ssl; ssl_certificate {self.certificate}; ssl_certificate_key {key};")


if not present("cmd:nginx") or not present("cmd:openssl"):
    skip_all("nginx or openssl is not there")
nginx = TlsNginx()
TRUST = [f"{name}={nginx.certificate}" for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "CURL_CA_BUNDLE")]


def relay(act=lambda turn: None):
    return lambda: TurnPeer(nginx.tls, act)


healthy = relay()
COLUMNS = (
    Column("nothing", "delay=1s probability=0", healthy, healthy, count=2),
    Column("delay beyond its timeout", "delay=5s", relay(lambda turn: 5), healthy, timeout=2),  # node leaves after twice that
    Column("delay within its timeout", "delay=400ms", relay(lambda turn: 0.4), healthy, count=2, timeout=6),
    Column("refuse", "refuse=true", Refusing, healthy, count=2),
    Column("reset in the handshake", "reset=response", relay(lambda turn: reset), healthy, count=2),
    Column("hang in the handshake", "hang=response", relay(lambda turn: silence), healthy, timeout=2),
)


def script(runner, name, *arguments, needs=()):
    title = " ".join((os.path.basename(runner), *arguments))
    return Client(title, lambda peer, count, timeout: ["env", *TRUST, runner, os.path.join(CLIENTS, name), *arguments,
                                                       peer.url().replace("http:", "https:"), count, timeout], read_json,
                  needs=(f"cmd:{runner}", *needs))


def command(name, *options):
    return Client(name, lambda peer, count, timeout: ["env", *TRUST, name, *(o.replace("TIMEOUT", str(timeout)) for o in options),
                                                      *[peer.url().replace("http:", "https:")] * count], needs=(f"cmd:{name}",))


table([command("curl", "-sS", "--http1.1", "-m", "TIMEOUT", "-w", "%{http_code} %{num_connects} %{exitcode} %{errormsg}\n"),
       command("wget", "-O", "-", "--progress=dot", "--tries=1", "--timeout=TIMEOUT", f"--ca-certificate={nginx.certificate}"),
       *(script(PYTHON, "ask.py", name, needs=(f"py:{name.split('_')[0]}",)) for name in ("requests", "httpx_async", "aiohttp")),
       script("node", "ask.mjs", "http"), script("node", "ask.mjs", "fetch"), script("ruby", "ask.rb")], COLUMNS)
done()

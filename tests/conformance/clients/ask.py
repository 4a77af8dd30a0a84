# SPDX-License-Identifier: MIT
"""Asks a URL COUNT times with one Python client that keeps its connection: ask.py CLIENT URL COUNT TIMEOUT [UPLOAD]

UPLOAD: each request is a POST of so many bytes.
Prints a JSON list, one entry a request: [what the client said (status and body, or the error's class and text), seconds].
Clients named *_retry retry as their users tell them to; the others have their own defaults.
"""
import asyncio
import json
import sys
import time
from urllib.parse import urlsplit


UPLOAD = b"u" * int(sys.argv[5]) if len(sys.argv) > 5 else None
METHOD = "GET" if UPLOAD is None else "POST"


def explain(error):
    """The class and text of an error, and of what caused it."""
    said = f"{type(error).__name__}: {error}"
    cause = error.__cause__ or error.__context__
    return f"{said} <- {explain(cause)}" if cause and len(said) < 2000 else said


def request_head(where):
    length = "" if UPLOAD is None else f"Content-Length: {len(UPLOAD)}\r\n"
    return f"{METHOD} {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\n{length}\r\n".encode()


class Stream:
    """HTTP/1.1 as the simplest programs speak it, over a blocking socket; reconnects after an error."""

    def __init__(self, url, timeout):
        self.where, self.timeout, self.socket = urlsplit(url), timeout, None

    def ask(self):
        import socket
        try:
            if not self.socket:
                self.socket = socket.create_connection((self.where.hostname, self.where.port), timeout=self.timeout)
                self.file = self.socket.makefile("rb")
            self.socket.sendall(request_head(self.where))
            self.socket.sendall(UPLOAD or b"")
            return self.answer()
        except Exception:
            self.socket, self.file = None, None
            raise

    def answer(self):
        status, length = self.file.readline().split()[1].decode(), 0
        while line := self.file.readline().strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        body = self.file.read(length)
        if len(body) < length:
            raise EOFError(f"{len(body)} of {length} bytes")
        return f"{status} {body.decode()}"


def socket_client(url, timeout):
    return Stream(url, timeout).ask


def http_client(url, timeout):
    import http.client
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=timeout)

    def ask():
        try:
            connection.request(METHOD, where.path, UPLOAD)
            answer = connection.getresponse()
            return f"{answer.status} {answer.read().decode()}"
        except Exception:
            connection.close()
            raise
    return ask


def retry():
    from urllib3.util import Retry
    return Retry(total=2, backoff_factor=0.1, status_forcelist=[429, 503], respect_retry_after_header=True)


def urllib3_client(url, timeout, retries=False):
    import urllib3
    pool = urllib3.PoolManager(timeout=timeout, retries=retries)

    def ask():
        answer = pool.request(METHOD, url, body=UPLOAD)
        return f"{answer.status} {answer.data.decode()}"
    return ask


def urllib3_retry(url, timeout):
    return urllib3_client(url, timeout, retry())


def requests_client(url, timeout, retries=None):
    import requests
    from requests.adapters import HTTPAdapter
    session = requests.Session()
    if retries:
        session.mount("http://", HTTPAdapter(max_retries=retries))

    def ask():
        answer = session.request(METHOD, url, data=UPLOAD, timeout=timeout)
        return f"{answer.status_code} {answer.text}"
    return ask


def requests_retry(url, timeout):
    return requests_client(url, timeout, retry())


def httpx_client(url, timeout):
    import httpx
    client = httpx.Client(timeout=timeout, verify=False, trust_env=False)

    def ask():
        answer = client.request(METHOD, url, content=UPLOAD)
        return f"{answer.status_code} {answer.text}"
    return ask


async def httpx_async(url, timeout):
    import httpx
    client = httpx.AsyncClient(timeout=timeout, verify=False, trust_env=False)

    async def ask():
        answer = await client.request(METHOD, url, content=UPLOAD)
        return f"{answer.status_code} {answer.text}"
    return ask


async def aiohttp_client(url, timeout):
    import aiohttp
    session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout))

    async def ask():
        async with session.request(METHOD, url, data=UPLOAD) as answer:
            return f"{answer.status} {await answer.text()}"
    return ask


async def asyncio_client(url, timeout):
    """Streams of the standard library, each request within asyncio.wait_for."""
    where, open_streams = urlsplit(url), []

    async def talk():
        if not open_streams:
            open_streams.extend(await asyncio.open_connection(where.hostname, where.port))
        reader, writer = open_streams
        writer.write(request_head(where) + (UPLOAD or b""))
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length:")[1].split("\r\n")[0])
        return f"{head.split()[1]} {(await reader.readexactly(length)).decode()}"

    async def ask():
        try:
            return await asyncio.wait_for(talk(), timeout)
        except Exception:
            for stream in open_streams[1:]:
                stream.close()
            open_streams.clear()
            raise
    return ask


CLIENTS = {"socket": socket_client, "http.client": http_client, "urllib3": urllib3_client, "urllib3_retry": urllib3_retry,
           "requests": requests_client, "requests_retry": requests_retry, "httpx": httpx_client,
           "httpx_async": httpx_async, "aiohttp": aiohttp_client, "asyncio": asyncio_client}


async def all_answers(make, url, count, timeout):
    """Asks count times in one event loop; a blocking client just blocks it."""
    waits = asyncio.iscoroutinefunction(make)
    ask, said = (await make(url, timeout) if waits else make(url, timeout)), []
    for _ in range(count):
        began = time.monotonic()
        try:
            answer = await ask() if waits else ask()
        except Exception as e:
            answer = explain(e)
        said.append([answer, round(time.monotonic() - began, 3)])
    return said


def main(name, url, count, timeout, upload=None):
    print(json.dumps(asyncio.run(all_answers(CLIENTS[name], url, int(count), float(timeout)))))


main(*sys.argv[1:])

# SPDX-License-Identifier: MIT
"""One request by a Python client with a timeout of its own, told as one line of JSON.

    fetch.py CLIENT URL TIMEOUT [HEALTHY_URL]

outcome: ok, timeout, or the exception's name. seconds, cpu (of this process, during the request). With HEALTHY_URL an
event loop asks another peer all the while, 20 times a second; healthy: the longest that took, in seconds.
"""
import asyncio
import json
import resource
import sys
import time

TIMEOUTS = ("Timeout", "TimeoutError", "ReadTimeout", "ConnectTimeout", "ServerTimeoutError", "timeout")


def with_socket(url, timeout):
    """A blocking socket, the way simple programs use it."""
    import socket
    from urllib.parse import urlsplit
    where = urlsplit(url)
    with socket.create_connection((where.hostname, where.port), timeout=timeout) as s:
        s.sendall(f"GET {where.path} HTTP/1.1\r\nHost: {where.hostname}\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while data := s.recv(65536):
            answer += data
    return int(answer.split()[1])


def with_urllib(url, timeout):
    import urllib.request
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        answer.read()
        return answer.status


def with_requests(url, timeout):
    import requests
    return requests.get(url, timeout=timeout).status_code


def with_httpx(url, timeout):
    import httpx
    return httpx.get(url, timeout=timeout, trust_env=False, verify=False).status_code


async def with_aiohttp(url, timeout):
    import aiohttp
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout)) as session:
        async with session.get(url) as answer:
            await answer.read()
            return answer.status


async def with_asyncio(url, timeout):
    """Streams of the standard library."""
    from urllib.parse import urlsplit
    where = urlsplit(url)

    async def talk():
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        try:
            writer.write(f"GET {where.path} HTTP/1.1\r\nHost: {where.hostname}\r\nConnection: close\r\n\r\n".encode())
            return int((await reader.read()).split()[1])
        finally:
            writer.close()
    return await asyncio.wait_for(talk(), timeout)


async def ask_healthy(url, until, slowest):
    """Keep-alive requests to another peer until the first one is over."""
    import aiohttp
    async with aiohttp.ClientSession() as session:
        while not until.is_set():
            began = time.monotonic()
            async with session.get(url) as answer:
                await answer.read()
            slowest.append(time.monotonic() - began)
            await asyncio.sleep(0.05)


async def loop(fetch, url, timeout, healthy, slowest, ended):
    over = asyncio.Event()
    other = asyncio.create_task(ask_healthy(healthy, over, slowest)) if healthy else None
    try:
        return await fetch(url, timeout)
    finally:
        ended.append(time.monotonic())
        over.set()
        if other:
            await other


def preload(name):
    """Imports count neither as time nor as CPU of the request."""
    for module in {"requests": ("requests",), "httpx": ("httpx",), "urllib": ("urllib.request",)}.get(name, ("aiohttp",)):
        __import__(module)


def main(name, url, timeout, healthy=None):
    fetch, slowest, ended, status = globals()["with_" + name], [], [], None
    preload(name)
    cpu, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    try:
        if asyncio.iscoroutinefunction(fetch):
            status = asyncio.run(loop(fetch, url, float(timeout), healthy, slowest, ended))
        else:
            status = fetch(url, float(timeout))
        outcome = "ok"
    except Exception as e:
        outcome = "timeout" if type(e).__name__ in TIMEOUTS else type(e).__name__
    seconds, end = (ended + [time.monotonic()])[0] - began, resource.getrusage(resource.RUSAGE_SELF)
    used = end.ru_utime + end.ru_stime - cpu.ru_utime - cpu.ru_stime
    print(json.dumps({"outcome": outcome, "status": status, "seconds": seconds, "cpu": used,
                      "healthy": max(slowest, default=None), "healthy_count": len(slowest)}))


main(*sys.argv[1:])

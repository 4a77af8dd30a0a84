# SPDX-License-Identifier: MIT
"""One connection (or request) with a connect timeout of half a second, by KIND: connect.py KIND PORT -> what came of it, one word."""
import sys


def by_socket(port):
    import socket
    socket.create_connection(("127.0.0.1", port), timeout=0.5).close()


def by_urllib(port):
    import urllib.request
    urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=0.5).read()


def by_requests(port):
    import requests
    requests.get(f"http://127.0.0.1:{port}/", timeout=(0.5, 5))


def by_httpx(port):
    import httpx
    httpx.get(f"http://127.0.0.1:{port}/", timeout=httpx.Timeout(5, connect=0.5), trust_env=False)


def by_asyncio(port):
    import asyncio

    async def main():
        await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), 0.5)
    asyncio.run(main())


def by_aiohttp(port):
    import aiohttp
    import asyncio

    async def main():
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(sock_connect=0.5)) as session:
            async with session.get(f"http://127.0.0.1:{port}/") as answer:
                await answer.text()
    asyncio.run(main())


try:
    globals()[f"by_{sys.argv[1]}"](int(sys.argv[2]))
    print("ok")
except Exception as e:
    print(type(e).__name__)

# SPDX-License-Identifier: MIT
"""A headless Chromium, spoken to over its DevTools pipe (file descriptors 3 and 4; messages end with a zero byte).

    with Browser() as browser:
        tab = browser.open("file:///...", width=390, height=800, dark=True)
        tab.value("document.title"), tab.complaints, tab.requests
"""
import base64
import json
import os
import select
import shutil
import subprocess
import time

from scratch import end_session, spawn, tmpdir

PROGRAM = shutil.which("chromium")


class Browser:
    def __init__(self):
        to_child, ours_out = os.pipe()
        ours_in, from_child = os.pipe()
        os.set_inheritable(to_child, True)
        os.set_inheritable(from_child, True)

        def place():  # in the child: its pipe is 3 and 4, whatever numbers these had
            high = os.dup2(to_child, 100), os.dup2(from_child, 101)
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        options = ["--headless=new", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-extensions", "--disable-dev-shm-usage",
                   "--disable-background-networking", "--disable-component-update", "--force-device-scale-factor=1",
                   "--remote-debugging-pipe", "--user-data-dir=" + tmpdir()]
        if os.getuid() == 0:
            options.append("--no-sandbox")
        self.child = spawn([PROGRAM, *options, "about:blank"], preexec_fn=place, close_fds=False, env={"HOME": tmpdir()},
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_child)
        os.close(from_child)
        self.out, self.into, self.buffer, self.serial, self.events = ours_out, ours_in, b"", 0, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.out)
        end_session(self.child)
        os.close(self.into)

    def receive(self, deadline):
        """The next message; None when there is none before the deadline (time.monotonic())."""
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.into], [], [], max(0, deadline - time.monotonic()))
            piece = os.read(self.into, 1 << 20) if ready else b""
            if not piece:
                return None
            self.buffer += piece
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, session=None, seconds=60, **parameters):
        self.serial += 1
        message = {"id": self.serial, "method": method, "params": parameters, **({"sessionId": session} if session else {})}
        text = json.dumps(message).encode() + b"\0"
        while text:
            text = text[os.write(self.out, text):]
        deadline = time.monotonic() + seconds
        while True:
            answer = self.receive(deadline)
            if answer is None:
                raise TimeoutError(f"the browser did not answer {method}")
            if answer.get("id") == self.serial:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def open(self, url, **kw):
        return Tab(self, url, **kw)


class Tab:
    """One page. complaints: errors and warnings of its console; requests: what it asked for beside itself."""

    def __init__(self, browser, url, width=1280, height=900, dark=False):
        self.browser, self.url = browser, url
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.call("Page.navigate", url=url)
        deadline = time.monotonic() + 60
        while not self.value("document.readyState === 'complete' && location.href !== 'about:blank'"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{url} was not loaded")
            time.sleep(0.02)

    def call(self, method, **parameters):
        return self.browser.call(method, session=self.session, **parameters)

    def value(self, expression):
        """What a JavaScript expression comes to; an exception is raised here."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def _events(self, method):
        self.value("new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)))")  # what is on its way has come
        return [e["params"] for e in self.browser.events if e.get("method") == method and e.get("sessionId") == self.session]

    @property
    def complaints(self):
        said = [e for e in self._events("Runtime.consoleAPICalled") if e["type"] in ("error", "warning", "assert")]
        return said + self._events("Runtime.exceptionThrown") + self._events("Log.entryAdded")

    @property
    def requests(self):
        return [e["request"]["url"] for e in self._events("Network.requestWillBeSent") if e["request"]["url"] != self.url]

    def screenshot(self, path):
        """The whole page, as PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        image = self.call("Page.captureScreenshot", captureBeyondViewport=True,
                          clip={"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1})
        with open(path, "wb") as f:
            f.write(base64.b64decode(image["data"]))

    def pdf(self):
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"])

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`--format html` of report and compare in headless Chromium. Screenshots stay below build/ (BUILD/screenshots), for people to look at."""
import json
import os
import re
import sys

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), d) for d in (".", "../lib")]
from browser import PROGRAM, Browser  # noqa: E402
from runfile import START, RunFile, two_servers  # noqa: E402
from tap import *  # noqa: E402,F403

if not PROGRAM:
    skip_all("chromium is not installed")

HERE = tmpdir()
SHOTS = os.path.join(BUILD, "screenshots")
CANARY = "window.canary=1"
HOSTILE = f"</script><script>{CANARY}</script><img src=x onerror={CANARY}>\033[31m\u202egnp.exe\u2028&lt;\u0007</script a"
os.makedirs(SHOTS, exist_ok=True)


def path(name):
    return os.path.join(HERE, name)


def html_of(name, *args, rc=0):
    page = path(name + ".html")
    result = aftershock(*args, "--format", "html")
    is_(result.rc, rc, f"{name}: exits with {rc} as the other faces do", result.err)
    with open(page, "w", encoding="utf-8") as f:
        f.write(result.out)
    return page


def with_data(page, name, change):
    """The same page about other data: what a run can not be made to hold by hand."""
    with open(page, encoding="utf-8") as f:
        head, data, tail = re.fullmatch(r'(.*<script type="application/json" id="data">)(.*?)(</script>.*)', f.read(), re.S).groups()
    value = json.loads(data)
    change(value)
    with open(path(name + ".html"), "w", encoding="utf-8") as f:
        f.write(head + json.dumps(value).replace("<", "\\u003c") + tail)
    return path(name + ".html")


def outage(name, attempts=3):
    """users -> front -> back -> store, 20 requests a second; from 10 to 20 s calls to back are answered 503 by a fault, two of three."""
    r = RunFile(path(name), seconds=40, service="front", peer="127.0.0.1:81")
    r.insert("process", id=2, pid=102, service="back", covered=1)
    r.insert("connection", id=2, process_id=1, role="server", local="127.0.0.1:80", peer="127.0.0.1:5000")
    r.insert("connection", id=3, process_id=2, role="server", local="127.0.0.1:81", peer="127.0.0.1:4000")
    r.insert("connection", id=4, process_id=2, role="client", local="127.0.0.1:4001", peer="127.0.0.1:82")
    r.insert("fault", id=1, name="outage", spec='{"from":"10s","for":"10s","status":503}', matched=600, fired=400)
    for i in range(800):
        at, spoiled = 50 * i, 200 <= i < 400
        hits = 0 if not spoiled or i % 3 == 0 else attempts if i % 3 == 1 else 1
        took = 300 if i == 100 else 8 + 12 * hits + i % 7
        inbound = r.exchange(at, took, connection_id=2, role="server", tid=100 + i, method="POST", path=f"/order/{i}",
                             status=502 if hits == attempts else 200)
        for k in range(min(hits + 1, attempts)):
            bad = k < hits
            x = r.exchange(at + 1 + 12 * k, 2 + i % 5, tid=100 + i, method="POST", path="/charge", status=503 if bad else 200, parent_id=inbound,
                           fingerprint=i + 1, synthetic=int(bad), fault_id=1 if bad else None)
            if bad:
                r.inject(1, x, at + 1.5 + 12 * k)
                continue
            far = r.exchange(at + 1.5 + 12 * k, 1 + i % 5, connection_id=3, process_id=2, role="server", tid=7, method="POST", path="/charge", status=200)
            r.exchange(at + 1.8 + 12 * k, 0.5, connection_id=4, process_id=2, tid=7, status=200, parent_id=far)
    return r.close()


def checked(browser, name, page, sizes=((1280, False), (390, False), (1280, True), (390, True))):
    """Opens a page in every size and scheme; what holds for all pages is checked, and the last tab returned."""
    for width, dark in sizes:
        tab = browser.open("file://" + page, width=width, dark=dark)
        shown = f"{name} at {width} px, {'dark' if dark else 'light'}"
        is_(tab.complaints, [], f"{shown}: no word in the console")
        is_(tab.requests, [], f"{shown}: asks nobody for anything")
        is_(tab.value("document.documentElement.dataset.ready"), "1", f"{shown}: the page is drawn to its end")
        is_(tab.value("document.documentElement.scrollWidth"), width, f"{shown}: nothing is wider than the window")
        ok(not tab.value("'canary' in window"), f"{shown}: no data was run")
        tab.screenshot(os.path.join(SHOTS, f"{name}-{width}-{'dark' if dark else 'light'}.png"))
    return tab


def texts(tab, selector):
    return tab.value(f"[...document.querySelectorAll({json.dumps(selector)})].map(e => e.innerText)")


def luminance(tab, selector):
    r, g, b = map(int, re.findall(r"\d+", tab.value(f"getComputedStyle(document.querySelector('{selector}')).backgroundColor"))[:3])
    return (r + g + b) / 3


with Browser() as browser:
    # ---- an outage ----
    db = outage("outage.db")
    page = html_of("outage", "report", db, "--slo", "99%", rc=1)
    tab = checked(browser, "outage", page)
    ok(luminance(tab, "body") < 64, "dark is dark")
    tab = browser.open("file://" + page)
    ok(luminance(tab, "body") > 192, "and light is light")
    like(tab.value("document.body.innerText.trim().split('\\n')[0]"), r"^FAIL .*99", "the verdict and its reason are the first line")
    is_(tab.value("document.title"), "FAIL \u2013 outage.db", "and the title")
    is_(tab.value("document.querySelectorAll('.six > div').length"), 6, "six headline numbers")
    numbers = texts(tab, ".six .value")
    report = Run(db).report()
    is_(numbers[0], "91.8 %", "the first is the success: 66 of 800 failed", numbers)
    users = report["success_of_users"]
    is_([f"{100 * users['value']:.1f} %", users["n"]], [numbers[0], 800], "which is what the JSON says of users", users)
    is_([(e["client"], e["root"]) for e in report["edges"]], [("external", True), ("front", False), ("back", False)], "who call the first of three", report)
    fault = report["edges"][1]["by_window"]["fault"]
    is_(numbers[1], f"{fault['amplification']['value']:.2f}\u00d7", "the second the amplification of the worst edge under the fault", numbers)
    like(aftershock("report", db).out, r"success +91\.8 %.*\n +amplification +2\.00x", "as the text says")
    is_(numbers[5], str(len(report["findings"])), "the sixth how much there is to change", numbers)
    is_(tab.value("document.querySelectorAll('details.edge').length"), 3, "three edges")
    is_(tab.value("document.querySelectorAll('details.edge[open]').length"), 3, "all open, as they are few")
    is_(tab.value("[...document.querySelectorAll('.chart')].filter(c => c.querySelector('canvas').width > 200).length"), 9, "three charts each, drawn")
    like(texts(tab, "figure.wide figcaption")[1], "Requests, attempts and goodput", "the first of requests, attempts and goodput")
    is_(tab.value("document.querySelectorAll('.exemplar').length"), 5, "five requests as waterfalls")
    names = " ".join(texts(tab, ".exemplar h3"))
    for word in ("Slowest", "Most attempts", "First failed under the fault", "Saved by a retry", "In the baseline", "POST /order/"):
        ok(word in names, f"a waterfall says: {word}", names)
    ok(tab.value("[...document.querySelectorAll('.lane i')].every(i => { const a = i.getBoundingClientRect(), b = i.parentNode.getBoundingClientRect();"
                 " return a.width > 0 && a.left >= b.left - 1 && a.right <= b.right + 3; })"), "every bar lies within its lane")
    rows = texts(tab, "#figures tbody tr")
    ok(any(re.search(r"front \u2192 back\s+800\s+999\s", row) for row in rows), "the table of edges has the edge", rows)
    ok(any("outage" in row and "recovered" in row for row in rows), "the table of recovery has the fault", rows)
    like(" ".join(texts(tab, "#quality")), "no event was lost", "the data quality is said")
    is_(tab.value("[...document.querySelectorAll('h1, h2, h3')].map(e => e.tagName)[0]"), "H1", "headings begin with h1")
    is_(tab.value("document.querySelectorAll('th:not([scope])').length"), 0, "every head of a column or row says which")
    is_(tab.value("[...document.querySelectorAll('[role=img]')].filter(e => !e.getAttribute('aria-label')).length"), 0, "every picture has its words")
    is_(tab.value("[...document.querySelectorAll('*')].filter(e => [...e.attributes].some(a => /^on/.test(a.name))).length"), 0,
        "no handler is in an attribute")

    # ---- several servers as one ----
    page_of_two = html_of("two", "report", two_servers(path("two.db")))
    tab = checked(browser, "two servers", page_of_two, sizes=((1280, False),))
    pairs = texts(tab, "details.edge summary .pair")
    is_([len(pairs), any("and 1 more" in p for p in pairs[:1])], [4, True], "a destination comes before the edges, its servers' among them", pairs)
    tab.value("document.querySelectorAll('details.edge').forEach(d => d.open = true)")
    inside = texts(tab, "details.edge .inside")
    is_([bool(re.search("one for all 2 servers", t)) for t in inside], [True, False, False, False], "its breaker is told there, and only there", inside)
    is_(["breaker open" in t for t in inside], [True, False, True, True], "and drawn there and at its servers", inside)
    tab = browser.open("file://" + page)

    # ---- pointing, zooming ----
    tab.value("document.querySelector('.chart').scrollIntoView({block: 'center'})")
    box = tab.value("(r => [r.left, r.top, r.width, r.height])(document.querySelector('.chart').getBoundingClientRect())")
    middle = {"x": box[0] + box[2] / 2, "y": box[1] + box[3] / 2}
    tab.call("Input.dispatchMouseEvent", type="mouseMoved", **middle)
    like(texts(tab, ".legend")[0], r"attempts\s*\d", "pointing at a chart shows its figures")
    like(texts(tab, ".legend")[1], r"p50\s*\d", "and those of the charts beside it")
    first_label = "document.querySelectorAll('figure.half .dygraph-axis-label-x')[0].innerText"
    before = tab.value(first_label)
    tab.call("Input.dispatchMouseEvent", type="mousePressed", button="left", clickCount=1, **middle)
    for step in range(1, 6):
        tab.call("Input.dispatchMouseEvent", type="mouseMoved", button="left", buttons=1, x=middle["x"] + 30 * step, y=middle["y"])
    tab.call("Input.dispatchMouseEvent", type="mouseReleased", button="left", clickCount=1, x=middle["x"] + 150, y=middle["y"])
    ok(tab.value(first_label) != before, "zooming one chart zooms those beside it", before)
    is_(tab.complaints, [], "all without a word in the console")

    # ---- paper ----
    pdf = browser.open("file://" + page, dark=True).pdf()
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
    ok(pdf.startswith(b"%PDF") and 2 <= pages <= 20, f"it prints, on {pages} pages")
    with open(os.path.join(SHOTS, "outage.pdf"), "wb") as f:
        f.write(pdf)

    # ---- the policy that lies in: one rule for what may run ----
    with open(page, encoding="utf-8") as f:
        text = f.read()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text).group(1)
    like(policy, r"^default-src 'none'; script-src 'sha256-\S+' 'sha256-\S+';\s+style-src 'sha256-\S+';", "the page lets only what it brings run")
    ok("unsafe" not in policy, "nothing unsafe is allowed", policy)
    ok(not re.search(r"""(src|href)=["']?(https?:)?//""", text), "no address is in its markup")
    tab = browser.open("file://" + page)
    tab.value("document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.smuggled = 1'}))")
    ok(not tab.value("'smuggled' in window"), "a script that gets into it all the same is not run")

    # ---- hostile data ----
    r = RunFile(path("hostile.db"), service=HOSTILE, peer="[::1]:" + HOSTILE)
    r.insert("fault", id=1, name=HOSTILE, spec="{" + HOSTILE, matched=9, fired=1)
    r.insert("loss", source=HOSTILE, reason=HOSTILE, count=1)
    r.insert("process", id=2, pid=2, service=HOSTILE + "2", covered=0, why=HOSTILE)
    for i in range(20):
        x = r.exchange(100 * i, 1, status=503 if i % 2 else 200, method=HOSTILE, path=HOSTILE, error=HOSTILE if i % 2 else None)
    r.inject(1, x, 1900)
    r.db.execute("UPDATE run SET value = ? WHERE key IN ('host', 'started', 'sources')", (HOSTILE,))
    page = html_of("hostile", "report", r.close(), rc=3)
    tab = checked(browser, "hostile", page)
    is_(tab.value("document.querySelectorAll('script').length"), 3, "no script but the three of the page")
    is_(tab.value("document.querySelectorAll('img').length"), 0, "no picture from data")
    body = tab.value("document.body.innerText")
    ok(f"</script><script>{CANARY}</script>" in body, "markup is shown as it is written")
    ok("\\x1b[31m" in body and "\\u202egnp.exe" in body and "\\u2028" in body and "\\x07" in body,
       "control characters and overrides are shown as codes")
    ok(not re.search("[\u0000-\u0008\u001b\u202a-\u202e\u2028]", tab.value("document.getElementById('page').outerHTML")), "and are nowhere else")

    # ---- no edges; one request; no fault; many edges ----
    r = RunFile(path("empty.db"))
    tab = checked(browser, "empty", html_of("empty", "report", r.close(), rc=3))
    like(texts(tab, "h1")[0], "^INCONCLUSIVE ", "an empty run: inconclusive")
    like(" ".join(texts(tab, "#edges")), "No calls were recorded", "without edges, and it says so")
    r = RunFile(path("one.db"))
    r.exchange(10, 1, status=200)
    tab = checked(browser, "one", html_of("one", "report", r.close()), sizes=((390, False),))
    like(texts(tab, "h1")[0], "^PASS ", "a run of one request")
    is_(texts(tab, ".six .note")[4], "no fault in this run", "without a fault there is no recovery, and it says so")
    r = RunFile(path("many.db"), seconds=60)
    for i in range(200):
        r.insert("connection", id=10 + i, process_id=1, role="client", local=f"127.0.0.1:{5000 + i}", peer=f"10.0.{i // 100}.{i % 100}:80")
        for k in range(30):
            if k % 10 == 0 and i == 77:
                r.exchange(1000 * k + i - 20, 1, connection_id=10 + i, tid=1000 + i, status=503)
            r.exchange(1000 * k + i, 1, connection_id=10 + i, tid=1000 + i, status=200)
    page = html_of("many", "report", r.close())
    tab = checked(browser, "many", page, sizes=((1280, False), (390, True)))
    is_(tab.value("document.querySelectorAll('details.edge').length"), 200, "200 edges")
    is_(texts(tab, "details.edge[open] .pair .name")[1], "10.0.0.77:80", "only the one that retries is open")
    ok(os.path.getsize(page) < 4e6, "the page stays below 4 MB", os.path.getsize(page))
    tab.value("document.querySelectorAll('details.edge')[5].open = true")
    tab.value("new Promise(done => setTimeout(done, 100))")
    is_(tab.value("document.querySelectorAll('details.edge')[5].querySelectorAll('canvas').length > 0"), True, "another is drawn when it is opened")
    is_(tab.complaints, [], "without a word in the console")

    # ---- what is inferred, in words and pictures ----
    def infer(data):
        chart = data["charts"]["edges"][1]
        chart["policy"] = [["retry", "5 attempts, exponential x2 from 100 ms, equal jitter (rho 0.50); after 503; high confidence"],
                           ["timeout", "400 ms (398 ms..402 ms) for an answer, seen 23 times"], ["breaker", HOSTILE]]
        data["charts"]["services"][0] = [["shedding", "turned 12 requests away"]]
        chart["gaps_ms"] = [[k, 50 * 2**k, 76 * 2**k, 99 * 2**k, 50 * 2**k, 100 * 2**k, 90] for k in range(1, 5)]
        chart["series"]["open"] = [1 if 12 <= i < 18 else 0 for i in range(chart["series"]["count"])]
        chart["series"]["shed"] = [6 if 12 <= i < 18 else 0 for i in range(chart["series"]["count"])]
        data["report"]["findings"] = [
            {"code": "unsafe-retry", "severity": "critical", "where": HOSTILE, "message": HOSTILE, "evidence": {"retries": 31}, "witness": 812,
             "fix": HOSTILE}, {"code": "no-timeout", "severity": "info", "where": "front", "message": "m", "evidence": {}, "witness": None, "fix": None}]
        data["report"]["hierarchy"] = [{"code": "timeout-inversion", "parent": None, "child": {"client": HOSTILE, "server": "back"}, "parent_ms": 400,
                                        "child_ms": None, "count": 3}]
        data["report"]["recovery"][0].update(censored=True, observed_ms=24400, mttr_ms=None, recovery_lag_ms=None, label="metastable_suspected")

    tab = checked(browser, "inferred", with_data(path("outage.html"), "inferred", infer))
    words = [texts(tab, f"details.edge:nth-of-type(2) .policy {tag}") for tag in ("dt", "dd")]
    is_(words[0], ["retry", "timeout", "breaker", "not told"], "the policy in words, and what the run does not tell")
    is_(words[1][0], "5 attempts, exponential x2 from 100 ms, equal jitter (rho 0.50); after 503; high confidence", "as the analyzer puts it")
    is_(words[1][3], "by this run: bulkhead, idempotency, hedging", "all of that")
    like(texts(tab, "details.edge .gist")[0], r"^5 attempts, exponential x2 from 100 ms, equal jitter \(rho 0.50\) \u00b7 timeout 400 ms \u00b7 breaker",
         "and in one line, for who only looks at the list")
    is_(texts(tab, "#services dd"), ["turned 12 requests away"], "what a service does for those who call it")
    is_(tab.value("document.querySelectorAll('#findings li').length"), 2, "two findings")
    like(texts(tab, "#findings li")[0], "(?s)^critical.*Change: .*retries 31", "with severity, what to change and evidence")
    ok(any("timeout inversion" in row and "400 ms" in row for row in texts(tab, "#figures tbody tr")), "timeouts that do not fit have a table")
    is_(texts(tab, ".six .value")[4], "> 24.4 s", "a recovery that was not seen is a bound, not a time")
    is_(tab.value("document.querySelectorAll('svg[aria-label^=\"Wait before each retry\"] polygon').length"), 1,
        "the waits lie on the fan that was fitted")
    ok("breaker open" in " ".join(texts(tab, ".legend")), "the breaker has its band")

    # ---- two runs ----
    fresh = outage("fresh.db", attempts=6)
    compare = ["compare", "--base", db, "--new", fresh, "--gate", "amplification<=1.05x@front -> back", "--gate", "success>=50%@back"]
    page = html_of("compare", *compare, rc=1)
    tab = checked(browser, "compare", page)
    like(texts(tab, "h1")[0], "^FAIL .*amplification<=1.05x.*regress", "compare: the verdict and the gate that regressed are the first line")
    compared = json.loads(aftershock(*compare, "--format", "json").out)["metrics"]
    is_(tab.value("document.querySelectorAll('.forest .row:not(.axisrow) svg').length"), len(compared), "every figure is in the forest")
    is_(tab.value("document.querySelectorAll('#figures .scroll:last-child tbody tr').length"), len(compared), "and in the table")
    ok(any(re.search("amplification<=1.05x.*front -> back.*regress", row) for row in texts(tab, "#figures .scroll:first-of-type tbody tr")),
       "every gate has its row")
    row = "[...document.querySelectorAll('.forest .row')].find(r => r.querySelector('.gate.regress'))"
    ok(tab.value(f"(r => {{ const x = k => +r.querySelector(k).getAttribute('x1');"
                 f" return x('.one') < x('.margin') && x('.margin') < x('.interval'); }})({row})"),
       "what regressed lies beyond its gate, and that beyond one")
    tab = browser.open("file://" + with_data(page, "compare-small", lambda data: data["compare"]["metrics"][0]["ratio"].update(value=0.00234)))
    ratios = [t.split()[0] for t in texts(tab, ".forest .ratio")]
    is_([t for t in ratios if t.startswith("0.00")], ["0.0023\u00d7"], "a small ratio is not rounded down to nothing", ratios)
    r = RunFile(path("hostile2.db"), service=HOSTILE, peer="[::1]:" + HOSTILE)
    for i in range(20):
        r.exchange(100 * i, 1, status=503 if i % 2 else 200, method=HOSTILE, path=HOSTILE)
    r.close()
    checked(browser, "compare-hostile", html_of("compare-hostile", "compare", "--base", path("hostile.db"), "--new", path("hostile2.db"), rc=3),
            sizes=((390, False),))
done()

/* SPDX-License-Identifier: MIT */
/* The page of a report, from its first line to data quality. */

/* ---- the first lines ---- */

/* What regressed comes before what is inconclusive. */
function verdictLine(verdict, fine) {
	const rank = reason => verdict.status === "fail" && / regress/.test(reason) ? 0 : 1;
	const reasons = (verdict.reasons || []).slice().sort((a, b) => rank(a) - rank(b));

	return [h("h1", {class: verdict.status}, h("span", {class: "word"}, verdict.status.toUpperCase()), " ", reasons.length ? reasons[0] : fine),
		reasons.length > 1 ? h("ul", {class: "reasons"}, reasons.slice(1).map(r => h("li", {}, r))) : null];
}

/* Edges on which users' requests arrive. */
function entries(report) {
	return report.edges.filter(e => e.root && e.attempts > 0);
}

/* Shares of several edges as one; null without any. */
function together(shares) {
	const list = shares.filter(m => value(m) !== null && m.n > 0), n = sum(list, m => m.n);

	return n ? sum(list, m => m.value * m.n) / n : null;
}

/* From the server's own view where attempts are not joined to requests. */
function windowSuccess(report, edges, kind) {
	const of = x => x && x.by_window && x.by_window[kind] ? x.by_window[kind].success : null;

	const seen = new Set(edges.map(e => e.destination === null ? e : report.destinations.find(d => d.client === e.client && d.name === e.destination)));

	return together([...seen].map(e => value(of(e)) !== null ? of(e) : of(report.services.find(x => x.name === e.server))));
}

function headline(label, figure, ...note) {
	return h("div", {}, h("dt", {}, label), h("dd", {class: "value"}, figure), h("dd", {class: "note"}, note));
}

function successHeadline(report, users) {
	const whole = report.success_of_users, before = windowSuccess(report, users, "baseline");
	const under = windowSuccess(report, users, "fault");

	const parts = under === null ? null : (before === null ? "" : percent(before) + " before, ") + percent(under) + " under the fault";

	const less = report.degraded_of_users;

	return headline("Success of users\u2019 requests", percent(value(whole)),
		joined([bounds(whole, percent), parts, less > 0 ? count(less) + " of the good degraded" : null], DOT));
}

/* While the fault lasted, where that is known. */
function amplification(edge) {
	const fault = edge.by_window.fault;

	return fault && value(fault.amplification) !== null ? fault.amplification : edge.amplification;
}

function loadHeadlines(report) {
	const all = report.edges.concat(report.destinations.map(d => Object.assign({server: d.name}, d)));
	const amplified = largest(all, e => value(amplification(e)), e => e.attempts), busiest = largest(report.edges, e => e.peak_attempts_per_s);
	const most = amplified ? amplification(amplified) : null, when = most && most !== amplified.amplification ? "under the fault" : null;
	const reading = most && most.method === "readings" ? "retries, or a breaker\u2019s pauses" : null;
	const note = amplified ? [pair(amplified)].concat([bounds(most, plain), reading || when].filter(Boolean).map(t => DOT + t)) : "attempts per request";

	return [
		headline("Amplification", factor(value(most)), note),
		headline("Peak attempts", busiest ? [count(busiest.peak_attempts_per_s), h("small", {}, " /s")] : DASH,
			busiest ? pair(busiest) : "in any second"),
	];
}

function latencyHeadline(users) {
	const edge = largest(users, e => e.latency_ms.p99), l = edge ? edge.latency_ms : {};

	return headline("Latency p99", duration(l.p99),
		edge ? [pair(edge), DOT + "p50 " + duration(l.p50) + DOT + "p95 " + duration(l.p95)] : "of users\u2019 attempts");
}

/* How bad it was: not back, then how long, then nothing felt, then not judged. */
function badness(r) {
	if (!r.label)
		return -2;
	return r.censored ? 1e15 + (r.observed_ms || 0) : known(r.mttr_ms) ? r.mttr_ms : -1;
}

function unlessTurnedAway(r) {
	return r.unsure ? ", unless a breaker turned them away meanwhile" : null;
}

/* A recovery that the run did not see is a bound, not a time. */
function recoveryHeadline(report) {
	const worst = largest(report.recovery, badness), lost = worst ? Math.round(worst.lost_goodput || 0) : 0;
	const more = lost > 0 ? DOT + nth(lost, "good request") + " lost" : null;

	if (!worst || !worst.label)
		return headline("Recovery", DASH, report.faults.length ? "nothing to judge it by" : "no fault in this run");
	if (worst.censored)
		return headline("Recovery", known(worst.observed_ms) ? "> " + duration(worst.observed_ms) : "not seen", name(worst.fault),
			known(worst.good_ms) ? " hurt users until " + duration(worst.good_ms) + " before the run ended, too short a time to call it over" :
				" still hurt users when the run ended", more);
	if (!known(worst.mttr_ms) && worst.slowed)
		return headline("Recovery", "not needed", "no request of users failed by ", name(worst.fault),
			", but they took up to " + duration(worst.users_p95_ms) + " (p95), not " + duration(worst.baseline_p95_ms), unlessTurnedAway(worst));
	if (!known(worst.mttr_ms))
		return headline("Recovery", "not needed", "users felt nothing of ", name(worst.fault), unlessTurnedAway(worst));
	return headline("Recovery", duration(worst.mttr_ms), name(worst.fault),
		" hurt users for so long, until " + duration(worst.recovery_lag_ms) + " after it had gone", more);
}

const SEVERITIES = ["critical", "high", "medium", "info"];

function countsOf(findings) {
	return joined(SEVERITIES.map(s => [findings.filter(f => f.severity === s).length, s]).filter(c => c[0]).map(c => c[0] + " " + c[1]), ", ");
}

function findingsHeadline(report) {
	return headline("Findings", count(report.findings.length), countsOf(report.findings) || "nothing to change");
}

function strip(report) {
	const whole = report.run.duration_s || 1, list = report.windows.slice(0, 12), more = report.windows.length - list.length;
	const piece = function (w) {
		const span = h("span", {class: w.name});

		span.style.left = 100 * w.from_s / whole + "%";
		span.style.width = Math.max(0, 100 * (w.to_s - w.from_s) / whole) + "%";
		return span;
	};
	const words = w => h("li", {class: w.name}, w.name, " ", digits(w.from_s), "\u2026", digits(w.to_s), " s",
		w.faults.map((f, i) => [i ? ", " : ": ", name(f)]));

	return report.windows.length < 2 ? null : h("div", {class: "strip"},
		h("div", {class: "bar", "aria-hidden": "true"}, report.windows.map(piece)),
		h("ul", {}, list.map(words), more > 0 ? h("li", {}, "and " + more + " more") : null));
}

function contents() {
	const list = [["findings", "Findings"], ["edges", "Edges"], ["requests", "Requests"], ["figures", "Figures"],
		["quality", "Data quality"]];

	return h("nav", {"aria-label": "Sections"}, list.map(a => h("a", {href: "#" + a[0]}, a[1])));
}

function reportHeader(report) {
	const run = report.run, users = entries(report), grave = report.findings.filter(f => SEVERITIES.indexOf(f.severity) < 2).length;
	const users_got = value(report.success_of_users), ill = known(users_got) && users_got < 0.99 && !known(report.verdict.slo);
	const but = [grave ? nth(grave, "grave finding") : null, ill ? percent(1 - users_got) + " of the requests of users failed" : null].filter(Boolean);
	const fine = but.length ? "but " + but.join(" and ") : "nothing grave";
	const facts = [run.started, duration(run.duration_s * 1e3), run.host ? "on " + run.host : null, known(run.seed) ? "seed " + run.seed : null,
		"seen by " + (run.sources.join(", ") || "nobody")];

	document.title = report.verdict.status.toUpperCase() + " \u2013 " + shown(run.file.split("/").pop());
	return h("header", {}, verdictLine(report.verdict, fine), h("p", {class: "run"}, name(run.file), DOT, joined(facts, DOT)), contents(),
		h("dl", {class: "six"}, successHeadline(report, users), loadHeadlines(report), latencyHeadline(users),
			recoveryHeadline(report), findingsHeadline(report)),
		strip(report));
}

/* ---- findings ---- */

function evidence(f) {
	const figure = key => key.replace(/_/g, " ") + " " + (known(f.evidence[key]) ? trim(digits(f.evidence[key])) : f.evidence[key]);

	return joined([f.code].concat(Object.keys(f.evidence || {}).map(figure), f.witness ? "see exchange " + f.witness : null), DOT);
}

function finding(f) {
	return h("li", {}, h("div", {class: "severity " + f.severity}, f.severity), h("div", {},
		h("div", {class: "said"}, h("span", {class: "where"}, name(f.where)), " ", f.message),
		f.fix ? h("div", {class: "fix"}, h("b", {}, "Change: "), f.fix) : null,
		h("div", {class: "evidence"}, evidence(f))));
}

function findings(report) {
	const list = report.findings.map(finding);

	return section("findings", "Findings", list.length ? h("ol", {class: "findings"}, list) : aside("None."));
}

/* ---- edges ---- */

function fillEdge(inside, edge, chart) {
	const group = [], series = chart.series;

	if (series.count > 1 && edge.attempts > 0) {
		ratesChart(series, group, edge.logical !== null);
		latencyChart(series, group);
		flightChart(series, group);
	}
	inside.append(policy(chart.policy), h("div", {class: "charts"}, group.map(c => c.figure),
		chart.durations_ms.length ? distribution(edge, chart.durations_ms) : null,
		chart.chain.length ? chainChart(chart.chain) : null, chart.gaps_ms.length ? gapsChart(chart.gaps_ms) : null));
	group.forEach(draw);
}

function summary(edge, chart) {
	const line = gist(chart.policy), linked = edge.logical !== null;
	const figure = (kind, text, label) => h("span", {class: "num" + kind}, text, h("small", {}, label));

	return h("summary", {}, h("span", {class: "pair"}, pair(edge), line ? h("span", {class: "gist"}, line) : null),
		chart.series.count > 1 ? sparkline(chart.series) : h("span", {}),
		figure("", factor(value(edge.amplification)), "amplification"),
		figure("", percent(value(linked ? edge.success : edge.attempt_success)), "success"),
		figure(" volume", count(linked ? edge.logical : edge.attempts), linked ? "requests" : "attempts"));
}

/* What is inside is made when it is opened for the first time: charts need a place in the page to be drawn. */
function edgeDetails(edge, chart, open) {
	const inside = h("div", {class: "inside"}), details = h("details", {class: "edge"}, summary(edge, chart), inside);
	const show = function () {
		if (details.open && !inside.hasChildNodes())
			fillEdge(inside, edge, chart);
	};

	details.addEventListener("toggle", show);
	details.open = open;
	return {element: details, show: show};
}

const EDGES_OPEN = 3;

/* A destination before edges: its servers are among these. Of many only the most amplified is open. */
function edges(report) {
	const all = report.destinations.map(d => Object.assign({}, d, {server: d.name})).concat(report.edges);
	const charts = data.charts.destinations.concat(data.charts.edges);
	const worst = all.length > EDGES_OPEN ? largest(all, e => value(e.amplification)) || all[0] : null;
	const list = all.map((e, i) => edgeDetails(e, charts[i], !worst || e === worst));
	const hint = list.length ? "Drag across a chart to look closer; double-click to go back." : "No calls were recorded.";

	return {element: section("edges", "Edges", h("p", {class: "muted hint"}, hint), list.map(d => d.element)),
		show: () => list.forEach(d => d.show())};
}

/* ---- what services do for those who call them ---- */

function services(report) {
	const list = report.services.map((x, i) => [x.name, data.charts.services[i]]).filter(x => x[1].length);

	return list.length ? section("services", "Services", list.map(x => [h("h3", {}, name(x[0])), words(x[1])])) : "";
}

/* ---- single requests ---- */

function lane(attempt, whole) {
	const bar = h("i", {}), from = Math.max(0, attempt.from_ms), to = known(attempt.to_ms) ? Math.min(attempt.to_ms, whole) : whole;

	bar.style.left = 100 * from / whole + "%";
	bar.style.width = Math.max(0, 100 * (to - from) / whole) + "%";
	return h("td", {class: "lane"}, bar);
}

function attemptRow(a, whole, edgeOf) {
	const ended = known(a.to_ms), edge = edgeOf(a);
	const kinds = joined([a.outcome, ended ? null : "open", a.synthetic ? "made" : null], " ");
	const indent = a.depth ? "\u00a0".repeat(a.depth * 3 - 1) + "\u2514 " : null;

	return h("tr", {class: kinds}, h("th", {scope: "row"}, indent, "\u2192 ", name(edge ? edge.server : "?")),
		h("td", {class: "text"}, a.status || a.error || a.outcome.replace("_", " "), a.synthetic ? " (fault)" : null),
		h("td", {}, digits(a.from_ms)), h("td", {}, ended ? digits(a.to_ms - a.from_ms) : "open"), lane(a, whole));
}

function exemplar(e, report) {
	const edgeOf = a => a && a.edge !== null ? report.edges[a.edge] : null, first = edgeOf(e.attempts[0]);
	const whole = Math.max(0.001, ...e.attempts.map(a => known(a.to_ms) ? a.to_ms : a.from_ms));
	const head = [["call", "text call"], ["answer", "text outcome"], ["at ms", "ms"], ["took", "ms"], ["0 \u2026 " + duration(whole), "text"]];

	return h("div", {class: "exemplar"},
		h("h3", {}, e.why.join(", ").replace(/^./, c => c.toUpperCase()), h("span", {}, ": ", name(e.request || "request"), DOT,
			name(first ? first.client : "?"), DOT + "at " + digits(e.at_s) + " s" + DOT + "took " + duration(whole))),
		h("table", {class: "waterfall"}, h("thead", {}, h("tr", {}, head.map(c => h("th", {class: c[1], scope: "col"}, c[0])))),
			h("tbody", {}, e.attempts.map(a => attemptRow(a, whole, edgeOf)))),
		e.left_out ? aside("and " + nth(e.left_out, "attempt") + " more") : null);
}

function requests(report) {
	const list = data.charts.exemplars;

	return section("requests", "Single requests", list.length ? list.map(e => exemplar(e, report)) : aside("None to show."));
}

/* ---- tables ---- */

const WINDOWS = ["baseline", "fault", "recovery"];

/* The rows of one thing: the whole run, and each window in which there is something. */
function withWindows(report, of, head, cells, has) {
	const windows = report.windows.length < 2 ? [] : WINDOWS.filter(w => of.by_window[w] && has(of.by_window[w]));

	return [{cells: [head].concat(cells(of, true))}].concat(
		windows.map(w => ({sub: true, cells: [w].concat(cells(of.by_window[w], false))})));
}

function edgesTable(report) {
	const columns = [["client \u2192 server", "text"], ["requests"], ["attempts"], ["delivered"], ["amplif."], ["95 %"], ["deliv."],
		["demand"], ["success"], ["95 %"], ["peak/s"]];
	const cells = (c, whole) => [c.logical === null ? "?" : count(c.logical), count(c.attempts), count(c.delivered),
		factor(value(c.amplification)), bounds(c.amplification, plain), factor(value(c.amplification_delivered)),
		whole ? factor(value(c.amplification_demand)) : "", percent(value(c.success)), bounds(c.success, percent),
		whole ? count(c.peak_attempts_per_s) : ""];

	return table("Edges: amplification is attempts (delivered attempts) per request, and attempts per demand", columns,
		report.edges.flatMap(e => withWindows(report, e, pair(e), cells, w => w.attempts > 0)));
}

/* Whole requests, through all servers that they tried. */
function destinationsTable(report) {
	const columns = [["client \u2192 destination", "text"], ["requests"], ["went on elsewhere"], ["attempts"], ["amplif."], ["95 %"], ["success"], ["95 %"],
		["most attempts"], ["failed everywhere"], ["servers", "long"], ["linked by", "text"]];
	const name = d => pair(Object.assign({}, d, {server: d.name}));
	const cells = (c, whole) => [c.logical === null ? "?" : count(c.logical), whole ? count(c.hops) : "", count(c.attempts),
		factor(value(c.amplification)), bounds(c.amplification, plain), percent(value(c.success)), bounds(c.success, percent),
		whole ? count(c.max_attempts_seen) : "",
		whole && c.chain ? percent(value(c.chain.exhausted_share)) : "", whole ? c.servers.join(", ") : "", whole ? c.linking : ""];

	return report.destinations.length ? table("Destinations: several servers, tried one after another or chosen between", columns,
		report.destinations.flatMap(d => withWindows(report, d, name(d), cells, w => w.attempts > 0))) : null;
}

function attemptsTable(report) {
	const columns = [["client \u2192 server", "text"], ["mean"], ["p50"], ["p90"], ["p95"], ["p99"], ["max"], ["ok"], ["failed"],
		["indeterm."], ["not sent"], ["answers", "long"], ["protocol", "text"], ["linked by", "text"]];
	const cells = e => [pair(e)].concat(["mean", "p50", "p90", "p95", "p99", "max"].map(k => digits(e.latency_ms[k])),
		["ok", "failed", "indeterminate", "not_sent"].map(k => count(e.outcomes[k])),
		joined([listed(e.statuses), listed(e.errors)], ", "), e.protocol, e.linking);

	return table("Attempts: latency in ms", columns, report.edges.map(e => ({cells: cells(e)})));
}

function servicesTable(report) {
	const columns = [["service", "text"], ["requests"], ["ok"], ["degraded"], ["failed"], ["success"], ["95 %"], ["req/s"],
		["p50"], ["p95"], ["p99"], ["max"]];
	const cells = l => [count(l.requests), count(l.ok), count(l.degraded), count(l.failed), percent(value(l.success)),
		bounds(l.success, percent), digits(l.throughput_rps)].concat(["p50", "p95", "p99", "max"].map(k => digits(l.latency_ms[k])));
	const list = report.services.filter(x => x.requests > 0);

	return list.length ? table("Services: what arrived; latency in ms", columns,
		list.flatMap(x => withWindows(report, x, name(x.name), cells, w => w.requests > 0))) : null;
}

function faultsTable(report) {
	const columns = [["fault", "text"], ["matched"], ["fired"], ["first, s"], ["last, s"], ["delay off by p50, ms"], ["p99"]];
	const cells = f => [name(f.name), count(f.matched), f.fired ? count(f.fired) : "never", digits(f.first_s), digits(f.last_s),
		digits(f.delay_error_ms.p50), digits(f.delay_error_ms.p99)];

	return report.faults.length ? table("Faults", columns, report.faults.map(f => ({cells: cells(f)}))) : null;
}

function recoveryTable(report) {
	const columns = [["fault", "text"], ["felt after"], ["time to recovery"], ["lag"], ["good requests lost"], ["", "text"]];
	const label = r => (r.label ? r.label.replace(/_/g, " ") : "not judged, too little was recorded after it") +
		(r.censored ? "; not recovered in the run" : "");
	const cells = r => [name(r.fault), duration(r.impact_ms), r.censored ? "> " + duration(r.observed_ms) : duration(r.mttr_ms),
		duration(r.recovery_lag_ms), r.lost_goodput > 0 ? digits(r.lost_goodput) : DASH, label(r)];

	return report.recovery.length ? table("Recovery, by whole seconds at the entry edges", columns,
		report.recovery.map(r => ({cells: cells(r)}))) : null;
}

function pathsTable(report) {
	const columns = [["root \u21d2 leaf", "text"], ["amplification"], ["95 %"], ["", "text"]];
	const cells = p => [[name(p.root), " \u21d2 ", name(p.leaf)], factor(value(p.amplification)), bounds(p.amplification, plain),
		p.amplification.method];

	return report.end_to_end.length ? table("End to end", columns, report.end_to_end.map(p => ({cells: cells(p)}))) : null;
}

function hierarchyTable(report) {
	const columns = [["", "text"], ["caller", "text"], ["callee", "text"], ["caller\u2019s"], ["callee\u2019s"], ["times"]];
	const edge = e => e ? pair(e) : DASH;
	const cells = x => [x.code.replace(/-/g, " "), edge(x.parent), edge(x.child), duration(x.parent_ms), duration(x.child_ms), count(x.count)];

	return report.hierarchy.length ? table("Timeouts of layers that do not fit", columns, report.hierarchy.map(x => ({cells: cells(x)}))) : null;
}

function figures(report) {
	const makers = [servicesTable, faultsTable, recoveryTable, pathsTable, hierarchyTable];
	const list = (report.edges.length ? [edgesTable, destinationsTable, attemptsTable] : []).concat(makers).map(make => make(report)).filter(Boolean);

	return section("figures", "Figures", list.length ? list : aside("None."));
}

/* ---- data quality ---- */

function quality(report) {
	const q = report.data_quality, lost = listed(q.lost), item = (...parts) => h("li", {}, parts);

	return section("quality", "Data quality", h("ul", {class: "quality"},
		item(lost ? "Lost events: " + lost : "Complete: no event was lost."),
		known(q.false_link_rate) ? item("Joined by time in the baseline, though nothing should be: ", percent(q.false_link_rate)) : null,
		q.uncovered.map(u => item("Out of reach: ", u)), q.notes.map(n => item("Note: ", n))));
}

function showReport(page, report) {
	const list = edges(report);

	page.append(reportHeader(report), findings(report), list.element, services(report), requests(report), figures(report), quality(report));
	list.show();
}

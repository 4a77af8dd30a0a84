/* SPDX-License-Identifier: MIT */
/*
 * Charts over time, by dygraphs. Those of an edge are a group: they zoom together, and pointing at one reads all. Canvases know no style sheets:
 * colours are read from it when they are drawn, and again when they change.
 */
const charts = [];	/* all that were made */

function colour(variable) {
	return getComputedStyle(document.documentElement).getPropertyValue("--" + variable).trim();
}

function windowsOf(kind) {
	return data.report.windows.filter(w => w.name === kind);
}

/* ---- what lies below the lines ---- */

function shadeBetween(canvas, area, graph, from, to, height) {
	const left = Math.max(area.x, graph.toDomXCoord(from)), right = Math.min(area.x + area.w, graph.toDomXCoord(to));

	if (right > left)
		canvas.fillRect(left, area.y, Math.max(1, right - left), height);
}

/* Faults over the whole height, the open breaker as a band along the top. */
function shade(canvas, area, graph, series) {
	canvas.fillStyle = colour("shade");
	windowsOf("fault").forEach(w => shadeBetween(canvas, area, graph, w.from_s, w.to_s, area.h));
	canvas.fillStyle = colour("open");
	for (let i = 0; series.open && i < series.count; i++)
		if (series.open[i])
			shadeBetween(canvas, area, graph, i * series.step_s, (i + 1) * series.step_s, 6);
}

/* ---- rows ---- */

/* A column that is left out holds nothing but zeros; of percentiles, unknowns. */
function column(series, key) {
	return series[key] || new Array(series.count).fill(key[0] === "p" ? null : 0);
}

/* [s, one figure per line]. A step is drawn to its end by a row more. */
function rows(series, lines, steps) {
	const columns = lines.map(l => column(series, l.key).map(v => v === null || !l.rate ? v : v / series.step_s));
	const list = Array.from({length: series.count}, (_, i) => [i * series.step_s].concat(columns.map(c => c[i])));

	return steps ? list.concat([[series.count * series.step_s].concat(columns.map(c => c[series.count - 1]))]) : list;
}

/* In words, for those who do not see it. */
function inWords(title, unit, lines, list) {
	const peak = largest(list.flatMap(row => row.slice(1).map(v => [row[0], v])), p => p[1]);

	return title + ", " + unit + ": " + (peak ? "at most " + digits(peak[1]) + " at " + digits(peak[0]) + " s" : "nothing") +
		". Lines: " + lines.map(l => l.label).join(", ") + ".";
}

/*
 * One chart, not drawn yet: {figure, ...}. lines: {key, label, colour, dash, width, rate, filled}. look: {kind (of figure), step (drawn as
 * steps), log}.
 */
function timeChart(title, unit, series, lines, group, look) {
	const list = rows(series, lines, look.step), readings = lines.map(() => h("b", {}));
	const keys = lines.map((l, i) => Object.assign({reading: readings[i]}, l));
	const div = h("div", {class: "chart", role: "img", "aria-label": inWords(title, unit, lines, list)});
	const legend = legendOf(keys.concat(series.open ? {band: true, colour: "open", label: "breaker open"} : null,
		windowsOf("fault").length ? {band: true, colour: "shade", label: "fault"} : null));
	const chart = {figure: figure(look.kind, title, unit, legend, div), div: div, lines: lines, readings: readings, list: list, group: group,
		series: series, look: look, graph: null};

	group.push(chart);
	charts.push(chart);
	return chart;
}

/* ---- drawing ---- */

function colours(chart) {
	return {colors: chart.lines.map(l => colour(l.colour)), gridLineColor: colour("rule"), axisLineColor: colour("rule")};
}

function yAxis(chart) {
	const axis = {axisLabelWidth: 38, pixelsPerLabel: 28, axisLabelFormatter: y => y < 1000 ? trim(y.toPrecision(3)) : trim(two(y / 1000)) + "k"};

	if (chart.look.log)
		axis.ticker = (low, high) => logTicks(low, high).map(v => ({v: v, label: tickText(v)}));
	return axis;
}

function styles(chart) {
	const per = {};

	for (const l of chart.lines)
		per[l.label] = {strokePattern: l.dash || null, strokeWidth: l.width || 1.6, fillGraph: !!l.filled};
	return per;
}

function draw(chart) {
	const options = {
		labels: ["s"].concat(chart.lines.map(l => l.label)), series: styles(chart), legend: "never", stepPlot: !!chart.look.step,
		logscale: !!chart.look.log, includeZero: !chart.look.log, drawPoints: chart.list.length < 3, pointSize: 2,
		highlightCircleSize: 3, fillAlpha: 0.14, yRangePad: 4, axisLabelFontSize: 11, rightGap: 8, xAxisHeight: 18,
		axes: {x: {axisLabelFormatter: x => trim(two(x)) + " s", pixelsPerLabel: 60}, y: yAxis(chart)},
		underlayCallback: (canvas, area, graph) => shade(canvas, area, graph, chart.series),
		highlightCallback: (event, x, points, row) => point(chart, row),
		unhighlightCallback: () => point(chart, null),
		zoomCallback: (from, to) => zoom(chart, from, to),
	};

	if (matchMedia("(pointer: coarse)").matches)
		options.interactionModel = {};	/* a finger scrolls the page */
	chart.graph = new Dygraph(chart.div, chart.list, Object.assign(options, colours(chart)));
}

function others(chart) {
	return chart.group.filter(c => c !== chart && c.graph);
}

/* Reads every chart of the group at this row; null: at none. */
function point(chart, row) {
	for (const c of chart.group)
		c.readings.forEach(function (reading, i) {
			const figure = row === null || !c.list[row] ? null : c.list[row][i + 1];
			reading.textContent = known(figure) ? digits(figure) : "";
		});
	others(chart).forEach(c => row === null ? c.graph.clearSelection() : c.graph.setSelection(row));
}

function zoom(chart, from, to) {
	others(chart).forEach(c => c.graph.updateOptions({dateWindow: chart.graph.isZoomed("x") ? [from, to] : null}));
}

function redraw() {
	for (const chart of charts.filter(c => c.graph)) {
		chart.graph.updateOptions(colours(chart));
		chart.graph.resize();
	}
}

/* ---- those of an edge ---- */

/* Where attempts are not joined to requests there are only attempts. */
function ratesChart(series, group, linked) {
	const step = series.step_s === 1 ? "" : ", in steps of " + duration(series.step_s * 1e3);
	const lines = [
		{key: "attempts", label: "attempts", colour: "attempts", rate: true},
		{key: "logical", label: "requests", colour: "logical", rate: true, width: 2.2},
		{key: "good", label: "good", colour: "good", rate: true, dash: [5, 3]},
		{key: "shed", label: "shed", colour: "shed", rate: true, dash: [2, 2]},
	].filter(l => l.key === "logical" ? linked : l.key !== "shed" || series.shed);

	return timeChart(linked ? "Requests, attempts and goodput" : "Attempts and goodput", "per second, by when they started" + step, series,
		lines, group, {kind: "wide", step: true});
}

function latencyChart(series, group) {
	const all = ["p50", "p95", "p99"].flatMap(k => column(series, k)).filter(known);
	const high = largest(all, x => x), low = largest(all, x => -x);
	const log = low > 0 && high > 30 * low;
	const lines = [
		{key: "p99", label: "p99", colour: "p99"},
		{key: "p95", label: "p95", colour: "p95", dash: [6, 3]},
		{key: "p50", label: "p50", colour: "p50", width: 2},
	];

	return timeChart("Latency of attempts", log ? "ms, log scale" : "ms", series, lines, group, {kind: "half", log: log});
}

function flightChart(series, group) {
	const lines = [{key: "in_flight", label: "in flight", colour: "flight", filled: true}];

	return timeChart("In flight", "attempts open at once", series, lines, group, {kind: "half", step: true});
}

/* Attempts and requests in 96 pixels. */
function sparkline(series) {
	const group = Math.ceil(series.count / 96), end = series.count * series.step_s;
	const steps = Array.from({length: Math.ceil(series.count / group)}, (_, i) => i * group);
	const most = list => steps.map(i => Math.max(...list.slice(i, i + group)));
	const attempts = most(column(series, "attempts")), requests = most(column(series, "logical"));
	const x = scale(0, attempts.length, 0, 96), y = scale(0, Math.max(1, ...attempts, ...requests), 25, 2);
	const outline = list => "M" + list.map((v, i) => x(i).toFixed(1) + " " + y(v).toFixed(1) + "H" + x(i + 1).toFixed(1)).join("L");
	const trace = (list, stroke) => s("path", {class: "line", d: outline(list), stroke: "var(--" + stroke + ")"});

	return s("svg", {viewBox: "0 0 96 26", "aria-hidden": "true"},
		windowsOf("fault").map(w => box(96 * w.from_s / end, 0, 96 * w.to_s / end, 26, "shade")),
		trace(attempts, "attempts"), trace(requests, "logical"));
}

/* SPDX-License-Identifier: MIT */
/* The page of a comparison: every ratio on one axis, then the figures. */
const SHARES = ["success", "shed_efficacy"];

function metricText(row, m) {
	return row.name === "amplification" ? factor(value(m)) : SHARES.includes(row.name) ? percent(value(m)) : digits(value(m));
}

function metricBounds(row, m) {
	return bounds(m, SHARES.includes(row.name) ? percent : x => trim(plain(x)));
}

/* As benchstat: "~" when what was seen may be chance, "?" when there is no telling. */
function sign(row) {
	return row.significant === null ? "?" : row.significant ? "differs" : "~";
}

function chanceText(p) {
	return known(p) ? p < 0.001 ? "< 0.001" : p.toFixed(3) : DASH;
}

function gateMark(row) {
	return row.gate ? h("span", {class: "gate " + row.gate}, row.gate) : null;
}

/* ---- the forest ---- */

const AXIS = 1000;	/* width of its view boxes, which are stretched */
const THIN = {"vector-effect": "non-scaling-stroke"};

/* Wide enough for all that is known, but for no more than 1:100. */
function ratioAxis(list, margins) {
	const all = list.flatMap(r => [r.ratio.value, r.ratio.low, r.ratio.high]).concat(margins.flat().map(m => m.ratio));
	const ratios = all.filter(x => known(x) && x > 0);
	const low = Math.max(0.01, Math.min(0.8, ...ratios) * 0.92), high = Math.min(100, Math.max(1.25, ...ratios) * 1.08);
	const x = scale(low, high, 0, AXIS, true);

	return {low: low, high: high, x: ratio => x(Math.min(Math.max(ratio, low), high))};
}

function forestPlot(row, margins, axis) {
	const r = row.ratio, ink = {regress: "fail", pass: "pass"}[row.gate] || (row.significant ? "ink" : "muted"), x = axis.x;
	const dashed = {class: "margin", "stroke-dasharray": "3 2", ...THIN};
	const gate = m => s("g", {}, s("title", {}, m.text), line(x(m.ratio), 1, x(m.ratio), 19, "fail", 2, dashed));
	const bounded = known(r.low) && known(r.high);

	return s("svg", {viewBox: "0 0 " + AXIS + " 20", preserveAspectRatio: "none", role: "img",
		"aria-label": joined([row.name + ": new / base " + factor(value(r)), bounds(r, plain)], ", ")},
		line(x(1), 0, x(1), 20, "muted", 1, {class: "one", ...THIN}), margins.filter(m => known(m.ratio) && m.ratio > 0).map(gate),
		bounded ? line(x(r.low), 10, Math.max(x(r.high), x(r.low) + 1), 10, ink, 2, {class: "interval", ...THIN}) : null,
		known(r.value) && r.value > 0 ? line(x(r.value), 5, x(r.value), 15, ink, 5, {class: "value", ...THIN}) : null);
}

function axisRow(axis) {
	const list = logTicks(axis.low, axis.high), ticksOf = list.map(t => line(axis.x(t), 19, axis.x(t), 24, "muted", 1, THIN));
	const labels = list.map(function (t) {
		const label = h("span", {class: "tick"}, tickText(t) + TIMES);

		label.style.left = 100 * axis.x(t) / AXIS + "%";
		return label;
	});

	return h("div", {class: "row axisrow muted", "aria-hidden": "true"}, h("span", {}, "new / base"),
		h("div", {class: "axis"}, s("svg", {viewBox: "0 0 " + AXIS + " 24", preserveAspectRatio: "none"}, ticksOf), labels),
		h("span", {class: "ratio num"}, "ratio, 95 %"), h("span", {class: "mark"}, "gate"));
}

function forest(list, margins) {
	const axis = ratioAxis(list, margins);
	const row = (r, i) => [i && list[i - 1].where === r.where ? null : h("p", {class: "place"}, name(r.where)),
		h("div", {class: "row"}, h("span", {}, r.name), forestPlot(r, margins[i] || [], axis),
			h("span", {class: "ratio num"}, factor(value(r.ratio)), " ", h("span", {class: "muted"}, bounds(r.ratio, plain))),
			h("span", {class: "mark"}, gateMark(r) || h("span", {class: "muted"}, sign(r))))];

	return h("div", {class: "forest"}, axisRow(axis), list.map(row));
}

/* ---- the rest ---- */

/* Every gate at every place that it concerns. */
function gatesTable(tests) {
	const cells = t => [t.gate, name(t.where), gateMark({gate: t.outcome}), chanceText(t.p), chanceText(t.p_adjusted)];

	const columns = [["gate", "text"], ["at", "text"], ["", "text"], ["chance"], ["adjusted"]];

	return table("Gates; chance: to miss the bound so clearly when on it, adjusted (Holm) for how many gates there are", columns,
		tests.map(t => ({cells: cells(t)})));
}

function compareTable(list) {
	const ranked = list.some(r => known(r.a12));
	const columns = [["", "text"], ["base"], ["95 %"], ["new"], ["95 %"], ["new/base"], ["95 %"], ["", "text"], ["gate", "text"]]
		.concat(ranked ? [["p"], ["A12"]] : []);
	const cells = r => [[name(r.where), DOT, r.name], metricText(r, r.base), metricBounds(r, r.base),
		metricText(r, r.new), metricBounds(r, r.new), factor(value(r.ratio)), bounds(r.ratio, plain), sign(r), gateMark(r)]
		.concat(ranked ? [chanceText(r.p), known(r.a12) ? two(r.a12) : DASH] : []);

	return table("Figures, with 95 % intervals; ~ may be chance, ? can not be told", columns, list.map(r => ({cells: cells(r)})));
}

function showCompare(page, compare) {
	const list = compare.metrics, differ = list.filter(r => r.significant).length;
	const fine = data.charts.gates ? "every gate holds" : "no gates; " + nth(differ, "figure") + (differ === 1 ? " differs" : " differ");
	const side = (title, files) => h("p", {class: "run"}, title, ": ", files.map((f, i) => [i ? ", " : null, name(f)]));
	const legend = "Ratio with its 95 % interval on a log scale; the line is no change, dashed lines are gates.";

	document.title = compare.verdict.status.toUpperCase() + " \u2013 comparison";
	page.append(h("header", {}, verdictLine(compare.verdict, fine), side("base", compare.base), side("new", compare.new)),
		section("changes", "New against base", list.length ? [h("p", {class: "muted hint"}, legend), forest(list, data.charts.margins)] :
			aside("Nothing is on both sides.")),
		section("figures", "Figures", compare.gates.length ? gatesTable(compare.gates) : null,
			list.length ? compareTable(list) : aside("None.")),
		section("quality", "Notes", compare.notes.length ?
			h("ul", {class: "quality"}, compare.notes.map(n => h("li", {}, n))) : aside("None.")));
}

/* SPDX-License-Identifier: MIT */
/*
 * Small drawings of an edge that are not over time. Units of their view boxes are pixels at the usual width.
 */
const WIDE = 360, TALL = 150, LEFT = 40, BOTTOM = 22, TOP = 8, RIGHT = 8;
const FLOOR = TALL - BOTTOM;

function scale(from, to, low, high, log) {
	const f = log ? Math.log : x => x, a = f(from), b = f(to);

	return x => low + (b === a ? 0 : (f(x) - a) / (b - a)) * (high - low);
}

/* Round figures from low to high, about n of them. */
function ticks(low, high, n) {
	const rough = (high - low) / n || 1, power = Math.pow(10, Math.floor(Math.log10(rough)));
	const step = [1, 2, 5, 10].map(f => f * power).find(x => x >= rough), list = [];

	for (let x = Math.ceil(low / step - 1e-9) * step; x <= high + step * 1e-6; x += step)
		list.push(Math.abs(x) < step / 2 ? 0 : x);
	return list;
}

function logTicks(low, high) {
	const steps = high / low > 2000 ? [1] : high / low > 30 ? [1, 3] : [1, 2, 5], list = [];

	for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high) + 1; e++)
		list.push(...steps.map(f => f * Math.pow(10, e)).filter(v => v >= low * 0.999 && v <= high * 1.001));
	return list;
}

function tickText(v) {
	return trim(String(+v.toPrecision(2)));
}

function line(x1, y1, x2, y2, stroke, width, more) {
	return s("line", Object.assign({x1: x1, y1: y1, x2: x2, y2: y2, stroke: "var(--" + stroke + ")", "stroke-width": width}, more));
}

function box(x1, y1, x2, y2, colour, more) {
	const size = {width: Math.max(1, x2 - x1), height: Math.max(1, y2 - y1)};

	return s("rect", Object.assign({x: x1, y: y1, fill: "var(--" + colour + ")"}, size, more));
}

function plot(label, height, ...parts) {
	return s("svg", {class: "plot", viewBox: "0 0 " + WIDE + " " + height, role: "img", "aria-label": label}, parts);
}

function leftAxis(list, y) {
	return list.map(v => [s("line", {class: "axis", x1: LEFT, x2: WIDE - RIGHT, y1: y(v), y2: y(v)}),
		s("text", {x: LEFT - 6, y: y(v) + 4, "text-anchor": "end"}, trim(digits(v)))]);
}

function bottomAxis(list, x, show) {
	return list.map(v => s("text", {x: x(v), y: TALL - 6, "text-anchor": "middle"}, show(v)));
}

/* A line or band of a legend. */
function swatch(key) {
	const dash = {"stroke-dasharray": key.dash ? key.dash.join(" ") : null};

	return s("svg", {viewBox: "0 0 18 8", "aria-hidden": "true"},
		key.band ? box(0, 1, 18, 7, key.colour) : line(0, 4, 18, 4, key.colour, key.width || 1.6, dash));
}

/* keys: [what a swatch needs and its label, what stands behind] */
function legendOf(keys) {
	return h("ul", {class: "legend"}, keys.filter(Boolean).map(key => h("li", {}, swatch(key), key.label, key.reading)));
}

function figure(kind, title, unit, ...parts) {
	return h("figure", {class: kind}, h("figcaption", {}, title, unit ? h("span", {}, " " + unit) : null), parts);
}

/* ---- how long attempts took ---- */

/* A percentile as a line; its name where the one before leaves room. */
function percentileMarks(marks, x) {
	let taken = -1e9;

	return marks.map(function (mark) {
		const at = Math.min(Math.max(x(mark[1]), LEFT), WIDE - RIGHT), room = at - taken > 30;

		taken = room ? at : taken;
		return [line(at, TOP + 12, at, FLOOR, "ink", 1, {"stroke-dasharray": "2 2"}),
			room ? s("text", {class: "ink", x: at, y: TOP + 7, "text-anchor": at > WIDE - 40 ? "end" : "middle"}, mark[0]) : null];
	});
}

/* bins: [from, to, count] */
function distribution(edge, bins) {
	const low = bins[0][0], high = bins[bins.length - 1][1], most = Math.max(...bins.map(b => b[2]));
	const x = scale(low, high, LEFT, WIDE - RIGHT, true), y = scale(0, most, FLOOR, TOP + 14);
	const marks = ["p50", "p95", "p99"].map(k => [k, edge.latency_ms[k]]).filter(m => known(m[1]) && m[1] > 0);

	return figure("", "Latency distribution", "attempts by ms, log scale", legendOf([]),
		plot("Latency distribution: " + marks.map(m => m[0] + " " + digits(m[1]) + " ms").join(", "), TALL, leftAxis(ticks(0, most, 3), y),
			bins.filter(b => b[2]).map(b => box(x(b[0]) + 0.5, y(b[2]), x(b[1]) - 0.5, FLOOR, "logical", {"fill-opacity": ".65"})),
			percentileMarks(marks, x), bottomAxis(logTicks(low, high), x, tickText)));
}

/* ---- attempts per request ---- */

const CHAINS_MAX = 8;

/* chain: [attempts, requests] */
function chainChart(chain) {
	const rest = sum(chain.slice(CHAINS_MAX), c => c[1]), total = sum(chain, c => c[1]);
	const list = chain.slice(0, CHAINS_MAX).concat(rest ? [["more", rest]] : []);
	const x = scale(0, Math.max(...list.map(c => c[1])), 74, WIDE - 90);
	const row = (c, i) => [s("text", {x: 66, y: 18 + i * 15, "text-anchor": "end"}, c[0] + (c[0] === 1 ? " attempt" : "")),
		box(74, 9 + i * 15, x(c[1]), 20 + i * 15, c[0] === 1 ? "logical" : "attempts"),
		s("text", {class: "ink", x: x(c[1]) + 6, y: 18 + i * 15}, count(c[1]) + DOT + percent(c[1] / total))];

	return figure("", "Attempts per request", "requests", legendOf([]),
		plot("Attempts per request: " + list.map(c => c[0] + ": " + count(c[1])).join(", "), 14 + 15 * list.length, list.map(row)));
}

/* ---- waits before retries ---- */

/* What the policy that was named would wait; fan: [k, low, high] */
function fanShape(fan, x, y) {
	const up = fan.map(f => x(f[0]) + "," + y(f[1])), down = fan.map(f => x(f[0]) + "," + y(f[2])).reverse();

	if (fan.length === 1)
		return box(x(fan[0][0]) - 18, y(fan[0][2]), x(fan[0][0]) + 18, y(fan[0][1]), "shade");
	return s("polygon", {points: up.concat(down).join(" "), fill: "var(--shade)", stroke: "var(--doubt)", "stroke-width": 0.6});
}

function gapMark(gap, x, y, half) {
	const [k, p5, p50, p95] = gap;

	return [known(p5) && known(p95) ? line(x(k), y(p5), x(k), y(p95), "logical", 1.6) : null,
		known(p50) ? line(x(k) - half, y(p50), x(k) + half, y(p50), "logical", 3) : null];
}

/* gaps: [k, p5, p50, p95, fitted low, fitted high, n] */
function gapsChart(gaps) {
	const all = gaps.flatMap(g => g.slice(1, 6)).filter(known), low = Math.min(...all), high = Math.max(...all, 1);
	const log = low > 0 && high > 20 * low;
	const x = scale(0.5, gaps[gaps.length - 1][0] + 0.5, LEFT + 6, WIDE - RIGHT);
	const y = scale(log ? low * 0.8 : 0, high * 1.08, FLOOR, TOP, log);
	const fan = gaps.filter(g => known(g[4]) && known(g[5])).map(g => [g[0], g[4], g[5]]);
	const labelled = gaps.map(g => g[0]).filter((k, i) => i % Math.ceil(gaps.length / 12) === 0);

	return figure("", "Wait before each retry", log ? "ms, log scale" : "ms",
		legendOf([{colour: "logical", width: 3, label: "median, p5 to p95"},
			fan.length ? {band: true, colour: "shade", label: "fitted policy"} : null]),
		plot("Wait before each retry: " + gaps.map(g => "retry " + g[0] + ": " + duration(g[2])).join(", "), TALL,
			leftAxis(log ? logTicks(low * 0.8, high * 1.08) : ticks(0, high, 3), y), fan.length ? fanShape(fan, x, y) : null,
			gaps.map(g => gapMark(g, x, y, Math.min(14, (x(2) - x(1)) / 3))), bottomAxis(labelled, x, k => k)));
}

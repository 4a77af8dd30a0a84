/* SPDX-License-Identifier: MIT */
/*
 * Figures as texts, rounded as the text report rounds them. Times are ms; null is what the data can not tell, and is a dash.
 */
const DASH = "\u2013", DOT = " \u00b7 ", TIMES = "\u00d7";

function known(x) {
	return typeof x === "number" && isFinite(x);
}

/* The value of a metric, or null. */
function value(metric) {
	return metric && known(metric.value) ? metric.value : null;
}

function count(x) {
	return known(x) ? Math.round(x).toLocaleString("en") : DASH;
}

function two(x) {
	return x.toFixed(2);
}

/* Two digits at least, so that what is not 0 does not look as if it were: "3.00", "0.0023". */
function plain(x) {
	return x.toFixed(x > 1e-9 && x < 0.0995 ? 1 - Math.floor(Math.log10(x)) : 2);
}

/* Three digits. */
function digits(x) {
	if (!known(x))
		return DASH;
	return Math.abs(x) < 9.995 ? two(x) : Math.abs(x) < 99.95 ? x.toFixed(1) : count(x);
}

function trim(text) {
	return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/* "400 ms", "1.5 s", "2 min" */
function duration(ms) {
	if (!known(ms))
		return DASH;
	if (Math.abs(ms) < 999.5)
		return trim(digits(ms)) + " ms";
	return ms < 120000 ? trim((ms / 1000).toPrecision(3)) + " s" : trim(digits(ms / 60000)) + " min";
}

/* Never rounded up to 100 or down to 0: 99.996 % is not all. */
function percent(x) {
	const p = x * 100;

	if (!known(x))
		return DASH;
	if (p > 99.9 && p < 100)
		return (Math.floor(p * 1000) / 1000).toFixed(3) + " %";
	return (p > 0 && p < 0.1 ? (Math.ceil(p * 1000) / 1000).toFixed(3) : p.toFixed(1)) + " %";
}

function factor(x) {
	return known(x) ? plain(x) + TIMES : DASH;
}

/* The interval of a metric: "85.8...89.9 %", "exact", or nothing. */
function bounds(metric, show) {
	if (!metric || !known(metric.low) || !known(metric.high))
		return "";
	return metric.method === "exact" ? "exact" : show(metric.low).replace(/ %$/, "") + "\u2026" + show(metric.high);
}

/* "3 probes" */
function nth(n, one) {
	return count(n) + " " + one + (n === 1 ? "" : "s");
}

/* {"503": 7} -> "503 x7" */
function listed(object) {
	return Object.keys(object || {}).filter(k => object[k] > 0).map(k => k + " " + TIMES + count(object[k])).join(", ");
}

/* What there is of the parts. */
function joined(parts, between) {
	return parts.filter(Boolean).join(between);
}

function sum(list, of) {
	return list.reduce((total, x) => total + (known(of(x)) ? of(x) : 0), 0);
}

/* The element with the largest figure, of those that are equal the one with most of `then`; null when none has one. */
function largest(list, of, then = () => 0) {
	const above = (x, best) => of(x) > of(best) || (of(x) === of(best) && then(x) > then(best));
	return list.reduce((best, x) => known(of(x)) && (best === null || above(x, best)) ? x : best, null);
}

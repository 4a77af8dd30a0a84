/* SPDX-License-Identifier: MIT */
/* Policies in words, which the analyzer has found: [kind, words] pairs. */
const KINDS = ["retry", "timeout", "breaker", "bulkhead", "idempotency", "hedging"];

function words(pairs) {
	return h("dl", {class: "policy"}, pairs.map(p => [h("dt", {}, p[0]), h("dd", {}, p[1])]));
}

/* Of an edge: what the run does not tell is named too. */
function policy(pairs) {
	const silent = KINDS.filter(kind => !pairs.some(p => p[0] === kind)).join(", ");

	return words(silent ? pairs.concat([["not told", "by this run: " + silent]]) : pairs);
}

/* In one line, for the list of edges: the retries, and the beginning of the rest. */
function gist(pairs) {
	const of = kind => (pairs.find(p => p[0] === kind) || ["", ""])[1];
	const first = kind => of(kind) ? kind + " " + of(kind).split(/[;,(]/)[0].trim() : "";

	return joined([of("retry").split(";")[0], first("timeout"), first("breaker"), first("bulkhead")], DOT);
}

/* SPDX-License-Identifier: MIT */
/*
 * What was inferred of a client's policy, in words: each function makes [term, sentence] pairs of one object of the report JSON.
 */
function sure(policy) {
	return policy.confidence ? " (" + policy.confidence + " confidence)" : "";
}

function candidate(c) {
	if (typeof c === "string")
		return c;
	return (c.backoff || c.family || c.name || "?") + (known(c.multiplier) ? " " + TIMES + trim(two(c.multiplier)) : "");
}

/* {"low", "high"} -> "5 to 8", "5", null */
function range(o, show) {
	const ends = [o && o.low, o && o.high].filter(known);

	return ends.length ? show(ends[0]) + (ends.length > 1 && ends[1] !== ends[0] ? " to " + show(ends[1]) : "") : null;
}

function joined(parts, between) {
	return parts.filter(Boolean).join(between);
}

/* ---- retries ---- */

function family(r) {
	const base = known(r.base_ms) ? duration(r.base_ms) : null, from = base ? ", from " + base : "";
	const by = known(r.multiplier) ? ", " + TIMES + trim(two(r.multiplier)) + " each time" : "";
	const more = known(r.added_ms) ? "up to " + duration(r.added_ms) + " more" : "some more";
	const words = {
		none: "at once, without waiting",
		fixed: "a fixed wait" + (base ? " of " + base : ""),
		linear: "linear: each wait " + (base ? base + " " : "") + "longer than the one before",
		exponential: "exponential" + from + by,
		additive_jitter: "exponential" + from + by + ", and " + more + " at random",
		decorrelated: "decorrelated jitter (each wait drawn from the one before)" + from,
		decorrelated_v2: "decorrelated jitter, second form (Polly, cockatiel)" + from,
		ambiguous: "can not be told apart: " + ((r.candidates || []).map(candidate).join(" or ") || "several families fit"),
		unknown: "too few retries to tell",
	};

	return words[r.backoff] || r.backoff;
}

function jitter(r) {
	const rho = r.jitter && r.jitter.low_ratio, names = (r.jitter && r.jitter.names) || [], interval = bounds(rho, two);

	if (value(rho) === null || r.backoff === "none" || (!names.length && rho.value > 0.95))
		return null;
	return "jitter " + joined([names.join(" or "), "from " + two(rho.value) + (interval ? " (" + interval + ")" : "") + " of a wait"], ", ");
}

function backoffWords(r) {
	return joined([family(r), r.skip_first ? "the first retry at once" : null, known(r.cap_ms) ? "at most " + duration(r.cap_ms) : null,
		jitter(r)], "; ") + sure(r);
}

function attemptsWords(r) {
	const most = r.max_attempts;

	if (!known(most) || most < 1)
		return "how many can not be told: no request was given up";
	if (r.unbounded)
		return "without a bound: up to " + nth(most, "attempt") + " were seen";
	return most === 1 ? "none: a failed request is given up" : "up to " + nth(most, "attempt");
}

function herdingWords(index) {
	const words = index >= 0.8 ? "retries come together" : index >= 0.3 ? "retries come partly together" : "retries are spread";

	return words + " (index " + two(index) + ")";
}

function retryWords(r) {
	const after = listed(r.retried), not = listed(r.not_retried);
	const gaveUp = known(r.exhausted) && r.exhausted > 0 ? nth(r.exhausted, "request") + " exhausted them" : null;
	const cut = known(r.deadline_ms) ? "cut by a deadline of " + duration(r.deadline_ms) : null;

	return [
		["Retries", joined([attemptsWords(r), cut, gaveUp], "; ")],
		r.backoff && r.max_attempts !== 1 ? ["Backoff", backoffWords(r)] : null,
		after || not ? ["Retries after", joined([after || "nothing", not ? "not after " + not : null], "; ")] : null,
		r.retry_after && r.retry_after !== "none_seen" ? ["Retry-After", r.retry_after] : null,
		value(r.herding) !== null ? ["Herding", herdingWords(r.herding.value)] : null,
		r.storm ? ["Storm", "a retry storm was seen"] : null,
	];
}

/* ---- the others ---- */

function timeoutWords(t) {
	const mode = m => duration(m.ms) + (m.kind && m.kind !== "unknown" ? " (" + m.kind + ")" : "") + ", " + nth(m.n, "time");

	if ((t.modes || []).length)
		return [["Timeout", t.modes.map(mode).join("; ")]];
	return [["Timeout", "none seen" + (known(t.longest_ms) ? ", or above " + duration(t.longest_ms) : "")]];
}

function breakerWords(b) {
	const after = range(b.threshold, x => trim(digits(x))), open = range(b.open_ms, duration);
	const efficacy = known(b.shed_efficacy) ? b.shed_efficacy : value(b.shed_efficacy);
	const more = (x, words) => known(x) && x > 0 ? words : null;

	if (b.absent)
		return [["Breaker", "none: " + (known(b.outage_attempts) ? nth(b.outage_attempts, "failed attempt") + " in a row" : "demand") +
			" went through an outage"]];
	return [["Breaker", joined([
		known(b.opens) ? "opened " + nth(b.opens, "time") : null,
		after ? "after " + after + " failures" + (b.threshold.kind === "consecutive" ? " in a row" : "") : null,
		open ? "for " + open : null,
		known(b.half_open_probes) ? nth(b.half_open_probes, "probe") + " when half open" : null,
		known(efficacy) ? percent(efficacy) + " of doomed calls shed" : null,
		more(b.recovery_tax_ms, "stayed open " + duration(b.recovery_tax_ms) + " after the fault had cleared"),
		more(b.false_opens, nth(b.false_opens, "false open")),
	], ", ") + sure(b)]];
}

function bulkheadWords(b) {
	const then = {queue: ", then they wait", reject: ", then they are refused"}[b.mode] || "";
	const names = (b.candidates || []).map(candidate).join(" or ");

	const limit = known(b.width) ? nth(b.width, "call") + " at once" : "a limit";

	return [["Bulkhead", limit + then + (names ? " (" + names + ")" : "") + sure(b)]];
}

function idempotencyWords(i) {
	return [["Idempotency", nth(i.keys, "key") + ", " + nth(i.duplicates, "duplicate") + ", " +
		(i.violations ? nth(i.violations, "VIOLATION") + ": one key, two effects" : "none with two effects")]];
}

function hedgingWords(g) {
	const who = value(g.share) !== null ? percent(g.share.value) + " of requests" : nth(g.hedged, "request");

	return [["Hedging", who + (known(g.delay_ms) ? ", after " + duration(g.delay_ms) : "")]];
}

/* ---- together ---- */

const POLICIES = [["retry", "retries", retryWords], ["timeout", "timeout", timeoutWords], ["breaker", "breaker", breakerWords],
	["bulkhead", "bulkhead", bulkheadWords], ["idempotency", "idempotency", idempotencyWords], ["hedging", "hedging", hedgingWords]];

function policy(edge) {
	const said = POLICIES.filter(p => edge[p[0]]).flatMap(p => p[2](edge[p[0]])).filter(Boolean);
	const silent = POLICIES.filter(p => !edge[p[0]]).map(p => p[1]).join(", ");

	if (silent)
		said.push(["Not told", "by this run: " + silent]);
	return h("dl", {class: "policy"}, said.map(p => [h("dt", {}, p[0]), h("dd", {}, p[1])]));
}

function backoffGist(r) {
	if (!r.backoff || r.backoff === "unknown" || r.max_attempts === 1)
		return null;
	if (r.backoff === "none" || r.backoff === "ambiguous")
		return r.backoff === "none" ? "no backoff" : "ambiguous backoff";
	return r.backoff.replace("_", " ") + (known(r.base_ms) ? " from " + duration(r.base_ms) : "");
}

/* In one line, for the list of edges. */
function gist(edge) {
	const r = edge.retry, t = edge.timeout, b = edge.breaker, most = r && known(r.max_attempts) && r.max_attempts > 0 ? r.max_attempts : 0;

	return joined([
		most ? most === 1 ? "no retries" : r.unbounded ? "unbounded retries" : "up to " + nth(most, "attempt") : null,
		r ? backoffGist(r) : null,
		t && (t.modes || []).length ? "timeout " + duration(t.modes[0].ms) : null,
		b && !b.absent && b.opens > 0 ? "breaker" : null,
		edge.bulkhead && known(edge.bulkhead.width) ? "at most " + edge.bulkhead.width + " at once" : null,
	], DOT);
}

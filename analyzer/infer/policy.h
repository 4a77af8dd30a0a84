/* SPDX-License-Identifier: MIT */
/*
 * The resilience policy that a client really runs, as far as its traffic tells: shapes of what retry.c, timeouts.c, breaker.c, bulkhead.c,
 * idempotency.c, hedging.c, shedding.c, backpressure.c, fallback.c and hierarchy.c infer. Times in ms, NAN where the data can not tell; ids are row ids of the
 * run file's table exchange, 0 none. Names (statuses aside) are numbers of the model's texts. Without `known` nothing of a shape says anything,
 * and its face is null. Definitions and formulas: analysis of the named file's head comment.
 */
#ifndef AFTERSHOCK_ANALYZER_INFER_POLICY_H
#define AFTERSHOCK_ANALYZER_INFER_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "analyzer/stats/metric.h"

#define POLICY_CANDIDATES 6
#define POLICY_NAMES 8
#define POLICY_MODES 8

/* ---- retries: one client's towards one server (retry.c) ---- */

enum policy_backoff { BACKOFF_UNKNOWN, BACKOFF_NONE, BACKOFF_FIXED, BACKOFF_LINEAR, BACKOFF_EXPONENTIAL, BACKOFF_ADDITIVE,
		      BACKOFF_DECORRELATED, BACKOFF_DECORRELATED_V2, BACKOFF_AMBIGUOUS, BACKOFF_FAMILIES };
enum policy_confidence { CONFIDENCE_LOW, CONFIDENCE_MEDIUM, CONFIDENCE_HIGH };
enum policy_retry_after { RETRY_AFTER_NONE_SEEN, RETRY_AFTER_HONOURED, RETRY_AFTER_IGNORED, RETRY_AFTER_CAPPED };

struct policy_candidate {	/* a family that explains the gaps as well */
	enum policy_backoff family;
	double multiplier;	/* of an exponential; else NAN */
};

struct policy_gap {		/* waits before retry k (1: the first) */
	unsigned k;
	double p5, p50, p95, fitted_low, fitted_high;	/* fitted: the fan of the winning family; NAN without one */
	uint64_t n;
};

struct policy_reaction {	/* what followed a failure of this kind */
	uint32_t status;	/* 0: an error, then its name */
	uint32_t error;
	uint64_t retried, not_retried;
};

struct policy_method {		/* the same, by method */
	uint32_t method;
	uint64_t retried, not_retried;
};

/* Retries that a client should not make; what, how often, and one of them. */
struct policy_misuse {
	uint64_t count, witness;	/* witness: the retry's id */
};

struct policy_retry {
	bool known;			/* there were failures that could have been retried */
	unsigned servers;		/* each attempt tries so many, at once where connects fail; 1 but of a destination */
	unsigned max_attempts;		/* of requests that were given up; 0 can not tell */
	double other_share_high;	/* upper 95 % bound on requests given up after another number; NAN: they differ, or max_attempts is 0 */
	bool unbounded;			/* no request was given up though failures went on: max_attempts is the most seen */
	double deadline_ms;		/* requests end at this time rather than at a number of attempts; NAN: no */
	uint64_t failed_requests, exhausted;	/* requests whose first attempt failed; those given up after all attempts */
	struct metric exhausted_share;
	enum policy_backoff backoff;
	struct policy_candidate candidates[POLICY_CANDIDATES];	/* when it is ambiguous */
	unsigned candidate_count;
	double base_ms, multiplier, cap_ms, added_ms;	/* base: median of the first wait that is one; added: width of additive jitter */
	double step_ms;			/* linear: what each wait is longer than the one before */
	double base_low_ms, base_high_ms;	/* between these the first wait is drawn */
	double bic_margin;		/* to the family that explains the waits second best; NAN: likelihoods were not compared */
	bool cap_before_jitter;		/* waits spread below or around the cap (by the jitter's name), rather than many being it */
	bool skip_first;
	struct metric jitter_low;	/* rho: the lowest part of a wait that is waited */
	const char *jitter_names[POLICY_NAMES];	/* names whose rho lies in the interval; static */
	unsigned jitter_name_count;
	struct policy_gap *gaps;	/* owned; by k */
	size_t gap_count;
	enum policy_confidence confidence;
	uint64_t chains;		/* requests that the classification rests on */
	bool mixed;			/* the requests do not share one law: several policies at work */
	bool tangled;			/* requests of one caller overlap, and only time joins attempts: which retry is whose is a guess */
	struct policy_reaction *reactions;	/* owned; statuses first, ascending */
	size_t reaction_count;
	struct policy_method *methods;	/* owned */
	size_t method_count;
	enum policy_retry_after retry_after;
	uint64_t retry_after_seen, retry_after_kept;	/* answers that asked for it and were followed by a retry; those that waited */
	uint64_t retry_after_witness;	/* the first retry that did not wait; 0 none */
	double retry_after_cap_ms;
	struct metric herding;		/* S_1: normalised Morisita index of first retries; unknown: not assessable */
	double herd_preservation;	/* H_1 = I_1 / I_0 */
	bool storm;
	double storm_amplification, storm_seconds;	/* seconds: NAN where the fault was too short to count them */
	bool budget;			/* chains shorten while everything fails: a retry budget drains */
	double budget_ratio;		/* retries per first attempt that it settles at */
	double budget_peak;		/* largest retries per first attempt within 10 s */
	double budget_over_s;		/* longest time above 20 % with at least 10 retries a second */
	struct metric yield;		/* successes reached by a retry / retries */
	double excess_failure;		/* observed failures beyond p^m; NAN not assessable */
	uint64_t bursts, burst_peak;	/* runs of retries beyond chance; the largest's attempts */
	struct policy_misuse pointless, unsafe_indeterminate, unsafe_failed, new_key;
	const char *alike;		/* what else would look the same; static; NULL */
};

/* ---- timeouts: of one client towards one server (timeouts.c) ---- */

enum policy_timeout_kind { TIMEOUT_UNKNOWN, TIMEOUT_CONNECT, TIMEOUT_RESPONSE, TIMEOUT_IDLE, TIMEOUT_TOTAL, TIMEOUT_KINDS };

struct policy_timeout_mode {
	double ms, low_ms, high_ms;	/* median; what was set lies between the longest wait that was not cut and little more than that */
	uint64_t n, witness;
	enum policy_timeout_kind kind;
};

struct policy_timeout {
	bool known;			/* something took long enough, or was given up */
	struct policy_timeout_mode modes[POLICY_MODES];	/* most frequent first */
	unsigned mode_count;		/* 0: none, or above longest_ms */
	double longest_ms;		/* the longest that the client waited without giving up */
	uint64_t longest_witness;
	uint64_t abandoned;		/* attempts that the client gave up */
};

/* Two layers whose timeouts do not fit (hierarchy.c): V1 to V5. */
enum policy_misfit { MISFIT_INVERSION, MISFIT_RETRIES, MISFIT_NONE, MISFIT_EQUAL, MISFIT_NOT_PROPAGATED, MISFITS };

struct policy_hierarchy {
	enum policy_misfit what;
	uint32_t parent, child;		/* edges; MISFIT_NONE: parent is MODEL_NONE */
	double parent_ms, child_ms;	/* timeouts, NAN unknown */
	unsigned fits, attempts;	/* MISFIT_RETRIES: attempts that fit, attempts that the policy makes */
	double orphan_ms;		/* work that went on after the parent had given up */
	uint64_t count, parent_witness, child_witness;
};

/* ---- breaker: of one client process towards one server (breaker.c) ---- */

enum policy_threshold { THRESHOLD_UNKNOWN, THRESHOLD_CONSECUTIVE, THRESHOLD_RATE };

struct policy_open {	/* a breaker was open from the failure that opened it to the probe that found it well, or to the end of the run */
	uint64_t from_ns, to_ns;	/* of the clock of the run */
	uint32_t process;
};

struct policy_breaker {
	bool known;			/* it opened at least once; or `absent` */
	bool absent;			/* demand went on through an outage that a breaker would have cut */
	uint64_t outage_attempts;	/* absent: failed attempts in a row that it let pass */
	unsigned opens, reopens;	/* times it opened; of them, because a half-open call failed */
	struct policy_open *spans;	/* owned; one per open, by process and then in order */
	size_t span_count;
	double threshold_low, threshold_high;	/* failures in a row before it opens; NAN also where their share is what counts */
	double share_low, share_high;	/* of failures when it opened, in whatever window a rule by their share looks at; NAN can not tell */
	enum policy_threshold threshold;
	double open_low_ms, open_high_ms;	/* how long it stays open */
	double open_growth;		/* ratio of successive open times; NAN with one */
	double half_open_probes;	/* NAN can not tell */
	bool probes_at_least;		/* too little demand at once to see more */
	double close_after;		/* successes before traffic returns; NAN can not tell */
	const char *reopen;		/* "any failure", "ratio"; NULL can not tell; static */
	const char *counts;		/* "attempts", "requests"; NULL can not tell; static */
	double time_to_open_ms;
	uint64_t doomed, shed, leak, collateral;
	struct metric shed_efficacy;
	double recovery_tax_ms;
	uint64_t recovery_tax;		/* demands shed after the fault had cleared */
	unsigned false_opens;
	double expected_false_opens_every;	/* calls between two false opens at the failure share of the baseline; NAN */
	double flaps_per_min;
	double latency_saved_ms;
	uint64_t waited;		/* requests turned away that were answered only after the waits of retries, which it turned away too */
	double waited_ms;		/* mean time until those were; NAN */
	enum policy_confidence confidence;
	bool ejects;			/* what it keeps back is no caller's failure: another server of the destination gets it */
	uint64_t witness;		/* the failing attempt that opened it first */
	const char *ruled_out;		/* why a silence is not called a breaker, when there was one; static; NULL */
	bool paced;			/* by the pace of the client alone: `shed` is what that would have made */
	const char *alike;		/* what else would look the same; static; NULL */
};

/* ---- bulkhead (bulkhead.c), idempotency, hedging: of an edge ---- */

enum policy_bulkhead_mode { BULKHEAD_UNKNOWN, BULKHEAD_QUEUE, BULKHEAD_REJECT };

struct policy_flood {		/* no limit: calls piled up at a slow server, and the caller's other routes suffered (bulkhead_flood.h) */
	bool known;
	double in_work, in_work_before;	/* calls in work under the fault, and before, on the average */
	unsigned most, most_before;	/* and at once */
	double call_ms, call_before_ms;	/* medians */
	uint64_t others, others_failed;	/* requests to other routes under the fault */
	double others_ms, others_before_ms;	/* medians */
	uint64_t witness;		/* the slowest of them */
};

struct policy_bulkhead {
	bool known;
	unsigned width;
	enum policy_bulkhead_mode mode;
	const char *candidates[POLICY_NAMES];	/* what else has such a limit: "bulkhead", "connection pool", ...; static */
	unsigned candidate_count;
	bool moving;			/* an adaptive limiter: between low and high */
	unsigned low, high;
	double little;			/* throughput x mean time: what the width must at least be */
	uint64_t rejected;
	uint64_t asked, stopped;	/* requests for calls under the fault, or in all without one; those of them turned away, or made to wait */
	double wait_ms;			/* median of those waits; NAN */
	double call_ms, call_before_ms;	/* median time of a call under the fault, and in the baseline; NAN */
	uint64_t witness;		/* the first request that it stopped */
	enum policy_confidence confidence;
	struct policy_flood flood;	/* also when no bulkhead is known */
};

struct policy_idempotency {
	bool known;			/* requests carried keys */
	uint64_t keys, duplicates, violations, lost, conflicts;	/* conflicts: answered 409 or 422 */
	uint64_t mismatched;		/* duplicates whose answer differs */
	uint64_t witness;		/* a request with a key that had two effects */
};

struct policy_hedging {
	bool known;			/* attempts of one request overlapped though none had failed */
	uint64_t hedged, wins, cancelled;	/* requests; those that the later attempt answered; losers given up */
	double delay_ms, delay_low_ms, delay_high_ms;
	struct metric share;		/* hedged / requests */
};

/* ---- of a service, towards those who call it ---- */

struct policy_shedding {		/* shedding.c */
	bool known;			/* it answered 429 or 503, or reset, fast and without calling anybody */
	uint64_t shed, witness;
	double latency_ms, success_latency_ms;	/* medians */
	double collapse;		/* goodput at the highest load / the best goodput, also of one that sheds nothing; NAN */
	uint64_t collapse_witness;	/* a request at that load that was not answered well; 0 none */
	uint64_t told;			/* of the shed: answers that said when to come back (Retry-After) */
	struct metric share;
};

struct policy_backpressure {		/* backpressure.c; of a service, as who sends, that the kernel's witness saw send */
	uint32_t service;		/* name */
	uint64_t sends, refused, slow;	/* in all; as the buffer was full; that took 10 ms or longer */
	double slow_ms;			/* those, in sum */
	uint64_t by_window[3];		/* refused and slow ones, by enum timeline_kind */
	uint64_t seconds;		/* in which there were any */
	int64_t last_second;		/* of them */
};

struct policy_fallback {		/* fallback.c */
	bool known;			/* it answered well though something it normally needs had failed or was not asked */
	uint64_t degraded, failed, witness;	/* answers while a dependency was bad: well nonetheless; not */
	uint32_t dependency;		/* edge it did without most often */
	bool distinct;			/* its size or status differs from healthy answers */
	uint32_t failed_for;		/* edge that the failed answers did without most often; MODEL_NONE none */
	uint64_t failed_witness;	/* the first of them */
};

void policy_retry_free(struct policy_retry *r);

/* Whether its jitter's first name begins so: "±" lies around the schedule's waits, "+" above them, all other takes from them. */
bool policy_jitter_is(const struct policy_retry *r, const char *sign);
void policy_breaker_free(struct policy_breaker *b);

/* Whether each attempt may have to ask it, retries too: it is sure enough, not known to count requests, and no balancer. */
bool policy_breaker_asks_attempts(const struct policy_breaker *b);

/* Whether it was open in that process at some time in [from_ns, to_ns]. O(log n). */
bool policy_breaker_was_open(const struct policy_breaker *b, uint32_t process, uint64_t from_ns, uint64_t to_ns);

/* Names as in the report: "exponential", "high", "honoured", "connect", "consecutive", "queue", "timeout-inversion". */
const char *policy_backoff_name(enum policy_backoff b);
const char *policy_confidence_name(enum policy_confidence c);
const char *policy_retry_after_name(enum policy_retry_after r);
const char *policy_timeout_kind_name(enum policy_timeout_kind k);
const char *policy_misfit_name(enum policy_misfit m);
const char *policy_threshold_name(enum policy_threshold t);
const char *policy_bulkhead_mode_name(enum policy_bulkhead_mode m);

#endif

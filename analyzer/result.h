/* SPDX-License-Identifier: MIT */
/*
 * What a run means: the one structure that the analyzer fills and every face (text, JSON) renders. Keys follow the
 * report JSON of the contract. Texts are valid UTF-8 but may hold control characters: faces escape them.
 * Owned as a whole by result_free(). Not thread-safe.
 */
#ifndef AFTERSHOCK_ANALYZER_RESULT_H
#define AFTERSHOCK_ANALYZER_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "analyzer/infer/policy.h"
#include "analyzer/judge/finding.h"
#include "analyzer/measure/series.h"
#include "analyzer/measure/timeline.h"
#include "analyzer/read/model.h"
#include "analyzer/read/samples.h"
#include "analyzer/read/tally.h"
#include "analyzer/stats/metric.h"

enum verdict { VERDICT_PASS, VERDICT_FAIL, VERDICT_INCONCLUSIVE, VERDICT_VACUOUS };

struct latency {	/* ms, of what ended; NAN fields when nothing did */
	double mean, p50, p90, p95, p99, max;
	struct samples samples;		/* sorted */
	double inflation[3];	/* of p50, p95, p99: variance against that of as many independent ones, at least 1 */
};

struct result_load {	/* requests of a service in some window */
	uint64_t requests, ok, degraded, failed;
	struct metric success;
	struct latency latency;
	double throughput_rps;	/* NAN when the window has no length */
};

struct result_service {
	const char *name;
	int64_t *pids;		/* owned */
	size_t pid_count;
	struct result_load whole, window[TIMELINE_KINDS];
	struct policy_shedding shedding;
	struct policy_fallback fallback;
};

struct result_cohort {	/* logical requests of an edge that started in some window */
	bool linked;		/* false: attempts were not joined to requests, `logical` says nothing */
	uint64_t logical, attempts, delivered, succeeded;
	uint64_t demand, censored;	/* requests and shed calls; requests that the end of the run may have cut (demand.c) */
	struct metric amplification_demand;	/* attempts / demand */
	struct metric amplification, amplification_delivered, success;
	struct tally chain;		/* attempts per logical request */
	struct tally chain_delivered;
};

struct result_excluded {	/* attempts that follow an answer, and are no retries */
	uint64_t redirects, challenges;	/* of what a 3xx leads to; with what a 401 or 407 asked for */
	uint64_t polls;		/* after a failure at the client's own pace */
	uint64_t reconnects;	/* sent again as the server had closed the idle connection; not among the attempts */
};

struct result_edge {
	const char *client, *server, *protocol, *linking;
	bool root;		/* nobody recorded calls its client: its requests are those of users */
	uint32_t destination;	/* that it is a server of; MODEL_NONE: it is one by itself */
	uint64_t worst;		/* id of the first attempt of the request that took most; 0 none */
	uint32_t worst_attempts;
	struct result_cohort whole, window[TIMELINE_KINDS];
	struct metric amplification_demand, attempt_success;
	uint64_t demand, attempts_ok;
	struct result_excluded excluded;
	double false_link_rate;	/* share of its requests in the baseline that time alone joined to others; NAN: none to judge by */
	double peak_attempts_per_s;	/* most attempts that started within any 1 s */
	struct metric retry_yield;	/* requests that a retry saved / retries */
	struct metric exhausted_share;	/* of requests whose first attempt failed: those that failed in the end */
	double rate_amplification, rate_amplification_s;	/* most attempts per first attempt within a second of the run; which; NAN none */
	uint64_t orphan_retries;	/* attempts in seconds without any first attempt */
	struct metric wasted_work;	/* of the server's time: for requests that the client had given up */
	double excess_failure;	/* requests that failed beyond what attempts that fail independently explain; NAN not assessable */
	uint64_t outcomes[MODEL_OUTCOMES];
	struct tally statuses;
	struct tally errors;	/* values: names of the model */
	struct latency latency;
	struct policy_retry retry;
	struct policy_timeout timeout;
	struct policy_breaker breaker;
	struct policy_bulkhead bulkhead;
	struct policy_idempotency idempotency;
	struct policy_hedging hedging;
	struct series series;
};

struct result_destination {	/* several servers that a client tries one after another for one request, or spreads its requests over */
	const char *client, *linking;	/* linking: what joins requests across servers */
	char *name;		/* owned: the name that all are addresses of, or the first and how many more */
	bool root;		/* as of its edges */
	size_t *edges;		/* indices, ascending; at least 2; owned */
	size_t edge_count;
	uint64_t hops;		/* requests that went to another server */
	uint64_t retries, saved;	/* attempts after the first; requests that succeeded with one */
	struct result_cohort whole, window[TIMELINE_KINDS];	/* of whole requests */
	struct metric retry_yield;	/* as of an edge, whatever server the retry asked */
	uint64_t troubled, exhausted;	/* requests that ended and whose first attempt failed; those that failed at every server they tried */
	struct metric exhausted_share;	/* of the troubled */
	uint64_t returns;	/* at which a request of a thread without ids may have been another (returns.h) */
	struct policy_retry retry;	/* of whole requests; unknown where they are not joined */
	struct policy_breaker breaker;	/* of all servers together; unknown where any of them has one of its own */
	struct series series;		/* of whole requests, and of attempts at any server */
};

struct result_path {
	const char *root, *leaf;
	struct metric amplification;	/* attempts at the leaf per request of the root under the fault, over the same in the baseline */
	double raw, baseline;	/* those two themselves; raw of the whole run without a fault; NAN none */
	double bound;		/* the most attempts at the leaf per request of the root: product of max attempts on the worst way; NAN unknown */
	bool bound_at_least;	/* some edge on it never showed its limit: it counts as what was seen */
	double product;		/* of the amplifications of the edges on that way; NAN */
	unsigned hops;		/* edges on it */
};

struct result_recovery {
	const char *fault;
	unsigned number;	/* which time that this fault came on, from 1; 0: it came on once */
	double impact_ms, mttr_ms, recovery_lag_ms;	/* NAN: none, or not known */
	double observed_ms;	/* censored: at least this long from impact to recovery; else NAN */
	double took_ms, usual_ms;	/* of users' requests while the fault was there, in the baseline: 95 of 100; NAN: too few */
	double lost_goodput;	/* requests */
	bool censored;
	bool guessed;		/* no baseline: measured against 95 % of good requests */
	bool unsure;		/* requests of users that took long and were good may as well have been turned away meanwhile (retry.alike) */
	const char *label;	/* static; NULL: the fault lasted to the end of the run */
	double first_exit_ms;	/* from impact to the first good second; mttr_ms is to the last exit; NAN none */
	unsigned flaps;		/* how often it was bad again after a good second */
	double half_recovery_ms;	/* from the fault's end to a second half way from the worst back to the baseline; NAN */
	double overshoot;	/* most attempts at the struck service in a second after the fault / in the baseline; NAN */
	double lag_breaker_ms, lag_backoff_ms, lag_drain_ms, lag_rest_ms;	/* add up to recovery_lag_ms (lag.c); NAN without */
	double load_ratio;	/* requests of users after the fault until the recovery / in the baseline; NAN */
	double load_amplification;	/* attempts per first attempt at the struck service then; NAN */
	double capacity_rps, margin;	/* see metastable.c; NAN not known */
	double good_ms;		/* censored: how long it had been good again when the run ended; NAN: it was not */
	uint64_t witness;	/* of what stays bad: the last request of users that failed; 0 none */
};

struct result_fault {
	const char *name;
	uint64_t matched, fired;
	double first_s, last_s;	/* since the run's start; NAN never */
	bool watch_only;
	struct samples delay_error_ms;	/* achieved minus intended; sorted */
	struct samples achieved_ms;	/* of delays; sorted */
};

struct result_loss {
	const char *source, *reason;
	uint64_t count;
};

struct result {
	struct model model;	/* names live here */
	const char *file;
	double duration_s;
	enum verdict verdict;
	double slo;		/* asked for, 0..1; NAN: none */
	unsigned fail_on;	/* 1 + the least severity of a finding that fails the run; 0: none does */
	char **reasons;		/* why, as sentences; owned */
	size_t reason_count;
	struct timeline timeline;
	struct result_service *services;
	struct result_edge *edges;
	struct result_destination *destinations;
	struct result_path *paths;
	struct result_recovery *recoveries;
	struct result_fault *faults;
	struct result_loss *losses;
	struct policy_hierarchy *hierarchies;
	struct policy_backpressure *backpressures;
	struct finding *findings;	/* the gravest first */
	struct exemplar *exemplars;
	size_t hierarchy_count, backpressure_count, finding_count, exemplar_count;
	size_t service_count, edge_count, destination_count, path_count, recovery_count, fault_count, loss_count;
	struct metric mttr_ms;	/* of recoveries that had an impact: n of them */
	size_t recovered_count;	/* those of them that the run saw recover */
	double false_link_rate;	/* of all edges; NAN: no baseline, or nothing was joined by time */
	char **uncovered;	/* sentences; owned */
	size_t uncovered_count;
	char **notes;		/* sentences; owned */
	size_t note_count;
};

void result_free(struct result *r);

/* Whether users' requests took noticeably longer while the fault was there: twice as long, and 50 ms more. */
bool result_slowed(const struct result_recovery *r);

/* Drops services, edges, destinations and all notes but the first `notes`: they are to be measured anew. */
void result_forget(struct result *r, size_t notes);

/* Appends a sentence (printf) to a list of the result. 0 or -ENOMEM. */
int result_say(char ***list, size_t *count, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* "pass", "fail", "inconclusive", "vacuous", and the exit status it stands for (0, 1, 3, 3). */
const char *verdict_name(enum verdict v);
int verdict_status(enum verdict v);

/* What is seen of an edge's requests: with other servers of its destination they are seen at the first of them, NULL at the others. */
const struct result_cohort *result_seen(const struct result *r, const struct result_edge *e);

/* The same of retries, at whatever server of it: unknown at its others; where it is not known, those of the edge alone. */
const struct policy_retry *result_seen_retry(const struct result *r, const struct result_edge *e);

/* What calls to this server pass, seen or not: the breaker, the retries, of its destination, where they are known; else its own. */
const struct policy_breaker *result_breaker_of(const struct result *r, const struct result_edge *e);
const struct policy_retry *result_retry_of(const struct result *r, const struct result_edge *e);

/* The breaker of its destination at the first edge of that, where there is one; else its own. */
const struct policy_breaker *result_seen_breaker(const struct result *r, const struct result_edge *e);

/* Its success, of attempts where these are not joined to requests, and what it is called: the server or its destination. */
struct metric result_seen_success(const struct result *r, const struct result_edge *e);
const char *result_seen_server(const struct result *r, const struct result_edge *e);

/* The share of users' requests that succeeded, over all edges of theirs; of attempts where those are not joined. */
struct metric result_success_of_users(const struct result *r);

/* Good answers to users that were less than usual. */
uint64_t result_degraded_of_users(const struct result *r);

/* Judges what is measured, against slo and fail_on: fills verdict and reasons. 0 or -ENOMEM. In verdict.c. */
int verdict_judge(struct result *r);

/* Fills the order statistics of l->samples, which are in the order in which they started and are sorted. */
void latency_settle(struct latency *l);

#endif

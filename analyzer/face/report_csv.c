/* SPDX-License-Identifier: MIT */
/*
 * A result as a table for spreadsheets and data frames: RFC 4180, one row for each edge and window ("run" is all of it), then the same of destinations,
 * which have several servers: whole requests, at whatever of them. What is not known is empty; what is known of an edge as a whole alone is so in the
 * other windows. Names are escaped like on a terminal, and one that a spreadsheet would take
 * for a formula has an apostrophe before it.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/face/face.h"
#include "analyzer/face/report.h"

#define COUNT(arr) (sizeof(arr) / sizeof(*(arr)))
#define WHOLE TIMELINE_KINDS

struct row {
	const struct result *r;
	const struct result_edge *e;
	const struct result_cohort *c;
	size_t servers;
	int window;	/* enum timeline_kind, or WHOLE */
};

static int text(FILE *out, const char *value)
{
	char *safe = face_escape(value);
	bool formula;

	if (!safe)
		return -ENOMEM;
	formula = *safe && strchr("=+-@", *safe);
	if (!formula && !strpbrk(safe, ",\"'")) {
		fputs(safe, out);
		free(safe);
		return 0;
	}
	fprintf(out, "\"%s", formula ? "'" : "");
	for (const char *p = safe; *p; p++)
		fprintf(out, *p == '"' ? "\"\"" : "%c", *p);
	fputc('"', out);
	free(safe);
	return 0;
}

/* To a millionth, like the JSON; nothing for what is not known. */
static int number(FILE *out, double value)
{
	char buf[400];
	size_t n;

	if (!isfinite(value))
		return 0;
	n = (size_t)snprintf(buf, sizeof(buf), "%.6f", value);
	while (buf[n - 1] == '0')
		n--;
	buf[n - (buf[n - 1] == '.')] = 0;
	fputs(strcmp(buf, "-0") ? buf : "0", out);
	return 0;
}

static double count(uint64_t n)
{
	return (double)n;
}

static double whole(const struct row *x, double value)
{
	return x->window == WHOLE ? value : NAN;
}

static double of(const struct metric *m)
{
	return m->known ? m->value : NAN;
}

static double low(const struct metric *m)
{
	return m->known && m->bounded ? m->low : NAN;
}

static double high(const struct metric *m)
{
	return m->known && m->bounded ? m->high : NAN;
}

static int print_tally(FILE *out, const struct row *x, const struct tally *t, bool named)
{
	char *list = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&list, &n);
	int err;

	if (!f)
		return -ENOMEM;
	for (size_t i = 0; i < t->used && x->window == WHOLE; i++) {
		if (named)
			fprintf(f, "%s%s=%llu", i ? " " : "", texts_text(&x->r->model.names, t->cells[i].value), (unsigned long long)t->cells[i].count);
		else
			fprintf(f, "%s%u=%llu", i ? " " : "", t->cells[i].value, (unsigned long long)t->cells[i].count);
	}
	err = fclose(f) ? -ENOMEM : text(out, list);
	free(list);
	return err;
}

/* ---- columns: name and how a cell of it is printed ---- */

#define TEXTS(X) \
	X(file, x->r->file) \
	X(started, texts_text(&x->r->model.names, x->r->model.started)) \
	X(client, x->e->client) \
	X(server, x->e->server) \
	X(protocol, x->e->protocol) \
	X(linking, x->e->linking) \
	X(window, x->window == WHOLE ? "run" : timeline_name((enum timeline_kind)x->window))

#define COHORT(X) \
	X(requests, x->c->linked ? count(x->c->logical) : NAN) \
	X(attempts, count(x->c->attempts)) \
	X(delivered, count(x->c->delivered)) \
	X(succeeded, count(x->c->succeeded)) \
	X(amplification, of(&x->c->amplification)) \
	X(amplification_low, low(&x->c->amplification)) \
	X(amplification_high, high(&x->c->amplification)) \
	X(amplification_delivered, of(&x->c->amplification_delivered)) \
	X(amplification_delivered_low, low(&x->c->amplification_delivered)) \
	X(amplification_delivered_high, high(&x->c->amplification_delivered)) \
	X(success, of(&x->c->success)) \
	X(success_low, low(&x->c->success)) \
	X(success_high, high(&x->c->success))

#define EDGE(X) \
	X(amplification_demand, of(&x->e->amplification_demand)) \
	X(attempt_success, of(&x->e->attempt_success)) \
	X(peak_attempts_per_s, x->e->peak_attempts_per_s) \
	X(ok, count(x->e->outcomes[MODEL_OK])) \
	X(failed, count(x->e->outcomes[MODEL_FAILED])) \
	X(indeterminate, count(x->e->outcomes[MODEL_INDETERMINATE])) \
	X(not_sent, count(x->e->outcomes[MODEL_NOT_SENT])) \
	X(latency_mean_ms, x->e->latency.mean) \
	X(latency_p50_ms, x->e->latency.p50) \
	X(latency_p90_ms, x->e->latency.p90) \
	X(latency_p95_ms, x->e->latency.p95) \
	X(latency_p99_ms, x->e->latency.p99) \
	X(latency_max_ms, x->e->latency.max) \
	X(retry_max_attempts, R->known && R->max_attempts ? R->max_attempts : NAN) \
	X(retry_base_ms, R->known ? R->base_ms : NAN) \
	X(retry_multiplier, R->known ? R->multiplier : NAN) \
	X(retry_cap_ms, R->known ? R->cap_ms : NAN) \
	X(retry_jitter_low, R->known ? of(&R->jitter_low) : NAN) \
	X(retry_herding, R->known ? of(&R->herding) : NAN) \
	X(retry_yield, R->known ? of(&R->yield) : NAN) \
	X(retry_storm, R->known ? R->storm : NAN) \
	X(timeout_ms, T->known && T->mode_count ? T->modes[0].ms : NAN) \
	X(timeout_longest_wait_ms, T->known ? T->longest_ms : NAN) \
	X(breaker_opens, B->known ? B->opens : NAN) \
	X(breaker_threshold_low, B->known && !B->absent ? B->threshold_low : NAN) \
	X(breaker_threshold_high, B->known && !B->absent ? B->threshold_high : NAN) \
	X(breaker_open_low_ms, B->known && !B->absent ? B->open_low_ms : NAN) \
	X(breaker_open_high_ms, B->known && !B->absent ? B->open_high_ms : NAN) \
	X(breaker_shed, B->known ? count(B->shed) : NAN) \
	X(breaker_shed_efficacy, B->known ? of(&B->shed_efficacy) : NAN) \
	X(breaker_recovery_tax_ms, B->known && !B->absent ? B->recovery_tax_ms : NAN) \
	X(breaker_false_opens, B->known ? B->false_opens : NAN) \
	X(bulkhead_width, x->e->bulkhead.known ? x->e->bulkhead.width : NAN) \
	X(idempotency_keys, x->e->idempotency.known ? count(x->e->idempotency.keys) : NAN) \
	X(idempotency_violations, x->e->idempotency.known ? count(x->e->idempotency.violations) : NAN) \
	X(hedged_share, x->e->hedging.known ? of(&x->e->hedging.share) : NAN) \
	X(retry_servers, R->known && x->servers > 1 && R->servers ? R->servers : NAN)

#define LISTS(X) \
	X(statuses, print_tally(out, x, &x->e->statuses, false)) \
	X(errors, print_tally(out, x, &x->e->errors, true)) \
	X(retry_backoff, text(out, R->known && x->window == WHOLE ? policy_backoff_name(R->backoff) : "")) \
	X(retry_confidence, text(out, R->known && x->window == WHOLE ? policy_confidence_name(R->confidence) : "")) \
	X(breaker, text(out, !B->known || x->window != WHOLE ? "" : B->absent ? "absent" : policy_threshold_name(B->threshold))) \
	X(destination, text(out, x->e->destination == MODEL_NONE || !x->r->destination_count ? "" : x->r->destinations[x->e->destination].name)) \
	X(servers, number(out, count(x->servers)))

#define R (&x->e->retry)
#define T (&x->e->timeout)
#define B (&x->e->breaker)

#define TEXT_CELL(name, value) static int print_##name(FILE *out, const struct row *x) { return text(out, value); }
#define COHORT_CELL(name, value) static int print_##name(FILE *out, const struct row *x) { return number(out, value); }
#define EDGE_CELL(name, value) static int print_##name(FILE *out, const struct row *x) { return number(out, whole(x, value)); }
#define LIST_CELL(name, value) static int print_##name(FILE *out, const struct row *x) { return value; }
#define COLUMN(name, value) {#name, print_##name},

TEXTS(TEXT_CELL)
COHORT(COHORT_CELL)
EDGE(EDGE_CELL)
LISTS(LIST_CELL)

static const struct {
	const char *name;
	int (*print)(FILE *out, const struct row *x);
} columns[] = {TEXTS(COLUMN) COHORT(COLUMN) EDGE(COLUMN) LISTS(COLUMN)};

static int print_row(FILE *out, const struct row *x)
{
	int err = 0;

	for (size_t i = 0; i < COUNT(columns) && !err; i++) {
		if (i)
			fputc(',', out);
		err = columns[i].print(out, x);
	}
	fputs("\r\n", out);
	return err;
}

/* The run, and each window in which something was asked. */
static int print_rows(FILE *out, const struct result *r, const struct result_edge *e, size_t servers)
{
	for (int k = -1; k < TIMELINE_KINDS; k++) {
		struct row x = {r, e, k < 0 ? &e->whole : &e->window[k], servers, k < 0 ? WHOLE : k};

		if ((k < 0 || (r->timeline.window_count > 1 && x.c->attempts)) && print_row(out, &x))
			return -ENOMEM;
	}
	return 0;
}

/* As an edge: what is known of its attempts by themselves is in the rows of its servers. Borrows what it points to. */
static struct result_edge as_edge(const struct result *r, size_t at)
{
	const struct result_destination *d = &r->destinations[at];
	struct result_edge e = {
		.client = d->client, .server = d->name, .protocol = r->edges[d->edges[0]].protocol, .linking = d->linking, .destination = (uint32_t)at,
		.whole = d->whole, .retry = d->retry, .breaker = d->breaker, .peak_attempts_per_s = NAN, .latency = {NAN, NAN, NAN, NAN, NAN, NAN, {0}, {0}},
	};

	memcpy(e.window, d->window, sizeof(e.window));
	for (size_t i = 0; i < d->edge_count; i++)
		for (int o = 0; o < MODEL_OUTCOMES; o++)
			e.outcomes[o] += r->edges[d->edges[i]].outcomes[o];
	return e;
}

int report_csv(const struct result *r, FILE *out)
{
	int err = 0;

	for (size_t i = 0; i < COUNT(columns); i++)
		fprintf(out, "%s%s", i ? "," : "", columns[i].name);
	fputs("\r\n", out);
	for (size_t i = 0; i < r->edge_count && !err; i++)
		err = print_rows(out, r, &r->edges[i], 1);
	for (size_t i = 0; i < r->destination_count && !err; i++) {
		struct result_edge e = as_edge(r, i);

		err = print_rows(out, r, &e, r->destinations[i].edge_count);
	}
	return err ? err : fflush(out) || ferror(out) ? -EIO : 0;
}

/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <string.h>
#include "analyzer/face/table.h"
#include "analyzer/face/text_parts.h"
#include "analyzer/stats/show.h"

#define ROWS_MAX 20	/* edges and services shown; the rest is counted, and is in the JSON */

typedef unsigned long long ull;

static void header(struct table *t, const char *const *columns)
{
	size_t n = 0;

	while (columns[n])
		n++;
	table_init(t, n);
	for (; *columns; columns++)
		table_cell(t, "%s", *columns);
}

static int print(const struct face *f, struct table *t, size_t rows)
{
	int err = table_print(t, f->out, 2);

	table_free(t);
	if (rows > ROWS_MAX)
		fprintf(f->out, "  (the first %d of %zu; --format json has all)\n", ROWS_MAX, rows);
	return err;
}

/* ---- faults ---- */

static void seconds_cell(struct table *t, double s)
{
	if (isnan(s))
		table_cell(t, "-");
	else
		table_cell(t, "%.2f s", s);
}

/* "301 ms, off by +0.2 (p99 +0.4)": the median achieved, and how far it was off. */
static void delay_cell(struct table *t, const struct result_fault *fault)
{
	char achieved[64];

	if (!fault->delay_error_ms.n) {
		table_cell(t, "%s", "");
		return;
	}
	table_cell(t, "%s ms, off by %+.2f (p99 %+.2f)", show_ms(samples_percentile(&fault->achieved_ms, 0.5), achieved),
		   samples_percentile(&fault->delay_error_ms, 0.5), samples_percentile(&fault->delay_error_ms, 0.99));
}

int text_faults(const struct face *f, const struct result *r)
{
	static const char *const columns[] = {"fault", "matched", "fired", "first", "last", "", NULL};
	static const char *const delays[] = {"fault", "matched", "fired", "first", "last", "delay achieved (p50)", NULL};
	bool delayed = false;
	struct table t;

	if (!r->fault_count)
		return 0;
	for (size_t i = 0; i < r->fault_count; i++)
		delayed |= r->faults[i].delay_error_ms.n > 0;
	text_heading(f, "Faults");
	header(&t, delayed ? delays : columns);
	for (size_t i = 0; i < r->fault_count; i++) {
		const struct result_fault *fault = &r->faults[i];

		table_cell(&t, "%s", fault->name);
		table_cell(&t, "%llu", (ull)fault->matched);
		table_cell(&t, "%s%llu", fault->fired || fault->watch_only ? "" : "NEVER FIRED ", (ull)fault->fired);
		seconds_cell(&t, fault->first_s);
		seconds_cell(&t, fault->last_s);
		delay_cell(&t, fault);
	}
	return print(f, &t, 0);
}

/* ---- edges: how much was asked, how it went ---- */

/* Of requests; of attempts where these are not joined to requests. */
static struct metric cohort_success(const struct result_cohort *c)
{
	return c->linked ? c->success : metric_share(c->succeeded, c->attempts);
}

/* Without breaker and bulkhead, demand is what was tried, and its factor says nothing new. */
static bool demand_tells(const struct result_edge *e)
{
	const struct metric *d = &e->amplification_demand, *a = &e->whole.amplification;

	return d->known && (!a->known || fabs(d->value - a->value) >= 0.005);
}

static void load_cells(struct table *t, const struct result_cohort *c)
{
	struct metric success = cohort_success(c);
	char buf[64];

	if (c->linked)
		table_cell(t, "%llu", (ull)c->logical);
	else
		table_cell(t, "?");
	table_cell(t, "%llu", (ull)c->attempts);
	table_cell(t, "%llu", (ull)c->delivered);
	table_cell(t, "%s", show_factor(&c->amplification, buf));
	table_cell(t, "%s", show_bounds(&c->amplification, false, buf));
	table_cell(t, "%s", show_share(&success, buf));
}

/* The same over all windows, when there are several. */
static void window_rows(struct table *t, const struct result *r, const struct result_cohort *windows, int blanks)
{
	for (int k = 0; k < TIMELINE_KINDS && r->timeline.window_count > 1; k++) {
		if (!windows[k].attempts)
			continue;
		table_cell(t, "  %s", timeline_name(k));
		load_cells(t, &windows[k]);
		for (int blank = 0; blank < blanks; blank++)
			table_cell(t, "%s", "");
	}
}

static void load_rows(struct table *t, const struct result *r, const struct result_edge *e, bool demand)
{
	char buf[64];

	table_cell(t, "%s -> %s", e->client, e->server);
	load_cells(t, &e->whole);
	if (demand)
		table_cell(t, "%s", demand_tells(e) ? show_factor(&e->amplification_demand, buf) : "");
	table_cell(t, "%.0f", e->peak_attempts_per_s);
	window_rows(t, r, e->window, 1 + demand);
}

/* Whole requests, through all servers that they tried. */
static void destination_rows(struct table *t, const struct result *r, const struct result_destination *d, bool demand)
{
	table_cell(t, "%s -> %s (%zu servers)", d->client, d->name, d->edge_count);
	load_cells(t, &d->whole);
	for (int blank = 0; blank < 1 + demand; blank++)
		table_cell(t, "%s", "");
	window_rows(t, r, d->window, 1 + demand);
}

static int print_load(const struct face *f, const struct result *r)
{
	static const char *const columns[] = {"client -> server", "requests", "attempts", "deliv.", "amplif.", "95 %", "success", "peak/s", NULL};
	static const char *const with_demand[] = {"client -> server", "requests", "attempts", "deliv.", "amplif.", "95 %", "success", "demand", "peak/s", NULL};
	bool demand = false;
	struct table t;

	for (size_t i = 0; i < r->edge_count && i < ROWS_MAX; i++)
		demand |= demand_tells(&r->edges[i]);
	text_heading(f, demand ? "Load (amplification: attempts per request; demand: attempts per call, those that were shed included)" :
				 "Load (deliv.: attempts that reached the server; amplification: attempts per request)");
	header(&t, demand ? with_demand : columns);
	for (size_t i = 0; i < r->edge_count && i < ROWS_MAX; i++)
		load_rows(&t, r, &r->edges[i], demand);
	for (size_t i = 0; i < r->destination_count && i < ROWS_MAX; i++)
		destination_rows(&t, r, &r->destinations[i], demand);
	return print(f, &t, r->edge_count);
}

static void latency_cells(struct table *t, const struct latency *l)
{
	const double figures[] = {l->mean, l->p50, l->p90, l->p95, l->p99, l->max};
	char buf[64];

	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
		table_cell(t, "%s", show_ms(figures[i], buf));
}

static int print_results(const struct face *f, const struct result *r)
{
	static const char *const columns[] = {"client -> server", "success", "95 %", "mean", "p50", "p90", "p95", "p99", "max", NULL};
	struct table t;
	char buf[64];

	text_heading(f, "Results (success of requests; latency of attempts, ms)");
	header(&t, columns);
	for (size_t i = 0; i < r->edge_count && i < ROWS_MAX; i++) {
		const struct result_edge *e = &r->edges[i];
		struct metric success = cohort_success(&e->whole);

		table_cell(&t, "%s -> %s", e->client, e->server);
		table_cell(&t, "%s", show_share(&success, buf));
		table_cell(&t, "%s", show_bounds(&success, true, buf));
		latency_cells(&t, &e->latency);
	}
	return print(f, &t, 0);
}

/* "200 x3, 503 x10, ECONNREFUSED x2" into buf, cut when it is long. */
static const char *answers(const struct result *r, const struct result_edge *e, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = 0;
	for (size_t i = 0; i < e->statuses.used && n + 1 < size; i++)
		n += (size_t)snprintf(buf + n, size - n, "%s%u x%llu", n ? ", " : "", e->statuses.cells[i].value, (ull)e->statuses.cells[i].count);
	for (size_t i = 0; i < e->errors.used && n + 1 < size; i++)
		n += (size_t)snprintf(buf + n, size - n, "%s%s x%llu", n ? ", " : "", texts_text(&r->model.names, e->errors.cells[i].value),
				      (ull)e->errors.cells[i].count);
	if (n < size)
		return n ? buf : "-";
	for (n = size - 4; n && ((unsigned char)buf[n] & 0xc0) == 0x80; n--)	/* not within a character */
		;
	return strcpy(buf + n, "..."), buf;
}

static int print_outcomes(const struct face *f, const struct result *r)
{
	static const char *const columns[] = {"client -> server", "ok", "failed", "indeterm.", "not sent", "linked by", "answers", NULL};
	struct table t;
	char buf[36];

	text_heading(f, "Attempts");
	header(&t, columns);
	for (size_t i = 0; i < r->edge_count && i < ROWS_MAX; i++) {
		const struct result_edge *e = &r->edges[i];

		table_cell(&t, "%s -> %s", e->client, e->server);
		for (int k = 0; k < MODEL_OUTCOMES; k++)
			table_cell(&t, "%llu", (ull)e->outcomes[k]);
		table_cell(&t, "%s", e->linking);
		table_cell(&t, "%s", answers(r, e, buf, sizeof(buf)));
	}
	return print(f, &t, 0);
}

int text_edges(const struct face *f, const struct result *r)
{
	if (!r->edge_count)
		return 0;
	return print_load(f, r) || print_results(f, r) || print_outcomes(f, r) ? -ENOMEM : 0;
}

/* ---- services ---- */

static void service_cells(struct table *t, const struct result_load *l)
{
	const double figures[] = {l->latency.p50, l->latency.p95, l->latency.p99, l->latency.max};
	char buf[64];

	table_cell(t, "%llu", (ull)l->requests);
	table_cell(t, "%llu", (ull)l->failed);
	table_cell(t, "%s", show_share(&l->success, buf));
	table_cell(t, "%s", show_bounds(&l->success, true, buf));
	if (isnan(l->throughput_rps))
		table_cell(t, "-");
	else
		table_cell(t, "%.*f", l->throughput_rps < 10 ? 2 : 0, l->throughput_rps);
	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
		table_cell(t, "%s", show_ms(figures[i], buf));
}

static void service_rows(struct table *t, const struct result *r, const struct result_service *s)
{
	table_cell(t, "%s", s->name);
	service_cells(t, &s->whole);
	for (int k = 0; k < TIMELINE_KINDS && r->timeline.window_count > 1; k++) {
		if (!s->window[k].requests)
			continue;
		table_cell(t, "  %s", timeline_name(k));
		service_cells(t, &s->window[k]);
	}
}

int text_services(const struct face *f, const struct result *r)
{
	static const char *const columns[] = {"service", "requests", "failed", "success", "95 %", "req/s", "p50", "p95", "p99", "max", NULL};
	struct table t;
	size_t shown = 0;

	header(&t, columns);
	for (size_t i = 0; i < r->service_count; i++)
		if (r->services[i].whole.requests && shown++ < ROWS_MAX)
			service_rows(&t, r, &r->services[i]);
	if (!shown) {
		table_free(&t);
		return 0;
	}
	text_heading(f, "Services (what arrived; latency in ms)");
	return print(f, &t, shown);
}

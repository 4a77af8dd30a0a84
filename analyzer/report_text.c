/* SPDX-License-Identifier: MIT */
#include "analyzer/report.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include "analyzer/analyze.h"
#include "analyzer/face.h"
#include "analyzer/table.h"
#include "base/clock.h"
#include "base/units.h"

#define ROWS_MAX 20	/* edges and services shown; the rest is counted, and is in the JSON */

/* ---- the first lines: verdict, run ---- */

static void print_verdict(const struct face *f, const struct result *r)
{
	static const enum face_colour colours[] = {
		[VERDICT_PASS] = FACE_GREEN, [VERDICT_FAIL] = FACE_RED, [VERDICT_INCONCLUSIVE] = FACE_YELLOW,
		[VERDICT_VACUOUS] = FACE_YELLOW,
	};
	static const char *const words[] = {
		[VERDICT_PASS] = "PASS", [VERDICT_FAIL] = "FAIL", [VERDICT_INCONCLUSIVE] = "INCONCLUSIVE",
		[VERDICT_VACUOUS] = "VACUOUS",
	};

	face_print(f, colours[r->verdict], "%s", words[r->verdict]);
	face_print(f, FACE_BOLD, "  %s", r->file);
	fputc('\n', f->out);
	for (size_t i = 0; i < r->reason_count; i++) {
		face_print(f, colours[r->verdict], "  ! %s", r->reasons[i]);
		fputc('\n', f->out);
	}
}

/* ["shim","ebpf"] -> shim, ebpf */
static const char *witnesses(const struct result *r, char *buf, size_t size)
{
	const char *p = texts_text(&r->model.names, r->model.sources);
	size_t n = 0;

	for (; *p && n + 3 < size; p++) {
		if (*p == ',')
			buf[n++] = ',', buf[n++] = ' ';
		else if (!strchr("[]\" ", *p))
			buf[n++] = *p;
	}
	buf[n] = 0;
	return n ? buf : "nobody";
}

static void print_run(const struct face *f, const struct result *r)
{
	const struct texts *names = &r->model.names;
	char seen[64];

	face_print(f, FACE_DIM, "  %s  %.1f s", texts_text(names, r->model.started), r->duration_s);
	if (r->model.host)
		face_print(f, FACE_DIM, "  on %s", texts_text(names, r->model.host));
	if (r->model.seed)
		face_print(f, FACE_DIM, "  seed %s", texts_text(names, r->model.seed));
	face_print(f, FACE_DIM, "  seen by %s", witnesses(r, seen, sizeof(seen)));
	fputc('\n', f->out);
}

/* ---- sections ---- */

static void heading(const struct face *f, const char *text)
{
	fputc('\n', f->out);
	face_print(f, FACE_BOLD, "%s", text);
	fputc('\n', f->out);
}

static int print_table(const struct face *f, struct table *t)
{
	int err = table_print(t, f->out, 2);

	table_free(t);
	return err;
}

static void header(struct table *t, const char *const *columns)
{
	for (; *columns; columns++)
		table_cell(t, "%s", *columns);
}

static void seconds_cell(struct table *t, double s)
{
	if (isnan(s))
		table_cell(t, "-");
	else
		table_cell(t, "%.2f s", s);
}

/* "301 ms, +0.2 (p99 +0.4)": the median achieved, and how far it was off. */
static void delay_cell(struct table *t, const struct result_fault *fault)
{
	char achieved[64];

	if (!fault->delay_error_ms.n) {
		table_cell(t, "-");
		return;
	}
	table_cell(t, "%s ms, off by %+.2f (p99 %+.2f)", face_ms(samples_percentile(&fault->achieved_ms, 0.5), achieved),
		   samples_percentile(&fault->delay_error_ms, 0.5), samples_percentile(&fault->delay_error_ms, 0.99));
}

static int print_faults(const struct face *f, const struct result *r)
{
	static const char *const columns[] = {"fault", "matched", "fired", "first", "last", "delay achieved (p50)", NULL};
	struct table t;

	if (!r->fault_count)
		return 0;
	heading(f, "Faults");
	table_init(&t, 6);
	header(&t, columns);
	for (size_t i = 0; i < r->fault_count; i++) {
		const struct result_fault *fault = &r->faults[i];

		table_cell(&t, "%s", fault->name);
		table_cell(&t, "%llu", (unsigned long long)fault->matched);
		table_cell(&t, "%s%llu", fault->fired || fault->watch_only ? "" : "NEVER FIRED ", (unsigned long long)fault->fired);
		seconds_cell(&t, fault->first_s);
		seconds_cell(&t, fault->last_s);
		delay_cell(&t, fault);
	}
	return print_table(f, &t);
}

static void print_windows(const struct face *f, const struct result *r)
{
	if (r->timeline.window_count < 2)
		return;
	fputs("  windows:", f->out);
	for (size_t i = 0; i < r->timeline.window_count; i++) {
		const struct timeline_window *w = &r->timeline.windows[i];
		uint64_t to = w->to_ns > r->model.ended_ns ? r->model.ended_ns : w->to_ns;

		face_print(f, FACE_PLAIN, "%s %s %.2f..%.2f s", i ? "," : "", timeline_name(w->kind),
			   (double)(w->from_ns - r->model.started_ns) / NS_PER_S, (double)(to - r->model.started_ns) / NS_PER_S);
	}
	fputc('\n', f->out);
}

/* Of requests; of attempts where these are not joined to requests. */
static struct metric cohort_success(const struct result_cohort *c)
{
	return c->linked ? c->success : metric_share(c->succeeded, c->attempts);
}

static void cohort_cells(struct table *t, const struct result_cohort *c, const struct metric *demand)
{
	struct metric success = cohort_success(c);
	char buf[64];

	if (c->linked)
		table_cell(t, "%llu", (unsigned long long)c->logical);
	else
		table_cell(t, "?");
	table_cell(t, "%llu", (unsigned long long)c->attempts);
	table_cell(t, "%llu", (unsigned long long)c->delivered);
	table_cell(t, "%s", face_factor(&c->amplification, buf));
	table_cell(t, "%s", face_bounds(&c->amplification, false, buf));
	table_cell(t, "%s", face_factor(&c->amplification_delivered, buf));
	table_cell(t, "%s", demand ? face_factor(demand, buf) : "");
	table_cell(t, "%s", face_share(&success, buf));
	table_cell(t, "%s", face_bounds(&success, true, buf));
}

static void edge_rows(struct table *t, const struct result *r, const struct result_edge *e)
{
	table_cell(t, "%s -> %s", e->client, e->server);
	cohort_cells(t, &e->whole, &e->amplification_demand);
	table_cell(t, "%.0f", e->peak_attempts_per_s);
	for (int k = 0; k < TIMELINE_KINDS && r->timeline.window_count > 1; k++) {
		if (!e->window[k].attempts)
			continue;
		table_cell(t, "  %s", timeline_name(k));
		cohort_cells(t, &e->window[k], NULL);
		table_cell(t, "%s", "");
	}
}

static int print_edges(const struct face *f, const struct result *r)
{
	static const char *const columns[] = {"client -> server", "requests", "attempts", "delivered", "amplif.", "95 %",
					      "deliv.", "demand", "success", "95 %", "peak/s", NULL};
	struct table t;

	if (!r->edge_count)
		return 0;
	heading(f, "Edges (amplification: attempts, delivered attempts per request; attempts per demand)");
	table_init(&t, 11);
	header(&t, columns);
	for (size_t i = 0; i < r->edge_count && i < ROWS_MAX; i++)
		edge_rows(&t, r, &r->edges[i]);
	if (print_table(f, &t))
		return -ENOMEM;
	if (r->edge_count > ROWS_MAX)
		fprintf(f->out, "  (the first %d of %zu; --format json has all)\n", ROWS_MAX, r->edge_count);
	return 0;
}

static void latency_cells(struct table *t, const struct latency *l)
{
	const double figures[] = {l->mean, l->p50, l->p90, l->p95, l->p99, l->max};
	char buf[64];

	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
		table_cell(t, "%s", face_ms(figures[i], buf));
}

/* "200 x3, 503 x10, ECONNREFUSED x2" into buf, cut when it is long. */
static const char *answers(const struct result *r, const struct result_edge *e, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = 0;
	for (size_t i = 0; i < e->statuses.used && n + 1 < size; i++)
		n += (size_t)snprintf(buf + n, size - n, "%s%u x%llu", n ? ", " : "", e->statuses.cells[i].value,
				      (unsigned long long)e->statuses.cells[i].count);
	for (size_t i = 0; i < e->errors.used && n + 1 < size; i++)
		n += (size_t)snprintf(buf + n, size - n, "%s%s x%llu", n ? ", " : "",
				      texts_text(&r->model.names, e->errors.cells[i].value),
				      (unsigned long long)e->errors.cells[i].count);
	if (n >= size)
		strcpy(buf + size - 4, "...");
	return n ? buf : "-";
}

static int print_attempts(const struct face *f, const struct result *r)
{
	static const char *const columns[] = {"client -> server", "mean", "p50", "p90", "p95", "p99", "max", "ok", "failed",
					      "indeterm.", "not sent", "answers", "linked by", NULL};
	struct table t;
	char buf[96];

	if (!r->edge_count)
		return 0;
	heading(f, "Attempts (latency in ms)");
	table_init(&t, 13);
	header(&t, columns);
	for (size_t i = 0; i < r->edge_count && i < ROWS_MAX; i++) {
		const struct result_edge *e = &r->edges[i];

		table_cell(&t, "%s -> %s", e->client, e->server);
		latency_cells(&t, &e->latency);
		for (int k = 0; k < MODEL_OUTCOMES; k++)
			table_cell(&t, "%llu", (unsigned long long)e->outcomes[k]);
		table_cell(&t, "%s", answers(r, e, buf, sizeof(buf)));
		table_cell(&t, "%s", e->linking);
	}
	return print_table(f, &t);
}

static void load_cells(struct table *t, const struct result_load *l)
{
	char share[64], bounds[64];

	table_cell(t, "%llu", (unsigned long long)l->requests);
	table_cell(t, "%llu", (unsigned long long)l->failed);
	table_cell(t, "%s", face_share(&l->success, share));
	table_cell(t, "%s", face_bounds(&l->success, true, bounds));
	if (isnan(l->throughput_rps))
		table_cell(t, "-");
	else
		table_cell(t, "%.*f", l->throughput_rps < 10 ? 2 : 0, l->throughput_rps);
	latency_cells(t, &l->latency);
}

static void service_rows(struct table *t, const struct result *r, const struct result_service *s)
{
	table_cell(t, "%s", s->name);
	load_cells(t, &s->whole);
	for (int k = 0; k < TIMELINE_KINDS && r->timeline.window_count > 1; k++) {
		if (!s->window[k].requests)
			continue;
		table_cell(t, "  %s", timeline_name(k));
		load_cells(t, &s->window[k]);
	}
}

static int print_services(const struct face *f, const struct result *r)
{
	static const char *const columns[] = {"service", "requests", "failed", "success", "95 %", "req/s", "mean",
					      "p50", "p90", "p95", "p99", "max", NULL};
	struct table t;
	size_t shown = 0;

	table_init(&t, 12);
	header(&t, columns);
	for (size_t i = 0; i < r->service_count && shown < ROWS_MAX; i++) {
		if (!r->services[i].whole.requests)
			continue;
		service_rows(&t, r, &r->services[i]);
		shown++;
	}
	if (!shown) {
		table_free(&t);
		return 0;
	}
	heading(f, "Services (what arrived; latency in ms)");
	return print_table(f, &t);
}

static void print_paths(const struct face *f, const struct result *r)
{
	char buf[64];

	if (r->path_count)
		heading(f, "End to end");
	for (size_t i = 0; i < r->path_count && i < ROWS_MAX; i++) {
		const struct result_path *p = &r->paths[i];

		face_print(f, FACE_PLAIN, "  %s => %s  %s (%s)", p->root, p->leaf, face_factor(&p->amplification, buf),
			   p->amplification.method);
		fputc('\n', f->out);
	}
}

static const char *show_ms(double ms, char *buf)
{
	return units_show_duration((uint64_t)(ms * NS_PER_MS), buf, 64);
}

static void print_recovery(const struct face *f, const struct result_recovery *r)
{
	char a[64], b[64];

	face_print(f, FACE_PLAIN, "  %s: %s", r->fault, r->label ? r->label : "not judged, too little was recorded after it");
	if (!isnan(r->impact_ms))
		face_print(f, FACE_PLAIN, "; users felt it %s after it began", show_ms(r->impact_ms, a));
	if (r->censored && r->label)
		face_print(f, FACE_YELLOW, ", for more than %s: no recovery seen in this run", show_ms(r->observed_ms, a));
	else if (!r->censored && !isnan(r->mttr_ms))
		face_print(f, FACE_PLAIN, ", for %s, to %s after it cleared", show_ms(r->mttr_ms, a), show_ms(r->recovery_lag_ms, b));
	if (r->lost_goodput > 0)
		face_print(f, FACE_PLAIN, "; %.1f good requests lost", r->lost_goodput);
	fputc('\n', f->out);
}

static void print_quality(const struct face *f, const struct result *r)
{
	heading(f, "Data quality");
	if (!r->loss_count)
		face_print(f, FACE_PLAIN, "  complete: no event was lost");
	for (size_t i = 0; i < r->loss_count; i++)
		face_print(f, FACE_YELLOW, "%s%llu lost: %s, %s", i ? "; " : "  ", (unsigned long long)r->losses[i].count,
			   r->losses[i].source, r->losses[i].reason);
	fputc('\n', f->out);
	for (size_t i = 0; i < r->uncovered_count; i++) {
		face_print(f, FACE_YELLOW, "  out of reach: %s", r->uncovered[i]);
		fputc('\n', f->out);
	}
	for (size_t i = 0; i < r->note_count; i++) {
		face_print(f, FACE_PLAIN, "  note: %s", r->notes[i]);
		fputc('\n', f->out);
	}
}

int report_text(const struct result *r, FILE *out)
{
	struct face f = face_on(out);

	print_verdict(&f, r);
	print_run(&f, r);
	if (print_faults(&f, r))
		return -ENOMEM;
	print_windows(&f, r);
	if (print_edges(&f, r) || print_attempts(&f, r) || print_services(&f, r))
		return -ENOMEM;
	print_paths(&f, r);
	if (r->recovery_count)
		heading(&f, "Recovery");
	for (size_t i = 0; i < r->recovery_count; i++)
		print_recovery(&f, &r->recoveries[i]);
	print_quality(&f, r);
	return fflush(out) || ferror(out) ? -EIO : 0;
}

int analyzer_report_text(const char *run_file, FILE *out, char *error, unsigned error_size)
{
	struct result r = {0};
	int err = analyze(&r, run_file, &ANALYZE_EVERYTHING, error, error_size);

	if (err)
		return err;
	err = report_text(&r, out);
	if (err)
		snprintf(error, error_size, "the report of %s could not be written", run_file);
	else
		err = verdict_status(r.verdict);
	result_free(&r);
	return err;
}

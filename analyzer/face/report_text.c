/* SPDX-License-Identifier: MIT */
#include "analyzer/face/report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/analyze.h"
#include "analyzer/face/policy_text.h"
#include "analyzer/face/text_parts.h"
#include "analyzer/stats/show.h"
#include "base/clock.h"

#define ROWS_MAX 20	/* edges and paths shown; the rest is in the JSON */
#define FINDINGS_MAX 12

/* ---- the first lines: verdict, run ---- */

#define USERS_WELL 0.99	/* of their requests */

/* That nobody asked for a gate does not make it well: what users got, unless that was asked for, and what is to be changed. */
static void print_but(const struct face *f, const struct result *r)
{
	struct metric users = result_success_of_users(r);
	bool ill = isnan(r->slo) && users.known && users.value < USERS_WELL;
	size_t grave = 0;

	while (grave < r->finding_count && r->findings[grave].severity >= SEVERITY_HIGH)
		grave++;
	if (grave)
		face_print(f, FACE_YELLOW, ", but %zu grave finding%s", grave, grave > 1 ? "s" : "");
	if (ill)
		face_print(f, FACE_YELLOW, "%s %.3g %% of the requests of users failed", grave ? " and" : ", but", (1 - users.value) * 100);
}

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
	if (r->verdict == VERDICT_PASS)
		print_but(f, r);
	fputc('\n', f->out);
	for (size_t i = 0; i < r->reason_count; i++) {
		face_print(f, colours[r->verdict], "  ! ");
		face_wrap(f, colours[r->verdict], 4, 4, r->reasons[i]);
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

void text_heading(const struct face *f, const char *text)
{
	fputc('\n', f->out);
	face_print(f, FACE_BOLD, "%s", text);
	fputc('\n', f->out);
}

static int print_finding(const struct face *f, const struct finding *x)
{
	static const enum face_colour colours[SEVERITIES] = {FACE_DIM, FACE_YELLOW, FACE_YELLOW, FACE_RED};
	char *text;
	int n;

	n = x->witness ? asprintf(&text, "%s %s (exchange %llu)", x->where, x->message, (unsigned long long)x->witness) :
			 asprintf(&text, "%s %s", x->where, x->message);
	if (n < 0)
		return -ENOMEM;
	face_print(f, colours[x->severity], "  %-8s  ", severity_name(x->severity));
	face_print(f, FACE_BOLD, "%s", x->code);
	fputs("\n    ", f->out);
	face_wrap(f, FACE_PLAIN, 4, 4, text);
	fputs("    fix: ", f->out);
	face_wrap(f, FACE_PLAIN, 9, 9, x->fix);
	free(text);
	return 0;
}

static int print_findings(const struct face *f, const struct result *r)
{
	if (r->finding_count)
		text_heading(f, "Findings");
	for (size_t i = 0; i < r->finding_count && i < FINDINGS_MAX; i++)
		if (print_finding(f, &r->findings[i]))
			return -ENOMEM;
	if (r->finding_count > FINDINGS_MAX)
		fprintf(f->out, "  (the gravest %d of %zu; --format json has all)\n", FINDINGS_MAX, r->finding_count);
	return 0;
}

/* ---- what the clients and services do ---- */

#define HELD_BACK_MIN 10	/* sends */

struct policies {	/* a block of lines, begun with the first */
	const struct face *f;
	const char *heading;	/* NULL: printed */
	bool named;
};

/* Begins a line, and with it what it is the first of; the text follows. */
static void print_policy(struct policies *p, const char *client, const char *server, const char *kind, const char *text)
{
	if (p->heading)
		text_heading(p->f, p->heading);
	p->heading = NULL;
	if (!p->named) {
		face_print(p->f, FACE_PLAIN, "  %s%s%s", client, *server ? " -> " : "", server);
		fputc('\n', p->f->out);
	}
	p->named = true;
	fprintf(p->f->out, "    %-11s  ", kind);
	face_wrap(p->f, FACE_PLAIN, 17, 17, text);
}

static int edge_policies(struct policies *p, const struct result *r, const struct result_edge *e)
{
	p->named = false;
	for (int k = 0; k < POLICY_KINDS; k++) {
		char *text = NULL;
		size_t n = 0;
		FILE *out = open_memstream(&text, &n);

		if (!out)
			return -ENOMEM;
		policy_text(r, e, k, out);
		if (fclose(out)) {
			free(text);
			return -ENOMEM;
		}
		if (n)
			print_policy(p, e->client, e->server, policy_kind_name(k), text);
		free(text);
	}
	return 0;
}

static int service_policies(struct policies *p, const struct result *r, const struct result_service *s)
{
	p->named = false;
	for (int k = 0; k < 2; k++) {
		char *text = NULL;
		size_t n = 0;
		FILE *out = open_memstream(&text, &n);

		if (!out)
			return -ENOMEM;
		if (k)
			policy_text_fallback(r, &s->fallback, out);
		else
			policy_text_shedding(&s->shedding, out);
		if (fclose(out)) {
			free(text);
			return -ENOMEM;
		}
		if (n)
			print_policy(p, s->name, "", k ? "fallback" : "shedding", text);
		free(text);
	}
	return 0;
}

/* Of those who were held back more than once or twice. */
static int backpressure(struct policies *p, const struct result *r, const struct policy_backpressure *b)
{
	char *text = NULL;

	p->named = false;
	if (b->refused + b->slow < HELD_BACK_MIN)
		return 0;
	if (asprintf(&text, "%llu sends were refused as the other end did not read, %llu took 10 ms or longer (%.0f ms in sum), in %llu s of the run",
		     (unsigned long long)b->refused, (unsigned long long)b->slow, b->slow_ms, (unsigned long long)b->seconds) < 0)
		return -ENOMEM;
	print_policy(p, texts_text(&r->model.names, b->service), "", "held back", text);
	free(text);
	return 0;
}

static int print_policies(const struct face *f, const struct result *r)
{
	struct policies p = {f, "Policies, as the traffic tells", false};

	for (size_t i = 0; i < r->edge_count && i < ROWS_MAX; i++)
		if (edge_policies(&p, r, &r->edges[i]))
			return -ENOMEM;
	for (size_t i = 0; i < r->service_count && i < ROWS_MAX; i++)
		if (service_policies(&p, r, &r->services[i]))
			return -ENOMEM;
	for (size_t i = 0; i < r->backpressure_count && i < ROWS_MAX; i++)
		if (backpressure(&p, r, &r->backpressures[i]))
			return -ENOMEM;
	return 0;
}

/* ---- windows, paths, recovery ---- */

static int print_windows(const struct face *f, const struct result *r)
{
	char *text = NULL;
	size_t n = 0;
	FILE *out;

	if (r->timeline.window_count < 2)
		return 0;
	out = open_memstream(&text, &n);
	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < r->timeline.window_count; i++) {
		const struct timeline_window *w = &r->timeline.windows[i];
		uint64_t to = w->to_ns > r->model.ended_ns ? r->model.ended_ns : w->to_ns;

		fprintf(out, "%s%s %.2f..%.2f s", i ? ", " : "", timeline_name(w->kind), (double)(w->from_ns - r->model.started_ns) / NS_PER_S,
			(double)(to - r->model.started_ns) / NS_PER_S);
	}
	fclose(out);
	fputs("  windows: ", f->out);
	face_wrap(f, FACE_PLAIN, 11, 11, text ? text : "");
	free(text);
	return 0;
}

/* "front => store  9.00 attempts per request, 1.00 in the baseline: 9.00x; the clients' limits allow 9" */
static void say_path(FILE *out, const struct result_path *p)
{
	char buf[64];

	fprintf(out, "%s => %s  ", p->root, p->leaf);
	if (!isnan(p->raw))
		fprintf(out, "%.2f attempts per request", p->raw);
	if (!isnan(p->raw) && !isnan(p->baseline))
		fprintf(out, ", %.2f in the baseline", p->baseline);
	if (p->amplification.known)
		fprintf(out, "%s%s", isnan(p->raw) ? "" : ": ", show_factor(&p->amplification, buf));
	if (p->bound > 0)
		fprintf(out, "; the clients' limits allow %.0f%s", p->bound, p->bound_at_least ? " or more" : "");
}

static int print_paths(const struct face *f, const struct result *r)
{
	if (r->path_count)
		text_heading(f, "End to end");
	for (size_t i = 0; i < r->path_count && i < ROWS_MAX; i++) {
		char *text = NULL;
		size_t n = 0;
		FILE *out = open_memstream(&text, &n);

		if (!out)
			return -ENOMEM;
		say_path(out, &r->paths[i]);
		if (fclose(out)) {
			free(text);
			return -ENOMEM;
		}
		fputs("  ", f->out);
		face_wrap(f, FACE_PLAIN, 2, 4, text);
		free(text);
	}
	return 0;
}

/* " (400 ms breaker, 100 ms backoff)": what the lag was made of. */
static void say_lag(FILE *out, const struct result_recovery *r)
{
	const struct {
		double ms;
		const char *name;
	} parts[] = {{r->lag_breaker_ms, "breaker"}, {r->lag_backoff_ms, "backoff"}, {r->lag_drain_ms, "queue"}, {r->lag_rest_ms, "not explained"}};
	unsigned shown = 0;
	char buf[64];

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (parts[i].ms > 0)
			fprintf(out, "%s%s %s", shown++ ? ", " : " (", show_duration(parts[i].ms, buf), parts[i].name);
	if (shown)
		fputs(")", out);
}

/* "outage: recovered; users felt it 12.0 ms after it began, for 2.00 s, to 0.50 s after it cleared; 31.0 good requests lost" */
static void say_recovery(FILE *out, const struct result_recovery *r)
{
	char a[64], b[64];

	fputs(r->fault, out);
	if (r->number)
		fprintf(out, " no. %u", r->number);
	fprintf(out, ": %s", r->label ? r->label : "not judged, too little was recorded after it");
	if (r->unsure && isnan(r->impact_ms))
		fputs(", unless a breaker turned users away meanwhile", out);
	if (!isnan(r->impact_ms))
		fprintf(out, "; users felt it %s after it began", show_duration(r->impact_ms, a));
	if (r->censored && r->label)
		fprintf(out, r->good_ms > 0 ? ", for %s, then nothing until the end of the run, too short a time to call it over" :
			", for more than %s: no recovery seen in this run",
			show_duration(r->good_ms > 0 ? r->observed_ms - r->good_ms : r->observed_ms, a));
	else if (!r->censored && !isnan(r->mttr_ms))
		fprintf(out, ", for %s, to %s after it cleared", show_duration(r->mttr_ms, a), show_duration(r->recovery_lag_ms, b));
	say_lag(out, r);
	if (r->flaps)
		fprintf(out, "; bad again %u time%s", r->flaps, r->flaps > 1 ? "s" : "");
	if (r->overshoot > 1.2)
		fprintf(out, "; then up to %.1f times the attempts of the baseline", r->overshoot);
	if (r->margin > 0)
		fprintf(out, "; capacity for %.2f of what all retries ask", r->margin);
	if (result_slowed(r))
		fprintf(out, "; requests of users took up to %s (p95), not %s", show_duration(r->took_ms, a), show_duration(r->usual_ms, b));
	if (r->lost_goodput > 0)
		fprintf(out, "; %.1f good requests lost", r->lost_goodput);
}

static int print_recovery(const struct face *f, const struct result_recovery *r)
{
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	if (!out)
		return -ENOMEM;
	say_recovery(out, r);
	fclose(out);
	fputs("  ", f->out);
	face_wrap(f, r->censored && r->label ? FACE_YELLOW : FACE_PLAIN, 2, 4, text ? text : r->fault);
	free(text);
	return 0;
}

static void print_note(const struct face *f, enum face_colour colour, const char *mark, const char *text)
{
	face_print(f, colour, "  %s: ", mark);
	face_wrap(f, colour, 2 + face_width(mark) + 2, 4, text);
}

static void print_quality(const struct face *f, const struct result *r)
{
	text_heading(f, "Data quality");
	if (!r->loss_count)
		face_print(f, FACE_PLAIN, "  complete: no event was lost");
	for (size_t i = 0; i < r->loss_count; i++)
		face_print(f, FACE_YELLOW, "%s%llu lost: %s, %s", i ? "; " : "  ", (unsigned long long)r->losses[i].count,
			   r->losses[i].source, r->losses[i].reason);
	fputc('\n', f->out);
	for (size_t i = 0; i < r->uncovered_count; i++)
		print_note(f, FACE_YELLOW, "out of reach", r->uncovered[i]);
	for (size_t i = 0; i < r->note_count; i++)
		print_note(f, FACE_PLAIN, "note", r->notes[i]);
}

int report_text(const struct result *r, FILE *out)
{
	struct face f = face_on(out);

	print_verdict(&f, r);
	print_run(&f, r);
	if (text_headline(&f, r) || print_findings(&f, r) || print_policies(&f, r))
		return -ENOMEM;
	if (r->recovery_count)
		text_heading(&f, "Recovery");
	for (size_t i = 0; i < r->recovery_count; i++)
		if (print_recovery(&f, &r->recoveries[i]))
			return -ENOMEM;
	if (text_faults(&f, r) || print_windows(&f, r) || text_edges(&f, r) || text_services(&f, r) || print_paths(&f, r))
		return -ENOMEM;
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

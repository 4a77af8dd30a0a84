/* SPDX-License-Identifier: MIT */
/*
 * The six numbers of a report that are asked for first: what users got, what retries added, the peak, how slow it was, how long recovery took, and
 * what is to be changed. Each is the worst of its kind, with where that is; what the run does not tell is left out.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/face/text_parts.h"
#include "analyzer/stats/show.h"

#define LABEL 14
#define VALUE 11

typedef unsigned long long ull;

static void line(const struct face *f, enum face_colour colour, const char *label, const char *value, const char *note)
{
	face_print(f, FACE_PLAIN, "  %-*s", LABEL, label);
	fprintf(f->out, "%*s", VALUE - face_width(value), "");
	face_print(f, colour, "%s", value);
	if (!*note) {
		fputc('\n', f->out);
		return;
	}
	fputs("  ", f->out);
	face_wrap(f, FACE_PLAIN, 2 + LABEL + VALUE + 2, 2 + LABEL + VALUE + 2, note);
}

/* The same with a note made by printf. */
#define LINE(f, colour, label, value, ...) \
	do { \
		char *note_ = NULL; \
		if (asprintf(&note_, __VA_ARGS__) < 0) \
			return -ENOMEM; \
		line(f, colour, label, value, note_); \
		free(note_); \
	} while (0)

static int success(const struct face *f, const struct result *r)
{
	struct metric share = result_success_of_users(r);
	char value[64], bounds[64], less[64] = "";
	uint64_t n = result_degraded_of_users(r);

	if (!share.known)
		return 0;
	if (n)
		snprintf(less, sizeof(less), "; %llu of the good answers degraded", (ull)n);
	LINE(f, share.value < 1 || n ? FACE_YELLOW : FACE_GREEN, "success", show_share(&share, value), "of %llu request%s of users (95 %%: %s)%s",
	     (ull)share.n, share.n == 1 ? "" : "s", show_bounds(&share, true, bounds), less);
	return 0;
}

struct amplified {		/* an edge or a destination */
	const char *client, *server;
	struct metric m;
	uint64_t attempts;
	bool in_fault;
};

/* While the fault lasted, where that is known. */
static struct amplified amplified_by(const struct result *r, const char *client, const char *server, const struct result_cohort *whole,
				     const struct result_cohort *windows)
{
	const struct result_cohort *c = &windows[TIMELINE_FAULT];
	bool in_fault = r->timeline.window_count > 1 && c->amplification.known;

	return (struct amplified){client, server, in_fault ? c->amplification : whole->amplification, whole->attempts, in_fault};
}

static bool is_more(const struct amplified *a, const struct amplified *than)
{
	if (!a->m.known || !than->m.known)
		return a->m.known;
	return a->m.value > than->m.value || (a->m.value == than->m.value && a->attempts > than->attempts);
}

static struct amplified most_amplified(const struct result *r)
{
	struct amplified top = {0};

	for (size_t i = 0; i < r->edge_count + r->destination_count; i++) {
		const struct result_edge *e = i < r->edge_count ? &r->edges[i] : NULL;
		const struct result_destination *d = e ? NULL : &r->destinations[i - r->edge_count];
		struct amplified a = e ? amplified_by(r, e->client, e->server, &e->whole, e->window) :
					 amplified_by(r, d->client, d->name, &d->whole, d->window);

		if (is_more(&a, &top))
			top = a;
	}
	return top;
}

/* What stands before the bounds of a metric, and behind them. */
static const char *before_bounds(const struct metric *m)
{
	return !strcmp(m->method, "exact") || !strcmp(m->method, METRIC_READINGS) ? "" : "95 %: ";
}

static const char *behind_bounds(const struct metric *m)
{
	return !strcmp(m->method, METRIC_READINGS) ? ": retries, or a breaker's pauses" : "";
}

static int amplification(const struct face *f, const struct result *r)
{
	const struct result_path *longest = NULL;
	struct amplified top = most_amplified(r);
	char value[64], bounds[64], *through = NULL;

	if (!top.m.known)
		return 0;
	for (size_t i = 0; i < r->path_count; i++)
		if (r->paths[i].hops > 1 && r->paths[i].raw > (longest ? longest->raw : top.m.value))
			longest = &r->paths[i];
	if (longest && asprintf(&through, "; %s => %s %.2f attempts per request end to end", longest->root, longest->leaf, longest->raw) < 0)
		return -ENOMEM;
	show_bounds(&top.m, false, bounds);
	LINE(f, top.m.value > 1.2 ? FACE_YELLOW : FACE_PLAIN, "amplification", show_factor(&top.m, value),
	     "%s -> %s%s%s%s%s%s%s%s", top.client, top.server, top.in_fault ? " while the fault lasted" : "", *bounds ? " (" : "",
	     *bounds ? before_bounds(&top.m) : "", bounds, *bounds ? behind_bounds(&top.m) : "", *bounds ? ")" : "", longest ? through : "");
	free(through);
	return 0;
}

static int peak(const struct face *f, const struct result *r)
{
	const struct result_edge *most = NULL;
	char value[64];

	for (size_t i = 0; i < r->edge_count; i++)
		if (!most || r->edges[i].peak_attempts_per_s >= most->peak_attempts_per_s)
			most = &r->edges[i];
	if (!most || !(most->peak_attempts_per_s > 0))
		return 0;
	snprintf(value, sizeof(value), "%.0f/s", most->peak_attempts_per_s);
	LINE(f, FACE_PLAIN, "peak", value, "attempts within one second, %s -> %s", most->client, most->server);
	return 0;
}

static int slowness(const struct face *f, const struct result *r)
{
	const struct result_edge *most = NULL;
	char value[64], p50[64];

	for (size_t i = 0; i < r->edge_count; i++)
		if (r->edges[i].root && !isnan(r->edges[i].latency.p99) && (!most || r->edges[i].latency.p99 > most->latency.p99))
			most = &r->edges[i];
	if (!most)
		return 0;
	LINE(f, FACE_PLAIN, "p99", show_duration(most->latency.p99, value), "of the attempts %s -> %s (p50 %s)", most->client, most->server,
	     show_duration(most->latency.p50, p50));
	return 0;
}

/* How bad it was: not back, then how long, then nothing felt, then not judged. */
static double badness(const struct result_recovery *v)
{
	if (!v->label)
		return -2;
	if (v->censored)
		return 1e15 + (isnan(v->observed_ms) ? 0 : v->observed_ms);
	return isnan(v->mttr_ms) ? -1 : v->mttr_ms;
}

/* Of one that the run did not see. What is good again when the run ends hurts nobody any more: it may only not be over. */
static int not_recovered(const struct face *f, const struct result_recovery *v, const char *several)
{
	char value[80] = "> ", good[64];

	show_duration(v->observed_ms, value + 2);
	if (v->good_ms > 0)
		LINE(f, FACE_YELLOW, "recovery", isnan(v->observed_ms) ? "not seen" : value,
		     "%s hurt users until %s before the run ended, too short a time to call it over%s", v->fault, show_duration(v->good_ms, good), several);
	else
		LINE(f, FACE_RED, "recovery", isnan(v->observed_ms) ? "not seen" : value, "%s still hurt users when the run ended%s%s", v->fault,
		     strncmp(v->label, "metastable", 10) ? "" : " (metastable?)", several);
	return 0;
}

static const char *unless_turned_away(const struct result_recovery *v)
{
	return v->unsure ? ", unless a breaker turned them away meanwhile" : "";
}

static int recovery(const struct face *f, const struct result *r)
{
	const struct result_recovery *worst = NULL;
	char value[80], lag[64], median[64], several[128] = "";

	if (r->mttr_ms.known && r->mttr_ms.n > 1)
		snprintf(several, sizeof(several), "; %zu of %llu recovered, median %s", r->recovered_count, (ull)r->mttr_ms.n,
			 show_duration(r->mttr_ms.value, median));
	for (size_t i = 0; i < r->recovery_count; i++)
		if (!worst || badness(&r->recoveries[i]) > badness(worst))
			worst = &r->recoveries[i];
	if (!worst || !worst->label)
		return 0;
	if (worst->censored)
		return not_recovered(f, worst, several);
	if (!isnan(worst->mttr_ms))
		LINE(f, FACE_PLAIN, "recovery", show_duration(worst->mttr_ms, value), "%s hurt users for so long, until %s after it had gone%s",
		     worst->fault, show_duration(worst->recovery_lag_ms, lag), several);
	else if (result_slowed(worst))
		LINE(f, FACE_YELLOW, "recovery", "not needed", "no request of users failed by %s, but they took up to %s (p95), not %s%s", worst->fault,
		     show_duration(worst->took_ms, value), show_duration(worst->usual_ms, lag), unless_turned_away(worst));
	else
		LINE(f, worst->unsure ? FACE_YELLOW : FACE_PLAIN, "recovery", "not needed", "users felt nothing of %s%s", worst->fault,
		     unless_turned_away(worst));
	return 0;
}

static int to_change(const struct face *f, const struct result *r)
{
	static const enum face_colour colours[SEVERITIES] = {FACE_PLAIN, FACE_YELLOW, FACE_YELLOW, FACE_RED};
	size_t of[SEVERITIES] = {0};
	char value[64], note[128] = "";
	size_t n = 0;

	for (size_t i = 0; i < r->finding_count; i++)
		of[r->findings[i].severity]++;
	for (int s = SEVERITY_CRITICAL; s >= SEVERITY_INFO; s--)
		if (of[s])
			n += (size_t)snprintf(note + n, sizeof(note) - n, "%s%zu %s", n ? ", " : "", of[s], severity_name(s));
	snprintf(value, sizeof(value), "%zu", r->finding_count);
	line(f, r->finding_count ? colours[r->findings[0].severity] : FACE_GREEN, "findings", value, note);
	return 0;
}

int text_headline(const struct face *f, const struct result *r)
{
	static int (*const lines[])(const struct face *f, const struct result *r) = {success, amplification, peak, slowness, recovery, to_change};
	int err = 0;

	fputc('\n', f->out);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]) && !err; i++)
		err = lines[i](f, r);
	return err;
}

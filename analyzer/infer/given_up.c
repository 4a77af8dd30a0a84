/* SPDX-License-Identifier: MIT */
#include "analyzer/infer/given_up.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/infer/given_up_reasons.h"
#include "analyzer/read/spill.h"

#define CONNECT_NS (20 * NS_PER_MS)	/* a connection whose request follows so soon was opened for it */

uint64_t given_up_start(const struct given_up *g, uint32_t i)
{
	const struct model_exchange *x = given_up_exchange(g, i);
	const struct model_connection *c = given_up_connection(g, x);

	if (!c || !c->opened_ns || c->first != i || c->opened_ns > x->started_ns)
		return x->started_ns;
	if (c->connected_ns > x->started_ns || x->started_ns - c->connected_ns > CONNECT_NS || c->connected_ns < c->opened_ns)
		return x->started_ns;
	return c->opened_ns;
}

/* ---- who gave up ---- */

/* The kernel ends connect() 2^k - 1 s after it began, k SYNs later; newer ones send 4 a second first. */
static bool is_kernels(double waited_ms)
{
	for (int k = 1; k <= 8; k++) {
		double s = (double)(1 << k) - 1;

		if (fabs(waited_ms - s * 1000) <= 250 + 20 * s || fabs(waited_ms - (s + 4) * 1000) <= 250 + 20 * s)
			return true;
	}
	return false;
}

static bool is_timer(const struct given_up *g, const struct model_exchange *x)
{
	static const char *const errors[] = {"EAGAIN", "EWOULDBLOCK", "EINPROGRESS"};
	const char *error = measure_text(g->m, x->error);

	if (x->error == g->closed)
		return true;
	if (x->fault != MODEL_NONE && g->forges[x->fault])
		return false;
	if (x->error == g->timed_out)
		return x->outcome != MODEL_NOT_SENT || !is_kernels(model_took_ms(x));
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (!strcmp(error, errors[i]))
			return true;
	return false;
}

static bool ended_by_others(const struct given_up *g, const struct model_exchange *x)
{
	const struct model_connection *c = given_up_connection(g, x);

	if (x->error == g->closed && x->fault != MODEL_NONE && g->hides[x->fault])
		return false;
	for (size_t i = 0; c && i < sizeof(g->alien_ends) / sizeof(g->alien_ends[0]); i++)
		if (c->end && c->end == g->alien_ends[i])
			return true;
	return false;
}

/* Seen from the server: its client went away before the answer. */
static bool was_left(const struct given_up *g, const struct model_exchange *x)
{
	const struct model_connection *c = given_up_connection(g, x);

	return given_up_is_external(g, x) && x->outcome == MODEL_INDETERMINATE && x->ended_ns && x->error == g->closed && c &&
	       (c->end == g->alien_ends[0] || c->end == g->alien_ends[1]);
}

static bool was_given_up(const struct given_up *g, const struct model_exchange *x)
{
	if (was_left(g, x))
		return true;
	if (x->role != MODEL_CLIENT || x->edge == MODEL_NONE || !x->ended_ns || x->synthetic || x->lost)
		return false;
	return (x->outcome == MODEL_INDETERMINATE || x->outcome == MODEL_NOT_SENT) && is_timer(g, x) && !ended_by_others(g, x);
}

static void look_at_all(struct given_up *g)
{
	const struct model *run = &g->m->r->model;

	for (uint32_t i = 0; i < run->exchange_count; i++) {
		const struct model_exchange *x = &run->exchanges[i];
		uint64_t seen_ns = x->ended_ns ? x->ended_ns : x->started_ns;

		if (x->process != MODEL_NONE && seen_ns > g->last_ns[x->process])
			g->last_ns[x->process] = seen_ns;
		g->marks[i] = was_given_up(g, x) ? CUT : WAITED;
	}
}

/* Several at once as the last act of their process: it went, and did not say why. */
static int spoil_last_acts(struct given_up *g)
{
	const struct model *run = &g->m->r->model;
	unsigned *last = calloc(run->process_count + 1, sizeof(*last));

	for (int pass = 0; last && pass < 2; pass++) {
		for (size_t i = 0; i < run->exchange_count; i++) {
			uint32_t p = run->exchanges[i].process;

			if (g->marks[i] != CUT || p == MODEL_NONE || run->exchanges[i].ended_ns + GIVEN_UP_TOGETHER_NS < g->last_ns[p])
				continue;
			if (!pass)
				last[p]++;
			else if (last[p] > 1)
				g->marks[i] = SPOILED;
		}
	}
	free(last);
	return last ? 0 : -ENOMEM;
}

/* ---- the whole ---- */

/* What of a fault's plan matters here: whether it forges an errno, or lets bytes through slowly. */
static int read_faults(struct given_up *g)
{
	const struct model *run = &g->m->r->model;

	g->forges = calloc(run->fault_count + 1, sizeof(*g->forges));
	g->trickles = calloc(run->fault_count + 1, sizeof(*g->trickles));
	g->hides = calloc(run->fault_count + 1, sizeof(*g->hides));
	if (!g->forges || !g->trickles || !g->hides)
		return -ENOMEM;
	for (size_t i = 0; i < run->fault_count; i++) {
		cJSON *spec = cJSON_Parse(measure_text(g->m, run->faults[i].spec));

		g->forges[i] = cJSON_HasObjectItem(spec, "error");
		g->trickles[i] = cJSON_HasObjectItem(spec, "throttle");
		g->hides[i] = g->trickles[i] || cJSON_HasObjectItem(spec, "hang") || cJSON_HasObjectItem(spec, "delay");
		cJSON_Delete(spec);
	}
	return 0;
}

static void know_words(struct given_up *g)
{
	static const char *const ends[] = {"peer_close", "reset", "refused", "exited", "unreachable", "unresolved"};
	const struct texts *names = &g->m->r->model.names;

	g->closed = texts_find(names, "closed");
	g->timed_out = texts_find(names, "ETIMEDOUT");
	g->opaque = texts_find(names, "opaque");
	g->unknown = texts_find(names, "unknown");
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		g->alien_ends[i] = texts_find(names, ends[i]);
}

int given_up_find(struct given_up *g, struct measure *m)
{
	const struct model *run = &m->r->model;
	int err;

	*g = (struct given_up){.m = m};
	know_words(g);
	err = read_faults(g);
	if (err)
		return err;
	g->last_ns = calloc(run->process_count + 1, sizeof(*g->last_ns));
	g->marks = spill_calloc(run->exchange_count + 1, sizeof(*g->marks));
	if (!g->last_ns || !g->marks)
		return -ENOMEM;
	look_at_all(g);
	err = spoil_last_acts(g);
	return err ? err : given_up_explain(g);
}

void given_up_free(struct given_up *g)
{
	free(g->forges);
	free(g->trickles);
	free(g->hides);
	free(g->last_ns);
	spill_free(g->marks);
}

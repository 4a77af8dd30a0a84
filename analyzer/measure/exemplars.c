/* SPDX-License-Identifier: MIT */
/*
 * At most five requests, one of each kind (series.h), with the calls that each attempt caused on the other side: the attempt's connection seen from
 * the server (the same two addresses), the inbound exchange on it that began while the attempt was open, and the attempts laid to that. What is best
 * in two ways is shown once, with both names. Methods and paths are not in the model: they are read from the run file by row id at the end.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/measure.h"
#include "analyzer/read/spill.h"
#include "record/runfile.h"

#define DEPTH_MAX 8

struct far_sides {	/* exchanges as their servers saw them */
	struct map by_addresses;	/* client's and server's address -> connection that was recorded last */
	uint32_t *older;	/* per connection: one of the same addresses before it; owned */
	uint32_t *begins;	/* per connection: where its exchanges begin in inbound; owned */
	uint32_t *inbound;	/* by connection, then start; owned */
};

struct album {
	struct measure *m;
	struct far_sides far;
	uint32_t best[EXEMPLAR_KINDS];	/* requests; MODEL_NONE */
};

void exemplar_free(struct exemplar *e)
{
	free(e->request);
	free(e->attempts);
	*e = (struct exemplar){0};
}

const char *exemplar_kind_name(enum exemplar_kind k)
{
	static const char *const names[EXEMPLAR_KINDS] = {"slowest", "most attempts", "first failed under the fault", "saved by a retry",
							  "in the baseline"};

	return names[k];
}

/* ---- which requests ---- */

static uint64_t took_ns(const struct link_logical *q)
{
	return q->ended_ns ? q->ended_ns - q->started_ns : 0;
}

static bool slower(const struct measure *m, const struct link_logical *q, const struct link_logical *best)
{
	return q->ended_ns && (!best || took_ns(q) > took_ns(best));
}

static bool longer(const struct measure *m, const struct link_logical *q, const struct link_logical *best)
{
	return q->attempts > 1 && (!best || q->attempts > best->attempts);
}

static bool fails_first(const struct measure *m, const struct link_logical *q, const struct link_logical *best)
{
	return !best && !q->ok && timeline_at(&m->r->timeline, q->started_ns) == TIMELINE_FAULT;
}

static bool saved(const struct measure *m, const struct link_logical *q, const struct link_logical *best)
{
	return !best && q->ok && q->attempts > 1;
}

/* The last of a user: connections are warm then. */
static bool usual(const struct measure *m, const struct link_logical *q, const struct link_logical *best)
{
	return q->ok && q->attempts == 1 && graph_is_root(&m->graph, m->graph.edges[q->edge].client) &&
	       timeline_at(&m->r->timeline, q->started_ns) == TIMELINE_BASELINE;
}

static void choose(struct album *a)
{
	static bool (*const better[EXEMPLAR_KINDS])(const struct measure *, const struct link_logical *, const struct link_logical *) = {
		[EXEMPLAR_SLOWEST] = slower, [EXEMPLAR_MOST_ATTEMPTS] = longer, [EXEMPLAR_FIRST_FAILED] = fails_first,
		[EXEMPLAR_RECOVERED] = saved, [EXEMPLAR_BASELINE] = usual,
	};
	const struct link *l = &a->m->link;

	for (size_t k = 0; k < EXEMPLAR_KINDS; k++)
		a->best[k] = MODEL_NONE;
	for (size_t i = 0; i < l->count; i++) {
		if (!measure_counts(a->m, l->logicals[i].started_ns))
			continue;
		for (size_t k = 0; k < EXEMPLAR_KINDS; k++)
			if (better[k](a->m, &l->logicals[i], a->best[k] == MODEL_NONE ? NULL : &l->logicals[a->best[k]]))
				a->best[k] = (uint32_t)i;
	}
}

/* ---- the other side of an attempt ---- */

static uint64_t addresses(uint32_t client, uint32_t server)
{
	return (uint64_t)client << 32 | server;
}

static int place_connections(struct far_sides *f, const struct model *m)
{
	for (size_t i = 0; i < m->connection_count; i++) {
		const struct model_connection *c = &m->connections[i];
		uint64_t key = addresses(c->peer, c->local);

		f->older[i] = MODEL_NONE;
		if (c->role != MODEL_SERVER || !c->peer || !c->local)
			continue;
		f->older[i] = map_get(&f->by_addresses, key);
		if (map_put(&f->by_addresses, key, (uint32_t)i))
			return -ENOMEM;
	}
	return 0;
}

static bool arrived(const struct model *m, size_t i)
{
	return m->exchanges[i].role == MODEL_SERVER && m->exchanges[i].connection != MODEL_NONE;
}

/* Counts those of each connection, then puts each into its place; exchanges are in order of their start and stay so. */
static void place_inbound(struct far_sides *f, const struct model *m)
{
	for (size_t i = 0; i < m->exchange_count; i++)
		if (arrived(m, i))
			f->begins[m->exchanges[i].connection + 2]++;
	for (size_t i = 2; i < m->connection_count + 2; i++)
		f->begins[i] += f->begins[i - 1];
	for (size_t i = 0; i < m->exchange_count; i++)
		if (arrived(m, i))
			f->inbound[f->begins[m->exchanges[i].connection + 1]++] = (uint32_t)i;
}

static int find_far_sides(struct far_sides *f, const struct model *m)
{
	f->older = spill_realloc(NULL, (m->connection_count + 1) * sizeof(*f->older));
	f->begins = spill_calloc(m->connection_count + 2, sizeof(*f->begins));
	f->inbound = spill_realloc(NULL, (m->exchange_count + 1) * sizeof(*f->inbound));
	if (!f->older || !f->begins || !f->inbound || place_connections(f, m))
		return -ENOMEM;
	place_inbound(f, m);
	return 0;
}

static void far_sides_free(struct far_sides *f)
{
	map_free(&f->by_addresses);
	spill_free(f->older);
	spill_free(f->begins);
	spill_free(f->inbound);
}

/* The first exchange of a connection that began at this instant or later. */
static uint32_t first_since(const struct far_sides *f, const struct model *m, uint32_t connection, uint64_t since_ns)
{
	uint32_t low = f->begins[connection], high = f->begins[connection + 1], end = high;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (m->exchanges[f->inbound[middle]].started_ns < since_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low < end ? f->inbound[low] : MODEL_NONE;
}

/* The inbound exchange that an attempt is on the other side; MODEL_NONE when that was not recorded. */
static uint32_t far_side(const struct far_sides *f, const struct model *m, uint32_t attempt)
{
	const struct model_exchange *x = &m->exchanges[attempt];
	const struct model_connection *c = x->connection == MODEL_NONE ? NULL : &m->connections[x->connection];
	uint32_t at = c && c->local && c->peer ? map_get(&f->by_addresses, addresses(c->local, c->peer)) : MODEL_NONE;

	if (x->role == MODEL_SERVER)
		return attempt;
	for (; at != MODEL_NONE && !x->synthetic; at = f->older[at]) {
		uint32_t inbound = first_since(f, m, at, x->started_ns);

		if (inbound != MODEL_NONE && (!x->ended_ns || m->exchanges[inbound].started_ns <= x->ended_ns))
			return inbound;
	}
	return MODEL_NONE;
}

/* ---- one request ---- */

static double since_ms(uint64_t from_ns, uint64_t to_ns)
{
	return to_ns >= from_ns ? (double)(to_ns - from_ns) / NS_PER_MS : -(double)(from_ns - to_ns) / NS_PER_MS;
}

static void add_attempts(struct album *a, struct exemplar *e, uint64_t zero_ns, struct chains_span attempts, int depth)
{
	const struct model *m = &a->m->r->model;

	for (size_t i = 0; i < attempts.n; i++) {
		const struct model_exchange *x = &m->exchanges[attempts.members[i]];
		uint32_t inbound;

		if (e->count == EXEMPLAR_ATTEMPTS_MAX) {
			e->left_out += attempts.n - i;
			return;
		}
		e->attempts[e->count++] = (struct exemplar_attempt){
			.from_ms = since_ms(zero_ns, x->started_ns), .to_ms = x->ended_ns ? since_ms(zero_ns, x->ended_ns) : NAN,
			.id = (uint64_t)x->id, .edge = x->edge, .status = x->status, .error = x->error, .depth = depth,
			.outcome = x->outcome, .synthetic = x->synthetic,
		};
		inbound = depth < DEPTH_MAX ? far_side(&a->far, m, attempts.members[i]) : MODEL_NONE;
		if (inbound != MODEL_NONE)
			add_attempts(a, e, zero_ns, chains_of(&a->m->chains.by_parent, inbound), depth + 1);
	}
}

static int add_exemplar(struct album *a, uint32_t request)
{
	struct result *r = a->m->r;
	struct exemplar *e = &r->exemplars[r->exemplar_count];
	uint64_t zero_ns = a->m->link.logicals[request].started_ns;

	e->attempts = calloc(EXEMPLAR_ATTEMPTS_MAX, sizeof(*e->attempts));
	if (!e->attempts)
		return -ENOMEM;
	r->exemplar_count++;
	for (size_t k = 0; k < EXEMPLAR_KINDS; k++)
		e->kinds |= (unsigned)(a->best[k] == request) << k;
	e->at_s = since_ms(r->model.started_ns, zero_ns) / 1e3;
	add_attempts(a, e, zero_ns, chains_of(&a->m->chains.by_logical, request), 0);
	return 0;
}

static int add_exemplars(struct album *a)
{
	int err = 0;

	a->m->r->exemplars = calloc(EXEMPLAR_KINDS, sizeof(*a->m->r->exemplars));
	if (!a->m->r->exemplars)
		return -ENOMEM;
	for (size_t k = 0; k < EXEMPLAR_KINDS && !err; k++) {
		bool shown = false;

		for (size_t i = 0; i < k; i++)
			shown |= a->best[i] == a->best[k];
		if (a->best[k] != MODEL_NONE && !shown)
			err = add_exemplar(a, a->best[k]);
	}
	return err;
}

/* ---- what they asked for ---- */

static char *request_text(sqlite3_stmt *row, uint64_t id)
{
	const char *method, *path;
	char *text, *clean;

	sqlite3_reset(row);
	sqlite3_bind_int64(row, 1, (sqlite3_int64)id);
	if (sqlite3_step(row) != SQLITE_ROW)
		return strdup("");
	method = (const char *)sqlite3_column_text(row, 0);
	path = (const char *)sqlite3_column_text(row, 1);
	if (asprintf(&text, "%s%s%s", method ? method : "", method && path ? " " : "", path ? path : "") < 0)
		return NULL;
	clean = texts_clean(text);
	free(text);
	return clean;
}

/* A run file that is gone by now leaves them without. */
static int read_requests(struct measure *m)
{
	sqlite3 *db;
	sqlite3_stmt *row = NULL;
	char error[512];
	bool open = !runfile_open(m->path, &db, error, sizeof(error));
	bool there = open && sqlite3_prepare_v2(db, "SELECT method, path FROM exchange WHERE id = ?", -1, &row, NULL) == SQLITE_OK;
	int err = 0;

	for (size_t i = 0; i < m->r->exemplar_count; i++) {
		struct exemplar *e = &m->r->exemplars[i];

		e->request = there && e->count ? request_text(row, e->attempts[0].id) : strdup("");
		err = e->request ? err : -ENOMEM;
	}
	sqlite3_finalize(row);
	if (open)
		sqlite3_close(db);
	return err;
}

int measure_exemplars(struct measure *m)
{
	struct album a = {.m = m};
	int err;

	if (!m->options.charts)
		return 0;
	choose(&a);
	err = find_far_sides(&a.far, &m->r->model);
	if (!err)
		err = add_exemplars(&a);
	if (!err)
		err = read_requests(m);
	far_sides_free(&a.far);
	return err;
}

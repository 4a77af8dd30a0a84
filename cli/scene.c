/* SPDX-License-Identifier: MIT */
#include "cli/scene.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/face/face.h"
#include "analyzer/link/graph.h"
#include "analyzer/read/texts.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/hist.h"
#include "record/runfile.h"

#define LISTENERS_MAX 1024
#define DISORDER_S 16	/* rows of pulse come in the order of their seconds, but for less than this */

struct scene_listener {
	char *local, *service;	/* owned */
};

/* ---- reading ---- */

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st = NULL;

	return sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK ? st : NULL;
}

static bool next(sqlite3_stmt *st)
{
	return st && sqlite3_step(st) == SQLITE_ROW;
}

static uint64_t number(sqlite3_stmt *st, int column)
{
	return (uint64_t)sqlite3_column_int64(st, column);
}

static const char *text(sqlite3_stmt *st, int column)
{
	return (const char *)sqlite3_column_text(st, column);
}

/* What may be shown, malloc'd: valid UTF-8 without what a terminal acts on. */
static char *showable(struct scene *s, const char *raw)
{
	char *clean = texts_clean(raw ? raw : ""), *safe = clean ? face_escape(clean) : NULL;

	s->no_memory |= !safe;
	free(clean);
	return safe;
}

static void *grown(struct scene *s, void *list, size_t count, size_t size)
{
	void *more = realloc(list, (count + 1) * size);

	s->no_memory |= !more;
	return more;
}

static uint64_t ask(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st = prepare(db, sql);
	uint64_t value = next(st) ? number(st, 0) : 0;

	sqlite3_finalize(st);
	return value;
}

/* ---- names ---- */

static void add_listener(struct scene *s, const char *local, const char *service)
{
	struct scene_listener *list;

	for (size_t i = 0; i < s->listener_count; i++)
		if (!strcmp(s->listeners[i].local, local))
			return;
	list = s->listener_count < LISTENERS_MAX ? grown(s, s->listeners, s->listener_count, sizeof(*list)) : NULL;
	if (!list)
		return;
	s->listeners = list;
	list += s->listener_count;
	*list = (struct scene_listener){strdup(local), showable(s, service)};
	if (list->local && list->service)
		s->listener_count++;
}

/* Where recorded servers listen, from the connections that came since the last look. */
static void find_listeners(struct scene *s, sqlite3 *db)
{
	sqlite3_stmt *st = prepare(db, "SELECT c.local, p.service FROM connection c JOIN process p ON p.id = c.process_id"
				       " WHERE c.id > ? AND c.role = 'server' AND c.local NOT NULL AND p.service NOT NULL ORDER BY c.id");

	if (st)
		sqlite3_bind_int64(st, 1, s->connections_seen);
	while (next(st))
		add_listener(s, text(st, 0), text(st, 1));
	sqlite3_finalize(st);
	s->connections_seen = (int64_t)ask(db, "SELECT max(id) FROM connection");
}

static char *server_name(struct scene *s, const char *peer)
{
	for (size_t i = 0; i < s->listener_count; i++)
		if (!strcmp(s->listeners[i].local, peer))
			return strdup(s->listeners[i].service);
	return showable(s, peer);
}

static char *service_name(struct scene *s, sqlite3 *db, int64_t process_id)
{
	sqlite3_stmt *st = prepare(db, "SELECT coalesce(service, 'pid ' || pid) FROM process WHERE id = ?");
	char *name;

	if (st)
		sqlite3_bind_int64(st, 1, process_id);
	name = showable(s, next(st) ? text(st, 0) : "?");
	sqlite3_finalize(st);
	return name;
}

/* ---- edges ---- */

/* The edge of these names; made when there is none. The names become its own. */
static struct scene_edge *edge_named(struct scene *s, char *client, char *server, bool inbound)
{
	struct scene_edge *list, *e;

	for (size_t i = 0; i < s->edge_count; i++) {
		e = &s->edges[i];
		if (e->inbound != inbound || strcmp(e->client, client) || strcmp(e->server, server))
			continue;
		free(client);
		free(server);
		return e;
	}
	list = grown(s, s->edges, s->edge_count, sizeof(*list));
	if (!list) {
		free(client);
		free(server);
		return NULL;
	}
	s->edges = list;
	e = &list[s->edge_count++];
	*e = (struct scene_edge){.client = client, .server = server, .inbound = inbound};
	return e;
}

/* The edge of a process and its peer (NULL: whoever calls it). */
static struct scene_edge *edge_at(struct scene *s, sqlite3 *db, int64_t process_id, const char *peer)
{
	uint64_t key = hash_mix(hash_bytes(HASH_SEED, &process_id, sizeof(process_id)) ^ (peer ? hash_bytes(HASH_SEED, peer, strlen(peer)) : 1));
	uint32_t at = map_get(&s->places, key);
	char *own, *other;
	struct scene_edge *e;

	if (at != MAP_NONE)
		return &s->edges[at];
	own = service_name(s, db, process_id);
	other = peer ? server_name(s, peer) : strdup(GRAPH_EXTERNAL);
	if (!own || !other) {
		free(own);
		free(other);
		return NULL;
	}
	e = edge_named(s, peer ? own : other, peer ? other : own, !peer);
	if (e && map_put(&s->places, key, (uint32_t)(e - s->edges)))
		s->no_memory = true;
	return e;
}

static void add(struct scene_counts *c, const struct scene_counts *more)
{
	c->attempts += more->attempts;
	c->retries += more->retries;
	c->ok += more->ok;
	c->errors += more->errors;
}

/* Times of several processes can not be put together: the median of the one that had most to do, the worst p99. */
static void take_times(struct scene_edge *e, uint64_t weight, uint64_t p50_ns, uint64_t p99_ns)
{
	if (p50_ns && weight >= e->weight) {
		e->weight = weight;
		e->p50_ns = p50_ns;
	}
	if (p99_ns > e->p99_ns)
		e->p99_ns = p99_ns;
}

static void read_second(struct scene *s, sqlite3 *db, uint32_t second)
{
	sqlite3_stmt *st = prepare(db, "SELECT second, process_id, peer, attempts, retries, ok, failed + indeterminate + not_sent, p50_ns, p99_ns"
				       " FROM pulse ORDER BY rowid DESC");

	while (next(st) && number(st, 0) + SCENE_RECENT_S + DISORDER_S > second) {
		struct scene_counts c = {number(st, 3), number(st, 4), number(st, 5), number(st, 6)};
		uint64_t at = number(st, 0);
		struct scene_edge *e;

		if (at > second || at + SCENE_RECENT_S <= second)
			continue;
		e = edge_at(s, db, sqlite3_column_int64(st, 1), text(st, 2));
		if (!e)
			continue;
		add(&e->recent, &c);
		if (at != second)
			continue;
		add(&e->now, &c);
		take_times(e, c.ok + c.errors, number(st, 7), number(st, 8));
	}
	sqlite3_finalize(st);
}

/* ---- the whole run ---- */

static void take_exchange(struct scene *s, struct scene_edge *e, sqlite3_stmt *st)
{
	const char *outcome = text(st, 2);
	bool ended = sqlite3_column_type(st, 3) != SQLITE_NULL;

	e->now.attempts++;
	e->now.ok += ended && outcome && !strcmp(outcome, "ok");
	e->now.errors += ended && outcome && strcmp(outcome, "ok");
	if (!e->times)
		e->times = calloc(HIST_BUCKETS, sizeof(*e->times));
	s->no_memory |= !e->times;
	if (ended && e->times)
		e->times[hist_index(number(st, 3))]++;
}

/* The time that a share of those that ended took at most. */
static uint64_t quantile(const struct scene_edge *e, double share)
{
	double wanted = share * (double)(e->now.ok + e->now.errors), seen = 0;

	for (unsigned i = 0; e->times && i < HIST_BUCKETS; i++) {
		seen += e->times[i];
		if (seen > 0 && seen >= wanted)
			return hist_upper_ns(i);
	}
	return 0;
}

static void read_whole(struct scene *s, sqlite3 *db)
{
	sqlite3_stmt *st = prepare(db, "SELECT e.process_id, CASE e.role WHEN 'server' THEN NULL ELSE coalesce(c.peer, '-') END, e.outcome,"
				       " max(e.ended_ns - e.started_ns, 0) FROM exchange e LEFT JOIN connection c ON c.id = e.connection_id");
	struct scene_edge *e;

	while (next(st)) {
		e = edge_at(s, db, sqlite3_column_int64(st, 0), text(st, 1));
		if (e)
			take_exchange(s, e, st);
	}
	sqlite3_finalize(st);
	st = prepare(db, "SELECT process_id, peer, sum(retries) FROM pulse WHERE retries > 0 GROUP BY process_id, peer");
	while (next(st)) {
		e = edge_at(s, db, sqlite3_column_int64(st, 0), text(st, 1));
		if (e)
			e->now.retries += number(st, 2);
	}
	sqlite3_finalize(st);
	for (size_t i = 0; i < s->edge_count; i++) {
		e = &s->edges[i];
		e->recent = e->now;
		e->p50_ns = quantile(e, 0.5);
		e->p99_ns = quantile(e, 0.99);
	}
}

/* ---- which edges are shown ---- */

static void edge_free(struct scene_edge *e)
{
	free(e->client);
	free(e->server);
	free(e->times);
}

static bool is_called(const struct scene *s, const struct scene_edge *inbound)
{
	for (size_t i = 0; i < s->edge_count; i++)
		if (!s->edges[i].inbound && !strcmp(s->edges[i].server, inbound->server))
			return true;
	return false;
}

static int by_attempts(const void *a, const void *b)
{
	const struct scene_edge *x = a, *y = b;

	if (x->recent.attempts != y->recent.attempts)
		return x->recent.attempts > y->recent.attempts ? -1 : 1;
	return strcmp(x->client, y->client) ? strcmp(x->client, y->client) : strcmp(x->server, y->server);
}

static void choose_edges(struct scene *s)
{
	for (size_t i = 0; i < s->edge_count; i++)
		if (s->edges[i].inbound && is_called(s, &s->edges[i]))
			s->edges[i].recent = s->edges[i].now = (struct scene_counts){0};
	if (s->edge_count)
		qsort(s->edges, s->edge_count, sizeof(*s->edges), by_attempts);
	while (s->edge_count && !s->edges[s->edge_count - 1].recent.attempts &&
	       !(s->edges[s->edge_count - 1].recent.ok + s->edges[s->edge_count - 1].recent.errors))
		edge_free(&s->edges[--s->edge_count]);
}

/* ---- faults, losses, the run ---- */

static struct scene_fault *fault_named(struct scene *s, const char *name)
{
	for (size_t i = 0; i < s->fault_count; i++)
		if (!strcmp(s->faults[i].name, name))
			return &s->faults[i];
	return NULL;
}

static void read_faults(struct scene *s, sqlite3 *db, const struct scene_fault *before, size_t before_count)
{
	sqlite3_stmt *st = prepare(db, "SELECT name, matched, fired FROM fault ORDER BY id");

	while (next(st)) {
		char *name = showable(s, text(st, 0));
		struct scene_fault *f = name ? fault_named(s, name) : NULL, *list;

		if (!f && name && (list = grown(s, s->faults, s->fault_count, sizeof(*list)))) {
			s->faults = list;
			f = &list[s->fault_count++];
			*f = (struct scene_fault){.name = name, .state = "waiting"};
			name = NULL;
		}
		free(name);
		if (!f)
			continue;
		f->matched += number(st, 1);	/* one that was replaced counts with the one in its place */
		f->fired += number(st, 2);
	}
	sqlite3_finalize(st);
	for (size_t i = 0; i < s->fault_count; i++)
		s->faults[i].fired_before = s->looked || !s->second ? 0 : s->faults[i].fired;	/* at the first look nobody knows since when */
	for (size_t i = 0; i < s->fault_count; i++)
		for (size_t k = 0; k < before_count; k++)
			if (!strcmp(s->faults[i].name, before[k].name))
				s->faults[i].fired_before = before[k].fired;
}

/* At the end of what is shown. */
static void read_states(struct scene *s, sqlite3 *db)
{
	static const struct {
		const char *mark, *state;
	} states[] = {{"fault on ", "on"}, {"fault off ", "off"}, {"fault end ", "ended"}};
	sqlite3_stmt *st = prepare(db, "SELECT name FROM mark WHERE at_ns < ? ORDER BY at_ns, rowid");
	uint64_t end = s->second == SCENE_WHOLE ? INT64_MAX : s->started_ns + (s->second + 1ull) * NS_PER_S;

	if (st)
		sqlite3_bind_int64(st, 1, (int64_t)end);
	while (next(st)) {
		for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++) {
			size_t n = strlen(states[i].mark);
			char *name = text(st, 0) && !strncmp(text(st, 0), states[i].mark, n) ? showable(s, text(st, 0) + n) : NULL;
			struct scene_fault *f = name ? fault_named(s, name) : NULL;

			if (f)
				f->state = states[i].state;
			free(name);
		}
	}
	sqlite3_finalize(st);
}

static void read_losses(struct scene *s, sqlite3 *db)
{
	sqlite3_stmt *st = prepare(db, "SELECT source, reason, count FROM loss WHERE count > 0 ORDER BY count DESC");

	while (next(st)) {
		struct scene_loss *list = grown(s, s->losses, s->loss_count, sizeof(*list));

		if (!list)
			break;
		s->losses = list;
		list[s->loss_count] = (struct scene_loss){showable(s, text(st, 0)), showable(s, text(st, 1)), number(st, 2)};
		s->lost += list[s->loss_count++].count;
	}
	sqlite3_finalize(st);
}

static void read_run(struct scene *s, sqlite3 *db)
{
	sqlite3_stmt *st = prepare(db, "SELECT value FROM run WHERE key = 'name'");

	s->name = showable(s, next(st) ? text(st, 0) : "");
	sqlite3_finalize(st);
	s->started_ns = ask(db, "SELECT value FROM run WHERE key = 'started_ns'");
	s->ended_ns = ask(db, "SELECT value FROM run WHERE key = 'ended_ns'");
	if (!s->ended_ns && s->second == SCENE_WHOLE)
		s->ended_ns = ask(db, "SELECT max(max(coalesce(ended_ns, 0), started_ns)) FROM exchange");
	s->clean_end = ask(db, "SELECT value FROM run WHERE key = 'clean_end'");
	s->left_out = ask(db, "SELECT value FROM run WHERE key = 'pulse_left_out'");
	s->bursts = ask(db, "SELECT count(*) FROM burst");
}

/* ---- the whole ---- */

static void faults_free(struct scene_fault *faults, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(faults[i].name);
	free(faults);
}

/* Empties what a reading fills. */
static void clear(struct scene *s)
{
	for (size_t i = 0; i < s->edge_count; i++)
		edge_free(&s->edges[i]);
	for (size_t i = 0; i < s->loss_count; i++) {
		free(s->losses[i].source);
		free(s->losses[i].reason);
	}
	free(s->edges);
	free(s->losses);
	free(s->name);
	map_free(&s->places);
	*s = (struct scene){.listeners = s->listeners, .listener_count = s->listener_count, .looked = s->looked, .connections_seen = s->connections_seen};
}

int scene_began(const char *path, uint64_t *started_ns, char *error, unsigned error_size)
{
	sqlite3 *db;
	int err = runfile_open(path, &db, error, error_size);

	if (err)
		return err;
	*started_ns = ask(db, "SELECT value FROM run WHERE key = 'started_ns'");
	sqlite3_close(db);
	return 0;
}

int scene_read(struct scene *s, const char *path, uint32_t second, char *error, unsigned error_size)
{
	struct scene_fault *before = s->faults;
	size_t before_count = s->fault_count;
	sqlite3 *db;
	int err;

	clear(s);
	s->second = second;
	err = runfile_open(path, &db, error, error_size);
	if (!err && sqlite3_exec(db, "BEGIN; SELECT count(*) FROM run", NULL, NULL, NULL) != SQLITE_OK) {
		snprintf(error, error_size, "'%s' cannot be read: %s", path, sqlite3_errmsg(db));
		err = -EIO;
	}
	if (!err) {
		read_run(s, db);
		find_listeners(s, db);
		second == SCENE_WHOLE ? read_whole(s, db) : read_second(s, db, second);
		read_faults(s, db, before, before_count);
		read_states(s, db);
		read_losses(s, db);
		choose_edges(s);
		s->looked = true;
	}
	sqlite3_close(db);
	faults_free(before, before_count);
	if (!err && s->no_memory) {
		snprintf(error, error_size, "out of memory");
		err = -ENOMEM;
	}
	return err;
}

void scene_free(struct scene *s)
{
	for (size_t i = 0; i < s->listener_count; i++) {
		free(s->listeners[i].local);
		free(s->listeners[i].service);
	}
	free(s->listeners);
	faults_free(s->faults, s->fault_count);
	clear(s);
	*s = (struct scene){0};
}

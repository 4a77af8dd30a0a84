/* SPDX-License-Identifier: MIT */
#include "analyzer/read/model.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "analyzer/read/hosts.h"
#include "analyzer/read/progress.h"
#include "analyzer/read/radix.h"
#include "analyzer/read/rows.h"
#include "analyzer/read/spill.h"
#include "analyzer/read/times.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/units.h"
#include "record/runfile.h"

#define TURN_NS (5 * NS_PER_MS)	/* a wait that tells turns from chance */
#define LARGE 100000	/* exchanges: below, a second thread is not worth its while */
#define ROW_MIN 32	/* bytes in the file */
#define STRIDE 16384	/* rows from one look at the clock to the next */

struct kin {	/* row ids of an exchange and of the one that caused it */
	int64_t child, parent;
};

struct recent {		/* a text and its number: most rows say what the row before said */
	char text[16];
	uint32_t number;
};

struct loader {
	struct model *m;
	sqlite3 *db;
	const char *path;
	char *error;
	unsigned error_size;
	struct map processes, faults;	/* row id -> index */
	struct rows connections, exchanges;
	const struct model_connection *connected;	/* while exchanges are read: all of them, */
	const struct model_process *owners;	/* and all processes */
	struct map threads;	/* process and tid -> 1: calls were made there */
	struct kin *kin;	/* parents that the file names; owned */
	size_t kin_count, kin_room;
	uint32_t taken;		/* rows of exchanges */
	size_t room;		/* of the array being filled */
	size_t reserve;		/* what that of the exchanges has from the beginning */
	struct recent recent[3];	/* protocol, error and method of the row before */
};

/* One table: its columns, and what makes a row of it. */
struct table {
	const char *sql;
	int (*row)(struct loader *l, sqlite3_stmt *row);
};

/* The array with room for one more element: itself, or moved; NULL without memory (the old one is still there). */
static void *grown(struct loader *l, void *array, size_t count, size_t size)
{
	size_t room = count ? count * 2 : 64;

	if (count < l->room)
		return array;
	array = spill_realloc(array, room * size);
	if (array)
		l->room = room;
	return array;
}

#define GROW(l, array, count) \
	({ \
		void *grown_ = grown(l, (l)->m->array, (l)->m->count, sizeof(*(l)->m->array)); \
		if (grown_) \
			(l)->m->array = grown_; \
		grown_ ? 0 : -ENOMEM; \
	})

static const char *text(sqlite3_stmt *row, int column)
{
	return (const char *)sqlite3_column_text(row, column);
}

static uint64_t word(sqlite3_stmt *row, int column)
{
	return (uint64_t)sqlite3_column_int64(row, column);
}

/* A time or a count; below 0 it is none. What is added to a time of at most 2^63 does not wrap. */
static uint64_t positive(sqlite3_stmt *row, int column)
{
	int64_t v = sqlite3_column_int64(row, column);

	return v > 0 ? (uint64_t)v : 0;
}

static bool is_null(sqlite3_stmt *row, int column)
{
	return sqlite3_column_type(row, column) == SQLITE_NULL;
}

static int64_t or_minus_one(sqlite3_stmt *row, int column)
{
	int64_t v = is_null(row, column) ? -1 : sqlite3_column_int64(row, column);

	return v < 0 ? -1 : v;
}

static int name(struct loader *l, sqlite3_stmt *row, int column, uint32_t *number)
{
	*number = texts_add(&l->m->names, text(row, column));
	return *number == MAP_NONE ? -ENOMEM : 0;
}

static int name_again(struct loader *l, sqlite3_stmt *row, int column, struct recent *recent, uint32_t *number)
{
	const char *s = text(row, column);
	int err = 0;

	if (s && recent->number && !strcmp(s, recent->text)) {
		*number = recent->number;
		return 0;
	}
	err = name(l, row, column, number);
	if (!err && s && strlen(s) < sizeof(recent->text)) {
		strcpy(recent->text, s);
		recent->number = *number;
	}
	return err;
}

static uint8_t role(sqlite3_stmt *row, int column)
{
	const char *s = text(row, column);

	return !s ? MODEL_NO_ROLE : !strcmp(s, "client") ? MODEL_CLIENT : !strcmp(s, "server") ? MODEL_SERVER : MODEL_NO_ROLE;
}

/* Seeds are stored as signed integers. */
static int take_seed(struct loader *l, sqlite3_stmt *row, int column)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%llu", (unsigned long long)word(row, column));
	l->m->seed = texts_add(&l->m->names, digits);
	return l->m->seed == MAP_NONE ? -ENOMEM : 0;
}

static int take_run(struct loader *l, sqlite3_stmt *row)
{
	static const struct { const char *key; size_t number, text; } keys[] = {
		{"started_ns", offsetof(struct model, started_ns), 0}, {"ended_ns", offsetof(struct model, ended_ns), 0},
		{"started", 0, offsetof(struct model, started)},
		{"host", 0, offsetof(struct model, host)}, {"sources", 0, offsetof(struct model, sources)},
		{"missing_hooks", 0, offsetof(struct model, missing_hooks)},
	};
	const char *key = text(row, 0);

	for (size_t i = 0; key && i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(key, keys[i].key) || is_null(row, 1))
			continue;
		if (keys[i].text)
			return name(l, row, 1, (uint32_t *)((char *)l->m + keys[i].text));
		*(uint64_t *)((char *)l->m + keys[i].number) = positive(row, 1);
	}
	if (key && !strcmp(key, "seed") && sqlite3_column_type(row, 1) == SQLITE_INTEGER)
		return take_seed(l, row, 1);
	if (key && !strcmp(key, "clean_end"))
		l->m->clean_end = word(row, 1) != 0;
	return 0;
}

static int take_process(struct loader *l, sqlite3_stmt *row)
{
	struct model_process *p;
	char unnamed[32];

	if (GROW(l, processes, process_count))
		return -ENOMEM;
	p = &l->m->processes[l->m->process_count];
	*p = (struct model_process){.id = sqlite3_column_int64(row, 0), .pid = sqlite3_column_int64(row, 1),
				    .covered = sqlite3_column_int(row, 3) != 0, .ended_ns = positive(row, 5),
				    .exited = sqlite3_column_int(row, 6) != 0};
	if (name(l, row, 2, &p->service) || name(l, row, 4, &p->why))
		return -ENOMEM;
	if (!p->service) {
		snprintf(unnamed, sizeof(unnamed), "pid %lld", (long long)p->pid);
		p->service = texts_add(&l->m->names, unnamed);
	}
	return map_put(&l->processes, (uint64_t)p->id, (uint32_t)l->m->process_count++);
}

static int take_connection(struct loader *l, sqlite3_stmt *row)
{
	struct model_connection *c;

	if (GROW(l, connections, connection_count))
		return -ENOMEM;
	c = &l->m->connections[l->m->connection_count];
	*c = (struct model_connection){.id = sqlite3_column_int64(row, 0), .process = map_get(&l->processes, word(row, 1)),
				       .role = role(row, 2), .first = MODEL_NONE};
	c->unresolved = sqlite3_column_int(row, 5) != 0;
	c->retransmits = positive(row, 6);
	c->unseen = positive(row, 7);
	c->opened_ns = positive(row, 8);
	c->connected_ns = positive(row, 9);
	if (name(l, row, 3, &c->local) || name(l, row, 4, &c->peer) || name(l, row, 10, &c->end))
		return -ENOMEM;
	l->m->connection_count++;
	return 0;
}

static int take_host(struct loader *l, sqlite3_stmt *row)
{
	if (GROW(l, hosts, host_count))
		return -ENOMEM;
	if (name(l, row, 0, &l->m->hosts[l->m->host_count].name) || name(l, row, 1, &l->m->hosts[l->m->host_count].address))
		return -ENOMEM;
	l->m->host_count++;
	return 0;
}

/* The stored outcome; without one, what the rest of the row says (contract: 5xx, 429 and 408 are failures). */
static uint8_t outcome(const struct model_exchange *x, const char *stored)
{
	static const char *const names[MODEL_OUTCOMES] = {"ok", "failed", "indeterminate", "not_sent"};

	for (uint8_t i = 0; stored && i < MODEL_OUTCOMES; i++)
		if (!strcmp(stored, names[i]))
			return i;
	if (x->status)
		return x->status >= 500 || x->status == 429 || x->status == 408 ? MODEL_FAILED : MODEL_OK;
	if (x->ended_ns && !x->error)
		return MODEL_OK;
	return x->sent || x->role == MODEL_SERVER ? MODEL_INDETERMINATE : MODEL_NOT_SENT;
}

static uint64_t target(const char *method, const char *path)
{
	uint64_t h = HASH_SEED;

	if (!method && !path)
		return 0;
	h = hash_bytes(h, method ? method : "", method ? strlen(method) + 1 : 1);
	h = hash_mix(hash_bytes(h, path ? path : "", path ? strlen(path) : 0));
	return h ? h : 1;
}

static int note_parent(struct loader *l, int64_t parent)
{
	if (l->kin_count == l->kin_room) {
		size_t room = l->kin_room ? l->kin_room * 2 : 64;
		struct kin *kin = spill_realloc(l->kin, room * sizeof(*kin));

		if (!kin)
			return -ENOMEM;
		l->kin = kin;
		l->kin_room = room;
	}
	l->kin[l->kin_count++] = (struct kin){l->m->exchanges[l->m->exchange_count].id, parent};
	return 0;
}

/* Columns of an exchange, in the order of its SELECT. */
enum { X_ID, X_CONNECTION, X_PROCESS, X_TID, X_ROLE, X_PROTOCOL, X_METHOD, X_PATH, X_STATUS, X_OUTCOME, X_ERROR, X_STARTED,
       X_SENT, X_FIRST_BYTE, X_ENDED, X_FINGERPRINT, X_CORRELATION, X_KEY, X_RETRY_AFTER, X_PARENT, X_SYNTHETIC,
       X_INFERRED, X_BYTES_IN, X_FAULT, X_BYTES_OUT };

static void take_times(struct model_exchange *x, sqlite3_stmt *row)
{
	x->started_ns = positive(row, X_STARTED);
	if (!x->started_ns)
		x->started_ns = positive(row, X_SENT);
	if (!x->started_ns)
		x->started_ns = positive(row, X_FIRST_BYTE);
	if (!x->started_ns)
		x->started_ns = positive(row, X_ENDED);
	x->ended_ns = positive(row, X_ENDED) < x->started_ns ? 0 : positive(row, X_ENDED);
	x->first_byte_ns = positive(row, X_FIRST_BYTE) < x->started_ns ? 0 : positive(row, X_FIRST_BYTE);
}

/* The index of a process; nearly always it is that of the connection. */
static uint32_t process_of(const struct loader *l, uint32_t connection, uint64_t id)
{
	uint32_t its = connection == MODEL_NONE ? MODEL_NONE : l->connected[connection].process;

	return its != MODEL_NONE && (uint64_t)l->owners[its].id == id ? its : map_get(&l->processes, id);
}

static int take_exchange(struct loader *l, sqlite3_stmt *row)
{
	struct model_exchange *x;
	int64_t retry_after = or_minus_one(row, X_RETRY_AFTER);
	uint32_t connection = rows_get(&l->connections, sqlite3_column_int64(row, X_CONNECTION));
	uint8_t side = role(row, X_ROLE);
	uint64_t answer = positive(row, side == MODEL_SERVER ? X_BYTES_OUT : X_BYTES_IN);

	if (++l->taken % STRIDE == 0)
		progress_add(STRIDE);
	if (GROW(l, exchanges, exchange_count))
		return -ENOMEM;
	x = &l->m->exchanges[l->m->exchange_count];
	*x = (struct model_exchange){
		.id = sqlite3_column_int64(row, X_ID), .parent = MODEL_NONE, .edge = MODEL_NONE, .logical = MODEL_NONE,
		.connection = connection,
		.process = process_of(l, connection, word(row, X_PROCESS)), .tid = (uint32_t)word(row, X_TID),
		.role = side, .fingerprint = word(row, X_FINGERPRINT), .correlation = word(row, X_CORRELATION),
		.idempotency_key = word(row, X_KEY), .target = target(text(row, X_METHOD), text(row, X_PATH)),
		.retry_after_ms = retry_after < 0 ? -1 : retry_after > INT32_MAX ? INT32_MAX : (int32_t)retry_after,
		.fault = map_get(&l->faults, word(row, X_FAULT)),
		.bytes_in = (uint32_t)(answer > UINT32_MAX ? UINT32_MAX : answer),
		.status = (uint16_t)(positive(row, X_STATUS) > UINT16_MAX ? 0 : positive(row, X_STATUS)),
		.synthetic = word(row, X_SYNTHETIC) != 0, .sent = !is_null(row, X_SENT),
	};
	take_times(x, row);
	if (!x->started_ns) {
		l->m->undated++;
		return 0;
	}
	if (name_again(l, row, X_PROTOCOL, &l->recent[0], &x->protocol) || name_again(l, row, X_ERROR, &l->recent[1], &x->error) ||
	    name_again(l, row, X_METHOD, &l->recent[2], &x->method))
		return -ENOMEM;
	x->outcome = outcome(x, text(row, X_OUTCOME));
	l->m->inferred += word(row, X_INFERRED) != 0;
	if (!is_null(row, X_PARENT) && note_parent(l, sqlite3_column_int64(row, X_PARENT)))
		return -ENOMEM;
	l->m->exchange_count++;
	return 0;
}

/* What the analyzer needs of a fault's plan: its window, and whether it only watches. */
static void take_spec(struct model_fault *f, const char *spec)
{
	cJSON *json = cJSON_Parse(spec), *probability = cJSON_GetObjectItemCaseSensitive(json, "probability");
	const char *from = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "from"));
	const char *lasts = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "for"));
	double share = 1;

	if (!from || units_duration(from, &f->from_ns))
		f->from_ns = 0;
	if (!lasts || units_duration(lasts, &f->for_ns))
		f->for_ns = 0;
	if (cJSON_IsNumber(probability))
		share = probability->valuedouble;
	else if (cJSON_IsString(probability) && units_share(probability->valuestring, &share))
		share = 1;
	f->watch_only = share == 0;
	cJSON_Delete(json);
}

static int take_fault(struct loader *l, sqlite3_stmt *row)
{
	struct model_fault *f;

	if (GROW(l, faults, fault_count))
		return -ENOMEM;
	f = &l->m->faults[l->m->fault_count];
	*f = (struct model_fault){.id = sqlite3_column_int64(row, 0), .matched = positive(row, 3), .fired = positive(row, 4)};
	if (name(l, row, 1, &f->name) || name(l, row, 2, &f->spec))
		return -ENOMEM;
	take_spec(f, text(row, 2) ? text(row, 2) : "");
	return map_put(&l->faults, (uint64_t)f->id, (uint32_t)l->m->fault_count++);
}

/* What a mark says of a fault: "fault on NAME" and so on; of several of one name, of the one that was there then. */
static struct model_fault *marked_fault(struct loader *l, const char *name, bool comes_on, uint64_t at_ns)
{
	for (size_t i = l->m->fault_count; i-- > 0;) {
		struct model_fault *f = &l->m->faults[i];

		if (!strcmp(texts_text(&l->m->names, f->name), name) && (comes_on ? l->m->started_ns + f->from_ns <= at_ns : f->on))
			return f;
	}
	return NULL;
}

/* f is on whenever it goes off (marked_fault()), so it has an episode then. */
static int note_episode(struct loader *l, struct model_fault *f, bool on, uint64_t at_ns)
{
	if (!on)
		l->m->episodes[f->episode].off_ns = at_ns;
	if (!on || f->on)
		return 0;
	if (GROW(l, episodes, episode_count))
		return -ENOMEM;
	f->episode = (uint32_t)l->m->episode_count;
	l->m->episodes[l->m->episode_count++] = (struct model_episode){(uint32_t)(f - l->m->faults), at_ns, 0};
	return 0;
}

static int take_mark(struct loader *l, sqlite3_stmt *row)
{
	static const struct { const char *says; bool on; } words[] = {{"fault on ", true}, {"fault off ", false}, {"fault end ", false}};
	const char *mark = text(row, 1);

	for (size_t i = 0; mark && i < sizeof(words) / sizeof(words[0]); i++) {
		size_t n = strlen(words[i].says);
		struct model_fault *f = strncmp(mark, words[i].says, n) ? NULL : marked_fault(l, mark + n, words[i].on, positive(row, 0));

		if (!f)
			continue;
		if (note_episode(l, f, words[i].on, positive(row, 0)))
			return -ENOMEM;
		f->on = words[i].on;
		f->off_ns = f->on ? 0 : positive(row, 0);
	}
	return 0;
}

static int take_injection(struct loader *l, sqlite3_stmt *row)
{
	struct model_injection *i;

	if (GROW(l, injections, injection_count))
		return -ENOMEM;
	i = &l->m->injections[l->m->injection_count];
	*i = (struct model_injection){
		.fault = map_get(&l->faults, word(row, 0)), .at_ns = positive(row, 2),
		.exchange = is_null(row, 1) ? MODEL_NONE : rows_get(&l->exchanges, sqlite3_column_int64(row, 1)),
		.intended_ns = or_minus_one(row, 4), .achieved_ns = or_minus_one(row, 5)};
	if (name(l, row, 3, &i->action))
		return -ENOMEM;
	l->m->injection_count += i->fault != MODEL_NONE && i->at_ns;
	return 0;
}

static int take_loss(struct loader *l, sqlite3_stmt *row)
{
	struct model_loss *loss;

	if (GROW(l, losses, loss_count))
		return -ENOMEM;
	loss = &l->m->losses[l->m->loss_count];
	*loss = (struct model_loss){.count = positive(row, 2)};
	if (name(l, row, 0, &loss->source) || name(l, row, 1, &loss->reason))
		return -ENOMEM;
	l->m->loss_count += loss->count != 0;
	return 0;
}

static bool in_order(const struct model *m)
{
	for (size_t i = 1; i < m->exchange_count; i++)
		if (m->exchanges[i - 1].started_ns > m->exchanges[i].started_ns)
			return false;
	return true;
}

/* Puts exchange order[i].value at place i, following each cycle once. */
static void arrange(struct model_exchange *x, struct radix_item *order, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct model_exchange first = x[i];
		size_t at = i;

		while (order[at].value != i) {
			size_t from = order[at].value;

			x[at] = x[from];
			order[at].value = (uint32_t)at;
			at = from;
		}
		x[at] = first;
		order[at].value = (uint32_t)at;
	}
}

/* By start; of those that started at once, by row id, in which they come. */
static int sort_exchanges(struct model *m)
{
	struct radix_item *order;
	int err;

	if (in_order(m))
		return 0;
	order = spill_realloc(NULL, m->exchange_count * sizeof(*order));
	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < m->exchange_count; i++)
		order[i] = (struct radix_item){m->exchanges[i].started_ns, (uint32_t)i};
	err = radix_sort(order, m->exchange_count);
	if (!err)
		arrange(m->exchanges, order, m->exchange_count);
	spill_free(order);
	return err;
}

/* A thread is back that had made call `before`. */
static void note_return(const struct model *m, struct model_process *p, uint32_t before, const struct model_exchange *x)
{
	const struct model_exchange *own = &m->exchanges[before], *last = &m->exchanges[p->latest[0] - 1];
	bool near = false;

	for (int i = 0; i < MODEL_NEAR; i++)
		near |= p->latest[i] == before + 1;
	(*(near ? &p->near : &p->far))++;
	if (last->tid == x->tid)
		return;
	p->returns = true;
	p->crossings++;
	if (own->ended_ns && last->ended_ns && last->ended_ns <= x->started_ns && x->started_ns > own->ended_ns + TURN_NS)
		p->turns += x->started_ns - last->ended_ns <= (x->started_ns - own->ended_ns) / 8;
}

/*
 * What tells whether a process moves its one flow of calls between threads, as Go does (model_hops): it never has two in work at once, and
 * comes back to a thread that it had left. Threads of their own overlap, or are done one after another, or take turns.
 */
static int note_thread(struct loader *l, struct model_process *p, uint32_t i)
{
	const struct model_exchange *x = &l->m->exchanges[i];
	uint64_t thread = (uint64_t)x->process << 32 | x->tid;
	uint32_t before = map_get(&l->threads, thread);

	if (!x->tid) {
		p->threadless = true;
		return 0;
	}
	p->overlaps |= x->started_ns < p->busy_until_ns;
	if (before != MAP_NONE)
		note_return(l->m, p, before, x);
	if (!x->ended_ns)
		p->busy_until_ns = UINT64_MAX;
	else if (x->ended_ns > p->busy_until_ns)
		p->busy_until_ns = x->ended_ns;
	memmove(&p->latest[1], &p->latest[0], sizeof(p->latest) - sizeof(p->latest[0]));
	p->latest[0] = i + 1;
	return map_put(&l->threads, thread, i);
}

/* Exchanges come in the order of their starts. */
static void note_first(struct model *m, uint32_t exchange)
{
	uint32_t at = m->exchanges[exchange].connection;

	if (at != MODEL_NONE && m->connections[at].first == MODEL_NONE)
		m->connections[at].first = exchange;
}

/* Who is in which role. */
static int note_roles(struct loader *l, const struct model_exchange *x)
{
	struct model_process *p = x->process == MODEL_NONE ? NULL : &l->m->processes[x->process];

	if (!p)
		return 0;
	p->inbound |= x->role == MODEL_SERVER;
	p->outbound |= x->role == MODEL_CLIENT;
	return x->role == MODEL_CLIENT ? note_thread(l, p, (uint32_t)(x - l->m->exchanges)) : 0;
}

/* Sorts the exchanges, then resolves what refers to them. */
static int settle_exchanges(struct loader *l)
{
	struct model *m = l->m;
	size_t n = m->exchange_count;
	int64_t low = n ? m->exchanges[0].id : 0, high = n ? m->exchanges[n - 1].id : 0;	/* rows come by id */

	if (sort_exchanges(m) || rows_init(&l->exchanges, low, high, n))
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (rows_put(&l->exchanges, m->exchanges[i].id, (uint32_t)i) || note_roles(l, &m->exchanges[i]))
			return -ENOMEM;
		note_first(m, (uint32_t)i);
	}
	for (size_t i = 0; i < l->kin_count; i++) {
		uint32_t child = rows_get(&l->exchanges, l->kin[i].child);
		uint32_t parent = rows_get(&l->exchanges, l->kin[i].parent);

		if (child != MAP_NONE && parent != MAP_NONE && m->exchanges[parent].role == MODEL_SERVER)
			m->exchanges[child].parent = parent;
	}
	return 0;
}

/* The run's bounds, as far as the file says; the exchanges otherwise. */
static void settle_times(struct model *m)
{
	uint64_t last = 0;

	for (size_t i = 0; i < m->exchange_count; i++) {
		const struct model_exchange *x = &m->exchanges[i];
		uint64_t end = x->ended_ns ? x->ended_ns : x->started_ns;

		last = end > last ? end : last;
	}
	if (!m->started_ns)
		m->started_ns = m->exchange_count ? m->exchanges[0].started_ns : 0;
	if (m->ended_ns < m->started_ns || !m->ended_ns)
		m->ended_ns = last > m->started_ns ? last : m->started_ns;
}

/* SQLite's sentences quote the file: what is no printable ASCII of it is not for a terminal. */
static int fail(struct loader *l, int err, const char *what)
{
	size_t at = (size_t)snprintf(l->error, l->error_size, "%s: ", l->path);

	for (; *what && at + 1 < l->error_size; what++)
		l->error[at++] = *what >= ' ' && *what <= '~' ? *what : '?';
	if (at < l->error_size)
		l->error[at] = 0;
	return err;
}

static int load_table(struct loader *l, const struct table *t)
{
	sqlite3_stmt *row;
	int step, err = 0;

	l->room = l->reserve;
	if (sqlite3_prepare_v2(l->db, t->sql, -1, &row, NULL) != SQLITE_OK)
		return fail(l, -EINVAL, sqlite3_errmsg(l->db));
	while (!err && (step = sqlite3_step(row)) == SQLITE_ROW)
		err = t->row(l, row);
	if (err)
		fail(l, err, "not enough memory to read it");
	else if (step != SQLITE_DONE)
		err = fail(l, -EIO, sqlite3_errmsg(l->db));
	sqlite3_finalize(row);
	return err;
}

/* ---- exchanges: of a large file that does not change, two threads read one half each ---- */

struct half {
	struct loader l;
	struct model m;
	int64_t low, high;	/* row ids */
	char error[512];
	int err;
};

static int load_between(struct loader *l, int64_t low, int64_t high)
{
	char sql[640];

	snprintf(sql, sizeof(sql), "SELECT id, connection_id, process_id, tid, role, protocol, method, path, status, outcome, error, started_ns,"
		 " sent_ns, first_byte_ns, ended_ns, fingerprint, correlation, idempotency_key, retry_after_ms, parent_id, synthetic,"
		 " end_inferred, bytes_in, fault_id, bytes_out FROM exchange WHERE id BETWEEN %lld AND %lld ORDER BY id", (long long)low, (long long)high);
	return load_table(l, &(struct table){sql, take_exchange});
}

static void *load_half(void *context)
{
	struct half *h = context;

	h->err = runfile_open(h->l.path, &h->l.db, h->error, sizeof(h->error));
	if (!h->err)
		h->err = load_between(&h->l, h->low, h->high);
	sqlite3_close(h->l.db);
	return NULL;
}

/* The numbers of the other half's texts among ours; *same: they are the same. NULL without memory. */
static uint32_t *renumber(struct texts *ours, const struct texts *theirs, bool *same)
{
	uint32_t *to = calloc(theirs->count + 1, sizeof(*to));

	*same = true;
	for (uint32_t i = 1; to && i <= theirs->count; i++) {
		to[i] = texts_add(ours, texts_text(theirs, i));
		*same &= to[i] == i;
		if (to[i] == MAP_NONE) {
			free(to);
			to = NULL;
		}
	}
	return to;
}

/* Both halves are in one array; there is a gap between them when not every id has a row that counts. */
static int join_halves(struct model *m, const struct model *other)
{
	bool same;
	uint32_t *to = renumber(&m->names, &other->names, &same);
	struct model_exchange *second = m->exchanges + m->exchange_count;

	if (!to)
		return -ENOMEM;
	if (second != other->exchanges)
		memmove(second, other->exchanges, other->exchange_count * sizeof(*second));
	for (size_t i = 0; i < other->exchange_count && !same; i++) {
		second[i].protocol = to[second[i].protocol];
		second[i].error = to[second[i].error];
		second[i].method = to[second[i].method];
	}
	m->exchange_count += other->exchange_count;
	m->undated += other->undated;
	m->inferred += other->inferred;
	free(to);
	return 0;
}

static int append_kin(struct loader *l, const struct loader *other)
{
	size_t n = l->kin_count + other->kin_count;
	struct kin *kin = other->kin_count ? spill_realloc(l->kin, n * sizeof(*kin)) : l->kin;

	if (!other->kin_count)
		return 0;
	if (!kin)
		return -ENOMEM;
	memcpy(kin + l->kin_count, other->kin, other->kin_count * sizeof(*kin));
	l->kin = kin;
	l->kin_count = l->kin_room = n;
	return 0;
}

/* What the other half needs of ours it only reads: the rows of processes, connections and faults. Each fills its part of one array. */
static int load_halves(struct loader *l, int64_t low, int64_t high)
{
	int64_t middle = low + (high - low) / 2;
	struct half other = {.low = middle + 1, .high = high};
	pthread_t thread;
	int err;

	l->reserve = (size_t)(middle - low + 1);
	other.m.exchanges = l->m->exchanges + l->reserve;
	other.l = (struct loader){.m = &other.m, .path = l->path, .error = other.error, .error_size = sizeof(other.error),
				  .processes = l->processes, .connections = l->connections, .faults = l->faults,
				  .connected = l->connected, .owners = l->owners,
				  .reserve = (size_t)(high - middle)};
	if (pthread_create(&thread, NULL, load_half, &other)) {
		l->reserve += other.l.reserve;
		return load_between(l, low, high);
	}
	err = load_between(l, low, middle);
	pthread_join(thread, NULL);
	if (!err && other.err) {
		snprintf(l->error, l->error_size, "%s", other.error);
		err = other.err;
	}
	if (!err && (join_halves(l->m, &other.m) || append_kin(l, &other.l)))
		err = fail(l, -ENOMEM, "not enough memory to read it");
	spill_free(other.l.kin);
	other.m.exchanges = NULL;	/* ours */
	model_free(&other.m);
	return err;
}

/* Room for a row of each id from low to high, when the file is large enough for all of them to have one. */
static bool reserve(struct loader *l, int64_t low, int64_t high)
{
	uint64_t span = (uint64_t)high - (uint64_t)low;
	struct stat file;

	if (stat(l->path, &file) || span >= (uint64_t)file.st_size / ROW_MIN)
		return false;
	l->m->exchanges = spill_realloc(NULL, (span + 1) * sizeof(*l->m->exchanges));
	return l->m->exchanges;
}

static int index_connections(struct loader *l)
{
	const struct model_connection *c = l->m->connections;
	size_t n = l->m->connection_count;
	int64_t low = n ? c[0].id : 0, high = low;

	for (size_t i = 0; i < n; i++) {
		low = c[i].id < low ? c[i].id : low;
		high = c[i].id > high ? c[i].id : high;
	}
	l->connected = c;
	l->owners = l->m->processes;
	if (rows_init(&l->connections, low, high, n))
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (rows_put(&l->connections, c[i].id, (uint32_t)i))
			return -ENOMEM;
	return 0;
}

static int load_exchanges(struct loader *l)
{
	sqlite3_stmt *row;
	int64_t low = 0, high = -1;

	if (sqlite3_prepare_v2(l->db, "SELECT min(id), max(id) FROM exchange", -1, &row, NULL) != SQLITE_OK)
		return fail(l, -EINVAL, sqlite3_errmsg(l->db));
	if (sqlite3_step(row) == SQLITE_ROW && !is_null(row, 0)) {
		low = sqlite3_column_int64(row, 0);
		high = sqlite3_column_int64(row, 1);
	}
	sqlite3_finalize(row);
	if (high < low)		/* there are none */
		return 0;
	progress_begin("reading", (uint64_t)high - (uint64_t)low);
	if ((uint64_t)high - (uint64_t)low < LARGE || !runfile_is_closed(l->path) || !reserve(l, low, high))
		return load_between(l, low, high);
	return load_halves(l, low, high);
}

static int load_tables(struct loader *l)
{
	static const struct table tables[] = {
		{"SELECT key, value FROM run", take_run},
		{"SELECT id, pid, service, covered, why, ended_ns, exit_status BETWEEN 0 AND 127 FROM process", take_process},
		{"SELECT id, process_id, role, local, peer, family = 'name', retransmits, bytes_unseen, opened_ns,"
		 " connected_ns, end FROM connection", take_connection},
		{"SELECT name, address FROM host", take_host},
		{"SELECT id, name, spec, matched, fired FROM fault ORDER BY id", take_fault},
		{"SELECT at_ns, name FROM mark ORDER BY at_ns, rowid", take_mark},
		{"SELECT source, reason, count FROM loss", take_loss},
	};
	static const struct table injections = {
		"SELECT fault_id, exchange_id, at_ns, action, intended_ns, achieved_ns FROM injection ORDER BY at_ns", take_injection};
	int err = 0;

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]) && !err; i++)
		err = load_table(l, &tables[i]);
	if (!err && index_connections(l))
		err = fail(l, -ENOMEM, "not enough memory to read it");
	if (!err)
		err = load_exchanges(l);
	if (!err && (hosts_place(l->m) || settle_exchanges(l)))
		err = fail(l, -ENOMEM, "not enough memory to read it");
	l->reserve = 0;
	return err ? err : load_table(l, &injections);
}

int model_load(struct model *m, const char *path, char *error, unsigned error_size)
{
	struct loader l = {.m = m, .path = path, .error = error, .error_size = error_size};
	int err = runfile_open(path, &l.db, error, error_size);

	if (err)
		return err;
	if (sqlite3_exec(l.db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)	/* one snapshot for all tables */
		err = fail(&l, -EIO, sqlite3_errmsg(l.db));
	else
		err = load_tables(&l);
	sqlite3_close(l.db);
	map_free(&l.processes);
	rows_free(&l.connections);
	rows_free(&l.exchanges);
	map_free(&l.faults);
	map_free(&l.threads);
	spill_free(l.kin);
	if (err)
		model_free(m);
	else
		settle_times(m);
	return err;
}

void model_free(struct model *m)
{
	texts_free(&m->names);
	spill_free(m->processes);
	spill_free(m->connections);
	spill_free(m->exchanges);
	spill_free(m->faults);
	spill_free(m->injections);
	spill_free(m->episodes);
	spill_free(m->losses);
	spill_free(m->hosts);
	*m = (struct model){0};
}

size_t model_first_from(const struct model *m, uint64_t at_ns)
{
	return m->exchange_count ? times_before(&m->exchanges->started_ns, sizeof(*m->exchanges), m->exchange_count, at_ns) : 0;
}

/* SPDX-License-Identifier: MIT */
#include "analyzer/read/load_exchanges.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "analyzer/read/column.h"
#include "analyzer/read/load_exchange.h"
#include "analyzer/read/progress.h"
#include "analyzer/read/spill.h"
#include "record/runfile.h"

#define LARGE 20000	/* exchanges: below, a second thread is not worth its while */
#define ROW_MIN 32	/* bytes in the file */
#define NEED 250	/* bytes of memory for a row, from here to the report (measured with a million) */

/* ---- of a large file that does not change, two threads read one half each ---- */

struct half {
	struct loader l;
	struct model m;
	int64_t low, high;	/* row ids */
	char error[512];
	int err;
};

static void *load_half(void *context)
{
	struct half *h = context;

	h->err = runfile_open(h->l.path, &h->l.db, h->error, sizeof(h->error));
	if (!h->err)
		h->err = load_exchanges_between(&h->l, h->low, h->high);
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
	m->unheeded += other->unheeded;
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
		return load_exchanges_between(l, low, high);
	}
	err = load_exchanges_between(l, low, middle);
	pthread_join(thread, NULL);
	if (!err && other.err) {
		snprintf(l->error, l->error_size, "%s", other.error);
		err = other.err;
	}
	if (!err && (join_halves(l->m, &other.m) || append_kin(l, &other.l)))
		err = loader_no_memory(l);
	spill_free(other.l.kin);
	other.m.exchanges = NULL;	/* ours */
	model_free(&other.m);
	return err;
}

/* ---- the whole ---- */

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

int load_exchanges(struct loader *l)
{
	sqlite3_stmt *row;
	int64_t low = 0, high = -1;

	if (sqlite3_prepare_v2(l->db, "SELECT min(id), max(id) FROM exchange", -1, &row, NULL) != SQLITE_OK)
		return loader_fail(l, -EINVAL, sqlite3_errmsg(l->db));
	if (sqlite3_step(row) == SQLITE_ROW && !column_is_null(row, 0)) {
		low = sqlite3_column_int64(row, 0);
		high = sqlite3_column_int64(row, 1);
	}
	sqlite3_finalize(row);
	if (high < low)		/* there are none */
		return 0;
	spill_expect((uint64_t)high - (uint64_t)low < SIZE_MAX / NEED ? (size_t)(high - low + 1) * NEED : SIZE_MAX);
	progress_begin("reading", (uint64_t)high - (uint64_t)low);
	if ((uint64_t)high - (uint64_t)low < LARGE || !runfile_is_closed(l->path) || !reserve(l, low, high))
		return load_exchanges_between(l, low, high);
	return load_halves(l, low, high);
}

/* SPDX-License-Identifier: MIT */
/*
 * Backpressure: who could not send as fast as it wanted because the other end did not read. From the kernel's witness (table syscall_latency): sends on
 * sockets that were refused as the buffer was full (EAGAIN: a program that does not wait), and those that took 10 ms or longer (one that does), by
 * the second in which they were made. Without that witness nothing is known; a run file of before the table had peers says nothing either.
 */
#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include "analyzer/measure.h"
#include "record/runfile.h"

/* What a call took is known to a bucket's upper bound. */
#define SENDS \
	"SELECT process_id, second, SUM(count), SUM(CASE WHEN error = 11 THEN count ELSE 0 END)," \
	" SUM(CASE WHEN error = 0 AND bucket_ns >= 10000000 THEN count ELSE 0 END)," \
	" SUM(CASE WHEN error = 0 AND bucket_ns >= 10000000 THEN sum_ns ELSE 0 END) FROM syscall_latency" \
	" WHERE peer IS NOT NULL AND syscall IN ('send', 'sendto', 'sendmsg', 'sendmmsg', 'write', 'writev', 'sendfile', 'splice')" \
	" GROUP BY process_id, second ORDER BY second"

struct ledger {
	struct measure *m;
	struct map service_at;	/* name -> row of the result */
	struct map process_at;	/* row id -> index of the model */
	size_t room;
};

static struct policy_backpressure *row_of(struct ledger *l, uint32_t service)
{
	struct result *r = l->m->r;
	uint32_t at = map_get(&l->service_at, service);

	if (at != MAP_NONE)
		return &r->backpressures[at];
	if (r->backpressure_count == l->room) {
		size_t room = l->room ? 2 * l->room : 8;
		struct policy_backpressure *longer = realloc(r->backpressures, room * sizeof(*longer));

		if (!longer)
			return NULL;
		r->backpressures = longer;
		l->room = room;
	}
	if (map_put(&l->service_at, service, (uint32_t)r->backpressure_count))
		return NULL;
	r->backpressures[r->backpressure_count] = (struct policy_backpressure){.service = service, .last_second = -1};
	return &r->backpressures[r->backpressure_count++];
}

static uint64_t counted(sqlite3_stmt *row, int column)
{
	sqlite3_int64 n = sqlite3_column_int64(row, column);

	return n > 0 ? (uint64_t)n : 0;
}

static int add_second(struct ledger *l, sqlite3_stmt *row)
{
	const struct model *run = &l->m->r->model;
	sqlite3_int64 second = sqlite3_column_int64(row, 1);
	uint32_t process = map_get(&l->process_at, (uint64_t)sqlite3_column_int64(row, 0));
	uint64_t at_ns = run->started_ns + (uint64_t)(second < 0 || second > INT32_MAX ? 0 : second) * NS_PER_S + NS_PER_S / 2;
	uint64_t refused = counted(row, 3), slow = counted(row, 4);
	struct policy_backpressure *p;

	if (process == MAP_NONE || second < 0 || second > INT32_MAX || !measure_counts(l->m, at_ns))
		return 0;
	p = row_of(l, run->processes[process].service);
	if (!p)
		return -ENOMEM;
	p->sends += counted(row, 2);
	p->refused += refused;
	p->slow += slow;
	p->slow_ms += (double)counted(row, 5) / NS_PER_MS;
	if (!refused && !slow)
		return 0;
	p->by_window[timeline_at(&l->m->r->timeline, at_ns)] += refused + slow;
	p->seconds += second != p->last_second;
	p->last_second = second;
	return 0;
}

static int read_sends(struct ledger *l, sqlite3 *db)
{
	sqlite3_stmt *row = NULL;
	int err = 0;

	if (sqlite3_prepare_v2(db, SENDS, -1, &row, NULL) != SQLITE_OK)
		return 0;
	while (!err && sqlite3_step(row) == SQLITE_ROW)
		err = add_second(l, row);
	sqlite3_finalize(row);
	return err;
}

int measure_backpressure(struct measure *m)
{
	struct ledger l = {.m = m};
	char error[512];
	sqlite3 *db;
	int err = 0;

	for (size_t i = 0; i < m->r->model.process_count && !err; i++)
		err = map_put(&l.process_at, (uint64_t)m->r->model.processes[i].id, (uint32_t)i);
	if (!err && m->path && !runfile_open(m->path, &db, error, sizeof(error))) {
		err = read_sends(&l, db);
		sqlite3_close(db);
	}
	map_free(&l.service_at);
	map_free(&l.process_at);
	return err ? -ENOMEM : 0;
}

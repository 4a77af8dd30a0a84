/* SPDX-License-Identifier: MIT */
#include "analyzer/read/model.h"

#include "analyzer/read/hosts.h"
#include "analyzer/read/load_exchanges.h"
#include "analyzer/read/load_faults.h"
#include "analyzer/read/load_places.h"
#include "analyzer/read/loader.h"
#include "analyzer/read/settle.h"
#include "analyzer/read/spill.h"
#include "analyzer/read/times.h"
#include "record/runfile.h"

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

static int load_tables(struct loader *l)
{
	int err = load_places(l);

	err = err ? err : load_faults(l);
	err = err ? err : load_losses(l);
	if (!err && index_connections(l))
		err = loader_no_memory(l);
	err = err ? err : load_exchanges(l);
	if (!err && (hosts_place(l->m) || settle_exchanges(l)))
		err = loader_no_memory(l);
	l->reserve = 0;
	return err ? err : load_injections(l);
}

int model_load(struct model *m, const char *path, char *error, unsigned error_size)
{
	struct loader l = {.m = m, .path = path, .error = error, .error_size = error_size};
	int err = runfile_open(path, &l.db, error, error_size);

	if (err)
		return err;
	if (sqlite3_exec(l.db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)	/* one snapshot for all tables */
		err = loader_fail(&l, -EIO, sqlite3_errmsg(l.db));
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

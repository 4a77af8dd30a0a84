/* SPDX-License-Identifier: MIT */
#include "analyzer/read/load_places.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "analyzer/read/column.h"

/* Seeds are stored as signed integers. */
static int take_seed(struct loader *l, sqlite3_stmt *row, int column)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%llu", (unsigned long long)column_word(row, column));
	l->m->seed = texts_add(&l->m->names, digits);
	return l->m->seed == MAP_NONE ? -ENOMEM : 0;
}

static void take_clocks(struct model_clocks *c, const char *text)
{
	if (!text || sscanf(text, "[%" SCNu64 ",%" SCNu64 ",%" SCNu64 "]", &c->real_ns, &c->monotonic_ns, &c->boot_ns) != 3)
		*c = (struct model_clocks){0};
}

static int take_run(struct loader *l, sqlite3_stmt *row)
{
	static const struct { const char *key; size_t number, text; } keys[] = {
		{"started_ns", offsetof(struct model, started_ns), 0}, {"ended_ns", offsetof(struct model, ended_ns), 0},
		{"started", 0, offsetof(struct model, started)},
		{"host", 0, offsetof(struct model, host)}, {"sources", 0, offsetof(struct model, sources)},
		{"missing_hooks", 0, offsetof(struct model, missing_hooks)},
	};
	const char *key = column_text(row, 0);

	for (size_t i = 0; key && i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(key, keys[i].key) || column_is_null(row, 1))
			continue;
		if (keys[i].text)
			return loader_name(l, row, 1, (uint32_t *)((char *)l->m + keys[i].text));
		*(uint64_t *)((char *)l->m + keys[i].number) = column_positive(row, 1);
	}
	if (key && !strcmp(key, "seed") && sqlite3_column_type(row, 1) == SQLITE_INTEGER)
		return take_seed(l, row, 1);
	if (key && !strcmp(key, "clean_end"))
		l->m->clean_end = column_word(row, 1) != 0;
	if (key && !strcmp(key, "clocks_start"))
		take_clocks(&l->m->clocks_start, column_text(row, 1));
	if (key && !strcmp(key, "clocks_end"))
		take_clocks(&l->m->clocks_end, column_text(row, 1));
	return 0;
}

static int take_process(struct loader *l, sqlite3_stmt *row)
{
	struct model_process *p;
	char unnamed[32];

	if (LOADER_GROW(l, processes, process_count))
		return -ENOMEM;
	p = &l->m->processes[l->m->process_count];
	*p = (struct model_process){.id = sqlite3_column_int64(row, 0), .pid = sqlite3_column_int64(row, 1),
				    .covered = sqlite3_column_int(row, 3) != 0, .ended_ns = column_positive(row, 5),
				    .exited = sqlite3_column_int(row, 6) != 0};
	if (loader_name(l, row, 2, &p->service) || loader_name(l, row, 4, &p->why))
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

	if (LOADER_GROW(l, connections, connection_count))
		return -ENOMEM;
	c = &l->m->connections[l->m->connection_count];
	*c = (struct model_connection){.id = sqlite3_column_int64(row, 0), .process = map_get(&l->processes, column_word(row, 1)),
				       .role = loader_role(row, 2), .first = MODEL_NONE};
	c->unresolved = sqlite3_column_int(row, 5) != 0;
	c->retransmits = column_positive(row, 6);
	c->unseen = column_positive(row, 7);
	c->opened_ns = column_positive(row, 8);
	c->connected_ns = column_positive(row, 9);
	if (loader_name(l, row, 3, &c->local) || loader_name(l, row, 4, &c->peer) || loader_name(l, row, 10, &c->end))
		return -ENOMEM;
	l->m->connection_count++;
	return 0;
}

static int take_host(struct loader *l, sqlite3_stmt *row)
{
	if (LOADER_GROW(l, hosts, host_count))
		return -ENOMEM;
	if (loader_name(l, row, 0, &l->m->hosts[l->m->host_count].name) || loader_name(l, row, 1, &l->m->hosts[l->m->host_count].address))
		return -ENOMEM;
	l->m->host_count++;
	return 0;
}

static int take_loss(struct loader *l, sqlite3_stmt *row)
{
	struct model_loss *loss;

	if (LOADER_GROW(l, losses, loss_count))
		return -ENOMEM;
	loss = &l->m->losses[l->m->loss_count];
	*loss = (struct model_loss){.count = column_positive(row, 2)};
	if (loader_name(l, row, 0, &loss->source) || loader_name(l, row, 1, &loss->reason))
		return -ENOMEM;
	l->m->loss_count += loss->count != 0;
	return 0;
}

int load_places(struct loader *l)
{
	static const struct table tables[] = {
		{"SELECT key, value FROM run", take_run},
		{"SELECT id, pid, service, covered, why, ended_ns, exit_status BETWEEN 0 AND 127 FROM process", take_process},
		{"SELECT id, process_id, role, local, peer, family = 'name', retransmits, bytes_unseen, opened_ns,"
		 " connected_ns, end FROM connection", take_connection},
		{"SELECT name, address FROM host", take_host},
	};
	int err = 0;

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]) && !err; i++)
		err = loader_table(l, &tables[i]);
	return err;
}

int load_losses(struct loader *l)
{
	static const struct table losses = {"SELECT source, reason, count FROM loss", take_loss};

	return loader_table(l, &losses);
}

/* SPDX-License-Identifier: MIT */
#include "ebpf/processes.h"

#include <stdlib.h>

struct processes_entry *processes_find(const struct processes *ps, uint32_t pid)
{
	return index_get(&ps->by_pid, pid);
}

struct processes_entry *processes_add(struct processes *ps, uint32_t pid)
{
	struct processes_entry *e = pid ? processes_find(ps, pid) : NULL;

	if (e || !pid)
		return e;
	e = calloc(1, sizeof(*e));
	if (!e || index_put(&ps->by_pid, pid, e)) {
		free(e);
		return NULL;
	}
	e->p.pid = pid;
	LIST_INSERT_HEAD(&ps->all, e, all);
	return e;
}

void processes_remove(struct processes *ps, uint32_t pid)
{
	struct processes_entry *e = processes_find(ps, pid);

	if (!e)
		return;
	index_remove(&ps->by_pid, pid);
	LIST_REMOVE(e, all);
	free(e);
}

size_t processes_count(const struct processes *ps)
{
	return ps->by_pid.count;
}

void processes_free(struct processes *ps)
{
	struct processes_entry *e;

	while ((e = LIST_FIRST(&ps->all)))
		processes_remove(ps, e->p.pid);
	index_clear(&ps->by_pid);
}

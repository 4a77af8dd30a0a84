/* SPDX-License-Identifier: MIT */
#include "ebpf/processes.h"

#include <stdlib.h>
#include <string.h>

/* The index of pid, or of where it belongs. */
static size_t place_of(const struct processes *ps, uint32_t pid)
{
	size_t low = 0, high = ps->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ps->entries[middle].p.pid < pid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct processes_entry *processes_find(const struct processes *ps, uint32_t pid)
{
	size_t at = place_of(ps, pid);

	return at < ps->count && ps->entries[at].p.pid == pid ? &ps->entries[at] : NULL;
}

static int grow(struct processes *ps)
{
	size_t room = ps->room ? ps->room * 2 : 16;
	struct processes_entry *more = realloc(ps->entries, room * sizeof(*more));

	if (!more)
		return -1;
	ps->entries = more;
	ps->room = room;
	return 0;
}

struct processes_entry *processes_add(struct processes *ps, uint32_t pid)
{
	size_t at = place_of(ps, pid);
	struct processes_entry *e;

	if (at < ps->count && ps->entries[at].p.pid == pid)
		return &ps->entries[at];
	if (ps->count == ps->room && grow(ps))
		return NULL;
	e = &ps->entries[at];
	memmove(e + 1, e, (ps->count - at) * sizeof(*e));
	ps->count++;
	memset(e, 0, sizeof(*e));
	e->p.pid = pid;
	return e;
}

void processes_remove(struct processes *ps, uint32_t pid)
{
	struct processes_entry *e = processes_find(ps, pid);

	if (!e)
		return;
	ps->count--;
	memmove(e, e + 1, (size_t)(ps->entries + ps->count - e) * sizeof(*e));
}

void processes_free(struct processes *ps)
{
	free(ps->entries);
	memset(ps, 0, sizeof(*ps));
}

/* SPDX-License-Identifier: MIT */
#include "analyzer/infer/unresolved.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/measure.h"
#include "analyzer/read/spill.h"

static int by_process(const void *a, const void *b)
{
	const struct unresolved_moment *x = a, *y = b;

	if (x->process != y->process)
		return x->process > y->process ? 1 : -1;
	return (x->at_ns > y->at_ns) - (x->at_ns < y->at_ns);
}

static bool is_unresolved(const struct measure *m, const struct model_exchange *x)
{
	const char *error = measure_text(m, x->error);

	return x->role == MODEL_CLIENT && x->process != MODEL_NONE && model_failed(x) && strstr(error, "EAI_");
}

int unresolved_find(struct unresolved *u, const struct measure *m)
{
	const struct model *run = &m->r->model;

	for (size_t i = 0; i < run->exchange_count; i++)
		u->n += run->exchanges[i].error && is_unresolved(m, &run->exchanges[i]);
	u->of = spill_realloc(NULL, (u->n + 1) * sizeof(*u->of));
	if (!u->of)
		return -ENOMEM;
	u->n = 0;
	for (size_t i = 0; i < run->exchange_count; i++)
		if (run->exchanges[i].error && is_unresolved(m, &run->exchanges[i]))
			u->of[u->n++] = (struct unresolved_moment){run->exchanges[i].process, run->exchanges[i].started_ns};
	qsort(u->of, u->n, sizeof(*u->of), by_process);
	return 0;
}

int unresolved_times(const struct unresolved *u, uint32_t process, uint64_t **times, size_t *n)
{
	size_t low = 0, high = u->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (u->of[mid].process < process)
			low = mid + 1;
		else
			high = mid;
	}
	for (*n = 0; low + *n < u->n && u->of[low + *n].process == process;)
		++*n;
	*times = spill_realloc(NULL, (*n + 1) * sizeof(**times));
	for (size_t i = 0; *times && i < *n; i++)
		(*times)[i] = u->of[low + i].at_ns;
	return *times ? 0 : -ENOMEM;
}

void unresolved_free(struct unresolved *u)
{
	spill_free(u->of);
	*u = (struct unresolved){0};
}

/* SPDX-License-Identifier: MIT */
#include "analyzer/link/spans.h"

#include <errno.h>
#include "analyzer/read/spill.h"

/* An attempt of a process that serves others, at something known. */
static bool concerned(const struct model *m, const struct model_exchange *x)
{
	return x->role == MODEL_CLIENT && x->edge != MODEL_NONE && x->process != MODEL_NONE && m->processes[x->process].inbound &&
	       (x->target || x->fingerprint);
}

static int add(struct spans *s, const struct model_exchange *x)
{
	uint64_t request = model_request(x);

	if (map_get(&s->index, request) != MAP_NONE)
		return 0;
	if (SPILL_GROW(s->of, s->count, s->room))
		return -ENOMEM;
	s->of[s->count] = (struct span){UINT64_MAX, 0};
	return map_put(&s->index, request, (uint32_t)s->count++);
}

static void widen(struct spans *s, const struct model_exchange *x)
{
	uint32_t at = map_get(&s->index, model_request(x));

	if (at == MAP_NONE)
		return;
	if (x->started_ns < s->of[at].first_ns)
		s->of[at].first_ns = x->started_ns;
	if (x->started_ns > s->of[at].last_ns)
		s->of[at].last_ns = x->started_ns;
}

int spans_build(struct spans *s, const struct model *m)
{
	int err = 0;

	for (size_t i = 0; i < m->exchange_count && !err; i++)
		if (concerned(m, &m->exchanges[i]) && model_failed(&m->exchanges[i]))
			err = add(s, &m->exchanges[i]);
	for (size_t i = 0; s->count && i < m->exchange_count && !err; i++)
		if (concerned(m, &m->exchanges[i]))
			widen(s, &m->exchanges[i]);
	return err;
}

bool spans_within(const struct spans *s, const struct model_exchange *x, uint64_t from_ns, uint64_t to_ns)
{
	uint32_t at = s->count && (x->target || x->fingerprint) ? map_get(&s->index, model_request(x)) : MAP_NONE;

	return at != MAP_NONE && s->of[at].first_ns >= from_ns && (!to_ns || s->of[at].last_ns <= to_ns);
}

void spans_free(struct spans *s)
{
	map_free(&s->index);
	spill_free(s->of);
	*s = (struct spans){0};
}

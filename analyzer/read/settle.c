/* SPDX-License-Identifier: MIT */
#include "analyzer/read/settle.h"

#include "analyzer/read/flow.h"
#include "analyzer/read/radix.h"
#include "analyzer/read/rows.h"
#include "analyzer/read/spill.h"

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
	p->answered += x->role == MODEL_SERVER && x->first_byte_ns;
	p->handed += x->role == MODEL_SERVER && x->first_byte_ns && !x->tid;
	p->outbound |= x->role == MODEL_CLIENT;
	return x->role == MODEL_CLIENT ? flow_note(l->m, &l->threads, p, (uint32_t)(x - l->m->exchanges)) : 0;
}

int settle_exchanges(struct loader *l)
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

void settle_times(struct model *m)
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

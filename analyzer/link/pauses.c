/* SPDX-License-Identifier: MIT */
#include "analyzer/link/pauses.h"

#include <errno.h>
#include "analyzer/read/spill.h"

/* Whether attempt k of a request is another one's, if its client's breaker was open before it. */
static bool is_across(const struct measure *m, const struct link_logical *q, struct chains_span attempts, size_t k)
{
	const struct model_exchange *x = &m->r->model.exchanges[attempts.members[k - 1]], *y = &m->r->model.exchanges[attempts.members[k]];

	return q->tier == LINK_TEMPORAL && model_failed_before(x, y) &&
	       policy_breaker_was_open(&m->r->edges[q->edge].breaker, x->process, x->ended_ns, y->started_ns);
}

/* Counts the attempts of a request that follow a pause; marks, per exchange: notes which they are; NULL. */
static size_t find_within(const struct measure *m, uint32_t logical, bool *marks)
{
	struct chains_span attempts = chains_of(&m->chains.by_logical, logical);
	size_t n = 0;

	for (size_t k = 1; k < attempts.n; k++) {
		bool across = is_across(m, &m->link.logicals[logical], attempts, k);

		n += across;
		if (marks && across)
			marks[attempts.members[k]] = true;
	}
	return n;
}

static size_t find_across(const struct measure *m, uint32_t edge, bool *marks)
{
	struct chains_span requests = chains_of(&m->chains.requests, edge);
	size_t n = 0;

	for (size_t i = 0; i < requests.n && m->r->edges[edge].breaker.span_count; i++)
		n += find_within(m, requests.members[i], marks);
	return n;
}

size_t pauses_within(const struct measure *m, uint32_t logical)
{
	return find_within(m, logical, NULL);
}

size_t pauses_across(const struct measure *m, uint32_t edge)
{
	return find_across(m, edge, NULL);
}

/* Whether nothing else would look the same. */
static bool is_sure(const struct policy_breaker *b)
{
	return b->confidence > CONFIDENCE_LOW;
}

/* Collects the requests anew, each from its first attempt, or one that is marked, up to the next that is. */
static int collect(struct measure *m, const bool *marks, size_t more)
{
	struct link_logical *to = spill_calloc(m->link.count + more + 1, sizeof(*to)), *was = m->link.logicals;
	uint32_t *now = spill_realloc(NULL, (m->link.count + 1) * sizeof(*now)), count = 0;	/* per request that was: what its latest attempt is in */

	for (uint32_t i = 0; to && now && i < m->r->model.exchange_count; i++) {
		struct model_exchange *x = &m->r->model.exchanges[i];

		if (x->edge == MODEL_NONE)
			continue;
		if (was[x->logical].first == i || marks[i]) {
			now[x->logical] = count;
			to[count++] = (struct link_logical){.started_ns = x->started_ns, .first = i, .edge = x->edge, .tier = was[x->logical].tier};
		}
		x->logical = now[x->logical];
		link_extend(&to[x->logical], &m->r->model, i);
	}
	spill_free(now);
	if (!to || !now) {
		spill_free(to);
		return -ENOMEM;
	}
	spill_free(was);
	m->link.logicals = to;
	m->link.count = count;
	return link_choose_tiers(&m->link, &m->graph);
}

int pauses_part(struct measure *m, bool *parted)
{
	bool *marks, any = false;
	size_t more = 0;
	int err;

	for (uint32_t e = 0; e < m->r->edge_count && !any; e++)
		any = is_sure(&m->r->edges[e].breaker) && pauses_across(m, e);
	*parted = any;
	if (!any)
		return 0;
	marks = spill_calloc(m->r->model.exchange_count + 1, sizeof(*marks));
	err = marks ? 0 : -ENOMEM;
	for (uint32_t e = 0; marks && e < m->r->edge_count; e++)
		more += is_sure(&m->r->edges[e].breaker) ? find_across(m, e, marks) : 0;
	if (!err)
		err = collect(m, marks, more);
	spill_free(marks);
	return err;
}

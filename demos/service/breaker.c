/* SPDX-License-Identifier: MIT */
#include "demos/service/breaker.h"

#include <string.h>

const char *const breaker_state_names[BREAKER_STATES] = {
	[BREAKER_CLOSED] = "closed",
	[BREAKER_OPEN] = "open",
	[BREAKER_HALF_OPEN] = "half_open",
};

void breaker_init(struct breaker *b, const struct breaker_policy *policy)
{
	memset(b, 0, sizeof(*b));
	b->policy = policy;
}

/* A new spell knows nothing of the last one. */
static void enter(struct breaker *b, enum breaker_state state)
{
	b->state = state;
	b->spell++;
	b->entered[state]++;
	b->in_a_row = b->calls = b->failures = b->next = 0;
	b->probing = b->good_probes = 0;
}

static void open_at(struct breaker *b, uint64_t now_ns)
{
	enter(b, BREAKER_OPEN);
	b->opened_ns = now_ns;
}

uint64_t breaker_left_ns(const struct breaker *b, uint64_t now_ns)
{
	uint64_t gone_ns = now_ns > b->opened_ns ? now_ns - b->opened_ns : 0;

	return b->state == BREAKER_OPEN && gone_ns < b->policy->open_ns ? b->policy->open_ns - gone_ns : 0;
}

bool breaker_admits(struct breaker *b, uint64_t now_ns, uint64_t *ticket)
{
	if (b->state == BREAKER_OPEN && !breaker_left_ns(b, now_ns))
		enter(b, BREAKER_HALF_OPEN);
	if (b->state == BREAKER_OPEN || (b->state == BREAKER_HALF_OPEN && b->probing >= b->policy->permits)) {
		b->refused++;
		return false;
	}
	if (b->state == BREAKER_HALF_OPEN)
		b->probing++;
	*ticket = b->spell;
	return true;
}

static void remember(struct breaker *b, bool is_ok)
{
	if (b->calls == b->policy->window)
		b->failures -= b->failed[b->next];
	else
		b->calls++;
	b->failed[b->next] = !is_ok;
	b->failures += !is_ok;
	b->next = (b->next + 1) % b->policy->window;
}

static bool is_tripped(const struct breaker *b)
{
	const struct breaker_policy *p = b->policy;

	if (p->consecutive && b->in_a_row >= p->consecutive)
		return true;
	return p->rate > 0 && b->calls >= p->min_calls && (double)b->failures >= p->rate * (double)b->calls;
}

static void closed_ended(struct breaker *b, uint64_t now_ns, bool is_ok)
{
	b->in_a_row = is_ok ? 0 : b->in_a_row + 1;
	if (b->policy->rate > 0)
		remember(b, is_ok);
	if (!is_ok && is_tripped(b))
		open_at(b, now_ns);
}

static void probe_ended(struct breaker *b, uint64_t now_ns, bool is_ok)
{
	b->probing--;
	if (!is_ok)
		open_at(b, now_ns);
	else if (++b->good_probes >= b->policy->close_after)
		enter(b, BREAKER_CLOSED);
}

void breaker_ended(struct breaker *b, uint64_t now_ns, uint64_t ticket, bool is_ok)
{
	if (ticket != b->spell)
		return;
	if (b->state == BREAKER_CLOSED)
		closed_ended(b, now_ns, is_ok);
	else if (b->state == BREAKER_HALF_OPEN)
		probe_ended(b, now_ns, is_ok);
}

void breaker_unused(struct breaker *b, uint64_t ticket)
{
	if (ticket == b->spell && b->state == BREAKER_HALF_OPEN)
		b->probing--;
}

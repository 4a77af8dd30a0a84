/* SPDX-License-Identifier: MIT */
#include "demos/service/bulkhead.h"

#include <stddef.h>

void bulkhead_init(struct bulkhead *b, const struct bulkhead_policy *policy)
{
	*b = (struct bulkhead){.policy = policy};
}

static void link_last(struct bulkhead *b, struct bulkhead_waiter *w)
{
	w->previous = b->last;
	w->next = NULL;
	if (b->last)
		b->last->next = w;
	else
		b->first = w;
	b->last = w;
	b->waiting++;
}

static void unlink_waiter(struct bulkhead *b, struct bulkhead_waiter *w)
{
	if (w->previous)
		w->previous->next = w->next;
	else
		b->first = w->next;
	if (w->next)
		w->next->previous = w->previous;
	else
		b->last = w->previous;
	b->waiting--;
}

enum bulkhead_answer bulkhead_enter(struct bulkhead *b, uint64_t now_ns, struct bulkhead_waiter *waiter)
{
	const struct bulkhead_policy *p = b->policy;

	*waiter = (struct bulkhead_waiter){.answer = BULKHEAD_FULL};
	if (b->in < p->width) {
		b->in++;
		waiter->answer = BULKHEAD_IN;
	} else if (b->waiting < p->queue && p->wait_ns) {
		waiter->answer = BULKHEAD_WAIT;
		waiter->until_ns = p->wait_ns < UINT64_MAX - now_ns ? now_ns + p->wait_ns : UINT64_MAX;
		link_last(b, waiter);
	} else {
		b->refused++;
	}
	return waiter->answer;
}

enum bulkhead_answer bulkhead_again(struct bulkhead *b, uint64_t now_ns, struct bulkhead_waiter *waiter)
{
	if (waiter->answer == BULKHEAD_WAIT && now_ns >= waiter->until_ns) {
		unlink_waiter(b, waiter);
		waiter->answer = BULKHEAD_FULL;
		b->refused++;
	}
	return waiter->answer;
}

void bulkhead_leave(struct bulkhead *b)
{
	struct bulkhead_waiter *w = b->first;

	if (!w) {
		b->in--;
		return;
	}
	unlink_waiter(b, w);
	w->answer = BULKHEAD_IN;
}

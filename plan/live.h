/* SPDX-License-Identifier: MIT */
/*
 * Changing the faults of a control page while guests read it. Each change is one store: a reader has the set of faults
 * before it or the one after it. What has left the set stays readable for PAGE_REST_NS, for those who still look.
 *
 * Not for guests. One writer at a time: the caller holds the lock of the run's changes. A writer that is killed
 * at any point leaves a page that is whole.
 */
#ifndef AFTERSHOCK_PLAN_LIVE_H
#define AFTERSHOCK_PLAN_LIVE_H

#include <stdbool.h>
#include <stdint.h>
#include "plan/plan.h"

enum live_state {
	LIVE_OFF,	/* disabled */
	LIVE_WAITING,	/* on, its `from` lies ahead */
	LIVE_ON,
	LIVE_ENDED,	/* on, its `for` is over */
	LIVE_STATES
};

/* Makes the faults of mask, and no others, those that are on. */
void live_publish(struct page *page, uint64_t mask);

/* The slot of the listed fault called name, or -ENOENT. */
int live_find(const struct page *page, const char *name);

/* A fault's name (its slot is listed), at most size - 1 bytes; returns out. */
const char *live_name(const struct page *page, unsigned slot, char *out, unsigned size);

/* What a listed fault does at this time. */
enum live_state live_state(const struct page *page, unsigned slot, uint64_t now_ns);

/*
 * Writes fault `index` of p to a slot that nobody reads; it is neither listed nor on yet. Returns the slot; -EAGAIN: room comes
 * when what was replaced or cleared lately has rested, at *retry_ns; -ENOSPC: PAGE_FAULT_MAX faults are listed (a fault of the
 * same name counts: it is replaced only later); -E2BIG: the texts do not fit beside those of the listed faults.
 */
int live_put(struct page *page, const struct plan *p, unsigned index, uint64_t now_ns, uint64_t *retry_ns);

/* Switches a fault that live_put() wrote on; one of the same name goes in the same instant. */
void live_start(struct page *page, unsigned slot, uint64_t now_ns);

/* Switches a listed fault on or off. */
void live_switch(struct page *page, unsigned slot, bool on);

/* Takes the faults of mask off the list. */
void live_retire(struct page *page, uint64_t mask, uint64_t now_ns);

#endif

/* SPDX-License-Identifier: MIT */
#include "preload/names.h"

#include <stdatomic.h>
#include "base/hash.h"
#include "plan/decide.h"
#include "preload/guest.h"

#define SETS 512	/* power of two */
#define WAYS 8

struct set {
	_Atomic uint64_t pairs[WAYS];	/* 0: free */
	_Atomic uint32_t turn;		/* which is replaced next */
};

static struct set sets[SETS];

static uint64_t pair_of(uint64_t host, const struct addr *a)
{
	size_t n = a->family == ADDR_IP4 ? 4 : a->family == ADDR_IP6 ? 16 : 0;
	uint64_t pair = hash_mix(host ^ hash_bytes(HASH_SEED, a->ip, n));

	return !host || !n ? 0 : pair ? pair : 1;
}

static bool has(const struct set *s, uint64_t pair)
{
	for (int i = 0; i < WAYS; i++)
		if (atomic_load_explicit(&s->pairs[i], memory_order_relaxed) == pair)
			return true;
	return false;
}

static void note_forgotten(void)
{
	for (uint32_t i = 0; i < guest.page->fault_count; i++) {
		if (guest.page->faults[i].peer != PAGE_PEER_HOST)
			continue;
		guest_lost(PAGE_LOST_NAME);
		return;
	}
}

bool names_learn(uint64_t host, const struct addr *address)
{
	uint64_t pair = pair_of(host, address);
	struct set *s = &sets[pair % SETS];
	uint32_t way;

	if (!pair || has(s, pair))
		return false;
	way = atomic_fetch_add_explicit(&s->turn, 1, memory_order_relaxed) % WAYS;
	if (atomic_exchange_explicit(&s->pairs[way], pair, memory_order_relaxed))
		note_forgotten();
	return true;
}

bool names_know(uint64_t host, const struct addr *address)
{
	uint64_t pair = pair_of(host, address);

	return pair && has(&sets[pair % SETS], pair);
}

/* A request that asks for another name of the same address is not for this one. */
bool names_match(const struct page_fault *f, enum page_side side, const struct addr *end, const struct authority *asked)
{
	bool resolved;

	if (f->peer != PAGE_PEER_HOST || decide_is_asked(f, end, asked))
		return true;
	resolved = side == PAGE_TO && names_know(f->host_hash, end);
	if (resolved && asked->host != f->host_hash && names_know(asked->host, end))
		resolved = false;
	return decide_is_host(guest.page, f, end, resolved);
}

bool names_may_match(const struct page_fault *f, enum page_side side, const struct addr *end)
{
	static const struct authority none;

	if (f->peer != PAGE_PEER_HOST || end->family == ADDR_NONE)
		return false;
	if (end->family != ADDR_NAME && decide_is_at(f, DECIDE_EXCHANGE))
		return true;
	return names_match(f, side, end, &none);
}

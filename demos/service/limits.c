/* SPDX-License-Identifier: MIT */
#include "demos/service/limits.h"

#include <stdlib.h>
#include <string.h>

#define NS_PER_MINUTE 60000000000ull

void limits_init(struct limits *l, const struct limits_policy *policy)
{
	*l = (struct limits){.policy = policy};
}

/* FNV-1a, 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/). */
static uint64_t hash_of(const char *tenant)
{
	uint64_t hash = 0xcbf29ce484222325ull;

	for (; *tenant; tenant++)
		hash = (hash ^ (unsigned char)*tenant) * 0x100000001b3ull;
	return hash;
}

/* Forgets those of one slot whose bucket is full. */
static void sweep_slot(struct limits *l, struct limits_bucket **at, uint64_t now_ns)
{
	while (*at) {
		struct limits_bucket *b = *at;

		if (b->full_ns > now_ns) {
			at = &b->next;
			continue;
		}
		*at = b->next;
		free(b);
		l->count--;
	}
}

static struct limits_bucket *add(struct limits *l, const char *tenant, uint64_t hash, uint64_t now_ns)
{
	size_t bytes = strlen(tenant) + 1;
	struct limits_bucket *b, **slot = &l->slots[hash % LIMITS_SLOTS];

	b = l->count < LIMITS_TENANTS ? malloc(sizeof(*b) + bytes) : NULL;
	if (!b)
		return &l->others;
	*b = (struct limits_bucket){.next = *slot, .full_ns = now_ns, .hash = hash};
	memcpy(b->tenant, tenant, bytes);
	*slot = b;
	l->count++;
	return b;
}

/* A slot is swept whenever somebody new comes to it; all of them when there is no room left. */
static struct limits_bucket *bucket_of(struct limits *l, const char *tenant, uint64_t now_ns)
{
	uint64_t hash = hash_of(tenant);

	for (struct limits_bucket *b = l->slots[hash % LIMITS_SLOTS]; b; b = b->next)
		if (b->hash == hash && !strcmp(b->tenant, tenant))
			return b;
	sweep_slot(l, &l->slots[hash % LIMITS_SLOTS], now_ns);
	for (unsigned i = 0; l->count >= LIMITS_TENANTS && i < LIMITS_SLOTS; i++)
		sweep_slot(l, &l->slots[i], now_ns);
	return add(l, tenant, hash, now_ns);
}

bool limits_take(struct limits *l, const char *tenant, uint64_t now_ns, uint64_t *wait_ns)
{
	struct limits_bucket *b = bucket_of(l, tenant, now_ns);
	uint64_t token_ns = NS_PER_MINUTE / l->policy->per_minute, burst_ns = token_ns * l->policy->burst;
	uint64_t full_ns = (b->full_ns > now_ns ? b->full_ns : now_ns) + token_ns;

	if (full_ns - now_ns <= burst_ns) {
		b->full_ns = full_ns;
		return true;
	}
	*wait_ns = full_ns - now_ns - burst_ns;
	l->refused++;
	return false;
}

void limits_clear(struct limits *l)
{
	for (unsigned i = 0; i < LIMITS_SLOTS; i++)
		while (l->slots[i]) {
			struct limits_bucket *b = l->slots[i];

			l->slots[i] = b->next;
			free(b);
		}
	l->count = 0;
}

/* SPDX-License-Identifier: MIT */
#include "record/journal.h"

#include <string.h>

#define CACHE_LINE 64
#define FETCHED_BYTES (3 * CACHE_LINE)	/* what the beginning of an exchange writes, with a path of ordinary length */

/* Takes the first free segment from the hint on, the lowest that the reader gave back; index, or -1 when all are taken. */
static int claim(struct journal *j, uint32_t pid)
{
	uint32_t n = j->segment_count, from = atomic_load_explicit(&j->hint, memory_order_relaxed);

	for (uint32_t k = 0; k < n; k++) {
		uint32_t i = (from + k) % n, free = JOURNAL_FREE;

		if (atomic_load_explicit(&j->segments[i].state, memory_order_relaxed) != JOURNAL_FREE)
			continue;
		if (!atomic_compare_exchange_strong(&j->segments[i].state, &free, JOURNAL_OWNED))
			continue;
		atomic_store_explicit(&j->segments[i].owner, pid, memory_order_release);
		atomic_store_explicit(&j->hint, i + 1, memory_order_relaxed);
		return (int)i;
	}
	return -1;
}

/* Fetches the lines of the next record for writing: the reader had them last, on another core, and this thread would wait for each. */
static void fetch_ahead(const struct journal_record *r)
{
	for (size_t line = 0; line < FETCHED_BYTES; line += CACHE_LINE) {
		const char *at = (const char *)(r + 1) + line;

#ifdef __x86_64__
		__asm__ volatile("prefetchw %0" : : "m"(*at));	/* the builtin means it only with -mprfchw; every 64-bit processor takes it */
#else
		__builtin_prefetch(at, 1);
#endif
	}
}

struct journal_record *journal_reserve(struct journal_writer *w, uint32_t pid)
{
	struct journal *j = w->j;

	while (j) {
		int32_t mine = atomic_load_explicit(&w->segment, memory_order_acquire);
		int next;

		if (mine) {
			uint32_t at = atomic_fetch_add_explicit(&j->segments[mine - 1].reserved, 1, memory_order_acquire);

			if (at < JOURNAL_SEGMENT_RECORDS) {
				struct journal_record *r = &j->records[(size_t)(mine - 1) * JOURNAL_SEGMENT_RECORDS + at];

				fetch_ahead(r);
				memset((char *)r + sizeof(r->commit), 0, offsetof(struct journal_record, x.correlation) - sizeof(r->commit));
				return r;
			}
		}
		next = claim(j, pid);
		if (next < 0)
			return NULL;
		/* Another thread may have claimed one too: keep its choice and give ours back unused. */
		if (!atomic_compare_exchange_strong(&w->segment, &mine, next + 1))
			atomic_store_explicit(&j->segments[next].state, JOURNAL_FREE, memory_order_release);
	}
	return NULL;
}

static uint32_t open_begin(uint64_t exchange)
{
	return JOURNAL_BEGIN | (uint32_t)exchange << 8;
}

void journal_commit(struct journal_record *r, enum journal_kind kind)
{
	atomic_store_explicit(&r->commit, kind == JOURNAL_BEGIN ? open_begin(r->exchange) : (uint32_t)kind, memory_order_release);
}

struct journal_record *journal_reopen(struct journal_record *r, uint64_t exchange, uint32_t pid)
{
	uint32_t open = open_begin(exchange);

	if (!r || !atomic_compare_exchange_strong_explicit(&r->commit, &open, JOURNAL_REOPENED, memory_order_acquire, memory_order_relaxed))
		return NULL;
	if (r->exchange == exchange && r->pid == pid)
		return r;
	journal_commit(r, JOURNAL_BEGIN);	/* another one with the same low bits, or the parent's */
	return NULL;
}

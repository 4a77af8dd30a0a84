/* SPDX-License-Identifier: MIT */
#include "plan/live.h"
#include <errno.h>
#include <string.h>
#include "plan/decide.h"
#include "plan/fault.h"

#define BIT(slot) (1ull << (slot))

void live_publish(struct page *page, uint64_t mask)
{
	uint64_t next = atomic_load_explicit(&page->version, memory_order_relaxed) + 1;

	atomic_store_explicit(&page->live[next % PAGE_VERSIONS], mask, memory_order_release);
	atomic_store_explicit(&page->version, next, memory_order_release);
}

static uint64_t live_now(const struct page *page)
{
	return page_live(page, page_version(page));
}

const char *live_name(const struct page *page, unsigned slot, char *out, unsigned size)
{
	struct page_text t = page->faults[slot].name;
	bool inside = t.at <= PAGE_TEXT_BYTES && t.len <= PAGE_TEXT_BYTES - t.at;
	uint32_t n = !inside ? 0 : t.len < size ? t.len : size - 1;

	memcpy(out, page->text + (inside ? t.at : 0), n);
	out[n] = '\0';
	return out;
}

static bool is_listed(const struct page *page, unsigned slot)
{
	return slot < page->fault_count && atomic_load(&page->faults[slot].id) && atomic_load(&page->faults[slot].listed);
}

int live_find(const struct page *page, const char *name)
{
	char have[FAULT_NAME_MAX + 1];

	for (unsigned i = 0; i < PAGE_FAULT_MAX; i++)
		if (is_listed(page, i) && !strcmp(live_name(page, i, have, sizeof(have)), name))
			return (int)i;
	return -ENOENT;
}

enum live_state live_state(const struct page *page, unsigned slot, uint64_t now_ns)
{
	const struct page_fault *f = &page->faults[slot];

	if (!(live_now(page) & BIT(slot)))
		return LIVE_OFF;
	if (decide_active(page, f, now_ns))
		return LIVE_ON;
	return now_ns < page->started_ns + f->from_ns ? LIVE_WAITING : LIVE_ENDED;
}

/* ---- room for one more ---- */

/* When nobody reads the slot any more: 0 at once, UINT64_MAX while it is listed. */
static uint64_t free_from(const struct page *page, unsigned slot)
{
	const struct page_fault *f = &page->faults[slot];

	if (slot >= page->fault_count || !atomic_load(&f->id))
		return 0;
	if (atomic_load(&f->listed) || live_now(page) & BIT(slot))
		return UINT64_MAX;
	return atomic_load(&f->retired_ns) + (atomic_load(&f->retired_ns) ? PAGE_REST_NS : 0);
}

/* The slot that is or becomes free first, the one that has rested longest among those that are. */
static unsigned first_free(const struct page *page)
{
	unsigned best = 0;

	for (unsigned i = 1; i < PAGE_FAULT_MAX; i++)
		if (free_from(page, i) < free_from(page, best))
			best = i;
	return best;
}

/* The piece of text[] that a slot's fault fills. */
static void piece(const struct page_fault *f, uint32_t *at, uint32_t *end)
{
	*at = f->name.at;
	*end = f->body.at + f->body.len;
}

/* Where n bytes fit between the texts of slots that are read at now_ns; UINT32_MAX nowhere. First fit. */
static uint32_t find_gap(const struct page *page, uint32_t n, uint64_t now_ns)
{
	uint32_t at = 0;

	for (unsigned i = 0; i < PAGE_FAULT_MAX;) {
		uint32_t from, end;

		piece(&page->faults[i], &from, &end);
		if (free_from(page, i) > now_ns && at < end && from < at + n) {
			at = end;	/* taken: behind it, and all slots again */
			i = 0;
		} else {
			i++;
		}
	}
	return at <= PAGE_TEXT_BYTES && n <= PAGE_TEXT_BYTES - at ? at : UINT32_MAX;
}

/* When the last of the slots that rest may be used again; 0: none rests. */
static uint64_t rested(const struct page *page, uint64_t now_ns)
{
	uint64_t last = 0;

	for (unsigned i = 0; i < PAGE_FAULT_MAX; i++) {
		uint64_t from = free_from(page, i);

		if (from != UINT64_MAX && from > now_ns && from > last)
			last = from;
	}
	return last;
}

int live_put(struct page *page, const struct plan *p, unsigned index, uint64_t now_ns, uint64_t *retry_ns)
{
	const struct plan_fault *f = &p->faults[index];
	unsigned slot = first_free(page);
	uint64_t from = free_from(page, slot);
	uint32_t at;

	*retry_ns = from;
	if (from == UINT64_MAX)
		return -ENOSPC;
	if (from > now_ns)
		return -EAGAIN;
	at = find_gap(page, fault_text_bytes(f), now_ns);
	if (at == UINT32_MAX) {
		*retry_ns = rested(page, now_ns);
		return *retry_ns ? -EAGAIN : -E2BIG;
	}
	fault_compile(f, page, slot, at);
	atomic_store(&page->faults[slot].listed, 0);
	return (int)slot;
}

/* ---- switching ---- */

static void unlist(struct page *page, uint64_t mask, uint64_t now_ns)
{
	for (unsigned i = 0; i < PAGE_FAULT_MAX; i++) {
		if (!(mask & BIT(i)) || !is_listed(page, i))
			continue;
		atomic_store(&page->faults[i].retired_ns, now_ns);
		atomic_store(&page->faults[i].listed, 0);
	}
}

void live_start(struct page *page, unsigned slot, uint64_t now_ns)
{
	char name[FAULT_NAME_MAX + 1];
	int other = live_find(page, live_name(page, slot, name, sizeof(name)));
	uint64_t old = other >= 0 ? BIT(other) : 0;

	live_publish(page, (live_now(page) & ~old) | BIT(slot));
	unlist(page, old, now_ns);
	atomic_store(&page->faults[slot].listed, 1);
}

void live_switch(struct page *page, unsigned slot, bool on)
{
	uint64_t mask = live_now(page);

	live_publish(page, on ? mask | BIT(slot) : mask & ~BIT(slot));
}

void live_retire(struct page *page, uint64_t mask, uint64_t now_ns)
{
	live_publish(page, live_now(page) & ~mask);
	unlist(page, mask, now_ns);
}

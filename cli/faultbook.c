/* SPDX-License-Identifier: MIT */
#include "cli/faultbook.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "plan/live.h"

#define MARK_MAX 96	/* "fault off " and a name */

struct faultbook_entry {
	uint32_t id;
	char *name;
	bool on, watch_only;
	enum live_state state;	/* as last told */
	uint64_t changed_ns;	/* when it was switched last */
	uint64_t from_ns, for_ns;
	uint64_t matched, fired;
};

static struct faultbook_entry *find(struct faultbook *b, uint32_t id)
{
	for (unsigned i = b->count; i-- > 0;)
		if (b->entries[i].id == id)
			return &b->entries[i];
	return NULL;
}

static const struct page_fault *on_page(const struct faultbook *b, uint32_t id)
{
	for (unsigned i = 0; i < PAGE_FAULT_MAX; i++)
		if (atomic_load(&b->page->faults[i].id) == id)
			return &b->page->faults[i];
	return NULL;
}

/* ---- when it acts ---- */

static void mark(struct faultbook *b, const struct faultbook_entry *e, const char *what, uint64_t at_ns)
{
	char text[MARK_MAX];

	snprintf(text, sizeof(text), "fault %s %s", what, e->name);
	recorder_mark(b->recorder, at_ns, text);
}

static enum live_state state_at(const struct faultbook *b, const struct faultbook_entry *e, uint64_t at_ns)
{
	uint64_t begin = b->page->started_ns + e->from_ns;

	if (!e->on)
		return LIVE_OFF;
	if (at_ns < begin)
		return LIVE_WAITING;
	return e->for_ns && at_ns - begin >= e->for_ns ? LIVE_ENDED : LIVE_ON;
}

/* Tells what became of a fault until at_ns. A window that came and went since the last look is told of as well. */
static void settle(struct faultbook *b, struct faultbook_entry *e, uint64_t at_ns)
{
	enum live_state was = e->state, is = state_at(b, e, at_ns);
	uint64_t begin = b->page->started_ns + e->from_ns;

	e->state = is;
	if (was == is)
		return;
	if (was == LIVE_WAITING && is == LIVE_ENDED) {
		mark(b, e, "on", begin);
		was = LIVE_ON;
	}
	if (is == LIVE_ON)
		mark(b, e, "on", begin > e->changed_ns ? begin : e->changed_ns);
	else if (was == LIVE_ON)
		mark(b, e, is == LIVE_ENDED ? "end" : "off", is == LIVE_ENDED ? begin + e->for_ns : e->changed_ns);
}

/* ---- what the log says ---- */

static void enter(struct faultbook *b, const struct faultlog_entry *l)
{
	struct faultbook_entry *grown = realloc(b->entries, (b->count + 1) * sizeof(*grown)), *e;
	const struct page_fault *f = on_page(b, l->id);
	char *name = strdup(l->name);

	if (grown)
		b->entries = grown;
	if (!grown || !name) {
		b->no_memory = true;
		free(name);
		return;
	}
	e = &b->entries[b->count++];
	*e = (struct faultbook_entry){.id = l->id, .name = name, .state = LIVE_OFF};
	if (f) {
		e->from_ns = f->from_ns;
		e->for_ns = f->for_ns;
		e->watch_only = f->watch_only;
	}
	recorder_fault(b->recorder, l->id, l->name, l->spec);
}

static void take(void *arg, const struct faultlog_entry *l)
{
	struct faultbook *b = arg;
	struct faultbook_entry *e = find(b, l->id);

	if (l->act == FAULTLOG_SET && !e) {
		enter(b, l);
		e = find(b, l->id);
	}
	if (!e)
		return;
	settle(b, e, l->at_ns);
	e->on = l->act == FAULTLOG_SET || l->act == FAULTLOG_ON;
	e->changed_ns = l->at_ns;
	settle(b, e, l->at_ns);
}

static void take_counters(struct faultbook *b)
{
	for (unsigned i = 0; i < PAGE_FAULT_MAX; i++) {
		struct page_fault *f = &b->page->faults[i];
		struct faultbook_entry *e = find(b, atomic_load(&f->id));

		if (!e)
			continue;
		e->matched = atomic_load(&f->matched);
		e->fired = atomic_load(&f->fired);
		recorder_fault_counts(b->recorder, e->id, e->matched, e->fired);
	}
}

void faultbook_follow(struct faultbook *b, uint64_t now_ns)
{
	if (faultlog_read(&b->log, take, b) || b->no_memory)
		recorder_loss(b->recorder, "recorder", "faults_not_read", 1);
	for (unsigned i = 0; i < b->count; i++)
		settle(b, &b->entries[i], now_ns);
	take_counters(b);
}

/* ---- beginning and end ---- */

int faultbook_open(struct faultbook *b, int dir, struct page *page, const struct plan *plan)
{
	int err = 0;

	*b = (struct faultbook){.page = page, .log.fd = faultlog_open(dir)};
	if (b->log.fd < 0)
		return b->log.fd;
	for (unsigned i = 0; i < plan->fault_count && !err; i++) {
		char *spec = plan_fault_json(plan, i);

		err = faultlog_append(b->log.fd, &(struct faultlog_entry){.act = FAULTLOG_SET, .id = page->faults[i].id,
									  .name = plan_fault_name(plan, i), .spec = spec ? spec : "{}"});
		free(spec);
	}
	return err;
}

unsigned faultbook_idle(const struct faultbook *b, void (*fn)(const char *name, uint64_t matched))
{
	unsigned idle = 0;

	for (unsigned i = 0; i < b->count; i++) {
		const struct faultbook_entry *e = &b->entries[i];
		uint64_t matched = 0, fired = 0;
		bool first = true, watch_only = true;

		for (unsigned k = 0; k < b->count; k++) {
			if (strcmp(b->entries[k].name, e->name))
				continue;
			first &= k >= i;
			watch_only &= b->entries[k].watch_only;
			matched += b->entries[k].matched;
			fired += b->entries[k].fired;
		}
		if (!first || watch_only || fired)
			continue;
		idle++;
		fn(e->name, matched);
	}
	return idle;
}

void faultbook_close(struct faultbook *b)
{
	for (unsigned i = 0; i < b->count; i++)
		free(b->entries[i].name);
	free(b->entries);
	if (b->page && b->log.fd >= 0)
		close(b->log.fd);
	*b = (struct faultbook){.log.fd = -1};
}

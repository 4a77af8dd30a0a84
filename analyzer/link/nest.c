/* SPDX-License-Identifier: MIT */
#include "analyzer/link/nest.h"

#include <errno.h>
#include <stdlib.h>
#include "analyzer/link/spans.h"
#include "base/clock.h"
#include "record/runfile.h"

#define AT_ONCE_NS (5 * NS_PER_MS)

struct job {		/* an inbound request in work */
	uint32_t exchange;
	uint32_t *latest;	/* the latest attempt of each thing it asks of others; owned */
	size_t n, room;
};

struct desk {		/* the jobs of one process */
	struct job *jobs;	/* owned */
	size_t n, room;
};

struct choice {		/* the jobs that an attempt may be for */
	struct job *at_once, *waiting, *fresh;
	struct job *hop;	/* failed at another server, and has not asked this one */
	uint64_t at_once_ns, waiting_ns, fresh_ns, hop_ns;	/* how long ago the cause was: least, most, least, least */
	struct job *own;	/* was refused what nobody else asks */
	unsigned owners;	/* how many such */
	struct job *scatters;	/* the latest whose attempt at another server is in work, or was answered */
	bool again;		/* at_once has asked this server before */
	size_t looked_at;
};

static uint64_t end_of(const struct model_exchange *x)
{
	return x->ended_ns ? x->ended_ns : UINT64_MAX;
}

/* ---- jobs come and go ---- */

static int enter(struct desk *d, uint32_t exchange)
{
	if (d->n == d->room) {
		size_t room = d->room ? d->room * 2 : 16;
		struct job *jobs = realloc(d->jobs, room * sizeof(*jobs));

		if (!jobs)
			return -ENOMEM;
		d->jobs = jobs;
		d->room = room;
	}
	d->jobs[d->n++] = (struct job){.exchange = exchange};
	return 0;
}

/* Forgets those that had ended before now. */
static void leave(const struct model *m, struct desk *d, uint64_t now_ns)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->n; i++) {
		if (end_of(&m->exchanges[d->jobs[i].exchange]) >= now_ns)
			d->jobs[kept++] = d->jobs[i];
		else
			free(d->jobs[i].latest);
	}
	d->n = kept;
}

/* The job's latest attempt at the same thing as x; NULL: none yet. */
static uint32_t *latest(const struct model *m, const struct job *j, const struct model_exchange *x)
{
	for (size_t i = 0; i < j->n; i++) {
		const struct model_exchange *y = &m->exchanges[j->latest[i]];

		if (y->edge == x->edge && model_same_request(x, y))
			return &j->latest[i];
	}
	return NULL;
}

static int note_attempt(const struct model *m, struct job *j, uint32_t attempt)
{
	uint32_t *known = latest(m, j, &m->exchanges[attempt]);

	if (known) {
		*known = attempt;
		return 0;
	}
	if (j->n == j->room) {
		size_t room = j->room ? j->room * 2 : 2;
		uint32_t *longer = realloc(j->latest, room * sizeof(*longer));

		if (!longer)
			return -ENOMEM;
		j->latest = longer;
		j->room = room;
	}
	j->latest[j->n++] = attempt;
	return 0;
}

/* ---- whose attempt ---- */

/* When the job's latest attempt at the same thing failed at another server; 0: none did. *served: one is in work there, or was answered. */
static uint64_t failed_elsewhere(const struct model *m, const struct job *j, const struct model_exchange *x, bool *served)
{
	uint64_t end_ns = 0;

	for (size_t i = 0; i < j->n; i++) {
		const struct model_exchange *y = &m->exchanges[j->latest[i]];

		if (y->edge == x->edge || !model_same_request(x, y))
			continue;
		*served |= !model_failed_before(y, x);
		if (model_failed_before(y, x) && y->ended_ns > end_ns)
			end_ns = y->ended_ns;
	}
	return end_ns;
}

/* failed: the job was refused the same before, here or elsewhere. */
static void claim(const struct model *m, const struct spans *s, struct choice *c, struct job *j, const struct model_exchange *x, bool failed)
{
	const struct model_exchange *p = &m->exchanges[j->exchange];

	if (!failed || !spans_within(s, x, p->started_ns, p->ended_ns))
		return;
	c->own = j;
	c->owners++;
}

static void consider(const struct model *m, const struct spans *s, struct choice *c, struct job *j, const struct model_exchange *x)
{
	uint32_t *known = latest(m, j, x);
	uint64_t cause_ns = known ? m->exchanges[*known].ended_ns : m->exchanges[j->exchange].started_ns, gap_ns;
	bool served = false;
	uint64_t elsewhere_ns = failed_elsewhere(m, j, x, &served);

	if (served) {	/* unless it asks several servers anyway, it has no reason to ask another */
		c->scatters = !c->scatters || j->exchange > c->scatters->exchange ? j : c->scatters;
		return;
	}
	claim(m, s, c, j, x, known ? model_failed_before(&m->exchanges[*known], x) : elsewhere_ns != 0);
	if (!known && elsewhere_ns && x->started_ns - elsewhere_ns <= AT_ONCE_NS && (!c->hop || x->started_ns - elsewhere_ns < c->hop_ns)) {
		c->hop = j;
		c->hop_ns = x->started_ns - elsewhere_ns;
	}
	if (known && !model_failed_before(&m->exchanges[*known], x))
		return;
	gap_ns = x->started_ns - cause_ns;
	if (gap_ns <= AT_ONCE_NS && (!c->at_once || gap_ns < c->at_once_ns)) {
		c->at_once = j;
		c->at_once_ns = gap_ns;
		c->again = known != NULL;
	}
	if (known && (!c->waiting || gap_ns > c->waiting_ns)) {
		c->waiting = j;
		c->waiting_ns = gap_ns;
	}
	if (!known && (!c->fresh || gap_ns < c->fresh_ns)) {
		c->fresh = j;
		c->fresh_ns = gap_ns;
	}
}

static bool asks_what_it_was_asked(const struct model_exchange *in, const struct model_exchange *out)
{
	return in->fingerprint && in->fingerprint == out->fingerprint && in->target == out->target;
}

/* tid 0: jobs of any thread. passed_on: only those that were asked the same themselves. */
static struct job *choose_among(const struct model *m, const struct spans *s, struct desk *d, struct model_exchange *x, uint32_t tid, bool passed_on)
{
	struct choice c = {0};

	for (size_t i = 0; i < d->n; i++) {
		const struct model_exchange *in = &m->exchanges[d->jobs[i].exchange];

		if ((tid && in->tid != tid) || (passed_on && !asks_what_it_was_asked(in, x)))
			continue;
		consider(m, s, &c, &d->jobs[i], x);
		c.looked_at++;
	}
	x->guessed = c.looked_at > 1;
	if (c.owners == 1)
		return c.own;
	if (c.hop && (!c.at_once || c.again || c.hop_ns <= c.at_once_ns))	/* who goes on elsewhere does not come back while there is a new server */
		return c.hop;
	if (c.at_once || c.waiting || c.fresh)
		return c.at_once ? c.at_once : c.waiting ? c.waiting : c.fresh;
	return c.scatters;
}

/* A proxy passes on what it is asked. */
static struct job *choose(const struct model *m, const struct spans *s, struct desk *d, struct model_exchange *x, uint32_t tid)
{
	struct job *j = choose_among(m, s, d, x, tid, true);

	return j ? j : choose_among(m, s, d, x, tid, false);
}

/* Whether the process's threads say nothing of what is done for whom. */
static bool hands_over(const struct model *m, uint32_t process)
{
	return process != MODEL_NONE && runfile_hands_over(m->processes[process].handed, m->processes[process].answered);
}

/* The job of an attempt when there is just one that it can be; *same_thread: how many are in work on its thread. */
static struct job *only_job(const struct model *m, struct desk *d, const struct model_exchange *x, size_t *same_thread)
{
	bool by_thread = x->tid && !hands_over(m, x->process);
	struct job *one = NULL;

	*same_thread = 0;
	for (size_t i = 0; i < d->n; i++) {
		const struct model_exchange *p = &m->exchanges[d->jobs[i].exchange];

		if (x->parent == MODEL_NONE ? by_thread && p->tid == x->tid : d->jobs[i].exchange == x->parent) {
			++*same_thread;
			one = &d->jobs[i];
		}
	}
	if (*same_thread == 1)
		return one;
	return !*same_thread && d->n == 1 && x->parent == MODEL_NONE ? d->jobs : NULL;
}

static uint64_t latest_end(const struct model *m, const struct desk *d)
{
	uint64_t end = 0;

	for (size_t i = 0; i < d->n; i++)
		if (end_of(&m->exchanges[d->jobs[i].exchange]) > end)
			end = end_of(&m->exchanges[d->jobs[i].exchange]);
	return end;
}

/* The file may name a parent by thread, from before it turned out that threads say nothing. */
static void doubt_parent(const struct model *m, struct model_exchange *x)
{
	const struct model_exchange *p = x->parent == MODEL_NONE ? NULL : &m->exchanges[x->parent];

	if (p && hands_over(m, x->process) && (!x->correlation || x->correlation != p->correlation))
		x->parent = MODEL_NONE;
}

static int settle(struct model *m, const struct spans *s, struct desk *d, uint32_t i)
{
	struct model_exchange *x = &m->exchanges[i];
	struct job *j;
	size_t same_thread;

	doubt_parent(m, x);
	j = only_job(m, d, x, &same_thread);
	if (!j && x->parent == MODEL_NONE)
		j = choose(m, s, d, x, same_thread ? x->tid : 0);
	if (!j)
		return 0;
	x->parent = j->exchange;
	return note_attempt(m, j, i);
}

static int follow(struct model *m, const struct spans *s, struct desk *desks, uint32_t i, uint64_t *cover_end)
{
	const struct model_exchange *x = &m->exchanges[i];
	struct desk *d = x->process == MODEL_NONE ? NULL : &desks[x->process];

	if (!d || !m->processes[x->process].inbound || !m->processes[x->process].outbound)
		return 0;
	if (x->role == MODEL_SERVER)
		return enter(d, i);
	leave(m, d, x->started_ns);
	*cover_end = latest_end(m, d);
	return settle(m, s, d, i);
}

int nest_build(struct model *m, uint64_t *cover_end)
{
	struct desk *desks = calloc(m->process_count + 1, sizeof(*desks));
	struct spans spans = {0};
	int err = desks ? spans_build(&spans, m) : -ENOMEM;

	for (uint32_t i = 0; !err && i < m->exchange_count; i++)
		err = follow(m, &spans, desks, i, &cover_end[i]);
	spans_free(&spans);
	for (size_t p = 0; desks && p < m->process_count; p++) {
		leave(m, &desks[p], UINT64_MAX);
		for (size_t i = 0; i < desks[p].n; i++)
			free(desks[p].jobs[i].latest);
		free(desks[p].jobs);
	}
	free(desks);
	return err;
}

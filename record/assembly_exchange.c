/* SPDX-License-Identifier: MIT */
#include "record/assembly.h"

#include <stdlib.h>
#include <string.h>

static struct exchange *take_spare(struct assembler *a)
{
	struct exchange *e = a->spare;

	if (e)
		a->spare = e->next;
	else
		e = malloc(sizeof(*e));
	if (!e)
		a->counts.dropped++;
	else
		memset(e, 0, sizeof(*e));
	return e;
}

static void give_spare(struct assembler *a, struct exchange *e)
{
	e->next = a->spare;
	a->spare = e;
}

static void tell(struct assembler *a, const struct connection *c, const struct exchange *e, enum journal_kind kind, uint64_t at_ns)
{
	struct journal_record r;

	memset(&r, 0, offsetof(struct journal_record, x));
	r.commit = kind;
	r.pid = e->pid;
	r.tid = e->tid;
	r.at_ns = at_ns;
	r.connection = c->serial;
	r.exchange = e->serial;
	r.x = e->x;
	a->sink(a->arg, &r);
}

static void take_request(struct exchange *e, const struct http1_head *h)
{
	e->request_flags = h->flags;
	e->x.fingerprint = h->fingerprint;
	e->x.correlation = h->correlation;
	e->x.idempotency_key = h->idempotency_key;
	e->x.path_cut = (h->flags & HTTP1_PATH_CUT) != 0;
	memcpy(e->x.method, h->method, sizeof(e->x.method));
	memcpy(e->x.path, h->path, sizeof(e->x.path));
}

static struct exchange *make(struct assembler *a, struct connection *c, const struct assembler_moment *m, uint64_t started_ns)
{
	struct exchange *e = take_spare(a);

	if (!e)
		return NULL;
	e->serial = ASSEMBLER_SERIAL | ++a->serials;
	e->pid = m->pid;
	e->tid = m->tid;
	e->x.started_ns = started_ns;
	e->x.sent_ns = c->role == JOURNAL_CLIENT ? m->exit_ns : 0;
	e->x.retry_after_ms = -1;
	e->x.role = c->role;
	e->x.protocol = (uint8_t)c->protocol;
	e->x.sequence = c->sequence++;
	return e;
}

struct exchange *exchange_open(struct assembler *a, struct connection *c, const struct assembler_moment *m, uint64_t started_ns,
			       const struct http1_head *head)
{
	struct exchange *e;

	if (c->under_way >= ASSEMBLY_PIPELINE) {
		a->counts.resynced++;
		exchange_close(a, c, JOURNAL_INDETERMINATE, 0, m->exit_ns);
	}
	e = make(a, c, m, started_ns);
	if (!e)
		return NULL;
	if (head)
		take_request(e, head);
	if (c->last)
		c->last->next = e;
	else
		c->first = e;
	c->last = e;
	c->under_way++;
	tell(a, c, e, JOURNAL_BEGIN, started_ns);
	return e;
}

static struct exchange *detach_first(struct connection *c)
{
	struct exchange *e = c->first;

	c->first = e->next;
	if (!c->first)
		c->last = NULL;
	if (c->sending == e)
		c->sending = NULL;
	c->under_way--;
	return e;
}

/* 5xx, 429 and 408 are definite failures; any other answer is fine. An answer of which the status was not seen tells nothing. */
static uint8_t outcome_of_answer(const struct connection *c, const struct exchange *e)
{
	uint16_t status = e->x.status;

	if (e->failed || status >= 500 || status == 429 || status == 408)
		return JOURNAL_FAILED;
	return c->protocol == PROTOCOL_HTTP1 && !status ? JOURNAL_INDETERMINATE : JOURNAL_OK;
}

void exchange_close(struct assembler *a, struct connection *c, uint8_t outcome, int error, uint64_t ended_ns)
{
	struct exchange *e = detach_first(c);

	e->x.outcome = outcome ? outcome : outcome_of_answer(c, e);
	e->x.error = error;
	e->x.ended_ns = ended_ns;
	tell(a, c, e, JOURNAL_END, ended_ns);
	give_spare(a, e);
}

bool exchange_seems_whole(const struct connection *c)
{
	if (!c->first || !c->first->answered)
		return false;
	return c->protocol != PROTOCOL_HTTP1 || (c->http && c->http[SIDE_ANSWER].lost);
}

/* A request of which nothing was given to the kernel is one that did not leave; an error status stands whatever follows it. */
static uint8_t outcome_of_break(const struct connection *c, const struct exchange *e)
{
	if (e->answered && outcome_of_answer(c, e) == JOURNAL_FAILED)
		return JOURNAL_FAILED;
	if (c->role == JOURNAL_CLIENT && !e->x.bytes_out)
		return JOURNAL_NOT_SENT;
	return JOURNAL_INDETERMINATE;
}

void exchange_close_all(struct assembler *a, struct connection *c, int error, uint64_t ended_ns)
{
	while (c->first) {
		if (exchange_seems_whole(c) && error <= 0)
			stream_settle(a, c);
		else
			exchange_close(a, c, outcome_of_break(c, c->first), error, ended_ns);
	}
}

void exchange_forget_all(struct assembler *a, struct connection *c)
{
	while (c->first)
		give_spare(a, detach_first(c));
}

void exchange_not_sent(struct assembler *a, struct connection *c, const struct assembler_moment *m, int error)
{
	struct exchange *e = make(a, c, m, m->enter_ns);

	if (!e)
		return;
	e->x.sent_ns = 0;
	tell(a, c, e, JOURNAL_BEGIN, m->enter_ns);
	e->x.outcome = JOURNAL_NOT_SENT;
	e->x.error = error;
	e->x.ended_ns = m->exit_ns;
	tell(a, c, e, JOURNAL_END, m->exit_ns);
	give_spare(a, e);
}

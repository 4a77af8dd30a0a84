/* SPDX-License-Identifier: MIT */
#include "record/assembly.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/*
 * Exchanges that are under way for long are many where there are many connections, and most of one is what its request said. That is told
 * with its beginning, and not kept behind it: it has memory of its own.
 */
#define FACTS_BYTES offsetof(struct journal_exchange, correlation)
#define EXCHANGE_BYTES (offsetof(struct exchange, x) + FACTS_BYTES)

struct spare_request {
	struct spare_request *next;
};

static struct exchange *take_spare(struct assembler *a)
{
	struct exchange *e = a->spare;

	if (e)
		a->spare = e->next;
	else
		e = malloc(EXCHANGE_BYTES);
	__asm__("" : "+r"(e));	/* the compiler is not to know that it is smaller than its type */
	if (!e)
		a->counts.dropped++;
	else
		memset(e, 0, EXCHANGE_BYTES);
	return e;
}

static void give_request(struct assembler *a, struct exchange *e)
{
	struct spare_request *s = (struct spare_request *)e->request;

	e->request = NULL;
	if (!s)
		return;
	s->next = a->spare_request;
	a->spare_request = s;
}

struct journal_exchange *exchange_request(struct assembler *a, struct exchange *e)
{
	struct spare_request *s = a->spare_request;

	if (e->request)
		return e->request;
	if (s)
		a->spare_request = s->next;
	e->request = s ? (struct journal_exchange *)s : malloc(sizeof(*e->request));
	if (e->request)
		memset(e->request, 0, sizeof(*e->request));
	a->counts.dropped += !e->request;
	return e->request;
}

void exchanges_free_spare(struct assembler *a)
{
	for (struct exchange *e; (e = a->spare);) {
		a->spare = e->next;
		free(e);
	}
	for (struct spare_request *s; (s = a->spare_request);) {
		a->spare_request = s->next;
		free(s);
	}
}

static void give_spare(struct assembler *a, struct exchange *e)
{
	give_request(a, e);
	if (e->user && !--e->user->exchanges)
		user_unused(a, e->user);
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
	memcpy(&r.x, &e->x, FACTS_BYTES);
	if (e->request)
		memcpy(&r.x.correlation, &e->request->correlation, sizeof(r.x) - FACTS_BYTES);
	else
		r.bytes = offsetof(struct journal_record, x) + FACTS_BYTES;
	a->sink(a->arg, &r);
}

/* ---- its beginning is told at a tick, before what it led to, or with its end ---- */

static void voiced(struct assembler *a, struct exchange *e)
{
	e->told = true;
	TAILQ_REMOVE(&a->untold, e, untold);
	a->untold_count--;
	if (e->x.role == JOURNAL_SERVER)
		LIST_REMOVE(e, inbound);
}

static void tell_begun(struct assembler *a, const struct connection *c, struct exchange *e)
{
	voiced(a, e);
	tell(a, c, e, JOURNAL_BEGIN, e->x.started_ns);
	give_request(a, e);
}

/* A request that a process sends may be for one that it is answering: that one is told first. */
static void tell_what_led_to(struct assembler *a, const struct exchange *e)
{
	struct exchange *in, *next;

	if (e->x.role != JOURNAL_CLIENT || !e->user)
		return;
	for (in = LIST_FIRST(&e->user->inbound); in; in = next) {
		next = LIST_NEXT(in, inbound);
		if (in->x.started_ns <= e->x.started_ns)
			tell_begun(a, in->connection, in);
	}
}

static void tell_oldest(struct assembler *a)
{
	struct exchange *e = TAILQ_FIRST(&a->untold);

	tell_what_led_to(a, e);
	tell_begun(a, e->connection, e);
}

void exchange_tell_begun(struct assembler *a, uint64_t before_ns)
{
	while (!TAILQ_EMPTY(&a->untold) && TAILQ_FIRST(&a->untold)->x.started_ns <= before_ns)
		tell_oldest(a);
}

static void tell_ended(struct assembler *a, const struct connection *c, struct exchange *e)
{
	if (e->told) {
		tell(a, c, e, JOURNAL_END, e->x.ended_ns);
		return;
	}
	tell_what_led_to(a, e);
	voiced(a, e);
	tell(a, c, e, JOURNAL_WHOLE, e->x.started_ns);
}

static void keep_untold(struct assembler *a, struct connection *c, struct exchange *e)
{
	if (a->untold_count >= ASSEMBLY_UNTOLD)
		tell_oldest(a);
	e->connection = c;
	e->user = c->user;
	TAILQ_INSERT_TAIL(&a->untold, e, untold);
	a->untold_count++;
	if (e->x.role == JOURNAL_SERVER)
		LIST_INSERT_HEAD(&e->user->inbound, e, inbound);
	e->user->exchanges++;
}

/* ---- life ---- */

static void take_request(struct assembler *a, struct exchange *e, const struct http1_head *h)
{
	struct journal_exchange *request = exchange_request(a, e);

	e->request_flags = h->flags;
	e->x.fingerprint = h->fingerprint;
	e->x.path_cut = (h->flags & HTTP1_PATH_CUT) != 0;
	if (!request)
		return;
	request->correlation = h->correlation;
	request->idempotency_key = h->idempotency_key;
	journal_take_target(request, h);
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

	if (c->under_way >= ASSEMBLY_PIPELINE || (c->under_way && a->pipelined >= ASSEMBLY_PIPELINED)) {
		a->counts.resynced++;
		c->sliding = true;
		exchange_give_up(a, c, m->exit_ns);
	}
	e = make(a, c, m, started_ns);
	if (!e)
		return NULL;
	if (head)
		take_request(a, e, head);
	if (c->last)
		c->last->next = e;
	else
		c->first = e;
	c->last = e;
	a->pipelined += c->under_way > 0;
	c->under_way++;
	keep_untold(a, c, e);
	return e;
}

static struct exchange *detach_first(struct assembler *a, struct connection *c)
{
	struct exchange *e = c->first;

	c->first = e->next;
	if (!c->first)
		c->last = NULL;
	if (c->sending == e)
		c->sending = NULL;
	c->under_way--;
	a->pipelined -= c->under_way > 0;
	return e;
}

/* 5xx, 429 and 408 are definite failures; any other answer is fine. An answer of which the status was not seen tells nothing. */
static uint8_t outcome_of_answer(const struct connection *c, const struct exchange *e)
{
	uint16_t status = e->x.status;

	if (e->failed || status >= 500 || status == 429 || status == 408)
		return JOURNAL_FAILED;
	return e->unsure || (c->protocol == PROTOCOL_HTTP1 && !status) ? JOURNAL_INDETERMINATE : JOURNAL_OK;
}

void exchange_close(struct assembler *a, struct connection *c, uint8_t outcome, int error, uint64_t ended_ns)
{
	struct exchange *e = detach_first(a, c);

	e->x.outcome = outcome ? outcome : outcome_of_answer(c, e);
	e->x.error = error;
	e->x.ended_ns = ended_ns;
	tell_ended(a, c, e);
	give_spare(a, e);
}

bool exchange_seems_whole(const struct connection *c)
{
	if (!c->first || !c->first->answered || (c->turns && (c->turns->exact || c->turns->copying)))
		return false;
	return c->protocol != PROTOCOL_HTTP1 || (c->http && c->http[SIDE_ANSWER].lost);
}

void exchange_answer_begins(struct exchange *e, const struct assembler_moment *m, enum assembler_direction d)
{
	if (e->x.first_byte_ns)
		return;
	e->x.first_byte_ns = assembly_begin_ns(m, d);
	e->x.answer_tid = m->tid;
}

void exchange_heard(struct assembler *a, struct connection *c, const struct assembler_moment *m, enum assembler_direction d)
{
	struct exchange *e = c->first;

	exchange_answer_begins(e, m, d);
	e->last_ns = m->exit_ns;
	if (!exchange_seems_whole(c) || protocol_is_veiled(c->protocol))
		return;
	if (c->in_quiet)
		TAILQ_REMOVE(&a->quiet, c, quiet);
	TAILQ_INSERT_TAIL(&a->quiet, c, quiet);
	c->in_quiet = true;
}

/* A request of which nothing was given to the kernel is one that did not leave; an error status stands whatever follows it. */
static uint8_t outcome_of_break(const struct connection *c, const struct exchange *e)
{
	if (e->answered && outcome_of_answer(c, e) == JOURNAL_FAILED)
		return JOURNAL_FAILED;
	if (c->role == JOURNAL_CLIENT && !e->x.bytes_out && !e->x.first_byte_ns)
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

void exchange_give_up(struct assembler *a, struct connection *c, uint64_t at_ns)
{
	if (c->first && c->first->x.status) {
		c->first->x.inferred = 1;
		exchange_close(a, c, 0, 0, c->first->last_ns ? c->first->last_ns : at_ns);
	}
	while (c->first)
		exchange_close(a, c, JOURNAL_INDETERMINATE, 0, at_ns);
	c->adrift |= c->sliding;
	if (c->http)
		c->http[SIDE_ANSWER].lost = true;
	if (c->turns)
		c->turns->exact = false;
}

void exchange_forget_all(struct assembler *a, struct connection *c)
{
	while (c->first) {
		struct exchange *e = detach_first(a, c);

		if (!e->told)
			voiced(a, e);
		give_spare(a, e);
	}
}

void exchange_not_sent(struct assembler *a, struct connection *c, const struct assembler_moment *m, int error)
{
	struct exchange *e = make(a, c, m, m->enter_ns);

	if (!e)
		return;
	e->x.sent_ns = 0;
	e->x.outcome = JOURNAL_NOT_SENT;
	e->x.error = error;
	e->x.ended_ns = m->exit_ns;
	keep_untold(a, c, e);
	tell_ended(a, c, e);
	give_spare(a, e);
}

/* SPDX-License-Identifier: MIT */
#include "preload/verdict.h"

#include <string.h>
#include "base/clock.h"
#include "plan/decide.h"
#include "preload/exchange.h"
#include "preload/names.h"
#include "record/protocol.h"

#define ENDINGS ~(uint32_t)(PAGE_DELAY | PAGE_THROTTLE)	/* of the actions: those that say how an exchange ends */

static uint64_t cut_bytes(const struct page_fault *f)
{
	if (f->actions & PAGE_TRUNCATE)
		return f->truncate_bytes;
	return (f->actions & PAGE_RESET) && f->reset == PAGE_RESPONSE ? f->reset_after : NO_CUT;
}

/* Adds what fault i does at this step to the verdict where it combines: one delay, one rate, one ending; the first in the plan wins. */
static void combine(struct verdict *v, unsigned i, uint32_t id, enum decide_place place, uint64_t destination, uint64_t ordinal)
{
	struct page_fault *f = &guest.page->faults[i];
	uint32_t actions = decide_actions_at(f, place);
	bool delays = (actions & PAGE_DELAY) && !v->delay_fault;
	bool throttles = (actions & PAGE_THROTTLE) && !v->throttle_fault;
	bool ends = (actions & ENDINGS) && !v->main_fault;

	if ((!delays && !throttles && !ends) || !decide_fire(f))
		return;
	if (delays) {
		v->actions |= PAGE_DELAY;
		v->delay_fault = (uint8_t)(i + 1);
		v->delay_id = id;
		v->delay_on = (uint8_t)f->delay_on;
		v->delay_ordinal = ordinal;
		v->delay_ns = decide_delay_ns(guest.page, f, destination, ordinal);
	}
	if (throttles) {
		v->actions |= PAGE_THROTTLE;
		v->throttle_fault = (uint8_t)(i + 1);
		v->throttle_id = id;
		v->throttle_ordinal = ordinal;
		v->bytes_per_s = f->throttle_bytes_per_s;
	}
	if (ends) {
		v->actions |= actions & ENDINGS;
		v->main_fault = (uint8_t)(i + 1);
		v->main_id = id;
		v->main_ordinal = ordinal;
		v->reset = (uint8_t)f->reset;
		v->cut_bytes = cut_bytes(f);
	}
}

struct matter {		/* what is judged: one step of an attempt on a connection */
	struct conn *c;
	enum decide_place place;
	const struct http1_head *head;	/* NULL: not HTTP, or no request yet */
	const char *raw;
	size_t raw_len;
};

static bool matches(const struct matter *m, const struct page_fault *f, const struct addr *end, const struct authority *asked)
{
	enum page_side side = m->c->role == JOURNAL_CLIENT ? PAGE_TO : PAGE_AT;

	if (!decide_is_at(f, m->place) || !names_match(f, side, end, asked))
		return false;
	return m->place != DECIDE_EXCHANGE || decide_matches(guest.page, f, m->head, m->raw, m->raw_len);
}

/* The rest of a fault that was decided at the connect of this exchange. */
static void combine_owed(struct conn *c, struct verdict *v, unsigned i)
{
	uint32_t actions = decide_actions_at(&guest.page->faults[i], DECIDE_EXCHANGE);

	if (!(c->owed >> i & 1) || v->main_fault || !exchange_fault(i + 1, c->attempt.verdict.delay_id))
		return;
	v->actions |= actions;
	v->main_fault = (uint8_t)(i + 1);
	v->main_id = c->attempt.verdict.delay_id;
	v->main_ordinal = c->attempt.verdict.delay_ordinal;
}

static void judge(const struct matter *m, uint64_t now_ns, struct verdict *v)
{
	const struct addr *end = m->c->role == JOURNAL_CLIENT ? &m->c->peer : &m->c->local;
	const struct authority *asked = m->head ? &m->head->authority : &m->c->tunnel;

	memset(v, 0, sizeof(*v));
	if (m->head && (m->head->flags & HTTP1_IS_CONNECT))
		m->c->tunnel = m->head->authority;
	v->cut_bytes = NO_CUT;
	if (!guest_faults_on(now_ns))
		return;
	if (conn_is_behind(m->c)) {	/* the faults of one instant decide, and that instant is now: their windows may begin after the call did */
		conn_match(m->c);
		now_ns = clock_now_ns();
	}
	for (uint64_t rest = m->c->faults; rest; rest &= rest - 1) {
		unsigned i = (unsigned)__builtin_ctzll(rest);
		struct page_fault *f = &guest.page->faults[i];
		uint32_t id = atomic_load(&f->id);
		uint64_t destination, ordinal;

		if (!matches(m, f, end, asked))
			continue;
		if (m->place == DECIDE_EXCHANGE && !m->c->sequence && (m->c->judged >> i & 1)) {
			combine_owed(m->c, v, i);
			continue;
		}
		if (m->place == DECIDE_CONNECT)
			m->c->judged |= 1ull << i;
		atomic_fetch_add_explicit(&f->matched, 1, memory_order_relaxed);
		if (!decide_active(guest.page, f, now_ns))
			continue;
		destination = decide_destination(f, end, asked);
		ordinal = decide_ordinal(guest.page, f, destination);
		if (!decide_hit(guest.page, f, destination, ordinal) || atomic_load(&f->id) != id)
			continue;
		combine(v, i, id, m->place, destination, ordinal);
		if (m->place == DECIDE_CONNECT && v->delay_fault == i + 1 && decide_actions_at(f, DECIDE_EXCHANGE))
			m->c->owed |= 1ull << i;
	}
}

void verdict_resolve(struct conn *c, uint64_t now_ns, struct verdict *v)
{
	judge(&(struct matter){.c = c, .place = DECIDE_RESOLVE}, now_ns, v);
}

void verdict_connect(struct conn *c, uint64_t now_ns, struct verdict *v)
{
	judge(&(struct matter){.c = c, .place = DECIDE_CONNECT}, now_ns, v);
}

const struct verdict verdict_goodbye = {.cut_bytes = NO_CUT, .goodbye = true};

bool verdict_says_goodbye(const struct conn *c, const char *raw, size_t n)
{
	return c->opaque && c->sequence && raw && protocol_is_goodbye(PROTOCOL_UNKNOWN, raw, n);
}

void verdict_exchange(struct conn *c, const struct http1_head *head, const char *raw, size_t raw_len, uint64_t now_ns, struct verdict *v)
{
	if (verdict_says_goodbye(c, raw, raw_len))
		*v = verdict_goodbye;
	else
		judge(&(struct matter){c, DECIDE_EXCHANGE, head, raw, raw_len}, now_ns, v);
}

/* Methods whose beginning is worth waiting for (RFC 9110 §9.3, RFC 5789); others count as HTTP when the whole head comes at once: a
 * protocol whose first message is one short word would wait for its second for ever. */
static bool method_begins(const char *p, size_t n)
{
	static const char *const methods[] = {"GET ", "POST ", "PUT ", "DELETE ", "HEAD ", "OPTIONS ", "PATCH ", "TRACE ", "CONNECT "};

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		size_t m = strlen(methods[i]);

		if (!memcmp(p, methods[i], n < m ? n : m))
			return true;
	}
	return false;
}

bool verdict_awaits_head(const struct conn *c, const void *data, size_t n)
{
	return c->needs_head && method_begins(data, n);
}

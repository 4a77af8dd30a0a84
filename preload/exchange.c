/* SPDX-License-Identifier: MIT */
#include "preload/exchange.h"

#include <stddef.h>
#include <errno.h>
#include <string.h>
#include "base/clock.h"

/* ---- while it lasts ---- */

const struct page_fault *exchange_fault(unsigned fault, uint32_t id)
{
	const struct page_fault *f = &guest.page->faults[(fault - 1) % PAGE_FAULT_MAX];

	return fault && atomic_load(&f->id) == id ? f : NULL;
}

int exchange_errno(const struct exchange *x)
{
	const struct page_fault *f = exchange_fault(x->verdict.main_fault, x->verdict.main_id);

	return f && (x->verdict.actions & PAGE_ERROR) ? f->error_errno : ECONNRESET;
}

static bool stands(unsigned fault, uint32_t id, uint64_t live)
{
	return !fault || ((live >> (fault - 1) & 1) && exchange_fault(fault, id));
}

bool exchange_fault_on(unsigned fault, uint32_t id, uint64_t now_ns)
{
	return fault && guest_faults_on(now_ns) && stands(fault, id, page_live(guest.page, page_version(guest.page)));
}

bool exchange_lapse(struct exchange *x, uint64_t now_ns)
{
	struct verdict *v = &x->verdict;
	uint64_t live = guest_faults_on(now_ns) ? page_live(guest.page, page_version(guest.page)) : 0;
	bool delay = (v->actions & PAGE_DELAY) && v->delay_ns && !stands(v->delay_fault, v->delay_id, live);
	bool rate = v->bytes_per_s && !stands(v->throttle_fault, v->throttle_id, live);
	bool other = (v->actions & EXCHANGE_LAPSING) && !x->swallowed && !x->first_byte_ns && !stands(v->main_fault, v->main_id, live);
	bool held = x->gate != GATE_OPEN && x->gate != GATE_ARMED && x->until_ns > now_ns;

	if (delay)
		v->delay_ns = 0;
	if (delay && x->leave_ns > now_ns)
		x->leave_ns = now_ns;
	if (rate)
		v->bytes_per_s = 0;
	if (other) {
		v->actions &= ~EXCHANGE_LAPSING;
		v->cut_bytes = NO_CUT;
	}
	if (other && x->mute && !x->last_ns)
		x->mute = false;
	if (rate && x->gate == GATE_PACED)
		x->until_ns = now_ns;
	else if (held && delay && !(v->actions & PAGE_HANG) && (x->gate == GATE_HELD || x->until_ns != FOREVER))
		x->until_ns = now_ns;
	else if (held && other && x->gate == GATE_HELD)
		x->until_ns = x->arrived_ns + v->delay_ns;
	return delay || rate || other;
}

/* ---- evidence ---- */

/* The id of the fault that says most about what became of the exchange; 0 none. */
static uint32_t fault_of(const struct verdict *v)
{
	return v->main_fault ? v->main_id : v->throttle_fault ? v->throttle_id : v->delay_id;
}

static void fill(const struct conn *c, const struct exchange *x, struct journal_exchange *to)
{
	const struct http1_head *h = &c->requests.head;

	to->started_ns = x->started_ns;
	to->sent_ns = x->sent_ns;
	to->first_byte_ns = x->first_byte_ns;
	to->bytes_out = x->bytes_out;
	to->bytes_in = x->bytes_in;
	to->fingerprint = x->fingerprint;
	to->retry_after_ms = x->retry_after_ms;
	to->error = x->error;
	to->status = x->status;
	to->role = c->role;
	to->protocol = x->protocol;
	to->synthetic = x->synthetic;
	to->fault_id = fault_of(&x->verdict);
	to->sequence = x->sequence;
	to->path_cut = (h->flags & HTTP1_PATH_CUT) != 0;
}

static void journal_begin(struct conn *c, struct exchange *x, const struct http1_head *head)
{
	struct journal_record *r;

	if (!c->journalled || x->verdict.goodbye || !(r = guest_record(c->serial, x->serial, x->started_ns)))
		return;
	x->begun = r;
	fill(c, x, &r->x);
	r->bytes = offsetof(struct journal_record, x.correlation);
	if (head) {
		size_t n = journal_take_target(&r->x, head);

		r->x.correlation = x->correlation;
		r->x.idempotency_key = x->idempotency_key;
		r->bytes = (uint32_t)(offsetof(struct journal_record, x.path) + n);
	}
	journal_commit(r, JOURNAL_BEGIN);
}

static void journal_inject(struct conn *c, struct exchange *x, uint32_t action, uint64_t now_ns, enum journal_kind kind)
{
	const struct verdict *v = &x->verdict;
	bool delay = action == PAGE_DELAY, throttle = action == PAGE_THROTTLE;
	unsigned fault = delay ? v->delay_fault : throttle ? v->throttle_fault : v->main_fault;
	struct journal_record *r = fault ? guest_record(c->serial, x->serial, now_ns) : NULL;

	if (!r)
		return;
	x->begun = NULL;	/* what refers to an exchange comes between its beginning and its end */
	r->inject.fault_id = delay ? v->delay_id : throttle ? v->throttle_id : v->main_id;
	r->inject.action = action;
	r->inject.ordinal = delay ? v->delay_ordinal : throttle ? v->throttle_ordinal : v->main_ordinal;
	r->inject.intended_ns = delay ? v->delay_ns : action == PAGE_HANG ? FOREVER : 0;
	r->inject.arrived_ns = x->arrived_ns;
	r->inject.achieved_ns = kind == JOURNAL_INJECT ? UINT64_MAX : x->arrived_ns && now_ns > x->arrived_ns ? now_ns - x->arrived_ns : 0;
	journal_commit(r, kind);
}

void exchange_inject(struct conn *c, struct exchange *x, uint32_t action, uint64_t now_ns)
{
	journal_inject(c, x, action, now_ns, JOURNAL_INJECT);
}

void exchange_achieved(struct conn *c, struct exchange *x, uint32_t action, uint64_t now_ns)
{
	journal_inject(c, x, action, now_ns, JOURNAL_ACHIEVED);
}

/* ---- beginning and end ---- */

bool exchange_resets_at(const struct exchange *x, enum page_place place)
{
	return (x->verdict.actions & PAGE_RESET) && x->verdict.reset == place;
}

bool exchange_delays_request(const struct conn *c, const struct exchange *x)
{
	return c->role == JOURNAL_CLIENT && (x->verdict.actions & PAGE_DELAY) && x->verdict.delay_on == PAGE_REQUEST && !x->swallowed;
}

uint64_t exchange_answer_delay(const struct conn *c, const struct exchange *x)
{
	return exchange_delays_request(c, x) ? 0 : x->verdict.delay_ns;
}

static void set_gate(struct conn *c, struct exchange *x, uint64_t now_ns)
{
	uint32_t a = x->verdict.actions;

	x->gate = GATE_OPEN;
	if (!a)
		return;
	if (a & PAGE_STATUS) {
		x->swallowed = x->synthetic = true;
		x->gate = c->role == JOURNAL_CLIENT ? GATE_ANSWER : x->verdict.delay_ns ? GATE_HELD : GATE_OPEN;
		x->until_ns = c->role == JOURNAL_CLIENT ? FOREVER : now_ns + x->verdict.delay_ns;
	} else if (c->role == JOURNAL_CLIENT) {
		x->swallowed = exchange_resets_at(x, PAGE_REQUEST);
		x->gate = x->swallowed ? GATE_HELD : a == PAGE_DELAY && exchange_delays_request(c, x) ? GATE_OPEN : GATE_ARMED;
		x->until_ns = FOREVER;
		x->hung = (a & PAGE_HANG) != 0;
	} else {
		x->mute = (a & PAGE_HANG) != 0;
		if (a & PAGE_DELAY) {
			x->gate = GATE_HELD;
			x->until_ns = now_ns + x->verdict.delay_ns;
		}
	}
	x->arrived_ns = x->gate == GATE_HELD ? now_ns : 0;
	for (uint32_t bit = 1; bit <= PAGE_RESOLVE; bit <<= 1)
		if (a & bit)
			exchange_inject(c, x, bit, now_ns);
}

static void take_head(struct exchange *x, const struct http1_head *head)
{
	x->protocol = JOURNAL_HTTP1;
	x->request_flags = head->flags;
	x->correlation = head->correlation;
	x->idempotency_key = head->idempotency_key;
	x->fingerprint = head->fingerprint;
}

void exchange_take_head(struct conn *c, struct exchange *x)
{
	take_head(x, &c->requests.head);
	journal_begin(c, x, &c->requests.head);
}

struct exchange *exchange_begin(struct conn *c, const struct http1_head *head, const struct verdict *v, uint64_t now_ns)
{
	struct exchange *x;

	if (c->opaque)
		exchange_end_all(c, 0, now_ns);	/* a new turn is the end of the last */
	x = conn_append(c);
	if (!x) {
		guest_lost(PAGE_LOST_PIPELINE);
		c->opaque = true;
		return NULL;
	}
	memset(x, 0, sizeof(*x));
	x->serial = !c->sequence && c->attempt.serial ? c->attempt.serial : guest_serial();
	x->sequence = c->sequence++;
	x->started_ns = now_ns;
	x->retry_after_ms = -1;
	x->tid = guest_tid();
	x->protocol = c->protocol;
	if (head)
		take_head(x, head);
	if (v)
		x->verdict = *v;
	else
		x->verdict.cut_bytes = NO_CUT;
	journal_begin(c, x, head);
	set_gate(c, x, now_ns);
	return x;
}

static enum journal_outcome outcome(const struct conn *c, const struct exchange *x, bool complete)
{
	if (complete && x->status)
		return x->status >= 500 || x->status == 429 || x->status == 408 ? JOURNAL_FAILED : JOURNAL_OK;
	if (complete)
		return x->answer_failed ? JOURNAL_FAILED : JOURNAL_OK;
	return x->sent_ns || c->role == JOURNAL_SERVER ? JOURNAL_INDETERMINATE : JOURNAL_NOT_SENT;
}

static void journal_end(const struct conn *c, const struct exchange *x, bool complete, uint64_t now_ns)
{
	struct journal_record *whole = guest_reopen(x->begun, x->serial), *r = whole ? whole : guest_record(c->serial, x->serial, now_ns);

	if (!r)
		return;
	fill(c, x, &r->x);
	if (!whole)
		r->bytes = offsetof(struct journal_record, x.correlation);
	r->tid = x->tid;
	r->x.ended_ns = complete && x->last_ns ? x->last_ns : now_ns;
	r->x.outcome = outcome(c, x, complete);
	journal_commit(r, whole ? JOURNAL_WHOLE : JOURNAL_END);
}

void exchange_end(struct conn *c, int error, bool complete, uint64_t now_ns)
{
	struct exchange *x = conn_head(c);

	if (!x)
		return;
	if (x->gate == GATE_HELD && x->until_ns != FOREVER && now_ns >= x->until_ns)
		exchange_achieved(c, x, PAGE_DELAY, now_ns);
	if (x->slowed)
		exchange_achieved(c, x, PAGE_THROTTLE, now_ns);
	c->silent = x->mute ? x->verdict.main_fault : 0;
	c->silent_id = x->verdict.main_id;
	x->error = complete ? 0 : error;
	if (c->journalled && !x->verdict.goodbye)
		journal_end(c, x, complete, now_ns);
	conn_drop(c);
	c->reply_len = 0;
	pool_drop(&c->reply);
}

/* Whether what is in flight may count as answered although nothing says so: an opaque turn that got bytes back. */
static bool settled(const struct conn *c, const struct exchange *x)
{
	return x->answer_done || (!x->cut && x->protocol != JOURNAL_HTTP1 && x->last_ns);
}

void exchange_end_all(struct conn *c, int error, uint64_t now_ns)
{
	for (struct exchange *x; (x = conn_head(c));)
		exchange_end(c, error, settled(c, x), now_ns);
}

/* The program ends the connection, and so the answer under way when that says where it ends: a server's is whole, and a client that closes
 * before the end of the stream has what it wanted. */
static bool ends_by_close(struct conn *c)
{
	const struct exchange *x = conn_head(c);

	if (!x || !x->first_byte_ns || x->mute || c->opaque || c->dead || (c->role == JOURNAL_CLIENT && c->eof_in))
		return false;
	return http1_eof(&c->answers) == HTTP1_DONE;
}

void exchange_end_by_close(struct conn *c, int error, uint64_t now_ns)
{
	if (ends_by_close(c))
		exchange_end(c, 0, true, now_ns);
	exchange_end_all(c, error, now_ns);
}

/* ---- the place of a cut ---- */

/* Bytes of its answer that may still pass before the place where a fault cuts it; NO_CUT. The place in an HTTP body is the parser's to find. */
uint64_t exchange_cut_room(const struct conn *c, const struct exchange *x)
{
	uint64_t passed = c->role == JOURNAL_CLIENT ? x->bytes_in : x->bytes_out;

	if (x->verdict.cut_bytes == NO_CUT || ((x->verdict.actions & PAGE_TRUNCATE) && !c->opaque))
		return NO_CUT;
	return passed < x->verdict.cut_bytes ? x->verdict.cut_bytes - passed : 0;
}

void exchange_cut(struct conn *c, struct exchange *x, uint64_t now_ns)
{
	if (c->cut)
		return;
	c->cut = x->verdict.actions & PAGE_RESET ? CUT_RST : CUT_FIN;
	x->cut = true;
	exchange_achieved(c, x, x->verdict.actions & (PAGE_RESET | PAGE_TRUNCATE), now_ns);
}

/* SPDX-License-Identifier: MIT */
#include "preload/exchange.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include "base/clock.h"
#include "plan/decide.h"
#include "record/protocol.h"
#include "preload/names.h"

/* ---- deciding ---- */

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

void exchange_decide_resolve(struct conn *c, uint64_t now_ns, struct verdict *v)
{
	judge(&(struct matter){.c = c, .place = DECIDE_RESOLVE}, now_ns, v);
}

void exchange_decide_connect(struct conn *c, uint64_t now_ns, struct verdict *v)
{
	judge(&(struct matter){.c = c, .place = DECIDE_CONNECT}, now_ns, v);
}

void exchange_decide(struct conn *c, const struct http1_head *head, const char *raw, size_t raw_len, uint64_t now_ns, struct verdict *v)
{
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

bool exchange_awaits_head(const struct conn *c, const void *data, size_t n)
{
	return c->needs_head && method_begins(data, n);
}

/* ---- while it lasts ---- */

const struct page_fault *exchange_fault(unsigned fault, uint32_t id)
{
	const struct page_fault *f = &guest.page->faults[(fault - 1) % PAGE_FAULT_MAX];

	return fault && atomic_load(&f->id) == id ? f : NULL;
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

	if (!c->journalled || !(r = guest_record(c->serial, x->serial, x->started_ns)))
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
	if (c->journalled)
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

/* ---- following the streams ---- */

static bool from_program(const struct conn *c, bool request)
{
	return (c->role == JOURNAL_CLIENT) == request;
}

static void count_bytes(struct conn *c, struct exchange *x, bool request, size_t n)
{
	bool out = from_program(c, request);

	*(out ? &c->bytes_out : &c->bytes_in) += n;
	if (x)
		*(out ? &x->bytes_out : &x->bytes_in) += n;
}

void exchange_turn_opaque(struct conn *c, const void *data, size_t n)
{
	struct exchange *x = conn_tail(c);
	bool first = c->sequence == (x && !x->head_passed);	/* what began like a request was none: nothing was framed yet */

	if (c->opaque)
		return;
	if (!first && !http1_idle(&c->requests))
		guest_lost(PAGE_LOST_FRAMING);
	c->opaque = true;
	c->protocol = data && first ? (uint8_t)protocol_detect(data, n) : JOURNAL_OPAQUE;
}

/* The request of x is on its way, as the program sees it: a peer that resets on receipt does so from here on. */
static void request_moves(struct conn *c, struct exchange *x, uint64_t now_ns)
{
	if (c->role != JOURNAL_CLIENT || !x->swallowed || x->synthetic || x->until_ns != FOREVER)
		return;
	x->arrived_ns = x->sent_ns = now_ns;
	x->until_ns = now_ns + x->verdict.delay_ns;
	c->sink = true;
}

/* How many of n bytes that a server reads came before its answer began: FastCGI ends a request with a record that PHP reads last of all. */
static size_t rest_of_turn(struct conn *c, struct exchange *x, size_t n)
{
	size_t rest = x && n > c->unread ? c->unread : x ? n : 0;

	if (!c->unread)
		return 0;
	c->unread -= (uint32_t)rest;
	count_bytes(c, x, true, rest);
	return rest;
}

/* Requests of a protocol we do not frame: bytes out after bytes in begin a new turn. */
static void opaque_request(struct conn *c, size_t n, uint64_t t0_ns, uint64_t now_ns)
{
	struct exchange *x = conn_tail(c);

	n -= rest_of_turn(c, x, n);
	if (!n)
		return;
	if (!x || (x->head_passed && x->last_ns && !protocol_is_veiled(c->protocol)))
		x = exchange_begin(c, NULL, NULL, t0_ns);
	if (!x)
		return;
	/* A veiled protocol is one exchange for the whole connection; a slow network is slow at each of its turns. */
	if (x->head_passed && x->last_ns > x->sent_ns && c->role == JOURNAL_CLIENT && exchange_answer_delay(c, x))
		x->gate = GATE_ARMED;
	x->protocol = c->protocol;
	x->head_passed = true;
	x->request_done = true;
	x->sent_ns = now_ns;
	count_bytes(c, x, true, n);
	request_moves(c, x, now_ns);
}

static void request_done(struct conn *c, uint64_t now_ns)
{
	struct exchange *x = conn_tail(c);

	c->pending_bytes = 0;
	if (!x || !x->head_passed)
		return;
	x->request_done = true;
	x->fingerprint = c->requests.head.fingerprint;
	if (c->role == JOURNAL_CLIENT && x->synthetic) {
		x->arrived_ns = now_ns;
		x->until_ns = now_ns + x->verdict.delay_ns;
	} else if (c->role == JOURNAL_CLIENT) {
		x->sent_ns = now_ns;
	}
	if (x->answer_done && x == conn_head(c))
		exchange_end(c, 0, true, now_ns);
}

/* The head of a request is complete: it is that of the exchange decided before it moved, or a new one. */
static void head_seen(struct conn *c, uint64_t now_ns)
{
	struct exchange *x = conn_tail(c);

	if (!x || x->head_passed)
		x = exchange_begin(c, &c->requests.head, NULL, c->pending_ns);
	if (!x)
		return;
	if (x->protocol != JOURNAL_HTTP1) {	/* decided by its first bytes: now it has a method and a path */
		take_head(x, &c->requests.head);
		journal_begin(c, x, &c->requests.head);
	}
	x->head_passed = true;
	*(from_program(c, true) ? &x->bytes_out : &x->bytes_in) += c->pending_bytes;
	request_moves(c, x, now_ns);
	/* Who expects 100 (Continue) waits for our word before the body: a final answer is due now (RFC 9110 §10.1.1). */
	if (x->synthetic && (x->request_flags & HTTP1_EXPECT_CONTINUE)) {
		c->sink = true;
		request_done(c, now_ns);
	}
}

void exchange_request_bytes(struct conn *c, const void *data, size_t n, uint64_t t0_ns, uint64_t now_ns)
{
	const char *p = data;

	c->judged_bytes -= n < c->judged_bytes ? n : c->judged_bytes;
	for (;;) {
		enum http1_event e;
		struct exchange *x = conn_tail(c);
		size_t used;

		if (c->opaque) {
			if (n)
				opaque_request(c, n, t0_ns, now_ns);
			return;
		}
		if (http1_idle(&c->requests)) {
			c->pending_bytes = 0;
			c->pending_ns = t0_ns;
		}
		used = p ? http1_feed(&c->requests, p, n, &e) : http1_skip(&c->requests, n, &e);
		if (e == HTTP1_OPAQUE)
			exchange_turn_opaque(c, p, n);
		bool in_body = x && x->head_passed && !x->request_done;

		count_bytes(c, in_body ? x : NULL, true, used);
		if (!in_body)
			c->pending_bytes += used;
		if (e == HTTP1_HEAD)
			head_seen(c, now_ns);
		if (e == HTTP1_DONE)
			request_done(c, now_ns);
		if (e == HTTP1_MORE)
			return;
		p = p ? p + used : NULL;
		n -= used;
	}
}

static void answer_begins(struct conn *c, struct exchange *x, const void *data, size_t n, uint64_t at_ns)
{
	x->first_byte_ns = at_ns;
	x->answer_failed = c->opaque && data && protocol_answer_failed(x->protocol, data, n);
}

/* Bytes of its answer that may still pass before the place where a fault cuts it; NO_CUT. The place in an HTTP body is the parser's to find. */
uint64_t exchange_cut_room(const struct conn *c, const struct exchange *x)
{
	uint64_t passed = c->role == JOURNAL_CLIENT ? x->bytes_in : x->bytes_out;

	if (x->verdict.cut_bytes == NO_CUT || ((x->verdict.actions & PAGE_TRUNCATE) && !c->opaque))
		return NO_CUT;
	return passed < x->verdict.cut_bytes ? x->verdict.cut_bytes - passed : 0;
}

void exchange_expect_answer(struct conn *c, const struct exchange *x)
{
	if (!http1_idle(&c->answers))
		return;
	http1_answers(&c->answers, x->request_flags);
	http1_stop(&c->answers, x->verdict.actions & PAGE_TRUNCATE ? x->verdict.cut_bytes : HTTP1_NO_STOP);
}

void exchange_cut(struct conn *c, struct exchange *x, uint64_t now_ns)
{
	if (c->cut)
		return;
	c->cut = x->verdict.actions & PAGE_RESET ? CUT_RST : CUT_FIN;
	x->cut = true;
	exchange_achieved(c, x, x->verdict.actions & (PAGE_RESET | PAGE_TRUNCATE), now_ns);
}

static void answer_head(struct conn *c, struct exchange *x)
{
	x->status = c->answers.head.status;
	x->retry_after_ms = c->answers.head.retry_after_ms;
}

/* After 101, and 2xx to CONNECT, the connection carries something else (RFC 9110 §15.2.2, §9.3.6). */
static bool switches(const struct exchange *x)
{
	return x->status == 101 || ((x->request_flags & HTTP1_IS_CONNECT) && x->status / 100 == 2);
}

static void answer_done(struct conn *c, struct exchange *x, uint64_t now_ns)
{
	bool switched = switches(x);

	x->answer_done = true;
	if (x->request_done)
		exchange_end(c, 0, true, now_ns);
	if (switched)
		c->opaque = true;
}

/* The answer is not HTTP: neither was what began like a request and was never seen whole. */
static void answer_opaque(struct conn *c, struct exchange *x, uint64_t now_ns)
{
	exchange_turn_opaque(c, NULL, 0);
	if (x->head_passed)
		return;
	*(from_program(c, true) ? &x->bytes_out : &x->bytes_in) += c->pending_bytes;
	x->protocol = c->protocol;
	x->head_passed = x->request_done = true;
	x->sent_ns = x->sent_ns ? x->sent_ns : now_ns;
}

void exchange_answer_bytes(struct conn *c, const void *data, size_t n, uint64_t t0_ns, uint64_t now_ns)
{
	const char *p = data;

	for (;;) {
		struct exchange *x = conn_head(c);
		enum http1_event e = HTTP1_MORE;
		size_t used = n;

		if (x && n && !x->first_byte_ns)
			answer_begins(c, x, p, n, c->role == JOURNAL_CLIENT ? now_ns : t0_ns);
		if (x && n)
			x->last_ns = now_ns;
		if (x && !c->opaque && !x->answer_done) {
			exchange_expect_answer(c, x);
			used = p ? http1_feed(&c->answers, p, n, &e) : http1_skip(&c->answers, n, &e);
		}
		count_bytes(c, x, false, used);
		if (x && (e == HTTP1_STOP || (used && !exchange_cut_room(c, x))))
			exchange_cut(c, x, now_ns);
		if (e == HTTP1_HEAD)
			answer_head(c, x);
		if (e == HTTP1_DONE)
			answer_done(c, x, now_ns);
		if (e == HTTP1_OPAQUE)
			answer_opaque(c, x, now_ns);
		if (e == HTTP1_MORE)
			return;
		p = p ? p + used : NULL;
		n -= used;
	}
}

typedef void stream_fn(struct conn *c, const void *data, size_t n, uint64_t t0_ns, uint64_t now_ns);

static void each_piece(stream_fn *fn, struct conn *c, const struct iovec *iov, int count, size_t at, size_t n, uint64_t t0, uint64_t now)
{
	for (int i = 0; i < count && n; i++) {
		size_t len = iov[i].iov_len;

		if (at >= len) {
			at -= len;
			continue;
		}
		len = len - at < n ? len - at : n;
		fn(c, (char *)iov[i].iov_base + at, len, t0, now);
		n -= len;
		at = 0;
	}
}

void exchange_request_iov(struct conn *c, const struct iovec *iov, int count, size_t at, size_t n, uint64_t t0_ns, uint64_t now_ns)
{
	each_piece(exchange_request_bytes, c, iov, count, at, n, t0_ns, now_ns);
}

void exchange_answer_iov(struct conn *c, const struct iovec *iov, int count, size_t at, size_t n, uint64_t t0_ns, uint64_t now_ns)
{
	each_piece(exchange_answer_bytes, c, iov, count, at, n, t0_ns, now_ns);
}

void exchange_peer_eof(struct conn *c, uint64_t now_ns)
{
	struct exchange *x = conn_head(c);

	if (c->eof_in || c->shut_in)
		return;
	c->eof_in = true;
	if (c->role == JOURNAL_SERVER)
		return;	/* a client may half-close and still be answered; close() ends what is left */
	if (x && !c->opaque && http1_eof(&c->answers) == HTTP1_DONE && x->first_byte_ns)
		exchange_end(c, 0, true, now_ns);
	exchange_end_all(c, JOURNAL_EOF, now_ns);
}

void exchange_socket_error(struct conn *c, int error, uint64_t now_ns)
{
	c->dead = true;
	exchange_end_all(c, error, now_ns);
}

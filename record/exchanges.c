/* SPDX-License-Identifier: MIT */
#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "record/ledger.h"
#include "record/names.h"
#include "record/text.h"

#define EXCHANGE_BYTES offsetof(struct exchange, x.path)

static void drop_path(struct recorder *r, struct exchange *e)
{
	r->path_bytes -= e->path ? malloc_usable_size(e->path) : 0;
	free(e->path);
	e->path = NULL;
}

/* Exchanges come and go by the hundred thousand: their memory is kept. */
static void give_spare(struct recorder *r, struct exchange *e)
{
	drop_path(r, e);
	e->twin = r->spare;
	r->spare = e;
}

static struct exchange *take_spare(struct recorder *r)
{
	struct exchange *e = r->spare;

	if (!e)
		e = ledger_new(r, EXCHANGE_BYTES);
	else
		r->spare = e->twin;
	__asm__("" : "+r"(e));	/* the compiler is not to know that it is smaller than its type */
	return e ? memset(e, 0, EXCHANGE_BYTES) : NULL;
}

void exchange_free_spare(struct recorder *r)
{
	for (struct exchange *e; (e = r->spare);) {
		r->spare = e->twin;
		free(e);
	}
}

static void enter_all(struct recorder *r, struct exchange *e)
{
	e->begun_pass = r->pass;
	TAILQ_INSERT_TAIL(&r->all_exchanges, e, all);
	r->unshown = r->unshown ? r->unshown : e;
}

static void leave_all(struct recorder *r, struct exchange *e)
{
	if (r->unshown == e)
		r->unshown = TAILQ_NEXT(e, all);
	TAILQ_REMOVE(&r->all_exchanges, e, all);
}

/* Whether there is no room for one more: what is told of it is lost. */
static bool is_crowded(struct recorder *r, uint64_t serial)
{
	bool room = r->exchanges.count < LEDGER_EXCHANGES_MAX && r->path_bytes < LEDGER_PATHS_BYTES;

	if (!serial || room || index_get(&r->exchanges, serial))
		return false;
	r->crowded_exchanges++;
	return true;
}

struct exchange *exchange_of(struct recorder *r, int witness, uint64_t serial)
{
	bool crowded = is_crowded(r, serial);
	void **place = serial && !crowded ? index_place(&r->exchanges, serial) : NULL;
	struct exchange *e;

	r->no_memory += serial && !crowded && !place;
	if (!place || *place)
		return place ? *place : NULL;
	*place = e = take_spare(r);
	if (!e) {
		index_remove(&r->exchanges, serial);
		return NULL;
	}
	e->id = ++r->exchange_ids;
	e->serial = serial;
	e->witness = (uint8_t)witness;
	e->heard_ns = r->now_ns;
	e->x.retry_after_ms = -1;
	LIST_INIT(&e->injections);
	enter_all(r, e);
	return e;
}

/* ---- lanes: in the order of start, which is nearly that of arrival ---- */

void exchange_enter_lane(struct exchange *e)
{
	struct lane *lane = &e->connection->lanes[e->witness];
	struct exchange *before = TAILQ_LAST(lane, lane);

	while (before && before->x.started_ns > e->x.started_ns)
		before = TAILQ_PREV(before, lane, lane);
	if (before)
		TAILQ_INSERT_AFTER(lane, before, e, lane);
	else
		TAILQ_INSERT_HEAD(lane, e, lane);
	e->in_lane = true;
}

void exchange_leave_lane(struct exchange *e)
{
	if (e->in_lane)
		TAILQ_REMOVE(&e->connection->lanes[e->witness], e, lane);
	e->in_lane = false;
}

void exchange_free(struct recorder *r, struct exchange *e)
{
	injections_release(r, e);
	exchange_stop_waiting(r, e);
	exchange_leave_lane(e);
	parents_leave(e);
	if (e->twin)
		e->twin->twin = NULL;
	if (e->connection)
		e->connection->refs--;
	if (e->process) {
		LIST_REMOVE(e, of_process);
		e->process->refs--;
	}
	leave_all(r, e);
	index_remove(&r->exchanges, e->serial);
	give_spare(r, e);
}

/* ---- what is told of one ---- */

static void attach(struct recorder *r, struct exchange *e, const struct journal_record *rec)
{
	if (e->process)
		return;
	e->process = process_of(r, rec->pid);
	e->connection = connection_of(r, rec->connection, rec->pid);
	if (e->process) {
		LIST_INSERT_HEAD(&e->process->exchanges, e, of_process);
		e->process->refs++;
	}
	if (!e->connection)
		return;
	e->connection->refs++;
	e->connection->sources |= 1u << e->witness;
	if (exchange_was_given_up(r, e))
		e->absorbed = true;
	else
		exchange_enter_lane(e);
}

/* How many bytes of the exchange a record says. The journal lies in memory that targets can write. */
static size_t said(const struct journal_record *rec)
{
	const size_t head = offsetof(struct journal_record, x);

	if (rec->bytes < head || rec->bytes > head + sizeof(rec->x))
		return sizeof(rec->x);
	return rec->bytes - head;
}

/* Its path, and its query behind that; each ends with a NUL, whatever the record says. n: how many bytes of them it says. */
static void learn_path(struct recorder *r, struct exchange *e, const struct journal_exchange *said, size_t n)
{
	size_t end = n < sizeof(said->path) ? n : sizeof(said->path) - 1, path = strnlen(said->path, end);
	size_t query = said->query && path < end ? strnlen(said->path + path + 1, end - path - 1) : 0;

	drop_path(r, e);
	if (path == sizeof(said->path) - 1)
		e->x.query = JOURNAL_NO_QUERY;	/* there is no room for one */
	if (!path && !query)
		return;
	e->path = ledger_new(r, path + query + 2);
	if (!e->path)
		return;
	memcpy(e->path, said->path, path);
	memcpy(e->path + path + 1, said->path + path + 1, query);
	r->path_bytes += malloc_usable_size(e->path);
}

/* END says all but what only the beginning knew; either may come first, or both at once. */
static void learn(struct recorder *r, struct exchange *e, const struct journal_record *rec)
{
	bool begin = journal_kind(rec) != JOURNAL_END, end = journal_kind(rec) != JOURNAL_BEGIN;
	size_t from = e->ended && !end ? offsetof(struct journal_exchange, correlation) : 0, to = said(rec);
	const size_t path = offsetof(struct journal_exchange, path);
	uint64_t started_ns = e->x.started_ns;

	if (rec->tid)
		e->tid = rec->tid;
	if (to > from)
		memcpy((char *)&e->x + from, (const char *)&rec->x + from, (to < path ? to : path) - from);
	if (to > path)
		learn_path(r, e, &rec->x, to - path);
	e->x.method[sizeof(e->x.method) - 1] = '\0';
	if (!e->x.started_ns)
		e->x.started_ns = started_ns ? started_ns : rec->at_ns;
	e->begun |= begin;
	e->ended |= end;
}

/* The request was answered without reaching the kernel: no other witness can have seen it. */
static void note_answered(struct exchange *e)
{
	const struct injection *i;

	if (e->witness != SHIM || e->x.role != JOURNAL_CLIENT)
		return;
	e->answered_by_us |= e->ended && e->x.synthetic;
	LIST_FOREACH (i, &e->injections, of_exchange)
		e->answered_by_us |= i->what.action == LEDGER_ACTION_STATUS;
}

/* Nothing more is to come: both ends known, its injections too, and no other witness has a say. */
static bool complete(const struct recorder *r, const struct exchange *e)
{
	if (!e->begun || !e->ended || (e->x.fault_id && LIST_EMPTY(&e->injections)))
		return false;
	return !(r->shim && r->ebpf) || e->answered_by_us;
}

/* ---- what is not over when its process or the run is ---- */

static bool was_killed(const struct process *p)
{
	return p && p->ended_ns && !p->orderly && (p->exit_status < 0 || p->exit_status >= 128);
}

/* The kernel closes what a killed process had open: the program itself closed nothing. */
static bool closed_by_death(const struct exchange *e)
{
	return e->x.error == JOURNAL_CLOSED && was_killed(e->process) && e->x.ended_ns + LEDGER_DEATH_NS >= e->process->ended_ns;
}

/*
 * A beginning is told once the request's head is complete, a moment before its last byte leaves: without an end it may
 * have left. Only what we answer ourselves surely has not.
 */
static void settle_end(struct exchange *e, const char **error)
{
	const struct process *p = e->process;

	if (e->ended) {
		*error = closed_by_death(e) ? "killed" : NULL;
		return;
	}
	e->x.outcome = e->answered_by_us ? JOURNAL_NOT_SENT : JOURNAL_INDETERMINATE;
	e->x.ended_ns = p && p->ended_ns ? p->ended_ns : 0;
	if (!p || !p->ended_ns)
		*error = "open";
	else
		*error = was_killed(p) ? "killed" : "closed";
}

/* ---- both witnesses in one ---- */

#define FILL(field) (to->field = to->field ? to->field : from->field)

/* What the kernel knows about any exchange and the library left open. */
static void fill_request(struct exchange *s, const struct exchange *k)
{
	struct journal_exchange *to = &s->x;
	const struct journal_exchange *from = &k->x;

	FILL(started_ns);
	if (to->role == JOURNAL_CLIENT && !to->synthetic)
		FILL(sent_ns);
	FILL(fingerprint);
	FILL(correlation);
	FILL(idempotency_key);
	FILL(role);
	if (to->protocol == JOURNAL_UNKNOWN || to->protocol == JOURNAL_OPAQUE)
		to->protocol = from->protocol ? from->protocol : to->protocol;
	if (*to->method)
		return;
	memcpy(to->method, from->method, sizeof(to->method));
	to->query = from->query;
	s->path = k->path;
}

/* How it ended, when the library could not say (its process was killed) or does not read the protocol. */
static void fill_answer(struct exchange *s, const struct exchange *k)
{
	struct journal_exchange *to = &s->x;
	const struct journal_exchange *from = &k->x;

	if (!s->ended && k->ended) {
		to->first_byte_ns = from->first_byte_ns;
		to->ended_ns = from->ended_ns;
		to->outcome = from->outcome;
		to->error = from->error;
		to->status = from->status;
		to->bytes_in = from->bytes_in;
		to->bytes_out = from->bytes_out;
		to->retry_after_ms = from->retry_after_ms;
		s->ended = true;
	} else if (to->outcome == JOURNAL_OK && !to->status && from->status && !to->synthetic) {
		to->status = from->status;
		to->outcome = from->outcome;
		to->retry_after_ms = from->retry_after_ms;
	}
	FILL(bytes_in);
	FILL(bytes_out);
}

static void merge_twin(struct exchange *s, struct exchange *k)
{
	char *path = s->path;

	fill_request(s, k);
	if (s->path != path)
		k->path = path;	/* its owner is s now */
	fill_answer(s, k);
	parents_merge(s, k);
	if (!s->tid)
		s->tid = k->tid;
	if (s->tid == k->tid)
		s->x.answer_tid = k->x.answer_tid;
}

/* ---- rows ---- */

static uint32_t first_fault(const struct exchange *e)
{
	const struct injection *i, *first = NULL;

	LIST_FOREACH (i, &e->injections, of_exchange)
		first = !first || i->id < first->id ? i : first;
	return first ? first->what.fault_id : 0;
}

/* peer: where its address is put. */
static struct pulse_word pulse_word(struct exchange *e, struct addr *peer)
{
	if (e->connection)
		short_addr_get(&e->connection->peer, peer);
	return (struct pulse_word){e->process ? e->process->id : 0, e->connection ? peer : NULL, e->tid,
				   e->parent ? e->parent->serial : 0, &e->x, e->path, &e->pulsed};
}

/* Of two witnesses the library is listened to at once; what the kernel alone saw counts when it is shown or stored. */
static void tell_pulse(struct recorder *r, struct exchange *e)
{
	struct addr peer;
	struct pulse_word w = pulse_word(e, &peer);

	if (e->process && (e->witness == SHIM || !r->shim))
		pulse_heard(r->pulse, &w);
}

/* As text; a last … says that it is only the beginning. */
static const char *query_text(const struct exchange *e, char *text, size_t size)
{
	static const char more[] = "\u2026";
	const char *query = e->x.query && e->path ? e->path + strlen(e->path) + 1 : NULL;
	size_t n;

	if (!query)
		return NULL;
	n = text_utf8(text, size - sizeof(more) + 1, query, strlen(query));
	memcpy(text + n, more, e->x.query == JOURNAL_QUERY_CUT ? sizeof(more) : 0);
	return text;
}

static void write_row(struct recorder *r, const struct exchange *e, unsigned sources, const char *error)
{
	char method[4 * HTTP1_METHOD_MAX], path[4 * HTTP1_TARGET_MAX], query[4 * HTTP1_TARGET_MAX], number[16];
	const struct journal_exchange *x = &e->x;
	struct row_exchange row = {
		.id = e->id, .connection_id = e->connection ? e->connection->id : 0, .process_id = e->process ? e->process->id : 0,
		.tid = exchange_was_handed(e) ? 0 : e->tid, .fault_id = x->fault_id ? x->fault_id : first_fault(e), .status = x->status,
		.synthetic = x->synthetic, .end_inferred = x->inferred,
		.started_ns = x->started_ns, .sent_ns = x->sent_ns, .first_byte_ns = x->first_byte_ns, .ended_ns = x->ended_ns,
		.bytes_out = x->bytes_out, .bytes_in = x->bytes_in, .fingerprint = x->fingerprint, .correlation = x->correlation,
		.idempotency_key = x->idempotency_key, .retry_after_ms = x->retry_after_ms,
		.parent_id = parents_row(r, e),
		.role = names_role(x->role), .protocol = names_protocol(x->protocol), .outcome = names_outcome(x->outcome),
		.error = error ? error : names_error(x->error, number), .sources = names_sources(sources),
		.method = text_utf8(method, sizeof(method), x->method, sizeof(x->method)) ? method : NULL,
		.path = e->path && text_utf8(path, sizeof(path), e->path, strlen(e->path)) ? path : NULL,
		.query = query_text(e, query, sizeof(query)),
	};

	if (row.parent_id)
		row.parent_tier = parents_tier(e);
	if (e->in_file)
		store_exchange_again(r->store, &row);
	else
		store_exchange(r->store, &row);
	if (e->connection)
		connection_has_row(e->connection, e->id, e->id);
}

/* That it has begun: how it ends is not known, whatever x says. Where the library looks it has told of it, or will. */
static void show_pulse(struct recorder *r, struct exchange *e, struct exchange *seen)
{
	struct addr peer;
	struct pulse_word w = pulse_word(e, &peer);

	seen->x.ended_ns = 0;
	w.x = &seen->x;
	w.path = seen->path;
	if (e->process && !(e->witness == EBPF && e->connection && e->connection->sources & RECORDER_SHIM))
		pulse_heard(r->pulse, &w);
}

static void join_pulse(struct recorder *r, struct exchange *main, const struct exchange *other)
{
	struct addr peer;
	struct pulse_word w = pulse_word(main, &peer);

	pulse_twice(r->pulse, &w, other->pulsed);
	main->pulsed |= other->pulsed;
}

/* As it stands, whatever is to come; what the kernel alone knows of its end is not the end for the program. */
void exchange_show(struct recorder *r, struct exchange *e)
{
	struct exchange *main, seen;
	const char *error;

	if (e->absorbed || (!e->begun && !e->ended))
		return;
	if (!e->twin && e->connection)
		join_connection(r, e->connection);
	main = e->twin && e->witness == EBPF ? e->twin : e;
	if (main->in_file)
		return;
	memcpy(&seen, main, EXCHANGE_BYTES);
	if (main->twin)
		fill_request(&seen, main->twin);
	settle_end(&seen, &error);
	write_row(r, &seen, main->twin ? RECORDER_SHIM | RECORDER_EBPF : 1u << main->witness, error);
	main->in_file = true;
	show_pulse(r, main, &seen);
}

void exchange_adopt_row(struct recorder *r, struct exchange *s, struct exchange *k)
{
	int64_t id = s->id;

	if (!k->in_file || s->in_file)
		return;
	s->id = k->id;
	k->id = id;
	s->in_file = true;
	k->in_file = false;
	injections_of_exchange_known(r, s);
}

/* For good. */
static void exchange_write(struct recorder *r, struct exchange *e, unsigned sources, const char *error)
{
	struct addr peer;
	struct pulse_word w = pulse_word(e, &peer);

	write_row(r, e, sources, error);
	if (e->process)
		pulse_stored(r->pulse, &w);
}

void exchange_store(struct recorder *r, struct exchange *e)
{
	struct exchange *twin = e->twin, *main = twin && e->witness == EBPF ? twin : e, *other = main == e ? twin : e;
	const char *error = NULL;
	unsigned sources = 1u << e->witness;

	if (e->absorbed || (!e->begun && !e->ended)) {
		exchange_free(r, e);
		return;
	}
	if (twin) {
		sources = RECORDER_SHIM | RECORDER_EBPF;
		merge_twin(main, other);
		join_pulse(r, main, other);
	}
	settle_end(main, &error);
	exchange_write(r, main, sources, error);
	if (twin && other->in_file)
		store_exchange_gone(r->store, other->id);	/* both were shown before they were known to be one */
	if (twin)
		other->id = main->id;	/* where children of either find their parent */
	if (twin && twin->ended) {
		exchange_free(r, twin);
	} else if (twin) {
		twin->twin = NULL;
		twin->absorbed = true;
		e->twin = NULL;
		exchange_leave_lane(twin);
	}
	exchange_free(r, e);
}

void exchange_store_open(struct recorder *r, struct exchange *e)
{
	if (!e->twin && e->connection)
		join_connection(r, e->connection);
	exchange_store(r, e);
}

/* ---- testimony ---- */

/* Told from beginning to end at once, and nobody else has a say. */
static bool told_out(const struct recorder *r, const struct journal_record *rec)
{
	return journal_kind(rec) == JOURNAL_WHOLE && !(r->shim && r->ebpf) && !index_get(&r->exchanges, rec->exchange);
}

/* The same in short: it is stored without ever having been in flight here. */
static void store_at_once(struct recorder *r, int witness, const struct journal_record *rec)
{
	struct exchange *e = take_spare(r);
	const char *error;

	if (!e)
		return;
	e->id = ++r->exchange_ids;
	e->witness = (uint8_t)witness;
	LIST_INIT(&e->injections);
	learn(r, e, rec);
	e->process = process_of(r, rec->pid);
	e->connection = connection_of(r, rec->connection, rec->pid);
	if (e->connection)
		e->connection->sources |= 1u << witness;
	settle_end(e, &error);
	parents_hear(r, e);
	exchange_write(r, e, 1u << witness, error);
	parents_leave(e);
	give_spare(r, e);
}

void exchange_testimony(struct recorder *r, int witness, const struct journal_record *rec)
{
	struct exchange *e;

	if (told_out(r, rec)) {
		store_at_once(r, witness, rec);
		return;
	}
	e = exchange_of(r, witness, rec->exchange);
	if (!e)
		return;
	if (!e->begun && !e->ended && e->begun_pass != r->pass) {	/* only an injection of it was heard before */
		leave_all(r, e);
		enter_all(r, e);
	}
	if (!e->absorbed) {
		learn(r, e, rec);
		attach(r, e, rec);
	}
	if (e->absorbed) {
		if (journal_kind(rec) != JOURNAL_BEGIN)
			exchange_free(r, e);
		return;
	}
	injections_of_exchange_known(r, e);
	parents_hear(r, e);
	note_answered(e);
	tell_pulse(r, e);
	if (complete(r, e))
		exchange_store(r, e);
	else if (e->ended)
		exchange_wait(r, e);
}

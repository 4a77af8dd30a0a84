/* SPDX-License-Identifier: MIT */
/*
 * What is not HTTP/1. Redis is framed: each command is an exchange, however many are under way, and also when only its answer was seen.
 * Of PostgreSQL a turn is one, from its first byte to the server's word that it is ready. Of all else a turn is one as well, over when the
 * next begins or after a silence; of what is veiled, the connection. When the framing of messages is lost, so does Redis, until a turn begins.
 */
#include "record/assembly.h"

#include <stdlib.h>
#include <string.h>
#include "base/hash.h"

static bool has_messages(const struct connection *c)
{
	return c->protocol == PROTOCOL_REDIS || c->protocol == PROTOCOL_POSTGRESQL || c->protocol == PROTOCOL_MEMCACHED;
}

/* Leads the bytes of b from *at on through w, to the next event. */
static enum wire_event lead(struct wire *w, const struct assembler_bytes *b, uint64_t *at)
{
	bool seen = *at < b->captured;
	enum wire_event event;

	if (seen || *at == b->bytes)
		*at += wire_feed(w, seen ? (const char *)b->data + *at : "", seen ? b->captured - *at : 0, &event);
	else
		*at += wire_skip(w, b->bytes - *at, &event);
	return event;
}

/* Both directions are at the start of a message. */
static void in_step(struct connection *c, bool startup)
{
	struct turns *t = c->turns;

	wire_init(&t->wire[SIDE_REQUEST], c->protocol, WIRE_ASKS, startup);
	wire_init(&t->wire[SIDE_ANSWER], c->protocol, WIRE_ANSWERS, startup);
	t->asked = t->reported = 0;
	t->encrypts = t->cancels = t->copying = false;
	t->exact = c->protocol != PROTOCOL_MEMCACHED && !c->adrift;
	t->unseen.exit_ns = 0;
	t->recent_n = 0;
}

/* Where messages begin is not known any more: turns are what is left. */
static void out_of_step(struct assembler *a, struct connection *c, uint64_t at_ns)
{
	c->turns->exact = c->turns->copying = false;
	c->turns->unseen.exit_ns = 0;
	c->sending = NULL;
	if (c->under_way <= 1)
		return;
	a->counts.resynced++;
	exchange_give_up(a, c, at_ns);
}

/* ---- turns ---- */

static struct exchange *turn_open(struct assembler *a, struct connection *c, const struct assembler_moment *m,
				  const struct assembler_bytes *b)
{
	size_t hashed = b->captured < HTTP1_BODY_HASHED ? b->captured : HTTP1_BODY_HASHED;
	struct exchange *e = exchange_open(a, c, m, assembly_begin_ns(m, b->direction), NULL);

	if (e)
		e->x.fingerprint = hash_mix(hash_bytes(HASH_SEED, b->data, hashed));
	return e;
}

static void turn_request(struct assembler *a, struct connection *c, const struct assembler_moment *m, const struct assembler_bytes *b)
{
	bool veiled = protocol_is_veiled(c->protocol);

	if (!veiled && exchange_seems_whole(c))
		stream_settle(a, c);
	if (!c->first && ((veiled && c->veiled_told) || !turn_open(a, c, m, b)))
		return;
	c->veiled_told = veiled;
	*assembly_bytes(c, c->first, SIDE_REQUEST) += b->bytes;
	if (c->role == JOURNAL_CLIENT)
		c->first->x.sent_ns = m->exit_ns;
}

/* Leads an answer through its protocol to see whether it is an error. */
static void look_for_errors(struct connection *c, const struct assembler_bytes *b)
{
	struct wire *w = &c->turns->wire[SIDE_ANSWER];
	enum wire_event event;
	uint64_t at = 0;

	do {
		event = lead(w, b, &at);
		c->turns->reported += event == WIRE_DONE;
	} while (event != WIRE_LOST && at < b->bytes);
	c->first->failed |= w->failed;
	c->turns->copying |= w->copies;
	w->failed = w->copies = false;
	c->turns->exact &= event != WIRE_LOST;
}

/* A command in one line looks the same to Redis and to memcached: the answer tells. */
static void tell_apart(struct connection *c, const struct assembler_bytes *b)
{
	if (c->protocol != PROTOCOL_MEMCACHED || c->first->answered || !b->captured || !memchr("+-:$*", *(const char *)b->data, 5))
		return;
	c->protocol = PROTOCOL_REDIS;
	c->first->x.protocol = PROTOCOL_REDIS;
	in_step(c, false);
	c->turns->exact = false;
}

static void turn_answer(struct assembler *a, struct connection *c, const struct assembler_moment *m, const struct assembler_bytes *b)
{
	struct exchange *e = c->first;

	if (!e)
		return;
	if (c->turns) {
		tell_apart(c, b);
		look_for_errors(c, b);
	}
	e->answered = true;
	*assembly_bytes(c, e, SIDE_ANSWER) += b->bytes;
	exchange_heard(a, c, m, b->direction);
}

/* ---- PostgreSQL ---- */

static bool asks_to_encrypt(const struct assembler_bytes *b)
{
	static const unsigned char ssl[] = {0, 0, 0, 8, 4, 210, 22, 47}, gss[] = {0, 0, 0, 8, 4, 210, 22, 48};

	return b->bytes == 8 && b->captured == 8 && (!memcmp(b->data, ssl, 8) || !memcmp(b->data, gss, 8));
}

static bool asks_to_cancel(const struct assembler_bytes *b)
{
	static const unsigned char cancel[] = {0, 0, 0, 16, 4, 210, 22, 46};

	return b->bytes == 16 && b->captured == 16 && !memcmp(b->data, cancel, 8);
}

static void postgresql_request(struct assembler *a, struct connection *c, const struct assembler_moment *m,
			       const struct assembler_bytes *b)
{
	struct turns *t = c->turns;
	struct wire *w = &t->wire[SIDE_REQUEST];
	enum wire_event event;
	uint64_t at = 0;

	if (!t->exact && exchange_seems_whole(c))
		stream_settle(a, c);
	if (!t->exact && !c->first)
		in_step(c, false);
	t->encrypts = asks_to_encrypt(b);
	t->cancels = asks_to_cancel(b);
	turn_request(a, c, m, b);
	do {
		event = lead(w, b, &at);
		t->asked += event == WIRE_DONE;
	} while (event != WIRE_LOST && at < b->bytes);
	t->exact &= event != WIRE_LOST;
}

/* The server's one byte: what follows is encrypted, or a startup in the clear. */
static void answer_to_encryption(struct assembler *a, struct connection *c, const struct assembler_moment *m,
				 const struct assembler_bytes *b)
{
	bool yes = b->captured && memchr("SG", *(const char *)b->data, 2);

	*assembly_bytes(c, c->first, SIDE_ANSWER) += b->bytes;
	c->first->answered = true;
	exchange_heard(a, c, m, b->direction);
	exchange_close(a, c, 0, 0, m->exit_ns);
	if (yes)
		stream_switch(a, c, false);
	else
		in_step(c, true);
}

static void postgresql_answer(struct assembler *a, struct connection *c, const struct assembler_moment *m, const struct assembler_bytes *b)
{
	struct turns *t = c->turns;
	bool over, counted;

	if (!c->first)
		return;
	if (t->encrypts && b->bytes == 1) {
		answer_to_encryption(a, c, m, b);
		return;
	}
	assembly_remember(t->recent, &t->recent_n, b);
	turn_answer(a, c, m, b);
	counted = t->exact && !t->copying;	/* a Sync that comes before the data is not answered: of a COPY the last word counts */
	if (counted)
		over = t->asked && t->reported >= t->asked;
	else	/* of a pipeline of which not all was seen, only silence tells which word is the last */
		over = (t->copying || t->asked < 2) && wire_ends_ready(t->recent, t->recent_n);
	if (!over)
		return;
	/* In a transaction that failed: so did this, however far behind rows the error was. */
	c->first->failed |= wire_ends_ready(t->recent, t->recent_n) && t->recent[t->recent_n - 1] == 'E';
	exchange_close(a, c, 0, 0, m->exit_ns);
	if (counted)
		t->asked = t->reported = 0;
	else
		in_step(c, false);
}

/* ---- Redis ---- */

/* After these, answers come that nobody asked for. (After CLIENT REPLY, answers that were asked for do not.) */
static bool is_subscription(const char *name)
{
	static const char *const names[] = {"SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "MONITOR", "SYNC", "PSYNC"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

static void command_begins(struct assembler *a, struct connection *c, const struct assembler_moment *m, const struct assembler_bytes *b)
{
	c->sliding |= c->first && c->answered_last;
	c->answered_last = false;
	c->sending = exchange_open(a, c, m, assembly_begin_ns(m, b->direction), NULL);
	if (c->sending)
		c->sending->x.fingerprint = HASH_SEED;
}

/* n bytes of a command, at `at` when they were seen. */
static void command_bytes(struct connection *c, const struct assembler_moment *m, const char *at, uint64_t n)
{
	struct exchange *e = c->sending;
	uint64_t before = e ? *assembly_bytes(c, e, SIDE_REQUEST) : 0, room = before < HTTP1_BODY_HASHED ? HTTP1_BODY_HASHED - before : 0;

	if (!e || !n)
		return;
	if (at && room)
		e->x.fingerprint = hash_bytes(e->x.fingerprint, at, (size_t)(n < room ? n : room));
	*assembly_bytes(c, e, SIDE_REQUEST) += n;
	if (c->role == JOURNAL_CLIENT)
		e->x.sent_ns = m->exit_ns;
}

static void command_event(struct assembler *a, struct connection *c, const struct assembler_moment *m, enum wire_event event)
{
	const char *name = c->turns->wire[SIDE_REQUEST].name;
	struct exchange *e = c->sending;
	struct journal_exchange *request = event == WIRE_NAMED && e ? exchange_request(a, e) : NULL;

	if (request)
		memcpy(request->method, name, WIRE_NAME_MAX);
	if (event != WIRE_DONE)
		return;
	if (e)
		e->x.fingerprint = hash_mix(e->x.fingerprint);
	c->sending = NULL;
	if (is_subscription(name) || c->turns->wire[SIDE_REQUEST].silences)
		out_of_step(a, c, m->exit_ns);
}

/*
 * Bytes of commands went by unseen, and how many commands that were is not known: their answers will tell. Until then one exchange stands for all
 * of them.
 */
static void commands_unseen(struct assembler *a, struct connection *c, const struct assembler_moment *m, const struct assembler_bytes *b, uint64_t n)
{
	if (!c->sending && c->turns->unseen.exit_ns)
		c->sending = c->last;
	if (!c->sending)
		command_begins(a, c, m, b);
	if (c->sending && !*assembly_bytes(c, c->sending, SIDE_REQUEST))
		c->sending->x.fingerprint = 0;
	command_bytes(c, m, NULL, n);
	c->sending = NULL;
	c->turns->unseen = *m;
}

static void redis_request(struct assembler *a, struct connection *c, const struct assembler_moment *m, const struct assembler_bytes *b)
{
	struct wire *w = &c->turns->wire[SIDE_REQUEST];
	enum wire_event event;
	uint64_t at = 0;

	do {
		uint64_t from = at;

		if (wire_idle(w) && !c->sending)
			command_begins(a, c, m, b);
		event = lead(w, b, &at);
		command_bytes(c, m, from < b->captured ? (const char *)b->data + from : NULL, at - from);
		if (event != WIRE_LOST) {
			command_event(a, c, m, event);
		} else if (at >= b->captured || c->turns->unseen.exit_ns) {
			commands_unseen(a, c, m, b, b->bytes - at);
			return;
		} else {
			command_bytes(c, m, NULL, b->bytes - at);
			out_of_step(a, c, m->exit_ns);
		}
	} while (c->turns->exact && (at < b->bytes || event == WIRE_NAMED));
}

/* Whether the answer at `at` is that of a command that went by unseen: none that is known is under way, and it was not pushed. Then it has its exchange. */
static bool answers_unseen(struct assembler *a, struct connection *c, const struct assembler_bytes *b, uint64_t at)
{
	const struct assembler_moment *asked = &c->turns->unseen;
	bool pushed = at < b->captured && ((const char *)b->data)[at] == '>';

	return asked->exit_ns && !pushed && exchange_open(a, c, asked, assembly_begin_ns(asked, !b->direction), NULL);
}

static void redis_answer(struct assembler *a, struct connection *c, const struct assembler_moment *m, const struct assembler_bytes *b)
{
	struct wire *w = &c->turns->wire[SIDE_ANSWER];
	enum wire_event event;
	uint64_t at = 0, from;

	while (at < b->bytes) {
		if (!c->first && !answers_unseen(a, c, b, at)) {	/* it answers nothing that we know */
			wire_init(w, c->protocol, WIRE_ANSWERS, false);
			return;
		}
		from = at;
		event = lead(w, b, &at);
		*assembly_bytes(c, c->first, SIDE_ANSWER) += (event == WIRE_LOST ? b->bytes : at) - from;
		c->first->answered = true;
		c->first->failed |= w->failed;
		w->failed = false;
		if (event == WIRE_LOST) {
			out_of_step(a, c, m->exit_ns);
			if (c->first)
				exchange_heard(a, c, m, b->direction);
			return;
		}
		exchange_heard(a, c, m, b->direction);
		if (event == WIRE_DONE)
			exchange_close(a, c, 0, 0, m->exit_ns);
	}
}

/* A turn that begins with a whole command puts both directions in step again. */
static void step_again(struct assembler *a, struct connection *c, const struct assembler_bytes *b)
{
	if (exchange_seems_whole(c))
		stream_settle(a, c);
	if (!c->first && protocol_detect(b->data, b->captured) == PROTOCOL_REDIS)
		in_step(c, false);
	else if (!c->first && !c->turns->exact)
		wire_init(&c->turns->wire[SIDE_ANSWER], c->protocol, WIRE_ANSWERS, false);
}

/* ---- all ---- */

/* Whether all that its framing knows is that both directions are in step. */
static bool is_idle(const struct connection *c)
{
	const struct turns *t = c->turns;

	if (!t || c->sending || (c->first && (c->first->answered || c->protocol == PROTOCOL_POSTGRESQL)))
		return false;
	if (t->unseen.exit_ns || (!t->exact && c->protocol != PROTOCOL_MEMCACHED))
		return false;
	return wire_idle(&t->wire[SIDE_REQUEST]) && wire_idle(&t->wire[SIDE_ANSWER]);
}

/* Without room for framing its turns are those of any protocol. */
static void begin_messages(struct assembler *a, struct connection *c)
{
	if (c->turns || !has_messages(c))
		return;
	if (a->turns >= ASSEMBLY_TURNS)
		stream_take_back(a, is_idle);
	c->turns = a->turns < ASSEMBLY_TURNS ? malloc(sizeof(*c->turns)) : NULL;
	if (!c->turns) {
		a->counts.dropped++;
		c->protocol = PROTOCOL_OPAQUE;
		return;
	}
	a->turns++;
	in_step(c, !c->doubtful && !c->begun);
	c->begun = true;
}

/* Whether all of these bytes are of commands of memcached that no answer is wanted to. */
static bool asks_nothing(struct wire *w, const struct assembler_bytes *b)
{
	enum wire_event event;
	bool nothing = true;
	uint64_t at = 0;

	do {
		event = lead(w, b, &at);
		nothing &= event == WIRE_DONE ? w->silences : event != WIRE_LOST;
	} while (event != WIRE_LOST && at < b->bytes);
	if (event == WIRE_LOST)
		wire_init(w, PROTOCOL_MEMCACHED, WIRE_ASKS, false);
	return nothing && (wire_idle(w) || (w->silences && w->skip));
}

/* What asks nothing is no turn, and does not make the one behind it longer. */
static void turn_of_memcached(struct assembler *a, struct connection *c, const struct assembler_moment *m, const struct assembler_bytes *b)
{
	bool nothing = asks_nothing(&c->turns->wire[SIDE_REQUEST], b), free = !c->first || c->first->answered;

	if (nothing && free)
		return;
	if (free)
		wire_init(&c->turns->wire[SIDE_ANSWER], c->protocol, WIRE_ANSWERS, false);
	turn_request(a, c, m, b);
}

/* A server of MySQL reads the head of a message by itself: then its turn has begun, and never was one. */
static bool is_goodbye(struct assembler *a, struct connection *c, const struct assembler_bytes *b)
{
	static const char quit[] = "\1\0\0\0\1";
	bool opaque = c->protocol == PROTOCOL_OPAQUE, parted = c->parting && b->bytes == 1 && b->captured && *(const char *)b->data == quit[4];

	c->parting = opaque && b->bytes == 4 && b->captured == 4 && !memcmp(b->data, quit, 4) && (!c->first || c->first->answered);
	if (parted && c->first && !c->first->answered)
		exchange_forget_all(a, c);
	return parted || (b->captured == b->bytes && protocol_is_goodbye(c->protocol, b->data, b->captured));
}

void turn_bytes(struct assembler *a, struct connection *c, const struct assembler_moment *m, const struct assembler_bytes *b,
		enum assembly_side side)
{
	bool ask = side == SIDE_REQUEST;

	begin_messages(a, c);
	if (ask && is_goodbye(a, c, b))
		return;
	if (c->protocol == PROTOCOL_REDIS && ask && (!c->turns->exact || c->turns->unseen.exit_ns))
		step_again(a, c, b);
	if (c->protocol == PROTOCOL_REDIS && c->turns->exact)
		(ask ? redis_request : redis_answer)(a, c, m, b);
	else if (c->protocol == PROTOCOL_POSTGRESQL)
		(ask ? postgresql_request : postgresql_answer)(a, c, m, b);
	else if (c->protocol == PROTOCOL_MEMCACHED && ask)
		turn_of_memcached(a, c, m, b);
	else
		(ask ? turn_request : turn_answer)(a, c, m, b);
}

void turn_gap(struct assembler *a, struct connection *c, const struct assembler_moment *m, enum assembly_side side)
{
	begin_messages(a, c);
	if (c->turns)
		out_of_step(a, c, m->exit_ns);
	if (side != SIDE_ANSWER || !c->first || protocol_is_veiled(c->protocol))
		return;
	c->first->unsure = !c->first->answered;
	c->first->answered = true;
	if (!c->first->last_ns)
		c->first->last_ns = m->enter_ns;
}

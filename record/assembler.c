/* SPDX-License-Identifier: MIT */
#include "record/assembler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "record/assembly.h"

struct assembler *assembler_new(unsigned max, assembler_sink *sink, void *arg)
{
	struct assembler *a = calloc(1, sizeof(*a));
	unsigned n = 64;

	if (!a)
		return NULL;
	a->max = max ? max : ASSEMBLER_CONNECTIONS;
	while (n < a->max)
		n *= 2;
	a->mask = n - 1;
	a->sink = sink;
	a->arg = arg;
	TAILQ_INIT(&a->quiet);
	TAILQ_INIT(&a->untold);
	a->buckets = calloc(n, sizeof(*a->buckets));
	a->users = calloc(n, sizeof(*a->users));
	if (a->buckets && a->users)
		return a;
	assembler_free(a);
	return NULL;
}

void assembler_keep_query(struct assembler *a)
{
	a->keep_query = true;
}

/* ---- processes: who used which connection last ---- */

static struct user **user_at(const struct assembler *a, uint32_t pid)
{
	struct user **at = &a->users[hash_mix(pid) & a->mask];

	while (*at && (*at)->pid != pid)
		at = &(*at)->chain;
	return at;
}

static struct user *user_of(struct assembler *a, uint32_t pid)
{
	struct user **at = user_at(a, pid), *u = *at;

	if (u)
		return u;
	u = calloc(1, sizeof(*u));
	if (u) {
		u->pid = pid;
		*at = u;
	}
	return u;
}

void user_unused(struct assembler *a, struct user *u)
{
	if (u->exchanges || !LIST_EMPTY(&u->connections))
		return;
	*user_at(a, u->pid) = u->chain;
	free(u);
}

/* pid uses c at at_ns. Its former user may have ended: then c lives on here. */
static void used_by(struct assembler *a, struct connection *c, uint32_t pid, uint64_t at_ns)
{
	struct user *before = c->user, *u;

	if (at_ns > c->exited_ns)
		c->exited_ns = 0;
	if (before->pid == pid)
		return;
	u = user_of(a, pid);
	if (!u) {
		a->counts.dropped++;
		return;
	}
	LIST_REMOVE(c, used_by);
	LIST_INSERT_HEAD(&u->connections, c, used_by);
	c->user = u;
	user_unused(a, before);
}

/* ---- the table: found by cookie, ordered by last use ---- */

static struct connection **bucket_of(const struct assembler *a, uint64_t cookie)
{
	return &a->buckets[hash_mix(cookie) & a->mask];
}

static struct connection *find(const struct assembler *a, uint64_t cookie)
{
	struct connection *c = *bucket_of(a, cookie);

	while (c && c->cookie != cookie)
		c = c->chain;
	return c;
}

static void unlink_age(struct assembler *a, struct connection *c)
{
	*(c->newer ? &c->newer->older : &a->newest) = c->older;
	*(c->older ? &c->older->newer : &a->oldest) = c->newer;
	c->newer = c->older = NULL;
}

static void link_newest(struct assembler *a, struct connection *c)
{
	c->older = a->newest;
	*(a->newest ? &a->newest->newer : &a->oldest) = c;
	a->newest = c;
}

/* Without memory for one that is no IP address it stays unknown (counted). */
static void set_end(struct assembler *a, struct short_addr *end, const struct addr *from)
{
	a->counts.dropped += short_addr_set(end, from) != 0;
}

static void forget(struct assembler *a, struct connection *c)
{
	struct connection **at = bucket_of(a, c->cookie);

	while (*at != c)
		at = &(*at)->chain;
	*at = c->chain;
	unlink_age(a, c);
	exchange_forget_all(a, c);
	stream_release(a, c);
	if (c->in_quiet)
		TAILQ_REMOVE(&a->quiet, c, quiet);
	LIST_REMOVE(c, used_by);
	user_unused(a, c->user);
	short_addr_clear(&c->local);
	short_addr_clear(&c->peer);
	free(c);
	a->used--;
}

static void insert(struct assembler *a, struct connection *c)
{
	struct connection **at = bucket_of(a, c->cookie);

	c->chain = *at;
	*at = c;
	link_newest(a, c);
	a->used++;
}

static struct connection *use(struct assembler *a, uint64_t cookie)
{
	struct connection *c = find(a, cookie);

	if (c && c != a->newest) {
		unlink_age(a, c);
		link_newest(a, c);
	}
	return c;
}

void assembler_free(struct assembler *a)
{
	if (!a)
		return;
	while (a->newest)
		forget(a, a->newest);
	exchanges_free_spare(a);
	free(a->buckets);
	free(a->users);
	free(a);
}

/* ---- what is told of connections ---- */

static void tell(struct assembler *a, const struct connection *c, enum journal_kind kind, uint32_t tid, uint64_t at_ns, int error,
		 enum journal_end end)
{
	struct journal_record r;

	memset(&r, 0, offsetof(struct journal_record, conn));
	memset(&r.conn, 0, sizeof(r.conn));
	r.commit = kind;
	r.pid = c->pid;
	r.tid = tid;
	r.at_ns = at_ns;
	r.connection = c->serial;
	r.conn.cookie = c->cookie;
	r.conn.error = error;
	r.conn.role = c->role;
	r.conn.end = end;
	r.conn.mid_stream = kind == JOURNAL_OPEN && c->mid_stream;
	r.conn.bytes_in = c->bytes[ASSEMBLER_IN];
	r.conn.bytes_out = c->bytes[ASSEMBLER_OUT];
	short_addr_get(&c->local, &r.conn.local);
	short_addr_get(&c->peer, &r.conn.peer);
	a->sink(a->arg, &r);
}

/* What an exchange under way is told when its connection ends in this way. */
static int error_of_end(const struct connection *c, enum journal_end end)
{
	static const int errors[] = {
		[JOURNAL_RESET] = ECONNRESET,
		[JOURNAL_REFUSED] = ECONNREFUSED,
		[JOURNAL_TIMEOUT] = ETIMEDOUT,
		[JOURNAL_UNREACHABLE] = EHOSTUNREACH,
		[JOURNAL_PEER_CLOSE] = JOURNAL_EOF,
		[JOURNAL_EXITED] = JOURNAL_CLOSED,
	};

	if (c->error)
		return c->error;
	return (unsigned)end < sizeof(errors) / sizeof(errors[0]) && errors[end] ? errors[end] : JOURNAL_CLOSED;
}

/*
 * A connection that broke before its client had sent anything is an attempt that failed, as one that was refused is; when it had
 * stood for long, it was only kept ready.
 */
static bool broke_unused(const struct connection *c)
{
	return c->role == JOURNAL_CLIENT && !c->mid_stream && c->end && c->error > 0 && !c->sequence && !c->bytes[0] && !c->bytes[1] &&
	       c->broken_ns - c->opened_ns < ASSEMBLER_LINGER_NS;
}

static void end_connection(struct assembler *a, struct connection *c, uint32_t tid, enum journal_end end, int error, uint64_t at_ns)
{
	struct assembler_moment m = {.pid = c->pid, .tid = tid, .enter_ns = c->opened_ns, .exit_ns = c->broken_ns};

	if (c->end) {
		end = c->end;
		error = c->error;
	}
	if (end == JOURNAL_LOCAL_CLOSE || end == JOURNAL_PEER_CLOSE || end == JOURNAL_EXITED)
		stream_closed(a, c, at_ns);
	exchange_close_all(a, c, error ? error : error_of_end(c, end), at_ns);
	if (broke_unused(c))
		exchange_not_sent(a, c, &m, error ? error : c->error);
	tell(a, c, JOURNAL_CLOSE, tid, at_ns, error, end);
	forget(a, c);
}

static void evict(struct assembler *a, uint64_t at_ns)
{
	a->counts.evicted++;
	end_connection(a, a->oldest, 0, JOURNAL_END_UNKNOWN, 0, at_ns);
}

/* ---- the interface ---- */

bool assembler_knows(const struct assembler *a, uint64_t cookie)
{
	return find(a, cookie) != NULL;
}

void assembler_open(struct assembler *a, const struct assembler_moment *m, enum journal_role role, bool mid_stream,
		    const struct addr *local, const struct addr *peer)
{
	struct connection *c = find(a, m->cookie);
	struct user *u;

	if (c)
		end_connection(a, c, 0, JOURNAL_END_UNKNOWN, 0, m->enter_ns);
	if (a->used >= a->max)
		evict(a, m->enter_ns);
	c = calloc(1, sizeof(*c));
	u = c ? user_of(a, m->pid) : NULL;
	if (!u) {
		free(c);
		a->counts.dropped++;
		return;
	}
	c->user = u;
	LIST_INSERT_HEAD(&u->connections, c, used_by);
	c->cookie = m->cookie;
	c->serial = ASSEMBLER_SERIAL | ++a->serials;
	c->pid = m->pid;
	c->role = role;
	c->met_open = c->mid_stream = mid_stream;
	c->opened_ns = c->checked_ns = m->enter_ns;
	set_end(a, &c->local, local);
	set_end(a, &c->peer, peer);
	insert(a, c);
	tell(a, c, JOURNAL_OPEN, m->tid, m->enter_ns, 0, JOURNAL_END_UNKNOWN);
}

static void connect_failed(struct assembler *a, struct connection *c, const struct assembler_moment *m, int error,
			   enum journal_end end)
{
	struct assembler_moment whole = *m;

	whole.enter_ns = c->opened_ns;
	if (error > 0)
		tell(a, c, JOURNAL_CONNECTED, m->tid, m->exit_ns, error, JOURNAL_END_UNKNOWN);
	exchange_not_sent(a, c, &whole, error);
	tell(a, c, JOURNAL_CLOSE, m->tid, m->exit_ns, error > 0 ? error : 0, end);
	forget(a, c);
}

void assembler_connected(struct assembler *a, const struct assembler_moment *m, const struct addr *local, int error,
			 enum journal_end end)
{
	struct connection *c = use(a, m->cookie);

	if (!c)
		return;
	if (error) {
		connect_failed(a, c, m, error, end);
		return;
	}
	if (local)
		set_end(a, &c->local, local);
	tell(a, c, JOURNAL_CONNECTED, m->tid, m->exit_ns, 0, JOURNAL_END_UNKNOWN);
}

void assembler_lossy(struct assembler *a)
{
	a->lossy_ns = UINT64_MAX;
}

void assembler_place(struct assembler *a, uint64_t cookie, const uint32_t position[2])
{
	struct connection *c = find(a, cookie);

	if (!c)
		return;
	memcpy(c->position, position, sizeof(c->position));
	c->placed[ASSEMBLER_OUT] = c->placed[ASSEMBLER_IN] = true;
}

/* Bytes that went by unseen before these; two threads on one stream can tell in the wrong order, which is no gap. */
static uint64_t missing_before(struct connection *c, const struct assembler_bytes *b)
{
	int32_t ahead = (int32_t)(b->position - c->position[b->direction]);
	bool known = c->placed[b->direction];

	c->placed[b->direction] = b->placed;
	if (b->placed && (!known || ahead >= 0))
		c->position[b->direction] = b->position + (uint32_t)b->bytes;
	return known && b->placed && ahead > 0 ? (uint32_t)ahead : 0;
}

/* The first call on a connection that was open before may have been under way already: nobody saw it begin. */
static bool unknown_yet(const struct connection *c, enum assembler_direction d)
{
	return c->met_open && !c->bytes[d];
}

static void gap(struct assembler *a, struct connection *c, const struct assembler_moment *m, enum assembler_direction d, uint64_t missing)
{
	if (!unknown_yet(c, d))
		c->missing[d] += missing;
	stream_gap(a, c, m, d, missing);
}

/* After a loss: what went by unseen in the direction in which nothing moves now. */
static void check_other(struct assembler *a, struct connection *c, const struct assembler_moment *m, const struct assembler_bytes *b)
{
	enum assembler_direction d = b->direction == ASSEMBLER_OUT ? ASSEMBLER_IN : ASSEMBLER_OUT;
	int32_t ahead = (int32_t)(b->other_position - c->position[d]);

	if (!b->other_known || c->checked_ns > a->lossy_ns)
		return;
	c->checked_ns = m->exit_ns;
	if (!c->placed[d] || ahead <= 0)
		return;
	c->position[d] = b->other_position;
	gap(a, c, m, d, (uint32_t)ahead);
}

void assembler_bytes(struct assembler *a, const struct assembler_moment *m, const struct assembler_bytes *b)
{
	struct connection *c = use(a, m->cookie);
	uint64_t missing;

	if (!c || !b->bytes || b->captured > b->bytes)
		return;
	used_by(a, c, m->pid, m->exit_ns);
	check_other(a, c, m, b);
	missing = missing_before(c, b);
	if (missing)
		gap(a, c, m, b->direction, missing);
	stream_bytes(a, c, m, b);
}

void assembler_eof(struct assembler *a, const struct assembler_moment *m)
{
	struct connection *c = use(a, m->cookie);

	if (c)
		stream_eof(a, c, m);
}

/*
 * A read that fails is how a program learns that its exchange broke. A write that fails leaves a client what
 * the server may have said before it closed; to a server it says that the client is gone.
 */
void assembler_error(struct assembler *a, const struct assembler_moment *m, enum assembler_direction direction, int error)
{
	struct connection *c = use(a, m->cookie);

	if (!c)
		return;
	c->error = error;
	if (direction == ASSEMBLER_IN || c->role == JOURNAL_SERVER)
		exchange_close_all(a, c, error, m->exit_ns);
	else if (!c->first)
		exchange_not_sent(a, c, m, error);
}

void assembler_broken(struct assembler *a, const struct assembler_moment *m, enum journal_end end, int error)
{
	struct connection *c = find(a, m->cookie);

	if (!c)
		return;
	c->end = end;
	c->broken_ns = m->exit_ns;
	if (!c->error)
		c->error = error;
}

/* Its last user is gone, and this is the kernel closing it: named after that user, or after who opened it, but then at once. */
static bool closed_by_exit(const struct connection *c, const struct assembler_moment *m)
{
	return c->exited_ns && (m->pid == c->user->pid || m->exit_ns < c->exited_ns + ASSEMBLER_LINGER_NS);
}

void assembler_close(struct assembler *a, const struct assembler_moment *m, enum journal_end end, int error)
{
	struct connection *c = find(a, m->cookie);

	if (!c)
		return;
	if (closed_by_exit(c, m))
		end_connection(a, c, 0, JOURNAL_EXITED, 0, c->exited_ns);
	else
		end_connection(a, c, m->tid, end, error, m->exit_ns);
}

/* The beginning of a request's body is part of its fingerprint. */
uint64_t assembler_quiet(const struct assembler *a, uint64_t cookie, enum assembler_direction d)
{
	const struct connection *c = find(a, cookie);
	enum assembly_side side;
	const struct framing *f;

	if (!c)
		return 0;
	if (protocol_is_veiled(c->protocol))
		return c->veiled_told ? UINT64_MAX : 0;
	if (c->protocol != PROTOCOL_HTTP1 || !c->http)
		return 0;
	side = assembly_side(c, d);
	f = &c->http[side];
	if (f->lost || (side == SIDE_REQUEST && f->parser.hashed < HTTP1_BODY_HASHED))
		return 0;
	return http1_room(&f->parser);
}

/* A FIN takes a place in the stream as a byte does: a single one at the end tells nothing. */
uint64_t assembler_missing(const struct assembler *a, uint64_t cookie, const uint32_t *position)
{
	const struct connection *c = find(a, cookie);
	uint64_t missing;

	if (!c)
		return 0;
	missing = c->missing[ASSEMBLER_OUT] + c->missing[ASSEMBLER_IN];
	for (int d = ASSEMBLER_OUT; position && d <= ASSEMBLER_IN; d++) {
		int32_t ahead = (int32_t)(position[d] - c->position[d]);

		missing += c->placed[d] && ahead > 1 && !unknown_yet(c, d) ? (uint32_t)ahead : 0;
	}
	return missing;
}

/*
 * What the process had open is closed by the kernel, of which the witness is yet to tell, unless another process holds it too.
 * Of a connection that broke there is nothing more to tell.
 */
void assembler_exited(struct assembler *a, uint32_t pid, uint64_t at_ns)
{
	struct user *u = *user_at(a, pid);
	struct connection *c, *next;

	for (c = u ? LIST_FIRST(&u->connections) : NULL; c; c = next) {
		next = LIST_NEXT(c, used_by);
		c->exited_ns = at_ns;
		if (c->end) {
			end_connection(a, c, 0, JOURNAL_EXITED, 0, at_ns);
			continue;
		}
		stream_closed(a, c, at_ns);
		exchange_close_all(a, c, error_of_end(c, JOURNAL_EXITED), at_ns);
	}
}

void assembler_tick(struct assembler *a, uint64_t now_ns)
{
	struct connection *c;

	if (a->lossy_ns == UINT64_MAX)
		a->lossy_ns = now_ns + ASSEMBLER_LINGER_NS;	/* what is on its way here still */
	while ((c = TAILQ_FIRST(&a->quiet))) {
		bool whole = exchange_seems_whole(c);

		if (whole && now_ns < c->first->last_ns + ASSEMBLER_LINGER_NS)
			break;
		TAILQ_REMOVE(&a->quiet, c, quiet);
		c->in_quiet = false;
		if (whole)
			stream_settle(a, c);
	}
	if (now_ns > ASSEMBLER_TICK_NS)
		exchange_tell_begun(a, now_ns - ASSEMBLER_TICK_NS);
}

void assembler_finish(struct assembler *a, uint64_t now_ns)
{
	for (struct connection *c = a->newest; c; c = c->older)
		if (exchange_seems_whole(c))
			stream_settle(a, c);
	exchange_tell_begun(a, UINT64_MAX);
}

struct assembler_counts assembler_counts(const struct assembler *a)
{
	return a->counts;
}

/* SPDX-License-Identifier: MIT */
#include "record/ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "record/names.h"
#include "record/text.h"

void connection_dirty(struct recorder *r, struct connection *c)
{
	if (c->dirty)
		return;
	c->dirty = true;
	TAILQ_INSERT_TAIL(&r->dirty_connections, c, dirt);
}

void connection_has_row(struct connection *c, int64_t first, int64_t last)
{
	if (!c->first_row || first < c->first_row)
		c->first_row = first;
	if (last > c->last_row)
		c->last_row = last;
}

static struct connection *connection_new(struct recorder *r)
{
	struct connection *c = ledger_new(r, sizeof(*c));

	if (!c)
		return NULL;
	r->connection_count++;
	c->id = ++r->connection_ids;
	c->retransmits = -1;
	TAILQ_INIT(&c->lanes[SHIM]);
	TAILQ_INIT(&c->lanes[EBPF]);
	LIST_INIT(&c->uses);
	connection_dirty(r, c);
	return c;
}

static void attach(struct use *u, struct connection *c)
{
	u->connection = c;
	LIST_INSERT_HEAD(&c->uses, u, of_connection);
	c->open_uses += !u->closed;
}

/* ---- uses ---- */

static struct use *use_new(struct recorder *r, uint64_t serial, struct process *p)
{
	struct use *u = ledger_new(r, sizeof(*u));
	struct connection *c;

	if (!u || index_put(&r->serials, serial, u)) {
		free(u);
		return NULL;
	}
	c = connection_new(r);
	if (!c) {
		index_remove(&r->serials, serial);
		free(u);
		return NULL;
	}
	u->serial = serial;
	u->process = p;
	attach(u, c);
	c->process_id = p->id;
	LIST_INSERT_HEAD(&p->uses, u, of_process);
	p->refs++;
	return u;
}

static struct use *use_of(struct recorder *r, uint64_t serial, uint32_t pid)
{
	struct use *u = serial ? index_get(&r->serials, serial) : NULL;
	struct process *p;

	if (u || !serial)
		return u;
	if (r->serials.count >= LEDGER_USES_MAX || r->connection_count >= LEDGER_CONNECTIONS_MAX) {
		r->crowded_connections++;
		return NULL;
	}
	p = process_of(r, pid);
	return p ? use_new(r, serial, p) : NULL;
}

struct connection *connection_of(struct recorder *r, uint64_t serial, uint32_t pid)
{
	struct use *u = use_of(r, serial, pid);

	return u ? u->connection : NULL;
}

static void use_free(struct recorder *r, struct use *u)
{
	index_remove(&r->serials, u->serial);
	LIST_REMOVE(u, of_process);
	LIST_REMOVE(u, of_connection);
	u->process->refs--;
	free(u);
}

/* ---- its ends, its end ---- */

/* The library knows whom the program meant: an injected refusal goes to another address in the kernel's eyes. */
static void set_address(struct recorder *r, struct short_addr *a, const struct addr *told, bool stronger)
{
	if (told->family != ADDR_NONE && (a->family == ADDR_NONE || stronger))
		r->no_memory += short_addr_set(a, told) != 0;
}

static void move_address(struct recorder *r, const struct short_addr *from, struct short_addr *to, bool stronger)
{
	struct addr a;

	short_addr_get(from, &a);
	set_address(r, to, &a, stronger);
}

static void set_end(struct connection *c, int witness, enum journal_end end, bool firm)
{
	bool weaker = witness == EBPF && c->end_by_library;

	if (!end || weaker || (c->end_firm && !firm))
		return;
	c->end = end;
	c->end_firm |= firm;
	c->end_by_library |= witness == SHIM;
}

static enum journal_end end_for(int error)
{
	static const struct {
		int error;
		enum journal_end end;
	} ends[] = {
		{ECONNREFUSED, JOURNAL_REFUSED},     {ETIMEDOUT, JOURNAL_TIMEOUT},	 {ECONNRESET, JOURNAL_RESET},
		{EHOSTUNREACH, JOURNAL_UNREACHABLE}, {ENETUNREACH, JOURNAL_UNREACHABLE}, {JOURNAL_CLOSED, JOURNAL_ABANDONED},
	};

	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		if (ends[i].error == error)
			return ends[i].end;
	}
	return error < JOURNAL_EAI ? JOURNAL_UNRESOLVED : JOURNAL_END_UNKNOWN;
}

static void set_over(struct recorder *r, struct connection *c)
{
	if (c->over)
		return;
	c->over = true;
	c->over_heard_ns = clock_now_ns();
	TAILQ_INSERT_TAIL(&r->over_connections, c, over_link);
	r->over_count++;
}

static void not_over(struct recorder *r, struct connection *c)
{
	if (!c->over)
		return;
	c->over = false;
	TAILQ_REMOVE(&r->over_connections, c, over_link);
	r->over_count--;
}

void connection_use_ends(struct recorder *r, struct use *u, uint64_t at_ns, enum journal_end end)
{
	struct connection *c = u->connection;

	if (u->closed)
		return;
	u->closed = true;
	if (at_ns > c->closed_ns)
		c->closed_ns = at_ns;
	if (!--c->open_uses) {
		if (!c->end)
			c->end = (uint8_t)end;
		set_over(r, c);
	}
	connection_dirty(r, c);
}

/* ---- one connection under several serials ---- */

static void move_lane(struct connection *from, struct connection *to, int witness)
{
	struct exchange *e;

	while ((e = TAILQ_FIRST(&from->lanes[witness]))) {
		exchange_leave_lane(e);
		from->refs--;
		to->refs++;
		e->connection = to;
		exchange_enter_lane(e);
	}
}

static void move_facts(struct recorder *r, struct connection *from, struct connection *to)
{
	bool library = from->sources & RECORDER_SHIM;

	move_address(r, &from->local, &to->local, library);
	move_address(r, &from->peer, &to->peer, library);
	if (!to->role)
		to->role = from->role;
	if (from->opened_ns && (!to->opened_ns || from->opened_ns < to->opened_ns))
		to->opened_ns = from->opened_ns;
	if (!to->connected_ns)
		to->connected_ns = from->connected_ns;
	set_end(to, library ? SHIM : EBPF, from->end, from->end_firm);
	for (int w = 0; w < WITNESSES; w++) {
		to->bytes_in[w] += from->bytes_in[w];
		to->bytes_out[w] += from->bytes_out[w];
	}
	to->mid_stream &= from->mid_stream;
	to->sources |= from->sources;
	to->retransmits = from->retransmits > to->retransmits ? from->retransmits : to->retransmits;
	to->bytes_unseen = from->bytes_unseen > to->bytes_unseen ? from->bytes_unseen : to->bytes_unseen;
}

static void connection_free(struct recorder *r, struct connection *c)
{
	struct use *u;

	while ((u = LIST_FIRST(&c->uses)))
		use_free(r, u);
	if (c->cookie && index_get(&r->cookies, c->cookie) == c)
		index_remove(&r->cookies, c->cookie);
	if (c->dirty)
		TAILQ_REMOVE(&r->dirty_connections, c, dirt);
	not_over(r, c);
	r->connection_count--;
	short_addr_clear(&c->local);
	short_addr_clear(&c->peer);
	free(c);
}

/* `from` turned out to be `to`. Exchanges outside the lanes (stored, or never attached) need no move but in the file. */
static void merge(struct recorder *r, struct connection *from, struct connection *to)
{
	struct use *u;

	move_facts(r, from, to);
	move_lane(from, to, SHIM);
	move_lane(from, to, EBPF);
	while ((u = LIST_FIRST(&from->uses))) {
		LIST_REMOVE(u, of_connection);
		attach(u, to);
	}
	if (to->open_uses)
		not_over(r, to);
	if (from->written || from->first_row)
		store_merge_connection(r->store, from->id, to->id, from->first_row, from->last_row);
	if (from->first_row)
		connection_has_row(to, from->first_row, from->last_row);
	connection_free(r, from);
	connection_dirty(r, to);
}

/* A cookie names one socket for as long as the machine runs. */
static struct connection *known_as(struct recorder *r, struct connection *c, uint64_t cookie)
{
	struct connection *other = cookie ? index_get(&r->cookies, cookie) : NULL;

	if (!cookie || other == c || c->cookie)
		return c;
	if (other) {
		merge(r, c, other);
		return other;
	}
	if (!index_put(&r->cookies, cookie, c))
		c->cookie = cookie;
	return c;
}

/* ---- testimony ---- */

static void opened(struct connection *c, const struct journal_record *rec)
{
	c->mid_stream = rec->conn.mid_stream && (!c->opened_ns || c->mid_stream);
	if (!c->opened_ns || rec->at_ns < c->opened_ns)
		c->opened_ns = rec->at_ns;
}

static void connected(struct recorder *r, struct use *u, int witness, const struct journal_record *rec)
{
	struct connection *c = u->connection;

	if (!rec->conn.error) {
		if (!c->connected_ns || witness == SHIM)
			c->connected_ns = rec->at_ns;
		return;
	}
	set_end(c, witness, rec->conn.end ? rec->conn.end : end_for(rec->conn.error), true);
	if (witness == EBPF)
		connection_use_ends(r, u, rec->at_ns, JOURNAL_END_UNKNOWN);
}

static void closed(struct recorder *r, struct use *u, int witness, const struct journal_record *rec)
{
	struct connection *c = u->connection;

	c->bytes_in[witness] += rec->conn.bytes_in;
	c->bytes_out[witness] += rec->conn.bytes_out;
	set_end(c, witness, rec->conn.end, false);
	connection_use_ends(r, u, rec->at_ns, JOURNAL_END_UNKNOWN);
}

void connection_testimony(struct recorder *r, int witness, const struct journal_record *rec)
{
	struct use *u = use_of(r, rec->connection, rec->pid);
	struct connection *c;

	if (!u)
		return;
	c = known_as(r, u->connection, rec->conn.cookie);
	set_address(r, &c->local, &rec->conn.local, witness == SHIM);
	set_address(r, &c->peer, &rec->conn.peer, witness == SHIM);
	c->role = c->role ? c->role : rec->conn.role;
	c->sources |= 1u << witness;
	if (journal_kind(rec) == JOURNAL_OPEN)
		opened(c, rec);
	else if (journal_kind(rec) == JOURNAL_CONNECTED)
		connected(r, u, witness, rec);
	else
		closed(r, u, witness, rec);
	connection_dirty(r, c);
}

bool recorder_socket(struct recorder *r, const struct recorder_socket *s)
{
	struct connection *c = index_get(&r->cookies, s->cookie);
	bool first = c && s->bytes_unseen && !c->bytes_unseen;

	if (!c || (s->retransmits <= c->retransmits && s->bytes_unseen <= c->bytes_unseen))
		return false;
	if (s->retransmits > c->retransmits)
		c->retransmits = s->retransmits;
	if (s->bytes_unseen > c->bytes_unseen)
		c->bytes_unseen = s->bytes_unseen;
	connection_dirty(r, c);
	return first;
}

/* ---- rows ---- */

#define SHOWN_MAX (4 * ADDR_TEXT_MAX)

/* A Unix socket's path may hold any byte. */
static const char *shown(const struct addr *a, char buf[SHOWN_MAX])
{
	char raw[ADDR_TEXT_MAX];

	if (a->family == ADDR_NONE)
		return NULL;
	text_utf8(buf, SHOWN_MAX, addr_text(a, raw, sizeof(raw)), sizeof(raw));
	return buf;
}

static const char *shown_short(const struct short_addr *a, char buf[SHOWN_MAX])
{
	struct addr whole;

	short_addr_get(a, &whole);
	return shown(&whole, buf);
}

static void connection_write(struct recorder *r, struct connection *c)
{
	int w = c->bytes_in[SHIM] || c->bytes_out[SHIM] ? SHIM : EBPF;
	char local[SHOWN_MAX], peer[SHOWN_MAX];
	unsigned family = c->peer.family ? c->peer.family : c->local.family;
	struct row_connection row = {
		.id = c->id, .process_id = c->process_id, .cookie = c->cookie, .role = names_role(c->role),
		.family = names_family(family),
		.local = shown_short(&c->local, local), .peer = shown_short(&c->peer, peer),
		.opened_ns = c->opened_ns, .connected_ns = c->connected_ns, .closed_ns = c->open_uses ? 0 : c->closed_ns,
		.end = c->open_uses && !c->end_firm ? NULL : names_end(c->end), .bytes_in = c->bytes_in[w], .bytes_out = c->bytes_out[w],
		.mid_stream = c->mid_stream, .sources = names_sources(c->sources), .retransmits = c->retransmits,
		.bytes_unseen = c->bytes_unseen,
	};

	store_connection(r->store, &row);
	c->written = true;
}

/* The address alone, without the port that it has not. */
static void cut_port(char *text)
{
	char *colon = strrchr(text, ':');

	if (colon)
		*colon = '\0';
}

void resolved_testimony(struct recorder *r, int witness, const struct journal_record *rec)
{
	char name[SHOWN_MAX], address[SHOWN_MAX];

	if (rec->conn.local.family != ADDR_NAME || rec->conn.local.port || (rec->conn.peer.family != ADDR_IP4 && rec->conn.peer.family != ADDR_IP6))
		return;
	shown(&rec->conn.local, name);
	shown(&rec->conn.peer, address);
	cut_port(address);
	store_host(r->store, name, address);
}

void connections_write(struct recorder *r)
{
	struct connection *c;

	while ((c = TAILQ_FIRST(&r->dirty_connections))) {
		TAILQ_REMOVE(&r->dirty_connections, c, dirt);
		c->dirty = false;
		connection_write(r, c);
	}
}

void connections_sweep(struct recorder *r)
{
	struct connection *c, *next;

	for (c = TAILQ_FIRST(&r->over_connections); c; c = next) {
		next = TAILQ_NEXT(c, over_link);
		if (r->now_ns - c->over_heard_ns < LEDGER_LINGER_NS && r->over_count <= LEDGER_OVER_MAX)
			return;
		if (!c->refs && !c->dirty)
			connection_free(r, c);
	}
}

void connection_free_all(struct recorder *r)
{
	struct process *p;
	struct use *u;

	TAILQ_FOREACH (p, &r->processes, all) {
		while ((u = LIST_FIRST(&p->uses)))
			connection_free(r, u->connection);
	}
}

/* SPDX-License-Identifier: MIT */
#include "analyzer/link/closes.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include "analyzer/read/samples.h"

#define CLOSES_MIN 3		/* last attempts that show a timeout; first ones that have it; others that last longer */
#define ROOM_MS 5.0
#define ROOM_SHARE 0.01
#define LONGER_MS 20.0
#define FOLLOWS_NS (5 * NS_PER_MS)
#define FOLLOWS_LATE_NS (50 * NS_PER_MS)	/* of a client that is known to: on a busy machine */
#define MOST 0.9
#define FIRST 0.25		/* of first attempts: a program that loads code notices its first timeouts late */

struct closes {			/* of one edge */
	struct measure *m;
	struct chains_span requests;
	uint32_t closed;	/* name of the error; 0: nothing was closed */
	double timeout_ms, room_ms;
	uint64_t first, first_same;	/* first attempts that another one follows; those that last as long as the timeout */
	uint64_t longer, loose;		/* further ones; loose: not until the next one, or in a request whose last one has another timeout */
};

static const struct model_exchange *exchange(const struct closes *c, uint32_t i)
{
	return &c->m->r->model.exchanges[i];
}

/* Whether the client closed it while it waited for the first byte. */
static bool is_cut(const struct closes *c, const struct model_exchange *x)
{
	return x->error == c->closed && x->outcome == MODEL_INDETERMINATE && !x->first_byte_ns && !x->status && x->ended_ns > x->started_ns;
}

static struct chains_span attempts_of(const struct closes *c, size_t request)
{
	return chains_of(&c->m->chains.by_logical, c->requests.members[request]);
}

/* The last attempts of requests that were given up after at least one retry. */
static int find_timeout(struct closes *c)
{
	struct samples last = {0};
	int err = 0;

	for (size_t i = 0; i < c->requests.n && !err; i++) {
		struct chains_span span = attempts_of(c, i);

		if (span.n > 1 && is_cut(c, exchange(c, span.members[span.n - 1])))
			err = samples_add(&last, model_took_ms(exchange(c, span.members[span.n - 1])));
	}
	samples_sort(&last);
	c->timeout_ms = samples_percentile(&last, 0.5);
	c->room_ms = fmax(ROOM_MS, ROOM_SHARE * c->timeout_ms);
	if (last.n < CLOSES_MIN || samples_percentile(&last, 0.9) - samples_percentile(&last, 0.1) > c->room_ms)
		c->timeout_ms = NAN;
	samples_free(&last);
	return err;
}

static bool is_longer(const struct closes *c, const struct model_exchange *x)
{
	return model_took_ms(x) > c->timeout_ms + fmax(LONGER_MS, c->room_ms);
}

/* Whether y was begun so soon after x; its connection may have been opened for it. */
static bool follows(const struct closes *c, const struct model_exchange *x, const struct model_exchange *y, uint64_t within_ns)
{
	const struct model_connection *n = y->connection == MODEL_NONE ? NULL : &c->m->r->model.connections[y->connection];
	uint64_t at = n && n->opened_ns >= x->ended_ns && n->opened_ns < y->started_ns ? n->opened_ns : y->started_ns;

	return at >= x->ended_ns && at - x->ended_ns <= within_ns;
}

static void count(struct closes *c, struct chains_span span)
{
	const struct model_exchange *last = exchange(c, span.members[span.n - 1]);
	bool shows = is_cut(c, last) && fabs(model_took_ms(last) - c->timeout_ms) <= fmax(LONGER_MS, c->room_ms);

	for (size_t k = 0; k + 1 < span.n; k++) {
		const struct model_exchange *x = exchange(c, span.members[k]);

		if (!is_cut(c, x))
			continue;
		c->first += !k;
		c->first_same += !k && fabs(model_took_ms(x) - c->timeout_ms) <= c->room_ms;
		if (!k || !is_longer(c, x))
			continue;
		c->longer++;
		c->loose += !follows(c, x, exchange(c, span.members[k + 1]), FOLLOWS_NS) || (is_cut(c, last) && !shows);
	}
}

static bool closes_late(const struct closes *c)
{
	return c->first >= CLOSES_MIN && (double)c->first_same >= FIRST * (double)c->first && c->longer >= CLOSES_MIN &&
	       (double)c->loose <= (1 - MOST) * (double)c->longer;
}

static void date(struct closes *c, struct chains_span span)
{
	for (size_t k = 1; k + 1 < span.n; k++) {
		struct model_exchange *x = &c->m->r->model.exchanges[span.members[k]];

		if (is_cut(c, x) && is_longer(c, x) && follows(c, x, exchange(c, span.members[k + 1]), FOLLOWS_LATE_NS))
			x->ended_ns = x->started_ns + (uint64_t)(c->timeout_ms * NS_PER_MS);
	}
}

static int look_at(struct measure *m, uint32_t edge, uint32_t closed)
{
	struct closes c = {.m = m, .requests = chains_of(&m->chains.requests, edge), .closed = closed};
	const struct graph_edge *e = &m->graph.edges[edge];
	int err = find_timeout(&c);

	for (size_t i = 0; i < c.requests.n && !err && !isnan(c.timeout_ms); i++)
		count(&c, attempts_of(&c, i));
	if (err || isnan(c.timeout_ms) || !closes_late(&c))
		return err;
	for (size_t i = 0; i < c.requests.n; i++)
		date(&c, attempts_of(&c, i));
	return result_say(&m->r->notes, &m->r->note_count, "%s closes a connection to %s that it gave up only when it tries again: its waits are taken "
			  "to begin at its timeout, %.0f ms", measure_text(m, e->client), measure_text(m, e->server), c.timeout_ms);
}

int closes_date(struct measure *m)
{
	uint32_t closed = texts_find(&m->r->model.names, "closed");
	int err = 0;

	for (uint32_t e = 0; e < m->graph.count && !err; e++)
		err = look_at(m, e, closed);
	return err;
}

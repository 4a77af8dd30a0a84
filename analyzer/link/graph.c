/* SPDX-License-Identifier: MIT */
#include "analyzer/link/graph.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct builder {
	struct graph *g;
	struct model *m;
	struct map listeners;	/* address name -> service name of who accepts there */
	struct map pairs;	/* local and peer address names of a recorded client's connection -> 1 */
	struct map callers;	/* address name -> 1: the local end of one whose peer is no recorded listener, as behind a NAT */
	struct map vague;	/* address name -> 1: some recorded client of it has no known local end */
	struct map edges;	/* client and server names -> edge index */
	uint32_t external, unknown;
};

static bool unnamed(const struct model *m, uint32_t address)
{
	const char *text = texts_text(&m->names, address);

	return !*text || !strcmp(text, "-") || !strcmp(text, "unix:");
}

static int note_listener(struct builder *b, const struct model_connection *c)
{
	if (c->role == MODEL_SERVER && c->process != MODEL_NONE && !unnamed(b->m, c->local))
		return map_put(&b->listeners, c->local, b->m->processes[c->process].service);
	return 0;
}

static uint64_t pair(uint32_t client, uint32_t server)
{
	return (uint64_t)client << 32 | server;
}

/* Needs the listeners. The kernel gives one port to several connections as long as their peers differ. */
static int note_caller(struct builder *b, const struct model_connection *c)
{
	if (c->role != MODEL_CLIENT || unnamed(b->m, c->local))
		return 0;
	if (map_put(&b->pairs, pair(c->local, c->peer), 1))
		return -ENOMEM;
	return map_get(&b->listeners, c->peer) == MAP_NONE ? map_put(&b->callers, c->local, 1) : 0;
}

/* A request that reached a peer over a connection whose own end is not known (Unix sockets have none). */
static int note_vague(struct builder *b, const struct model_exchange *x)
{
	const struct model_connection *c;

	if (x->role != MODEL_CLIENT || !x->sent || x->connection == MODEL_NONE)
		return 0;
	c = &b->m->connections[x->connection];
	return unnamed(b->m, c->local) && c->peer ? map_put(&b->vague, c->peer, 1) : 0;
}

/* Whether the client of this inbound exchange was recorded too: then its own exchange is the attempt. */
static bool client_recorded(const struct builder *b, const struct model_exchange *x)
{
	const struct model_connection *c;

	if (x->connection == MODEL_NONE)
		return false;
	c = &b->m->connections[x->connection];
	if (!unnamed(b->m, c->peer) &&
	    (map_get(&b->pairs, pair(c->peer, c->local)) != MAP_NONE || map_get(&b->callers, c->peer) != MAP_NONE))
		return true;
	return map_get(&b->vague, c->local) != MAP_NONE;
}

static uint32_t service_of(const struct builder *b, const struct model_exchange *x)
{
	return x->process == MODEL_NONE ? b->unknown : b->m->processes[x->process].service;
}

static uint32_t server_of(const struct builder *b, const struct model_exchange *x)
{
	uint32_t peer = x->connection == MODEL_NONE ? 0 : b->m->connections[x->connection].peer, service;

	if (unnamed(b->m, peer))
		return b->unknown;
	service = map_get(&b->listeners, peer);
	return service == MAP_NONE ? peer : service;
}

static int add_edge(struct graph *g, const struct graph_edge *edge)
{
	if (g->count == g->room) {
		size_t room = g->room ? g->room * 2 : 16;
		struct graph_edge *edges = realloc(g->edges, room * sizeof(*edges));

		if (!edges)
			return -ENOMEM;
		g->edges = edges;
		g->room = room;
	}
	g->edges[g->count++] = *edge;
	return 0;
}

static int assign(struct builder *b, struct model_exchange *x, const struct graph_edge *edge)
{
	uint64_t key = (uint64_t)edge->client << 32 | edge->server;

	x->edge = map_get(&b->edges, key);
	if (x->edge == MAP_NONE) {
		x->edge = (uint32_t)b->g->count;
		if (add_edge(b->g, edge) || map_put(&b->edges, key, x->edge))
			return -ENOMEM;
	}
	b->g->edges[x->edge].attempts++;
	return 0;
}

static int place(struct builder *b, struct model_exchange *x)
{
	if (x->role == MODEL_CLIENT)
		return assign(b, x, &(struct graph_edge){service_of(b, x), server_of(b, x), .external = false});
	if (x->role == MODEL_SERVER && !client_recorded(b, x))
		return assign(b, x, &(struct graph_edge){b->external, service_of(b, x), .external = true});
	return 0;
}

static int note_ends(struct graph *g, size_t name_count)
{
	g->name_count = name_count;
	g->called = calloc(name_count, sizeof(*g->called));
	g->calls = calloc(name_count, sizeof(*g->calls));
	if (!g->called || !g->calls)
		return -ENOMEM;
	for (size_t i = 0; i < g->count; i++) {
		if (g->edges[i].client == g->edges[i].server)
			continue;
		g->called[g->edges[i].server] = true;
		g->calls[g->edges[i].client] = true;
	}
	return 0;
}

static int build(struct builder *b)
{
	struct model *m = b->m;

	b->external = texts_add(&m->names, GRAPH_EXTERNAL);
	b->unknown = texts_add(&m->names, "unknown");
	if (b->external == MAP_NONE || b->unknown == MAP_NONE)
		return -ENOMEM;
	for (size_t i = 0; i < m->connection_count; i++)
		if (note_listener(b, &m->connections[i]))
			return -ENOMEM;
	for (size_t i = 0; i < m->connection_count; i++)
		if (note_caller(b, &m->connections[i]))
			return -ENOMEM;
	for (size_t i = 0; i < m->exchange_count; i++)
		if (note_vague(b, &m->exchanges[i]))
			return -ENOMEM;
	for (size_t i = 0; i < m->exchange_count; i++)
		if (place(b, &m->exchanges[i]))
			return -ENOMEM;
	if (note_ends(b->g, m->names.count + 1))
		return -ENOMEM;
	return graph_order(b->g, m);
}

int graph_build(struct graph *g, struct model *m)
{
	struct builder b = {.g = g, .m = m};
	int err = build(&b);

	map_free(&b.listeners);
	map_free(&b.pairs);
	map_free(&b.callers);
	map_free(&b.vague);
	map_free(&b.edges);
	if (err)
		graph_free(g);
	return err;
}

void graph_free(struct graph *g)
{
	free(g->edges);
	free(g->called);
	free(g->calls);
	*g = (struct graph){0};
}

void graph_reach(const struct graph *g, uint32_t from, bool *lit)
{
	bool grew = true;

	while (grew) {
		grew = false;
		for (size_t i = 0; i < g->count; i++) {
			const struct graph_edge *e = &g->edges[i];
			bool reached = e->client == from || lit[e->client];

			grew |= reached && !lit[e->server];
			lit[e->server] |= reached;
		}
	}
}

/* SPDX-License-Identifier: MIT */
#include "analyzer/hosts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PEER_MAX 1024

struct placer {
	struct model *m;
	struct map peers;	/* address with port -> 1: a resolved connection has it */
	struct map callers;	/* process and thread -> 1: exchanges with peers ran there */
	struct map placed;	/* unresolved peer -> the address found for it, or itself */
};

/* Length of the host in "host:port" or "host". */
static size_t host_length(const char *peer)
{
	const char *colon = strrchr(peer, ':');

	return colon ? (size_t)(colon - peer) : strlen(peer);
}

/* The first peer at this address, on whatever port; MAP_NONE when there is none. */
static uint32_t any_port(const struct model *m, const char *address)
{
	size_t n = strlen(address);

	for (size_t i = 0; i < m->connection_count; i++) {
		const struct model_connection *c = &m->connections[i];
		const char *peer = texts_text(&m->names, c->peer);

		if (c->role == MODEL_CLIENT && !c->unresolved && !strncmp(peer, address, n) && peer[n] == ':')
			return c->peer;
	}
	return MAP_NONE;
}

/* The peer that the name led to by this row; MAP_NONE when there is none. */
static uint32_t lead(struct placer *p, const char *peer, const struct model_host *host)
{
	const char *name = texts_text(&p->m->names, host->name), *address = texts_text(&p->m->names, host->address);
	char whole[PEER_MAX];
	size_t n = host_length(peer);
	uint32_t number;

	if (strlen(name) != n || strncmp(name, peer, n))
		return MAP_NONE;
	if (!peer[n])
		return any_port(p->m, address);
	snprintf(whole, sizeof(whole), "%s%s", address, peer + n);
	number = texts_add(&p->m->names, whole);
	return map_get(&p->peers, number) == MAP_NONE ? MAP_NONE : number;
}

static int place(struct placer *p, struct model_connection *c)
{
	uint32_t found = map_get(&p->placed, c->peer), peer = c->peer;

	for (size_t i = 0; i < p->m->host_count && found == MAP_NONE; i++)
		found = lead(p, texts_text(&p->m->names, peer), &p->m->hosts[i]);
	c->peer = found == MAP_NONE ? peer : found;
	return map_put(&p->placed, peer, c->peer);
}

static int place_all(struct placer *p)
{
	struct model *m = p->m;
	int err = 0;

	for (size_t i = 0; i < m->connection_count && !err; i++)
		if (m->connections[i].role == MODEL_CLIENT && !m->connections[i].unresolved)
			err = map_put(&p->peers, m->connections[i].peer, 1);
	for (size_t i = 0; i < m->connection_count && !err; i++)
		if (m->connections[i].unresolved)
			err = place(p, &m->connections[i]);
	return err;
}

static bool is_unresolved(const struct model *m, const struct model_exchange *x)
{
	return x->connection != MODEL_NONE && m->connections[x->connection].unresolved;
}

static uint64_t thread_of(const struct model_exchange *x)
{
	return (uint64_t)x->process << 32 | x->tid;
}

/* Forgets the threads of failed look-ups where nothing else ever ran; a process's first thread is no helper. */
static int forget_helpers(struct placer *p)
{
	struct model *m = p->m;
	int err = 0;

	for (size_t i = 0; i < m->exchange_count && !err; i++)
		if (!is_unresolved(m, &m->exchanges[i]))
			err = map_put(&p->callers, thread_of(&m->exchanges[i]), 1);
	for (size_t i = 0; i < m->exchange_count && !err; i++) {
		struct model_exchange *x = &m->exchanges[i];
		bool first = x->process != MODEL_NONE && m->processes[x->process].pid == x->tid;

		if (is_unresolved(m, x) && !first && map_get(&p->callers, thread_of(x)) == MAP_NONE)
			x->tid = 0;
	}
	return err;
}

int hosts_place(struct model *m)
{
	struct placer p = {.m = m};
	int err = place_all(&p);

	err = err ? err : forget_helpers(&p);
	map_free(&p.callers);
	map_free(&p.peers);
	map_free(&p.placed);
	return err;
}

/* SPDX-License-Identifier: MIT */
#include "analyzer/read/hosts.h"

#include <stdio.h>
#include <string.h>

#define PEER_MAX 1024

struct placer {
	struct model *m;
	struct map peers;	/* address with port -> 1: a resolved connection has it */
	struct map callers;	/* process and thread -> 1: exchanges with peers ran there */
	struct map placed;	/* process and unresolved peer -> the address found for it, or itself */
};

/* Length of the host in "host:port" or "host". */
static size_t host_length(const char *peer)
{
	const char *colon = strrchr(peer, ':');

	return colon ? (size_t)(colon - peer) : strlen(peer);
}

/* The only peer of this process at this address, on whatever port; MAP_NONE when there is none, or several (which was meant?). */
static uint32_t only_port(const struct model *m, uint32_t process, const char *address)
{
	size_t n = strlen(address);
	uint32_t only = MAP_NONE;

	for (size_t i = 0; i < m->connection_count; i++) {
		const struct model_connection *c = &m->connections[i];
		const char *peer = texts_text(&m->names, c->peer);

		if (c->process != process || c->role != MODEL_CLIENT || c->unresolved || strncmp(peer, address, n) || peer[n] != ':')
			continue;
		if (only != MAP_NONE && only != c->peer)
			return MAP_NONE;
		only = c->peer;
	}
	return only;
}

/* The peer that the name led to by this row; MAP_NONE when there is none. */
static uint32_t lead(struct placer *p, const struct model_connection *c, const struct model_host *host)
{
	const struct texts *t = &p->m->names;
	const char *peer = texts_text(t, c->peer), *name = texts_text(t, host->name), *address = texts_text(t, host->address);
	char whole[PEER_MAX];
	size_t n = host_length(peer);
	uint32_t number;

	if (strlen(name) != n || strncmp(name, peer, n))
		return MAP_NONE;
	if (!peer[n])
		return only_port(p->m, c->process, address);
	snprintf(whole, sizeof(whole), "%s%s", address, peer + n);
	number = texts_add(&p->m->names, whole);
	return map_get(&p->peers, number) == MAP_NONE ? MAP_NONE : number;
}

static int place(struct placer *p, struct model_connection *c)
{
	uint64_t key = (uint64_t)c->process << 32 | c->peer;
	uint32_t found = map_get(&p->placed, key);

	for (size_t i = 0; i < p->m->host_count && found == MAP_NONE; i++)
		found = lead(p, c, &p->m->hosts[i]);
	c->peer = found == MAP_NONE ? c->peer : found;
	return map_put(&p->placed, key, c->peer);
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

static bool any_unresolved(const struct model *m)
{
	for (size_t i = 0; i < m->connection_count; i++)
		if (m->connections[i].unresolved)
			return true;
	return false;
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

	err = err || !any_unresolved(m) ? err : forget_helpers(&p);
	map_free(&p.callers);
	map_free(&p.peers);
	map_free(&p.placed);
	return err;
}

/* SPDX-License-Identifier: MIT */
#include "demos/service/config_stores.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demos/service/postgres.h"
#include "demos/service/redis.h"
#include "demos/service/routes.h"

#define NS_PER_MS 1000000ull
#define HOUR_MS 3600000.0
#define YEAR_MS (365 * 24 * HOUR_MS)
#define WHOLE .offset = 0	/* this reader fills more than one member: it is given the structure */

/* ---- stores ---- */

static const struct store_kind *const kinds[] = {&postgres_kind, &redis_kind};

static int set_address(struct fields *f, const cJSON *value, struct store_config *s, const struct store_kind *kind)
{
	if (s->kind)
		return fields_refuse(f, NULL, "left out: a store is of one kind");
	s->kind = kind;
	s->address = value->valuestring;
	return 0;
}

static int read_postgres(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	PQconninfoOption *parsed;

	if (!cJSON_IsString(value) || !(parsed = PQconninfoParse(value->valuestring, NULL)))
		return fields_refuse(f, value, "a connection string, as in host=127.0.0.1 port=5432 dbname=orders user=postgres");
	PQconninfoFree(parsed);
	return set_address(f, value, into, &postgres_kind);
}

static int read_redis(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	const char *text = cJSON_GetStringValue(value), *colon = text ? strrchr(text, ':') : NULL;
	char host[INET_ADDRSTRLEN], *end = NULL;
	unsigned long port = colon && colon[1] ? strtoul(colon + 1, &end, 10) : 0;
	struct in_addr address;

	if (!colon || (size_t)(colon - text) >= sizeof(host) || !end || *end || port < 1 || port > 65535)
		return fields_refuse(f, value, "an IPv4 address and a port, as in 127.0.0.1:6379");
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	if (inet_pton(AF_INET, host, &address) != 1)
		return fields_refuse(f, value, "an IPv4 address and a port, as in 127.0.0.1:6379");
	return set_address(f, value, into, &redis_kind);
}

#define OF_STORE(member) .offset = offsetof(struct store_config, member)
static const struct field store_fields[] = {
	{"postgres", read_postgres, WHOLE},
	{"redis", read_redis, WHOLE},
	{"pool", fields_count, OF_STORE(pool.width), .low = 1, .high = 1000},
	{"min_idle", fields_count, OF_STORE(min_idle), .low = 0, .high = 1000},
	{"queue", fields_count, OF_STORE(pool.queue), .low = 0, .high = 100000},
	{"wait_ms", fields_ms, OF_STORE(pool.wait_ns), .low = 0, .high = HOUR_MS},
	{"connect_timeout_ms", fields_ms, OF_STORE(connect_timeout_ns), .low = 1, .high = HOUR_MS},
	{"timeout_ms", fields_ms, OF_STORE(timeout_ns), .low = 1, .high = HOUR_MS},
	{NULL},
};

static int read_store(struct fields *f, const cJSON *item, struct store_config *s)
{
	char known[64] = "";
	int err;

	*s = (struct store_config){
		.name = item->string,
		.service = ((const struct config *)f->context)->name,
		.pool = {.width = 10, .queue = 1000, .wait_ns = 1000 * NS_PER_MS},
		.connect_timeout_ns = 1000 * NS_PER_MS,
		.timeout_ns = 2000 * NS_PER_MS,
	};
	err = fields_read(f, item, store_fields, s);
	if (err)
		return err;
	if (s->min_idle > s->pool.width) {
		fields_down(f, "min_idle", 0);
		return fields_refuse(f, cJSON_GetObjectItem(item, "min_idle"), "at most pool, which is %u", s->pool.width);
	}
	if (s->kind)
		return 0;
	for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++)
		snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s", k ? " or " : "", kinds[k]->key);
	return fields_refuse(f, NULL, "given an address, as %s", known);
}

int config_stores(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	struct config *c = into;
	const cJSON *item;
	unsigned i = 0;
	int err;

	c->stores = fields_list(f, value, true, 0, sizeof(*c->stores), &c->store_count);
	if (!c->stores)
		return -EINVAL;
	cJSON_ArrayForEach(item, value) {
		size_t mark;

		err = fields_member(f, value, item, &mark);
		if (!err)
			err = read_store(f, item, &c->stores[i++]);
		if (err)
			return err;
		fields_up(f, mark);
	}
	return 0;
}

/* ---- what one part of the file says about another ---- */

/* Where one key of an object that was read already says something else than it must. */
static int refuse_at(struct fields *f, const char *key, const char *wanted, const char *name)
{
	size_t mark = fields_down(f, key, 0);
	int err = fields_refuse(f, NULL, "%s, not \"%.40s\"", wanted, name);

	fields_up(f, mark);
	return err;
}

/* The index of the store of that name and kind in *index. */
static int find_store(struct fields *f, const char *name, const struct store_kind *kind, unsigned *index)
{
	const struct config *c = f->context;

	for (*index = 0; *index < c->store_count; (*index)++)
		if (!strcmp(c->stores[*index].name, name) && c->stores[*index].kind == kind)
			return 0;
	return refuse_at(f, "store", kind == &redis_kind ? "\"memory\" or one of stores that is of redis" : "one of stores that is of postgres",
			 name);
}

static int find_peer(struct fields *f, const char *name, unsigned *index)
{
	int found = config_peer(f->context, name);

	if (found < 0)
		return refuse_at(f, "peer", "one of peers", name);
	*index = (unsigned)found;
	return 0;
}

/* ---- outboxes ---- */

/* It becomes part of statements: a name, with that of its schema before it perhaps, and nothing that would have to be quoted. */
int config_table(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	const char *name = cJSON_GetStringValue(value);

	if (!name || !*name || (*name >= '0' && *name <= '9') || strspn(name, "abcdefghijklmnopqrstuvwxyz_0123456789.") != strlen(name))
		return fields_refuse(f, value, "the name of a table, of small letters, digits and _");
	*(const char **)into = name;
	return 0;
}

#define OF_OUTBOX(member) .offset = offsetof(struct outbox_config, member)
static const struct field outbox_fields[] = {
	{"store", fields_string, OF_OUTBOX(store_name), .required = true},
	{"table", config_table, OF_OUTBOX(table), .required = true},
	{"peer", fields_string, OF_OUTBOX(peer_name), .required = true},
	{"path", routes_path, OF_OUTBOX(path), .required = true},
	{"poll_ms", fields_ms, OF_OUTBOX(poll_ns), .low = 1, .high = HOUR_MS},
	{"batch", fields_count, OF_OUTBOX(batch), .low = 1, .high = 10000},
	{"lease_ms", fields_ms, OF_OUTBOX(lease_ns), .low = 10, .high = HOUR_MS},
	{"backoff_ms", fields_ms, OF_OUTBOX(backoff.base_ns), .low = 1, .high = HOUR_MS},
	{"backoff_max_ms", fields_ms, OF_OUTBOX(backoff.cap_ns), .low = 1, .high = HOUR_MS},
	{NULL},
};

static int read_outbox(struct fields *f, const cJSON *item, struct outbox_config *o)
{
	int err;

	*o = (struct outbox_config){
		.poll_ns = 100 * NS_PER_MS,
		.batch = 20,
		.lease_ns = 30000 * NS_PER_MS,
		.backoff = {.backoff = RETRY_EXPONENTIAL, .jitter = JITTER_EQUAL, .max_attempts = UINT_MAX, .multiplier = 2, .on_error = true,
			    .base_ns = 200 * NS_PER_MS, .cap_ns = 10000 * NS_PER_MS},
	};
	err = fields_read(f, item, outbox_fields, o);
	if (!err && o->backoff.cap_ns < o->backoff.base_ns)
		err = fields_refuse(f, NULL, "given a backoff_max_ms of at least backoff_ms");
	if (!err)
		err = find_store(f, o->store_name, &postgres_kind, &o->store);
	return err ? err : find_peer(f, o->peer_name, &o->peer);
}

int config_outboxes(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	struct config *c = into;
	const cJSON *item;
	unsigned i = 0;
	int err;

	c->outboxes = fields_list(f, value, false, 0, sizeof(*c->outboxes), &c->outbox_count);
	if (!c->outboxes)
		return -EINVAL;
	cJSON_ArrayForEach(item, value) {
		size_t mark = fields_down(f, NULL, (int)i);

		err = read_outbox(f, item, &c->outboxes[i++]);
		if (err)
			return err;
		fields_up(f, mark);
	}
	return 0;
}

/* ---- idempotency ---- */

#define OF_REPLAY(member) .offset = offsetof(struct replay_config, member)
static const struct field replay_fields[] = {
	{"store", fields_string, OF_REPLAY(store_name), .required = true},
	{"ttl_ms", fields_ms, OF_REPLAY(policy.ttl_ns), .low = 1, .high = YEAR_MS},
	{"lease_ms", fields_ms, OF_REPLAY(policy.lease_ns), .low = 1, .high = HOUR_MS},
	{"required", fields_bool, OF_REPLAY(is_required)},
	{"max_keys", fields_count, OF_REPLAY(max_keys), .low = 1, .high = 100000000},
	{NULL},
};

int config_idempotency(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	struct replay_config *r = into;
	int err;

	*r = (struct replay_config){.policy = {24 * 3600000 * NS_PER_MS, 30000 * NS_PER_MS}, .max_keys = 1000000};
	err = fields_read(f, value, replay_fields, r);
	if (!err && r->policy.lease_ns > r->policy.ttl_ns)
		err = fields_refuse(f, NULL, "given a ttl_ms of at least lease_ms");
	if (!err && strcmp(r->store_name, REPLAY_MEMORY))
		err = find_store(f, r->store_name, &redis_kind, &r->store);
	return err;
}

/* SPDX-License-Identifier: MIT */
#include "demos/service/config_peers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demos/service/config_policies.h"

#define NS_PER_MS 1000000ull
#define HOUR_MS 3600000.0
#define WHOLE .offset = 0	/* this reader fills more than one member: it is given the structure */

static const char *const backoff_names[] = {"none", "immediate", "fixed", "exponential", NULL};
static const char *const jitter_names[] = {"none", "full", "equal", "proportional", "additive", "decorrelated", NULL};

static const struct strategy single_attempt = {.name = "none", .retry = {.backoff = RETRY_NONE, .max_attempts = 1}};

/* ---- strategies ---- */

static int read_retry_on(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	struct retry_policy *p = into;
	const cJSON *item;

	if (!cJSON_IsArray(value))
		return fields_refuse(f, value, "an array of statuses, \"timeout\" and \"error\"");
	memset(p->statuses, 0, sizeof(p->statuses));
	p->on_timeout = p->on_error = false;
	cJSON_ArrayForEach(item, value) {
		if (cJSON_IsNumber(item) && item->valuedouble >= 400 && item->valuedouble <= 599)
			retry_on_status(p, (int)item->valuedouble);
		else if (cJSON_IsString(item) && !strcmp(item->valuestring, "timeout"))
			p->on_timeout = true;
		else if (cJSON_IsString(item) && !strcmp(item->valuestring, "error"))
			p->on_error = true;
		else
			return fields_refuse(f, item, "made of statuses from 400 to 599, \"timeout\" and \"error\"");
	}
	return 0;
}

#define OF_RETRY(member) .offset = offsetof(struct retry_policy, member)
static const struct field retry_fields[] = {
	{"backoff", fields_name, OF_RETRY(backoff), .required = true, .names = backoff_names},
	{"max_attempts", fields_count, OF_RETRY(max_attempts), .low = 1, .high = 100},
	{"base_ms", fields_ms, OF_RETRY(base_ns), .low = 0, .high = HOUR_MS},
	{"multiplier", fields_number, OF_RETRY(multiplier), .low = 1, .high = 100},
	{"cap_ms", fields_ms, OF_RETRY(cap_ns), .low = 0, .high = HOUR_MS},
	{"jitter", fields_name, OF_RETRY(jitter), .names = jitter_names},
	{"jitter_share", fields_number, OF_RETRY(spread), .low = 0, .high = 1},
	{"jitter_ms", fields_ms, OF_RETRY(spread_ns), .low = 0, .high = HOUR_MS},
	{"retry_on", read_retry_on, WHOLE},
	{"honour_retry_after", fields_bool, OF_RETRY(honour_retry_after)},
	{"retry_after_max_ms", fields_ms, OF_RETRY(retry_after_max_ns), .low = 0, .high = HOUR_MS},
	{NULL},
};

static void retry_defaults(struct retry_policy *p)
{
	static const int statuses[] = {429, 500, 502, 503, 504};

	*p = (struct retry_policy){
		.max_attempts = 3,
		.cap_ns = 30000 * NS_PER_MS,
		.multiplier = 2,
		.on_timeout = true,
		.on_error = true,
		.honour_retry_after = true,
		.retry_after_max_ns = 30000 * NS_PER_MS,
	};
	for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++)
		retry_on_status(p, statuses[i]);
}

/* Keys that say nothing together are refused: whoever wrote them expects something else to happen. */
static int retry_makes_sense(struct fields *f, const struct retry_policy *p)
{
	bool waits = p->backoff == RETRY_FIXED || p->backoff == RETRY_EXPONENTIAL;

	if (waits && !p->base_ns)
		return fields_refuse(f, NULL, "given base_ms above 0, for it has a backoff of %s", backoff_names[p->backoff]);
	if (!waits && (p->jitter || p->base_ns))
		return fields_refuse(f, NULL, "without base_ms and jitter, or have a backoff of fixed or exponential");
	if (p->jitter == JITTER_PROPORTIONAL ? !p->spread : p->spread != 0)
		return fields_refuse(f, NULL, "given jitter_share above 0 and a jitter of proportional together");
	if (p->jitter == JITTER_ADDITIVE ? !p->spread_ns : p->spread_ns != 0)
		return fields_refuse(f, NULL, "given jitter_ms above 0 and a jitter of additive together");
	if (waits && p->cap_ns < p->base_ns)
		return fields_refuse(f, NULL, "given a cap_ms of at least base_ms");
	return 0;
}

int config_strategies(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	struct config *c = into;
	const cJSON *item;
	unsigned i = 0;
	int err;

	c->strategies = fields_list(f, value, true, 1, sizeof(*c->strategies), &c->strategy_count);
	if (!c->strategies)
		return -EINVAL;
	cJSON_ArrayForEach(item, value) {
		struct strategy *s = &c->strategies[i++];
		size_t mark;

		s->name = item->string;
		retry_defaults(&s->retry);
		err = fields_member(f, value, item, &mark);
		if (!err)
			err = fields_read(f, item, retry_fields, &s->retry);
		if (!err)
			err = retry_makes_sense(f, &s->retry);
		if (err)
			return err;
		fields_up(f, mark);
	}
	return 0;
}

int config_single_attempt(struct config *c)
{
	if (!c->strategies)
		c->strategies = calloc(1, sizeof(*c->strategies));
	if (!c->strategies)
		return -ENOMEM;
	if (!config_strategy(c, single_attempt.name))
		c->strategies[c->strategy_count++] = single_attempt;
	return 0;
}

const struct strategy *config_strategy(const struct config *config, const char *name)
{
	for (unsigned i = 0; i < config->strategy_count; i++)
		if (!strcmp(config->strategies[i].name, name))
			return &config->strategies[i];
	return NULL;
}

int config_peer(const struct config *config, const char *name)
{
	for (unsigned i = 0; i < config->peer_count; i++)
		if (!strcmp(config->peers[i].name, name))
			return (int)i;
	return -1;
}

/* ---- peers ---- */

static int read_url(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	const char *url = cJSON_GetStringValue(value), *host = url ? url + strlen("http://") : NULL;

	if (!url || strncmp(url, "http://", strlen("http://")) || !*host || strpbrk(host, "/?#@ \t\r\n"))
		return fields_refuse(f, value, "http://HOST:PORT without a path");
	*(const char **)into = url;
	return 0;
}

#define OF_PEER(member) .offset = offsetof(struct peer_config, member)
static const struct field peer_fields[] = {
	{"url", read_url, OF_PEER(url), .required = true},
	{"strategy", fields_string, OF_PEER(strategy_name)},
	{"connect_timeout_ms", fields_ms, OF_PEER(connect_timeout_ns), .low = 1, .high = HOUR_MS},
	{"attempt_timeout_ms", fields_ms, OF_PEER(deadline.attempt_ns), .low = 1, .high = HOUR_MS},
	{"total_timeout_ms", fields_ms, OF_PEER(deadline.total_ns), .low = 1, .high = HOUR_MS},
	{"propagate_deadline", fields_bool, OF_PEER(propagates_deadline)},
	{"breaker", config_breaker, OF_PEER(breaker)},
	{"bulkhead", config_bulkhead, OF_PEER(bulkhead)},
	{NULL},
};

static int find_strategy(struct fields *f, const struct config *c, struct peer_config *p)
{
	p->strategy = config_strategy(c, p->strategy_name);
	if (p->strategy)
		return 0;
	fields_down(f, "strategy", 0);
	return fields_refuse(f, NULL, "one of strategies, not \"%.40s\"", p->strategy_name);
}

int config_peers(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	struct config *c = into;
	const cJSON *item;
	unsigned i = 0;
	int err = config_single_attempt(c);

	if (err)
		return err;
	c->peers = fields_list(f, value, true, 0, sizeof(*c->peers), &c->peer_count);
	if (!c->peers)
		return -EINVAL;
	cJSON_ArrayForEach(item, value) {
		struct peer_config *p = &c->peers[i++];
		size_t mark;

		*p = (struct peer_config){
			.name = item->string,
			.strategy_name = single_attempt.name,
			.connect_timeout_ns = 1000 * NS_PER_MS,
			.deadline.attempt_ns = 5000 * NS_PER_MS,
		};
		err = fields_member(f, value, item, &mark);
		if (!err)
			err = fields_read(f, item, peer_fields, p);
		if (!err)
			err = find_strategy(f, c, p);
		if (err)
			return err;
		fields_up(f, mark);
	}
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "demos/service/config.h"

#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "demos/service/config_policies.h"
#include "demos/service/fields.h"

#define NS_PER_MS 1000000ull
#define HOUR_MS 3600000.0
#define FILE_BYTES_MAX (4 << 20)
#define WHOLE .offset = 0	/* this reader fills more than one member: it is given the structure */

static const char *const backoff_names[] = {"none", "immediate", "fixed", "exponential", NULL};
static const char *const jitter_names[] = {"none", "full", "equal", "proportional", "additive", "decorrelated", NULL};

static const struct strategy single_attempt = {.name = "none", .retry = {.backoff = RETRY_NONE, .max_attempts = 1}};

/* ---- lists: an array or a named set of objects, one structure each ---- */

/* One zeroed structure of `size` for each child, and `extra` more; NULL, refused, when the type is wrong or memory short. */
static void *children(struct fields *f, const cJSON *value, bool named, size_t extra, size_t size, unsigned *count)
{
	void *list;

	if (named ? !cJSON_IsObject(value) : !cJSON_IsArray(value)) {
		fields_refuse(f, value, named ? "an object" : "an array");
		return NULL;
	}
	list = calloc((size_t)cJSON_GetArraySize(value) + extra + 1, size);
	if (list)
		*count = (unsigned)cJSON_GetArraySize(value);
	else
		fields_refuse(f, NULL, "smaller (out of memory)");
	return list;
}

/* Goes down to a member of a named set, whose name must not have been used before. */
static int member_down(struct fields *f, const cJSON *set, const cJSON *item, size_t *mark)
{
	*mark = fields_down(f, item->string, 0);
	if (!item->string[0] || cJSON_GetObjectItemCaseSensitive(set, item->string) != item)
		return fields_refuse(f, NULL, item->string[0] ? "given once" : "a set without an empty name");
	return 0;
}

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

static int read_strategies(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	struct config *c = into;
	const cJSON *item;
	unsigned i = 0;
	int err;

	c->strategies = children(f, value, true, 1, sizeof(*c->strategies), &c->strategy_count);
	if (!c->strategies)
		return -EINVAL;
	cJSON_ArrayForEach(item, value) {
		struct strategy *s = &c->strategies[i++];
		size_t mark;

		s->name = item->string;
		retry_defaults(&s->retry);
		err = member_down(f, value, item, &mark);
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

/* Each configuration has "none", so that a peer without a strategy has one too. */
static int add_single_attempt(struct config *c)
{
	if (!c->strategies)
		c->strategies = calloc(1, sizeof(*c->strategies));
	if (!c->strategies)
		return -ENOMEM;
	if (!config_strategy(c, single_attempt.name))
		c->strategies[c->strategy_count++] = single_attempt;
	return 0;
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
	{"breaker", config_breaker, OF_PEER(breaker)},
	{"bulkhead", config_bulkhead, OF_PEER(bulkhead)},
	{NULL},
};

static int read_peers(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	struct config *c = into;
	const cJSON *item;
	unsigned i = 0;
	int err;

	c->peers = children(f, value, true, 0, sizeof(*c->peers), &c->peer_count);
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
		err = member_down(f, value, item, &mark);
		if (!err)
			err = fields_read(f, item, peer_fields, p);
		if (err)
			return err;
		fields_up(f, mark);
	}
	return 0;
}

/* ---- routes and their steps ---- */

static int read_path(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	const char *path = cJSON_GetStringValue(value);

	if (!path || path[0] != '/' || strpbrk(path, " \t\r\n#"))
		return fields_refuse(f, value, "a path that begins with / and has no spaces");
	*(const char **)into = path;
	return 0;
}

static int read_method(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	const char *method = cJSON_GetStringValue(value);

	if (!method || !*method || strlen(method) > 20 || strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != strlen(method))
		return fields_refuse(f, value, "an HTTP method in capitals");
	*(const char **)into = method;
	return 0;
}

#define OF_STEP(member) .offset = offsetof(struct step, member)
static const struct field call_fields[] = {
	{"call", fields_string, OF_STEP(peer_name), .required = true},
	{"method", read_method, OF_STEP(method)},
	{"path", read_path, OF_STEP(path), .required = true},
	{"body", fields_text, OF_STEP(body)},
	{"content_type", fields_string, OF_STEP(content_type)},
	{"fallback", config_fallback, OF_STEP(fallback)},
	{NULL},
};
static const struct field compute_fields[] = {
	{"compute_ms", fields_ms, OF_STEP(compute_ns), .required = true, .low = 0, .high = HOUR_MS},
	{NULL},
};
static const struct field answer_fields[] = {
	{"answer", fields_count, OF_STEP(status), .required = true, .low = 200, .high = 599},
	{"body", fields_text, OF_STEP(body)},
	{"content_type", fields_string, OF_STEP(content_type)},
	{NULL},
};
static const struct {
	const char *key;	/* its presence makes the step one of this kind */
	const struct field *fields;
} step_kinds[] = {
	[STEP_CALL] = {"call", call_fields},
	[STEP_COMPUTE] = {"compute_ms", compute_fields},
	[STEP_ANSWER] = {"answer", answer_fields},
};

static int read_step(struct fields *f, const cJSON *value, struct step *step)
{
	*step = (struct step){.method = "GET", .content_type = "application/json"};
	for (unsigned k = 0; k < sizeof(step_kinds) / sizeof(*step_kinds); k++)
		if (cJSON_HasObjectItem(value, step_kinds[k].key)) {
			step->kind = k;
			return fields_read(f, value, step_kinds[k].fields, step);
		}
	return fields_refuse(f, value, "an object with call, compute_ms or answer");
}

static int read_steps(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	struct route *r = into;
	const cJSON *item;
	unsigned i = 0;
	int err;

	r->steps = children(f, value, false, 0, sizeof(*r->steps), &r->step_count);
	if (!r->steps)
		return -EINVAL;
	cJSON_ArrayForEach(item, value) {
		size_t mark = fields_down(f, NULL, (int)i);

		err = read_step(f, item, &r->steps[i]);
		if (!err && r->steps[i].kind == STEP_ANSWER && item->next)
			err = fields_refuse(f, NULL, "the last step, for it answers");
		if (err)
			return err;
		fields_up(f, mark);
		i++;
	}
	return 0;
}

#define OF_ROUTE(member) .offset = offsetof(struct route, member)
static const struct field route_fields[] = {
	{"method", read_method, OF_ROUTE(method)},
	{"path", read_path, OF_ROUTE(path), .required = true},
	{"steps", read_steps, WHOLE},
	{NULL},
};

/* Which of the routes before route n it would hide behind; n when none. */
static unsigned same_route(const struct route *routes, unsigned n)
{
	unsigned i = 0;

	while (i < n && (strcmp(routes[i].path, routes[n].path) || strcmp(routes[i].method, routes[n].method)))
		i++;
	return i;
}

static int read_routes(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	struct config *c = into;
	const cJSON *item;
	unsigned i = 0;
	int err;

	c->routes = children(f, value, false, 0, sizeof(*c->routes), &c->route_count);
	if (!c->routes)
		return -EINVAL;
	cJSON_ArrayForEach(item, value) {
		size_t mark = fields_down(f, NULL, (int)i);

		c->routes[i].method = "GET";
		err = fields_read(f, item, route_fields, &c->routes[i]);
		if (!err && same_route(c->routes, i) < i)
			err = fields_refuse(f, NULL, "another method and path than routes[%u]", same_route(c->routes, i));
		if (err)
			return err;
		fields_up(f, mark);
		i++;
	}
	return 0;
}

/* ---- the whole ---- */

static int read_listen(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	const char *text = cJSON_GetStringValue(value), *colon = text ? strrchr(text, ':') : NULL;
	struct config *c = into;
	char host[INET_ADDRSTRLEN], *end = NULL;
	unsigned long port = colon && colon[1] ? strtoul(colon + 1, &end, 10) : 65536;

	if (!colon || (size_t)(colon - text) >= sizeof(host) || colon[1] < '0' || colon[1] > '9' || *end || port > 65535)
		return fields_refuse(f, value, "an IPv4 address and a port, as in 127.0.0.1:8080");
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	c->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	if (inet_pton(AF_INET, host, &c->address.sin_addr) != 1)
		return fields_refuse(f, value, "an IPv4 address and a port, as in 127.0.0.1:8080");
	return 0;
}

#define OF_CONFIG(member) .offset = offsetof(struct config, member)
static const struct field config_fields[] = {
	{"name", fields_string, OF_CONFIG(name), .required = true},
	{"listen", read_listen, WHOLE, .required = true},
	{"max_connections", fields_count, OF_CONFIG(max_connections), .low = 1, .high = 100000},
	{"drain_ms", fields_ms, OF_CONFIG(drain_ns), .low = 0, .high = HOUR_MS},
	{"strategies", read_strategies, WHOLE},
	{"peers", read_peers, WHOLE},
	{"routes", read_routes, WHOLE, .required = true},
	{NULL},
};

const struct strategy *config_strategy(const struct config *config, const char *name)
{
	for (unsigned i = 0; i < config->strategy_count; i++)
		if (!strcmp(config->strategies[i].name, name))
			return &config->strategies[i];
	return NULL;
}

static int link_peers(struct fields *f, struct config *c)
{
	for (unsigned i = 0; i < c->peer_count; i++) {
		c->peers[i].strategy = config_strategy(c, c->peers[i].strategy_name);
		if (!c->peers[i].strategy) {
			snprintf(f->place, sizeof(f->place), "peers.%.80s.strategy", c->peers[i].name);
			return fields_refuse(f, NULL, "one of strategies, not \"%.40s\"", c->peers[i].strategy_name);
		}
	}
	return 0;
}

static int link_step(struct fields *f, const struct config *c, struct step *s)
{
	if (s->kind != STEP_CALL)
		return 0;
	for (unsigned i = 0; i < c->peer_count; i++)
		if (!strcmp(c->peers[i].name, s->peer_name)) {
			s->peer = i;
			return 0;
		}
	snprintf(f->place, sizeof(f->place), "the call of a step");
	return fields_refuse(f, NULL, "one of peers, not \"%.40s\"", s->peer_name);
}

/* What one part of the file says about another. */
static int link_up(struct fields *f, struct config *c)
{
	int err = add_single_attempt(c);

	if (!err)
		err = link_peers(f, c);
	for (unsigned r = 0; r < c->route_count; r++)
		for (unsigned s = 0; !err && s < c->routes[r].step_count; s++)
			err = link_step(f, c, &c->routes[r].steps[s]);
	return err;
}

/* The text of a file of at most FILE_BYTES_MAX; NULL with errno set. */
static char *read_file(const char *path)
{
	FILE *in = fopen(path, "re");
	char *text = NULL;
	struct stat st;
	size_t n;

	if (!in)
		return NULL;
	if (!fstat(fileno(in), &st) && S_ISDIR(st.st_mode))
		errno = EISDIR;
	else
		text = malloc(FILE_BYTES_MAX + 1);
	if (text) {
		n = fread(text, 1, FILE_BYTES_MAX, in);
		text[n] = '\0';
	}
	fclose(in);
	return text;
}

static int parse(const char *text, cJSON **tree, char *why, size_t why_size)
{
	const char *end = text, *line = text;
	unsigned number = 1;

	*tree = cJSON_ParseWithOpts(text, &end, true);
	if (*tree)
		return 0;
	for (const char *p = text; p < end; p++)
		if (*p == '\n') {
			number++;
			line = p + 1;
		}
	snprintf(why, why_size, "not JSON at line %u, column %zu", number, (size_t)(end - line) + 1);
	return -EINVAL;
}

int config_load(const char *path, struct config *config, char *why, size_t why_size)
{
	struct fields f = {.place = ""};
	char *text = read_file(path);
	int err = text ? 0 : -errno;

	*config = (struct config){.max_connections = 4096, .drain_ns = 10000 * NS_PER_MS};
	if (err)
		snprintf(why, why_size, "cannot be read: %s", strerror(-err));
	else
		err = parse(text, &config->tree, why, why_size);
	free(text);
	if (err)
		return err;
	err = fields_read(&f, config->tree, config_fields, config);
	if (!err)
		err = link_up(&f, config);
	if (!err)
		return 0;
	snprintf(why, why_size, "%s", f.why[0] ? f.why : strerror(-err));
	config_free(config);
	return err;
}

void config_free(struct config *config)
{
	for (unsigned r = 0; r < config->route_count; r++)
		free(config->routes[r].steps);
	free(config->routes);
	free(config->peers);
	free(config->strategies);
	cJSON_Delete(config->tree);
	*config = (struct config){.tree = NULL};
}

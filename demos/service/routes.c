/* SPDX-License-Identifier: MIT */
#include "demos/service/routes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "demos/service/config_policies.h"
#include "demos/service/config_stores.h"
#include "demos/service/path.h"
#include "demos/service/reply.h"
#include "demos/service/steps.h"
#include "demos/service/values.h"

#define WHOLE .offset = 0	/* this reader fills more than one member: it is given the structure */

int routes_path(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	const char *path = cJSON_GetStringValue(value);

	if (!path || path[0] != '/' || strpbrk(path, " \t\r\n#"))
		return fields_refuse(f, value, "a path that begins with / and has no spaces");
	*(const char **)into = path;
	return 0;
}

static int read_pattern(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	int err = routes_path(f, field, value, into);

	if (!err && !path_is_pattern(*(const char **)into))
		return fields_refuse(f, value, "a path with braces around whole segments only, each with a name of its own, as in /orders/{id}");
	return err;
}

int routes_method(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	const char *method = cJSON_GetStringValue(value);

	if (!method || !*method || strlen(method) > 20 || strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != strlen(method))
		return fields_refuse(f, value, "an HTTP method in capitals");
	*(const char **)into = method;
	return 0;
}

int routes_content_type(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	const char *type = cJSON_GetStringValue(value);

	if (!type || !*type || strlen(type) >= CONTENT_TYPE_SIZE || strpbrk(type, "\t\r\n"))
		return fields_refuse(f, value, "a text of at most %d characters", CONTENT_TYPE_SIZE - 1);
	*(const char **)into = type;
	return 0;
}

int routes_body(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	if (!cJSON_IsString(value) && !cJSON_IsObject(value) && !cJSON_IsArray(value))
		return fields_refuse(f, value, "a string, an object or an array");
	*(const cJSON **)into = value;
	return 0;
}

/* What steps say about a route can be checked only when its path is known, which the table reads before them. */
static int read_steps(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	struct route *r = into;

	r->uses_values = values_mention(value, "${");
	r->uses_body = values_mention(value, "${body");
	return steps_read(f, value, r->path, &r->steps, &r->step_count);
}

#define OF_ROUTE(member) .offset = offsetof(struct route, member)
static const struct field route_fields[] = {
	{"method", routes_method, OF_ROUTE(method)},
	{"path", read_pattern, OF_ROUTE(path), .required = true},
	{"idempotency", config_idempotency, OF_ROUTE(idempotency)},
	{"limits", config_limits, OF_ROUTE(limits)},
	{"steps", read_steps, WHOLE},
	{NULL},
};

/* Which of the routes before route n it would hide behind; n when none. */
static unsigned same_route(const struct route *routes, unsigned n)
{
	unsigned i = 0;

	while (i < n && (!path_is_same(routes[i].path, routes[n].path) || strcmp(routes[i].method, routes[n].method)))
		i++;
	return i;
}

int routes_read(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	struct config *c = into;
	const cJSON *item;
	unsigned i = 0;
	int err;

	c->routes = fields_list(f, value, false, 0, sizeof(*c->routes), &c->route_count);
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

void routes_clear(struct route *routes, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		steps_clear(routes[i].steps, routes[i].step_count);
	free(routes);
}

bool route_takes(const char *offered, const char *asked)
{
	return !strcmp(asked, offered) || (!strcmp(asked, "HEAD") && !strcmp(offered, "GET"));
}

const struct route *routes_find(const struct config *config, const char *method, const char *path,
				void (*allowed)(void *context, const char *method), void *context)
{
	const struct route *found = NULL;

	for (const struct route *r = config->routes, *end = r + config->route_count; r < end; r++) {
		if (!path_matches(r->path, path, NULL))
			continue;
		if (!route_takes(r->method, method))
			allowed(context, r->method);
		else if (!path_has_names(r->path))
			return r;
		else if (!found)
			found = r;
	}
	return found;
}

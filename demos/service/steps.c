/* SPDX-License-Identifier: MIT */
#include "demos/service/steps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demos/service/clock.h"
#include "demos/service/path.h"
#include "demos/service/service.h"
#include "demos/service/values.h"

/* What a route can do. A new kind is a row here. */
static const struct step_kind *const kinds[] = {
	&step_call,
	&step_compute,
	&step_answer,
	&step_sql,
	&step_redis,
	&step_saga,
	&step_event,
	&step_replay,
};

#define KINDS (sizeof(kinds) / sizeof(*kinds))

/* Read by read_step(), where the step itself is at hand. */
int step_as(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	const char *name;

	return fields_string(f, field, value, &name);
}

static int refuse_step(struct fields *f, const cJSON *value)
{
	char known[200] = "";

	for (unsigned k = 0; k < KINDS; k++)
		snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s", k ? ", " : "", kinds[k]->key);
	return fields_refuse(f, value, "an object with one of %s", known);
}

static int read_step(struct fields *f, const cJSON *object, struct step *step)
{
	int err;

	for (unsigned k = 0; !step->kind && k < KINDS; k++)
		if (cJSON_GetObjectItemCaseSensitive(object, kinds[k]->key))
			step->kind = kinds[k];
	if (!step->kind)
		return refuse_step(f, object);
	err = step->kind->read(f, object, step);
	step->as = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "as"));
	if (!err && step->kind->is_last && object->next)
		err = fields_refuse(f, NULL, "the last step, for it answers");
	return err;
}

/* ---- names in templates ---- */

struct scope {
	struct fields *f;
	const char *path;	/* the route's */
	const cJSON *steps, *step;	/* all; the one that is looked at */
};

/* Whether something down to this tree has "as": name. */
static bool is_as(const cJSON *tree, const char *name, size_t length)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, tree) {
		const char *as = item->string && !strcmp(item->string, "as") ? cJSON_GetStringValue(item) : NULL;

		if (as ? strlen(as) == length && !memcmp(as, name, length) : is_as(item, name, length))
			return true;
	}
	return false;
}

static bool is_root(const struct scope *s, const char *root, size_t length)
{
	static const char *const roots[] = {"body", "path", "query", "header"};

	for (size_t i = 0; i < sizeof(roots) / sizeof(*roots); i++)
		if (strlen(roots[i]) == length && !memcmp(roots[i], root, length))
			return true;
	for (const cJSON *step = s->steps->child; step; step = step == s->step ? NULL : step->next)
		if (is_as(step, root, length))
			return true;
	return false;
}

static bool accepts_name(void *context, const char *name, size_t length)
{
	const struct scope *s = context;
	const char *dot = memchr(name, '.', length);
	size_t root = dot ? (size_t)(dot - name) : length;

	if (!length)
		fields_refuse(s->f, NULL, "without a ${ that is not closed, as \"%.40s\" has", name);
	else if (!is_root(s, name, root))
		fields_refuse(s->f, NULL, "without ${%.*s}: no such value is known by then", (int)length, name);
	else if (dot && root == strlen("path") && !memcmp(name, "path", root) && !path_names(s->path, dot + 1, length - root - 1))
		fields_refuse(s->f, NULL, "without ${%.*s}: the route's path has no such segment", (int)length, name);
	return !s->f->why[0];
}

int steps_read(struct fields *f, const cJSON *array, const char *path, struct step **steps, unsigned *count)
{
	struct scope scope = {f, path, array, NULL};
	const cJSON *item;
	unsigned i = 0;
	int err;

	*steps = fields_list(f, array, false, 0, sizeof(**steps), count);
	if (!*steps)
		return -EINVAL;
	cJSON_ArrayForEach(item, array) {
		size_t mark = fields_down(f, NULL, (int)i);

		scope.step = item;
		err = read_step(f, item, &(*steps)[i++]);
		if (!err && !values_names(item, accepts_name, &scope))
			err = -EINVAL;
		if (err)
			return err;
		fields_up(f, mark);
	}
	return 0;
}

void steps_clear(struct step *steps, unsigned count)
{
	for (unsigned i = 0; steps && i < count; i++)
		if (steps[i].kind)
			steps[i].kind->clear(&steps[i]);
	free(steps);
}

/* ---- running them ---- */

static void reply_default(struct request *r)
{
	cJSON *tree = cJSON_CreateObject();

	cJSON_AddStringToObject(tree, "service", r->service->config.name);
	cJSON_AddStringToObject(tree, "status", "ok");
	reply_json(r->reply, 200, tree);
}

/* Whether nobody waits any more for what the step would do. */
static bool is_in_vain(struct request *r, const struct step *step)
{
	if (step->kind->is_last || !deadline_is_over(&r->deadline, clock_now_ns()))
		return false;
	r->service->over++;
	request_fail(r, 504, "the caller's time is over");
	return true;
}

void steps_run(struct request *r)
{
	const struct step *step = r->route->steps, *end = step + r->route->step_count;

	while (step < end && !is_in_vain(r, step) && step->kind->run(r, step) == STEP_GOES_ON)
		step++;
	if (step == end)
		reply_default(r);
}

void steps_write_over(FILE *out, const char *name, struct service *service)
{
	fprintf(out, "%s %" PRIu64 "\n", name, (uint64_t)service->over);
}

/* SPDX-License-Identifier: MIT */
/*
 * The step that asks Redis with one command:
 *
 *   {"redis": "cache", "command": ["SET", "stock:${path.id}", "${body.n}", "EX", 60], "as": "reply", "missing": 404}
 *
 * A word is a template; a value that is not there is an empty word. The result is the reply as JSON; where `missing` is given, the route ends
 * with it when that is nil. A failure ends the route, or is passed over when the step is "optional", as in step_sql.c.
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "demos/service/redis.h"
#include "demos/service/request.h"
#include "demos/service/service.h"
#include "demos/service/step.h"
#include "demos/service/step_store.h"

#define WORDS_MAX 64

struct ask {
	struct step_store at;
	const cJSON *command;
	unsigned missing;	/* 0: not missed */
};

static int read_command(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	if (!cJSON_IsArray(value) || !value->child || cJSON_GetArraySize(value) > WORDS_MAX)
		return fields_refuse(f, value, "an array of 1 to %d words", WORDS_MAX);
	*(const cJSON **)into = value;
	return 0;
}

#define OF_ASK(member) .offset = offsetof(struct ask, member)
static const struct field redis_fields[] = {
	{"redis", fields_string, OF_ASK(at.name), .required = true},
	{"optional", fields_bool, OF_ASK(at.is_optional)},
	{"command", read_command, OF_ASK(command), .required = true},
	{"missing", fields_count, OF_ASK(missing), .low = 200, .high = 599},
	STEP_AS,
	{NULL},
};

static int redis_read(struct fields *f, const cJSON *object, struct step *step)
{
	struct ask *ask = calloc(1, sizeof(*ask));
	int err;

	if (!ask)
		return -ENOMEM;
	step->policy = ask;
	err = fields_read(f, object, redis_fields, ask);
	return err ? err : step_store_link(f, &ask->at, &redis_kind);
}

static void redis_clear(struct step *step)
{
	free(step->policy);
}

/* How many words were made; 0 without memory. */
static unsigned make_words(const cJSON *values, const cJSON *command, char *words[WORDS_MAX], size_t lengths[WORDS_MAX])
{
	const cJSON *template;
	unsigned n = 0;

	cJSON_ArrayForEach(template, command) {
		bool is_fine = step_store_text(values, template, &words[n]) && (words[n] || (words[n] = strdup("")));

		if (!is_fine) {
			while (n)
				free(words[--n]);
			return 0;
		}
		lengths[n] = strlen(words[n]);
		n++;
	}
	return n;
}

static enum step_end redis_run(struct request *r, const struct step *step)
{
	const struct ask *ask = step->policy;
	char *words[WORDS_MAX], why[STORE_WHY_SIZE] = "";
	size_t lengths[WORDS_MAX];
	unsigned n = make_words(r->values, ask->command, words, lengths);
	enum store_end end = STORE_NO_MEMORY;
	redisReply *reply = NULL;
	bool is_nil;

	if (n)
		end = redis_ask(&r->service->stores[ask->at.index], r->deadline.end_ns, n, (const char *const *)words, lengths, &reply, why);
	while (n)
		free(words[--n]);
	if (end != STORE_OK)
		return step_store_failed(r, &ask->at, end, why);
	is_nil = reply->type == REDIS_REPLY_NIL;
	request_keep(r, step, redis_tree(reply));
	freeReplyObject(reply);
	return is_nil && ask->missing ? step_store_missing(r, &ask->at, ask->missing) : STEP_GOES_ON;
}

const struct step_kind step_redis = {.key = "redis", .read = redis_read, .run = redis_run, .clear = redis_clear};

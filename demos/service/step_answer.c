/* SPDX-License-Identifier: MIT */
/* {"answer": 200, "body", "content_type"}: ends the route. A body is a text, or an object or array that becomes JSON. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "demos/service/request.h"
#include "demos/service/routes.h"
#include "demos/service/step.h"
#include "demos/service/values.h"

struct answer_step {
	unsigned status;
	const char *content_type;
	const cJSON *body;	/* template; NULL none */
	bool is_constant;	/* the body is a text without values: nothing is made for each request */
};

#define OF_STEP(member) .offset = offsetof(struct answer_step, member)
static const struct field answer_fields[] = {
	{"answer", fields_count, OF_STEP(status), .required = true, .low = 200, .high = 599},
	{"body", routes_body, OF_STEP(body)},
	{"content_type", routes_content_type, OF_STEP(content_type)},
	{NULL},
};

static int read_answer(struct fields *f, const cJSON *object, struct step *step)
{
	struct answer_step *s = calloc(1, sizeof(*s));
	int err;

	step->policy = s;
	if (!s)
		return -ENOMEM;
	s->content_type = CONTENT_TYPE_JSON;
	err = fields_read(f, object, answer_fields, s);
	s->is_constant = !s->body || (cJSON_IsString(s->body) && !values_mention(s->body, "${"));
	return err;
}

static enum step_end run_answer(struct request *r, const struct step *step)
{
	const struct answer_step *s = step->policy;

	if (s->is_constant)
		reply_borrowed(r->reply, s->status, s->content_type, s->body ? s->body->valuestring : NULL);
	else if (cJSON_IsString(s->body))
		reply_owned(r->reply, s->status, s->content_type, values_text(r->values, s->body->valuestring));
	else
		reply_tree(r->reply, s->status, s->content_type, values_tree(r->values, s->body));
	return STEP_ENDS;
}

static void clear_answer(struct step *step)
{
	free(step->policy);
}

const struct step_kind step_answer = {.key = "answer", .is_last = true, .read = read_answer, .run = run_answer, .clear = clear_answer};

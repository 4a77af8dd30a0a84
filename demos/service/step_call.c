/* SPDX-License-Identifier: MIT */
/* {"call": PEER, "method", "path", "body", "content_type", "idempotency_key", "as", "fallback"}: calls a peer, see call.h. */
#include <errno.h>
#include <stdlib.h>

#include "demos/service/call.h"
#include "demos/service/config_policies.h"
#include "demos/service/routes.h"
#include "demos/service/service.h"
#include "demos/service/step.h"

struct call_step {
	struct call call;
};

#define OF_STEP(member) .offset = offsetof(struct call_step, member)
static const struct field call_fields[] = {
	CALL_FIELDS("call", struct call_step, call),
	{"fallback", config_fallback, OF_STEP(call.fallback)},
	STEP_AS,
	{NULL},
};

static int read_call(struct fields *f, const cJSON *object, struct step *step)
{
	struct call_step *s = calloc(1, sizeof(*s));
	int err;

	step->policy = s;
	if (!s)
		return -ENOMEM;
	s->call = (struct call)CALL_INIT;
	err = fields_read(f, object, call_fields, s);
	s->call.wants_answer = cJSON_HasObjectItem(object, "as");
	return err;
}

/* After a call that failed. */
static enum step_end fall_back(struct request *r, const struct call *call, const struct peer_result *result)
{
	const struct fallback_policy *policy = &call->fallback;
	struct peer *peer = &r->service->peers[call->peer];

	if (!fallback_covers(policy, result->cause, result->last.status)) {
		call_reply_failed(r, call, result);
		return STEP_ENDS;
	}
	peer->counts.fallbacks++;
	request_degrade(r, peer->config->name);
	if (policy->kind == FALLBACK_DEFAULT)
		return STEP_GOES_ON;
	reply_borrowed(r->reply, policy->status, policy->content_type, policy->body);
	return STEP_ENDS;
}

static enum step_end run_call(struct request *r, const struct step *step)
{
	const struct call_step *s = step->policy;
	struct peer_result result;
	enum step_end end = STEP_GOES_ON;

	if (call_make(r, &s->call, &result))
		request_keep(r, step, call_answer(&result));
	else
		end = fall_back(r, &s->call, &result);
	peer_result_clear(&result);
	return end;
}

static void clear_call(struct step *step)
{
	free(step->policy);
}

const struct step_kind step_call = {.key = "call", .read = read_call, .run = run_call, .clear = clear_call};

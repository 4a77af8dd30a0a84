/* SPDX-License-Identifier: MIT */
/*
 * Which keys of a fault make sense together, and which of them exist in this version. Each rule is a
 * row; the first that is broken is told. Pure.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>
#include "plan/fault.h"

/* A key, or one form of it (word NULL: all). */
struct form {
	enum fault_key_id key;
	const char *word;
};

/* Keys that say more about another key. */
static const struct {
	enum fault_key_id part, whole;
} parts[] = {
	{FAULT_DELAY_ON, FAULT_DELAY},
	{FAULT_RETRY_AFTER, FAULT_STATUS},
	{FAULT_REPLY_HEADER, FAULT_STATUS},
	{FAULT_BODY, FAULT_STATUS},
};

/* Happen before a request exists: no condition on a request can be met, and only the client's side has them. */
static const struct form before_request[] = {
	{FAULT_REFUSE, "true"},      {FAULT_HANG, "connect"},     {FAULT_RESET, "connect"}, {FAULT_ERROR, "connect"},
	{FAULT_DELAY_ON, "connect"}, {FAULT_DELAY_ON, "resolve"}, {FAULT_RESOLVE, NULL},
};

/* Each of these decides how the exchange ends, so only one can happen; `delay` goes with all. */
static const struct form endings[] = {
	{FAULT_STATUS, NULL}, {FAULT_REFUSE, "true"}, {FAULT_HANG, NULL},    {FAULT_RESET, NULL},
	{FAULT_ERROR, NULL},  {FAULT_TRUNCATE, NULL}, {FAULT_RESOLVE, NULL},
};

/* Leave no response whose bytes could be throttled. */
static const struct form without_response[] = {
	{FAULT_STATUS, NULL},     {FAULT_REFUSE, "true"},    {FAULT_HANG, NULL},  {FAULT_RESET, "connect"},
	{FAULT_RESET, "request"}, {FAULT_RESET, "response"}, {FAULT_ERROR, NULL}, {FAULT_RESOLVE, NULL},
};

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static bool given(const struct plan_fault *f, struct form form)
{
	if (!f->text[form.key])
		return false;
	return !form.word || !strcmp(form.word, f->word[form.key] ? f->word[form.key] : f->text[form.key]);
}

static const struct form *first_given(const struct plan_fault *f, const struct form *forms, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (given(f, forms[i]))
			return &forms[i];
	return NULL;
}

/* "key=value" as given, cut for the sentence. */
struct shown {
	char text[72];
};

static struct shown show(const struct plan_fault *f, enum fault_key_id key)
{
	struct shown s;
	int n = snprintf(s.text, sizeof(s.text), "%s=", fault_keys[key].name);

	fault_show(f->text[key], s.text + n, sizeof(s.text) - (size_t)n);
	return s;
}

#define SHOW(f, key) show(f, key).text

static int check_ends(const struct plan_fault *f, char *why)
{
	if (f->text[FAULT_TO] && f->text[FAULT_AT])
		snprintf(why, FAULT_WHY_MAX, "%s and %s exclude each other; give one of them", SHOW(f, FAULT_TO),
			 SHOW(f, FAULT_AT));
	else if (!f->text[FAULT_TO] && !f->text[FAULT_AT])
		snprintf(why, FAULT_WHY_MAX,
			 "neither to nor at is given; give to=PEER (client side) or at=ADDRESS (server side)");
	else
		return 0;
	return -EINVAL;
}

static int check_parts(const struct plan_fault *f, char *why)
{
	for (size_t i = 0; i < COUNT(parts); i++) {
		if (!f->text[parts[i].part] || f->text[parts[i].whole])
			continue;
		snprintf(why, FAULT_WHY_MAX, "%s needs %s, which is not given", SHOW(f, parts[i].part),
			 fault_keys[parts[i].whole].name);
		return -EINVAL;
	}
	return 0;
}

static int check_before_request(const struct plan_fault *f, char *why)
{
	const struct form *form = first_given(f, before_request, COUNT(before_request));

	if (!form)
		return 0;
	if (f->text[FAULT_AT]) {
		snprintf(why, FAULT_WHY_MAX, "%s happens on the client side and cannot go with %s; give to instead of at",
			 SHOW(f, form->key), SHOW(f, FAULT_AT));
		return -EINVAL;
	}
	for (int k = 0; k < FAULT_KEYS; k++) {
		if (fault_keys[k].kind != FAULT_HTTP || !f->text[k])
			continue;
		snprintf(why, FAULT_WHY_MAX, "%s happens before there is a request and cannot go with %s; leave one of them out",
			 SHOW(f, form->key), SHOW(f, (enum fault_key_id)k));
		return -EINVAL;
	}
	return 0;
}

static int refuse_pair(const struct plan_fault *f, enum fault_key_id a, enum fault_key_id b, char *why)
{
	snprintf(why, FAULT_WHY_MAX, "%s and %s cannot both happen to one exchange; give them in two faults", SHOW(f, a),
		 SHOW(f, b));
	return -EINVAL;
}

static int check_actions(const struct plan_fault *f, char *why)
{
	const struct form *first = first_given(f, endings, COUNT(endings)), *second;

	if (first) {
		second = first_given(f, first + 1, COUNT(endings) - (size_t)(first + 1 - endings));
		if (second)
			return refuse_pair(f, first->key, second->key, why);
	}
	second = first_given(f, without_response, COUNT(without_response));
	if (f->text[FAULT_THROTTLE] && second)
		return refuse_pair(f, FAULT_THROTTLE, second->key, why);
	if (f->v.actions || f->v.watch_only)
		return 0;
	snprintf(why, FAULT_WHY_MAX,
		 "no action is given; give one such as delay=600ms, status=503 or refuse=true (or probability=0 to watch only)");
	return -EINVAL;
}

/* Whether one of the lines is the header `name`. */
static bool has_header(const char *lines, const char *name)
{
	for (const char *line = lines; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncasecmp(line, name, strlen(name)) && line[strlen(name)] == ':')
			return true;
	}
	return false;
}

static int check_answer(const struct plan_fault *f, char *why)
{
	if (f->text[FAULT_BODY] && (f->v.status == 204 || f->v.status == 304))
		snprintf(why, FAULT_WHY_MAX, "%s goes with %s, whose answer has no body (RFC 9110); leave body out",
			 SHOW(f, FAULT_BODY), SHOW(f, FAULT_STATUS));
	else if (f->text[FAULT_RETRY_AFTER] && has_header(f->text[FAULT_REPLY_HEADER], "Retry-After"))
		snprintf(why, FAULT_WHY_MAX, "retry_after and a reply_header Retry-After say the same; leave one of them out");
	else if (f->text[FAULT_REPLY_HEADER] && strlen(f->text[FAULT_REPLY_HEADER]) > FAULT_HEADERS_MAX)
		snprintf(why, FAULT_WHY_MAX, "reply_header=... has %zu bytes in all; give at most %d",
			 strlen(f->text[FAULT_REPLY_HEADER]), FAULT_HEADERS_MAX);
	else
		return 0;
	return -EINVAL;
}

static int check_resolve(const struct plan_fault *f, char *why)
{
	bool resolves = f->text[FAULT_RESOLVE] || given(f, (struct form){FAULT_DELAY_ON, "resolve"});

	if (!resolves || f->v.peer == PAGE_PEER_HOST || f->v.peer == PAGE_PEER_ANY)
		return 0;
	snprintf(why, FAULT_WHY_MAX, "%s concerns the resolution of a name and %s is none; give to=HOST",
		 f->text[FAULT_RESOLVE] ? SHOW(f, FAULT_RESOLVE) : SHOW(f, FAULT_DELAY_ON), SHOW(f, FAULT_TO));
	return -EINVAL;
}

int fault_check(const struct plan_fault *f, char *why)
{
	static int (*const rules[])(const struct plan_fault *, char *) = {
		check_ends, check_parts, check_before_request, check_actions, check_answer, check_resolve,
	};
	int err = 0;

	for (size_t i = 0; i < COUNT(rules) && !err; i++)
		err = rules[i](f, why);
	return err;
}

/* SPDX-License-Identifier: MIT */
/*
 * What a request is answered with. The body is either borrowed, from something that lives as long as the service, or owned
 * (allocated with malloc) and freed by whoever sends it.
 */
#ifndef DEMOS_SERVICE_REPLY_H
#define DEMOS_SERVICE_REPLY_H

#include <stdbool.h>
#include <stddef.h>

struct cJSON;

struct reply {
	unsigned status;
	const char *content_type;
	char allow[64];			/* for 405: the methods this path takes; else "" */
	char degraded[128];		/* peers that a fallback stood in for; "" none */
	char *body;			/* NULL: empty */
	size_t length;
	bool is_owned;
};

/* Answers with a JSON tree, which is used up; 500 without a body when memory is short. */
void reply_json(struct reply *reply, unsigned status, struct cJSON *tree);

/* Answers {"service": NAME, "error": TEXT}. */
void reply_error(struct reply *reply, unsigned status, const char *service, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif

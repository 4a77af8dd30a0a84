/* SPDX-License-Identifier: MIT */
/*
 * What a request is answered with. The body is either borrowed, from something that lives as long as the service, or owned
 * (allocated with malloc) and freed by reply_clear() or whoever sends it. What answers last is what counts: each function that
 * fills a reply frees a body that was there before.
 */
#ifndef DEMOS_SERVICE_REPLY_H
#define DEMOS_SERVICE_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#define CONTENT_TYPE_SIZE 64
#define CONTENT_TYPE_JSON "application/json"

struct cJSON;

struct reply {
	unsigned status;
	char content_type[CONTENT_TYPE_SIZE];	/* "" none */
	char allow[64];			/* for 405: the methods this path takes; else "" */
	char degraded[128];		/* peers that a fallback stood in for; "" none */
	bool is_replayed;		/* the answer to an earlier request: see replay.h */
	unsigned retry_after_s;		/* 0: not said */
	char *body;			/* NULL: empty */
	size_t length;
	bool is_owned;
};

/* Answers with a text that is borrowed (it may be NULL), or with one that is owned from now on; NULL then is 500, for want of memory. */
void reply_borrowed(struct reply *reply, unsigned status, const char *content_type, const char *body);
void reply_owned(struct reply *reply, unsigned status, const char *content_type, char *body);

/* Answers with a JSON tree, which is used up; NULL, or short of memory, with 500 and no body. */
void reply_json(struct reply *reply, unsigned status, struct cJSON *tree);
void reply_tree(struct reply *reply, unsigned status, const char *content_type, struct cJSON *tree);	/* under another type */

/* Answers {"service": NAME, "error": TEXT}; and what has failed is not called degraded. */
void reply_error(struct reply *reply, unsigned status, const char *service, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Frees the body when it is owned; the reply is empty then. */
void reply_clear(struct reply *reply);

#endif

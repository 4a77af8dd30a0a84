/* SPDX-License-Identifier: MIT */
/*
 * From when to when a process asks the same (method, path, body) of others, of what it was refused at least once. What is asked only while one
 * inbound request is in work is asked for that one: a path with an order's number in it tells who asks better than any time between two calls,
 * a path that everybody asks tells nothing.
 */
#ifndef AFTERSHOCK_ANALYZER_LINK_SPANS_H
#define AFTERSHOCK_ANALYZER_LINK_SPANS_H

#include <stdbool.h>
#include "analyzer/read/model.h"

struct span {
	uint64_t first_ns, last_ns;	/* starts of the first and last attempt */
};

struct spans {
	struct map index;	/* process and request -> its span */
	struct span *of;	/* owned */
	size_t count, room;
};

/* Fills a zeroed struct; to be freed also after an error. Attempts need `edge`. 0 or -ENOMEM. */
int spans_build(struct spans *s, const struct model *m);
void spans_free(struct spans *s);

/* Whether what x asks is asked only between these times (to_ns 0: for ever). False where the request is not known. */
bool spans_within(const struct spans *s, const struct model_exchange *x, uint64_t from_ns, uint64_t to_ns);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The first line of a message: a request's or a status line, and the target of a request.
 */
#ifndef AFTERSHOCK_BASE_HTTP1_START_H
#define AFTERSHOCK_BASE_HTTP1_START_H

#include <stdbool.h>
#include "base/http1_line.h"
#include "base/span.h"

/* Makes p->head of the line; false when it is none of p's role. */
bool http1_start_take(struct http1 *p, const struct http1_line *l);

/* The same of a line of which the end is not to come, whose beginning was gathered. */
bool http1_start_guess(struct http1 *p);

/* Whether a line that begins with s can become a start line; weaker than reading the whole line. */
bool http1_start_plausible(enum http1_role role, struct span s);

/* Whether the whole line is one. */
bool http1_start_is(enum http1_role role, const struct http1_line *l);

/* "user@host:port", "[::1]:80". */
struct authority http1_authority(struct span s);

#endif

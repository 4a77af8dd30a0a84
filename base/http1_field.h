/* SPDX-License-Identifier: MIT */
/*
 * The fields of a head that say how long its message is, or that the project stores: a table.
 */
#ifndef AFTERSHOCK_BASE_HTTP1_FIELD_H
#define AFTERSHOCK_BASE_HTTP1_FIELD_H

#include <stdbool.h>
#include "base/http1_line.h"

/* Takes a line of a head, of a field or (fold) one that goes on with the value of the field before it (RFC 9112 §5.2). False makes the stream
 * opaque. */
bool http1_field_take(struct http1 *p, const struct http1_line *l);
bool http1_field_fold(struct http1 *p, const struct http1_line *l);

#endif

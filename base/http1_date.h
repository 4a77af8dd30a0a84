/* SPDX-License-Identifier: MIT */
/*
 * Dates in the fields of HTTP. Pure; async-signal-safe.
 */
#ifndef AFTERSHOCK_BASE_HTTP1_DATE_H
#define AFTERSHOCK_BASE_HTTP1_DATE_H

#include <stdint.h>
#include "base/span.h"

/* The three forms of RFC 9110 §5.6.7 -> unix seconds; -1 for anything else and before 1970. */
int64_t http1_date(struct span s);

#endif

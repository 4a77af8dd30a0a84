/* SPDX-License-Identifier: MIT */
/*
 * Shell-like matching for names and paths: `*` any run of bytes (also `/`), `?` one
 * byte, everything else itself. No classes, no escapes. Iterative: linear stack,
 * at most |pattern| * |text| steps. Pure; async-signal-safe.
 */
#ifndef AFTERSHOCK_BASE_GLOB_H
#define AFTERSHOCK_BASE_GLOB_H

#include <stdbool.h>
#include <stddef.h>

/* Whether all of text (n bytes) is matched by pattern (m bytes). fold: ASCII letters match in either case. */
bool glob_match(const char *pattern, size_t m, const char *text, size_t n, bool fold);

#endif

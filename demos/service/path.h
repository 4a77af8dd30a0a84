/* SPDX-License-Identifier: MIT */
/*
 * Paths of routes: "/orders/{id}/items", in which {id} stands for one segment that is not empty; all else is matched as it is.
 * Needs only this file, path.c and cJSON. Thread-safe: no globals.
 */
#ifndef DEMOS_SERVICE_PATH_H
#define DEMOS_SERVICE_PATH_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

/* Whether it begins with / and its braces are around whole segments, each with a name of letters, digits, _ and - of its own. */
bool path_is_pattern(const char *pattern);

/* Whether it has a named segment. */
bool path_has_names(const char *pattern);

/* Whether `name` is one of them. */
bool path_names(const char *pattern, const char *name, size_t length);

/* Whether the path is one that the pattern means; with `segments` not NULL, the named ones are added to that object. */
bool path_matches(const char *pattern, const char *path, cJSON *segments);

/* Whether both mean the same paths, whatever their segments are called. */
bool path_is_same(const char *a, const char *b);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Values and the templates that name them. Values are one JSON object; each of its members is a root:
 *     body, path, query, header     the request's (header names in lower case)
 *     NAME                          the result of an earlier step that has "as": NAME
 * A template is JSON in whose strings ${root.member.0.member} stands for a value; members of arrays are counted from 0.
 * A value that is not there is an empty text, or null where a whole string is one ${...}.
 *
 * Needs only this file, values.c and cJSON. Thread-safe: no globals; who shares values or templates does not change them meanwhile.
 */
#ifndef DEMOS_SERVICE_VALUES_H
#define DEMOS_SERVICE_VALUES_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

/* What a dotted name of that many bytes stands for; NULL when it is not there. It stays part of the values. */
const cJSON *values_at(const cJSON *values, const char *name, size_t length);

/* The text of a template: strings as they are, numbers plain, all else as JSON, null as nothing. Caller frees; NULL without memory. */
char *values_text(const cJSON *values, const char *template);

/* The same with each value percent-encoded but for RFC 3986's unreserved characters: fit for an URL, or as a token in a header. */
char *values_url(const cJSON *values, const char *template);

/*
 * A copy of a template in which all strings are replaced by their text; one that is nothing but a single ${...} takes the value
 * itself, with its type. Caller deletes; NULL without memory.
 */
cJSON *values_tree(const cJSON *values, const cJSON *template);

/* Whether a string anywhere in the tree holds that text. */
bool values_mention(const cJSON *tree, const char *text);

/*
 * Goes through the names in all strings of a template until `accepts` returns false for one, and returns that false; a "${"
 * that is never closed is given to it with a length of 0.
 */
bool values_names(const cJSON *template, bool (*accepts)(void *context, const char *name, size_t length), void *context);

#endif

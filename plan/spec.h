/* SPDX-License-Identifier: MIT */
/*
 * The two spellings of a fault as one: a JSON object of its keys. A spec `key=value key='a value'` becomes
 * an object of strings, so that one path reads both. Used inside plan/ only.
 */
#ifndef AFTERSHOCK_PLAN_SPEC_H
#define AFTERSHOCK_PLAN_SPEC_H

#include <cjson/cJSON.h>
#include <stddef.h>

/*
 * Adds the pairs of spec to object, in order, doubles too. A value that begins with a quote goes to the same quote;
 * inside double quotes \" and \\ are " and \. Quotes elsewhere are themselves.
 * 0, -ENOMEM, or -EINVAL with a clause in why (size bytes).
 */
int spec_read(const char *spec, cJSON *object, char *why, size_t size);

#endif

/* SPDX-License-Identifier: MIT */
#include "demos/service/path.h"

#include <stdlib.h>
#include <string.h>

#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

struct segment {
	const char *text;
	size_t length;
};

/* Moves on by one segment; false at the end. */
static bool next(const char **at, struct segment *s)
{
	if (**at != '/')
		return false;
	s->text = *at + 1;
	s->length = strcspn(s->text, "/");
	*at = s->text + s->length;
	return true;
}

/* The name of a named segment. */
static bool name_of(const struct segment *s, struct segment *name)
{
	if (s->length < 3 || s->text[0] != '{' || s->text[s->length - 1] != '}')
		return false;
	*name = (struct segment){s->text + 1, s->length - 2};
	return strspn(name->text, NAME_CHARACTERS) == name->length;
}

static bool is_equal(const struct segment *a, const struct segment *b)
{
	return a->length == b->length && !memcmp(a->text, b->text, a->length);
}

/* How many segments have that name. */
static unsigned count_name(const char *pattern, const struct segment *wanted)
{
	struct segment s, name;
	unsigned n = 0;

	while (next(&pattern, &s))
		n += name_of(&s, &name) && is_equal(&name, wanted);
	return n;
}

bool path_is_pattern(const char *pattern)
{
	const char *at = pattern;
	struct segment s, name;

	if (*pattern != '/')
		return false;
	while (next(&at, &s))
		if (name_of(&s, &name) ? count_name(pattern, &name) > 1 : strcspn(s.text, "{}/") != s.length)
			return false;
	return true;
}

bool path_has_names(const char *pattern)
{
	return strchr(pattern, '{');
}

bool path_names(const char *pattern, const char *name, size_t length)
{
	return count_name(pattern, &(struct segment){name, length}) > 0;
}

static void keep(cJSON *segments, const struct segment *name, const struct segment *value)
{
	char *key = strndup(name->text, name->length), *text = strndup(value->text, value->length);

	if (key && text)
		cJSON_AddStringToObject(segments, key, text);
	free(key);
	free(text);
}

bool path_matches(const char *pattern, const char *path, cJSON *segments)
{
	struct segment wanted, given, name;

	while (next(&pattern, &wanted)) {
		if (!next(&path, &given))
			return false;
		if (!name_of(&wanted, &name) ? !is_equal(&wanted, &given) : !given.length)
			return false;
		if (segments && name_of(&wanted, &name))
			keep(segments, &name, &given);
	}
	return !*path;
}

bool path_is_same(const char *a, const char *b)
{
	struct segment of_a, of_b, name;

	while (next(&a, &of_a)) {
		if (!next(&b, &of_b) || name_of(&of_a, &name) != name_of(&of_b, &name))
			return false;
		if (!name_of(&of_a, &name) && !is_equal(&of_a, &of_b))
			return false;
	}
	return !*b;
}

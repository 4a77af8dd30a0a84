/* SPDX-License-Identifier: MIT */
/* The demo service's paths of routes: which there may be, what they match and which mean the same. */
#include "demos/service/path.h"
#include "tests/lib/tap.h"

static const struct {
	const char *pattern;
	int is_pattern, has_names;
} patterns[] = {
	{"/", 1, 0}, {"/a/b", 1, 0}, {"/a/{b}", 1, 1}, {"/{a}/{b}", 1, 1}, {"/{a}/{a}", 0, 1}, {"/a{b}", 0, 1}, {"/{b}c", 0, 1}, {"/{}", 0, 1},
	{"/{a b}", 0, 1}, {"/{a", 0, 1}, {"/a}", 0, 0}, {"/{a/b}", 0, 1}, {"a", 0, 0}, {"", 0, 0}, {"/{a.b}", 0, 1}, {"/{order-id_2}", 1, 1},
};

static const struct {
	const char *pattern, *path;
	int matches;
	const char *segments;
} matches[] = {
	{"/", "/", 1, "{}"}, {"/", "", 0, NULL}, {"/", "/a", 0, NULL}, {"/a", "/a", 1, "{}"}, {"/a", "/ab", 0, NULL}, {"/ab", "/a", 0, NULL},
	{"/a", "/a/", 0, NULL}, {"/a/", "/a", 0, NULL}, {"/a/", "/a/", 1, "{}"}, {"/a/{id}", "/a/7", 1, "{\"id\":\"7\"}"},
	{"/a/{id}", "/a/", 0, NULL}, {"/a/{id}", "/a", 0, NULL}, {"/a/{id}", "/b/7", 0, NULL}, {"/a/{id}", "/a/7/x", 0, NULL},
	{"/a/{id}/x", "/a/7/x", 1, "{\"id\":\"7\"}"}, {"/{a}/{b}", "/1/2", 1, "{\"a\":\"1\",\"b\":\"2\"}"}, {"/a/{id}", "/a/{id}", 1, "{\"id\":\"{id}\"}"},
	{"/a", "*", 0, NULL},
};

static const struct {
	const char *a, *b;
	int is_same;
} pairs[] = {
	{"/", "/", 1}, {"/a", "/a", 1}, {"/a", "/b", 0}, {"/a", "/a/", 0}, {"/a/", "/a", 0}, {"/{a}", "/{b}", 1}, {"/{a}", "/a", 0}, {"/a", "/{a}", 0},
	{"/{a}/x", "/{b}/y", 0}, {"/x/{a}", "/x/{b}", 1}, {"/{a}", "/{a}/{b}", 0},
};

static void check_match(const char *pattern, const char *path, int wanted, const char *segments)
{
	cJSON *object = cJSON_CreateObject();
	char *got;

	is_int(path_matches(pattern, path, NULL), wanted, "%s matches \"%s\": %d", pattern, path, wanted);
	is_int(path_matches(pattern, path, object), wanted, "... with its segments");
	got = cJSON_PrintUnformatted(object);
	if (segments)
		is_str(got, segments, "which are %s", segments);
	free(got);
	cJSON_Delete(object);
}

int main(void)
{
	for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
		is_int(path_is_pattern(patterns[i].pattern), patterns[i].is_pattern, "is a pattern: \"%s\": %d", patterns[i].pattern, patterns[i].is_pattern);
		is_int(path_has_names(patterns[i].pattern), patterns[i].has_names, "has names: \"%s\": %d", patterns[i].pattern, patterns[i].has_names);
	}
	for (size_t i = 0; i < sizeof(matches) / sizeof(*matches); i++)
		check_match(matches[i].pattern, matches[i].path, matches[i].matches, matches[i].segments);
	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
		is_int(path_is_same(pairs[i].a, pairs[i].b), pairs[i].is_same, "%s and %s: %d", pairs[i].a, pairs[i].b, pairs[i].is_same);
	ok(path_names("/a/{id}", "id", 2) && !path_names("/a/{id}", "i", 1) && !path_names("/a/id", "id", 2), "a_named_segment_is_known");
	return tap_done();
}

/* SPDX-License-Identifier: MIT */
/* The demos' cache of last good answers, by table under a fake clock: what is found, what is too old, what has made room. */
#include "demos/service/cache.h"
#include "tests/lib/tap.h"

#define MS 1000000ull

/*
 * A script of acts, each a key (one letter) and what is done with it:
 *     a=text   put      a?text   get: it is text      a!   get: nothing is there      +N   so many ms go by (one digit, times 10)
 */
static const struct story {
	const char *sentence;
	struct cache_policy policy;
	const char *acts;
	unsigned count;		/* at the end */
} stories[] = {
	{"an_empty_one_has_nothing", {9, 999, 50 * MS}, "a!", 0},
	{"what_was_put_is_found", {9, 999, 50 * MS}, "a=x a?x", 1},
	{"under_its_own_key_only", {9, 999, 50 * MS}, "a=x b!", 1},
	{"the_newest_replaces", {9, 999, 50 * MS}, "a=x a=yy a?yy", 1},
	{"an_empty_text_is_one_too", {9, 999, 50 * MS}, "a= a?", 1},
	{"it_is_found_to_the_end_of_its_time", {9, 999, 50 * MS}, "a=x +5 a?x", 1},
	{"and_not_after", {9, 999, 50 * MS}, "a=x +5 +1 a!", 1},
	{"a_new_one_has_its_time_anew", {9, 999, 50 * MS}, "a=x +4 a=y +4 a?y", 1},
	{"the_oldest_makes_room", {2, 999, 50 * MS}, "a=1 b=2 c=3 a! b?2 c?3", 2},
	{"what_is_put_again_is_new", {2, 999, 50 * MS}, "a=1 b=2 a=3 c=4 b! a?3 c?4", 2},
	{"asking_does_not_make_it_newer", {2, 999, 50 * MS}, "a=1 b=2 a?1 c=3 a! b?2", 2},
	/* a pair of one letter and n characters has n + 3 bytes */
	{"bytes_are_limited", {9, 10, 50 * MS}, "a=12 b=34 a?12 b?34 c=5 a! b?34 c?5", 2},
	{"a_large_one_makes_several_go", {9, 10, 50 * MS}, "a=12 b=34 c=1234567 a! b! c?1234567", 1},
	{"what_is_too_large_is_not_kept", {9, 10, 50 * MS}, "a=1 b=12345678 b! a?1", 1},
	{"and_does_not_leave_the_old_one", {9, 10, 50 * MS}, "a=1 a=12345678 a!", 0},
	{"all_can_go_and_come_again", {1, 999, 50 * MS}, "a=1 b=2 c=3 a=4 a?4", 1},
};

/* Plays one act and moves on behind it; false when it does not come out so. */
static int play(struct cache *c, const char **at, uint64_t *now_ns)
{
	char key[2] = {(*at)[0], '\0'}, act = (*at)[1], text[32];
	size_t n = strcspn(*at + 2, " ");
	const char *found;

	snprintf(text, sizeof(text), "%.*s", (int)n, *at + 2);
	*at += 2 + n;
	*at += **at == ' ';
	if (key[0] == '+')
		return *now_ns += (uint64_t)(act - '0') * 10 * MS, 1;
	if (act == '=')
		return cache_put(c, key, text, *now_ns), 1;
	found = cache_get(c, key, *now_ns);
	return act == '!' ? !found : found && !strcmp(found, text);
}

int main(void)
{
	for (size_t i = 0; i < sizeof(stories) / sizeof(*stories); i++) {
		const char *at = stories[i].acts;
		uint64_t now_ns = 7 * MS;
		struct cache c;
		int good = 1;

		cache_init(&c, &stories[i].policy);
		while (*at && good)
			good = play(&c, &at, &now_ns);
		if (!ok(good && c.count == stories[i].count, "%s", stories[i].sentence))
			printf("# before \"%s\" of \"%s\": %u kept\n", at, stories[i].acts, c.count);
		cache_clear(&c);
		ok(!c.count && !c.bytes && !c.newest && !c.oldest, "... and nothing is left");
	}
	return tap_done();
}

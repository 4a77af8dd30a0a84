/* SPDX-License-Identifier: MIT */
/* Globbing: examples, agreement with fnmatch(3) on random input, and its bound on work. */
#include <fnmatch.h>

#include "base/clock.h"
#include "base/glob.h"
#include "base/hash.h"
#include "tests/lib/tap.h"

/* clang-format off */
static const struct {
	const char *pattern, *text;
	bool fold, want;
} examples[] = {
	{ "", "", false, true }, { "", "a", false, false }, { "a", "", false, false }, { "*", "", false, true },
	{ "**", "", false, true },
	{ "*", "anything/at all", false, true }, { "?", "a", false, true }, { "?", "", false, false },
	{ "?", "ab", false, false },
	{ "/charge/*", "/charge/42/x", false, true }, { "/charge/*", "/charge/", false, true },
	{ "/charge/*", "/charge", false, false },
	{ "orders*", "orders-7", false, true }, { "*.py", "a.py.py", false, true }, { "*.py", "a.pyc", false, false },
	{ "a*b*c", "aXbYbZc", false, true }, { "a*b*c", "aXcYb", false, false }, { "*?", "", false, false },
	{ "*?x", "abx", false, true },
	{ "[a]", "[a]", false, true }, { "[a]", "a", false, false }, { "\\*", "\\xyz", false, true },
	{ "GET", "get", false, false },
	{ "GET", "get", true, true }, { "Application/*", "application/JSON", true, true }, { "@", "`", true, false },
	{ "[", "{", true, false }
};
/* clang-format on */

static void check_examples(void)
{
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		const char *p = examples[i].pattern, *t = examples[i].text;

		is_int(glob_match(p, strlen(p), t, strlen(t), examples[i].fold), examples[i].want, "'%s' %s '%s'%s", p,
		       examples[i].want ? "matches" : "does not match", t, examples[i].fold ? " in any case" : "");
	}
	ok(glob_match("a?c", 3, "a\0c", 3, false), "a NUL in the text is a byte like others");
	ok(glob_match("abX", 2, "abY", 2, false), "bytes behind the lengths are not looked at");
	ok(!glob_match("abX", 2, "abX", 3, false), "nor as part of the pattern");
	ok(glob_match(NULL, 0, NULL, 0, false), "nothing matches nothing");
}

/* n random letters out of alphabet. */
static void random_text(char *to, size_t n, const char *alphabet, uint64_t *rng)
{
	for (size_t i = 0; i < n; i++) {
		*rng = hash_mix(*rng);
		to[i] = alphabet[*rng % strlen(alphabet)];
	}
	to[n] = '\0';
}

static void check_against_fnmatch(void)
{
	char pattern[9], text[13];
	uint64_t rng = 7;
	size_t differ = 0, matched = 0;

	for (int i = 0; i < 200000; i++) {
		bool want;

		rng = hash_mix(rng);
		random_text(pattern, rng % sizeof(pattern), "ab*?*", &rng);
		rng = hash_mix(rng);
		random_text(text, rng % sizeof(text), "ab/", &rng);
		want = !fnmatch(pattern, text, FNM_NOESCAPE);
		matched += want;
		differ += glob_match(pattern, strlen(pattern), text, strlen(text), false) != want;
	}
	is_int(differ, 0, "200,000 random patterns match as fnmatch() says");
	ok(matched > 1000 && matched < 199000, "and both answers occur");
}

/* A pattern that costs exponential time in a matcher that backtracks to every star. */
static void check_bound(void)
{
	char pattern[2 * 40 + 2], text[5000];
	uint64_t begin = clock_now_ns();

	for (size_t i = 0; i < 40; i++)
		memcpy(pattern + 2 * i, "*a", 2);
	pattern[80] = 'b';
	memset(text, 'a', sizeof(text));
	ok(!glob_match(pattern, 81, text, sizeof(text), false), "40 stars do not match what lacks the last byte");
	ok(clock_now_ns() - begin < NS_PER_S, "and that is known within a second");
}

int main(void)
{
	check_examples();
	check_against_fnmatch();
	check_bound();
	return tap_done();
}

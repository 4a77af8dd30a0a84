/* SPDX-License-Identifier: MIT */
/*
 * Globbing without recursion: on a mismatch only the last `*` needs to take one more byte, as any
 * match that gives an earlier `*` more bytes gives the same rest to the later one.
 */
#include "base/glob.h"

static char fold_case(char c, bool fold)
{
	return fold && c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

static bool same_byte(char pattern, char text, bool fold)
{
	return pattern == '?' || fold_case(pattern, fold) == fold_case(text, fold);
}

bool glob_match(const char *pattern, size_t m, const char *text, size_t n, bool fold)
{
	size_t p = 0, t = 0, after_star = 0, star_end = 0; /* after_star: 0 while no star was met */

	while (t < n) {
		if (p < m && pattern[p] == '*') {
			after_star = ++p;
			star_end = t;
		} else if (p < m && same_byte(pattern[p], text[t], fold)) {
			p++;
			t++;
		} else if (after_star) {
			p = after_star;
			t = ++star_end;
		} else {
			return false;
		}
	}
	while (p < m && pattern[p] == '*')
		p++;
	return p == m;
}

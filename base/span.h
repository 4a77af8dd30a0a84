/* SPDX-License-Identifier: MIT */
/*
 * A run of text that lies in another's memory, and the few questions that parsers ask of it: ASCII, whatever the locale (which isdigit() and
 * the like ask).
 * Pure; async-signal-safe.
 */
#ifndef AFTERSHOCK_BASE_SPAN_H
#define AFTERSHOCK_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
	const char *at;
	size_t n;
};

static inline bool text_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static inline bool text_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline char text_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* Whether s, in any case, is the lower-case word of n bytes. */
static inline bool span_is(struct span s, const char *word, size_t n)
{
	if (s.n != n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (text_lower(s.at[i]) != word[i])
			return false;
	}
	return true;
}
#define SPAN_IS(s, word) span_is(s, word, sizeof(word) - 1)

/* Without the blanks at both ends. */
static inline struct span span_trim(struct span s)
{
	while (s.n && text_is_blank(*s.at)) {
		s.at++;
		s.n--;
	}
	while (s.n && text_is_blank(s.at[s.n - 1]))
		s.n--;
	return s;
}

/* Where the first of any stands in s; s.n when none does. */
static inline size_t span_find(struct span s, const char *any)
{
	for (size_t i = 0; i < s.n; i++) {
		for (const char *c = any; *c; c++) {
			if (s.at[i] == *c)
				return i;
		}
	}
	return s.n;
}

/* Decimal digits up to INT64_MAX, or -1. */
static inline int64_t span_decimal(struct span s)
{
	int64_t x = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (!text_is_digit(s.at[i]) || __builtin_mul_overflow(x, 10, &x) || __builtin_add_overflow(x, s.at[i] - '0', &x))
			return -1;
	}
	return s.n ? x : -1;
}

#endif

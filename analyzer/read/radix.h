/* SPDX-License-Identifier: MIT */
/*
 * Sorting by 64-bit keys in time linear in their number: least significant digit first, digits that all keys share left out; what is nearly in order
 * by insertion. Stable.
 * For arrays of millions; not thread-safe for one array.
 */
#ifndef AFTERSHOCK_ANALYZER_READ_RADIX_H
#define AFTERSHOCK_ANALYZER_READ_RADIX_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define RADIX_MANY 4096	/* from here on, counting digits takes less time than comparing */

struct radix_item {
	uint64_t key;
	uint32_t value;
};

/* Ascending by key. 0 or -ENOMEM (the order is any then). */
int radix_sort(struct radix_item *items, size_t n);

/* Ascending. */
int radix_sort_words(uint64_t *words, size_t n);

/* A double as a word that is ordered as it is (IEEE 754: sign and magnitude), and back. */
static inline uint64_t radix_word(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits >> 63 ? ~bits : bits | 1ull << 63;
}

static inline double radix_double(uint64_t word)
{
	double value;

	word = word >> 63 ? word & ~(1ull << 63) : ~word;
	memcpy(&value, &word, sizeof(value));
	return value;
}

/* Ascending; -0 before 0; without NANs. */
int radix_sort_doubles(double *values, size_t n);

#endif

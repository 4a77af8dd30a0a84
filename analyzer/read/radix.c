/* SPDX-License-Identifier: MIT */
#include "analyzer/read/radix.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/read/spill.h"

#define BITS 11
#define CELLS (1u << BITS)
#define MANY (1u << 20)
#define DIGITS ((64 + BITS - 1) / BITS)
#define NEAR 8	/* moves for each element, on the average, that take less time than to count its digits */
#define START 64	/* moves that say nothing yet */

struct counts {
	size_t of[DIGITS][CELLS];
};

static inline unsigned digit(uint64_t key, unsigned d)
{
	return (unsigned)(key >> (d * BITS)) & (CELLS - 1);
}

static inline void count(struct counts *c, uint64_t key)
{
	for (unsigned d = 0; d < DIGITS; d++)
		c->of[d][digit(key, d)]++;
}

/* Makes places of counts; false when all keys have the same digit there. */
static int places(size_t *of, uint64_t any, unsigned d, size_t n)
{
	size_t sum = 0;

	if (of[digit(any, d)] == n)
		return 0;
	for (unsigned i = 0; i < CELLS; i++) {
		size_t here = of[i];

		of[i] = sum;
		sum += here;
	}
	return 1;
}

/*
 * What is nearly in order, as the ends of calls in order of their starts are, is put in order by moving each element past the few that are out of
 * place; true: done. It is given up as soon as they have farther to go, which costs little then and keeps equal ones in their order.
 */
#define INSERT(array, n, KEY) \
	({ \
		size_t moved_ = 0, at_ = 1; \
		for (; at_ < (n) && moved_ <= NEAR * at_ + START; at_++) { \
			typeof(*(array)) e_ = (array)[at_]; \
			size_t to_ = at_; \
			for (; to_ && KEY((array)[to_ - 1]) > KEY(e_); to_--) \
				(array)[to_] = (array)[to_ - 1]; \
			moved_ += at_ - to_; \
			(array)[to_] = e_; \
		} \
		at_ >= (n); \
	})

/* The same walk for all kinds of element; KEY(e) is what an element is sorted by. */
#define SORT(array, n, KEY) \
	do { \
		if (INSERT(array, n, KEY)) \
			break; \
		typeof(array) from_ = (array), to_ = spill_realloc(NULL, ((n) + 1) * sizeof(*(array))), room_ = to_; \
		struct counts *counts_ = calloc(1, sizeof(*counts_)); \
		if (!to_ || !counts_) { \
			spill_free(to_); \
			free(counts_); \
			return -ENOMEM; \
		} \
		for (size_t i_ = 0; i_ < (n); i_++) \
			count(counts_, KEY(from_[i_])); \
		for (unsigned d_ = 0; (n) && d_ < DIGITS; d_++) { \
			typeof(array) other_ = from_; \
			if (!places(counts_->of[d_], KEY(from_[0]), d_, n)) \
				continue; \
			for (size_t i_ = 0; i_ < (n); i_++) \
				to_[counts_->of[d_][digit(KEY(from_[i_]), d_)]++] = from_[i_]; \
			from_ = to_; \
			to_ = other_; \
			if ((n) > MANY) \
				spill_trim(); \
		} \
		if (from_ == room_) \
			memcpy((array), from_, (n) * sizeof(*(array))); \
		spill_free(room_); \
		free(counts_); \
	} while (0)

#define ITEM_KEY(e) ((e).key)

int radix_sort(struct radix_item *items, size_t n)
{
	SORT(items, n, ITEM_KEY);
	return 0;
}

#define WORD_KEY(e) (e)

int radix_sort_words(uint64_t *words, size_t n)
{
	SORT(words, n, WORD_KEY);
	return 0;
}

int radix_sort_doubles(double *values, size_t n)
{
	SORT(values, n, radix_word);
	return 0;
}

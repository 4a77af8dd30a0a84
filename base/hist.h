/* SPDX-License-Identifier: MIT */
/*
 * Buckets for durations, shared by the BPF programs that count and the recorder that reads:
 * exact below 16 ns, then 16 equal buckets for each power of two up to 2^40 ns (18.3 minutes); the
 * last bucket takes all above. The upper bound of a bucket is at most 1/16 above any value in it
 * (5.9 % of the bound itself).
 * Pure, no includes, no loops, no division by a variable: compiles for BPF.
 */
#ifndef AFTERSHOCK_BASE_HIST_H
#define AFTERSHOCK_BASE_HIST_H

#define HIST_SUB_BITS 4
#define HIST_SUB (1u << HIST_SUB_BITS)
#define HIST_TOP_BITS 40
#define HIST_LAST ((HIST_TOP_BITS - HIST_SUB_BITS + 1) * HIST_SUB) /* the open bucket */
#define HIST_BUCKETS (HIST_LAST + 1)
#define HIST_OPEN_NS 0x7fffffffffffffffull /* upper bound of the open bucket: the largest that SQLite stores */

/* floor(log2(v)) for v > 0. By comparisons: BPF has no instruction to count leading zeros. */
static inline unsigned int hist_log2(unsigned long long v)
{
	unsigned int bits = 0;

	if (v >> 32) {
		v >>= 32;
		bits += 32;
	}
	if (v >> 16) {
		v >>= 16;
		bits += 16;
	}
	if (v >> 8) {
		v >>= 8;
		bits += 8;
	}
	if (v >> 4) {
		v >>= 4;
		bits += 4;
	}
	if (v >> 2) {
		v >>= 2;
		bits += 2;
	}
	return bits + (v >> 1 ? 1 : 0);
}

/*
 * The bucket of a duration, 0..HIST_LAST; never decreases with ns. Written so that the BPF verifier can bound the
 * result too (the mask): clang knows the bound and removes a comparison with HIST_BUCKETS behind it.
 */
static inline unsigned int hist_index(unsigned long long ns)
{
	unsigned int shift;

	if (ns < HIST_SUB)
		return (unsigned int)ns;
	if (ns >> HIST_TOP_BITS)
		return HIST_LAST;
	shift = hist_log2(ns) - HIST_SUB_BITS;
	return (shift + 1) * HIST_SUB + ((unsigned int)(ns >> shift) & (HIST_SUB - 1));
}

/* The largest duration of a bucket; HIST_OPEN_NS for the last one and beyond. */
static inline unsigned long long hist_upper_ns(unsigned int index)
{
	unsigned int shift = index / HIST_SUB - 1;

	if (index >= HIST_LAST)
		return HIST_OPEN_NS;
	if (index < HIST_SUB)
		return index;
	return (((unsigned long long)(index % HIST_SUB) + HIST_SUB + 1) << shift) - 1;
}

#endif

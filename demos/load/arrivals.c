/* SPDX-License-Identifier: MIT */
#include "demos/load/arrivals.h"

#include <math.h>

#define NS_PER_S 1e9

const char *const arrivals_names[ARRIVALS_KINDS] = {[ARRIVALS_CONSTANT] = "constant", [ARRIVALS_POISSON] = "poisson"};

void arrivals_init(struct arrivals *a, enum arrivals_kind kind, double rate, uint64_t seed)
{
	*a = (struct arrivals){.kind = kind, .rate = rate, .random = seed};
}

/* SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014): any seed will do, 0 too. */
static uint64_t random_bits(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* Uniform in (0, 1], so that its logarithm is finite. */
static double random_share(uint64_t *state)
{
	return (double)((random_bits(state) >> 11) + 1) * 0x1p-53;
}

uint64_t arrivals_next_ns(struct arrivals *a)
{
	double at_s;

	if (a->kind == ARRIVALS_CONSTANT)
		at_s = (double)a->count / a->rate;
	else
		at_s = a->at_s -= log(random_share(&a->random)) / a->rate;
	a->count++;
	return (uint64_t)(at_s * NS_PER_S);
}

/* SPDX-License-Identifier: MIT */
/*
 * 64-bit hashing and mixing for identifiers that must not be stored in clear
 * (correlation ids, idempotency keys) and for fault decisions. FNV-1a over bytes,
 * finished with the mixer of SplitMix64 (Steele, Lea, Flood: OOPSLA 2014).
 * Not cryptographic. Pure; async-signal-safe.
 */
#ifndef AFTERSHOCK_BASE_HASH_H
#define AFTERSHOCK_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_SEED 0xcbf29ce484222325ull

/* Goes on hashing n bytes at data from the running value h (begin with HASH_SEED). */
static inline uint64_t hash_bytes(uint64_t h, const void *data, size_t n)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3ull;
	return h;
}

/* A bijection of 64-bit words whose output bits all depend on all input bits. */
static inline uint64_t hash_mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

/* Two words as one, in this order. */
static inline uint64_t hash_pair(uint64_t a, uint64_t b)
{
	return hash_mix(hash_mix(a) ^ b);
}

#endif

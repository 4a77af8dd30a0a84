/* SPDX-License-Identifier: MIT */
/*
* What stands in the place of the program's data where a registration in the kernel is ours: MAGIC 20 bits | kind 4 | generation 16 |
 * nothing 8 | index 16.
 */
#ifndef AFTERSHOCK_PRELOAD_EPOLL_TOKEN_H
#define AFTERSHOCK_PRELOAD_EPOLL_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#define TOKEN_MAGIC 0xaf7e5ull	/* no valid pointer begins so */

enum token_kind {
	TOKEN_SOCKET, TOKEN_STANDIN,	/* index and generation of a registration */
	TOKEN_TIMER			/* index of a set */
};

static inline uint64_t token(enum token_kind kind, uint16_t generation, uint16_t index)
{
	return TOKEN_MAGIC << 44 | (uint64_t)kind << 40 | (uint64_t)generation << 24 | index;
}

static inline bool is_token(uint64_t data)
{
	return data >> 44 == TOKEN_MAGIC;
}

static inline enum token_kind token_kind(uint64_t data)
{
	return (enum token_kind)(data >> 40 & 15);
}

static inline uint16_t token_generation(uint64_t data)
{
	return (uint16_t)(data >> 24);
}

static inline uint16_t token_index(uint64_t data)
{
	return (uint16_t)data;
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Room for one more element in an owned array that doubles when it is full. On failure the array is as it was.
 * Not for the preload library's guest code, which has no heap.
 */
#ifndef AFTERSHOCK_BASE_GROW_H
#define AFTERSHOCK_BASE_GROW_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#define GROW_FIRST 16	/* elements */

/* The array, or where it is now, with room for more than count elements of `size` bytes; NULL without memory, or when it would be larger than
 * what there is of addresses. resize: as realloc(3). */
static inline void *grow_array(void *array, size_t count, size_t *room, size_t size, void *(*resize)(void *, size_t))
{
	size_t wanted = *room ? *room : GROW_FIRST / 2, bytes;
	void *moved;

	if (count < *room)
		return array;
	if (__builtin_mul_overflow(wanted, (size_t)2, &wanted) || __builtin_mul_overflow(wanted, size, &bytes))
		return NULL;
	moved = resize(array, bytes);
	if (moved)
		*room = wanted;
	return moved;
}

/* The same in place: array is an lvalue, room one of type size_t. 0 or -ENOMEM. */
#define GROW_WITH(resize, array, count, room)							\
	({											\
		void *grown_ = grow_array((array), (count), &(room), sizeof(*(array)), (resize));	\
		if (grown_)									\
			(array) = grown_;							\
		grown_ ? 0 : -ENOMEM;								\
	})
#define GROW(array, count, room) GROW_WITH(realloc, array, count, room)

#endif

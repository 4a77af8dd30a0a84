/* SPDX-License-Identifier: MIT */
/*
 * The tables that have an entry for each descriptor number: room for them, and up to which number anything was ever put into one. Beyond
 * that nothing is read, as a page that is only looked at costs the program a fault and is counted as its memory: who closes all numbers
 * there could be (close_range(3, ~0) before each exec) would otherwise walk over thousands. Async-signal-safe, thread-safe.
 */
#ifndef AFTERSHOCK_PRELOAD_DESCRIPTORS_H
#define AFTERSHOCK_PRELOAD_DESCRIPTORS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TABLE_FDS (1u << 20)	/* descriptors that can be tracked; the kernel's default ceiling (fs.nr_open) */

extern _Atomic uint32_t descriptors_end;	/* never goes down */

/* Whether some table may have an entry of fd. */
static inline bool descriptor_may_be_known(int fd)
{
	return (uint32_t)fd < atomic_load_explicit(&descriptors_end, memory_order_relaxed);
}

/* Before the first entry of fd. False: it is none that can be tracked. */
bool descriptor_note(int fd);

/* Zeroed room for a table, of which only what is touched becomes memory; NULL when there is none. It is no part of the library's data: a
 * collector that looks for pointers in the data of all libraries (Boehm's) would read all of it at each collection. */
void *descriptors_room(size_t bytes);

#endif

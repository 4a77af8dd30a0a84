/* SPDX-License-Identifier: MIT */
/*
 * When the name of a server could not be resolved, by process: a silence that such a failure explains is no breaker's. Not thread-safe.
 */
#ifndef AFTERSHOCK_ANALYZER_INFER_UNRESOLVED_H
#define AFTERSHOCK_ANALYZER_INFER_UNRESOLVED_H

#include <stddef.h>
#include <stdint.h>

struct measure;

struct unresolved_moment {
	uint32_t process;
	uint64_t at_ns;
};

struct unresolved {		/* by process, then time */
	struct unresolved_moment *of;	/* owned */
	size_t n;
};

/* Fills a zeroed one. 0 or -ENOMEM; free also then. O(n log n). */
int unresolved_find(struct unresolved *u, const struct measure *m);
void unresolved_free(struct unresolved *u);

/* The moments of one process, as times alone; owned by the caller (spill_free). 0 or -ENOMEM. */
int unresolved_times(const struct unresolved *u, uint32_t process, uint64_t **times, size_t *n);

#endif

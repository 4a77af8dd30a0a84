/* SPDX-License-Identifier: MIT */
/*
 * Arrays that may outgrow memory. Small ones are malloc's. Those of 1 MB and more are in memory while they have 48 MB together. Beyond, one lives in a
 * file without name below TMPDIR (else /var/tmp), mapped: the kernel can write it back and take its pages away. A timer (SIGPROF) sees to it that the
 * program does not have more than some 130 MB resident for long; what is dropped comes back from the page cache when it is touched. Of 4 KB each that
 * takes half of the time, so huge pages are asked for, in files too (ext4 and others have them since Linux 6.16). Where all arrays together are expected
 * to need 256 MB at most, that much is in memory. Without room for such a file it is memory after all.
 *
 * Thread-safe for different arrays. Space in the file is reserved before it is used: a full disk is an answer, not a signal.
 */
#ifndef AFTERSHOCK_ANALYZER_READ_SPILL_H
#define AFTERSHOCK_ANALYZER_READ_SPILL_H

#include <stdbool.h>
#include <stddef.h>
#include "base/grow.h"

/* As realloc(3); array is NULL or from here. */
void *spill_realloc(void *array, size_t size);

/* As GROW() of base/grow.h, of an array from here. */
#define SPILL_GROW(array, count, room) GROW_WITH(spill_realloc, array, count, room)

/* As calloc(3). */
void *spill_calloc(size_t n, size_t size);

/* As free(3), of arrays from here. */
void spill_free(void *array);

/* How much all arrays together will need. Before, and for more than 256 MB, 48 MB of them are in memory. */
void spill_expect(size_t bytes);

/* Whether all that was expected is in memory: two threads at once then take no more of it than one, for nothing is dropped and made again. */
bool spill_is_roomy(void);

/* Looks at how much is resident at once, for those who touch much at once. */
void spill_trim(void);

#endif

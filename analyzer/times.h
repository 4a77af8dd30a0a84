/* SPDX-License-Identifier: MIT */
/* Instants in ascending order, to count how many of them have passed: what began less what ended is in work. Not thread-safe for one array. */
#ifndef AFTERSHOCK_ANALYZER_TIMES_H
#define AFTERSHOCK_ANALYZER_TIMES_H

#include <stddef.h>
#include <stdint.h>

/* Puts n times (or lengths of time, any unit) in ascending order. */
void times_sort(uint64_t *times, size_t n);

/* How many of n ascending times are at t or before. */
size_t times_upto(const uint64_t *times, size_t n, uint64_t t);

#endif

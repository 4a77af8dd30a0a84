/* SPDX-License-Identifier: MIT */
/*
 * Pages of a file that were never written, made by another thread before they are touched: the kernel zeroes each, and where it has to get the memory
 * first, that is a quarter of the time of a large report. With one processor it is done all the same, once. A process that is forked meanwhile does
 * without.
 */
#ifndef AFTERSHOCK_ANALYZER_READ_AHEAD_H
#define AFTERSHOCK_ANALYZER_READ_AHEAD_H

#include <stddef.h>

/* From here on the pages of fd's first `size` bytes are made; fd itself may be closed at any time. Not done is only slower. Thread-safe. */
void ahead_make(int fd, size_t size);

#endif

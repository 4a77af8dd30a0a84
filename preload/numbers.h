/* SPDX-License-Identifier: MIT */
/*
 * System calls by their number: what a program asks through libc's syscall() is the same act as through the named call, and
 * meets the same faults. Every other number goes straight on. Async-signal-safe, thread-safe.
 */
#ifndef AFTERSHOCK_PRELOAD_NUMBERS_H
#define AFTERSHOCK_PRELOAD_NUMBERS_H

/* As syscall(2): the result, or -1 with errno. a: the six words behind the number, given or not. */
long numbers_call(long number, const long a[6]);

#endif

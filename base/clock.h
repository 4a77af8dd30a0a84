/* SPDX-License-Identifier: MIT */
/*
 * The one clock of the project: CLOCK_MONOTONIC in nanoseconds, the clock that
 * bpf_ktime_get_ns() reads in the kernel. Read through libc (the vDSO, no system call): a preload library that
 * fakes time for the program (libfaketime) fakes it here too.
 * Thread-safe and async-signal-safe; leaves errno alone.
 */
#ifndef AFTERSHOCK_BASE_CLOCK_H
#define AFTERSHOCK_BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_US 1000ull
#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull

/* Nanoseconds of CLOCK_MONOTONIC now; never 0. */
uint64_t clock_now_ns(void);

/* The same, up to CLOCK_COARSE_NS ago: a fifth of the cost. */
#define CLOCK_COARSE_NS (10 * NS_PER_MS)	/* a tick of a kernel with HZ=100 */
uint64_t clock_coarse_ns(void);

#endif

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
#include <time.h>

#define NS_PER_US 1000ull
#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull

/* Nanoseconds of CLOCK_MONOTONIC now; never 0. */
uint64_t clock_now_ns(void);

/* The same, up to CLOCK_COARSE_NS ago: a fifth of the cost. */
#define CLOCK_COARSE_NS (10 * NS_PER_MS)	/* a tick of a kernel with HZ=100 */
uint64_t clock_coarse_ns(void);

/* From one moment to another, as system calls want it; none when that is over. */
static inline struct timespec clock_span(uint64_t from_ns, uint64_t to_ns)
{
	uint64_t left = to_ns > from_ns ? to_ns - from_ns : 0;

	return (struct timespec){(time_t)(left / NS_PER_S), (long)(left % NS_PER_S)};
}

/*
 * When one of many that each look at something every so often is to look next: after now_ns, no later than every_ns after it, at moments of its own.
 * who: any number that tells them apart. Fibonacci hashing: neighbours lie far apart (Knuth, The Art of Computer Programming, 6.4).
 */
static inline uint64_t clock_tick_ns(uint64_t now_ns, uint64_t every_ns, uint32_t who)
{
	uint64_t phase = (uint64_t)(who * 2654435769u) * (every_ns >> 10) >> 22;

	return ((now_ns + phase) / every_ns + 1) * every_ns - phase;
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * For tests of what is said when memory is short: starved_at = n refuses the n-th array that is asked for from then on (from 1), and that alone.
 * Nothing is refused under sanitizers that must have every call of malloc() themselves.
 */
#ifndef AFTERSHOCK_TESTS_STARVED_H
#define AFTERSHOCK_TESTS_STARVED_H

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

static unsigned long starved_at;	/* 0: none */

__attribute__((unused)) static bool starved_now(void)
{
	return starved_at && !--starved_at;
}

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
void *calloc(size_t n, size_t size)
{
	static void *(*real)(size_t, size_t);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "calloc");
	return starved_now() ? NULL : real(n, size);
}

void *realloc(void *array, size_t size)
{
	static void *(*real)(void *, size_t);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "realloc");
	return starved_now() ? NULL : real(array, size);
}

void *malloc(size_t size)
{
	static void *(*real)(size_t);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "malloc");
	return starved_now() ? NULL : real(size);
}
#endif

/* Calls f until nothing is refused to it; whether it said -ENOMEM each time before, and 0 in the end. */
__attribute__((unused)) static bool starved_says_so(int (*f)(void))
{
	for (unsigned long n = 1; n < 1000; n++) {
		bool refused;
		int err;

		starved_at = n;
		err = f();
		refused = !starved_at;
		starved_at = 0;
		if (err != (refused ? -ENOMEM : 0))
			return false;
		if (!refused)
			return true;
	}
	return false;
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Children stay in the run: a program image that is started with an environment of its own gets the two words back that
 * bring it under the library. Everything else in the environment is the program's. Async-signal-safe (also in a vfork
 * child): no allocation, the new environment lies on the caller's stack.
 */
#ifndef AFTERSHOCK_PRELOAD_SPAWN_H
#define AFTERSHOCK_PRELOAD_SPAWN_H

#include <stdbool.h>
#include <stddef.h>

/* Remembers, at the start, what the words are: the run directory and the value of LD_PRELOAD (may be NULL). */
void spawn_remember(const char *run_dir, const char *preload);

/* How many pointers and bytes of text spawn_env() needs for this environment; false when it can stay as it is. */
bool spawn_lacks(char *const envp[], size_t *pointers, size_t *bytes);

/* Fills to (pointers) and text (bytes) with the environment to use; returns to. */
char **spawn_env(char *const envp[], char **to, char *text);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Children stay in the run: a program image that is started with an environment of its own gets the words back that
 * bring it under the library. Everything else in the environment is the program's. Async-signal-safe (also in a vfork
 * child): no allocation, the new environment lies on the caller's stack.
 */
#ifndef AFTERSHOCK_PRELOAD_SPAWN_H
#define AFTERSHOCK_PRELOAD_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SPAWN_FILE_MAX 320	/* of a path, the part that is told */

/* Remembers, at the start, what the words are: the run directory and the value of LD_PRELOAD (may be NULL). */
void spawn_remember(const char *run_dir, const char *preload);

/* How many pointers and bytes of text spawn_env() needs for this environment; false when it can stay as it is. */
bool spawn_lacks(char *const envp[], size_t *pointers, size_t *bytes);

/* Fills to (pointers) and text (bytes) with the environment to use; returns to. */
char **spawn_env(char *const envp[], char **to, char *text);

/* This process is about to become the program in this file (a path, or a name to be looked up). A program that then never says that the
 * library is in it got away; the recorder tells of it. */
void spawn_exec(const char *file);

/* ... and did not: r, with errno kept. */
int spawn_exec_failed(const char *file, int r);

/* After posix_spawn() gave r: stores child in *pid (may be NULL), and tells of the child when there is one. Returns r. */
int spawn_spawned(int r, pid_t child, pid_t *pid, const char *file, uint64_t at_ns);

/* The path of an open file, into path; "" unknown. */
const char *spawn_file_of(int fd, char path[SPAWN_FILE_MAX]);

#endif

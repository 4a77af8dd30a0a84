/* SPDX-License-Identifier: MIT */
#include "preload/spawn.h"

#include <errno.h>
#include <string.h>
#include "base/clock.h"
#include "preload/guest.h"
#include "preload/raw.h"
#include "preload/stream.h"

#define WORD_MAX 1152	/* a run directory or a library path with the variable's name */
#define ENTRIES_MAX 1000	/* a larger environment is left alone: the caller's stack may be small */

#define RUN "AFTERSHOCK_RUN="
#define PRELOAD "LD_PRELOAD="
#define ASAN "ASAN_OPTIONS="
#define UNORDERED "verify_asan_link_order=0"	/* or a program with AddressSanitizer ends because a library comes before its runtime */

static char run_word[WORD_MAX];		/* RUN and the directory; empty: nothing to carry on */
static char library[WORD_MAX];		/* the path of this library, as LD_PRELOAD named it */

/* The part of LD_PRELOAD (separated by colons or blanks, ld.so(8)) that is this library. */
static const char *own_part(const char *preload, size_t *len)
{
	static const char name[] = "libaftershock.so";

	for (const char *p = preload; *p; p += *len + (p[*len] != '\0')) {
		*len = strcspn(p, ": ");
		if (*len >= sizeof(name) - 1 && !strncmp(p + *len - (sizeof(name) - 1), name, sizeof(name) - 1))
			return p;
	}
	return NULL;
}

void spawn_remember(const char *run_dir, const char *preload)
{
	size_t len = 0, n = strlen(run_dir);
	const char *own = preload ? own_part(preload, &len) : NULL;

	if (!own || len >= sizeof(library) || n + sizeof(RUN) > sizeof(run_word))
		return;
	memcpy(library, own, len);
	memcpy(run_word, RUN, sizeof(RUN) - 1);
	memcpy(run_word + sizeof(RUN) - 1, run_dir, n + 1);
}

static const char *value(char *const envp[], const char *name)
{
	size_t n = strlen(name);

	for (; envp && *envp; envp++)
		if (!strncmp(*envp, name, n))
			return *envp + n;
	return NULL;
}

bool spawn_lacks(char *const envp[], size_t *pointers, size_t *bytes)
{
	const char *preload = value(envp, PRELOAD), *asan = value(envp, ASAN);
	size_t n = 0;

	if (!run_word[0] || (value(envp, RUN) && preload && strstr(preload, library) && asan && strstr(asan, UNORDERED)))
		return false;
	while (envp && envp[n])
		n++;
	*pointers = n + 4;
	*bytes = sizeof(PRELOAD) + strlen(library) + 1 + (preload ? strlen(preload) : 0) + sizeof(ASAN) + sizeof(UNORDERED) +
		 (asan ? strlen(asan) : 0);
	return n <= ENTRIES_MAX;
}

static bool begins(const char *word, const char *name)
{
	return !strncmp(word, name, strlen(name));
}

/* name, then part, then what the program has there unless it has part already, at to; returns its end. */
static char *join(char *to, const char *name, const char *part, const char *had)
{
	to = stpcpy(to, name);
	if (!had || !strstr(had, part))
		to = stpcpy(stpcpy(to, part), had && *had ? ":" : "");
	return (had ? stpcpy(to, had) : to) + 1;
}

char **spawn_env(char *const envp[], char **to, char *text)
{
	const char *preload = value(envp, PRELOAD), *asan = value(envp, ASAN);
	size_t n = 0;

	for (; envp && *envp; envp++)
		if (!begins(*envp, PRELOAD) && !begins(*envp, RUN) && !begins(*envp, ASAN))
			to[n++] = *envp;
	to[n++] = run_word;
	to[n++] = text;
	to[n++] = join(text, PRELOAD, library, preload);
	join(to[n - 1], ASAN, UNORDERED, asan);
	to[n] = NULL;
	return to;
}

/* ---- what a process becomes ---- */

static uint32_t parent(void)
{
	return (uint32_t)RAW(SYS_getppid, 0, 0, 0, 0, 0, 0);
}

void spawn_exec(const char *file)
{
	int error = errno;

	if (!guest_is_borrowed())
		stream_flush_all();
	guest_tell_exec(raw_getpid(), parent(), file, clock_now_ns(), false);
	errno = error;
}

int spawn_exec_failed(const char *file, int r)
{
	int error = errno;

	guest_tell_exec(raw_getpid(), parent(), file, clock_now_ns(), true);
	errno = error;
	return r;
}

int spawn_spawned(int r, pid_t child, pid_t *pid, const char *file, uint64_t at_ns)
{
	int error = errno;

	if (!r && pid)
		*pid = child;
	if (!r)
		guest_tell_exec((uint32_t)child, raw_getpid(), file, at_ns, false);
	errno = error;
	return r;
}

const char *spawn_file_of(int fd, char path[SPAWN_FILE_MAX])
{
	char name[32] = "/proc/self/fd/", digits[12];
	size_t at = strlen(name), n = 0;
	long r;

	do {
		digits[n++] = (char)('0' + fd % 10);
		fd /= 10;
	} while (fd > 0);
	while (n)
		name[at++] = digits[--n];
	name[at] = '\0';
	r = RAW(SYS_readlinkat, AT_FDCWD, name, path, SPAWN_FILE_MAX - 1, 0, 0);
	path[r > 0 ? r : 0] = '\0';
	return path;
}

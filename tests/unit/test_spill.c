/* SPDX-License-Identifier: MIT */
/* Arrays larger than what may be resident: nothing in them changes, and the process stays small. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "analyzer/read/spill.h"
#include "tests/lib/tap.h"

#define MB (1ul << 20)

/* What of this process to watch. ThreadSanitizer has four bytes of its own for each that was ever touched: with it, what of files is mapped. */
#ifdef __SANITIZE_THREAD__
static const char *const resident[] = {"RssFile:", "RssShmem:"};
#define LEAST_MB 1	/* the watcher comes just before the look */
#else
static const char *const resident[] = {"VmHWM:"};
#define LEAST_MB 16
#endif
static unsigned long peak_mb;

/* Called for every 8 MB: the figures of files know no peak, and ThreadSanitizer runs the watcher's handler at calls of libc only. */
static void watch(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	unsigned long kb = 0;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		for (size_t i = 0; i < sizeof(resident) / sizeof(*resident); i++)
			if (!strncmp(line, resident[i], strlen(resident[i])))
				kb += strtoul(line + strlen(resident[i]), NULL, 10);
	if (f)
		fclose(f);
	peak_mb = kb / 1024 > peak_mb ? kb / 1024 : peak_mb;
}

static bool holds(const uint64_t *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (words[i] != i * 3)
			return false;
		if (i % MB == 0)
			watch();
	}
	return true;
}

/* An array that is doubled up to `mb`, as those of the analyzer are, and read twice. */
static bool grows_to(size_t mb)
{
	uint64_t *words = NULL;
	bool right;
	size_t n = 0;

	for (size_t room = 1024; n < mb * MB / 8; room *= 2) {
		words = spill_realloc(words, room * 8);
		for (; words && n < room; n++) {
			words[n] = n * 3;
			if (n % MB == 0)
				watch();
		}
	}
	right = words && holds(words, n) && holds(words, n);
	spill_free(words);
	return right;
}

static int open_files(void)
{
	int n = 0;

	for (int fd = 3; fd < 1024; fd++) {
		char path[32];

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n += access(path, F_OK) == 0;
	}
	return n;
}

static void many_at_once(void)
{
	enum { N = 400 };	/* more than are kept in files */
	char *arrays[N];
	bool zero = true, apart = true;
	int before = open_files();

	for (int i = 0; i < N; i++) {
		arrays[i] = spill_calloc(1, MB);
		zero &= arrays[i] && !arrays[i][0] && !arrays[i][MB - 1];
		arrays[i][MB / 2] = (char)i;
	}
	for (int i = 0; i < N; i++)
		apart &= arrays[i][MB / 2] == (char)i;
	for (int i = 0; i < N; i++)
		spill_free(arrays[i]);
	ok(zero, "400 arrays of 1 MB are zero when they are new");
	ok(apart, "and are not one another");
	for (int i = 0; i < 500 && open_files() != before; i++)	/* the watcher may be reading how much is resident, for the last time */
		usleep(10000);
	is_int(open_files(), before, "and leave no file open");
}

/* How many of the pages of an array's file are there. */
static size_t pages_there(void *array, size_t pages)
{
	unsigned char *there = calloc(pages, 1);
	size_t n = 0;

	if (mincore(array, pages * (size_t)sysconf(_SC_PAGESIZE), there))
		abort();
	for (size_t i = 0; i < pages; i++)
		n += there[i] & 1;
	free(there);
	return n;
}

static void pages_are_made_ahead(void)
{
	size_t pages = 64 * MB / (size_t)sysconf(_SC_PAGESIZE), n = 0;
	void *array;

	spill_expect(1024 * MB);
	array = spill_realloc(NULL, 64 * MB);
	for (int i = 0; i < 1000 && (n = pages_there(array, pages)) < pages; i++)
		usleep(10000);
	is_int((long)n, (long)pages, "the pages of a new file are made while nobody touches it");
	spill_free(array);
}

/* How many files an array of so many MB takes, of `expected` MB in all. */
static int files_of(size_t mb, size_t expected)
{
	int before = open_files(), taken;
	void *array;

	spill_expect(expected * MB);
	array = spill_realloc(NULL, mb * MB);
	taken = array ? open_files() - before : -1;
	spill_free(array);
	return taken;
}

/* In a process of its own: what is asked for is done with TMPDIR set so. */
static bool works_with(const char *directory)
{
	pid_t child = fork();
	int status;

	if (!child) {
		setenv("TMPDIR", directory, 1);
		_exit(!grows_to(96));
	}
	return waitpid(child, &status, 0) == child && status == 0;
}

int main(void)
{
	uint64_t *shrunk;

	ok(grows_to(1), "a small array grows");
	ok(grows_to(512), "one of 512 MB keeps what is in it");
	ok(peak_mb >= LEAST_MB && peak_mb < 300, "while not more than 300 MB were ever resident");
	printf("# %lu MB\n", peak_mb);
	shrunk = spill_realloc(NULL, 64 * MB);
	for (size_t i = 0; i < 64 * MB / 8; i++)
		shrunk[i] = i * 3;
	shrunk = spill_realloc(shrunk, 40 * MB);
	ok(holds(shrunk, 40 * MB / 8), "an array that shrinks keeps its beginning");
	spill_free(shrunk);
	spill_free(NULL);
	many_at_once();
	pages_are_made_ahead();
	is_int(files_of(200, 256), 0, "what is expected to fit into 256 MB stays in memory");
	is_int(files_of(300, 256), 1, "though not more than that");
	is_int(files_of(49, 257), 1, "of more, 48 MB do");
	is_int(files_of(47, 257), 0, "and no less");
	spill_expect(257 * MB);
	ok(!spill_is_roomy(), "then there is no room for two at once");
	spill_expect(256 * MB);
	ok(spill_is_roomy(), "where all fits there is");
	ok(works_with("/nonexistent"), "without a directory for files, memory does");
	ok(works_with("/proc"), "nor is one that takes no files an error");
	ok(works_with("/dev/shm"), "nor one that may be full");
	ok(!spill_calloc(SIZE_MAX, 8), "what can not be counted is refused");
	return tap_done();
}

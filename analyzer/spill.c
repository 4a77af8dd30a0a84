/* SPDX-License-Identifier: MIT */
#include "analyzer/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define LARGE (32u << 20)
#define RESIDENT_MAX (150ull << 20)
#define LOOK_NS 10000000	/* at the pace of memory, 10 ms touch some 50 MB */
#define ARRAYS_MAX 64

struct mapping {
	void *at;
	size_t size;	/* a multiple of the page size */
	int fd;
};

static struct mapping mappings[ARRAYS_MAX];
static unsigned mapping_count;
static bool watched;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- how much is resident ---- */

static unsigned long long resident(void)
{
	unsigned long long all, total, pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f && fscanf(f, "%llu %llu %llu", &all, &total, &pages) != 3)
		pages = 0;
	if (f)
		fclose(f);
	return pages * (unsigned long long)sysconf(_SC_PAGESIZE);
}

/* Dropping a page of a shared mapping loses nothing: the file has it. */
static void *watch(void *unused)
{
	const struct timespec pause = {.tv_nsec = LOOK_NS};

	for (;;) {
		pthread_mutex_lock(&lock);
		if (!mapping_count)
			break;
		if (resident() > RESIDENT_MAX)
			for (unsigned i = 0; i < mapping_count; i++)
				madvise(mappings[i].at, mappings[i].size, MADV_DONTNEED);
		pthread_mutex_unlock(&lock);
		nanosleep(&pause, NULL);
	}
	watched = false;
	pthread_mutex_unlock(&lock);
	return unused;
}

static void begin_watch(void)
{
	pthread_attr_t attributes;
	pthread_t thread;

	if (watched || pthread_attr_init(&attributes))
		return;
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	watched = !pthread_create(&thread, &attributes, watch, NULL);
	pthread_attr_destroy(&attributes);
}

/* ---- arrays in files ---- */

static size_t whole_pages(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (size + page - 1) / page * page;
}

static int nameless_file(size_t size)
{
	const char *directory = getenv("TMPDIR");
	int fd = open(directory && *directory ? directory : "/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0 && posix_fallocate(fd, 0, (off_t)size)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* The mapping of an array; NULL: malloc has it. The lock is held. */
static struct mapping *mapping_of(const void *array)
{
	for (unsigned i = 0; i < mapping_count; i++)
		if (mappings[i].at == array)
			return &mappings[i];
	return NULL;
}

/* A new array in a file, zeroed; NULL when there is no room for one. */
static void *map_new(size_t size)
{
	struct mapping m = {.size = whole_pages(size)};

	if (mapping_count == ARRAYS_MAX)
		return NULL;
	m.fd = nameless_file(m.size);
	if (m.fd < 0)
		return NULL;
	m.at = mmap(NULL, m.size, PROT_READ | PROT_WRITE, MAP_SHARED, m.fd, 0);
	if (m.at == MAP_FAILED) {
		close(m.fd);
		return NULL;
	}
	mappings[mapping_count++] = m;
	begin_watch();
	return m.at;
}

static void *resize(struct mapping *m, size_t size)
{
	size_t whole = whole_pages(size);
	void *at;

	if (whole > m->size && posix_fallocate(m->fd, (off_t)m->size, (off_t)(whole - m->size)))
		return NULL;
	at = mremap(m->at, m->size, whole, MREMAP_MAYMOVE);
	if (at == MAP_FAILED)
		return NULL;
	m->at = at;
	m->size = whole;
	return at;
}

static void unmap(struct mapping *m)
{
	munmap(m->at, m->size);
	close(m->fd);
	*m = mappings[--mapping_count];
}

/* An array of malloc's that has become large moves into a file. */
static void *move_out(void *array, size_t size)
{
	size_t usable = array ? malloc_usable_size(array) : 0;
	void *at = map_new(size);

	if (!at)
		return realloc(array, size);
	memcpy(at, array ? array : "", usable < size ? usable : size);
	free(array);
	return at;
}

void *spill_realloc(void *array, size_t size)
{
	struct mapping *m;
	void *at;

	pthread_mutex_lock(&lock);
	m = array ? mapping_of(array) : NULL;
	if (m)
		at = resize(m, size ? size : 1);
	else
		at = size < LARGE ? realloc(array, size ? size : 1) : move_out(array, size);
	pthread_mutex_unlock(&lock);
	return at;
}

void *spill_calloc(size_t n, size_t size)
{
	size_t bytes;
	void *at;

	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	if (bytes < LARGE)
		return calloc(n ? n : 1, size ? size : 1);
	pthread_mutex_lock(&lock);
	at = map_new(bytes);
	pthread_mutex_unlock(&lock);
	return at ? at : calloc(n, size);
}

void spill_free(void *array)
{
	struct mapping *m;

	pthread_mutex_lock(&lock);
	m = array ? mapping_of(array) : NULL;
	if (m)
		unmap(m);
	else
		free(array);
	pthread_mutex_unlock(&lock);
}

/* SPDX-License-Identifier: MIT */
#include "analyzer/read/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>
#include "analyzer/read/ahead.h"

#define LARGE (1u << 20)		/* smaller ones are malloc's */
#define LOOK_US 2000	/* of the program's own time: mapping what the page cache has, 4 ms touch up to 60 MB */
#define ARRAYS_MAX 256
#define SPARES_MAX 16
#define SPARE_MAX (512ull << 20)	/* bytes of all spare files */

struct mapping {
	void *at;
	size_t size;	/* a multiple of the page size */
	size_t file;	/* bytes of the file: at least size; 0: it has none, it is in memory */
	int fd;
};

struct limits {
	size_t memory;		/* bytes of large arrays together that are in memory */
	unsigned long long resident;
};

static const struct limits partly = {48u << 20, 130ull << 20}, wholly = {256u << 20, 296ull << 20};
static struct limits limits = {48u << 20, 130ull << 20};

static struct mapping mappings[ARRAYS_MAX];
static unsigned mapping_count, file_count;	/* file_count: those of them in files */
static struct mapping spares[SPARES_MAX];	/* files of arrays that are gone, for those to come: their pages need not be made again */
static unsigned spare_count;
static unsigned long long spare_bytes;
static size_t in_memory;	/* bytes of mappings without a file */
static bool watched;	/* the timer runs */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- how much is resident ---- */

/* Also called from a signal handler. 0: not known. */
static unsigned long long resident(void)
{
	char text[128] = "", *second;
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	second = n > 0 ? strchr(text, ' ') : NULL;
	return second ? strtoull(second, NULL, 10) * (unsigned long long)sysconf(_SC_PAGESIZE) : 0;
}

/* Dropping a page of a shared mapping loses nothing: the file has it. The lock is held. */
static void trim(void)
{
	if (!file_count || resident() <= limits.resident)
		return;
	for (unsigned i = 0; i < mapping_count; i++)
		if (mappings[i].file)
			madvise(mappings[i].at, mappings[i].size, MADV_DONTNEED);
}

static void close_spares(void)
{
	while (spare_count)
		close(spares[--spare_count].fd);
	spare_bytes = 0;
}

/* On whichever thread runs: in the midst of the work, however seldom the program gets to run. Who holds the lock looks itself. */
static void look(int unused)
{
	int before = errno;

	(void)unused;
	if (!pthread_mutex_trylock(&lock)) {
		trim();
		pthread_mutex_unlock(&lock);
	}
	errno = before;
}

static void set_timer(suseconds_t us)
{
	setitimer(ITIMER_PROF, &(struct itimerval){{0, us}, {0, us}}, NULL);
}

static void begin_watch(void)
{
	struct sigaction action = {.sa_handler = look, .sa_flags = SA_RESTART};

	if (watched || sigaction(SIGPROF, &action, NULL))
		return;
	set_timer(LOOK_US);
	watched = true;
}

/* The last array in a file is gone. A signal that is on its way finds nothing to do. */
static void end_watch(void)
{
	set_timer(0);
	close_spares();
	watched = false;
}

/* ---- mappings ---- */

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

/* The spare file that fits best: the smallest that is large enough. false: none is. */
static bool take_spare(struct mapping *m)
{
	unsigned best = SPARES_MAX;

	for (unsigned i = 0; i < spare_count; i++)
		if (spares[i].file >= m->size && (best == SPARES_MAX || spares[i].file < spares[best].file))
			best = i;
	if (best == SPARES_MAX)
		return false;
	m->fd = spares[best].fd;
	m->file = spares[best].file;
	spare_bytes -= m->file;
	spares[best] = spares[--spare_count];
	return true;
}

/* Huge pages are what makes it fast, and larger: only where there is room for that. */
static void *map_memory(size_t size)
{
	struct mapping m = {.size = size, .fd = -1};

	m.at = mmap(NULL, m.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (m.at == MAP_FAILED)
		return NULL;
	if (limits.memory == wholly.memory)
		madvise(m.at, m.size, MADV_HUGEPAGE);
	mappings[mapping_count++] = m;
	in_memory += m.size;
	return m.at;
}

/* *used: something else was in the file before, else it is zero. */
static void *map_file(size_t size, bool *used)
{
	struct mapping m = {.size = size};

	trim();
	*used = take_spare(&m);
	if (!*used) {
		m.file = m.size;
		m.fd = nameless_file(m.size);
	}
	if (m.fd < 0)
		return NULL;
	m.at = mmap(NULL, m.size, PROT_READ | PROT_WRITE, MAP_SHARED, m.fd, 0);
	if (m.at == MAP_FAILED) {
		close(m.fd);
		return NULL;
	}
	madvise(m.at, m.size, MADV_HUGEPAGE);	/* where the file system has them, each costs one fault and not 512 */
	if (!*used)
		ahead_make(m.fd, m.size);
	mappings[mapping_count++] = m;
	file_count++;
	begin_watch();
	return m.at;
}

/* A new large array; NULL when there is no room for one. */
static void *map_new(size_t size, bool *used)
{
	size_t whole = whole_pages(size);

	*used = false;
	if (mapping_count == ARRAYS_MAX)
		return NULL;
	return in_memory + whole <= limits.memory ? map_memory(whole) : map_file(whole, used);
}

static void unmap(struct mapping *m)
{
	munmap(m->at, m->size);
	if (!m->file) {
		in_memory -= m->size;
	} else if (spare_count < SPARES_MAX && spare_bytes + m->file <= SPARE_MAX) {
		spares[spare_count++] = *m;
		spare_bytes += m->file;
	} else {
		close(m->fd);
	}
	file_count -= m->file > 0;
	*m = mappings[--mapping_count];
	if (watched && !file_count)
		end_watch();
}

/* One in memory, for which there is no room any more. NULL: nor is there in a file. */
static void *move_out(struct mapping *m, size_t whole)
{
	void *from = m->at, *to;
	size_t size = m->size < whole ? m->size : whole;
	bool used;

	to = mapping_count < ARRAYS_MAX ? map_file(whole, &used) : NULL;
	if (to) {
		memcpy(to, from, size);
		unmap(mapping_of(from));
	}
	return to;
}

static void *resize(struct mapping *m, size_t size)
{
	size_t whole = whole_pages(size);
	void *at;

	if (!m->file && in_memory - m->size + whole > limits.memory && (at = move_out(m, whole)))
		return at;
	if (m->file && whole > m->file) {
		if (posix_fallocate(m->fd, (off_t)m->file, (off_t)(whole - m->file)))
			return NULL;
		m->file = whole;
	}
	at = mremap(m->at, m->size, whole, MREMAP_MAYMOVE);
	if (at == MAP_FAILED)
		return NULL;
	in_memory += m->file ? 0 : whole - m->size;
	m->at = at;
	m->size = whole;
	return at;
}

/* ---- what malloc has: small arrays, and large ones for which there is no mapping ---- */

/* What is freed goes back to the kernel: glibc would keep up to 64 MB of what it once gave. */
static void give_back_freed(void)
{
	static bool done;

	if (!done)
		done = mallopt(M_MMAP_THRESHOLD, LARGE) == 1;
}

/* One of malloc's, or none, becomes large. */
static void *enlarge(void *array, size_t size)
{
	size_t usable = array ? malloc_usable_size(array) : 0;
	bool used;
	void *at = map_new(size, &used);

	if (!at)
		return realloc(array, size);
	memcpy(at, array ? array : "", usable < size ? usable : size);
	free(array);
	return at;
}

/* ---- either ---- */

void *spill_realloc(void *array, size_t size)
{
	struct mapping *m;
	void *at;

	pthread_mutex_lock(&lock);
	give_back_freed();
	m = array ? mapping_of(array) : NULL;
	if (m)
		at = resize(m, size ? size : 1);
	else
		at = size < LARGE ? realloc(array, size ? size : 1) : enlarge(array, size);
	pthread_mutex_unlock(&lock);
	return at;
}

void *spill_calloc(size_t n, size_t size)
{
	bool used = false;
	size_t bytes;
	void *at;

	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	pthread_mutex_lock(&lock);
	give_back_freed();
	at = bytes < LARGE ? NULL : map_new(bytes, &used);
	if (!at)
		at = calloc(n ? n : 1, size ? size : 1);
	pthread_mutex_unlock(&lock);
	if (used && at)
		memset(at, 0, bytes);
	return at;
}

void spill_expect(size_t bytes)
{
	pthread_mutex_lock(&lock);
	limits = bytes <= wholly.memory ? wholly : partly;
	pthread_mutex_unlock(&lock);
}

bool spill_is_roomy(void)
{
	bool roomy;

	pthread_mutex_lock(&lock);
	roomy = limits.memory == wholly.memory;
	pthread_mutex_unlock(&lock);
	return roomy;
}

void spill_trim(void)
{
	pthread_mutex_lock(&lock);
	trim();
	pthread_mutex_unlock(&lock);
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

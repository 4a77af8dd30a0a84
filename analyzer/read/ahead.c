/* SPDX-License-Identifier: MIT */
#include "analyzer/read/ahead.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>

#define WORTH (16u << 20)	/* a smaller file is through before a thread has begun */
#define STEP (8u << 20)		/* at a time: that much is resident for it */
#define WAITING_MAX 16

struct pages {
	char *at;
	size_t size;
};

static struct pages waiting[WAITING_MAX];
static unsigned first, waiting_count;
static bool at_work;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void make(const struct pages *p)
{
	madvise(p->at, p->size, MADV_HUGEPAGE);
	for (size_t done = 0, step; done < p->size; done += step) {
		step = p->size - done < STEP ? p->size - done : STEP;
		madvise(p->at + done, step, MADV_POPULATE_READ);
		munmap(p->at + done, step);
	}
}

static bool next(struct pages *p)
{
	bool more;

	pthread_mutex_lock(&lock);
	at_work = more = waiting_count;
	if (more) {
		*p = waiting[first];
		first = (first + 1) % WAITING_MAX;
		waiting_count--;
	}
	pthread_mutex_unlock(&lock);
	return more;
}

static void *work(void *unused)
{
	struct pages p = {0};

	(void)unused;
	while (next(&p))
		make(&p);
	return NULL;
}

/* A thread that gets no signal: they are for who runs the report. */
static bool begin(void)
{
	sigset_t all, before;
	pthread_t thread;
	bool begun;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	begun = !pthread_create(&thread, NULL, work, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (begun)
		pthread_detach(thread);
	return begun;
}

/* The lock is held. */
static bool put(struct pages p)
{
	if (waiting_count == WAITING_MAX)
		return false;
	at_work = at_work || begin();
	if (at_work)
		waiting[(first + waiting_count++) % WAITING_MAX] = p;
	return at_work;
}

void ahead_make(int fd, size_t size)
{
	struct pages p = {.size = size};
	bool taken;

	if (size < WORTH || pthread_mutex_trylock(&lock))
		return;
	p.at = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	taken = p.at != MAP_FAILED && put(p);
	pthread_mutex_unlock(&lock);
	if (!taken && p.at != MAP_FAILED)
		munmap(p.at, size);
}

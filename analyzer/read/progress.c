/* SPDX-License-Identifier: MIT */
#include "analyzer/read/progress.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"

#define PATIENCE_NS NS_PER_S
#define PAUSE_NS (100 * NS_PER_MS)	/* between two figures */

static struct {
	bool running, shown;
	const char *what;
	uint64_t all, done;
	uint64_t began_ns, said_ns;	/* the work; the latest figure */
} now;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The line is written over: a shorter one leaves nothing of the one before. */
static void say(const char *line)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "\r%-20s\r%s", "", line);
	ssize_t written = write(STDERR_FILENO, text, (size_t)n);

	(void)written;	/* it is only for those who look */
}

void progress_begin(const char *what, uint64_t steps)
{
	pthread_mutex_lock(&lock);
	if (!now.running)
		now.began_ns = clock_now_ns();
	now.running = true;
	now.what = what;
	now.all = steps ? steps : 1;
	now.done = 0;
	pthread_mutex_unlock(&lock);
}

void progress_add(uint64_t steps)
{
	uint64_t t = clock_now_ns();
	char line[40];

	pthread_mutex_lock(&lock);
	now.done += steps;
	if (now.running && t - now.began_ns > PATIENCE_NS && t - now.said_ns > PAUSE_NS && isatty(STDERR_FILENO)) {
		snprintf(line, sizeof(line), "%s %u %%", now.what, (unsigned)(now.done >= now.all ? 100 : now.done * 100 / now.all));
		say(line);
		now.shown = true;
		now.said_ns = t;
	}
	pthread_mutex_unlock(&lock);
}

void progress_end(void)
{
	pthread_mutex_lock(&lock);
	if (now.shown)
		say("");
	now.running = now.shown = false;
	pthread_mutex_unlock(&lock);
}

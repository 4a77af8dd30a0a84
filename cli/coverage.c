/* SPDX-License-Identifier: MIT */
#include "cli/coverage.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/cli.h"
#include "cli/launch.h"
#include "cli/reach.h"
#include "record/proc.h"

#define LIST_MAX 64	/* processes asked for at once */
#define LIVE_MAX 4096
#define WITHOUT "the library is not in its environment, or it ended before the library could say that it is there"

/* ---- why ---- */

/* The file that a name stands for: itself, or what PATH finds. */
static void file_of(const char *program, char path[LAUNCH_PATH_MAX])
{
	char error[LAUNCH_PATH_MAX + 128];

	if (strchr(program, '/') || launch_find(program, path, error, sizeof(error)))
		snprintf(path, LAUNCH_PATH_MAX, "%s", program);
}

static void reason_of(const char *program, char why[REACH_TEXT_MAX])
{
	char path[LAUNCH_PATH_MAX];

	snprintf(why, REACH_TEXT_MAX, "%s", WITHOUT);
	if (!program || !*program)
		return;
	file_of(program, path);
	if (reach_program(path, why, REACH_TEXT_MAX) != 1)
		snprintf(why, REACH_TEXT_MAX, "%s", WITHOUT);
}

static bool told_before(struct coverage *c, const char *program)
{
	for (unsigned i = 0; i < c->told_count; i++)
		if (!strcmp(c->told[i], program))
			return true;
	if (c->told_count == COVERAGE_TOLD_MAX || !(c->told[c->told_count] = strdup(program)))
		return true;
	c->told_count++;
	return false;
}

static void tell(struct coverage *c, uint32_t pid, const char *program, const char *why)
{
	if (!told_before(c, program ? program : "?"))
		cli_say("warning: no fault can reach process %u (%s): %s", pid, program ? program : "unknown program", why);
}

/* ---- who was told of and is not heard ---- */

static void look_at_silent(struct coverage *c, struct recorder *r, bool final)
{
	struct recorder_silent list[LIST_MAX];
	unsigned n;

	do {
		n = recorder_silent(r, final, list, LIST_MAX);
		for (unsigned i = 0; i < n; i++) {
			char why[REACH_TEXT_MAX];

			reason_of(list[i].program, why);
			tell(c, list[i].pid, list[i].program, why);
			recorder_process(r, list[i].pid, 0, NULL, NULL, 0, false, why);
		}
	} while (n == LIST_MAX);
}

/* ---- who descends from the run and was not told of ---- */

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static bool among(const uint32_t *sorted, size_t n, uint32_t pid)
{
	return n && bsearch(&pid, sorted, n, sizeof(pid), by_number);
}

struct descent {		/* one look through /proc */
	struct coverage *c;
	struct recorder *r;
	const uint32_t *live;	/* sorted */
	size_t live_count;
	uint32_t found[COVERAGE_SUSPECTS_MAX];
	size_t found_count;
};

/* Whether the library is mapped there. True when nobody may look: nothing is claimed then. */
static bool has_library(uint32_t pid)
{
	char path[64], line[1024];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	f = fopen(path, "re");
	if (!f)
		return true;
	while (!found && fgets(line, sizeof(line), f))
		found = strstr(line, "libaftershock") != NULL;
	fclose(f);
	return found;
}

static void report(struct descent *d, uint32_t pid)
{
	char link[64], program[LAUNCH_PATH_MAX], why[REACH_TEXT_MAX];
	struct proc p;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%u/exe", pid);
	n = readlink(link, program, sizeof(program) - 1);
	if (n < 0 || proc_read(pid, &p))
		return;
	program[n] = '\0';
	reason_of(program, why);
	tell(d->c, pid, program, why);
	recorder_process(d->r, pid, p.ppid, p.service, p.command, p.started_ns, false, why);
}

/* A child that nobody told of. It may be a fork that has not done anything yet, or on its way into a program: only one that is still without the
 * library at the next look got away. */
static void child_seen(struct descent *d, uint32_t pid)
{
	if (among(d->live, d->live_count, pid) || has_library(pid))
		return;
	if (among(d->c->suspects, d->c->suspect_count, pid))
		report(d, pid);
	else if (d->found_count < COVERAGE_SUSPECTS_MAX)
		d->found[d->found_count++] = pid;
}

static void children_of_thread(struct descent *d, uint32_t pid, const char *tid)
{
	char path[320];
	unsigned child;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/task/%s/children", pid, tid);
	f = fopen(path, "re");
	while (f && fscanf(f, "%u", &child) == 1)
		child_seen(d, child);
	if (f)
		fclose(f);
}

static void children_of(struct descent *d, uint32_t pid)
{
	char path[64];
	struct dirent *e;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%u/task", pid);
	tasks = opendir(path);
	while (tasks && (e = readdir(tasks)))
		if (*e->d_name != '.')
			children_of_thread(d, pid, e->d_name);
	if (tasks)
		closedir(tasks);
}

static void look_at_descent(struct coverage *c, struct recorder *r)
{
	static uint32_t live[LIVE_MAX];
	struct descent d = {.c = c, .r = r, .live = live, .live_count = recorder_live_pids(r, live, LIVE_MAX)};

	qsort(live, d.live_count, sizeof(*live), by_number);
	for (size_t i = 0; i < d.live_count; i++)
		children_of(&d, live[i]);
	memcpy(c->suspects, d.found, sizeof(d.found));
	c->suspect_count = d.found_count;
	qsort(c->suspects, c->suspect_count, sizeof(*c->suspects), by_number);
}

void coverage_look(struct coverage *c, struct recorder *r, bool descend, bool final)
{
	look_at_silent(c, r, final);
	if (descend)
		look_at_descent(c, r);
}

void coverage_free(struct coverage *c)
{
	for (unsigned i = 0; i < c->told_count; i++)
		free(c->told[i]);
	c->told_count = 0;
}

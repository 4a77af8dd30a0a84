/* SPDX-License-Identifier: MIT */
#include "cli/liverun.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "cli/faultlog.h"

#define RUNS_MAX 64
#define BEGIN_NS (10 * NS_PER_S)

/* ---- finding it ---- */

static void join_names(const struct rundir_found *found, unsigned n, char *out, size_t size)
{
	size_t at = 0;

	*out = '\0';
	for (unsigned i = 0; i < n && at < size; i++)
		at += (size_t)snprintf(out + at, size - at, "%s%s", i ? ", " : "", found[i].name);
}

static int take_path(struct liverun *r, const char *path)
{
	const char *slash;
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	if (n >= sizeof(r->path))
		return -ENAMETOOLONG;
	memcpy(r->path, path, n);
	r->path[n] = '\0';
	slash = strrchr(r->path, '/');
	snprintf(r->name, sizeof(r->name), "%.*s", (int)sizeof(r->name) - 1, slash ? slash + 1 : r->path);
	return 0;
}

static unsigned count_named(const char *name, const struct rundir_found *found, unsigned n, unsigned *at)
{
	unsigned same = 0;

	for (unsigned i = 0; i < n; i++) {
		if (!strcmp(found[i].name, name)) {
			*at = i;
			same++;
		}
	}
	return same;
}

static int choose(struct liverun *r, const char *name, const struct rundir_found *found, unsigned n, char *error, unsigned size)
{
	unsigned i = 0, same = name ? count_named(name, found, n, &i) : 0;
	char names[512];

	join_names(found, n, names, sizeof(names));
	if (!n)
		snprintf(error, size, "no run %s%s%sis going on; 'aftershock run' and 'aftershock env' start one", name ? "named '" : "",
			 name ? name : "", name ? "' " : "");
	else if (name && !same)
		snprintf(error, size, "no run named '%s' is going on; going on: %s", name, names);
	else if (same > 1)
		snprintf(error, size, "several users have a run named '%s'; give the path of one, such as %s", name, found[i].path);
	else if (!name && n > 1)
		snprintf(error, size, "several runs are going on; name one of: %s", names);
	else
		return take_path(r, found[i].path);
	return n && (same > 1 || !name) ? -ENOTUNIQ : -ENOENT;
}

int liverun_find(struct liverun *r, const char *name, bool everybody, char *error, unsigned error_size)
{
	static struct rundir_found found[RUNS_MAX];
	const char *own = getenv("AFTERSHOCK_RUN");
	unsigned n, at;

	*r = (struct liverun){.log = -1};
	if (name && strchr(name, '/'))
		return take_path(r, name);
	if (!name && own && *own)
		return take_path(r, own);
	n = rundir_list(found, RUNS_MAX, false);
	if (everybody && (!n || (name && !count_named(name, found, n, &at))))
		n = rundir_list(found, RUNS_MAX, true);
	return choose(r, name, found, n, error, error_size);
}

/* ---- opening it ---- */

/* What another version has in its page only that version knows: it is not waited for. */
static bool has_begun(const struct page *p)
{
	if (!__atomic_load_n(&p->magic, __ATOMIC_ACQUIRE))
		return false;
	return p->layout != PAGE_LAYOUT || atomic_load(&p->heartbeat_ns) || __atomic_load_n(&p->started_ns, __ATOMIC_ACQUIRE);
}

/* A run is there to be found a moment before it has begun, on a busy machine a long one: it is waited for, as long as its controller lives. */
static void await_begin(const struct liverun *r)
{
	uint64_t until = clock_now_ns() + BEGIN_NS;
	struct timespec pause = {0, 10 * NS_PER_MS};

	while (!has_begun(r->page) && clock_now_ns() < until) {
		int pid, lock = rundir_controller(r->path, &pid);

		if (lock < 0)
			return;
		close(lock);
		nanosleep(&pause, NULL);
	}
}

static int map_page(struct liverun *r, int dir)
{
	int fd = openat(dir, PAGE_FILE, O_RDWR | O_NOFOLLOW | O_CLOEXEC), err = 0;
	struct stat st;
	void *p;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || st.st_size < (off_t)sizeof(struct page))
		err = -EPROTO;
	p = err ? MAP_FAILED : mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return err ? err : -errno;
	r->page = p;
	await_begin(r);
	if (!has_begun(r->page))
		return -ESRCH;
	if (r->page->magic != PAGE_MAGIC || r->page->layout != PAGE_LAYOUT || r->page->bytes != sizeof(struct page) ||
	    r->page->fault_count > PAGE_FAULT_MAX)
		return -EPROTO;
	return clock_now_ns() < atomic_load(&r->page->heartbeat_ns) + PAGE_HEARTBEAT_STALE_NS ? 0 : -ESRCH;
}

static int open_parts(struct liverun *r)
{
	int dir = open(r->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err;

	if (dir < 0)
		return -errno;
	err = map_page(r, dir);
	r->log = err ? -1 : faultlog_open(dir);
	close(dir);
	if (err || r->log < 0)
		return err ? err : r->log;
	return flock(r->log, LOCK_EX) ? -errno : 0;
}

int liverun_open(struct liverun *r, const char *name, char *error, unsigned error_size)
{
	int err = liverun_find(r, name, true, error, error_size);

	if (err)
		return err;
	err = open_parts(r);
	if (err == -EACCES || err == -EPERM)
		snprintf(error, error_size, "the run at '%s' belongs to another user: only its owner or root may change its faults", r->path);
	else if (err == -ESRCH)
		snprintf(error, error_size, "run '%s' is over: nobody controls it any more, and its faults have ended", r->name);
	else if (err == -EPROTO)
		snprintf(error, error_size, "run '%s' is of another version of aftershock", r->name);
	else if (err == -ENOENT || err == -ENOTDIR)
		snprintf(error, error_size, "'%s' is no run that is going on", r->path);
	else if (err)
		snprintf(error, error_size, "cannot use run '%s': %s", r->path, strerror(-err));
	return err;
}

void liverun_pause(struct liverun *r, uint64_t until_ns)
{
	struct timespec t = {(time_t)(until_ns / NS_PER_S), (long)(until_ns % NS_PER_S)};

	flock(r->log, LOCK_UN);
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
	flock(r->log, LOCK_EX);
}

void liverun_close(struct liverun *r)
{
	if (r->page)
		munmap(r->page, sizeof(struct page));
	if (r->log >= 0)
		close(r->log);
	*r = (struct liverun){.log = -1};
}

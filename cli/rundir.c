/* SPDX-License-Identifier: MIT */
#include "cli/rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "cli/faultlog.h"
#include "plan/live.h"

#define LOCK_FILE "lock"
#define OUTPUT_FILE "output"
#define BEAT_MS 100

static const char *const contents[] = {PAGE_FILE, JOURNAL_FILE, LOCK_FILE, FAULTLOG_FILE, OUTPUT_FILE};

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

int rundir_name_check(const char *name)
{
	size_t n = strlen(name);

	return n && n < RUNDIR_NAME_MAX && name[0] != '.' && strspn(name, letters) == n ? 0 : -EINVAL;
}

static int complain(int err, char *error, unsigned error_size, const char *what, const char *path)
{
	snprintf(error, error_size, "%s '%s': %s", what, path, strerror(-err));
	return err;
}

/* ---- base directory ---- */

/* A directory that only we can change: the guard against a name someone else took first in a shared directory. */
static int own_private(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	return st.st_uid == geteuid() && !(st.st_mode & 077) ? 0 : -EPERM;
}

/* Makes and opens path, 0700. */
static int open_private(const char *path)
{
	int fd, err;

	if (mkdir(path, 0700) && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = own_private(fd);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

/* Where runs of this user are: 0 the runtime directory, 1 the temporary one. -ENOENT when there is no such place. */
static int base_path(int where, char *path, size_t size)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR"), *tmp = getenv("TMPDIR");
	int n;

	if (where == 0 && !(runtime && *runtime == '/'))
		return -ENOENT;
	if (where == 0)
		n = snprintf(path, size, "%s/aftershock", runtime);
	else
		n = snprintf(path, size, "%s/aftershock-%u", tmp && *tmp == '/' ? tmp : "/tmp", (unsigned)geteuid());
	return n < (int)size ? 0 : -ENAMETOOLONG;
}

static int open_base(char *path, size_t size)
{
	int err, fd;

	if (!base_path(0, path, size)) {
		fd = open_private(path);
		if (fd >= 0)
			return fd;
	}
	err = base_path(1, path, size);
	return err ? err : open_private(path);
}

/* ---- directories of runs that died ---- */

static void remove_run(int base, const char *name)
{
	int dir = openat(base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir < 0)
		return;
	for (size_t i = 0; i < sizeof(contents) / sizeof(*contents); i++)
		unlinkat(dir, contents[i], 0);
	close(dir);
	unlinkat(base, name, AT_REMOVEDIR);
}

/* Whether no run holds the lock of this directory. The base is locked: nobody is about to take it. */
static bool is_dead(int base, const char *name)
{
	char path[NAME_MAX + sizeof(LOCK_FILE) + 2];
	bool dead;
	int fd;

	snprintf(path, sizeof(path), "%s/" LOCK_FILE, name);
	fd = openat(base, path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT;
	dead = !flock(fd, LOCK_EX | LOCK_NB);
	close(fd);
	return dead;
}

static void clean_dead(int base)
{
	int fd = openat(base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!list)
		return;
	while ((e = readdir(list))) {
		if (!rundir_name_check(e->d_name) && is_dead(base, e->d_name))
			remove_run(base, e->d_name);
	}
	closedir(list);
}

/* ---- one directory ---- */

static void default_name(char name[RUNDIR_NAME_MAX], const char *command)
{
	const char *slash = strrchr(command, '/');
	size_t n = 0;

	for (const char *p = slash ? slash + 1 : command; *p && n < RUNDIR_NAME_MAX - 16; p++)
		name[n++] = strchr(letters, *p) ? *p : '_';
	if (!n || name[0] == '.')
		name[0] = '_', n += !n;
	snprintf(name + n, RUNDIR_NAME_MAX - n, "-%d", (int)getpid());
}

static int take_lock(struct rundir *d, int dir)
{
	d->lock = openat(dir, LOCK_FILE, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (d->lock < 0 || flock(d->lock, LOCK_EX | LOCK_NB) || dprintf(d->lock, "%d\n", (int)getpid()) < 0)
		return -errno;
	return 0;
}

static int make_page(struct rundir *d, int dir)
{
	int fd = openat(dir, PAGE_FILE, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600), err;
	struct stat ns;
	void *p;

	if (fd < 0)
		return -errno;
	err = -posix_fallocate(fd, 0, sizeof(struct page));	/* really there: no SIGBUS in a target later */
	p = err ? MAP_FAILED : mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (!err && p == MAP_FAILED)
		err = -errno;
	close(fd);
	if (err)
		return err;
	d->page = p;
	d->page->pid_namespace = stat("/proc/self/ns/pid", &ns) ? 0 : ns.st_ino;
	return 0;
}

/* The base is locked. -EEXIST when a run of this name is alive. */
static int make_locked(struct rundir *d, int base)
{
	int dir, err;

	clean_dead(base);
	if (mkdirat(base, d->name, 0700))
		return -errno;
	dir = openat(base, d->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	err = take_lock(d, dir);
	if (!err)
		err = make_page(d, dir);
	close(dir);
	return err;
}

static int make_journal(struct rundir *d)
{
	char path[RUNDIR_PATH_MAX + sizeof(JOURNAL_FILE) + 1];

	snprintf(path, sizeof(path), "%s/" JOURNAL_FILE, d->path);
	return journal_create(path, &d->journal, &d->journal_bytes);
}

int rundir_make(struct rundir *d, const char *name, const char *command, char *error, unsigned error_size)
{
	char base_path[RUNDIR_PATH_MAX - RUNDIR_NAME_MAX - 1];
	int base, err;

	memset(d, 0, sizeof(*d));
	d->lock = d->stop = -1;
	if (name)
		snprintf(d->name, sizeof(d->name), "%s", name);
	else
		default_name(d->name, command);
	base = open_base(base_path, sizeof(base_path));
	if (base < 0)
		return complain(base, error, error_size, "cannot use a private directory for the run,", base_path);
	flock(base, LOCK_EX);
	err = make_locked(d, base);
	close(base);
	if (err == -EEXIST) {
		snprintf(error, error_size, "a run named '%s' is going on; give another --name", d->name);
		return err;
	}
	snprintf(d->path, sizeof(d->path), "%s/%s", base_path, d->name);
	if (!err)
		err = make_journal(d);
	return err ? complain(err, error, error_size, "cannot make the run directory", d->path) : 0;
}

int rundir_set_output(const struct rundir *d, const char *file)
{
	char path[RUNDIR_PATH_MAX + sizeof(OUTPUT_FILE) + 1], *whole = realpath(file, NULL);
	int fd, err = 0;

	if (!whole)
		return -errno;
	snprintf(path, sizeof(path), "%s/" OUTPUT_FILE, d->path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, whole, strlen(whole)) != (ssize_t)strlen(whole))
		err = fd < 0 ? -errno : -ENOSPC;
	if (fd >= 0)
		close(fd);
	free(whole);
	return err;
}

/* ---- runs of others ---- */

/* Whether a run holds the lock of this directory. */
static bool is_live(int base, const char *name)
{
	char path[NAME_MAX + sizeof(LOCK_FILE) + 2];
	bool live;
	int fd;

	snprintf(path, sizeof(path), "%s/" LOCK_FILE, name);
	fd = openat(base, path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return false;
	live = flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK;
	close(fd);
	return live;
}

/* Adds the live runs of one base directory. What can not be opened has none for us. */
static unsigned list_base(const char *base_path, struct rundir_found *found, unsigned n, unsigned max)
{
	int base = open(base_path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *list = base < 0 ? NULL : fdopendir(base);
	struct dirent *e;

	if (!list)
		return n;
	flock(base, LOCK_EX);	/* no run is taking its lock while we try them */
	while (n < max && (e = readdir(list))) {
		if (rundir_name_check(e->d_name) || !is_live(base, e->d_name))
			continue;
		snprintf(found[n].name, sizeof(found[n].name), "%s", e->d_name);
		if (snprintf(found[n].path, sizeof(found[n].path), "%s/%s", base_path, e->d_name) < (int)sizeof(found[n].path))
			n++;
	}
	closedir(list);
	return n;
}

static unsigned list_everybody(struct rundir_found *found, unsigned n, unsigned max)
{
	glob_t g;

	memset(&g, 0, sizeof(g));
	glob("/run/user/*/aftershock", 0, NULL, &g);
	glob("/tmp/aftershock-[0-9]*", GLOB_APPEND, NULL, &g);
	for (size_t i = 0; i < g.gl_pathc; i++)
		n = list_base(g.gl_pathv[i], found, n, max);
	globfree(&g);
	return n;
}

static unsigned drop_twins(struct rundir_found *found, unsigned n)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < n; i++) {
		bool twin = false;

		for (unsigned k = 0; k < kept; k++)
			twin |= !strcmp(found[k].path, found[i].path);
		if (!twin)
			found[kept++] = found[i];
	}
	return kept;
}

unsigned rundir_list(struct rundir_found *found, unsigned max, bool everybody)
{
	char path[RUNDIR_PATH_MAX - RUNDIR_NAME_MAX - 1];
	unsigned n = 0;

	for (int where = 0; where < 2; where++)
		if (!base_path(where, path, sizeof(path)))
			n = list_base(path, found, n, max);
	if (everybody && !geteuid())
		n = list_everybody(found, n, max);
	return drop_twins(found, n);
}

int rundir_controller(const char *path, int *pid)
{
	char lock[RUNDIR_PATH_MAX + sizeof(LOCK_FILE) + 1], text[16] = "";
	int fd, err = 0;

	snprintf(lock, sizeof(lock), "%s/" LOCK_FILE, path);
	fd = open(lock, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!flock(fd, LOCK_EX | LOCK_NB) || errno != EWOULDBLOCK)
		err = -ESRCH;
	else if (pread(fd, text, sizeof(text) - 1, 0) <= 0 || sscanf(text, "%d", pid) != 1 || *pid <= 1)
		err = -EPROTO;
	if (!err)
		return fd;
	close(fd);
	return err;
}

int rundir_output(const char *path, char *file, size_t size)
{
	char name[RUNDIR_PATH_MAX + sizeof(OUTPUT_FILE) + 1];
	int fd;
	ssize_t n;

	snprintf(name, sizeof(name), "%s/" OUTPUT_FILE, path);
	fd = open(name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, file, size - 1);
	close(fd);
	if (n <= 0 || file[0] != '/')
		return -ENOENT;
	file[n] = '\0';
	return 0;
}

/* ---- heartbeat ---- */

static void *heart(void *arg)
{
	struct rundir *d = arg;
	struct pollfd stop = {.fd = d->stop, .events = POLLIN};

	do {
		atomic_store_explicit(&d->page->heartbeat_ns, clock_now_ns(), memory_order_release);
	} while (poll(&stop, 1, BEAT_MS) <= 0);
	return NULL;
}

int rundir_beat(struct rundir *d)
{
	sigset_t all, before;
	int err;

	d->stop = eventfd(0, EFD_CLOEXEC);
	if (d->stop < 0)
		return -errno;
	atomic_store(&d->page->heartbeat_ns, clock_now_ns());
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);	/* signals are the main thread's */
	err = pthread_create(&d->heart, NULL, heart, d);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	d->beating = !err;
	return -err;
}

static void stop_beating(struct rundir *d)
{
	if (!d->beating)
		return;
	eventfd_write(d->stop, 1);
	pthread_join(d->heart, NULL);
	d->beating = false;
}

void rundir_end_faults(struct rundir *d)
{
	struct page *p = d->page;

	stop_beating(d);
	if (!p)
		return;
	live_publish(p, 0);
	atomic_store(&p->heartbeat_ns, 0);
}

void rundir_remove(struct rundir *d)
{
	char base[RUNDIR_PATH_MAX];
	int fd;

	stop_beating(d);
	if (d->page)
		munmap(d->page, sizeof(struct page));
	if (d->journal)
		journal_unmap(d->journal, d->journal_bytes);
	if (d->stop >= 0)
		close(d->stop);
	if (d->lock >= 0 && *d->path) {
		snprintf(base, sizeof(base), "%.*s", (int)(strlen(d->path) - strlen(d->name) - 1), d->path);
		fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0) {
			remove_run(fd, d->name);
			close(fd);
		}
	}
	if (d->lock >= 0)
		close(d->lock);
	memset(d, 0, sizeof(*d));
	d->lock = d->stop = -1;
}

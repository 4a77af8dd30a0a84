/* SPDX-License-Identifier: MIT */
/* A run as others find it: a moment before it has begun, while it goes on, and when who controlled it is gone. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "cli/liverun.h"
#include "plan/plan.h"
#include "tests/lib/tap.h"

static char directory[256];

/* How far a controller goes, and how long it takes from step to step. */
enum step { MADE, COMPILED, BEATS };

static void control(enum step last, unsigned pause_ms, int told)
{
	struct rundir d;
	struct plan p;
	char error[512];

	if (rundir_make(&d, "slow", "sleep", error, sizeof(error)))
		_exit(1);
	(void)!write(told, "", 1);
	usleep(1000 * pause_ms);
	plan_init(&p);
	if (last >= COMPILED && plan_compile(&p, d.page))
		_exit(1);
	usleep(1000 * pause_ms);
	if (last >= BEATS && rundir_beat(&d))
		_exit(1);
	for (;;)
		pause();
}

/* Starts one; when it returns, the run can be found. */
static pid_t begin(enum step last, unsigned pause_ms)
{
	int told[2];
	char byte;
	pid_t pid;

	if (pipe(told))
		exit(1);
	fflush(stdout);
	pid = fork();
	if (!pid)
		control(last, pause_ms, told[1]);
	close(told[1]);
	if (read(told[0], &byte, 1) != 1)
		exit(1);
	close(told[0]);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int find(char *error, size_t size)
{
	struct liverun r;
	int err = liverun_open(&r, "slow", error, (unsigned)size);

	liverun_close(&r);
	return err;
}

static void a_slow_beginning(void)
{
	uint64_t began = clock_now_ns();
	pid_t pid = begin(BEATS, 200);
	char error[512] = "";

	is_int(find(error, sizeof(error)), 0, "a run that takes its time to begin is waited for (%s)", error);
	ok(clock_now_ns() - began >= 400 * NS_PER_MS, "until it has begun");
	is_int(find(error, sizeof(error)), 0, "then it is there");
	end(pid);
	is_int(find(error, sizeof(error)), -ENOENT, "and gone with who controlled it");
}

/* Its controller dies before it has begun, as another process waits for it. */
static void none_at_all(enum step last, const char *what)
{
	pid_t pid = begin(last, 0), killer;
	uint64_t began = clock_now_ns();
	char error[512] = "";
	int err;

	fflush(stdout);
	killer = fork();
	if (!killer) {
		usleep(200000);
		kill(pid, SIGKILL);
		_exit(0);
	}
	err = find(error, sizeof(error));
	is_int(err, -ESRCH, "%s: it is over", what);
	is_str(error, "run 'slow' is over: nobody controls it any more, and its faults have ended", "%s: in one sentence", what);
	ok(clock_now_ns() - began < 5 * NS_PER_S, "%s: as soon as that is known", what);
	waitpid(killer, NULL, 0);
	end(pid);
}

/* The page of the only run there is, once it has been filled; -1: none comes. */
static int filled_page(void)
{
	struct rundir_found found;
	char path[RUNDIR_PATH_MAX + 16];
	uint64_t magic = 0;
	int fd = -1;

	for (int i = 0; i < 1000 && magic != PAGE_MAGIC; i++, usleep(10000)) {
		if (fd < 0 && rundir_list(&found, 1, false) == 1) {
			snprintf(path, sizeof(path), "%s/" PAGE_FILE, found.path);
			fd = open(path, O_RDWR);
		}
		if (fd < 0 || pread(fd, &magic, sizeof(magic), offsetof(struct page, magic)) != sizeof(magic))
			magic = 0;
	}
	return fd;
}

/* A page that another version made, whatever lies where ours has its signs of life. */
static void another_version(void)
{
	pid_t pid = begin(COMPILED, 0);
	char error[512] = "";
	uint32_t layout = PAGE_LAYOUT + 1;
	int fd = filled_page();
	uint64_t began = clock_now_ns();

	ok(fd >= 0 && pwrite(fd, &layout, sizeof(layout), offsetof(struct page, layout)) == sizeof(layout), "a run of another version");
	close(fd);
	is_int(find(error, sizeof(error)), -EPROTO, "is told as one: %s", error);
	ok(clock_now_ns() - began < 5 * NS_PER_S, "and not waited for");
	end(pid);
}

int main(void)
{
	char command[300];

	snprintf(directory, sizeof(directory), "%s/aftershock-liverun-XXXXXX", getenv("TMPDIR") ?: "/tmp");
	if (!mkdtemp(directory))
		exit(1);
	setenv("XDG_RUNTIME_DIR", directory, 1);
	setenv("TMPDIR", directory, 1);
	unsetenv("AFTERSHOCK_RUN");
	a_slow_beginning();
	none_at_all(MADE, "without its faults");
	none_at_all(COMPILED, "without a sign of life");
	another_version();
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	return system(command) ? 1 : tap_done();
}

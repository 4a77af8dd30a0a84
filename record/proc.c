/* SPDX-License-Identifier: MIT */
#include "record/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"

#define ARGS_MAX 4096
#define ENVIRON_MAX (128 * 1024)
#define ARGV_MAX 64

/* Up to size - 1 bytes of /proc/PID/name, with a NUL behind; the length or -errno. */
static ssize_t read_file(uint32_t pid, const char *name, char *buf, size_t size)
{
	char path[64];
	size_t got = 0;
	ssize_t n = 1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	while (n > 0 && got < size - 1) {
		n = read(fd, buf + got, size - 1 - got);
		if (n > 0)
			got += (size_t)n;
	}
	close(fd);
	buf[got] = '\0';
	return n < 0 && !got ? -errno : (ssize_t)got;
}

/* The clock of start times counts suspended time; ours does not. */
static uint64_t ticks_to_ns(unsigned long long ticks)
{
	long hz = sysconf(_SC_CLK_TCK);
	uint64_t since_boot = ticks * (NS_PER_S / (uint64_t)(hz > 0 ? hz : 100)), now = clock_now_ns(), suspended;
	struct timespec boot;

	clock_gettime(CLOCK_BOOTTIME, &boot);	/* second, so that the difference is never below 0 */
	suspended = (uint64_t)boot.tv_sec * NS_PER_S + (uint64_t)boot.tv_nsec - now;
	return since_boot > suspended ? since_boot - suspended : 1;
}

/* proc(5): "pid (comm) state ppid ... starttime(22) ..."; comm may hold blanks and parentheses, the last ')' ends it. */
static int parse_stat(char *text, struct proc *p)
{
	char *open = strchr(text, '('), *close = strrchr(text, ')');
	unsigned long long started;

	if (!open || !close || close < open)
		return -EINVAL;
	*close = '\0';
	snprintf(p->comm, sizeof(p->comm), "%s", open + 1);
	if (sscanf(close + 1,
		   " %*c %u %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
		   &p->ppid, &started) != 2)
		return -EINVAL;
	p->started_ns = ticks_to_ns(started);
	return 0;
}

static int read_stat(uint32_t pid, struct proc *p)
{
	char text[1024];
	ssize_t n = read_file(pid, "stat", text, sizeof(text));

	p->pid = pid;
	return n < 0 ? (int)n : parse_stat(text, p);
}

/* The value of a variable in an environment block, or NULL. */
static const char *variable(const char *block, size_t n, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = block; at < block + n; at += strlen(at) + 1)
		if (!strncmp(at, name, length) && at[length] == '=')
			return at + length + 1;
	return NULL;
}

static unsigned split(const char *args, size_t n, const char **argv, unsigned max)
{
	unsigned argc = 0;

	for (size_t at = 0; at < n && argc < max; at += strlen(args + at) + 1)
		argv[argc++] = args + at;
	return argc;
}

static void join(const char *args, size_t n, char *out, size_t size)
{
	size_t kept = n < size - 1 ? n : size - 1;

	memcpy(out, args, kept);
	while (kept && !out[kept - 1])
		kept--;
	for (size_t i = 0; i < kept; i++)
		if (!out[i])
			out[i] = ' ';
	out[kept] = '\0';
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Whether a file name, or a title that begins with it, is what exec named the process after (cut to 15 bytes). */
static bool is_called(const char *name, const char *comm)
{
	size_t n = strlen(comm);

	return n && !strncmp(name, comm, n) && (n == 15 || !name[n] || name[n] == ' ');
}

/*
 * The program file, by the name it was started under: one file serves several programs by links to it (redis-server,
 * busybox), and then the name that was executed says which.
 */
static void program_path(uint32_t pid, const char *argv0, const char *comm, char *path, size_t size)
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%u/exe", pid);
	n = readlink(link, path, size - 1);
	path[n > 0 ? n : 0] = '\0';
	if (!path[0] || (!is_called(last_part(path), comm) && is_called(last_part(argv0), comm)))
		snprintf(path, size, "%s", comm);
}

void proc_name(uint32_t pid, const char *args, size_t n, const char *comm, struct proc *p)
{
	char copy[ARGS_MAX], exe[4096], *block = malloc(ENVIRON_MAX);
	const char *argv[ARGV_MAX];
	size_t kept = n < sizeof(copy) - 1 ? n : sizeof(copy) - 1;
	ssize_t got = block ? read_file(pid, "environ", block, ENVIRON_MAX) : -ENOMEM;
	size_t length = got > 0 ? (size_t)got : 0;
	unsigned argc;

	memcpy(copy, args, kept);
	copy[kept] = '\0';
	argc = split(copy, kept, argv, ARGV_MAX);
	if (argc && !argv[0][0])
		argc = 0;
	program_path(pid, argc ? argv[0] : "", comm, exe, sizeof(exe));
	service_name(p->service, sizeof(p->service), variable(block, length, "AFTERSHOCK_SERVICE"),
		     variable(block, length, "OTEL_SERVICE_NAME"), argv, argc, exe);
	join(argc ? copy : comm, argc ? kept : strlen(comm), p->command, sizeof(p->command));
	free(block);
}

int proc_read(uint32_t pid, struct proc *p)
{
	char args[ARGS_MAX];
	ssize_t n;
	int err;

	memset(p, 0, sizeof(*p));
	err = read_stat(pid, p);
	if (err)
		return err;
	n = read_file(pid, "cmdline", args, sizeof(args));
	proc_name(pid, args, n > 0 ? (size_t)n : 0, p->comm, p);
	return 0;
}

int proc_each(int (*fn)(void *arg, const struct proc *p), void *arg)
{
	DIR *dir = opendir("/proc");
	struct dirent *d;
	struct proc p;
	int stop = 0;

	if (!dir)
		return -errno;
	while (!stop && (d = readdir(dir))) {
		char *end;
		unsigned long pid = strtoul(d->d_name, &end, 10);

		if (*end || !pid)
			continue;
		memset(&p, 0, sizeof(p));
		if (!read_stat((uint32_t)pid, &p))
			stop = fn(arg, &p);
	}
	closedir(dir);
	return stop;
}

/* SPDX-License-Identifier: MIT */
#include "record/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

/* The first word of an argument: a program may have put a title there. */
static void first_word(const char *from, char *out, size_t size)
{
	size_t n = strcspn(from, " :");

	snprintf(out, size, "%.*s", (int)(n < size ? n : size - 1), from);
}

static void exe_path(uint32_t pid, const char *seen, char *path, size_t size)
{
	char link[64];
	ssize_t n = 0;

	snprintf(path, size, "%s", seen);
	if (path[0])
		return;
	snprintf(link, sizeof(link), "/proc/%u/exe", pid);
	n = readlink(link, path, size - 1);
	path[n > 0 ? n : 0] = '\0';
}

/*
 * The program file, by the name it was started under: one file serves several programs by links to it (redis-server,
 * busybox), and then the name that was executed says which. The kernel's own name is cut to 15 bytes.
 */
static void program_path(uint32_t pid, const char *argv0, const struct proc_image *image, char *path, size_t size)
{
	const char *comm = image->comm, *name = last_part(argv0);
	bool called = is_called(name, comm);

	exe_path(pid, image->exe, path, size);
	if (path[0] && (is_called(last_part(path), comm) || !called))
		return;
	if (called && strlen(comm) == 15)
		first_word(name, path, size);
	else
		snprintf(path, size, "%s", comm);
}

/* The names that the environment gives, of a process that still runs. */
struct given {
	char *block;
	const char *aftershock, *otel;
};

static void read_given(uint32_t pid, struct given *g)
{
	ssize_t n;

	g->block = malloc(ENVIRON_MAX);
	n = g->block ? read_file(pid, "environ", g->block, ENVIRON_MAX) : 0;
	if (n <= 0)
		return;
	g->aftershock = variable(g->block, (size_t)n, "AFTERSHOCK_SERVICE");
	g->otel = variable(g->block, (size_t)n, "OTEL_SERVICE_NAME");
}

void proc_name(uint32_t pid, const struct proc_image *image, struct proc *p)
{
	struct given g = {.aftershock = image->service};
	char copy[ARGS_MAX], exe[4096];
	const char *argv[ARGV_MAX];
	size_t kept = image->n < sizeof(copy) - 1 ? image->n : sizeof(copy) - 1;
	unsigned argc;

	if (!image->service[0] && !image->whole_environment)
		read_given(pid, &g);
	memcpy(copy, image->args, kept);
	copy[kept] = '\0';
	argc = split(copy, kept, argv, ARGV_MAX);
	if (argc && !argv[0][0])
		argc = 0;
	program_path(pid, argc ? argv[0] : "", image, exe, sizeof(exe));
	service_name(p->service, sizeof(p->service), g.aftershock, g.otel, argv, argc, exe);
	join(argc ? copy : image->comm, argc ? kept : strlen(image->comm), p->command, sizeof(p->command));
	free(g.block);
}

/* ---- namespaces, threads, the dead ---- */

/* The number behind a word of /proc/PID/status, the last of several; how many there are. */
static unsigned status_number(const char *status, const char *word, uint32_t *last)
{
	const char *at = strstr(status, word);
	unsigned count = 0;
	char *end;

	if (!at)
		return 0;
	for (at += strlen(word); *at == '\t' || *at == ' '; at = end) {
		unsigned long n = strtoul(at, &end, 10);

		if (end == at)
			break;
		*last = (uint32_t)n;
		count++;
	}
	return count;
}

/* NSpid has its number in our namespace, and in each one further in, down to its own. */
static void read_namespace(uint32_t pid, struct proc *p)
{
	char status[4096], path[64];
	struct stat st;

	if (read_file(pid, "status", status, sizeof(status)) <= 0 || status_number(status, "\nNSpid:", &p->inner_pid) < 2) {
		p->inner_pid = 0;
		return;
	}
	snprintf(path, sizeof(path), "/proc/%u/ns/pid", pid);
	p->pid_ns = stat(path, &st) ? 0 : st.st_ino;
}

uint32_t proc_of_thread(uint32_t tid)
{
	char status[4096];
	uint32_t pid = 0;

	if (read_file(tid, "status", status, sizeof(status)) > 0)
		status_number(status, "\nTgid:", &pid);
	return pid;
}

/* A process whose first thread has ended, but not others, shows that one's state. */
bool proc_ended(uint32_t pid)
{
	char status[4096], *state;
	uint32_t threads = 0;

	if (read_file(pid, "status", status, sizeof(status)) <= 0)
		return kill((pid_t)pid, 0) && errno == ESRCH;	/* (/proc may be hidden from us) */
	state = strstr(status, "\nState:\t");
	status_number(status, "\nThreads:", &threads);
	return state && strchr("ZX", state[8]) && threads <= 1;
}

int proc_read(uint32_t pid, struct proc *p)
{
	char args[ARGS_MAX];
	struct proc_image image = {.args = args, .comm = p->comm, .exe = "", .service = ""};
	ssize_t n;
	int err;

	memset(p, 0, sizeof(*p));
	err = read_stat(pid, p);
	if (err)
		return err;
	n = read_file(pid, "cmdline", args, sizeof(args));
	image.n = n > 0 ? (size_t)n : 0;
	proc_name(pid, &image, p);
	read_namespace(pid, p);
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

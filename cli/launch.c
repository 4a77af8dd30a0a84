/* SPDX-License-Identifier: MIT */
#include "cli/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <paths.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIBRARY_NAME "libaftershock.so"

/* ---- where COMMAND is ---- */

static int runnable(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	return access(path, X_OK) ? -errno : 0;
}

/* One directory of PATH; an empty one is the current directory (execvp(3)). */
static int try_directory(const char *dir, size_t n, const char *command, char path[LAUNCH_PATH_MAX])
{
	int used = snprintf(path, LAUNCH_PATH_MAX, "%.*s%s%s", (int)n, dir, n ? "/" : "", command);

	return used >= LAUNCH_PATH_MAX ? -ENAMETOOLONG : runnable(path);
}

static int search_path(const char *command, char path[LAUNCH_PATH_MAX])
{
	const char *dirs = getenv("PATH");
	int worst = -ENOENT;

	for (const char *p = dirs ? dirs : _PATH_DEFPATH;; p++) {
		size_t n = strcspn(p, ":");
		int err = try_directory(p, n, command, path);

		if (!err)
			return 0;
		if (err == -EACCES && !access(path, F_OK))	/* not: a directory that we may not search */
			worst = err;
		p += n;
		if (!*p)
			return worst;
	}
}

int launch_find(const char *command, char path[LAUNCH_PATH_MAX], char *error, unsigned error_size)
{
	bool named = strchr(command, '/');
	int err;

	if (!*command)
		err = -ENOENT;
	else if (named)
		err = try_directory("", 0, command, path);
	else
		err = search_path(command, path);
	if (err == -ENOENT && !named)
		snprintf(error, error_size, "command '%s' was not found in PATH", command);
	else if (err)
		snprintf(error, error_size, "command '%s' cannot be run: %s", command, strerror(-err));
	return err;
}

/* ---- where the library is ---- */

/* The directory of this executable. */
static int own_directory(char dir[LAUNCH_PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", dir, LAUNCH_PATH_MAX - 1);
	char *slash;

	if (n < 0)
		return -errno;
	dir[n] = '\0';
	slash = strrchr(dir, '/');
	if (slash)
		*slash = '\0';
	return 0;
}

static bool beside(const char *dir, const char *tail, char path[LAUNCH_PATH_MAX])
{
	char joined[LAUNCH_PATH_MAX];

	if (snprintf(joined, sizeof(joined), "%s/%s", dir, tail) >= (int)sizeof(joined))
		return false;
	return realpath(joined, path) && !access(path, R_OK);
}

/* The loader splits LD_PRELOAD at blanks and colons and knows no escape (ld.so(8)). */
static int library_check(const char *path, char *error, unsigned error_size)
{
	if (strpbrk(path, " :")) {
		snprintf(error, error_size, "LD_PRELOAD cannot carry the library's path '%s' (a blank or colon in it): "
			 "move it, or set AFTERSHOCK_LIB to a copy elsewhere", path);
		return -EINVAL;
	}
	return 0;
}

int launch_library(char path[LAUNCH_PATH_MAX], char *error, unsigned error_size)
{
	const char *given = getenv("AFTERSHOCK_LIB");
	char dir[LAUNCH_PATH_MAX];

	if (given && *given) {
		if (realpath(given, path) && !access(path, R_OK))
			return library_check(path, error, error_size);
		snprintf(error, error_size, "AFTERSHOCK_LIB names '%s', which cannot be read: %s", given, strerror(errno));
		return -ENOENT;
	}
	if (!own_directory(dir) && (beside(dir, LIBRARY_NAME, path) || beside(dir, "../lib/aftershock/" LIBRARY_NAME, path)))
		return library_check(path, error, error_size);
	snprintf(error, error_size, LIBRARY_NAME " was not found beside the aftershock command nor in ../lib/aftershock: "
		 "install it, or set AFTERSHOCK_LIB to its path");
	return -ENOENT;
}

/* ---- environment ---- */

/* Somebody put the runtime of a sanitizer first for a program that is not linked with it: there it has to stay. */
static bool begins_with_sanitizer(const char *preload)
{
	size_t n = strcspn(preload, ": ");
	const char *name = memrchr(preload, '/', n);

	name = name ? name + 1 : preload;
	return !strncmp(name, "libasan.", 8) || !strncmp(name, "libtsan.", 8);
}

static int preload_variable(char **out, const char *library)
{
	const char *had = getenv("LD_PRELOAD");
	int first = had ? (int)strcspn(had, ": ") : 0;

	if (!had || !*had)
		return asprintf(out, "LD_PRELOAD=%s", library);
	if (begins_with_sanitizer(had))
		return asprintf(out, "LD_PRELOAD=%.*s:%s%s", first, had, library, had + first);
	return asprintf(out, "LD_PRELOAD=%s:%s", library, had);
}

/* AddressSanitizer ends a program in which another library comes before its runtime, unless told that this is meant. What calls pass
 * through the library end in the runtime's own all the same. No other program looks at the variable. */
static int asan_variable(char **out)
{
	const char *had = getenv("ASAN_OPTIONS");

	return asprintf(out, "ASAN_OPTIONS=verify_asan_link_order=0%s%s", had && *had ? ":" : "", had ? had : "");
}

static bool ours(const char *variable)
{
	return !strncmp(variable, "LD_PRELOAD=", 11) || !strncmp(variable, "AFTERSHOCK_RUN=", 15) || !strncmp(variable, "ASAN_OPTIONS=", 13);
}

#define OURS 3	/* variables of ours, which come first */

char **launch_environment(const char *run_dir, const char *library)
{
	size_t n = 0, at = OURS;
	char **env;

	while (environ[n])
		n++;
	env = calloc(n + OURS + 1, sizeof(*env));
	if (!env)
		return NULL;
	if (asprintf(&env[0], "AFTERSHOCK_RUN=%s", run_dir) < 0 || preload_variable(&env[1], library) < 0 || asan_variable(&env[2]) < 0) {
		launch_free_environment(env);
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		if (!ours(environ[i]))
			env[at++] = environ[i];
	}
	return env;
}

void launch_free_environment(char **environment)
{
	for (size_t i = 0; environment && i < OURS; i++)
		free(environment[i]);
	free(environment);
}

/* ---- signals ---- */

/* Taken besides the real-time signals: what asks to stop, and what programs give a meaning of their own (USR1 of haproxy and nginx, ...). Not:
 * job control, which is the terminal's, and what only a fault of our own would send. */
static const int handled[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD, SIGUSR1, SIGUSR2, SIGWINCH, SIGALRM, SIGURG, SIGIO, SIGPWR};

int launch_signals_take(struct launch_signals *s)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN}, standard = {.sa_handler = SIG_DFL};
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(handled) / sizeof(*handled); i++)
		sigaddset(&set, handled[i]);
	for (int sig = SIGRTMIN; sig <= SIGRTMAX; sig++)
		sigaddset(&set, sig);
	sigprocmask(SIG_BLOCK, &set, &s->mask);
	sigaction(SIGPIPE, &ignore, &s->pipe);
	sigaction(SIGXFSZ, &ignore, &s->xfsz);
	sigaction(SIGCHLD, &standard, &s->chld);	/* ignored, it would reap COMMAND before us */
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static void signals_give_back(const struct launch_signals *s)
{
	sigaction(SIGPIPE, &s->pipe, NULL);
	sigaction(SIGXFSZ, &s->xfsz, NULL);
	sigaction(SIGCHLD, &s->chld, NULL);
	sigprocmask(SIG_SETMASK, &s->mask, NULL);
}

/* ---- the child ---- */

/* argv for /bin/sh in case the file has no #! line: sh, path, argv[1..]. */
static char **shell_arguments(const char *path, char **argv)
{
	size_t n = 0;
	char **sh;

	while (argv[n])
		n++;
	sh = calloc(n + 2, sizeof(*sh));
	if (!sh)
		return NULL;
	sh[0] = (char *)"sh";
	sh[1] = (char *)path;
	for (size_t i = 1; i < n; i++)
		sh[i + 1] = argv[i];
	return sh;
}

/* Async-signal-safe: it runs between fork and exec of a process that may have threads. */
static void __attribute__((noreturn)) child(int gate, int outcome, const char *path, char **argv, char **sh,
					   char **environment, const struct launch_signals *s)
{
	char go;
	int err;

	if (read(gate, &go, 1) != 1)
		_exit(2);
	signals_give_back(s);
	execve(path, argv, environment);
	if (errno == ENOEXEC)
		execve(_PATH_BSHELL, sh, environment);
	err = errno;
	if (write(outcome, &err, sizeof(err)) != sizeof(err))
		_exit(3);
	_exit(2);
}

static void close_pair(int pair[2])
{
	close(pair[0]);
	close(pair[1]);
}

int launch_wait(struct launch *l, const char *path, char **argv, char **environment, const struct launch_signals *s)
{
	char **sh = shell_arguments(path, argv);
	int gate[2], outcome[2], err = 0;

	if (!sh)
		return -ENOMEM;
	if (pipe2(gate, O_CLOEXEC)) {
		err = -errno;
		goto out;
	}
	if (pipe2(outcome, O_CLOEXEC)) {
		err = -errno;
		close_pair(gate);
		goto out;
	}
	l->pid = fork();
	if (!l->pid) {
		close(gate[1]);	/* or it would keep its own gate open when we die */
		child(gate[0], outcome[1], path, argv, sh, environment, s);
	}
	if (l->pid < 0) {
		err = -errno;
		close_pair(gate);
		close_pair(outcome);
		goto out;
	}
	close(gate[0]);
	close(outcome[1]);
	l->gate = gate[1];
	l->outcome = outcome[0];
out:
	free(sh);
	return err;
}

static void reap(struct launch *l)
{
	while (waitpid(l->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

int launch_go(struct launch *l)
{
	int failed = 0;
	ssize_t n;

	if (write(l->gate, "g", 1) != 1)
		failed = errno;
	close(l->gate);
	do {
		n = read(l->outcome, &failed, sizeof(failed));
	} while (n < 0 && errno == EINTR);
	close(l->outcome);
	if (failed)
		reap(l);
	return -failed;
}

void launch_cancel(struct launch *l)
{
	close(l->gate);
	close(l->outcome);
	reap(l);
}

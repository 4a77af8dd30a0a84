/* SPDX-License-Identifier: MIT */
/* `aftershock doctor`: what works on this machine; whether the library can get into a program, or is in a process. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/units.h"
#include "cli/cli.h"
#include "cli/launch.h"
#include "cli/privilege.h"
#include "cli/reach.h"
#include "cli/rundir.h"
#include "ebpf/tracer.h"

#define TEXT_MAX 768
#define LIBRARY_NAME "libaftershock.so"

/* ---- the machine: one row a check ---- */

struct check {
	const char *name;
	bool needed;		/* `run` can not work without it */
	bool (*works)(char *text, unsigned size);	/* text: where it is, or what is wrong and what would help */
};

/* What the loader says on stderr, up to its first line end. */
static void first_line(int fd, char *text, unsigned size)
{
	ssize_t n = 0, got;

	while (n + 1 < (ssize_t)size && (got = read(fd, text + n, size - 1 - (unsigned)n)) > 0)
		n += got;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

/* Starts /bin/sh under the library. 0 and its exit status, or -errno. */
static int start_preloaded(const char *library, int *status, char *said, unsigned size)
{
	char preload[LAUNCH_PATH_MAX + sizeof("LD_PRELOAD=")];
	char *argv[] = {"sh", "-c", ":", NULL}, *env[] = {preload, NULL};
	posix_spawn_file_actions_t actions;
	int ends[2], err;
	pid_t pid;

	snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", library);
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
	err = -posix_spawn(&pid, "/bin/sh", &actions, NULL, argv, env);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	if (!err) {
		first_line(ends[0], said, size);
		waitpid(pid, status, 0);
	}
	close(ends[0]);
	return err;
}

static bool library_works(char *text, unsigned size)
{
	char path[LAUNCH_PATH_MAX], said[TEXT_MAX / 2] = "";
	int err, status = 0;

	if (launch_library(path, text, size))
		return false;
	err = start_preloaded(path, &status, said, sizeof(said));
	if (!err && !status && !*said) {
		snprintf(text, size, "%.500s, loads into a program", path);
		return true;
	}
	snprintf(text, size, "%.300s does not load into /bin/sh: %s", path, err ? strerror(-err) : *said ? said : "it ended badly");
	return false;
}

static bool rundir_works(char *text, unsigned size)
{
	struct rundir d;
	bool works = !rundir_make(&d, NULL, "doctor", text, size);

	if (works)
		snprintf(text, size, "%.*s", (int)(strrchr(d.path, '/') - d.path), d.path);
	rundir_remove(&d);
	return works;
}

static bool runfile_works(char *text, unsigned size)
{
	bool works = !sqlite3_compileoption_used("OMIT_WAL");

	snprintf(text, size, "SQLite %s%s", sqlite3_libversion(), works ? "" : " is built without WAL; install Debian's libsqlite3-0");
	return works;
}

static const struct check checks[] = {
	{"library", true, library_works},
	{"run directory", true, rundir_works},
	{"run files", true, runfile_works},
};

static void print_row(const char *name, bool works, const char *text)
{
	printf("%-25s %-4s %s\n", name, works ? "ok" : "no", text);
}

/* The tracer's: all that it needs has to be there. */
static void print_need(void *arg, const char *check, bool needed, int err, const char *what)
{
	if (err && needed)
		++*(unsigned *)arg;
	print_row(check, !err, what);
}

static void examine_tracer(void)
{
	unsigned missing = 0;

	privilege_raise();
	tracer_examine(print_need, &missing);
	privilege_rest();
	print_row("eBPF", !missing, missing ? "the rows above say what is missing; without it the library alone is the witness: everything else works" :
					      "the kernel can be a witness (--trace ebpf, aftershock trace)");
}

/* As `run` would find it: as the user who called sudo. */
static int examine_machine(void)
{
	char text[TEXT_MAX], user[PRIVILEGE_USER_MAX];
	int status = CLI_FINE;

	if (privilege_become_invoker(user, text, sizeof(text)) < 0)
		return cli_error("%s", text);
	for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++) {
		bool works;

		*text = '\0';
		works = checks[i].works(text, sizeof(text));
		print_row(checks[i].name, works, text);
		if (!works && checks[i].needed)
			status = CLI_FAILED;
	}
	examine_tracer();
	return status;
}

/* ---- a program ---- */

static int print_reach(const char *name, const struct reach *r)
{
	if (strcmp(name, r->program))
		printf("%s runs %s\n", name, r->program);
	printf("%s: %s\n", r->program, r->what);
	if (!r->reason) {
		printf("reachable      yes\n");
		if (*r->note)
			printf("note           %s\n", r->note);
		return CLI_FINE;
	}
	printf("reachable      no: %s\nwhat to do     %s\n", r->why, r->advice);
	return CLI_FAILED;
}

static int examine_program(const char *name)
{
	char path[LAUNCH_PATH_MAX], error[TEXT_MAX];
	struct reach r;

	if (launch_find(name, path, error, sizeof(error)))
		return cli_error("%s", error);
	if (reach_examine(path, &r))
		return cli_error("%s", r.why);
	return print_reach(path, &r);
}

/* ---- a process ---- */

static int open_proc(pid_t pid, const char *file)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Whether the library is mapped: 1, 0, or -errno. */
static int has_library(pid_t pid)
{
	int fd = open_proc(pid, "maps"), found = 0;
	size_t room = 0;
	char *line = NULL;
	FILE *f;

	if (fd < 0)
		return fd;
	f = fdopen(fd, "r");
	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	while (!found && getline(&line, &room, f) > 0)
		found = strstr(line, "/" LIBRARY_NAME) != NULL;
	if (!found && ferror(f))
		found = -EACCES;
	free(line);
	fclose(f);
	return found;
}

/* AT_SECURE of a running process: 0, 1, or -1 when it can not be read. */
static int is_secure(pid_t pid)
{
	Elf64_auxv_t v;
	int fd = open_proc(pid, "auxv"), secure = -1;

	if (fd < 0)
		return -1;
	while (secure < 0 && read(fd, &v, sizeof(v)) == sizeof(v) && v.a_type != AT_NULL) {
		if (v.a_type == AT_SECURE)
			secure = v.a_un.a_val != 0;
	}
	close(fd);
	return secure;
}

static int print_process(pid_t pid, bool covered, const char *exe, const struct reach *r)
{
	printf("process %d: %s, %s\n", (int)pid, exe, r->what);
	if (covered && !r->reason) {
		printf("covered        yes: the library is in it\n");
		return CLI_FINE;
	}
	if (r->reason) {
		printf("covered        no: %s\nwhat to do     %s\n", r->why, r->advice);
		return CLI_FAILED;
	}
	printf("covered        no: it was started without the library, which can only come in at the start\n"
	       "what to do     start it again under `aftershock run`; until then `aftershock trace --pid %d` sees it, as root\n", (int)pid);
	return CLI_FAILED;
}

static int examine_process(pid_t pid)
{
	char link[64], exe[LAUNCH_PATH_MAX] = "";
	struct reach r = {.reason = REACH_YES};
	int fd, err, covered;

	if (kill(pid, 0) && errno == ESRCH)
		return cli_error("--pid %d: there is no such process", (int)pid);
	snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	if (readlink(link, exe, sizeof(exe) - 1) < 0 && errno == ENOENT)
		return cli_error("--pid %d: it is a kernel thread or has ended", (int)pid);
	covered = has_library(pid);
	fd = covered < 0 ? covered : open_proc(pid, "exe");
	if (fd < 0)
		return cli_error("--pid %d can not be looked into (%s); ask as its user or as root", (int)pid, strerror(-fd));
	err = reach_examine_fd(fd, exe, is_secure(pid), &r);
	close(fd);
	return err ? cli_error("%s", r.why) : print_process(pid, covered, exe, &r);
}

/* ---- the command ---- */

static int take_pid(void *context, const char *value)
{
	uint64_t n;

	if (units_count(value, 4194304, &n) || !n)
		return cli_error("--pid '%s' is not a process id: a number from 1 to 4194304 is expected", value);
	*(pid_t *)context = (pid_t)n;
	return 0;
}

static const struct cli_option options[] = {
	{"pid", 0, "PID", "ask about a running process", take_pid},
	{NULL, 0, NULL, NULL, NULL},
};

static const struct cli_usage usage = {
	.synopsis = "doctor [PROGRAM | --pid PID]",
	.about = "Says what works on this machine; or whether the library can get into PROGRAM (looked up in PATH, scripts are\n"
		 "followed to their interpreter) or is in process PID, and when not, why and what to do.",
	.options = options,
	.more = "\nExamples:\n"
		"  aftershock doctor\n"
		"  aftershock doctor nginx\n"
		"  aftershock doctor --pid 4242\n"
		"\nExit status: 0 fine, 1 a run can not work here, or the program or process is out of reach, 2 bad input.\n",
};

int cmd_doctor(int argc, char **argv)
{
	pid_t pid = 0;
	int n = cli_parse(&usage, argc, argv, &pid);

	if (n < 0)
		return cli_parsed_status(n);
	if (n > 1 || (n && pid))
		return cli_error("doctor takes one PROGRAM or --pid PID, not both; '%s' is too much", argv[n]);
	if (pid)
		return examine_process(pid);
	return n ? examine_program(argv[1]) : examine_machine();
}

/* SPDX-License-Identifier: MIT */
/*
 * `aftershock env`: the two variables by which a program that docker, systemd or a shell starts joins a run; the run itself, in the
 * background, when there is none yet.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/launch.h"
#include "cli/liverun.h"
#include "cli/run.h"

#define SENTENCE_MAX 4608
#define STOP_NS (30 * NS_PER_S)	/* how long --stop waits: what is recorded has to be written */

enum format { FORMAT_ENV, FORMAT_SHELL, FORMAT_DOCKER, FORMAT_SYSTEMD, FORMATS };

struct request {
	struct run_service service;
	bool faults;	/* some were given: a run must be started */
	bool start_wanted, stop;
	enum format format;
	char library[LAUNCH_PATH_MAX];
};

struct served {	/* what the background process tells when it is ready */
	int pid;
	char name[RUNDIR_NAME_MAX], dir[RUNDIR_PATH_MAX], output[LAUNCH_PATH_MAX];
};

/* ---- options ---- */

static int take_plan(void *context, const char *value)
{
	struct request *r = context;

	r->faults = true;
	return plan_add_file(&r->service.plan, value) ? cli_error("%s", r->service.plan.error) : 0;
}

static int take_fault(void *context, const char *value)
{
	struct request *r = context;

	r->faults = true;
	return plan_add_spec(&r->service.plan, value) ? cli_error("%s", r->service.plan.error) : 0;
}

static int take_name(void *context, const char *value)
{
	struct request *r = context;

	r->service.name = value;
	if (rundir_name_check(value))
		return cli_error("--name '%s' is not 1 to 63 of the characters A-Z a-z 0-9 . _ -, the first not a dot", value);
	return 0;
}

static int take_output(void *context, const char *value)
{
	struct request *r = context;

	r->service.output = value;
	r->start_wanted = true;
	return *value ? 0 : cli_error("--output needs the name of a file");
}

static int take_seed(void *context, const char *value)
{
	struct request *r = context;

	r->start_wanted = r->service.plan.seed_given = true;
	r->service.plan.seed_in_file = false;
	if (units_count(value, UINT64_MAX, &r->service.plan.seed))
		return cli_error("--seed '%s' is not a whole number from 0 to 18446744073709551615", value);
	return 0;
}

static int take_trace(void *context, const char *value)
{
	struct request *r = context;

	r->start_wanted = true;
	r->service.exchanges = !strcmp(value, "shim");
	return r->service.exchanges || !strcmp(value, "off") ? 0 : cli_error("--trace '%s' is not one of shim, off", value);
}

static int take_query(void *context, const char *value)
{
	struct request *r = context;

	r->start_wanted = r->service.keep_query = true;
	return 0;
}

static int take_format(void *context, const char *value)
{
	static const char *const words[FORMATS] = {"env", "shell", "docker", "systemd"};
	struct request *r = context;

	for (unsigned i = 0; i < FORMATS; i++) {
		if (!strcmp(words[i], value)) {
			r->format = i;
			return 0;
		}
	}
	return cli_error("--format '%s' is not one of env, shell, docker, systemd", value);
}

static int take_stop(void *context, const char *value)
{
	struct request *r = context;

	r->stop = true;
	return 0;
}

static const struct cli_option options[] = {
	{"plan", 'p', "PLAN", "start a run with the faults of this JSON file; may be repeated", take_plan},
	{"fault", 0, "SPEC", "start a run with this fault: 'key=value key=value'; may be repeated", take_fault},
	{"name", 0, "NAME", "the run to join, or the name of the one that is started", take_name},
	{"output", 'o', "RUN.db", "the run file of a run that is started; default: aftershock-env-N.db here", take_output},
	{"seed", 0, "N", "of a run that is started: decisions of chance are made from this number", take_seed},
	{"trace", 0, "WITNESS", "of a run that is started: shim (default), off (only what faults do)", take_trace},
	{"keep-query", 0, NULL, "of a run that is started: record the query strings of requests", take_query},
	{"format", 0, "FORMAT", "env (default: KEY=VALUE lines), shell, docker, systemd", take_format},
	{"stop", 0, NULL, "end the run: its faults end, its run file is closed", take_stop},
	{0}};

static const struct cli_usage usage = {
	.synopsis = "env [-p PLAN]... [--fault SPEC]... [--name NAME] [OPTION]...",
	.about = "Prints LD_PRELOAD and AFTERSHOCK_RUN: a program that is started with them, by whatever means, is part of the run, and so\n"
		 "are its children. The run is the live one of that name (or the only one). When there is none, or a fault is given, one is\n"
		 "started in the background; it serves until 'aftershock env --stop', or SIGTERM. Without faults it records; 'aftershock fault'\n"
		 "sets some at any time.",
	.options = options,
	.more = "Examples:\n"
		"  eval \"$(aftershock env --name lab --format shell)\"; ./service & ./client\n"
		"  aftershock env -p outage.json --name lab > lab.env             # systemd: EnvironmentFile=, docker: --env-file\n"
		"  docker run $(aftershock env --name lab --format docker) IMAGE  # variables and the two mounts they need\n"
		"  aftershock env --name lab --format systemd > /run/systemd/system/api.service.d/lab.conf\n"
		"  aftershock fault set 'to=:5432 delay=300ms' --run lab\n"
		"  aftershock env --stop --name lab\n\n"
		"A container (docker, Kubernetes: env and hostPath volumes) must see the library and the directory of the run under these very\n"
		"paths, writable the latter, and have glibc 2.34 or newer. Programs must run as the user who started the run, or as root: others\n"
		"may not enter its directory; they say so on their standard error, and run without faults.\n\n"
		"Exit status: 0 printed (or stopped), 2 refused (one sentence says why).",
};

/* ---- printing ---- */

static int print_env(const struct request *r, const char *dir)
{
	printf("LD_PRELOAD=%s\nAFTERSHOCK_RUN=%s\n", r->library, dir);
	return CLI_FINE;
}

/* In single quotes, each quote of its own outside of them. */
static void print_quoted(const char *text)
{
	putchar('\'');
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\''", stdout);
		else
			putchar(*text);
	}
	putchar('\'');
}

/* What this shell preloads already is kept. */
static int print_shell(const struct request *r, const char *dir)
{
	char **variables = launch_environment(dir, r->library);

	for (int i = 0; variables && i < 2; i++) {
		char *value = strchr(variables[i], '=') + 1;

		printf("export %.*s", (int)(value - variables[i]), variables[i]);
		print_quoted(value);
		putchar('\n');
	}
	launch_free_environment(variables);
	return variables ? CLI_FINE : cli_error("out of memory");
}

static int print_docker(const struct request *r, const char *dir)
{
	if (strpbrk(dir, " \t\n:*?[$\\'\"") || strpbrk(r->library, "\t\n*?[$\\'\""))
		return cli_error("--format docker can not carry the path '%s': a shell or docker would take it apart", dir);
	printf("--env LD_PRELOAD=%s --env AFTERSHOCK_RUN=%s --volume %s:%s:ro --volume %s:%s\n", r->library, dir, r->library, r->library, dir, dir);
	return CLI_FINE;
}

/* systemd.exec(5): in double quotes, with backslash escapes and %% for a percent sign. */
static void print_systemd_line(const char *name, const char *value)
{
	printf("Environment=\"%s=", name);
	for (; *value; value++)
		printf(*value == '%' ? "%%%%" : strchr("\"\\", *value) ? "\\%c" : "%c", *value);
	puts("\"");
}

static int print_systemd(const struct request *r, const char *dir)
{
	puts("[Service]");
	print_systemd_line("LD_PRELOAD", r->library);
	print_systemd_line("AFTERSHOCK_RUN", dir);
	return CLI_FINE;
}

static int print(const struct request *r, const char *dir)
{
	static int (*const printers[FORMATS])(const struct request *r, const char *dir) = {print_env, print_shell, print_docker, print_systemd};

	return printers[r->format](r, dir);
}

/* ---- a run in the background ---- */

/* From here on nobody reads what it says. */
static void leave_terminal(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; null >= 0 && fd <= 2; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
}

static void report_ready(void *arg, const char *name, const char *dir, const char *output)
{
	struct served s = {.pid = (int)getpid()};
	int pipe = *(int *)arg;

	snprintf(s.name, sizeof(s.name), "%s", name);
	snprintf(s.dir, sizeof(s.dir), "%s", dir);
	snprintf(s.output, sizeof(s.output), "%s", output);
	leave_terminal();
	if (write(pipe, &s, sizeof(s)) != sizeof(s))
		raise(SIGTERM);	/* nobody waits for it: end in order */
	close(pipe);
}

/* 0 with *s filled once programs may join; else CLI_MISUSE, the child has said why. */
static int serve_in_background(struct request *r, struct served *s)
{
	int ends[2];
	pid_t child;
	ssize_t n;

	if (pipe2(ends, O_CLOEXEC))
		return cli_error("cannot start a run: %s", strerror(errno));
	fflush(NULL);
	child = fork();
	if (!child) {
		close(ends[0]);
		setsid();
		r->service.ready = report_ready;
		r->service.arg = &ends[1];
		_exit(run_serve(&r->service));
	}
	close(ends[1]);
	if (child < 0) {
		close(ends[0]);
		return cli_error("cannot start a run: %s", strerror(errno));
	}
	do {
		n = read(ends[0], s, sizeof(*s));
	} while (n < 0 && errno == EINTR);
	close(ends[0]);
	return n == sizeof(*s) ? 0 : CLI_MISUSE;
}

static int start(struct request *r)
{
	struct served s;

	if (serve_in_background(r, &s))
		return CLI_MISUSE;
	cli_say("run '%s' goes on in the background (process %d), recorded in %s; 'aftershock env --stop --name %s' ends it", s.name, s.pid,
		s.output, s.name);
	return print(r, s.dir);
}

/* ---- ending one ---- */

/* Waits until nobody holds the run's lock. */
static bool wait_for_end(int lock)
{
	uint64_t end = clock_now_ns() + STOP_NS;
	struct timespec pause = {0, 5 * NS_PER_MS};

	while (flock(lock, LOCK_EX | LOCK_NB)) {
		if (clock_now_ns() > end)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

static int stop(struct request *r)
{
	struct liverun live;
	char error[SENTENCE_MAX];
	int pid = 0, lock, status = CLI_FINE;

	if (liverun_find(&live, r->service.name, false, error, sizeof(error)))
		return cli_error("%s", error);
	lock = rundir_controller(live.path, &pid);
	if (lock < 0)
		return cli_error("'%s' is no run that is going on: %s", live.path, strerror(-lock));
	if (kill(pid, SIGTERM))
		status = cli_error("cannot end run '%s' (process %d): %s", live.name, pid, strerror(errno));
	else if (!wait_for_end(lock))
		status = cli_error("run '%s' (process %d) was told to end and goes on: its COMMAND has not ended", live.name, pid);
	close(lock);
	return status;
}

/* ---- which ---- */

static int join(struct request *r)
{
	struct liverun live;
	char error[SENTENCE_MAX], path[RUNDIR_PATH_MAX];
	int err = liverun_find(&live, r->service.name, false, error, sizeof(error));

	if (err == -ENOENT)
		return start(r);
	if (!err && r->start_wanted)
		return cli_error("run '%s' is going on: --output, --seed, --trace and --keep-query are for a run that is started", live.name);
	if (!err)
		err = liverun_open(&live, strcpy(path, live.path), error, sizeof(error));
	if (err)
		return cli_error("%s", error);
	snprintf(path, sizeof(path), "%s", live.path);
	liverun_close(&live);
	return print(r, path);
}

static int act(struct request *r, int n, char **argv)
{
	char error[SENTENCE_MAX];

	if (n < 0)
		return cli_parsed_status(n);
	if (n)
		return cli_error("env takes no operand (given '%s')", argv[1]);
	if (r->stop && (r->faults || r->start_wanted))
		return cli_error("--stop ends a run; give it with --name alone");
	if (r->stop)
		return stop(r);
	if (launch_library(r->library, error, sizeof(error)))
		return cli_error("%s", error);
	return r->faults ? start(r) : join(r);
}

int cmd_env(int argc, char **argv)
{
	static struct request r = {.service.exchanges = true};
	int status;

	plan_init(&r.service.plan);
	status = act(&r, cli_parse(&usage, argc, argv, &r), argv);
	plan_clear(&r.service.plan);
	return status;
}

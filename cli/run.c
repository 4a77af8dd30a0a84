/* SPDX-License-Identifier: MIT */
/*
 * `aftershock run`: everything is checked (brief.h), then the run directory, the run file and the witnesses (clerk.h) are set up, then COMMAND
 * is let go and watched until it ends. What COMMAND leaves behind in the background runs on without faults and unrecorded.
 * A run without COMMAND (run.h) is the same for programs that others start, until it is told to end.
 */
#include "cli/run.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include "analyzer/face/report.h"
#include "base/clock.h"
#include "base/service.h"
#include "cli/brief.h"
#include "cli/clerk.h"
#include "cli/launch.h"
#include "cli/reach.h"
#include "cli/rundir.h"
#include "cli/tracing.h"

#define SENTENCE_MAX 4608
#define AGAIN_NS (10 * NS_PER_S)	/* a second interrupt within this time means it */
#define GRACE_NS (2 * NS_PER_S)		/* from then to SIGKILL */

struct run {
	struct brief brief;
	struct clerk clerk;
	struct rundir dir;
	const struct run_service *service;	/* without COMMAND */
	struct launch child;
	struct launch_signals signals;
	int signal_fd;
	bool running, interrupted;
	unsigned asked;			/* to stop, lately */
	uint64_t asked_ns, kill_ns;	/* last time; when SIGKILL is due, 0 never */
	uint64_t ended_ns;
	int status;			/* of COMMAND, 128 + signal when killed */
};

/* ---- setting up ---- */

static int make_directory(struct run *run)
{
	char error[SENTENCE_MAX];

	if (rundir_make(&run->dir, run->brief.name, run->brief.argv[0], error, sizeof(error)))
		return cli_error("%s", error);
	if (plan_compile(&run->brief.plan, run->dir.page))
		return cli_error("%s", run->brief.plan.error);
	atomic_store(&run->dir.page->serial_block, 1);
	return clerk_take_up(&run->clerk, &run->dir);
}

/* What needs privileges, and what COMMAND needs to be started. */
static int set_up(struct run *run)
{
	int status;

	run->signal_fd = launch_signals_take(&run->signals);
	if (run->signal_fd < 0)
		return cli_error("cannot watch signals: %s", strerror(-run->signal_fd));
	status = clerk_load(&run->clerk, &run->brief);
	return status ? status : make_directory(run);
}

/* The rest, after privileges are gone: threads begin here, and each has its own. */
static int set_up_recording(struct run *run)
{
	int err, status = clerk_open(&run->clerk);

	if (status)
		return status;
	err = rundir_beat(&run->dir);
	return err ? cli_error("cannot start the heartbeat of the run: %s", strerror(-err)) : 0;
}

/* ---- starting COMMAND ---- */

static void introduce_child(struct run *run, uint64_t now_ns)
{
	char service[SERVICE_NAME_MAX], why[SENTENCE_MAX];
	bool out_of_reach = reach_program(run->brief.path, why, sizeof(why));

	if (out_of_reach)
		cli_say("warning: no fault can reach COMMAND itself: %s", why);
	service_name(service, sizeof(service), getenv("AFTERSHOCK_SERVICE"), getenv("OTEL_SERVICE_NAME"),
		     (const char *const *)run->brief.argv, (unsigned)run->brief.argc, run->brief.path);
	recorder_process(run->clerk.recorder, (uint32_t)run->child.pid, (uint32_t)getpid(), service, run->brief.command_line, now_ns, false,
			 out_of_reach ? why : NULL);
}

/* The run starts when COMMAND does: `from` counts from here. */
static void start_clock(struct run *run)
{
	uint64_t now = clock_now_ns();

	run->dir.page->started_ns = now;
	clerk_start(&run->clerk, now);
	if (run->brief.has_command)
		introduce_child(run, now);
}

static int let_go(struct run *run)
{
	int err;

	start_clock(run);
	err = launch_go(&run->child);
	if (err)
		return cli_error("command '%s' cannot be run: %s", run->brief.argv[0], strerror(-err));
	run->running = true;
	brief_tell(&run->brief);
	return 0;
}

/* COMMAND's process is there before privileges go: it is not to inherit that it can not get any (PR_SET_NO_NEW_PRIVS), nor a root's loss of them. */
static int start(struct run *run)
{
	char **environment = launch_environment(run->dir.path, run->brief.library);
	int err = environment ? launch_wait(&run->child, run->brief.path, run->brief.argv, environment, &run->signals) : -ENOMEM, status;

	launch_free_environment(environment);
	if (err)
		return cli_error("cannot start '%s': %s", run->brief.argv[0], strerror(-err));
	clerk_drop_privileges(&run->clerk);
	status = set_up_recording(run);
	if (!status)
		status = clerk_follow(&run->clerk, run->child.pid);
	if (!status)
		return let_go(run);
	launch_cancel(&run->child);
	return status;
}

/* ---- watching COMMAND ---- */

static void reap(struct run *run)
{
	int wait_status;

	clerk_reap(&run->clerk);
	if (waitpid(run->child.pid, &wait_status, WNOHANG) != run->child.pid)
		return;
	run->running = false;
	run->ended_ns = clock_now_ns();
	run->status = WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

static bool asks_to_stop(int sig)
{
	return sig == SIGINT || sig == SIGTERM || sig == SIGHUP || sig == SIGQUIT;
}

/* What the terminal sent (Ctrl-C, a new size) COMMAND got as well; what was sent to us alone is passed on. */
static void pass_on(struct run *run, const struct signalfd_siginfo *s)
{
	if (s->ssi_code != SI_KERNEL && run->running && run->brief.has_command)
		kill(run->child.pid, (int)s->ssi_signo);
}

static void asked_to_stop(struct run *run, const struct signalfd_siginfo *s)
{
	uint64_t now = clock_now_ns();

	if (!run->brief.has_command) {
		run->running = false;
		run->ended_ns = now;
		return;
	}
	run->interrupted |= s->ssi_signo == SIGINT;
	run->asked = now - run->asked_ns < AGAIN_NS ? run->asked + 1 : 1;
	run->asked_ns = now;
	if (run->asked < 2 || run->kill_ns)
		return;
	run->kill_ns = now + GRACE_NS;
	cli_say("asked twice to stop: COMMAND will be killed in 2 s unless it ends");
}

static void take_signals(struct run *run)
{
	struct signalfd_siginfo s;

	while (read(run->signal_fd, &s, sizeof(s)) == sizeof(s)) {
		if (s.ssi_signo == SIGCHLD && run->brief.has_command)
			reap(run);
		else if (s.ssi_signo != SIGCHLD)
			pass_on(run, &s);
		if (asks_to_stop((int)s.ssi_signo))
			asked_to_stop(run, &s);
	}
}

static void watch(struct run *run)
{
	struct pollfd signals = {.fd = run->signal_fd, .events = POLLIN};

	tracing_yield();	/* COMMAND has begun */
	while (run->running) {
		poll(&signals, 1, clerk_rest_ms(&run->clerk));
		take_signals(run);
		clerk_turn(&run->clerk);
		if (run->kill_ns && run->running && clock_now_ns() >= run->kill_ns)
			kill(run->child.pid, SIGKILL);
	}
}

/* ---- the end ---- */

static void print_report(struct run *run)
{
	char error[SENTENCE_MAX] = "";

	if (run->clerk.told_error || (!run->brief.report && !run->interrupted))
		return;
	if (analyzer_report_text(brief_output(&run->brief), stdout, error, sizeof(error)) < 0)
		cli_say("%s", error);
	fflush(stdout);
	clearerr(stdout);	/* a reader that left early does not change COMMAND's status */
}

static void say_idle(const char *name, uint64_t matched)
{
	cli_say("fault '%s' never fired (%llu exchange%s matched it)", name, (unsigned long long)matched, matched == 1 ? "" : "s");
}

static int conclude(struct run *run)
{
	unsigned idle;

	clerk_finish(&run->clerk, run->brief.has_command ? run->child.pid : 0, run->status, run->ended_ns);
	idle = faultbook_idle(&run->clerk.faults, say_idle);
	if (!run->brief.output)
		cli_say("recorded in %s", brief_output(&run->brief));
	print_report(run);
	return !run->status && idle ? CLI_INCONCLUSIVE : run->status;
}

static int go_on_air(struct run *run)
{
	int status = set_up_recording(run);

	if (status)
		return status;
	start_clock(run);
	run->running = true;
	run->service->ready(run->service->arg, run->dir.name, run->dir.path, brief_output(&run->brief));
	return 0;
}

static int run_checked(struct run *run)
{
	int status = set_up(run);

	if (!status)
		status = run->brief.has_command ? start(run) : go_on_air(run);
	if (status) {
		clerk_abandon(&run->clerk);
	} else {
		watch(run);
		status = conclude(run);
	}
	rundir_remove(&run->dir);
	clerk_close(&run->clerk);
	if (run->signal_fd >= 0)
		close(run->signal_fd);
	return status;
}

int cmd_run(int argc, char **argv)
{
	static struct run run;
	char error[SENTENCE_MAX];
	int status;

	if (privilege_become_invoker(run.brief.invoker, error, sizeof(error)) < 0)	/* plans are read as that user too */
		return cli_error("%s", error);
	plan_init(&run.brief.plan);
	run.brief.has_command = true;
	run.dir.lock = run.dir.stop = -1;
	run.brief.argc = cli_parse(&brief_usage, argc, argv, &run.brief);
	run.brief.argv = argv + 1;
	if (run.brief.argc < 0)
		status = cli_parsed_status(run.brief.argc);
	else if (!run.brief.argc)
		status = cli_error("no command given; see 'aftershock run --help'");
	else
		status = brief_check(&run.brief);
	if (!status && run.brief.argc > 0)
		status = run_checked(&run);
	plan_clear(&run.brief.plan);
	return status;
}

int run_serve(struct run_service *service)
{
	static char *words[] = {(char *)"env", NULL};
	static struct run run;
	int status;

	run = (struct run){.service = service};
	run.brief = (struct brief){.plan = service->plan, .name = service->name, .output = service->output, .how.keep_query = service->keep_query,
				   .trace = service->exchanges ? TRACE_SHIM : TRACE_OFF, .argc = 1, .argv = words};
	run.dir.lock = run.dir.stop = -1;
	status = brief_check(&run.brief);
	return status ? status : run_checked(&run);
}

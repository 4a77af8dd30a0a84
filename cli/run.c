/* SPDX-License-Identifier: MIT */
/*
 * `aftershock run`: everything is checked, then the run directory, the run file and the witnesses are set up, then COMMAND
 * is let go and watched until it ends. What COMMAND leaves behind in the background runs on without faults and unrecorded.
 * A run without COMMAND (run.h) is the same for programs that others start, until it is told to end.
 */
#include "cli/run.h"

#include <errno.h>
#include <fcntl.h>
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
#include "base/units.h"
#include "cli/cli.h"
#include "cli/coverage.h"
#include "cli/faultbook.h"
#include "cli/launch.h"
#include "cli/privilege.h"
#include "cli/reach.h"
#include "cli/rundir.h"
#include "cli/tracing.h"
#include "ebpf/tracer.h"
#include "plan/plan.h"
#include "record/recorder.h"

#define SENTENCE_MAX 4608
#define TICK_MS 20
#define FLUSH_NS (100 * NS_PER_MS)
#define SAMPLE_NS NS_PER_S
#define AGAIN_NS (10 * NS_PER_S)	/* a second interrupt within this time means it */
#define GRACE_NS (2 * NS_PER_S)		/* from then to SIGKILL */
#define LIVE_MAX 4096

enum trace { TRACE_AUTO, TRACE_EBPF, TRACE_SHIM, TRACE_OFF };

struct run {
	/* asked for */
	struct plan plan;
	const char *output, *name;
	enum trace trace;
	struct tracer_options how;
	uint64_t seed;
	bool seed_given, report, serves;	/* serves: there is no COMMAND */
	int argc;
	char **argv;
	const struct run_service *service;

	/* found out */
	char path[LAUNCH_PATH_MAX], library[LAUNCH_PATH_MAX], output_made[LAUNCH_PATH_MAX];
	char command_line[1024], invoker[PRIVILEGE_USER_MAX];
	bool ebpf;

	/* at work */
	struct launch_signals signals;
	int signal_fd;
	struct rundir dir;
	struct journal_reader reader;
	struct recorder *recorder;
	struct faultbook faults;
	struct tracer *tracer;
	pid_t helper;		/* see detach(); 0 none */
	struct launch child;
	struct coverage coverage;
	bool running, interrupted, told_error;
	unsigned asked;			/* to stop, lately */
	uint64_t asked_ns, kill_ns;	/* last time; when SIGKILL is due, 0 never */
	uint64_t flushed_ns, sampled_ns, ended_ns;
	int status;			/* of COMMAND, 128 + signal when killed */
};

/* ---- options ---- */

static int take_plan(void *context, const char *value)
{
	struct run *run = context;

	return plan_add_file(&run->plan, value) ? cli_error("%s", run->plan.error) : 0;
}

static int take_fault(void *context, const char *value)
{
	struct run *run = context;

	return plan_add_spec(&run->plan, value) ? cli_error("%s", run->plan.error) : 0;
}

static int take_output(void *context, const char *value)
{
	struct run *run = context;

	run->output = value;
	return *value ? 0 : cli_error("--output needs the name of a file");
}

static int take_trace(void *context, const char *value)
{
	static const char *const words[] = {"auto", "ebpf", "shim", "off"};
	struct run *run = context;

	for (unsigned i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (!strcmp(words[i], value)) {
			run->trace = i;
			return 0;
		}
	}
	return cli_error("--trace '%s' is not one of auto, ebpf, shim, off", value);
}

static int take_seed(void *context, const char *value)
{
	struct run *run = context;

	run->seed_given = true;
	if (units_count(value, UINT64_MAX, &run->seed))
		return cli_error("--seed '%s' is not a whole number from 0 to 18446744073709551615", value);
	return 0;
}

static int take_name(void *context, const char *value)
{
	struct run *run = context;

	run->name = value;
	if (rundir_name_check(value))
		return cli_error("--name '%s' is not 1 to 63 of the characters A-Z a-z 0-9 . _ -, the first not a dot", value);
	return 0;
}

static int take_capture(void *context, const char *value)
{
	return tracing_take_capture(&((struct run *)context)->how, value);
}

static int take_query(void *context, const char *value)
{
	((struct run *)context)->how.keep_query = true;
	return 0;
}

static int take_report(void *context, const char *value)
{
	struct run *run = context;

	run->report = true;
	return 0;
}

static const struct cli_option options[] = {
	{"plan", 'p', "PLAN", "take the faults of this JSON file; may be repeated", take_plan},
	{"fault", 0, "SPEC", "one fault: 'key=value key=value'; may be repeated, and mixed with --plan", take_fault},
	{"output", 'o', "RUN.db", "the run file; default: aftershock-COMMAND-N.db here, N the next free number", take_output},
	{"trace", 0, "WITNESS", "auto (default: ebpf when the user may, else shim), ebpf, shim, off", take_trace},
	{"seed", 0, "N", "decisions of chance are made from this number; over the plan's", take_seed},
	{"name", 0, "NAME", "name of the run; default: COMMAND and a process id", take_name},
	TRACING_CAPTURE_OPTION(take_capture),
	TRACING_QUERY_OPTION(take_query),
	{"report", 0, NULL, "print the report when COMMAND ends", take_report},
	{0}};

static const struct cli_usage usage = {
	.synopsis = "run [OPTION]... [--] COMMAND [ARG...]",
	.about = "Starts COMMAND, and all that it starts, under the library that injects the faults; records what they and the\n"
		 "kernel do; passes on COMMAND's exit status. Without a fault it records a baseline. Recording and faults end when\n"
		 "COMMAND ends, also for processes that it leaves in the background. Ctrl-C goes to COMMAND; the run file is closed\n"
		 "properly and the report printed. A second Ctrl-C within 10 s kills COMMAND 2 s later.",
	.options = options,
	.more = "Examples:\n"
		"  aftershock run --fault 'to=127.0.0.1:8082 status=429 retry_after=1 first=2' -- curl --retry 5 http://127.0.0.1:8082/\n"
		"  aftershock run --report --fault 'to=:5432 delay=300ms probability=10%' ./service\n"
		"  aftershock run -p plan.json -o before.db ./start-everything.sh\n\n"
		"`aftershock plan keys` lists what a fault may say.\n\n"
		"Exit status: COMMAND's, 128+N when signal N killed it; 2 nothing was started, stderr says why;\n"
		"3 COMMAND succeeded but a fault never fired (probability=0 only watches, and is exempt).\n\n"
		"While it runs, `aftershock fault` lists and changes its faults.",
	.first_operand_ends = true,
};

/* ---- checks: nothing is started or written before all of them have passed ---- */

static int complain(const char *sentence)
{
	return cli_error("%s", sentence);
}

static void join_command(struct run *run)
{
	size_t at = 0, size = sizeof(run->command_line);

	for (int i = 0; i < run->argc && at < size; i++)
		at += (size_t)snprintf(run->command_line + at, size - at, "%s%s", i ? " " : "", run->argv[i]);
}

/* aftershock-COMMAND-N.db in the current directory, N the first free number. */
static void choose_output(struct run *run)
{
	const char *slash = strrchr(run->argv[0], '/');
	char word[64];
	size_t n = 0;

	for (const char *p = slash ? slash + 1 : run->argv[0]; *p && n < sizeof(word) - 1; p++)
		word[n++] = strchr("/ \t\n'\"\\", *p) || (unsigned char)*p < ' ' ? '_' : *p;
	word[n] = '\0';
	for (unsigned i = 1; i; i++) {
		snprintf(run->output_made, sizeof(run->output_made), "aftershock-%s-%u.db", word, i);
		if (access(run->output_made, F_OK))
			break;
	}
}

static int choose_witness(struct run *run)
{
	char why[SENTENCE_MAX];

	if (run->trace == TRACE_SHIM || run->trace == TRACE_OFF)
		return 0;
	if (tracing_take_environment(&run->how))
		return CLI_MISUSE;
	run->ebpf = !tracing_available(why, sizeof(why));
	if (run->ebpf)
		return 0;
	if (run->trace == TRACE_EBPF)
		return cli_error("--trace ebpf: %s", why);
	cli_say("eBPF is not available (%s): the library alone is the witness (sources: shim)", why);
	return 0;
}

static int check(struct run *run)
{
	char error[SENTENCE_MAX];

	if (run->seed_given) {
		run->plan.seed = run->seed;
		run->plan.seed_given = true;
	}
	if (plan_check(&run->plan))
		return complain(run->plan.error);
	if (!run->serves && launch_find(run->argv[0], run->path, error, sizeof(error)))
		return complain(error);
	if (launch_library(run->library, error, sizeof(error)))
		return complain(error);
	if (!run->output)
		choose_output(run);
	join_command(run);
	if (*run->invoker)
		cli_say("COMMAND runs as %s, who called sudo (unset SUDO_UID to run it as root)", run->invoker);
	return choose_witness(run);
}

/* ---- setting up ---- */

static const char *output(const struct run *run)
{
	return run->output ? run->output : run->output_made;
}

static int open_faults(struct run *run)
{
	int dir = open(run->dir.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err;

	if (dir < 0)
		return -errno;
	err = faultbook_open(&run->faults, dir, run->dir.page, &run->plan);
	close(dir);
	return err;
}

static int make_directory(struct run *run)
{
	char error[SENTENCE_MAX];
	int err;

	if (rundir_make(&run->dir, run->name, run->argv[0], error, sizeof(error)))
		return complain(error);
	if (plan_compile(&run->plan, run->dir.page))
		return complain(run->plan.error);
	atomic_store(&run->dir.page->serial_block, 1);
	err = open_faults(run);
	if (err)
		return cli_error("cannot write the run's list of faults: %s", strerror(-err));
	journal_reader_init(&run->reader, run->dir.journal);
	return 0;
}

static int open_recorder(struct run *run)
{
	char *plan = plan_json(&run->plan), error[SENTENCE_MAX];
	struct recorder_run r = {
		.path = output(run), .name = run->dir.name, .command = run->command_line, .plan_json = plan,
		.seed = run->plan.seed, .started_ns = clock_now_ns(), .shim = true, .ebpf = run->ebpf,
	};
	int err = recorder_open(&run->recorder, &r, error, sizeof(error));

	free(plan);
	if (err)
		return complain(error);
	run->faults.recorder = run->recorder;
	if (run->how.keep_query)
		recorder_note(run->recorder, "queries", "kept");
	err = rundir_set_output(&run->dir, output(run));
	return err ? cli_error("cannot write to the run directory '%s': %s", run->dir.path, strerror(-err)) : 0;
}

/* Without the kernel's witness, unless it was asked for by name. */
static int do_without(struct run *run, const char *why)
{
	tracer_close(run->tracer);
	run->tracer = NULL;
	if (run->trace == TRACE_EBPF)
		return cli_error("--trace ebpf: %s", why);
	run->ebpf = false;
	cli_say("eBPF is not available (%s): the library alone is the witness (sources: shim)", why);
	return 0;
}

static int load_tracer(struct run *run)
{
	char error[SENTENCE_MAX];
	pid_t failed;

	if (!run->ebpf || !tracing_load(&run->tracer, &run->how, NULL, 0, &failed, error, sizeof(error)))
		return 0;
	run->tracer = NULL;
	return do_without(run, error);
}

static int begin_tracer(struct run *run)
{
	int err = run->tracer ? tracer_begin(run->tracer, run->recorder, clock_now_ns()) : 0;
	int status = err ? do_without(run, strerror(-err)) : 0;

	if (err)
		recorder_sources(run->recorder, true, false);
	if (!status && !run->serves)
		tracing_note(run->recorder, run->tracer, true);
	return status;
}

/* With the kernel as witness the library journals only what a fault could match. */
static enum page_mode page_mode(const struct run *run)
{
	if (run->trace == TRACE_OFF)
		return PAGE_JOURNAL_OFF;
	return run->tracer ? PAGE_JOURNAL_MATCHED : PAGE_JOURNAL_ALL;
}

/* What needs privileges, and what COMMAND needs to be started. */
static int set_up(struct run *run)
{
	int status;

	run->signal_fd = launch_signals_take(&run->signals);
	if (run->signal_fd < 0)
		return cli_error("cannot watch signals: %s", strerror(-run->signal_fd));
	status = load_tracer(run);
	return status ? status : make_directory(run);
}

/* The rest, after privileges are gone: threads begin here, and each has its own. */
static int set_up_recording(struct run *run)
{
	int err, status = open_recorder(run);

	if (!status)
		status = begin_tracer(run);
	if (status)
		return status;
	run->dir.page->mode = page_mode(run);
	run->dir.page->keep_query = run->how.keep_query;
	err = rundir_beat(&run->dir);
	return err ? cli_error("cannot start the heartbeat of the run: %s", strerror(-err)) : 0;
}

/* ---- starting COMMAND ---- */

static void introduce_child(struct run *run, uint64_t now_ns)
{
	char service[SERVICE_NAME_MAX], why[SENTENCE_MAX];
	bool out_of_reach = reach_program(run->path, why, sizeof(why));

	if (out_of_reach)
		cli_say("warning: no fault can reach COMMAND itself: %s", why);
	service_name(service, sizeof(service), getenv("AFTERSHOCK_SERVICE"), getenv("OTEL_SERVICE_NAME"),
		     (const char *const *)run->argv, (unsigned)run->argc, run->path);
	recorder_process(run->recorder, (uint32_t)run->child.pid, (uint32_t)getpid(), service, run->command_line, now_ns, false,
			 out_of_reach ? why : NULL);
}

/* The run starts when COMMAND does: `from` counts from here. */
static void start_clock(struct run *run)
{
	uint64_t now = clock_now_ns();

	run->dir.page->started_ns = now;
	recorder_started(run->recorder, now);
	if (run->tracer)
		tracer_started(run->tracer, now);
	if (!run->serves)
		introduce_child(run, now);
}

static int follow_command(struct run *run)
{
	int err = run->tracer ? tracer_add_pid(run->tracer, run->child.pid) : 0;

	return err ? cli_error("cannot follow COMMAND with eBPF: %s", strerror(-err)) : 0;
}

static int let_go(struct run *run)
{
	int err;

	start_clock(run);
	err = launch_go(&run->child);
	if (err)
		return cli_error("command '%s' cannot be run: %s", run->argv[0], strerror(-err));
	run->running = true;
	return 0;
}

/* COMMAND's process is there before privileges go: it is not to inherit that it can not get any (PR_SET_NO_NEW_PRIVS), nor a root's loss of them. */
static int start(struct run *run)
{
	char **environment = launch_environment(run->dir.path, run->library);
	int err = environment ? launch_wait(&run->child, run->path, run->argv, environment, &run->signals) : -ENOMEM, status;

	launch_free_environment(environment);
	if (err)
		return cli_error("cannot start '%s': %s", run->argv[0], strerror(-err));
	tracing_drop(run->tracer, output(run), true);
	status = set_up_recording(run);
	if (!status)
		status = follow_command(run);
	if (!status)
		return let_go(run);
	launch_cancel(&run->child);
	return status;
}

/* ---- taking down what the witnesses say ---- */

/* Who lives apart can not be asked for: they tell of their end, or end with the run. */
static bool alive(uint32_t pid)
{
	return (pid & JOURNAL_PID_APART) || !kill((pid_t)pid, 0) || errno == EPERM;
}

static void feed(void *arg, const struct journal_record *rec)
{
	struct run *run = arg;

	recorder_feed(run->recorder, RECORDER_SHIM, rec);
}

static const char *const loss_names[] = {
	[PAGE_LOST_JOURNAL] = "journal_full",		[PAGE_LOST_CONN] = "connection_table_full",
	[PAGE_LOST_FD] = "descriptor_too_high",		[PAGE_LOST_PIPELINE] = "too_many_in_flight",
	[PAGE_LOST_FRAMING] = "framing_lost",		[PAGE_LOST_ORDINAL] = "ordinal_table_full",
	[PAGE_LOST_STANDIN] = "no_private_descriptor",	[PAGE_LOST_NAME] = "resolved_name_forgotten",
	[PAGE_LOST_WATCH] = "epoll_table_full",		[PAGE_LOST_HANDLER] = "handler_in_the_library",
	[PAGE_LOST_CONFINED] = "barred_by_seccomp",
};

static void take_counters(struct run *run)
{
	struct page *p = run->dir.page;

	for (size_t i = 0; i < sizeof(loss_names) / sizeof(*loss_names); i++)
		recorder_loss(run->recorder, "shim", loss_names[i], atomic_load(&p->lost[i]));
}

static void drain(struct run *run, bool final)
{
	if (run->tracer)
		tracer_drain(run->tracer);	/* before the journal: see recorder_feed() */
	journal_drain(&run->reader, final, alive, feed, run);
}

/* Processes that were killed say nothing. Who is gone now has said all before the drain that follows. */
static void drain_and_end_the_dead(struct run *run, uint64_t now)
{
	static uint32_t pids[LIVE_MAX];
	unsigned n = recorder_live_pids(run->recorder, pids, LIVE_MAX), dead = 0;

	for (unsigned i = 0; i < n; i++) {
		if (!alive(pids[i]))
			pids[dead++] = pids[i];
	}
	drain(run, false);
	for (unsigned i = 0; i < dead; i++)
		recorder_process_end(run->recorder, pids[i], now, -1);
}

/*
 * Detaching BPF programs waits about 2 s in the kernel, where the last reference to them goes. A child that holds
 * copies of our descriptors takes that wait upon itself; it has closed the standard streams, so that nobody waits for it.
 */
static void detach(struct run *run)
{
	if (!run->tracer)
		return;
	fflush(NULL);
	run->helper = fork();
	if (!run->helper) {
		for (int fd = 0; fd <= 2; fd++)
			close(fd);
		_exit(0);
	}
	tracer_close(run->tracer);
	run->tracer = NULL;
}

/* Then the kernel's witness has nothing to say any more, and need cost nothing. */
static void tell_recording_stopped(struct run *run)
{
	const char *error = recorder_error(run->recorder);

	if (!error || run->told_error)
		return;
	run->told_error = true;
	cli_say("recording stopped, COMMAND runs on: %s", error);
	detach(run);
}

static void pump(struct run *run)
{
	uint64_t now = clock_now_ns();
	bool sample = now - run->sampled_ns >= SAMPLE_NS;

	if (sample)
		drain_and_end_the_dead(run, now);
	else
		drain(run, false);
	if (sample && run->tracer)
		tracer_sample(run->tracer);
	if (sample)
		coverage_look(&run->coverage, run->recorder, !run->tracer, false);
	if (sample)
		run->sampled_ns = now;
	faultbook_follow(&run->faults, now);
	if (now - run->flushed_ns < FLUSH_NS)
		return;
	take_counters(run);
	recorder_flush(run->recorder);
	tell_recording_stopped(run);
	run->flushed_ns = now;
}

/* ---- watching COMMAND ---- */

static void reap(struct run *run)
{
	int wait_status;

	if (run->helper > 0 && waitpid(run->helper, NULL, WNOHANG) == run->helper)
		run->helper = 0;
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
	if (s->ssi_code != SI_KERNEL && run->running && !run->serves)
		kill(run->child.pid, (int)s->ssi_signo);
}

static void asked_to_stop(struct run *run, const struct signalfd_siginfo *s)
{
	uint64_t now = clock_now_ns();

	if (run->serves) {
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
		if (s.ssi_signo == SIGCHLD && !run->serves)
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
		poll(&signals, 1, run->tracer ? TRACER_TURN_MS : TICK_MS);
		take_signals(run);
		pump(run);
		if (run->kill_ns && run->running && clock_now_ns() >= run->kill_ns)
			kill(run->child.pid, SIGKILL);
	}
}

/* ---- the end ---- */

static void finish_recording(struct run *run)
{
	char status[16];

	faultbook_follow(&run->faults, run->ended_ns);
	rundir_end_faults(&run->dir);
	drain_and_end_the_dead(run, run->ended_ns);
	if (run->tracer)
		tracer_finish(run->tracer);
	drain(run, true);
	coverage_look(&run->coverage, run->recorder, false, true);
	faultbook_follow(&run->faults, run->ended_ns);
	take_counters(run);
	if (!run->serves)
		recorder_process_end(run->recorder, (uint32_t)run->child.pid, run->ended_ns, run->status);
	snprintf(status, sizeof(status), "%d", run->status);
	recorder_note(run->recorder, "exit_status", status);
	recorder_flush(run->recorder);
	tell_recording_stopped(run);
	if (recorder_close(run->recorder, true, run->ended_ns) && !run->told_error) {
		run->told_error = true;
		cli_say("the end of the run could not be written to the run file '%s'", output(run));
	}
	run->recorder = NULL;
}

static void print_report(struct run *run)
{
	char error[SENTENCE_MAX] = "";

	if (run->told_error || (!run->report && !run->interrupted))
		return;
	if (analyzer_report_text(output(run), stdout, error, sizeof(error)) < 0)
		cli_say("%s", error);
	fflush(stdout);
	clearerr(stdout);	/* a reader that left early does not change COMMAND's status */
}

static void say_idle(const char *name, uint64_t matched)
{
	cli_say("fault '%s' never fired (%llu exchanges matched it)", name, (unsigned long long)matched);
}

static int conclude(struct run *run)
{
	unsigned idle;

	finish_recording(run);
	idle = faultbook_idle(&run->faults, say_idle);
	if (!run->output)
		cli_say("recorded in %s", output(run));
	print_report(run);
	return !run->status && idle ? CLI_INCONCLUSIVE : run->status;
}

/* COMMAND did not start: no run file either. */
static void abandon(struct run *run)
{
	if (!run->recorder)
		return;
	recorder_close(run->recorder, false, clock_now_ns());
	unlink(output(run));
}

static int go_on_air(struct run *run)
{
	int status = set_up_recording(run);

	if (status)
		return status;
	start_clock(run);
	run->running = true;
	run->service->ready(run->service->arg, run->dir.name, run->dir.path, output(run));
	return 0;
}

static int run_checked(struct run *run)
{
	int status = set_up(run);

	if (!status)
		status = run->serves ? go_on_air(run) : start(run);
	if (status) {
		abandon(run);
	} else {
		watch(run);
		status = conclude(run);
	}
	coverage_free(&run->coverage);
	faultbook_close(&run->faults);
	rundir_remove(&run->dir);
	detach(run);
	if (run->signal_fd >= 0)
		close(run->signal_fd);
	return status;
}

int cmd_run(int argc, char **argv)
{
	static struct run run;
	char error[SENTENCE_MAX];
	int status;

	if (privilege_become_invoker(run.invoker, error, sizeof(error)) < 0)	/* plans are read as that user too */
		return complain(error);
	plan_init(&run.plan);
	run.dir.lock = run.dir.stop = -1;
	run.argc = cli_parse(&usage, argc, argv, &run);
	run.argv = argv + 1;
	if (run.argc < 0)
		status = cli_parsed_status(run.argc);
	else if (!run.argc)
		status = cli_error("no command given; see 'aftershock run --help'");
	else
		status = check(&run);
	if (!status && run.argc > 0)
		status = run_checked(&run);
	plan_clear(&run.plan);
	return status;
}

int run_serve(struct run_service *service)
{
	static char *words[] = {(char *)"env", NULL};
	static struct run run;
	int status;

	run = (struct run){.plan = service->plan, .name = service->name, .output = service->output, .serves = true, .service = service,
			   .how.keep_query = service->keep_query, .trace = service->exchanges ? TRACE_SHIM : TRACE_OFF, .argc = 1, .argv = words};
	run.dir.lock = run.dir.stop = -1;
	status = check(&run);
	return status ? status : run_checked(&run);
}

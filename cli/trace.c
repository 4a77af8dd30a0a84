/* SPDX-License-Identifier: MIT */
/*
 * `aftershock trace`: records what running processes do, from the kernel alone, without touching them; until Ctrl-C, the
 * end of --duration, or the end of all processes given by --pid.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/privilege.h"
#include "cli/tracing.h"
#include "ebpf/tracer.h"
#include "record/recorder.h"

#define SENTENCE_MAX 512
#define CHOICES_MAX 64
#define FLUSH_NS (100 * NS_PER_MS)
#define COMM_MAX 15	/* TASK_COMM_LEN - 1 */

struct trace {
	/* asked for */
	const char *output;
	pid_t pids[CHOICES_MAX];
	uint16_t ports[CHOICES_MAX];
	const char *comms[CHOICES_MAX];
	unsigned pid_count, port_count, comm_count;
	struct tracer_options how;
	uint64_t duration_ns;	/* 0: no end */

	/* at work */
	char chosen[64], command[1024], invoker[PRIVILEGE_USER_MAX];
	struct recorder *recorder;
	struct tracer *tracer;
	int signal_fd;
	uint64_t started_ns, flushed_ns, sampled_ns;
	uint64_t until_ns;	/* end of --duration, which begins when it records; 0 none */
};

/* ---- options ---- */

static int too_many(const char *option)
{
	return cli_error("--%s may be given at most %d times", option, CHOICES_MAX);
}

static int take_output(void *context, const char *value)
{
	((struct trace *)context)->output = value;
	return *value ? 0 : cli_error("--output needs the name of a file");
}

static int take_pid(void *context, const char *value)
{
	struct trace *t = context;
	uint64_t pid;

	if (units_count(value, INT32_MAX, &pid) || !pid)
		return cli_error("--pid '%s' is not a process id (a whole number from 1)", value);
	if (t->pid_count == CHOICES_MAX)
		return too_many("pid");
	t->pids[t->pid_count++] = (pid_t)pid;
	return 0;
}

static int take_comm(void *context, const char *value)
{
	struct trace *t = context;

	if (!*value || strlen(value) > COMM_MAX)
		return cli_error("--comm '%s' is not the name of a process: 1 to %d characters, as `ps -o comm` shows it", value,
				 COMM_MAX);
	if (t->comm_count == CHOICES_MAX)
		return too_many("comm");
	t->comms[t->comm_count++] = value;
	return 0;
}

static int take_port(void *context, const char *value)
{
	struct trace *t = context;
	uint64_t port;

	if (units_count(value, UINT16_MAX, &port) || !port)
		return cli_error("--port '%s' is not a port (1 to 65535)", value);
	if (t->port_count == CHOICES_MAX)
		return too_many("port");
	t->ports[t->port_count++] = (uint16_t)port;
	return 0;
}

static int take_all(void *context, const char *value)
{
	((struct trace *)context)->how.all = true;
	return 0;
}

static int take_duration(void *context, const char *value)
{
	struct trace *t = context;

	if (units_duration(value, &t->duration_ns) || !t->duration_ns)
		return cli_error("--duration '%s' is not a time with a unit, such as 30s, 500ms or 2m", value);
	return 0;
}

static int take_capture(void *context, const char *value)
{
	return tracing_take_capture(&((struct trace *)context)->how, value);
}

static int take_query(void *context, const char *value)
{
	((struct trace *)context)->how.keep_query = true;
	return 0;
}

static const struct cli_option options[] = {
	{"output", 'o', "RUN.db", "the run file; default: aftershock-trace-N.db here, N the next free number", take_output},
	{"pid", 'p', "PID", "follow this process and its children; may be repeated", take_pid},
	{"comm", 'c', "NAME", "follow all processes of this name, now and later; may be repeated", take_comm},
	{"port", 0, "PORT", "follow all processes with a connection from or to this port; may be repeated", take_port},
	{"all", 'a', NULL, "follow every process", take_all},
	{"duration", 'd', "TIME", "stop after this time, such as 30s", take_duration},
	TRACING_CAPTURE_OPTION(take_capture),
	TRACING_QUERY_OPTION(take_query),
	{0}};

static const struct cli_usage usage = {
	.synopsis = "trace [-o RUN.db] (--pid PID | --comm NAME | --port PORT | --all)... [--duration 30s] [OPTION]...",
	.about = "Records the exchanges, connections and system call latencies of running processes as the kernel sees them (eBPF).\n"
		 "The processes are not touched and need not be restarted. Ends with Ctrl-C, after --duration, or when all\n"
		 "processes given by --pid, and their children, have ended. Needs root, or CAP_BPF and CAP_PERFMON.",
	.options = options,
	.more = "Examples:\n"
		"  aftershock trace --pid 4711 -o run.db\n"
		"  aftershock trace --comm nginx --port 5432 --duration 30s\n"
		"  aftershock trace --all --duration 10s && aftershock report aftershock-trace-1.db\n\n"
		"Exit status: 0 recorded; 2 nothing was recorded, or not to the end, stderr says why;\n3 recorded, but events were lost.",
};

/* ---- checks and set-up ---- */

static const char *output(struct trace *t)
{
	if (t->output)
		return t->output;
	for (unsigned i = 1; i && !t->chosen[0]; i++) {
		char name[sizeof(t->chosen)];

		snprintf(name, sizeof(name), "aftershock-trace-%u.db", i);
		if (access(name, F_OK))
			memcpy(t->chosen, name, sizeof(name));
	}
	return t->chosen;
}

static void join_command(struct trace *t, int argc, char **argv)
{
	size_t at = (size_t)snprintf(t->command, sizeof(t->command), "aftershock");

	for (int i = 0; i < argc && at < sizeof(t->command); i++)
		at += (size_t)snprintf(t->command + at, sizeof(t->command) - at, " %s", argv[i]);
}

static int check(struct trace *t, int operands, char **argv)
{
	char why[SENTENCE_MAX];

	if (operands)
		return cli_error("trace takes no operand ('%s'); --help shows how to say what to follow", argv[1]);
	if (!t->pid_count && !t->comm_count && !t->port_count && !t->how.all)
		return cli_error("nothing to follow: give --pid, --comm, --port or --all");
	for (unsigned i = 0; i < t->pid_count; i++)
		if (kill(t->pids[i], 0) && errno == ESRCH)
			return cli_error("--pid %d: there is no such process", (int)t->pids[i]);
	if (tracing_take_environment(&t->how))
		return CLI_MISUSE;
	if (privilege_become_invoker(t->invoker, why, sizeof(why)) < 0)
		return cli_error("%s", why);
	return tracing_available(why, sizeof(why)) ? cli_error("%s", why) : 0;
}

static int watch_signals(struct trace *t)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGXFSZ, SIG_IGN);	/* a file size limit is an error of the recorder, not our death */
	t->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return t->signal_fd < 0 ? cli_error("cannot watch signals: %s", strerror(errno)) : 0;
}

static int open_recorder(struct trace *t)
{
	struct recorder_run run = {
		.path = output(t), .name = "trace", .command = t->command, .plan_json = "{\"faults\":[]}",
		.started_ns = t->started_ns, .ebpf = true,
	};
	char error[SENTENCE_MAX];

	if (!recorder_open(&t->recorder, &run, error, sizeof(error)))
		return 0;
	return *t->invoker ? cli_error("%s (as %s, who called sudo)", error, t->invoker) : cli_error("%s", error);
}

/* Loaded with all privileges; the rest is done without. */
static int load_tracer(struct trace *t)
{
	char error[SENTENCE_MAX];
	pid_t failed;
	int err;

	t->how.ports = t->ports;
	t->how.port_count = t->port_count;
	t->how.comms = t->comms;
	t->how.comm_count = t->comm_count;
	err = tracing_load(&t->tracer, &t->how, t->pids, t->pid_count, &failed, error, sizeof(error));
	if (err && !failed)
		return cli_error("%s", error);
	if (err == -ESRCH)
		return cli_error("--pid %d: there is no such process", (int)failed);
	if (err)
		return cli_error("--pid %d cannot be followed: %s", (int)failed, strerror(-err));
	tracing_drop(t->tracer, output(t), false);
	return 0;
}

static int begin(struct trace *t)
{
	int err = tracer_begin(t->tracer, t->recorder, t->started_ns);

	if (err)
		return cli_error("the tracer could not take up what is open: %s", strerror(-err));
	tracing_note(t->recorder, t->tracer, false);
	if (t->how.keep_query)
		recorder_note(t->recorder, "queries", "kept");
	return 0;
}

/* ---- at work ---- */

static bool over(const struct trace *t, uint64_t now)
{
	struct signalfd_siginfo info;

	if (read(t->signal_fd, &info, sizeof(info)) == sizeof(info) || recorder_error(t->recorder))
		return true;
	if (t->until_ns && now >= t->until_ns)
		return true;
	return !t->how.all && !t->comm_count && !t->port_count && !tracer_live(t->tracer);
}

static void record(struct trace *t)
{
	struct pollfd signals = {.fd = t->signal_fd, .events = POLLIN};
	uint64_t now = clock_now_ns();

	t->flushed_ns = t->sampled_ns = now;
	t->until_ns = t->duration_ns ? now + t->duration_ns : 0;
	while (!over(t, now)) {
		poll(&signals, 1, TRACER_TURN_MS);
		tracer_drain(t->tracer);
		now = clock_now_ns();
		if (now - t->sampled_ns >= NS_PER_S) {
			t->sampled_ns = now;
			tracer_sample(t->tracer);
		}
		if (now - t->flushed_ns >= FLUSH_NS) {
			t->flushed_ns = now;
			recorder_flush(t->recorder);
		}
	}
}

/* Closes the run file; what it became is the exit status. */
static int finish(struct trace *t)
{
	uint64_t lost;
	int err;

	tracer_finish(t->tracer);
	lost = tracer_lost(t->tracer);
	if (recorder_error(t->recorder)) {
		cli_error("recording stopped: %s", recorder_error(t->recorder));
		recorder_close(t->recorder, false, clock_now_ns());
		return CLI_MISUSE;
	}
	err = recorder_close(t->recorder, true, clock_now_ns());
	if (err)
		return cli_error("'%s' could not be completed: %s", output(t), strerror(-err));
	if (lost)
		cli_say("%s is recorded, but %llu events were lost; its table `loss` says why", output(t), (unsigned long long)lost);
	else
		cli_say("%s is recorded, nothing was lost", output(t));
	return lost ? CLI_INCONCLUSIVE : CLI_FINE;
}

static int trace(struct trace *t)
{
	int status = watch_signals(t);

	t->started_ns = clock_now_ns();
	if (!status)
		status = load_tracer(t);
	if (!status)
		status = open_recorder(t);
	if (!status)
		status = begin(t);
	if (status) {
		recorder_close(t->recorder, false, clock_now_ns());
		tracer_close(t->tracer);
		return status;
	}
	tracing_yield();
	cli_say("recording to %s; Ctrl-C stops", output(t));
	record(t);
	status = finish(t);
	tracer_close(t->tracer);
	return status;
}

int cmd_trace(int argc, char **argv)
{
	struct trace t = {.signal_fd = -1};
	int operands, status;

	join_command(&t, argc, argv);
	operands = cli_parse(&usage, argc, argv, &t);
	if (operands < 0)
		return cli_parsed_status(operands);
	status = check(&t, operands, argv);
	return status ? status : trace(&t);
}

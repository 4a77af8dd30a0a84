/* SPDX-License-Identifier: MIT */
#include "cli/clerk.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "cli/tracing.h"

#define SENTENCE_MAX 4608
#define TICK_MS 20
#define FLUSH_NS (100 * NS_PER_MS)
#define SAMPLE_NS NS_PER_S
#define LIVE_MAX 4096

/* ---- beginning ---- */

/* Without the kernel's witness, unless it was asked for by name. */
static int do_without(struct clerk *c, const char *why)
{
	tracer_close(c->tracer);
	c->tracer = NULL;
	if (c->brief->trace == TRACE_EBPF)
		return cli_error("--trace ebpf: %s", why);
	c->brief->ebpf = false;
	snprintf(c->brief->without_ebpf, sizeof(c->brief->without_ebpf), "%s", why);
	return 0;
}

int clerk_load(struct clerk *c, struct brief *brief)
{
	char error[SENTENCE_MAX];
	pid_t failed;

	c->brief = brief;
	if (!c->brief->ebpf || !tracing_load(&c->tracer, &c->brief->how, NULL, 0, &failed, error, sizeof(error)))
		return 0;
	c->tracer = NULL;
	return do_without(c, error);
}

static int open_faults(struct clerk *c)
{
	int dir = open(c->dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err;

	if (dir < 0)
		return -errno;
	err = faultbook_open(&c->faults, dir, c->dir->page, &c->brief->plan);
	close(dir);
	return err;
}

int clerk_take_up(struct clerk *c, struct rundir *dir)
{
	int err;

	c->dir = dir;
	err = open_faults(c);
	if (err)
		return cli_error("cannot write the run's list of faults: %s", strerror(-err));
	journal_reader_init(&c->reader, dir->journal);
	return 0;
}

void clerk_drop_privileges(struct clerk *c)
{
	tracing_drop(c->tracer, brief_output(c->brief), c->brief->has_command);
}

static int open_recorder(struct clerk *c)
{
	char *plan = plan_json(&c->brief->plan), error[SENTENCE_MAX];
	struct recorder_run r = {
		.path = brief_output(c->brief), .name = c->dir->name, .command = c->brief->command_line, .plan_json = plan,
		.seed = c->brief->plan.seed, .started_ns = clock_now_ns(), .shim = true, .ebpf = c->brief->ebpf,
	};
	int err = recorder_open(&c->recorder, &r, error, sizeof(error));

	free(plan);
	if (err)
		return cli_error("%s", error);
	c->faults.recorder = c->recorder;
	if (c->brief->how.keep_query)
		recorder_note(c->recorder, "queries", "kept");
	err = rundir_set_output(c->dir, brief_output(c->brief));
	return err ? cli_error("cannot write to the run directory '%s': %s", c->dir->path, strerror(-err)) : 0;
}

static int begin_tracer(struct clerk *c)
{
	int err = c->tracer ? tracer_begin(c->tracer, c->recorder, clock_now_ns()) : 0;
	int status = err ? do_without(c, strerror(-err)) : 0;

	if (err)
		recorder_sources(c->recorder, true, false);
	if (!status && c->brief->has_command)
		tracing_note(c->recorder, c->tracer, true);
	return status;
}

/* With the kernel as witness the library journals only what a fault could match. */
static enum page_mode page_mode(const struct clerk *c)
{
	if (c->brief->trace == TRACE_OFF)
		return PAGE_JOURNAL_OFF;
	return c->tracer ? PAGE_JOURNAL_MATCHED : PAGE_JOURNAL_ALL;
}

int clerk_open(struct clerk *c)
{
	int status = open_recorder(c);

	if (!status)
		status = begin_tracer(c);
	if (status)
		return status;
	c->dir->page->mode = page_mode(c);
	c->dir->page->keep_query = c->brief->how.keep_query;
	return 0;
}

int clerk_follow(struct clerk *c, pid_t pid)
{
	int err = c->tracer ? tracer_add_pid(c->tracer, pid) : 0;

	return err ? cli_error("cannot follow COMMAND with eBPF: %s", strerror(-err)) : 0;
}

void clerk_start(struct clerk *c, uint64_t now_ns)
{
	recorder_started(c->recorder, now_ns);
	if (c->tracer)
		tracer_started(c->tracer, now_ns);
}

/* ---- taking down what the witnesses say ---- */

/* Who lives apart can not be asked for: they tell of their end, or end with the run. */
static bool alive(uint32_t pid)
{
	return (pid & JOURNAL_PID_APART) || !kill((pid_t)pid, 0) || errno == EPERM;
}

static void feed(void *arg, const struct journal_record *rec)
{
	struct clerk *c = arg;

	recorder_feed(c->recorder, RECORDER_SHIM, rec);
}

static const char *const loss_names[] = {
	[PAGE_LOST_JOURNAL] = "journal_full",		[PAGE_LOST_CONN] = "connection_table_full",
	[PAGE_LOST_FD] = "descriptor_too_high",		[PAGE_LOST_PIPELINE] = "too_many_in_flight",
	[PAGE_LOST_FRAMING] = "framing_lost",		[PAGE_LOST_ORDINAL] = "ordinal_table_full",
	[PAGE_LOST_STANDIN] = "no_private_descriptor",	[PAGE_LOST_NAME] = "resolved_name_forgotten",
	[PAGE_LOST_WATCH] = "epoll_table_full",		[PAGE_LOST_HANDLER] = "handler_in_the_library",
	[PAGE_LOST_CONFINED] = "barred_by_seccomp",
};

static void take_counters(struct clerk *c)
{
	struct page *p = c->dir->page;

	for (size_t i = 0; i < sizeof(loss_names) / sizeof(*loss_names); i++)
		recorder_loss(c->recorder, "shim", loss_names[i], atomic_load(&p->lost[i]));
}

static void drain(struct clerk *c, bool final)
{
	if (c->tracer)
		tracer_drain(c->tracer);	/* before the journal: see recorder_feed() */
	journal_drain(&c->reader, final, alive, feed, c);
}

/* Processes that were killed say nothing. Who is gone now has said all before the drain that follows. */
static void drain_and_end_the_dead(struct clerk *c, uint64_t now)
{
	static uint32_t pids[LIVE_MAX];
	unsigned n = recorder_live_pids(c->recorder, pids, LIVE_MAX), dead = 0;

	for (unsigned i = 0; i < n; i++) {
		if (!alive(pids[i]))
			pids[dead++] = pids[i];
	}
	drain(c, false);
	for (unsigned i = 0; i < dead; i++)
		recorder_process_end(c->recorder, pids[i], now, -1);
}

/*
 * Detaching BPF programs waits about 2 s in the kernel, where the last reference to them goes. A child that holds
 * copies of our descriptors takes that wait upon itself; it has closed the standard streams, so that nobody waits for it.
 */
static void detach(struct clerk *c)
{
	if (!c->tracer)
		return;
	fflush(NULL);
	c->helper = fork();
	if (!c->helper) {
		for (int fd = 0; fd <= 2; fd++)
			close(fd);
		_exit(0);
	}
	tracer_close(c->tracer);
	c->tracer = NULL;
}

/* Then the kernel's witness has nothing to say any more, and need cost nothing. */
static void tell_recording_stopped(struct clerk *c)
{
	const char *error = recorder_error(c->recorder);

	if (!error || c->told_error)
		return;
	c->told_error = true;
	cli_say("recording stopped, COMMAND runs on: %s", error);
	detach(c);
}

void clerk_turn(struct clerk *c)
{
	uint64_t now = clock_now_ns();
	bool sample = now - c->sampled_ns >= SAMPLE_NS;

	if (sample)
		drain_and_end_the_dead(c, now);
	else
		drain(c, false);
	if (sample && c->tracer)
		tracer_sample(c->tracer);
	if (sample)
		coverage_look(&c->coverage, c->recorder, !c->tracer, false);
	if (sample)
		c->sampled_ns = now;
	faultbook_follow(&c->faults, now);
	if (now - c->flushed_ns < FLUSH_NS)
		return;
	take_counters(c);
	recorder_flush(c->recorder);
	tell_recording_stopped(c);
	c->flushed_ns = now;
}

int clerk_rest_ms(const struct clerk *c)
{
	return c->tracer ? TRACER_TURN_MS : TICK_MS;
}

void clerk_reap(struct clerk *c)
{
	if (c->helper > 0 && waitpid(c->helper, NULL, WNOHANG) == c->helper)
		c->helper = 0;
}

/* ---- the end ---- */

/* The words of those who are gone are all there before the journal is read for the last time. */
void clerk_finish(struct clerk *c, pid_t command, int status, uint64_t ended_ns)
{
	char word[16];

	faultbook_follow(&c->faults, ended_ns);
	rundir_end_faults(c->dir);
	drain_and_end_the_dead(c, ended_ns);
	if (c->tracer)
		tracer_finish(c->tracer);
	drain(c, true);
	coverage_look(&c->coverage, c->recorder, false, true);
	faultbook_follow(&c->faults, ended_ns);
	take_counters(c);
	if (command)
		recorder_process_end(c->recorder, (uint32_t)command, ended_ns, status);
	snprintf(word, sizeof(word), "%d", status);
	recorder_note(c->recorder, "exit_status", word);
	recorder_flush(c->recorder);
	tell_recording_stopped(c);
	if (recorder_close(c->recorder, true, ended_ns) && !c->told_error) {
		c->told_error = true;
		cli_say("the end of the run could not be written to the run file '%s'", brief_output(c->brief));
	}
	c->recorder = NULL;
}

void clerk_abandon(struct clerk *c)
{
	if (!c->recorder)
		return;
	recorder_close(c->recorder, false, clock_now_ns());
	unlink(brief_output(c->brief));
}

void clerk_close(struct clerk *c)
{
	coverage_free(&c->coverage);
	faultbook_close(&c->faults);
	detach(c);
}

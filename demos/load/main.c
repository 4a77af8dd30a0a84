/* SPDX-License-Identifier: MIT */
/* load: asks a URL many times, in an open or a closed loop, and says how that went. See load --help. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "demos/load/engine.h"
#include "demos/load/options.h"

static int complain(const char *what, int err)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(err));
	return 2;
}

static int show(const struct options *o, struct summary *summary, FILE *log)
{
	if (log) {
		summary_csv(summary, log);
		if (fclose(log))
			return complain(o->log, errno);
	}
	(o->is_json ? summary_json : summary_text)(summary, stdout);
	return fflush(stdout) ? complain("standard output", errno) : 0;
}

static void describe(struct summary *summary, const struct load_plan *plan)
{
	if (plan->is_open) {
		summary->arrivals = arrivals_names[plan->arrivals.kind];
		summary->rate = plan->arrivals.rate;
	}
	summary->mark = plan->mark;
	summary->in_flight_limit = plan->users;
}

static int run(struct options *o, FILE *log)
{
	struct load_plan *plan = &o->plan;
	struct summary summary;
	struct progress progress;
	enum load_stop stop = LOAD_COMPLETE;
	int err, status;

	summary_init(&summary);
	describe(&summary, plan);
	progress_init(&progress, plan->duration_ns == UINT64_MAX ? plan->requests : 0, plan->duration_ns);
	err = load_run(plan, o->is_quiet ? NULL : &progress, &summary, &stop);
	status = err ? complain("the load can not be made", -err) : show(o, &summary, log);
	summary_clear(&summary);
	return status ? status : stop == LOAD_INTERRUPTED;
}

static int open_log(const struct options *o, FILE **log)
{
	*log = o->log ? fopen(o->log, "we") : NULL;
	return o->log && !*log ? complain(o->log, errno) : 0;
}

int main(int argc, char **argv)
{
	struct options options;
	FILE *log;
	int status = options_read(&options, argc, argv);

	if (!status && options.wants_help) {
		status = fputs(options_help, stdout) < 0;
	} else if (!status) {
		signal(SIGPIPE, SIG_IGN);
		status = open_log(&options, &log);
		status = status ? status : run(&options, log);
	}
	options_clear(&options);
	return status;
}

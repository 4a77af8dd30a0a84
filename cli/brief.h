/* SPDX-License-Identifier: MIT */
/*
 * What a run is asked for, by the options of `aftershock run` or by the program itself (run.h), and what is found out about it before
 * anything is started or written. Single-threaded.
 */
#ifndef AFTERSHOCK_CLI_BRIEF_H
#define AFTERSHOCK_CLI_BRIEF_H

#include <stdbool.h>
#include <stdint.h>
#include "cli/cli.h"
#include "cli/launch.h"
#include "cli/privilege.h"
#include "ebpf/tracer.h"
#include "plan/plan.h"

#define BRIEF_WHY_MAX 4608

enum brief_trace { TRACE_AUTO, TRACE_EBPF, TRACE_SHIM, TRACE_OFF };

struct brief {
	struct plan plan;		/* to be cleared by whoever filled it */
	const char *output, *name;	/* NULL: made from COMMAND */
	enum brief_trace trace;
	struct tracer_options how;
	uint64_t seed;			/* over the plan's, if given */
	bool seed_given, report;
	bool has_command;		/* false: programs that others start */
	int argc;
	char **argv;			/* COMMAND and its arguments; without a command a word that names the run */

	/* found out */
	char path[LAUNCH_PATH_MAX], library[LAUNCH_PATH_MAX], output_made[LAUNCH_PATH_MAX];
	char command_line[1024];
	char invoker[PRIVILEGE_USER_MAX];	/* as whom COMMAND runs; empty: as who runs us */
	bool ebpf;				/* the kernel is a witness */
	char without_ebpf[BRIEF_WHY_MAX];	/* why it is not, though it was to be; else empty */
};

/* Of `aftershock run`; the context of its options is a struct brief. */
extern const struct cli_usage brief_usage;

/* 0, or an exit status after one sentence on stderr. */
int brief_check(struct brief *brief);

/* Says on stderr how COMMAND runs where that may surprise: once it does, as a refusal is one sentence and no more. */
void brief_tell(const struct brief *brief);

/* The run file, after brief_check(). */
const char *brief_output(const struct brief *brief);

#endif

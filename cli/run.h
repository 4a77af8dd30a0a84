/* SPDX-License-Identifier: MIT */
/*
 * A run without a command of its own: programs that others start join it by their environment (`aftershock env`). It serves them
 * with faults and records them until SIGTERM, SIGINT or SIGHUP.
 */
#ifndef AFTERSHOCK_CLI_RUN_H
#define AFTERSHOCK_CLI_RUN_H

#include <stdbool.h>
#include "plan/plan.h"

struct run_service {
	struct plan plan;	/* the caller's */
	const char *name;	/* NULL: made from the process id */
	const char *output;	/* run file; NULL: aftershock-env-N.db here */
	bool exchanges;		/* record them; else only what faults do */
	bool keep_query;	/* of their targets */
	void (*ready)(void *arg, const char *name, const char *dir, const char *output);	/* called once, when programs may join */
	void *arg;
};

/* Serves until told to end. An exit status; what goes wrong before ready() is one sentence on stderr. */
int run_serve(struct run_service *service);

#endif

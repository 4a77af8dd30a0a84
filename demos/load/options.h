/* SPDX-License-Identifier: MIT */
/* The command line of the load generator: read, checked, and made into a plan. It speaks: what is wrong is one sentence on stderr. */
#ifndef DEMOS_LOAD_OPTIONS_H
#define DEMOS_LOAD_OPTIONS_H

#include <stdbool.h>

#include "demos/load/engine.h"

struct options {
	struct load_plan plan;
	bool is_json, is_quiet, wants_help;
	const char *log;		/* file for each request; NULL none */
};

extern const char options_help[];

/* 0, or 2 with a sentence said. options_clear() is needed either way. */
int options_read(struct options *o, int argc, char **argv);
void options_clear(struct options *o);

#endif

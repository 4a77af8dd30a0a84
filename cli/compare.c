/* SPDX-License-Identifier: MIT */
/* `aftershock compare`: runs before and after a change. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/compare/compare.h"
#include "cli/cli.h"
#include "cli/output.h"

#define GATES_MAX 64

struct format {
	const char *name;
	int (*print)(const struct compare *c, FILE *out);
};

static const struct format formats[] = {
	{"text", compare_text}, {"json", compare_json}, {"html", compare_html}, {"junit", compare_junit},
};

struct request {
	const struct format *format;
	const char *output;	/* NULL: stdout */
	const char **base, **fresh;	/* run files; room for every argument */
	int base_count, fresh_count;
	struct compare compare;
	struct gate gates[GATES_MAX];
};

static int take_base(void *context, const char *value)
{
	struct request *r = context;

	r->base[r->base_count++] = value;
	return 0;
}

static int take_new(void *context, const char *value)
{
	struct request *r = context;

	r->fresh[r->fresh_count++] = value;
	return 0;
}

static int take_gate(void *context, const char *value)
{
	struct request *r = context;
	char error[512];

	if (r->compare.gate_count == GATES_MAX)
		return cli_error("--gate %s is one too many; at most %d can be given", value, GATES_MAX);
	if (gate_parse(&r->gates[r->compare.gate_count], value, error, sizeof(error)))
		return cli_error("%s", error);
	r->compare.gate_count++;
	return 0;
}

static int take_format(void *context, const char *value)
{
	struct request *r = context;

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (!strcmp(formats[i].name, value)) {
			r->format = &formats[i];
			return 0;
		}
	}
	return cli_error("--format '%s' is not available; give text, json, html or junit", value);
}

static int take_output(void *context, const char *value)
{
	((struct request *)context)->output = value;
	return 0;
}

static const struct cli_option options[] = {
	{"base", 0, "RUN.db...", "runs before the change", take_base},
	{"new", 0, "RUN.db...", "runs after it", take_new},
	{"gate", 0, "GATE", "a condition, like 'amplification<=1.10x', 'success>=99%' or 'p95_ms<=250@a->b'", take_gate},
	{"format", 0, "FORMAT", "text (default), json, html or junit", take_format},
	{"output", 'o', "FILE", "write there instead of to standard output", take_output},
	{NULL, 0, NULL, NULL, NULL},
};

static const struct cli_usage usage = {
	.synopsis = "compare --base RUN.db... --new RUN.db... [--gate GATE]... [--format FORMAT] [-o FILE]",
	.about = "Compares runs before and after a change: each figure with its interval, their ratio, and whether the difference\n"
		 "may be chance (~), can not be told (?) or differs. With four or more runs a side the unit is the run: make them in turns.",
	.options = options,
	.more = "A gate is METRIC<=BOUND or METRIC>=BOUND, with @PLACE behind METRIC or BOUND for one edge, service or fault. BOUND is\n"
		"1.10x (new against base), 99% or a plain number (new alone, ms for times). METRIC is amplification, success, p50_ms,\n"
		"p95_ms, p99_ms, mttr_ms, recovery_lag_ms, shed_efficacy or peak_attempts_per_s.\n"
		"\n"
		"Examples:\n"
		"  aftershock compare --base before.db --new after.db\n"
		"  aftershock compare --base b1.db b2.db b3.db b4.db --new n1.db n2.db n3.db n4.db --gate 'amplification<=1.10x'\n"
		"  aftershock compare --base before.db --new after.db --gate 'success>=99%@frontend' --format json\n"
		"\n"
		"Exit status: 0 every gate passes, 1 a gate regresses, 2 misuse or unreadable input, 3 a gate is inconclusive, or a run\n"
		"is inconclusive or vacuous.",
};

/*
 * `--base a.db b.db` as `--base a.db --base b.db`, so that each operand knows its side. *spread is malloc'd (size
 * at most 2 * argc + 1), NULL without memory. Returns the new count.
 */
static int spread_sides(int argc, char **argv, char ***spread)
{
	const char *side = NULL;
	bool value = false;	/* argv[i] is the value of the option before it */
	int n = 0;

	*spread = calloc(2 * (size_t)argc + 1, sizeof(**spread));
	for (int i = 0; *spread && i < argc; i++) {
		bool option = !value && argv[i][0] == '-' && argv[i][1];
		bool opens = option && (!strcmp(argv[i], "--base") || !strcmp(argv[i], "--new"));

		if (i && !option && !value && side)
			(*spread)[n++] = (char *)side;
		(*spread)[n++] = argv[i];
		value = opens || (option && (!strcmp(argv[i], "--gate") || !strcmp(argv[i], "--format") ||
							!strcmp(argv[i], "--output") || !strcmp(argv[i], "-o")));
		if (option)
			side = opens ? argv[i] : !strncmp(argv[i], "--base=", 7) ? "--base" : !strncmp(argv[i], "--new=", 6) ? "--new" : NULL;
	}
	return n;
}

static int load_side(struct compare_side *side, const char *const *paths, int count)
{
	char error[512];

	for (int i = 0; i < count; i++)
		if (compare_add(side, paths[i], error, sizeof(error)))
			return cli_error("%s", error);
	return 0;
}

static int print(const void *what, FILE *out)
{
	const struct request *r = what;

	return r->format->print(&r->compare, out);
}

/* A report over a run would be the end of the run. */
static int check_output(const struct request *r)
{
	for (int i = 0; r->output && i < r->base_count + r->fresh_count; i++) {
		const char *run = i < r->base_count ? r->base[i] : r->fresh[i - r->base_count];

		if (output_same_file(r->output, run))
			return cli_error("--output '%s' is one of the run files; give another file", r->output);
	}
	return 0;
}

static int compare(struct request *r, int n, char **argv)
{
	char error[512];

	if (n < 0)
		return cli_parsed_status(n);
	if (n)
		return cli_error("'%s' stands on no side; give it behind --base or --new", argv[1]);
	if (!r->base_count || !r->fresh_count)
		return cli_error("compare needs runs on both sides; give --%s RUN.db", r->base_count ? "new" : "base");
	if (check_output(r))
		return CLI_MISUSE;
	if (load_side(&r->compare.base, r->base, r->base_count) || load_side(&r->compare.fresh, r->fresh, r->fresh_count))
		return CLI_MISUSE;
	r->compare.gates = r->gates;
	if (compare_run(&r->compare, error, sizeof(error)))
		return cli_error("%s", error);
	if (output_write(r->output, print, r))
		return CLI_MISUSE;
	return verdict_status(r->compare.verdict);
}

int cmd_compare(int argc, char **argv)
{
	struct request r = {.format = formats, .base = calloc((size_t)argc, sizeof(*r.base)),
			    .fresh = calloc((size_t)argc, sizeof(*r.fresh))};
	char **spread;
	int n = spread_sides(argc, argv, &spread), status = CLI_MISUSE;

	if (!spread || !r.base || !r.fresh)
		cli_error("not enough memory for so many arguments");
	else
		status = compare(&r, cli_parse(&usage, n, spread, &r), spread);
	compare_free(&r.compare);
	free(r.base);
	free(r.fresh);
	free(spread);
	return status;
}

/* SPDX-License-Identifier: MIT */
/* `aftershock report`: what a recorded run means. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/analyze.h"
#include "analyzer/face/report.h"
#include "base/clock.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/output.h"

struct format {
	const char *name;
	int (*print)(const struct result *r, FILE *out);
	bool charts;	/* it shows them */
};

static const struct format formats[] = {
	{"text", report_text, false}, {"json", report_json, false}, {"html", report_html, true}, {"csv", report_csv, false},
	{"junit", report_junit, false}, {"openmetrics", report_openmetrics, false},
};

struct printed {
	const struct format *format;
	const struct result *result;
};

struct request {
	const struct format *format;
	const char *output;	/* NULL: stdout */
	struct analyze_options options;
};

static int take_format(void *context, const char *value)
{
	struct request *r = context;

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (!strcmp(formats[i].name, value)) {
			r->format = &formats[i];
			return 0;
		}
	}
	return cli_error("--format '%s' is not available; give text, json, html, csv, junit or openmetrics", value);
}

static int take_output(void *context, const char *value)
{
	((struct request *)context)->output = value;
	return 0;
}

static int take_slo(void *context, const char *value)
{
	if (units_share(value, &((struct request *)context)->options.slo))
		return cli_error("--slo '%s' is not accepted; give a share from 0 to 1 or a percentage, like 99.9%%", value);
	return 0;
}

static int take_fail_on(void *context, const char *value)
{
	enum severity least = severity_of(value);

	if (least == SEVERITIES)
		return cli_error("--fail-on '%s' is not a severity; give critical, high, medium or info", value);
	((struct request *)context)->options.fail_on = 1 + least;
	return 0;
}

/* Seconds since the run's start: a bare number, or a duration with its unit. */
static int take_seconds(const char *option, const char *value, double *seconds)
{
	char *end;
	uint64_t ns;

	*seconds = strtod(value, &end);
	if (*value && strchr("0123456789.", *value) && !*end && *seconds <= 1e9)
		return 0;
	if (units_duration(value, &ns))
		return cli_error("--%s '%s' is not accepted; give seconds since the run's start, like 10 or 1.5s", option, value);
	*seconds = (double)ns / NS_PER_S;
	return 0;
}

static int take_from(void *context, const char *value)
{
	return take_seconds("from", value, &((struct request *)context)->options.from_s);
}

static int take_to(void *context, const char *value)
{
	return take_seconds("to", value, &((struct request *)context)->options.to_s);
}

static const struct cli_option options[] = {
	{"format", 0, "FORMAT", "text (default), json, html, csv, junit or openmetrics", take_format},
	{"output", 'o', "FILE", "write there instead of to standard output", take_output},
	{"slo", 0, "SHARE", "fail (exit 1) when fewer requests of users succeed, like 99%", take_slo},
	{"fail-on", 0, "SEVERITY", "fail (exit 1) on a finding as grave as this: critical, high, medium or info", take_fail_on},
	{"from", 0, "S", "only requests that started at or after this second of the run", take_from},
	{"to", 0, "S", "only requests that started before this second of the run", take_to},
	{NULL, 0, NULL, NULL, NULL},
};

static const struct cli_usage usage = {
	.synopsis = "report RUN.db [OPTION]...",
	.about = "Says what a recorded run means: retry amplification, success, latency, recovery, the policy that each client\n"
		 "runs, what to change about it, what each fault did, and how complete the data are. The run may still be going on.",
	.options = options,
	.more = "Examples:\n"
		"  aftershock report run.db\n"
		"  aftershock report run.db --slo 99% --fail-on high\n"
		"  aftershock report run.db --format json -o report.json\n"
		"  aftershock report run.db --format html -o report.html\n"
		"  aftershock report run.db --format junit --fail-on high -o report.xml\n"
		"  aftershock report run.db --from 10 --to 20\n"
		"\n"
		"Exit status: 0 fine, 1 the SLO is missed or a finding fails the run, 2 misuse or unreadable input, 3 inconclusive\n"
		"(events were lost, nothing was recorded) or vacuous (a fault never fired).",
};

static int print(const void *what, FILE *out)
{
	const struct printed *p = what;

	return p->format->print(p->result, out);
}

static int report(const struct request *r, const char *run_file)
{
	struct analyze_options wanted = r->options;
	struct result result = {0};
	char error[512];
	int status;

	if (r->options.from_s >= r->options.to_s)
		return cli_error("--from %g is not before --to %g", r->options.from_s, r->options.to_s);
	wanted.charts = r->format->charts;
	if (r->output && output_same_file(r->output, run_file))
		return cli_error("--output '%s' is the run file itself; give another file", r->output);
	if (analyze(&result, run_file, &wanted, error, sizeof(error)))
		return cli_error("%s", error);
	status = output_write(r->output, print, &(struct printed){r->format, &result});
	if (!status)
		status = verdict_status(result.verdict);
	result_free(&result);
	return status;
}

int cmd_report(int argc, char **argv)
{
	struct request r = {.format = formats, .options = ANALYZE_EVERYTHING};
	int n = cli_parse(&usage, argc, argv, &r);

	if (n < 0)
		return cli_parsed_status(n);
	if (!n)
		return cli_error("report needs a run file, like: aftershock report run.db");
	if (n > 1)
		return cli_error("report takes one run file (given '%s' too); to compare runs, use aftershock compare", argv[2]);
	return report(&r, argv[1]);
}

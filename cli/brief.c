/* SPDX-License-Identifier: MIT */
#include "cli/brief.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/units.h"
#include "cli/rundir.h"
#include "cli/tracing.h"

#define SENTENCE_MAX 4608

static int take_plan(void *context, const char *value)
{
	struct brief *brief = context;

	return plan_add_file(&brief->plan, value) ? cli_error("%s", brief->plan.error) : 0;
}

static int take_fault(void *context, const char *value)
{
	struct brief *brief = context;

	return plan_add_spec(&brief->plan, value) ? cli_error("%s", brief->plan.error) : 0;
}

static int take_output(void *context, const char *value)
{
	struct brief *brief = context;

	brief->output = value;
	return *value ? 0 : cli_error("--output needs the name of a file");
}

static int take_trace(void *context, const char *value)
{
	static const char *const words[] = {"auto", "ebpf", "shim", "off"};
	struct brief *brief = context;

	for (unsigned i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (!strcmp(words[i], value)) {
			brief->trace = i;
			return 0;
		}
	}
	return cli_error("--trace '%s' is not one of auto, ebpf, shim, off", value);
}

static int take_seed(void *context, const char *value)
{
	struct brief *brief = context;

	brief->seed_given = true;
	if (units_count(value, UINT64_MAX, &brief->seed))
		return cli_error("--seed '%s' is not a whole number from 0 to 18446744073709551615", value);
	return 0;
}

static int take_name(void *context, const char *value)
{
	struct brief *brief = context;

	brief->name = value;
	if (rundir_name_check(value))
		return cli_error("--name '%s' is not 1 to 63 of the characters A-Z a-z 0-9 . _ -, the first not a dot", value);
	return 0;
}

static int take_capture(void *context, const char *value)
{
	return tracing_take_capture(&((struct brief *)context)->how, value);
}

static int take_query(void *context, const char *value)
{
	((struct brief *)context)->how.keep_query = true;
	return 0;
}

static int take_report(void *context, const char *value)
{
	struct brief *brief = context;

	brief->report = true;
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

const struct cli_usage brief_usage = {
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


static void join_command(struct brief *brief)
{
	size_t at = 0, size = sizeof(brief->command_line);

	for (int i = 0; i < brief->argc && at < size; i++)
		at += (size_t)snprintf(brief->command_line + at, size - at, "%s%s", i ? " " : "", brief->argv[i]);
}

/* aftershock-COMMAND-N.db in the current directory, N the first free number. */
static void choose_output(struct brief *brief)
{
	const char *slash = strrchr(brief->argv[0], '/');
	char word[64];
	size_t n = 0;

	for (const char *p = slash ? slash + 1 : brief->argv[0]; *p && n < sizeof(word) - 1; p++)
		word[n++] = strchr("/ \t\n'\"\\", *p) || (unsigned char)*p < ' ' ? '_' : *p;
	word[n] = '\0';
	for (unsigned i = 1; i; i++) {
		snprintf(brief->output_made, sizeof(brief->output_made), "aftershock-%s-%u.db", word, i);
		if (access(brief->output_made, F_OK))
			break;
	}
}

static int choose_witness(struct brief *brief)
{
	if (brief->trace == TRACE_SHIM || brief->trace == TRACE_OFF)
		return 0;
	if (tracing_take_environment(&brief->how))
		return CLI_MISUSE;
	brief->ebpf = !tracing_available(brief->without_ebpf, sizeof(brief->without_ebpf));
	if (brief->ebpf || brief->trace == TRACE_AUTO)
		return 0;
	return cli_error("--trace ebpf: %s", brief->without_ebpf);
}

int brief_check(struct brief *brief)
{
	char error[SENTENCE_MAX];

	if (brief->seed_given) {
		brief->plan.seed = brief->seed;
		brief->plan.seed_given = true;
	}
	if (plan_check(&brief->plan))
		return cli_error("%s", brief->plan.error);
	if (brief->has_command && launch_find(brief->argv[0], brief->path, error, sizeof(error)))
		return cli_error("%s", error);
	if (launch_library(brief->library, error, sizeof(error)))
		return cli_error("%s", error);
	if (!brief->output)
		choose_output(brief);
	join_command(brief);
	return choose_witness(brief);
}

void brief_tell(const struct brief *brief)
{
	if (*brief->invoker)
		cli_say("COMMAND runs as %s, who called sudo (unset SUDO_UID to run it as root)", brief->invoker);
	if (!brief->ebpf && *brief->without_ebpf)
		cli_say("eBPF is not available (%s): the library alone is the witness (sources: shim)", brief->without_ebpf);
}

const char *brief_output(const struct brief *brief)
{
	return brief->output ? brief->output : brief->output_made;
}

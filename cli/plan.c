/* SPDX-License-Identifier: MIT */
/* `aftershock plan`: what a plan says, without running anything. */
#include <stdio.h>
#include <string.h>
#include "base/units.h"
#include "cli/cli.h"
#include "plan/plan.h"

struct request {
	struct plan plan;
	unsigned sources; /* plans and specs given by options */
	bool markdown;
};

static int refuse_plan(const struct plan *p)
{
	return cli_error("%s", p->error);
}

static int take_plan(void *context, const char *value)
{
	struct request *r = context;

	r->sources++;
	return plan_add_file(&r->plan, value) ? refuse_plan(&r->plan) : 0;
}

static int take_fault(void *context, const char *value)
{
	struct request *r = context;

	r->sources++;
	return plan_add_spec(&r->plan, value) ? refuse_plan(&r->plan) : 0;
}

static int take_seed(void *context, const char *value)
{
	struct request *r = context;

	if (units_count(value, UINT64_MAX, &r->plan.seed))
		return cli_error("--seed '%s' is not accepted; give a whole number from 0 to 18446744073709551615", value);
	r->plan.seed_given = true;
	r->plan.seed_in_file = false;
	return 0;
}

static int take_markdown(void *context, const char *value)
{
	struct request *r = context;

	r->markdown = true;
	return 0;
}

static const struct cli_option options[] = {
	{"plan", 'p', "PLAN", "a JSON plan, beside the operands", take_plan},
	{"fault", 0, "SPEC", "a fault as 'key=value key=value'; may be given several times", take_fault},
	{"seed", 0, "N", "explain: the seed of the decisions, instead of the plan's", take_seed},
	{"markdown", 0, NULL, "keys: print the table as Markdown", take_markdown},
	{NULL, 0, NULL, NULL, NULL}};

static const struct cli_usage usage = {
	.synopsis = "plan check PLAN... | explain PLAN... | keys",
	.about = "Says whether a plan can run (check), what it does in sentences with the first 20 decisions of\n"
		 "each fault (explain), or which keys a fault has (keys). Nothing is started.",
	.options = options,
	.more = "Examples:\n"
		"  aftershock plan check outage.json\n"
		"  aftershock plan explain --seed 7 outage.json\n"
		"  aftershock plan explain --fault 'to=127.0.0.1:8082 status=429 probability=30%'\n"
		"  aftershock plan keys\n"
		"\n"
		"A plan: {\"seed\": 7, \"faults\": [{\"name\": \"slow\", \"to\": \"127.0.0.1:8082\", \"delay\": \"600ms\"}]}\n"
		"\n"
		"Exit status: 0 fine, 2 the plan cannot run or cannot be read (one sentence says why).",
};

static int check(struct request *r)
{
	if (plan_check(&r->plan))
		return refuse_plan(&r->plan);
	printf("plan ok: %u fault%s\n", r->plan.fault_count, r->plan.fault_count == 1 ? "" : "s");
	return CLI_FINE;
}

static int explain(struct request *r)
{
	return plan_explain(&r->plan, stdout) ? refuse_plan(&r->plan) : CLI_FINE;
}

static int keys(struct request *r)
{
	r->markdown ? plan_keys_markdown(stdout) : plan_keys(stdout);
	return CLI_FINE;
}

static const struct verb {
	const char *name;
	int (*run)(struct request *r);
	bool takes_plans;
} verbs[] = {
	{"check", check, true},
	{"explain", explain, true},
	{"keys", keys, false},
};

static const struct verb *verb_find(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

/* operands: what follows the verb, n of them. */
static int run_verb(struct request *r, const struct verb *verb, int n, char **operands)
{
	for (int i = 0; i < n; i++) {
		if (!verb->takes_plans)
			return cli_error("plan %s takes no operand (given '%s')", verb->name, operands[i]);
		if (take_plan(r, operands[i]))
			return CLI_MISUSE;
	}
	if (!verb->takes_plans && r->sources)
		return cli_error("plan %s takes no plan and no fault", verb->name);
	if (verb->takes_plans && !r->sources)
		return cli_error("plan %s needs a plan; give a JSON file, or --fault 'to=127.0.0.1:8082 status=429'", verb->name);
	return verb->run(r);
}

static int dispatch(struct request *r, int n, char **argv)
{
	const struct verb *verb = n > 0 ? verb_find(argv[1]) : NULL;

	if (n < 0)
		return cli_parsed_status(n);
	if (!n)
		return cli_error("plan needs to know what to do; give check PLAN, explain PLAN or keys");
	if (!verb)
		return cli_error("unknown 'plan %s'; give check, explain or keys", argv[1]);
	return run_verb(r, verb, n - 1, argv + 2);
}

int cmd_plan(int argc, char **argv)
{
	struct request r = {.sources = 0};
	int status;

	plan_init(&r.plan);
	status = dispatch(&r, cli_parse(&usage, argc, argv, &r), argv);
	plan_clear(&r.plan);
	return status;
}

/* SPDX-License-Identifier: MIT */
/* `aftershock fault`: the faults of a run that is going on, listed and changed. All processes of the run see a change at once. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/faultlog.h"
#include "cli/liverun.h"
#include "plan/live.h"

#define SENTENCE_MAX 1024
#define NAME_MAX_SHOWN 65	/* bytes of a fault's name, with the NUL */

struct request {
	const char *run, *lasts;
	bool json;
	struct plan plan;
	struct liverun live;
};

/* ---- options ---- */

static int take_run(void *context, const char *value)
{
	struct request *r = context;

	r->run = value;
	if (!strchr(value, '/') && rundir_name_check(value))
		return cli_error("--run '%s' is neither the name of a run nor the path of its directory", value);
	return 0;
}

static int take_for(void *context, const char *value)
{
	struct request *r = context;
	uint64_t ns;

	r->lasts = value;
	if (units_duration(value, &ns) || !ns)
		return cli_error("--for '%s' is no duration above 0, at most 1000h; give one such as 30s or 500ms", value);
	return 0;
}

static int take_format(void *context, const char *value)
{
	struct request *r = context;

	r->json = !strcmp(value, "json");
	return r->json || !strcmp(value, "text") ? 0 : cli_error("--format '%s' is not one of text, json", value);
}

static const struct cli_option options[] = {
	{"run", 0, "NAME", "the run, by name or by the path of its directory; default: the only one", take_run},
	{"for", 0, "DURATION", "set: the fault ends by itself after this time", take_for},
	{"format", 0, "FORMAT", "list: text or json", take_format},
	{0}};

static const struct cli_usage usage = {
	.synopsis = "fault list | set SPEC [--for 30s] | enable NAME | disable NAME | clear [NAME...]   [--run NAME]",
	.about = "Lists or changes the faults of a run that is going on, whoever started it: 'aftershock run' or 'aftershock env'. A change\n"
		 "reaches every process of the run at once, with the next exchange of each connection; no exchange sees half of it.\n"
		 "What a fault holds when it is disabled, replaced or cleared is let go, as if the network had recovered.\n\n"
		 "  list          each fault: on, off, waiting (its `from` lies ahead) or ended (its `for` is over), and how often it fired\n"
		 "  set SPEC      adds a fault, or replaces the one of the same name; `from`, `for` and --for count from now. When its time\n"
		 "                is over it begins no more; what it delays is delayed to the end, what it hangs is let go\n"
		 "  disable NAME  switches a fault off; enable NAME switches it on again\n"
		 "  clear         takes all faults away, or those named",
	.options = options,
	.more = "Examples:\n"
		"  aftershock fault set 'to=127.0.0.1:8082 status=503 probability=30%' --for 30s\n"
		"  aftershock fault set 'name=slow-db to=:5432 delay=300ms'\n"
		"  aftershock fault disable slow-db\n"
		"  aftershock fault list --run checkout\n"
		"  aftershock fault clear\n\n"
		"`aftershock plan keys` lists what SPEC may say.\n\n"
		"Exit status: 0 done, 2 refused (one sentence says why).",
};

/* ---- changing ---- */

static const char *name_of(const struct request *r, unsigned slot, char name[NAME_MAX_SHOWN])
{
	return live_name(r->live.page, slot, name, NAME_MAX_SHOWN);
}

static int write_log(struct request *r, enum faultlog_act act, unsigned slot, const char *spec, uint64_t now)
{
	char name[NAME_MAX_SHOWN];
	struct faultlog_entry e = {now, act, atomic_load(&r->live.page->faults[slot].id), name_of(r, slot, name), spec};
	int err = faultlog_append(r->live.log, &e);

	return err ? cli_error("cannot write to the run's log of faults: %s", strerror(-err)) : 0;
}

/* The slot of a listed fault; -1 after a sentence. */
static int find(const struct request *r, const char *name)
{
	char names[SENTENCE_MAX] = "", one[NAME_MAX_SHOWN];
	int slot = live_find(r->live.page, name);
	size_t at = 0;

	if (slot >= 0)
		return slot;
	for (unsigned i = 0; i < PAGE_FAULT_MAX && at < sizeof(names); i++) {
		if (live_find(r->live.page, name_of(r, i, one)) == (int)i)
			at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%s", at ? ", " : "", one);
	}
	if (at)
		cli_error("run '%s' has no fault '%s'; it has: %s", r->live.name, name, names);
	else
		cli_error("run '%s' has no fault '%s', nor any other", r->live.name, name);
	return -1;
}

/* A slot for the new fault; -1 after a sentence. Those just replaced or cleared must rest: then this waits. */
static int find_room(struct request *r)
{
	for (;;) {
		uint64_t retry;
		int slot = live_put(r->live.page, &r->plan, 0, clock_now_ns(), &retry);

		if (slot >= 0)
			return slot;
		if (slot == -ENOSPC)
			cli_error("run '%s' has %d faults, which is the most there can be; clear one first", r->live.name, PAGE_FAULT_MAX);
		if (slot == -E2BIG)
			cli_error("the texts of the faults of run '%s' (bodies, headers, patterns) would exceed %d bytes", r->live.name, PAGE_TEXT_BYTES);
		if (slot != -EAGAIN)
			return -1;
		liverun_pause(&r->live, retry);
	}
}

static int parse_spec(struct request *r, int n, char **words)
{
	size_t size = 64, at = 0;
	char *spec;
	int err;

	for (int i = 0; i < n; i++)
		size += strlen(words[i]) + 1;
	spec = malloc(size);
	if (!spec)
		return cli_error("out of memory");
	for (int i = 0; i < n; i++)
		at += (size_t)snprintf(spec + at, size - at, "%s%s", i ? " " : "", words[i]);
	if (r->lasts)
		snprintf(spec + at, size - at, " for=%s", r->lasts);
	err = plan_add_spec(&r->plan, spec) || plan_check(&r->plan);
	free(spec);
	return err ? cli_error("%s", r->plan.error) : 0;
}

static int set(struct request *r, int n, char **words)
{
	uint64_t now, started = r->live.page->started_ns;
	int slot, old, status;
	char *spec;

	if (parse_spec(r, n, words))
		return CLI_MISUSE;
	now = clock_now_ns();
	if (started && plan_shift(&r->plan, now - started))
		return cli_error("%s", r->plan.error);
	slot = find_room(r);
	spec = slot < 0 ? NULL : plan_fault_json(&r->plan, 0);
	if (!spec)
		return slot < 0 ? CLI_MISUSE : cli_error("out of memory");
	now = clock_now_ns();
	old = live_find(r->live.page, plan_fault_name(&r->plan, 0));
	status = old < 0 ? 0 : write_log(r, FAULTLOG_CLEAR, (unsigned)old, NULL, now);
	if (!status)
		status = write_log(r, FAULTLOG_SET, (unsigned)slot, spec, now);
	if (!status)
		live_start(r->live.page, (unsigned)slot, now);
	free(spec);
	if (!status)
		printf("%s: on%s%s\n", plan_fault_name(&r->plan, 0), r->lasts ? " for " : "", r->lasts ? r->lasts : "");
	return status;
}

static int turn(struct request *r, const char *name, bool on)
{
	int slot = find(r, name);
	uint64_t now = clock_now_ns();
	enum live_state state;

	if (slot < 0)
		return CLI_MISUSE;
	state = live_state(r->live.page, (unsigned)slot, now);
	if (on && state == LIVE_ENDED)
		return cli_error("fault '%s' has ended, its time is over; set it again", name);
	if ((state == LIVE_OFF) == on) {
		if (write_log(r, on ? FAULTLOG_ON : FAULTLOG_OFF, (unsigned)slot, NULL, now))
			return CLI_MISUSE;
		live_switch(r->live.page, (unsigned)slot, on);
	}
	printf("%s: %s\n", name, on ? "on" : "off");
	return CLI_FINE;
}

static int enable(struct request *r, int n, char **names)
{
	int status = CLI_FINE;

	for (int i = 0; i < n && !status; i++)
		status = turn(r, names[i], true);
	return status;
}

static int disable(struct request *r, int n, char **names)
{
	int status = CLI_FINE;

	for (int i = 0; i < n && !status; i++)
		status = turn(r, names[i], false);
	return status;
}

static uint64_t all_listed(const struct request *r)
{
	char name[NAME_MAX_SHOWN];
	uint64_t mask = 0;

	for (unsigned i = 0; i < PAGE_FAULT_MAX; i++)
		if (live_find(r->live.page, name_of(r, i, name)) == (int)i)
			mask |= 1ull << i;
	return mask;
}

static int clear(struct request *r, int n, char **names)
{
	uint64_t mask = n ? 0 : all_listed(r), now = clock_now_ns();

	for (int i = 0; i < n; i++) {
		int slot = find(r, names[i]);

		if (slot < 0)
			return CLI_MISUSE;
		mask |= 1ull << slot;
	}
	for (uint64_t rest = mask; rest; rest &= rest - 1)
		if (write_log(r, FAULTLOG_CLEAR, (unsigned)__builtin_ctzll(rest), NULL, now))
			return CLI_MISUSE;
	live_retire(r->live.page, mask, now);
	printf("%d fault%s cleared\n", __builtin_popcountll(mask), __builtin_popcountll(mask) == 1 ? "" : "s");
	return CLI_FINE;
}

/* ---- listing ---- */

struct listing {
	struct request *r;
	cJSON *specs[PAGE_FAULT_MAX];	/* by slot */
};

static void take_spec(void *arg, const struct faultlog_entry *e)
{
	struct listing *l = arg;

	for (unsigned i = 0; e->act == FAULTLOG_SET && i < PAGE_FAULT_MAX; i++) {
		if (atomic_load(&l->r->live.page->faults[i].id) != e->id)
			continue;
		cJSON_Delete(l->specs[i]);
		l->specs[i] = cJSON_Parse(e->spec);
	}
}

static const char *const states[LIVE_STATES] = {"off", "waiting", "on", "ended"};

static void list_json(const struct listing *l, uint64_t mask, uint64_t now)
{
	const struct page *page = l->r->live.page;
	cJSON *root = cJSON_CreateObject(), *list;
	char *text;

	cJSON_AddStringToObject(root, "run", l->r->live.name);
	list = cJSON_AddArrayToObject(root, "faults");
	for (; mask; mask &= mask - 1) {
		unsigned i = (unsigned)__builtin_ctzll(mask);
		char name[NAME_MAX_SHOWN];
		cJSON *f = cJSON_CreateObject();

		cJSON_AddStringToObject(f, "name", name_of(l->r, i, name));
		cJSON_AddStringToObject(f, "state", states[live_state(page, i, now)]);
		cJSON_AddNumberToObject(f, "matched", (double)atomic_load(&page->faults[i].matched));
		cJSON_AddNumberToObject(f, "fired", (double)atomic_load(&page->faults[i].fired));
		cJSON_AddItemToObject(f, "spec", l->specs[i] ? cJSON_Duplicate(l->specs[i], 1) : cJSON_CreateNull());
		cJSON_AddItemToArray(list, f);
	}
	text = cJSON_Print(root);
	puts(text ? text : "");
	free(text);
	cJSON_Delete(root);
}

/* key=value of all but the name. */
static void print_spec(const cJSON *spec)
{
	const cJSON *key;

	cJSON_ArrayForEach(key, spec) {
		char *value = cJSON_IsString(key) ? strdup(key->valuestring) : cJSON_PrintUnformatted(key);

		if (strcmp(key->string, "name") && value)
			printf(strpbrk(value, " \t\r\n") ? " %s='%s'" : " %s=%s", key->string, value);
		free(value);
	}
}

static void list_text(const struct listing *l, uint64_t mask, uint64_t now)
{
	const struct page *page = l->r->live.page;
	char name[NAME_MAX_SHOWN];
	int width = 4;

	if (!mask)
		printf("run '%s' has no faults\n", l->r->live.name);
	else
		for (uint64_t rest = mask; rest; rest &= rest - 1) {
			int n = (int)strlen(name_of(l->r, (unsigned)__builtin_ctzll(rest), name));

			width = n > width ? n : width;
		}
	if (mask)
		printf("%-*s  %-7s  %9s  %9s  %s\n", width, "NAME", "STATE", "MATCHED", "FIRED", "SPEC");
	for (; mask; mask &= mask - 1) {
		unsigned i = (unsigned)__builtin_ctzll(mask);

		printf("%-*s  %-7s  %9llu  %9llu ", width, name_of(l->r, i, name), states[live_state(page, i, now)],
		       (unsigned long long)atomic_load(&page->faults[i].matched), (unsigned long long)atomic_load(&page->faults[i].fired));
		print_spec(l->specs[i]);
		putchar('\n');
	}
}

static int list(struct request *r, int n, char **operands)
{
	struct faultlog log = {.fd = r->live.log};
	struct listing l = {.r = r};
	uint64_t now = clock_now_ns(), mask = all_listed(r);

	faultlog_read(&log, take_spec, &l);
	r->json ? list_json(&l, mask, now) : list_text(&l, mask, now);
	for (unsigned i = 0; i < PAGE_FAULT_MAX; i++)
		cJSON_Delete(l.specs[i]);
	return CLI_FINE;
}

/* ---- the verbs ---- */

static const struct verb {
	const char *name;
	int (*act)(struct request *r, int n, char **operands);
	int least, most;	/* operands */
	const char *wants;	/* continues "give " */
} verbs[] = {
	{"list", list, 0, 0, "it without operands"},
	{"set", set, 1, 1000, "a fault such as 'to=127.0.0.1:8082 status=429'"},
	{"enable", enable, 1, PAGE_FAULT_MAX, "the name of a fault; `aftershock fault list` shows them"},
	{"disable", disable, 1, PAGE_FAULT_MAX, "the name of a fault; `aftershock fault list` shows them"},
	{"clear", clear, 0, PAGE_FAULT_MAX, "names of faults, or none for all"},
};

static const struct verb *verb_find(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

static int act(struct request *r, const struct verb *v, int n, char **operands)
{
	char error[SENTENCE_MAX];
	int status;

	if (n < v->least || n > v->most)
		return cli_error("fault %s: give %s", v->name, v->wants);
	if (r->lasts && v->act != set)
		return cli_error("--for belongs to 'fault set'");
	if (r->json && v->act != list)
		return cli_error("--format belongs to 'fault list'");
	if (liverun_open(&r->live, r->run, error, sizeof(error)))
		status = cli_error("%s", error);
	else
		status = v->act(r, n, operands);
	liverun_close(&r->live);
	return status;
}

static int dispatch(struct request *r, int n, char **argv)
{
	const struct verb *v = n > 0 ? verb_find(argv[1]) : NULL;

	if (n < 0)
		return cli_parsed_status(n);
	if (!n)
		return cli_error("fault needs to know what to do; give list, set SPEC, enable NAME, disable NAME or clear");
	if (!v)
		return cli_error("unknown 'fault %s'; give list, set, enable, disable or clear", argv[1]);
	return act(r, v, n - 1, argv + 2);
}

int cmd_fault(int argc, char **argv)
{
	struct request r = {.live.log = -1};
	int status;

	plan_init(&r.plan);
	status = dispatch(&r, cli_parse(&usage, argc, argv, &r), argv);
	plan_clear(&r.plan);
	return status;
}

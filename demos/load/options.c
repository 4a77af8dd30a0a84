/* SPDX-License-Identifier: MIT */
#include "demos/load/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define REQUESTS_MAX 20000000u	/* each is remembered: 40 bytes */
#define USERS_MAX 100000u
#define OPEN_USERS 1000u
#define OPEN_DURATION_S 10
#define FILES_BESIDE 32		/* descriptors that are no connections */
#define NS_PER_S 1e9

const char options_help[] =
	"usage: load [-n REQUESTS] [-c USERS] [-t SECONDS] [OPTION ...] URL\n"
	"       load --rate PER_SECOND [--duration SECONDS] [-c USERS] [-t SECONDS] [OPTION ...] URL\n"
	"\n"
	"Asks a URL many times and prints how that went. In a closed loop a number of users ask again when they are answered.\n"
	"With --rate requests begin at moments fixed beforehand, whatever becomes of them (an open loop), and their latency counts\n"
	"from there, so that nothing that a slow server holds up is left out.\n"
	"  -n REQUESTS           in all (default 100; with --rate or --duration: as many as come)\n"
	"  -c USERS              at once (default 10; with --rate the most in flight, default 1000)\n"
	"  -t SECONDS            time limit of one request, from the moment it was to begin (default 30)\n"
	"  --rate PER_SECOND     open loop\n"
	"  --arrivals KIND       constant (default) or poisson: independent gaps with an exponential distribution\n"
	"  --duration SECONDS    none begins later (default with --rate and without -n: 10)\n"
	"  --seed NUMBER         of the Poisson arrivals (default 1): the same seed gives the same moments\n"
	"  -X, --method METHOD   GET (default; with -d POST), POST, PUT, DELETE, HEAD, PATCH or OPTIONS\n"
	"  -H, --header LINE     'Name: value'; may be given again\n"
	"  -d, --data TEXT       the body, as application/json if no header says otherwise; @FILE: what a file holds\n"
	"  --mark NAME           count the answers that have this header\n"
	"  --log FILE            each request as a line of CSV\n"
	"  --json                the summary as one line of JSON, times in milliseconds, with a series by the second\n"
	"  -q, --quiet           no progress on stderr\n"
	"In URL, headers and body {n} stands for the number of the request. Each has a trace context of its own (traceparent).\n"
	"Ctrl-C ends at once, with the summary of what was done; SIGTERM waits for those in flight.\n"
	"Exit status: 0 all requests ended, whatever their status; 1 ended early; 2 it could not start.\n"
	"\n"
	"example: load -n 100 -c 10 http://127.0.0.1:8080/orders\n"
	"example: load --rate 200 --arrivals poisson --duration 30 -d '{\"order\": \"{n}\"}' http://127.0.0.1:8080/orders\n";

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "load: %s %s\n", what, why);
	return 2;
}

/* What the options say of the plan that can be checked only when all are known. */
struct wish {
	double requests, users, rate, duration_s;	/* 0: not given */
	double timeout_s, seed;
	bool has_method;
	const char *arrivals;
};

/* An option that is a number: read to its last character, within bounds. */
struct number_option {
	int letter;
	double low, high;
	size_t offset;			/* in struct wish */
	bool is_whole;
	const char *complaint;
};

static const struct number_option number_options[] = {
	{'n', 1, REQUESTS_MAX, offsetof(struct wish, requests), true, "-n needs a whole number from 1 to 20000000, not"},
	{'c', 1, USERS_MAX, offsetof(struct wish, users), true, "-c needs a whole number from 1 to 100000, not"},
	{'t', 0.001, 3600, offsetof(struct wish, timeout_s), false, "-t needs seconds from 0.001 to 3600, not"},
	{'r', 0.001, 1e6, offsetof(struct wish, rate), false, "--rate needs requests per second from 0.001 to 1000000, not"},
	{'D', 0.001, 86400, offsetof(struct wish, duration_s), false, "--duration needs seconds from 0.001 to 86400, not"},
	{'s', 0, 9007199254740992.0, offsetof(struct wish, seed), true, "--seed needs a whole number from 0 to 2^53, not"},
};

static int read_number(const struct number_option *option, const char *text, struct wish *wish)
{
	char *end;
	double n = strtod(text, &end);

	if (!*text || *end || !(n >= option->low && n <= option->high) || (option->is_whole && n != (double)(uint64_t)n))
		return complain(option->complaint, text);
	*(double *)((char *)wish + option->offset) = n;
	return 0;
}

static int complain_header(int err, const char *text)
{
	if (err == -E2BIG)
		return complain("there may be 32 headers;", "this is one more");
	return complain("-H needs 'Name: value', not", strpbrk(text, "\r\n") ? "several lines" : text);
}

static int read_text(struct options *o, struct wish *wish, int letter, const char *text)
{
	int err;

	switch (letter) {
	case 'a':
		wish->arrivals = text;
		return 0;
	case 'X':
		wish->has_method = true;
		return target_method(&o->plan.target, text) ? complain("-X needs GET, POST, PUT, DELETE, HEAD, PATCH or OPTIONS, not", text) : 0;
	case 'H':
		err = target_header(&o->plan.target, text);
		return err ? complain_header(err, text) : 0;
	case 'd':
		err = target_body(&o->plan.target, text);
		return err ? complain("-d can not be read:", strerror(-err)) : 0;
	case 'm':
		o->plan.mark = text;
		return 0;
	case 'l':
		o->log = text;
		return 0;
	case 'j':
		return o->is_json = true, 0;
	case 'q':
		return o->is_quiet = true, 0;
	case 'h':
		return o->wants_help = true, 0;
	}
	return 2;
}

static int read_option(struct options *o, struct wish *wish, int letter, const char *text)
{
	for (size_t i = 0; i < sizeof(number_options) / sizeof(*number_options); i++)
		if (number_options[i].letter == letter)
			return read_number(&number_options[i], text, wish);
	return read_text(o, wish, letter, text);
}

static int read_arrivals(struct load_plan *plan, const struct wish *wish)
{
	unsigned kind = ARRIVALS_CONSTANT;

	if (!wish->rate)
		return wish->arrivals ? complain("--arrivals needs --rate:", "a closed loop has no arrivals of its own") : 0;
	while (wish->arrivals && kind < ARRIVALS_KINDS && strcmp(wish->arrivals, arrivals_names[kind]))
		kind++;
	if (kind == ARRIVALS_KINDS)
		return complain("--arrivals needs constant or poisson, not", wish->arrivals);
	plan->is_open = true;
	arrivals_init(&plan->arrivals, kind, wish->rate, (uint64_t)wish->seed);
	return 0;
}

/* How many and how long: what was not said follows from what was. */
static int read_extent(struct load_plan *plan, struct wish *wish)
{
	if (wish->rate && !wish->requests && !wish->duration_s)
		wish->duration_s = OPEN_DURATION_S;
	if (!wish->rate && !wish->requests && !wish->duration_s)
		wish->requests = 100;
	plan->duration_ns = wish->duration_s ? (uint64_t)(wish->duration_s * NS_PER_S) : UINT64_MAX;
	plan->requests = wish->requests ? (uint64_t)wish->requests : REQUESTS_MAX;
	if (!wish->requests && wish->rate * wish->duration_s > REQUESTS_MAX)
		return complain("--rate and --duration come to more than 20000000 requests,", "which is as many as can be remembered");
	return 0;
}

/* Each user needs a file descriptor; the hard limit is the last word. */
static int read_users(struct load_plan *plan, const struct wish *wish)
{
	double users = wish->users ? wish->users : wish->rate ? OPEN_USERS : 10;
	struct rlimit files;

	if (users > (double)plan->requests)
		users = (double)plan->requests;
	if (getrlimit(RLIMIT_NOFILE, &files))
		return complain("limits of this process can not be read:", strerror(errno));
	if (files.rlim_max == RLIM_INFINITY || users + FILES_BESIDE < (double)files.rlim_max)
		files.rlim_cur = files.rlim_max;
	else if (wish->users)
		return complain("-c is more than this process may have connections;", "see ulimit -Hn");
	else
		files.rlim_cur = files.rlim_max, users = files.rlim_max > FILES_BESIDE + 1 ? (double)files.rlim_max - FILES_BESIDE : 1;
	setrlimit(RLIMIT_NOFILE, &files);
	plan->users = (unsigned)users;
	return 0;
}

static int read_url(struct target *t, const char *text)
{
	int err = target_url(t, text);

	if (err == -EHOSTUNREACH)
		return complain("there is no such host:", text);
	return err ? complain("a URL is http://HOST[:PORT][/PATH], not", text) : 0;
}

/* Once all is read: what the options mean together. */
static int settle(struct options *o, struct wish *wish, int argc, char **argv)
{
	int status;

	if (optind != argc - 1)
		return complain("one URL is needed;", "see load --help");
	status = read_arrivals(&o->plan, wish);
	status = status ? status : read_extent(&o->plan, wish);
	status = status ? status : read_users(&o->plan, wish);
	o->plan.timeout_ns = (uint64_t)(wish->timeout_s * NS_PER_S);
	if (o->plan.target.body && !wish->has_method)
		o->plan.target.method = EVHTTP_REQ_POST;
	return status ? status : read_url(&o->plan.target, argv[optind]);
}

int options_read(struct options *o, int argc, char **argv)
{
	static const struct option names[] = {
		{"rate", required_argument, NULL, 'r'}, {"arrivals", required_argument, NULL, 'a'}, {"duration", required_argument, NULL, 'D'},
		{"seed", required_argument, NULL, 's'}, {"method", required_argument, NULL, 'X'}, {"header", required_argument, NULL, 'H'},
		{"data", required_argument, NULL, 'd'}, {"mark", required_argument, NULL, 'm'}, {"log", required_argument, NULL, 'l'},
		{"json", no_argument, NULL, 'j'}, {"quiet", no_argument, NULL, 'q'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0},
	};
	struct wish wish = {.timeout_s = 30, .seed = 1};
	int letter, status = 0;

	*o = (struct options){.log = NULL};
	target_init(&o->plan.target);
	while (!status && (letter = getopt_long(argc, argv, "n:c:t:X:H:d:qh", names, NULL)) != -1)
		status = read_option(o, &wish, letter, optarg);
	return status || o->wants_help ? status : settle(o, &wish, argc, argv);
}

void options_clear(struct options *o)
{
	target_clear(&o->plan.target);
}

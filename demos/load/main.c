/* SPDX-License-Identifier: MIT */
/*
 * load: asks a URL many times and says how that went. Exit status: 0 all requests ended, whatever their status; 1 interrupted;
 * 2 it could not start.
 */
#include <curl/curl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demos/load/engine.h"

static const char usage[] =
	"usage: load [-n REQUESTS] [-c USERS] [-t SECONDS] [--json] URL\n"
	"\n"
	"Sends GET requests from a number of users, each asking again when it is answered, and prints a summary.\n"
	"  -n REQUESTS  in all (default 100)\n"
	"  -c USERS     at once (default 10)\n"
	"  -t SECONDS   time limit of one request (default 30)\n"
	"  --json       the summary as one line of JSON, times in milliseconds\n"
	"\n"
	"example: load -n 100 -c 10 http://127.0.0.1:8080/orders\n";

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	stop = 1;
}

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "load: %s: %s\n", what, why);
	return 2;
}

/* A decimal from low to high, read to its last character. */
static bool number(const char *text, double low, double high, double *n)
{
	char *end;

	*n = strtod(text, &end);
	return *text && !*end && *n >= low && *n <= high;
}

struct options {
	struct load_plan plan;
	bool json, help;
};

static int read_option(int letter, const char *value, struct options *o)
{
	double n;

	switch (letter) {
	case 'n':
		if (!number(value, 1, 1e8, &n))
			return complain("-n needs a number from 1 to 100000000, not", value);
		o->plan.requests = (unsigned)n;
		return 0;
	case 'c':
		if (!number(value, 1, 1e5, &n))
			return complain("-c needs a number from 1 to 100000, not", value);
		o->plan.users = (unsigned)n;
		return 0;
	case 't':
		if (!number(value, 0.001, 3600, &n))
			return complain("-t needs seconds from 0.001 to 3600, not", value);
		o->plan.timeout_ns = (uint64_t)(n * 1e9);
		return 0;
	case 'j':
		o->json = true;
		return 0;
	case 'h':
		o->help = true;
		return 0;
	}
	return 2;
}

static int read_options(int argc, char **argv, struct options *o)
{
	static const struct option names[] = {{"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	int letter, status = 0;

	while (!status && (letter = getopt_long(argc, argv, "n:c:t:h", names, NULL)) != -1)
		status = read_option(letter, optarg, o);
	if (status || o->help)
		return status;
	if (optind != argc - 1)
		return complain("one URL is needed", "see load --help");
	o->plan.url = argv[optind];
	if (o->plan.users > o->plan.requests)
		o->plan.users = o->plan.requests;
	return 0;
}

static int run(const struct options *o)
{
	struct summary summary;
	int err = summary_init(&summary, o->plan.requests);

	if (!err)
		err = load_run(&o->plan, &stop, &summary);
	if (err)
		complain(o->plan.url, strerror(-err));
	else
		(o->json ? summary_json : summary_text)(&summary, stdout);
	summary_clear(&summary);
	return err ? 2 : stop ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct options options = {.plan = {.requests = 100, .users = 10, .timeout_ns = 30000000000ull}};
	int status = read_options(argc, argv, &options);

	if (status)
		return status;
	if (options.help)
		return fputs(usage, stdout) < 0;
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	signal(SIGPIPE, SIG_IGN);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	status = run(&options);
	curl_global_cleanup();
	return status;
}

/* SPDX-License-Identifier: MIT */
/* For tests of the analyzer: a run file made by hand (runs.h), analyzed; figures compared to a millionth. */
#ifndef AFTERSHOCK_TESTS_JUDGE_H
#define AFTERSHOCK_TESTS_JUDGE_H

#include <math.h>
#include "analyzer/analyze.h"
#include "tests/lib/tap.h"
#include "tests/unit/runs.h"

#define NEAR(got, want, ...) judge_near((got), (want), __FILE__, __LINE__, __VA_ARGS__)

/* NAN is near to NAN: a figure that the data can not tell. */
__attribute__((format(printf, 5, 6), unused)) static void judge_near(double got, double want, const char *file, int line,
								     const char *format, ...)
{
	char name[256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(name, sizeof(name), format, ap);
	va_end(ap);
	if (!tap_ok(fabs(got - want) < 1e-6 || (isnan(got) && isnan(want)), file, line, "%s", name))
		printf("# got %.9g, want %.9g\n", got, want);
}

/* Closes the run file and analyzes it; an error ends the test program. */
__attribute__((unused)) static void judge(struct runs *r, struct result *result, const struct analyze_options *options)
{
	char error[512];

	runs_commit(r);
	*result = (struct result){0};
	if (analyze(result, r->path, options, error, sizeof(error))) {
		printf("Bail out! %s\n", error);
		exit(1);
	}
}

__attribute__((unused)) static void judge_end(struct runs *r, struct result *result)
{
	result_free(result);
	runs_end(r);
}

__attribute__((unused)) static struct result_edge *judge_edge(struct result *r, const char *client, const char *server)
{
	for (size_t i = 0; i < r->edge_count; i++)
		if (!strcmp(r->edges[i].client, client) && !strcmp(r->edges[i].server, server))
			return &r->edges[i];
	printf("Bail out! no edge %s -> %s\n", client, server);
	exit(1);
}

/* Process 1 "curl" on thread 9 with connection 1 to 127.0.0.1:80. */
__attribute__((unused)) static void judge_client(struct runs *r, double duration_ms)
{
	runs_begin(r, duration_ms);
	runs_process(r, 1, "curl");
	runs_connection(r, 1, 1, "client", "127.0.0.1:4000", "127.0.0.1:80");
}

#define ATTEMPT(...) ((struct runs_exchange){__VA_ARGS__})

#endif

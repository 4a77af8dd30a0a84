/* SPDX-License-Identifier: MIT */
/* The demos' metrics: what was counted is there by its name and labels, and the whole is of the Prometheus text format. */
#include "demos/service/metrics.h"
#include "tests/lib/tap.h"
#include "tests/unit/services.h"

static const char text[] =
	"{\"name\":\"a\",\"listen\":\"127.0.0.1:0\","
	"\"peers\":{\"b\":{\"url\":\"http://h:1\",\"breaker\":{\"consecutive\":2,\"open_ms\":1000},\"bulkhead\":{\"width\":2}},"
	"\"c\\\"\\\\\":{\"url\":\"http://h:2\"}},"
	"\"routes\":[{\"path\":\"/x\",\"steps\":[{\"answer\":200}]},"
	"{\"method\":\"POST\",\"path\":\"/y\",\"steps\":[{\"compute_ms\":1,\"workers\":1},{\"answer\":200}]}]}";

static void count(struct service *s)
{
	uint64_t ticket;

	s->routes[0].statuses[200] = 7;
	s->routes[0].degraded = 2;
	s->routes[1].statuses[503] = 1;
	s->routes[2].statuses[404] = 3;	/* of no route */
	s->peers[0].counts.calls_ok = 5;
	s->peers[0].counts.calls_failed = 4;
	s->peers[0].counts.retries = 6;
	s->peers[0].counts.statuses[429] = 8;
	s->peers[0].counts.errors[0] = 9;
	s->peers[0].counts.fallbacks[FALLBACK_DEFAULT] = 10;
	for (int i = 0; i < 2; i++)
		if (guard_admits(&s->peers[0].guard, &ticket))
			guard_ended(&s->peers[0].guard, ticket, false);
	guard_admits(&s->peers[0].guard, &ticket);	/* in vain */
	guard_enter(&s->peers[0].guard, 0);
	drain_enter(&s->drain);
}

static const char *const samples[] = {
	"http_requests_total{method=\"GET\",route=\"/x\",status=\"200\"} 7",
	"http_requests_total{method=\"POST\",route=\"/y\",status=\"503\"} 1",
	"http_requests_total{method=\"\",route=\"other\",status=\"404\"} 3",
	"http_requests_degraded_total{method=\"GET\",route=\"/x\"} 2",
	"http_requests_in_flight 1",
	"http_requests_shed_total 0",
	"peer_calls_total{peer=\"b\",result=\"ok\"} 5",
	"peer_calls_total{peer=\"b\",result=\"failed\"} 4",
	"peer_calls_total{peer=\"c\\\"\\\\\",result=\"ok\"} 0",	/* quote and backslash escaped */
	"peer_attempts_total{peer=\"b\",status=\"429\",error=\"\"} 8",
	"retry_attempts_total{peer=\"b\"} 6",
	"peer_refused_total{peer=\"b\",by=\"breaker\"} 1",
	"peer_refused_total{peer=\"b\",by=\"bulkhead\"} 0",
	"peer_fallbacks_total{peer=\"b\"} 10",
	"peer_fallbacks_by_kind_total{peer=\"b\",kind=\"default\"} 10",
	"breaker_state{peer=\"b\"} 1",
	"breaker_transitions_total{peer=\"b\",to=\"open\"} 1",
	"bulkhead_attempts{peer=\"b\",state=\"in\"} 1",
	"compute_taken_total{method=\"POST\",route=\"/y\",step=\"0\"} 0",
};

static bool has_line(const char *all, const char *line)
{
	size_t n = strlen(line);

	for (const char *at = all; (at = strstr(at, line)); at += n)
		if ((at == all || at[-1] == '\n') && at[n] == '\n')
			return true;
	return false;
}

/* The end of labels that begin at `at`, or NULL: {NAME="VALUE",...}, the value without a bare quote or newline. */
static const char *behind_labels(const char *at)
{
	do {
		at++;
		at += strspn(at, "abcdefghijklmnopqrstuvwxyz_");
		if (at[0] != '=' || at[1] != '"')
			return NULL;
		for (at += 2; *at && *at != '"' && *at != '\n'; at++)
			at += *at == '\\' && at[1];
		if (*at != '"')
			return NULL;
	} while (*++at == ',');
	return *at == '}' ? at + 1 : NULL;
}

/* NAME, labels or none, a number. */
static bool is_sample(const char *line, const char *family)
{
	const char *at = line + strlen(family);
	char *end;

	if (strncmp(line, family, strlen(family)) != 0)
		return false;
	if (*at == '{')
		at = behind_labels(at);
	if (!at || *at != ' ')
		return false;
	strtod(at + 1, &end);
	return end > at + 1 && !*end;
}

static void check_format(char *all)
{
	char family[64] = "", type[64] = "", seen[8192] = " ", *rest = all;
	const char *bad = NULL;
	unsigned families = 0;

	ok(*all && all[strlen(all) - 1] == '\n', "the_last_line_is_whole");
	for (char *line; !bad && (line = strsep(&rest, "\n")) && *line;) {
		char name[66];

		if (sscanf(line, "# HELP %63s", family) == 1) {
			snprintf(name, sizeof(name), " %s ", family);
			bad = strstr(seen, name) ? line : NULL;
			strcat(seen, name);
			families++;
			*type = 0;
		} else if (sscanf(line, "# TYPE %65s %63s", name, type) == 2) {
			bad = strcmp(name, family) != 0 || (strcmp(type, "counter") != 0 && strcmp(type, "gauge") != 0) ? line : NULL;
		} else {
			bad = *type && is_sample(line, family) ? NULL : line;
		}
	}
	if (!ok(!bad && families > 20, "each_family_is_there_once_with_its_type_and_then_its_samples"))
		printf("# %s\n", bad ? bad : "few families");
}

int main(void)
{
	struct service service;
	struct reply reply = {.status = 0};

	services_make(&service, text);
	count(&service);
	metrics_reply(&service, &reply);
	is_int(reply.status, 200, "metrics_are_answered");
	is_str(reply.content_type, METRICS_CONTENT_TYPE, "as_prometheus_wants_them");
	for (size_t i = 0; i < sizeof(samples) / sizeof(*samples); i++)
		ok(has_line(reply.body, samples[i]), "%s", samples[i]);
	ok(!strstr(reply.body, "peer_attempts_total{peer=\"c"), "what_is_still_0_is_left_out");
	check_format(reply.body);
	guard_leave(&service.peers[0].guard);
	drain_leave(&service.drain);
	reply_clear(&reply);
	service_clear(&service);
	return tap_done();
}

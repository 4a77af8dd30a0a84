/* SPDX-License-Identifier: MIT */
/* The demos' health: from each state what an orchestrator is told of live, startup and ready, by what happened to store and service. */
#include "demos/service/health.h"
#include "tests/lib/tap.h"

static struct { bool is_up; unsigned open; } server;

static void *fake_open(const struct store_config *config, uint64_t until_ns, enum store_end *end, char why[STORE_WHY_SIZE])
{
	*end = STORE_UNREACHABLE;
	server.open += server.is_up;
	return server.is_up ? &server : NULL;
}

static void fake_close(void *connection)
{
	server.open--;
}

static const struct store_kind fake_kind = {.key = "fake", .open = fake_open, .close = fake_close};
static const struct store_config fake_config = {.name = "s", .kind = &fake_kind};

/* u, d: the store comes up, goes down; s: the service begins to stop. It is asked for all three after each. */
static const struct story {
	const char *sentence, *acts;
	unsigned startup, ready;
	const char *why;	/* that ready gives */
} stories[] = {
	{"without_its_store_it_has_not_started", "", 503, 503, "a store is not reachable"},
	{"with_it_it_has", "u", 200, 200, "ready"},
	{"a_store_that_goes_later_is_a_matter_of_ready", "ud", 200, 503, "a store is not reachable"},
	{"and_over_when_it_is_back", "udu", 200, 200, "ready"},
	{"who_is_stopping_has_started_but_is_not_ready", "us", 200, 503, "stopping"},
	{"whatever_becomes_of_its_store", "usdu", 200, 503, "stopping"},
	{"it_may_be_stopped_before_it_has_started", "s", 503, 503, "stopping"},
	{"and_start_while_it_stops_without_being_ready", "su", 200, 503, "stopping"},
};

static void act(struct service *service, char what)
{
	if (what == 's')
		drain_begin(&service->drain);
	else
		server.is_up = what == 'u';
}

/* The status; body, when given, gets what was said. */
static unsigned ask(struct service *service, void (*answer)(struct service *, struct reply *), char *body, size_t size)
{
	struct reply reply = {.status = 0};
	unsigned status;

	answer(service, &reply);
	status = reply.status;
	if (body)
		snprintf(body, size, "%.*s", (int)reply.length, reply.body);
	reply_clear(&reply);
	return status;
}

static void check_story(const struct story *s)
{
	struct service service = {.config = {.name = "a", .store_count = 1}, .stores = &(struct store){.config = &fake_config}};
	unsigned startup, ready;
	char body[256], status[64];

	server.is_up = false;
	drain_init(&service.drain);
	for (size_t i = 0;; i++) {
		is_int(ask(&service, health_live, NULL, 0), 200, "it_is_live_after_%zu_acts", i);
		startup = ask(&service, health_startup, NULL, 0);
		ready = ask(&service, health_ready, body, sizeof(body));
		if (!s->acts[i])
			break;
		act(&service, s->acts[i]);
	}
	snprintf(status, sizeof(status), "\"status\":\"%s\"", s->why);
	if (!ok(startup == s->startup && ready == s->ready && strstr(body, status), "%s", s->sentence))
		printf("# startup %u, ready %u: %s\n", startup, ready, body);
	drain_clear(&service.drain);
}

static void check_without_stores(void)
{
	struct service service = {.config = {.name = "a"}};
	char body[256];

	drain_init(&service.drain);
	is_int(ask(&service, health_startup, NULL, 0), 200, "without_stores_it_has_started");
	is_int(ask(&service, health_ready, NULL, 0), 200, "and_is_ready");
	is_int(ask(&service, health_live, body, sizeof(body)), 200, "and_live");
	ok(strstr(body, "\"service\":\"a\"") && strstr(body, "\"pid\":"), "and_says_who_it_is");
	drain_clear(&service.drain);
}

int main(void)
{
	for (size_t i = 0; i < sizeof(stories) / sizeof(*stories); i++)
		check_story(&stories[i]);
	is_int(server.open, 0, "each_connection_that_was_opened_to_see_is_closed");
	check_without_stores();
	return tap_done();
}

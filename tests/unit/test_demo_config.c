/* SPDX-License-Identifier: MIT */
/* The demo service's configuration: what is accepted and what it means, what is refused and with which sentence. */
#include <arpa/inet.h>
#include <errno.h>

#include "demos/service/routes.h"
#include "demos/service/step.h"
#include "tests/lib/tap.h"
#include "tests/unit/services.h"

#define MS 1000000ull

#define HEAD "{\"name\":\"a\",\"listen\":\"127.0.0.1:0\","
#define ROUTES "\"routes\":[]}"
#define STRATEGY(text) HEAD "\"strategies\":{\"s\":" text "}," ROUTES
#define PEER(text) HEAD "\"peers\":{\"b\":" text "}," ROUTES
#define BREAKER(text) PEER("{\"url\":\"http://h:1\",\"breaker\":" text "}")
#define BULKHEAD(text) PEER("{\"url\":\"http://h:1\",\"bulkhead\":" text "}")
#define FALLBACK(text) ROUTE("{\"path\":\"/\",\"steps\":[{\"call\":\"b\",\"path\":\"/\",\"fallback\":" text "}]}")
#define CALL(text) ROUTE("{\"path\":\"/{id}\",\"steps\":[{\"call\":\"b\",\"path\":\"/\"," text "}]}")
#define STORES "\"stores\":{\"db\":{\"postgres\":\"host=127.0.0.1\"},\"cache\":{\"redis\":\"127.0.0.1:1\"}},\"peers\":{\"b\":{\"url\":\"http://h:1\"}},"
#define STEP(text) HEAD STORES "\"routes\":[{\"path\":\"/{id}\",\"steps\":[" text "]}]}"
#define ACT "{\"name\":\"one\",\"do\":{\"call\":\"b\",\"path\":\"/\",\"as\":\"x\"}}"
#define SAGA(text) STEP("{\"saga\":\"s\",\"store\":\"db\",\"table\":\"sagas\",\"id\":\"${path.id}\"," text "}")
#define EVENT(text) STEP("{\"event\":\"db\",\"table\":\"events\",\"stream\":\"${path.id}\",\"type\":\"T\"," text "}")
#define PROJECTION(text) HEAD STORES "\"projections\":[{\"name\":\"p\",\"store\":\"db\",\"events\":\"e\",\"reset\":\"r\"," text "}]," ROUTES
#define ROUTE(text) HEAD "\"peers\":{\"b\":{\"url\":\"http://h:1\"}},\"routes\":[" text "]}"

static const struct {
	const char *text, *why;	/* why: the beginning of the sentence */
} refused[] = {
	{"", "not JSON at line 1, column 1"},
	{"{\"name\":\n  nonsense}", "not JSON at line 2, column 3"},
	{HEAD ROUTES " x", "not JSON at line 1, column 49"},
	{"[]", "the whole must be an object, not []"},
	{"{\"name\":\"a\",\"listen\":\"127.0.0.1:0\"}", "routes must be given"},
	{HEAD "\"retires\":1," ROUTES, "unknown key \"retires\"; known are name, listen,"},
	{HEAD "\"name\":\"b\"," ROUTES, "name must be given once"},
	{"{\"name\":3,\"listen\":\"127.0.0.1:0\"," ROUTES, "name must be a string that is not empty, not 3"},
	{"{\"name\":\"a\",\"listen\":\"127.0.0.1\"," ROUTES, "listen must be an IPv4 address and a port"},
	{"{\"name\":\"a\",\"listen\":\"127.0.0.1:65536\"," ROUTES, "listen must be an IPv4 address and a port"},
	{"{\"name\":\"a\",\"listen\":\"127.0.0.1:80x\"," ROUTES, "listen must be an IPv4 address and a port"},
	{"{\"name\":\"a\",\"listen\":\"localhost:80\"," ROUTES, "listen must be an IPv4 address and a port"},
	{HEAD "\"max_connections\":1.5," ROUTES, "max_connections must be a whole number from 1 to 100000, not 1.5"},
	{HEAD "\"drain_ms\":-1," ROUTES, "drain_ms must be a number of milliseconds from 0 to 3600000, not -1"},
	{HEAD "\"backpressure\":{}," ROUTES, "backpressure.max_in_flight must be given"},
	{HEAD "\"backpressure\":{\"max_in_flight\":0}," ROUTES, "backpressure.max_in_flight must be a whole number from 1"},
	{HEAD "\"backpressure\":{\"max_in_flight\":1,\"retry_after_s\":0}," ROUTES, "backpressure.retry_after_s must be a whole number from 1"},
	{STRATEGY("{}"), "strategies.s.backoff must be given"},
	{STRATEGY("{\"backoff\":\"linear\"}"), "strategies.s.backoff must be one of none, immediate, fixed, exponential, not \"linear\""},
	{STRATEGY("{\"backoff\":\"fixed\"}"), "strategies.s must be given base_ms above 0, for it has a backoff of fixed"},
	{STRATEGY("{\"backoff\":\"immediate\",\"base_ms\":5}"), "strategies.s must be without base_ms and jitter"},
	{STRATEGY("{\"backoff\":\"immediate\",\"jitter\":\"full\"}"), "strategies.s must be without base_ms and jitter"},
	{STRATEGY("{\"backoff\":\"fixed\",\"base_ms\":5,\"jitter\":\"additive\"}"), "strategies.s must be given jitter_ms above 0"},
	{STRATEGY("{\"backoff\":\"fixed\",\"base_ms\":5,\"jitter_ms\":5}"), "strategies.s must be given jitter_ms above 0"},
	{STRATEGY("{\"backoff\":\"fixed\",\"base_ms\":5,\"jitter\":\"proportional\"}"), "strategies.s must be given jitter_share above 0"},
	{STRATEGY("{\"backoff\":\"fixed\",\"base_ms\":5,\"cap_ms\":4}"), "strategies.s must be given a cap_ms of at least base_ms"},
	{STRATEGY("{\"backoff\":\"none\",\"max_attempts\":0}"), "strategies.s.max_attempts must be a whole number from 1 to 100, not 0"},
	{STRATEGY("{\"backoff\":\"none\",\"retry_on\":[200]}"), "strategies.s.retry_on must be made of statuses from 400 to 599"},
	{STRATEGY("{\"backoff\":\"none\",\"retry_on\":[\"reset\"]}"), "strategies.s.retry_on must be made of statuses"},
	{STRATEGY("{\"backoff\":\"none\"},\"s\":{\"backoff\":\"none\"}"), "strategies.s must be given once"},
	{PEER("{}"), "peers.b.url must be given"},
	{PEER("{\"url\":\"https://h:1\"}"), "peers.b.url must be http://HOST:PORT without a path"},
	{PEER("{\"url\":\"http://h:1/x\"}"), "peers.b.url must be http://HOST:PORT without a path"},
	{PEER("{\"url\":\"http://h:1\",\"strategy\":\"nix\"}"), "peers.b.strategy must be one of strategies, not \"nix\""},
	{PEER("{\"url\":\"http://h:1\",\"attempt_timeout_ms\":0}"), "peers.b.attempt_timeout_ms must be a number of milliseconds from 1"},
	{PEER("{\"url\":\"http://h:1\",\"total_timeout_ms\":0}"), "peers.b.total_timeout_ms must be a number of milliseconds from 1"},
	{BREAKER("{}"), "peers.b.breaker must be given consecutive or rate"},
	{BREAKER("[]"), "peers.b.breaker must be an object"},
	{BREAKER("{\"consecutive\":0}"), "peers.b.breaker.consecutive must be a whole number from 1"},
	{BREAKER("{\"consecutive\":3,\"window\":10}"), "peers.b.breaker must be given window and min_calls only together with rate"},
	{BREAKER("{\"rate\":60}"), "peers.b.breaker.rate must be a number from 0.01 to 1, not 60"},
	{BREAKER("{\"rate\":0.6,\"window\":1025}"), "peers.b.breaker.window must be a whole number from 1 to 1024"},
	{BREAKER("{\"rate\":0.6,\"window\":5,\"min_calls\":6}"), "peers.b.breaker must be given a window of at least min_calls"},
	{BREAKER("{\"consecutive\":3,\"scope\":\"call\"}"), "peers.b.breaker.scope must be one of request, attempt, not \"call\""},
	{BREAKER("{\"consecutive\":3,\"permits\":0}"), "peers.b.breaker.permits must be a whole number from 1"},
	{BREAKER("{\"consecutive\":3,\"half_open\":1}"), "unknown key \"half_open\" in peers.b.breaker; known are consecutive, rate,"},
	{BULKHEAD("{}"), "peers.b.bulkhead.width must be given"},
	{BULKHEAD("{\"width\":0}"), "peers.b.bulkhead.width must be a whole number from 1"},
	{BULKHEAD("{\"width\":1,\"queue\":5}"), "peers.b.bulkhead must be given queue and wait_ms above 0 together"},
	{BULKHEAD("{\"width\":1,\"wait_ms\":5}"), "peers.b.bulkhead must be given queue and wait_ms above 0 together"},
	{FALLBACK("{}"), "routes[0].steps[0].fallback.kind must be given"},
	{FALLBACK("{\"kind\":\"stale\"}"), "routes[0].steps[0].fallback.kind must be one of none, static, default, cached, not \"stale\""},
	{FALLBACK("{\"kind\":\"cached\"}"), "routes[0].steps[0].fallback must be given ttl_ms and a kind of cached together"},
	{FALLBACK("{\"kind\":\"default\",\"ttl_ms\":5}"), "routes[0].steps[0].fallback must be given ttl_ms and a kind of cached together"},
	{FALLBACK("{\"kind\":\"cached\",\"ttl_ms\":5},\"method\":\"POST\""), "routes[0].steps[0] must be a GET, for it has a fallback of cached"},
	{FALLBACK("{\"kind\":\"default\",\"body\":\"\"}"), "routes[0].steps[0].fallback must be without status, body and content_type"},
	{ROUTE("{}"), "routes[0].path must be given"},
	{ROUTE("{\"path\":\"x\"}"), "routes[0].path must be a path that begins with /"},
	{ROUTE("{\"path\":\"/\",\"method\":\"get\"}"), "routes[0].method must be an HTTP method in capitals, not \"get\""},
	{ROUTE("{\"path\":\"/\"},{\"path\":\"/\"}"), "routes[1] must be another method and path than routes[0]"},
	{ROUTE("{\"path\":\"/{id\"}"), "routes[0].path must be a path with braces around whole segments only"},
	{ROUTE("{\"path\":\"/{a}/{a}\"}"), "routes[0].path must be a path with braces around whole segments only"},
	{ROUTE("{\"path\":\"/{a}\"},{\"path\":\"/{b}\"}"), "routes[1] must be another method and path than routes[0]"},
	{ROUTE("{\"path\":\"/\",\"steps\":[{}]}"), "routes[0].steps[0] must be an object with one of call, "},
	{ROUTE("{\"path\":\"/\",\"steps\":[7]}"), "routes[0].steps[0] must be an object with one of call, "},
	{ROUTE("{\"path\":\"/\",\"steps\":[{\"answer\":200,\"fail\":1}]}"), "unknown key \"fail\" in routes[0].steps[0]"},
	{ROUTE("{\"path\":\"/\",\"steps\":[{\"answer\":99}]}"), "routes[0].steps[0].answer must be a whole number from 200 to 599"},
	{ROUTE("{\"path\":\"/\",\"steps\":[{\"answer\":200},{\"compute_ms\":1}]}"), "routes[0].steps[0] must be the last step"},
	{ROUTE("{\"path\":\"/\",\"steps\":[{\"call\":\"c\",\"path\":\"/\"}]}"), "routes[0].steps[0].call must be one of peers, not \"c\""},
	{ROUTE("{\"path\":\"/\",\"steps\":[{\"call\":\"b\"}]}"), "routes[0].steps[0].path must be given"},
	{ROUTE("{\"path\":\"/\",\"steps\":[{\"compute_ms\":1,\"queue\":1}]}"), "routes[0].steps[0] must be given queue only together with workers"},
	{ROUTE("{\"path\":\"/\",\"steps\":[{\"compute_ms\":1,\"workers\":0}]}"), "routes[0].steps[0].workers must be a whole number from 1 to 1000"},
	{ROUTE("{\"path\":\"/\",\"steps\":[{\"compute_ms\":1,\"distribution\":\"normal\"}]}"),
	 "routes[0].steps[0].distribution must be one of fixed, exponential, not \"normal\""},
	{ROUTE("{\"path\":\"/\",\"limits\":{\"tenant_header\":\"X\"}}"), "routes[0].limits.per_minute must be given"},
	{ROUTE("{\"path\":\"/\",\"limits\":{\"per_minute\":0}}"), "routes[0].limits.per_minute must be a whole number from 1"},
	{ROUTE("{\"path\":\"/\",\"limits\":{\"per_minute\":1,\"burst\":0}}"), "routes[0].limits.burst must be a whole number from 1"},
	{CALL("\"body\":3"), "routes[0].steps[0].body must be a string, an object or an array, not 3"},
	{CALL("\"as\":\"\""), "routes[0].steps[0].as must be a string that is not empty"},
	{CALL("\"idempotency_key\":7"), "routes[0].steps[0].idempotency_key must be a string that is not empty, not 7"},
	{CALL("\"body\":{\"a\":[\"${bdoy.x}\"]}"), "routes[0].steps[0] must be without ${bdoy.x}: no such value is known by then"},
	{CALL("\"body\":\"${body.x\""), "routes[0].steps[0] must be without a ${ that is not closed"},
	{CALL("\"body\":\"${path.ix}\""), "routes[0].steps[0] must be without ${path.ix}: the route's path has no such segment"},
	{CALL("\"body\":\"${later.x}\"},{\"call\":\"b\",\"path\":\"/\",\"as\":\"later\""), "routes[0].steps[0] must be without ${later.x}"},
	{ROUTE("{\"path\":\"/\",\"steps\":[{\"answer\":200,\"as\":\"x\"}]}"), "unknown key \"as\" in routes[0].steps[0]"},
	{ROUTE("{\"path\":\"/\",\"steps\":[{\"answer\":200,\"content_type\":\"a\\r\\nX: b\"}]}"),
	 "routes[0].steps[0].content_type must be a text of at most 63 characters"},
	{SAGA("\"steps\":[]"), "routes[0].steps[0].steps must be an array of 1 to 64 steps"},
	{SAGA("\"steps\":[{\"name\":\"one\"}]"), "routes[0].steps[0].steps[0].do must be given"},
	{SAGA("\"steps\":[" ACT "," ACT "]"), "routes[0].steps[0].steps[1] must be called otherwise than steps[0]"},
	{SAGA("\"steps\":[" ACT "],\"tries\":0"), "routes[0].steps[0].tries must be a whole number from 1"},
	{SAGA("\"steps\":[" ACT "],\"backoff_max_ms\":1"), "routes[0].steps[0] must be given a backoff_max_ms of at least backoff_ms"},
	{SAGA("\"steps\":[{\"name\":\"one\",\"do\":{\"call\":\"c\",\"path\":\"/\"}}]"), "routes[0].steps[0].steps[0].do.call must be one of peers"},
	{SAGA("\"steps\":[{\"name\":\"one\",\"do\":{\"call\":\"b\",\"path\":\"/${y}\"}}]"), "routes[0].steps[0] must be without ${y}"},
	{STEP("{\"saga\":\"s\",\"store\":\"cache\",\"table\":\"s\",\"id\":\"1\",\"steps\":[" ACT "]}"), "routes[0].steps[0] must be at a store of postgres"},
	{STEP("{\"saga\":\"s\",\"store\":\"db\",\"table\":\"a b\",\"id\":\"1\",\"steps\":[" ACT "]}"), "routes[0].steps[0].table must be the name of a table"},
	{EVENT("\"data\":3"), "routes[0].steps[0].data must be a string, an object or an array"},
	{EVENT("\"data\":{},\"after\":[1]"), "routes[0].steps[0].after must be an array of types"},
	{STEP("{\"replay\":\"none\",\"table\":\"e\",\"stream\":\"1\"}"), "routes[0].steps[0] must be at one of stores"},
	{HEAD "\"stores\":{\"s\":{\"redis\":\"127.0.0.1:1\",\"min_idle\":3,\"pool\":2}}}", "stores.s.min_idle must be at most pool, which is 2, not 3"},
	{PROJECTION("\"apply\":{}"), "projections[0].positions must be given"},
	{PROJECTION("\"positions\":\"p\",\"apply\":{\"T\":{}}"), "projections[0].apply.T.query must be given"},
	{PROJECTION("\"positions\":\"p\",\"apply\":{\"T\":{\"query\":\"q\",\"params\":1}}"), "projections[0].apply.T.params must be an array of at most"},
};

static void check_refused(void)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		struct config config;
		char why[512] = "";
		int err = services_load(refused[i].text, &config, why, sizeof(why));

		if (!ok(err == -EINVAL && !strncmp(why, refused[i].why, strlen(refused[i].why)), "refused: %s", refused[i].why))
			printf("# %d: %s\n", err, why);
		if (!err)
			config_free(&config);
	}
}

static void check_files(void)
{
	struct config config;
	char why[512] = "";

	is_int(config_load("/nonexistent/file", &config, why, sizeof(why)), -ENOENT, "a_missing_file_is_refused");
	is_str(why, "cannot be read: No such file or directory", "and_named_so");
	is_int(config_load("/", &config, why, sizeof(why)), -EISDIR, "a_directory_is_refused");
}

static const char full[] =
	HEAD "\"drain_ms\":250,"
	"\"strategies\":{\"naive\":{\"backoff\":\"immediate\",\"retry_on\":[503,\"timeout\"]},"
	"\"wait\":{\"backoff\":\"exponential\",\"base_ms\":0.5,\"multiplier\":1.5,\"cap_ms\":4000,"
	"\"jitter\":\"proportional\",\"jitter_share\":0.3,\"honour_retry_after\":false}},"
	"\"peers\":{\"b\":{\"url\":\"http://127.0.0.1:81\",\"strategy\":\"wait\",\"attempt_timeout_ms\":500},"
	"\"c\":{\"url\":\"http://h:1\",\"total_timeout_ms\":1500,"
	"\"breaker\":{\"rate\":0.6,\"min_calls\":12,\"open_ms\":5000,"
	"\"permits\":3,\"close_after\":2,\"scope\":\"attempt\"},\"bulkhead\":{\"width\":10,\"queue\":4,\"wait_ms\":50}}},"
	"\"routes\":[{\"path\":\"/p\",\"method\":\"POST\","
	"\"steps\":[{\"compute_ms\":5},{\"call\":\"c\",\"path\":\"/w?x=1\",\"as\":\"w\",\"fallback\":"
	"{\"kind\":\"static\",\"body\":\"\"}},{\"answer\":201,\"body\":\"\"}]},"
	"{\"path\":\"/orders/{id}\",\"steps\":[{\"call\":\"b\",\"path\":\"/o/${path.id}\"}]},"
	"{\"path\":\"/orders/last\",\"steps\":[{\"answer\":200,\"body\":{\"was\":\"${body.x}\"}}]}]}";

static void check_strategies(const struct config *c)
{
	const struct strategy *naive = config_strategy(c, "naive"), *wait = config_strategy(c, "wait");

	ok(naive && naive->retry.backoff == RETRY_IMMEDIATE && naive->retry.max_attempts == 3, "naive_has_three_immediate_attempts");
	ok(naive->retry.on_timeout && !naive->retry.on_error, "retry_on_replaces_the_default");
	ok(wait && wait->retry.base_ns == MS / 2 && wait->retry.cap_ns == 4000 * MS && wait->retry.spread == 0.3, "times_are_milliseconds");
	ok(wait->retry.on_error && !wait->retry.honour_retry_after, "what_is_not_given_keeps_its_default");
	ok(config_strategy(c, "none") && config_strategy(c, "none")->retry.backoff == RETRY_NONE, "there_is_always_a_single_attempt");
	ok(!config_strategy(c, "nix"), "an_unknown_strategy_is_none");
}

static void check_policies(const struct config *c)
{
	const struct breaker_policy *b = &c->peers[1].breaker;
	const struct bulkhead_policy *k = &c->peers[1].bulkhead;
	ok(!b->consecutive && b->rate == 0.6 && b->min_calls == 12 && b->window == 12, "a_window_is_at_least_the_least_calls");
	ok(b->open_ns == 5000 * MS && b->permits == 3 && b->close_after == 2 && b->scope == BREAKER_PER_ATTEMPT, "a_breaker_is_read");
	ok(k->width == 10 && k->queue == 4 && k->wait_ns == 50 * MS, "a_bulkhead_is_read");
	ok(c->peers[1].deadline.total_ns == 1500 * MS && !c->peers[0].deadline.total_ns, "a_total_timeout_is_read");
	ok(!c->peers[0].breaker.consecutive && c->peers[0].breaker.rate == 0 && !c->peers[0].bulkhead.width, "a_peer_without_policies_has_none");
}

static void check_routes(const struct config *c)
{
	const struct route *r = c->routes;

	is_int(c->route_count, 3, "all_routes_are_read");
	is_int(r[0].step_count, 3, "a_route_has_its_steps");
	ok(r[0].steps[0].kind == &step_compute && r[0].steps[1].kind == &step_call && r[0].steps[2].kind == &step_answer,
	   "each_of_its_kind_and_in_order");
	ok(r[0].steps[1].as && !strcmp(r[0].steps[1].as, "w") && !r[0].steps[0].as, "a_result_has_its_name");
	ok(!r[0].uses_values && !r[0].uses_body, "a_route_without_templates_needs_no_values");
	ok(r[1].uses_values && !r[1].uses_body && r[2].uses_values && r[2].uses_body, "one_with_templates_says_what_it_needs");
}

static void note_allowed(void *context, const char *method)
{
	strcat(context, method);
}

/* Which route a request means; -1 for none, and then which methods its path takes. */
static void check_finding(const struct config *c)
{
	static const struct {
		const char *method, *path;
		int route;
		const char *allowed;
	} table[] = {
		{"POST", "/p", 0, ""}, {"GET", "/p", -1, "POST"}, {"GET", "/orders/7", 1, ""}, {"HEAD", "/orders/7", 1, ""},
		{"GET", "/orders/", -1, ""}, {"GET", "/orders/7/x", -1, ""}, {"GET", "/orders/last", 2, ""}, {"PUT", "/orders/last", -1, "GETGET"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		char allowed[64] = "";
		const struct route *r = routes_find(c, table[i].method, table[i].path, note_allowed, allowed);

		is_int(r ? r - c->routes : -1, table[i].route, "%s %s finds its route", table[i].method, table[i].path);
		is_str(allowed, table[i].allowed, "%s %s: the methods there are", table[i].method, table[i].path);
	}
}

static void check_accepted(void)
{
	struct config c;
	char why[512] = "";
	int err = services_load(full, &c, why, sizeof(why));

	if (!ok(!err, "a_full_configuration_is_accepted")) {
		printf("# %s\n", why);
		return;
	}
	check_strategies(&c);
	check_policies(&c);
	ok(c.drain_ns == 250 * MS, "the_drain_is_read");
	ok(c.address.sin_port == 0 && c.address.sin_addr.s_addr == htonl(INADDR_LOOPBACK), "the_address_is_read");
	ok(c.peers[0].strategy == config_strategy(&c, "wait"), "a_peer_has_its_strategy");
	is_int(c.peers[0].deadline.attempt_ns, 500 * MS, "and_its_timeout");
	ok(c.peers[1].strategy == config_strategy(&c, "none"), "a_peer_without_one_is_tried_once");
	is_int(config_peer(&c, "c"), 1, "a_peer_has_its_index");
	check_routes(&c);
	check_finding(&c);
	config_free(&c);
}

int main(void)
{
	check_refused();
	check_files();
	check_accepted();
	return tap_done();
}

/* SPDX-License-Identifier: MIT */
/* The demos' admin: which peer is called with which strategy after each wish, and that a wish that cannot be granted switches nothing. */
#include "demos/service/admin.h"
#include "tests/lib/tap.h"
#include "tests/unit/services.h"

static const char text[] =
	"{\"name\":\"a\",\"listen\":\"127.0.0.1:0\","
	"\"strategies\":{\"fast\":{\"backoff\":\"immediate\",\"max_attempts\":2},\"slow\":{\"backoff\":\"immediate\",\"max_attempts\":3}},"
	"\"peers\":{\"b\":{\"url\":\"http://h:1\",\"strategy\":\"fast\"},\"c\":{\"url\":\"http://h:2\"}},\"routes\":[]}";

/* One after the other, of one service. */
static const struct {
	const char *sentence, *wish;
	unsigned status;
	const char *b, *c;	/* their strategies then */
	const char *says;	/* a part of the answer */
} wishes[] = {
	{"for_all_peers", "{\"strategy\":\"slow\"}", 200, "slow", "slow", "\"peers\":{\"b\":\"slow\",\"c\":\"slow\"}"},
	{"for_one", "{\"strategy\":\"fast\",\"peer\":\"c\"}", 200, "slow", "fast", "\"c\":\"fast\""},
	{"the_same_again", "{\"strategy\":\"fast\",\"peer\":\"c\"}", 200, "slow", "fast", "\"c\":\"fast\""},
	{"none_is_always_there", "{\"strategy\":\"none\",\"peer\":\"b\"}", 200, "none", "fast", "\"b\":\"none\""},
	{"an_unknown_strategy", "{\"strategy\":\"faster\"}", 400, "none", "fast", "no strategy is called \\\"faster\\\""},
	{"an_unknown_peer", "{\"strategy\":\"slow\",\"peer\":\"d\"}", 400, "none", "fast", "no peer is called \\\"d\\\""},
	{"no_strategy", "{\"peer\":\"b\"}", 400, "none", "fast", "strategy must be given"},
	{"a_strategy_that_is_no_text", "{\"strategy\":3}", 400, "none", "fast", "strategy must be a string"},
	{"an_unknown_key", "{\"strategy\":\"slow\",\"pear\":\"b\"}", 400, "none", "fast", "unknown key \\\"pear\\\""},
	{"no_json", "slow", 400, "none", "fast", "not JSON"},
	{"nothing", "", 400, "none", "fast", "not JSON"},
};

int main(void)
{
	struct service service;
	struct reply reply = {.status = 0};

	services_make(&service, text);
	admin_get_strategy(&service, &reply);
	ok(reply.status == 200 && strstr(reply.body, "\"peers\":{\"b\":\"fast\",\"c\":\"none\"}"), "at_first_they_are_as_configured");
	ok(strstr(reply.body, "\"fast\"") && strstr(reply.body, "\"slow\"") && strstr(reply.body, "\"none\""), "and_it_says_which_there_are");
	for (size_t i = 0; i < sizeof(wishes) / sizeof(*wishes); i++) {
		admin_set_strategy(&service, wishes[i].wish, &reply);
		is_int(reply.status, wishes[i].status, "%s_is_%s", wishes[i].sentence, wishes[i].status == 200 ? "granted" : "refused");
		if (!ok(strstr(reply.body, wishes[i].says), "and_the_answer_says_so"))
			printf("# %s\n", reply.body);
		is_str(service.peers[0].strategy->name, wishes[i].b, "b_is_called_so_then");
		is_str(service.peers[1].strategy->name, wishes[i].c, "and_c");
	}
	reply_clear(&reply);
	service_clear(&service);
	return tap_done();
}

/* SPDX-License-Identifier: MIT */
/* The demos' limits per tenant, by table under a fake clock: who may go on, who is refused, when the next token is there, who is forgotten. */
#include "demos/service/limits.h"
#include "tests/lib/tap.h"

#define S 1000000000ull

/*
 * A script of acts, each a tenant (one letter) and how it comes out:
 *     a+   goes on      a-N   is refused, the next token comes in N seconds (one digit)      .N   so many seconds go by (one digit)
 */
static const struct story {
	const char *sentence;
	unsigned per_minute, burst;
	const char *acts;
	unsigned count, refused;	/* at the end: buckets kept, requests refused */
} stories[] = {
	{"a_bucket_begins_full", 60, 3, "a+ a+ a+", 1, 0},
	{"an_empty_one_refuses", 60, 3, "a+ a+ a+ a-1 a-1", 1, 2},
	{"a_token_comes_back_with_time", 60, 1, "a+ a-1 .1 a+ a-1", 1, 2},
	{"at_the_rate_that_was_given", 10, 1, "a+ .1 a-5 .3 a-2 .2 a+", 1, 2},
	{"what_was_refused_takes_no_token", 20, 1, "a+ a-3 a-3 .1 a-2 a-2 .2 a+", 1, 4},
	{"no_more_than_the_burst_is_saved", 60, 2, "a+ .9 a+ a+ a-1", 1, 1},
	{"tenants_do_not_share", 60, 1, "a+ a-1 b+ b-1 c+", 3, 2},
	{"part_of_a_token_is_none", 30, 1, "a+ .1 a-1 .1 a+", 1, 1},
};

static int play(struct limits *l, const char *act, uint64_t *now_ns)
{
	char tenant[2] = {act[0], '\0'};
	uint64_t wait_ns = 0;

	if (act[0] == '.')
		return *now_ns += (uint64_t)(act[1] - '0') * S, 1;
	if (limits_take(l, tenant, *now_ns, &wait_ns))
		return act[1] == '+' && !wait_ns;
	return act[1] == '-' && wait_ns == (uint64_t)(act[2] - '0') * S;
}

static void check_story(const struct story *s)
{
	struct limits_policy policy = {NULL, s->per_minute, s->burst};
	static struct limits l;
	const char *act = s->acts;
	uint64_t now_ns = 7 * S;

	limits_init(&l, &policy);
	while (*act && play(&l, act, &now_ns)) {
		act += strcspn(act, " ");
		act += *act == ' ';
	}
	if (!ok(!*act && l.count == s->count && l.refused == s->refused, "%s", s->sentence))
		printf("# before \"%s\": %u buckets, %" PRIu64 " refused\n", act, l.count, l.refused);
	limits_clear(&l);
}

static unsigned come(struct limits *l, unsigned from, unsigned to, uint64_t now_ns)
{
	unsigned refused = 0;

	for (unsigned i = from; i < to; i++) {
		char tenant[32];
		uint64_t wait_ns;

		snprintf(tenant, sizeof(tenant), "tenant-%u", i);
		refused += !limits_take(l, tenant, now_ns, &wait_ns);
	}
	return refused;
}

static void check_many(void)
{
	struct limits_policy policy = {NULL, 60, 2};
	static struct limits l;

	limits_init(&l, &policy);
	is_int(come(&l, 0, LIMITS_TENANTS, S), 0, "as_many_as_have_buckets_are_let_in");
	is_int(come(&l, LIMITS_TENANTS, LIMITS_TENANTS + 100, S), 98, "those_after_them_share_one");
	is_int(l.count, LIMITS_TENANTS, "and_take_no_memory");
	is_int(come(&l, 0, 1, S) + come(&l, 0, 1, S), 1, "those_before_them_keep_their_own");
	is_int(come(&l, 9000, 9000 + LIMITS_TENANTS, 2 * S), 0, "a_second_later_their_buckets_are_full_again_and_make_room");
	is_int(l.count, LIMITS_TENANTS, "for_as_many_and_no_more");
	limits_clear(&l);
	is_int(l.count, 0, "nothing_is_left");
}

int main(void)
{
	for (size_t i = 0; i < sizeof(stories) / sizeof(*stories); i++)
		check_story(&stories[i]);
	check_many();
	return tap_done();
}

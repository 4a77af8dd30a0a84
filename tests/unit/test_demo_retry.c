/* SPDX-License-Identifier: MIT */
/* The demos' retry policy, by table under a fake clock: when each attempt is made, and why no more are. */
#include "demos/service/retry.h"
#include "tests/lib/tap.h"

#define MS 1000000ull
#define ATTEMPTS_MAX 8
#define ON_503 .statuses = {[503 / 64] = 1ull << (503 % 64)}

/* A peer that always ends attempts alike, each after took_ms; every draw is the same. */
struct peer {
	struct retry_outcome outcome;
	unsigned took_ms;
	double uniform;
};

struct expected {
	const char *sentence;
	struct retry_policy policy;
	struct peer peer;
	unsigned attempts;
	unsigned at_ms[ATTEMPTS_MAX];	/* when each begins */
};

#define S503 {.outcome = {ENDED_ANSWERED, 503, -1}}
#define S503_U(u) {.outcome = {ENDED_ANSWERED, 503, -1}, .uniform = (u)}
#define POLICY(...) {ON_503, __VA_ARGS__}
#define GROWING(n, by, cap_ms) \
	.backoff = RETRY_EXPONENTIAL, .max_attempts = (n), .base_ns = 1000 * MS, .multiplier = (by), .cap_ns = (cap_ms) * MS
#define EXPONENTIAL(n) GROWING(n, 2, 4000)

static const struct expected table[] = {
	{"none_makes_one_attempt", POLICY(.backoff = RETRY_NONE, .max_attempts = 5), S503, 1, {0}},
	{"immediate_retries_do_not_wait", POLICY(.backoff = RETRY_IMMEDIATE, .max_attempts = 3), S503, 3, {0, 0, 0}},
	{"a_wait_begins_when_the_attempt_has_ended",
	 POLICY(.backoff = RETRY_FIXED, .max_attempts = 3, .base_ns = 50 * MS),
	 {.outcome = {ENDED_ANSWERED, 503, -1}, .took_ms = 7}, 3, {0, 57, 114}},
	{"three_attempts_have_two_waits", POLICY(EXPONENTIAL(3)), S503, 3, {0, 1000, 3000}},
	{"the_third_doubled_wait_is_4_s", POLICY(EXPONENTIAL(4)), S503, 4, {0, 1000, 3000, 7000}},
	{"the_cap_holds_later_waits", POLICY(EXPONENTIAL(6)), S503, 6, {0, 1000, 3000, 7000, 11000, 15000}},
	{"the_multiplier_is_obeyed", POLICY(GROWING(3, 3, 4000)), S503, 3, {0, 1000, 4000}},
	{"full_jitter_can_be_no_wait", POLICY(EXPONENTIAL(3), .jitter = JITTER_FULL), S503_U(0), 3, {0, 0, 0}},
	{"full_jitter_is_a_share_of_the_wait",
	 POLICY(EXPONENTIAL(3), .jitter = JITTER_FULL), S503_U(0.25), 3, {0, 250, 750}},
	{"equal_jitter_keeps_half", POLICY(EXPONENTIAL(3), .jitter = JITTER_EQUAL), S503_U(0), 3, {0, 500, 1500}},
	{"proportional_jitter_begins_below",
	 POLICY(EXPONENTIAL(3), .jitter = JITTER_PROPORTIONAL, .spread = 0.3), S503_U(0), 3, {0, 700, 2100}},
	{"proportional_jitter_is_centred",
	 POLICY(EXPONENTIAL(3), .jitter = JITTER_PROPORTIONAL, .spread = 0.3), S503_U(0.5), 3, {0, 1000, 3000}},
	{"additive_jitter_never_shortens",
	 POLICY(EXPONENTIAL(3), .jitter = JITTER_ADDITIVE, .spread_ns = 1000 * MS), S503_U(0), 3, {0, 1000, 3000}},
	{"additive_jitter_adds_the_same_span_each_time",
	 POLICY(EXPONENTIAL(3), .jitter = JITTER_ADDITIVE, .spread_ns = 1000 * MS), S503_U(0.5), 3, {0, 1500, 4000}},
	{"decorrelated_jitter_begins_at_base",
	 POLICY(EXPONENTIAL(3), .jitter = JITTER_DECORRELATED), S503_U(0), 3, {0, 1000, 2000}},
	/* 1 + (3*1 - 1)/2 = 2; 1 + (3*2 - 1)/2 = 3.5; 1 + (3*3.5 - 1)/2 = 5.75 -> 4 */
	{"decorrelated_jitter_grows_from_the_last_wait",
	 POLICY(EXPONENTIAL(4), .jitter = JITTER_DECORRELATED), S503_U(0.5), 4, {0, 2000, 5500, 9500}},
	{"an_answer_that_is_fine_ends_it",
	 POLICY(.backoff = RETRY_IMMEDIATE, .max_attempts = 3), {.outcome = {ENDED_ANSWERED, 200, -1}}, 1, {0}},
	{"a_status_not_listed_is_not_retried",
	 POLICY(.backoff = RETRY_IMMEDIATE, .max_attempts = 3), {.outcome = {ENDED_ANSWERED, 502, -1}}, 1, {0}},
	{"a_status_beyond_the_set_is_not_retried",
	 POLICY(.backoff = RETRY_IMMEDIATE, .max_attempts = 3), {.outcome = {ENDED_ANSWERED, 999, -1}}, 1, {0}},
	{"a_timeout_is_not_an_error",
	 POLICY(.backoff = RETRY_IMMEDIATE, .max_attempts = 3, .on_error = true), {.outcome = {ENDED_TIMEOUT, 0, -1}}, 1, {0}},
	{"a_timeout_is_retried_when_asked", POLICY(.backoff = RETRY_IMMEDIATE, .max_attempts = 2, .on_timeout = true),
	 {.outcome = {ENDED_TIMEOUT, 0, -1}, .took_ms = 500}, 2, {0, 500}},
	{"an_error_is_retried_when_asked",
	 POLICY(.backoff = RETRY_IMMEDIATE, .max_attempts = 2, .on_error = true), {.outcome = {ENDED_ERROR, 0, -1}}, 2, {0, 0}},
	{"retry_after_replaces_the_wait",
	 POLICY(EXPONENTIAL(3), .honour_retry_after = true, .retry_after_max_ns = 5000 * MS),
	 {.outcome = {ENDED_ANSWERED, 503, 2500 * (int64_t)MS}}, 3, {0, 2500, 5000}},
	{"retry_after_0_is_at_once",
	 POLICY(EXPONENTIAL(3), .honour_retry_after = true), {.outcome = {ENDED_ANSWERED, 503, 0}}, 3, {0, 0, 0}},
	{"retry_after_beyond_the_limit_ends_it",
	 POLICY(EXPONENTIAL(3), .honour_retry_after = true, .retry_after_max_ns = 1000 * MS),
	 {.outcome = {ENDED_ANSWERED, 503, 1001 * (int64_t)MS}}, 1, {0}},
	{"retry_after_can_be_ignored",
	 POLICY(EXPONENTIAL(3)), {.outcome = {ENDED_ANSWERED, 503, 2500 * (int64_t)MS}}, 3, {0, 1000, 3000}},
};

/* Plays one call out on a clock that only waits and attempts move; returns the attempts, their times in at_ms. */
static unsigned play(const struct retry_policy *policy, const struct peer *peer, unsigned at_ms[ATTEMPTS_MAX])
{
	uint64_t clock_ns = 0, wait_ns = 0;
	struct retry call;
	unsigned attempts = 0;

	retry_begin(&call, policy);
	do {
		clock_ns += wait_ns;
		if (attempts < ATTEMPTS_MAX)
			at_ms[attempts] = (unsigned)(clock_ns / MS);
		attempts++;
		clock_ns += peer->took_ms * MS;
	} while (retry_next(&call, &peer->outcome, peer->uniform, &wait_ns));
	return attempts;
}

static void check_table(void)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		const struct expected *e = &table[i];
		unsigned at_ms[ATTEMPTS_MAX] = {0}, n = play(&e->policy, &e->peer, at_ms);

		if (ok(n == e->attempts && !memcmp(at_ms, e->at_ms, sizeof(at_ms)), "%s", e->sentence))
			continue;
		printf("# %u attempts, at", n);
		for (unsigned k = 0; k < n && k < ATTEMPTS_MAX; k++)
			printf(" %u", at_ms[k]);
		printf(" ms\n");
	}
}

/* A peer that recovers: the call ends with its first good answer. */
static void check_recovery(void)
{
	struct retry_policy policy = POLICY(.backoff = RETRY_IMMEDIATE, .max_attempts = 5);
	struct retry_outcome bad = {ENDED_ANSWERED, 503, -1}, good = {ENDED_ANSWERED, 200, -1};
	struct retry call;
	uint64_t wait_ns;

	retry_begin(&call, &policy);
	ok(retry_next(&call, &bad, 0, &wait_ns) && retry_next(&call, &bad, 0, &wait_ns) && !retry_next(&call, &good, 0, &wait_ns),
	   "a_good_answer_ends_a_call_that_was_retried");
	is_int(call.attempts, 3, "and_it_took_three_attempts");
}

/* Long schedules stay at their cap: no wait may wrap around. */
static void check_long_schedule(void)
{
	struct retry_policy policy = POLICY(GROWING(100, 100, 3600000));
	struct retry_outcome bad = {ENDED_ANSWERED, 503, -1};
	struct retry call;
	uint64_t wait_ns = 0, longest = 0;
	unsigned waits = 0;

	for (retry_begin(&call, &policy); retry_next(&call, &bad, 0, &wait_ns); waits++)
		longest = wait_ns > longest ? wait_ns : longest;
	is_int(waits, 99, "a_hundred_attempts_have_99_waits");
	ok(longest == policy.cap_ns && wait_ns == policy.cap_ns, "waits_stay_at_the_cap");
}

int main(void)
{
	check_table();
	check_recovery();
	check_long_schedule();
	return tap_done();
}

/* SPDX-License-Identifier: MIT */
/* The demos' idempotency keys, by table under a fake clock: every state met by every payload, owners that die, storages that fail. */
#include <pthread.h>

#include "demos/service/idempotency.h"
#include "demos/service/idempotency_memory.h"
#include "tests/lib/tap.h"

#define MS 1000000ull
#define S (1000 * MS)
#define OWNERS_MAX 8

static uint64_t fake_ns;

static uint64_t fake_now_ns(void)
{
	return fake_ns;
}

static const struct idempotency_policy policy = {.ttl_ns = 9 * S, .lease_ns = 3 * S};

/*
 * A script of pairs, all under one key.
 *     a?, b?  a request with payload A or B comes and is told: R run, T take over, P replay, I in progress, O other payload, D down
 *     e?, n?  the oldest owner, or the newest, ends with an answer of so many hundred (4: 409, 9: 404), and that is put down
 *     x?      the oldest owner ends so, and that can not be put down
 *     t?      so many seconds go by
 */
static const struct story {
	const char *sentence, *acts;
	size_t records;		/* at the end */
} stories[] = {
	{"the_first_runs", "aR", 1},
	{"a_second_is_told_that_it_is_in_progress", "aRaI", 1},
	{"another_payload_is_refused_meanwhile", "aRbO", 1},
	{"afterwards_the_answer_is_replayed", "aRe2aPaP", 1},
	{"but_not_to_another_payload", "aRe2bO", 1},
	{"a_refusal_of_the_request_settles_it_too", "aRe9aP", 1},
	{"an_answer_of_500_does_not_settle_it", "aRe5aR", 1},
	{"nor_does_409", "aRe4aR", 1},
	{"what_is_not_settled_leaves_nothing_behind", "aRe5", 0},
	{"and_the_key_is_free_for_another_payload", "aRe5bR", 1},
	{"an_owner_within_its_lease_is_left_alone", "aRt2aI", 1},
	{"one_whose_lease_is_over_is_succeeded", "aRt3aT", 1},
	{"but_not_by_another_payload", "aRt3bO", 1},
	{"the_successor_has_a_lease_of_its_own", "aRt3aTt2aI", 1},
	{"which_ends_too", "aRt3aTt3aT", 1},
	{"the_successors_answer_is_kept", "aRt3aTn2aP", 1},
	{"an_owner_that_is_only_slow_can_still_put_its_answer_down", "aRt4e2aP", 1},
	{"unless_it_was_succeeded", "aRt3aTx2aI", 1},
	{"and_then_the_successors_counts", "aRt3aTx2n2aP", 1},
	{"a_failed_owner_does_not_take_the_successors_record_away", "aRt3aTx5aI", 1},
	{"an_answer_is_kept_for_its_ttl", "aRe2t8aP", 1},
	{"and_no_longer", "aRe2t9aR", 1},
	{"then_another_payload_may_use_the_key", "aRe2t9bR", 1},
	{"the_ttl_counts_from_the_answer", "aRt2e2t8aP", 1},
	{"a_replay_does_not_lengthen_it", "aRe2t5aPt4aR", 1},
	{"an_owner_that_died_is_forgotten_after_the_ttl", "aRt9bR", 1},
	{"an_owner_that_comes_back_after_the_ttl_puts_nothing_down", "aRt9x2", 0},
	{"nor_over_somebody_else", "aRt9bRx2bI", 1},
};

struct player {
	struct idempotency_storage storage;
	struct idempotency owners[OWNERS_MAX];
	unsigned first, last;
	uint64_t version;
};

static int come(struct player *p, char payload, char told)
{
	static const char letters[] = "RTPIOD";	/* in the order of the verdicts */
	struct idempotency *call = &p->owners[p->last];
	enum idempotency_verdict verdict = idempotency_begin(call, &policy, &p->storage, "key", (uint64_t)payload, p->version += 2);

	if (verdict == IDEMPOTENCY_REPLAY && (!call->found.body || strcmp(call->found.body, "answer") || call->found.length != 6 ||
					      strcmp(call->found.content_type, "text/plain") || call->found.status < 200))
		return 0;
	if (verdict == IDEMPOTENCY_RUN || verdict == IDEMPOTENCY_TAKE_OVER)
		p->last++;
	else
		idempotency_clear(call);
	return letters[verdict] == told;
}

static int end(struct player *p, unsigned owner, char hundreds)
{
	unsigned status = hundreds == '4' ? 409 : hundreds == '9' ? 404 : (unsigned)(hundreds - '0') * 100;

	return idempotency_end(&p->owners[owner], status, "text/plain", NULL, "answer", 6);
}

static int play(struct player *p, char act, char how)
{
	switch (act) {
	case 't':
		fake_ns += (uint64_t)(how - '0') * S;
		return 1;
	case 'e':
		return end(p, p->first++, how);
	case 'x':
		return !end(p, p->first++, how);
	case 'n':
		return end(p, --p->last, how);
	default:
		return come(p, act, how);
	}
}

static void check_story(const struct story *s)
{
	struct idempotency_memory *memory = idempotency_memory_new(100, fake_now_ns);
	struct player p = {.storage = idempotency_memory_storage(memory)};
	size_t i, records;

	for (i = 0; s->acts[i]; i += 2)
		if (!play(&p, s->acts[i], s->acts[i + 1]))
			break;
	records = idempotency_memory_count(memory);
	if (!ok(!s->acts[i] && records == s->records, "%s", s->sentence))
		printf("# after %zu characters of \"%s\": %zu records\n", i, s->acts, records);
	for (i = 0; i < OWNERS_MAX; i++)
		idempotency_clear(&p.owners[i]);
	idempotency_memory_free(memory);
}

static void check_keeps(void)
{
	static const struct { unsigned status; bool keeps; } cases[] = {
		{200, true}, {201, true}, {302, true}, {400, true}, {404, true}, {422, true}, {408, false}, {409, false}, {425, false},
		{429, false}, {500, false}, {502, false}, {503, false}, {504, false}, {499, true}, {599, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		ok(idempotency_keeps(cases[i].status) == cases[i].keeps, "an_answer_of_%u_is_%s", cases[i].status,
		   cases[i].keeps ? "kept" : "tried_again");
}

/* ---- storages that misbehave ---- */

static unsigned swaps;

static enum idempotency_swap swap_down(void *context, const char *key, uint64_t expected, const struct idempotency_record *record,
				       struct idempotency_record *found)
{
	*found = (struct idempotency_record){.version = 0};
	return IDEMPOTENCY_STORAGE_DOWN;
}

/* Somebody else's record has come and gone whenever one looks. */
static enum idempotency_swap swap_restless(void *context, const char *key, uint64_t expected, const struct idempotency_record *record,
					   struct idempotency_record *found)
{
	swaps++;
	*found = (struct idempotency_record){.version = expected + 1, .fingerprint = 'a', .age_ns = 5 * S, .lease_ns = S, .ttl_ns = 9 * S};
	return IDEMPOTENCY_DIFFERS;
}

static void check_bad_storages(void)
{
	const struct idempotency_storage down = {.swap = swap_down}, restless = {.swap = swap_restless};
	struct idempotency call;

	is_int(idempotency_begin(&call, &policy, &down, "key", 'a', 7), IDEMPOTENCY_DOWN, "a_storage_that_is_down_lets_nothing_run");
	ok(!idempotency_end(&call, 200, NULL, NULL, NULL, 0), "and_takes_no_answer");
	idempotency_clear(&call);
	is_int(idempotency_begin(&call, &policy, &restless, "key", 'a', 7), IDEMPOTENCY_IN_PROGRESS,
	       "who_is_always_outrun_is_told_that_others_are_at_work");
	ok(swaps > 1 && swaps < 10, "after_a_few_tries");
	idempotency_clear(&call);
}

static void check_limit(void)
{
	struct idempotency_memory *memory = idempotency_memory_new(2, fake_now_ns);
	struct idempotency_storage storage = idempotency_memory_storage(memory);
	struct idempotency calls[4];

	ok(idempotency_begin(&calls[0], &policy, &storage, "one", 1, 10) == IDEMPOTENCY_RUN &&
	   idempotency_begin(&calls[1], &policy, &storage, "two", 1, 20) == IDEMPOTENCY_RUN, "keys_do_not_know_of_each_other");
	is_int(idempotency_begin(&calls[2], &policy, &storage, "three", 1, 30), IDEMPOTENCY_DOWN, "a_full_memory_takes_no_more_keys");
	ok(idempotency_end(&calls[0], 200, NULL, NULL, "x", 1), "but_the_answers_to_those_it_has");
	fake_ns += 9 * S;
	is_int(idempotency_begin(&calls[3], &policy, &storage, "three", 1, 30), IDEMPOTENCY_RUN, "and_others_when_those_have_expired");
	is_int(idempotency_memory_count(memory), 1, "which_are_gone_then");
	for (unsigned i = 0; i < 4; i++)
		idempotency_clear(&calls[i]);
	idempotency_memory_free(memory);
}

/* Thousands of keys: found again after the buckets have grown, and gone with their ttl. */
static void check_many(void)
{
	struct idempotency_memory *memory = idempotency_memory_new(100000, fake_now_ns);
	struct idempotency_storage storage = idempotency_memory_storage(memory);
	unsigned replayed = 0, n = 20000;
	struct idempotency call;
	char key[32];

	for (unsigned i = 0; i < 2 * n; i++) {
		snprintf(key, sizeof(key), "key-%u", i % n);
		switch (idempotency_begin(&call, &policy, &storage, key, i % n, 2 * i + 2)) {
		case IDEMPOTENCY_RUN:
			idempotency_end(&call, 200, NULL, NULL, key, strlen(key));
			break;
		case IDEMPOTENCY_REPLAY:
			replayed += !strcmp(call.found.body, key);
			break;
		default:
			break;
		}
		idempotency_clear(&call);
	}
	is_int(replayed, n, "each_of_many_keys_has_the_answer_that_is_its_own");
	is_int(idempotency_memory_count(memory), n, "and_one_record");
	fake_ns += 9 * S;
	idempotency_begin(&call, &policy, &storage, "later", 1, 2);
	is_int(idempotency_memory_count(memory), 1, "and_all_expire");
	idempotency_clear(&call);
	idempotency_memory_free(memory);
}

/* ---- many at once ---- */

#define THREADS 4
#define ROUNDS 500

static struct idempotency_storage shared;
static _Atomic unsigned ran[ROUNDS];

static void *compete(void *context)
{
	uint64_t versions = (uint64_t)(uintptr_t)context << 32;
	struct idempotency call;
	char key[32];

	for (unsigned i = 0; i < ROUNDS; i++) {
		snprintf(key, sizeof(key), "key-%u", i);
		if (idempotency_begin(&call, &policy, &shared, key, 1, versions += 2) == IDEMPOTENCY_RUN) {
			ran[i]++;
			idempotency_end(&call, 200, NULL, NULL, "x", 1);
		}
		idempotency_clear(&call);
	}
	return NULL;
}

static void check_concurrent(void)
{
	struct idempotency_memory *memory = idempotency_memory_new(100000, fake_now_ns);
	pthread_t threads[THREADS];
	unsigned twice = 0;

	shared = idempotency_memory_storage(memory);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, compete, (void *)(i + 1));
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < ROUNDS; i++)
		twice += ran[i] != 1;
	is_int(twice, 0, "of_many_at_once_one_runs");
	idempotency_memory_free(memory);
}

static void check_fingerprint(void)
{
	uint64_t whole = idempotency_fingerprint(IDEMPOTENCY_FINGERPRINT, "foobar", 6);

	ok(whole == 0x85944171f73967e8ull, "the_fingerprint_is_fnv_1a_of_64_bit");
	ok(idempotency_fingerprint(idempotency_fingerprint(IDEMPOTENCY_FINGERPRINT, "foo", 3), "bar", 3) == whole, "also_in_parts");
}

int main(void)
{
	for (size_t i = 0; i < sizeof(stories) / sizeof(*stories); i++)
		check_story(&stories[i]);
	check_keeps();
	check_bad_storages();
	check_limit();
	check_many();
	check_concurrent();
	check_fingerprint();
	return tap_done();
}

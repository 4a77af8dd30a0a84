/* SPDX-License-Identifier: MIT */
/* Idempotency keys as they stand in Redis: what is written is read again, and what somebody else wrote there is refused. */
#include "demos/service/idempotency_redis.h"
#include "tests/lib/tap.h"

#define MS 1000000ull

static void check_round(const char *what, struct idempotency_record record, int64_t left_ms, uint64_t age_ns)
{
	struct idempotency_record got = {.version = 0};
	size_t length = 0;
	char *text = idempotency_redis_write(&record, &length);

	ok(text && idempotency_redis_read(text, length, left_ms, &got) && got.version == record.version &&
	   got.fingerprint == record.fingerprint && got.is_done == record.is_done && got.status == record.status &&
	   got.lease_ns == record.lease_ns && got.ttl_ns == record.ttl_ns && got.length == record.length &&
	   !memcmp(got.body ? got.body : "", record.body ? record.body : "", record.length) &&
	   !strcmp(got.degraded ? got.degraded : "none", record.degraded ? record.degraded : "none") &&
	   !strcmp(got.content_type ? got.content_type : "none", record.content_type ? record.content_type : "none"), "%s_is_read_as_written", what);
	is_int(got.age_ns, age_ns, "%s_has_an_age", what);
	idempotency_record_clear(&got);
	free(text);
}

static void check_strangers(void)
{
	static const char *const texts[] = {
		"", "\n", "hello", "000000000000000a done 000000000000000b 1 2 200", "000000000000000a done 000000000000000b 1 2 200 0 -1 \n",
		"000000000000000a done 000000000000000b 1 2 200 99 -1\nshort", "000000000000000a done 000000000000000b 1 2 200 -2 -1\n",
		"000000000000000a over 000000000000000b 1 2 200 0 -1\n", "0000000000000000 done 000000000000000b 1 2 200 0 -1\n",
		"000000000000000a done 000000000000000b 1 99999999999999999999 200 0 -1\n", "000000000000000a done 000000000000000b 1 2 99 0 -1\n",
		"000000000000000a done 000000000000000b 1 2 600 0 -1\n", "zz done 000000000000000b 1 2 200 0 -1\n", "000000000000000a done 0b 1 2 200\n",
		"000000000000000a done 000000000000000b 1 2 200 9223372036854775807 -1\n",
		"000000000000000a done 000000000000000b 1 2 200 0\n", "000000000000000a done 000000000000000b 1 2 200 0 -2\n",
		"000000000000000a done 000000000000000b 1 2 200 3 3\nshort", "000000000000000a done 000000000000000b 1 2 200 0 9223372036854775807\n",
	};
	struct idempotency_record got;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		char *exact = malloc(strlen(texts[i]) ? strlen(texts[i]) : 1);	/* without a NUL, so that a sanitizer sees what reads beyond */

		memcpy(exact, texts[i], strlen(texts[i]));
		ok(!idempotency_redis_read(exact, strlen(texts[i]), 1, &got), "no_record_%zu", i);
		free(exact);
	}
}

int main(void)
{
	const struct idempotency_record work = {.version = 0xfedcba9876543210, .fingerprint = 7, .lease_ns = 30000 * MS, .ttl_ns = 86400000 * MS};
	struct idempotency_record done = work;

	check_round("one_in_progress", work, 86400000 - 250, 250 * MS);
	check_round("one_that_is_past_its_time", work, 0, 86400000 * MS);
	check_round("one_without_a_time", work, -1, 86400000 * MS);
	check_round("one_with_too_much_time", work, INT64_MAX, 0);
	done.is_done = true;
	done.status = 201;
	check_round("an_answer_without_a_body", done, 1, 86399999 * MS);
	done.content_type = (char *)"application/json";
	done.body = (char *)"{\"a\":\n\0\"b\"}";
	done.length = 12;
	check_round("an_answer_with_newlines_and_zeros", done, 86400000, 0);
	done.degraded = (char *)"stock, prices";
	check_round("a_degraded_answer", done, 86400000, 0);
	done.content_type = NULL;
	check_round("a_degraded_answer_without_a_type", done, 86400000, 0);
	check_strangers();
	return tap_done();
}

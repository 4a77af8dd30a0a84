/* SPDX-License-Identifier: MIT */
/* The demos' outbox: what an attempt makes of a message; a worker whose database is not there waits, and ends when it is told to. */
#include <unistd.h>

#include "demos/service/clock.h"
#include "demos/service/outbox.h"
#include "demos/service/postgres.h"
#include "demos/service/service.h"
#include "tests/lib/tap.h"

#define MS 1000000ull

static void check_judge(void)
{
	static const struct { unsigned status; enum outbox_verdict verdict; } cases[] = {
		{0, OUTBOX_RETRIED}, {200, OUTBOX_SENT}, {202, OUTBOX_SENT}, {204, OUTBOX_SENT}, {302, OUTBOX_SENT}, {400, OUTBOX_GIVEN_UP},
		{404, OUTBOX_GIVEN_UP}, {422, OUTBOX_GIVEN_UP}, {408, OUTBOX_RETRIED}, {409, OUTBOX_RETRIED}, {425, OUTBOX_RETRIED},
		{429, OUTBOX_RETRIED}, {500, OUTBOX_RETRIED}, {503, OUTBOX_RETRIED}, {504, OUTBOX_RETRIED},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		ok(outbox_judge(cases[i].status) == cases[i].verdict, "a_message_answered_with_%u_is_%s", cases[i].status,
		   outbox_verdict_names[cases[i].verdict]);
}

/* Without its database: it tries, less and less often, and does not hold up the end. */
static void check_without_database(void)
{
	const struct store_config store_config = {.name = "db", .service = "t", .kind = &postgres_kind, .pool = {.width = 1},
						  .address = "host=127.0.0.1 port=1 dbname=x user=x", .connect_timeout_ns = 100 * MS,
						  .timeout_ns = 100 * MS};
	const struct outbox_config config = {.table = "t", .path = "/", .poll_ns = MS, .lease_ns = MS, .batch = 1,
					     .backoff = {.backoff = RETRY_EXPONENTIAL, .max_attempts = 1000, .multiplier = 2, .on_error = true,
							 .base_ns = 20 * MS, .cap_ns = 10000 * MS}};
	struct store store;
	struct service service = {.stores = &store};
	struct outbox outbox;
	uint64_t began_ns;

	store_init(&store, &store_config);
	is_int(outbox_start(&outbox, &config, &service), 0, "a_worker_starts_without_its_database");
	usleep(150000);	/* waits of 20, 40, 80, 160 ms */
	ok(outbox.database_failures >= 1 && outbox.database_failures <= 5, "and_asks_for_it_now_and_then");
	ok(outbox.pending == -1, "what_was_never_counted_is_not_known");
	began_ns = clock_now_ns();
	outbox_stop(&outbox, 10000 * MS);
	ok(clock_now_ns() - began_ns < 3000 * MS, "it_ends_when_it_is_told_to");
	store_clear(&store);
}

int main(void)
{
	check_judge();
	check_without_database();
	return tap_done();
}

/* SPDX-License-Identifier: MIT */
/* A rate of bytes: what is earned, when, and what is lost. */
#include "base/clock.h"
#include "base/pace.h"
#include "tests/lib/tap.h"

#define START (123 * NS_PER_S + 456)

/* Takes whatever is there whenever a part of at most `part` bytes is, for `ns`; returns the bytes. */
static uint64_t drive(uint64_t rate, uint64_t part, uint64_t late_ns, uint64_t ns, uint64_t *wakes)
{
	struct pace p;
	uint64_t now = START, bytes = 0;

	pace_begin(&p, rate, START);
	for (*wakes = 0; now < START + ns; ++*wakes) {
		uint64_t some = pace_credit(&p, now);

		pace_take(&p, some);
		bytes += some;
		now = pace_due_ns(&p, part < pace_slice(&p) ? part : pace_slice(&p)) + late_ns;
	}
	return bytes;
}

static void check_rates(void)
{
	static const uint64_t rates[] = {1, 7, 99, 1024, 65536, 1000003, 104857600, 1ull << 40};

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		uint64_t rate = rates[i], wakes, bytes = drive(rate, UINT64_MAX, 0, 10 * NS_PER_S, &wakes);
		uint64_t late = drive(rate, UINT64_MAX, 3 * NS_PER_MS, 10 * NS_PER_S, &wakes);

		ok(bytes <= 10 * rate && bytes >= 10 * rate - 2 * (rate / 100 + 1), "%" PRIu64 " bytes per second are that, over ten seconds", rate);
		ok(late <= 10 * rate && late * 100 >= 98 * (10 * rate - rate / 50 - 2), "also for who comes late each time: %" PRIu64, late);
		ok(wakes <= 1001, "and nobody is woken more than a hundred times a second: %" PRIu64, wakes);
	}
}

static void check_credit(void)
{
	struct pace p;

	pace_begin(&p, 1000, START);
	is_int(pace_credit(&p, START), 0, "at first nothing is earned");
	is_int(pace_credit(&p, START - 5), 0, "nor before");
	is_int(pace_credit(&p, START + 7 * NS_PER_MS), 7, "then a byte each millisecond");
	is_int(pace_due_ns(&p, 7) - START, 7 * NS_PER_MS, "and it is known when");
	pace_take(&p, 7);
	is_int(pace_credit(&p, START + 7 * NS_PER_MS), 0, "what is taken is gone");
	is_int(pace_due_ns(&p, 10) - START, 17 * NS_PER_MS, "the next bytes come behind it");
	pace_take(&p, 5);
	is_int(pace_credit(&p, START + 12 * NS_PER_MS), 0, "too much taken is a debt");
	is_int(pace_credit(&p, START + 20 * NS_PER_MS), 8, "that is worked off");
	pace_forfeit(&p, 3, START + 20 * NS_PER_MS);
	is_int(pace_credit(&p, START + 20 * NS_PER_MS), 3, "credit can be let go of");
	is_int(pace_credit(&p, START + 22 * NS_PER_MS), 5, "and grows from there");
	pace_forfeit(&p, 100, START + 22 * NS_PER_MS);
	is_int(pace_credit(&p, START + 22 * NS_PER_MS), 5, "less than the most is kept");
}

static void check_slices(void)
{
	struct pace p;

	pace_begin(&p, 3, START);
	is_int(pace_slice(&p), 1, "a slice is at least a byte");
	ok(pace_due_ns(&p, 1) - START == 333333334, "which at 3 bytes per second comes after a third of it");
	is_int(pace_credit(&p, pace_due_ns(&p, 1)), 1, "and is there when it is said to be");
	pace_begin(&p, 65536, START);
	is_int(pace_slice(&p), 655, "of 64k it is ten milliseconds' worth");
	is_int(pace_backlog(&p), 65536, "a buffer keeps 64 KB of it for who comes late");
	pace_begin(&p, 100000000, START);
	is_int(pace_backlog(&p), 10000000, "of a fast rate, 100 ms' worth");
	pace_begin(&p, UINT64_MAX, START);
	ok(pace_credit(&p, START + 3600 * NS_PER_S) == UINT64_MAX && pace_due_ns(&p, UINT64_MAX) <= START + NS_PER_S + 1,
	   "the largest rate does not wrap round");
}

int main(void)
{
	check_rates();
	check_credit();
	check_slices();
	return tap_done();
}

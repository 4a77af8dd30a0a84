/* SPDX-License-Identifier: MIT */
/* The moments at which many look, each every so often. */
#include "base/clock.h"
#include "tests/lib/tap.h"

#define EVERY (50 * NS_PER_MS)
#define MANY 1000
#define PARTS 10

static void each_looks_once_in_every_period(void)
{
	const uint64_t nows[] = {1, EVERY - 1, EVERY, EVERY + 1, 123456789012345};
	unsigned late = 0, unsteady = 0;

	for (unsigned i = 0; i < sizeof(nows) / sizeof(*nows); i++)
		for (uint32_t who = 0; who < MANY; who++) {
			uint64_t next = clock_tick_ns(nows[i], EVERY, who);

			late += next <= nows[i] || next > nows[i] + EVERY;
			unsteady += clock_tick_ns(next, EVERY, who) != next + EVERY || clock_tick_ns(next - 1, EVERY, who) != next;
		}
	is_int(late, 0, "the next look is within one period");
	is_int(unsteady, 0, "and all others one period apart");
}

/* Threads have ids that follow one another. */
static void neighbours_do_not_look_together(uint32_t first)
{
	unsigned at[PARTS] = {0}, crowded = 0;

	for (uint32_t who = first; who < first + MANY; who++)
		at[clock_tick_ns(1000 * EVERY, EVERY, who) % EVERY / (EVERY / PARTS)]++;
	for (unsigned i = 0; i < PARTS; i++)
		crowded += at[i] > MANY / PARTS * 11 / 10;
	is_int(crowded, 0, "a tenth of the period has a tenth of them, within ten per cent, from %u on", first);
}

int main(void)
{
	each_looks_once_in_every_period();
	neighbours_do_not_look_together(1);
	neighbours_do_not_look_together(4000000);
	return tap_done();
}

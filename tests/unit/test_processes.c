/* SPDX-License-Identifier: MIT */
/* The table of followed processes: many, in any order, some going while others stay. */
#include "ebpf/processes.h"
#include "tests/lib/tap.h"

#define MANY 20000u

static uint32_t nth(uint32_t i)
{
	return i * 7919u % 4194301u + 1;	/* each once: both are primes */
}

int main(void)
{
	struct processes ps = {0};
	struct processes_entry *first;
	bool found = true, gone = true;
	size_t walked = 0;

	ok(!processes_find(&ps, 1) && !processes_count(&ps), "it is empty at first");
	ok(!processes_add(&ps, 0), "no pid is no process");
	first = processes_add(&ps, nth(0));
	first->told = true;
	for (uint32_t i = 0; i < MANY; i++)
		found &= processes_add(&ps, nth(i)) && processes_find(&ps, nth(i))->p.pid == nth(i);
	ok(found, "who is added is found");
	is_int(processes_count(&ps), MANY, "each once");
	ok(processes_find(&ps, nth(0)) == first && first->told, "at the same place, as it was");
	for (uint32_t i = 1; i < MANY; i += 2)
		processes_remove(&ps, nth(i));
	for (uint32_t i = 0; i < MANY; i++)
		gone &= !processes_find(&ps, nth(i)) == (i % 2 == 1);
	ok(gone, "who is removed is gone, the others are not");
	processes_remove(&ps, nth(1));
	LIST_FOREACH (first, &ps.all, all)
		walked++;
	ok(walked == MANY / 2 && processes_count(&ps) == MANY / 2, "and they are walked");
	processes_free(&ps);
	is_int(processes_count(&ps), 0, "it is empty in the end");
	return tap_done();
}

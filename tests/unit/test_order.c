/* SPDX-License-Identifier: MIT */
/* Records come out in the order of their keys, each once and whole. */
#include "ebpf/events.h"
#include "ebpf/order.h"
#include "ebpf/tracer.h"
#include "tests/lib/tap.h"
#include "tests/unit/memory.h"

#include <errno.h>
#include <malloc.h>

static char taken[4096];
static uint64_t last_key, wrong, misaligned;

static void take_text(void *arg, const void *record, size_t size)
{
	strncat(taken, record, size);
	misaligned += (uintptr_t)record % 8;
}

static void put(struct order *o, uint64_t key, const char *text)
{
	if (order_put(o, key % 2, key, text, strlen(text)))
		wrong++;
}

static void test_order(void)
{
	struct order o = {0};

	put(&o, 30, "c");
	put(&o, 10, "a");
	put(&o, 20, "first b, ");
	put(&o, 20, "then b, ");
	is_int(order_take(&o, 20, take_text, NULL), 3, "only keys up to the limit are taken");
	is_str(taken, "afirst b, then b, ", "lowest first, the same keys as they were put");
	taken[0] = '\0';
	put(&o, 5, "late ");
	put(&o, 30, "d");
	is_int(order_take(&o, UINT64_MAX, take_text, NULL), 3, "the rest comes later");
	is_str(taken, "late cd", "what was put before stays before what was put after it with the same key");
	is_int(order_take(&o, UINT64_MAX, take_text, NULL), 0, "nothing comes twice");
	taken[0] = '\0';
	for (unsigned i = 0; i < 6; i++)
		order_put(&o, i % 2, 40, &"abcdef"[i], 1);
	order_take(&o, 40, take_text, NULL);
	is_str(taken, "abcdef", "the same keys keep their order also across lanes");
	is_int(misaligned, 0, "records are aligned");
	order_free(&o);
}

struct item {
	uint64_t key, check;
	unsigned char rest[1000];
};

static void take_item(void *arg, const void *record, size_t size)
{
	const struct item *i = record;

	wrong += i->key < last_key || i->check != i->key * 31 + size || i->rest[size - 17] != (unsigned char)i->key;
	last_key = i->key;
	++*(unsigned *)arg;
}

/* Keys wander upwards and late ones come within the slack; all that is put is taken. */
static void test_many(void)
{
	struct order o = {0};
	uint64_t seed = 1;
	unsigned n = 0, in = 0;

	wrong = 0;
	for (uint64_t base = 1000; base < 21000; base++) {
		struct item i;
		size_t size = 17 + (seed = seed * 6364136223846793005ull + 1) % 900;

		i.key = base + (seed >> 40) % 50;
		i.check = i.key * 31 + size;
		memset(i.rest, 0, sizeof(i.rest));
		i.rest[size - 17] = (unsigned char)i.key;
		in += !order_put(&o, (unsigned)(seed >> 50) % 2, i.key, &i, size);
		if (base % 100 == 0)
			order_take(&o, base, take_item, &n);
	}
	order_take(&o, UINT64_MAX, take_item, &n);
	is_int(n, in, "all that was put is taken");
	is_int(wrong, 0, "in order, and as it was put");
	is_int(o.held, 0, "nothing is held any more");
	ok(o.lanes[0].room <= 1024 && o.lanes[1].room <= 1024, "memory is that of what was held at once (%zu and %zu items)", o.lanes[0].room,
	   o.lanes[1].room);
	is_int(order_put(&o, 0, 1, &o, ORDER_RECORD_MAX + 1), -EMSGSIZE, "a record that is none is refused");
	order_free(&o);
}

static void take_key(void *arg, const void *record, size_t size)
{
	uint64_t key = *(const uint64_t *)record;

	wrong += key < last_key;
	last_key = key;
}

/* Worst case: each record precedes all that are there. Much is held, and given back. */
static void test_backwards(void)
{
	struct order o = {0};
	uint64_t record[512] = {0};

	last_key = wrong = 0;
	for (record[0] = 9000; record[0]; record[0]--)
		order_put(&o, 1, record[0], record, sizeof(record));
	is_int(o.held, 9000 * sizeof(record), "what is held is counted");
	is_int(order_take(&o, 4500, take_key, NULL), 4500, "half of it comes");
	for (record[0] = 4501; record[0] < 9000; record[0] += 2)
		order_put(&o, 0, record[0], record, sizeof(record));
	order_take(&o, UINT64_MAX, take_key, NULL);
	is_int(o.held, 0, "then the rest");
	is_int(wrong, 0, "all in order");
	order_free(&o);
}

/* What is put back for later waits among a hundred thousand that do not. */
static void test_put_off(void)
{
	enum { MANY = 100000, EVERY = 500 };
	struct order o = {0};
	uint64_t record[128] = {0};
	size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
	uint64_t bytes;

	last_key = wrong = 0;
	for (record[0] = 1; record[0] <= MANY; record[0]++) {
		order_put(&o, 1, record[0], record, sizeof(record));
		if (record[0] % EVERY == 0) {
			order_put(&o, 2, record[0] + 2 * MANY, &(uint64_t){record[0] + 2 * MANY}, sizeof(uint64_t));
			order_take(&o, record[0], take_key, NULL);
		}
	}
	bytes = mallinfo2().uordblks + mallinfo2().hblkhd - before;
	is_int(o.held, MANY / EVERY * sizeof(uint64_t), "what is put off is all that is held");
	ok(bytes < 5 << 20, "it keeps no memory of what came and went meanwhile (%llu bytes)", (unsigned long long)bytes);
	order_take(&o, UINT64_MAX, take_key, NULL);
	is_int(wrong, 0, "and it comes in order");
	order_free(&o);
}

/* As much as the tracer takes from the rings, in records as small as there are, which it is told in the worst order of lanes. */
static void test_full(void)
{
	struct order o = {0};
	uint64_t record[sizeof(struct event) / 8] = {0};
	size_t before = mallinfo2().uordblks + mallinfo2().hblkhd, bytes;

	while (o.held < TRACER_HELD_MAX) {
		record[0]++;
		order_put(&o, record[0] % 65536 ? 0 : 1 + record[0] / 65536 % 2, record[0], record, sizeof(record));
	}
	bytes = mallinfo2().uordblks + mallinfo2().hblkhd - before;
	ok(bytes >> 20 < MEMORY_HELD, "what is held takes less than %d MiB (%zu)", MEMORY_HELD, bytes >> 20);
	order_free(&o);
}

int main(void)
{
	test_order();
	test_many();
	test_backwards();
	test_put_off();
	test_full();
	return tap_done();
}

/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target for the framing of Redis, PostgreSQL and memcached, and for what recognises protocols. The first two bytes
 * choose the protocol and the side, and how the rest is split; whole and split must give the same events, in memory of exact size.
 *
 *     make fuzz, or: clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -I. tests/fuzz/fuzz_wire.c record/wire.c
 *     record/protocol.c base/[h]*.c -o fuzz_wire
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "record/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Feeds n bytes; *seen becomes a digest of all events so far. False when framing is lost. */
static int feed(struct wire *w, const uint8_t *data, size_t n, uint64_t *seen)
{
	enum wire_event event;

	do {
		size_t used = wire_feed(w, data, n, &event);

		if (used > n || (event == WIRE_MORE && used != n))
			abort();
		data += used;
		n -= used;
		if (event != WIRE_MORE)
			*seen = hash_mix(*seen ^ event ^ (uint64_t)w->failed << 8);
		if (event == WIRE_NAMED)
			*seen = hash_bytes(*seen, w->name, strlen(w->name));
	} while (event != WIRE_MORE && event != WIRE_LOST);
	return event != WIRE_LOST;
}

/* Feeds all in pieces of at most `piece` bytes, each in memory of its own. */
static uint64_t follow(enum protocol p, enum wire_side side, const uint8_t *data, size_t n, size_t piece)
{
	struct wire w;
	uint64_t seen = 0;
	enum wire_event event;

	wire_init(&w, p, side, n & 1);
	while (n) {
		size_t k = n < piece ? n : piece;
		uint8_t *copy = malloc(k);
		int going;

		memcpy(copy, data, k);
		protocol_detect(copy, k);
		protocol_detect_mid(copy, k, k + piece % 3);
		protocol_answer_failed(p, copy, k);
		protocol_is_goodbye(p, copy, k);
		wire_ends_ready(copy, k);
		going = feed(&w, copy, k, &seen);
		free(copy);
		if (!going)
			return seen;
		data += k;
		n -= k;
	}
	seen = hash_mix(seen ^ wire_idle(&w));
	wire_skip(&w, 1 + piece, &event);
	return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum protocol protocols[] = {PROTOCOL_REDIS, PROTOCOL_POSTGRESQL, PROTOCOL_MEMCACHED, PROTOCOL_REDIS};
	enum protocol p;
	enum wire_side side;

	if (size < 2)
		return 0;
	p = protocols[data[0] >> 1 & 3];
	side = data[0] & 1 ? WIRE_ANSWERS : WIRE_ASKS;
	if (follow(p, side, data + 2, size - 2, size) != follow(p, side, data + 2, size - 2, 1u + data[1] % 16))
		abort();
	return 0;
}

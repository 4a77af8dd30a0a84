/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target for HTTP/1 framing. The first two bytes choose the role, the answered request, a place to stop and how
 * the rest is split; whole and split must give the same events and the same head, in memory of exact size.
 *
 *     clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -I. tests/fuzz/fuzz_http1.c base/http1*.c base/host.c -o fuzz_http1
 *     ./fuzz_http1 -max_total_time=60 -max_len=4096
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Feeds n bytes; *seen becomes a digest of all events and heads so far. False when opaque. */
static int feed(struct http1 *p, const uint8_t *data, size_t n, uint64_t *seen)
{
	enum http1_event event;

	do {
		size_t used = http1_feed(p, data, n, &event);

		if (used > n || (event == HTTP1_MORE && used != n))
			abort();
		data += used;
		n -= used;
		if (event != HTTP1_MORE)
			*seen = hash_mix(*seen ^ event);
		if (event == HTTP1_HEAD || event == HTTP1_INTERIM || event == HTTP1_DONE)
			*seen = hash_bytes(*seen, &p->head, sizeof(p->head));
	} while (event != HTTP1_MORE && event != HTTP1_OPAQUE);
	return event != HTTP1_OPAQUE;
}

/* Feeds all in pieces of at most `piece` bytes, each in memory of its own. */
static uint64_t follow(enum http1_role role, uint32_t request_flags, uint64_t stop, bool query, const uint8_t *data, size_t n, size_t piece)
{
	struct http1 p, rest;
	uint64_t seen = 0;
	int going = 1;

	http1_init(&p, role);
	if (query)
		http1_keep_query(&p);
	http1_answers(&p, request_flags);
	http1_stop(&p, stop);
	while (n && going) {
		size_t k = n < piece ? n : piece;
		uint8_t *copy = malloc(k);

		memcpy(copy, data, k);
		http1_plausible(role, copy, k);
		going = feed(&p, copy, k, &seen);
		free(copy);
		data += k;
		n -= k;
	}
	rest = p;
	if (http1_in_head(&rest) && http1_guess(&rest))
		seen = hash_bytes(hash_bytes(seen, rest.head.path, sizeof(rest.head.path)), &rest.head.status, sizeof(rest.head.status));
	return going ? hash_mix(seen ^ http1_eof(&p)) : seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum http1_role role;
	uint32_t flags;
	uint64_t stop;
	bool query;

	if (size < 2)
		return 0;
	role = data[0] & 1 ? HTTP1_RESPONSE : HTTP1_REQUEST;
	flags = (data[0] & 2 ? HTTP1_IS_HEAD : 0) | (data[0] & 4 ? HTTP1_IS_CONNECT : 0);
	stop = data[0] & 8 ? data[0] >> 4 : HTTP1_NO_STOP;
	query = data[1] & 0x80;
	if (follow(role, flags, stop, query, data + 2, size - 2, size) != follow(role, flags, stop, query, data + 2, size - 2, 1u + data[1]))
		abort();
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target for the exchange assembler: an input is a list of acts. Bytes come in memory of exact size. Whatever comes, an
 * exchange is told once: as a whole, or begun and then ended at most once; a connection is opened before it is closed.
 *
 * An act: its kind in the low 4 bits, its connection in the next two; then, for bytes, a byte of choices, how many are seen, how many more
 * are not, and those that are seen. Each connection is told to be anyone's.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "record/assembler.h"

#define SERIALS 8192

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was told of one. */
enum told { NEVER, BEGUN, OVER };

static uint8_t exchanges[SERIALS], connections[SERIALS];

static void tell(uint8_t *state, uint8_t from, uint8_t to)
{
	if (*state != from)
		abort();
	*state = to;
}

static void sink(void *arg, const struct journal_record *r)
{
	uint64_t x = r->exchange & ~ASSEMBLER_SERIAL, c = r->connection & ~ASSEMBLER_SERIAL;

	if (x >= SERIALS || c >= SERIALS)
		abort();
	switch (journal_kind(r)) {
	case JOURNAL_OPEN:
		tell(&connections[c], NEVER, BEGUN);
		return;
	case JOURNAL_CONNECTED:
		tell(&connections[c], BEGUN, BEGUN);
		return;
	case JOURNAL_CLOSE:
		tell(&connections[c], BEGUN, OVER);
		return;
	case JOURNAL_BEGIN:
		tell(&exchanges[x], NEVER, BEGUN);
		break;
	case JOURNAL_END:
		tell(&exchanges[x], BEGUN, OVER);
		break;
	case JOURNAL_WHOLE:
		tell(&exchanges[x], NEVER, OVER);
		break;
	default:
		abort();
	}
	tell(&connections[c], BEGUN, BEGUN);
	if (!memchr(r->x.path, 0, sizeof(r->x.path)) || !memchr(r->x.method, 0, sizeof(r->x.method)))
		abort();
	if (journal_kind(r) != JOURNAL_BEGIN && (!r->x.outcome || r->x.ended_ns < r->x.started_ns))
		abort();
}

static struct assembler *a;
static uint64_t now;
static uint32_t position[4][2];

/* Returns how many bytes of the input it took. */
static size_t move(const struct assembler_moment *m, unsigned which, const uint8_t *data, size_t size)
{
	struct assembler_bytes b = {0};
	size_t seen, more;
	uint8_t *copy;

	if (size < 3)
		return size;
	seen = data[1] < size - 3 ? data[1] : size - 3;
	more = data[2] & 0x80 ? (size_t)(data[2] & 0x7f) << 5 : 0;
	copy = malloc(seen);
	memcpy(copy, data + 3, seen);
	b.direction = data[0] & 1 ? ASSEMBLER_IN : ASSEMBLER_OUT;
	b.data = copy;
	b.captured = seen;
	b.bytes = seen + more;
	b.tail = more > 8 && data[0] & 2 ? (more & 32 ? "\r\n0\r\n\r\n" : "xxZ\0\0\0\5I") : NULL;
	b.placed = b.other_known = data[0] & 4;
	position[which][b.direction] += data[0] & 8 ? 7 : 0;
	position[which][!b.direction] += data[0] & 16 ? 9 : 0;
	b.position = position[which][b.direction];
	position[which][b.direction] += (uint32_t)b.bytes;
	b.other_position = position[which][!b.direction];
	assembler_bytes(a, m, &b);
	free(copy);
	return 3 + seen;
}

static size_t act(const uint8_t *data, size_t size)
{
	static const struct addr nowhere;
	unsigned which = data[0] >> 4 & 3;
	struct assembler_moment m = {.cookie = 1 + which, .pid = 10 + (data[0] >> 6), .tid = 5, .enter_ns = now, .exit_ns = now + 1000};

	now += 1000;
	switch (data[0] & 15) {
	case 0:
		assembler_open(a, &m, data[0] & 64 ? JOURNAL_CLIENT : JOURNAL_SERVER, data[0] & 128, &nowhere, &nowhere);
		assembler_place(a, m.cookie, position[which]);
		return 1;
	case 1:
		assembler_connected(a, &m, &nowhere, data[0] & 64 ? ECONNREFUSED : 0, JOURNAL_REFUSED);
		return 1;
	case 2:
		assembler_eof(a, &m);
		return 1;
	case 3:
		assembler_error(a, &m, data[0] & 64 ? ASSEMBLER_IN : ASSEMBLER_OUT, EPIPE);
		return 1;
	case 4:
		assembler_close(a, &m, JOURNAL_LOCAL_CLOSE, 0);
		return 1;
	case 5:
		assembler_broken(a, &m, JOURNAL_RESET, ECONNRESET);
		return 1;
	case 6:
		assembler_exited(a, m.pid, now);
		return 1;
	case 7:
		now += ASSEMBLER_LINGER_NS;
		assembler_tick(a, now);
		return 1;
	case 8:
		assembler_lossy(a);
		return 1;
	default:
		return 1 + move(&m, which, data + 1, size - 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct addr nowhere;

	memset(exchanges, 0, sizeof(exchanges));
	memset(connections, 0, sizeof(connections));
	memset(position, 0, sizeof(position));
	now = 1000000;
	a = assembler_new(3, sink, NULL);
	for (unsigned i = 0; i < 3; i++) {
		struct assembler_moment m = {.cookie = 1 + i, .pid = 10 + i, .enter_ns = now, .exit_ns = now};

		assembler_open(a, &m, i ? JOURNAL_CLIENT : JOURNAL_SERVER, i == 2, &nowhere, &nowhere);
	}
	while (size) {
		size_t used = act(data, size);

		data += used;
		size -= used;
	}
	assembler_finish(a, now);
	assembler_free(a);
	return 0;
}

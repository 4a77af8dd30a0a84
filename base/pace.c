/* SPDX-License-Identifier: MIT */
#include "base/pace.h"

#include "base/clock.h"

#define SLICE_NS (10 * NS_PER_MS)
#define BACKLOG_BYTES 65536
#define BACKLOG_NS (100 * NS_PER_MS)

typedef unsigned __int128 wide;

/* x * y / z; what does not fit is the largest number. */
static uint64_t ratio(uint64_t x, uint64_t y, uint64_t z)
{
	wide r = (wide)x * y / z;

	return r > UINT64_MAX ? UINT64_MAX : (uint64_t)r;
}

void pace_begin(struct pace *p, uint64_t bytes_per_s, uint64_t now_ns)
{
	*p = (struct pace){bytes_per_s, now_ns, 0};
}

uint64_t pace_slice(const struct pace *p)
{
	uint64_t bytes = ratio(p->bytes_per_s, SLICE_NS, NS_PER_S);

	return bytes ? bytes : 1;
}

uint64_t pace_backlog(const struct pace *p)
{
	uint64_t bytes = ratio(p->bytes_per_s, BACKLOG_NS, NS_PER_S);

	return bytes > BACKLOG_BYTES ? bytes : BACKLOG_BYTES;
}

uint64_t pace_credit(const struct pace *p, uint64_t now_ns)
{
	uint64_t earned = now_ns > p->since_ns ? ratio(p->bytes_per_s, now_ns - p->since_ns, NS_PER_S) : 0;

	return earned > p->taken ? earned - p->taken : 0;
}

uint64_t pace_due_ns(const struct pace *p, uint64_t bytes)
{
	wide ns = ((wide)p->taken + bytes) * NS_PER_S;

	ns = (ns + p->bytes_per_s - 1) / p->bytes_per_s + p->since_ns;
	return ns > UINT64_MAX ? UINT64_MAX : (uint64_t)ns;
}

void pace_take(struct pace *p, uint64_t bytes)
{
	p->taken += bytes;
}

void pace_forfeit(struct pace *p, uint64_t most, uint64_t now_ns)
{
	uint64_t needed = pace_due_ns(&(struct pace){p->bytes_per_s, 0, 0}, most);

	if (pace_credit(p, now_ns) <= most || needed > now_ns)
		return;
	p->since_ns = now_ns - needed;
	p->taken = 0;
}

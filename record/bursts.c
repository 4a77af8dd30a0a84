/* SPDX-License-Identifier: MIT */
#include "record/bursts.h"

#include <math.h>
#include <string.h>

#define FLOOR 5			/* retries in a bin; fewer are no burst however calm it was */
#define QUANTILE 0.999
#define TAIL 12			/* standard deviations below the mean: what lies beyond is less than 1e-30 */

uint64_t bursts_quantile(double mean)
{
	double low = floor(mean - TAIL * sqrt(mean) - TAIL), p, sum;
	uint64_t k = low > 0 ? (uint64_t)low : 0;

	if (!(mean > 0))
		return 0;
	p = exp((double)k * log(mean) - mean - lgamma((double)k + 1));
	for (sum = p; sum < QUANTILE; sum += p)
		p *= mean / (double)++k;
	return k;
}

void bursts_init(struct bursts *b, uint64_t start_ns, int64_t *ids, void (*tell)(void *arg, const struct burst *b), void *arg)
{
	memset(b, 0, sizeof(*b));
	b->start_ns = start_ns;
	b->ids = ids;
	b->tell = tell;
	b->arg = arg;
}

static uint64_t bin_of(const struct bursts *b, uint64_t at_ns)
{
	return at_ns > b->start_ns ? (at_ns - b->start_ns) / BURSTS_BIN_NS : 0;
}

/* ---- judging ---- */

static uint64_t width_of(const struct bursts *b)
{
	uint64_t width = (2 * b->rtt_ns + BURSTS_BIN_NS - 1) / BURSTS_BIN_NS;

	if (b->goes_on)
		return b->last.width;
	return width < 1 ? 1 : width > BURSTS_WIDTH_MAX ? BURSTS_WIDTH_MAX : width;
}

/* What is expected by chance in `width` bins, the last of which ends with bin `end`. */
static double expected(const struct bursts *b, uint64_t width, uint64_t end)
{
	bool calm = b->calm_ns && b->calm_ns - b->first_ns >= BURSTS_BASELINE_NS;
	uint64_t length = width * BURSTS_BIN_NS, over = b->start_ns + end * BURSTS_BIN_NS;
	uint64_t firsts = calm ? b->calm_firsts : b->firsts, until = calm ? b->calm_ns : over > b->latest_ns ? over : b->latest_ns;
	uint64_t seen = until > b->first_ns + length ? until - b->first_ns : length;

	return (double)firsts * (double)length / (double)seen;
}

static void tell(struct bursts *b)
{
	if (b->grown)
		b->tell(b->arg, &b->last);
	b->grown = false;
}

static void extend(struct bursts *b, uint64_t width, uint64_t n)
{
	if (!b->goes_on) {
		tell(b);
		b->last = (struct burst){.id = ++*b->ids, .from = b->judged, .width = width};
	}
	b->goes_on = b->grown = true;
	b->last.to = b->judged + width;
	b->last.attempts += n;
	if (n > b->last.peak)
		b->last.peak = n;
}

static void judge_next(struct bursts *b)
{
	uint64_t width = width_of(b), n = 0, least;

	for (uint64_t i = b->judged; i < b->judged + width && i <= b->newest; i++)
		n += b->retries[i % BURSTS_BINS];
	least = n < FLOOR ? FLOOR : bursts_quantile(expected(b, width, b->judged + width));
	if (n >= FLOOR && n >= least)
		extend(b, width, n);
	else
		b->goes_on = false;
	b->judged += width;
	b->unjudged = b->judged > b->newest ? 0 : b->unjudged - n;
}

/* Judges what ends before bin `end`. */
static void judge_until(struct bursts *b, uint64_t end)
{
	while (b->unjudged && b->judged + width_of(b) <= end)
		judge_next(b);
	if (!b->unjudged && b->judged + width_of(b) <= end) {
		b->goes_on = false;
		b->judged = end;
	}
}

void bursts_judge(struct bursts *b, uint64_t now_ns)
{
	if (now_ns > b->start_ns + BURSTS_LATE_NS)
		judge_until(b, bin_of(b, now_ns - BURSTS_LATE_NS));
	tell(b);
}

void bursts_finish(struct bursts *b)
{
	while (b->unjudged)
		judge_next(b);
	b->goes_on = false;
	tell(b);
}

/* ---- what comes ---- */

/* Bins that were not in use yet begin with nothing; what is not judged by now and would go is judged before. */
static void advance(struct bursts *b, uint64_t bin)
{
	if (bin <= b->newest)
		return;
	if (bin - b->judged >= BURSTS_BINS)
		judge_until(b, bin - BURSTS_BINS + BURSTS_WIDTH_MAX);
	if (bin - b->newest >= BURSTS_BINS)
		memset(b->retries, 0, sizeof(b->retries));
	else
		for (uint64_t i = b->newest + 1; i <= bin; i++)
			b->retries[i % BURSTS_BINS] = 0;
	b->newest = bin;
}

static void add_late(struct bursts *b, uint64_t bin)
{
	if (!b->last.id || bin < b->last.from || bin >= b->last.to)
		return;
	b->last.attempts++;
	b->grown = true;
}

void bursts_attempt(struct bursts *b, uint64_t at_ns, bool retry)
{
	uint64_t bin = bin_of(b, at_ns);

	if (!b->first_ns || (!retry && at_ns < b->first_ns))
		b->first_ns = at_ns;
	if (at_ns > b->latest_ns)
		b->latest_ns = at_ns;
	b->firsts += !retry;
	if (!retry)
		return;
	advance(b, bin);
	if (bin < b->judged) {
		add_late(b, bin);
		return;
	}
	b->retries[bin % BURSTS_BINS]++;
	b->unjudged++;
}

void bursts_failure(struct bursts *b, uint64_t at_ns)
{
	if (b->calm_ns)
		return;
	b->calm_ns = at_ns > b->first_ns ? at_ns : b->first_ns;
	b->calm_firsts = b->firsts;
}

void bursts_rtt(struct bursts *b, uint64_t ns)
{
	if (ns && (!b->calm_ns || !b->rtt_ns))
		b->rtt_ns = ns;
}

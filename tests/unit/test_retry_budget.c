/* SPDX-License-Identifier: MIT */
/* From run files made by hand to whether a client keeps a retry budget. */
#include "tests/unit/judge.h"

#define REQUESTS 40

/* The i-th request: attempts, and the wait between them. */
struct request {
	int attempts;
	double wait_ms;
};

static void send_request(struct runs *r, int i, const struct request *q)
{
	for (int k = 0; k < q->attempts; k++)
		runs_add(r, ATTEMPT(.tid = 100 + i, .at_ms = 10 + 2000 * i + k * (2 + q->wait_ms), .took_ms = 2, .status = 503));
}

static const struct policy_retry *judge_requests(struct runs *r, struct result *x, struct request (*of)(int i))
{
	judge_client(r, 2000 * (REQUESTS + 2));
	for (int i = 0; i < REQUESTS; i++) {
		struct request q = of(i);

		send_request(r, i, &q);
	}
	judge(r, x, &ANALYZE_EVERYTHING);
	return &judge_edge(x, "curl", "127.0.0.1:80")->retry;
}

static struct request draining(int i)
{
	return (struct request){i < 10 ? 4 : i < 14 ? 3 : i < 20 ? 2 : 1, 50};
}

static struct request varying(int i)
{
	return (struct request){4 - i % 4, 50};
}

/* No attempt is made when 340 ms are over; waits, of 100 ms at first, come later and later. */
static struct request slowing(int i)
{
	struct request q = {1, 100 * (i < 10 ? 1 : i < 20 ? 1.3 : i < 30 ? 1.8 : 3.5) + i % 10};

	while ((q.attempts - 1) * q.wait_ms < 340)
		q.attempts++;
	return q;
}

static void budgets(void)
{
	const struct policy_retry *p;
	struct result x;
	struct runs r;

	p = judge_requests(&r, &x, draining);
	ok(p->budget, "4, then 3, 2, 1 attempts while all fails: a budget drains");
	NEAR(p->budget_ratio, 0, "to no retries at all");
	is_int(p->max_attempts, 4, "4 attempts when it is full");
	judge_end(&r, &x);

	p = judge_requests(&r, &x, varying);
	ok(!p->budget, "lengths that vary without falling are no budget");
	is_int(p->max_attempts, 0, "and no number of attempts");
	judge_end(&r, &x);

	p = judge_requests(&r, &x, slowing);
	ok(!p->budget, "fewer attempts in the same time are no budget: the machine got slower");
	is_int(p->max_attempts, 0, "nor a number of attempts");
	judge_end(&r, &x);
}

int main(void)
{
	budgets();
	return tap_done();
}

/* SPDX-License-Identifier: MIT */
/* Who could not send as fast as it wanted (analyzer/infer/backpressure.c), from the latencies that the kernel's witness counts. */
#include "tests/unit/judge.h"

#define MS 1000000

static void latency(struct runs *r, int second, int process, const char *syscall, int error, long long bucket_ns, int count, const char *peer)
{
	runs_sql(r, "INSERT INTO syscall_latency VALUES(%d, %d, %Q, %d, %lld, %d, %lld, %Q)", second, process, syscall, error, bucket_ns, count,
		 bucket_ns * count * 9 / 10, peer);
}

static void begin(struct runs *r)
{
	judge_client(r, 10000);
	runs_process(r, 2, "curl");
	runs_process(r, 3, "backup");
	for (int i = 0; i < 100; i++)
		runs_add(r, ATTEMPT(.status = i >= 40 && i < 70 ? 503 : 200, .at_ms = 100 * i, .took_ms = 5, .fault = i >= 40 && i < 70));
	runs_fault(r, 1, "outage", "{\"status\":503,\"from\":\"4s\",\"for\":\"3s\"}", 30, 30);
	for (int i = 40; i < 70; i++)
		runs_inject(r, 1, i + 1, 100 * i, "status", -1, -1);
	runs_mark(r, 3999, "fault on outage");
	runs_mark(r, 6999, "fault off outage");
}

static void who_could_not_send(void)
{
	const struct policy_backpressure *p;
	struct runs r;
	struct result x;

	begin(&r);
	latency(&r, 1, 1, "sendto", 0, 100000, 40, "loopback");		/* fast */
	latency(&r, 5, 1, "sendto", 11, 50000, 7, "loopback");		/* refused, under the fault */
	latency(&r, 5, 2, "writev", 11, 50000, 2, "private");		/* another process of it, in the same second */
	latency(&r, 8, 1, "write", 0, 20 * MS, 3, "public");		/* waited */
	latency(&r, 8, 1, "write", 0, 10 * MS - 1, 5, "public");	/* not quite */
	latency(&r, 8, 1, "sendto", 104, 20 * MS, 1, "public");		/* failed for good: no backpressure */
	latency(&r, 8, 1, "recvfrom", 11, 20 * MS, 50, "public");	/* reads */
	latency(&r, 8, 1, "write", 11, 20 * MS, 50, NULL);		/* not a peer */
	latency(&r, 9, 3, "sendmsg", 0, 100000, 4, "private");
	latency(&r, 9, 77, "sendmsg", 11, 100000, 4, "private");	/* nobody's */
	latency(&r, -5, 3, "sendmsg", 11, 100000, -4, "private");
	runs_sql(&r, "INSERT INTO syscall_latency VALUES('x', 'y', 7, 'z', NULL, 1e300, 'q', 5)");
	judge(&r, &x, &ANALYZE_EVERYTHING);
	is_int((long long)x.backpressure_count, 2, "two services were seen to send");
	p = &x.backpressures[0];
	is_str(texts_text(&x.model.names, p->service), "curl", "the first");
	is_int((long long)p->sends, 58, "all its sends");
	is_int((long long)p->refused, 9, "refused ones, of both its processes");
	is_int((long long)p->slow, 3, "those that waited");
	NEAR(p->slow_ms, 54, "for so long in sum");
	is_int((long long)p->seconds, 2, "in two seconds");
	is_int((long long)p->by_window[TIMELINE_FAULT], 9, "nine under the fault");
	is_int((long long)p->by_window[TIMELINE_RECOVERY], 3, "three after it");
	is_int((long long)p->by_window[TIMELINE_BASELINE], 0, "none before");
	p = &x.backpressures[1];
	is_int((long long)(p->refused + p->slow + p->seconds), 0, "the second was never held back, and that is known");
	judge_end(&r, &x);
}

/* The fault is there from 4.4 s to 6.6 s; each second has one more refused send than the one before. */
static void by_the_middle_of_the_second(void)
{
	const struct policy_backpressure *p;
	struct runs r;
	struct result x;

	judge_client(&r, 10000);
	runs_fault(&r, 1, "outage", "{\"status\":503}", 22, 22);
	for (int i = 0; i < 100; i++)
		runs_add(&r, ATTEMPT(.status = i >= 44 && i < 66 ? 503 : 200, .at_ms = 100 * i, .took_ms = 5, .fault = i >= 44 && i < 66));
	for (int i = 44; i < 66; i++)
		runs_inject(&r, 1, i + 1, 100 * i, "status", -1, -1);
	runs_mark(&r, 4399, "fault on outage");
	runs_mark(&r, 6600, "fault off outage");
	for (int s = 0; s < 9; s++)
		latency(&r, s, 1, "sendto", s ? 11 : 0, s ? 50000 : 10 * MS, 1 + s, "loopback");
	judge(&r, &x, &ANALYZE_EVERYTHING);
	p = &x.backpressures[0];
	is_int((long long)p->by_window[TIMELINE_BASELINE], 1 + 2 + 3 + 4, "seconds whose middle is before the fault are of the baseline");
	is_int((long long)p->by_window[TIMELINE_FAULT], 5 + 6 + 7, "those whose middle is in it are of the fault");
	is_int((long long)p->by_window[TIMELINE_RECOVERY], 8 + 9, "the others are of the recovery");
	is_int((long long)p->seconds, 9, "each second counts, with refused sends or slow ones");
	is_int((long long)p->slow, 1, "10 ms are slow");
	judge_end(&r, &x);
}

static void many_services(void)
{
	struct runs r;
	struct result x;
	bool are_right = true;

	judge_client(&r, 10000);
	for (int k = 0; k < 40; k++) {
		char name[16];

		snprintf(name, sizeof(name), "service %d", k);
		runs_process(&r, 10 + k, name);
		latency(&r, k < 20 ? 1 : 2, 10 + k, "sendto", 11, 50000, 1 + k, "loopback");
		latency(&r, 3, 10 + k, "sendto", 11, 50000, 100, "loopback");
	}
	runs_sql(&r, "INSERT INTO syscall_latency VALUES(2147483647, 49, 'sendto', 11, 50000, 1000, 1, 'loopback'),"
		     " (2147483648, 49, 'sendto', 11, 50000, 2000, 1, 'loopback'), (-1, 49, 'sendto', 11, 50000, 4000, 1, 'loopback')");
	judge(&r, &x, &ANALYZE_EVERYTHING);
	is_int((long long)x.backpressure_count, 40, "each of forty services has its own");
	for (size_t i = 0; i < x.backpressure_count; i++)
		are_right &= x.backpressures[i].refused == 100 + 1 + i + (i == 39 ? 1000 : 0) && x.backpressures[i].seconds == 2 + (i == 39);
	ok(are_right, "with its own refused sends, up to 2^31 seconds after the start");
	judge_end(&r, &x);
}

static void files_that_say_nothing(void)
{
	for (int way = 0; way < 2; way++) {
		struct runs r;
		struct result x;

		begin(&r);
		runs_sql(&r, way ? "ALTER TABLE syscall_latency DROP COLUMN peer" : "DROP TABLE syscall_latency");
		judge(&r, &x, &ANALYZE_EVERYTHING);
		is_int((long long)x.backpressure_count, 0, "%s: nothing is known", way ? "no peers" : "no such table");
		judge_end(&r, &x);
	}
}

int main(void)
{
	who_could_not_send();
	by_the_middle_of_the_second();
	many_services();
	files_that_say_nothing();
	return tap_done();
}

/* SPDX-License-Identifier: MIT */
/* The exchange assembler: what it makes of bytes, ends and errors, fed by hand; its sink is an array. */
#include <errno.h>
#include <malloc.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "record/assembler.h"
#include "record/assembly.h"
#include "record/protocol.h"
#include "tests/lib/tap.h"
#include "tests/unit/memory.h"

#define RECORDS 4096
#define COOKIE 77
#define US 1000ull

static struct journal_record records[RECORDS];
static unsigned count;
static uint64_t now;
static uint32_t thread = 101;
static struct addr local, peer;

/* An end does not say again what the beginning said of the request. */
static void remember_request(struct journal_record *end)
{
	const size_t at = offsetof(struct journal_record, x.correlation);

	for (unsigned i = count; i--;)
		if (records[i].exchange == end->exchange && records[i].commit == JOURNAL_BEGIN)
			memcpy((char *)end + at, (char *)&records[i] + at, sizeof(*end) - at);
}

static void sink(void *arg, const struct journal_record *r)
{
	if (count == RECORDS)
		return;
	records[count] = *r;
	if (r->bytes)
		memset((char *)&records[count] + r->bytes, 0, sizeof(*r) - r->bytes);
	if (r->commit == JOURNAL_END && r->bytes)
		remember_request(&records[count]);
	count++;
}

/* Each act takes 10 us: it begins at `now` and returns 10 us later. */
static struct assembler_moment act(uint64_t cookie)
{
	struct assembler_moment m = {.cookie = cookie, .pid = 100, .tid = thread, .enter_ns = now, .exit_ns = now + 10 * US};

	now += 10 * US;
	return m;
}

static struct assembler *fresh(unsigned max)
{
	count = 0;
	now = 1000 * US;
	addr_from_ip(&local, ADDR_IP4, "\x7f\0\0\1", 40000);
	addr_from_ip(&peer, ADDR_IP4, "\x7f\0\0\1", 80);
	return assembler_new(max, sink, NULL);
}

static void open_as(struct assembler *a, uint64_t cookie, enum journal_role role, bool mid_stream)
{
	struct assembler_moment m = act(cookie);

	assembler_open(a, &m, role, mid_stream, &local, &peer);
	assembler_connected(a, &m, NULL, 0, JOURNAL_END_UNKNOWN);
}

static struct assembler *opened(enum journal_role role)
{
	struct assembler *a = fresh(0);

	open_as(a, COOKIE, role, false);
	return a;
}

/* Of `bytes` that move, the first `captured` are seen. */
static void move(struct assembler *a, enum assembler_direction d, const char *data, size_t captured, uint64_t bytes, const void *tail)
{
	struct assembler_moment m = act(COOKIE);
	struct assembler_bytes b = {.direction = d, .data = data, .captured = captured, .bytes = bytes, .tail = tail};

	assembler_bytes(a, &m, &b);
}

static void out(struct assembler *a, const char *text)
{
	move(a, ASSEMBLER_OUT, text, strlen(text), strlen(text), NULL);
}

static void in(struct assembler *a, const char *text)
{
	move(a, ASSEMBLER_IN, text, strlen(text), strlen(text), NULL);
}

/* All of text moves, on one connection of several or by another process. */
static void move_on(struct assembler *a, uint64_t cookie, uint32_t pid, enum assembler_direction d, const char *text)
{
	struct assembler_moment m = act(cookie);
	struct assembler_bytes b = {.direction = d, .data = text, .captured = strlen(text), .bytes = strlen(text)};

	m.pid = pid;
	assembler_bytes(a, &m, &b);
}

static void placed(struct assembler *a, enum assembler_direction d, const char *text, uint32_t position)
{
	struct assembler_moment m = act(COOKIE);
	struct assembler_bytes b = {.direction = d, .data = text, .captured = strlen(text), .bytes = strlen(text), .placed = true,
				    .position = position};

	assembler_bytes(a, &m, &b);
}

static void eof(struct assembler *a)
{
	struct assembler_moment m = act(COOKIE);

	assembler_eof(a, &m);
}

static void fail(struct assembler *a, enum assembler_direction d, int error)
{
	struct assembler_moment m = act(COOKIE);

	assembler_error(a, &m, d, error);
}

static void close_it(struct assembler *a, enum journal_end end)
{
	struct assembler_moment m = act(COOKIE);

	assembler_close(a, &m, end, 0);
}

/* The n-th record of a kind, or a record of zeros. */
static const struct journal_record *nth(enum journal_kind kind, unsigned n)
{
	static const struct journal_record none;

	for (unsigned i = 0; i < count; i++)
		if (records[i].commit == kind && !n--)
			return &records[i];
	return &none;
}

static unsigned how_many(enum journal_kind kind)
{
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++)
		n += records[i].commit == kind;
	return n;
}

/* The n-th exchange that is over, told with its beginning or after it. */
static const struct journal_exchange *ended(unsigned n)
{
	static const struct journal_exchange none;

	for (unsigned i = 0; i < count; i++)
		if ((records[i].commit == JOURNAL_END || records[i].commit == JOURNAL_WHOLE) && !n--)
			return &records[i].x;
	return &none;
}

static unsigned how_many_ended(void)
{
	return how_many(JOURNAL_END) + how_many(JOURNAL_WHOLE);
}

static unsigned how_many_begun(void)
{
	return how_many(JOURNAL_BEGIN) + how_many(JOURNAL_WHOLE);
}

/* Those under way are told. */
static void voice(struct assembler *a)
{
	assembler_tick(a, now + ASSEMBLER_TICK_NS);
}

#define GET "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
#define POST "POST /p HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
#define OK_HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define ANSWER(status) "HTTP/1.1 " status " x\r\nContent-Length: 0\r\n\r\n"
#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

/* ---- HTTP/1 ---- */

static void test_client_exchange(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);
	const struct journal_exchange *x;
	uint64_t sent, got;

	sent = now;
	out(a, GET);
	got = now;
	in(a, OK_HELLO);
	x = ended(0);
	is_int(how_many_begun(), 1, "an exchange begins with its request");
	is_int(how_many_ended(), 1, "and ends with the last byte of its answer");
	is_str(x->method, "GET", "its method is known");
	is_str(x->path, "/a", "its path is known");
	is_int(x->status, 200, "its status is known");
	is_int(x->outcome, JOURNAL_OK, "200 is ok");
	is_int(x->started_ns, sent, "a client's request starts when its first write begins");
	is_int(x->sent_ns, sent + 10 * US, "it is sent when that write returns");
	is_int(x->first_byte_ns, got + 10 * US, "the answer is there when the read returns");
	is_int(x->ended_ns, got + 10 * US, "and over then, when it came in one piece");
	is_int(x->bytes_out, strlen(GET), "bytes out are counted");
	is_int(x->bytes_in, strlen(OK_HELLO), "bytes in are counted");
	is_int(how_many(JOURNAL_WHOLE), 1, "being short, it is told in one record");
	ok(nth(JOURNAL_WHOLE, 0)->exchange >> 63, "its serial can not be one of the library's");
	is_int(nth(JOURNAL_WHOLE, 0)->at_ns, sent, "at the time of its beginning");
	is_int(nth(JOURNAL_WHOLE, 0)->tid, 101, "the thread is known");
	assembler_free(a);
}

static const char *query(unsigned n)
{
	const struct journal_exchange *x = ended(n);

	return x->query ? x->path + strlen(x->path) + 1 : "none";
}

/* A task that a pool's threads share: one thread reads the request, another answers. */
static void test_handed_over(void)
{
	struct assembler *a = opened(JOURNAL_SERVER);

	in(a, GET);
	thread = 102;
	out(a, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
	thread = 103;
	out(a, "hello");
	is_int(nth(JOURNAL_WHOLE, 0)->tid, 101, "an exchange is of the thread that read its request");
	is_int(ended(0)->answer_tid, 102, "and says which one began its answer");
	thread = 101;
	in(a, GET);
	out(a, ANSWER("100"));
	thread = 102;
	out(a, ANSWER("200"));
	is_int(ended(1)->answer_tid, 102, "an interim answer is none");
	thread = 101;
	assembler_free(a);
}

static void test_query(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);

	out(a, "GET /a?k=1 HTTP/1.1\r\n\r\n");
	in(a, ANSWER("200"));
	ok(!ended(0)->query && !memmem(ended(0), sizeof(*ended(0)), "k=1", 3), "a query is not told of");
	assembler_free(a);

	a = fresh(0);
	assembler_keep_query(a);
	open_as(a, COOKIE, JOURNAL_CLIENT, false);
	out(a, "GET /a?k=1 HTTP/1.1\r\n\r\n");
	in(a, ANSWER("200"));
	out(a, "GET /b HTTP/1.1\r\n\r\n");
	in(a, ANSWER("200"));
	move(a, ASSEMBLER_OUT, "GET /c?k=2&cut HTTP/1.1\r\n\r\n", 12, 5000, NULL);
	in(a, ANSWER("200"));
	out(a, "GET /d?k=3 HTTP/1.1\r\n\r\n");
	in(a, ANSWER("200"));
	is_str(query(0), "k=1", "unless it was asked for");
	is_str(query(1), "none", "a request without one has none");
	is_str(query(2), "k=2&c", "of one that was captured in part the beginning is told");
	is_int(ended(2)->query, JOURNAL_QUERY_CUT, "as such");
	is_str(query(3), "k=3", "and the next is told, once framing is found again");
	is_str(ended(3)->path, "/d", "beside its path");
	assembler_free(a);
}

/* Ends are kept in less room than they are told in. */
static void test_ends(void)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/run/of-a-service/that-listens-on-a-path"};
	struct assembler *a = fresh(0);
	struct assembler_moment m = act(COOKIE);
	struct addr ends[3];

	addr_from_ip(&ends[0], ADDR_IP6, "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 443);
	addr_from_sockaddr(&ends[1], (struct sockaddr *)&un, sizeof(un));
	memset(&ends[2], 0, sizeof(ends[2]));
	for (unsigned i = 0; i < 3; i++) {
		m.cookie = COOKIE + i;
		assembler_open(a, &m, JOURNAL_CLIENT, false, &ends[i], &ends[(i + 1) % 3]);
		assembler_connected(a, &m, &ends[(i + 2) % 3], 0, JOURNAL_END_UNKNOWN);
		ok(!memcmp(&nth(JOURNAL_OPEN, i)->conn.local, &ends[i], sizeof(*ends)) &&
			   !memcmp(&nth(JOURNAL_OPEN, i)->conn.peer, &ends[(i + 1) % 3], sizeof(*ends)), "ends of any kind are told as they are (%u)", i);
		ok(!memcmp(&nth(JOURNAL_CONNECTED, i)->conn.local, &ends[(i + 2) % 3], sizeof(*ends)), "and as they become");
	}
	assembler_free(a);
}

static void test_long_exchange(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);
	uint64_t sent = now;

	out(a, GET);
	assembler_tick(a, sent + ASSEMBLER_TICK_NS - 1);
	is_int(how_many(JOURNAL_BEGIN), 0, "a request is not told before it has been under way for a tick");
	assembler_tick(a, sent + ASSEMBLER_TICK_NS);
	is_int(how_many(JOURNAL_BEGIN), 1, "then its beginning is");
	is_int(nth(JOURNAL_BEGIN, 0)->x.sent_ns, sent + 10 * US, "with what is known: that it left");
	assembler_tick(a, sent + 2 * ASSEMBLER_TICK_NS);
	is_int(how_many(JOURNAL_BEGIN), 1, "once");
	in(a, OK_HELLO);
	is_int(how_many_ended(), 1, "its end is told by itself");
	is_int(how_many(JOURNAL_WHOLE), 0, "and the exchange not again");
	ok(nth(JOURNAL_BEGIN, 0)->exchange == nth(JOURNAL_END, 0)->exchange, "both records name the same exchange");
	assembler_free(a);
}

/* What a process sends while it answers may be for what it answers: whoever looks for the cause needs that first. */
static void test_cause_is_told_first(void)
{
	struct assembler *a = fresh(0);

	open_as(a, COOKIE + 1, JOURNAL_SERVER, false);
	move_on(a, COOKIE + 1, 100, ASSEMBLER_IN, GET);
	open_as(a, COOKIE, JOURNAL_CLIENT, false);
	out(a, GET);
	count = 0;
	in(a, OK_HELLO);
	is_int(records[0].commit, JOURNAL_BEGIN, "the request that came in is told");
	is_int(records[0].x.role, JOURNAL_SERVER, "as it stands");
	is_int(records[1].commit, JOURNAL_WHOLE, "before the one that was sent meanwhile");
	is_int(records[1].x.role, JOURNAL_CLIENT, "which is over");
	move_on(a, COOKIE + 1, 100, ASSEMBLER_OUT, OK_HELLO);
	is_int(records[2].commit, JOURNAL_END, "and ends by itself");
	assembler_free(a);
}

static void test_server_exchange(void)
{
	struct assembler *a = opened(JOURNAL_SERVER);
	const struct journal_exchange *x;
	uint64_t got, answered, last;

	got = now;
	in(a, GET);
	answered = now;
	out(a, "HTTP/1.1 503 No\r\nContent-Length: 5\r\n\r\n");
	last = now;
	out(a, "hello");
	x = ended(0);
	is_int(x->role, JOURNAL_SERVER, "the role is the connection's");
	is_int(x->started_ns, got + 10 * US, "a server's request starts when the read of its first byte returns");
	is_int(x->sent_ns, 0, "a server sends no request");
	is_int(x->first_byte_ns, answered, "its answer starts when the first write begins");
	is_int(x->ended_ns, last + 10 * US, "and ends when the last write returns");
	is_int(x->outcome, JOURNAL_FAILED, "503 is failed");
	is_int(x->bytes_in, strlen(GET), "the request is what came in");
	assembler_free(a);
}

static void test_outcomes_by_status(void)
{
	static const struct {
		const char *answer;
		int outcome;
	} rows[] = {{ANSWER("200"), JOURNAL_OK},     {ANSWER("301"), JOURNAL_OK},     {ANSWER("404"), JOURNAL_OK},
		    {ANSWER("408"), JOURNAL_FAILED}, {ANSWER("429"), JOURNAL_FAILED}, {ANSWER("500"), JOURNAL_FAILED},
		    {ANSWER("599"), JOURNAL_FAILED}};
	struct assembler *a = opened(JOURNAL_CLIENT);

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		out(a, GET);
		in(a, rows[i].answer);
		is_int(ended(i)->outcome, rows[i].outcome, "status %d has the outcome of the contract", ended(i)->status);
		is_int(ended(i)->sequence, i, "exchange %u of its connection", i);
	}
	assembler_free(a);
}

static void test_byte_by_byte(void)
{
	const char *request = POST, *answer = CHUNKED "3\r\nabc\r\n0\r\n\r\n";
	struct assembler *a = opened(JOURNAL_CLIENT);

	for (const char *p = request; *p; p++)
		move(a, ASSEMBLER_OUT, p, 1, 1, NULL);
	for (const char *p = answer; *p; p++) {
		is_int(how_many_ended(), 0, "not over before byte %d", (int)(p - answer));
		move(a, ASSEMBLER_IN, p, 1, 1, NULL);
	}
	is_int(how_many_ended(), 1, "over with the last byte");
	is_int(ended(0)->bytes_out, strlen(request), "all bytes of the request are its own");
	is_int(ended(0)->started_ns, 1010 * US, "it started with its first byte");
	assembler_free(a);
}

static void test_pipelining(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);

	out(a, "GET /1 HTTP/1.1\r\n\r\nHEAD /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n\r\n");
	voice(a);
	is_int(how_many_begun(), 3, "three requests in one write are three exchanges");
	in(a, OK_HELLO "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" ANSWER("404"));
	is_int(how_many_ended(), 3, "three answers in one read end them");
	is_str(ended(0)->path, "/1", "in order: first");
	is_str(ended(1)->path, "/2", "second, whose answer to HEAD has no body");
	is_int(ended(2)->status, 404, "third");
	assembler_free(a);
}

static void test_interim_and_early_answers(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);
	uint64_t final;

	out(a, "POST /p HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n");
	in(a, "HTTP/1.1 100 Continue\r\n\r\n");
	final = now;
	in(a, ANSWER("413"));
	is_int(ended(0)->status, 413, "the final answer counts, though the body never went");
	is_int(ended(0)->first_byte_ns, final + 10 * US, "an interim answer is not its first byte");
	move(a, ASSEMBLER_OUT, "", 0, 1000, NULL);
	out(a, GET);
	in(a, OK_HELLO);
	is_str(ended(1)->path, "/a", "the rest of the body is passed over, the next request is found");
	assembler_free(a);
}

static void test_unseen_bodies(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);
	const char *head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";

	out(a, GET);
	in(a, head);
	move(a, ASSEMBLER_IN, "", 0, 999999, NULL);
	is_int(how_many_ended(), 0, "a sized body that is only counted is not over early");
	move(a, ASSEMBLER_IN, "x", 1, 1, NULL);
	is_int(how_many_ended(), 1, "and is over at its last byte");
	is_int(ended(0)->bytes_in, strlen(head) + 1000000, "its bytes are counted");
	is_int(assembler_counts(a).resynced, 0, "framing was never lost");
	assembler_free(a);
}

static void test_chunked_beyond_capture(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);
	const char *head = CHUNKED "1388\r\n";
	uint64_t last;

	out(a, GET);
	move(a, ASSEMBLER_IN, head, strlen(head), strlen(head) + 3000, "xxxxxxxx");
	last = now;
	move(a, ASSEMBLER_IN, "x", 1, 2007, "x\r\n0\r\n\r\n");
	is_int(how_many_ended(), 1, "the last chunk shows in the tail of what was not captured");
	is_int(ended(0)->ended_ns, last + 10 * US, "and ends the exchange then");
	out(a, "GET /b HTTP/1.1\r\n\r\n");
	in(a, ANSWER("204"));
	is_str(ended(1)->path, "/b", "the next exchange is framed again");

	out(a, GET);
	move(a, ASSEMBLER_IN, head, strlen(head), strlen(head) + 3000, NULL);
	last = now;
	move(a, ASSEMBLER_IN, "x", 1, 2007, NULL);
	is_int(how_many_ended(), 2, "without a tail its end does not show");
	out(a, GET);
	is_int(how_many_ended(), 3, "until the next request begins");
	is_int(ended(2)->ended_ns, last + 10 * US, "it ended at the last byte before that");
	is_int(ended(2)->outcome, JOURNAL_OK, "as its status says");
	in(a, ANSWER("500"));
	is_int(ended(3)->status, 500, "whose answer is framed");
	assembler_free(a);
}

static void test_silence_ends_what_nothing_else_does(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);
	const char *head = CHUNKED "1388\r\n";
	uint64_t last;

	out(a, GET);
	last = now;
	move(a, ASSEMBLER_IN, head, strlen(head), strlen(head) + 5020, NULL);
	assembler_tick(a, last + ASSEMBLER_LINGER_NS);
	is_int(how_many_ended(), 0, "a short silence is no end");
	assembler_tick(a, last + 10 * US + ASSEMBLER_LINGER_NS);
	is_int(how_many_ended(), 1, "a second of it is");
	is_int(ended(0)->ended_ns, last + 10 * US, "at the last byte");
	assembler_free(a);
}

static void test_head_beyond_capture(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);
	const char *begin = "GET /long HTTP/1.1\r\nCookie: much";

	move(a, ASSEMBLER_OUT, begin, strlen(begin), 3000, NULL);
	voice(a);
	is_int(how_many_begun(), 1, "a head longer than the capture is still a request");
	in(a, OK_HELLO);
	is_str(ended(0)->path, "/long", "with what was seen of it");
	is_int(ended(0)->bytes_out, 3000, "and all its bytes");
	out(a, GET);
	in(a, OK_HELLO);
	is_str(ended(1)->path, "/a", "the next request is found");
	is_int(assembler_counts(a).resynced, 0, "nothing of this is a loss");
	assembler_free(a);
}

static void test_until_close(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);

	out(a, GET);
	in(a, "HTTP/1.0 200 OK\r\n\r\nsome");
	in(a, "more");
	eof(a);
	is_int(ended(0)->outcome, JOURNAL_OK, "the peer's close completes an answer without a length");
	is_int(ended(0)->error, 0, "which is no error");
	assembler_free(a);

	a = opened(JOURNAL_SERVER);
	in(a, GET);
	out(a, "HTTP/1.0 200 OK\r\n\r\nsome");
	close_it(a, JOURNAL_LOCAL_CLOSE);
	is_int(ended(0)->outcome, JOURNAL_OK, "for a server it is its own close");
	assembler_free(a);
}

/* ---- how exchanges break ---- */

static void test_breaks(void)
{
	static const struct {
		const char *what, *answer;
		int how, error, outcome, status;
	} rows[] = {
		{"end of stream before an answer", NULL, 0, JOURNAL_EOF, JOURNAL_INDETERMINATE, 0},
		{"end of stream within an answer", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhe", 0, JOURNAL_EOF, JOURNAL_INDETERMINATE, 200},
		{"end of stream within an error answer", "HTTP/1.1 500 OK\r\nContent-Length: 9\r\n\r\nhe", 0, JOURNAL_EOF, JOURNAL_FAILED, 500},
		{"reset before an answer", NULL, ECONNRESET, ECONNRESET, JOURNAL_INDETERMINATE, 0},
		{"close by the program", NULL, -1, JOURNAL_CLOSED, JOURNAL_INDETERMINATE, 0},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct assembler *a = opened(JOURNAL_CLIENT);

		out(a, GET);
		if (rows[i].answer)
			in(a, rows[i].answer);
		if (rows[i].how > 0)
			fail(a, ASSEMBLER_IN, rows[i].how);
		else if (rows[i].how == 0)
			eof(a);
		else
			close_it(a, JOURNAL_LOCAL_CLOSE);
		is_int(ended(0)->outcome, rows[i].outcome, "%s: outcome", rows[i].what);
		is_int(ended(0)->error, rows[i].error, "%s: error", rows[i].what);
		is_int(ended(0)->status, rows[i].status, "%s: status", rows[i].what);
		assembler_free(a);
	}
}

static void test_broken_transport_leaves_what_was_received(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);
	struct assembler_moment m;

	out(a, GET);
	m = act(COOKIE);
	assembler_broken(a, &m, JOURNAL_RESET, ECONNRESET);
	in(a, OK_HELLO);
	close_it(a, JOURNAL_LOCAL_CLOSE);
	is_int(ended(0)->outcome, JOURNAL_OK, "an answer that was received before the reset is still an answer");
	is_int(nth(JOURNAL_CLOSE, 0)->conn.end, JOURNAL_RESET, "the connection ended by the reset");
	is_int(nth(JOURNAL_CLOSE, 0)->conn.error, ECONNRESET, "with its errno");
	assembler_free(a);
}

static void test_failed_connects(void)
{
	static const struct {
		int error;
		enum journal_end end;
	} rows[] = {{ECONNREFUSED, JOURNAL_REFUSED}, {ETIMEDOUT, JOURNAL_TIMEOUT}, {JOURNAL_CLOSED, JOURNAL_ABANDONED}};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct assembler *a = fresh(0);
		struct assembler_moment m = act(COOKIE);

		assembler_open(a, &m, JOURNAL_CLIENT, false, &local, &peer);
		m = act(COOKIE);
		assembler_connected(a, &m, NULL, rows[i].error, rows[i].end);
		is_int(how_many_begun(), 1, "a failed connect is an exchange (%d)", rows[i].error);
		is_int(ended(0)->outcome, JOURNAL_NOT_SENT, "that was not sent");
		is_int(ended(0)->error, rows[i].error, "because of that error");
		is_int(ended(0)->sent_ns, 0, "nothing left");
		is_int(ended(0)->started_ns, 1000 * US, "it started with the call of connect");
		is_int(nth(JOURNAL_CLOSE, 0)->conn.end, rows[i].end, "the connection says how it ended");
		ok(!assembler_knows(a, COOKIE), "and is forgotten");
		assembler_free(a);
	}
}

static void test_write_on_a_dead_connection(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);

	fail(a, ASSEMBLER_OUT, EPIPE);
	is_int(ended(0)->outcome, JOURNAL_NOT_SENT, "a request that could not be written was not sent");
	is_int(ended(0)->error, EPIPE, "with its errno");
	assembler_free(a);

	a = opened(JOURNAL_SERVER);
	in(a, GET);
	fail(a, ASSEMBLER_OUT, EPIPE);
	is_int(ended(0)->outcome, JOURNAL_INDETERMINATE, "a server whose client is gone does not know");
	close_it(a, JOURNAL_LOCAL_CLOSE);
	is_int(how_many_ended(), 1, "and that is told once");
	assembler_free(a);
}

static void test_end_of_process(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);
	struct assembler_moment m;

	open_as(a, COOKIE + 1, JOURNAL_CLIENT, false);
	out(a, GET);
	assembler_exited(a, 99, now);
	is_int(how_many_ended(), 0, "the end of another process ends nothing");
	assembler_exited(a, 100, now);
	is_int(ended(0)->outcome, JOURNAL_INDETERMINATE, "what was under way when a process ends is not known");
	is_int(how_many(JOURNAL_CLOSE), 0, "nor does the end of a process by itself: another may hold its connections");
	close_it(a, JOURNAL_LOCAL_CLOSE);
	is_int(how_many(JOURNAL_CLOSE), 1, "the kernel closes those that nobody else holds");
	is_int(nth(JOURNAL_CLOSE, 0)->conn.end, JOURNAL_EXITED, "which is told as the end of the process");
	assembler_free(a);

	a = opened(JOURNAL_CLIENT);
	m = act(COOKIE);
	assembler_broken(a, &m, JOURNAL_RESET, ECONNRESET);
	assembler_exited(a, 100, now);
	is_int(nth(JOURNAL_CLOSE, 0)->conn.end, JOURNAL_RESET, "a connection that was broken already ends with the process, as it broke");
	assembler_free(a);
}

static void test_missing_bytes(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);
	uint32_t start[2] = {100, 500}, end[2] = {100 + 30 + (uint32_t)strlen(GET), 501};

	assembler_place(a, COOKIE, start);
	placed(a, ASSEMBLER_OUT, GET, 100);
	is_int((long long)assembler_missing(a, COOKIE, NULL), 0, "nothing is missing of what was told");
	is_int((long long)assembler_missing(a, COOKIE, end), 30, "what moved after it, and was not told, is missing; a FIN is no byte");
	placed(a, ASSEMBLER_OUT, GET, end[0]);
	end[0] += (uint32_t)strlen(GET);
	is_int((long long)assembler_missing(a, COOKIE, end), 30, "as it is when more is told");
	is_int((long long)assembler_missing(a, COOKIE + 1, end), 0, "nothing is known of another connection");
	assembler_free(a);
}

static void test_quiet(void)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", hello[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
	static const char post[] = "POST /up HTTP/1.1\r\nContent-Length: 100000\r\n\r\n";
	char body[HTTP1_BODY_HASHED] = "";
	struct assembler *a = opened(JOURNAL_CLIENT);

	is_int((long long)assembler_quiet(a, COOKIE, ASSEMBLER_IN), 0, "nothing is declined of what is not known yet");
	out(a, GET);
	is_int((long long)assembler_quiet(a, COOKIE, ASSEMBLER_IN), 0, "nor of a head");
	in(a, head);
	is_int((long long)assembler_quiet(a, COOKIE, ASSEMBLER_IN), 100000, "a body says nothing");
	is_int((long long)assembler_quiet(a, COOKIE, ASSEMBLER_OUT), 0, "the next request does");
	move(a, ASSEMBLER_IN, NULL, 0, 100000, NULL);
	is_int(ended(0)->outcome, JOURNAL_OK, "without its bytes its end is seen");
	is_int((long long)assembler_quiet(a, COOKIE, ASSEMBLER_IN), 0, "the next head does");
	out(a, post);
	is_int((long long)assembler_quiet(a, COOKIE, ASSEMBLER_OUT), 0, "the beginning of a request's body makes its fingerprint");
	move(a, ASSEMBLER_OUT, body, sizeof(body), sizeof(body), NULL);
	is_int((long long)assembler_quiet(a, COOKIE, ASSEMBLER_OUT), 100000 - (long long)sizeof(body), "the rest of it does not");
	is_int((long long)assembler_quiet(a, COOKIE + 1, ASSEMBLER_OUT), 0, "nothing is declined of a connection that is not known");
	assembler_free(a);

	a = opened(JOURNAL_CLIENT);
	move(a, ASSEMBLER_OUT, hello, sizeof(hello) - 1, sizeof(hello) - 1, NULL);
	ok(assembler_quiet(a, COOKIE, ASSEMBLER_IN) == UINT64_MAX && assembler_quiet(a, COOKIE, ASSEMBLER_OUT) == UINT64_MAX,
	   "TLS says nothing any more");
	assembler_free(a);
}

static void test_reset_before_a_request(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);
	struct assembler_moment m = act(COOKIE);

	assembler_broken(a, &m, JOURNAL_RESET, ECONNRESET);
	now += 1000 * US;
	close_it(a, JOURNAL_LOCAL_CLOSE);
	is_int(ended(0)->outcome, JOURNAL_NOT_SENT, "a connection that is reset before its client said a word was an attempt");
	is_int(ended(0)->error, ECONNRESET, "which failed by that");
	is_int((long long)ended(0)->ended_ns, (long long)m.exit_ns, "when it was reset, not when the program closed it");
	assembler_free(a);

	a = opened(JOURNAL_CLIENT);
	close_it(a, JOURNAL_LOCAL_CLOSE);
	is_int(how_many_ended(), 0, "one that is closed without a word was none");
	assembler_free(a);

	a = opened(JOURNAL_CLIENT);
	fail(a, ASSEMBLER_OUT, EPIPE);
	close_it(a, JOURNAL_LOCAL_CLOSE);
	is_int(how_many_ended(), 1, "and one whose first write failed was one");
	assembler_free(a);

	a = opened(JOURNAL_SERVER);
	m = act(COOKIE);
	assembler_broken(a, &m, JOURNAL_RESET, ECONNRESET);
	close_it(a, JOURNAL_LOCAL_CLOSE);
	is_int(how_many_ended(), 0, "a server had nothing to answer");
	assembler_free(a);
}

/* The kernel closes what the process had open in the name of who opened it. */
static void test_end_of_an_heir(void)
{
	for (int late = 0; late < 2; late++) {
		struct assembler *a = opened(JOURNAL_CLIENT);

		move_on(a, COOKIE, 200, ASSEMBLER_OUT, GET);
		assembler_exited(a, 200, now);
		now += late * ASSEMBLER_LINGER_NS;
		close_it(a, JOURNAL_LOCAL_CLOSE);
		is_int(nth(JOURNAL_CLOSE, 0)->conn.end, late ? JOURNAL_LOCAL_CLOSE : JOURNAL_EXITED,
		       late ? "who closes a connection long after its last user ended did it" : "at once, it was that end");
		assembler_free(a);
	}
}

/* A child that inherited a connection and used it last goes; its parent goes on with it. */
static void test_connection_outlives_its_user(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);

	move_on(a, COOKIE, 200, ASSEMBLER_OUT, GET);
	move_on(a, COOKIE, 200, ASSEMBLER_IN, OK_HELLO);
	assembler_exited(a, 200, now);
	ok(assembler_knows(a, COOKIE), "the connection stays when a process that used it ends");
	out(a, GET);
	in(a, ANSWER("503"));
	is_int(ended(1)->status, 503, "and is framed on for the one that goes on");
	is_int(ended(1)->sequence, 1, "as the next exchange of the same connection");
	close_it(a, JOURNAL_LOCAL_CLOSE);
	is_int(nth(JOURNAL_CLOSE, 0)->conn.end, JOURNAL_LOCAL_CLOSE, "which closes it, long after");
	assembler_free(a);
}

/* ---- gaps ---- */

static void test_gap_in_a_sized_body(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);
	const char *head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";
	uint32_t positions[2] = {1000, 0xfffffff0u};

	assembler_place(a, COOKIE, positions);
	placed(a, ASSEMBLER_OUT, GET, 1000);
	placed(a, ASSEMBLER_IN, head, 0xfffffff0u);
	placed(a, ASSEMBLER_IN, "end", 0xfffffff0u + (uint32_t)strlen(head) + 97);
	is_int(how_many_ended(), 1, "bytes that were missed inside a sized body are counted, also where positions wrap");
	is_int(ended(0)->bytes_in, strlen(head) + 100, "as what they are");
	is_int(assembler_counts(a).resynced, 0, "framing is not lost by that");
	assembler_free(a);
}

static void test_gap_in_heads(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);
	uint32_t positions[2] = {0, 0}, at = (uint32_t)strlen(GET);

	assembler_place(a, COOKIE, positions);
	placed(a, ASSEMBLER_OUT, GET, 0);
	placed(a, ASSEMBLER_IN, "lo", 43);
	is_int(assembler_counts(a).resynced, 1, "a missed head loses framing, which is counted");
	placed(a, ASSEMBLER_OUT, "GET /next HTTP/1.1\r\n\r\n", at);
	is_int(ended(0)->outcome, JOURNAL_INDETERMINATE, "an answer whose status was missed tells nothing");
	placed(a, ASSEMBLER_IN, OK_HELLO, 45);
	is_str(ended(1)->path, "/next", "the next exchange is whole");
	is_int(ended(1)->status, 200, "with its status");
	assembler_free(a);
}

static void test_missed_request(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);
	uint32_t positions[2] = {0, 0};

	assembler_place(a, COOKIE, positions);
	placed(a, ASSEMBLER_OUT, GET, 0);
	placed(a, ASSEMBLER_IN, OK_HELLO, 0);
	placed(a, ASSEMBLER_OUT, "GET /3 HTTP/1.1\r\n\r\n", 500);
	is_int(assembler_counts(a).resynced, 1, "a missed request is noticed by its position");
	voice(a);
	is_str(nth(JOURNAL_BEGIN, 0)->x.path, "/3", "the one after it is taken");
	assembler_free(a);
}

static void test_reordered_writes_are_no_gap(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);
	uint32_t positions[2] = {0, 0};

	assembler_place(a, COOKIE, positions);
	placed(a, ASSEMBLER_OUT, GET, 0);
	placed(a, ASSEMBLER_OUT, GET, 0);
	is_int(assembler_counts(a).resynced, 0, "a position that was passed already is no gap");
	assembler_free(a);
}

/* Placed, as the kernel's witness tells: where the other direction stands is known as well. */
static void both_placed(struct assembler *a, enum assembler_direction d, const char *text, uint32_t position[2])
{
	struct assembler_moment m = act(COOKIE);
	struct assembler_bytes b = {.direction = d, .data = text, .captured = strlen(text), .bytes = strlen(text), .placed = true,
				    .position = position[d], .other_known = true, .other_position = position[!d]};

	position[d] += (uint32_t)strlen(text);
	assembler_bytes(a, &m, &b);
}

static void test_lost_answer(void)
{
	static const char *const answers[] = {ANSWER("202"), ANSWER("503"), ANSWER("204")};
	struct assembler *a = opened(JOURNAL_CLIENT);
	uint32_t at[2] = {5, 7};

	assembler_place(a, COOKIE, at);
	both_placed(a, ASSEMBLER_OUT, GET, at);
	assembler_lossy(a);
	at[ASSEMBLER_IN] += 40;
	for (unsigned i = 0; i < 3; i++) {
		both_placed(a, ASSEMBLER_OUT, GET, at);
		both_placed(a, ASSEMBLER_IN, answers[i], at);
	}
	is_int(ended(0)->outcome, JOURNAL_INDETERMINATE, "an exchange whose whole answer was lost is indeterminate");
	is_int(ended(0)->status, 0, "its status is not that of the next answer");
	is_int(ended(1)->status, 202, "the next exchange has its own");
	is_int(ended(2)->status, 503, "and the one after it");
	is_int(ended(3)->status, 204, "and the last");
	is_int(assembler_counts(a).resynced, 1, "the loss is counted once");
	assembler_free(a);
}

/* Without a loss, a direction that is ahead of what was told of it is another thread's call that has yet to return. */
static void test_no_loss_no_gap(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);
	uint32_t at[2] = {5, 7};

	assembler_lossy(a);
	assembler_place(a, COOKIE, at);
	both_placed(a, ASSEMBLER_OUT, GET, at);
	assembler_tick(a, now);
	now += 2 * ASSEMBLER_LINGER_NS;
	both_placed(a, ASSEMBLER_IN, ANSWER("200"), at);
	at[ASSEMBLER_IN] += (uint32_t)strlen(ANSWER("503"));
	both_placed(a, ASSEMBLER_OUT, GET, at);
	at[ASSEMBLER_IN] -= (uint32_t)strlen(ANSWER("503"));
	both_placed(a, ASSEMBLER_IN, ANSWER("503"), at);
	is_int(ended(1)->status, 503, "long after the loss, a direction that is ahead is no gap");
	is_int(assembler_counts(a).resynced, 0, "and nothing is counted");
	assembler_free(a);
}

static void test_mid_stream(void)
{
	struct assembler *a = fresh(0);

	open_as(a, COOKIE, JOURNAL_CLIENT, true);
	is_int(nth(JOURNAL_OPEN, 0)->conn.mid_stream, 1, "a connection met in mid-stream says so");
	in(a, "the rest of some answer");
	out(a, GET);
	in(a, OK_HELLO);
	is_int(how_many_begun(), 1, "what came before the first request is passed over");
	is_int(ended(0)->status, 200, "the first whole exchange is framed");
	assembler_free(a);

	a = fresh(0);
	open_as(a, COOKIE, JOURNAL_CLIENT, true);
	out(a, "\x01\x02 the rest of some body");
	in(a, OK_HELLO);
	out(a, GET);
	in(a, ANSWER("503"));
	is_int(how_many_begun(), 1, "the rest of a body is no turn");
	is_int(ended(0)->status, 503, "the request after it is");
	assembler_free(a);
}

/* ---- other protocols ---- */

static void test_protocols(void)
{
#define ROW(bytes, p) {bytes, sizeof(bytes) - 1, p}
	static const struct {
		const char *bytes;
		size_t n;
		enum protocol protocol;
	} rows[] = {
		ROW("GET / HTTP/1.1\r\n", PROTOCOL_HTTP1),
		ROW("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", PROTOCOL_HTTP2),
		ROW("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", PROTOCOL_TLS),
		ROW("*2\r\n$3\r\nGET\r\n$1\r\na\r\n", PROTOCOL_REDIS),
		ROW("\0\0\0\x08\x04\xd2\x16\x2f", PROTOCOL_POSTGRESQL),
		ROW("\0\0\0\x20\0\x03\0\0user\0a\0", PROTOCOL_POSTGRESQL),
		ROW("get key\r\n", PROTOCOL_MEMCACHED),
		ROW("set k 0 0 1\r\nx\r\n", PROTOCOL_MEMCACHED),
		ROW("PING\r\n", PROTOCOL_OPAQUE),
		ROW("\0\x01\x02\x03", PROTOCOL_OPAQUE),
		ROW("", PROTOCOL_OPAQUE),
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		is_int(protocol_detect(rows[i].bytes, rows[i].n), rows[i].protocol, "protocol of row %u is recognised", i);
#undef ROW
}

static void test_answers_that_fail(void)
{
	static const struct {
		enum protocol protocol;
		const char *answer;
		bool failed;
	} rows[] = {
		{PROTOCOL_REDIS, "+OK\r\n", false},	    {PROTOCOL_REDIS, "-ERR x\r\n", true},
		{PROTOCOL_REDIS, "-LOADING x\r\n", true},	    {PROTOCOL_REDIS, "-MOVED 1 h:1\r\n", false},
		{PROTOCOL_REDIS, "-ASK 1 h:1\r\n", false},  {PROTOCOL_POSTGRESQL, "E", true},
		{PROTOCOL_POSTGRESQL, "T", false},	    {PROTOCOL_MEMCACHED, "SERVER_ERROR x\r\n", true},
		{PROTOCOL_MEMCACHED, "ERROR\r\n", true},	    {PROTOCOL_MEMCACHED, "CLIENT_ERROR x\r\n", false},
		{PROTOCOL_OPAQUE, "-ERR\r\n", false},	    {PROTOCOL_REDIS, "", false},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		is_int(protocol_answer_failed(rows[i].protocol, rows[i].answer, strlen(rows[i].answer)), rows[i].failed,
		       "answer %u of a protocol has failed, or has not", i);
}

static void test_turns(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);
	uint64_t last;

	out(a, "*1\r\n$4\r\n");
	out(a, "PING\r\n");
	in(a, "+PO");
	last = now;
	in(a, "NG\r\n");
	is_int(how_many_begun(), 1, "a turn is one exchange, however its bytes are split");
	out(a, "*1\r\n$3\r\nBAD\r\n");
	is_int(how_many_ended(), 1, "the next request ends it");
	is_int(ended(0)->ended_ns, last + 10 * US, "at the last byte of its answer");
	is_int(ended(0)->outcome, JOURNAL_OK, "it is ok");
	is_int(ended(0)->protocol, JOURNAL_REDIS, "stored as what it is");
	in(a, "-ERR unknown command\r\n");
	close_it(a, JOURNAL_LOCAL_CLOSE);
	is_int(ended(1)->outcome, JOURNAL_FAILED, "an error of Redis is failed");
	ok(ended(0)->fingerprint && ended(0)->fingerprint != ended(1)->fingerprint, "different requests have different fingerprints");
	assembler_free(a);

	a = opened(JOURNAL_CLIENT);
	in(a, "220 welcome\r\n");
	out(a, "EHLO x\r\n");
	eof(a);
	is_int(how_many_begun(), 1, "a server's greeting is no exchange");
	is_int(ended(0)->outcome, JOURNAL_INDETERMINATE, "a turn without an answer is indeterminate");
	is_int(ended(0)->error, JOURNAL_EOF, "by the end of the stream");
	assembler_free(a);
}

static void test_looks_like_http_but_is_not(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);

	out(a, "PI");
	out(a, "NG\r\n");
	in(a, "+PONG\r\n");
	close_it(a, JOURNAL_LOCAL_CLOSE);
	is_int(how_many_ended(), 1, "what only began like HTTP is a turn");
	is_int(ended(0)->outcome, JOURNAL_OK, "that was answered");
	is_int(assembler_counts(a).resynced, 0, "and no loss");
	assembler_free(a);
}

static void test_veiled(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);
	static const char hello[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

	for (int i = 0; i < 3; i++) {
		move(a, ASSEMBLER_OUT, hello, sizeof(hello) - 1, sizeof(hello) - 1, NULL);
		in(a, "\x17\x03\x03");
	}
	close_it(a, JOURNAL_LOCAL_CLOSE);
	is_int(how_many_begun(), 1, "TLS is one exchange per connection");
	is_int(ended(0)->protocol, JOURNAL_TLS, "stored as such");
	is_int(ended(0)->outcome, JOURNAL_OK, "ok when it was closed in order");
	assembler_free(a);
}

static void test_upgrade(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);

	out(a, "GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
	in(a, "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x02hi");
	is_int(ended(0)->status, 101, "the upgrade is an exchange");
	out(a, "\x81\x02ho");
	in(a, "\x81\x02ha");
	close_it(a, JOURNAL_LOCAL_CLOSE);
	is_int(how_many_ended(), 2, "what follows are turns");
	is_int(ended(1)->protocol, JOURNAL_OPAQUE, "of another protocol");
	assembler_free(a);
}

/* ---- what is seen of a message is not all of it ---- */

/* The exchange broke within its answer, and the program goes on: what it asks next has an answer of its own. */
static void test_answer_after_a_broken_one(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);

	out(a, GET);
	in(a, "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nhe");
	fail(a, ASSEMBLER_IN, ETIMEDOUT);
	out(a, GET);
	in(a, ANSWER("503"));
	is_int(ended(1)->status, 503, "an answer after one that broke is not the rest of that");
	assembler_free(a);
}

/* A head of n bytes, of which the capture has `seen`. */
static void long_answer(struct assembler *a, const char *status, size_t seen, size_t n)
{
	char head[1024];

	memset(head, 'x', sizeof(head));
	memcpy(head, "HTTP/1.1 ", 9);
	memcpy(head + 9, status, 3);
	memcpy(head + 12, " x\r\nSet-Cookie: ", 17);
	move(a, ASSEMBLER_IN, head, seen, n, NULL);
}

static void test_answer_head_beyond_capture(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);
	uint64_t got;

	out(a, GET);
	got = now;
	long_answer(a, "200", 1024, 1700);
	out(a, GET);
	long_answer(a, "503", 1024, 1700);
	out(a, GET);
	in(a, OK_HELLO);
	is_int(ended(0)->status, 200, "an answer whose head is longer than the capture has its status");
	is_int(ended(0)->outcome, JOURNAL_OK, "and outcome");
	is_int(ended(0)->inferred, 1, "where it ended was inferred");
	is_int(ended(0)->ended_ns, got + 10 * US, "from its last byte");
	is_int(ended(0)->bytes_in, 1700, "all bytes are its own");
	is_int(ended(1)->status, 503, "the same for the next");
	is_int(ended(1)->outcome, JOURNAL_FAILED, "which failed");
	is_int(ended(2)->status, 200, "framing goes on after them");
	is_int(ended(2)->inferred, 0, "and nothing is inferred of what was seen");
	is_int(assembler_counts(a).resynced, 0, "nothing of this is a loss");
	assembler_free(a);
}

static void test_request_line_beyond_capture(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);
	char line[1024];

	memset(line, 'q', sizeof(line));
	memcpy(line, "GET /find?q=", 12);
	for (int i = 0; i < 2; i++) {
		move(a, ASSEMBLER_OUT, line, sizeof(line), 2000, NULL);
		in(a, OK_HELLO);
	}
	is_int(how_many_ended(), 2, "a request whose first line is longer than the capture is one");
	is_str(ended(0)->method, "GET", "its method is known");
	is_str(ended(1)->path, "/find", "and its path");
	is_int(ended(1)->status, 200, "and its answer");
	assembler_free(a);
}

#define CHUNK_10000 CHUNKED "2710\r\n"

static void test_last_chunk_in_its_own_call(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);
	size_t n = strlen(CHUNK_10000);
	uint64_t last;

	out(a, GET);
	move(a, ASSEMBLER_IN, CHUNK_10000, n, n + 9000, "xxxxxxxx");
	move(a, ASSEMBLER_IN, "x", 1, 1002, "xxxxxx\r\n");
	last = now;
	in(a, "0\r\n\r\n");
	is_int(how_many_ended(), 1, "a last chunk in a call of its own ends the answer");
	is_int(ended(0)->ended_ns, last + 10 * US, "then");
	is_int(ended(0)->inferred, 0, "nothing is inferred: the unseen data of a chunk has a length");

	out(a, GET);
	move(a, ASSEMBLER_IN, CHUNK_10000, n, n + 15000, "xxxxxxxx");
	move(a, ASSEMBLER_IN, "x", 1, 5000, "xxxxxx\r\n");
	in(a, "0\r\n");
	is_int(how_many_ended(), 1, "where a chunk's head was not seen either, half of the last chunk ends nothing");
	in(a, "\r\n");
	is_int(how_many_ended(), 2, "its last byte does");
	out(a, GET);
	in(a, ANSWER("503"));
	is_int(ended(2)->status, 503, "and the next exchange is framed");
	assembler_free(a);
}

static void test_chunked_and_pipelined(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);
	size_t n = strlen(CHUNK_10000);

	out(a, GET GET);
	move(a, ASSEMBLER_IN, CHUNK_10000, n, n + 10002, "xxxxxx\r\n");
	in(a, "0\r\n\r\n");
	in(a, ANSWER("503"));
	is_int(ended(0)->status, 200, "of two pipelined requests the first has its chunked answer");
	is_int(ended(1)->status, 503, "the second its own");
	is_int(assembler_counts(a).resynced, 0, "and nothing was lost");
	assembler_free(a);
}

/* Sixteen requests at once, sixteen answers in one read, of which the first three are seen. */
static void test_pipelined_beyond_capture(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);
	char answers[16 * 64];
	size_t n = 0, seen = 0;

	for (int batch = 0; batch < 2; batch++) {
		n = seen = 0;
		for (int i = 0; i < 16; i++) {
			out(a, GET);
			n += (size_t)sprintf(answers + n, "%s", i % 2 ? ANSWER("503") : ANSWER("200"));
			seen = i == 2 ? n + 5 : seen;
		}
		move(a, ASSEMBLER_IN, answers, seen, n, NULL);
		is_int(how_many_ended(), (batch + 1) * 16, "all of the batch are over");
		for (unsigned i = 0; i < 16; i++) {
			const struct journal_exchange *x = ended((unsigned)batch * 16 + i);

			is_int(x->status, i >= 3 ? 0 : i % 2 ? 503 : 200, "answer %u is its own, or not known", i);
			is_int(x->outcome, i >= 3 ? JOURNAL_INDETERMINATE : i % 2 ? JOURNAL_FAILED : JOURNAL_OK, "and so is its outcome");
		}
	}
	is_int(assembler_counts(a).resynced, 2, "each batch is counted as a loss");
	assembler_free(a);
}

/* Requests go out while others are answered: once answers were lost, no one can say whose the next one is. */
static void test_lost_answers_of_a_sliding_pipeline(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);
	uint32_t at[2] = {0, 0};

	assembler_place(a, COOKIE, at);
	both_placed(a, ASSEMBLER_OUT, GET GET, at);
	both_placed(a, ASSEMBLER_IN, ANSWER("200"), at);
	both_placed(a, ASSEMBLER_OUT, GET, at);
	at[ASSEMBLER_IN] += (uint32_t)strlen(ANSWER("201"));
	both_placed(a, ASSEMBLER_IN, ANSWER("503"), at);
	for (int i = 0; i < 3; i++) {
		both_placed(a, ASSEMBLER_OUT, GET, at);
		both_placed(a, ASSEMBLER_IN, ANSWER("503"), at);
	}
	close_it(a, JOURNAL_LOCAL_CLOSE);
	is_int(how_many_ended(), 6, "all exchanges are told");
	is_int(ended(0)->status, 200, "what was answered before the loss is known");
	for (unsigned i = 1; i < 6; i++) {
		is_int(ended(i)->status, 0, "after it, no status is laid to exchange %u", i);
		is_int(ended(i)->outcome, JOURNAL_INDETERMINATE, "which is indeterminate");
	}
	assembler_free(a);
}

static void test_hostile_bytes(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);
	static const char nul[] = "GET /a\0b HTTP/1.1\r\nX: \x01\0\r\n\r\n";

	out(a, "GET /\x1b[31m HTTP/1.1\r\nHost: \x7f\r\n\r\n");
	in(a, "HTTP/1.1 200 \x1b[0m\r\nContent-Length: 0\r\nX: \x02\r\n\r\n");
	move(a, ASSEMBLER_OUT, nul, sizeof(nul) - 1, sizeof(nul) - 1, NULL);
	in(a, ANSWER("503"));
	is_str(ended(0)->path, "/\x1b[31m", "an escape byte in a path is data");
	is_int(ended(0)->status, 200, "as are those in an answer");
	is_str(ended(1)->path, "/a\\x00b", "a NUL is kept as text");
	is_int(ended(1)->status, 503, "and nothing of it ends framing");
	assembler_free(a);
}

/* ---- the protocol changes, or is met in the middle ---- */

#define HELLO "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define SSL_REQUEST "\0\0\0\x08\x04\xd2\x16\x2f"
#define BYTES(text) text, sizeof(text) - 1, sizeof(text) - 1, NULL

static void test_tls_behind_connect(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);

	out(a, "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n");
	in(a, "HTTP/1.1 200 OK\r\n\r\n");
	for (int i = 0; i < 3; i++) {
		move(a, ASSEMBLER_OUT, BYTES(HELLO));
		move(a, ASSEMBLER_IN, BYTES("\x16\x03\x03\0\x01x"));
	}
	close_it(a, JOURNAL_LOCAL_CLOSE);
	is_int(how_many_ended(), 2, "TLS behind CONNECT is one exchange more");
	is_str(ended(0)->method, "CONNECT", "after that of the proxy");
	is_int(ended(1)->protocol, JOURNAL_TLS, "stored as TLS");
	is_int(ended(1)->outcome, JOURNAL_OK, "ok when closed in order");
	assembler_free(a);
}

static void test_http2_behind_upgrade(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);

	out(a, "GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n");
	in(a, "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
	out(a, PREFACE);
	move(a, ASSEMBLER_IN, BYTES("\0\0\0\x04\x01\0\0\0\0"));
	close_it(a, JOURNAL_LOCAL_CLOSE);
	is_int(how_many_ended(), 2, "HTTP/2 after an upgrade is one exchange more");
	is_int(ended(0)->status, 101, "after the upgrade");
	is_int(ended(1)->protocol, JOURNAL_HTTP2, "stored as HTTP/2");
	assembler_free(a);
}

static void test_split_preface(void)
{
	for (size_t cut = 1; cut < sizeof(PREFACE) - 1; cut++) {
		struct assembler *a = opened(JOURNAL_CLIENT);

		move(a, ASSEMBLER_OUT, PREFACE, cut, cut, NULL);
		move(a, ASSEMBLER_OUT, PREFACE + cut, sizeof(PREFACE) - 1 - cut, sizeof(PREFACE) - 1 - cut, NULL);
		move(a, ASSEMBLER_IN, BYTES("\0\0\0\x04\x01\0\0\0\0"));
		close_it(a, JOURNAL_LOCAL_CLOSE);
		is_int(how_many_ended(), 1, "a preface cut after %zu bytes begins one exchange", cut);
		is_int(ended(0)->protocol, JOURNAL_HTTP2, "of HTTP/2");
		assembler_free(a);
	}
}

static void test_encryption_of_postgresql(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);

	move(a, ASSEMBLER_OUT, BYTES(SSL_REQUEST));
	in(a, "S");
	move(a, ASSEMBLER_OUT, BYTES(HELLO));
	move(a, ASSEMBLER_IN, BYTES("\x16\x03\x03\0\x01x"));
	move(a, ASSEMBLER_OUT, BYTES("\x17\x03\x03\0\x01x"));
	move(a, ASSEMBLER_IN, BYTES("\x17\x03\x03\0\x01x"));
	close_it(a, JOURNAL_LOCAL_CLOSE);
	is_int(how_many_ended(), 2, "the request for encryption and what follows it are two exchanges");
	is_int(ended(0)->protocol, JOURNAL_POSTGRESQL, "the first is PostgreSQL's");
	is_int(ended(0)->inferred, 0, "and ends with its one byte");
	is_int(ended(1)->protocol, JOURNAL_TLS, "the second TLS");
	assembler_free(a);
}

static void test_middle_of_a_stream(void)
{
	static const struct {
		const char *what, *first;
		size_t n;
		enum journal_protocol protocol;
	} rows[] = {
		{"TLS records", "\x17\x03\x03\0\x04xxxx", 9, JOURNAL_TLS},
		{"frames of HTTP/2", "\0\0\x04\0\0\0\0\0\x03xxxx\0\0\0\x04\x01\0\0\0\0", 22, JOURNAL_HTTP2},
		{"a Query of PostgreSQL", "Q\0\0\0\x0dselect 1\0", 14, JOURNAL_POSTGRESQL},
		{"a command of Redis", "*1\r\n$4\r\nPING\r\n", 14, JOURNAL_REDIS},
		{"a command of memcached", "get a\r\n", 7, JOURNAL_MEMCACHED},
		{"a request", GET, sizeof(GET) - 1, JOURNAL_HTTP1},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct assembler *a = fresh(0);

		open_as(a, COOKIE, JOURNAL_CLIENT, true);
		move(a, ASSEMBLER_OUT, rows[i].first, rows[i].n, rows[i].n, NULL);
		close_it(a, JOURNAL_LOCAL_CLOSE);
		is_int(ended(0)->protocol, rows[i].protocol, "in the middle of a stream %s are recognised", rows[i].what);
		assembler_free(a);
	}
}

static void test_garbage_in_the_middle(void)
{
	static const char *const rests[] = {"hello world and more", "hello world\nand more", "GETTING /there HTTP is hard\r\n", "PUT it",
					    "*not redis", "Query", "a\r\n\r\nb"};

	for (unsigned i = 0; i < sizeof(rests) / sizeof(rests[0]); i++) {
		struct assembler *a = fresh(0);

		open_as(a, COOKIE, JOURNAL_CLIENT, true);
		out(a, rests[i]);
		in(a, ANSWER("200"));
		out(a, "GET /b HTTP/1.1\r\nHost: x\r\n\r\n");
		in(a, ANSWER("503"));
		is_int(how_many_ended(), 1, "the rest of a body (%u) is no exchange", i);
		is_str(ended(0)->path, "/b", "the request after it is");
		is_int(ended(0)->status, 503, "with its status");
		is_int(ended(0)->protocol, JOURNAL_HTTP1, "as HTTP/1");
		assembler_free(a);
	}
}

static void test_first_bytes_not_seen(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);

	move(a, ASSEMBLER_OUT, "", 0, 100, NULL);
	move(a, ASSEMBLER_IN, "", 0, 100, NULL);
	out(a, GET);
	in(a, ANSWER("503"));
	is_int(how_many_ended(), 2, "a turn of which no byte was seen is a turn");
	is_int(ended(0)->protocol, JOURNAL_OPAQUE, "of one knows not what");
	is_int(ended(1)->status, 503, "what is seen after it is recognised");
	assembler_free(a);
}

/* How many requests lie beyond the capture is not known, but each has its answer. */
static void test_pipeline_beyond_capture(void)
{
	static const char *const paths[] = {"/a", "/cut", "", "", "/b", "/c", "", "/d"};
	static const int statuses[] = {204, 204, 503, 204, 404, 204, 429, 204};
	static const char first[] = "GET /a HTTP/1.1\r\n\r\nGET /cut HT", third[] = "GET /c HTTP/1.1\r\n\r\n";

	for (enum journal_role role = JOURNAL_CLIENT; role <= JOURNAL_SERVER; role++) {
		enum assembler_direction ask = role == JOURNAL_CLIENT ? ASSEMBLER_OUT : ASSEMBLER_IN;
		struct assembler *a = opened(role);

		move(a, ask, first, sizeof(first) - 1, sizeof(first) + 59, NULL);
		move(a, !ask, BYTES(ANSWER("204") ANSWER("204") ANSWER("503")));
		move(a, ask, "", 0, 70, NULL);
		move(a, !ask, BYTES(ANSWER("204")));
		move(a, ask, BYTES("GET /b HTTP/1.1\r\n\r\n"));
		move(a, !ask, BYTES(ANSWER("404")));
		move(a, ask, third, sizeof(third) - 1, sizeof(third) + 49, NULL);
		move(a, !ask, BYTES(ANSWER("204") ANSWER("429")));
		move(a, ask, BYTES("GET /d HTTP/1.1\r\n\r\n"));
		move(a, !ask, BYTES(ANSWER("204") ANSWER("500")));
		is_int(how_many_ended(), 8, "each answer tells of a request, seen or not (role %d)", role);
		for (unsigned i = 0; i < 8; i++) {
			is_str(ended(i)->path, paths[i], "exchange %u has the path that was seen of its request", i);
			is_int(ended(i)->status, statuses[i], "and its status");
			ok(!i || ended(i)->started_ns >= ended(i - 1)->started_ns, "in the order in which they came");
		}
		is_int(role == JOURNAL_CLIENT ? ended(3)->bytes_out : ended(3)->bytes_in, 70, "what was not seen has its bytes");
		is_int(assembler_counts(a).resynced, 0, "and nothing is lost");
		move(a, ask, third, sizeof(third) - 1, sizeof(third) + 49, NULL);
		move(a, !ask, ANSWER("204"), sizeof(ANSWER("204")) - 1, 300, NULL);
		is_int(assembler_counts(a).resynced, 1, "unless the answer is not seen either");
		assembler_free(a);
	}
}

/* ---- protocols with messages ---- */

static void test_commands_of_redis(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);
	static const struct {
		const char *name;
		int outcome;
	} rows[] = {{"GET", JOURNAL_OK},      {"SET", JOURNAL_FAILED}, {"LRANGE", JOURNAL_OK},
		    {"PING", JOURNAL_FAILED}, {"HELLO", JOURNAL_OK},   {"GET", JOURNAL_OK}};

	out(a, "*2\r\n$3\r\nGET\r\n$1\r\na\r\n*3\r\n$3\r\nset\r\n$1\r\na\r\n$2\r\nbc\r\n"
	       "*4\r\n$6\r\nlrange\r\n$1\r\nl\r\n$1\r\n0\r\n$1\r\n9\r\n");
	out(a, "*1\r\n$4\r\nPI");
	out(a, "NG\r\n*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n*2\r\n$3\r\nGET\r\n$1\r\nz\r\n");
	in(a, "$3\r\nabc\r\n-OOM no memory\r\n*3\r\n$1\r\na\r\n$-1\r\n:5\r\n-LOADI");
	in(a, "NG wait\r\n%2\r\n+server\r\n+redis\r\n+proto\r\n:3\r\n>2\r\n+push\r\n+x\r\n-MOVED 1 h:1\r\n");
	is_int(how_many_ended(), 6, "each command of a pipeline is an exchange");
	for (unsigned i = 0; i < 6; i++) {
		is_str(ended(i)->method, rows[i].name, "exchange %u has the name of its command", i);
		is_int(ended(i)->outcome, rows[i].outcome, "and the outcome of its reply");
		is_int(ended(i)->inferred, 0, "of which the end is known");
	}
	assembler_free(a);
}

/* Which answers do not come is not told by the stream: until one does and a turn begins, no command is laid to another's answer. */
static void test_redis_without_replies(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);

	out(a, "*3\r\n$6\r\nclient\r\n$5\r\nreply\r\n$3\r\nOFF\r\n");
	out(a, "*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
	out(a, "*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$2\r\nON\r\n");
	in(a, "+OK\r\n");
	out(a, "*1\r\n$3\r\nBAD\r\n");
	in(a, "-ERR\r\n");
	out(a, "*2\r\n$6\r\nCLIENT\r\n$2\r\nID\r\n*2\r\n$3\r\nGET\r\n$1\r\nz\r\n");
	in(a, ":7\r\n$-1\r\n");
	is_int(how_many_ended(), 4, "commands without replies are one turn with those that end it");
	is_str(ended(0)->method, "CLIENT", "named after the first");
	is_str(ended(1)->method, "BAD", "behind them all is in step");
	is_int(ended(1)->outcome, JOURNAL_FAILED, "each command has its own reply");
	is_str(ended(3)->method, "GET", "and what CLIENT says otherwise");
	is_int(ended(3)->inferred, 0, "changes nothing");
	assembler_free(a);
}

static void test_values_of_redis_beyond_capture(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);
	const char *set = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5000\r\nxx";

	move(a, ASSEMBLER_OUT, set, strlen(set), strlen(set) + 5000, NULL);
	in(a, "+OK\r\n");
	out(a, "*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
	move(a, ASSEMBLER_IN, "$5000\r\nx", 8, 4000, NULL);
	is_int(how_many_ended(), 1, "a value that is not all there ends nothing");
	move(a, ASSEMBLER_IN, "x", 1, 1009, NULL);
	is_int(how_many_ended(), 2, "values that are only counted end where they do");
	is_int(ended(1)->bytes_in, 5009, "with all their bytes");
	is_int(assembler_counts(a).resynced, 0, "and nothing is lost");
	assembler_free(a);
}

static void test_redis_out_of_step(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);
	const char *get = "*2\r\n$3\r\nGET\r\n$1\r\na\r\n";

	out(a, get);
	out(a, get);
	move(a, ASSEMBLER_IN, "*2\r\n", 4, 100, NULL);
	is_int(how_many_ended(), 2, "replies that were not seen are laid to nobody");
	is_int(ended(0)->outcome, JOURNAL_INDETERMINATE, "and tell nothing");
	in(a, "-ERR of the second\r\n");
	out(a, get);
	in(a, "-ERR no\r\n");
	out(a, get);
	in(a, "$1\r\na\r\n");
	is_int(how_many_ended(), 4, "the next turn is framed again");
	is_int(ended(2)->outcome, JOURNAL_FAILED, "with its own reply");
	is_int(ended(3)->outcome, JOURNAL_OK, "and so is the one after it");
	out(a, "*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n");
	for (int i = 0; i < 3; i++)
		in(a, "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n");
	close_it(a, JOURNAL_LOCAL_CLOSE);
	is_int(how_many_ended(), 5, "what a subscription brings is one turn");
	assembler_free(a);
}

/* How many commands lie beyond the capture is not known, but each has its answer. */
static void test_pipeline_of_redis_beyond_capture(void)
{
	static const char *const names[] = {"SET", "GET", "", "", "", "GET"};
	const char *seen = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$2\r\nbc\r\n*2\r\n$3\r\nGET\r\n", *get = "*2\r\n$3\r\nGET\r\n$1\r\na\r\n";

	for (enum journal_role role = JOURNAL_CLIENT; role <= JOURNAL_SERVER; role++) {
		enum assembler_direction ask = role == JOURNAL_CLIENT ? ASSEMBLER_OUT : ASSEMBLER_IN;
		struct assembler *a = opened(role);

		move(a, ask, seen, strlen(seen), strlen(seen) + 60, "a\r\n$1\r\n");
		move(a, ask, "x\r\n", 3, 3, NULL);
		move(a, !ask, BYTES("+OK\r\n$2\r\nbc\r\n-ERR"));
		move(a, !ask, BYTES(" no\r\n:1\r\n>2\r\n+push\r\n+x\r\n"));
		move(a, !ask, BYTES("*1\r\n:7\r\n"));
		move(a, ask, get, strlen(get), strlen(get), NULL);
		move(a, !ask, BYTES("$-1\r\n"));
		is_int(how_many_ended(), 6, "each answer tells of a command, seen or not (role %d)", role);
		for (unsigned i = 0; i < 6; i++) {
			is_str(ended(i)->method, names[i], "exchange %u has the name that was seen of its command", i);
			is_int(ended(i)->outcome, i == 2 ? JOURNAL_FAILED : JOURNAL_OK, "and the outcome of its reply");
			is_int(ended(i)->inferred, 0, "of which the end is known");
			is_int(ended(i)->started_ns < ended(5)->started_ns, i < 5, "it began with its pipeline");
		}
		is_int(ended(2)->fingerprint | ended(3)->fingerprint, 0, "what was not seen resembles nothing");
		is_int(role == JOURNAL_CLIENT ? ended(1)->bytes_out : ended(1)->bytes_in, 13 + 63, "all unseen bytes are those of the command that was cut");
		is_int(assembler_counts(a).resynced, 0, "and nothing is lost");
		assembler_free(a);
	}
}

/* Between lists of words lines of them come as well, and what is no command. */
static void test_redis_typed(void)
{
	static const struct {
		const char *name;
		int outcome;
	} rows[] = {{"GET", JOURNAL_OK}, {"PING", JOURNAL_OK}, {"SET", JOURNAL_FAILED},
		    {"GET", JOURNAL_OK}, {"GET", JOURNAL_OK},  {"CLIENT", JOURNAL_INDETERMINATE}};
	struct assembler *a = opened(JOURNAL_CLIENT);
	const char *get = "*2\r\n$3\r\nGET\r\n$1\r\na\r\n";

	out(a, get);
	out(a, "pi");
	out(a, "ng\r\nset a \"b c\"\n\r\n*0\r\n");
	out(a, "\r\n");
	out(a, get);
	in(a, "$1\r\nx\r\n+PONG\r\n|1\r\n+ttl\r\n*2\r\n:1\r\n:2\r\n-ERR no\r\n");
	in(a, "*2\r\n|1\r\n+a\r\n:1\r\n+x\r\n+y\r\n");
	is_int(how_many_ended(), 4, "a command on a line is one, and an attribute belongs to the answer that it stands before");
	out(a, get);
	in(a, "$-1\r\n");
	out(a, "client reply off\r\n");
	out(a, get);
	close_it(a, JOURNAL_LOCAL_CLOSE);
	is_int(how_many_ended(), 6, "a line can ask for no replies too");
	for (unsigned i = 0; i < 6; i++) {
		is_str(ended(i)->method, rows[i].name, "command %u has its name", i);
		is_int(ended(i)->outcome, rows[i].outcome, "and its reply");
	}
	is_int(ended(2)->bytes_in, 31, "with its attribute");
	is_int(assembler_counts(a).resynced, 0, "and nothing is lost");
	assembler_free(a);
}

static void test_redis_inline(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);

	out(a, "get k\r\n");
	in(a, "-ERR wrong type\r\n");
	close_it(a, JOURNAL_LOCAL_CLOSE);
	is_int(ended(0)->protocol, JOURNAL_REDIS, "an answer of Redis to a line that memcached would take as well tells them apart");
	is_int(ended(0)->outcome, JOURNAL_FAILED, "and its error is one");
	assembler_free(a);
}

#define KEY50 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwx"
#define LONG_KEY KEY50 KEY50 KEY50 KEY50 KEY50	/* as long as it may be */
#define STARTUP "\0\0\0\x10\0\x03\0\0user\0a\0\0"
#define QUERY "Q\0\0\0\x0dselect 1\0"
#define SYNC "S\0\0\0\4"
#define READY "Z\0\0\0\x05I"

static void test_turns_of_postgresql(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);

	move(a, ASSEMBLER_OUT, BYTES(SSL_REQUEST));
	in(a, "N");
	move(a, ASSEMBLER_OUT, BYTES(STARTUP));
	move(a, ASSEMBLER_IN, BYTES("R\0\0\0\x0c\0\0\0\x05salt"));
	move(a, ASSEMBLER_OUT, BYTES("p\0\0\0\x09word\0"));
	move(a, ASSEMBLER_IN, BYTES("R\0\0\0\x08\0\0\0\0" READY));
	is_int(how_many_ended(), 2, "logging in is one exchange, ended by the server's word that it is ready");
	move(a, ASSEMBLER_OUT, BYTES(QUERY));
	move(a, ASSEMBLER_IN, BYTES("T\0\0\0\x06\0\0E\0\0\0\x05\0" READY));
	is_int(how_many_ended(), 3, "so is a query");
	is_int(ended(2)->outcome, JOURNAL_FAILED, "an error behind the description of rows is seen");
	is_int(ended(2)->inferred, 0, "its end is not inferred");
	move(a, ASSEMBLER_OUT, BYTES(QUERY QUERY));
	move(a, ASSEMBLER_IN, BYTES("C\0\0\0\x06OK" READY));
	is_int(how_many_ended(), 3, "two queries at once are not over after one answer");
	move(a, ASSEMBLER_IN, BYTES("C\0\0\0\x06OK" READY));
	is_int(ended(3)->outcome, JOURNAL_OK, "but after both");
	move(a, ASSEMBLER_OUT, BYTES(QUERY));
	move(a, ASSEMBLER_IN, "T\0\0\0\x06\0\0D\0\0\1\0", 12, 9000, "xxZ\0\0\0\x05I");
	is_int(how_many_ended(), 5, "behind rows that were not seen, the last bytes tell the end");
	move(a, ASSEMBLER_OUT, BYTES(QUERY));
	move(a, ASSEMBLER_IN, BYTES("E\0\0\0\x05\0" READY));
	is_int(ended(5)->outcome, JOURNAL_FAILED, "and the next query is in step");
	move(a, ASSEMBLER_OUT, BYTES(QUERY));
	move(a, ASSEMBLER_IN, "T\0\0\0\x06\0\0D\0\0\1\0", 12, 9000, "xxZ\0\0\0\x05" "E");
	is_int(ended(6)->outcome, JOURNAL_FAILED, "an error behind such rows is seen by the transaction that failed with it");
	move(a, ASSEMBLER_OUT, BYTES("X\0\0\0\4"));
	close_it(a, JOURNAL_LOCAL_CLOSE);
	is_int(how_many_ended(), 7, "a goodbye is no exchange");
	assembler_free(a);
}

/* A Sync that comes before the data of a COPY is not answered, and the heads of its messages are mostly beyond the capture. */
static void test_copy_of_postgresql(void)
{
	static const char extended[] = "P\0\0\0\x06\0\0B\0\0\0\x04" "E\0\0\0\x09\0\0\0\0\0" SYNC, *const begins[] = {QUERY, extended};
	const size_t sizes[] = {sizeof(QUERY) - 1, sizeof(extended) - 1};

	for (unsigned i = 0; i < 4; i++) {
		struct assembler *a = opened(JOURNAL_CLIENT);

		move(a, ASSEMBLER_OUT, BYTES(STARTUP));
		move(a, ASSEMBLER_IN, BYTES("R\0\0\0\x08\0\0\0\0" READY));
		move(a, ASSEMBLER_OUT, begins[i % 2], sizes[i % 2], sizes[i % 2], NULL);
		move(a, ASSEMBLER_IN, BYTES("G\0\0\0\x07\0\0\0"));
		if (i < 2)
			move(a, ASSEMBLER_OUT, BYTES("d\0\0\0\x06x\n"));
		else
			move(a, ASSEMBLER_OUT, "d\0\0\0\x06x\nd", 8, 8192, "xxxxxxx\n");
		now += 3000000 * US;
		assembler_tick(a, now);
		move(a, ASSEMBLER_OUT, BYTES("c\0\0\0\4" SYNC));
		move(a, ASSEMBLER_IN, BYTES("C\0\0\0\x0b" "COPY 1\0" READY));
		is_int(how_many_ended(), 2, "a COPY (%u) is one exchange, over when the server is ready", i);
		is_int(ended(1)->bytes_in, 8 + 12 + 6, "with all its answer");
		move(a, ASSEMBLER_OUT, BYTES(QUERY));
		move(a, ASSEMBLER_IN, BYTES("E\0\0\0\x05\0" READY));
		is_int(how_many_ended(), 3, "and the query after it is one of its own");
		is_int(ended(1)->outcome, JOURNAL_OK, "which leaves the COPY ok");
		is_int(ended(2)->outcome, JOURNAL_FAILED, "and fails itself");
		is_int(ended(1)->inferred + ended(2)->inferred, 0, "their ends are seen");
		assembler_free(a);
	}
}

/* How many answers a pipeline gets is not known when a part of it lies beyond the capture. */
static void test_pipeline_of_postgresql_beyond_capture(void)
{
	struct assembler *a = opened(JOURNAL_SERVER);
	static const char seen[] = QUERY QUERY "Q";

	move(a, ASSEMBLER_IN, BYTES(STARTUP));
	move(a, ASSEMBLER_OUT, BYTES("R\0\0\0\x08\0\0\0\0" READY));
	move(a, ASSEMBLER_IN, seen, sizeof(seen) - 1, 3 * (sizeof(QUERY) - 1), "elect 1");
	move(a, ASSEMBLER_OUT, BYTES("C\0\0\0\x06OK" READY));
	move(a, ASSEMBLER_OUT, BYTES("C\0\0\0\x06OK" READY));
	move(a, ASSEMBLER_OUT, BYTES("E\0\0\0\x05\0" READY));
	now += 3000000 * US;
	assembler_tick(a, now);
	is_int(how_many_ended(), 2, "a pipeline is one exchange");
	is_int(ended(1)->outcome, JOURNAL_FAILED, "and its last answer counts as well");
	is_int(ended(1)->inferred, 1, "silence ends it");
	move(a, ASSEMBLER_IN, BYTES(QUERY));
	move(a, ASSEMBLER_OUT, BYTES("C\0\0\0\x06OK" READY));
	is_int(how_many_ended(), 3, "a query after it is in step");
	is_int(ended(2)->inferred, 0, "with an end that is seen");
	assembler_free(a);
}

/* A command that wants no answer is no turn: the next one would seem to last since then. */
static void test_memcached_without_replies(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);
	static const char long_set[] = "set " LONG_KEY " 0 0 5000 noreply\r\nxxxx";
	uint64_t asked_ns;

	out(a, "set a 0 0 3 noreply\r\nabc\r\n");
	move(a, ASSEMBLER_OUT, BYTES(long_set));
	move(a, ASSEMBLER_OUT, "xx", 2, 4998, "xxxxxx\r\n");
	out(a, "delete a norep");
	asked_ns = now;
	out(a, "ly\r\ndelete b noreply\r\nincr n 1 noreply\r\nget a\r\n");
	in(a, "VALUE a 0 9\r\nERROR\r\nno\r\nEND\r\n");
	out(a, "cas a 0 0 3 7 noreply\r\nabc\r\n");
	out(a, "set a 0 0 9\r\n noreply\r\r\n");
	in(a, "SERVER_ERROR out of memory\r\n");
	close_it(a, JOURNAL_LOCAL_CLOSE);
	is_int(how_many_ended(), 2, "commands without an answer are no turns of memcached");
	ok(ended(0)->started_ns <= asked_ns && ended(0)->started_ns + 20 * US >= asked_ns, "a turn behind them begins when it begins");
	is_int(ended(0)->outcome, JOURNAL_OK, "and has its answer");
	is_int(ended(1)->outcome, JOURNAL_FAILED, "a value that says noreply is answered");
	is_int(ended(1)->bytes_out, 24, "with its own bytes");
	assembler_free(a);
}

/* Nothing answers a CancelRequest but the end of its connection. */
static void test_cancel_of_postgresql(void)
{
	for (enum journal_role role = JOURNAL_CLIENT; role <= JOURNAL_SERVER; role++) {
		struct assembler *a = opened(role);

		move(a, role == JOURNAL_CLIENT ? ASSEMBLER_OUT : ASSEMBLER_IN, BYTES("\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\1\0\0\0\2"));
		if (role == JOURNAL_CLIENT)
			eof(a);
		close_it(a, role == JOURNAL_CLIENT ? JOURNAL_PEER_CLOSE : JOURNAL_LOCAL_CLOSE);
		is_int(how_many_ended(), 1, "a cancellation is an exchange (role %d)", role);
		is_int(ended(0)->outcome, JOURNAL_OK, "and the end of the connection its answer");
		assembler_free(a);
	}
	struct assembler *a = opened(JOURNAL_CLIENT);

	move(a, ASSEMBLER_OUT, BYTES("\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\1\0\0\0\2"));
	close_it(a, JOURNAL_RESET);
	is_int(ended(0)->outcome, JOURNAL_INDETERMINATE, "one that is reset is not known to have arrived");
	assembler_free(a);
}

/* MySQL's COM_QUIT, which a server reads in two pieces, is no exchange; what looks like its beginning may be one. */
static void test_goodbye_of_mysql(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);

	move(a, ASSEMBLER_IN, BYTES("\x05\0\0\0\x0ahello"));
	move(a, ASSEMBLER_OUT, BYTES("\5\0\0\1login"));
	move(a, ASSEMBLER_IN, BYTES("\3\0\0\2\0\0\0"));
	move(a, ASSEMBLER_OUT, BYTES("\1\0\0\0\1"));
	close_it(a, JOURNAL_LOCAL_CLOSE);
	is_int(how_many_ended(), 1, "a client's goodbye is no exchange");
	is_int(ended(0)->outcome, JOURNAL_OK, "and leaves the one before it as it is");
	assembler_free(a);

	a = opened(JOURNAL_SERVER);
	move(a, ASSEMBLER_OUT, BYTES("\x05\0\0\0\x0ahello"));
	for (char command = '\x0e'; command; command = command == '\x0e' ? 1 : 0) {	/* COM_PING, COM_QUIT */
		move(a, ASSEMBLER_IN, BYTES("\1\0\0\0"));
		move(a, ASSEMBLER_IN, &command, 1, 1, NULL);
		if (command != 1)
			move(a, ASSEMBLER_OUT, BYTES("\3\0\0\1\0\0\0"));
	}
	close_it(a, JOURNAL_PEER_CLOSE);
	is_int(how_many_ended(), 1, "a server's neither, also when it reads it in two pieces");
	is_int(ended(0)->bytes_in, 5, "but a ping is one");
	assembler_free(a);
}

static void test_turns_of_memcached(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);

	out(a, "get a b\r\n");
	in(a, "VALUE a 0 12\r\nSERVER_ERROR\r\nEND\r\n");
	out(a, "get a\r\n");
	in(a, "VALUE a 0 1\r\nx\r\nSERVER_ERROR out of memory\r\n");
	out(a, "set a 0 0 1\r\nx\r\n");
	in(a, "STORED\r\n");
	out(a, "quit\r\n");
	close_it(a, JOURNAL_LOCAL_CLOSE);
	is_int(how_many_ended(), 3, "quit is no exchange");
	is_int(ended(0)->outcome, JOURNAL_OK, "a value is no error, whatever it says");
	is_int(ended(1)->outcome, JOURNAL_FAILED, "an error behind a value is");
	is_int(ended(2)->outcome, JOURNAL_OK, "an answer is an answer");
	assembler_free(a);
}

/* ---- losses where nothing is framed ---- */

static void test_lost_turns_are_counted(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);
	uint32_t at[2] = {0, 0};

	assembler_place(a, COOKIE, at);
	at[ASSEMBLER_OUT] = 50;
	both_placed(a, ASSEMBLER_OUT, GET, at);
	both_placed(a, ASSEMBLER_IN, OK_HELLO, at);
	is_int(assembler_counts(a).resynced, 1, "bytes missed before the protocol was known are counted");
	is_int(ended(0)->status, 200, "and what comes after them is framed");
	assembler_free(a);

	a = opened(JOURNAL_CLIENT);
	at[0] = at[1] = 0;
	assembler_place(a, COOKIE, at);
	both_placed(a, ASSEMBLER_OUT, "\x01\x02", at);
	at[ASSEMBLER_IN] = 9;
	assembler_lossy(a);
	both_placed(a, ASSEMBLER_OUT, "\x03\x04", at);
	both_placed(a, ASSEMBLER_IN, "\x05", at);
	close_it(a, JOURNAL_LOCAL_CLOSE);
	is_int(assembler_counts(a).resynced, 1, "a missed answer of an unknown protocol is counted");
	is_int(how_many_ended(), 2, "its turn is one of its own");
	is_int(ended(0)->outcome, JOURNAL_INDETERMINATE, "that tells nothing");
	is_int(ended(1)->outcome, JOURNAL_OK, "the next has its answer");
	assembler_free(a);
}

/* A client whose connection breaks before it sent anything: an attempt that failed, unless it was kept ready for long. */
static void test_broken_before_use(void)
{
	for (int late = 0; late < 2; late++) {
		struct assembler *a = opened(JOURNAL_CLIENT);
		struct assembler_moment m;

		now += late * ASSEMBLER_LINGER_NS;
		m = act(COOKIE);
		assembler_broken(a, &m, JOURNAL_RESET, ECONNRESET);
		close_it(a, JOURNAL_LOCAL_CLOSE);
		is_int(how_many_ended(), !late, late ? "an idle connection that breaks later is none" : "a reset before a request is one");
		is_int(ended(0)->outcome, late ? 0 : JOURNAL_NOT_SENT, late ? "so it has no outcome" : "that was not sent");
		is_int(ended(0)->error, late ? 0 : ECONNRESET, late ? "and no error" : "for that error");
		assembler_free(a);
	}
}

/* ---- bounds ---- */

static void test_bounded_pipeline(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);

	for (unsigned i = 0; i < 5000; i++) {
		out(a, GET);
		count = count > RECORDS / 2 ? 0 : count;
	}
	is_int(assembler_counts(a).resynced, 1, "a pipeline longer than any is given up, once");
	count = 0;
	in(a, ANSWER("200"));
	close_it(a, JOURNAL_LOCAL_CLOSE);
	is_int(nth(JOURNAL_WHOLE, 0)->x.status, 0, "and no answer after that is laid to anyone");
	assembler_free(a);
}

/* Many connections, each with a pipeline that is not too long by itself. */
static void test_bounded_in_all(void)
{
	struct assembler *a = fresh(0);

	for (unsigned i = 0; i < 100; i++) {
		open_as(a, 1 + i, JOURNAL_CLIENT, false);
		for (unsigned n = 0; n < 400; n++)
			move_on(a, 1 + i, 100, ASSEMBLER_OUT, GET);
		count = 0;
	}
	assembler_finish(a, now);
	ok(assembler_counts(a).resynced > 1, "pipelines that are too many together are given up, which is counted");
	assembler_free(a);
}

/* What a request says takes room until it is told. */
static void test_many_at_once(void)
{
	struct assembler *a = fresh(0);

	for (unsigned i = 0; i < ASSEMBLER_CONNECTIONS; i++) {
		open_as(a, 1 + i, JOURNAL_CLIENT, false);
		count = 0;
		move_on(a, 1 + i, 100, ASSEMBLER_OUT, GET);
	}
	is_int(how_many(JOURNAL_BEGIN), 1, "of very many that begin at once the oldest is told without waiting for a tick");
	assembler_free(a);
}

/* All that there is room for: connections of a process each, in the middle of a second request. */
static void test_full_memory(void)
{
	static const char http[] = GET "GET /and-on HTTP/1.1\r\nHost:", redis[] = "*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPI";
	size_t before = mallinfo2().uordblks + mallinfo2().hblkhd, bytes;
	struct assembler *a = fresh(0);

	for (unsigned i = 0; i < ASSEMBLER_CONNECTIONS; i++) {
		const char *what = i < ASSEMBLY_FRAMINGS ? http : i < ASSEMBLY_FRAMINGS + ASSEMBLY_TURNS ? redis : "?";

		open_as(a, 1 + i, JOURNAL_CLIENT, false);
		move_on(a, 1 + i, 101 + i, ASSEMBLER_OUT, what);
		count = 0;
	}
	bytes = mallinfo2().uordblks + mallinfo2().hblkhd - before;
	ok(bytes >> 20 < MEMORY_ASSEMBLER, "an assembler that is full takes less than %d MiB (%zu)", MEMORY_ASSEMBLER, bytes >> 20);
	is_int(assembler_counts(a).dropped + assembler_counts(a).resynced, 0, "without losing a word");
	assembler_free(a);
}

/* All ask, then all are answered, twice. */
static void test_idle_connections_give_back(void)
{
	const unsigned n = 20000;
	struct assembler *a = fresh(0);
	unsigned right = 0;

	for (unsigned i = 0; i < n; i++)
		open_as(a, 1 + i, JOURNAL_CLIENT, false);
	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < n; i++)
			move_on(a, 1 + i, 100, ASSEMBLER_OUT, GET);
		for (unsigned i = 0; i < n; i++) {
			count = 0;
			move_on(a, 1 + i, 100, ASSEMBLER_IN, ANSWER("204"));
			right += ended(0)->status == 204 && ended(0)->sequence == pass;
		}
	}
	is_int(right, 2 * n, "more connections than have framing at once are all framed, as those between messages give theirs back");
	is_int(assembler_counts(a).dropped, 0, "and nothing is dropped");
	assembler_free(a);
}

/* The same with messages: one command each, then a second behind it on most, then the answers; or a query. */
static void test_idle_messages_give_back(void)
{
	const unsigned n = ASSEMBLY_TURNS + 5000;
	struct assembler *a = fresh(0);
	unsigned right = 0;

	for (unsigned i = 0; i < n; i++) {
		open_as(a, 1 + i, JOURNAL_CLIENT, false);
		move_on(a, 1 + i, 100, ASSEMBLER_OUT, "*1\r\n$4\r\nPING\r\n");
	}
	for (unsigned i = 0; i < ASSEMBLY_PIPELINED; i++)
		move_on(a, 1 + i, 100, ASSEMBLER_OUT, "*1\r\n$4\r\nEXEC\r\n");
	for (unsigned i = 0; i < n; i++) {
		count = 0;
		move_on(a, 1 + i, 100, ASSEMBLER_IN, "+PO");
		move_on(a, 1 + i, 100, ASSEMBLER_IN, i < ASSEMBLY_PIPELINED ? "NG\r\n-ERR EXEC without MULTI\r\n" : "NG\r\n");
		right += how_many_ended() == 1 + (i < ASSEMBLY_PIPELINED) && ended(0)->outcome == JOURNAL_OK && !ended(0)->inferred;
		right += i < ASSEMBLY_PIPELINED && ended(1)->outcome == JOURNAL_FAILED && !ended(1)->inferred;
	}
	is_int(right, n + ASSEMBLY_PIPELINED, "connections that wait for answers of Redis give their framing back and are in step all the same");
	is_int(assembler_counts(a).dropped + assembler_counts(a).resynced, 0, "and nothing is dropped");
	assembler_free(a);
}

/* So many that all that can give back do. */
static void others_speak(struct assembler *a)
{
	for (unsigned i = 0; i < 2 * ASSEMBLY_TURNS; i++) {
		open_as(a, 1000 + i, JOURNAL_CLIENT, false);
		move_on(a, 1000 + i, 100, ASSEMBLER_OUT, "*1\r\n$4\r\nPING\r\n");
	}
	count = 0;
}

static void test_gap_after_giving_back(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);
	static const char ping[] = "*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n";

	placed(a, ASSEMBLER_OUT, ping, 0);
	placed(a, ASSEMBLER_IN, "+PONG\r\n", 0);
	placed(a, ASSEMBLER_OUT, ping, sizeof(ping) - 1);
	others_speak(a);
	placed(a, ASSEMBLER_IN, "-ERR of the third\r\n", 14);
	is_int(how_many_ended(), 3, "answers that were lost while there was no framing");
	is_int(ended(0)->outcome & ended(1)->outcome & ended(2)->outcome, JOURNAL_INDETERMINATE, "leave it unknown whose the next one is");
	assembler_free(a);
}

static void test_queries_give_back(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);

	out(a, "CONNECT db:5432 HTTP/1.1\r\n\r\n");
	in(a, "HTTP/1.1 200 OK\r\n\r\n");
	move(a, ASSEMBLER_OUT, BYTES(STARTUP));
	move(a, ASSEMBLER_IN, BYTES("R\0\0\0\x08\0\0\0\0" READY));
	is_int(how_many_ended(), 2, "logging in is an exchange behind a proxy as well");
	others_speak(a);
	move(a, ASSEMBLER_OUT, BYTES(QUERY));
	move(a, ASSEMBLER_IN, BYTES("E\0\0\0\x05\0" READY));
	is_int(how_many_ended(), 1, "a connection of PostgreSQL that was idle");
	is_int(ended(0)->outcome + ended(0)->inferred, JOURNAL_FAILED, "is in step as well");
	assembler_free(a);
}

static void test_bounded(void)
{
	struct assembler *a = fresh(100);

	for (uint64_t c = 1; c <= 150; c++)
		open_as(a, c, JOURNAL_CLIENT, false);
	is_int(assembler_counts(a).evicted, 50, "beyond the bound, the connection silent longest goes");
	ok(!assembler_knows(a, 50) && assembler_knows(a, 51) && assembler_knows(a, 150), "which are the oldest");
	is_int(how_many(JOURNAL_CLOSE), 50, "and each is told");
	assembler_free(a);
}

static void test_finish(void)
{
	struct assembler *a = opened(JOURNAL_CLIENT);

	out(a, "*1\r\n$4\r\nPING\r\n");
	in(a, "+PONG\r\n");
	assembler_finish(a, now);
	is_int(how_many_ended(), 1, "a turn that was answered ends with the recording");
	out(a, "*1\r\n$4\r\nPING\r\n");
	assembler_finish(a, now);
	is_int(how_many_ended(), 1, "one that waits for its answer stays open");
	assembler_free(a);
}

static uint64_t draw(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return *seed >> 33;
}

/* Acts in any order, with any bytes: it never reads outside them (sanitizers watch) and never ends what did not begin. */
static void test_any_order(void)
{
	static const char *const texts[] = {GET, POST, OK_HELLO, CHUNKED "3\r\nabc\r\n0\r\n\r\n", ANSWER("503"), "x", "\r\n\r\n",
					    "*1\r\n$4\r\nPING\r\n", "HTTP/1.1 101 x\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\n\r\n"};
	struct assembler *a = fresh(8);
	uint64_t seed = 42;
	unsigned begun = 0, over = 0;

	for (int i = 0; i < 200000; i++) {
		const char *text = texts[draw(&seed) % 10];
		struct assembler_moment m = act(1 + draw(&seed) % 12);
		size_t n = draw(&seed) % (strlen(text) + 1);
		struct assembler_bytes b = {.direction = draw(&seed) & 1, .data = text, .captured = n, .bytes = n + (draw(&seed) & 1 ? 0 : draw(&seed) % 50),
					    .placed = draw(&seed) & 1, .position = (uint32_t)draw(&seed) % 100};

		switch (draw(&seed) % 16) {
		case 0:
			assembler_open(a, &m, 1 + draw(&seed) % 2, draw(&seed) & 1, &local, &peer);
			break;
		case 1:
			assembler_connected(a, &m, &local, draw(&seed) & 1 ? ECONNREFUSED : 0, JOURNAL_REFUSED);
			break;
		case 2:
			assembler_eof(a, &m);
			break;
		case 3:
			assembler_error(a, &m, b.direction, EPIPE);
			break;
		case 4:
			assembler_close(a, &m, JOURNAL_LOCAL_CLOSE, 0);
			break;
		case 5:
			assembler_tick(a, now + ASSEMBLER_LINGER_NS);
			break;
		case 6:
			assembler_broken(a, &m, JOURNAL_RESET, ECONNRESET);
			break;
		default:
			assembler_bytes(a, &m, &b);
		}
		begun += how_many_begun();
		over += how_many_ended();
		count = 0;
	}
	ok(begun > 1000 && over > 1000 && over <= begun, "acts in any order begin %u exchanges and end %u", begun, over);
	assembler_free(a);
}

int main(void)
{
	test_client_exchange();
	test_handed_over();
	test_query();
	test_ends();
	test_long_exchange();
	test_cause_is_told_first();
	test_server_exchange();
	test_outcomes_by_status();
	test_byte_by_byte();
	test_pipelining();
	test_interim_and_early_answers();
	test_unseen_bodies();
	test_chunked_beyond_capture();
	test_silence_ends_what_nothing_else_does();
	test_head_beyond_capture();
	test_until_close();
	test_breaks();
	test_broken_transport_leaves_what_was_received();
	test_failed_connects();
	test_write_on_a_dead_connection();
	test_end_of_process();
	test_reset_before_a_request();
	test_quiet();
	test_missing_bytes();
	test_end_of_an_heir();
	test_connection_outlives_its_user();
	test_gap_in_a_sized_body();
	test_gap_in_heads();
	test_missed_request();
	test_reordered_writes_are_no_gap();
	test_lost_answer();
	test_no_loss_no_gap();
	test_mid_stream();
	test_protocols();
	test_answers_that_fail();
	test_turns();
	test_looks_like_http_but_is_not();
	test_veiled();
	test_upgrade();
	test_answer_after_a_broken_one();
	test_answer_head_beyond_capture();
	test_request_line_beyond_capture();
	test_last_chunk_in_its_own_call();
	test_chunked_and_pipelined();
	test_pipelined_beyond_capture();
	test_lost_answers_of_a_sliding_pipeline();
	test_hostile_bytes();
	test_tls_behind_connect();
	test_http2_behind_upgrade();
	test_split_preface();
	test_encryption_of_postgresql();
	test_middle_of_a_stream();
	test_garbage_in_the_middle();
	test_first_bytes_not_seen();
	test_pipeline_beyond_capture();
	test_commands_of_redis();
	test_redis_without_replies();
	test_values_of_redis_beyond_capture();
	test_redis_out_of_step();
	test_redis_inline();
	test_pipeline_of_redis_beyond_capture();
	test_redis_typed();
	test_memcached_without_replies();
	test_turns_of_postgresql();
	test_copy_of_postgresql();
	test_pipeline_of_postgresql_beyond_capture();
	test_cancel_of_postgresql();
	test_goodbye_of_mysql();
	test_turns_of_memcached();
	test_lost_turns_are_counted();
	test_broken_before_use();
	test_bounded();
	test_bounded_pipeline();
	test_bounded_in_all();
	test_many_at_once();
	test_full_memory();
	test_idle_connections_give_back();
	test_idle_messages_give_back();
	test_gap_after_giving_back();
	test_queries_give_back();
	test_finish();
	test_any_order();
	return tap_done();
}

/* SPDX-License-Identifier: MIT */
#include "demos/service/outbox.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demos/service/clock.h"
#include "demos/service/idempotency.h"
#include "demos/service/postgres.h"
#include "demos/service/service.h"

#define NS_PER_MS 1000000ull
#define COUNT_EVERY_NS (1000 * NS_PER_MS)
#define LAST_FAILURES 3	/* failed passes in a row, once it is to stop */
#define ERROR_SIZE 64

const char *const outbox_verdict_names[OUTBOX_VERDICTS] = {
	[OUTBOX_SENT] = "sent", [OUTBOX_GIVEN_UP] = "given_up", [OUTBOX_RETRIED] = "retried",
};

enum outbox_verdict outbox_judge(unsigned status)
{
	if (!status || !idempotency_keeps(status))
		return OUTBOX_RETRIED;
	return status < 400 ? OUTBOX_SENT : OUTBOX_GIVEN_UP;
}

/* ---- the table ---- */

#define IS_PENDING "sent_at IS NULL AND failed_at IS NULL"

/* %1$s: the table. */
static const char claim[] =
	"WITH due AS (SELECT id AS due_id FROM %1$s WHERE " IS_PENDING " AND due_at <= now()"
	" ORDER BY due_at LIMIT $1::int FOR UPDATE SKIP LOCKED)"
	" UPDATE %1$s SET attempts = attempts + 1, due_at = now() + $2::float8 * interval '1 millisecond' FROM due WHERE id = due_id"
	" RETURNING id::text, payload::text, attempts";
static const char *const marks[OUTBOX_VERDICTS] = {	/* $1 id, $2 why, $3 how many ms from now it is due again */
	[OUTBOX_SENT] = "UPDATE %1$s SET sent_at = now() WHERE id = $1",
	[OUTBOX_GIVEN_UP] = "UPDATE %1$s SET failed_at = now(), last_error = $2::text WHERE id = $1 AND " IS_PENDING,
	[OUTBOX_RETRIED] = "UPDATE %1$s SET due_at = now() + $3::float8 * interval '1 millisecond', last_error = $2::text"
			   " WHERE id = $1 AND " IS_PENDING,
};
static const unsigned mark_params[OUTBOX_VERDICTS] = {[OUTBOX_SENT] = 1, [OUTBOX_GIVEN_UP] = 2, [OUTBOX_RETRIED] = 3};
static const char give_back[] = "UPDATE %1$s SET due_at = now(), attempts = attempts - 1 WHERE id = $1 AND " IS_PENDING;
static const char count_pending[] = "SELECT count(*) FROM %1$s WHERE " IS_PENDING;

static bool make_statements(struct outbox *o)
{
	const char *table = o->config->table;
	bool made = postgres_statement(&o->claim, claim, table) && postgres_statement(&o->give_back, give_back, table) &&
		    postgres_statement(&o->count_pending, count_pending, table);

	for (unsigned v = 0; made && v < OUTBOX_VERDICTS; v++)
		made = postgres_statement(&o->mark[v], marks[v], table);
	return made;
}

static void free_statements(struct outbox *o)
{
	free(o->claim);
	free(o->give_back);
	free(o->count_pending);
	for (unsigned v = 0; v < OUTBOX_VERDICTS; v++)
		free(o->mark[v]);
}

/* One statement on a connection of the pool. NULL when it failed, for any reason; else the result, for PQclear(). */
static PGresult *ask(struct outbox *o, const char *statement, unsigned count, const char *const *params)
{
	struct store *store = &o->service->stores[o->config->store];
	struct postgres_work work;
	char why[STORE_WHY_SIZE];
	PGresult *result = NULL;
	enum store_end end;
	void *connection;

	if (store_take(store, UINT64_MAX, &connection, why) != STORE_OK)
		return NULL;
	work = (struct postgres_work){.pg = connection, .until_ns = postgres_until(store, UINT64_MAX)};
	end = postgres_query(&work, statement, count, params, &result);
	store_give(store, connection, end);
	return result;
}

static void write_ms(char text[32], uint64_t ns)
{
	snprintf(text, 32, "%.3f", (double)ns / (double)NS_PER_MS);
}

static void count(struct outbox *o)
{
	PGresult *result = ask(o, o->count_pending, 0, NULL);

	if (result)
		o->pending = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
}

/* ---- one message ---- */

struct message {
	const char *id, *payload;
	unsigned attempts;	/* this one included */
};

static const char *const failed_words[] = {
	[FAILED_TIMEOUT] = "no answer in time", [FAILED_ERROR] = "no answer", [FAILED_BREAKER] = "the breaker is open",
	[FAILED_BULKHEAD] = "the bulkhead is full",
};

/* From [0,1). */
static double draw(void)
{
	return arc4random() / 4294967296.0;
}

static uint64_t backoff_ns(const struct retry_policy *policy, unsigned attempts)
{
	const struct retry_outcome failed = {.end = ENDED_ERROR, .retry_after_ns = -1};
	struct retry retry = {.policy = policy, .attempts = attempts - 1, .previous_ns = policy->base_ns};
	uint64_t wait_ns = policy->cap_ns;

	retry_next(&retry, &failed, draw(), &wait_ns);
	return wait_ns;
}

/* Says in the table what became of a message; false when the database does not take it. */
static bool mark(struct outbox *o, const struct message *m, enum outbox_verdict verdict, const char *why)
{
	char wait[32];
	const char *const params[] = {m->id, why, wait};
	PGresult *result;

	write_ms(wait, backoff_ns(&o->config->backoff, m->attempts));
	result = ask(o, o->mark[verdict], mark_params[verdict], params);
	atomic_fetch_add(result ? &o->verdicts[verdict] : &o->unmarked, 1);
	PQclear(result);
	return result;
}

/* Sends it to the peer, under the peer's policies and a trace of its own. The status of the answer, 0 without one; why: what was wrong. */
static unsigned send_message(struct outbox *o, const struct message *m, char why[ERROR_SIZE])
{
	struct trace_context trace;
	const struct peer_request request = {
		.method = "POST",
		.path = o->config->path,
		.body = m->payload,
		.content_type = "application/json",
		.idempotency_key = m->id,
		.trace = &trace,
	};
	struct peer_result result;
	unsigned status = 0;

	trace_context_read(&trace, NULL, NULL);
	peer_call(&o->service->peers[o->config->peer], &request, &o->service->drain, &result);
	if (result.cause == FAILED_STATUS)
		status = (unsigned)result.last.status;
	if (status)
		snprintf(why, ERROR_SIZE, "answered %u", status);
	else
		snprintf(why, ERROR_SIZE, "%s", failed_words[result.cause]);
	peer_result_clear(&result);
	return status;
}

/* How much a delivery speaks against going on with the next: an answer that is not one yet may be this message's own fault. */
enum { NOTHING_WRONG = 0, MAY_BE_THE_MESSAGE = 1, GIVE_UP_AT = 2 };

static unsigned deliver(struct outbox *o, const struct message *m)
{
	char why[ERROR_SIZE];
	unsigned status = send_message(o, m, why);
	enum outbox_verdict verdict = outbox_judge(status);

	if (!mark(o, m, verdict, why))
		return GIVE_UP_AT;
	if (verdict != OUTBOX_RETRIED)
		return NOTHING_WRONG;
	return status ? MAY_BE_THE_MESSAGE : GIVE_UP_AT;
}

/* ---- the worker ---- */

enum pass { PASS_EMPTY, PASS_MORE, PASS_FAILED };

static bool is_stopping(struct outbox *o)
{
	return drain_is_stopping(&o->stop);
}

static bool is_late(struct outbox *o)
{
	return is_stopping(o) && clock_now_ns() >= o->stop_by_ns;
}

/*
 * Delivers what was claimed. It ends early when the peer does not answer, when two in a row are not taken, and with half the lease; the others
 * are given back.
 */
static enum pass deliver_all(struct outbox *o, const PGresult *claimed)
{
	uint64_t until_ns = clock_now_ns() + o->config->lease_ns / 2;
	unsigned wrong = NOTHING_WRONG, more;

	for (int i = 0; i < PQntuples(claimed); i++) {
		struct message m = {PQgetvalue(claimed, i, 0), PQgetvalue(claimed, i, 1), (unsigned)strtoul(PQgetvalue(claimed, i, 2), NULL, 10)};

		if (wrong >= GIVE_UP_AT || clock_now_ns() >= until_ns || is_late(o)) {
			PQclear(ask(o, o->give_back, 1, &m.id));
			continue;
		}
		more = deliver(o, &m);
		wrong = more ? wrong + more : NOTHING_WRONG;
	}
	return wrong >= GIVE_UP_AT ? PASS_FAILED : PASS_MORE;
}

static enum pass run_pass(struct outbox *o)
{
	char batch[16], lease[32];
	const char *const params[] = {batch, lease};
	enum pass pass = PASS_EMPTY;
	PGresult *claimed;

	snprintf(batch, sizeof(batch), "%u", o->config->batch);
	write_ms(lease, o->config->lease_ns);
	claimed = ask(o, o->claim, 2, params);
	if (!claimed) {
		o->database_failures++;
		return PASS_FAILED;
	}
	if (PQntuples(claimed))
		pass = deliver_all(o, claimed);
	PQclear(claimed);
	return pass;
}

/* How long to wait after a pass; failures: so many in a row. */
static uint64_t rest_ns(const struct outbox *o, enum pass pass, unsigned failures)
{
	if (pass == PASS_FAILED)
		return backoff_ns(&o->config->backoff, failures);
	return pass == PASS_MORE ? 0 : o->config->poll_ns;
}

static void count_now_and_then(struct outbox *o, uint64_t *counted_ns)
{
	uint64_t now_ns = clock_now_ns();

	if (now_ns - *counted_ns < COUNT_EVERY_NS)
		return;
	count(o);
	*counted_ns = now_ns;
}

/*
 * A pass that begins after the worker was told to stop sees all that was written before; further ones follow while there is more, and time, but
 * it does not wait for a peer or database that fails.
 */
static void *work(void *context)
{
	struct outbox *o = context;
	uint64_t counted_ns = 0;
	unsigned failures = 0;

	for (;;) {
		bool was_told = is_stopping(o);
		enum pass pass = run_pass(o);

		failures = pass == PASS_FAILED ? failures + 1 : 0;
		if (was_told && (pass == PASS_EMPTY || failures >= LAST_FAILURES || is_late(o)))
			return NULL;
		if (!failures)
			count_now_and_then(o, &counted_ns);
		drain_pause(&o->stop, rest_ns(o, pass, failures));
	}
}

int outbox_start(struct outbox *outbox, const struct outbox_config *config, struct service *service)
{
	int err;

	*outbox = (struct outbox){.config = config, .service = service, .pending = -1};
	drain_init(&outbox->stop);
	err = make_statements(outbox) ? pthread_create(&outbox->thread, NULL, work, outbox) : ENOMEM;
	if (err) {
		free_statements(outbox);
		drain_clear(&outbox->stop);
	}
	return -err;
}

void outbox_stop(struct outbox *outbox, uint64_t limit_ns)
{
	uint64_t now_ns = clock_now_ns();

	outbox->stop_by_ns = limit_ns < UINT64_MAX - now_ns ? now_ns + limit_ns : UINT64_MAX;
	drain_begin(&outbox->stop);
	pthread_join(outbox->thread, NULL);
	free_statements(outbox);
	drain_clear(&outbox->stop);
}

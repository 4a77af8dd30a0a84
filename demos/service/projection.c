/* SPDX-License-Identifier: MIT */
#include "demos/service/projection.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demos/service/config_stores.h"
#include "demos/service/postgres.h"
#include "demos/service/service.h"
#include "demos/service/step_store.h"
#include "demos/service/values.h"

#define NS_PER_MS 1000000ull
#define HOUR_MS 3600000.0
#define PARAMS_MAX 32
#define BACKOFF_MAX_NS (2000 * NS_PER_MS)

/* ---- reading ---- */

static int read_params(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	(void)field;
	if (!cJSON_IsArray(value) || cJSON_GetArraySize(value) > PARAMS_MAX)
		return fields_refuse(f, value, "an array of at most %d templates", PARAMS_MAX);
	*(const cJSON **)into = value;
	return 0;
}

#define OF_APPLY(member) .offset = offsetof(struct projection_apply, member)
static const struct field apply_fields[] = {
	{"query", fields_string, OF_APPLY(query), .required = true},
	{"params", read_params, OF_APPLY(params)},
	{NULL},
};

static int read_applies(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	struct projection_config *c = into;
	const cJSON *item;
	unsigned i = 0;

	(void)field;
	c->applies = fields_list(f, value, true, 0, sizeof(*c->applies), &c->apply_count);
	if (!c->applies)
		return -EINVAL;
	cJSON_ArrayForEach(item, value) {
		size_t mark;
		int err = fields_member(f, value, item, &mark);

		c->applies[i].type = item->string;
		if (!err)
			err = fields_read(f, item, apply_fields, &c->applies[i++]);
		if (err)
			return err;
		fields_up(f, mark);
	}
	return 0;
}

#define OF_PROJECTION(member) .offset = offsetof(struct projection_config, member)
static const struct field projection_fields[] = {
	{"name", fields_string, OF_PROJECTION(name), .required = true},
	{"store", fields_string, OF_PROJECTION(store_name), .required = true},
	{"events", config_table, OF_PROJECTION(events), .required = true},
	{"positions", config_table, OF_PROJECTION(positions), .required = true},
	{"reset", fields_string, OF_PROJECTION(reset), .required = true},
	{"apply", read_applies, .offset = 0, .required = true},
	{"poll_ms", fields_ms, OF_PROJECTION(poll_ns), .low = 1, .high = HOUR_MS},
	{"batch", fields_count, OF_PROJECTION(batch), .low = 1, .high = 10000},
	{"rebuild_at_start", fields_bool, OF_PROJECTION(rebuild_at_start)},
	{NULL},
};

static int read_projection(struct fields *f, const cJSON *item, struct projection_config *c)
{
	struct step_store at = {.name = NULL};
	int err;

	*c = (struct projection_config){.poll_ns = 100 * NS_PER_MS, .batch = 100};
	err = fields_read(f, item, projection_fields, c);
	at.name = c->store_name;
	if (!err)
		err = step_store_link(f, &at, &postgres_kind);
	c->store = at.index;
	return err;
}

int projections_read(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	struct config *c = into;
	const cJSON *item;
	unsigned i = 0;

	(void)field;
	c->projections = fields_list(f, value, false, 0, sizeof(*c->projections), &c->projection_count);
	if (!c->projections)
		return -EINVAL;
	cJSON_ArrayForEach(item, value) {
		size_t mark = fields_down(f, NULL, (int)i);
		int err = read_projection(f, item, &c->projections[i++]);

		if (err)
			return err;
		fields_up(f, mark);
	}
	return 0;
}

void projections_free(struct projection_config *configs, unsigned count)
{
	while (count)
		free(configs[--count].applies);
	free(configs);
}

/* ---- statements ---- */

/* %1$s: the table of events, %2$s that of positions. */
#define TO_COME "(e.tx, e.position) > ($1::xid8, $2::bigint) AND e.tx < pg_snapshot_xmin(pg_current_snapshot())"
static const char open_row[] =
	"INSERT INTO %2$s (name, tx, position, applied, rebuilds) VALUES ($1, '0', 0, 0, 0) ON CONFLICT (name) DO NOTHING";
static const char position[] = "SELECT tx::text, position, applied, rebuilds FROM %2$s WHERE name = $1 FOR UPDATE";
static const char read_events[] = "SELECT stream, version, type, data, at, id, position, tx::text AS tx FROM %1$s AS e WHERE " TO_COME
				  " ORDER BY e.tx, e.position LIMIT $3::int";
static const char move[] = "UPDATE %2$s SET tx = $2::xid8, position = $3::bigint, applied = applied + $4::int WHERE name = $1";
static const char restart[] = "UPDATE %2$s SET tx = '0', position = 0, applied = 0, rebuilds = rebuilds + 1 WHERE name = $1";
static const char behind[] =
	"SELECT p.tx::text, p.position, p.applied, p.rebuilds, (SELECT count(*) FROM %1$s AS e WHERE (e.tx, e.position) > (p.tx, p.position))"
	" AS behind FROM %2$s AS p WHERE p.name = $1";

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
static char *statement(const char *format, const struct projection_config *c)
{
	char *text;

	return asprintf(&text, format, c->events, c->positions) < 0 ? NULL : text;
}
#pragma GCC diagnostic pop

static bool make_statements(struct projection *p)
{
	p->open = statement(open_row, p->config);
	p->position = statement(position, p->config);
	p->read = statement(read_events, p->config);
	p->move = statement(move, p->config);
	p->restart = statement(restart, p->config);
	p->behind = statement(behind, p->config);
	return p->open && p->position && p->read && p->move && p->restart && p->behind;
}

static void free_statements(struct projection *p)
{
	free(p->open);
	free(p->position);
	free(p->read);
	free(p->move);
	free(p->restart);
	free(p->behind);
}

/* ---- one batch ---- */

static const struct projection_apply *find_apply(const struct projection_config *c, const char *type)
{
	for (unsigned i = 0; i < c->apply_count; i++)
		if (type && !strcmp(c->applies[i].type, type))
			return &c->applies[i];
	return NULL;
}

static enum store_end run_apply(struct postgres_work *work, const struct projection_apply *apply, const cJSON *event)
{
	char *texts[PARAMS_MAX] = {NULL};
	enum store_end end = STORE_OK;
	PGresult *result = NULL;
	const cJSON *template;
	unsigned count = 0;

	cJSON_ArrayForEach(template, apply->params)
		if (!step_store_text(event, template, &texts[count++]))
			end = STORE_NO_MEMORY;
	if (end == STORE_OK)
		end = postgres_query(work, apply->query, count, (const char *const *)texts, &result);
	while (count)
		free(texts[--count]);
	PQclear(result);
	return end;
}

static enum store_end apply_row(struct projection *p, struct postgres_work *work, const PGresult *events, int row)
{
	cJSON *event = postgres_row(events, row);
	const struct projection_apply *apply = find_apply(p->config, cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(event, "type")));
	enum store_end end = !event ? STORE_NO_MEMORY : apply ? run_apply(work, apply, event) : STORE_OK;

	cJSON_Delete(event);
	return end;
}

/* Moves the position to the last of these events. */
static enum store_end move_to(struct projection *p, struct postgres_work *work, const PGresult *events)
{
	int last = PQntuples(events) - 1;
	char count[16];
	const char *const params[] = {p->config->name, PQgetvalue(events, last, PQfnumber(events, "tx")),
				      PQgetvalue(events, last, PQfnumber(events, "position")), count};
	PGresult *result;
	enum store_end end;

	snprintf(count, sizeof(count), "%d", last + 1);
	end = postgres_query(work, p->move, 4, params, &result);
	PQclear(result);
	return end;
}

/* What follows the position that `at` holds, applied; how many in *count. */
static enum store_end apply_after(struct projection *p, struct postgres_work *work, const PGresult *at, unsigned *count)
{
	char batch[16];
	const char *const params[] = {PQgetvalue(at, 0, 0), PQgetvalue(at, 0, 1), batch};
	PGresult *events;
	enum store_end end;

	snprintf(batch, sizeof(batch), "%u", p->batch);
	end = postgres_query(work, p->read, 3, params, &events);
	for (int row = 0; end == STORE_OK && row < PQntuples(events); row++)
		end = apply_row(p, work, events, row);
	if (end == STORE_OK && PQntuples(events))
		end = move_to(p, work, events);
	*count = end == STORE_OK ? (unsigned)PQntuples(events) : 0;
	PQclear(events);
	return end;
}

/* In a transaction: takes the row of the position, which is there afterwards, and does `then` under its lock. */
static enum store_end hold_position(struct projection *p, struct postgres_work *work,
				    enum store_end (*then)(struct projection *p, struct postgres_work *work, const PGresult *at, unsigned *count),
				    unsigned *count)
{
	const char *const name[] = {p->config->name};
	PGresult *result = NULL;
	enum store_end end;

	end = postgres_query(work, p->open, 1, name, &result);
	PQclear(result);
	result = NULL;
	if (end == STORE_OK)
		end = postgres_query(work, p->position, 1, name, &result);
	if (end == STORE_OK)
		end = PQntuples(result) ? then(p, work, result, count) : STORE_BUSY;
	PQclear(result);
	return end;
}

static enum store_end transact(struct projection *p,
			       enum store_end (*then)(struct projection *p, struct postgres_work *work, const PGresult *at, unsigned *count),
			       unsigned *count, char why[STORE_WHY_SIZE])
{
	struct store *store = &p->service->stores[p->config->store];
	struct postgres_work work;
	enum store_end end;
	void *connection;

	*count = 0;
	end = store_take(store, UINT64_MAX, &connection, why);
	if (end != STORE_OK)
		return end;
	work = (struct postgres_work){.pg = connection, .until_ns = postgres_until(store, UINT64_MAX)};
	end = postgres_do(&work, "BEGIN");
	if (end == STORE_OK)
		end = hold_position(p, &work, then, count);
	if (end == STORE_OK)
		end = postgres_do(&work, "COMMIT");
	if (end != STORE_OK)
		snprintf(why, STORE_WHY_SIZE, "%s", work.why);
	postgres_rollback(&work);
	store_give(store, connection, end);
	return end;
}

static enum store_end reset(struct projection *p, struct postgres_work *work, const PGresult *at, unsigned *count)
{
	const char *const name[] = {p->config->name};
	enum store_end end = postgres_do(work, p->config->reset);
	PGresult *result = NULL;

	(void)at;
	(void)count;
	if (end == STORE_OK)
		end = postgres_query(work, p->restart, 1, name, &result);
	PQclear(result);
	return end;
}

static enum store_end rebuild(struct projection *p, char why[STORE_WHY_SIZE])
{
	unsigned count;
	enum store_end end = transact(p, reset, &count, why);

	p->rebuilds += end == STORE_OK;
	return end;
}

/* ---- the worker ---- */

/*
 * A batch is done or undone as a whole, and each of its events costs the database an answer: where one answer of ten is lost, of a hundred
 * batches of fifty events not one comes through, but of those of one event about every second.
 */
static unsigned next_batch(unsigned batch, unsigned most, bool failed)
{
	if (failed)
		return batch > 1 ? batch / 2 : 1;
	return batch < most / 2 ? batch * 2 : most;
}

static bool rest(struct projection *p, uint64_t *backoff_ns, bool failed, unsigned count)
{
	bool is_full = count == p->batch;

	p->batch = next_batch(p->batch, p->config->batch, failed);
	*backoff_ns = failed ? *backoff_ns * 2 : p->config->poll_ns;
	if (*backoff_ns > BACKOFF_MAX_NS)
		*backoff_ns = BACKOFF_MAX_NS;
	if (!failed && is_full)	/* there is more */
		return !drain_is_stopping(&p->service->drain);
	return drain_pause(&p->service->drain, *backoff_ns);
}

static void *work(void *context)
{
	struct projection *p = context;
	bool is_to_rebuild = p->config->rebuild_at_start, failed;
	uint64_t backoff_ns = p->config->poll_ns;
	char why[STORE_WHY_SIZE];
	unsigned count = 0;

	do {
		failed = is_to_rebuild ? rebuild(p, why) != STORE_OK : transact(p, apply_after, &count, why) != STORE_OK;
		is_to_rebuild &= failed;
		p->failures += failed;
		p->applied += failed ? 0 : count;
	} while (rest(p, &backoff_ns, failed, count));
	return NULL;
}

static int start(struct projection *p, struct service *service, const struct projection_config *config)
{
	int err;

	*p = (struct projection){.config = config, .service = service, .batch = config->batch};
	err = make_statements(p) ? pthread_create(&p->thread, NULL, work, p) : ENOMEM;
	if (err)
		free_statements(p);
	return -err;
}

static void stop_all(struct service *service, unsigned count)
{
	drain_begin(&service->drain);	/* where it has not begun to stop: workers end by that */
	while (count) {
		pthread_join(service->projections[--count].thread, NULL);
		free_statements(&service->projections[count]);
	}
	free(service->projections);
}

int projections_open(struct service *service)
{
	int err;

	service->projections = calloc(service->config.projection_count + 1, sizeof(*service->projections));
	if (!service->projections)
		return -ENOMEM;
	for (unsigned i = 0; i < service->config.projection_count; i++) {
		err = start(&service->projections[i], service, &service->config.projections[i]);
		if (err) {
			stop_all(service, i);
			return err;
		}
	}
	return 0;
}

void projections_close(struct service *service)
{
	stop_all(service, service->config.projection_count);
}

/* ---- routes ---- */

static cJSON *status_tree(struct projection *p)
{
	struct store *store = &p->service->stores[p->config->store];
	const char *const name[] = {p->config->name};
	char why[STORE_WHY_SIZE];
	struct postgres_work work;
	PGresult *result = NULL;
	cJSON *tree = NULL;
	enum store_end end;
	void *connection;

	end = store_take(store, UINT64_MAX, &connection, why);
	if (end == STORE_OK) {
		work = (struct postgres_work){.pg = connection, .until_ns = postgres_until(store, UINT64_MAX)};
		end = postgres_query(&work, p->behind, 1, name, &result);
		store_give(store, connection, end);
	}
	if (end == STORE_OK && PQntuples(result))
		tree = postgres_row(result, 0);
	PQclear(result);
	return tree ? tree : cJSON_CreateNull();
}

void projections_status(struct service *service, struct reply *reply)
{
	cJSON *tree = cJSON_CreateObject(), *all = cJSON_AddObjectToObject(tree, "projections");

	for (unsigned i = 0; i < service->config.projection_count; i++)
		cJSON_AddItemToObject(all, service->config.projections[i].name, status_tree(&service->projections[i]));
	reply_json(reply, 200, tree);
}

struct wish {
	const char *projection;
};

static const struct field wish_fields[] = {
	{"projection", fields_string, .offset = offsetof(struct wish, projection), .required = true},
	{NULL},
};

static void grant(struct service *service, const struct wish *wish, struct reply *reply)
{
	char why[STORE_WHY_SIZE];
	enum store_end end;

	for (unsigned i = 0; i < service->config.projection_count; i++) {
		if (strcmp(service->config.projections[i].name, wish->projection))
			continue;
		end = rebuild(&service->projections[i], why);
		if (end == STORE_OK)
			projections_status(service, reply);
		else
			reply_error(reply, store_meanings[end].status, service->config.name, "%s: %.120s", store_meanings[end].name, why);
		return;
	}
	reply_error(reply, 400, service->config.name, "no projection is called \"%.60s\"", wish->projection);
}

void projections_rebuild(struct service *service, const char *body, struct reply *reply)
{
	struct fields f = {.place = ""};
	struct wish wish = {.projection = NULL};
	cJSON *tree = fields_parse(&f, body, wish_fields, &wish);

	if (tree)
		grant(service, &wish, reply);
	else
		reply_error(reply, 400, service->config.name, "%s", f.why);
	cJSON_Delete(tree);
}

/* SPDX-License-Identifier: MIT */
/* The demos' pools of connections: who gets one, which are replaced, that nothing waits for ever; what the servers' errors mean. */
#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <sys/socket.h>
#include <unistd.h>

#include "demos/service/clock.h"
#include "demos/service/postgres.h"
#include "demos/service/redis.h"
#include "demos/service/store.h"
#include "tests/lib/tap.h"

#define MS 1000000ull
#define PATIENCE (3000 * MS)	/* of a check on a busy machine; what it checks takes 50 ms */

/* ---- a kind whose connections are what the test makes them ---- */

static struct connection { bool is_broken, is_open; } connections[16];
static unsigned opened, closed;
static bool server_is_down;

static void *fake_open(const struct store_config *config, uint64_t until_ns, enum store_end *end, char why[STORE_WHY_SIZE])
{
	if (server_is_down) {
		*end = STORE_UNREACHABLE;
		snprintf(why, STORE_WHY_SIZE, "down");
		return NULL;
	}
	connections[opened].is_open = true;
	return &connections[opened++];
}

static bool fake_is_at_rest(void *connection)
{
	return !((struct connection *)connection)->is_broken;
}

static void fake_close(void *connection)
{
	((struct connection *)connection)->is_open = false;
	closed++;
}

static const struct store_kind fake_kind = {.key = "fake", .open = fake_open, .is_at_rest = fake_is_at_rest, .close = fake_close};

/*
 * A script on a pool of two without a queue: t takes one (and gets it), x is told that the pool is exhausted, u that the store is unreachable;
 * g gives the oldest back, b gives it back broken; k: the server closes all at rest; d, r: it goes down, and runs again; w: both are opened
 * before anybody wants them.
 */
static const struct story {
	const char *sentence, *acts;
	unsigned opened, idle, replaced;	/* at the end */
} stories[] = {
	{"a_connection_is_opened_when_it_is_wanted", "", 0, 0, 0},
	{"and_used_again", "tgtgtg", 1, 1, 0},
	{"as_many_as_are_at_work_at_once", "ttgg", 2, 2, 0},
	{"the_pool_refuses_another", "ttx", 2, 0, 0},
	{"and_takes_it_when_one_is_back", "ttxgt", 2, 0, 0},
	{"one_that_is_given_back_broken_is_replaced", "tbt", 2, 0, 1},
	{"so_is_one_that_the_server_closed_meanwhile", "tgkt", 2, 0, 1},
	{"and_all_of_them", "ttggktt", 4, 0, 2},
	{"a_server_that_is_down_costs_no_place", "duuuurttx", 2, 0, 0},
	{"connections_of_a_server_that_went_down_are_found_out", "ttggdkuurt", 3, 0, 2},
	{"a_broken_one_leaves_its_place", "ttbbttx", 4, 0, 2},
	{"connections_may_be_there_before_they_are_wanted", "w", 2, 2, 0},
	{"and_are_the_first_to_be_used", "wttx", 2, 0, 0},
	{"a_server_that_is_not_there_yet_is_no_error", "dwrt", 1, 0, 0},
};

struct player {
	struct store store;
	void *taken[16];
	unsigned first, last;
};

static int take(struct player *p, enum store_end expected)
{
	char why[STORE_WHY_SIZE];
	enum store_end end = store_take(&p->store, UINT64_MAX, &p->taken[p->last], why);

	if (end != STORE_OK)
		return end == expected && !p->taken[p->last] && why[0];
	return end == expected && ((struct connection *)p->taken[p->last++])->is_open;
}

static int give(struct player *p, bool is_broken)
{
	((struct connection *)p->taken[p->first])->is_broken = is_broken;
	store_give(&p->store, p->taken[p->first++], STORE_OK);
	return 1;
}

static int play(struct player *p, char act)
{
	switch (act) {
	case 't':
		return take(p, STORE_OK);
	case 'x':
		return take(p, STORE_EXHAUSTED);
	case 'u':
		return take(p, STORE_UNREACHABLE);
	case 'g':
	case 'b':
		return give(p, act == 'b');
	case 'w':
		store_warm(&p->store);
		return 1;
	case 'k':
		for (unsigned i = 0; i < opened; i++)
			connections[i].is_broken = true;
		return 1;
	default:
		server_is_down = act == 'd';
		return 1;
	}
}

static void check_story(const struct story *s)
{
	const struct store_config config = {.name = "s", .kind = &fake_kind, .pool = {.width = 2}, .min_idle = 2, .connect_timeout_ns = MS,
					    .timeout_ns = MS};
	struct player p = {.first = 0};
	unsigned idle;
	uint64_t replaced;
	size_t i;

	memset(connections, 0, sizeof(connections));
	opened = closed = 0;
	store_init(&p.store, &config);
	for (i = 0; s->acts[i]; i++)
		if (!play(&p, s->acts[i]))
			break;
	idle = store_idle(&p.store);
	replaced = p.store.counts.replaced;
	if (!ok(!s->acts[i] && opened == s->opened && idle == s->idle && replaced == s->replaced && p.store.counts.opened == opened, "%s",
		s->sentence))
		printf("# after %zu acts of \"%s\": %u opened, %u idle, %" PRIu64 " replaced\n", i, s->acts, opened, idle, replaced);
	while (p.first < p.last)
		give(&p, false);
	store_clear(&p.store);
	if (opened != closed)
		ok(false, "all_connections_are_closed_at_the_end");
	server_is_down = false;
}

static void *give_soon(void *context)
{
	struct player *p = context;

	usleep(30000);
	give(p, false);
	return NULL;
}

static void check_queue(void)
{
	struct store_config config = {.name = "s", .kind = &fake_kind, .pool = {1, 1, 50 * MS}, .connect_timeout_ns = MS, .timeout_ns = MS};
	struct player p = {.first = 0};
	char why[STORE_WHY_SIZE];
	uint64_t began_ns;
	pthread_t giver;

	opened = 0;
	store_init(&p.store, &config);
	take(&p, STORE_OK);
	began_ns = clock_now_ns();
	is_int(store_take(&p.store, UINT64_MAX, &p.taken[1], why), STORE_EXHAUSTED, "a_wait_for_the_pool_ends");
	ok(clock_now_ns() - began_ns >= 50 * MS && clock_now_ns() - began_ns < PATIENCE, "with_its_time");
	began_ns = clock_now_ns();
	is_int(store_take(&p.store, began_ns + 10 * MS, &p.taken[1], why), STORE_EXHAUSTED, "or_with_the_requests");
	is_int(store_take(&p.store, began_ns, &p.taken[1], why), STORE_EXHAUSTED, "which_may_be_over_already");
	is_int(p.store.counts.ends[STORE_EXHAUSTED], 3, "and_each_is_counted");
	config.pool.wait_ns = PATIENCE;
	pthread_create(&giver, NULL, give_soon, &p);
	ok(take(&p, STORE_OK), "who_waits_gets_what_is_given_back");
	pthread_join(giver, NULL);
	give(&p, false);
	is_int(p.store.counts.ends[STORE_OK], 2, "and_work_that_went_well_is_counted_too");
	store_clear(&p.store);
}

static void check_until(void)
{
	const struct store_config config = {.name = "s", .kind = &fake_kind, .pool = {.width = 1}, .timeout_ns = 100 * MS};
	struct store store;
	uint64_t now_ns = clock_now_ns(), until_ns;

	store_init(&store, &config);
	until_ns = store_until(&store, UINT64_MAX);
	ok(until_ns >= now_ns + 100 * MS && until_ns < now_ns + 100 * MS + PATIENCE, "work_may_take_the_stores_timeout");
	ok(store_until(&store, now_ns + 7) == now_ns + 7, "or_what_the_request_has_left");
	ok(postgres_until(&store, UINT64_MAX) >= now_ns + 100 * MS + POSTGRES_GRACE_NS, "postgresql_is_given_time_to_say_so");
	ok(postgres_until(&store, now_ns + 7) == now_ns + 7, "but_not_the_requests");
	store_clear(&store);
}

/* ---- real kinds and servers that are none ---- */

/* What a server does with a connection: nothing; or it answers the PING, and then goes on for ever with a reply that does not end. */
struct server {
	int listener, peer;
	bool drips;
	_Atomic bool is_over;
	pthread_t thread;
	char address[64];
};

static void *serve(void *context)
{
	struct server *s = context;

	s->peer = accept(s->listener, NULL, NULL);
	if (send(s->peer, "+PONG\r\n$100000\r\n", s->drips ? 16 : 0, MSG_NOSIGNAL) < 0)
		return NULL;
	for (; !s->is_over; usleep(5000))
		if (s->drips && send(s->peer, "x", 1, MSG_NOSIGNAL) < 0)
			break;
	return NULL;
}

static void server_start(struct server *s, bool drips, const char *format)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(a);

	*s = (struct server){.listener = socket(AF_INET, SOCK_STREAM, 0), .drips = drips};
	if (bind(s->listener, (struct sockaddr *)&a, sizeof(a)) || listen(s->listener, 8) || getsockname(s->listener, (struct sockaddr *)&a, &size))
		exit(2);
	snprintf(s->address, sizeof(s->address), format, ntohs(a.sin_port));
	pthread_create(&s->thread, NULL, serve, s);
}

static void server_stop(struct server *s)
{
	s->is_over = true;
	pthread_join(s->thread, NULL);
	close(s->peer);
	close(s->listener);
}

static void check_silent(const struct store_kind *kind, const char *format)
{
	struct server server;
	struct store_config config = {.name = "s", .service = "t", .kind = kind, .pool = {.width = 1}, .connect_timeout_ns = 50 * MS,
				      .timeout_ns = 50 * MS};
	struct store store;
	char why[STORE_WHY_SIZE];
	uint64_t began_ns = clock_now_ns();
	void *connection;

	server_start(&server, false, format);
	config.address = server.address;
	store_init(&store, &config);
	is_int(store_take(&store, UINT64_MAX, &connection, why), STORE_UNREACHABLE, "a_server_that_says_nothing_is_unreachable_(%s)", kind->key);
	ok(clock_now_ns() - began_ns < PATIENCE, "in_time");
	is_str(why, kind == &redis_kind ? "no answer in time" : "no connection in time", "which_is_said");
	ok(!store_is_reachable(&store), "and_not_ready");
	server_stop(&server);
	is_int(store_take(&store, UINT64_MAX, &connection, why), STORE_UNREACHABLE, "nor_is_one_that_is_gone");
	ok(strlen(why) > 5, "which_is_said");
	printf("# %s\n", why);
	store_clear(&store);
}

static void check_drip(void)
{
	static const char *const get[] = {"GET", "x"};
	struct store_config config = {.name = "s", .service = "t", .kind = &redis_kind, .pool = {.width = 1}, .connect_timeout_ns = PATIENCE,
				      .timeout_ns = 60 * MS};
	struct server server;
	struct store store;
	char why[STORE_WHY_SIZE];
	uint64_t began_ns = clock_now_ns();
	redisReply *reply;

	server_start(&server, true, "127.0.0.1:%u");
	config.address = server.address;
	store_init(&store, &config);
	is_int(redis_ask(&store, UINT64_MAX, 2, get, NULL, &reply, why), STORE_TIMEOUT, "a_reply_that_drips_in_ends_with_the_timeout");
	ok(!reply && clock_now_ns() - began_ns < PATIENCE, "not_with_the_reply");
	is_int(store_idle(&store), 0, "and_its_connection_is_not_used_again");
	server_stop(&server);
	store_clear(&store);
}

/* ---- what the servers say ---- */

static void check_meanings(void)
{
	static const struct { const char *sqlstate; enum store_end end; } cases[] = {
		{"23505", STORE_CONFLICT}, {"23503", STORE_CONFLICT}, {"23514", STORE_CONFLICT}, {"23502", STORE_REFUSED}, {"40001", STORE_BUSY},
		{"40P01", STORE_BUSY}, {"55P03", STORE_BUSY}, {"57014", STORE_TIMEOUT}, {"57P01", STORE_LOST}, {"57P03", STORE_BUSY},
		{"53300", STORE_BUSY}, {"08006", STORE_LOST}, {"22P02", STORE_INVALID}, {"42601", STORE_REFUSED}, {"25P02", STORE_REFUSED},
		{"25P03", STORE_LOST}, {"2", STORE_REFUSED}, {"", STORE_REFUSED}, {NULL, STORE_REFUSED},
	};
	static const struct { const char *error; enum store_end end; } errors[] = {
		{"LOADING Redis is loading the dataset in memory", STORE_BUSY}, {"ERR syntax error", STORE_REFUSED},
		{"WRONGTYPE Operation against a key", STORE_REFUSED}, {"BUSY Redis is busy", STORE_BUSY}, {"BUSYKEY Target exists", STORE_REFUSED},
		{"", STORE_REFUSED},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		ok(postgres_meaning(cases[i].sqlstate) == cases[i].end, "sqlstate_%s_means_%s", cases[i].sqlstate ? cases[i].sqlstate : "none",
		   store_meanings[cases[i].end].name);
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		ok(redis_meaning(errors[i].error) == errors[i].end, "\"%s\"_means_%s", errors[i].error, store_meanings[errors[i].end].name);
	for (unsigned i = 0; i < STORE_ENDS; i++)
		if (!store_meanings[i].name || store_meanings[i].status < 200 || store_meanings[i].status > 503)
			ok(false, "end_%u_has_a_name_and_a_status", i);
}

static void check_redis_tree(void)
{
	redisReply text = {.type = REDIS_REPLY_STRING, .str = (char *)"a"}, whole = {.type = REDIS_REPLY_INTEGER, .integer = -7};
	redisReply nil = {.type = REDIS_REPLY_NIL}, none = {.type = REDIS_REPLY_ARRAY};
	redisReply *inner[] = {&whole, &nil}, *elements[] = {&text, NULL, &none};
	redisReply pair = {.type = REDIS_REPLY_ARRAY, .elements = 2, .element = inner};
	redisReply all = {.type = REDIS_REPLY_ARRAY, .elements = 3, .element = elements};
	cJSON *tree;
	char *shown;

	elements[1] = &pair;
	tree = redis_tree(&all);
	shown = cJSON_PrintUnformatted(tree);
	is_str(shown, "[\"a\",[-7,null],[]]", "a_reply_of_redis_as_json");
	cJSON_free(shown);
	cJSON_Delete(tree);
}

/* libpq can be asked for a result that no server sent. */
static void check_postgres_rows(void)
{
	static char names[][4] = {"t", "i", "n", "b", "j", "x", "r", "k"};
	static const Oid types[] = {25, 23, 1700, 16, 3802, 23, 701, 114};
	static char *values[] = {"t", "42", "0.5", "t", "{\"a\": [1]}", NULL, "NaN", "{"};
	PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc columns[8];
	cJSON *tree;
	char *shown;

	for (int i = 0; i < 8; i++)
		columns[i] = (PGresAttDesc){.name = names[i], .typid = types[i]};
	PQsetResultAttrs(result, 8, columns);
	for (int i = 0; i < 8; i++)
		PQsetvalue(result, 0, i, values[i], values[i] ? (int)strlen(values[i]) : -1);
	tree = postgres_rows(result);
	shown = cJSON_PrintUnformatted(tree);
	is_str(shown, "[{\"t\":\"t\",\"i\":42,\"n\":0.5,\"b\":true,\"j\":{\"a\":[1]},\"x\":null,\"r\":\"NaN\",\"k\":\"{\"}]",
	       "a_row_of_postgresql_as_json");
	cJSON_free(shown);
	cJSON_Delete(tree);
	PQclear(result);
}

int main(void)
{
	for (size_t i = 0; i < sizeof(stories) / sizeof(*stories); i++)
		check_story(&stories[i]);
	check_queue();
	check_until();
	check_silent(&postgres_kind, "host=127.0.0.1 port=%u dbname=x user=x");
	check_silent(&redis_kind, "127.0.0.1:%u");
	check_drip();
	check_meanings();
	check_redis_tree();
	check_postgres_rows();
	return tap_done();
}

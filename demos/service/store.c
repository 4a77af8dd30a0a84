/* SPDX-License-Identifier: MIT */
#include "demos/service/store.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "demos/service/clock.h"

#define NS_PER_MS 1000000ull

const struct store_meaning store_meanings[STORE_ENDS] = {
	[STORE_OK] = {"ok", 200},
	[STORE_EXHAUSTED] = {"exhausted", 503},
	[STORE_UNREACHABLE] = {"unreachable", 503},
	[STORE_LOST] = {"lost", 503},
	[STORE_TIMEOUT] = {"timeout", 503},
	[STORE_BUSY] = {"busy", 503},
	[STORE_CONFLICT] = {"conflict", 409},
	[STORE_INVALID] = {"invalid", 400},
	[STORE_REFUSED] = {"refused", 500},
	[STORE_NO_MEMORY] = {"no_memory", 503},
};

static const struct breaker_policy no_breaker = {.consecutive = 0};

int store_init(struct store *store, const struct store_config *config)
{
	*store = (struct store){.config = config, .idle = calloc(config->pool.width, sizeof(*store->idle))};
	if (!store->idle)
		return -ENOMEM;
	pthread_mutex_init(&store->idle_lock, NULL);
	guard_init(&store->pool, &no_breaker, &config->pool);
	return 0;
}

void store_clear(struct store *store)
{
	while (store->idle_count)
		store->config->kind->close(store->idle[--store->idle_count]);
	guard_clear(&store->pool);
	pthread_mutex_destroy(&store->idle_lock);
	free(store->idle);
}

static void *pop_idle(struct store *store)
{
	void *connection = NULL;

	pthread_mutex_lock(&store->idle_lock);
	if (store->idle_count)
		connection = store->idle[--store->idle_count];
	pthread_mutex_unlock(&store->idle_lock);
	return connection;
}

static void push_idle(struct store *store, void *connection)
{
	pthread_mutex_lock(&store->idle_lock);
	store->idle[store->idle_count++] = connection;	/* there is room: who holds it has a place of the pool */
	pthread_mutex_unlock(&store->idle_lock);
}

unsigned store_idle(struct store *store)
{
	unsigned n;

	pthread_mutex_lock(&store->idle_lock);
	n = store->idle_count;
	pthread_mutex_unlock(&store->idle_lock);
	return n;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Now + ns, without going round. */
static uint64_t in(uint64_t ns)
{
	uint64_t now_ns = clock_now_ns();

	return ns < UINT64_MAX - now_ns ? now_ns + ns : UINT64_MAX;
}

uint64_t store_until(const struct store *store, uint64_t until_ns)
{
	return sooner(until_ns, in(store->config->timeout_ns));
}

static uint64_t left_ns(uint64_t until_ns)
{
	uint64_t now_ns = clock_now_ns();

	return until_ns > now_ns ? until_ns - now_ns : 0;
}

/* In the pool: one at rest that still is, or a new one. */
static enum store_end find_connection(struct store *store, uint64_t until_ns, void **connection, char *why)
{
	const struct store_kind *kind = store->config->kind;
	enum store_end end = STORE_UNREACHABLE;

	while ((*connection = pop_idle(store))) {
		if (kind->is_at_rest(*connection))
			return STORE_OK;
		kind->close(*connection);
		store->counts.replaced++;
	}
	*connection = kind->open(store->config, sooner(until_ns, in(store->config->connect_timeout_ns)), &end, why);
	if (!*connection)
		return end;
	store->counts.opened++;
	return STORE_OK;
}

void store_warm(struct store *store)
{
	const struct store_config *config = store->config;
	char why[STORE_WHY_SIZE];
	enum store_end end;
	void *connection;

	while (store->idle_count < config->min_idle) {
		connection = config->kind->open(config, in(config->connect_timeout_ns), &end, why);
		if (!connection)
			return;
		store->counts.opened++;
		push_idle(store, connection);
	}
}

enum store_end store_take(struct store *store, uint64_t until_ns, void **connection, char why[STORE_WHY_SIZE])
{
	enum store_end end;

	*connection = NULL;
	why[0] = '\0';
	if (!guard_enter(&store->pool, left_ns(until_ns))) {
		snprintf(why, STORE_WHY_SIZE, "all %u connections are in use", store->config->pool.width);
		store->counts.ends[STORE_EXHAUSTED]++;
		return STORE_EXHAUSTED;
	}
	end = find_connection(store, until_ns, connection, why);
	if (end != STORE_OK) {
		store->counts.ends[end]++;
		guard_leave(&store->pool);
	}
	return end;
}

void store_give(struct store *store, void *connection, enum store_end end)
{
	store->counts.ends[end]++;
	if (store->config->kind->is_at_rest(connection)) {
		push_idle(store, connection);
	} else {
		store->config->kind->close(connection);
		store->counts.replaced++;
	}
	guard_leave(&store->pool);
}

bool store_is_reachable(const struct store *store)
{
	const struct store_kind *kind = store->config->kind;
	char why[STORE_WHY_SIZE] = "";
	enum store_end end;
	void *connection = kind->open(store->config, in(store->config->connect_timeout_ns), &end, why);

	if (connection)
		kind->close(connection);
	return connection != NULL;
}

bool store_wait(int fd, short events, uint64_t until_ns)
{
	struct pollfd p = {.fd = fd, .events = events};
	uint64_t ms;
	int n;

	do {
		ms = (left_ns(until_ns) + NS_PER_MS - 1) / NS_PER_MS;
		n = poll(&p, 1, ms > 3600000 ? 3600000 : (int)ms);
	} while ((n < 0 && errno == EINTR) || (!n && left_ns(until_ns)));
	return n > 0;
}

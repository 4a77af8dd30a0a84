/* SPDX-License-Identifier: MIT */
#include "demos/service/redis.h"

#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* The first word of an error that says "not now"; all others are the command's fault. */
static const char *const not_now[] = {"LOADING", "BUSY", "MASTERDOWN", "TRYAGAIN", "CLUSTERDOWN", "OOM", "NOREPLICAS", "MISCONF", "READONLY"};

enum store_end redis_meaning(const char *error)
{
	size_t n = strcspn(error, " ");

	for (size_t i = 0; i < sizeof(not_now) / sizeof(*not_now); i++)
		if (strlen(not_now[i]) == n && !strncmp(error, not_now[i], n))
			return STORE_BUSY;
	return STORE_REFUSED;
}

static void explain(char why[STORE_WHY_SIZE], const char *sentence)
{
	snprintf(why, STORE_WHY_SIZE, "%s", sentence);
}

/* ---- commands ---- */

static enum store_end send_all(redisContext *redis, uint64_t until_ns)
{
	int done = 0;

	while (redisBufferWrite(redis, &done) == REDIS_OK) {
		if (done)
			return STORE_OK;
		if (!store_wait(redis->fd, POLLOUT, until_ns))
			return STORE_TIMEOUT;
	}
	return STORE_LOST;
}

static enum store_end read_reply(redisContext *redis, uint64_t until_ns, redisReply **reply)
{
	void *whole = NULL;

	while (redisGetReplyFromReader(redis, &whole) == REDIS_OK) {
		*reply = whole;
		if (whole)
			return STORE_OK;
		if (!store_wait(redis->fd, POLLIN, until_ns))
			return STORE_TIMEOUT;
		if (redisBufferRead(redis) != REDIS_OK)
			return STORE_LOST;
	}
	return STORE_LOST;
}

static enum store_end judge(redisReply **reply, char *why)
{
	enum store_end end;

	if ((*reply)->type != REDIS_REPLY_ERROR)
		return STORE_OK;
	end = redis_meaning((*reply)->str);
	explain(why, (*reply)->str);
	freeReplyObject(*reply);
	*reply = NULL;
	return end;
}

/* Work that is broken off leaves its reply under way: an error of the context says so to is_at_rest(). */
static enum store_end broken_off(redisContext *redis, enum store_end end, char *why)
{
	explain(why, end == STORE_TIMEOUT ? "no answer in time" : redis->errstr);
	if (!redis->err)
		redis->err = REDIS_ERR_OTHER;
	return end;
}

enum store_end redis_command(redisContext *redis, uint64_t until_ns, unsigned count, const char *const *words, const size_t *lengths,
			     redisReply **reply, char why[STORE_WHY_SIZE])
{
	enum store_end end = STORE_NO_MEMORY;

	*reply = NULL;
	why[0] = '\0';
	if (redisAppendCommandArgv(redis, (int)count, (const char **)words, lengths) == REDIS_OK)
		end = send_all(redis, until_ns);
	if (end == STORE_OK)
		end = read_reply(redis, until_ns, reply);
	return end == STORE_OK ? judge(reply, why) : broken_off(redis, end, why);
}

enum store_end redis_ask(struct store *store, uint64_t until_ns, unsigned count, const char *const *words, const size_t *lengths,
			 redisReply **reply, char why[STORE_WHY_SIZE])
{
	void *connection;
	enum store_end end = store_take(store, until_ns, &connection, why);

	*reply = NULL;
	if (end != STORE_OK)
		return end;
	end = redis_command(connection, store_until(store, until_ns), count, words, lengths, reply, why);
	store_give(store, connection, end);
	return end;
}

/* ---- connections ---- */

static redisContext *begin_connecting(const char *address)
{
	const char *colon = strrchr(address, ':');
	char host[INET_ADDRSTRLEN];

	if (!colon || (size_t)(colon - address) >= sizeof(host))
		return NULL;
	memcpy(host, address, (size_t)(colon - address));
	host[colon - address] = '\0';
	return redisConnectNonBlock(host, atoi(colon + 1));
}

static enum store_end finish_connecting(redisContext *redis, uint64_t until_ns, char *why)
{
	static const char *const ping[] = {"PING"};
	redisReply *pong;
	int err = 0;
	socklen_t size = sizeof(err);
	enum store_end end;

	if (redis->err) {
		explain(why, redis->errstr);
		return STORE_UNREACHABLE;
	}
	if (!store_wait(redis->fd, POLLOUT, until_ns)) {
		explain(why, "no connection in time");
		return STORE_UNREACHABLE;
	}
	if (getsockopt(redis->fd, SOL_SOCKET, SO_ERROR, &err, &size) || err) {
		explain(why, strerror(err));
		return STORE_UNREACHABLE;
	}
	end = redis_command(redis, until_ns, 1, ping, NULL, &pong, why);
	freeReplyObject(pong);
	return end == STORE_OK || end == STORE_NO_MEMORY ? end : STORE_UNREACHABLE;
}

static void *open_connection(const struct store_config *config, uint64_t until_ns, enum store_end *end, char why[STORE_WHY_SIZE])
{
	redisContext *redis = begin_connecting(config->address);

	*end = redis ? finish_connecting(redis, until_ns, why) : STORE_NO_MEMORY;
	if (*end == STORE_OK)
		return redis;
	redisFree(redis);
	return NULL;
}

static bool is_at_rest(void *connection)
{
	redisContext *redis = connection;

	return !redis->err && !store_wait(redis->fd, POLLIN, 0);
}

static void close_connection(void *connection)
{
	redisFree(connection);
}

const struct store_kind redis_kind = {.key = "redis", .open = open_connection, .is_at_rest = is_at_rest, .close = close_connection};

/* ---- replies ---- */

cJSON *redis_tree(const redisReply *reply)
{
	cJSON *array, *item;

	switch (reply->type) {
	case REDIS_REPLY_INTEGER:
		return cJSON_CreateNumber((double)reply->integer);
	case REDIS_REPLY_NIL:
		return cJSON_CreateNull();
	case REDIS_REPLY_ARRAY:
		break;
	default:
		return cJSON_CreateString(reply->str);
	}
	array = cJSON_CreateArray();
	for (size_t i = 0; i < reply->elements; i++) {
		item = redis_tree(reply->element[i]);
		if (!cJSON_AddItemToArray(array, item)) {
			cJSON_Delete(item);
			cJSON_Delete(array);
			return NULL;
		}
	}
	return array;
}

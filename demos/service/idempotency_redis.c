/* SPDX-License-Identifier: MIT */
#include "demos/service/idempotency_redis.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demos/service/redis.h"

#define NS_PER_MS UINT64_C(1000000)
#define MS_MAX (UINT64_MAX / NS_PER_MS)
#define HEAD "%016" PRIx64 " %s %016" PRIx64 " %" PRIu64 " %" PRIu64 " %u %zd %zd\n"
#define HEAD_READ "%16" SCNx64 " %4s %16" SCNx64 " %" SCNu64 " %" SCNu64 " %u %zd %zd%n"
#define HEAD_SIZE 160

/* KEYS: the key. ARGV: the version expected, the new record or "" to remove it, its ttl in ms. */
static const char script[] =
	"local now = redis.call('GET', KEYS[1])\n"
	"local version = now and string.sub(now, 1, 16) or '0000000000000000'\n"
	"if version ~= ARGV[1] then return {now, redis.call('PTTL', KEYS[1])} end\n"
	"if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end\n"
	"return 1";

char *idempotency_redis_write(const struct idempotency_record *r, size_t *length)
{
	size_t type_length = r->content_type ? strlen(r->content_type) : 0, degraded_length = r->degraded ? strlen(r->degraded) : 0;
	char *text = malloc(HEAD_SIZE + type_length + degraded_length + r->length), *end;
	int n;

	if (!text)
		return NULL;
	n = snprintf(text, HEAD_SIZE, HEAD, r->version, r->is_done ? "done" : "work", r->fingerprint, r->lease_ns / NS_PER_MS,
		     r->ttl_ns / NS_PER_MS, r->status, r->content_type ? (ssize_t)type_length : -1,
		     r->degraded ? (ssize_t)degraded_length : -1);
	end = text + n;
	if (type_length)
		end = mempcpy(end, r->content_type, type_length);
	if (degraded_length)
		end = mempcpy(end, r->degraded, degraded_length);
	if (r->length)
		end = mempcpy(end, r->body, r->length);
	*length = (size_t)(end - text);
	return text;
}

static char *copy(const char *from, size_t n)
{
	char *to = malloc(n + 1);

	if (to) {
		memcpy(to, from, n);
		to[n] = '\0';
	}
	return to;
}

/* Takes a text of that length (-1: NULL) from what is left. False when there is not as much, or no memory. */
static bool take(char **to, ssize_t length, const char **from, size_t *left)
{
	if (length < 0)
		return true;
	if ((size_t)length > *left)
		return false;
	*to = copy(*from, (size_t)length);
	*from += length;
	*left -= (size_t)length;
	return *to;
}

/* The head, up to its newline; how many characters it has, or 0. Lengths: of content type and degraded. */
static size_t read_head(const char *text, size_t length, struct idempotency_record *r, ssize_t lengths[2])
{
	char head[HEAD_SIZE], state[8] = "";
	const char *newline = memchr(text, '\n', length < HEAD_SIZE ? length : HEAD_SIZE - 1);
	uint64_t lease_ms, ttl_ms;
	int n = -1;

	if (!newline)
		return 0;
	memcpy(head, text, (size_t)(newline - text));
	head[newline - text] = '\0';
	if (sscanf(head, HEAD_READ, &r->version, state, &r->fingerprint, &lease_ms, &ttl_ms, &r->status, &lengths[0], &lengths[1], &n) != 8 ||
	    n != newline - text || !r->version || lease_ms > MS_MAX || ttl_ms > MS_MAX || lengths[0] < -1 || lengths[1] < -1)
		return 0;
	r->is_done = !strcmp(state, "done");
	r->lease_ns = lease_ms * NS_PER_MS;
	r->ttl_ns = ttl_ms * NS_PER_MS;
	if (!r->is_done && strcmp(state, "work"))
		return 0;
	return (size_t)n + 1;
}

bool idempotency_redis_read(const char *text, size_t length, int64_t left_ms, struct idempotency_record *record)
{
	struct idempotency_record r = {.version = 0};
	ssize_t lengths[2] = {0};
	size_t head = read_head(text, length, &r, lengths);
	uint64_t left_ns = left_ms < 0 ? 0 : (uint64_t)left_ms > MS_MAX ? UINT64_MAX : (uint64_t)left_ms * NS_PER_MS;

	if (!head || (r.is_done && (r.status < 200 || r.status > 599)))
		return false;
	r.age_ns = r.ttl_ns > left_ns ? r.ttl_ns - left_ns : 0;
	text += head;
	r.length = length - head;
	if (!take(&r.content_type, lengths[0], &text, &r.length) || !take(&r.degraded, lengths[1], &text, &r.length) ||
	    (r.length && !(r.body = copy(text, r.length)))) {
		idempotency_record_clear(&r);
		return false;
	}
	*record = r;
	return true;
}

/* 1, or {what is there, how many ms it has left}; a record that is not ours to read is as bad as no storage. */
static enum idempotency_swap read_reply(const redisReply *reply, struct idempotency_record *found)
{
	if (reply->type == REDIS_REPLY_INTEGER)
		return IDEMPOTENCY_SWAPPED;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 || reply->element[1]->type != REDIS_REPLY_INTEGER)
		return IDEMPOTENCY_STORAGE_DOWN;
	if (reply->element[0]->type == REDIS_REPLY_NIL)
		return IDEMPOTENCY_DIFFERS;
	if (reply->element[0]->type != REDIS_REPLY_STRING ||
	    !idempotency_redis_read(reply->element[0]->str, (size_t)reply->element[0]->len, reply->element[1]->integer, found))
		return IDEMPOTENCY_STORAGE_DOWN;
	return IDEMPOTENCY_DIFFERS;
}

/* What the script is given; record: the text of the new one, "" to remove it. */
static enum idempotency_swap ask(struct store *store, const char *name, uint64_t expected, const char *record, size_t length,
				 uint64_t ttl_ms, struct idempotency_record *found)
{
	char version[24], ttl[24], why[STORE_WHY_SIZE];
	const char *words[] = {"EVAL", script, "1", name, version, record, ttl};
	size_t lengths[7];
	enum idempotency_swap swap;
	redisReply *reply;

	snprintf(version, sizeof(version), "%016" PRIx64, expected);
	snprintf(ttl, sizeof(ttl), "%" PRIu64, ttl_ms ? ttl_ms : 1);
	for (unsigned i = 0; i < 7; i++)
		lengths[i] = words[i] == record ? length : strlen(words[i]);
	if (redis_ask(store, UINT64_MAX, 7, words, lengths, &reply, why) != STORE_OK)
		return IDEMPOTENCY_STORAGE_DOWN;
	swap = read_reply(reply, found);
	freeReplyObject(reply);
	return swap;
}

static enum idempotency_swap swap(void *context, const char *key, uint64_t expected, const struct idempotency_record *record,
				  struct idempotency_record *found)
{
	size_t length = 0;
	char *text = record ? idempotency_redis_write(record, &length) : strdup(""), *name = NULL;
	enum idempotency_swap swapped = IDEMPOTENCY_STORAGE_DOWN;

	*found = (struct idempotency_record){.version = 0};
	if (text && asprintf(&name, "idempotency:%s", key) >= 0) {
		swapped = ask(context, name, expected, text, length, record ? record->ttl_ns / NS_PER_MS : 0, found);
		free(name);
	}
	free(text);
	return swapped;
}

struct idempotency_storage idempotency_redis_storage(struct store *store)
{
	return (struct idempotency_storage){.swap = swap, .context = store};
}

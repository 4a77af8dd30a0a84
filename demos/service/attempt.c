/* SPDX-License-Identifier: MIT */
#include "demos/service/attempt.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demos/service/deadline.h"

#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ll

const char *const attempt_error_names[ATTEMPT_ERRORS] = {
	[ATTEMPT_ANSWERED] = "none",
	[ATTEMPT_TIMEOUT] = "timeout",
	[ATTEMPT_RESOLVE] = "resolve",
	[ATTEMPT_CONNECT] = "connect",
	[ATTEMPT_BROKEN] = "broken",
};

void attempt_pool_init(struct attempt_pool *pool)
{
	pthread_mutex_init(&pool->lock, NULL);
	pool->count = 0;
}

void attempt_pool_clear(struct attempt_pool *pool)
{
	while (pool->count)
		curl_easy_cleanup(pool->idle[--pool->count]);
	pthread_mutex_destroy(&pool->lock);
}

/* The handle used last, whose connection is the likeliest to be open still. */
static CURL *take(struct attempt_pool *pool)
{
	CURL *curl = NULL;

	pthread_mutex_lock(&pool->lock);
	if (pool->count)
		curl = pool->idle[--pool->count];
	pthread_mutex_unlock(&pool->lock);
	return curl ? curl : curl_easy_init();
}

static void give_back(struct attempt_pool *pool, CURL *curl)
{
	pthread_mutex_lock(&pool->lock);
	if (pool->count < ATTEMPT_IDLE_MAX) {
		pool->idle[pool->count++] = curl;
		curl = NULL;
	}
	pthread_mutex_unlock(&pool->lock);
	curl_easy_cleanup(curl);
}

/* Takes a piece of the body, to be kept when there is somewhere to; another length than given ends the transfer. */
static size_t take_body(char *data, size_t size, size_t n, void *context)
{
	struct attempt_answer *answer = context;
	size_t bytes = size * n;
	char *longer;

	if (!answer)
		return bytes;
	longer = answer->length + bytes <= ATTEMPT_ANSWER_MAX ? realloc(answer->text, answer->length + bytes + 1) : NULL;
	if (!longer)
		return bytes ? 0 : 1;
	memcpy(longer + answer->length, data, bytes);
	answer->text = longer;
	answer->length += bytes;
	longer[answer->length] = '\0';
	return bytes;
}

/* Called before each request that libcurl is about to send for one attempt; only the first may go out. */
static int only_once(void *context, char *remote, char *local, int remote_port, int local_port)
{
	unsigned *sent = context;

	return (*sent)++ ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static struct curl_slist *add_header(struct curl_slist *list, const char *name, const char *value)
{
	char line[1024];
	struct curl_slist *longer;

	if (!value || !*value)
		return list;
	snprintf(line, sizeof(line), "%s: %s", name, value);
	longer = curl_slist_append(list, line);
	return longer ? longer : list;
}

static struct curl_slist *headers_of(const struct attempt *a)
{
	struct curl_slist *list = NULL;
	char ms[24] = "";

	if (a->says_timeout)
		snprintf(ms, sizeof(ms), "%" PRIu64, (uint64_t)(a->timeout_ns / NS_PER_MS));
	list = add_header(list, DEADLINE_HEADER, ms);
	list = add_header(list, "traceparent", a->traceparent);
	list = add_header(list, "tracestate", a->tracestate);
	list = add_header(list, "Idempotency-Key", a->idempotency_key);
	return add_header(list, "Content-Type", a->body ? a->content_type : NULL);
}

static long whole_ms(uint64_t ns)
{
	return (long)((ns + NS_PER_MS - 1) / NS_PER_MS);
}

static void set_up(CURL *curl, const struct attempt *a, struct curl_slist *headers, unsigned *sent)
{
	curl_easy_reset(curl);	/* options only: connections stay */
	curl_easy_setopt(curl, CURLOPT_URL, a->url);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, whole_ms(a->connect_timeout_ns));
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, whole_ms(a->timeout_ns));
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, a->answer);
	curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, only_once);
	curl_easy_setopt(curl, CURLOPT_PREREQDATA, sent);
	if (a->body)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, a->body);
	if (!strcmp(a->method, "HEAD"))
		curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
	else
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, a->method);
}

static enum attempt_error error_of(CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return ATTEMPT_ANSWERED;
	case CURLE_OPERATION_TIMEDOUT:
		return ATTEMPT_TIMEOUT;
	case CURLE_COULDNT_RESOLVE_HOST:
		return ATTEMPT_RESOLVE;
	case CURLE_COULDNT_CONNECT:
		return ATTEMPT_CONNECT;
	default:
		return ATTEMPT_BROKEN;
	}
}

/* libcurl says 0 for "Retry-After: 0" as well as for none; only a header that is there asks for anything. */
static int64_t retry_after_ns(CURL *curl)
{
	struct curl_header *header;
	curl_off_t seconds = 0;

	if (curl_easy_header(curl, "Retry-After", 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
		return -1;
	if (curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &seconds) != CURLE_OK || seconds > INT64_MAX / NS_PER_S)
		return INT64_MAX;
	return seconds * NS_PER_S;
}

static void read_outcome(CURL *curl, enum attempt_error error, struct retry_outcome *outcome)
{
	long status = 0;

	*outcome = (struct retry_outcome){.end = error == ATTEMPT_TIMEOUT ? ENDED_TIMEOUT : ENDED_ERROR, .retry_after_ns = -1};
	if (error != ATTEMPT_ANSWERED)
		return;
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	outcome->end = ENDED_ANSWERED;
	outcome->status = (int)status;
	outcome->retry_after_ns = retry_after_ns(curl);
}

void attempt_answer_clear(struct attempt_answer *answer)
{
	if (!answer)
		return;
	free(answer->text);
	*answer = (struct attempt_answer){.text = NULL};
}

enum attempt_error attempt_run(struct attempt_pool *pool, const struct attempt *attempt, struct retry_outcome *outcome)
{
	CURL *curl = take(pool);
	struct curl_slist *headers;
	enum attempt_error error;
	unsigned sent = 0;

	if (!curl) {
		*outcome = (struct retry_outcome){.end = ENDED_ERROR, .retry_after_ns = -1};
		return ATTEMPT_BROKEN;
	}
	attempt_answer_clear(attempt->answer);
	headers = headers_of(attempt);
	set_up(curl, attempt, headers, &sent);
	error = error_of(curl_easy_perform(curl));
	read_outcome(curl, error, outcome);
	curl_slist_free_all(headers);
	give_back(pool, curl);
	return error;
}

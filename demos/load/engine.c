/* SPDX-License-Identifier: MIT */
#include "demos/load/engine.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "demos/service/trace_context.h"

#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull
#define LOOK_UP_MS 200	/* how long a stop may go unseen while nothing happens */

struct user {
	CURL *curl;
	struct curl_slist *headers;
	uint64_t started_ns;
};

struct engine {
	const struct load_plan *plan;
	struct summary *summary;
	CURLM *multi;
	struct user *users;
	unsigned sent, ended;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static size_t discard(char *data, size_t size, size_t n, void *context)
{
	return size * n;
}

static int user_init(struct user *user, const struct load_plan *plan)
{
	user->curl = curl_easy_init();
	if (!user->curl)
		return -ENOMEM;
	curl_easy_setopt(user->curl, CURLOPT_URL, plan->url);
	curl_easy_setopt(user->curl, CURLOPT_PROXY, "");
	curl_easy_setopt(user->curl, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(user->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(user->curl, CURLOPT_TIMEOUT_MS, (long)((plan->timeout_ns + NS_PER_MS - 1) / NS_PER_MS));
	curl_easy_setopt(user->curl, CURLOPT_WRITEFUNCTION, discard);
	curl_easy_setopt(user->curl, CURLOPT_PRIVATE, user);
	return 0;
}

/* Each request begins a trace of its own, so that whoever watches can tell one request's attempts from the next one's. */
static void begin_trace(struct user *user)
{
	static const char name[] = "traceparent: ";
	char header[sizeof(name) - 1 + TRACEPARENT_SIZE];
	struct trace_context trace;

	trace_context_read(&trace, NULL, NULL);
	memcpy(header, name, sizeof(name) - 1);
	trace_context_attempt(&trace, header + sizeof(name) - 1);
	curl_slist_free_all(user->headers);
	user->headers = curl_slist_append(NULL, header);
	curl_easy_setopt(user->curl, CURLOPT_HTTPHEADER, user->headers);
}

static void user_send(struct engine *e, struct user *user)
{
	begin_trace(user);
	e->sent++;
	user->started_ns = now_ns();
	curl_multi_add_handle(e->multi, user->curl);
}

static void user_ended(struct engine *e, CURL *curl, CURLcode code)
{
	struct user *user = NULL;
	long status = 0;

	curl_easy_getinfo(curl, CURLINFO_PRIVATE, (char **)&user);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	summary_add(e->summary, code == CURLE_OK ? LOAD_ANSWERED : code == CURLE_OPERATION_TIMEDOUT ? LOAD_TIMEOUT : LOAD_ERROR, status,
		    now_ns() - user->started_ns);
	e->ended++;
	curl_multi_remove_handle(e->multi, curl);
	if (e->sent < e->plan->requests)
		user_send(e, user);
}

/* One turn: what can be done now, then those that have ended, then a wait for more. */
static int turn(struct engine *e)
{
	CURLMsg *message;
	int running, left;

	if (curl_multi_perform(e->multi, &running))
		return -EIO;
	while ((message = curl_multi_info_read(e->multi, &left)))
		if (message->msg == CURLMSG_DONE)
			user_ended(e, message->easy_handle, message->data.result);
	if (e->ended < e->plan->requests && curl_multi_poll(e->multi, NULL, 0, LOOK_UP_MS, NULL))
		return -EIO;
	return 0;
}

static int engine_init(struct engine *e)
{
	int err = 0;

	e->multi = curl_multi_init();
	e->users = calloc(e->plan->users, sizeof(*e->users));
	if (!e->multi || !e->users)
		return -ENOMEM;
	curl_multi_setopt(e->multi, CURLMOPT_MAXCONNECTS, (long)e->plan->users);
	for (unsigned i = 0; i < e->plan->users && !err; i++)
		err = user_init(&e->users[i], e->plan);
	return err;
}

static void engine_clear(struct engine *e)
{
	for (unsigned i = 0; e->users && i < e->plan->users; i++) {
		if (e->users[i].curl)
			curl_multi_remove_handle(e->multi, e->users[i].curl);
		curl_easy_cleanup(e->users[i].curl);
		curl_slist_free_all(e->users[i].headers);
	}
	free(e->users);
	curl_multi_cleanup(e->multi);
}

int load_run(const struct load_plan *plan, const volatile sig_atomic_t *stop, struct summary *summary)
{
	struct engine e = {.plan = plan, .summary = summary};
	uint64_t started_ns;
	int err = engine_init(&e);

	started_ns = now_ns();
	for (unsigned i = 0; i < plan->users && !err; i++)
		user_send(&e, &e.users[i]);
	while (!err && !*stop && e.ended < plan->requests)
		err = turn(&e);
	summary->elapsed_ns = now_ns() - started_ns;
	engine_clear(&e);
	return err;
}

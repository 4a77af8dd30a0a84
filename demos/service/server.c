/* SPDX-License-Identifier: MIT */
#include "demos/service/server.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "demos/service/admin.h"
#include "demos/service/health.h"
#include "demos/service/metrics.h"
#include "demos/service/status.h"
#include "demos/service/steps.h"

#define BODY_BYTES_MAX 65536
#define STACK_BYTES (256 << 10)	/* a thread a connection: thousands must fit; libcurl and our steps stay under 64 KiB */

struct server {
	struct service *service;
	struct MHD_Daemon *daemon;
};

/* One request while its body is still coming. */
struct request {
	char *body;		/* NUL-terminated; NULL empty */
	size_t length;
	bool is_too_large;
	bool is_out_of_memory;
};

struct builtin {
	const char *method, *path;
	void (*reply)(struct service *service, struct reply *reply);
	void (*reply_to)(struct service *service, const char *body, struct reply *reply);	/* instead, when it reads the body */
};

static const struct builtin builtins[] = {
	{"GET", "/health", .reply = health_live},
	{"GET", "/health/live", .reply = health_live},
	{"GET", "/health/ready", .reply = health_ready},
	{"GET", "/metrics", .reply = metrics_reply},
	{"GET", "/status/breakers", .reply = status_breakers},
	{"GET", "/admin/strategy", .reply = admin_get_strategy},
	{"POST", "/admin/strategy", .reply_to = admin_set_strategy},
};

static bool is_method(const char *asked, const char *offered)
{
	return !strcmp(asked, offered) || (!strcmp(asked, "HEAD") && !strcmp(offered, "GET"));
}

static void add_allowed(struct reply *reply, const char *method)
{
	size_t used = strlen(reply->allow);

	snprintf(reply->allow + used, sizeof(reply->allow) - used, "%s%s", used ? ", " : "", method);
}

/* The index of the configured route, or their count; the methods that this path takes otherwise are noted for a 405. */
static unsigned find_route(const struct service *service, const char *method, const char *path, struct reply *reply)
{
	unsigned i;

	for (i = 0; i < service->config.route_count; i++)
		if (!strcmp(service->config.routes[i].path, path)) {
			if (is_method(method, service->config.routes[i].method))
				break;
			add_allowed(reply, service->config.routes[i].method);
		}
	return i;
}

static const struct builtin *find_builtin(const char *method, const char *path, struct reply *reply)
{
	for (size_t i = 0; i < sizeof(builtins) / sizeof(*builtins); i++)
		if (!strcmp(builtins[i].path, path)) {
			if (is_method(method, builtins[i].method))
				return &builtins[i];
			add_allowed(reply, builtins[i].method);
		}
	return NULL;
}

static void run_route(struct service *service, unsigned route, struct MHD_Connection *connection, struct reply *reply)
{
	struct trace_context trace;

	trace_context_read(&trace, MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "traceparent"),
			   MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "tracestate"));
	steps_run(service, &service->config.routes[route], &trace, reply);
}

static void refuse(struct service *service, struct reply *reply)
{
	char allow[sizeof(reply->allow)];

	memcpy(allow, reply->allow, sizeof(allow));
	if (allow[0])
		reply_error(reply, 405, service->config.name, "this path takes %s", allow);
	else
		reply_error(reply, 404, service->config.name, "no such path");
	memcpy(reply->allow, allow, sizeof(allow));
}

static void dispatch(struct service *service, struct MHD_Connection *connection, const char *method, const char *path,
		     const struct request *request, struct reply *reply)
{
	unsigned route = find_route(service, method, path, reply);
	bool is_route = route < service->config.route_count;
	const struct builtin *builtin = is_route ? NULL : find_builtin(method, path, reply);

	if (request->is_too_large)
		reply_error(reply, 413, service->config.name, "a body may have %d bytes", BODY_BYTES_MAX);
	else if (request->is_out_of_memory)
		*reply = (struct reply){.status = 503};
	else if (is_route)
		run_route(service, route, connection, reply);
	else if (builtin && builtin->reply)
		builtin->reply(service, reply);
	else if (builtin)
		builtin->reply_to(service, request->body ? request->body : "", reply);
	else
		refuse(service, reply);
	if (builtin)
		return;
	service->routes[route].statuses[reply->status]++;
	if (reply->degraded[0])
		service->routes[route].degraded++;
}

static void add_headers(struct MHD_Response *response, const struct reply *reply, bool is_last)
{
	if (reply->content_type)
		MHD_add_response_header(response, "Content-Type", reply->content_type);
	if (reply->allow[0])
		MHD_add_response_header(response, "Allow", reply->allow);
	if (reply->degraded[0])
		MHD_add_response_header(response, FALLBACK_HEADER, reply->degraded);
	if (is_last)
		MHD_add_response_header(response, "Connection", "close");
}

static enum MHD_Result send_reply(struct service *service, struct MHD_Connection *connection, const struct reply *reply)
{
	enum MHD_ResponseMemoryMode mode = reply->is_owned && reply->body ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT;
	struct MHD_Response *response = MHD_create_response_from_buffer(reply->length, reply->body, mode);
	enum MHD_Result sent;

	if (!response) {
		if (reply->is_owned)
			free(reply->body);
		return MHD_NO;
	}
	add_headers(response, reply, drain_is_stopping(&service->drain));
	sent = MHD_queue_response(connection, reply->status, response);
	MHD_destroy_response(response);
	return sent;
}

/* What is too large is still read to its end, so that the peer can read the answer. */
static void keep_body(struct request *request, const char *data, size_t n)
{
	char *longer;

	if (request->is_too_large || request->length + n > BODY_BYTES_MAX) {
		request->is_too_large = true;
		return;
	}
	longer = realloc(request->body, request->length + n + 1);
	if (!longer) {
		request->is_out_of_memory = true;
		return;
	}
	request->body = longer;
	memcpy(longer + request->length, data, n);
	request->length += n;
	longer[request->length] = '\0';
}

/* Called by the library once for the head, once for each piece of the body and once for the end of a request. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *path, const char *method,
				  const char *version, const char *data, size_t *data_size, void **state)
{
	struct service *service = context;
	struct request *request = *state;
	struct reply reply = {.status = 500};

	if (!request) {
		*state = calloc(1, sizeof(*request));
		if (*state)
			drain_enter(&service->drain);
		return *state ? MHD_YES : MHD_NO;
	}
	if (*data_size) {
		keep_body(request, data, *data_size);
		*data_size = 0;
		return MHD_YES;
	}
	dispatch(service, connection, method, path, request, &reply);
	return send_reply(service, connection, &reply);
}

/* The answer is out, or the connection gone. */
static void on_completed(void *context, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode how)
{
	struct service *service = context;
	struct request *request = *state;

	if (!request)
		return;
	free(request->body);
	free(request);
	*state = NULL;
	drain_leave(&service->drain);
}

int server_start(struct service *service, struct server **server)
{
	struct server *s = calloc(1, sizeof(*s));
	unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC;

	if (!s)
		return -ENOMEM;
	s->service = service;
	errno = 0;
	s->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, service,
				     MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&service->config.address,
				     MHD_OPTION_NOTIFY_COMPLETED, on_completed, service,
				     MHD_OPTION_CONNECTION_LIMIT, service->config.max_connections,
				     MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_BYTES,
				     MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_END);
	if (!s->daemon) {
		free(s);
		return errno ? -errno : -EIO;
	}
	*server = s;
	return 0;
}

uint16_t server_port(const struct server *server)
{
	return MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

unsigned server_stop(struct server *server)
{
	struct service *service = server->service;
	int listener;
	unsigned left;

	drain_begin(&service->drain);
	listener = MHD_quiesce_daemon(server->daemon);
	if (listener >= 0)
		shutdown(listener, SHUT_RDWR);	/* else the kernel would go on taking connections that nobody serves */
	left = drain_wait(&service->drain, service->config.drain_ns);
	MHD_stop_daemon(server->daemon);
	if (listener >= 0)
		close(listener);
	free(server);
	return left;
}

/* SPDX-License-Identifier: MIT */
#include "demos/service/server.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "demos/service/dispatch.h"
#include "demos/service/fallback.h"
#include "demos/service/intake.h"

#define STACK_BYTES (256 << 10)	/* a thread a connection: thousands must fit; libcurl and our steps stay under 64 KiB */

struct server {
	struct service *service;
	struct MHD_Daemon *daemon;
};

/* A request whose body could not be kept. */
static void refuse(struct request *r, const struct intake *intake)
{
	if (intake->is_too_large)
		request_fail(r, 413, "a body may have %d bytes", INTAKE_BYTES_MAX);
	else
		reply_borrowed(r->reply, 503, "", NULL);
	dispatch_count(r);
}

static void answer(struct request *r, const struct intake *intake, struct MHD_Connection *connection)
{
	dispatch_find(r);
	if (!intake->is_too_large && !intake->is_out_of_memory && r->values && intake_rest(r, connection))
		dispatch_run(r);
	else
		refuse(r, intake);
}

static void add_headers(struct MHD_Response *response, const struct reply *reply, bool is_last)
{
	char seconds[16];

	if (reply->content_type[0])
		MHD_add_response_header(response, "Content-Type", reply->content_type);
	if (reply->allow[0])
		MHD_add_response_header(response, "Allow", reply->allow);
	if (reply->degraded[0])
		MHD_add_response_header(response, FALLBACK_HEADER, reply->degraded);
	if (reply->is_replayed)
		MHD_add_response_header(response, REPLAY_HEADER, "true");
	if (reply->retry_after_s) {
		snprintf(seconds, sizeof(seconds), "%u", reply->retry_after_s);
		MHD_add_response_header(response, "Retry-After", seconds);
	}
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

/* Called by the library once for the head, once for each piece of the body and once for the end of a request. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *path, const char *method,
				  const char *version, const char *data, size_t *data_size, void **state)
{
	struct service *service = context;
	struct intake *intake = *state;
	struct reply reply = {.status = 500};
	struct request r = {.service = service, .method = method, .path = path, .reply = &reply};

	if (!intake) {
		*state = calloc(1, sizeof(*intake));
		if (*state)
			drain_enter(&service->drain);
		return *state ? MHD_YES : MHD_NO;
	}
	if (*data_size) {
		intake_keep(intake, data, *data_size);
		*data_size = 0;
		return MHD_YES;
	}
	r.body = intake->body ? intake->body : "";
	r.length = intake->length;
	r.values = cJSON_CreateObject();
	intake_head(&r, connection);
	answer(&r, intake, connection);
	cJSON_Delete(r.values);
	return send_reply(service, connection, &reply);
}

/* The answer is out, or the connection gone. */
static void on_completed(void *context, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode how)
{
	struct service *service = context;
	struct intake *intake = *state;

	if (!intake)
		return;
	intake_clear(intake);
	free(intake);
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

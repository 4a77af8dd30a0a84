/* SPDX-License-Identifier: MIT */
#include "demos/load/engine.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#define NS_PER_US 1000u
#define NS_PER_S 1000000000u
#define BATCH 16	/* begun before answers are looked at again: each gives back a connection, and those that are late would open new ones */
#define SLACK_S 60	/* libevent has a time limit of its own, which is not to be the one that ends a request */

struct engine;

/* One user: a connection, which is kept, and the request that is under way on it. */
struct client {
	struct engine *engine;
	struct evhttp_connection *connection;	/* NULL: to be made */
	struct client *previous, *next;	/* under way: in the order of their deadlines; idle: next only */
	uint64_t intended_ns, started_ns;
	bool could_connect, is_under_way;
	bool is_spent;			/* the end of the connection was the end of its last answer */
};

struct engine {
	struct load_plan *plan;
	struct progress *progress;
	struct summary *summary;
	struct event_base *base;
	struct event *pump, *expiry, *tick, *interrupt, *terminate;
	struct client *clients;
	struct client *idle;		/* the one used last first, whose connection is the likeliest to be open still */
	struct client *oldest, *newest;	/* under way */
	unsigned made, in_flight;
	uint64_t begun;
	uint64_t due_ns;		/* the next moment of an open loop, since the beginning; UINT64_MAX: there is none */
	bool is_full;			/* the next one has been found to have no room */
	uint64_t was_full_ns;		/* when there last was room again after that; who was to begin before had to wait */
	bool is_draining, is_interrupted;
	int err;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static uint64_t since_began(const struct engine *e, uint64_t ns)
{
	return ns - e->summary->began_ns;
}

/* Rounded up: a timer may not come before its time, or it comes twice. */
static struct timeval from_ns(uint64_t ns)
{
	uint64_t us = (ns + NS_PER_US - 1) / NS_PER_US;

	return (struct timeval){.tv_sec = (time_t)(us / 1000000), .tv_usec = (suseconds_t)(us % 1000000)};
}

static void fail(struct engine *e, int err)
{
	if (!e->err)
		e->err = err;
	event_base_loopbreak(e->base);
}

static void arm(struct engine *e, struct event *timer, uint64_t at_ns)
{
	uint64_t now = now_ns();
	struct timeval wait = from_ns(at_ns > now ? at_ns - now : 0);

	if (event_add(timer, &wait))
		fail(e, -ENOMEM);
}

/* ---- clients ---- */

static void link_under_way(struct engine *e, struct client *c)
{
	c->previous = e->newest;
	c->next = NULL;
	*(e->newest ? &e->newest->next : &e->oldest) = c;
	e->newest = c;
	c->is_under_way = true;
	if (++e->in_flight > e->summary->in_flight_max)
		e->summary->in_flight_max = e->in_flight;
	if (!event_pending(e->expiry, EV_TIMEOUT, NULL))
		arm(e, e->expiry, e->oldest->intended_ns + e->plan->timeout_ns);
}

static void unlink_under_way(struct engine *e, struct client *c)
{
	*(c->previous ? &c->previous->next : &e->oldest) = c->next;
	*(c->next ? &c->next->previous : &e->newest) = c->previous;
	c->is_under_way = false;
	e->in_flight--;
	c->next = e->idle;
	e->idle = c;
}

static struct client *take(struct engine *e)
{
	struct client *c = e->idle;

	if (c) {
		e->idle = c->next;
		return c;
	}
	c = &e->clients[e->made++];
	c->engine = e;
	return c;
}

static bool has_room(const struct engine *e)
{
	return e->in_flight < e->plan->users;
}

static void disconnect_client(struct client *c)
{
	if (c->connection)
		evhttp_connection_free(c->connection);
	c->connection = NULL;
}

static int connect_client(struct client *c)
{
	const struct load_plan *plan = c->engine->plan;
	struct timeval limit = from_ns(plan->timeout_ns);

	if (c->is_spent)
		disconnect_client(c);
	c->is_spent = false;
	if (c->connection)
		return 0;
	c->connection = evhttp_connection_base_new(c->engine->base, NULL, plan->target.address, plan->target.port);
	if (!c->connection)
		return -ENOMEM;
	limit.tv_sec += SLACK_S;
	evhttp_connection_set_timeout_tv(c->connection, &limit);
	return 0;
}

/* ---- one request ---- */

static void add_outcome(struct engine *e, struct outcome *o, uint64_t intended_ns, uint64_t started_ns, uint64_t ended_ns)
{
	o->intended_ns = since_began(e, intended_ns);
	o->late_ns = started_ns - intended_ns;
	o->latency_ns = ended_ns - intended_ns;
	if (summary_add(e->summary, o))
		fail(e, -ENOMEM);
}

static void ended(struct client *c, struct outcome *o)
{
	struct engine *e = c->engine;
	uint64_t now = now_ns();

	unlink_under_way(e, c);
	if (e->is_full)
		e->was_full_ns = now;
	e->is_full = false;
	add_outcome(e, o, c->intended_ns, c->started_ns, now);
	event_active(e->pump, EV_TIMEOUT, 0);	/* not from here: the request that ends may be one whose sending has failed just now */
}

/* Called when what goes wrong does so on a connection that there was, and not for one that could not be made. */
static void on_error(enum evhttp_request_error error, void *context)
{
	((struct client *)context)->could_connect = true;
}

/* RFC 9112 6.3: an answer that has a body and does not say how long it is. libevent would go on to use the connection. */
static bool ends_by_closing(struct evhttp_request *request, enum evhttp_cmd_type method)
{
	struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
	int status = evhttp_request_get_response_code(request);

	return method != EVHTTP_REQ_HEAD && status != 204 && status != 304 && !evhttp_find_header(headers, "Content-Length") &&
	       !evhttp_find_header(headers, "Transfer-Encoding");
}

static void on_done(struct evhttp_request *request, void *context)
{
	struct client *c = context;
	int status = request ? evhttp_request_get_response_code(request) : 0;
	struct outcome o = {.end = status ? LOAD_ANSWERED : c->could_connect ? LOAD_BROKEN : LOAD_CONNECT, .status = (uint16_t)status};
	const char *mark = c->engine->plan->mark;

	if (!c->is_under_way)
		return;
	c->is_spent = status && ends_by_closing(request, c->engine->plan->target.method);
	if (status && mark)
		o.is_marked = evhttp_find_header(evhttp_request_get_input_headers(request), mark) != NULL;
	ended(c, &o);
}

static void discard(struct evhttp_request *request, void *context)
{
	struct evbuffer *body = evhttp_request_get_input_buffer(request);

	evbuffer_drain(body, evbuffer_get_length(body));
}

static int ask(struct client *c)
{
	const struct load_plan *plan = c->engine->plan;
	struct evhttp_request *request;
	int err = connect_client(c);

	if (err)
		return err;
	request = evhttp_request_new(on_done, c);
	if (!request)
		return -ENOMEM;
	evhttp_request_set_error_cb(request, on_error);
	evhttp_request_set_chunked_cb(request, discard);
	return target_ask(&plan->target, c->engine->begun, c->connection, request);
}

static void begin(struct engine *e, uint64_t intended_ns, uint64_t started_ns)
{
	struct client *c = take(e);

	e->begun++;
	c->intended_ns = intended_ns;
	c->started_ns = started_ns;
	c->could_connect = false;
	link_under_way(e, c);
	if (ask(c) && c->is_under_way)
		ended(c, &(struct outcome){.end = LOAD_CONNECT});
}

/* ---- whose turn it is ---- */

static bool may_begin(const struct engine *e)
{
	return !e->is_draining && !e->is_interrupted && e->begun < e->plan->requests;
}

static void next_moment(struct engine *e)
{
	e->due_ns = arrivals_next_ns(&e->plan->arrivals);
	if (e->due_ns >= e->plan->duration_ns)
		e->due_ns = UINT64_MAX;
}

/* Its user would have given up already. */
static void give_up(struct engine *e, uint64_t intended_ns, uint64_t now)
{
	struct outcome o = {.end = LOAD_TIMEOUT, .is_unsent = true};

	e->begun++;
	add_outcome(e, &o, intended_ns, now, now);
}

/* Begins those whose moment has come and for whom there is room; true when it has to come again by itself. */
static bool pump_open(struct engine *e)
{
	for (unsigned i = 0; may_begin(e) && e->due_ns != UINT64_MAX; i++) {
		uint64_t intended_ns = e->summary->began_ns + e->due_ns, now = now_ns();

		if (now < intended_ns || i == BATCH)
			return true;
		if (now - intended_ns >= e->plan->timeout_ns) {
			give_up(e, intended_ns, now);
		} else if (has_room(e)) {
			begin(e, intended_ns, now);
		} else {
			e->is_full = true;
			return false;
		}
		e->summary->held_back += intended_ns <= e->was_full_ns;
		next_moment(e);
	}
	return false;
}

static void pump_closed(struct engine *e)
{
	while (may_begin(e) && has_room(e)) {
		uint64_t now = now_ns();

		if (since_began(e, now) >= e->plan->duration_ns)
			return;
		begin(e, now, now);
	}
}

static bool is_over(const struct engine *e)
{
	bool has_more = may_begin(e) && (e->plan->is_open ? e->due_ns != UINT64_MAX : since_began(e, now_ns()) < e->plan->duration_ns);

	return !has_more && !e->in_flight;
}

static void on_pump(evutil_socket_t fd, short events, void *context)
{
	struct engine *e = context;

	if (!e->plan->is_open)
		pump_closed(e);
	else if (pump_open(e))
		arm(e, e->pump, e->summary->began_ns + e->due_ns);
	if (is_over(e))
		event_base_loopbreak(e->base);
}

/* The time of the oldest is over; its connection has an answer to come that nobody wants, and is of no more use. */
static void on_expiry(evutil_socket_t fd, short events, void *context)
{
	struct engine *e = context;
	uint64_t now = now_ns();
	struct client *c;

	while ((c = e->oldest) && c->intended_ns + e->plan->timeout_ns <= now) {
		ended(c, &(struct outcome){.end = LOAD_TIMEOUT});
		disconnect_client(c);
	}
	if (e->oldest)
		arm(e, e->expiry, e->oldest->intended_ns + e->plan->timeout_ns);
}

/* ---- the run ---- */

static void on_tick(evutil_socket_t fd, short events, void *context)
{
	struct engine *e = context;
	struct progress_now now = {.elapsed_ns = since_began(e, now_ns()), .ended = e->summary->count, .good = e->summary->good,
				   .in_flight = e->in_flight, .is_draining = !may_begin(e) || (e->plan->is_open && e->due_ns == UINT64_MAX)};

	progress_show(e->progress, &now);
}

static void on_interrupt(evutil_socket_t fd, short events, void *context)
{
	struct engine *e = context;

	e->is_interrupted = true;
	event_base_loopbreak(e->base);
}

static void on_terminate(evutil_socket_t fd, short events, void *context)
{
	struct engine *e = context;

	if (e->is_draining)
		on_interrupt(fd, events, context);
	e->is_draining = true;
	event_active(e->pump, EV_TIMEOUT, 0);
}

static int begin_ticking(struct engine *e)
{
	struct timeval every;

	if (!e->progress)
		return 0;
	every = from_ns(e->progress->every_ns);
	e->tick = event_new(e->base, -1, EV_PERSIST, on_tick, e);
	return e->tick && !event_add(e->tick, &every) ? 0 : -ENOMEM;
}

static struct event_base *new_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	/* Timers to the microsecond, by the time it is and not by that of the last wake-up; fewer calls to epoll_ctl. */
	if (config && !event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_PRECISE_TIMER | EVENT_BASE_FLAG_NO_CACHE_TIME |
							     EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST))
		base = event_base_new_with_config(config);
	if (config)
		event_config_free(config);
	return base;
}

static int engine_init(struct engine *e)
{
	e->base = new_base();
	e->clients = calloc(e->plan->users, sizeof(*e->clients));
	if (!e->base || !e->clients)
		return -ENOMEM;
	e->pump = event_new(e->base, -1, 0, on_pump, e);
	e->expiry = event_new(e->base, -1, 0, on_expiry, e);
	e->interrupt = evsignal_new(e->base, SIGINT, on_interrupt, e);
	e->terminate = evsignal_new(e->base, SIGTERM, on_terminate, e);
	if (!e->pump || !e->expiry || !e->interrupt || !e->terminate)
		return -ENOMEM;
	return event_add(e->interrupt, NULL) || event_add(e->terminate, NULL) ? -ENOMEM : begin_ticking(e);
}

static void engine_clear(struct engine *e)
{
	struct event *events[] = {e->pump, e->expiry, e->tick, e->interrupt, e->terminate};

	for (unsigned i = 0; i < e->made; i++)
		disconnect_client(&e->clients[i]);
	for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++)
		if (events[i])
			event_free(events[i]);
	free(e->clients);
	if (e->base)
		event_base_free(e->base);
}

/* libevent tells its own story on stderr: of connections refused, which is ours to count. */
static void hush(int severity, const char *message)
{
}

static void run(struct engine *e)
{
	e->summary->began_ns = now_ns();
	if (e->plan->is_open)
		next_moment(e);
	event_active(e->pump, EV_TIMEOUT, 0);
	event_base_dispatch(e->base);
	e->summary->elapsed_ns = since_began(e, now_ns());
	e->summary->abandoned = e->in_flight;
	if (e->progress)
		progress_clear(e->progress);
}

int load_run(struct load_plan *plan, struct progress *progress, struct summary *summary, enum load_stop *stop)
{
	struct engine e = {.plan = plan, .progress = progress, .summary = summary};

	event_set_log_callback(hush);
	e.err = engine_init(&e);
	if (!e.err)
		run(&e);
	engine_clear(&e);
	*stop = e.is_interrupted ? LOAD_INTERRUPTED : LOAD_COMPLETE;
	return e.err;
}

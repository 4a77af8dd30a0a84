/* SPDX-License-Identifier: MIT */
#include "preload/resolve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "plan/decide.h"
#include "preload/exchange.h"
#include "preload/names.h"
#include "preload/raw.h"
#include "preload/real.h"
#include "preload/verdict.h"

#define LOOK_NS (50 * NS_PER_MS)	/* how often a wait looks whether its fault still acts */

struct lookup {
	struct addr name;	/* ADDR_NONE: nothing is resolved, or nobody wants to know */
	struct conn *c;		/* stands for the connection that it is for; NULL: no fault acts here */
	struct verdict verdict;
	uint64_t started_ns;
};

/* The gethostbyname_r() of this thread that had too small a buffer: the call that follows it is the same attempt. */
static __thread struct {
	uint64_t name;
	struct verdict verdict;
} again;

/* EAI_SYSTEM is what a resolver says that cannot open its files and sockets (measured with a full descriptor table). */
static const struct {
	int eai, h_error, error;	/* getaddrinfo's, gethostbyname's; errno, 0: left alone */
	int returned;			/* gethostbyname_r's: its return value, and errno */
} failures[] = {
	{EAI_NONAME, HOST_NOT_FOUND, 0, 0},
	{EAI_NODATA, NO_DATA, 0, 0},
	{EAI_AGAIN, TRY_AGAIN, 0, EAGAIN},
	{EAI_FAIL, NO_RECOVERY, 0, 0},
	{EAI_MEMORY, NETDB_INTERNAL, ENOMEM, ENOMEM},
	{EAI_SYSTEM, NETDB_INTERNAL, EMFILE, EMFILE},
};

#define FAILURES (sizeof(failures) / sizeof(failures[0]))

/* ---- one look-up ---- */

/* The faults that act on the resolution of this name. */
static uint64_t faults_on(const struct addr *name)
{
	uint64_t faults = conn_candidates(page_version(guest.page), PAGE_TO, name), left = faults;

	for (; left; left &= left - 1)
		if (!decide_is_at(&guest.page->faults[__builtin_ctzll(left)], DECIDE_RESOLVE))
			faults &= ~(left & -left);
	return faults;
}

static void stand_in(struct lookup *l)
{
	static const struct addr nowhere;

	l->c = conn_new(JOURNAL_CLIENT, &nowhere, &l->name, l->started_ns);
}

static void begin(struct lookup *l, const char *name, uint16_t port)
{
	memset(l, 0, sizeof(*l));
	if (!guest.page || !name || host_is_address(name))
		return;
	addr_from_name(&l->name, name, port);
	l->started_ns = clock_now_ns();
	if (!faults_on(&l->name))
		return;
	stand_in(l);
	if (l->c && again.name == l->name.hash)
		l->verdict = again.verdict;
	else if (l->c)
		verdict_resolve(l->c, l->started_ns, &l->verdict);
	again.name = 0;
}

/* The error that a fault put in the answer's place; 0: ask. */
static int failure(const struct lookup *l)
{
	const struct page_fault *f = exchange_fault(l->verdict.main_fault, l->verdict.main_id);

	return f && (l->verdict.actions & PAGE_RESOLVE) ? f->resolve_eai : 0;
}

/* Puts a fault's error into the call's results; returns the _r functions' value. */
static int refuse(int eai, int *h_error)
{
	for (size_t i = 0; i < FAILURES; i++) {
		if (failures[i].eai != eai)
			continue;
		*h_error = failures[i].h_error;
		if (failures[i].error)
			errno = failures[i].error;
		return failures[i].returned;
	}
	return 0;
}

static void nap(uint64_t until)
{
	struct timespec t = {(time_t)(until / NS_PER_S), (long)(until % NS_PER_S)};

	RAW(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &t, 0, 0, 0);
}

/* The answer is there and comes late, for as long as the fault acts. */
static void hold(const struct verdict *v)
{
	uint64_t now = clock_now_ns(), until = now + v->delay_ns;

	for (; now < until && exchange_fault_on(v->delay_fault, v->delay_id, now); now = clock_now_ns())
		nap(until - now < LOOK_NS ? until : now + LOOK_NS);
}

/* The part of the verdict that takes time: its evidence, and the wait. Enters and leaves locked. */
static void delay(struct lookup *l, struct exchange *x)
{
	if (!(l->verdict.actions & PAGE_DELAY))
		return;
	x->arrived_ns = clock_now_ns();
	conn_unlock(l->c);
	hold(&l->verdict);
	conn_lock(l->c);
	exchange_achieved(l->c, x, PAGE_DELAY, clock_now_ns());
	x->arrived_ns = 0;
}

/* Nothing is to be told of a resolution that went well but its delay. */
static void went_well(struct lookup *l)
{
	struct exchange x = {.serial = guest_serial(), .verdict = l->verdict, .arrived_ns = clock_now_ns()};

	exchange_inject(l->c, &x, PAGE_DELAY, x.arrived_ns);
	delay(l, &x);
}

/* An attempt that was not sent. */
static void failed(struct lookup *l, int eai)
{
	struct exchange *x = exchange_begin(l->c, NULL, &l->verdict, l->started_ns);

	if (x)
		delay(l, x);
	if (x && (l->verdict.actions & PAGE_RESOLVE))
		exchange_achieved(l->c, x, PAGE_RESOLVE, clock_now_ns());
	conn_connected(l->c, -1, JOURNAL_EAI + eai, clock_now_ns());
	conn_closing(l->c, -1, clock_now_ns());
}

/* The call's result is there; eai 0: an answer. told: a real failure is an attempt that failed. */
static void end(struct lookup *l, int eai, bool told)
{
	int error = errno;

	if (!l->c && eai && told && l->name.family && guest.mode == PAGE_JOURNAL_ALL)
		stand_in(l);
	if (l->c && conn_lock(l->c)) {
		if (eai)
			failed(l, eai);
		else if (l->verdict.actions & PAGE_DELAY)
			went_well(l);
		conn_unlock(l->c);
	}
	conn_put(l->c);
	errno = error;
}

/* Remembers an answer, and tells it when it is news: a name that is not resolved another time is the peer at this address. */
static void learn(const struct lookup *l, struct addr *address)
{
	struct journal_record *r;

	address->port = 0;
	if (!names_learn(l->name.hash, address) || guest.mode == PAGE_JOURNAL_OFF || !(r = guest_record(0, 0, l->started_ns)))
		return;
	r->conn.local = l->name;
	r->conn.local.port = 0;
	r->conn.peer = *address;
	journal_commit(r, JOURNAL_RESOLVED);
}

/* ---- getaddrinfo ---- */

/* The port that is asked for with the name; 0 when it is none, or has a name itself. */
static uint16_t port_of(const char *service)
{
	char *rest;
	unsigned long port = service && *service >= '0' && *service <= '9' ? strtoul(service, &rest, 10) : 0;

	return port && !*rest && port <= UINT16_MAX ? (uint16_t)port : 0;
}

/*
 * What programs look up to learn of themselves, or in a family that the host may not have, is no attempt to reach anybody.
 * Nor are mistakes in the call.
 */
static bool is_attempt(const struct addrinfo *hints, int eai)
{
	bool resolver = false;

	for (size_t i = 0; i < FAILURES; i++)
		resolver |= failures[i].eai == eai;
	return resolver && !(hints && (hints->ai_flags & (AI_PASSIVE | AI_CANONNAME))) && !(hints && hints->ai_family == AF_INET6);
}

static void learn_addresses(const struct lookup *l, const struct addrinfo *ai)
{
	struct addr a;

	for (; ai; ai = ai->ai_next) {
		addr_from_sockaddr(&a, ai->ai_addr, ai->ai_addrlen);
		learn(l, &a);
	}
}

int resolve_addresses(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
	bool numeric = hints && (hints->ai_flags & AI_NUMERICHOST);
	struct lookup l;
	int r, h_error;

	begin(&l, numeric ? NULL : node, port_of(service));
	r = failure(&l);
	if (r)
		refuse(r, &h_error);
	else
		r = real.getaddrinfo(node, service, hints, result);
	if (!r && l.name.family)
		learn_addresses(&l, *result);
	end(&l, r, is_attempt(hints, r));
	return r;
}

/* ---- the gethostbyname family ---- */

static void learn_host(const struct lookup *l, const struct hostent *h)
{
	struct addr a;

	for (char **at = h->h_addr_list; *at; at++) {
		addr_from_ip(&a, h->h_addrtype == AF_INET6 ? ADDR_IP6 : ADDR_IP4, *at, 0);
		learn(l, &a);
	}
}

static int eai_of(int h_error)
{
	for (size_t i = 0; i < FAILURES; i++)
		if (failures[i].h_error == h_error && h_error != NETDB_INTERNAL)
			return failures[i].eai;
	return EAI_SYSTEM;
}

struct hostent *resolve_host(const struct resolve_host *call)
{
	struct hostent *h = NULL;
	struct lookup l;
	int eai, h_error = 0;

	begin(&l, call->name, 0);
	eai = failure(&l);
	if (eai) {
		refuse(eai, &h_error);
	} else {
		h = call->family >= 0 ? real.gethostbyname2(call->name, call->family) : real.gethostbyname(call->name);
		h_error = h_errno;
		eai = h ? 0 : eai_of(h_error);
	}
	if (h && l.name.family)
		learn_host(&l, h);
	end(&l, eai, call->family != AF_INET6);
	h_errno = h_error;
	return h;
}

static int ask_r(const struct resolve_host *c, struct hostent **result)
{
	if (c->family >= 0)
		return real.gethostbyname2_r(c->name, c->family, c->into, c->buffer, c->size, result, c->h_error);
	return real.gethostbyname_r(c->name, c->into, c->buffer, c->size, result, c->h_error);
}

int resolve_host_r(const struct resolve_host *call, struct hostent **result)
{
	struct lookup l;
	int eai, r;

	begin(&l, call->name, 0);
	eai = failure(&l);
	if (eai) {
		*result = NULL;
		errno = r = refuse(eai, call->h_error);
	} else {
		r = ask_r(call, result);
		eai = !r && *result ? 0 : eai_of(*call->h_error);
	}
	if (r == ERANGE) {
		again.name = l.name.hash;
		again.verdict = l.verdict;
		conn_put(l.c);
		return r;
	}
	if (!eai && l.name.family)
		learn_host(&l, *result);
	end(&l, eai, call->family != AF_INET6);
	return r;
}

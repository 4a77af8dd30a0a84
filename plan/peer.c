/* SPDX-License-Identifier: MIT */
/*
 * `to` and `at`: which end a fault is about, from text to the page's form of it. A port follows the
 * last colon of an IPv4 address or name, and the bracket of an IPv6 one (RFC 3986 §3.2.2). Pure.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include "base/host.h"
#include "base/units.h"
#include "plan/fault.h"

struct parts { /* of host[/bits][:port] */
	char host[HOST_MAX + 1];
	uint64_t bits;
	uint64_t port; /* 0: any */
	bool has_bits;
};

static int refuse(char *why, const char *sentence)
{
	snprintf(why, FAULT_WHY_MAX, "%s", sentence);
	return -EINVAL;
}

static int parse_port(const char *text, uint64_t *port, char *why)
{
	if (units_count(text, 65535, port) || !*port)
		return refuse(why, "give a port from 1 to 65535");
	return 0;
}

/* host[/bits], n bytes of text. */
static int parse_host(struct parts *p, const char *text, size_t n, char *why)
{
	char *slash;

	if (n > HOST_MAX)
		return refuse(why, "give a host of at most 253 characters");
	memcpy(p->host, text, n);
	p->host[n] = '\0';
	slash = strchr(p->host, '/');
	if (!slash)
		return 0;
	*slash = '\0';
	p->has_bits = true;
	return units_count(slash + 1, 128, &p->bits) ? refuse(why, "give a network as address/bits, such as 10.0.0.0/8") : 0;
}

/* [IPv6[/bits]][:port] */
static int parse_bracketed(struct parts *p, const char *text, char *why)
{
	const char *close = strchr(text, ']');
	int err;

	if (!close || (close[1] && close[1] != ':'))
		return refuse(why, "give an IPv6 address with a port as [address]:port");
	err = parse_host(p, text + 1, (size_t)(close - text - 1), why);
	if (!err && !strchr(p->host, ':'))
		err = refuse(why, "only an IPv6 address stands in brackets; give [address]:port");
	return err || !close[1] ? err : parse_port(close + 2, &p->port, why);
}

/* An address without brackets whose end may have been meant as a port: what stands before its last colon is an address too, and
 * behind it stand digits. "fd00::1:80" is two things; "::1" and "fd00::80" are one. */
static bool is_ambiguous(const char *text)
{
	const char *last = strrchr(text, ':');
	char before[HOST_MAX + 1];
	unsigned char ip[16];

	if (!last || last - text >= (ptrdiff_t)sizeof(before) || !last[1] || last[1 + strspn(last + 1, "0123456789")])
		return false;
	memcpy(before, text, (size_t)(last - text));
	before[last - text] = '\0';
	return inet_pton(AF_INET6, before, ip) == 1;
}

static int parse_parts(struct parts *p, const char *text, char *why)
{
	const char *colon = strchr(text, ':');
	int err;

	if (*text == '[')
		return parse_bracketed(p, text, why);
	if (is_ambiguous(text))
		return refuse(why, "put an IPv6 address in brackets, as [address]:port or [address], so that its end cannot be taken for a port");
	if (!colon || strchr(colon + 1, ':')) /* no port: a name, or an IPv6 address without brackets */
		return parse_host(p, text, strlen(text), why);
	err = parse_host(p, text, (size_t)(colon - text), why);
	return err ? err : parse_port(colon + 1, &p->port, why);
}

static void mask(unsigned char *ip, unsigned bytes, uint64_t bits)
{
	for (unsigned i = 0; i < bytes; i++, bits -= bits < 8 ? bits : 8)
		ip[i] &= bits >= 8 ? 0xff : (unsigned char)(0xff00 >> bits);
}

/* Whether no bit of an address is set: 0.0.0.0 or :: */
static bool is_zero(const unsigned char *ip, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		if (ip[i])
			return false;
	return true;
}

/* A server that listens on 0.0.0.0 or :: gets its exchanges at whatever address the client used. */
static bool is_any_address(const struct plan_fault *f, const struct parts *p, const unsigned char *ip, unsigned bytes)
{
	return f->v.side == PAGE_AT && !p->has_bits && is_zero(ip, bytes);
}

static int set_net(struct plan_fault *f, const struct parts *p, int family, unsigned char *ip, char *why)
{
	unsigned bytes = family == 4 ? 4 : 16;

	if (p->has_bits && p->bits > bytes * 8)
		return refuse(why, "give at most 32 bits for an IPv4 network");
	if (is_any_address(f, p, ip, bytes)) {
		f->v.peer = p->port ? PAGE_PEER_PORT : PAGE_PEER_ANY;
		return 0;
	}
	f->v.peer = PAGE_PEER_NET;
	f->v.prefix = p->has_bits ? (uint32_t)p->bits : bytes * 8;
	mask(ip, bytes, f->v.prefix);
	addr_from_ip(&f->v.addr, family, ip, (uint16_t)p->port);
	if (family == 6 && f->v.addr.family == ADDR_IP4) /* ::ffff:a.b.c.d is folded */
		f->v.prefix -= 96;
	return 0;
}

/* A name: letters, digits, - and _ in parts, not all digits (that is a wrong address). A dot at its end is left out. */
static int set_name(struct plan_fault *f, const struct parts *p)
{
	const char *c = p->host;

	if (p->has_bits || strchr(c, ':') || !c[strspn(c, "0123456789.")])
		return -EINVAL;
	for (size_t i = 0; c[i]; i++)
		if (!isalnum((unsigned char)c[i]) && !strchr("-_.", c[i]))
			return -EINVAL;
	host_normal(c, strlen(c), f->host);
	f->v.peer = PAGE_PEER_HOST;
	f->v.host_hash = host_hash(f->host, strlen(f->host));
	return f->v.host_hash ? 0 : -EINVAL;
}

static int parse_inet(struct plan_fault *f, const char *text, char *why)
{
	struct parts p = {.port = 0};
	unsigned char ip[16];
	int err = parse_parts(&p, text, why);

	if (err)
		return err;
	f->v.port = (uint32_t)p.port;
	if (!*p.host && !p.has_bits && p.port) {
		f->v.peer = PAGE_PEER_PORT;
		return 0;
	}
	if (inet_pton(AF_INET, p.host, ip) == 1)
		return set_net(f, &p, 4, ip, why);
	if (inet_pton(AF_INET6, p.host, ip) == 1)
		return set_net(f, &p, 6, ip, why);
	return set_name(f, &p);
}

/* unix:/path, or unix:@name for an abstract one. */
static int parse_unix(struct plan_fault *f, const char *path, char *why)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	size_t n = strlen(path);

	if (!n || n >= sizeof(un.sun_path))
		return refuse(why, "give unix: and a path of 1 to 107 bytes");
	memcpy(un.sun_path, path, n + 1);
	if (*path == '@')
		un.sun_path[0] = '\0';
	addr_from_sockaddr(&f->v.addr, (struct sockaddr *)&un,
			   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (*path != '@')));
	f->v.peer = PAGE_PEER_UNIX;
	return 0;
}

static int parse_peer(struct plan_fault *f, enum page_side side, const char *text, char *why)
{
	f->v.side = side;
	f->v.peer = PAGE_PEER_ANY;
	if (!strcmp(text, "*"))
		return 0;
	if (strstr(text, "://"))
		return refuse(why, "a peer is no URL; give its host and port only, as in api.example:80");
	if (!strncmp(text, "unix:", 5))
		return parse_unix(f, text + 5, why);
	return parse_inet(f, *text == '*' && text[1] == ':' ? text + 1 : text, why);
}

int fault_parse_to(struct plan_fault *f, const char *text, char *why)
{
	return parse_peer(f, PAGE_TO, text, why);
}

int fault_parse_at(struct plan_fault *f, const char *text, char *why)
{
	return parse_peer(f, PAGE_AT, text, why);
}

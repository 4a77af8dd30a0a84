/* SPDX-License-Identifier: MIT */
/*
 * Addresses of stream sockets. Text is made by hand: inet_ntop() and snprintf() are not async-signal-safe.
 */
#include "base/addr.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "base/hash.h"
#include "base/host.h"

#define PATH_OFFSET offsetof(struct sockaddr_un, sun_path)
#define PATH_MAX_BYTES sizeof(((struct sockaddr_un *)0)->sun_path)
#define SOCKADDR_IN6_MIN offsetof(struct sockaddr_in6, sin6_scope_id) /* the length the kernel asks for, too */

_Static_assert(PATH_MAX_BYTES <= sizeof(((struct addr *)0)->path), "struct addr holds any sun_path");

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff}; /* ::ffff:0:0/96 */

static size_t ip_bytes(const struct addr *a)
{
	return a->family == ADDR_IP4 ? 4 : 16;
}

/* The hash of what distinguishes an address; 0 is kept for "none". */
static void addr_seal(struct addr *a)
{
	uint64_t h = hash_bytes(HASH_SEED, a, offsetof(struct addr, ip));

	h = hash_mix(hash_bytes(h, a->path, a->family == ADDR_UNIX ? a->len : ip_bytes(a)));
	a->hash = h ? h : 1;
}

void addr_from_ip(struct addr *a, int family, const void *ip, uint16_t port)
{
	const uint8_t *bytes = ip;

	memset(a, 0, sizeof(*a));
	if (family != ADDR_IP4 && family != ADDR_IP6)
		return;
	if (family == ADDR_IP6 && !memcmp(bytes, mapped_prefix, sizeof(mapped_prefix))) {
		family = ADDR_IP4;
		bytes += sizeof(mapped_prefix);
	}
	a->family = (uint8_t)family;
	a->port = port;
	memcpy(a->ip, bytes, ip_bytes(a));
	addr_seal(a);
}

void addr_from_name(struct addr *a, const char *name, uint16_t port)
{
	char normal[HOST_MAX + 1];
	size_t n = host_normal(name, strlen(name), normal);

	memset(a, 0, sizeof(*a));
	if (!n)
		return;
	a->family = ADDR_NAME;
	a->port = port;
	a->len = (uint8_t)(n < sizeof(a->path) ? n : sizeof(a->path));
	memcpy(a->path, normal, a->len);
	a->hash = host_hash(normal, n);
}

/* A path name ends at its first NUL; an abstract name begins with one and has the length it is given (unix(7)). */
static void addr_from_path(struct addr *a, const char *path, size_t n)
{
	if (n > PATH_MAX_BYTES)
		n = PATH_MAX_BYTES;
	memset(a, 0, sizeof(*a));
	a->family = ADDR_UNIX;
	a->len = (uint8_t)(n && path[0] ? strnlen(path, n) : n);
	memcpy(a->path, path, a->len);
	addr_seal(a);
}

void addr_from_sockaddr(struct addr *a, const struct sockaddr *sa, socklen_t len)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	sa_family_t family;

	memset(a, 0, sizeof(*a));
	if (!sa || len < sizeof(family))
		return;
	memcpy(&family, sa, sizeof(family));
	if (family == AF_INET && len >= sizeof(in)) {
		memcpy(&in, sa, sizeof(in));
		addr_from_ip(a, ADDR_IP4, &in.sin_addr, ntohs(in.sin_port));
	} else if (family == AF_INET6 && len >= SOCKADDR_IN6_MIN) {
		memcpy(&in6, sa, SOCKADDR_IN6_MIN);
		addr_from_ip(a, ADDR_IP6, &in6.sin6_addr, ntohs(in6.sin6_port));
	} else if (family == AF_UNIX) {
		addr_from_path(a, (const char *)sa + PATH_OFFSET, len - PATH_OFFSET);
	}
}

static socklen_t path_to_sockaddr(const struct addr *a, struct sockaddr_un *un)
{
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, a->path, a->len);
	return (socklen_t)(PATH_OFFSET + a->len + (a->len && a->path[0] && a->len < PATH_MAX_BYTES));
}

socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *ss)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

	memset(ss, 0, sizeof(*ss));
	switch (a->family) {
	case ADDR_IP4:
		in->sin_family = AF_INET;
		in->sin_port = htons(a->port);
		memcpy(&in->sin_addr, a->ip, 4);
		return sizeof(*in);
	case ADDR_IP6:
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(a->port);
		memcpy(&in6->sin6_addr, a->ip, 16);
		return sizeof(*in6);
	case ADDR_UNIX:
		return path_to_sockaddr(a, (struct sockaddr_un *)ss);
	}
	return 0;
}

/* ---- text ---- */

struct text {
	char *buf;
	size_t size, n;
};

static void put(struct text *t, char c)
{
	if (t->n + 1 < t->size)
		t->buf[t->n++] = c;
}

static void put_string(struct text *t, const char *s)
{
	while (*s)
		put(t, *s++);
}

static void put_number(struct text *t, unsigned x, unsigned base)
{
	char digits[10];
	int n = 0;

	do
		digits[n++] = "0123456789abcdef"[x % base];
	while (x /= base);
	while (n)
		put(t, digits[--n]);
}

static void put_ip4(struct text *t, const uint8_t *ip)
{
	for (int i = 0; i < 4; i++) {
		if (i)
			put(t, '.');
		put_number(t, ip[i], 10);
	}
}

static unsigned group(const uint8_t *ip, int i)
{
	return (unsigned)ip[2 * i] << 8 | ip[2 * i + 1];
}

/* The first longest run of two or more zero groups, which RFC 5952 §4.2 writes as "::". */
static int zero_run(const uint8_t *ip, int *begin)
{
	int longest = 1, n = 0;

	*begin = -1;
	for (int i = 0; i < 8; i++) {
		n = group(ip, i) ? 0 : n + 1;
		if (n > longest) {
			longest = n;
			*begin = i - n + 1;
		}
	}
	return *begin < 0 ? 0 : longest;
}

static void put_ip6(struct text *t, const uint8_t *ip)
{
	int begin, run = zero_run(ip, &begin);

	for (int i = 0; i < 8; i++) {
		if (i == begin) {
			put_string(t, "::");
			i += run - 1;
			continue;
		}
		if (i && i != begin + run)
			put(t, ':');
		put_number(t, group(ip, i), 16);
	}
}

static void put_path(struct text *t, const struct addr *a)
{
	for (int i = 0; i < a->len && i < (int)sizeof(a->path); i++) {
		char c = a->path[i];

		put(t, !i && !c ? '@' : c >= ' ' && c <= '~' ? c : '?');
	}
}

const char *addr_text(const struct addr *a, char *buf, size_t size)
{
	struct text t = {buf, size, 0};

	switch (a->family) {
	case ADDR_IP4:
		put_ip4(&t, a->ip);
		break;
	case ADDR_IP6:
		put(&t, '[');
		put_ip6(&t, a->ip);
		put(&t, ']');
		break;
	case ADDR_UNIX:
		put_string(&t, "unix:");
		put_path(&t, a);
		break;
	case ADDR_NAME:
		put_path(&t, a);
		break;
	default:
		put(&t, '-');
	}
	if (a->family == ADDR_IP4 || a->family == ADDR_IP6 || (a->family == ADDR_NAME && a->port)) {
		put(&t, ':');
		put_number(&t, a->port, 10);
	}
	if (size)
		buf[t.n] = '\0';
	return buf;
}

int addr_is_local(const struct addr *a)
{
	static const uint8_t loopback6[16] = {[15] = 1};

	switch (a->family) {
	case ADDR_IP4:
		return a->ip[0] == 127;
	case ADDR_IP6:
		return !memcmp(a->ip, loopback6, sizeof(loopback6));
	}
	return a->family == ADDR_UNIX;
}

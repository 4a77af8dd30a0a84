/* SPDX-License-Identifier: MIT */
/* Addresses: every constructor, their text, and what counts as the same end. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/host.h"
#include "tests/lib/tap.h"

static struct addr ip4(const char *text, uint16_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct addr a;

	inet_pton(AF_INET, text, &in.sin_addr);
	addr_from_sockaddr(&a, (struct sockaddr *)&in, sizeof(in));
	return a;
}

static struct addr ip6(const char *text, uint16_t port)
{
	struct sockaddr_in6 in = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_scope_id = 3};
	struct addr a;

	inet_pton(AF_INET6, text, &in.sin6_addr);
	addr_from_sockaddr(&a, (struct sockaddr *)&in, sizeof(in));
	return a;
}

static struct addr unix_end(const char *path, size_t n)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct addr a;

	memcpy(un.sun_path, path, n);
	addr_from_sockaddr(&a, (struct sockaddr *)&un, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
	return a;
}

static const char *text_of(struct addr a)
{
	static char buf[ADDR_TEXT_MAX];

	return addr_text(&a, buf, sizeof(buf));
}

static const char *const ip6_texts[] = {/* RFC 5952 §4; inet_ntop() agrees */
					"::",
					"::1",
					"1::",
					"1::2",
					"2001:db8::1",
					"2001:db8:0:1:1:1:1:1",
					"2001:0:0:1::1",
					"2001:db8::1:0:0:1",
					"1:2:3:4:5:6:7:8",
					"fe80::abcd:ef01",
					"0:1:2:3:4:5:6:7",
					"1:2:3:4:5:6:7:0",
					"::2:3:4:5:6:7",
					"1:2:3:4:5:6::",
					"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"};

static void check_text(void)
{
	char want[ADDR_TEXT_MAX], path[108], small[8];
	struct addr a = ip4("127.0.0.1", 80);

	is_str(text_of(a), "127.0.0.1:80", "an IPv4 address");
	is_str(text_of(ip4("255.10.0.9", 65535)), "255.10.0.9:65535", "the largest port");
	is_str(text_of(ip4("0.0.0.0", 0)), "0.0.0.0:0", "any address, port 0");
	for (size_t i = 0; i < sizeof(ip6_texts) / sizeof(ip6_texts[0]); i++) {
		snprintf(want, sizeof(want), "[%s]:443", ip6_texts[i]);
		is_str(text_of(ip6(ip6_texts[i], 443)), want, "IPv6 %s is written as in RFC 5952", ip6_texts[i]);
	}
	is_str(text_of(unix_end("/run/x.sock", 12)), "unix:/run/x.sock", "a path");
	is_str(text_of(unix_end("\0abc", 4)), "unix:@abc", "an abstract name");
	is_str(text_of(unix_end("/a\nb", 4)), "unix:/a?b", "control bytes of a path are not shown");
	is_str(text_of(unix_end("", 0)), "unix:", "an unnamed Unix socket");
	memset(path, 'p', sizeof(path));
	is_int(strlen(text_of(unix_end(path, sizeof(path)))), 5 + 108, "a path of all 108 bytes");
	is_str(addr_text(&a, small, sizeof(small)), "127.0.0", "a text that does not fit is cut and terminated");
}

static void check_constructors(void)
{
	const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};
	struct addr a = ip4("127.0.0.1", 80), b = ip6("::ffff:127.0.0.1", 80), c, d;

	ok(b.family == ADDR_IP4 && addr_equal(&a, &b), "an IPv4-mapped address is the IPv4 address");
	addr_from_ip(&c, ADDR_IP6, mapped, 80);
	ok(addr_equal(&a, &c), "also from raw bytes");
	addr_from_ip(&d, ADDR_IP4, "\x7f\0\0\1", 80);
	ok(!memcmp(&a, &d, sizeof(a)), "raw parts and a socket address give the same bytes");
	ok(a.hash != 0, "an address has a hash");
	addr_from_ip(&d, 7, "\x7f\0\0\1", 80);
	ok(d.family == ADDR_NONE && d.hash == 0, "an unknown family is none, with hash 0");
	is_str(text_of(d), "-", "none is written -");
	c = unix_end("/x\0junk", 7);
	d = unix_end("/x", 2);
	ok(addr_equal(&c, &d), "a path ends at its first NUL");
	c = unix_end("\0x\0y", 4);
	d = unix_end("\0x", 2);
	ok(c.len == 4 && !addr_equal(&c, &d), "an abstract name does not");
}

static void check_names(void)
{
	char longest[] = "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123";
	struct addr a, b;

	addr_from_name(&a, "Api.Local.", 80);
	is_str(text_of(a), "api.local:80", "a name with its port, in its normal form");
	addr_from_name(&b, "api.local", 0);
	is_str(text_of(b), "api.local", "a name without a port");
	ok(a.hash == b.hash && a.hash == host_hash("api.local", 9), "its hash is the name's, whatever the port");
	ok(!addr_equal(&a, &b) && !addr_is_local(&a), "the port tells them apart");
	addr_from_name(&b, "", 80);
	is_int(b.family, ADDR_NONE, "an empty name is none");
	addr_from_name(&a, longest, 0);
	longest[sizeof(longest) - 2] = 'x';
	addr_from_name(&b, longest, 0);
	b.len = UINT8_MAX;
	is_int(strlen(text_of(b)), sizeof(b.path), "a length that lies (the journal is memory that targets can write) reads no further");
	b.len = sizeof(b.path);
	ok(a.len == sizeof(a.path) && !memcmp(a.path, b.path, a.len) && a.hash != b.hash, "long names are cut, and still told apart");
}

static void check_refused(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	struct sockaddr other = {.sa_family = AF_NETLINK};
	struct addr a;

	addr_from_sockaddr(&a, NULL, 16);
	is_int(a.family, ADDR_NONE, "no address is none");
	addr_from_sockaddr(&a, (struct sockaddr *)&in, 1);
	is_int(a.family, ADDR_NONE, "less than a family is none");
	addr_from_sockaddr(&a, (struct sockaddr *)&in, sizeof(in) - 1);
	is_int(a.family, ADDR_NONE, "a short IPv4 address is none");
	addr_from_sockaddr(&a, (struct sockaddr *)&in6, 23);
	is_int(a.family, ADDR_NONE, "a short IPv6 address is none");
	addr_from_sockaddr(&a, (struct sockaddr *)&in6, 24);
	is_int(a.family, ADDR_IP6, "an IPv6 address without scope is one, as for the kernel");
	addr_from_sockaddr(&a, &other, sizeof(other));
	is_int(a.family, ADDR_NONE, "netlink is none");
}

static void check_differences(void)
{
	struct addr a = ip4("10.0.0.1", 80), port = ip4("10.0.0.1", 81), host = ip4("10.0.0.2", 80);
	struct addr six = ip6("a00:1::", 80);

	ok(a.hash != port.hash && a.hash != six.hash, "port and family enter the hash");
	ok(!addr_equal(&a, &port), "another port is another end");
	ok(!addr_equal(&a, &host), "another host is another end");
	ok(!addr_equal(&a, &six), "the same bytes in another family are another end");
}

static void check_round_trip(struct addr a, socklen_t want, const char *what)
{
	struct sockaddr_storage ss;
	struct addr back;
	socklen_t len = addr_to_sockaddr(&a, &ss);

	is_int(len, want, "%s has the length that connect() wants", what);
	addr_from_sockaddr(&back, (struct sockaddr *)&ss, len);
	ok(!memcmp(&a, &back, sizeof(a)), "%s comes back from its socket address", what);
}

static void check_round_trips(void)
{
	const socklen_t head = offsetof(struct sockaddr_un, sun_path);
	struct addr none = {0};
	struct sockaddr_storage ss;
	char path[108];

	memset(path, 'p', sizeof(path));
	check_round_trip(ip4("192.0.2.7", 8082), sizeof(struct sockaddr_in), "IPv4");
	check_round_trip(ip6("2001:db8::7", 8082), sizeof(struct sockaddr_in6), "IPv6");
	check_round_trip(unix_end("/run/x.sock", 12), head + 12, "a path");
	check_round_trip(unix_end("\0abc", 4), head + 4, "an abstract name");
	check_round_trip(unix_end(path, sizeof(path)), head + 108, "the longest path");
	check_round_trip(unix_end("", 0), head, "an unnamed end");
	is_int(addr_to_sockaddr(&none, &ss), 0, "none has no socket address");
}

/* A listener on a port of the kernel's choice; its address in *ss. Dual-stack where there is IPv6. */
static int listen_anywhere(struct sockaddr_storage *ss)
{
	struct sockaddr_in6 any6 = {.sin6_family = AF_INET6};
	struct sockaddr_in any4 = {.sin_family = AF_INET};
	socklen_t len = sizeof(*ss);
	int off = 0, fd = socket(AF_INET6, SOCK_STREAM, 0);

	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (fd < 0 || bind(fd, (struct sockaddr *)&any6, sizeof(any6))) {
		close(fd);
		fd = socket(AF_INET, SOCK_STREAM, 0);
		bind(fd, (struct sockaddr *)&any4, sizeof(any4));
	}
	listen(fd, 1);
	getsockname(fd, (struct sockaddr *)ss, &len);
	return fd;
}

static void check_real_sockets(void)
{
	struct sockaddr_storage ss;
	int listener = listen_anywhere(&ss), client = socket(AF_INET, SOCK_STREAM, 0), served;
	socklen_t len = sizeof(ss);
	struct addr bound, seen, asked;

	addr_from_sockaddr(&bound, (struct sockaddr *)&ss, len);
	asked = ip4("127.0.0.1", bound.port);
	ok(!connect(client, (struct sockaddr *)&ss, addr_to_sockaddr(&asked, &ss)),
	   "connect() takes addr_to_sockaddr()'s address");
	served = accept(listener, NULL, NULL);
	getsockname(served, (struct sockaddr *)&ss, &len);
	addr_from_sockaddr(&seen, (struct sockaddr *)&ss, len);
	ok(addr_equal(&seen, &asked), "an IPv4 client and a dual-stack server name the server's end alike");
	close(served);
	close(client);
	close(listener);
}

static void check_local(void)
{
	struct addr yes[] = {ip4("127.0.0.1", 1), ip4("127.9.9.9", 1), ip6("::1", 1), ip6("::ffff:127.0.0.1", 1),
			     unix_end("/x", 2)};
	struct addr no[] = {ip4("128.0.0.1", 1), ip4("10.0.0.1", 1), ip6("::2", 1), ip6("::", 1), {0}};

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		ok(addr_is_local(&yes[i]), "%s is local", text_of(yes[i]));
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		ok(!addr_is_local(&no[i]), "%s is not local", text_of(no[i]));
}

int main(void)
{
	check_text();
	check_constructors();
	check_names();
	check_refused();
	check_differences();
	check_round_trips();
	check_real_sockets();
	check_local();
	return tap_done();
}

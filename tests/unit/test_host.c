/* SPDX-License-Identifier: MIT */
/* Host names: which are the same, which texts are addresses. */
#include <string.h>
#include "base/host.h"
#include "tests/lib/tap.h"

static bool same(const char *a, const char *b)
{
	return host_hash(a, strlen(a)) == host_hash(b, strlen(b));
}

static void test_sameness(void)
{
	char longest[HOST_MAX + 2], normal[HOST_MAX + 1];

	memset(longest, 'a', sizeof(longest));
	ok(same("api.example", "API.Example") && same("api.example", "api.example."), "case and a dot at the end make no difference");
	ok(!same("api.example", "api.example..") && !same("api.example", "pi.example") && !same("a", "b"), "anything else does");
	ok(!host_hash("", 0) && !host_hash(".", 1), "nothing, and the root alone, are no names");
	ok(host_hash(longest, HOST_MAX) && !host_hash(longest, HOST_MAX + 1), "%d bytes are a name, one more are none", HOST_MAX);
	is_int(host_normal("Db-1.Local.", 11, normal), 10, "the normal form's length");
	is_str(normal, "db-1.local", "the normal form");
}

static void test_addresses(void)
{
	static const char *const addresses[] = {"10.0.0.1", "127.1", "0x7f000001", "::1", "fe80::1%eth0", "::ffff:1.2.3.4"};
	static const char *const names[] = {"localhost", "10.0.0.1.example", "0x7g", "256.1.1.1", "a", ""};

	for (size_t i = 0; i < sizeof(addresses) / sizeof(*addresses); i++)
		ok(host_is_address(addresses[i]), "%s is an address", addresses[i]);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		ok(!host_is_address(names[i]), "'%s' is none", names[i]);
}

int main(void)
{
	test_sameness();
	test_addresses();
	return tap_done();
}

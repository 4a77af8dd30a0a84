/* SPDX-License-Identifier: MIT */
/* The class of a peer by its address, at both borders of each block. */
#include <arpa/inet.h>
#include "base/peer.h"
#include "tests/lib/tap.h"

static enum peer_class of4(const char *text)
{
	struct in_addr a;

	return inet_pton(AF_INET, text, &a) == 1 ? peer_of_ip4(ntohl(a.s_addr)) : (enum peer_class)-1;
}

static enum peer_class of6(const char *text)
{
	unsigned int words[4];

	if (inet_pton(AF_INET6, text, words) != 1)
		return (enum peer_class)-1;
	for (int i = 0; i < 4; i++)
		words[i] = ntohl(words[i]);
	return peer_of_ip6(words);
}

int main(void)
{
	static const struct {
		const char *address;
		enum peer_class want;
	} rows[] = {
		{"0.0.0.0", PEER_UNKNOWN}, {"127.0.0.1", PEER_LOOPBACK}, {"127.255.255.255", PEER_LOOPBACK},
		{"126.255.255.255", PEER_PUBLIC}, {"128.0.0.0", PEER_PUBLIC}, {"9.255.255.255", PEER_PUBLIC}, {"10.0.0.0", PEER_PRIVATE},
		{"10.255.255.255", PEER_PRIVATE}, {"11.0.0.0", PEER_PUBLIC}, {"172.15.255.255", PEER_PUBLIC}, {"172.16.0.0", PEER_PRIVATE},
		{"172.31.255.255", PEER_PRIVATE}, {"172.32.0.0", PEER_PUBLIC}, {"192.167.255.255", PEER_PUBLIC}, {"192.168.0.0", PEER_PRIVATE},
		{"192.168.255.255", PEER_PRIVATE}, {"192.169.0.0", PEER_PUBLIC}, {"169.253.255.255", PEER_PUBLIC},
		{"169.254.0.0", PEER_PRIVATE}, {"169.254.255.255", PEER_PRIVATE}, {"169.255.0.0", PEER_PUBLIC}, {"100.63.255.255", PEER_PUBLIC},
		{"100.64.0.0", PEER_PRIVATE}, {"100.127.255.255", PEER_PRIVATE}, {"100.128.0.0", PEER_PUBLIC}, {"8.8.8.8", PEER_PUBLIC},
		{"::", PEER_UNKNOWN}, {"::1", PEER_LOOPBACK}, {"::2", PEER_PUBLIC}, {"1::1", PEER_PUBLIC}, {"::ffff:127.0.0.1", PEER_LOOPBACK},
		{"::ffff:10.1.2.3", PEER_PRIVATE}, {"::ffff:0.0.0.0", PEER_UNKNOWN}, {"::ffff:8.8.8.8", PEER_PUBLIC}, {"fe80::1", PEER_PRIVATE},
		{"febf:ffff::1", PEER_PRIVATE}, {"fec0::1", PEER_PUBLIC}, {"fbff:ffff::1", PEER_PUBLIC}, {"fc00::1", PEER_PRIVATE},
		{"fdff:ffff::1", PEER_PRIVATE}, {"fe00::1", PEER_PUBLIC}, {"2001:db8::1", PEER_PUBLIC},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		is_int(strchr(rows[i].address, ':') ? of6(rows[i].address) : of4(rows[i].address), rows[i].want, "%s", rows[i].address);
	return tap_done();
}

/* SPDX-License-Identifier: MIT */
/*
 * How far away the other end of a connection is, by its address; shared by the BPF programs that count and the recorder
 * that reads. Addresses are words in host order. Pure, no includes: compiles for BPF.
 */
#ifndef AFTERSHOCK_BASE_PEER_H
#define AFTERSHOCK_BASE_PEER_H

enum peer_class {
	PEER_UNKNOWN,	/* there is none (yet, any more): a listener, a socket that is not connected */
	PEER_LOOPBACK,
	PEER_PRIVATE,	/* RFC 1918, link-local, unique local, shared (100.64/10) */
	PEER_PUBLIC
};

static inline enum peer_class peer_of_ip4(unsigned int a)
{
	if (!a)
		return PEER_UNKNOWN;
	if (a >> 24 == 127)
		return PEER_LOOPBACK;
	if (a >> 24 == 10 || a >> 20 == 0xac1 || a >> 16 == 0xc0a8 || a >> 16 == 0xa9fe || a >> 22 == 0x6440 >> 6)
		return PEER_PRIVATE;
	return PEER_PUBLIC;
}

/* An address that holds one of IPv4 is that one. */
static inline enum peer_class peer_of_ip6(const unsigned int a[4])
{
	if (!a[0] && !a[1] && a[2] == 0xffff)
		return peer_of_ip4(a[3]);
	if (!a[0] && !a[1] && !a[2] && a[3] <= 1)
		return a[3] ? PEER_LOOPBACK : PEER_UNKNOWN;
	if (a[0] >> 25 == 0xfc >> 1 || a[0] >> 22 == 0xfe80 >> 6)
		return PEER_PRIVATE;
	return PEER_PUBLIC;
}

#endif

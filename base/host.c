/* SPDX-License-Identifier: MIT */
#include "base/host.h"

#include <arpa/inet.h>
#include <string.h>
#include "base/hash.h"

size_t host_normal(const char *name, size_t n, char out[HOST_MAX + 1])
{
	if (n && name[n - 1] == '.')
		n--;
	if (n > HOST_MAX)
		n = 0;
	for (size_t i = 0; i < n; i++)
		out[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] | 0x20) : name[i];
	out[n] = '\0';
	return n;
}

uint64_t host_hash(const char *name, size_t n)
{
	char normal[HOST_MAX + 1];
	size_t length = host_normal(name, n, normal);
	uint64_t h = length ? hash_mix(hash_bytes(HASH_SEED, normal, length)) : 0;

	return length && !h ? 1 : h;
}

bool host_is_address(const char *text)
{
	struct in_addr any;

	return strchr(text, ':') || inet_aton(text, &any);
}

/* SPDX-License-Identifier: MIT */
/*
 * Resolves names by each call there is, and prints what the call said, one line a call:
 *
 *     resolve NAME...     for each name: call, result, errno (0: left alone), h_errno, first address
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define SMALL 8	/* too small a buffer for any answer */

static const char *text(int family, const void *address)
{
	static char buf[INET6_ADDRSTRLEN];

	return inet_ntop(family, address, buf, sizeof(buf));
}

static const char *first(const struct hostent *h)
{
	return h ? text(h->h_addrtype, h->h_addr_list[0]) : "-";
}

static void by_addrinfo(const char *name)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *ai = NULL;
	int r;

	errno = 0;
	r = getaddrinfo(name, "80", &hints, &ai);
	printf("getaddrinfo %d %d %s\n", r, r == EAI_SYSTEM ? errno : 0,
	       r ? "-" : text(ai->ai_family, ai->ai_family == AF_INET ? (void *)&((struct sockaddr_in *)ai->ai_addr)->sin_addr :
									(void *)&((struct sockaddr_in6 *)ai->ai_addr)->sin6_addr));
	if (!r)
		freeaddrinfo(ai);
}

static void say_host(const char *call, const struct hostent *h)
{
	int error = errno;

	printf("%s %s %d %s\n", call, h ? "answer" : "NULL", h ? 0 : h_errno, h || h_errno != NETDB_INTERNAL ? first(h) : strerror(error));
}

static void by_host(const char *name)
{
	errno = h_errno = 0;
	say_host("gethostbyname", gethostbyname(name));
	errno = h_errno = 0;
	say_host("gethostbyname2", gethostbyname2(name, AF_INET));
}

static void by_host_r(const char *name, size_t size)
{
	struct hostent into, *h = NULL;
	char buf[2048];
	int error = 0, r;

	errno = 0;
	r = gethostbyname_r(name, &into, buf, size, &h, &error);
	printf("gethostbyname_r %d %d %s\n", r, h ? 0 : error, first(h));
	if (size == SMALL)
		return;
	errno = 0;
	r = gethostbyname2_r(name, AF_INET, &into, buf, size, &h, &error);
	printf("gethostbyname2_r %d %d %s\n", r, h ? 0 : error, first(h));
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		by_addrinfo(argv[i]);
		by_host(argv[i]);
		by_host_r(argv[i], SMALL);
		by_host_r(argv[i], 2048);
	}
	return 0;
}

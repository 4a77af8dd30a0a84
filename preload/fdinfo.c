/* SPDX-License-Identifier: MIT */
#include "preload/fdinfo.h"

#include <string.h>
#include "preload/raw.h"

/* A small file of /proc, line by line, without libc: lines longer than the buffer are cut. */
struct lines {
	int fd;
	size_t n, at;
	char buf[512];
};

static const char *next_line(struct lines *l)
{
	char *end;
	long r;

	memmove(l->buf, l->buf + l->at, l->n - l->at);
	l->n -= l->at;
	while (!(end = memchr(l->buf, '\n', l->n)) && l->n < sizeof(l->buf) && (r = raw_read(l->fd, l->buf + l->n, sizeof(l->buf) - l->n)) > 0)
		l->n += (size_t)r;
	if (!end)
		return NULL;
	*end = '\0';
	l->at = (size_t)(end + 1 - l->buf);
	return l->buf;
}

/* The number behind `key` in a line; base 10 or 16. */
static uint64_t number_behind(const char *line, const char *key, unsigned base)
{
	const char *p = strstr(line, key);
	uint64_t v = 0;

	for (p = p ? p + strlen(key) : ""; *p == ' '; p++)
		;
	for (;; p++) {
		unsigned digit = *p >= '0' && *p <= '9' ? (unsigned)(*p - '0') : *p >= 'a' && *p <= 'f' ? (unsigned)(*p - 'a') + 10 : 16;

		if (digit >= base)
			return v;
		v = v * base + digit;
	}
}

/* Whether a registration with EPOLLONESHOT waits for its event: once it has had it, the kernel shows its flags alone
 * (ep_send_events(), ep_show_fdinfo()). To modify it then would arm it behind the program's back. */
bool fdinfo_armed(int ep, int fd, uint32_t flags)
{
	char path[40] = "/proc/self/fdinfo/";
	struct lines l = {.n = 0};
	const char *line;
	bool armed = true;
	int at = (int)strlen(path), digits = 1;

	for (int v = ep; v >= 10; v /= 10)
		digits++;
	for (int i = digits, v = ep; i--; v /= 10)
		path[at + i] = (char)('0' + v % 10);
	l.fd = raw_open(path, O_RDONLY | O_CLOEXEC);
	while (l.fd >= 0 && (line = next_line(&l))) {
		if (strncmp(line, "tfd:", 4) || number_behind(line, "tfd:", 10) != (uint64_t)fd)
			continue;
		armed = (number_behind(line, "events:", 16) & ~(uint64_t)flags) != 0;
		break;
	}
	if (l.fd >= 0)
		raw_close(l.fd);
	return armed;
}

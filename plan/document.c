/* SPDX-License-Identifier: MIT */
#include "plan/document.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "plan/fault.h"

#define EXAMPLE "{\"seed\": 7, \"faults\": [{\"to\": \":8082\", \"status\": 429}]}"

#define WRITER_MS 2000

struct bytes {
	char *data; /* owned; NUL behind the last */
	size_t count;
};

/* Until there is something to read, or whoever writes to the pipe has left; ms: at most, -1 for ever. */
static void await(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	while (poll(&p, 1, ms) < 0 && errno == EINTR)
		;
}

/* Reads fd to its end. Not by its size: it may be a pipe. One to which nobody writes reads as empty (fifo(7)): who opens it late is waited for. */
static int read_all(int fd, struct bytes *b)
{
	ssize_t n = 1;

	b->data = malloc(DOCUMENT_MAX + 1);
	if (!b->data)
		return -ENOMEM;
	await(fd, WRITER_MS);
	while (n > 0 && b->count < DOCUMENT_MAX) {
		n = read(fd, b->data + b->count, DOCUMENT_MAX - b->count);
		if (n < 0 && errno == EAGAIN)
			await(fd, -1);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			n = 1;
		else if (n < 0)
			return -errno;
		else
			b->count += (size_t)n;
	}
	b->data[b->count] = '\0';
	return n > 0 ? -EFBIG : 0;
}

static int read_path(const char *path, struct bytes *b)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), err;

	if (fd < 0)
		return -errno;
	err = read_all(fd, b);
	close(fd);
	return err;
}

static void say_unreadable(const char *path, int err, char *error, size_t size)
{
	if (!*path)
		snprintf(error, size, "the name of a plan is empty; give a JSON plan file");
	else if (err == -EISDIR)
		snprintf(error, size, "%s is a directory; give a JSON plan file", path);
	else if (err == -EFBIG)
		snprintf(error, size, "%s is larger than %u bytes; give a JSON plan file", path, DOCUMENT_MAX);
	else
		snprintf(error, size, "%s cannot be read (%s); give a readable JSON plan file", path, strerror(-err));
}

/* Says what is wrong at this byte, with its line and column (in characters), both from 1. */
static int refuse_at(const char *path, const struct bytes *b, size_t at, const char *what, char *error, size_t size)
{
	unsigned line = 1, column = 1;

	for (size_t i = 0; i < at && i < b->count; i++) {
		bool continues = (b->data[i] & 0xc0) == 0x80;

		column = b->data[i] == '\n' ? 1 : column + !continues;
		line += b->data[i] == '\n';
	}
	snprintf(error, size, "%s: line %u, column %u: %s; give a plan such as " EXAMPLE, path, line, column, what);
	return -EINVAL;
}

/* The first byte that no JSON text holds: control characters, and the escape of NUL, which would end a text early. */
static bool find_foreign(const struct bytes *b, size_t *at)
{
	for (*at = 0; *at < b->count; ++*at) {
		unsigned char c = (unsigned char)b->data[*at];

		if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f)
			return true;
		if (c != '\\')
			continue;
		if (!strncmp(b->data + *at, "\\u0000", 6))
			return true;
		++*at; /* what is escaped begins no escape */
	}
	return false;
}

static int parse(const char *path, const struct bytes *b, cJSON **root, char *error, size_t size)
{
	const char *end = b->data;
	size_t at;

	if (find_foreign(b, &at))
		return refuse_at(path, b, at, "binary data, not JSON", error, size);
	if (strspn(b->data, " \t\r\n") == b->count)
		return refuse_at(path, b, 0, "the file is empty", error, size);
	*root = cJSON_ParseWithLengthOpts(b->data, b->count + 1, &end, true);
	if (*root)
		return 0;
	at = (size_t)(end - b->data);
	return refuse_at(path, b, at, at < b->count ? "not JSON from here on" : "the JSON ends too early", error, size);
}

int document_read(const char *path, cJSON **root, char *error, size_t size)
{
	struct bytes b = {NULL, 0};
	char shown[200];
	int err = read_path(path, &b);

	fault_show(path, shown, sizeof(shown));
	if (err)
		say_unreadable(shown, err, error, size);
	else
		err = parse(shown, &b, root, error, size);
	free(b.data);
	return err;
}

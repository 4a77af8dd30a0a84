/* SPDX-License-Identifier: MIT */
#include "preload/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "preload/raw.h"

int __vfprintf_chk(FILE *f, int flag, const char *format, va_list ap);

/* The descriptor, which stays what it is when the program dups another one over it. */
static int fd_of(void *cookie)
{
	return (int)(long)cookie;
}

static ssize_t file_read(void *cookie, char *buf, size_t n)
{
	return read(fd_of(cookie), buf, n);
}

/* All of it, or as much as went before the error: what libc's own streams do, and fopencookie leaves to its user. */
static ssize_t file_write(void *cookie, const char *buf, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = write(fd_of(cookie), buf + done, n - done);

		if (r <= 0)
			break;
		done += (size_t)r;
	}
	return (ssize_t)done;
}

static int file_seek(void *cookie, off64_t *at, int whence)
{
	errno = ESPIPE;
	return -1;
}

static int file_close(void *cookie)
{
	return close(fd_of(cookie));
}

FILE *file_on_socket(int fd, const char *mode)
{
	static const cookie_io_functions_t functions = {file_read, file_write, file_seek, file_close};
	int error = errno;
	FILE *f = NULL;

	if (raw_sockopt_int(fd, SOL_SOCKET, SO_TYPE) == SOCK_STREAM && *mode != 'a')	/* appending sets a flag on the descriptor */
		f = fopencookie((void *)(long)fd, mode, functions);
	errno = error;
	if (!f)
		return NULL;
	f->_fileno = fd;	/* else fileno() knows none */
	if (strchr(mode, 'e'))
		raw_fcntl(fd, F_SETFD, FD_CLOEXEC);
	return f;
}

int file_print(int fd, int flag, const char *format, va_list ap)
{
	static const cookie_io_functions_t functions = {.write = file_write};
	FILE *f = fopencookie((void *)(long)fd, "w", functions);
	int done = f ? __vfprintf_chk(f, flag, format, ap) : -1, error = errno;

	if (f && fclose(f) == 0)
		errno = error;
	else
		done = -1;
	return done;
}

/* SPDX-License-Identifier: MIT */
/*
 * A FILE on a socket. stdio reads, writes and closes inside libc, where nothing can stand before it; a stream that
 * fdopen() makes on a socket therefore gets functions of ours (fopencookie(3)) with the buffering, locking and orientation
 * that libc gives to any other. fileno(), setvbuf(), freopen(), fclose() and exit() do with it what they always do.
 * Allocates, as fdopen() does: not async-signal-safe.
 */
#ifndef AFTERSHOCK_PRELOAD_FILE_H
#define AFTERSHOCK_PRELOAD_FILE_H

#include <stdarg.h>
#include <stdio.h>

/* As fdopen(3). NULL when fd is no stream socket, or the stream can not be made: libc's own fdopen() has the word then. */
FILE *file_on_socket(int fd, const char *mode);

/* As vdprintf(3), and with flag > 0 as its FORTIFY variant, on a descriptor that is tracked: libc's own writes inside libc. */
int file_print(int fd, int flag, const char *format, va_list ap);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The service name of a process: AFTERSHOCK_SERVICE, else OTEL_SERVICE_NAME, else for an interpreter
 * the file name of the script it runs, else the program's file name.
 * Pure: the caller brings the environment and the arguments. Thread-safe and async-signal-safe.
 */
#ifndef AFTERSHOCK_BASE_SERVICE_H
#define AFTERSHOCK_BASE_SERVICE_H

#include <stddef.h>

#define SERVICE_NAME_MAX 96 /* a good size for out: bytes with the NUL */

/*
 * Writes the name to out, cut to size bytes with the NUL; size is at least 2. Never empty; bytes outside printable ASCII
 * become '?'. A value of the environment is taken whole; a name made from arguments has no directories.
 * aftershock_service, otel_service: values of the two variables; NULL or "" when not set.
 * argv: argc arguments, NULL allowed when argc is 0. exe: path of the program file, NULL or "" when unknown
 * (then argv[0] says which program it is); a trailing " (deleted)", as in /proc/PID/exe, does not count.
 */
void service_name(char *out, size_t size, const char *aftershock_service, const char *otel_service, const char *const *argv,
		  unsigned argc, const char *exe);

#endif

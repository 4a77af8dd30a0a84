/* SPDX-License-Identifier: MIT */
/* Where a report goes: to standard output, or to the file that --output names, in full or with one sentence why not. */
#ifndef AFTERSHOCK_CLI_OUTPUT_H
#define AFTERSHOCK_CLI_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

/* Prints `what`; 0 or a negative errno. */
typedef int (*output_print)(const void *what, FILE *out);

/* Whether both are one file: a report must not be written over a run. */
bool output_same_file(const char *a, const char *b);

/* path NULL: standard output. CLI_FINE, or CLI_MISUSE after one sentence on stderr. */
int output_write(const char *path, output_print print, const void *what);

#endif

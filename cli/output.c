/* SPDX-License-Identifier: MIT */
#include "cli/output.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include "cli/cli.h"

bool output_same_file(const char *a, const char *b)
{
	struct stat x, y;

	return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int output_write(const char *path, output_print print, const void *what)
{
	FILE *out;
	int err;

	if (!path)
		return print(what, stdout) ? cli_error("the report could not be written: %s", strerror(errno)) : CLI_FINE;
	out = fopen(path, "we");
	if (!out)
		return cli_error("--output '%s' can not be written: %s", path, strerror(errno));
	err = print(what, out);
	if (fclose(out) || err)
		return cli_error("--output '%s' could not be written in full: %s", path, strerror(err == -ENOMEM ? ENOMEM : errno));
	return CLI_FINE;
}

/* SPDX-License-Identifier: MIT */
#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cli/cli.h"

bool output_same_file(const char *a, const char *b)
{
	struct stat x, y;

	return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* The file that is written: in place of the old one once it is whole, so that a full disk costs no report that was there. */
struct draft {
	FILE *out;
	char path[PATH_MAX];	/* the file itself, where the way to it leads over links */
	char name[PATH_MAX + 8];	/* until then; "": it is written directly */
};

/* A file beside the old one, with its mode and owner. NULL: it can not be. */
static FILE *open_beside(struct draft *d, const char *path, const struct stat *old)
{
	FILE *out = NULL;
	int fd;

	if (!S_ISREG(old->st_mode) || access(path, W_OK) || !realpath(path, d->path))
		return NULL;
	snprintf(d->name, sizeof(d->name), "%s.XXXXXX", d->path);
	fd = mkostemp(d->name, O_CLOEXEC);
	if (fd < 0)
		return NULL;
	if (!fchown(fd, old->st_uid, old->st_gid) && !fchmod(fd, old->st_mode & 07777))
		out = fdopen(fd, "w");
	if (!out) {
		close(fd);
		unlink(d->name);
	}
	return out;
}

/* What is not there yet has nothing to lose; a device or a pipe is written as it is, and so is a file in a directory where none can be made. */
static void draft_begin(struct draft *d, const char *path)
{
	struct stat old;

	d->out = stat(path, &old) ? NULL : open_beside(d, path, &old);
	if (d->out)
		return;
	d->name[0] = '\0';
	d->out = fopen(path, "we");
}

/* 0 or a negative errno. */
static int draft_end(struct draft *d, int err)
{
	if (ferror(d->out))	/* what stdio could not write; why it could not, the kernel says once more */
		err = write(fileno(d->out), "\n", 1) < 0 ? -errno : -EIO;
	if (fclose(d->out) && !err)
		err = -errno;
	if (d->name[0] && !err && rename(d->name, d->path))
		err = -errno;
	if (d->name[0] && err)
		unlink(d->name);
	return err;
}

int output_write(const char *path, output_print print, const void *what)
{
	struct draft draft;
	int err;

	if (!path)
		return print(what, stdout) ? cli_error("the report could not be written: %s", strerror(errno)) : CLI_FINE;
	draft_begin(&draft, path);
	if (!draft.out)
		return cli_error("--output '%s' can not be written: %s", path, strerror(errno));
	err = draft_end(&draft, print(what, draft.out));
	if (err)
		return cli_error("--output '%s' could not be written in full: %s", path, strerror(-err));
	return CLI_FINE;
}

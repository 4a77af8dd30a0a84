/* SPDX-License-Identifier: MIT */
/* How far the work is, on a terminal; nothing of it anywhere else. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "analyzer/read/progress.h"
#include "tests/lib/tap.h"

static char said[4096];

/* What comes out at `from` while work of two parts is done on `to` as standard error; said holds it. */
static void work(int from, int to, unsigned takes_ms)
{
	int before = dup(STDERR_FILENO);
	size_t n = 0;
	ssize_t got;

	dup2(to, STDERR_FILENO);
	progress_begin("reading", 200);
	progress_add(20);
	usleep(takes_ms * 1000);
	progress_add(66);
	progress_add(2);
	progress_begin("analyzing", 4);
	usleep(150000);
	progress_add(1);
	usleep(150000);
	progress_add(9);
	progress_end();
	progress_add(1);
	dup2(before, STDERR_FILENO);
	close(before);
	fcntl(from, F_SETFL, O_NONBLOCK);
	while ((got = read(from, said + n, sizeof(said) - 1 - n)) > 0)
		n += (size_t)got;
	said[n] = 0;
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && !strcmp(text + n - m, end);
}

int main(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave = -1, ends[2];

	if (master >= 0 && !grantpt(master) && !unlockpt(master))
		slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	if (slave < 0 || pipe(ends))
		return 1;
	work(master, slave, 1100);
	ok(strstr(said, "reading 43 %"), "work that takes more than a second says how far it is");
	ok(!strstr(said, "reading 10 %"), "not before");
	ok(!strstr(said, "reading 44 %"), "nor again at once");
	ok(strstr(said, "analyzing 25 %"), "and goes on with the next part");
	ok(strstr(said, "analyzing 100 %"), "which is never more than done");
	ok(ends_with(said, "\r                    \r"), "the line is erased in the end");
	work(master, slave, 10);
	is_str(said, "", "short work says nothing");
	work(ends[0], ends[1], 1100);
	is_str(said, "", "nor does long work when nobody looks");
	return tap_done();
}

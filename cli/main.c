/* SPDX-License-Identifier: MIT */
/* The `aftershock` command: finds the subcommand in the table and hands over. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "cli/cli.h"
#include "cli/privilege.h"

struct command {
	const char *name, *help;
	int (*run)(int argc, char **argv);
};

#define ROW(name, help) {#name, help, cmd_##name},
static const struct command commands[] = {CLI_COMMANDS(ROW)};
#undef ROW

#define COMMAND_COUNT (sizeof(commands) / sizeof(*commands))

static int help(void)
{
	puts("Usage: aftershock COMMAND [OPTION]...\n"
	     "Break one dependency of a program you cannot change, and measure everything that happens next.\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		printf("  %-9s %s\n", commands[i].name, commands[i].help);
	puts("\nExamples:\n"
	     "  aftershock run --report --fault 'to=127.0.0.1:8082 status=429 first=2' -- curl --retry 5 http://127.0.0.1:8082/\n"
	     "  aftershock report run.db --format json\n"
	     "\n`aftershock COMMAND --help` says more.\n"
	     "Exit status: 0 fine, 1 a gate failed, 2 usage, input or I/O error, 3 inconclusive; `run` passes on COMMAND's.");
	return CLI_FINE;
}

static int version(void)
{
	puts("aftershock " AFTERSHOCK_VERSION);
	return CLI_FINE;
}

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	}
	return NULL;
}

static int unknown(const char *name)
{
	char names[256] = "";
	size_t at = 0;

	for (size_t i = 0; i < COMMAND_COUNT; i++)
		at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%s", i ? ", " : "", commands[i].name);
	return cli_error("unknown command '%s'; known: %s", name, names);
}

static int finish(int status)
{
	if (fflush(stdout) || ferror(stdout))
		return cli_error("cannot write to standard output");
	return status;
}

/*
 * A standard stream that was closed stays of no use, but is no longer the next file that is opened: what is said on stderr would go into it.
 * The wrong way round, so that using it fails as before; gone at exec, so that COMMAND finds it closed.
 */
static int hold_standard_streams(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", (fd ? O_RDONLY : O_WRONLY) | O_CLOEXEC) != fd)
			return -errno;
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct command *c;

	if (hold_standard_streams())
		return CLI_MISUSE;	/* nowhere to say it */
	if (privilege_begin())
		return cli_error("it must not be setuid or setgid: call it by sudo, or give it capabilities (setcap, see aftershock-trace(1))");
	if (argc < 2)
		return cli_error("no command given; see 'aftershock --help'");
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return finish(help());
	if (!strcmp(argv[1], "--version"))
		return finish(version());
	c = command_find(argv[1]);
	if (!c)
		return unknown(argv[1]);
	return finish(c->run(argc - 1, argv + 1));
}

/* SPDX-License-Identifier: MIT */
/*
 * What the commands share: the table of commands, exit statuses, the one way to refuse (one sentence on
 * stderr, status 2), and options by table, from which --help is made too. Only this room prints.
 * Single-threaded.
 */
#ifndef AFTERSHOCK_CLI_CLI_H
#define AFTERSHOCK_CLI_CLI_H

#include <stdbool.h>

enum cli_status {
	CLI_FINE = 0,
	CLI_FAILED = 1,		/* a gate or assertion failed */
	CLI_MISUSE = 2,		/* usage, input or I/O error */
	CLI_INCONCLUSIVE = 3	/* a fault never fired, events were lost, too few runs */
};

/* name, one line of help; the function is cmd_<name>(argc, argv) with argv[0] the command's name; it returns the exit status. */
#define CLI_COMMANDS(X) \
	X(run, "run a command under faults and record what happens") \
	X(fault, "list and change the faults of a run while it is going") \
	X(watch, "show what happens in a run, once a second, while it is going") \
	X(env, "let programs that others start join a run: docker, systemd, Kubernetes") \
	X(trace, "record what running processes do, from the kernel alone") \
	X(report, "say what a recorded run means") \
	X(compare, "compare runs before and after a change") \
	X(plan, "check or explain a plan, list the keys of a fault") \
	X(doctor, "say what works on this machine, and whether a program can be reached")

#define CLI_DECLARE(name, help) int cmd_##name(int argc, char **argv);
CLI_COMMANDS(CLI_DECLARE)
#undef CLI_DECLARE

struct cli_option {
	const char *name;	/* long name, without dashes */
	char letter;		/* 0: none */
	const char *value;	/* what --help calls its value ("PLAN"); NULL: a flag, take() gets NULL */
	const char *help;	/* one line */
	int (*take)(void *context, const char *value);	/* 0, or CLI_MISUSE after cli_error() */
};

struct cli_usage {
	const char *synopsis;			/* "run [OPTION]... [--] COMMAND [ARG...]" */
	const char *about;			/* one paragraph; may hold newlines, ends without one */
	const struct cli_option *options;	/* ended by a row whose name is NULL; --help is added to it */
	const char *more;			/* examples, exit statuses: printed as it is after the options; NULL none */
	bool first_operand_ends;		/* `run`: what follows the first operand belongs to the command */
};

#define CLI_REFUSED (-1)
#define CLI_HELPED (-2)

/*
 * Takes the options of argv[1..] and moves the operands to argv[1..n], argv[n + 1] = NULL. "--" ends the options; a value
 * may follow as "--name=value", "--name value", "-nvalue" or "-n value". Returns n, CLI_REFUSED (a sentence was printed:
 * leave with CLI_MISUSE) or CLI_HELPED (--help was printed on stdout: leave with CLI_FINE).
 */
int cli_parse(const struct cli_usage *usage, int argc, char **argv, void *context);

/* The exit status for what cli_parse() returned below 0. */
static inline int cli_parsed_status(int n)
{
	return n == CLI_HELPED ? CLI_FINE : CLI_MISUSE;
}

/* Prints "aftershock: <sentence>\n" on stderr; returns CLI_MISUSE. */
int cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same for what is no failure; returns nothing. */
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif

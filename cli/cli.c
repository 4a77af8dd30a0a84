/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* One write per sentence, so that sentences of several processes do not mix; control bytes of arguments are not let out. */
static void say(const char *format, va_list ap)
{
	char line[2048];
	size_t n = (size_t)snprintf(line, sizeof(line), "aftershock: ");
	int added = vsnprintf(line + n, sizeof(line) - n - 1, format, ap);

	n += added < 0 ? 0 : (size_t)added;
	if (n > sizeof(line) - 2)
		n = sizeof(line) - 2;
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	}
	line[n++] = '\n';
	fflush(stdout);
	fwrite(line, 1, n, stderr);
}

int cli_error(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say(format, ap);
	va_end(ap);
	return CLI_MISUSE;
}

void cli_say(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say(format, ap);
	va_end(ap);
}

static void help_option(const struct cli_option *o)
{
	char left[64];

	if (o->letter)
		snprintf(left, sizeof(left), "-%c, --%s%s%s", o->letter, o->name, o->value ? " " : "", o->value ? o->value : "");
	else
		snprintf(left, sizeof(left), "    --%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
	printf("  %-26s %s\n", left, o->help);
}

static int help(const struct cli_usage *u)
{
	static const struct cli_option self = {"help", 'h', NULL, "this text", NULL};

	printf("Usage: aftershock %s\n\n%s\n\nOptions:\n", u->synopsis, u->about);
	for (const struct cli_option *o = u->options; o->name; o++)
		help_option(o);
	help_option(&self);
	if (u->more)
		printf("\n%s\n", u->more);
	return CLI_HELPED;
}

struct cursor {
	const struct cli_usage *usage;
	const char *command;
	char **argv;
	int argc, at;
	void *context;
};

/* value: what came attached ("=value", "-nvalue"), or NULL. */
static int take(struct cursor *c, const struct cli_option *o, const char *shown, const char *value)
{
	if (!o->value && value)
		return cli_error("option %s takes no value (given '%s')", shown, value);
	if (o->value && !value) {
		if (c->at + 1 >= c->argc)
			return cli_error("option %s needs a value: %s", shown, o->value);
		value = c->argv[++c->at];
	}
	return o->take(c->context, value);
}

static int take_long(struct cursor *c, const char *arg)
{
	const char *equals = strchr(arg, '=');
	size_t n = equals ? (size_t)(equals - arg) : strlen(arg);
	char shown[64];

	for (const struct cli_option *o = c->usage->options; o->name; o++) {
		if (strlen(o->name) != n || strncmp(o->name, arg, n))
			continue;
		snprintf(shown, sizeof(shown), "--%s", o->name);
		return take(c, o, shown, equals ? equals + 1 : NULL);
	}
	return cli_error("unknown option '--%.*s'; see 'aftershock %s --help'", (int)n, arg, c->command);
}

static int take_short(struct cursor *c, const char *arg)
{
	for (const struct cli_option *o = c->usage->options; o->name; o++) {
		if (o->letter && o->letter == *arg)
			return take(c, o, (char[]){'-', *arg, '\0'}, arg[1] ? arg + 1 : NULL);
	}
	return cli_error("unknown option '-%c'; see 'aftershock %s --help'", *arg, c->command);
}

static bool asks_help(const char *arg)
{
	return !strcmp(arg, "--help") || !strcmp(arg, "-h");
}

int cli_parse(const struct cli_usage *usage, int argc, char **argv, void *context)
{
	struct cursor c = {usage, argv[0], argv, argc, 1, context};
	bool options = true;
	int n = 0;

	for (; c.at < argc; c.at++) {
		char *arg = argv[c.at];

		if (options && !strcmp(arg, "--")) {
			options = false;
		} else if (!options || arg[0] != '-' || !arg[1]) {
			argv[++n] = arg;
			options = options && !usage->first_operand_ends;
		} else if (asks_help(arg)) {
			return help(usage);
		} else if (arg[1] == '-' ? take_long(&c, arg + 2) : take_short(&c, arg + 1)) {
			return CLI_REFUSED;
		}
	}
	argv[n + 1] = NULL;
	return n;
}

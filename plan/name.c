/* SPDX-License-Identifier: MIT */
/*
 * What a fault is called: fit for a file name and for a metric's label without quoting. Pure.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include "plan/fault.h"

#define INSIDE "._:-+@" /* beside letters and digits */
#define FIRST "_:"

bool fault_name_valid(const char *text)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr(i ? INSIDE : FIRST, text[i]))
			return false;
	return n > 0 && n <= FAULT_NAME_MAX;
}

int fault_parse_name(struct plan_fault *f, const char *text, char *why)
{
	return fault_name_valid(text) ? 0 : -EINVAL;
}

/* Adds what of text can be part of a name; anything else becomes one dash. */
static size_t name_add(char *name, size_t at, const char *text)
{
	for (; *text && at < FAULT_NAME_MAX; text++) {
		bool fits = isalnum((unsigned char)*text) || strchr(at ? INSIDE : FIRST, *text);

		if (fits)
			name[at++] = *text;
		else if (at && name[at - 1] != '-' && !strchr("[]", *text))
			name[at++] = '-';
	}
	while (at && name[at - 1] == '-')
		at--;
	name[at] = '\0';
	return at;
}

/* "-status-429" for each action given. */
static size_t name_add_actions(const struct plan_fault *f, char *name, size_t at)
{
	for (int k = 0; k < FAULT_KEYS; k++) {
		char part[FAULT_NAME_MAX];

		if (fault_keys[k].kind != FAULT_ACTION || !f->text[k] || !strcmp(f->text[k], "false"))
			continue;
		snprintf(part, sizeof(part), "-%s%s%s", fault_keys[k].name, k == FAULT_REFUSE ? "" : "-",
			 k == FAULT_REFUSE ? "" : f->text[k]);
		at = name_add(name, at, part);
	}
	return at;
}

void fault_default_name(const struct plan_fault *f, char name[FAULT_NAME_MAX + 1])
{
	const char *end = f->text[f->text[FAULT_AT] ? FAULT_AT : FAULT_TO];
	char first[FAULT_NAME_MAX];
	size_t at;

	end = strcmp(end, "*") ? end : "any";
	snprintf(first, sizeof(first), "%s%s%s", f->text[FAULT_AT] ? "at" : "", f->text[FAULT_AT] && *end != ':' ? "-" : "", end);
	at = name_add(name, 0, first);
	at = name_add_actions(f, name, at);
	if (f->v.watch_only)
		name_add(name, at, "-watch");
}

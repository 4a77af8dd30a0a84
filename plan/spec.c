/* SPDX-License-Identifier: MIT */
#include "plan/spec.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "plan/fault.h"

#define BLANKS " \t\r\n"

/* Copies a quoted value that begins behind *p, and moves *p behind its closing quote. */
static int read_quoted(const char **p, char quote, char *out)
{
	const char *c = *p;

	for (; *c && *c != quote; c++) {
		if (quote == '"' && *c == '\\' && (c[1] == '"' || c[1] == '\\'))
			c++;
		*out++ = *c;
	}
	*out = '\0';
	*p = c + (*c == quote);
	return *c == quote ? 0 : -EINVAL;
}

/* Whether one of the two quotes stands in these n bytes an odd number of times. */
static bool has_lone_quote(const char *text, size_t n)
{
	unsigned single = 0, twofold = 0;

	for (size_t i = 0; i < n; i++) {
		single += text[i] == '\'';
		twofold += text[i] == '"';
	}
	return single % 2 || twofold % 2;
}

/* Copies the value at *p to out (large enough for all of it) and moves *p behind it. */
static int read_value(const char **p, char *out, const char **wrong)
{
	size_t n;

	if (**p != '"' && **p != '\'') {
		n = strcspn(*p, BLANKS);
		*wrong = "has a quote inside its value; put the whole value in quotes, as in body='a b' or body=\"it's\"";
		if (has_lone_quote(*p, n))
			return -EINVAL;
		memcpy(out, *p, n);
		out[n] = '\0';
		*p += n;
		return 0;
	}
	(*p)++;
	*wrong = "has a quote that is not closed; close it";
	if (read_quoted(p, (*p)[-1], out))
		return -EINVAL;
	*wrong = "has text right behind its closing quote; put the whole value in quotes";
	return **p && !strchr(BLANKS, **p) ? -EINVAL : 0;
}

/* The word at p is no key=value: says so. */
static int refuse_word(const char *p, char *why, size_t size)
{
	char word[64], shown[64];

	snprintf(word, sizeof(word), "%.*s", (int)strcspn(p, BLANKS), p);
	fault_show(word, shown, sizeof(shown));
	snprintf(why, size,
		 "'%s' is not key=value; give pairs such as 'to=127.0.0.1:8082 status=429', values with spaces in quotes", shown);
	return -EINVAL;
}

static int read_pair(const char **p, cJSON *object, char *key, char *value, char *why, size_t size)
{
	size_t n = strcspn(*p, "=" BLANKS);
	const char *wrong = NULL;
	char shown[64];

	if (**p == '\'' || **p == '"') {
		snprintf(why, size, "a quote stands before a key; put quotes around the value only, as in body='a b'");
		return -EINVAL;
	}
	if (!n || (*p)[n] != '=')
		return refuse_word(*p, why, size);
	memcpy(key, *p, n);
	key[n] = '\0';
	*p += n + 1;
	if (read_value(p, value, &wrong)) {
		snprintf(why, size, "%s %s", fault_show(key, shown, sizeof(shown)), wrong);
		return -EINVAL;
	}
	return cJSON_AddStringToObject(object, key, value) ? 0 : -ENOMEM;
}

int spec_read(const char *spec, cJSON *object, char *why, size_t size)
{
	size_t room = strlen(spec) + 1;
	char *key = malloc(room), *value = malloc(room);
	int err = key && value ? 0 : -ENOMEM;

	for (const char *p = spec + strspn(spec, BLANKS); !err && *p; p += strspn(p, BLANKS))
		err = read_pair(&p, object, key, value, why, size);
	free(key);
	free(value);
	return err;
}

/* SPDX-License-Identifier: MIT */
/*
 * The values of fault keys, one parser each, in the order of the table in fault.c; addresses are in
 * peer.c. A parser reads to the last character, fills f->v, and leaves why alone unless it knows
 * better than the key's own sentence what would be accepted. Pure.
 */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/http1.h"
#include "base/units.h"
#include "plan/errnos.h"
#include "plan/fault.h"

#define Z99 2.3263478740408408 /* the standard normal quantile of 0.99 */
#define RETRY_AFTER_MAX_S 3600000u
#define PART_MAX 64 /* longest part of a composed value */

struct word {
	const char *name;
	uint32_t value;
};

static const struct word places[] = {
	{"response", PAGE_RESPONSE}, {"request", PAGE_REQUEST}, {"connect", PAGE_CONNECT}, {"resolve", PAGE_NAME}, {0}};
static const struct word calls[] = {{"connect", PAGE_CALL_CONNECT}, {"send", PAGE_CALL_SEND}, {"recv", PAGE_CALL_RECV}, {0}};
static const struct word resolver_errors[] = {{"EAI_AGAIN", (uint32_t)EAI_AGAIN},
					      {"EAI_NONAME", (uint32_t)EAI_NONAME},
					      {"EAI_FAIL", (uint32_t)EAI_FAIL},
					      {"EAI_NODATA", (uint32_t)EAI_NODATA},
					      {"EAI_MEMORY", (uint32_t)EAI_MEMORY},
					      {"EAI_SYSTEM", (uint32_t)EAI_SYSTEM},
					      {0}};

static const struct word *word_find(const struct word *words, const char *text)
{
	for (; words->name; words++)
		if (!strcmp(words->name, text))
			return words;
	return NULL;
}

/* The characters of an HTTP token (RFC 9110 §5.6.2). */
static bool is_token(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr("!#$%&'*+-.^_`|~", text[i]))
			return false;
	return n > 0;
}

/* Splits text at the first separator into two copies. 0, or -EINVAL without one or when a part is too long. */
static int split(const char *text, const char *separator, char a[PART_MAX], char b[PART_MAX])
{
	const char *at = strstr(text, separator);
	const char *rest = at ? at + strlen(separator) : NULL;

	if (!at || at - text >= PART_MAX || strlen(rest) >= PART_MAX)
		return -EINVAL;
	memcpy(a, text, (size_t)(at - text));
	a[at - text] = '\0';
	strcpy(b, rest);
	return 0;
}

int fault_parse_glob(struct plan_fault *f, const char *text, char *why)
{
	return 0;
}

int fault_parse_method(struct plan_fault *f, const char *text, char *why)
{
	return is_token(text, strlen(text)) && strlen(text) < HTTP1_METHOD_MAX && !strchr(text, '*') ? 0 : -EINVAL;
}

int fault_parse_path(struct plan_fault *f, const char *text, char *why)
{
	if (strlen(text) >= HTTP1_PATH_MAX) {
		snprintf(why, FAULT_WHY_MAX, "give at most %d bytes", HTTP1_PATH_MAX - 1);
		return -EINVAL;
	}
	return *text == '/' || *text == '*' ? 0 : -EINVAL;
}

/* "Name: value": a token, a colon, something behind it. */
static int check_header(const char *text)
{
	const char *colon = strchr(text, ':');

	if (!colon || !is_token(text, (size_t)(colon - text)) || memchr(text, '*', (size_t)(colon - text)))
		return -EINVAL;
	return colon[1 + strspn(colon + 1, " \t")] ? 0 : -EINVAL;
}

int fault_parse_header(struct plan_fault *f, const char *text, char *why)
{
	return check_header(text);
}

int fault_parse_probability(struct plan_fault *f, const char *text, char *why)
{
	double share;

	if (units_share(text, &share))
		return -EINVAL;
	f->v.hit_below = (uint64_t)ceil(share * 4294967296.0); /* up: the smallest share can still happen */
	f->v.watch_only = share <= 0;
	return 0;
}

/* The three kinds of numbers; each says when one is too large, as the key's own sentence does not. */
static int parse_count(const char *text, uint64_t min, uint64_t *n, char *why)
{
	int err = units_count(text, FAULT_COUNT_MAX, n);

	if (err == -ERANGE)
		snprintf(why, FAULT_WHY_MAX, "give a whole number of at most %llu", (unsigned long long)FAULT_COUNT_MAX);
	return err || *n < min ? -EINVAL : 0;
}

static int parse_duration(const char *text, uint64_t *ns, char *why)
{
	int err = units_duration(text, ns);

	if (err == -ERANGE)
		snprintf(why, FAULT_WHY_MAX, "give a time of at most 1000h, and 0s or at least 0.001us");
	return err ? -EINVAL : 0;
}

static int parse_size(const char *text, int need_unit, uint64_t *bytes, char *why)
{
	int err = units_size(text, need_unit, bytes);

	if (err == -ERANGE)
		snprintf(why, FAULT_WHY_MAX, "give less than 8589934592g");
	return err ? -EINVAL : 0;
}

int fault_parse_every(struct plan_fault *f, const char *text, char *why)
{
	return parse_count(text, 1, &f->v.every, why);
}

int fault_parse_after(struct plan_fault *f, const char *text, char *why)
{
	return parse_count(text, 0, &f->v.after, why);
}

int fault_parse_first(struct plan_fault *f, const char *text, char *why)
{
	return parse_count(text, 1, &f->v.first, why);
}

int fault_parse_max(struct plan_fault *f, const char *text, char *why)
{
	return parse_count(text, 1, &f->v.max, why);
}

int fault_parse_pattern(struct plan_fault *f, const char *text, char *why)
{
	return !text[strspn(text, "x.")] && strchr(text, 'x') ? 0 : -EINVAL;
}

int fault_parse_from(struct plan_fault *f, const char *text, char *why)
{
	return parse_duration(text, &f->v.from_ns, why);
}

int fault_parse_for(struct plan_fault *f, const char *text, char *why)
{
	return parse_duration(text, &f->v.for_ns, why) || !f->v.for_ns ? -EINVAL : 0;
}

/* Two durations with a separator between them. */
static int parse_pair(const char *text, const char *separator, uint64_t *a, uint64_t *b, char *why)
{
	char left[PART_MAX], right[PART_MAX];

	if (split(text, separator, left, right))
		return -EINVAL;
	return parse_duration(left, a, why) || parse_duration(right, b, why) ? -EINVAL : 0;
}

static int parse_uniform(struct plan_fault *f, const char *text, char *why)
{
	uint64_t a, b;

	if (parse_pair(text, "..", &a, &b, why))
		return -EINVAL;
	if (a > b) {
		snprintf(why, FAULT_WHY_MAX, "give the shorter time first, as in 100ms..300ms");
		return -EINVAL;
	}
	f->v.dist = PAGE_UNIFORM;
	f->v.delay_a = (double)a;
	f->v.delay_b = (double)b;
	return 0;
}

static int parse_normal(struct plan_fault *f, const char *text, char *why)
{
	uint64_t mean, sd;

	if (parse_pair(text, "~", &mean, &sd, why))
		return -EINVAL;
	f->v.dist = PAGE_NORMAL;
	f->v.delay_a = (double)mean;
	f->v.delay_b = (double)sd;
	return 0;
}

/* p50:A,p99:B is the lognormal distribution with these two quantiles: mu = ln A, sigma = ln(B/A) / z(0.99). */
static int parse_lognormal(struct plan_fault *f, const char *text, char *why)
{
	uint64_t p50, p99;

	if (parse_pair(text + strlen("p50:"), ",p99:", &p50, &p99, why))
		return -EINVAL;
	if (!p50 || p50 > p99) {
		snprintf(why, FAULT_WHY_MAX, "give a p50 above 0 and a p99 that is not below it, as in p50:200ms,p99:2s");
		return -EINVAL;
	}
	f->v.dist = PAGE_LOGNORMAL;
	f->v.delay_a = log((double)p50);
	f->v.delay_b = (log((double)p99) - log((double)p50)) / Z99;
	return 0;
}

int fault_parse_delay(struct plan_fault *f, const char *text, char *why)
{
	uint64_t fixed;

	f->v.actions |= PAGE_DELAY;
	if (!strncmp(text, "p50:", 4))
		return parse_lognormal(f, text, why);
	if (strstr(text, ".."))
		return parse_uniform(f, text, why);
	if (strchr(text, '~'))
		return parse_normal(f, text, why);
	if (parse_duration(text, &fixed, why))
		return -EINVAL;
	f->v.dist = PAGE_FIXED;
	f->v.delay_a = (double)fixed;
	return 0;
}

/* One of the places whose bit is in allowed. */
static int parse_place(struct plan_fault *f, enum fault_key_id key, const char *text, unsigned allowed, uint32_t *place)
{
	const struct word *word = word_find(places, text);

	if (!word || !(allowed & 1u << word->value))
		return -EINVAL;
	f->word[key] = word->name;
	*place = word->value;
	return 0;
}

int fault_parse_delay_on(struct plan_fault *f, const char *text, char *why)
{
	return parse_place(f, FAULT_DELAY_ON, text, ~0u, &f->v.delay_on);
}

int fault_parse_status(struct plan_fault *f, const char *text, char *why)
{
	uint64_t status;

	if (units_count(text, 599, &status) || status < 200)
		return -EINVAL;
	f->v.status = (uint32_t)status;
	f->v.actions |= PAGE_STATUS;
	return 0;
}

/* The header counts in whole seconds, so a bare number can only mean these: both `2s` and `2` are taken. */
int fault_parse_retry_after(struct plan_fault *f, const char *text, char *why)
{
	uint64_t n, ns;

	if (!units_count(text, RETRY_AFTER_MAX_S, &n)) {
		f->v.retry_after_s = (int64_t)n;
		return 0;
	}
	if (parse_duration(text, &ns, why) || ns % 1000000000u)
		return -EINVAL;
	f->v.retry_after_s = (int64_t)(ns / 1000000000u);
	return 0;
}

/* Headers that the answer gets from its exchange: a second one would break its framing. */
static const char *const own_headers[] = {"Content-Length", "Transfer-Encoding", "Connection", "Date"};

int fault_parse_reply_header(struct plan_fault *f, const char *text, char *why)
{
	size_t name = strcspn(text, ":");

	if (check_header(text))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(own_headers) / sizeof(own_headers[0]); i++) {
		if (strlen(own_headers[i]) != name || strncasecmp(own_headers[i], text, name))
			continue;
		snprintf(why, FAULT_WHY_MAX, "%s follows from the exchange and cannot be set; give other headers",
			 own_headers[i]);
		return -EINVAL;
	}
	return 0;
}

int fault_parse_body(struct plan_fault *f, const char *text, char *why)
{
	return 0;
}

int fault_parse_refuse(struct plan_fault *f, const char *text, char *why)
{
	if (!strcmp(text, "false"))
		return 0;
	f->v.actions |= PAGE_REFUSE;
	return strcmp(text, "true") ? -EINVAL : 0;
}

int fault_parse_hang(struct plan_fault *f, const char *text, char *why)
{
	f->v.actions |= PAGE_HANG;
	return parse_place(f, FAULT_HANG, text, 1u << PAGE_CONNECT | 1u << PAGE_RESPONSE, &f->v.hang);
}

int fault_parse_reset(struct plan_fault *f, const char *text, char *why)
{
	f->v.actions |= PAGE_RESET;
	if (!isdigit((unsigned char)*text))
		return parse_place(f, FAULT_RESET, text, 1u << PAGE_CONNECT | 1u << PAGE_REQUEST | 1u << PAGE_RESPONSE,
				   &f->v.reset);
	f->word[FAULT_RESET] = "bytes";
	f->v.reset = PAGE_RESPONSE;
	return parse_size(text, 0, &f->v.reset_after, why) || !f->v.reset_after ? -EINVAL : 0;
}

/* "give one that recv can return: ECONNRESET, ETIMEDOUT ..." */
static void list_errnos(unsigned errno_calls, const char *call, char *why)
{
	size_t at = (size_t)snprintf(why, FAULT_WHY_MAX, "give one that %s can return:", call);

	for (size_t i = 0; i < ERRNO_ROWS && at < FAULT_WHY_MAX; i++)
		if (errno_rows[i].calls & errno_calls)
			at += (size_t)snprintf(why + at, FAULT_WHY_MAX - at, " %s", errno_rows[i].name);
}

int fault_parse_error(struct plan_fault *f, const char *text, char *why)
{
	char call_name[PART_MAX], errno_name[PART_MAX];
	const struct word *call;
	const struct errno_row *row;

	if (split(text, ":", call_name, errno_name) || !(call = word_find(calls, call_name)))
		return -EINVAL;
	row = errno_find(1u << call->value, errno_name);
	if (!row) {
		list_errnos(1u << call->value, call->name, why);
		return -EINVAL;
	}
	f->word[FAULT_ERROR] = call->name;
	f->v.error_call = call->value;
	f->v.error_errno = row->value;
	f->v.actions |= PAGE_ERROR;
	return 0;
}

int fault_parse_truncate(struct plan_fault *f, const char *text, char *why)
{
	f->v.actions |= PAGE_TRUNCATE;
	return parse_size(text, 0, &f->v.truncate_bytes, why);
}

int fault_parse_throttle(struct plan_fault *f, const char *text, char *why)
{
	f->v.actions |= PAGE_THROTTLE;
	return parse_size(text, 1, &f->v.throttle_bytes_per_s, why) || !f->v.throttle_bytes_per_s ? -EINVAL : 0;
}

int fault_parse_resolve(struct plan_fault *f, const char *text, char *why)
{
	const struct word *error = word_find(resolver_errors, text);

	if (!error)
		return -EINVAL;
	f->v.resolve_eai = (int32_t)error->value;
	f->v.actions |= PAGE_RESOLVE;
	return 0;
}

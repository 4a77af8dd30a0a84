/* SPDX-License-Identifier: MIT */
/*
 * One fault as the user wrote it, and the table of its keys: the one place that says what a key
 * is called, which JSON types it takes, how it is read, what of it exists in this version, what it
 * means and how it looks. The parser, the checks, `plan keys`, `plan explain` and the README's
 * table all walk it. Below plan.h; used inside plan/ only. Not for guests.
 *
 * Invariant: text[k] is NULL exactly when key k was not given; v holds the parsed value of every
 * given key except texts, which compiling copies from text[] into the page.
 */
#ifndef AFTERSHOCK_PLAN_FAULT_H
#define AFTERSHOCK_PLAN_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include "base/host.h"
#include "plan/page.h"
#include "plan/plan.h"

#define FAULT_NAME_MAX 64 /* bytes of a name, without the NUL */
#define FAULT_COUNT_MAX 9007199254740992ull /* 2^53: what a JSON number holds exactly */
#define FAULT_HEADERS_MAX 8192 /* bytes of all reply_header: what common clients take, and the guest holds twice that */
#define FAULT_WHY_MAX 320 /* reason of a refusal */

enum fault_key_id {
	FAULT_NAME,
	FAULT_TO,
	FAULT_AT,
	FAULT_PROCESS,
	FAULT_METHOD,
	FAULT_PATH,
	FAULT_HEADER,
	FAULT_PROBABILITY,
	FAULT_EVERY,
	FAULT_AFTER,
	FAULT_FIRST,
	FAULT_MAX,
	FAULT_PATTERN,
	FAULT_FROM,
	FAULT_FOR,
	FAULT_DELAY,
	FAULT_DELAY_ON,
	FAULT_STATUS,
	FAULT_RETRY_AFTER,
	FAULT_REPLY_HEADER,
	FAULT_BODY,
	FAULT_REFUSE,
	FAULT_HANG,
	FAULT_RESET,
	FAULT_ERROR,
	FAULT_TRUNCATE,
	FAULT_THROTTLE,
	FAULT_RESOLVE,
	FAULT_KEYS
};

enum fault_type { FAULT_STRING = 1, FAULT_NUMBER = 2, FAULT_BOOL = 4, FAULT_LIST = 8 }; /* JSON types; LIST: of strings */
enum fault_kind { FAULT_LABEL, FAULT_WHERE, FAULT_HTTP, FAULT_WHEN, FAULT_ACTION, FAULT_PART };

struct plan_fault {
	char *text[FAULT_KEYS]; /* owned; as given (several reply_header: one a line) */
	const char *word[FAULT_KEYS]; /* which form of the key's values was given, static; NULL: it has one form */
	char host[HOST_MAX + 1]; /* of to/at, when it is a name; in its normal form */
	struct page_fault v;
};

/* Reads text into f. 0, or -EINVAL; then why may say what would be accepted (it holds the key's `accepts` on entry). */
typedef int fault_parse(struct plan_fault *f, const char *text, char *why);

/* Writes what an action does, after "... are " ("answered with status 429"). */
typedef void fault_say(const struct plan_fault *f, FILE *out);

struct fault_key {
	const char *name;
	unsigned types; /* enum fault_type bits */
	enum fault_kind kind;
	fault_parse *parse;
	fault_say *say; /* FAULT_ACTION only */
	const char *accepts; /* continues "give " */
	const char *meaning;
	const char *example;
};

extern const struct fault_key fault_keys[FAULT_KEYS];

/* The key called name, or NULL. */
const struct fault_key *fault_key_find(const char *name);

/* The known key nearest to a misspelt name, or NULL when none is near. */
const struct fault_key *fault_key_near(const char *name);

void fault_init(struct plan_fault *f);
void fault_clear(struct plan_fault *f);

/* Reads one value of a key. 0, -ENOMEM, or -EINVAL with the reason in why (FAULT_WHY_MAX bytes): "give ...". */
int fault_set(struct plan_fault *f, const struct fault_key *key, const char *text, char *why);

/* Whether the keys given make sense together. 0, or -EINVAL with a clause in why that names the keys. */
int fault_check(const struct plan_fault *f, char *why);

/* A name made from the keys, fit for file names and metric labels: "127.0.0.1:8082-status-429". */
void fault_default_name(const struct plan_fault *f, char name[FAULT_NAME_MAX + 1]);

/* Whether text can be a fault's name. */
bool fault_name_valid(const char *text);

/* Copies text for a sentence: printable, at most size - 1 bytes with "..." where it was cut, no broken character. */
const char *fault_show(const char *text, char *out, size_t size);

/* How many bytes of a page's text[] f needs. */
uint32_t fault_text_bytes(const struct plan_fault *f);

/* Writes all that f says to a slot of page that no reader follows, its texts from `at` on, and gives it the next id. */
void fault_compile(const struct plan_fault *f, struct page *page, unsigned slot, uint32_t at);

/* A number as the shortest decimal without exponent that reads back the same ("0.3", "429"); returns out (400 bytes suffice). */
const char *fault_number_text(double x, char *out, size_t size);

/* Sets the plan's error sentence; returns -EINVAL, -ENOMEM. */
int plan_refuse(struct plan *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
int plan_out_of_memory(struct plan *p);

/* Adds *f, whose texts the plan then owns, and gives it a name when it has none. 0 or -ENOMEM. */
int plan_append(struct plan *p, struct plan_fault *f);

/* The parsers of the table (values.c, peer.c). */
fault_parse fault_parse_name, fault_parse_to, fault_parse_at, fault_parse_glob, fault_parse_method, fault_parse_path,
	fault_parse_header, fault_parse_probability, fault_parse_every, fault_parse_after, fault_parse_first, fault_parse_max,
	fault_parse_pattern, fault_parse_from, fault_parse_for, fault_parse_delay, fault_parse_delay_on, fault_parse_status,
	fault_parse_retry_after, fault_parse_reply_header, fault_parse_body, fault_parse_refuse, fault_parse_hang,
	fault_parse_reset, fault_parse_error, fault_parse_truncate, fault_parse_throttle, fault_parse_resolve;

/* The sentences of the table (say.c). */
fault_say fault_say_delay, fault_say_status, fault_say_refuse, fault_say_hang, fault_say_reset, fault_say_error,
	fault_say_truncate, fault_say_throttle, fault_say_resolve;

#endif

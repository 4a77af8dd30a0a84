/* SPDX-License-Identifier: MIT */
/*
 * JSON objects into C structures by table, with the strictness a configuration deserves: an unknown, repeated or missing key,
 * a wrong type and a value out of range are each refused with one sentence that names the place and what would be accepted.
 * Strings are not copied: they stay owned by the cJSON tree, which must outlive the structure.
 * Thread-safe for different readers; no globals.
 */
#ifndef DEMOS_SERVICE_FIELDS_H
#define DEMOS_SERVICE_FIELDS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

/* One reading: where it is ("peers.backend") and, once refused, why. */
struct fields {
	char place[192];
	char why[512];		/* "" until something was refused */
	void *context;		/* the caller's, for its own field readers: here the struct config, as far as it is read */
};

struct field {
	const char *key;
	/* Stores value in the member at `into`; 0, or -EINVAL after fields_refuse(). */
	int (*read)(struct fields *f, const struct field *field, const cJSON *value, void *into);
	size_t offset;			/* of the member */
	bool required;
	double low, high;		/* numbers: both accepted */
	const char *const *names;	/* fields_name: NULL-terminated; the index is stored */
};

/*
 * Reads the members of `object` into `into` by a table that ends with a NULL key; absent ones keep their value. They are read in the
 * order of the table, so that one can build on another before it. 0, -EINVAL, or what a reader returned.
 */
int fields_read(struct fields *f, const cJSON *object, const struct field *table, void *into);

/* The same from text. The tree that owns the strings, for cJSON_Delete(); NULL: f->why says what is wrong. */
cJSON *fields_parse(struct fields *f, const char *text, const struct field *table, void *into);

/* Field readers. The member's type: const char * · uint64_t ns, from milliseconds · unsigned · double · bool · enum. */
int fields_string(struct fields *f, const struct field *field, const cJSON *value, void *into);
int fields_text(struct fields *f, const struct field *field, const cJSON *value, void *into);	/* may be empty */
int fields_ms(struct fields *f, const struct field *field, const cJSON *value, void *into);
int fields_count(struct fields *f, const struct field *field, const cJSON *value, void *into);
int fields_number(struct fields *f, const struct field *field, const cJSON *value, void *into);
int fields_bool(struct fields *f, const struct field *field, const cJSON *value, void *into);
int fields_name(struct fields *f, const struct field *field, const cJSON *value, void *into);

/*
 * A list of structures from an array, or from a named set (an object): one zeroed structure of `size` for each child, and `extra`
 * more. Caller frees; NULL, refused, when the type is wrong or memory short.
 */
void *fields_list(struct fields *f, const cJSON *value, bool is_named, size_t extra, size_t size, unsigned *count);

/* Goes down to a member of a named set, whose name must be given once and not be empty. 0 or -EINVAL. */
int fields_member(struct fields *f, const cJSON *set, const cJSON *item, size_t *mark);

/* "PLACE must be WANTED, not VALUE" into f->why, unless something was refused before; -EINVAL. value may be NULL: not shown. */
int fields_refuse(struct fields *f, const cJSON *value, const char *wanted, ...) __attribute__((format(printf, 3, 4)));

/* Goes down to ".key" or "[index]" (key NULL); returns what fields_up() needs to come back. */
size_t fields_down(struct fields *f, const char *key, int index);
void fields_up(struct fields *f, size_t mark);

#endif

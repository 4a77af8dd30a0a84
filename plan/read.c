/* SPDX-License-Identifier: MIT */
/*
 * From JSON or key=value to faults: which keys there are, of which type, once each; then the table's own
 * parsers and checks. One sentence for the first thing that is wrong.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "plan/document.h"
#include "plan/fault.h"
#include "plan/spec.h"

#define SHOWN 64 /* bytes of a user's value inside a sentence */
#define SOURCE_MAX 200

/* One fault while it is read: where it stands, and what sentences call it. */
struct reading {
	struct plan *plan;
	struct plan_fault fault;
	char label[PLAN_ERROR_MAX]; /* "plan.json: fault 2 'payments'" */
	bool spec; /* from key=value: everything is text, and a list is a key given again */
};

static const char *type_name(const cJSON *item)
{
	return cJSON_IsString(item)   ? "a string"
	       : cJSON_IsNumber(item) ? "a number"
	       : cJSON_IsBool(item)   ? "a boolean"
	       : cJSON_IsArray(item)  ? "an array"
	       : cJSON_IsObject(item) ? "an object"
				      : "null";
}

static int refuse_type(struct reading *r, const struct fault_key *key, const cJSON *item)
{
	const char *quote = key->types & (FAULT_NUMBER | FAULT_BOOL) ? "" : "\"";
	char *written = cJSON_PrintUnformatted(item), shown[SHOWN];

	if (!written)
		return plan_out_of_memory(r->plan);
	plan_refuse(r->plan, "%s: %s=%s is %s; give %s%s%s, such as %s%s%s", r->label, key->name,
		    fault_show(written, shown, sizeof(shown)), type_name(item),
		    key->types & FAULT_BOOL ? "true or false" : "a string", key->types & FAULT_NUMBER ? " or a number" : "",
		    key->types & FAULT_LIST ? " or an array of strings" : "", quote, key->example, quote);
	cJSON_free(written);
	return -EINVAL;
}

static int read_text(struct reading *r, const struct fault_key *key, const char *text)
{
	char why[FAULT_WHY_MAX], shown[SHOWN];
	int err = fault_set(&r->fault, key, text, why);

	if (err == -ENOMEM)
		return plan_out_of_memory(r->plan);
	if (err && !*text)
		return plan_refuse(r->plan, "%s: %s is empty; %s", r->label, key->name, why);
	if (err)
		return plan_refuse(r->plan, "%s: %s=%s is not accepted; %s", r->label, key->name,
				   fault_show(text, shown, sizeof(shown)), why);
	return 0;
}

static int read_list(struct reading *r, const struct fault_key *key, const cJSON *list)
{
	const cJSON *item;
	int err = 0;

	if (!list->child)
		return plan_refuse(r->plan, "%s: %s is an empty array; give %s", r->label, key->name, key->accepts);
	cJSON_ArrayForEach(item, list)
	{
		if (!err)
			err = cJSON_IsString(item) ? read_text(r, key, item->valuestring) : refuse_type(r, key, item);
	}
	return err;
}

static int read_value(struct reading *r, const struct fault_key *key, const cJSON *item)
{
	char number[400];

	if (cJSON_IsString(item))
		return read_text(r, key, item->valuestring);
	if (cJSON_IsNumber(item) && key->types & FAULT_NUMBER)
		return read_text(r, key, fault_number_text(item->valuedouble, number, sizeof(number)));
	if (cJSON_IsBool(item) && key->types & FAULT_BOOL)
		return read_text(r, key, cJSON_IsTrue(item) ? "true" : "false");
	if (cJSON_IsArray(item) && key->types & FAULT_LIST)
		return read_list(r, key, item);
	return refuse_type(r, key, item);
}

/* " probability, every, after ...": all keys, for who misspelt one beyond recognition. */
static void list_keys(char *out, size_t size)
{
	size_t at = 0;

	for (int k = 0; k < FAULT_KEYS && at < size; k++)
		at += (size_t)snprintf(out + at, size - at, "%s%s", k ? ", " : "", fault_keys[k].name);
}

static int refuse_key(struct reading *r, const char *name)
{
	const struct fault_key *near = fault_key_near(name);
	char shown[SHOWN], known[300];

	fault_show(name, shown, sizeof(shown));
	if (near)
		return plan_refuse(r->plan, "%s: unknown key '%s'; did you mean '%s'?", r->label, shown, near->name);
	list_keys(known, sizeof(known));
	return plan_refuse(r->plan, "%s: unknown key '%s'; known keys: %s", r->label, shown, known);
}

static int read_key(struct reading *r, const cJSON *item)
{
	const struct fault_key *key = fault_key_find(item->string);

	if (!key)
		return refuse_key(r, item->string);
	if (r->fault.text[key - fault_keys] && !(r->spec && key->types & FAULT_LIST))
		return plan_refuse(r->plan, "%s: %s is given twice; give it once", r->label, key->name);
	return read_value(r, key, item);
}

/* "FILE: fault 2 'name'": the name as far as it can be shown. */
static void make_label(struct reading *r, const char *source, unsigned number, const cJSON *object)
{
	const cJSON *name = cJSON_GetObjectItemCaseSensitive(object, "name");
	bool named = cJSON_IsString(name) && fault_name_valid(name->valuestring);

	snprintf(r->label, sizeof(r->label), "%s%sfault %u%s%s%s", source ? source : "", source ? ": " : "", number,
		 named ? " '" : "", named ? name->valuestring : "", named ? "'" : "");
}

static int read_fault(struct plan *p, const char *source, unsigned number, const cJSON *object)
{
	struct reading r = {.plan = p, .spec = !source};
	char why[FAULT_WHY_MAX];
	const cJSON *item;
	int err = 0;

	fault_init(&r.fault);
	make_label(&r, source, number, object);
	cJSON_ArrayForEach(item, object)
	{
		if (!err)
			err = read_key(&r, item);
	}
	if (!err && fault_check(&r.fault, why))
		err = plan_refuse(p, "%s: %s", r.label, why);
	if (!err)
		err = plan_append(p, &r.fault);
	fault_clear(&r.fault);
	return err;
}

int plan_add_spec(struct plan *p, const char *spec)
{
	cJSON *object = cJSON_CreateObject();
	char why[FAULT_WHY_MAX];
	int err;

	if (!object)
		return plan_out_of_memory(p);
	err = spec_read(spec, object, why, sizeof(why));
	if (err == -EINVAL)
		plan_refuse(p, "fault %u: %s", p->fault_count + 1, why);
	else if (err)
		plan_out_of_memory(p);
	else
		err = read_fault(p, NULL, p->fault_count + 1, object);
	cJSON_Delete(object);
	return err;
}

static int read_faults(struct plan *p, const char *source, const cJSON *list)
{
	const cJSON *item;
	unsigned number = 0;
	int err = 0;

	if (!cJSON_IsArray(list))
		return plan_refuse(p, "%s: faults is %s; give an array of faults", source, type_name(list));
	cJSON_ArrayForEach(item, list)
	{
		number++;
		if (!err && !cJSON_IsObject(item))
			err = plan_refuse(p, "%s: fault %u is %s; give an object such as {\"to\": \":8082\", \"status\": 429}",
					  source, number, type_name(item));
		if (!err)
			err = read_fault(p, source, number, item);
	}
	return err;
}

/* Digits only, whether written as a number (exact up to 2^53) or as a string (up to 2^64 - 1). */
static int seed_value(const cJSON *item, uint64_t *seed)
{
	char digits[400], *end;

	if (cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble <= (double)FAULT_COUNT_MAX)
		fault_number_text(item->valuedouble, digits, sizeof(digits));
	else if (cJSON_IsString(item) && strlen(item->valuestring) < sizeof(digits))
		strcpy(digits, item->valuestring);
	else
		return -EINVAL;
	if (!*digits || digits[strspn(digits, "0123456789")])
		return -EINVAL;
	errno = 0;
	*seed = strtoull(digits, &end, 10);
	return errno ? -EINVAL : 0;
}

static int read_seed(struct plan *p, const char *source, const cJSON *item)
{
	char *written = cJSON_PrintUnformatted(item), shown[SHOWN];
	uint64_t seed = 0;
	int err = 0;

	if (!written)
		return plan_out_of_memory(p);
	if (seed_value(item, &seed))
		err = plan_refuse(p,
				  "%s: seed=%s is not accepted; give a whole number from 0 to 9007199254740992, or up to "
				  "18446744073709551615 as a string",
				  source, fault_show(written, shown, sizeof(shown)));
	else if (p->seed_in_file && seed != p->seed)
		err = plan_refuse(p, "%s: seed=%llu differs from the seed %llu of another plan; give one seed", source,
				  (unsigned long long)seed, (unsigned long long)p->seed);
	cJSON_free(written);
	if (err || p->seed_given)
		return err;
	p->seed = seed;
	p->seed_given = p->seed_in_file = true;
	return 0;
}

static int read_plan(struct plan *p, const char *source, const cJSON *root)
{
	const cJSON *item, *faults = NULL, *seed = NULL;
	char shown[SHOWN];

	if (!cJSON_IsObject(root))
		return plan_refuse(p, "%s: a plan is an object such as {\"seed\": 7, \"faults\": [...]}, not %s", source,
				   type_name(root));
	cJSON_ArrayForEach(item, root)
	{
		const cJSON **slot = !strcmp(item->string, "faults") ? &faults : !strcmp(item->string, "seed") ? &seed : NULL;

		if (!slot)
			return plan_refuse(p, "%s: unknown key '%s'; a plan has the keys seed and faults", source,
					   fault_show(item->string, shown, sizeof(shown)));
		if (*slot)
			return plan_refuse(p, "%s: %s is given twice; give it once", source, item->string);
		*slot = item;
	}
	if (!faults)
		return plan_refuse(p, "%s: faults is missing; give {\"faults\": [...]}", source);
	if (seed && read_seed(p, source, seed))
		return -EINVAL;
	return read_faults(p, source, faults);
}

int plan_add_file(struct plan *p, const char *path)
{
	char source[SOURCE_MAX];
	cJSON *root = NULL;
	int err = document_read(path, &root, p->error, sizeof(p->error));

	if (!err)
		err = read_plan(p, fault_show(path, source, sizeof(source)), root);
	cJSON_Delete(root);
	return err;
}

/* SPDX-License-Identifier: MIT */
#include "analyzer/read/load_faults.h"

#include <cjson/cJSON.h>
#include <string.h>
#include "analyzer/read/column.h"
#include "base/units.h"

/* What the analyzer needs of a fault's plan: its window, and whether it only watches. */
static void take_spec(struct model_fault *f, const char *spec)
{
	cJSON *json = cJSON_Parse(spec), *probability = cJSON_GetObjectItemCaseSensitive(json, "probability");
	const char *from = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "from"));
	const char *lasts = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "for"));
	double share = 1;

	if (!from || units_duration(from, &f->from_ns))
		f->from_ns = 0;
	if (!lasts || units_duration(lasts, &f->for_ns))
		f->for_ns = 0;
	if (cJSON_IsNumber(probability))
		share = probability->valuedouble;
	else if (cJSON_IsString(probability) && units_share(probability->valuestring, &share))
		share = 1;
	f->watch_only = share == 0;
	cJSON_Delete(json);
}

static int take_fault(struct loader *l, sqlite3_stmt *row)
{
	struct model_fault *f;

	if (LOADER_GROW(l, faults, fault_count))
		return -ENOMEM;
	f = &l->m->faults[l->m->fault_count];
	*f = (struct model_fault){.id = sqlite3_column_int64(row, 0), .matched = column_positive(row, 3), .fired = column_positive(row, 4)};
	if (loader_name(l, row, 1, &f->name) || loader_name(l, row, 2, &f->spec))
		return -ENOMEM;
	take_spec(f, column_text(row, 2) ? column_text(row, 2) : "");
	return map_put(&l->faults, (uint64_t)f->id, (uint32_t)l->m->fault_count++);
}

/* What a mark says of a fault: "fault on NAME" and so on; of several of one name, of the one that was there then. */
static struct model_fault *marked_fault(struct loader *l, const char *name, bool comes_on, uint64_t at_ns)
{
	for (size_t i = l->m->fault_count; i-- > 0;) {
		struct model_fault *f = &l->m->faults[i];

		if (!strcmp(texts_text(&l->m->names, f->name), name) && (comes_on ? l->m->started_ns + f->from_ns <= at_ns : f->on))
			return f;
	}
	return NULL;
}

/* f is on whenever it goes off (marked_fault()), so it has an episode then. */
static int note_episode(struct loader *l, struct model_fault *f, bool on, uint64_t at_ns)
{
	if (!on)
		l->m->episodes[f->episode].off_ns = at_ns;
	if (!on || f->on)
		return 0;
	if (LOADER_GROW(l, episodes, episode_count))
		return -ENOMEM;
	f->episode = (uint32_t)l->m->episode_count;
	l->m->episodes[l->m->episode_count++] = (struct model_episode){(uint32_t)(f - l->m->faults), at_ns, 0};
	return 0;
}

static int take_mark(struct loader *l, sqlite3_stmt *row)
{
	static const struct { const char *says; bool on; } words[] = {{"fault on ", true}, {"fault off ", false}, {"fault end ", false}};
	const char *mark = column_text(row, 1);

	for (size_t i = 0; mark && i < sizeof(words) / sizeof(words[0]); i++) {
		size_t n = strlen(words[i].says);
		struct model_fault *f = strncmp(mark, words[i].says, n) ? NULL : marked_fault(l, mark + n, words[i].on, column_positive(row, 0));

		if (!f)
			continue;
		if (note_episode(l, f, words[i].on, column_positive(row, 0)))
			return -ENOMEM;
		f->on = words[i].on;
		f->off_ns = f->on ? 0 : column_positive(row, 0);
	}
	return 0;
}

static int take_injection(struct loader *l, sqlite3_stmt *row)
{
	struct model_injection *i;

	if (LOADER_GROW(l, injections, injection_count))
		return -ENOMEM;
	i = &l->m->injections[l->m->injection_count];
	*i = (struct model_injection){
		.fault = map_get(&l->faults, column_word(row, 0)), .at_ns = column_positive(row, 2),
		.exchange = column_is_null(row, 1) ? MODEL_NONE : rows_get(&l->exchanges, sqlite3_column_int64(row, 1)),
		.intended_ns = column_or_minus_one(row, 4), .achieved_ns = column_or_minus_one(row, 5)};
	if (loader_name(l, row, 3, &i->action))
		return -ENOMEM;
	l->m->injection_count += i->fault != MODEL_NONE && i->at_ns;
	return 0;
}

int load_faults(struct loader *l)
{
	static const struct table faults = {"SELECT id, name, spec, matched, fired FROM fault ORDER BY id", take_fault};
	static const struct table marks = {"SELECT at_ns, name FROM mark ORDER BY at_ns, rowid", take_mark};
	int err = loader_table(l, &faults);

	return err ? err : loader_table(l, &marks);
}

int load_injections(struct loader *l)
{
	static const struct table injections = {
		"SELECT fault_id, exchange_id, at_ns, action, intended_ns, achieved_ns FROM injection ORDER BY at_ns", take_injection};

	return loader_table(l, &injections);
}

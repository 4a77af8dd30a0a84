/* SPDX-License-Identifier: MIT */
#include "analyzer/link/crew.h"

#include <errno.h>
#include <stdlib.h>
#include "analyzer/measure.h"
#include "analyzer/read/spill.h"

static uint32_t process_of(const struct measure *m, struct chains_span attempts, size_t i)
{
	return m->r->model.exchanges[attempts.members[i]].process;
}

/* Numbers the processes in order of their first attempt. */
static int number(struct crew *c, const struct measure *m, struct chains_span attempts)
{
	uint32_t room = 0;

	for (size_t i = 0; i < attempts.n; i++) {
		uint32_t process = process_of(m, attempts, i);

		if ((i && process == process_of(m, attempts, i - 1)) || map_get(&c->parts, process) != MAP_NONE)
			continue;
		if (c->count == room) {
			uint32_t *more = realloc(c->processes, (room = room ? 2 * room : 8) * sizeof(*more));

			if (!more)
				return -ENOMEM;
			c->processes = more;
		}
		if (map_put(&c->parts, process, c->count))
			return -ENOMEM;
		c->processes[c->count++] = process;
	}
	return 0;
}

/* The part of attempt i; *part is that of the one before. */
static uint32_t part_of(const struct crew *c, const struct measure *m, struct chains_span attempts, size_t i, uint32_t *part)
{
	uint32_t process = process_of(m, attempts, i);

	if (!i || process != c->processes[*part])
		*part = map_get(&c->parts, process);
	return *part;
}

int crew_of(struct crew *c, const struct measure *m, struct chains_span attempts)
{
	uint32_t part = 0;

	*c = (struct crew){0};
	if (number(c, m, attempts))
		return -ENOMEM;
	c->begins = calloc(c->count + 2, sizeof(*c->begins));
	c->members = spill_realloc(NULL, (attempts.n + 1) * sizeof(*c->members));
	if (!c->begins || !c->members)
		return -ENOMEM;
	for (size_t i = 0; i < attempts.n; i++)
		c->begins[part_of(c, m, attempts, i, &part) + 2]++;
	for (uint32_t i = 2; i < c->count + 2; i++)
		c->begins[i] += c->begins[i - 1];
	for (size_t i = 0; i < attempts.n; i++)
		c->members[c->begins[part_of(c, m, attempts, i, &part) + 1]++] = attempts.members[i];
	return 0;
}

void crew_free(struct crew *c)
{
	map_free(&c->parts);
	spill_free(c->members);
	free(c->processes);
	free(c->begins);
	*c = (struct crew){0};
}

struct chains_span crew_process(const struct crew *c, uint32_t process)
{
	uint32_t at = map_get(&c->parts, process);

	return at == MAP_NONE ? (struct chains_span){0} : crew_part(c, at);
}

/* SPDX-License-Identifier: MIT */
#include "analyzer/crew.h"

#include <errno.h>
#include <stdlib.h>
#include "analyzer/measure.h"

/* Numbers the processes in order of their first attempt. */
static int number(struct crew *c, const struct measure *m, struct chains_span attempts)
{
	uint32_t room = 0;

	for (size_t i = 0; i < attempts.n; i++) {
		uint32_t process = m->r->model.exchanges[attempts.members[i]].process;

		if (map_get(&c->parts, process) != MAP_NONE)
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

int crew_of(struct crew *c, const struct measure *m, struct chains_span attempts)
{
	*c = (struct crew){0};
	if (number(c, m, attempts))
		return -ENOMEM;
	c->begins = calloc(c->count + 2, sizeof(*c->begins));
	c->members = malloc((attempts.n + 1) * sizeof(*c->members));
	if (!c->begins || !c->members)
		return -ENOMEM;
	for (size_t i = 0; i < attempts.n; i++)
		c->begins[map_get(&c->parts, m->r->model.exchanges[attempts.members[i]].process) + 2]++;
	for (uint32_t i = 2; i < c->count + 2; i++)
		c->begins[i] += c->begins[i - 1];
	for (size_t i = 0; i < attempts.n; i++)
		c->members[c->begins[map_get(&c->parts, m->r->model.exchanges[attempts.members[i]].process) + 1]++] = attempts.members[i];
	return 0;
}

void crew_free(struct crew *c)
{
	map_free(&c->parts);
	free(c->members);
	free(c->processes);
	free(c->begins);
	*c = (struct crew){0};
}

struct chains_span crew_process(const struct crew *c, uint32_t process)
{
	uint32_t at = map_get(&c->parts, process);

	return at == MAP_NONE ? (struct chains_span){0} : crew_part(c, at);
}

/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include "analyzer/measure.h"

void series_free(struct series *s)
{
	free(s->points);
	*s = (struct series){0};
}

void exemplar_free(struct exemplar *e)
{
	free(e->request);
	free(e->attempts);
	*e = (struct exemplar){0};
}

int measure_series(struct measure *m)
{
	return 0;
}

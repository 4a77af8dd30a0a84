/* SPDX-License-Identifier: MIT */
#include "analyzer/measure.h"

int measure_bulkheads(struct measure *m)
{
	return 0;
}

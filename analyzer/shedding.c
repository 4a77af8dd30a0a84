/* SPDX-License-Identifier: MIT */
#include "analyzer/measure.h"

int measure_shedding(struct measure *m)
{
	return 0;
}

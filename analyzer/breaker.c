/* SPDX-License-Identifier: MIT */
#include "analyzer/measure.h"

int measure_breakers(struct measure *m)
{
	return 0;
}

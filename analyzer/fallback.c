/* SPDX-License-Identifier: MIT */
#include "analyzer/measure.h"

int measure_fallbacks(struct measure *m)
{
	return 0;
}

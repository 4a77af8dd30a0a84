/* SPDX-License-Identifier: MIT */
#include "analyzer/measure.h"

int measure_hedging(struct measure *m)
{
	return 0;
}

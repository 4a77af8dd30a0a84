/* SPDX-License-Identifier: MIT */
#include "analyzer/measure.h"

int measure_idempotency(struct measure *m)
{
	return 0;
}

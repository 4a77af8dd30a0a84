/* SPDX-License-Identifier: MIT */
/* The chance that policies are given. Thread-safe. */
#ifndef DEMOS_SERVICE_DRAW_H
#define DEMOS_SERVICE_DRAW_H

#include <stdlib.h>

/* From [0,1). */
static inline double draw_uniform(void)
{
	return arc4random() / 4294967296.0;
}

#endif

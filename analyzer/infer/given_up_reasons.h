/* SPDX-License-Identifier: MIT */
/*
 * Attempts that were given up because something else ended: the request they were made for, or another call for it.
 */
#ifndef AFTERSHOCK_ANALYZER_INFER_GIVEN_UP_REASONS_H
#define AFTERSHOCK_ANALYZER_INFER_GIVEN_UP_REASONS_H

#include "analyzer/infer/given_up.h"

/* Marks them EXPLAINED: they were not cut by a timer, but waited so long. 0 or -ENOMEM. */
int given_up_explain(struct given_up *g);

#endif

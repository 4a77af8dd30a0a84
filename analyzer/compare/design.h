/* SPDX-License-Identifier: MIT */
/*
 * How the runs of a comparison were made, and what that does to it: their number, whether they alternate, whether they pair, whether the fault hit
 * both sides alike. Used by compare.c only.
 */
#ifndef AFTERSHOCK_ANALYZER_COMPARE_DESIGN_H
#define AFTERSHOCK_ANALYZER_COMPARE_DESIGN_H

#include "analyzer/compare/compare.h"

/* Puts runs that pair by their seeds side by side (c->paired) and notes what the reader must know. 0 or -ENOMEM. */
int design_look(struct compare *c);

#endif

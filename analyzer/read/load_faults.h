/* SPDX-License-Identifier: MIT */
/*
 * The rows of a run file that say what faults there were, when they came on and went off, and what they did.
 */
#ifndef AFTERSHOCK_ANALYZER_READ_LOAD_FAULTS_H
#define AFTERSHOCK_ANALYZER_READ_LOAD_FAULTS_H

#include "analyzer/read/loader.h"

/* Faults and marks; and, once the exchanges are in their places, injections. 0 or -errno, with the error's sentence. */
int load_faults(struct loader *l);
int load_injections(struct loader *l);

#endif

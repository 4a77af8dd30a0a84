/* SPDX-License-Identifier: MIT */
/* The words that the run file uses for the numbers of the journal (runfile.h lists them). NULL: unknown. Static strings. */
#ifndef AFTERSHOCK_RECORD_NAMES_H
#define AFTERSHOCK_RECORD_NAMES_H

#include <stdint.h>
#include "record/journal.h"

const char *names_role(unsigned role);		/* enum journal_role */
const char *names_protocol(unsigned protocol);	/* enum journal_protocol */
const char *names_outcome(unsigned outcome);	/* enum journal_outcome */
const char *names_end(unsigned end);		/* enum journal_end */
const char *names_family(unsigned family);	/* enum addr_family */
const char *names_action(uint32_t action);	/* one enum page_action bit */
const char *names_sources(unsigned sources);	/* RECORDER_SHIM | RECORDER_EBPF */
const char *names_error(int error, char buf[16]);	/* errno's name, "eof", "closed"; NULL for 0; buf is used for numbers without a name */

#endif

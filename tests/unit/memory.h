/* SPDX-License-Identifier: MIT */
/*
 * The memory of the recorder when all of its tables are full at once, in MiB, by part. Each part is held to its share by a test, which fills it.
 * Processes are not among them: there are as many as the machine has, at some 400 bytes.
 */
#ifndef AFTERSHOCK_TESTS_UNIT_MEMORY_H
#define AFTERSHOCK_TESTS_UNIT_MEMORY_H

enum {
	MEMORY_PROGRAM = 8,	/* with its libraries: trace_crowd.t has what a trace of nothing takes, with the rings */
	MEMORY_RINGS = 25,	/* maps.bpf.h: both rings, and the marks of who is followed */
	MEMORY_HELD = 16,	/* test_order.c: what was taken from the rings */
	MEMORY_JOURNAL = 11,	/* test_journal.c: as much as is mapped of it */
	MEMORY_ASSEMBLER = 40,	/* test_assembler.c */
	MEMORY_RECORDER = 100	/* test_recorder.c: the ledger, and what is on its way into the file */
};
_Static_assert(MEMORY_PROGRAM + MEMORY_RINGS + MEMORY_HELD + MEMORY_JOURNAL + MEMORY_ASSEMBLER + MEMORY_RECORDER <= 200, "what is promised");

#endif

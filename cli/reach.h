/* SPDX-License-Identifier: MIT */
/*
 * Whether the library can get into a program: the kernel's and the loader's rules applied to the file that would
 * really be executed (a script's interpreter, what env(1) looks up). Only reads. Not thread-safe (reads environ).
 */
#ifndef AFTERSHOCK_CLI_REACH_H
#define AFTERSHOCK_CLI_REACH_H

#include <stdbool.h>

#define REACH_TEXT_MAX 768
#define REACH_PATH_MAX 4096

enum reach_reason {
	REACH_YES,
	REACH_STATIC,		/* no loader runs, so nothing is preloaded */
	REACH_GO,		/* Go without libc: the same, and it calls the kernel itself */
	REACH_GO_LIBC,		/* Go with libc: loaded, but only the resolver's calls pass through it */
	REACH_MUSL,		/* musl's loader can not load what is built for glibc */
	REACH_LOADER,		/* some other loader */
	REACH_LOADER_GONE,	/* its loader is not installed */
	REACH_CLASS,		/* 32-bit program, 64-bit library */
	REACH_MACHINE,		/* built for another processor */
	REACH_SETUID,		/* AT_SECURE: the loader ignores LD_PRELOAD */
	REACH_SETGID,
	REACH_CAPABILITIES,
	REACH_NO_PROGRAM,	/* a shared library, an object file, a core dump, data */
	REACH_BROKEN		/* an ELF file that is cut or damaged */
};

struct reach {
	enum reach_reason reason;
	char program[REACH_PATH_MAX];	/* the file that is executed in the end */
	char what[REACH_TEXT_MAX];	/* what it is: "a dynamic program (loader /lib64/ld-linux-x86-64.so.2)" */
	char why[REACH_TEXT_MAX];	/* one sentence that names the program; "" with REACH_YES */
	char note[REACH_TEXT_MAX];	/* what limits a REACH_YES; "" nothing */
	const char *advice;		/* what to do instead; NULL with REACH_YES */
};

/* Examines the file at path. 0, or -errno with one sentence in why: it can not be read or executed. */
int reach_examine(const char *path, struct reach *r);

/*
 * The same for an open file that is known to be running or executable; name is how sentences call it. secure: 1 and 0
 * say what AT_SECURE is, -1: work it out for the calling user.
 */
int reach_examine_fd(int fd, const char *name, int secure, struct reach *r);

/* 0 reachable (or not known to be out of reach), 1 not: why gets one sentence. */
int reach_program(const char *path, char *why, unsigned why_size);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The few facts of an ELF program that say who loads it: its class and machine, its loader, whether it is Go.
 * Reads with bounded pread(2)s and believes nothing: a hostile, cut or growing file gives facts or -ENOEXEC, never
 * a crash or an unbounded loop. No allocation; thread-safe.
 */
#ifndef AFTERSHOCK_CLI_ELF_H
#define AFTERSHOCK_CLI_ELF_H

#include <stdbool.h>
#include <stdint.h>

#define ELF_PATH_MAX 256

struct elf {
	uint16_t type;		/* ET_EXEC, ET_DYN, ... */
	uint16_t machine;	/* EM_X86_64, ... */
	uint8_t bits;		/* 32 or 64 */
	uint8_t order;		/* ELFDATA2LSB or ELFDATA2MSB */
	/* Known only for 64-bit files in this machine's byte order; false and "" otherwise. */
	bool pie;		/* says so itself (DF_1_PIE) */
	bool go;		/* made by the Go tool chain */
	char interpreter[ELF_PATH_MAX];	/* its loader; "" none: nothing can be preloaded */
};

/* 0; -ENOEXEC not an ELF file, or broken; other -errno of reading. fd: a regular file, its offset is left alone. */
int elf_read(int fd, struct elf *e);

#endif

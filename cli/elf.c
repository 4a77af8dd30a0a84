/* SPDX-License-Identifier: MIT */
#include "cli/elf.h"

#include <elf.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define SEGMENTS_MAX 512	/* real programs have about a dozen */
#define SECTIONS_MAX 4096
#define DYNAMIC_MAX 1024
#define NOTES_MAX 64

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define OWN_ORDER ELFDATA2LSB
#else
#define OWN_ORDER ELFDATA2MSB
#endif

/* Up to n bytes at an offset: how many were there, or -errno. */
static ssize_t read_some(int fd, uint64_t at, void *buf, size_t n)
{
	ssize_t got;

	if (at > INT64_MAX - n)
		return -ENOEXEC;
	do
		got = pread(fd, buf, n, (off_t)at);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

/* Exactly n bytes, or -ENOEXEC when the file is too short. */
static int read_all(int fd, uint64_t at, void *buf, size_t n)
{
	ssize_t got = read_some(fd, at, buf, n);

	return got < 0 ? (int)got : (size_t)got == n ? 0 : -ENOEXEC;
}

static int take_interpreter(int fd, const Elf64_Phdr *p, struct elf *e)
{
	size_t n = p->p_filesz;
	int err;

	if (n < 2 || n > sizeof(e->interpreter))
		return -ENOEXEC;
	err = read_all(fd, p->p_offset, e->interpreter, n);
	e->interpreter[n - 1] = '\0';
	return err;
}

static int take_dynamic(int fd, const Elf64_Phdr *p, struct elf *e)
{
	uint64_t count = p->p_filesz / sizeof(Elf64_Dyn);
	Elf64_Dyn d;

	for (uint64_t i = 0; i < count && i < DYNAMIC_MAX; i++) {
		int err = read_all(fd, p->p_offset + i * sizeof(d), &d, sizeof(d));

		if (err < 0 || d.d_tag == DT_NULL)
			return err;
		if (d.d_tag == DT_FLAGS_1)
			e->pie = d.d_un.d_val & DF_1_PIE;
	}
	return 0;
}

/* Go's build id is a note by the name "Go" (cmd/internal/buildid); it stays when the section table is stripped. */
static int take_notes(int fd, const Elf64_Phdr *p, struct elf *e)
{
	struct {
		Elf64_Nhdr head;
		char name[4];
	} note;
	uint64_t at = 0;

	for (int i = 0; i < NOTES_MAX && at + sizeof(note) <= p->p_filesz; i++) {
		int err = read_all(fd, p->p_offset + at, &note, sizeof(note));

		if (err < 0)
			return err;
		if (note.head.n_namesz == 4 && !memcmp(note.name, "Go\0", 4))
			e->go = true;
		at += sizeof(note.head) + ((note.head.n_namesz + 3ull) & ~3ull) + ((note.head.n_descsz + 3ull) & ~3ull);
	}
	return 0;
}

static int take_segment(int fd, const Elf64_Phdr *p, struct elf *e)
{
	switch (p->p_type) {
	case PT_INTERP:
		return take_interpreter(fd, p, e);
	case PT_DYNAMIC:
		return take_dynamic(fd, p, e);
	case PT_NOTE:
		return take_notes(fd, p, e);
	default:
		return 0;
	}
}

static int take_segments(int fd, const Elf64_Ehdr *h, struct elf *e)
{
	Elf64_Phdr p;
	int err = 0;

	if (h->e_phnum && h->e_phentsize != sizeof(p))
		return -ENOEXEC;
	for (unsigned i = 0; i < h->e_phnum && i < SEGMENTS_MAX && !err; i++) {
		err = read_all(fd, h->e_phoff + i * sizeof(p), &p, sizeof(p));
		if (!err)
			err = take_segment(fd, &p, e);
	}
	return err;
}

/*
 * The section table serves linkers and debuggers: the kernel and the loader do without, so what is wrong in it
 * is no reason to refuse the file.
 */
static void take_sections(int fd, const Elf64_Ehdr *h, struct elf *e)
{
	static const char *const marks[] = {".go.buildinfo", ".note.go.buildid", ".gopclntab"};
	Elf64_Shdr names, s;
	char name[24];

	if (h->e_shentsize != sizeof(s) || h->e_shstrndx >= h->e_shnum ||
	    read_all(fd, h->e_shoff + h->e_shstrndx * sizeof(s), &names, sizeof(names)))
		return;
	for (unsigned i = 0; i < h->e_shnum && i < SECTIONS_MAX && !e->go; i++) {
		memset(name, 0, sizeof(name));
		if (read_all(fd, h->e_shoff + i * sizeof(s), &s, sizeof(s)) ||
		    read_some(fd, names.sh_offset + s.sh_name, name, sizeof(name) - 1) <= 0)
			return;
		for (size_t m = 0; m < sizeof(marks) / sizeof(*marks); m++)
			e->go = e->go || !strcmp(name, marks[m]);
	}
}

int elf_read(int fd, struct elf *e)
{
	Elf64_Ehdr h;
	int err;

	memset(e, 0, sizeof(*e));
	err = read_all(fd, 0, &h, sizeof(Elf32_Ehdr));
	if (err < 0)
		return err;
	if (memcmp(h.e_ident, ELFMAG, SELFMAG) || h.e_ident[EI_CLASS] < ELFCLASS32 || h.e_ident[EI_CLASS] > ELFCLASS64)
		return -ENOEXEC;
	e->bits = h.e_ident[EI_CLASS] == ELFCLASS64 ? 64 : 32;
	e->order = h.e_ident[EI_DATA];
	e->type = h.e_type;		/* these two lie at the same place in both classes */
	e->machine = h.e_machine;
	if (e->order != OWN_ORDER) {
		e->type = __builtin_bswap16(h.e_type);
		e->machine = __builtin_bswap16(h.e_machine);
		return 0;
	}
	if (e->bits != 64)
		return 0;
	err = read_all(fd, 0, &h, sizeof(h));
	if (!err)
		err = take_segments(fd, &h, e);
	if (!err)
		take_sections(fd, &h, e);
	return err;
}

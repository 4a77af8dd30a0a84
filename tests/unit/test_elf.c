/* SPDX-License-Identifier: MIT */
/* The ELF reader: facts of real programs, and nothing but facts or -ENOEXEC for damaged ones. */
#include "cli/elf.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/hash.h"
#include "tests/lib/tap.h"

#define IMAGE_MAX (1 << 20)

static unsigned char image[IMAGE_MAX];
static size_t image_bytes;

/* A file in memory with these bytes. */
static int file_of(const void *bytes, size_t n)
{
	int fd = memfd_create("elf", MFD_CLOEXEC);

	if (fd < 0 || write(fd, bytes, n) != (ssize_t)n)
		exit(2);
	return fd;
}

static int read_bytes(const void *bytes, size_t n, struct elf *e)
{
	int fd = file_of(bytes, n), err = elf_read(fd, e);

	close(fd);
	return err;
}

static void load_own(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	ssize_t n = read(fd, image, sizeof(image));

	image_bytes = n < 0 ? 0 : (size_t)n;
	close(fd);
}

static void test_own(void)
{
	struct elf e;
	int fd = open("/proc/self/exe", O_RDONLY);

	is_int(elf_read(fd, &e), 0, "this_program_is_read");
	is_int(e.bits, 8 * sizeof(void *), "its_class_is_ours");
	ok(strstr(e.interpreter, "/ld-") != NULL, "its_loader_is_named (%s)", e.interpreter);
	ok(!e.go, "it_is_not_go");
	close(fd);
}

static void test_not_elf(void)
{
	struct elf e;

	is_int(read_bytes("", 0, &e), -ENOEXEC, "an_empty_file_is_refused");
	is_int(read_bytes("#!/bin/sh\n", 10, &e), -ENOEXEC, "a_script_is_refused");
	is_int(read_bytes("\177ELF", 4, &e), -ENOEXEC, "a_bare_magic_is_refused");
	is_int(elf_read(-1, &e), -EBADF, "an_error_of_reading_is_handed_on");
}

/* Only 0 and -ENOEXEC, and always a terminated loader name. */
static int is_sane(int err, const struct elf *e)
{
	return (err == 0 || err == -ENOEXEC) && memchr(e->interpreter, '\0', sizeof(e->interpreter));
}

static void test_cut(void)
{
	struct elf e;
	int sane = 1;

	for (size_t n = 0; n < 2048 && n < image_bytes; n += 7)
		sane = sane && is_sane(read_bytes(image, n, &e), &e);
	ok(sane, "a_file_cut_anywhere_in_its_head_is_read_or_refused");
	is_int(read_bytes(image, 200, &e), -ENOEXEC, "a_file_cut_in_its_segment_table_is_refused");
}

static void test_damaged(void)
{
	static unsigned char copy[IMAGE_MAX];
	struct elf e;
	int sane = 1;

	for (uint64_t round = 1; round <= 3000; round++) {
		memcpy(copy, image, 4096);
		for (unsigned i = 0; i < 1 + round % 8; i++) {
			uint64_t draw = hash_mix(round * 16 + i);

			copy[16 + draw % 1000] = (unsigned char)(draw >> 32);
		}
		sane = sane && is_sane(read_bytes(copy, 4096, &e), &e);
	}
	ok(sane, "3000_damaged_heads_are_read_or_refused");
}

static void test_extremes(void)
{
	Elf64_Ehdr *h = (void *)image;
	Elf64_Ehdr own = *h;
	struct elf e;

	h->e_phoff = UINT64_MAX - 8;
	is_int(read_bytes(image, 4096, &e), -ENOEXEC, "a_segment_table_at_the_end_of_the_address_space_is_refused");
	*h = own;
	h->e_phentsize = 1;
	is_int(read_bytes(image, 4096, &e), -ENOEXEC, "segment_entries_of_another_size_are_refused");
	*h = own;
	h->e_shoff = UINT64_MAX - 8;
	is_int(read_bytes(image, image_bytes, &e), 0, "a_wild_section_table_does_not_matter");
	*h = own;
	h->e_ident[EI_DATA] = 3 - h->e_ident[EI_DATA];
	is_int(read_bytes(image, 4096, &e), 0, "the_other_byte_order_is_recognised");
	is_int(e.machine, __builtin_bswap16(own.e_machine), "and_its_machine_is_turned_round");
	*h = own;
}

int main(void)
{
	load_own();
	test_own();
	test_not_elf();
	test_cut();
	test_damaged();
	test_extremes();
	return tap_done();
}

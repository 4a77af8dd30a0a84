/* SPDX-License-Identifier: MIT */
#include "record/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- making and mapping ---- */

static const uint32_t sizes[] = {1024, 256, 64};	/* segments of 64 KiB: 64, 16, 4 MiB */

static size_t bytes_for(uint32_t segments)
{
	return offsetof(struct journal, records) + (size_t)segments * JOURNAL_SEGMENT_RECORDS * JOURNAL_RECORD_BYTES;
}

/* Real blocks, not a sparse file: a store into a hole on a full disk would be SIGBUS in the target. */
static int allocate(int fd, size_t bytes)
{
	int err;

	do {
		err = posix_fallocate(fd, 0, (off_t)bytes);
	} while (err == EINTR);
	if (err && ftruncate(fd, 0))
		return -errno;
	return -err;
}

static int map(int fd, size_t bytes, uint32_t segments, struct journal **j)
{
	struct journal *m = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (m == MAP_FAILED)
		return -errno;
	m->magic = JOURNAL_MAGIC;
	m->layout = JOURNAL_LAYOUT;
	m->segment_count = segments;
	*j = m;
	return 0;
}

int journal_create(const char *path, struct journal **j, size_t *bytes)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600), err = -ENOSPC;

	if (fd < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		*bytes = bytes_for(sizes[i]);
		err = allocate(fd, *bytes);
		if (!err)
			err = map(fd, *bytes, sizes[i], j);
		if (!err)
			break;
	}
	close(fd);
	if (err)
		unlink(path);
	return err;
}

void journal_unmap(struct journal *j, size_t bytes)
{
	if (j)
		munmap(j, bytes);
}

/* ---- reading ---- */

#define SEGMENTS_KEPT 128u	/* mapped to pages all the time, 8 MiB: writers take the lowest that are free */

void journal_reader_init(struct journal_reader *r, struct journal *j)
{
	memset(r, 0, sizeof(*r));
	r->j = j;
}

static struct journal_record *record_at(const struct journal_reader *r, uint32_t segment, uint32_t i)
{
	return &r->j->records[(size_t)segment * JOURNAL_SEGMENT_RECORDS + i];
}

static uint32_t handed_out(const struct journal_reader *r, uint32_t segment)
{
	uint32_t n = atomic_load_explicit(&r->j->segments[segment].reserved, memory_order_acquire);

	return n < JOURNAL_SEGMENT_RECORDS ? n : JOURNAL_SEGMENT_RECORDS;
}

struct drain {
	struct journal_reader *r;
	bool final;
	bool (*alive)(uint32_t pid);
};

/* An owner of 0 is a claim whose second store is on its way. */
static bool owner_dead(const struct drain *d, uint32_t segment)
{
	const struct journal_segment *s = &d->r->j->segments[segment];
	uint32_t owner = atomic_load_explicit(&s->owner, memory_order_acquire);

	if (d->final)
		return true;
	return owner && atomic_load_explicit(&s->state, memory_order_acquire) == JOURNAL_OWNED && !d->alive(owner);
}

/*
 * Whether the hole at next[segment] may be passed. A thread of another process can hold a slot here for an instant
 * (it took it before the segment changed hands), so a dead owner's hole is passed only when the next drain still finds it.
 */
static bool hole_passes(const struct drain *d, uint32_t segment)
{
	uint32_t mark = d->r->next[segment] + 1;

	if (!owner_dead(d, segment))
		return false;
	if (d->final || d->r->hole[segment] == mark)
		return true;
	d->r->hole[segment] = mark;
	return false;
}

/* The next whole record of a segment, or NULL. */
static struct journal_record *peek(const struct drain *d, uint32_t segment)
{
	uint32_t end = handed_out(d->r, segment);

	while (d->r->next[segment] < end) {
		struct journal_record *rec = record_at(d->r, segment, d->r->next[segment]);
		enum journal_kind kind = journal_kind(rec);

		if (kind != JOURNAL_NONE && kind != JOURNAL_REOPENED)
			return rec;
		if (!hole_passes(d, segment))
			return NULL;
		if (kind == JOURNAL_REOPENED) {	/* killed while it completed it: its beginning stands */
			atomic_store_explicit(&rec->commit, JOURNAL_BEGIN, memory_order_relaxed);
			return rec;
		}
		d->r->next[segment]++;
	}
	return NULL;
}

/* From here on a beginning is not completed in place any more. False: it is being completed at this very moment. */
static bool take(struct journal_record *rec)
{
	uint32_t seen = atomic_load_explicit(&rec->commit, memory_order_acquire);

	if ((seen & 0xff) == JOURNAL_BEGIN && atomic_compare_exchange_strong(&rec->commit, &seen, JOURNAL_BEGIN))
		return true;
	return (seen & 0xff) != JOURNAL_REOPENED;
}

/*
 * What is looked at in a segment that is seldom used need not stay in this process's memory: it is the file's. Nor what the kernel has mapped
 * along with it, of the segment before (fault_around_bytes).
 */
static void let_go(const struct journal_reader *r, uint32_t segment)
{
	if (segment >= SEGMENTS_KEPT)
		madvise(record_at(r, segment - 1, 0), 2 * JOURNAL_SEGMENT_RECORDS * JOURNAL_RECORD_BYTES, MADV_DONTNEED);
}

#define CACHE_LINE 64
#define FETCHED_LINES 3	/* what an exchange with a path of ordinary length says */

/* The lines come from the writer's core: to wait for them one by one is most of what reading costs. */
static void fetch_ahead(const struct journal_record *rec)
{
	for (size_t line = 0; line < FETCHED_LINES; line++)
		__builtin_prefetch((const char *)rec + line * CACHE_LINE);
}

/* ---- order across segments: a binary heap of segments by the time of their next record ---- */

static uint64_t key(const struct journal_reader *r, uint32_t slot)
{
	return r->at_ns[r->heap[slot]];
}

static void swap(struct journal_reader *r, uint32_t a, uint32_t b)
{
	uint16_t t = r->heap[a];

	r->heap[a] = r->heap[b];
	r->heap[b] = t;
}

static void push(struct journal_reader *r, uint32_t segment)
{
	uint32_t i = r->heaped++;

	r->heap[i] = (uint16_t)segment;
	for (; i && key(r, i) < key(r, (i - 1) / 2); i = (i - 1) / 2)
		swap(r, i, (i - 1) / 2);
}

static void sift(struct journal_reader *r)
{
	for (uint32_t i = 0;;) {
		uint32_t least = i;

		for (uint32_t c = 2 * i + 1; c <= 2 * i + 2 && c < r->heaped; c++)
			least = key(r, c) < key(r, least) ? c : least;
		if (least == i)
			return;
		swap(r, i, least);
		i = least;
	}
}

/* ---- giving segments back ---- */

/*
 * Whether everything handed out is read and no more will be: the segment is full, or its owner is dead and nobody
 * could take a slot in the meantime (the exchange closes it).
 */
static bool spent(const struct drain *d, uint32_t segment)
{
	uint32_t next = d->r->next[segment];

	if (next == JOURNAL_SEGMENT_RECORDS)
		return true;
	if (d->final || atomic_load_explicit(&d->r->j->segments[segment].state, memory_order_acquire) != JOURNAL_OWNED)
		return false;
	return next == handed_out(d->r, segment) && owner_dead(d, segment) &&
	       atomic_compare_exchange_strong(&d->r->j->segments[segment].reserved, &next, JOURNAL_SEGMENT_RECORDS);
}

static void give_back(struct journal_reader *r, uint32_t segment)
{
	struct journal_segment *s = &r->j->segments[segment];
	uint32_t hint = atomic_load_explicit(&r->j->hint, memory_order_relaxed);

	for (uint32_t i = 0; i < r->next[segment]; i++)
		atomic_store_explicit(&record_at(r, segment, i)->commit, JOURNAL_NONE, memory_order_relaxed);
	let_go(r, segment);
	r->next[segment] = r->hole[segment] = 0;
	atomic_store_explicit(&s->owner, 0, memory_order_relaxed);
	atomic_store_explicit(&s->reserved, 0, memory_order_release);
	atomic_store_explicit(&s->state, JOURNAL_FREE, memory_order_release);
	/* Writers take the lowest free segment: few pages stay in use, and those stay in the cache. */
	while (segment < hint && !atomic_compare_exchange_weak(&r->j->hint, &hint, segment))
		;
}

/* Whether a segment has something to hand over, and notes when that was. */
static bool look(const struct drain *d, uint32_t segment)
{
	const struct journal_record *rec = peek(d, segment);

	if (rec)
		d->r->at_ns[segment] = rec->at_ns;
	return rec;
}

size_t journal_drain(struct journal_reader *r, bool final, bool (*alive)(uint32_t pid),
		     void (*fn)(void *arg, const struct journal_record *rec), void *arg)
{
	struct drain d = {r, final, alive};
	size_t count = 0;

	r->heaped = 0;
	for (uint32_t i = 0; i < r->j->segment_count; i++) {
		if (!look(&d, i))
			continue;
		push(r, i);
		let_go(r, i);	/* its turn may be long in coming */
	}
	for (; r->heaped; sift(r)) {
		uint32_t segment = r->heap[0];
		struct journal_record *rec = record_at(r, segment, r->next[segment]);
		bool taken = take(rec);

		if (taken) {
			fetch_ahead(rec + 2);
			fn(arg, rec);
			r->next[segment]++;
			count++;
		}
		if (taken && look(&d, segment))
			continue;
		r->heap[0] = r->heap[--r->heaped];
		if (r->next[segment] == JOURNAL_SEGMENT_RECORDS)
			give_back(r, segment);
	}
	for (uint32_t i = 0; i < r->j->segment_count; i++) {
		if (spent(&d, i))
			give_back(r, i);
	}
	return count;
}

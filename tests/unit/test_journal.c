/* SPDX-License-Identifier: MIT */
#include "tests/lib/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "record/journal.h"
#include "tests/unit/memory.h"

static char dir[] = "/tmp/test_journal.XXXXXX";

static struct journal *fresh(size_t *bytes)
{
	char path[64];
	struct journal *j = NULL;

	snprintf(path, sizeof(path), "%s/journal", dir);
	unlink(path);
	if (journal_create(path, &j, bytes))
		return NULL;
	unlink(path);
	return j;
}

static bool everyone_lives(uint32_t pid)
{
	return true;
}

static bool pid_lives(uint32_t pid)
{
	return !kill((pid_t)pid, 0);
}

struct heard {
	size_t count;
	uint64_t last_ns, sum;
	bool in_order;
};

static void hear(void *arg, const struct journal_record *rec)
{
	struct heard *h = arg;

	h->in_order &= rec->at_ns >= h->last_ns;
	h->last_ns = rec->at_ns;
	h->sum += rec->exchange;
	h->count++;
}

static struct heard drain(struct journal_reader *r, bool final, bool (*alive)(uint32_t))
{
	struct heard h = {.in_order = true};

	journal_drain(r, final, alive, hear, &h);
	return h;
}

static void say(struct journal_writer *w, uint32_t pid, uint64_t at_ns, uint64_t exchange)
{
	struct journal_record *rec = journal_reserve(w, pid);

	rec->pid = pid;
	rec->at_ns = at_ns;
	rec->exchange = exchange;
	journal_commit(rec, JOURNAL_BEGIN);
}

static void test_file(void)
{
	char path[64];
	struct journal *j = NULL;
	struct stat st;
	size_t bytes;

	snprintf(path, sizeof(path), "%s/file", dir);
	is_int(journal_create(path, &j, &bytes), 0, "a journal can be made");
	stat(path, &st);
	is_int(st.st_mode & 0777, 0600, "nobody else may read it");
	ok((size_t)st.st_blocks * 512 >= bytes, "all its bytes have blocks on the disk");
	is_int(journal_create(path, &j, &bytes), -EEXIST, "a file that is there is not taken over");
	journal_unmap(j, bytes);
	unlink(path);
	is_int(journal_create("/no/such/directory/journal", &j, &bytes), -ENOENT, "a missing directory is said");
}

static void test_smaller(void)
{
	struct rlimit limit = {20 << 20, 20 << 20};
	pid_t pid = fork();
	int status;

	if (!pid) {
		struct journal *j;
		size_t bytes;

		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
		j = fresh(&bytes);
		_exit(j && bytes < 20 << 20 && j->segment_count == 256 ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	is_int(status, 0, "where 64 MiB do not fit it is made with 16");
}

static void test_order(void)
{
	size_t bytes;
	struct journal *j = fresh(&bytes);
	struct journal_writer a = {.j = j}, b = {.j = j};
	struct journal_reader r;
	struct heard h;

	journal_reader_init(&r, j);
	for (uint64_t t = 1; t <= 300; t++)
		say(t % 3 ? &a : &b, t % 3 ? 1000 : 2000, t, t);
	h = drain(&r, false, everyone_lives);
	is_int(h.count, 300, "records of two processes all arrive");
	is_int(h.sum, 300 * 301 / 2, "each of them once");
	ok(h.in_order, "the earliest comes first, whatever segment it is in");
	h = drain(&r, false, everyone_lives);
	is_int(h.count, 0, "nothing is handed over twice");
	journal_unmap(j, bytes);
}

static void test_reuse(void)
{
	size_t bytes, total = 0;
	struct journal *j = fresh(&bytes);
	struct journal_writer w = {.j = j};
	struct journal_reader r;
	uint64_t sum = 0;

	journal_reader_init(&r, j);
	j->segment_count = 2;
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < JOURNAL_SEGMENT_RECORDS; i++)
			say(&w, 1000, 1, 1);
		struct heard h = drain(&r, false, everyone_lives);

		total += h.count;
		sum += h.sum;
	}
	is_int(total, 10 * JOURNAL_SEGMENT_RECORDS, "segments that were read are free again");
	is_int(sum, total, "and hold nothing old");
	journal_unmap(j, bytes);
}

static void test_full(void)
{
	size_t bytes;
	struct journal *j = fresh(&bytes);
	struct journal_writer w = {.j = j};
	int n = 0;

	j->segment_count = 2;
	while (n < 1000 && journal_reserve(&w, 1000))
		n++;
	is_int(n, 2 * JOURNAL_SEGMENT_RECORDS, "a full journal refuses, and nobody waits");
	journal_unmap(j, bytes);
}

/* Of this process: pages of files that it has mapped. */
static size_t mapped_bytes(void)
{
	unsigned long size, resident, shared = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f && fscanf(f, "%lu %lu %lu", &size, &resident, &shared) != 3)
		shared = 0;
	if (f)
		fclose(f);
	return shared * (size_t)sysconf(_SC_PAGESIZE);
}

static size_t most_mapped;

static void look_at_memory(void *arg, const struct journal_record *rec)
{
	size_t now = *(size_t *)arg % 512 ? 0 : mapped_bytes();

	most_mapped = now > most_mapped ? now : most_mapped;
	++*(size_t *)arg;
}

/* A reader that fell behind by the whole journal. */
static void test_memory(void)
{
	size_t bytes, count = 0, before;
	struct journal *j = fresh(&bytes);
	struct journal_writer w = {.j = j};
	struct journal_reader r;
	pid_t writer = fork();

	for (struct journal_record *rec; !writer && (rec = journal_reserve(&w, (uint32_t)getpid())); journal_commit(rec, JOURNAL_END))
		rec->at_ns = (uint64_t)(rec - j->records);
	if (!writer)
		_exit(0);
	waitpid(writer, NULL, 0);
	journal_reader_init(&r, j);
	before = mapped_bytes();
	journal_drain(&r, false, pid_lives, look_at_memory, &count);
	is_int(count, j->segment_count * JOURNAL_SEGMENT_RECORDS, "a full journal is read");
	ok(most_mapped - before < MEMORY_JOURNAL << 20, "and takes less than %d MiB of its reader's memory (%zu of %zu KiB)", MEMORY_JOURNAL,
	   (most_mapped - before) >> 10, bytes >> 10);
	journal_unmap(j, bytes);
}

static void test_hole(void)
{
	size_t bytes;
	struct journal *j = fresh(&bytes);
	struct journal_writer w = {.j = j};
	struct journal_reader r;
	pid_t pid = fork();

	journal_reader_init(&r, j);
	if (!pid) {
		say(&w, (uint32_t)getpid(), 1, 1);
		journal_reserve(&w, (uint32_t)getpid());	/* never committed */
		say(&w, (uint32_t)getpid(), 3, 4);
		raise(SIGKILL);
	}
	waitid(P_PID, (id_t)pid, &(siginfo_t){0}, WEXITED | WNOWAIT);
	is_int(drain(&r, false, pid_lives).sum, 1, "behind a hole of a living writer nothing is read");
	waitpid(pid, NULL, 0);
	is_int(drain(&r, false, pid_lives).count, 0, "a dead writer's hole gets one more look");
	is_int(drain(&r, false, pid_lives).sum, 4, "then what lies behind it is read");
	is_int(j->segments[0].state, JOURNAL_FREE, "and its segment is given back");
	is_int(j->segments[0].reserved, 0, "empty");
	journal_unmap(j, bytes);
}

static void test_final(void)
{
	size_t bytes;
	struct journal *j = fresh(&bytes);
	struct journal_writer w = {.j = j};
	struct journal_reader r;

	journal_reader_init(&r, j);
	journal_reserve(&w, 1000);
	say(&w, 1000, 2, 7);
	is_int(drain(&r, false, everyone_lives).count, 0, "a hole holds back what follows while its writer lives");
	is_int(drain(&r, true, everyone_lives).sum, 7, "but not in the final drain");
	journal_unmap(j, bytes);
}

#define WRITERS 4
#define EACH 20000

static void *write_many(void *arg)
{
	for (int i = 0; i < EACH;) {
		struct journal_record *rec = journal_reserve(arg, 1000);

		if (!rec) {
			sched_yield();
			continue;
		}
		rec->pid = 1000;
		rec->at_ns = 1;
		rec->exchange = 1;
		i++;
		journal_commit(rec, JOURNAL_BEGIN);
	}
	return NULL;
}

static void test_threads(void)
{
	size_t bytes, count = 0;
	struct journal *j = fresh(&bytes);
	struct journal_writer one = {.j = j}, other = {.j = j};
	struct journal_reader r;
	pthread_t t[WRITERS];
	uint64_t sum = 0;

	j->segment_count = 8;	/* little room: segments change hands all the time */
	journal_reader_init(&r, j);
	for (int i = 0; i < WRITERS; i++)
		pthread_create(&t[i], NULL, write_many, i % 2 ? &one : &other);
	while (count < WRITERS * EACH) {
		struct heard h = drain(&r, false, everyone_lives);

		count += h.count;
		sum += h.sum;
		if (!h.count)
			sched_yield();
	}
	for (int i = 0; i < WRITERS; i++)
		pthread_join(t[i], NULL);
	count += drain(&r, true, everyone_lives).count;
	is_int(count, WRITERS * EACH, "with threads of two processes writing at once each record arrives once");
	is_int(sum, WRITERS * EACH, "and whole");
	journal_unmap(j, bytes);
}

/* ---- an exchange in one record ---- */

struct kinds {
	char text[64];
};

static void hear_kind(void *arg, const struct journal_record *rec)
{
	static const char letters[] = {[JOURNAL_BEGIN] = 'b', [JOURNAL_END] = 'e', [JOURNAL_WHOLE] = 'w'};
	struct kinds *k = arg;
	size_t n = strlen(k->text);

	snprintf(k->text + n, sizeof(k->text) - n, "%c%d", letters[journal_kind(rec)], (int)rec->x.status);
}

static const char *drain_kinds(struct journal_reader *r, bool (*alive)(uint32_t))
{
	static struct kinds k;

	k.text[0] = '\0';
	journal_drain(r, false, alive, hear_kind, &k);
	return k.text;
}

static struct journal_record *begin(struct journal_writer *w, uint32_t pid, uint64_t exchange)
{
	struct journal_record *rec = journal_reserve(w, pid);

	rec->pid = pid;
	rec->exchange = exchange;
	journal_commit(rec, JOURNAL_BEGIN);
	return rec;
}

static bool complete(struct journal_record *rec, uint64_t exchange, uint32_t pid)
{
	struct journal_record *whole = journal_reopen(rec, exchange, pid);

	if (whole) {
		whole->x.status = 200;
		journal_commit(whole, JOURNAL_WHOLE);
	}
	return whole;
}

static bool nobody(uint32_t pid)
{
	return false;
}

static void test_whole(void)
{
	uint32_t me = (uint32_t)getpid();
	size_t bytes;
	struct journal *j = fresh(&bytes);
	struct journal_writer w = {.j = j};
	struct journal_reader r;
	struct journal_record *a, *b;

	journal_reader_init(&r, j);
	a = begin(&w, me, 7);
	ok(complete(a, 7, me), "a beginning that nobody has read can be completed");
	is_str(drain_kinds(&r, everyone_lives), "w200", "... and is read as the whole exchange");
	ok(!complete(a, 7, me), "it is not completed twice");
	a = begin(&w, me, 8);
	is_str(drain_kinds(&r, everyone_lives), "b0", "a beginning that is not over is read as it is");
	ok(!complete(a, 8, me), "... and not completed any more");
	b = begin(&w, me, 9);
	ok(!complete(b, 10, me), "another exchange's is left alone");
	ok(!complete(b, 9 + (1ull << 24), me), "... also when the low bits of their numbers are the same");
	ok(!complete(b, 9, me + 1), "... and another process's");
	ok(!complete(NULL, 9, me), "where no beginning was recorded there is nothing to complete");
	ok(complete(b, 9, me), "its own is completed");
	is_str(drain_kinds(&r, everyone_lives), "w200", "... after all of that");
	b = begin(&w, me, 11);
	begin(&w, me, 12);
	journal_reopen(b, 11, me);
	is_str(drain_kinds(&r, everyone_lives), "", "while one is being completed, what follows waits");
	is_str(drain_kinds(&r, nobody), "", "when its writer dies in that, the next look");
	is_str(drain_kinds(&r, nobody), "b0b0", "... has its beginning, and what follows");
	journal_unmap(j, bytes);
}

struct race {
	struct journal_writer w;
	_Atomic uint64_t wholes, ends;
	_Atomic bool done;
};

#define RACES 200000

static void *race_writer(void *arg)
{
	struct race *race = arg;
	uint32_t me = (uint32_t)getpid();

	for (uint64_t i = 1; i <= RACES;) {
		struct journal_record *rec = journal_reserve(&race->w, me);

		if (!rec) {
			sched_yield();
			continue;
		}
		rec->pid = me;
		rec->exchange = i;
		journal_commit(rec, JOURNAL_BEGIN);
		if (complete(rec, i, me))
			atomic_fetch_add(&race->wholes, 1);
		else
			atomic_fetch_add(&race->ends, 1);
		i++;
	}
	atomic_store(&race->done, true);
	return NULL;
}

struct tally {
	uint64_t begins, wholes, unsound;
};

static void hear_race(void *arg, const struct journal_record *rec)
{
	struct tally *t = arg;

	t->begins += journal_kind(rec) == JOURNAL_BEGIN;
	t->wholes += journal_kind(rec) == JOURNAL_WHOLE;
	t->unsound += rec->x.status != (journal_kind(rec) == JOURNAL_WHOLE ? 200 : 0);
}

static void test_whole_races(void)
{
	size_t bytes;
	static struct race race;
	struct journal *j = fresh(&bytes);
	struct journal_reader r;
	struct tally t = {0};
	pthread_t thread;
	bool done;

	race.w.j = j;
	journal_reader_init(&r, j);
	pthread_create(&thread, NULL, race_writer, &race);
	do {
		done = atomic_load(&race.done);
		journal_drain(&r, false, everyone_lives, hear_race, &t);
	} while (!done);
	pthread_join(thread, NULL);
	journal_drain(&r, true, everyone_lives, hear_race, &t);
	is_int(t.wholes, (long long)race.wholes, "what its writer completed the reader has as whole");
	is_int(t.begins, (long long)race.ends, "what the reader took its writer ends in another record");
	is_int(t.begins + t.wholes, RACES, "none is missing, none twice");
	is_int(t.unsound, 0, "no whole record is read before it is complete, no beginning after it was touched");
	journal_unmap(j, bytes);
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	test_file();
	test_smaller();
	test_order();
	test_reuse();
	test_full();
	test_memory();
	test_hole();
	test_final();
	test_threads();
	test_whole();
	test_whole_races();
	rmdir(dir);
	return tap_done();
}

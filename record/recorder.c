/* SPDX-License-Identifier: MIT */
#include "record/recorder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include "record/ledger.h"
#include "record/runfile.h"
#include "record/text.h"

void *ledger_new(struct recorder *r, size_t bytes)
{
	void *p = calloc(1, bytes);

	r->no_memory += !p;
	return p;
}

char *ledger_text(struct recorder *r, const char *text, size_t n)
{
	size_t length = strnlen(text, n), size = 4 * length + 5;
	char *copy = ledger_new(r, size);

	if (copy)
		text_utf8(copy, size, text, length);
	return copy;
}

/* ---- opening ---- */

static void format_utc(char *buf, size_t size, const struct timespec *t)
{
	char seconds[32];
	struct tm tm;

	gmtime_r(&t->tv_sec, &tm);
	strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf, size, "%s.%03ldZ", seconds, t->tv_nsec / 1000000);
}

void recorder_started(struct recorder *r, uint64_t started_ns)
{
	struct timespec now;
	uint64_t wall_ns;
	char text[64];

	clock_gettime(CLOCK_REALTIME, &now);
	wall_ns = (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec - (clock_now_ns() - started_ns);
	now = (struct timespec){(time_t)(wall_ns / NS_PER_S), (long)(wall_ns % NS_PER_S)};
	format_utc(text, sizeof(text), &now);
	store_run_text(r->store, "started", text);
	store_run_number(r->store, "started_ns", (int64_t)started_ns);
	pulse_started(r->pulse, started_ns);
}

/* All three at once: what one of them does not count (sleep) or undergoes (being set) shows beside the others. */
static void note_clocks(struct recorder *r, const char *key)
{
	static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME};
	struct timespec t[3];
	char text[80];

	for (int i = 0; i < 3; i++)
		clock_gettime(clocks[i], &t[i]);
	snprintf(text, sizeof(text), "[%lld%09ld,%lld%09ld,%lld%09ld]", (long long)t[0].tv_sec, t[0].tv_nsec, (long long)t[1].tv_sec, t[1].tv_nsec,
		 (long long)t[2].tv_sec, t[2].tv_nsec);
	store_run_text(r->store, key, text);
}

void recorder_sources(struct recorder *r, bool shim, bool ebpf)
{
	static const char *const texts[] = {"[]", "[\"shim\"]", "[\"ebpf\"]", "[\"shim\",\"ebpf\"]"};

	r->shim = shim;
	r->ebpf = ebpf;
	store_run_text(r->store, "sources", texts[shim + 2 * ebpf]);
}

static void describe_run(struct recorder *r, const struct recorder_run *run)
{
	struct utsname u;

	store_run_number(r->store, "schema", RUNFILE_VERSION);
	recorder_note(r, "name", run->name);
	recorder_note(r, "command", run->command);
	recorder_note(r, "plan", run->plan_json);
	store_run_number(r->store, "seed", (int64_t)run->seed);
	if (!uname(&u)) {
		char kernel[sizeof(u.sysname) + sizeof(u.release) + 2];

		snprintf(kernel, sizeof(kernel), "%s %s", u.sysname, u.release);
		recorder_note(r, "host", u.nodename);
		recorder_note(r, "kernel", kernel);
	}
	recorder_started(r, run->started_ns);
	note_clocks(r, "clocks_start");
	recorder_sources(r, run->shim, run->ebpf);
	store_commit(r->store);
}

int recorder_open(struct recorder **out, const struct recorder_run *run, char *error, unsigned error_size)
{
	struct recorder *r = calloc(1, sizeof(*r));
	int err;

	if (!r) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	err = store_open(&r->store, run->path, error, error_size);
	if (err) {
		free(r);
		return err;
	}
	TAILQ_INIT(&r->processes);
	TAILQ_INIT(&r->dirty_processes);
	TAILQ_INIT(&r->dirty_connections);
	TAILQ_INIT(&r->over_connections);
	TAILQ_INIT(&r->all_exchanges);
	TAILQ_INIT(&r->waiting);
	TAILQ_INIT(&r->all_injections);
	TAILQ_INIT(&r->dirty_injections);
	TAILQ_INIT(&r->all_desks);
	r->now_ns = clock_now_ns();
	r->pulse = pulse_new(r->store, run->started_ns);
	r->no_memory += !r->pulse;
	describe_run(r, run);
	*out = r;
	return 0;
}

/* ---- testimony ---- */

static void end_testimony(struct recorder *r, int witness, const struct journal_record *rec)
{
	process_ended(r, rec->pid, rec->at_ns, -1, witness == SHIM);
}

static void (*const hear[])(struct recorder *r, int witness, const struct journal_record *rec) = {
	[JOURNAL_PROCESS] = process_testimony,	[JOURNAL_EXIT] = end_testimony,
	[JOURNAL_EXEC] = exec_testimony,
	[JOURNAL_OPEN] = connection_testimony,	[JOURNAL_CONNECTED] = connection_testimony,
	[JOURNAL_CLOSE] = connection_testimony, [JOURNAL_BEGIN] = exchange_testimony,
	[JOURNAL_END] = exchange_testimony,	[JOURNAL_WHOLE] = exchange_testimony,
	[JOURNAL_INJECT] = injection_testimony,
	[JOURNAL_ACHIEVED] = injection_testimony, [JOURNAL_RESOLVED] = resolved_testimony,
};

/* The journal lies in memory that targets can write: an unknown kind is dropped, texts are bounded where they are read. */
void recorder_feed(struct recorder *r, enum recorder_source source, const struct journal_record *rec)
{
	enum journal_kind kind = journal_kind(rec);

	if (store_error(r->store) || kind >= sizeof(hear) / sizeof(*hear) || !hear[kind])
		return;
	hear[kind](r, source - 1, rec);
}

void recorder_latency(struct recorder *r, uint32_t second, uint32_t pid, const char *syscall, const char *peer, int error,
		      uint64_t bucket_ns, uint64_t count, uint64_t sum_ns)
{
	const struct process *p = process_of(r, pid);
	struct row_latency row = {second, error, p ? p->id : 0, syscall, bucket_ns, count, sum_ns, peer};

	store_latency(r->store, &row);
}

void recorder_mark(struct recorder *r, uint64_t at_ns, const char *name)
{
	store_mark(r->store, at_ns, name);
}

void recorder_note(struct recorder *r, const char *key, const char *value)
{
	char *text = value ? ledger_text(r, value, SIZE_MAX) : NULL;

	store_run_text(r->store, key, text);
	free(text);
}

/* ---- totals: losses and the counters of faults ---- */

static struct total *total_of(struct recorder *r, struct total *table, unsigned *count, const char *a, const char *b)
{
	struct total *t;

	for (unsigned i = 0; i < *count; i++) {
		if (!strcmp(table[i].a, a) && !strcmp(table[i].b, b))
			return &table[i];
	}
	if (*count == LEDGER_TOTALS)
		return NULL;
	t = &table[*count];
	t->a = ledger_text(r, a, SIZE_MAX);
	t->b = ledger_text(r, b, SIZE_MAX);
	if (!t->a || !t->b) {
		free(t->a);
		free(t->b);
		return NULL;
	}
	++*count;
	return t;
}

void recorder_loss(struct recorder *r, const char *source, const char *reason, uint64_t total)
{
	struct total *t = total ? total_of(r, r->losses, &r->loss_count, source, reason) : NULL;

	if (!t || t->n == total)
		return;
	t->n = total;
	t->dirty = true;
}

void recorder_fault(struct recorder *r, uint32_t id, const char *name, const char *spec_json)
{
	struct total *t = &r->faults[r->fault_count];

	if (r->fault_count == LEDGER_FAULTS) {
		recorder_loss(r, "recorder", "too_many_faults", ++r->faults_lost);
		return;
	}
	t->a = ledger_text(r, name, SIZE_MAX);
	t->b = ledger_text(r, spec_json, SIZE_MAX);
	if (!t->a || !t->b) {
		free(t->a);
		free(t->b);
		return;
	}
	t->id = id;
	t->dirty = true;
	r->fault_count++;
}

void recorder_fault_counts(struct recorder *r, uint32_t id, uint64_t matched, uint64_t fired)
{
	for (unsigned i = 0; i < r->fault_count; i++) {
		struct total *t = &r->faults[i];

		if (t->id != id || (t->n == matched && t->fired == fired))
			continue;
		t->n = matched;
		t->fired = fired;
		t->dirty = true;
	}
}

static void write_totals(struct recorder *r)
{
	for (unsigned i = 0; i < r->loss_count; i++) {
		if (r->losses[i].dirty)
			store_loss(r->store, r->losses[i].a, r->losses[i].b, r->losses[i].n);
		r->losses[i].dirty = false;
	}
	for (unsigned i = 0; i < r->fault_count; i++) {
		struct total *t = &r->faults[i];

		if (t->dirty)
			store_fault(r->store, t->id, t->a, t->b, t->n, t->fired);
		t->dirty = false;
	}
}

/* ---- flushing and closing ---- */

static void settle(struct recorder *r, bool final)
{
	r->pass++;
	r->now_ns = clock_now_ns();
	exchanges_settle(r, false);
	processes_settle(r, final);
	if (final)
		exchanges_settle(r, true);
	recorder_loss(r, "recorder", "out_of_memory", r->no_memory);
	recorder_loss(r, "recorder", "join_waited_too_long", r->overflow);
	recorder_loss(r, "recorder", "too_many_exchanges_under_way", r->crowded_exchanges);
	recorder_loss(r, "recorder", "too_many_connections_open", r->crowded_connections);
	if (!final)
		exchanges_show(r);
	processes_write(r);
	connections_write(r);
	injections_write(r);
	write_totals(r);
	connections_sweep(r);
	parents_sweep(r);
	pulse_flush(r->pulse, r->now_ns);
}

void recorder_flush(struct recorder *r)
{
	settle(r, false);
	store_commit(r->store);
}

const char *recorder_error(const struct recorder *r)
{
	return store_error(r->store);
}

static void free_ledger(struct recorder *r)
{
	connection_free_all(r);
	injection_free_all(r);
	exchange_free_spare(r);
	parents_free_all(r);
	process_free_all(r);
	for (unsigned i = 0; i < r->loss_count; i++) {
		free(r->losses[i].a);
		free(r->losses[i].b);
	}
	for (unsigned i = 0; i < r->fault_count; i++) {
		free(r->faults[i].a);
		free(r->faults[i].b);
	}
	index_clear(&r->pids);
	index_clear(&r->serials);
	index_clear(&r->cookies);
	index_clear(&r->exchanges);
	index_clear(&r->injections);
}

int recorder_close(struct recorder *r, bool clean, uint64_t ended_ns)
{
	int err;

	if (!r)
		return 0;
	settle(r, true);
	if (pulse_left_out(r->pulse))
		store_run_number(r->store, "pulse_left_out", (int64_t)pulse_left_out(r->pulse));
	pulse_close(r->pulse);
	store_run_number(r->store, "ended_ns", (int64_t)ended_ns);
	note_clocks(r, "clocks_end");
	if (clean)
		store_run_number(r->store, "clean_end", 1);
	err = store_close(r->store);
	free_ledger(r);
	free(r);
	return err;
}

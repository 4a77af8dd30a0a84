/* SPDX-License-Identifier: MIT */
#include "ebpf/tracer.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/clock.h"
#include "ebpf/hooks.h"
#include "ebpf/tracer.skel.h"
#include "ebpf/witness.h"

#define PAYLOAD_CAP 1024
#define PLAIN_READS "bpf_rdonly_cast"	/* what tracer.bpf.c reads the kernel with, where it is */
#define AT_A_TIME 512		/* records told before the rings are looked at again */
#define SLACK_NS (20 * NS_PER_MS)	/* how long a record waits for one that began before it and is emitted after it */

/* ---- loading ---- */

static int print_debug(enum libbpf_print_level level, const char *format, va_list ap)
{
	return getenv("AFTERSHOCK_DEBUG") ? vfprintf(stderr, format, ap) : 0;
}

static void set_options(struct tracer *t, const struct tracer_options *o)
{
	struct tracer_bpf *p = t->programs;

	p->rodata->payload_cap = o->payload_cap ? o->payload_cap : PAYLOAD_CAP;
	if (p->rodata->payload_cap > EVENT_PAYLOAD_MAX)
		p->rodata->payload_cap = EVENT_PAYLOAD_MAX;
	p->rodata->self_tgid = (uint32_t)getpid();
	p->rodata->follow_all = o->all;
	p->rodata->follow_ports = o->port_count > 0;
	p->rodata->follow_comms = o->comm_count > 0;
	if (o->data_ring_bytes)
		bpf_map__set_max_entries(p->maps.data, o->data_ring_bytes);
	if (o->control_ring_bytes)
		bpf_map__set_max_entries(p->maps.control, o->control_ring_bytes);
}

static void note_missing(struct tracer *t, const char *hook)
{
	size_t n = strlen(t->missing);

	snprintf(t->missing + n, sizeof(t->missing) - n, "%s%s", n ? "," : "", hook);
}

#ifndef SYS_sendfile64
#define SYS_sendfile64 SYS_sendfile
#endif

static void choose_calls(struct tracer *t)
{
	static const struct {
		const char *name;
		unsigned number;
	} calls[] = {
#define X(name, shape, direction, flags) {#name, SYS_##name},
		EVENT_CALLS(X)
#undef X
	};

	for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (hooks_left_out(calls[i].name) || calls[i].number >= EVENT_NUMBERS)
			note_missing(t, calls[i].name);
		else
			t->programs->rodata->calls_by_number[calls[i].number] = (uint8_t)(1 + i);
	}
}

static void leave_out_missing(struct tracer *t)
{
	const struct {
		const char *hook;
		struct bpf_program *program;
	} optional[] = {
#define X(hook, program, without) {#hook, t->programs->progs.program},
		HOOKS_OPTIONAL(X)
#undef X
	};

	for (size_t i = 0; i < sizeof(optional) / sizeof(optional[0]); i++) {
		if (hooks_there(optional[i].hook))
			continue;
		bpf_program__set_autoload(optional[i].program, false);
		note_missing(t, optional[i].hook);
	}
	t->programs->rodata->reads_plainly = hooks_kernel() && !hooks_left_out(PLAIN_READS) &&
					     btf__find_by_name_kind(hooks_kernel(), PLAIN_READS, BTF_KIND_FUNC) > 0;
	hooks_close();
}

static int load(struct tracer *t, const struct tracer_options *o)
{
	libbpf_set_print(print_debug);
	t->programs = tracer_bpf__open();
	if (!t->programs)
		return -errno;
	if (t->programs->rodata->layout != EVENTS_LAYOUT)
		return -EPROTO;
	set_options(t, o);
	choose_calls(t);
	leave_out_missing(t);
	return tracer_bpf__load(t->programs);
}

/* ---- attaching ---- */

static void keep_link(struct tracer *t, struct bpf_link *link)
{
	t->links[t->link_count++] = link;
}

static int attach_hook(struct tracer *t, struct bpf_program *program)
{
	struct bpf_link *link;

	if (!bpf_program__autoload(program))
		return 0;
	if (hooks_left_out(bpf_program__name(program))) {
		note_missing(t, bpf_program__name(program));
		return 0;
	}
	link = bpf_program__attach(program);
	if (!link)
		return -errno;
	keep_link(t, link);
	return 0;
}

/* Returns before entries: an entry without its return would leave a slot that is taken for a call under way. */
static int attach_hooks(struct tracer *t)
{
	const struct tracer_bpf *p = t->programs;
	struct bpf_program *const hooks[] = {
		p->progs.on_return, p->progs.on_enter,	/* first: a connection that is seen to begin has all its calls seen */
		p->progs.on_state, p->progs.on_state_too, p->progs.on_gone, p->progs.on_gone_too,
		p->progs.on_fork, p->progs.on_exec, p->progs.on_exit, p->progs.on_ring,
	};
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(hooks) / sizeof(hooks[0]); i++)
		err = attach_hook(t, hooks[i]);
	return err;
}

/* Once someone followed has an io_uring. What it moved before shows in where the stream stands, as all does where this is not possible. */
static void attach_for_rings(struct tracer *t)
{
	if (t->rings_watched || !t->programs->bss->rings_at_work)
		return;
	t->rings_watched = true;
	attach_hook(t, t->programs->progs.on_send_length);
	attach_hook(t, t->programs->progs.on_recv_length);
}

/* ---- draining ---- */

/* Whether there is room for more; what comes then waits in the rings. */
static bool put(struct tracer *t, unsigned lane, const void *record, size_t size)
{
	t->events++;
	if (order_put(&t->order, lane, testimony_key(record), record, size))
		t->no_memory++;
	return t->order.held <= TRACER_HELD_MAX;
}

static bool put_data(void *arg, const void *record, size_t size)
{
	return put(arg, WITNESS_DATA, record, size);
}

static bool put_control(void *arg, const void *record, size_t size)
{
	return put(arg, WITNESS_CONTROL, record, size);
}

static int open_ring(struct ring *r, const struct bpf_map *map)
{
	return ring_open(r, bpf_map__fd(map), bpf_map__max_entries(map));
}

static int open_rings(struct tracer *t)
{
	int err = open_ring(&t->data, t->programs->maps.data);

	return err ? err : open_ring(&t->control, t->programs->maps.control);
}

/* Whether the rings are empty. */
static bool consume(struct tracer *t)
{
	bool control = ring_drain(&t->control, put_control, t), data = ring_drain(&t->data, put_data, t);

	return control && data;
}

/* Records of bytes that were not made or not sent; what was not captured of one that was is no gap. */
static uint64_t witness_lost(const struct tracer *t)
{
	const volatile uint64_t *lost = (const uint64_t *)t->programs->bss->lost;

	return lost[EVENT_LOST_DATA_RING] + lost[EVENT_LOST_CALLS_FULL] + t->no_memory;
}

bool witness_has_lost(const struct tracer *t)
{
	return witness_lost(t) > 0;
}

/* Losses are told before the records that come after them. */
static void note_loss(struct tracer *t)
{
	uint64_t lost = witness_lost(t);

	if (lost != t->lossy)
		assembler_lossy(t->assembler);
	t->lossy = lost;
}

/* Thousands of connections that end at once fill a ring while those before them are told: it is emptied in between. */
static void take(void *arg, const void *record, size_t size)
{
	struct tracer *t = arg;

	testimony_take(t, record, size);
	if (++t->taken % AT_A_TIME == 0 && t->order.held < TRACER_HELD_MAX) {
		consume(t);
		note_loss(t);
	}
}

static void drain_until(struct tracer *t, uint64_t until_ns)
{
	bool empty;

	do {
		empty = consume(t);
		note_loss(t);
		order_take(&t->order, until_ns, take, t);
	} while (!empty && t->order.held < TRACER_HELD_MAX);
}

void tracer_drain(struct tracer *t)
{
	uint64_t now = clock_now_ns();

	drain_until(t, now - SLACK_NS);
	latency_follow(t, now);
	attach_for_rings(t);
	if (now - t->ticked_ns >= ASSEMBLER_TICK_NS) {
		t->ticked_ns = now;
		assembler_tick(t->assembler, now - SLACK_NS);
	}
	if (now - t->looked_ns >= NS_PER_S) {
		t->looked_ns = now;
		testimony_look_for_the_dead(t, now);
	}
}

/* ---- whom to follow ---- */

static int take_up(struct tracer *t)
{
	int err = follow_snapshot(t);

	attach_for_rings(t);
	return err;
}

static int follow_options(struct tracer *t, const struct tracer_options *o)
{
	int ports = bpf_map__fd(t->programs->maps.ports), err = 0;
	uint8_t one = 1;

	for (unsigned i = 0; i < o->port_count; i++)
		if (bpf_map_update_elem(ports, &o->ports[i], &one, BPF_ANY))
			return -errno;
	for (unsigned i = 0; !err && i < o->comm_count; i++)
		err = follow_comm(t, o->comms[i]);
	return err ? err : take_up(t);
}

int tracer_add_pid(struct tracer *t, pid_t pid)
{
	int err = follow_pid(t, (uint32_t)pid);

	return err ? err : take_up(t);
}

unsigned tracer_live(const struct tracer *t)
{
	return t->all ? 1 : (unsigned)processes_count(&t->processes);
}

const char *tracer_missing(const struct tracer *t)
{
	return t->missing;
}

/* ---- what was lost ---- */

/*
 * The kernel leaves a program out while the same program is at work on that processor. Where TCP has two of them the other one ran (tcp.bpf.h); what
 * any other one missed leaves no trace.
 */
static bool shows_otherwise(const struct bpf_program *p)
{
	const char *section = bpf_program__section_name(p);

	return !strcmp(section, "tp_btf/inet_sock_set_state") || !strcmp(section, "tp_btf/tcp_destroy_sock");
}

struct skips {
	uint64_t counted;	/* runs that the kernel left out, and no one knows what is missing for it */
	uint64_t noted;		/* if something is, it is counted as that */
};

static struct skips skipped_runs(const struct tracer *t)
{
	struct skips s = {0, 0};
	struct bpf_program *p;

	bpf_object__for_each_program(p, t->programs->obj) {
		struct bpf_prog_info info = {0};
		uint32_t size = sizeof(info);

		if (!bpf_obj_get_info_by_fd(bpf_program__fd(p), &info, &size))
			*(shows_otherwise(p) ? &s.noted : &s.counted) += info.recursion_misses;
	}
	return s;
}

struct loss {
	const char *reason;
	uint64_t total;
};

#define LOSSES (EVENT_LOSS_COUNT + 6)

static void losses(const struct tracer *t, struct loss out[LOSSES])
{
	static const char *const reasons[] = {
#define X(name, text) text,
		EVENT_LOSSES(X)
#undef X
	};
	struct assembler_counts c = assembler_counts(t->assembler);
	size_t n = 0;

	for (; n < EVENT_LOSS_COUNT; n++)
		out[n] = (struct loss){reasons[n], __atomic_load_n(&t->programs->bss->lost[n], __ATOMIC_RELAXED)};
	out[n++] = (struct loss){"program_skipped", skipped_runs(t).counted};
	out[n++] = (struct loss){"no_memory", t->no_memory + c.dropped};
	out[n++] = (struct loss){"framing_lost", c.resynced};
	out[n++] = (struct loss){"connection_table_full", c.evicted};
	out[n++] = (struct loss){"socket_without_cookie", t->no_cookie};
	out[n++] = (struct loss){"connection_bytes_unseen", t->unseen_connections};
}

uint64_t tracer_lost(const struct tracer *t)
{
	struct loss l[LOSSES];
	uint64_t total = 0;

	losses(t, l);
	for (size_t i = 0; i < LOSSES; i++)
		total += l[i].total;
	return total;
}

static void tell_losses(struct tracer *t)
{
	struct loss l[LOSSES];

	losses(t, l);
	for (size_t i = 0; i < LOSSES; i++)
		if (l[i].total)
			recorder_loss(t->recorder, "ebpf", l[i].reason, l[i].total);
}

static void note_skips(struct tracer *t)
{
	uint64_t skips = skipped_runs(t).noted;
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)skips);
	if (skips)
		recorder_note(t->recorder, "programs_skipped", text);
}

void tracer_sample(struct tracer *t)
{
	note_skips(t);
	tell_losses(t);
}

/* ---- life ---- */

static void feed(void *arg, const struct journal_record *record)
{
	struct tracer *t = arg;

	recorder_feed(t->recorder, RECORDER_EBPF, record);
}

static int start(struct tracer *t, const struct tracer_options *o, const char **step)
{
	int err;

	*step = "load";
	err = load(t, o);
	if (err)
		return err;
	*step = "attach";
	err = open_rings(t);
	if (!err)
		err = follow_open(t);
	if (!err)
		err = attach_hooks(t);
	if (err)
		return err;
	*step = "begin to follow";
	return follow_options(t, o);
}

int tracer_load(struct tracer **out, const struct tracer_options *o, char *error, unsigned error_size)
{
	struct tracer *t = calloc(1, sizeof(*t));
	const char *step = "begin";
	int err = -ENOMEM;

	if (t) {
		t->all = o->all;
		t->ports = o->ports;
		t->port_count = o->port_count;
		t->assembler = assembler_new(0, feed, t);
	}
	if (t && t->assembler && o->keep_query)
		assembler_keep_query(t->assembler);
	if (t && t->assembler)
		err = start(t, o, &step);
	if (err) {
		snprintf(error, error_size, "the tracer could not %s: %s (AFTERSHOCK_DEBUG=1 shows what libbpf says)", step,
			 strerror(-err));
		tracer_close(t);
		return err;
	}
	t->port_count = 0;
	*out = t;
	return 0;
}

int tracer_begin(struct tracer *t, struct recorder *r, uint64_t run_started_ns)
{
	t->recorder = r;
	t->run_started_ns = run_started_ns;
	t->ticked_ns = t->looked_ns = clock_now_ns();
	return follow_begin(t);
}

void tracer_started(struct tracer *t, uint64_t run_started_ns)
{
	t->run_started_ns = run_started_ns;
}

/* Before 5.19 bpf(2) wants CAP_BPF of whoever looks into a map, where unprivileged BPF is switched off; since then, of whoever makes one. */
bool tracer_works_unprivileged(const struct tracer *t)
{
	uint32_t key = 0, next;

	return !bpf_map_get_next_key(bpf_map__fd(t->programs->maps.control), &key, &next) || errno != EPERM;	/* of a ring: not EPERM, but no key */
}

void tracer_finish(struct tracer *t)
{
	drain_until(t, UINT64_MAX);
	follow_last_look(t);
	assembler_finish(t->assembler, clock_now_ns());
	latency_finish(t);
	tracer_sample(t);
}

void tracer_close(struct tracer *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < t->link_count; i++)
		bpf_link__destroy(t->links[i]);
	ring_close(&t->data);
	ring_close(&t->control);
	follow_close(t);
	tracer_bpf__destroy(t->programs);
	assembler_free(t->assembler);
	processes_free(&t->processes);
	order_free(&t->order);
	free(t);
}

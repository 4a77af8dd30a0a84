/* SPDX-License-Identifier: MIT */
#include "ebpf/witness.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/clock.h"
#include "ebpf/tracer.skel.h"

enum { TCP_ESTABLISHED = 1, TCP_SYN_SENT, TCP_CLOSE_WAIT = 8, TCP_LISTEN = 10 };	/* net/tcp_states.h */

int follow_open(struct tracer *t)
{
	void *map = mmap(NULL, EVENT_PIDS, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(t->programs->maps.followed), 0);

	if (map == MAP_FAILED)
		return -errno;
	t->followed = map;
	return 0;
}

void follow_close(struct tracer *t)
{
	if (t->followed)
		munmap(t->followed, EVENT_PIDS);
}

/* The kernel first, so that a child born from now on is followed by its fork; then the table. */
static int add(struct tracer *t, uint32_t pid)
{
	struct processes_entry *e;

	if (pid >= EVENT_PIDS)
		return -ESRCH;
	__atomic_store_n(&t->followed[pid], 1, __ATOMIC_SEQ_CST);
	e = processes_add(&t->processes, pid);
	if (e)
		e->given = true;
	return e ? 0 : -ENOMEM;
}

struct search {
	struct tracer *t;
	const char *comm;
	int found, err;
};

static bool is_followed(const struct tracer *t, uint32_t pid)
{
	return processes_find(&t->processes, pid) != NULL;
}

static int add_child(void *arg, const struct proc *p)
{
	struct search *s = arg;

	if (!is_followed(s->t, p->ppid) || is_followed(s->t, p->pid) || p->pid == (uint32_t)getpid())
		return 0;
	s->found++;
	s->err = add(s->t, p->pid);
	return s->err;
}

/* Each pass finds a generation more; those born meanwhile are found by their fork. */
static int add_descendants(struct tracer *t)
{
	struct search s = {.t = t};

	do {
		s.found = 0;
		proc_each(add_child, &s);
	} while (s.found && !s.err);
	return s.err;
}

/* Our own child that has not called exec yet is named by that. What is known already was read with more rights than we may have now. */
static void describe_all(struct tracer *t)
{
	struct processes_entry *e;
	struct proc p;

	LIST_FOREACH (e, &t->processes.all, all) {
		if (e->told || (!e->p.service[0] && proc_read(e->p.pid, &p)))
			continue;
		if (!e->p.service[0] && p.ppid == (uint32_t)getpid())
			continue;
		if (!e->p.service[0])
			e->p = p;
		testimony_process(t, e);
	}
}

/* Looked at again when it is marked: from then on the kernel tells of its end, and takes the mark away. */
static int add_living(struct tracer *t, uint32_t pid)
{
	int err = add(t, pid);

	if (err || !proc_ended(pid))
		return err;
	t->followed[pid] = 0;
	processes_remove(&t->processes, pid);
	return -ESRCH;
}

int follow_pid(struct tracer *t, uint32_t given)
{
	uint32_t pid = proc_of_thread(given);
	int err = 0;

	if (!pid)
		err = -ESRCH;
	else if (pid == (uint32_t)getpid())
		err = -EINVAL;
	if (!err)
		err = add_living(t, pid);
	if (!err)
		err = add_descendants(t);
	if (!err)
		describe_all(t);
	return err;
}

static int add_named(void *arg, const struct proc *p)
{
	struct search *s = arg;

	if (strncmp(p->comm, s->comm, sizeof(p->comm) - 1) || p->pid == (uint32_t)getpid())
		return 0;
	s->err = add(s->t, p->pid);
	return s->err;
}

int follow_comm(struct tracer *t, const char *comm)
{
	struct search s = {.t = t, .comm = comm};
	char key[16] = "";
	uint8_t one = 1;

	strncat(key, comm, sizeof(key) - 1);
	if (bpf_map_update_elem(bpf_map__fd(t->programs->maps.comms), key, &one, BPF_ANY))
		return -errno;
	proc_each(add_named, &s);
	if (!s.err)
		s.err = add_descendants(t);
	if (!s.err)
		describe_all(t);
	return s.err;
}

/* ---- the snapshot ---- */

static bool port_wanted(const struct tracer *t, uint16_t port)
{
	for (unsigned i = 0; i < t->port_count; i++)
		if (t->ports[i] == port)
			return true;
	return false;
}

/*
 * First pass: who listens, and who has to do with a wanted port. Not init: it holds the listeners that it opens for others (socket
 * activation), and everyone is its child.
 */
static void look(struct tracer *t, const struct event_socket *s)
{
	if (s->state == TCP_LISTEN)
		t->listening[s->ends.local_port / 8] |= (uint8_t)(1 << s->ends.local_port % 8);
	if (s->tgid == (uint32_t)getpid() || s->tgid == 1 || is_followed(t, s->tgid))
		return;
	if (t->look_err || !(port_wanted(t, s->ends.local_port) || port_wanted(t, s->ends.peer_port)))
		return;
	t->look_err = follow_pid(t, s->tgid);
	if (t->look_err == -ESRCH)	/* it went as we looked */
		t->look_err = 0;
}

static void take_up(struct tracer *t, const struct event_socket *s)
{
	struct assembler_moment m = {.cookie = s->cookie, .pid = s->tgid};

	if (s->state != TCP_ESTABLISHED && s->state != TCP_CLOSE_WAIT && s->state != TCP_SYN_SENT)
		return;
	if (s->tgid == (uint32_t)getpid() || !(t->all || is_followed(t, s->tgid)))
		return;
	if (assembler_knows(t->assembler, s->cookie))
		return;
	m.enter_ns = m.exit_ns = clock_now_ns();
	testimony_take_up(t, &m, s->state != TCP_SYN_SENT, &s->ends);
	if (s->state != TCP_SYN_SENT)
		assembler_place(t->assembler, s->cookie, s->position);
}

static void last_look(struct tracer *t, const struct event_socket *s)
{
	if (assembler_knows(t->assembler, s->cookie))
		testimony_facts(t, s->cookie, NULL, &s->facts);	/* bytes may be on their way: where it stands says nothing */
}

static int each_socket(struct tracer *t, int iterator, void (*fn)(struct tracer *t, const struct event_socket *s))
{
	struct event_socket sockets[64];
	size_t got = 0;
	ssize_t n;

	while ((n = read(iterator, (char *)sockets + got, sizeof(sockets) - got)) > 0) {
		got += (size_t)n;
		for (size_t i = 0; i < got / sizeof(*sockets); i++)
			fn(t, &sockets[i]);
		memmove(sockets, (char *)sockets + got / sizeof(*sockets) * sizeof(*sockets), got % sizeof(*sockets));
		got %= sizeof(*sockets);
	}
	return n < 0 ? -errno : 0;
}

static int pass(struct tracer *t, struct bpf_link *link, void (*fn)(struct tracer *t, const struct event_socket *s))
{
	int iterator = bpf_iter_create(bpf_link__fd(link)), err;

	if (iterator < 0)
		return -errno;
	err = each_socket(t, iterator, fn);
	close(iterator);
	return err;
}

static int passes(struct tracer *t, void (*first)(struct tracer *t, const struct event_socket *s),
		  void (*second)(struct tracer *t, const struct event_socket *s))
{
	struct bpf_link *link = bpf_program__attach_iter(t->programs->progs.snapshot, NULL);
	int err;

	if (!link)
		return -errno;
	err = pass(t, link, first);
	if (!err)
		err = t->look_err;
	if (!err && second)
		err = pass(t, link, second);
	bpf_link__destroy(link);
	return err;
}

int follow_snapshot(struct tracer *t)
{
	memset(t->listening, 0, sizeof(t->listening));
	t->look_err = 0;
	return passes(t, look, t->recorder ? take_up : NULL);
}

int follow_begin(struct tracer *t)
{
	describe_all(t);
	return follow_snapshot(t);
}

int follow_last_look(struct tracer *t)
{
	return passes(t, last_look, NULL);
}

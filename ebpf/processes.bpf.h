/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whom the BPF programs follow, and what they tell of births, images and deaths.
 * For BPF programs only.
 */
#ifndef AFTERSHOCK_EBPF_PROCESSES_BPF_H
#define AFTERSHOCK_EBPF_PROCESSES_BPF_H

#include "ebpf/maps.bpf.h"

/* ---- who is followed ---- */

static __always_inline __u8 *mark_of(__u32 tgid)
{
	__u32 page = tgid / EVENT_PIDS_PAGE;
	struct event_followed *f = bpf_map_lookup_elem(&followed, &page);

	return f ? &f->pid[tgid % EVENT_PIDS_PAGE] : NULL;
}

static __always_inline bool is_chosen(__u32 tgid)
{
	__u8 *mark = mark_of(tgid);

	return mark && *mark;
}

static __always_inline bool is_followed(__u32 tgid)
{
	return follow_all ? tgid != self_tgid : is_chosen(tgid);
}

static __always_inline bool current_is_followed(void)
{
	return is_followed(bpf_get_current_pid_tgid() >> 32);
}

static __always_inline void follow(__u32 tgid)
{
	__u8 *mark = mark_of(tgid);

	if (mark && tgid != self_tgid)
		*mark = 1;
}

/* The number is free for another process from now on. */
static __always_inline void unfollow(__u32 tgid)
{
	__u8 *mark = mark_of(tgid);

	if (mark)
		*mark = 0;
}

static __always_inline bool port_is_wanted(__u16 port)
{
	return follow_ports && bpf_map_lookup_elem(&ports, &port);
}

/* ---- telling of one ---- */

static __always_inline struct event_process *begin_process(__u16 kind, __u32 tgid, __u32 parent)
{
	struct event_process *p = bpf_ringbuf_reserve(&control, sizeof(*p), 0);

	if (!p) {
		lose(EVENT_LOST_CONTROL_RING);
		return NULL;
	}
	p->kind = kind;
	p->args_len = 0;
	p->tgid = tgid;
	p->parent = parent;
	p->code = 0;
	p->at_ns = bpf_ktime_get_ns();
	__builtin_memset(p->comm, 0, sizeof(p->comm));
	return p;
}

/* The current process with its command line: the strings stay where exec put them, or where the program put others. */
static __always_inline void introduce_current(__u16 kind, struct task_struct *task, __u32 tgid)
{
	struct event_process *p = begin_process(kind, tgid, BPF_CORE_READ(task, real_parent, tgid));
	__u64 start, n;

	if (!p)
		return;
	bpf_get_current_comm(p->comm, sizeof(p->comm));
	start = BPF_CORE_READ(task, mm, arg_start);
	n = BPF_CORE_READ(task, mm, arg_end) - start;
	asm volatile("" : "+r"(n));
	if (n > EVENT_ARGS_MAX)
		n = EVENT_ARGS_MAX;
	if (n && !bpf_probe_read_user(p->args, n, (void *)start))
		p->args_len = n;
	bpf_ringbuf_submit(p, wake(&control));
}

static __always_inline void follow_by_port(__u32 tgid, __u16 port)
{
	if (!port_is_wanted(port) || tgid == self_tgid || is_chosen(tgid))
		return;
	follow(tgid);
	introduce_current(EVENT_MET, (void *)bpf_get_current_task(), tgid);
}

/* ---- births and deaths ---- */

/* Runs before the child does, so nothing of it is missed. It fires for threads as well. */
SEC("tp_btf/sched_process_fork") int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 from = parent->tgid, to = child->tgid;
	struct event_process *p;

	if (from == to || !is_followed(from))
		return 0;
	if (!follow_all)
		follow(to);
	p = begin_process(EVENT_FORK, to, from);
	if (p)
		bpf_ringbuf_submit(p, wake(&control));
	return 0;
}

static __always_inline void follow_by_comm(__u32 tgid)
{
	char comm[16] = {};

	if (!follow_comms || bpf_get_current_comm(comm, sizeof(comm)))
		return;
	if (bpf_map_lookup_elem(&comms, comm))
		follow(tgid);
}

SEC("tp_btf/sched_process_exec") int BPF_PROG(on_exec, struct task_struct *task)
{
	__u32 tgid = task->tgid;

	follow_by_comm(tgid);
	if (is_followed(tgid))
		introduce_current(EVENT_EXEC, task, tgid);
	return 0;
}

/* Threads can outlive their leader: a process ends with its last thread. */
SEC("tp_btf/sched_process_exit") int BPF_PROG(on_exit, struct task_struct *task)
{
	__u32 tid = task->pid, tgid = task->tgid, code;
	struct event_process *p;

	bpf_map_delete_elem(&calls, &tid);
	if (!is_followed(tgid) || BPF_CORE_READ(task, signal, live.counter))
		return 0;
	unfollow(tgid);
	code = BPF_CORE_READ(task, signal, group_exit_code);
	p = begin_process(EVENT_EXIT, tgid, 0);
	if (!p)
		return 0;
	p->code = code ? code : task->exit_code;
	bpf_ringbuf_submit(p, wake(&control));
	return 0;
}

#endif

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

/* Whether what the current thread asks of the kernel is asked in the way of 32-bit programs, which is not followed. */
static __always_inline bool is_compat(void)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return IS_COMPAT(task);
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

/* Its number in its own namespace: the last of those that it has, one for each level. */
static __always_inline void describe_namespace(struct event_process *p, const struct task_struct *task)
{
	const struct pid *pid = BPF_CORE_READ(task, group_leader, thread_pid);
	__u32 level = BPF_CORE_READ(pid, level);
	struct pid_namespace *ns = NULL;
	const char *number;
	int nr = 0;

	p->inner_pid = p->pid_ns = 0;
	if (!level)
		return;
	number = (const char *)pid + bpf_core_field_offset(struct pid, numbers) + level * bpf_core_type_size(struct upid);
	bpf_probe_read_kernel(&nr, sizeof(nr), number + bpf_core_field_offset(struct upid, nr));
	bpf_probe_read_kernel(&ns, sizeof(ns), number + bpf_core_field_offset(struct upid, ns));
	p->inner_pid = nr;
	if (bpf_core_field_exists(ns->ns.inum))
		p->pid_ns = BPF_CORE_READ(ns, ns.inum);
}

static __always_inline void describe_process(struct event_process *p, __u16 kind, const struct task_struct *task, __u32 parent)
{
	p->kind = kind;
	p->reserved = 0;
	p->tgid = BPF_CORE_READ(task, tgid);
	p->parent = parent;
	p->code = 0;
	p->at_ns = bpf_ktime_get_ns();
	describe_namespace(p, task);
	__builtin_memset(p->comm, 0, sizeof(p->comm));
}

static __always_inline void tell_life(__u16 kind, const struct task_struct *task, __u32 parent, __u32 code)
{
	struct event_process *p = bpf_ringbuf_reserve(&control, sizeof(*p), 0);

	if (!p) {
		lose(EVENT_LOST_CONTROL_RING);
		return;
	}
	describe_process(p, kind, task, parent);
	p->code = code;
	bpf_ringbuf_submit(p, BPF_RB_NO_WAKEUP);
}

/* ---- what a process runs ---- */

/* As words of the machine, whatever its order of bytes. */
static const union {
	char text[24];
	__u64 words[3];
} names_of_service[] = {{"AFTERSHOCK_SERVICE="}, {"OTEL_SERVICE_NAME="}};

static __always_inline bool is_variable(const struct introduction *in, int which, __u32 length)
{
	__u64 mask = 0;

	if (in->string.words[0] != names_of_service[which].words[0] || in->string.words[1] != names_of_service[which].words[1])
		return false;
	__builtin_memset(&mask, 0xff, length - 16);
	return (in->string.words[2] & mask) == names_of_service[which].words[2];
}

static __always_inline bool take_service(struct introduction *in, __u32 name_length)
{
	return bpf_probe_read_kernel_str(in->image.service, sizeof(in->image.service), in->string.text + name_length) > 1;
}

/* Looks at the next string; whether there is more to look for. All that is known is in map memory: see gather_one(). */
static __always_inline bool read_variable(struct introduction *in)
{
	long n = bpf_probe_read_user_str(in->string.text, sizeof(in->string.text), (void *)in->at);
	bool inside = in->inside;

	if (n <= 0)
		return false;
	in->inside = n == sizeof(in->string.text);	/* (or just fits: then the next one is empty) */
	in->at += in->inside ? n - 1 : n;
	if (!inside && is_variable(in, 0, 19) && take_service(in, 19)) {
		in->image.whole_environment = 1;
		return false;
	}
	if (!inside && !in->image.service[0] && is_variable(in, 1, 18))
		take_service(in, 18);
	if (in->at >= in->end)
		in->image.whole_environment = 1;
	return in->at < in->end;
}

static __always_inline void read_environment(struct introduction *in, const struct task_struct *task)
{
	in->at = BPF_CORE_READ(task, mm, env_start);
	in->end = BPF_CORE_READ(task, mm, env_end);
	in->inside = 0;
	in->image.service[0] = 0;
	in->image.whole_environment = in->at == in->end;
	for (int i = 0; i < 512 && in->at < in->end; i++)
		if (!read_variable(in))
			break;
}

static __always_inline void read_arguments(struct introduction *in, const struct task_struct *task)
{
	__u64 start = BPF_CORE_READ(task, mm, arg_start), n = BPF_CORE_READ(task, mm, arg_end) - start;

	asm volatile("" : "+r"(n));
	if (n > EVENT_ARGS_MAX)
		n = EVENT_ARGS_MAX;
	in->image.args_len = n && !bpf_probe_read_user(in->image.args, n, (void *)start) ? n : 0;
}

/* The current process with what it runs: the strings stay where exec put them, or where the program put others. */
static __always_inline void introduce_current(__u16 kind, struct task_struct *task)
{
	__u32 zero = 0;
	struct introduction *in = bpf_map_lookup_elem(&introductions, &zero);
	__u64 n;

	if (!in)
		return;
	describe_process(&in->p, kind, task, BPF_CORE_READ(task, real_parent, tgid));
	bpf_get_current_comm(in->p.comm, sizeof(in->p.comm));
	in->image.exe[0] = 0;
	bpf_probe_read_kernel_str(in->image.exe, sizeof(in->image.exe), BPF_CORE_READ(task, mm, exe_file, f_path.dentry, d_name.name));
	read_arguments(in, task);
	read_environment(in, task);
	n = in->image.args_len;
	asm volatile("" : "+r"(n));
	if (n > EVENT_ARGS_MAX)
		return;
	if (bpf_ringbuf_output(&control, in, offsetof(struct introduction, image.args) + n, BPF_RB_NO_WAKEUP))
		lose(EVENT_LOST_CONTROL_RING);
}

static __always_inline void follow_by_port(__u32 tgid, __u16 port)
{
	if (!port_is_wanted(port) || tgid == self_tgid || tgid == 1 || is_chosen(tgid))	/* never init: see look() in follow.c */
		return;
	follow(tgid);
	introduce_current(EVENT_MET, (void *)bpf_get_current_task());
}

/* ---- births and deaths ---- */

/* Runs before the child does, so nothing of it is missed. It fires for threads as well. */
SEC("tp_btf/sched_process_fork") int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 from = parent->tgid, to = child->tgid;

	if (from == to || !is_followed(from))
		return 0;
	if (!follow_all)
		follow(to);
	tell_life(EVENT_FORK, child, from, 0);
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

/* A thread that calls exec becomes its process's first: its own number is gone without an exit. */
SEC("tp_btf/sched_process_exec") int BPF_PROG(on_exec, struct task_struct *task, int old_tid)
{
	__u32 tgid = task->tgid, tid = old_tid;

	if (tid != tgid)
		bpf_map_delete_elem(&calls, &tid);
	follow_by_comm(tgid);
	if (is_followed(tgid))
		introduce_current(EVENT_EXEC, task);
	return 0;
}

/* Threads can outlive their leader: a process ends with its last thread. */
SEC("tp_btf/sched_process_exit") int BPF_PROG(on_exit, struct task_struct *task)
{
	__u32 tid = task->pid, tgid = task->tgid, code;

	bpf_map_delete_elem(&calls, &tid);
	if (!is_followed(tgid) || BPF_CORE_READ(task, signal, live.counter))
		return 0;
	unfollow(tgid);
	code = BPF_CORE_READ(task, signal, group_exit_code);
	tell_life(EVENT_EXIT, task, 0, code ? code : task->exit_code);
	return 0;
}

#endif

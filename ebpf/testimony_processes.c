/* SPDX-License-Identifier: MIT */
#include "ebpf/witness.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static void tell_inside(struct tracer *t, const struct proc *p, bool born)
{
	if (p->inner_pid)
		recorder_process_inside(t->recorder, p->pid, p->inner_pid, p->pid_ns, born);
}

static void tell_process(struct tracer *t, const struct proc *p, uint64_t at_ns, bool image)
{
	struct journal_record r;

	tell_inside(t, p, !image);
	memset(&r, 0, sizeof(r));
	r.commit = JOURNAL_PROCESS;
	r.pid = p->pid;
	r.at_ns = at_ns;
	r.process.ppid = p->ppid;
	r.process.image = image;
	snprintf(r.process.service, sizeof(r.process.service), "%s", p->service);
	snprintf(r.process.command, sizeof(r.process.command), "%s", p->command);
	recorder_feed(t->recorder, RECORDER_EBPF, &r);
}

void testimony_process(struct tracer *t, struct processes_entry *e)
{
	struct proc now;

	if (e->told || !t->recorder)
		return;
	if (!e->p.service[0]) {
		if (proc_read(e->p.pid, &now))	/* gone: if it called exec, the record of that names it */
			return;
		e->p = now;
	}
	e->told = true;
	tell_inside(t, &e->p, false);
	recorder_process(t->recorder, e->p.pid, e->p.ppid, e->p.service, e->p.command, e->p.started_ns, false, NULL);
}

void testimony_meet(struct tracer *t, uint32_t pid)
{
	struct processes_entry *e = processes_find(&t->processes, pid);

	if (!e && (t->all || t->followed[pid]))	/* (its fork was lost) */
		e = processes_add(&t->processes, pid);
	if (e)
		testimony_process(t, e);
}

static void on_fork(struct tracer *t, const struct event_process *p)
{
	struct processes_entry *child = processes_add(&t->processes, p->tgid);
	const struct processes_entry *parent = processes_find(&t->processes, p->parent);

	if (!child)
		return;
	if (parent)
		child->p = parent->p;
	child->p.pid = p->tgid;
	child->p.ppid = p->parent;
	child->p.started_ns = p->at_ns;
	child->p.inner_pid = p->inner_pid;
	child->p.pid_ns = p->pid_ns;
	child->told = !t->all;
	if (!t->all)
		tell_process(t, &child->p, p->at_ns, false);
}

/* Names a process as the kernel saw it: one that was short-lived may be gone from /proc by now. */
static struct processes_entry *name(struct tracer *t, const struct event_process *p)
{
	const struct event_image *seen = (const void *)(p + 1);
	struct processes_entry *e = processes_add(&t->processes, p->tgid);
	struct proc_image image = {.args = seen->args, .n = seen->args_len, .comm = e ? e->p.comm : "", .exe = seen->exe,
				   .service = seen->service, .whole_environment = seen->whole_environment};

	if (!e)
		return NULL;
	e->p.ppid = p->parent;
	if (!e->p.started_ns)
		e->p.started_ns = p->at_ns;
	memcpy(e->p.comm, p->comm, sizeof(e->p.comm));
	e->p.comm[sizeof(e->p.comm) - 1] = '\0';
	e->p.inner_pid = p->inner_pid;
	e->p.pid_ns = p->pid_ns;
	proc_name(p->tgid, &image, &e->p);
	return e;
}

static void on_met(struct tracer *t, const struct event_process *p)
{
	struct processes_entry *e = name(t, p);

	if (e)
		testimony_process(t, e);
}

static void on_exec(struct tracer *t, const struct event_process *p)
{
	struct processes_entry *e = name(t, p);

	if (!e)
		return;
	if (!t->all || e->told)
		tell_process(t, &e->p, p->at_ns, true);
	e->told |= !t->all;
}

static int exit_status(uint32_t code)
{
	return code & 0x7f ? 128 + (int)(code & 0x7f) : (int)(code >> 8 & 0xff);
}

static void end(struct tracer *t, uint32_t pid, uint64_t at_ns, int status)
{
	const struct processes_entry *e = processes_find(&t->processes, pid);

	assembler_exited(t->assembler, pid, at_ns);
	if (e && e->told)
		recorder_process_end(t->recorder, pid, at_ns, status);
	processes_remove(&t->processes, pid);
}

/* The kernel takes the mark of who ends away. Whom we marked just after that keeps it; who is followed because everyone is has none. */
static bool is_gone(const struct tracer *t, const struct processes_entry *e)
{
	if (!t->all && !t->followed[e->p.pid])
		return true;
	if (e->given)
		return proc_ended(e->p.pid);
	return kill((pid_t)e->p.pid, 0) && errno == ESRCH;
}

/* Twice in a row, so that an end which is only on its way is told first. */
void testimony_look_for_the_dead(struct tracer *t, uint64_t now_ns)
{
	struct processes_entry *e, *next;

	for (e = LIST_FIRST(&t->processes.all); e; e = next) {
		bool gone = is_gone(t, e);

		next = LIST_NEXT(e, all);
		if (gone && e->missed) {
			if (!t->all)
				t->followed[e->p.pid] = 0;
			end(t, e->p.pid, now_ns, -1);
		} else {
			e->missed = gone;
		}
	}
}

void testimony_take_process(struct tracer *t, const struct event_process *p)
{
	switch (p->kind) {
	case EVENT_FORK:
		on_fork(t, p);
		break;
	case EVENT_EXEC:
		on_exec(t, p);
		break;
	case EVENT_MET:
		on_met(t, p);
		break;
	case EVENT_EXIT:
		end(t, p->tgid, p->at_ns, exit_status(p->code));
		break;
	}
}

/* SPDX-License-Identifier: MIT */
#include "record/assembler.h"
#include "record/ledger.h"

#include <stdlib.h>
#include <string.h>

void process_dirty(struct recorder *r, struct process *p)
{
	if (p->dirty)
		return;
	p->dirty = true;
	TAILQ_INSERT_TAIL(&r->dirty_processes, p, dirt);
}

/* As the process itself knows it. */
static uint32_t shown_pid(uint32_t pid)
{
	return pid & JOURNAL_PID_APART ? pid & JOURNAL_PID_INSIDE : pid;
}

static struct process *process_new(struct recorder *r, uint32_t pid)
{
	struct process *p = ledger_new(r, sizeof(*p));

	if (!p || index_put(&r->pids, pid, p)) {
		free(p);
		return NULL;
	}
	p->id = ++r->process_ids;
	p->pid = pid;
	p->exit_status = -1;
	LIST_INIT(&p->uses);
	LIST_INIT(&p->exchanges);
	TAILQ_INSERT_TAIL(&r->processes, p, all);
	process_dirty(r, p);
	return p;
}

struct process *process_of(struct recorder *r, uint32_t pid)
{
	struct process *p = pid ? index_get(&r->pids, pid) : NULL;

	return p || !pid ? p : process_new(r, pid);
}

/* ---- two names for one ---- */

/*
 * A process in a container is heard of twice: by the pid it has there, from the library, and by the one it has here, from the
 * kernel. Who was heard first is the process, even if it has ended meanwhile; the other name leads to it too.
 */
static struct process *known_inside(struct recorder *r, uint32_t apart)
{
	struct process *p = index_get(&r->pids, apart);

	return p && p->pid == apart ? p : NULL;
}

static void name_here(struct recorder *r, struct process *p, uint32_t pid)
{
	if (index_put(&r->pids, pid, p))
		return;
	p->pid = pid;
	if (!p->parent_id)
		p->ppid = 0;	/* its parent lives elsewhere: the kernel knows who that is */
}

void recorder_process_inside(struct recorder *r, uint32_t pid, uint32_t inner_pid, uint64_t pid_ns, bool born)
{
	uint32_t apart = journal_pid_apart(pid_ns) | (inner_pid & JOURNAL_PID_INSIDE);
	struct process *p = index_get(&r->pids, pid), *inside = known_inside(r, apart);

	if (p && born && !p->ended_ns && (inside || p->forked & 1u << EBPF))
		process_ended(r, pid, clock_now_ns(), -1, false);	/* an end that was not told: the number is another's now */
	if (!p || (p->ended_ns && (born || p->apart != apart)))
		p = inside ? inside : process_new(r, pid);
	if (!p)
		return;
	if (p == inside)
		name_here(r, p, pid);
	else if (index_put(&r->pids, apart, p))
		return;
	p->apart = apart;
	p->pid_ns = pid_ns;
	process_dirty(r, p);
}

/* ---- coverage ---- */

static bool covered(const struct process *p)
{
	if (p->library_ns)
		return p->library_ns >= p->exec_ns;
	return p->inherits && !p->exec_ns;
}

/* ---- who it is ---- */

static void set_text(struct recorder *r, char **where, const char *text, size_t n)
{
	char *copy = text && *text ? ledger_text(r, text, n) : NULL;

	if (!copy)
		return;
	free(*where);
	*where = copy;
}

static void set_parent(struct recorder *r, struct process *p, uint32_t ppid)
{
	struct process *parent = ppid ? index_get(&r->pids, ppid) : NULL;

	if (p->ppid)
		return;
	p->ppid = ppid;
	p->parent_id = parent && parent != p ? parent->id : 0;
}

static void set_started(struct process *p, uint64_t at_ns)
{
	if (at_ns && (!p->started_ns || at_ns < p->started_ns))
		p->started_ns = at_ns;
}

/*
 * Whether this word is about a new process with an old one's number: it comes after that one's end, or is a second fork
 * of the same number.
 */
static bool starts_anew(const struct process *p, const struct journal_record *rec, int witness)
{
	if (p->ended_ns && rec->at_ns > p->ended_ns)
		return true;
	return !rec->process.image && (p->forked & 1u << witness);
}

static bool parent_covered(struct recorder *r, uint32_t ppid)
{
	const struct process *parent = ppid ? index_get(&r->pids, ppid) : NULL;

	return parent && covered(parent);
}

/* A fork is what its parent is: the name that the parent itself gave goes before the one read from outside. */
static void set_name(struct recorder *r, struct process *p, const struct journal_record *rec)
{
	const struct process *parent = rec->process.image ? NULL : index_get(&r->pids, rec->process.ppid);

	if (parent && parent != p && parent->service && parent->command) {
		set_text(r, &p->service, parent->service, SIZE_MAX);
		set_text(r, &p->command, parent->command, SIZE_MAX);
		return;
	}
	set_text(r, &p->service, rec->process.service, sizeof(rec->process.service));
	set_text(r, &p->command, rec->process.command, sizeof(rec->process.command));
}

static void kernel_saw(struct recorder *r, struct process *p, const struct journal_record *rec)
{
	if (rec->process.image)
		p->exec_ns = rec->at_ns > p->exec_ns ? rec->at_ns : p->exec_ns;
	else
		p->inherits = parent_covered(r, rec->process.ppid);
}

void process_testimony(struct recorder *r, int witness, const struct journal_record *rec)
{
	struct process *p = index_get(&r->pids, rec->pid);

	if (p && starts_anew(p, rec, witness)) {
		if (!p->ended_ns)
			process_ended(r, rec->pid, rec->at_ns, -1, false);
		p = process_new(r, rec->pid);
	} else {
		p = process_of(r, rec->pid);
	}
	if (!p)
		return;
	if (!rec->process.image)
		p->forked |= 1u << witness;
	set_parent(r, p, rec->process.ppid);
	set_started(p, rec->at_ns);
	if (witness == SHIM || rec->at_ns >= p->library_ns)
		set_name(r, p, rec);
	if (witness == EBPF)
		kernel_saw(r, p, rec);
	else if (rec->at_ns > p->library_ns)
		p->library_ns = rec->at_ns;
	process_dirty(r, p);
}

void exec_testimony(struct recorder *r, int witness, const struct journal_record *rec)
{
	struct process *p = process_of(r, rec->pid);

	if (!p)
		return;
	set_parent(r, p, rec->process.ppid);
	if (rec->process.image) {
		set_started(p, rec->at_ns);
		set_text(r, &p->program, rec->process.command, sizeof(rec->process.command));
		p->exec_before_ns = p->exec_ns;
		p->exec_ns = rec->at_ns > p->exec_ns ? rec->at_ns : p->exec_ns;
		p->asked = false;
	} else {
		p->exec_ns = p->exec_before_ns;
		p->library_ns = rec->at_ns;	/* it is the library that says so: it is still there */
		if (!p->service)
			set_name(r, p, rec);
	}
	process_dirty(r, p);
}

/* A process told about from outside has been exec'd when it was a fork of a covered one and now runs another command. */
static bool changed_command(const struct process *p, const char *command)
{
	return p->inherits && p->command && command && strcmp(p->command, command) != 0;
}

void recorder_process(struct recorder *r, uint32_t pid, uint32_t ppid, const char *service, const char *command,
		      uint64_t started_ns, bool is_covered, const char *why)
{
	struct process *p = index_get(&r->pids, pid);

	if (p && p->ended_ns && started_ns > p->ended_ns)
		p = process_new(r, pid);
	else if (!p)
		p = process_of(r, pid);
	if (!p)
		return;
	set_parent(r, p, ppid);
	set_started(p, started_ns);
	if (changed_command(p, command))
		p->exec_ns = clock_now_ns();
	if (is_covered)
		p->library_ns = clock_now_ns();
	if (!covered(p) || !p->service)
		set_text(r, &p->service, service, SIZE_MAX);
	if (!covered(p) || !p->command)
		set_text(r, &p->command, command, SIZE_MAX);
	set_text(r, &p->why, why, SIZE_MAX);
	process_dirty(r, p);
}

/* ---- its end ---- */

void process_ended(struct recorder *r, uint32_t pid, uint64_t at_ns, int exit_status, bool orderly)
{
	struct process *p = index_get(&r->pids, pid);

	if (!p)
		return;
	if (!p->ended_ns || (!orderly && !p->orderly && at_ns < p->ended_ns))
		p->ended_ns = at_ns;
	if (!p->end_heard_ns)
		p->end_heard_ns = clock_now_ns();
	p->orderly |= orderly;
	if (exit_status >= 0)
		p->exit_status = exit_status;
	process_dirty(r, p);
}

void recorder_process_end(struct recorder *r, uint32_t pid, uint64_t ended_ns, int exit_status)
{
	process_ended(r, pid, ended_ns, exit_status, false);
}

unsigned recorder_live_pids(const struct recorder *r, uint32_t *pids, unsigned max)
{
	struct process *p;
	unsigned n = 0;

	TAILQ_FOREACH (p, &r->processes, all) {
		if (!p->ended_ns && n < max)
			pids[n++] = p->pid;
	}
	return n;
}

/* Long enough in a program for the library to have said that it is there; a process that ended has said what it had to say. */
static bool silent(const struct recorder *r, const struct process *p)
{
	uint64_t since = p->ended_ns ? p->end_heard_ns : p->exec_ns;

	return !p->why && !p->asked && !covered(p) && p->exec_ns && r->now_ns > since + (p->ended_ns ? LEDGER_END_NS : LEDGER_JOIN_NS);
}

unsigned recorder_silent(struct recorder *r, bool final, struct recorder_silent *list, unsigned max)
{
	struct process *p;
	unsigned n = 0;

	TAILQ_FOREACH (p, &r->processes, all) {
		if (n == max || !(final ? !p->why && !p->asked && !covered(p) && p->exec_ns : silent(r, p)))
			continue;
		p->asked = true;
		list[n++] = (struct recorder_silent){p->pid, p->program ? p->program : p->command, !p->ended_ns};
	}
	return n;
}

static void settle(struct recorder *r, struct process *p, bool final)
{
	struct exchange *e;
	struct use *u;

	while ((e = LIST_FIRST(&p->exchanges)))
		exchange_store_open(r, e);
	LIST_FOREACH (u, &p->uses, of_process)
		if (final || !(u->serial & ASSEMBLER_SERIAL))	/* others may hold it: the kernel tells when it ends */
			connection_use_ends(r, u, p->ended_ns, JOURNAL_EXITED);
	p->settled = true;
}

static void forget(struct recorder *r, struct process *p)
{
	if (index_get(&r->pids, p->pid) == p)
		index_remove(&r->pids, p->pid);
	if (p->apart && index_get(&r->pids, p->apart) == p)
		index_remove(&r->pids, p->apart);
	TAILQ_REMOVE(&r->processes, p, all);
	if (p->dirty)
		TAILQ_REMOVE(&r->dirty_processes, p, dirt);
	free(p->service);
	free(p->command);
	free(p->why);
	free(p->program);
	free(p);
}

void processes_settle(struct recorder *r, bool final)
{
	struct process *p, *next;

	for (p = TAILQ_FIRST(&r->processes); p; p = next) {
		uint64_t age = p->ended_ns ? r->now_ns - p->end_heard_ns : 0;

		next = TAILQ_NEXT(p, all);
		if (p->ended_ns && !p->settled && (final || age >= LEDGER_END_NS))
			settle(r, p, final);
		if (p->settled && !p->refs && !p->dirty && age >= LEDGER_LINGER_NS)
			forget(r, p);
	}
}

/* ---- rows ---- */

static const char *why_not(const struct recorder *r, const struct process *p)
{
	if (covered(p))
		return NULL;
	if (p->why)
		return p->why;
	return r->shim ? "the library was not loaded into it" : "recorded from the kernel alone, without the library";
}

/* What never spoke for itself is called what its parent called it. */
static const char *name_of(const struct process *p)
{
	const char *slash = strrchr(p->program, '/');

	return slash && slash[1] ? slash + 1 : p->program;
}

static void process_write(struct recorder *r, struct process *p)
{
	bool named = p->program && !covered(p) && !r->ebpf;	/* (the kernel tells the whole command line) */
	struct row_process row = {
		.id = p->id, .parent_id = p->parent_id, .pid = shown_pid(p->pid), .service = named ? name_of(p) : p->service,
		.command = named ? p->program : p->command,
		.started_ns = p->started_ns, .ended_ns = p->ended_ns, .exit_status = p->exit_status,
		.covered = covered(p), .why = why_not(r, p), .inner_pid = p->apart & JOURNAL_PID_INSIDE, .pid_ns = p->pid_ns,
	};

	store_process(r->store, &row);
}

void processes_write(struct recorder *r)
{
	struct process *p;

	while ((p = TAILQ_FIRST(&r->dirty_processes))) {
		TAILQ_REMOVE(&r->dirty_processes, p, dirt);
		p->dirty = false;
		process_write(r, p);
	}
}

void process_free_all(struct recorder *r)
{
	struct process *p;

	while ((p = TAILQ_FIRST(&r->processes)))
		forget(r, p);
}

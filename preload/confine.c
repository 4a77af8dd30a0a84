/* SPDX-License-Identifier: MIT */
/*
 * A seccomp filter is a small program over the number and the arguments of a system call (seccomp(2)), which is run here as the kernel
 * will run it. What it does not know, or what is not sound in it, counts as the death of the process.
 */
#include "preload/confine.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include "preload/conn.h"
#include "preload/gate.h"
#include "preload/guest.h"
#include "preload/raw.h"
#include "preload/stream.h"
#include "preload/table.h"

#ifdef __x86_64__
#define ARCH AUDIT_ARCH_X86_64
#else
#define ARCH AUDIT_ARCH_AARCH64
#endif
#define STEPS_MAX BPF_MAXINSNS	/* jumps go forward only */

/* What the library may call after its start, as it does. */
static const struct {
	int number;
	uint64_t args[6];
} ours[] = {
	{SYS_bind, {3, 0, 16}},
	{SYS_clock_nanosleep, {CLOCK_MONOTONIC, TIMER_ABSTIME}},
	{SYS_close, {3}},
	{SYS_connect, {3, 0, 16}},
	{SYS_epoll_create1, {EPOLL_CLOEXEC}},
	{SYS_epoll_ctl, {3, EPOLL_CTL_ADD, 4}},
	{SYS_epoll_ctl, {3, EPOLL_CTL_MOD, 4}},
	{SYS_epoll_pwait, {3, 0, 1, 0, 0, 8}},	/* where the program says epoll_wait */
	{SYS_eventfd2, {0, EFD_CLOEXEC | EFD_NONBLOCK}},
	{SYS_fcntl, {3, F_GETFL}},
	{SYS_fcntl, {3, F_DUPFD_CLOEXEC, GUEST_FD_FLOOR}},
	{SYS_fstat, {3}},
	{SYS_getpeername, {3}},
	{SYS_getpid, {0}},
	{SYS_getppid, {0}},
	{SYS_getsockname, {3}},
	{SYS_getsockopt, {3, SOL_SOCKET, SO_TYPE}},
	{SYS_getsockopt, {3, IPPROTO_TCP, TCP_INFO}},
	{SYS_gettid, {0}},
	{SYS_ioctl, {3, FIONREAD}},
	{SYS_ioctl, {3, SIOCOUTQNSD}},
	{SYS_listen, {3}},
	{SYS_mmap, {0, CONN_BUFFER_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, (uint64_t)-1}},
	{SYS_munmap, {0, CONN_BUFFER_BYTES}},
	{SYS_openat, {(uint64_t)AT_FDCWD, 0, O_RDONLY | O_CLOEXEC}},
	{SYS_ppoll, {0, 1, 0, 0, 8}},
	{SYS_prlimit64, {0, RLIMIT_NOFILE}},
	{SYS_pselect6, {3, 0, 0, 0, 0, 0}},
	{SYS_read, {3, 0, 8}},
	{SYS_recvfrom, {3, 0, 1, MSG_PEEK | MSG_DONTWAIT}},
	{SYS_rt_sigaction, {SIGHUP, 0, 0, 8}},
	{SYS_rt_sigprocmask, {SIG_BLOCK, 0, 0, 8}},
	{SYS_sched_yield, {0}},
	{SYS_sendmsg, {3, 0, MSG_DONTWAIT | MSG_NOSIGNAL}},
	{SYS_sendto, {3, 0, 1, MSG_DONTWAIT | MSG_NOSIGNAL}},
	{SYS_setsockopt, {3, SOL_SOCKET, SO_RCVLOWAT, 0, 4}},
	{SYS_shutdown, {3, SHUT_RDWR}},
	{SYS_signalfd4, {(uint64_t)-1, 0, 8, SFD_CLOEXEC}},
	{SYS_socket, {AF_INET, SOCK_STREAM | SOCK_CLOEXEC}},
	{SYS_timerfd_create, {CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK}},
	{SYS_timerfd_settime, {3, TFD_TIMER_ABSTIME}},
	{SYS_write, {3, 0, 8}},
};

/* ---- the filter's program ---- */

struct machine {
	uint32_t a, x, memory[BPF_MEMWORDS];
};

static uint32_t operand(const struct machine *m, const struct sock_filter *i)
{
	return BPF_SRC(i->code) == BPF_X ? m->x : i->k;
}

static bool calculate(struct machine *m, const struct sock_filter *i)
{
	uint32_t v = operand(m, i);

	switch (BPF_OP(i->code)) {
	case BPF_ADD: m->a += v; break;
	case BPF_SUB: m->a -= v; break;
	case BPF_MUL: m->a *= v; break;
	case BPF_DIV: m->a = v ? m->a / v : 0; return v != 0;
	case BPF_AND: m->a &= v; break;
	case BPF_OR: m->a |= v; break;
	case BPF_XOR: m->a ^= v; break;
	case BPF_LSH: m->a = v < 32 ? m->a << v : 0; break;
	case BPF_RSH: m->a = v < 32 ? m->a >> v : 0; break;
	case BPF_NEG: m->a = -m->a; break;
	default: return false;
	}
	return true;
}

/* How many instructions a jump goes over; -1: it is none. */
static long jump(const struct machine *m, const struct sock_filter *i)
{
	uint32_t v = operand(m, i);

	switch (BPF_OP(i->code)) {
	case BPF_JA: return i->k;
	case BPF_JEQ: return m->a == v ? i->jt : i->jf;
	case BPF_JGT: return m->a > v ? i->jt : i->jf;
	case BPF_JGE: return m->a >= v ? i->jt : i->jf;
	case BPF_JSET: return m->a & v ? i->jt : i->jf;
	default: return -1;
	}
}

static bool load(struct machine *m, const struct sock_filter *i, const struct seccomp_data *call)
{
	uint32_t v, *to = BPF_CLASS(i->code) == BPF_LDX ? &m->x : &m->a;

	switch (BPF_MODE(i->code)) {
	case BPF_IMM: v = i->k; break;
	case BPF_LEN: v = sizeof(*call); break;
	case BPF_MEM:
		if (i->k >= BPF_MEMWORDS)
			return false;
		v = m->memory[i->k];
		break;
	case BPF_ABS:
		if (i->k > sizeof(*call) - sizeof(v))
			return false;
		memcpy(&v, (const char *)call + i->k, sizeof(v));
		break;
	default: return false;
	}
	*to = v;
	return true;
}

static bool store(struct machine *m, const struct sock_filter *i)
{
	if (i->k >= BPF_MEMWORDS)
		return false;
	m->memory[i->k] = BPF_CLASS(i->code) == BPF_STX ? m->x : m->a;
	return true;
}

static bool step(struct machine *m, const struct sock_filter *i, const struct seccomp_data *call, size_t *at)
{
	long over = 0;

	switch (BPF_CLASS(i->code)) {
	case BPF_LD:
	case BPF_LDX: return load(m, i, call);
	case BPF_ST:
	case BPF_STX: return store(m, i);
	case BPF_ALU: return calculate(m, i);
	case BPF_JMP:
		over = jump(m, i);
		*at += over > 0 ? (size_t)over : 0;
		return over >= 0;
	case BPF_MISC: *(BPF_MISCOP(i->code) == BPF_TAX ? &m->x : &m->a) = BPF_MISCOP(i->code) == BPF_TAX ? m->a : m->x; return true;
	default: return false;
	}
}

/* What the filter returns for a call (SECCOMP_RET_*). */
static uint32_t verdict(const struct sock_fprog *f, const struct seccomp_data *call)
{
	struct machine m = {0};

	for (size_t at = 0; at < f->len && at < STEPS_MAX; at++) {
		const struct sock_filter *i = &f->filter[at];

		if (BPF_CLASS(i->code) == BPF_RET)
			return BPF_RVAL(i->code) == BPF_A ? m.a : i->k;
		if (!step(&m, i, call, &at))
			break;
	}
	return SECCOMP_RET_KILL_PROCESS;
}

/* A trap raises SIGSYS, which ends a process as well, or is the program's to handle. */
static bool lethal(uint32_t verdict)
{
	uint32_t action = verdict & SECCOMP_RET_ACTION_FULL;

	return action == SECCOMP_RET_KILL_PROCESS || action == SECCOMP_RET_KILL_THREAD || action == SECCOMP_RET_TRAP;
}

static bool spares_us(const struct sock_fprog *f)
{
	for (size_t k = 0; k < sizeof(ours) / sizeof(ours[0]); k++) {
		struct seccomp_data call = {.nr = ours[k].number, .arch = ARCH, .instruction_pointer = (uintptr_t)spares_us};

		memcpy(call.args, ours[k].args, sizeof(call.args));
		if (lethal(verdict(f, &call)))
			return false;
	}
	return true;
}

/* ---- letting go ---- */

static void let_go(void)
{
	for (int fd = 0; descriptor_may_be_known(fd); fd++) {
		struct conn *c = TABLE_GET(fd);

		if (!c)
			continue;
		if (c->gated) {
			stream_flush(c, fd);
			gate_surrender(c, fd);
		}
		conn_put(c);
	}
}

bool confine_begin(const struct sock_fprog *filter)
{
	if (!guest.page || guest.confined || guest_is_borrowed())
		return false;
	if (filter && (!guest_plausible(filter) || !guest_plausible(filter->filter) || spares_us(filter)))
		return false;
	guest_tid();	/* and whatever else is learned from the kernel once */
	atomic_store(&guest.confined, true);
	let_go();
	atomic_store(&raw_barred, true);
	return true;
}

void confine_end(bool begun, bool installed)
{
	if (!begun || installed)
		return;
	atomic_store(&raw_barred, false);
	atomic_store(&guest.confined, false);
}

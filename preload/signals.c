/* SPDX-License-Identifier: MIT */
#include "preload/signals.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include "base/clock.h"
#include "preload/raw.h"
#include "preload/real.h"
#include "preload/selection.h"
#include "preload/waker.h"

#define LAST 64
#define BIT(n) (1ull << ((n) - 1))
#define FAULTS (BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGFPE) | BIT(SIGILL) | BIT(SIGTRAP) | BIT(SIGSYS))
#define CANCEL BIT(__SIGRTMIN)	/* of pthread_cancel(3): libc's calls wait for it before they return, once it is sent */
#define ALL (~(FAULTS | CANCEL | BIT(SIGKILL) | BIT(SIGSTOP)))
#define STALE_NS (50 * NS_PER_MS)

struct action {		/* the kernel's, of sigaction(2) */
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

struct handlers {	/* signals, by what their handler does to the call: it goes on (SA_RESTART), or ends */
	uint64_t restart, end;
};

static struct {		/* of the process, as some thread read them last */
	_Atomic uint64_t restart, end, read_ns;
} process;

__thread struct signals signals_thread;

static long set_mask(int how, const uint64_t *mask, uint64_t *was)
{
	return RAW(SYS_rt_sigprocmask, how, mask, was, sizeof(*mask), 0, 0);
}

void signals_keep(struct signals *s)
{
	const uint64_t all = ALL;

	if (s->kept)
		return;
	*s = signals_thread;
	signals_thread.kept = false;
	if (!s->kept)
		s->kept = set_mask(SIG_BLOCK, &all, &s->program) == 0;
}

void signals_give_back(struct signals *s)
{
	if (!s->kept)
		return;
	s->kept = false;
	set_mask(SIG_SETMASK, &s->program, NULL);
}

/* Cancelled before the kernel waited, the thread has our mask; in a handler it has the kernel's of the wait, and the handler's. */
void signals_left(void *signals)
{
	struct signals *s = signals;
	const uint64_t all = s->program | ALL;
	uint64_t now;

	if (!s->kept || set_mask(SIG_BLOCK, NULL, &now) != 0)
		return;
	if ((now & all) == all)
		signals_give_back(s);
	else
		set_mask(SIG_UNBLOCK, &s->awaited, NULL);
}

void signals_hand_on(struct signals *s)
{
	signals_thread = *s;
	s->kept = false;
}

static void read_handlers(void)
{
	struct handlers h = {0};
	struct action a;

	for (int n = 1; n <= LAST; n++) {
		bool caught = RAW(SYS_rt_sigaction, n, NULL, &a, sizeof(a.mask), 0, 0) == 0 && a.handler != SIG_DFL && a.handler != SIG_IGN;

		h.restart |= caught && (a.flags & SA_RESTART) ? BIT(n) : 0;
		h.end |= caught && !(a.flags & SA_RESTART) ? BIT(n) : 0;
	}
	atomic_store_explicit(&process.restart, h.restart, memory_order_relaxed);
	atomic_store_explicit(&process.end, h.end, memory_order_relaxed);
}

/* That takes sixty system calls: what some thread read lately is as good, until a signal shows that it is not. */
static void refresh_handlers(uint64_t now_ns)
{
	uint64_t read_ns = atomic_load_explicit(&process.read_ns, memory_order_relaxed);

	if (now_ns - read_ns >= STALE_NS && atomic_compare_exchange_strong(&process.read_ns, &read_ns, now_ns))
		read_handlers();
}

/* Of the signals that the program lets in. */
static struct handlers handlers_of(const struct signals *s)
{
	return (struct handlers){
		.restart = atomic_load_explicit(&process.restart, memory_order_relaxed) & ~s->program,
		.end = atomic_load_explicit(&process.end, memory_order_relaxed) & ~s->program,
	};
}

/* Where handlers of both kinds can come, ppoll(2) can not tell which kind did: those that would let the call go on are awaited on a
 * descriptor, and let in then. */
static void await_restarting(struct signals *s, const struct handlers *h, struct pollfd *p, int *fd)
{
	if (!s->kept || !h->restart || !h->end)
		return;
	*fd = waker_signals(h->restart);
	if (*fd >= 0)
		s->awaited = h->restart;
	*p = (struct pollfd){.fd = *fd, .events = POLLIN};
}

/* Whether the handler that ran was one that ends the call. It may have changed handlers, or been there for one time (SA_RESETHAND). */
static bool ended(const struct signals *s, const struct handlers *before)
{
	struct handlers now;

	read_handlers();
	now = handlers_of(s);
	return now.end | (before->end & ~now.restart) || !(now.restart | before->restart);
}

/* ppoll(2) goes on behind SIGCONT, epoll_wait(2) does not. It ends as well by a signal that is ignored, and came while it was kept out: such
 * are let in before. But for SIGCONT, which says that the stop was meanwhile. */
static int wait_unless_stopped(const struct signals *s, struct pollfd *p, nfds_t n, const struct timespec *t, int *fd)
{
	const struct signals ignored = {.program = s->program | BIT(SIGCONT), .kept = s->kept};
	const sigset_t *mask = signals_mask(s, NULL);
	const struct timespec zero = {0, 0};
	int64_t ms = t ? t->tv_sec * 1000 + (t->tv_nsec + 999999) / 1000000 : -1;
	struct epoll_event ev;
	int r;

	*fd = waker_set(p, n);
	if (*fd < 0)
		return selection_wait(p, n, t, mask);
	r = selection_wait(p, n, &zero, signals_mask(&ignored, NULL));
	return r ? r : real.epoll_pwait(*fd, &ev, 1, ms < INT_MAX ? (int)ms : INT_MAX, mask);
}

int signals_wait(struct signals *s, struct pollfd *p, nfds_t n, const struct timespec *t, bool restarts, int *fd)
{
	struct handlers before;
	struct signals mask;
	int r;

	s->awaited = 0;
	if (!restarts)
		return wait_unless_stopped(s, p, n, t, fd);
	p[n] = (struct pollfd){.fd = -1};
	refresh_handlers(clock_now_ns());
	before = handlers_of(s);
	await_restarting(s, &before, &p[n], fd);
	mask = (struct signals){.program = s->program | s->awaited, .kept = s->kept};
	r = selection_wait(p, n + 1, t, signals_mask(&mask, NULL));
	if (r < 0 && errno == EINTR)
		return ended(s, &before) ? -1 : 0;
	if (r > 0 && p[n].revents) {
		signals_give_back(s);
		signals_keep(s);
	}
	return r;
}

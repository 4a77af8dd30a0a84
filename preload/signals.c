/* SPDX-License-Identifier: MIT */
#include "preload/signals.h"

#include <errno.h>
#include <stdatomic.h>
#include "base/clock.h"
#include "preload/raw.h"
#include "preload/selection.h"
#include "preload/waker.h"

#define LAST 64
#define BIT(n) (1ull << ((n) - 1))
#define FAULTS (BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGFPE) | BIT(SIGILL) | BIT(SIGTRAP) | BIT(SIGSYS))
#define STALE_NS (50 * NS_PER_MS)

struct action {		/* the kernel's, of sigaction(2) */
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

/* Those of the process: signals whose handlers let the call go on (SA_RESTART), and end it. */
static struct {
	_Atomic uint64_t restart, end, read_ns;
} handlers;

__thread struct signals signals_thread;

static long set_mask(int how, const uint64_t *mask, uint64_t *was)
{
	return RAW(SYS_rt_sigprocmask, how, mask, was, sizeof(*mask), 0, 0);
}

void signals_keep(struct signals *s)
{
	const uint64_t all = ~FAULTS;

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

void signals_hand_on(struct signals *s)
{
	signals_thread = *s;
	s->kept = false;
}

static void read_handlers(void)
{
	uint64_t restart = 0, end = 0;
	struct action a;

	for (int n = 1; n <= LAST; n++) {
		bool caught = RAW(SYS_rt_sigaction, n, NULL, &a, sizeof(a.mask), 0, 0) == 0 && a.handler != SIG_DFL && a.handler != SIG_IGN;

		restart |= caught && (a.flags & SA_RESTART) ? BIT(n) : 0;
		end |= caught && !(a.flags & SA_RESTART) ? BIT(n) : 0;
	}
	atomic_store_explicit(&handlers.restart, restart, memory_order_relaxed);
	atomic_store_explicit(&handlers.end, end, memory_order_relaxed);
}

/* That takes sixty system calls: what some thread read lately is as good, until a signal shows that it is not. */
static void refresh_handlers(uint64_t now_ns)
{
	uint64_t read_ns = atomic_load_explicit(&handlers.read_ns, memory_order_relaxed);

	if (now_ns - read_ns >= STALE_NS && atomic_compare_exchange_strong(&handlers.read_ns, &read_ns, now_ns))
		read_handlers();
}

static uint64_t awaited(const struct signals *s, _Atomic uint64_t *which)
{
	return atomic_load_explicit(which, memory_order_relaxed) & ~s->program;
}

/* Where handlers of both kinds can come, ppoll(2) can not tell which kind did: those that would let the call go on are awaited on a
 * descriptor, and let in then. */
static void await_restarting(struct signals *s, uint64_t *mask, struct pollfd *p, int *fd)
{
	uint64_t restart = awaited(s, &handlers.restart);

	if (!s->kept || !restart || !awaited(s, &handlers.end))
		return;
	*fd = waker_signals(restart);
	if (*fd >= 0)
		*mask |= restart;
	*p = (struct pollfd){.fd = *fd, .events = POLLIN};
}

int signals_wait(struct signals *s, struct pollfd *p, nfds_t n, const struct timespec *t, bool restarts, int *fd)
{
	struct signals mask = *s;
	uint64_t end;
	int r;

	p[n] = (struct pollfd){.fd = -1};
	if (restarts) {
		refresh_handlers(clock_now_ns());
		await_restarting(s, &mask.program, &p[n], fd);
	}
	end = awaited(s, &handlers.end);
	r = selection_wait(p, n + 1, t, signals_mask(&mask, NULL));
	if (r < 0 && errno == EINTR && restarts) {
		read_handlers();
		return end | awaited(s, &handlers.end) ? -1 : 0;	/* a handler that was good for once (SA_RESETHAND) is gone by now */
	}
	if (r > 0 && p[n].revents) {
		signals_give_back(s);
		signals_keep(s);
	}
	return r;
}

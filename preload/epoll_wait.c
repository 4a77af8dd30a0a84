/* SPDX-License-Identifier: MIT */
#include "preload/epoll.h"

#include <errno.h>
#include "base/clock.h"
#include "preload/cancel.h"
#include "preload/epoll_sets.h"
#include "preload/epoll_timer.h"
#include "preload/epoll_translate.h"
#include "preload/real.h"
#include "preload/signals.h"

static int ask(enum epoll_how how, int ep, struct epoll_event *evs, int max, const struct timespec *t, const sigset_t *mask)
{
	int64_t ms = t ? t->tv_sec * 1000 + (t->tv_nsec + 999999) / 1000000 : -1;

	ms = ms > INT32_MAX ? INT32_MAX : ms;
	if (how == EPOLL_PWAIT2)
		return real.epoll_pwait2(ep, evs, max, t, mask);
	return how == EPOLL_PWAIT ? real.epoll_pwait(ep, evs, max, (int)ms, mask) : real.epoll_wait(ep, evs, max, (int)ms);
}

static int await(enum epoll_how how, int ep, struct epoll_event *evs, int max, const struct timespec *t, const sigset_t *mask,
		 struct signals *signals)
{
	uint64_t end = t ? clock_now_ns() + (uint64_t)t->tv_sec * NS_PER_S + (uint64_t)t->tv_nsec : FOREVER;
	struct timespec left = t ? *t : (struct timespec){0, 0};
	bool over = false;

	for (;;) {
		int s = -1, n;
		uint64_t now, until = set_untimed(ep, &s);
		bool ours = until < end;

		if (ours)
			left = clock_span(clock_now_ns(), until);
		if (sets_wait() && !(t && !left.tv_sec && !left.tv_nsec))
			signals_keep(signals);
		n = ask(signals->kept && how == EPOLL_WAIT ? EPOLL_PWAIT : how, ep, evs, max, t || ours ? &left : NULL, signals_mask(signals, mask));
		if (n < 0 || (!n && !ours) || !epoll_engaged())
			return n;
		n = n ? epoll_translate(ep, evs, n) : epoll_translate_untimed(s, evs, max);
		if (n)
			return n;
		now = clock_now_ns();
		if (over)
			return 0;
		over = now >= end;	/* what just came may have let others in: they are asked for once more, without waiting */
		now = over ? end : now;
		left = clock_span(now, end);
	}
}

int epoll_await(enum epoll_how how, int ep, struct epoll_event *evs, int max, const struct timespec *t, const sigset_t *mask)
{
	struct signals signals = {0};
	int n, error;

	CANCEL_BEGIN(signals_left, &signals);
	n = await(how, ep, evs, max, t, mask, &signals);
	CANCEL_END;
	error = errno;
	signals_give_back(&signals);
	errno = error;
	return n;
}

int epoll_resume(enum epoll_how how, int ep, struct epoll_event *evs, int n, int max, uint64_t began_ns, const struct timespec *t,
		 const sigset_t *mask)
{
	struct timespec left;

	n = epoll_translate(ep, evs, n);
	if (n)
		return n;
	if (t)
		left = clock_span(clock_now_ns(), began_ns + CLOCK_COARSE_NS + (uint64_t)t->tv_sec * NS_PER_S + (uint64_t)t->tv_nsec);
	return epoll_await(how, ep, evs, max, t ? &left : NULL, mask);
}

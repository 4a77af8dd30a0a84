/* SPDX-License-Identifier: MIT */
#include "preload/selection.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/select.h>
#include "preload/raw.h"
#include "preload/real.h"

struct selection {
	fd_set in, out, urgent;
	int n;		/* as select(2) wants it */
};

/* False: there is a descriptor that select(2) can not be asked about. */
static bool selection_of(struct selection *s, const struct pollfd *p, nfds_t n)
{
	*s = (struct selection){.n = 0};
	for (nfds_t i = 0; i < n; i++) {
		if (p[i].fd < 0)
			continue;
		if (p[i].fd >= FD_SETSIZE)
			return false;
		if (p[i].events & POLLIN)
			FD_SET(p[i].fd, &s->in);
		if (p[i].events & POLLOUT)
			FD_SET(p[i].fd, &s->out);
		if (p[i].events & POLLPRI)
			FD_SET(p[i].fd, &s->urgent);
		s->n = p[i].fd < s->n ? s->n : p[i].fd + 1;
	}
	return true;
}

/* Says in p what was found. Returns how many have something. */
static int selection_tell(const struct selection *s, struct pollfd *p, nfds_t n)
{
	int count = 0;

	for (nfds_t i = 0; i < n; i++) {
		p[i].revents = 0;
		if (p[i].fd >= 0 && FD_ISSET(p[i].fd, &s->in))
			p[i].revents |= p[i].events & (POLLIN | POLLRDHUP);
		if (p[i].fd >= 0 && FD_ISSET(p[i].fd, &s->out))
			p[i].revents |= POLLOUT;
		if (p[i].fd >= 0 && FD_ISSET(p[i].fd, &s->urgent))
			p[i].revents |= POLLPRI;
		count += p[i].revents != 0;
	}
	return count;
}

int selection_wait(struct pollfd *p, nfds_t n, const struct timespec *t, const sigset_t *mask)
{
	struct selection s;
	int r = real.ppoll(p, n, t, mask);

	if (r >= 0 || errno != EINVAL || !selection_of(&s, p, n))
		return r;
	r = real.pselect(s.n, &s.in, &s.out, &s.urgent, t, mask);
	return r < 0 ? r : selection_tell(&s, p, n);
}

short selection_ready(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};
	struct timespec zero = {0, 0};
	struct selection s;

	if (!selection_of(&s, &p, 1) || RAW(SYS_pselect6, s.n, &s.in, &s.out, &s.urgent, &zero, NULL) <= 0)
		return 0;
	selection_tell(&s, &p, 1);
	return p.revents;
}

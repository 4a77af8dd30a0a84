/* SPDX-License-Identifier: MIT */
#include "preload/cut.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/socket.h>
#include "base/clock.h"
#include "record/protocol.h"
#include "preload/epoll.h"
#include "preload/exchange.h"
#include "preload/raw.h"
#include "preload/waker.h"

/* connect(AF_UNSPEC) aborts a TCP connection: the peer gets a RST, poll says ERR|HUP, the next receive ECONNRESET. shutdown() on the
 * closed socket then answers ENOTCONN but marks both directions shut all the same (inet_shutdown), which adds IN|RDHUP and lets the
 * second receive return 0: poll bits and results are then those of a RST that came from the peer (measured). Where the program had shut its
 * own direction down and the peer's end has come, the socket is closed already, and has no error to show: the next receive gets ours. */
void cut_reset(struct conn *c, int fd, int error)
{
	struct sockaddr unspec = {.sa_family = AF_UNSPEC};

	if (c->peer.family == ADDR_UNIX) {	/* the kernel has no RST for it: nothing is left to read, and the end that follows is shown as the error */
		char gone[512];

		c->swap_error = error;
		while (raw_recv(fd, gone, sizeof(gone), MSG_DONTWAIT) > 0)
			;
	} else
		raw_connect(fd, &unspec, sizeof(unspec));
	raw_shutdown(fd, SHUT_RDWR);
	if (error != ECONNRESET || !(raw_ready(fd, POLLERR) & POLLERR))
		c->swap_error = error;
	c->dead = true;
}

bool cut_ended(int fd)
{
	return (raw_ready(fd, POLLRDHUP) & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

/* A half-closed socket is ready as after a FIN, for ever. (Data still come into it: nobody asks for them.) A Unix stream ends in both
 * directions when its peer closes. */
static void end_stream(struct conn *c, int fd, uint64_t now_ns)
{
	c->cut = CUT_ENDED;
	raw_shutdown(fd, c->peer.family == ADDR_UNIX ? SHUT_RDWR : c->role == JOURNAL_CLIENT ? SHUT_RD : SHUT_WR);
	if (c->role == JOURNAL_CLIENT)
		c->eof_in = true;
	else
		c->sink = true;
	exchange_end_all(c, JOURNAL_EOF, now_ns);
}

/* A RST throws away what has not left yet for a client that reads slowly. (Sent and not acknowledged is with the client, or as good as.) */
static bool reset_must_wait(struct conn *c, int fd, uint64_t now_ns)
{
	int unsent = 0;

	if (c->role != JOURNAL_SERVER || RAW(SYS_ioctl, fd, SIOCOUTQNSD, &unsent, 0, 0, 0) != 0 || !unsent || cut_ended(fd))
		return false;
	c->sink = true;
	c->cut_ns = now_ns + CUT_RESEND_NS;
	return true;
}

void cut_when_due(struct conn *c, int fd, uint64_t now_ns)
{
	if (c->cut == CUT_FIN) {
		end_stream(c, fd, now_ns);
	} else if (c->cut == CUT_RST && !reset_must_wait(c, fd, now_ns)) {
		c->cut = CUT_NOT;
		cut_reset(c, fd, ECONNRESET);
		exchange_end_all(c, ECONNRESET, now_ns);
	} else if (c->cut != CUT_RST) {
		return;
	}
	epoll_refresh(c, now_ns);
	waker_wake_all(c);
}

/* SPDX-License-Identifier: MIT */
#include "preload/inwait.h"

#include <errno.h>
#include <poll.h>
#include "base/clock.h"
#include "preload/gate.h"
#include "preload/outgate.h"
#include "preload/raw.h"
#include "preload/signals.h"

/* Whether the kernel's bytes must have arrived before the call is made, because what they are decides what it may take. */
static bool must_be_there(struct conn *c)
{
	struct exchange *x = conn_head(c);

	if (c->role == JOURNAL_SERVER)
		return !c->judged_bytes;
	if (c->count > 1)
		return true;
	/* Nothing asked yet, or all that was asked is answered: another thread may ask while this one waits. */
	return !x || x->gate == GATE_ARMED || (x->verdict.actions & (PAGE_THROTTLE | PAGE_TRUNCATE | PAGE_RESET)) || (c->opaque && x->last_ns);
}

/* Whether another thread may ask meanwhile what this one must know of: it is answered by us, or waits in the outbox for somebody to send it. */
static bool may_be_asked(struct conn *c)
{
	if (c->role != JOURNAL_CLIENT)
		return false;
	return (!c->count && (c->needs_head || c->can_hold)) || (c->can_hold && c->opaque && conn_tail(c)->last_ns);
}

/* Whether there is something to read, or the end. */
static bool has_arrived(struct conn *c, int fd)
{
	short ready = raw_ready(fd, POLLIN | POLLRDHUP);

	c->input_known = ready == POLLIN;
	return ready != 0;
}

static void tick(struct conn *c, int fd, int error)
{
	if (error != EBADF)
		gate_tick(c, fd, clock_now_ns());
}

int inwait_turn(struct conn *c, int fd, struct blocking *b)
{
	bool waited = signals_thread.kept;	/* in an earlier turn: what came since ends the call as if it had waited in the kernel all the time */
	uint64_t now = clock_now_ns();
	int error;

	outgate_tick(c, fd, now);
	if (c->patience_ns)
		gate_tick(c, fd, now);
	if (c->cut == CUT_RST) {
		error = blocking_may(b) ? blocking_hold(c, fd, c->cut_ns, b->limit_ns) : EAGAIN;
		tick(c, fd, error);
	} else if (c->outbox_len && !raw_ready(fd, POLLIN | POLLRDHUP) && blocking_may(b)) {
		error = blocking_hold(c, fd, outgate_deadline(c), b->limit_ns);
		tick(c, fd, error);
	} else if (c->patience_ns && !raw_ready(fd, POLLIN | POLLRDHUP) && blocking_may(b)) {
		error = blocking_either(c, fd, POLLIN, c->patience_ns, b->limit_ns);	/* the rest of a request head is awaited */
	} else if (may_be_asked(c) && !raw_ready(fd, POLLIN) && blocking_may(b)) {
		error = blocking_either(c, fd, POLLIN, FOREVER, b->limit_ns);
	} else if (waited && !c->late_error && !gate_hidden(c, now) && !has_arrived(c, fd)) {
		error = blocking_either(c, fd, POLLIN | POLLRDHUP, FOREVER, b->limit_ns);
	} else if (must_be_there(c) && !c->late_error && !gate_hidden(c, now) && !has_arrived(c, fd)) {
		error = blocking_may(b) ? blocking_arrival(c, fd) : EAGAIN;
	} else if (gate_readable(c, fd, now)) {
		return 0;
	} else {
		uint64_t until = gate_deadline(c);

		error = !blocking_may(b) ? EAGAIN : gate_hidden(c, now) ? blocking_hold(c, fd, until, b->limit_ns) : 0;
		tick(c, fd, error);
	}
	return error ? error : INWAIT_AGAIN;
}

int inwait_rest(struct conn *c, int fd, const struct blocking *b)
{
	uint64_t now = clock_now_ns();

	if (b->limit_ns == FOREVER || c->dead || c->cut || c->late_error || gate_hidden(c, now))
		return now < b->limit_ns ? 0 : EAGAIN;
	return blocking_either(c, fd, POLLIN | POLLRDHUP, FOREVER, b->limit_ns);
}

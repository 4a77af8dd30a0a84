/* SPDX-License-Identifier: MIT */
#include "preload/table.h"

#include <netinet/in.h>
#include <linux/tcp.h>
#include <string.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "preload/epoll.h"
#include "preload/raw.h"

_Atomic uint32_t *fd_conn;

static struct conn *take_up(int fd, uint32_t mark, bool always);

bool table_start(void)
{
	fd_conn = descriptors_room(TABLE_FDS * sizeof(*fd_conn));
	return fd_conn != NULL;
}

struct conn *table_get(int fd)
{
	for (;;) {
		uint32_t v = atomic_load_explicit(&fd_conn[fd], memory_order_acquire);
		struct conn *c;

		if (v < TABLE_FIRST)
			return NULL;
		if (v & TABLE_MARK)
			return take_up(fd, v, false);
		c = conn_at(v - TABLE_FIRST);
		if (!conn_hold(c))
			continue;	/* freed this instant: the entry is about to change */
		if (atomic_load_explicit(&fd_conn[fd], memory_order_acquire) == v) {
			if (unlikely(conn_is_behind(c)))
				conn_follow(c, fd);
			return c;
		}
		conn_put(c);
	}
}

bool table_set(int fd, struct conn *c)
{
	if (!descriptor_note(fd)) {
		guest_lost(PAGE_LOST_FD);
		conn_put(c);
		return false;
	}
	atomic_fetch_add(&c->descriptors, 1);
	atomic_store_explicit(&fd_conn[fd], c->index + TABLE_FIRST, memory_order_release);
	return true;
}

int table_next(const struct conn *c, int fd)
{
	while (descriptor_may_be_known(fd) && atomic_load_explicit(&fd_conn[fd], memory_order_relaxed) != c->index + TABLE_FIRST)
		fd++;
	return descriptor_may_be_known(fd) ? fd : -1;
}

void table_drop(int fd, bool stays)
{
	uint32_t v;
	struct conn *c;

	if (!table_knows(fd) || guest_is_borrowed())
		return;
	v = atomic_load(&fd_conn[fd]);
	if (v == TABLE_PRIVATE || !atomic_compare_exchange_strong(&fd_conn[fd], &v, 0) || (v & TABLE_MARK))
		return;
	c = conn_at(v - TABLE_FIRST);
	epoll_forget_fd(c, fd, stays || atomic_load(&c->descriptors) > 1, stays);
	if (atomic_fetch_sub(&c->descriptors, 1) == 1) {
		bool locked = conn_lock(c);

		conn_closing(c, fd, clock_now_ns());
		if (locked)
			conn_unlock(c);
		epoll_forget_conn(c);
	}
	conn_put(c);
}

void table_share(int from, int to)
{
	uint32_t v = table_knows(from) ? atomic_load(&fd_conn[from]) : 0;
	struct conn *c = !v ? NULL : v & TABLE_MARK ? take_up(from, v, true) : table_get(from);

	if (!c)
		return;
	if (guest_is_borrowed())
		conn_put(c);
	else
		table_set(to, c);
}

static void mark_private(int fd, bool on)
{
	if (on ? descriptor_note(fd) : descriptor_may_be_known(fd))
		atomic_store(&fd_conn[fd], on ? TABLE_PRIVATE : 0);
}

int table_own(int fd)
{
	fd = guest_high_fd(fd);
	mark_private(fd, true);
	return fd;
}

void table_disown(int fd)
{
	mark_private(fd, false);
	if (fd >= 0)
		raw_close(fd);
}

bool table_is_private(int fd)
{
	return descriptor_may_be_known(fd) && atomic_load_explicit(&fd_conn[fd], memory_order_relaxed) == TABLE_PRIVATE;
}

void table_vacate(int to)
{
	int moved;

	if (!table_is_private(to) || guest_is_borrowed())
		return;
	moved = raw_fcntl(to, F_DUPFD_CLOEXEC, to + 1);
	mark_private(to, false);
	if (moved < 0)
		return;
	mark_private(moved, true);
	epoll_moved(to, moved);
}

/* ---- sockets that were there before us ---- */

static bool addresses(int fd, struct addr *local, struct addr *peer)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (RAW(SYS_getpeername, fd, &ss, &len, 0, 0, 0) != 0)
		return false;
	addr_from_sockaddr(peer, (struct sockaddr *)&ss, len);
	len = sizeof(ss);
	if (RAW(SYS_getsockname, fd, &ss, &len, 0, 0, 0) != 0)
		return false;
	addr_from_sockaddr(local, (struct sockaddr *)&ss, len);
	return local->family != ADDR_NONE;
}

#define EPHEMERAL 32768	/* where ip_local_port_range begins by default */

/* Nobody says who called whom on a socket that comes from elsewhere. The end with a name on a Unix socket is the server. A TCP socket has
 * SO_REUSEADDR from the listener that accepted it, which servers set and clients do not; without it the end below the ephemeral ports is. */
static enum journal_role probable_role(int fd, const struct addr *local, const struct addr *peer)
{
	bool server = local->family == ADDR_UNIX ? local->len != 0
						 : raw_sockopt_int(fd, SOL_SOCKET, SO_REUSEADDR) > 0 ||
							   (local->port < EPHEMERAL && local->port < peer->port);

	return server ? JOURNAL_SERVER : JOURNAL_CLIENT;
}

/* ---- marks ---- */

static uint32_t mark_of(enum journal_role role, uint64_t version)
{
	return TABLE_MARK | (role == JOURNAL_SERVER ? TABLE_MARK_SERVER : 0) | ((uint32_t)version & TABLE_MARK_VERSION);
}

void table_mark(int fd, enum journal_role role)
{
	if (!guest_is_borrowed() && descriptor_note(fd))
		atomic_store_explicit(&fd_conn[fd], mark_of(role, page_version(guest.page)), memory_order_release);
}

/* Whether the next byte that a client sends begins a request, as far as the kernel's clocks tell: its last act was to receive. */
static bool at_rest(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	memset(&info, 0, sizeof(info));
	if (raw_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
		return true;
	return !info.tcpi_bytes_sent || info.tcpi_last_data_recv <= info.tcpi_last_data_sent;
}

/* Makes a marked descriptor a connection when a fault of now concerns it, or always (it is about to be shared: both numbers must mean the
 * same). NULL: it stays marked, or was no stream after all. A client in the middle of an exchange is left for later. */
static struct conn *take_up(int fd, uint32_t mark, bool always)
{
	enum journal_role role = mark & TABLE_MARK_SERVER ? JOURNAL_SERVER : JOURNAL_CLIENT;
	uint64_t version = page_version(guest.page), now;
	struct addr local, peer;
	struct conn *c;

	if (guest_is_borrowed() || !conn_may_lock())
		return NULL;
	if (raw_sockopt_int(fd, SOL_SOCKET, SO_TYPE) != SOCK_STREAM) {
		atomic_compare_exchange_strong(&fd_conn[fd], &mark, 0);
		return NULL;
	}
	if (!addresses(fd, &local, &peer))
		return NULL;	/* not connected yet */
	if (!always && !conn_candidates(version, role == JOURNAL_CLIENT ? PAGE_TO : PAGE_AT, role == JOURNAL_CLIENT ? &peer : &local)) {
		atomic_compare_exchange_strong(&fd_conn[fd], &mark, mark_of(role, version));
		return NULL;
	}
	now = clock_now_ns();
	if ((!always && role == JOURNAL_CLIENT && !at_rest(fd)) || !(c = conn_new(role, &local, &peer, now)))
		return NULL;
	c->mid_stream = true;
	conn_hold(c);
	conn_lock(c);
	atomic_store(&c->descriptors, 1);
	if (atomic_compare_exchange_strong(&fd_conn[fd], &mark, c->index + TABLE_FIRST)) {
		conn_connected(c, fd, 0, now);
		epoll_import(c, fd);
		conn_unlock(c);
		return c;
	}
	conn_unlock(c);	/* another thread was quicker */
	conn_put(c);
	conn_put(c);
	return mark & TABLE_MARK ? NULL : table_get(fd);
}

void table_adopt(int fd)
{
	struct addr local, peer;
	struct conn *c;
	uint64_t now = clock_now_ns();
	enum journal_role role;

	if ((unsigned)fd >= TABLE_FDS || table_knows(fd) || raw_sockopt_int(fd, SOL_SOCKET, SO_TYPE) != SOCK_STREAM)
		return;
	if (!addresses(fd, &local, &peer))
		return;
	role = probable_role(fd, &local, &peer);
	if (local.family == ADDR_UNIX && !local.len && !peer.len)
		return;	/* a socketpair: a pipe between relatives, not a dependency */
	if (guest.mode != PAGE_JOURNAL_ALL && !conn_candidates(page_version(guest.page), role == JOURNAL_CLIENT ? PAGE_TO : PAGE_AT,
							       role == JOURNAL_CLIENT ? &peer : &local)) {
		table_mark(fd, role);
		return;
	}
	c = conn_new(role, &local, &peer, now);
	if (!c)
		return;
	c->mid_stream = true;
	conn_connected(c, fd, 0, now);
	table_set(fd, c);
}

#define TWINS 64	/* who inherits a thousand sockets has not twice the same */

/* A low descriptor of the same socket, as inetd's servers have one as their standard input and output; -1 none. */
static int twin(int fd)
{
	uint64_t cookie = raw_cookie(fd);

	for (int other = 0; cookie && other < fd && other < TWINS; other++)
		if (table_knows(other) && !table_is_private(other) && raw_cookie(other) == cookie)
			return other;
	return -1;
}

struct dirent64_head {
	uint64_t ino, off;
	uint16_t len;
	uint8_t type;
	char name[];
};

static void adopt_named(const char *name)
{
	struct stat st;
	int fd = 0, same;

	if (*name < '0' || *name > '9')
		return;
	while (*name)
		fd = fd * 10 + (*name++ - '0');
	if (RAW(SYS_fstat, fd, &st, 0, 0, 0, 0) != 0 || !S_ISSOCK(st.st_mode))
		return;
	same = twin(fd);
	if (same < 0)
		table_adopt(fd);
	else
		table_share(same, fd);
}

void table_adopt_inherited(void)
{
	_Alignas(8) char buf[2048];
	int dir = raw_open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long n;

	if (dir < 0)
		return;
	while ((n = RAW(SYS_getdents64, dir, buf, sizeof(buf), 0, 0, 0)) > 0) {
		for (long at = 0; at < n;) {
			struct dirent64_head *d = (void *)(buf + at);

			adopt_named(d->name);
			at += d->len;
		}
	}
	raw_close(dir);
}

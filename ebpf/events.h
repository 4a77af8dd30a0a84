/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What passes from the BPF programs (tracer.bpf.c) to the loader: two rings of records, a map of
 * latency counters, an array of loss counters. Fixed widths, no holes; both sides are built from this file, and
 * EVENTS_LAYOUT is checked when the programs are loaded.
 *
 * Two rings so that a flood of payload can not drop the rare events that frame it: `data` carries EVENT_BYTES,
 * `control` all other kinds. Order is that of emission within a ring and undefined between rings: order.h sorts.
 */
#ifndef AFTERSHOCK_EBPF_EVENTS_H
#define AFTERSHOCK_EBPF_EVENTS_H

#ifdef __bpf__
typedef __u8 event_u8;
typedef __u16 event_u16;
typedef __u32 event_u32;
typedef __u64 event_u64;
typedef __s64 event_s64;
#else
#include <stdint.h>
typedef uint8_t event_u8;
typedef uint16_t event_u16;
typedef uint32_t event_u32;
typedef uint64_t event_u64;
typedef int64_t event_s64;
#endif

#define EVENTS_LAYOUT 4
#define EVENT_PAYLOAD_MAX 4096	/* most bytes captured of one call; the cap in force is an option */
#define EVENT_VECTORS 64		/* vectors of one call that are looked at */
#define EVENT_MESSAGES 1024	/* messages of one sendmmsg/recvmmsg that are counted: as many as there can be (UIO_MAXIOV) */
#define EVENT_MESSAGES_SEEN 4	/* of which bytes are captured */
#define EVENT_ARGS_MAX 512	/* bytes of a command line */
#define EVENT_EXE_MAX 64
#define EVENT_SERVICE_MAX 96	/* base/service.h's SERVICE_NAME_MAX */
#define EVENT_TAIL 8
#define EVENT_NUMBERS 512	/* system calls of which those that are followed are chosen, by number */
#define EVENT_QUIET_MAX (1u << 30)	/* bytes ahead of which payload can be declined at once */

/*
 * The system calls that are followed: name, shape (where its bytes are), direction, and which
 * argument holds the MSG_ flags (-1 none).
 */
#define EVENT_CALLS(X)                       \
	X(read, buffer, IN, -1)              \
	X(write, buffer, OUT, -1)            \
	X(readv, vector, IN, -1)             \
	X(writev, vector, OUT, -1)           \
	X(preadv2, vector, IN, -1)           \
	X(pwritev2, vector, OUT, -1)         \
	X(sendto, buffer, OUT, -1)           \
	X(recvfrom, buffer, IN, 3)           \
	X(sendmsg, message, OUT, -1)         \
	X(recvmsg, message, IN, 2)           \
	X(sendmmsg, messages, OUT, -1)       \
	X(recvmmsg, messages, IN, 3)         \
	X(sendfile64, count, OUT, -1)        \
	X(splice, count, OUT, -1)            \
	X(connect, connect, NONE, -1)        \
	X(accept, accept, NONE, -1)          \
	X(accept4, accept, NONE, -1)         \
	X(shutdown, silent, NONE, -1)        \
	X(close, silent, NONE, -1)

enum event_call {
#define X(name, shape, direction, flags) EVENT_CALL_##name,
	EVENT_CALLS(X)
#undef X
	EVENT_CALL_COUNT
};

enum event_direction { EVENT_OUT, EVENT_IN, EVENT_NONE };

enum event_kind {
	EVENT_BYTES = 1,	/* struct event: a transfer, its end (ret 0) or its error (ret < 0) */
	EVENT_CONNECT,		/* struct event: connect(2) failed with ret; payload: the address asked for */
	EVENT_ACCEPT,		/* struct event: a connection was accepted as fd; ret is -sk_err: it may be over already */
	EVENT_STATE,		/* struct event_tcp: TCP went from old_state to state; ret is -sk_err; call: what its owner is in */
	EVENT_GONE,		/* struct event_tcp: the last descriptor of a socket is closed, and TCP is through with it */
	EVENT_FOUND,		/* struct event_tcp: someone followed moves bytes by no call on a connection that was not told of */
	EVENT_FORK,		/* struct event_process; parent is the forking process */
	EVENT_EXEC,		/* struct event_process and struct event_image */
	EVENT_MET,		/* the same: it runs, and was chosen by a port just now */
	EVENT_EXIT		/* struct event_process: its last thread ended, with the wait status in code */
};

enum event_flag {
	EVENT_HAS_TAIL = 1 << 0,	/* tail[] holds the last bytes of a transfer that was captured in part */
	EVENT_HAS_POSITION = 1 << 1,	/* position[] is valid (plain TCP) */
	EVENT_IN_CONNECT = 1 << 2,	/* EVENT_STATE: within connect(2) on this socket, whose result will tell more */
	EVENT_SYN_SENT = 1 << 3,	/* EVENT_CONNECT: this call began the handshake */
	EVENT_HAS_ENDS = 1 << 4,	/* struct event_ends follows the payload, at any alignment: the socket was not told of before */
	EVENT_PUT_OFF = 1 << 15		/* by the reader: what this waits for has had its time */
};

/* The two ends of a connection. Addresses in network order, IPv4 in the first four bytes; ports in host order. */
struct event_ends {
	event_u16 family;	/* AF_INET, AF_INET6 */
	event_u16 unused;
	event_u16 local_port, peer_port;
	event_u8 local[16], peer[16];
};

struct event {
	event_u16 kind;		/* enum event_kind: first in every record */
	event_u16 call;		/* enum event_call */
	event_u16 flags;
	event_u16 captured;	/* bytes of payload that follow the structure */
	event_u64 enter_ns, exit_ns;	/* of the call; EVENT_STATE, EVENT_GONE, EVENT_FOUND: of the call it happens in, and now */
	event_u64 cookie;
	event_s64 ret;
	event_u32 tgid, tid, fd;
	event_u8 direction;	/* enum event_direction */
	event_u8 state, old_state;	/* of TCP: 1 ESTABLISHED ... as in the kernel's tcp_states.h */
	event_u8 unused;
	event_u32 position[2];	/* TCP stream positions after the call: out, in; count modulo 2^32 */
	event_u8 tail[EVENT_TAIL];
};
_Static_assert(sizeof(struct event) == 72, "shared with the kernel side");

/* What the kernel counts for a connection. */
struct event_facts {
	event_u64 unseen[2];	/* bytes that moved by no call of ours, since someone followed is known to have an io_uring: out, in */
	event_u32 retransmits;	/* segments sent again since it is followed */
	event_u32 unused;
};

/* What is kept in the kernel of a connection that is followed. User space writes quiet_until. */
struct event_connection {
	event_u32 tgid, tid;
	event_u32 retransmits_before;
	event_u32 quiet_until[2];	/* stream position up to which no payload is wanted, at most EVENT_QUIET_MAX ahead; 0 none */
	event_u32 told;			/* state of TCP that was told last; 0 none */
	event_u64 unseen[2];
};
_Static_assert(sizeof(struct event_connection) == 40, "shared with the kernel side");

struct event_tcp {
	struct event e;
	struct event_ends ends;
	struct event_facts facts;
};
_Static_assert(sizeof(struct event_tcp) == 136, "shared with the kernel side");

struct event_process {
	event_u16 kind;
	event_u16 reserved;
	event_u32 tgid, parent;
	event_u32 code;
	event_u64 at_ns;
	event_u32 inner_pid, pid_ns;	/* when it lives in a pid namespace of its own: its pid there, and the namespace's inode; else 0 */
	char comm[16];
};
_Static_assert(sizeof(struct event_process) == 48, "shared with the kernel side");

/* What the process runs: follows in EVENT_EXEC and EVENT_MET. Read by the kernel, because a short-lived one is gone when we come to it. */
struct event_image {
	event_u16 args_len;			/* of args[], of which no more is sent */
	event_u16 whole_environment;		/* 1: it was read to its end, so that there is no name if there is none here */
	char exe[EVENT_EXE_MAX];		/* the file's name without directories; "" unknown; may be cut */
	char service[EVENT_SERVICE_MAX];	/* AFTERSHOCK_SERVICE, else OTEL_SERVICE_NAME; "" none */
	char args[EVENT_ARGS_MAX];		/* NUL between arguments */
};
_Static_assert(sizeof(struct event_image) == 4 + EVENT_EXE_MAX + EVENT_SERVICE_MAX + EVENT_ARGS_MAX, "shared with the kernel side");

/* The map of who is followed: an array of pages of bytes, by process id. */
#define EVENT_PIDS (1u << 22)	/* PID_MAX_LIMIT */
#define EVENT_PIDS_PAGE 4096u
struct event_followed {
	event_u8 pid[EVENT_PIDS_PAGE];	/* 1: followed */
};

/* What the snapshot of open sockets gives for each (process, descriptor). */
struct event_socket {
	event_u32 tgid, fd;
	event_u64 cookie;
	event_u32 state;
	event_u32 position[2];
	event_u32 unused;
	struct event_ends ends;
	struct event_facts facts;
};
_Static_assert(sizeof(struct event_socket) == 96, "shared with the kernel side");

/* One latency counter: calls of one process that ended one way and took about as long. */
struct event_latency_key {
	event_u32 tgid;
	event_u8 call;		/* enum event_call */
	event_u8 peer;		/* enum peer_class (base/peer.h) */
	event_u16 error;	/* errno; 0 none */
	event_u32 bucket;	/* base/hist.h */
};

struct event_latency {
	event_u64 count, sum_ns;
};

/* Why testimony was lost; the names are what the run file says. */
#define EVENT_LOSSES(X)                             \
	X(DATA_RING, "payload_ring_full")           \
	X(CONTROL_RING, "control_ring_full")        \
	X(UNREADABLE, "payload_unreadable")         \
	X(TAIL, "tail_unreadable")                  \
	X(VECTORS, "vectors_beyond_64")             \
	X(CALLS_FULL, "call_table_full")            \
	X(OWNERS_FULL, "connection_owners_full")    \
	X(LATENCY_FULL, "latency_counters_full")

enum event_loss {
#define X(name, text) EVENT_LOST_##name,
	EVENT_LOSSES(X)
#undef X
	EVENT_LOSS_COUNT
};

#endif

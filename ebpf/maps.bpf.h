/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the BPF programs keep: options, live state, maps, rings; and what counts a loss.
 * For BPF programs only.
 */
#ifndef AFTERSHOCK_EBPF_MAPS_BPF_H
#define AFTERSHOCK_EBPF_MAPS_BPF_H

/* Options, fixed before loading: the verifier drops what is switched off. */
const volatile __u32 layout = EVENTS_LAYOUT;
const volatile __u32 payload_cap = 1024;
const volatile __u32 self_tgid = 0;
const volatile bool follow_all = false;
const volatile bool follow_ports = false;
const volatile bool follow_comms = false;
const volatile bool reads_plainly = false;	/* the kernel has bpf_rdonly_cast(): Linux 6.2 */
const volatile __u8 calls_by_number[EVENT_NUMBERS] = {};	/* the kernel's: 1 + enum event_call; 0: not followed */

/* Live state, in .bss: user space reads and writes it through a mapping. */
__u64 lost[EVENT_LOSS_COUNT];
__u32 epoch;	/* which of the two latency maps takes counts now */
__u32 rings_at_work;	/* someone followed has an io_uring */

struct call {	/* what a thread asked for, kept from entry to return */
	__u64 enter_ns;
	__u64 interrupted_ns;	/* when a signal interrupted it, while `restarted` */
	__u64 base, count;
	__u64 sock;
	__u32 fd;
	__u16 number;	/* enum event_call */
	__u16 direction;
	__u32 message_flags;
	__u8 used, restarted, syn_sent, pad;
};

/*
 * Who is followed: a byte for every process id that there can be, so it is never full. The verifier turns the look-up
 * in an array into arithmetic: what is not followed pays for little more than being called. Mapped by user space.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, EVENT_PIDS / EVENT_PIDS_PAGE);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct event_followed);
} followed SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, char[16]);
	__type(value, __u8);
} comms SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u16);
	__type(value, __u8);
} ports SEC(".maps");

/* By thread. Slots are used again in place: cheaper than insert and delete per call (17 against 102 ns). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, __u32);
	__type(value, struct call);
} calls SEC(".maps");

/*
 * By cookie, from when a connection is first told of until its socket is gone. TCP changes state in any context, so `current`
 * does not tell whose it is.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct event_connection);
} sockets SEC(".maps");

#define LATENCY_MAP(name)                                \
	struct {                                         \
		__uint(type, BPF_MAP_TYPE_PERCPU_HASH);  \
		__uint(max_entries, 16384);              \
		__type(key, struct event_latency_key);   \
		__type(value, struct event_latency);     \
	} name SEC(".maps")
LATENCY_MAP(latency_even);
LATENCY_MAP(latency_odd);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} data SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} control SEC(".maps");

/* Twice the payload, so that offset + length stays inside for the verifier. */
struct scratch {
	struct event e;
	__u8 payload[2 * EVENT_PAYLOAD_MAX];
	struct event_ends ends;
	__u64 known;		/* the connection was told of before */
	__u64 quiet;		/* no payload is wanted of this transfer */
	/* Of gather(): here, and not in registers, because the verifier forgets what it knew of them here. */
	__u64 got, left, last, end;
	__u64 vectors, count, messages;
	__u64 walked;		/* bytes that the vectors looked at stand for */
	__u64 sum;		/* bytes of all messages of a call */
	__u64 torn;		/* a copy failed: what follows would stand at a wrong place */
	struct mmsghdr message;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

/* A process that is introduced, and the string of its environment that is looked at. */
#define ENVIRONMENT_STRING 256
struct introduction {
	struct event_process p;
	struct event_image image;
	union {
		char text[ENVIRONMENT_STRING];
		__u64 words[3];
	} string;
	__u64 at, end;		/* in the environment */
	__u32 inside;		/* at is within a string that did not fit */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct introduction);
} introductions SEC(".maps");

static __always_inline void lose(enum event_loss why)
{
	__sync_fetch_and_add(&lost[why], 1);
}

#endif

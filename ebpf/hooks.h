/* SPDX-License-Identifier: MIT */
/*
 * Hooks that the tracer can do without, one table for its loading and for doctor: a program whose hook is missing would fail the whole load.
 * None is needed to tell exchanges. Without them bytes that move by no call show in where the stream stands only, which tells nothing where
 * records were lost.
 */
#ifndef AFTERSHOCK_EBPF_HOOKS_H
#define AFTERSHOCK_EBPF_HOOKS_H

#include <stdbool.h>

struct btf;

/* tracepoint, program, what is not known without it */
#define HOOKS_OPTIONAL(X) \
	X(io_uring_create, on_ring, "bytes that io_uring moves are not known as such") \
	X(sock_send_length, on_send_length, "bytes sent by other ways than the calls that are watched are not counted") \
	X(sock_recv_length, on_recv_length, "bytes received by other ways than the calls that are watched are not counted")

/* For tests: whether AFTERSHOCK_WITHOUT, names with commas between, has this one, which is to be taken for missing. */
bool hooks_left_out(const char *hook);

/* The kernel's BTF, which takes 5 MB and some time: read by the first call, kept until hooks_close(). NULL: there is none. Not thread-safe. */
const struct btf *hooks_kernel(void);
void hooks_close(void);

/* Whether the kernel, as its BTF describes it, has a tracepoint of this name that programs can be hung on. */
bool hooks_there(const char *hook);

#endif

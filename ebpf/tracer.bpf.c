/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel can tell about the stream connections of followed processes: bytes and errors of the calls named in
 * events.h, TCP state changes, births and deaths of processes. Decides nothing: user space frames and judges.
 *
 * Payload is read when a call returns, never when it begins: at entry the page may not be resident yet, and only
 * ret bytes are real. A slot per thread carries the arguments over. Sockets are known by their cookie.
 * Every record that could not be sent is counted in lost[].
 *
 * One object out of one file a noun: maps, processes, sockets, latency, calls, tcp (.bpf.h).
 */
#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include "ebpf/kernel.h"
#include "ebpf/events.h"
#include "base/hist.h"
#include "base/peer.h"
#include "ebpf/maps.bpf.h"
#include "ebpf/processes.bpf.h"
#include "ebpf/sockets.bpf.h"
#include "ebpf/latency.bpf.h"
#include "ebpf/calls.bpf.h"
#include "ebpf/tcp.bpf.h"

char LICENSE[] SEC("license") = "GPL";

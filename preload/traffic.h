/* SPDX-License-Identifier: MIT */
/*
 * What passes between program and kernel, in both directions: each byte is counted to its message, and messages to their
 * exchanges, which begin and end here. All functions: under the connection's lock; no blocking, no allocation.
 */
#ifndef AFTERSHOCK_PRELOAD_TRAFFIC_H
#define AFTERSHOCK_PRELOAD_TRAFFIC_H

#include <sys/uio.h>
#include "preload/conn.h"

/* The stream is not (or no longer) HTTP/1; data are the bytes that showed it. */
void traffic_turn_opaque(struct conn *c, const void *data, size_t n);

/* n bytes of the request direction / answer direction passed between program and kernel; data NULL: values not seen. t0_ns: when the call began. */
void traffic_request_bytes(struct conn *c, const void *data, size_t n, uint64_t t0_ns, uint64_t now_ns);
void traffic_answer_bytes(struct conn *c, const void *data, size_t n, uint64_t t0_ns, uint64_t now_ns);

/* The same for what lies in an iovec, n bytes from offset at. */
void traffic_request_iov(struct conn *c, const struct iovec *iov, int count, size_t at, size_t n, uint64_t t0_ns, uint64_t now_ns);
void traffic_answer_iov(struct conn *c, const struct iovec *iov, int count, size_t at, size_t n, uint64_t t0_ns, uint64_t now_ns);

/* The direction that the peer writes ended (recv returned 0). */
void traffic_peer_eof(struct conn *c, uint64_t now_ns);

/* An error other than EAGAIN/EINTR came from the socket. */
void traffic_socket_error(struct conn *c, int error, uint64_t now_ns);

/* The parser of answers is made ready for x's, when its next byte begins it. */
void traffic_expect_answer(struct conn *c, const struct exchange *x);

#endif

/* SPDX-License-Identifier: MIT */
#include "preload/answer.h"
#include "preload/exchange.h"

#include <string.h>
#include <time.h>
#include "base/clock.h"
#include "preload/raw.h"

/* Reason phrases of RFC 9110 §15 and RFC 6585; a status without one gets its class's. */
static const struct {
	uint16_t status;
	const char *text;
} reasons[] = {
	{200, "OK"}, {201, "Created"}, {202, "Accepted"}, {204, "No Content"}, {301, "Moved Permanently"}, {302, "Found"},
	{303, "See Other"}, {304, "Not Modified"}, {307, "Temporary Redirect"}, {308, "Permanent Redirect"}, {400, "Bad Request"},
	{401, "Unauthorized"}, {403, "Forbidden"}, {404, "Not Found"}, {405, "Method Not Allowed"}, {407, "Proxy Authentication Required"},
	{408, "Request Timeout"}, {409, "Conflict"}, {410, "Gone"}, {413, "Content Too Large"}, {415, "Unsupported Media Type"},
	{422, "Unprocessable Content"}, {425, "Too Early"}, {429, "Too Many Requests"}, {500, "Internal Server Error"},
	{501, "Not Implemented"}, {502, "Bad Gateway"}, {503, "Service Unavailable"}, {504, "Gateway Timeout"},
};

static const char *reason(unsigned status)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return status >= 500 ? "Server Error" : status >= 400 ? "Client Error" : "Other";
}

struct writer {		/* text into a buffer; what does not fit is cut and noticed */
	char *buf;
	size_t len, room;
	bool cut;
};

static void put_bytes(struct writer *w, const char *s, size_t n)
{
	if (n > w->room - w->len) {
		w->cut = true;
		return;
	}
	memcpy(w->buf + w->len, s, n);
	w->len += n;
}

static void put(struct writer *w, const char *s)
{
	put_bytes(w, s, strlen(s));
}

static void put_number(struct writer *w, uint64_t n, unsigned width)
{
	char digits[24];
	unsigned at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n || sizeof(digits) - at < width);
	put_bytes(w, digits + at, sizeof(digits) - at);
}

/* IMF-fixdate (RFC 9110 §5.6.7) of a count of seconds; civil date after Howard Hinnant's days-to-civil. */
static void put_date(struct writer *w, uint64_t t)
{
	static const char days[] = "ThuFriSatSunMonTueWed", months[] = "MarAprMayJunJulAugSepOctNovDecJanFeb";
	uint64_t day = t / 86400, s = t % 86400, z = day + 719468, era = z / 146097, doe = z % 146097;
	uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365, doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	uint64_t mp = (5 * doy + 2) / 153;

	put_bytes(w, days + day % 7 * 3, 3);
	put(w, ", ");
	put_number(w, doy - (153 * mp + 2) / 5 + 1, 2);
	put(w, " ");
	put_bytes(w, months + mp * 3, 3);
	put(w, " ");
	put_number(w, yoe + era * 400 + (mp >= 10), 4);
	put(w, " ");
	put_number(w, s / 3600, 2);
	put(w, ":");
	put_number(w, s / 60 % 60, 2);
	put(w, ":");
	put_number(w, s % 60, 2);
	put(w, " GMT");
}

/* NULL when its slot has another fault by now: the program came for its answer long after the fault was taken away. */
static const struct page_fault *fault_of(const struct exchange *x)
{
	return exchange_fault(x->verdict.main_fault, x->verdict.main_id);
}

static bool bodiless(const struct exchange *x, const struct page_fault *f)
{
	unsigned s = f->status;

	return (x->request_flags & HTTP1_IS_HEAD) || s == 204 || s == 304 || s < 200;
}

bool answer_closes(const struct exchange *x)
{
	/* A refused `Expect: 100-continue` leaves it open whether the body still comes (RFC 9110 §10.1.1): end the connection. */
	return x->request_flags & (HTTP1_CLOSE | HTTP1_EXPECT_CONTINUE);
}

/* Whether the plan's own header lines bring a header of this name (with its colon). */
static bool given(const struct page_fault *f, const char *name)
{
	const char *p = guest.page->text + f->reply_headers.at, *end = p + f->reply_headers.len;
	size_t n = strlen(name);

	while (p < end) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));

		if ((size_t)(end - p) > n && !strncasecmp(p, name, n))
			return true;
		p = eol ? eol + 1 : end;
	}
	return false;
}

bool answer_make(struct conn *c, struct exchange *x)
{
	const struct page_fault *f = fault_of(x);
	struct writer w = {.room = CONN_BUFFER_BYTES};
	struct timespec now = {0, 0};

	if (!f)
		return false;
	if (c->reply_len)
		return true;
	if (!c->reply && !(c->reply = pool_take()))
		return false;
	w.buf = c->reply;
	RAW(SYS_clock_gettime, CLOCK_REALTIME, &now, 0, 0, 0, 0);
	put(&w, "HTTP/1.1 ");
	put_number(&w, f->status, 3);
	put(&w, " ");
	put(&w, reason(f->status));
	put(&w, "\r\nDate: ");
	put_date(&w, (uint64_t)now.tv_sec);
	if (f->status >= 200 && f->status != 204) {
		put(&w, "\r\nContent-Length: ");
		put_number(&w, f->body.len, 1);
	}
	if (f->body.len && !given(f, "Content-Type:"))
		put(&w, guest.page->text[f->body.at] == '{' || guest.page->text[f->body.at] == '[' ? "\r\nContent-Type: application/json"
												     : "\r\nContent-Type: text/plain");
	if (f->retry_after_s >= 0) {
		put(&w, "\r\nRetry-After: ");
		put_number(&w, (uint64_t)f->retry_after_s, 1);
	}
	put(&w, answer_closes(x) ? "\r\nConnection: close\r\n" : "\r\nConnection: keep-alive\r\n");
	put_bytes(&w, guest.page->text + f->reply_headers.at, f->reply_headers.len);
	put(&w, "\r\n");
	c->reply_len = (uint32_t)w.len;
	return !w.cut;
}

size_t answer_iov(const struct conn *c, const struct exchange *x, struct iovec iov[2])
{
	const struct page_fault *f = fault_of(x);

	iov[0] = (struct iovec){c->reply, c->reply_len};
	iov[1] = (struct iovec){guest.page->text + (f ? f->body.at : 0), !f || bodiless(x, f) ? 0 : f->body.len};
	return iov[0].iov_len + iov[1].iov_len;
}

long answer_send(int fd, const struct iovec iov[2], size_t at)
{
	struct iovec left[2] = {iov[0], iov[1]};
	struct msghdr m = {.msg_iov = left, .msg_iovlen = 2};

	for (int i = 0; i < 2; i++) {
		size_t skip = at < left[i].iov_len ? at : left[i].iov_len;

		left[i].iov_base = (char *)left[i].iov_base + skip;
		left[i].iov_len -= skip;
		at -= skip;
	}
	return raw_sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

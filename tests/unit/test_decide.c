/* SPDX-License-Identifier: MIT */
/* Decisions: which ordinals are hit, how long delays are, which connections and requests a fault is about. */
#include <arpa/inet.h>
#include <math.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/un.h>
#include "plan/approx.h"
#include "plan/decide.h"
#include "plan/plan.h"
#include "tests/lib/tap.h"

#define DRAWS 100000
#define MS 1e6

static struct {
	struct page page;
	char behind[8]; /* what a reader beyond the text would find */
} room = {.behind = "*******"};

#define page room.page

/* The only fault of a plan with this spec and seed, on a fresh page. */
static struct page_fault *fault(const char *spec, uint64_t seed)
{
	struct plan p;

	plan_init(&p);
	memset(&page, 0, sizeof(page));
	p.seed = seed;
	if (plan_add_spec(&p, spec) || plan_compile(&p, &page)) {
		printf("Bail out! %s: %s\n", spec, p.error);
		exit(1);
	}
	plan_clear(&p);
	return &page.faults[0];
}

static void test_approx(void)
{
	double worst_ln = 0, worst_exp = 0, worst_sqrt = 0, worst_probit = 0;

	for (int i = -3000; i <= 3000; i++) {
		double x = i * 0.2317, e = exp(x / 2), u;

		worst_exp = fmax(worst_exp, fabs(approx_exp(x / 2) / e - 1));
		worst_ln = fmax(worst_ln, fabs(approx_ln(e) - log(e)) / fmax(1, fabs(log(e))));
		worst_sqrt = fmax(worst_sqrt, fabs(approx_sqrt(e) / sqrt(e) - 1));
		u = 0.5 * erfc(fabs(x) / 60 / sqrt(2)); /* at most 0.5, where a double tells neighbours apart */
		worst_probit = fmax(worst_probit, fabs(approx_probit(u) + fabs(x) / 60));
	}
	ok(worst_exp < 1e-12, "exp without libm agrees with libm (worst %.1e)", worst_exp);
	ok(worst_ln < 1e-12, "ln without libm agrees with libm (worst %.1e)", worst_ln);
	ok(worst_sqrt < 1e-12, "sqrt without libm agrees with libm (worst %.1e)", worst_sqrt);
	ok(worst_probit < 1e-9, "the normal quantile undoes erfc down to -11.5 (worst %.1e)", worst_probit);
	ok(approx_probit(0.75) == -approx_probit(0.25) && approx_probit(1 - 0x1p-20) == -approx_probit(0x1p-20),
	   "and is odd around one half");
	ok(approx_sqrt(0) == 0 && approx_exp(0) == 1 && approx_ln(1) == 0 && approx_probit(0.5) == 0, "fixed points are exact");
	ok(approx_probit(0.5 / 4503599627370496.0) > -8.5, "the smallest draw has a finite quantile");
}

static void test_counts(void)
{
	static const struct {
		const char *spec, *hits; /* first 16 ordinals */
	} rows[] = {
		{"to=:80 status=503", "xxxxxxxxxxxxxxxx"},
		{"to=:80 status=503 first=3", "xxx............."},
		{"to=:80 status=503 after=5", ".....xxxxxxxxxxx"},
		{"to=:80 status=503 after=2 first=3", "..xxx..........."},
		{"to=:80 status=503 every=1", "xxxxxxxxxxxxxxxx"},
		{"to=:80 status=503 every=3", "..x..x..x..x..x."},
		{"to=:80 status=503 every=3 after=1", "...x..x..x..x..x"},
		{"to=:80 status=503 every=2 first=5", ".x.x............"},
		{"to=:80 status=503 pattern=x..", "x..x..x..x..x..x"},
		{"to=:80 status=503 pattern=xxxx.", "xxxx.xxxx.xxxx.x"},
		{"to=:80 status=503 pattern=.x first=4", ".x.x............"},
		{"to=:80 status=503 pattern=x. after=3", "...x.x.x.x.x.x.x"},
		{"to=:80 status=503 every=2 pattern=x.", ".x...x...x...x.."},
		{"to=:80 status=503 after=1 first=9 every=2 pattern=x.", "..x...x........."},
		{"to=:80 status=503 probability=0", "................"},
		{"to=:80 status=503 probability=100%", "xxxxxxxxxxxxxxxx"},
		{"to=:80 status=503 max=1", "xxxxxxxxxxxxxxxx"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct page_fault *f = fault(rows[i].spec, 7);
		char hits[17] = "";

		for (uint64_t n = 1; n <= 16; n++)
			hits[n - 1] = decide_hit(&page, f, 42, n) ? 'x' : '.';
		ok(!strcmp(hits, rows[i].hits), "%s hits %s (got %s)", rows[i].spec, rows[i].hits, hits);
	}
	ok(!decide_hit(&page, fault("to=:80 status=503", 7), 42, 0), "ordinal 0 is never hit");
}

/* Hits, and hits whose neighbour is hit too, over DRAWS ordinals. */
static void count_hits(const struct page_fault *f, uint64_t destination, int *hits, int *pairs)
{
	bool before = false;

	*hits = *pairs = 0;
	for (uint64_t n = 1; n <= DRAWS; n++) {
		bool hit = decide_hit(&page, f, destination, n);

		*hits += hit;
		*pairs += hit && before;
		before = hit;
	}
}

static void test_probability(void)
{
	static const double shares[] = {0.001, 0.05, 0.3, 0.5, 0.8, 0.999};

	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		double p = shares[i], p2 = p * p;
		char spec[64];
		int hits, pairs;

		snprintf(spec, sizeof(spec), "to=:80 status=503 probability=%g", p);
		count_hits(fault(spec, 11), 42, &hits, &pairs);
		ok(fabs(hits - p * DRAWS) < 4.5 * sqrt(p * (1 - p) * DRAWS),
		   "probability %g: %d hits of %d are in the binomial interval", p, hits, DRAWS);
		/* variance of the count of neighbouring pairs: N (p2 + 2 p^3 - 3 p^4) */
		ok(fabs(pairs - p2 * DRAWS) < 4.5 * sqrt((p2 + 2 * p2 * p - 3 * p2 * p2) * DRAWS) + 5,
		   "probability %g: neighbouring ordinals are independent (%d pairs)", p, pairs);
	}
}

/* How many of 10,000 decisions differ between two sets of inputs. */
static int differences(uint64_t seed_a, uint64_t destination_a, uint32_t id_a, uint64_t seed_b, uint64_t destination_b,
		       uint32_t id_b)
{
	struct page_fault *f = fault("to=:80 status=503 probability=0.5", 0);
	int n = 0;

	for (uint64_t i = 1; i <= 10000; i++) {
		bool a, b;

		page.seed = seed_a;
		f->id = id_a;
		a = decide_hit(&page, f, destination_a, i);
		page.seed = seed_b;
		f->id = id_b;
		b = decide_hit(&page, f, destination_b, i);
		n += a != b;
	}
	return n;
}

static bool about_half(int n)
{
	return n > 4700 && n < 5300;
}

static void test_purity(void)
{
	is_int(differences(1, 42, 1, 1, 42, 1), 0, "same seed, destination, fault and ordinal: same decision");
	ok(about_half(differences(1, 42, 1, 2, 42, 1)), "another seed gives unrelated decisions");
	ok(about_half(differences(1, 42, 1, 1, 43, 1)), "another destination gives unrelated decisions");
	ok(about_half(differences(1, 42, 1, 1, 42, 2)), "another fault gives unrelated decisions");
	ok(about_half(differences(1, 42, 2, 2, 42, 1)), "seed and fault are not interchangeable");
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The q-quantile in ms of DRAWS delays. */
static double delay_quantile(const char *spec, double q)
{
	static uint64_t ns[DRAWS];
	struct page_fault *f = fault(spec, 3);

	for (uint64_t n = 0; n < DRAWS; n++)
		ns[n] = decide_delay_ns(&page, f, 42, n + 1);
	qsort(ns, DRAWS, sizeof(ns[0]), compare);
	return (double)ns[(size_t)(q * (DRAWS - 1))] / MS;
}

static void test_delays(void)
{
	static const struct {
		const char *spec;
		double q, want_ms, tolerance_ms;
	} rows[] = {
		{"to=:80 delay=600ms", 0, 600, 0},
		{"to=:80 delay=600ms", 1, 600, 0},
		{"to=:80 delay=0", 1, 0, 0},
		{"to=:80 delay=100ms..300ms", 0, 100, 0.1},
		{"to=:80 delay=100ms..300ms", 0.25, 150, 2},
		{"to=:80 delay=100ms..300ms", 1, 300, 0.1},
		{"to=:80 delay=200ms~50ms", 0.5, 200, 1.5},
		{"to=:80 delay=200ms~50ms", 0.8413447, 250, 2},
		{"to=:80 delay=200ms~50ms", 0.0227501, 100, 3},
		{"to=:80 delay=10ms~50ms", 0.1, 0, 0},
		{"to=:80 delay=p50:200ms,p99:2s", 0.5, 200, 5},
		{"to=:80 delay=p50:200ms,p99:2s", 0.99, 2000, 120},
		{"to=:80 delay=p50:30m,p99:100h", 1, 3600e3, 0},
		{"to=:80 status=503", 1, 0, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		double got = delay_quantile(rows[i].spec, rows[i].q);

		ok(fabs(got - rows[i].want_ms) <= rows[i].tolerance_ms, "%s: quantile %g is %g ms (got %.2f)", rows[i].spec + 7,
		   rows[i].q, rows[i].want_ms, got);
	}
}

/* Correlation of hit (0/1) and delay; both hang on the same four inputs. */
static void test_hit_and_delay_are_independent(void)
{
	struct page_fault *f = fault("to=:80 delay=0ms..1000ms probability=0.5", 9);
	double hit_sum = 0, hits = 0;

	for (uint64_t n = 1; n <= DRAWS; n++) {
		if (!decide_hit(&page, f, 42, n))
			continue;
		hits++;
		hit_sum += (double)decide_delay_ns(&page, f, 42, n) / MS;
	}
	ok(fabs(hit_sum / hits - 500) < 4.5 * 288.7 / sqrt(hits), "delays of the hit half are those of all (mean %.1f ms)",
	   hit_sum / hits);
}

static void test_window(void)
{
	struct page_fault *f = fault("to=:80 status=503 from=10s for=30s", 1);
	const uint64_t start = 5000000000ull, s = 1000000000ull;

	page.started_ns = start;
	ok(!decide_active(&page, f, start), "before `from` a fault is not active");
	ok(!decide_active(&page, f, start - s), "before the run's start neither");
	ok(decide_active(&page, f, start + 10 * s), "it is active from `from` on");
	ok(decide_active(&page, f, start + 40 * s - 1), "to the last moment of `for`");
	ok(!decide_active(&page, f, start + 40 * s), "and no longer");
	f = fault("to=:80 status=503 from=10s", 1);
	page.started_ns = start;
	ok(decide_active(&page, f, start + 100000 * s), "without `for` the window has no end");
}

static struct addr ip(const char *text, uint16_t port)
{
	unsigned char raw[16];
	struct addr a;
	bool six = strchr(text, ':');

	if (inet_pton(six ? AF_INET6 : AF_INET, text, raw) != 1)
		exit(1);
	addr_from_ip(&a, six ? 6 : 4, raw, port);
	return a;
}

static struct addr unix_path(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct addr a;

	strcpy(un.sun_path, path);
	if (*path == '@')
		un.sun_path[0] = '\0';
	addr_from_sockaddr(&a, (struct sockaddr *)&un,
			   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + (*path != '@')));
	return a;
}

static struct addr end_of(const char *host, uint16_t port)
{
	return strncmp(host, "unix:", 5) ? ip(host, port) : unix_path(host + 5);
}

static void test_peers(void)
{
	static const struct {
		const char *peer, *host;
		uint16_t port;
		bool concerns;
	} rows[] = {
		{"127.0.0.1:80", "127.0.0.1", 80, true},
		{"127.0.0.1:80", "127.0.0.1", 81, false},
		{"127.0.0.1:80", "127.0.0.2", 80, false},
		{"127.0.0.1", "127.0.0.1", 81, true},
		{"127.0.0.1:80", "::ffff:127.0.0.1", 80, true},
		{"::ffff:127.0.0.1", "127.0.0.1", 80, true},
		{"127.0.0.1:80", "::1", 80, false},
		{":80", "::1", 80, true},
		{":80", "10.1.2.3", 80, true},
		{":80", "10.1.2.3", 81, false},
		{":80", "unix:/run/x", 0, false},
		{"*:80", "10.1.2.3", 80, true},
		{"10.0.0.0/8", "10.255.0.1", 5, true},
		{"10.0.0.0/8", "11.0.0.1", 5, false},
		{"10.9.9.9/8", "10.0.0.1", 5, true},
		{"10.0.0.0/8:5432", "10.3.0.1", 5432, true},
		{"10.0.0.0/8:5432", "10.3.0.1", 5433, false},
		{"192.168.4.0/22", "192.168.7.255", 1, true},
		{"192.168.4.0/22", "192.168.8.0", 1, false},
		{"0.0.0.0/0", "8.8.8.8", 1, true},
		{"0.0.0.0/0", "::1", 1, false},
		{"1.2.3.4/32", "1.2.3.5", 1, false},
		{"1.2.3.4/31", "1.2.3.5", 1, true},
		{"::1", "::1", 9, true},
		{"[::1]:80", "::1", 80, true},
		{"[::1]:80", "::1", 81, false},
		{"[::1]", "::1", 81, true},
		{"fd00::/8", "fdab::1", 1, true},
		{"fd00::/8", "fe80::1", 1, false},
		{"[fd00::/8]:443", "fdab::1", 443, true},
		{"[fd00::/8]:443", "fdab::1", 444, false},
		{"::/0", "10.0.0.1", 1, false},
		{"::ffff:10.0.0.0/104", "10.8.8.8", 1, true},
		{"::ffff:10.0.0.0/104", "11.8.8.8", 1, false},
		{"localhost:80", "127.0.0.1", 80, true},
		{"localhost:80", "127.9.9.9", 80, true},
		{"localhost:80", "::1", 80, true},
		{"localhost:80", "::1", 81, false},
		{"localhost", "127.0.0.1", 81, true},
		{"LocalHost", "127.0.0.1", 81, true},
		{"localhost", "10.0.0.1", 81, false},
		{"localhost", "unix:/run/x", 0, false},
		{"unix:/run/x", "unix:/run/x", 0, true},
		{"unix:/run/x", "unix:/run/xy", 0, false},
		{"unix:@x", "unix:@x", 0, true},
		{"unix:@x", "unix:x", 0, false},
		{"unix:/run/x", "127.0.0.1", 1, false},
		{"*", "127.0.0.1", 1, true},
		{"*", "::2", 1, true},
		{"*", "unix:/run/x", 0, true},
		{"0.0.0.0:80", "127.0.0.1", 80, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr end = end_of(rows[i].host, rows[i].port);
		char spec[80];

		snprintf(spec, sizeof(spec), "to=%s delay=1s", rows[i].peer);
		is_int(decide_concerns(&page, fault(spec, 1), PAGE_TO, &end, false, "x"), rows[i].concerns, "to=%s %s %s port %u",
		       rows[i].peer, rows[i].concerns ? "is" : "is not", rows[i].host, rows[i].port);
	}
}

static void test_concerns(void)
{
	struct addr end = ip("127.0.0.1", 80), none = {.family = ADDR_NONE};
	struct page_fault *f = fault("at=0.0.0.0:80 delay=1s", 1);

	ok(decide_concerns(&page, f, PAGE_AT, &end, false, "x"), "at=0.0.0.0:80 is every local address");
	ok(!decide_concerns(&page, f, PAGE_TO, &end, false, "x"), "`at` does not concern what the program starts");
	f = fault("at=[::]:80 delay=1s", 1);
	ok(decide_concerns(&page, f, PAGE_AT, &end, false, "x"), "at=[::]:80 as well");
	f = fault("to=*:80 process=orders* delay=1s", 1);
	ok(decide_concerns(&page, f, PAGE_TO, &end, false, "orders-api"), "process=orders* is orders-api");
	ok(!decide_concerns(&page, f, PAGE_TO, &end, false, "my-orders"), "process=orders* is not my-orders");
	f = fault("to=* delay=1s", 1);
	ok(!decide_concerns(&page, f, PAGE_TO, &none, false, "x"), "no address is no peer");
	f->peer = PAGE_PEER_HOST;
	ok(decide_concerns(&page, f, PAGE_TO, &end, true, "x"), "an address that came from the name is the host");
	page.text[PAGE_TEXT_BYTES - 1] = '*';
	f->process = (struct page_text){.at = PAGE_TEXT_BYTES - 1, .len = 5};
	ok(!decide_concerns(&page, f, PAGE_TO, &end, true, "x"), "a text outside the page matches nothing and is not read");
}

static void test_places(void)
{
	static const struct {
		const char *spec;
		uint32_t resolve, connect, exchange;
	} rows[] = {
		{"status=503", 0, 0, PAGE_STATUS},
		{"delay=1s status=503", 0, 0, PAGE_DELAY | PAGE_STATUS},
		{"delay=1s delay_on=resolve", PAGE_DELAY, 0, 0},
		{"delay=1s delay_on=resolve status=503", PAGE_DELAY, 0, PAGE_STATUS},
		{"delay=1s delay_on=resolve refuse=true", PAGE_DELAY, PAGE_REFUSE, 0},
		{"delay=1s resolve=EAI_AGAIN", PAGE_DELAY | PAGE_RESOLVE, 0, 0},
		{"delay=1s refuse=true", 0, PAGE_DELAY | PAGE_REFUSE, 0},
		{"error=connect:ETIMEDOUT", 0, PAGE_ERROR, 0},
		{"error=recv:ETIMEDOUT delay=1s", 0, 0, PAGE_ERROR | PAGE_DELAY},
		{"probability=0", 0, 0, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char spec[80];
		struct page_fault *f;

		snprintf(spec, sizeof(spec), "to=localhost %s", rows[i].spec);
		f = fault(spec, 1);
		ok(decide_actions_at(f, DECIDE_RESOLVE) == rows[i].resolve && decide_actions_at(f, DECIDE_CONNECT) == rows[i].connect &&
			   decide_actions_at(f, DECIDE_EXCHANGE) == rows[i].exchange,
		   "each action at its step: %s", rows[i].spec);
	}
	ok(decide_is_at(fault("to=* probability=0", 1), DECIDE_EXCHANGE) && !decide_is_at(fault("to=* probability=0", 1), DECIDE_CONNECT),
	   "without an action exchanges are counted");
}

static struct authority authority(const char *host, uint32_t port)
{
	return (struct authority){host_hash(host, strlen(host)), port, 0};
}

static void test_hosts(void)
{
	static const struct {
		const char *to, *host;
		uint32_t asked, port;
		bool is;
	} rows[] = {
		{"api.test", "api.test", 0, 9, true},
		{"api.test", "other.test", 0, 9, false},
		{"api.test", "", 0, 9, false},
		{"api.test:8082", "api.test", 8082, 3128, true},
		{"api.test:8082", "api.test", 8083, 3128, false},
		{"api.test:8082", "api.test", 9, 8082, true},
		{"api.test:8082", "api.test", 0, 8082, true},
		{"api.test:8082", "api.test", 0, 3128, false},
		{"api.test:80", "api.test", 0, 3128, true},
		{"localhost", "localhost", 0, 9, true},
	};
	const struct authority none = {0};
	struct addr end, name;
	struct page_fault *f;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct authority asked = authority(rows[i].host, rows[i].asked);
		char spec[80];

		snprintf(spec, sizeof(spec), "to=%s delay=1s", rows[i].to);
		end = ip("10.0.0.1", (uint16_t)rows[i].port);
		is_int(decide_is_asked(fault(spec, 1), &end, &asked), rows[i].is, "to=%s %s a request for '%s' port %u on port %u", rows[i].to,
		       rows[i].is ? "is" : "is not", rows[i].host, rows[i].asked, rows[i].port);
	}
	f = fault("to=api.test:80 delay=1s", 1);
	end = ip("10.0.0.1", 80);
	ok(decide_is_host(&page, f, &end, true) && !decide_is_host(&page, f, &end, false), "an address is the host if it was resolved to it");
	end = ip("10.0.0.1", 81);
	ok(!decide_is_host(&page, f, &end, true), "and the port fits");
	addr_from_name(&name, "API.test", 80);
	ok(decide_is_host(&page, f, &name, false) && decide_concerns(&page, f, PAGE_TO, &name, false, "x"), "the name is the host");
	addr_from_name(&name, "api.test", 81);
	ok(!decide_is_host(&page, f, &name, false), "unless another port is asked for");
	addr_from_name(&name, "api.test", 0);
	ok(decide_is_host(&page, f, &name, false), "none is any");
	end = ip("10.0.0.1", 80);
	ok(decide_destination(f, &end, &none) == decide_destination(f, &(struct addr){.family = ADDR_IP6, .port = 80}, &none),
	   "exchanges with a host are counted together, whatever its address");
	ok(decide_destination(f, &end, &none) != decide_destination(f, &(struct addr){.family = ADDR_IP4, .port = 81}, &none),
	   "those with another port are not");
	end = ip("10.0.0.9", 3128);
	ok(decide_destination(f, &end, &(struct authority){f->host_hash, 80, 0}) == decide_destination(f, &(struct addr){.port = 80}, &none),
	   "through a proxy they are counted by the port that is asked for");
	ok(decide_destination(f, &name, &none) == name.hash, "resolutions are counted by the name");
	f = fault("to=:3128 delay=1s", 1);
	ok(decide_destination(f, &end, &none) == end.hash, "any other fault counts by address");
}

static bool matches(const char *conditions, const struct http1_head *head, const char *raw)
{
	char spec[160];

	snprintf(spec, sizeof(spec), "to=:80 delay=1s %s", conditions);
	return decide_matches(&page, fault(spec, 1), head, raw, raw ? strlen(raw) : 0);
}

static void test_requests(void)
{
	static const char raw[] =
		"POST /charge/1?x=2 HTTP/1.1\r\nHost: api.local\r\nX-Tenant:  gold-7 \r\nBare: lf\nEmpty:\r\n\r\n";
	struct http1_head head = {.method = "POST", .path = "/charge/1"};

	ok(matches("", &head, raw), "a fault without conditions matches every request");
	ok(matches("", NULL, NULL), "and what is not HTTP");
	ok(matches("method=POST", &head, raw) && matches("method=post", &head, raw), "method, in either case");
	ok(!matches("method=GET", &head, raw) && !matches("method=POS", &head, raw),
	   "another method, or part of it, does not match");
	ok(matches("path=/charge/*", &head, raw) && matches("path=*/1", &head, raw), "path globs");
	ok(!matches("path=/charge", &head, raw) && !matches("path=/Charge/*", &head, raw),
	   "a path is matched whole and in its case");
	ok(matches("header='X-Tenant: gold*'", &head, raw) && matches("header=x-tenant:gold-7", &head, raw),
	   "header, its blanks cut, its name in any case");
	ok(matches("header=Bare:lf", &head, raw), "a line that ends in LF alone");
	ok(!matches("header=X-Tenant:silver*", &head, raw) && !matches("header=Tenant:gold*", &head, raw),
	   "another value or name does not match");
	ok(!matches("header=POST:*", &head, raw), "the request line is no header");
	ok(matches("header=Empty:*", &head, raw) && !matches("header=Empty:?*", &head, raw),
	   "an empty value is matched by * only");
	ok(!matches("header=Host:*", &head, NULL), "no bytes of a head, no header");
	ok(!matches("method=POST", NULL, NULL) && !matches("path=*", NULL, NULL),
	   "HTTP conditions do not match what is not HTTP");
	ok(!decide_matches(&page, fault("to=:80 status=503", 1), NULL, NULL, 0), "status does not match what is not HTTP");
	ok(matches("method=POST path=/charge/* header=Host:api*", &head, raw) && !matches("method=POST path=/x", &head, raw),
	   "all conditions must hold");
	ok(decide_needs_head(fault("to=:80 status=503", 1)) && decide_needs_head(fault("to=:80 delay=1s path=/x", 1)),
	   "status and path need a head");
	ok(!decide_needs_head(fault("to=:80 delay=1s", 1)), "a bare delay does not");
}

#define THREADS 4
#define EACH 20000

static unsigned char seen[2][THREADS * EACH + 1];

static void *take_ordinals(void *f)
{
	for (int i = 0; i < EACH; i++)
		for (int d = 0; d < 2; d++)
			__atomic_fetch_add(&seen[d][decide_ordinal(&page, f, 1000 + (uint64_t)d)], 1, __ATOMIC_RELAXED);
	return NULL;
}

static void test_ordinals(void)
{
	struct page_fault *f = fault("to=:80 status=503", 1);
	pthread_t threads[THREADS];
	bool once = true;

	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, take_ordinals, f);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int n = 1; n <= THREADS * EACH; n++)
		once = once && seen[0][n] == 1 && seen[1][n] == 1;
	ok(once, "%d threads take each ordinal of two destinations exactly once", THREADS);
	is_int(decide_ordinal(&page, f, 5), 1, "another destination begins at 1");
	f->id = 2;
	is_int(decide_ordinal(&page, f, 5), 1, "another fault begins at 1");
}

static void test_full_table(void)
{
	struct page_fault *f = fault("to=:80 status=503", 1);
	uint64_t lost, shared = 0;

	for (uint64_t d = 1; d <= 3 * PAGE_ORDINAL_SLOTS; d++)
		decide_ordinal(&page, f, d);
	lost = atomic_load(&page.lost[PAGE_LOST_ORDINAL]);
	ok(lost >= 2 * PAGE_ORDINAL_SLOTS, "a full table is counted as lost (%" PRIu64 ")", lost);
	for (uint64_t d = 100000; d < 100010; d++)
		shared = decide_ordinal(&page, f, d);
	is_int(shared, lost + 10, "destinations beyond it share one ordinal");
	is_int(decide_ordinal(&page, f, 1), 2, "those inside keep their own");
}

static void *fire(void *f)
{
	long fired = 0;

	for (int i = 0; i < EACH; i++)
		fired += decide_fire(f);
	return (void *)fired;
}

static void test_max(void)
{
	struct page_fault *f = fault("to=:80 status=503 max=12345", 1);
	pthread_t threads[THREADS];
	long sum = 0;

	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, fire, f);
	for (int i = 0; i < THREADS; i++) {
		void *fired;

		pthread_join(threads[i], &fired);
		sum += (long)fired;
	}
	is_int(sum, 12345, "max is reached exactly, whatever the threads do");
	is_int(atomic_load(&f->fired), 12345, "and `fired` counts no more");
	f = fault("to=:80 status=503", 1);
	ok(decide_fire(f) && decide_fire(f) && atomic_load(&f->fired) == 2, "without max every firing counts");
}

int main(void)
{
	test_approx();
	test_counts();
	test_probability();
	test_purity();
	test_delays();
	test_hit_and_delay_are_independent();
	test_window();
	test_peers();
	test_concerns();
	test_places();
	test_hosts();
	test_requests();
	test_ordinals();
	test_full_table();
	test_max();
	return tap_done();
}

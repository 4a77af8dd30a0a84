/* SPDX-License-Identifier: MIT */
/* Plans: what is read, what is refused and in which words, what is compiled, what is written back. */
#include <errno.h>
#include <netdb.h>
#include <unistd.h>
#include "plan/errnos.h"
#include "plan/fault.h"
#include "plan/plan.h"
#include "tests/lib/tap.h"

#define T "to=127.0.0.1:80 "

static struct page page;
static struct plan plan;
static char directory[] = "/tmp/aftershock-test-plan-XXXXXX";

static struct plan *fresh(void)
{
	plan_clear(&plan);
	plan_init(&plan);
	return &plan;
}

/* The path of a file with these bytes. */
static const char *file_of(const void *bytes, size_t n)
{
	static char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/plan.json", directory);
	f = fopen(path, "w");
	if (!f || fwrite(bytes, 1, n, f) != n || fclose(f)) {
		printf("Bail out! cannot write %s\n", path);
		exit(1);
	}
	return path;
}

static int add_json(struct plan *p, const char *json)
{
	return plan_add_file(p, file_of(json, strlen(json)));
}

/* What is refused while reading or checking: the sentence holds both words, has no line break, and nothing was added. */
static void refused(int err, const struct plan *p, const char *what, const char *word, const char *accepted)
{
	bool said = strstr(p->error, word) && strstr(p->error, accepted) && !strchr(p->error, '\n');

	if (!ok(err < 0 && said, "refused: %s", what))
		printf("# %d %s\n# wanted: %s, %s\n", err, p->error, word, accepted);
}

static void test_refused_specs(void)
{
	static const struct {
		const char *spec, *word, *accepted;
	} rows[] = {
		{T "probabilty=0.3 status=429", "'probabilty'", "did you mean 'probability'?"},
		{T "staus=429", "'staus'", "'status'"},
		{T "wibble=1", "'wibble'", "known keys: name, to, at"},
		{T "probability=1.5 status=429", "probability=1.5", "from 0 to 1"},
		{T "probability=101% status=429", "probability=101%", "percentage"},
		{T "probability=-0.1 status=429", "probability=-0.1", "from 0 to 1"},
		{T "probability=nan status=429", "probability=nan", "from 0 to 1"},
		{T "delay=-1s", "delay=-1s", "600ms"},
		{T "delay=600", "delay=600", "600ms"},
		{T "delay=600ms..", "delay=600ms..", "100ms..300ms"},
		{T "delay=300ms..100ms", "delay=300ms..100ms", "shorter time first"},
		{T "delay=200ms~", "delay=200ms~", "200ms~50ms"},
		{T "delay=p50:2s,p99:1s", "delay=p50:2s,p99:1s", "p99 that is not below"},
		{T "delay=p50:0,p99:1s", "delay=p50:0,p99:1s", "p50 above 0"},
		{T "delay=p50:200ms", "delay=p50:200ms", "p50:200ms,p99:2s"},
		{T "status=42", "status=42", "200 to 599"},
		{T "status=600", "status=600", "200 to 599"},
		{T "status=199", "status=199", "200 to 599"},
		{T "status=4x9", "status=4x9", "200 to 599"},
		{T "at=:80 status=429", "to=127.0.0.1:80 and at=:80", "one of them"},
		{"status=429", "neither to nor at", "to=PEER"},
		{"", "neither to nor at", "at=ADDRESS"},
		{T, "no action", "probability=0"},
		{T "refuse=false", "no action", "status=503"},
		{T "refuse=yes", "refuse=yes", "true or false"},
		{T "refuse", "'refuse'", "key=value"},
		{T "status=", "status is empty", "200 to 599"},
		{T "status=429 status=430", "status is given twice", "once"},
		{T "status=429 body='a b", "body has a quote", "close it"},
		{T "status=429 body='a'b", "body has text right behind", "in quotes"},
		{T "=3", "'=3'", "key=value"},
		{T "retry_after=2s delay=1s", "retry_after=2s needs status", "status"},
		{T "body=x delay=1s", "body=x needs status", "status"},
		{T "reply_header=A:b delay=1s", "reply_header=A:b needs status", "status"},
		{T "delay_on=response status=429", "delay_on=response needs delay", "delay"},
		{T "delay=1s delay_on=later", "delay_on=later", "response, request, connect or resolve"},
		{T "status=429 retry_after=1.5s", "retry_after=1.5s", "whole seconds"},
		{T "status=429 retry_after=200ms", "retry_after=200ms", "whole seconds"},
		{T "status=429 retry_after=-1", "retry_after=-1", "whole seconds"},
		{T "status=429 reply_header=nocolon", "reply_header=nocolon", "'Name: value'"},
		{T "status=429 reply_header='A B: c'", "reply_header=A B: c", "'Name: value'"},
		{T "status=429 reply_header='A: b\r\nEvil: c'", "reply_header=A: b??Evil: c", "line breaks"},
		{T "status=429 reply_header='A: b\nEvil: c'", "control characters", "'Name: value'"},
		{T "status=429 reply_header='content-length: 3'", "Content-Length", "other headers"},
		{T "status=429 reply_header='Transfer-Encoding: chunked'", "Transfer-Encoding", "other headers"},
		{T "status=429 retry_after=1s reply_header='X: y' reply_header='retry-after: 3'", "retry_after", "leave one"},
		{T "status=204 body=x", "status=204", "leave body out"},
		{T "status=429 body='a\033[31m'", "body=a?[31m", "control characters"},
		{T "status=429 name=\xff\xfe", "broken UTF-8", "letters"},
		{T "status=429 name='a b'", "name=a b", "letters, digits"},
		{T "status=429 name=../x", "name=../x", "beginning with"},
		{T "status=429 name=x23456789012345678901234567890123456789012345678901234567890123456", "...", "at most 64"},
		{T "status=429 first=0", "first=0", "from 1 on"},
		{T "status=429 every=0", "every=0", "from 1 on"},
		{T "status=429 max=0", "max=0", "from 1 on"},
		{T "status=429 after=-1", "after=-1", "from 0 on"},
		{T "status=429 first=1.5", "first=1.5", "whole number"},
		{T "status=429 first=99999999999999999999", "first=99999999999999999999", "whole number"},
		{T "status=429 pattern=xo", "pattern=xo", "x (hit) and . (pass) only"},
		{T "status=429 pattern=...", "pattern=...", "at least one x"},
		{T "status=429 from=10", "from=10", "10s"},
		{T "status=429 for=0s", "for=0s", "above 0"},
		{T "status=429 method='GET POST'", "method=GET POST", "one HTTP method"},
		{T "status=429 path=charge", "path=charge", "begins with / or *"},
		{T "status=429 header=X-Tenant", "header=X-Tenant", "a colon"},
		{T "status=429 header=X-Tenant:", "header=X-Tenant:", "a pattern"},
		{T "error=recv:EPIPE", "error=recv:EPIPE", "recv can return: ECONNRESET"},
		{T "error=send:ECONNREFUSED", "send:ECONNREFUSED", "send can return: ECONNRESET"},
		{T "error=connect:EPIPE", "connect:EPIPE", "connect can return: ECONNREFUSED"},
		{T "error=accept:ECONNRESET", "error=accept:ECONNRESET", "recv:ERRNO"},
		{T "error=ETIMEDOUT", "error=ETIMEDOUT", "recv:ERRNO"},
		{T "hang=request", "hang=request", "connect or response"},
		{T "reset=0", "reset=0", "above 0"},
		{T "reset=later", "reset=later", "connect, request, response"},
		{T "truncate=-1", "truncate=-1", "number of bytes"},
		{T "throttle=64", "throttle=64", "64k"},
		{T "throttle=0k", "throttle=0k", "64k"},
		{"to=localhost resolve=EAI_WHAT", "resolve=EAI_WHAT", "EAI_AGAIN"},
		{T "resolve=EAI_AGAIN", "resolve=EAI_AGAIN", "to=HOST"},
		{T "refuse=true status=429", "status=429 and refuse=true", "two faults"},
		{T "hang=response reset=response", "hang=response and reset=response", "two faults"},
		{T "status=429 error=recv:ECONNRESET", "status=429 and error=recv:ECONNRESET", "two faults"},
		{T "truncate=10 reset=response", "reset=response and truncate=10", "two faults"},
		{T "throttle=64k status=429", "throttle=64k and status=429", "two faults"},
		{T "path=/x refuse=true", "refuse=true", "path=/x"},
		{T "method=GET error=connect:ECONNREFUSED", "error=connect:ECONNREFUSED", "method=GET"},
		{T "header=A:b hang=connect", "hang=connect", "header=A:b"},
		{"at=:80 refuse=true", "refuse=true", "to instead of at"},
		{"at=:80 error=connect:ETIMEDOUT", "error=connect:ETIMEDOUT", "to instead of at"},
		{"at=:80 delay=1s delay_on=connect", "delay_on=connect", "to instead of at"},
		{"to= status=429", "to is empty", "host:port"},
		{"to=:0 status=429", "to=:0", "1 to 65535"},
		{"to=:65536 status=429", "to=:65536", "1 to 65535"},
		{"to=:8o status=429", "to=:8o", "1 to 65535"},
		{"to=127.0.0.1: status=429", "to=127.0.0.1:", "1 to 65535"},
		{"to=300.1.1.1:80 status=429", "to=300.1.1.1:80", "host:port"},
		{"to=10.0.0.0/33 status=429", "to=10.0.0.0/33", "at most 32"},
		{"to=10.0.0.0/x status=429", "to=10.0.0.0/x", "10.0.0.0/8"},
		{"to=fd00::/129 status=429", "to=fd00::/129", "address/bits"},
		{"to=[::1 status=429", "to=[::1", "[address]:port"},
		{"to=[127.0.0.1]:80 status=429", "to=[127.0.0.1]:80", "[address]:port"},
		{"to=[::1]80 status=429", "to=[::1]80", "[address]:port"},
		{"to=localhost/8 status=429", "to=localhost/8", "host:port"},
		{"to=a$b:80 status=429", "to=a$b:80", "host:port"},
		{"to=::1:80 status=429", "to=::1:80", "[address]:port or [address]"},
		{"to=fd00::1:8080 status=429", "to=fd00::1:8080", "[address]:port or [address]"},
		{"to=::ffff:10.0.0.1:80 status=429", "to=::ffff:10.0.0.1:80", "[address]:port or [address]"},
		{"to=1:2:3:4:5:6:7:8:80 status=429", "to=1:2:3:4:5:6:7:8:80", "[address]:port or [address]"},
		{"to=unix: status=429", "to=unix:", "1 to 107 bytes"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct plan *p = fresh();

		refused(plan_add_spec(p, rows[i].spec), p, rows[i].spec, rows[i].word, rows[i].accepted);
		if (p->fault_count)
			ok(false, "nothing is added by %s", rows[i].spec);
	}
}

static void test_refused_json(void)
{
	static const struct {
		const char *json, *word, *accepted;
	} rows[] = {
		{"", "line 1, column 1: the file is empty", "give a plan such as"},
		{" \n\t", "empty", "give a plan such as"},
		{"{\"faults\":[{\"to\":\":80\",\"status\":429},]}", "line 1, column 38", "give a plan such as"},
		{"{\n \"faults\": [\n  {\"to\" \":80\"}]}", "line 3, column 9", "give a plan such as"},
		{"{\"faults\":[]", "line 1, column 13", "ends too early"},
		{"{\"faults\":[]} x", "line 1, column 15", "not JSON"},
		{"{\"fa\xc3\xbclts\":[}", "line 1, column 12", "not JSON"},
		{"{\"faults\":[{\"to\":\":80\\u0000x\",\"status\":429}]}", "line 1, column 22", "binary"},
		{"[]", "an array", "a plan is an object"},
		{"3", "a number", "a plan is an object"},
		{"{}", "faults is missing", "\"faults\""},
		{"{\"faults\":[],\"sed\":1}", "'sed'", "seed and faults"},
		{"{\"faults\":[],\"faults\":[]}", "faults is given twice", "once"},
		{"{\"faults\":{}}", "an object", "array of faults"},
		{"{\"faults\":[null]}", "fault 1 is null", "give an object"},
		{"{\"faults\":[],\"seed\":-1}", "seed=-1", "whole number"},
		{"{\"faults\":[],\"seed\":1.5}", "seed=1.5", "whole number"},
		{"{\"faults\":[],\"seed\":1e300}", "seed=1e+300", "whole number"},
		{"{\"faults\":[],\"seed\":\"18446744073709551616\"}", "seed=", "18446744073709551615"},
		{"{\"faults\":[],\"seed\":true}", "seed=true", "whole number"},
		{"{\"faults\":[{\"name\":\"n\",\"to\":\":80\",\"delay\":600}]}", "plan.json: fault 1 'n': delay=600 is a number",
		 "\"600ms\""},
		{"{\"faults\":[{\"name\":\"n\",\"to\":80,\"delay\":\"1s\"}]}", "to=80 is a number", "give a string"},
		{"{\"faults\":[{\"to\":\":80\",\"status\":true}]}", "status=true is a boolean", "a string or a number"},
		{"{\"faults\":[{\"to\":\":80\",\"status\":429.5}]}", "status=429.5", "200 to 599"},
		{"{\"faults\":[{\"to\":\":80\",\"refuse\":1}]}", "refuse=1 is a number", "true or false"},
		{"{\"faults\":[{\"to\":null,\"refuse\":true}]}", "to=null is null", "give a string"},
		{"{\"faults\":[{\"to\":[\":80\"],\"refuse\":true}]}", "to=[\":80\"] is an array", "give a string"},
		{"{\"faults\":[{\"to\":\":80\",\"status\":429,\"status\":430}]}", "status is given twice", "once"},
		{"{\"faults\":[{\"to\":\":80\",\"status\":429,\"reply_header\":\"A: b\",\"reply_header\":\"C: d\"}]}",
		 "reply_header is given twice", "once"},
		{"{\"faults\":[{\"to\":\":80\",\"status\":429,\"reply_header\":[]}]}", "reply_header is an empty array",
		 "'Name: value'"},
		{"{\"faults\":[{\"to\":\":80\",\"status\":429,\"reply_header\":[1]}]}", "reply_header=1 is a number",
		 "array of strings"},
		{"{\"faults\":[{\"to\":\":80\",\"status\":429,\"reply_header\":[\"A: b\\r\\nC: d\"]}]}", "A: b??C: d",
		 "line breaks"},
		{"{\"faults\":[{\"to\":\":80\",\"status\":429},{\"name\":\"b\",\"to\":\":80\",\"probability\":1.5}]}",
		 "fault 2 'b': probability=1.5", "from 0 to 1"},
		{"{\"faults\":[{\"to\":\":80\",\"\":1}]}", "unknown key ''", "known keys"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct plan *p = fresh();

		refused(add_json(p, rows[i].json), p, rows[i].json, rows[i].word, rows[i].accepted);
	}
}

static void test_refused_files(void)
{
	static const char binary[] = "\x7f"
				     "ELF\2\1\1\0\0\0";
	char missing[80];
	struct plan *p = fresh();

	snprintf(missing, sizeof(missing), "%s/none.json", directory);
	is_int(plan_add_file(p, missing), -ENOENT, "a missing plan gives its errno");
	refused(-1, p, "a missing plan", "none.json cannot be read (No such file or directory)", "give a readable");
	is_int(plan_add_file(p, directory), -EISDIR, "a directory gives its errno");
	refused(-1, p, "a directory", "is a directory", "give a JSON plan file");
	refused(plan_add_file(p, file_of(binary, sizeof(binary))), p, "a binary", "line 1, column 1: binary data", "give a plan");
	refused(add_json(p, "{\"a\": \"\001\"}"), p, "a control character", "line 1, column 8: binary data", "give a plan");
}

static void test_across_faults(void)
{
	struct plan *p = fresh();
	char *huge = calloc(1, 70000);

	for (int i = 0; i < PAGE_FAULT_MAX; i++)
		plan_add_spec(p, T "status=429");
	is_int(plan_check(p), 0, "%d faults fit", PAGE_FAULT_MAX);
	ok(!strcmp(plan_fault_name(p, 0), "127.0.0.1:80-status-429") &&
		   !strcmp(plan_fault_name(p, 63), "127.0.0.1:80-status-429-64"),
	   "made names are numbered when they repeat");
	plan_add_spec(p, T "status=429");
	refused(plan_check(p), p, "65 faults", "65 faults", "at most 64");
	p = fresh();
	plan_add_spec(p, T "status=429 name=a");
	plan_add_spec(p, T "delay=1s name=a");
	refused(plan_check(p), p, "a name twice", "name=a is the name of fault 1 already", "a name of its own");
	p = fresh();
	if (huge) {
		strcpy(huge, T "status=429 body=");
		memset(huge + strlen(huge), 'x', 66000);
		is_int(plan_add_spec(p, huge), 0, "a large body is understood");
	}
	refused(plan_check(p), p, "texts that do not fit", "65536", "shorter");
	p = fresh();
	if (huge) {
		memset(huge, 'x', 9000);
		memcpy(huge, T "status=429 reply_header=A:", strlen(T "status=429 reply_header=A:"));
		huge[9000] = '\0';
		refused(plan_add_spec(p, huge), p, "headers longer than an answer's head", "reply_header", "at most 8192");
	}
	free(huge);
	p = fresh();
	is_int(add_json(p, "{\"seed\":1,\"faults\":[]}") + add_json(p, "{\"seed\":1,\"faults\":[]}"), 0,
	       "two plans with one seed");
	refused(add_json(p, "{\"seed\":2,\"faults\":[]}"), p, "two plans with two seeds", "seed=2", "seed 1");
	p = fresh();
	p->seed = 9;
	p->seed_given = true;
	ok(!add_json(p, "{\"seed\":1,\"faults\":[]}") && p->seed == 9, "a seed given before overrides the file's");
}

/* The page of one spec. */
static struct page_fault *compiled(const char *spec)
{
	struct plan *p = fresh();

	memset(&page, 0, sizeof(page));
	if (plan_add_spec(p, spec) || plan_compile(p, &page)) {
		printf("Bail out! %s: %s\n", spec, p->error);
		exit(1);
	}
	return &page.faults[0];
}

static const char *text(struct page_text t)
{
	static char buf[4][512];
	static unsigned turn;
	char *out = buf[turn++ % 4];

	snprintf(out, 512, "%.*s", (int)t.len, page.text + t.at);
	return out;
}

static void test_compiled(void)
{
	struct page_fault *f =
		compiled("to=127.0.0.1:80 status=429 retry_after=2s reply_header='A: b' reply_header=C:d body='say \"hi\"' "
			 "method=POST path=/c/* header='X-T: g*' process=o* pattern=x. name=pay probability=25% every=2 after=3 "
			 "first=4 max=5 from=1s for=2s");

	ok(page.magic == PAGE_MAGIC && page.layout == PAGE_LAYOUT && page.bytes == sizeof(page) && page.fault_count == 1,
	   "the page says what it is");
	is_str(text(f->name), "pay", "name");
	is_str(text(f->reply_headers), "A: b\r\nC:d\r\n", "reply headers are whole lines");
	is_str(text(f->body), "say \"hi\"", "body, quotes inside other quotes kept");
	is_str(text(f->method), "POST", "method");
	is_str(text(f->path), "/c/*", "path");
	ok(!strcmp(text(f->header), "X-T") && !strcmp(text(f->header_glob), "g*"), "header name and pattern");
	ok(!strcmp(text(f->process), "o*") && !strcmp(text(f->pattern), "x."), "process and pattern");
	ok(f->side == PAGE_TO && f->peer == PAGE_PEER_NET && f->prefix == 32 && f->port == 80 && f->id == 1, "peer");
	ok(f->actions == PAGE_STATUS && f->status == 429 && f->retry_after_s == 2 && f->listed, "answer");
	ok(page_live(&page, page_version(&page)) == 1, "and it is on");
	ok(f->hit_below == 1ull << 30 && f->every == 2 && f->after == 3 && f->first == 4 && f->max == 5, "counts");
	ok(f->from_ns == 1000000000ull && f->for_ns == 2000000000ull && !f->watch_only, "window");
	f = compiled("to=10.9.8.7/8 delay=1s");
	ok(f->prefix == 8 && f->addr.family == ADDR_IP4 && !memcmp(f->addr.ip, "\012\0\0\0", 4), "a network has no host bits");
	is_int(compiled(T "status=429 retry_after=1")->retry_after_s, 1, "retry_after in bare seconds, the header's own unit");
	is_int(compiled(T "status=429 retry_after=2m")->retry_after_s, 120, "retry_after in minutes");
	is_int(compiled(T "status=429")->retry_after_s, -1, "no retry_after");
	is_int(compiled(T "status=429")->hit_below, 1ll << 32, "without probability every exchange");
	ok(compiled(T "probability=0")->watch_only && !page.faults[0].actions, "probability=0 watches, also without an action");
	ok(compiled(T "probability=0 status=429")->watch_only, "and with one");
	is_int(compiled(T "status=429 probability=0.000000000001")->hit_below, 1, "the smallest share can still happen");
	is_str(text(compiled(T "status=429 body={\"a\":1}")->body), "{\"a\":1}", "quotes in pairs inside a value are part of it");
	f = compiled("to=fd00::80 delay=1s");
	ok(f->addr.family == ADDR_IP6 && !f->port, "an IPv6 address whose end can be no port needs no brackets");
	f = compiled("to=1:2:3:4:5:6:7:80 delay=1s");
	ok(f->addr.family == ADDR_IP6 && !f->port, "nor does one that is written in full");
	f = compiled("to=[::1:80] delay=1s");
	ok(f->addr.family == ADDR_IP6 && !f->port && f->addr.ip[15] == 0x80, "in brackets it is an address");
	f = compiled(T "delay=100ms..300ms refuse=true");
	ok(f->actions == (PAGE_DELAY | PAGE_REFUSE) && f->dist == PAGE_UNIFORM && f->delay_a == 1e8 && f->delay_b == 3e8,
	   "delay combines");
	f = compiled(T "hang=response delay=1s delay_on=response");
	ok(f->actions == (PAGE_HANG | PAGE_DELAY) && f->hang == PAGE_RESPONSE && f->delay_on == PAGE_RESPONSE, "hang=response");
	f = compiled(T "reset=64k");
	ok(f->reset == PAGE_RESPONSE && f->reset_after == 65536, "reset after bytes");
	f = compiled("to=localhost:80 resolve=EAI_NONAME");
	ok(f->resolve_eai == EAI_NONAME && f->peer == PAGE_PEER_HOST && !strcmp(text(f->host), "localhost"), "resolve");
	f = compiled("at=Shop.Example.:8080 status=503");
	ok(f->peer == PAGE_PEER_HOST && f->port == 8080 && f->host_hash == host_hash("shop.example", 12) && !strcmp(text(f->host), "shop.example"),
	   "a host in its normal form");
	f = compiled(T "truncate=100 throttle=2k delay=1s");
	ok(f->truncate_bytes == 100 && f->throttle_bytes_per_s == 2048, "truncate and throttle combine");
}

static void test_errnos(void)
{
	static const struct {
		const char *call;
		unsigned bit;
		uint32_t place;
	} calls[] = {{"connect", ERRNO_CONNECT, PAGE_CALL_CONNECT},
		     {"send", ERRNO_SEND, PAGE_CALL_SEND},
		     {"recv", ERRNO_RECV, PAGE_CALL_RECV}};

	for (size_t i = 0; i < ERRNO_ROWS; i++) {
		for (size_t c = 0; c < 3; c++) {
			char spec[80];
			struct plan *p = fresh();
			bool can = errno_rows[i].calls & calls[c].bit;

			snprintf(spec, sizeof(spec), T "error=%s:%s", calls[c].call, errno_rows[i].name);
			ok(!plan_add_spec(p, spec) == can, "%s %s %s", calls[c].call, can ? "can return" : "never returns",
			   errno_rows[i].name);
			if (!can)
				continue;
			compiled(spec);
			ok(page.faults[0].error_errno == errno_rows[i].value && page.faults[0].error_call == calls[c].place,
			   "and it is compiled");
		}
	}
}

static void test_names(void)
{
	static const struct {
		const char *spec, *name;
	} rows[] = {
		{"to=127.0.0.1:8082 status=429", "127.0.0.1:8082-status-429"},
		{"at=:8082 delay=p50:200ms,p99:2s", "at:8082-delay-p50:200ms-p99:2s"},
		{"at=127.0.0.1:1 refuse=false probability=0", "at-127.0.0.1:1-watch"},
		{"to=* refuse=true", "any-refuse"},
		{"to=[::1]:80 error=recv:ETIMEDOUT", "::1:80-error-recv:ETIMEDOUT"},
		{"to=10.0.0.0/8 delay=1s hang=response", "10.0.0.0-8-delay-1s-hang-response"},
		{"to=unix:/run/x.sock delay=200ms~50ms", "unix:-run-x.sock-delay-200ms-50ms"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct plan *p = fresh();

		plan_add_spec(p, rows[i].spec);
		is_str(plan_fault_name(p, 0), rows[i].name, "%s is named", rows[i].spec);
		ok(fault_name_valid(rows[i].name), "and that is a name one could give");
	}
	ok(!plan_fault_name(&plan, 1) && !plan_fault_json(&plan, 1), "there is no fault beyond the last");
}

/* Both pages but for the texts' places hold the same, as compiling is deterministic: bytes are compared. */
static bool same_page(struct plan *a, struct plan *b)
{
	struct page *pa = calloc(1, sizeof(*pa)), *pb = calloc(1, sizeof(*pb));
	bool same = pa && pb && !plan_compile(a, pa) && !plan_compile(b, pb) && !memcmp(pa, pb, sizeof(*pa));

	free(pa);
	free(pb);
	return same;
}

static void round_trip(struct plan *p, const char *what)
{
	char *json = plan_json(p), *again;
	struct plan q;

	plan_init(&q);
	ok(json && !add_json(&q, json), "%s: what is written can be read", what);
	again = plan_json(&q);
	is_str(again, json, "%s: and is written the same again", what);
	ok(same_page(p, &q), "%s: and compiles to the same page", what);
	free(json);
	free(again);
	plan_clear(&q);
}

static void test_round_trip(void)
{
	struct plan *p = fresh();

	round_trip(p, "no faults");
	plan_add_spec(
		p,
		T "status=429 retry_after=1 reply_header='A: b' reply_header='C: d' body='{\"a\":\"\xc3\xa4\"}' probability=30%");
	plan_add_spec(
		p,
		T "status=503 retry_after=2s reply_header='A: b' probability=0.30 name=x first=2 method=POST path=/* header=A:b");
	plan_add_spec(p, "to=localhost:80 truncate=64k throttle=1k delay=p50:200ms,p99:2s delay_on=connect");
	plan_add_spec(p, "to=example.com resolve=EAI_AGAIN");
	plan_add_spec(p, "at=unix:@x reset=100 pattern=xx. process=a*b after=0 every=1 max=9007199254740992 from=0s for=1.5h");
	plan_add_spec(p, T "refuse=true");
	plan_add_spec(p, T "refuse=false hang=response");
	plan_add_spec(p, T "error=send:EPIPE probability=0");
	is_int(p->fault_count, 8, "eight faults with every key but two");
	round_trip(p, "every key");
	p->seed = 18446744073709551615ull;
	p->seed_given = true;
	round_trip(p, "the largest seed");
	p->seed = 7;
	round_trip(p, "a small seed");
}

static void test_spellings(void)
{
	struct plan a, b;
	char *one, *two;

	plan_init(&a);
	plan_init(&b);
	plan_add_spec(&a, "to=:80 status=429 probability=0.3 reply_header='A: b' reply_header=\"C: \\\"d\\\"\"\n first=2");
	add_json(&b, "\xef\xbb\xbf{\"faults\":[{\"first\":2,\"reply_header\":[\"A: b\",\"C: "
		     "\\\"d\\\"\"],\"to\":\":80\",\"status\":\"429\",\"probability\":0.3}]}\n");
	one = plan_json(&a);
	two = plan_json(&b);
	is_str(one, two, "key=value and JSON are two spellings of one plan");
	is_str(one,
	       "{\"faults\":[{\"name\":\":80-status-429\",\"to\":\":80\",\"probability\":0.3,\"first\":2,\"status\":429,"
	       "\"reply_header\":[\"A: b\",\"C: \\\"d\\\"\"]}]}",
	       "in the order of the table, numbers as numbers");
	free(one);
	free(two);
	one = plan_fault_json(&a, 0);
	ok(one && !strncmp(one, "{\"name\":\":80-status-429\"", 24), "one fault as JSON");
	free(one);
	plan_clear(&a);
	plan_clear(&b);
}

/* What print writes for the plan. */
static char *printed(struct plan *p, int (*print)(struct plan *, FILE *))
{
	char *out = NULL;
	size_t size;
	FILE *f = open_memstream(&out, &size);

	if (!f || print(p, f)) {
		printf("Bail out! %s\n", p->error);
		exit(1);
	}
	fclose(f);
	return out;
}

static void explained(const char *spec, const char *part)
{
	struct plan *p = fresh();
	char *out;

	p->seed = 7;
	plan_add_spec(p, spec);
	out = printed(p, plan_explain);
	if (!ok(strstr(out, part) != NULL, "%s: \"%s\"", spec, part))
		printf("# %s %s\n", p->error, out);
	free(out);
}

static void test_explain(void)
{
	explained(T "status=429 retry_after=1",
		  "All exchanges that any program starts with 127.0.0.1:80 are answered with status 429, Retry-After: 1");
	explained(T "status=429 probability=30%", "A random 30 % of the exchanges");
	explained(T "status=429 pattern=xx.", "xx.xx.xx.xx.xx.xx.xx\n");
	explained(T "status=429 after=2 first=3", "the first 2 pass; then only the first 3 can be hit");
	explained(T "status=429 from=10s for=30s max=4", "At most 4 hits");
	explained(T "status=429 max=1", "At most 1 hit in");
	explained(T "status=429 for=30s", "Active for the first 30");
	explained("at=:80 delay=600ms process=o*", "arrive at :80 of programs named 'o*' are held back for 600 ms");
	explained(T "delay=100ms first=2", "Delays of these hits: 100 ms 100 ms\n");
	explained(T "method=POST path=/x* hang=response", "those with method POST and path /x*, are sent but never answered");
	explained(T "error=recv:ETIMEDOUT", "made to fail with ETIMEDOUT at recv");
	explained(T "refuse=true", "refused at connect");
	explained(T "reset=100", "reset after 100 bytes");
	explained("at=:80 throttle=1k", "slowed down to 1024 bytes per second");
	explained(T "truncate=100 throttle=1k", "cut off");
	explained("to=a.b resolve=EAI_FAIL", "fails with EAI_FAIL");
	explained("to=a.b resolve=EAI_FAIL", "with seed 7, for a.b: xxxxxxxxxxxxxxxxxxxx");
	explained("to=* resolve=EAI_FAIL", "for example for example.com: xxxxxxxxxxxxxxxxxxxx");
	explained("to=A.b.:80 delay=1s", "with seed 7, for a.b:80: xxxxxxxxxxxxxxxxxxxx");
	explained("to=a.b delay=1s delay_on=resolve", "before their host name is resolved");
	explained("to=a.b delay=1s resolve=EAI_AGAIN", "before their host name is resolved, and not resolved");
	explained("to=a.b delay=1s refuse=true", "before their connection is made, and refused");
	explained("to=* probability=0", "only watched");
	explained("to=* probability=0", "....................\n");
	explained("to=* status=429", "for example for 127.0.0.1:80: xxxxxxxxxxxxxxxxxxxx");
	explained(T "status=429", "with seed 7, for 127.0.0.1:80: ");
}

static int print_keys(struct plan *p, FILE *out)
{
	plan_keys(out);
	plan_keys_markdown(out);
	return 0;
}

static void test_keys(void)
{
	static const char *const contract[] = {"name",        "to",           "at",       "process", "method",   "path",
					       "header",      "probability",  "every",    "after",   "first",    "max",
					       "pattern",     "from",         "for",      "delay",   "delay_on", "status",
					       "retry_after", "reply_header", "body",     "refuse",  "hang",     "reset",
					       "error",       "truncate",     "throttle", "resolve"};
	char *out = printed(fresh(), print_keys);

	is_int(FAULT_KEYS, sizeof(contract) / sizeof(contract[0]), "the table has the keys of the contract, no more");
	for (size_t i = 0; i < sizeof(contract) / sizeof(contract[0]); i++) {
		char line[32], row[32], why[FAULT_WHY_MAX];
		const struct fault_key *key = fault_key_find(contract[i]);
		struct plan_fault f;

		snprintf(line, sizeof(line), "\n%s ", contract[i]);
		snprintf(row, sizeof(row), "\n| `%s` |", contract[i]);
		ok(key && strstr(out, line) && strstr(out, row), "%s is a key, and in both tables", contract[i]);
		fault_init(&f);
		is_int(key ? fault_set(&f, key, key->example, why) : -1, 0, "its example is accepted");
		fault_clear(&f);
	}
	free(out);
}

int main(void)
{
	if (!mkdtemp(directory))
		return tap_skip_all("no temporary directory can be made");
	test_refused_specs();
	test_refused_json();
	test_refused_files();
	test_across_faults();
	test_compiled();
	test_errnos();
	test_names();
	test_round_trip();
	test_spellings();
	test_explain();
	test_keys();
	plan_clear(&plan);
	unlink(file_of("", 0));
	rmdir(directory);
	return tap_done();
}

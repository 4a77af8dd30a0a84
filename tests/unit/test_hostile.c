/* SPDX-License-Identifier: MIT */
/*
 * Run files that nobody recorded: rows made by a seeded generator that has no respect for the schema's types, times, references or sizes, and files
 * damaged below SQL. The analyzer may find nothing in them, but all its faces and a comparison must come out whole, in time, without a figure that is
 * none and without a control character. Meant for `make SAN=address,undefined` too.
 *
 *     test_hostile                   all kinds, and damage
 *     test_hostile --write N FILE    run file number N
 *     test_hostile FILE...           the same checks on files
 */
#include <ctype.h>
#include <cjson/cJSON.h>
#include <time.h>
#include "analyzer/compare/compare.h"
#include "analyzer/compare/gate.h"
#include "analyzer/face/report.h"
#include "analyzer/stats/stats.h"
#include "tests/unit/judge.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SECONDS 30.0
#else
#define SECONDS 3.0	/* of the processor, for all faces */
#endif
#define FILES 64	/* each kind with each share of wild cells */

static const char *names[] = {"a", "b", "frontend", "", "\033[31mred\033[0m", "\xff\xfe\x80", "\xe2\x80\xae" "evil", "<script>alert(1)</script>",
			      "]]>&quot;'\"", "line\nbreak\r\t", "\xc2\x9b" "31m", "=1+1", "{\"a\":1}", "\\u0000", "%s%n%d", "127.0.0.1:80", "[::1]:443", "-",
			      "->", "a -> b", "\xf0\x9f\x92\xa9", "\xed\xa0\x80", "\x7f"};
static char *long_text;	/* 1 MB */

/* ---- values ---- */

struct draw {
	struct stats_random random;
	double evil;		/* share of cells that are wild */
	int kind;
	int64_t now;
	unsigned services, processes, connections, faults, exchanges;
	double step_ns;
	bool loose;		/* the tables have no types and no keys */
};

static bool chance(struct draw *d, double p)
{
	return stats_uniform(&d->random) < p;
}

static int64_t below(struct draw *d, int64_t n)
{
	return n > 0 ? (int64_t)(stats_uniform(&d->random) * (double)n) % n : 0;
}

#define PICK(d, array) (array)[below((d), (int64_t)(sizeof(array) / sizeof((array)[0])))]

static void bind_wild(struct draw *d, sqlite3_stmt *s, int at)
{
	static const int64_t numbers[] = {0, -1, 1, 70000, INT32_MIN, INT32_MAX, UINT32_MAX, 1ll << 32, INT64_MIN, INT64_MIN + 1, INT64_MAX, INT64_MAX - 1,
					  1ll << 53, -1000000000000, 65535, 65536, 429, 503};
	static const double reals[] = {1e300, -1e300, 0.5, 1e18, -0.0, 9.3e18};

	switch (below(d, 8)) {
	case 0: sqlite3_bind_null(s, at); break;
	case 1: sqlite3_bind_text(s, at, PICK(d, names), -1, SQLITE_STATIC); break;
	case 2: sqlite3_bind_double(s, at, PICK(d, reals)); break;
	case 3: sqlite3_bind_blob(s, at, "\0\1\2\xff", 4, SQLITE_STATIC); break;
	case 4: sqlite3_bind_text(s, at, "a\0b", 3, SQLITE_STATIC); break;
	default: sqlite3_bind_int64(s, at, PICK(d, numbers));
	}
}

/* A statement that inserts into a table; cells are bound by the macros below. */
static sqlite3_stmt *insert_into(struct runs *r, const char *table, const char *columns, int count)
{
	char sql[1024], *p = sql;
	sqlite3_stmt *s;

	p += sprintf(p, "INSERT OR IGNORE INTO %s(%s) VALUES(", table, columns);
	for (int i = 1; i <= count; i++)
		p += sprintf(p, "%s?%d", i > 1 ? "," : "", i);
	sprintf(p, ")");
	if (sqlite3_prepare_v2(r->db, sql, -1, &s, NULL) != SQLITE_OK)
		abort();
	return s;
}

static void number(struct draw *d, sqlite3_stmt *s, int at, int64_t v)
{
	if (chance(d, d->evil))
		bind_wild(d, s, at);
	else
		sqlite3_bind_int64(s, at, v);
}

/* NULL stays unknown. */
static void word(struct draw *d, sqlite3_stmt *s, int at, const char *v)
{
	if (chance(d, d->evil))
		bind_wild(d, s, at);
	else
		sqlite3_bind_text(s, at, v, -1, SQLITE_TRANSIENT);
}

static void maybe(struct draw *d, sqlite3_stmt *s, int at, double p, int64_t v)
{
	if (chance(d, p))
		number(d, s, at, v);
	else if (chance(d, d->evil))
		bind_wild(d, s, at);
}

/* A constraint may refuse the row (types, keys): then it is not in the file. */
static void put(sqlite3_stmt *s)
{
	sqlite3_step(s);
	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
}

/* ---- kinds of run files ---- */

enum { PLAIN, INSTANT, CENTURIES, EMPTY_TIME, BACKWARDS, CYCLES, CROWD, ONE_PROCESS, ORPHANS, NAMELESS, STORM, FAULTY, LONG_TEXTS, BORDERS, NOTHING, FEW,
       KINDS };

static const char *kind_names[KINDS] = {"plain", "one_instant", "centuries", "no_time", "backwards", "cycles", "thousands_of_services",
					"one_process", "orphans", "hostile_names", "storm", "faults", "long_texts", "borders_of_time", "nothing", "few_rows"};

static struct draw choose(unsigned number)
{
	static const double evils[] = {0, 0.01, 0.1, 0.5};
	static const unsigned counts[] = {1, 2, 3, 6, 20};
	struct draw d = {.random = {number * 7919u + 1}, .kind = (int)(number % KINDS), .step_ns = 2e7};

	d.evil = evils[(number / KINDS) % 4];
	d.loose = number / KINDS && chance(&d, 0.4);
	d.services = PICK(&d, counts);
	d.processes = d.services + (unsigned)below(&d, 4);
	d.connections = d.processes * 2;
	d.faults = (unsigned)below(&d, 4);
	d.exchanges = 100 + (unsigned)below(&d, 700);
	d.now = (int64_t)(RUNS_START_MS * 1e6);
	if (d.kind == INSTANT || d.kind == EMPTY_TIME)
		d.step_ns = 0;
	if (d.kind == CENTURIES) {
		d.now = 1;
		d.step_ns = 9e18 / d.exchanges;
	}
	if (d.kind == BACKWARDS)
		d.step_ns = -2e7;
	if (d.kind == CROWD)
		d.services = d.processes = d.connections = 1000, d.exchanges = 2000;
	if (d.kind == ONE_PROCESS)
		d.services = d.processes = d.connections = 1;
	if (d.kind == ORPHANS)
		d.processes = d.connections = 0;
	if (d.kind == STORM)
		d.step_ns = 1e6, d.exchanges = 3000, d.services = 2, d.processes = 4, d.connections = 8;
	if (d.kind == FAULTY)
		d.faults = 60;
	if (d.kind == NOTHING)
		d.exchanges = d.processes = d.connections = 0;
	if (d.kind == FEW)
		d.exchanges = 1 + (unsigned)below(&d, 3);
	return d;
}

static const char *any_name(struct draw *d, const char *plain)
{
	if (d->kind == NAMELESS || chance(d, d->evil))
		return PICK(d, names);
	return d->kind == LONG_TEXTS && chance(d, 0.02) ? long_text : plain;
}

static int64_t took_ns(struct draw *d)
{
	double ns = -log(1 - stats_uniform(&d->random)) * 1e7;

	if (d->kind == INSTANT || d->kind == EMPTY_TIME)
		return 0;
	if (d->kind == CENTURIES || d->kind == BORDERS)
		return below(d, 1ll << 61);
	return chance(d, d->evil) ? -(int64_t)ns : (int64_t)ns;
}

/* Beyond the end of time it goes on before its beginning. */
static int64_t later(int64_t at, int64_t ns)
{
	return (int64_t)((uint64_t)at + (uint64_t)ns);
}

static int64_t tick(struct draw *d)
{
	static const int64_t borders[] = {1, 2, INT64_MAX, INT64_MAX - 1, 1ll << 62, 1000000000, INT64_MIN, -1};

	if (d->kind == BORDERS)
		return PICK(d, borders);
	d->now += (int64_t)(d->step_ns * stats_uniform(&d->random));
	return d->now;
}

static void fill_processes(struct draw *d, struct runs *r)
{
	sqlite3_stmt *s = insert_into(r, "process", "id, pid, parent_id, service, started_ns, ended_ns, exit_status, covered, why", 9);

	for (unsigned i = 1; i <= d->processes; i++) {
		char service[32];

		snprintf(service, sizeof(service), "s%u", i % d->services);
		number(d, s, 1, i);
		number(d, s, 2, 100 + i);
		word(d, s, 4, any_name(d, service));
		maybe(d, s, 6, 0.1, d->now + (int64_t)(d->step_ns * d->exchanges * stats_uniform(&d->random)));
		maybe(d, s, 7, 0.1, below(d, 140));
		number(d, s, 8, chance(d, 0.9));
		word(d, s, 9, any_name(d, NULL));
		put(s);
	}
	sqlite3_finalize(s);
}

/* Odd ones are clients of the service after their own, even ones take calls; ports tell the kernel's view which belong together. */
static void fill_connections(struct draw *d, struct runs *r)
{
	static const char *const ends[] = {"local_close", "peer_close", "reset", "refused", "timeout", "abandoned", NULL};
	sqlite3_stmt *s = insert_into(r, "connection", "id, process_id, role, family, local, peer, opened_ns, connected_ns, closed_ns, end, retransmits,"
				      " bytes_unseen", 12);

	for (unsigned i = 1; i <= d->connections; i++) {
		bool client = i % 2;
		char here[40], there[40];

		snprintf(here, sizeof(here), "127.0.0.1:%u", 20000 + i);
		snprintf(there, sizeof(there), "127.0.0.1:%u", client ? 20000 + i + 1 : 20000 + i - 1);
		number(d, s, 1, i);
		number(d, s, 2, 1 + (client ? i : i + 1) / 2 % (d->processes ? d->processes : 1));
		word(d, s, 3, client ? "client" : "server");
		word(d, s, 4, chance(d, 0.1) ? "name" : "ip4");
		word(d, s, 5, any_name(d, here));
		word(d, s, 6, any_name(d, there));
		maybe(d, s, 7, 0.8, d->now);
		maybe(d, s, 8, 0.8, later(d->now, took_ns(d)));
		maybe(d, s, 9, 0.5, later(d->now, took_ns(d)));
		word(d, s, 10, PICK(d, ends));
		maybe(d, s, 11, 0.1, below(d, 100));
		maybe(d, s, 12, 0.1, below(d, 100000));
		put(s);
	}
	sqlite3_finalize(s);
}

/* Whether the peer is down at this part of the run. */
static double badness(const struct draw *d, unsigned i)
{
	return i > d->exchanges / 3 && i < d->exchanges * 2 / 3 ? 0.8 : d->kind == STORM ? 0.3 : 0.02;
}

static int64_t parent_of(struct draw *d, unsigned i)
{
	return d->kind == CYCLES ? (chance(d, 0.3) ? i : 1 + below(d, d->exchanges)) : 1 + below(d, i);
}

static void put_exchange(struct draw *d, sqlite3_stmt *s, unsigned i)
{
	static const int statuses[] = {500, 503, 429, 502, 0, 408}, well[] = {200, 200, 200, 204, 302, 401, 404};
	static const char *const errors[] = {"ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "eof", "closed", "killed", "open", "EAI_AGAIN"};
	static const char *const methods[] = {"GET", "GET", "POST", "PUT", NULL};
	static const char *const outcomes[] = {"ok", "failed", "indeterminate", "not_sent"};
	static const char *const protocols[] = {"http1", "http1", "http2", "redis", "opaque"};
	int64_t start = tick(d), end = later(start, took_ns(d));
	bool bad = chance(d, badness(d, i)), client = chance(d, 0.7);
	int status = bad ? PICK(d, statuses) : PICK(d, well);
	int64_t connection = 1 + below(d, d->connections);

	number(d, s, 1, d->kind == BORDERS ? INT64_MAX - (int64_t)i : i);
	number(d, s, 2, connection);
	number(d, s, 3, 1 + below(d, d->processes));
	number(d, s, 4, 1 + below(d, 5));
	word(d, s, 5, client ? "client" : "server");
	word(d, s, 6, PICK(d, protocols));
	word(d, s, 7, any_name(d, PICK(d, methods)));
	word(d, s, 8, any_name(d, "/x"));
	maybe(d, s, 9, status != 0, status);
	word(d, s, 10, chance(d, 0.5) ? NULL : chance(d, 0.1) ? PICK(d, outcomes) : bad ? "failed" : "ok");
	word(d, s, 11, bad && !status ? any_name(d, PICK(d, errors)) : NULL);
	maybe(d, s, 12, 0.99, start);
	maybe(d, s, 13, 0.9, start);
	maybe(d, s, 14, 0.8, end);
	maybe(d, s, 15, 0.95, end);
	maybe(d, s, 16, 0.5, below(d, 100000));
	maybe(d, s, 17, 0.5, below(d, 100000));
	maybe(d, s, 18, 0.8, below(d, 20));
	maybe(d, s, 19, 0.3, below(d, d->exchanges / 3 + 1));
	maybe(d, s, 20, 0.1, below(d, 100));
	maybe(d, s, 21, bad ? 0.2 : 0, chance(d, 0.1) ? INT32_MIN : below(d, 3000));
	maybe(d, s, 22, bad && d->faults ? 0.5 : 0, 1 + below(d, d->faults));
	maybe(d, s, 23, d->kind == CYCLES ? 0.9 : 0.2, parent_of(d, i));
	number(d, s, 24, chance(d, 0.05));
	number(d, s, 25, chance(d, 0.05));
	put(s);
}

static void fill_exchanges(struct draw *d, struct runs *r)
{
	sqlite3_stmt *s = insert_into(r, "exchange", "id, connection_id, process_id, tid, role, protocol, method, path, status, outcome, error, started_ns,"
				      " sent_ns, first_byte_ns, ended_ns, bytes_out, bytes_in, fingerprint, correlation, idempotency_key, retry_after_ms,"
				      " fault_id, parent_id, synthetic, end_inferred", 25);

	for (unsigned i = 1; i <= d->exchanges; i++)
		put_exchange(d, s, i);
	sqlite3_finalize(s);
}

static void fill_faults(struct draw *d, struct runs *r)
{
	static const char *const specs[] = {"{\"from\":\"5s\",\"for\":\"3s\"}", "{", "[1,2", "{\"probability\":\"200%\",\"from\":\"1000h\",\"for\":\"1000h\"}",
					    "{\"probability\":0}", "{\"from\":\"-1s\",\"for\":[]}", "null", "\"x\"", "{\"probability\":1e999}", ""};
	sqlite3_stmt *s = insert_into(r, "fault", "id, name, spec, matched, fired", 5);

	for (unsigned i = 1; i <= d->faults; i++) {
		number(d, s, 1, i);
		word(d, s, 2, any_name(d, i % 2 ? "slow" : "down"));
		word(d, s, 3, any_name(d, PICK(d, specs)));
		number(d, s, 4, below(d, 1000));
		number(d, s, 5, below(d, 1000));
		put(s);
	}
	sqlite3_finalize(s);
}

static void fill_marks(struct draw *d, struct runs *r, int64_t from, int64_t to)
{
	static const char *const marks[] = {"fault on slow", "fault off slow", "fault end down", "fault on down", "fault on ", "\033]0;x\007", NULL, "deploy"};
	sqlite3_stmt *s = insert_into(r, "mark", "at_ns, name", 2);

	for (int i = 0; i < 12 * (int)d->faults; i++) {
		number(d, s, 1, from + below(d, to - from));
		word(d, s, 2, PICK(d, marks));
		put(s);
	}
	sqlite3_finalize(s);
}

static void fill_injections(struct draw *d, struct runs *r, int64_t from, int64_t to)
{
	static const char *const actions[] = {"delay", "status", "refuse", "hang", "reset", "error", "\033[2J"};
	sqlite3_stmt *s = insert_into(r, "injection", "fault_id, exchange_id, process_id, at_ns, action, intended_ns, achieved_ns", 7);

	for (int i = 0; i < 20 * (int)d->faults; i++) {
		int64_t intended = below(d, 1ll << 30);

		number(d, s, 1, 1 + below(d, d->faults + 1));
		maybe(d, s, 2, 0.9, 1 + below(d, d->exchanges * 5 / 4));
		number(d, s, 4, from + (to - from) / 3 + below(d, (to - from) / 3));
		word(d, s, 5, PICK(d, actions));
		maybe(d, s, 6, 0.8, intended);
		maybe(d, s, 7, 0.8, intended + below(d, 1000000));
		put(s);
	}
	sqlite3_finalize(s);
}

static void fill_rest(struct draw *d, struct runs *r)
{
	sqlite3_stmt *s = insert_into(r, "loss", "source, reason, count", 3);

	for (int i = 0; i < 3 && chance(d, 0.3); i++) {
		word(d, s, 1, any_name(d, "ebpf"));
		word(d, s, 2, any_name(d, "ring full"));
		number(d, s, 3, 1 + below(d, 1000));
		put(s);
	}
	sqlite3_finalize(s);
	s = insert_into(r, "host", "name, address", 2);
	for (int i = 0; i < 10 && chance(d, 0.5); i++) {
		word(d, s, 1, any_name(d, "db"));
		word(d, s, 2, any_name(d, "127.0.0.1"));
		put(s);
	}
	sqlite3_finalize(s);
	s = insert_into(r, "syscall_latency", "second, process_id, syscall, error, bucket_ns, count, sum_ns, peer", 8);
	for (int i = 0; i < 20; i++) {
		for (int column = 1; column <= 8; column++)
			number(d, s, column, below(d, 1000));
		put(s);
	}
	sqlite3_finalize(s);
}

static void fill_run(struct draw *d, struct runs *r, int64_t from, int64_t to)
{
	sqlite3_stmt *s = insert_into(r, "run", "key, value", 2);
	const struct { const char *key, *text; int64_t value; } rows[] = {
		{"started", "2026-01-02T03:04:05.678Z", 0}, {"started_ns", NULL, from}, {"ended_ns", NULL, to}, {"seed", NULL, 7},
		{"host", any_name(d, "here"), 0}, {"sources", any_name(d, "[\"shim\",\"ebpf\"]"), 0}, {"clean_end", NULL, 1},
		{"missing_hooks", any_name(d, NULL), 0}, {"clocks_start", any_name(d, "[1,2,3]"), 0}, {"clocks_end", any_name(d, "[7,8,99999999999]"), 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		sqlite3_bind_text(s, 1, rows[i].key, -1, SQLITE_STATIC);
		if (rows[i].text)
			word(d, s, 2, rows[i].text);
		else
			number(d, s, 2, rows[i].value);
		put(s);
	}
	sqlite3_finalize(s);
}

/* The schema, without what keeps rows apart and numbers numbers when loose: SQLite stores whatever a file's author likes. */
static void open_tables(struct draw *d, struct runs *r)
{
	static const char *const rules[] = {" INTEGER PRIMARY KEY", " NOT NULL", " INTEGER"};
	char *schema = strdup(RUNFILE_SCHEMA);

	for (size_t i = 0; d->loose && i < sizeof(rules) / sizeof(rules[0]); i++)
		for (char *p = schema; (p = strstr(p, rules[i]));)
			memset(p, ' ', strlen(rules[i]));
	runs_sql(r, "PRAGMA synchronous=OFF; PRAGMA application_id=%d; PRAGMA user_version=%d; %s; BEGIN", RUNFILE_APPLICATION_ID, RUNFILE_VERSION, schema);
	free(schema);
}

static void fill(struct draw *d, struct runs *r)
{
	int64_t from = d->now, to;

	open_tables(d, r);
	fill_processes(d, r);
	fill_connections(d, r);
	fill_exchanges(d, r);
	to = d->kind == EMPTY_TIME ? from : d->kind == CENTURIES ? INT64_MAX : d->now + 1000000;
	fill_faults(d, r);
	fill_marks(d, r, from, to);
	fill_injections(d, r, from, to);
	fill_rest(d, r);
	fill_run(d, r, from, to);
	runs_commit(r);
}

static void make(struct runs *r, unsigned number)
{
	struct draw d = choose(number);
	int fd;

	snprintf(r->path, sizeof(r->path), "/tmp/aftershock-hostile-XXXXXX");
	fd = mkstemp(r->path);
	if (fd < 0 || sqlite3_open(r->path, &r->db) != SQLITE_OK)
		abort();
	close(fd);
	fill(&d, r);
}

/* ---- what must hold of whatever comes out ---- */

static bool is_word_char(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* A figure that is none: nan or inf as a word of its own, where a number may stand. */
static const char *no_figure(const char *text)
{
	static const char *const words[] = {"nan", "inf"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		for (const char *p = text; (p = strstr(p, words[i])); p++)
			if ((p == text || !is_word_char(p[-1])) && !is_word_char(p[3]))
				return p;
	return NULL;
}

/* C0 but line break and tab, DEL, C1, marks that turn the direction of writing. */
static const char *control(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if ((*p < ' ' && *p != '\n' && *p != '\t') || *p == 0x7f || (p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f))
			return (const char *)p;
		if (p[0] == 0xe2 && ((p[1] == 0x80 && p[2] >= 0xaa && p[2] <= 0xae) || (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9)))
			return (const char *)p;
	}
	return NULL;
}

struct face_kind {
	const char *name;
	int (*print)(const struct result *r, FILE *out);
	bool quiet;	/* no control characters, no words for numbers: JSON and CSV carry texts as they are, pages have scripts of their own */
};

static const struct face_kind faces[] = {
	{"text", report_text, true}, {"json", report_json, false}, {"csv", report_csv, false}, {"html", report_html, false},
	{"junit", report_junit, true}, {"openmetrics", report_openmetrics, true},
};

static bool complain(const char *what, const char *face, const char *at, const char *start)
{
	char near[121] = "";

	if (at) {
		snprintf(near, sizeof(near), "%s", at - start > 40 ? at - 40 : start);
		for (char *p = near; *p; p++)
			*p = (unsigned char)*p < ' ' || (unsigned char)*p >= 0x7f ? '?' : *p;
	}
	printf("# %s: %s: %s\n", face, what, near);
	return false;
}

static bool check_text(const char *name, bool quiet, const char *text)
{
	cJSON *json;
	const char *at;

	if (!*text)
		return complain("nothing", name, NULL, text);
	if (quiet && (at = control(text)))
		return complain("a control character", name, at, text);
	if (quiet && (at = no_figure(text)))
		return complain("no figure", name, at, text);
	if (strcmp(name, "json"))
		return true;
	json = cJSON_Parse(text);
	if (!json)
		return complain("not JSON", name, NULL, text);
	cJSON_Delete(json);
	return true;
}

static bool check_faces(const struct result *r)
{
	bool fine = true;

	for (size_t i = 0; i < sizeof(faces) / sizeof(faces[0]); i++) {
		char *text = NULL;
		size_t size;
		FILE *out = open_memstream(&text, &size);
		int err = faces[i].print(r, out);

		fclose(out);
		fine &= err ? complain("an error", faces[i].name, NULL, NULL) : check_text(faces[i].name, faces[i].quiet, text);
		free(text);
	}
	return fine;
}

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Whole, or refused with one clean sentence. */
static bool check_report(const char *path, bool *taken)
{
	struct analyze_options options = ANALYZE_EVERYTHING;
	struct result result = {0};
	char error[512] = "";
	bool fine;

	options.charts = true;
	options.slo = 0.9;
	*taken = !analyze(&result, path, &options, error, sizeof(error));
	if (!*taken)
		return *error && !control(error) && !strchr(error, '\n') ? true : complain("not a sentence", "error", error, error);
	fine = check_faces(&result);
	result_free(&result);
	return fine;
}

static bool check_compare(const char *base, const char *fresh)
{
	static int (*const print[])(const struct compare *, FILE *) = {compare_text, compare_json, compare_html, compare_junit};
	static const char *const print_names[] = {"text", "json", "html", "junit"};
	struct compare c = {0};
	struct gate gate;
	char error[512];
	bool fine = true;

	gate_parse(&gate, "success>=10%", error, sizeof(error));
	c.gates = &gate;
	c.gate_count = 1;
	if (!compare_add(&c.base, base, error, sizeof(error)) && !compare_add(&c.fresh, fresh, error, sizeof(error)) &&
	    !compare_run(&c, error, sizeof(error))) {
		for (size_t i = 0; i < sizeof(print) / sizeof(print[0]); i++) {
			char *text = NULL;
			size_t size;
			FILE *out = open_memstream(&text, &size);

			fine &= !print[i](&c, out);
			fclose(out);
			fine &= check_text(print_names[i], i == 0 || i == 3, text);
			free(text);
		}
	}
	compare_free(&c);
	return fine;
}

/* ---- all kinds ---- */

static void one_file(unsigned number, const char *path, const char *before)
{
	double began = cpu_s(), took;
	bool taken, fine = check_report(path, &taken);

	took = cpu_s() - began;
	if (before)
		fine &= check_compare(before, path);
	ok(fine && taken && took < SECONDS, "run_file_%u_%s_comes_out_whole_in_every_face", number, kind_names[number % KINDS]);
	if (took >= SECONDS / 3 || !taken)
		printf("# %.2f s, %s\n", took, taken ? "taken" : "refused");
}

static void every_kind_comes_out_whole(void)
{
	struct runs before = {0}, now = {0};

	for (unsigned i = 0; i < FILES; i++) {
		make(&now, i);
		one_file(i, now.path, i ? before.path : NULL);
		if (i)
			unlink(before.path);
		before = now;
	}
	unlink(before.path);
}

static void times_and_counts_below_zero_are_none(void)
{
	struct result result;
	struct runs r;

	judge_client(&r, 1000);
	runs_add(&r, ATTEMPT(.status = 200, .took_ms = 1));
	runs_sql(&r, "INSERT INTO exchange(connection_id, process_id, role, started_ns, ended_ns) VALUES(1, 1, 'client', -5, -1)");
	runs_fault(&r, 1, "f", "{}", -3, -2);
	judge(&r, &result, &ANALYZE_EVERYTHING);
	is_int(result.model.undated, 1, "an_exchange_before_the_beginning_of_time_has_none");
	is_int(result.faults[0].matched + result.faults[0].fired, 0, "and_a_negative_count_is_none");
	judge_end(&r, &result);
}

/* ---- damage below SQL ---- */

static char *read_file(const char *path, size_t *n)
{
	FILE *f = fopen(path, "r");
	char *bytes;

	if (!f || fseek(f, 0, SEEK_END))
		abort();
	*n = (size_t)ftell(f);
	rewind(f);
	bytes = malloc(*n + 1);
	if (!bytes || fread(bytes, 1, *n, f) != *n)
		abort();
	fclose(f);
	return bytes;
}

static void write_file(const char *path, const char *bytes, size_t n)
{
	FILE *f = fopen(path, "w");

	if (!f || fwrite(bytes, 1, n, f) != n || fclose(f))
		abort();
}

static void damage_is_taken_or_refused_in_one_sentence(void)
{
	struct draw d = {.random = {17}};
	struct runs r = {0};
	unsigned bad = 0, refused = 0, slow = 0, all = 0;
	size_t n;
	char *whole, *copy;

	make(&r, FEW);
	whole = read_file(r.path, &n);
	copy = malloc(n);
	for (; all < 300; all++) {
		bool cut = all % 3 == 0, taken;
		size_t length = cut ? (size_t)below(&d, (int64_t)n) : n;
		double began = cpu_s();

		memcpy(copy, whole, n);
		for (int i = 0; !cut && i < (all % 3 == 1 ? 1 : 40); i++)
			copy[below(&d, all % 2 ? 4096 : (int64_t)n)] ^= (char)(1 << below(&d, 8));
		write_file(r.path, copy, length);
		bad += !check_report(r.path, &taken);
		refused += !taken;
		slow += cpu_s() - began >= SECONDS;
	}
	is_int(bad, 0, "of_300_damaged_files_each_is_reported_whole_or_refused_in_one_sentence");
	is_int(slow, 0, "each_in_time");
	ok(refused >= 100 && refused < all, "a_cut_file_is_refused_and_some_flips_do_no_harm");
	printf("# %u refused\n", refused);
	free(whole);
	free(copy);
	unlink(r.path);
}

static int check_given(int n, char **paths)
{
	for (int i = 0; i < n; i++) {
		bool taken;
		double began = cpu_s();

		ok(check_report(paths[i], &taken), "%s", paths[i]);
		printf("# %.2f s, %s\n", cpu_s() - began, taken ? "taken" : "refused");
	}
	return tap_done();
}

int main(int argc, char **argv)
{
	long_text = malloc((1 << 20) + 1);
	memset(long_text, 'x', 1 << 20);
	long_text[1 << 20] = 0;
	if (argc == 4 && !strcmp(argv[1], "--write")) {
		struct runs r = {0};

		make(&r, (unsigned)atoi(argv[2]));
		free(long_text);
		return rename(r.path, argv[3]) ? 1 : 0;
	}
	if (argc > 1)
		return check_given(argc - 1, argv + 1);
	times_and_counts_below_zero_are_none();
	every_kind_comes_out_whole();
	damage_is_taken_or_refused_in_one_sentence();
	free(long_text);
	return tap_done();
}

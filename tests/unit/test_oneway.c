/* SPDX-License-Identifier: MIT */
/* Messages that nobody answers and nobody waits for are no failures; requests whose answer does not come are. */
#include "tests/unit/judge.h"
#include "tests/unit/runs.h"

static const struct analyze_options *const everything = &ANALYZE_EVERYTHING;

struct way {
	const char *what;
	double sending_ms, waited_ms;	/* from the first byte to the last; then, until the client left */
	const char *sql;		/* what is otherwise; NULL */
	int ok;				/* of 20 */
	bool said;
};

/* 20 messages from app to a collector that was recorded too, of which nothing is known but their bytes. */
static void messages(const struct way *w)
{
	struct runs r;
	struct result x;
	struct result_edge *e;

	runs_begin(&r, 60000);
	runs_process(&r, 1, "app");
	runs_process(&r, 2, "collector");
	runs_connection(&r, 1, 1, "client", "127.0.0.1:4000", "127.0.0.1:81");
	runs_connection(&r, 2, 2, "server", "127.0.0.1:81", "127.0.0.1:4000");
	runs_fault(&r, 1, "outage", "{\"hang\":\"response\"}", 0, 0);
	for (int i = 0; i < 40; i++)
		runs_add(&r, (struct runs_exchange){.connection = 1 + i % 2, .process = 1 + i % 2, .role = i % 2 ? "server" : NULL, .method = "", .path = "",
						    .outcome = "indeterminate", .error = i % 2 ? "eof" : "closed", .at_ms = 200 * (i / 2),
						    .took_ms = w->sending_ms + w->waited_ms});
	runs_sql(&r, "UPDATE exchange SET protocol = 'opaque', sent_ns = CASE role WHEN 'client' THEN started_ns + %lld END",
		 (long long)(w->sending_ms * 1e6));
	if (w->sql)
		runs_sql(&r, w->sql);
	judge(&r, &x, everything);
	e = judge_edge(&x, "app", "collector");
	is_int((long long)e->attempts_ok, w->ok, "%s: what is taken as done", w->what);
	is_int(x.note_count > 0 && strstr(x.notes[0], "nothing ever came back"), w->said, "%s: and said", w->what);
	judge_end(&r, &x);
}

int main(void)
{
	static const struct way ways[] = {
		{"a line, and gone", 0, 0.1, NULL, 20, true},
		{"lines for three seconds on a connection", 3000, 40, NULL, 20, true},
		{"waited for 100 ms", 0, 100, NULL, 0, false},
		{"lines for a second, then waited for five", 1000, 5000, NULL, 0, false},
		{"one of them answered", 0, 0.1, "UPDATE exchange SET first_byte_ns = ended_ns, outcome = 'ok' WHERE id = 3", 1, false},
		{"one of them hit by a fault", 0, 0.1, "UPDATE exchange SET fault_id = 1 WHERE id = 3", 0, false},
		{"of HTTP", 0, 0.1, "UPDATE exchange SET protocol = 'http1'", 0, false},
		{"reset by the collector", 0, 0.1, "UPDATE exchange SET error = 'ECONNRESET'", 0, false},
		{"three of twenty waited for", 0, 0.1, "UPDATE exchange SET ended_ns = ended_ns + 90000000 WHERE id IN (1, 11, 21)", 0, false},
		{"two of twenty waited for", 0, 0.1, "UPDATE exchange SET ended_ns = ended_ns + 90000000 WHERE id IN (1, 11)", 18, true},
		{"not over when the run was", 3000, 0, "UPDATE exchange SET ended_ns = NULL, error = 'open'", 20, true},
	};

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		messages(&ways[i]);
	return tap_done();
}

/* SPDX-License-Identifier: MIT */
/* What a comparison says of how its runs were made (analyzer/compare/design.h): the faults' hits, the length, the order. */
#include "analyzer/compare/compare.h"
#include "tests/unit/judge.h"

struct side {
	int hits;		/* of 40 requests */
	double length_ms;
	const char *spec;	/* of the fault */
};

static void add_run(struct compare_side *to, const struct side *s)
{
	struct runs r;
	char error[512];

	judge_client(&r, s->length_ms);
	runs_fault(&r, 1, "outage", s->spec, s->hits, s->hits);
	for (int i = 0; i < 40; i++) {
		int id = runs_add(&r, ATTEMPT(.status = i < s->hits ? 503 : 200, .at_ms = 1 + 100 * i, .took_ms = 1, .fault = i < s->hits));

		if (i < s->hits)
			runs_inject(&r, 1, id, 1 + 100 * i, "status", -1, -1);
	}
	runs_commit(&r);
	if (compare_add(to, r.path, error, sizeof(error))) {
		printf("Bail out! %s\n", error);
		exit(1);
	}
	runs_end(&r);
}

/* The note that has this text; NULL: none has. */
static const char *note(const struct compare *c, const char *text)
{
	for (size_t i = 0; i < c->note_count; i++)
		if (strstr(c->notes[i], text))
			return c->notes[i];
	return NULL;
}

#define STATUS "{\"to\":\"127.0.0.1:80\",\"status\":503}"
#define ELSEWHERE "{\"to\":\"127.0.0.1:81\",\"status\":503}"
#define DELAY "{\"to\":\"127.0.0.1:80\",\"delay\":\"1s\"}"

static void what_is_not_alike(void)
{
	static const struct {
		struct side base, fresh;
		bool hits, length, faults;
		const char *what;
	} cases[] = {
		{{20, 10000, STATUS}, {20, 10000, STATUS}, false, false, false, "the same"},
		{{16, 10000, STATUS}, {20, 10000, STATUS}, false, false, false, "16 hits and 20"},
		{{16, 10000, STATUS}, {21, 10000, STATUS}, true, false, false, "16 hits and 21: more than a quarter more"},
		{{21, 10000, STATUS}, {16, 10000, STATUS}, true, false, false, "21 hits and 16"},
		{{0, 10000, STATUS}, {1, 10000, STATUS}, true, false, false, "none and one"},
		{{0, 10000, STATUS}, {0, 10000, STATUS}, false, false, false, "none at all"},
		{{20, 10000, STATUS}, {20, 12500, STATUS}, false, false, false, "10 s and 12.5 s"},
		{{20, 10000, STATUS}, {20, 12600, STATUS}, false, true, false, "10 s and 12.6 s"},
		{{20, 10000, STATUS}, {20, 10000, ELSEWHERE}, false, false, false, "the same on another port"},
		{{20, 10000, STATUS}, {20, 10000, DELAY}, false, false, true, "another fault"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct compare c = {0};
		char error[512];

		for (int k = 0; k < 2; k++) {
			add_run(&c.base, &cases[i].base);
			add_run(&c.fresh, &cases[i].fresh);
		}
		is_int(compare_run(&c, error, sizeof(error)), 0, "%s: compared", cases[i].what);
		is_int(note(&c, "faults hit") != NULL, cases[i].hits, "%s: hits %s", cases[i].what, cases[i].hits ? "differ" : "are alike");
		is_int(note(&c, "runs took") != NULL, cases[i].length, "%s: lengths %s", cases[i].what, cases[i].length ? "differ" : "are alike");
		is_int(note(&c, "the faults of the runs are not the same") != NULL, cases[i].faults, "%s: faults %s", cases[i].what,
		       cases[i].faults ? "differ" : "are alike");
		is_str(note(&c, "too few runs for intervals"), "too few runs for intervals: 2 against 2, 4 a side are needed", "%s: two runs a side are few",
		       cases[i].what);
		compare_free(&c);
	}
}

int main(void)
{
	struct compare c = {0};
	char error[512];

	what_is_not_alike();
	add_run(&c.base, &(struct side){16, 10000, STATUS});
	add_run(&c.fresh, &(struct side){21, 10000, STATUS});
	is_int(compare_run(&c, error, sizeof(error)), 0, "one run a side: compared");
	is_str(note(&c, "faults hit"), "faults hit 16 exchanges a run in base and 21 in new: figures that count them are not alike",
	       "with the numbers of hits");
	ok(note(&c, "between-run variance unknown"), "and the banner");
	compare_free(&c);
	return tap_done();
}

/* SPDX-License-Identifier: MIT */
/* Runs against runs where a client tries several servers for one request, on other ports in each run. */
#include "analyzer/compare/compare.h"
#include "analyzer/compare/gate.h"
#include "tests/unit/judge.h"

/* 40 requests, of which the first `failing` fail at the first server and are answered by the second. */
static void add_run(struct compare_side *side, int port, int failing)
{
	struct runs r;
	char peer[32], error[512];

	runs_begin(&r, 100000);
	runs_process(&r, 1, "app");
	for (int i = 0; i < 2; i++) {
		snprintf(peer, sizeof(peer), "127.0.0.1:%d", port + i);
		runs_connection(&r, 1 + i, 1, "client", "127.0.0.1:4000", peer);
	}
	for (int i = 0; i < 40; i++) {
		runs_add(&r, ATTEMPT(.connection = 1, .status = i < failing ? 503 : 200, .at_ms = 1 + 100 * i, .took_ms = 1));
		if (i < failing)
			runs_add(&r, ATTEMPT(.connection = 2, .status = 200, .at_ms = 2.2 + 100 * i, .took_ms = 1));
	}
	runs_commit(&r);
	if (compare_add(side, r.path, error, sizeof(error))) {
		printf("Bail out! %s\n", error);
		exit(1);
	}
	runs_end(&r);
}

static const struct compare_row *amplification(const struct compare *c, const char *where)
{
	for (size_t i = 0; i < c->row_count; i++)
		if (c->rows[i].metric == GATE_AMPLIFICATION && !strcmp(c->rows[i].where, where))
			return &c->rows[i];
	return NULL;
}

static void compare(int base_port, int new_port, const char *where, const char *what)
{
	struct gate gate;
	struct compare c = {.gates = &gate, .gate_count = 1};
	const struct compare_row *row;
	char error[512];

	is_int(gate_parse(&gate, "amplification<=1.2x", error, sizeof(error)), 0, "%s: a gate", what);
	for (int i = 0; i < 6; i++)
		add_run(&c.base, base_port, 4);
	for (int i = 0; i < 6; i++)
		add_run(&c.fresh, new_port, 20);
	is_int(compare_run(&c, error, sizeof(error)), 0, "%s: compared", what);
	row = amplification(&c, where);
	ok(row, "%s: %s is in it", what, where);
	if (row) {
		NEAR(row->base.value, 1.1, "%s: 1.1 attempts a request before", what);
		NEAR(row->fresh.value, 1.5, "%s: 1.5 after", what);
		is_int(row->gate, GATE_REGRESS, "%s: which the gate does not let pass", what);
	}
	compare_free(&c);
}

int main(void)
{
	compare(8000, 8000, "app -> 127.0.0.1:8000 and 1 more", "the same ports");
	compare(8000, 9000, "app -> * (several servers)", "other ports");
	return tap_done();
}

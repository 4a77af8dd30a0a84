/* SPDX-License-Identifier: MIT */
/*
 * Runs before a change against runs after it, figure by figure, matched by the names of edges, destinations, services and faults. An
 * edge to an address that nobody recorded matches the only such edge of the same client when ports differ, a destination the only one.
 *
 * How figures, ratios and chances are made is said in estimate.h; what may be wrong with how the runs were made, in design.h. Gates are decided on
 * intervals; one that regresses must also do so by Holm's adjustment over all gates, else it is inconclusive.
 */
#ifndef AFTERSHOCK_ANALYZER_COMPARE_COMPARE_H
#define AFTERSHOCK_ANALYZER_COMPARE_COMPARE_H

#include <cjson/cJSON.h>
#include <stdio.h>
#include "analyzer/compare/gate.h"
#include "analyzer/result.h"

#define COMPARE_RUNS_MIN 4	/* a side: below, no test between runs can reach 5 % */

enum compare_significance { COMPARE_UNKNOWN, COMPARE_SAME, COMPARE_DIFFERS };

struct compare_side {
	struct result *runs;	/* owned array, owned results */
	size_t count;
};

struct compare_row {
	enum gate_metric metric;
	const char *where;	/* owned by compare.places */
	struct metric base, fresh, ratio;	/* ratio: fresh over base */
	double p, a12;		/* see estimate.h; NAN */
	enum compare_significance significance;
	enum gate_outcome gate;
};

struct compare_test {	/* one gate at one place */
	const struct gate *gate;
	size_t row;
	enum gate_outcome outcome;
	double p, adjusted;	/* NAN can not tell */
	bool chance;		/* it regressed, but not by the adjusted chance */
};

struct compare {
	struct compare_side base, fresh;
	bool paired;		/* runs i of both sides were made with the same seed, and no other run of a side was */
	struct gate *gates;	/* not owned */
	size_t gate_count;
	struct compare_row *rows;	/* owned */
	struct compare_test *tests;	/* owned */
	char **places;		/* owned */
	char **reasons, **notes;	/* sentences; owned */
	size_t row_count, test_count, place_count, reason_count, note_count;
	enum verdict verdict;
};

/* Adds a run to a side. 0, or a negative errno with one sentence in error (see analyze()). */
int compare_add(struct compare_side *side, const char *path, char *error, unsigned error_size);

/*
 * Fills rows, verdict and the rest from the sides and gates of c. 0; -ENOMEM; -EINVAL with one sentence in error when a
 * gate concerns nothing that both sides have.
 */
int compare_run(struct compare *c, char *error, unsigned error_size);
void compare_free(struct compare *c);

/* Faces: 0, -ENOMEM, or -EIO when out failed. */
int compare_text(const struct compare *c, FILE *out);
int compare_json(const struct compare *c, FILE *out);
int compare_html(const struct compare *c, FILE *out);
int compare_junit(const struct compare *c, FILE *out);

/* The JSON of a comparison, to be deleted by the caller; where memory ran out, parts are missing or it is NULL. */
cJSON *compare_tree(const struct compare *c);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Silences of one client process towards one server: times in which it should have called and did not, after failures. Pure. Times are ns of the
 * run's clock.
 *
 * With demand (inbound requests that normally ask): a gap between two starts in which at least `need` such requests came, did not ask and were
 * answered fast, or after the waits of retries that were not let through either, after a call that failed since the silence before. They do not count
 * while as many calls were in work as ever (a full bulkhead or a hang), and where most of them came then there is no gap.
 * Where there is none, gaps of fewer requests count together: three or more, with three times `need` requests, when none of them follows a success.
 * Without demand, by the client's own pace, after a failure: a gap of at least ten of its usual intervals and four of the longest that followed a
 * success. Of a client that has no pace such a gap is no silence, but neither did its calls go on (unsure).
 */
#ifndef AFTERSHOCK_ANALYZER_INFER_SILENCE_H
#define AFTERSHOCK_ANALYZER_INFER_SILENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct silence_attempt {	/* in order of start */
	uint64_t start_ns, end_ns;	/* end 0: not known */
	bool failed;
	bool counts;		/* as a failure: false for those that are not the last of their request, where requests are counted */
	bool due;		/* a retry that came when its client's policy has it: nothing else made it wait */
	uint32_t request, row;	/* attempts of one request have the same request; row is the caller's, and not looked at */
	uint64_t asked_ns;	/* it was let through after that: what its request did before was over then; 0: not known */
	uint64_t counted_ns;	/* its client knew its end by then: what its request did next; 0: not known */
};

struct silence_demand {		/* in order of arrival; only of kinds that normally ask */
	uint64_t at_ns, end_ns;	/* end 0: never answered */
	bool shed;
	uint64_t call_ns;	/* the caller's, and not looked at */
};

struct silence_gap {
	size_t before, after;	/* the last start before it, the first after it (the number of attempts: none) */
	uint64_t first_shed_ns, last_shed_ns;	/* arrivals */
	uint64_t decided_ns;	/* it was open by then: the first request that was shed had its answer */
	uint64_t shed;		/* requests; by pace: calls that the pace would have made */
	double shed_ms;		/* what answering them took, summed */
	uint64_t refused;	/* requests shed by the half-open breaker after it, while its calls were in work: neither in shed nor in shed_ms */
	uint64_t refused_first_ns, refused_last_ns;	/* arrivals; last before first: none */
	double refused_ms;
	uint64_t trip_early_ns, trip_late_ns;	/* it opened between */
	size_t trip;		/* the failed attempt that ended at trip_late_ns */
	bool fresh;		/* it was closed before: not a probe that failed */
	bool sure;		/* and closed for long enough for its failures to be counted */
	uint32_t run_low, run_high;	/* failures in a row that it took; high 0: can not tell */
	uint32_t failed, longest_run;	/* of what passed since it closed: failures; the longest run that did not open it */
	double share_low, share_high;	/* of failures among what had ended when it opened: over the windows that a rule may look at, if it does not open
					   within longest_run */
	size_t passed;		/* attempts since the silence before (or ever) */
	uint32_t passed_failed;	/* of them; those that had ended when the first request was shed */
};

struct silence_probes {
	double permits, close_after;	/* NAN can not tell */
	bool at_least;
	const char *reopen;	/* as in policy_breaker */
	uint32_t in_a_row;	/* it opened again after so many failures, each time, one call behind another: they may be one request's; 0: no */
};

struct silences {
	struct silence_gap *gaps;	/* owned */
	size_t count, room;
	const char *ruled_out;	/* why a silence is none; static; NULL */
	bool unsure;		/* it stopped after successes too: a breaker among that can not be told */
	bool paced;		/* found by pace, not by demand */
	bool alike;		/* by pace: a fixed wait after each failure would look the same */
	bool trickle;		/* one call between two of them, always: a rate limiter would look the same */
	bool closed;		/* traffic came back after one of them */
	bool agreed;		/* how long that took is not the client's policy, but what they agreed in */
	uint64_t waited;	/* requests shed that were answered after waits: each of their attempts was turned down */
	double waited_ms;	/* what answering those took, summed */
	size_t most;		/* calls in work at once */
	uint64_t pace_ns;
	struct silence_probes probes;
	uint32_t longest_run;	/* failures in a row, in all */
	uint64_t longest_ns;	/* how long that run took */
	size_t longest_at;	/* its last attempt */
	bool longest_even;	/* and it went on all the time: not most of it at once, and little after */
};

struct silence_input {
	const struct silence_attempt *attempts;
	size_t n;
	const struct silence_demand *demands;	/* NULL: not known */
	size_t demand_count;
	const uint64_t *unresolved;	/* instants at which the name of a server could not be resolved; ascending */
	size_t unresolved_count;
	unsigned need;		/* at least 1 */
	uint64_t waits_ns;	/* what a request may wait between all its attempts, were each turned down at once; 0: not known */
	uint64_t end_ns;	/* of the run */
	const struct silence_attempt *work;	/* what fills a bulkhead, in order of start, where `attempts` are whole requests; NULL: attempts */
	size_t work_n;
};

/* Fills *s; to be freed also after an error. 0 or -ENOMEM. O(n log n). */
int silence_find(struct silences *s, const struct silence_input *in);
void silence_free(struct silences *s);

/* Requests shed in all silences. */
uint64_t silence_shed(const struct silences *s);

/* How many requests in a row that do not ask are no chance (below 1 in 1000) where asked of n did; at least 3. */
unsigned silence_need(uint64_t asked, uint64_t n);

#endif

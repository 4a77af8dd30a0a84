/* SPDX-License-Identifier: MIT */
/*
 * Which family of backoff with jitter waits are of, by what backoff_fit.h says of each, and whether its law then fits them. Pure.
 *
 * Timers of a busy machine are late by several times what those of an idle one are: that blurs where ranges end, and what is cut by a cap. Where a
 * law does not stand out by far, more lateness is tried (2 and 4 times). It is believed where no law stood out without it and one does with it; and
 * where the waits are as likely with it, and another law is or none, the first is not sure.
 */
#ifndef AFTERSHOCK_ANALYZER_INFER_BACKOFF_CHOICE_H
#define AFTERSHOCK_ANALYZER_INFER_BACKOFF_CHOICE_H

#include "analyzer/infer/backoff_fit.h"

#define CHOICE_MARGIN_HIGH 10.0	/* of BIC: a family that is so far before the next is sure */

/*
 * Fills fits (zeroed, one for each family), and d->slack_ms with the lateness that they are for. *unsure: the winner's name is not certain, however
 * far the next is. 0 or -ENOMEM.
 */
int choice_fit(struct fit fits[BACKOFF_FAMILIES], struct fit_data *d, bool *unsure);

/* The smallest BIC, and how far the next is. BACKOFF_UNKNOWN: no family was fitted, or one without a name wins. */
enum policy_backoff choice_best(const struct fit *fits, double *margin);

/* The same distance, where a law without a name that is as likely, though less common, keeps the winner from being certain. */
double choice_sure_margin(const struct fit *fits, const struct fit_data *d);

/* *what: 0 it fits, 1 its law does not, 2 the requests do not share one. 0 or -ENOMEM. */
int choice_misfit(const struct fit *f, const struct fit_data *d, int *what);

#endif

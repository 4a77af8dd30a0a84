/* SPDX-License-Identifier: MIT */
/* Parts of the text face of a report (report_text.c), each from a file of its own. 0 or -ENOMEM. */
#ifndef AFTERSHOCK_ANALYZER_FACE_TEXT_PARTS_H
#define AFTERSHOCK_ANALYZER_FACE_TEXT_PARTS_H

#include "analyzer/face/face.h"

/* headline.c: the six numbers that are asked for first. */
int text_headline(const struct face *f, const struct result *r);

/* text_tables.c: faults, edges, services. */
int text_faults(const struct face *f, const struct result *r);
int text_edges(const struct face *f, const struct result *r);
int text_services(const struct face *f, const struct result *r);

/* A blank line, and a heading in bold. */
void text_heading(const struct face *f, const char *text);

#endif

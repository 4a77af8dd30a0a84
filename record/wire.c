/* SPDX-License-Identifier: MIT */
/*
 * Each protocol is a table of states, one step a state, as in base/http1.c: a step uses input and reports an event, or says
 * STEP_ON. RESP: https://redis.io/docs/latest/develop/reference/protocol-spec. PostgreSQL: "Message Formats" of its manual.
 */
#include "record/wire.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define STEP_ON (-1)
#define VALUE_MAX (1ull << 40)

struct input {
	const unsigned char *at;
	size_t n;
};

enum state {
	LOST,
	LINE,		/* Redis, memcached: in a line */
	VALUE,		/* Redis, memcached: in a value of known length, its line end too */
	NAME,		/* Redis: in the first part of a command */
	STARTUP,	/* PostgreSQL: in the head of a message without type */
	HEAD,		/* PostgreSQL: in the type and the length of one */
	BODY
};

void wire_init(struct wire *w, enum protocol protocol, enum wire_side side, bool startup)
{
	memset(w, 0, sizeof(*w));
	w->protocol = (uint8_t)protocol;
	w->side = (uint8_t)side;
	w->parts = 1;
	if (protocol == PROTOCOL_POSTGRESQL)
		w->state = startup && side == WIRE_ASKS ? STARTUP : HEAD;
	else
		w->state = LINE;
}

bool wire_idle(const struct wire *w)
{
	return (w->state == LINE || w->state == HEAD || w->state == STARTUP) && !w->have && !w->part;
}

/* Gathers a line; its bytes beyond WIRE_LINE_MAX are passed over. True: it is complete, without its LF. */
static bool take_line(struct wire *w, struct input *in)
{
	const unsigned char *lf = in->n ? memchr(in->at, '\n', in->n) : NULL;
	size_t n = lf ? (size_t)(lf - in->at) : in->n, room = sizeof(w->line) - w->have, fits = n < room ? n : room;

	if (fits)
		memcpy(w->line + w->have, in->at, fits);
	w->have += (uint8_t)fits;
	n += lf != NULL;
	in->at += n;
	in->n -= n;
	return lf != NULL;
}

/* Passes bytes of a value; true: all of it went by. */
static bool take_value(struct wire *w, struct input *in)
{
	size_t n = in->n < w->skip ? in->n : (size_t)w->skip;

	in->at += n;
	in->n -= n;
	w->skip -= n;
	return !w->skip;
}

/* A decimal number up to a blank or the line's end; -1: none. "-1" is given as -2. */
static int64_t number(const unsigned char *at, size_t n)
{
	int64_t x = 0;
	size_t i = 0;

	if (n >= 2 && at[0] == '-' && at[1] == '1')
		return -2;
	for (; i < n && at[i] >= '0' && at[i] <= '9' && x < (int64_t)VALUE_MAX; i++)
		x = x * 10 + (at[i] - '0');
	return !i || (i < n && at[i] != '\r' && at[i] != ' ') ? -1 : x;
}

/* ---- Redis ---- */

/* One part of the message is complete. */
static int part_done(struct wire *w)
{
	bool aside = w->aside;

	w->state = LINE;
	w->have = 0;
	if (--w->parts)
		return STEP_ON;
	w->parts = 1;
	w->part = 0;
	w->aside = false;
	return aside ? STEP_ON : WIRE_DONE;
}

/* -MOVED and -ASK send a client elsewhere: nothing failed. */
static bool is_error(const struct wire *w)
{
	static const char *const referrals[] = {"-MOVED ", "-ASK "};

	for (size_t i = 0; i < 2; i++)
		if (w->have >= strlen(referrals[i]) && !memcmp(w->line, referrals[i], strlen(referrals[i])))
			return false;
	return w->line[0] == '-' || w->line[0] == '!';
}

static int take_bulk(struct wire *w, int64_t n)
{
	bool is_name = w->side == WIRE_ASKS && (w->part == 2 || (w->part == 3 && !strcmp(w->name, "CLIENT") && n <= 5));

	if (n == -2)
		return part_done(w);
	if (n < 0 || (is_name && n >= WIRE_LINE_MAX))
		return WIRE_LOST;
	w->skip = (uint64_t)n + 2;
	w->state = is_name ? NAME : VALUE;
	w->have = 0;
	return STEP_ON;
}

/* An aggregate is complete itself once its head is read, and announces more parts. */
static int take_aggregate(struct wire *w, int64_t n, unsigned each)
{
	if (n == -2)
		return part_done(w);
	if (n < 0)
		return WIRE_LOST;
	w->parts += (uint64_t)n * each;
	return w->parts > VALUE_MAX ? WIRE_LOST : part_done(w);
}

static void take_word(struct wire *w, size_t n)
{
	n = n < sizeof(w->name) ? n : sizeof(w->name) - 1;
	for (size_t i = 0; i < n; i++)
		w->name[i] = (char)toupper(w->line[i]);
	w->name[n] = '\0';
}

/* A command as a person types it: words on a line. */
static int take_inline(struct wire *w)
{
	static const char reply[] = "CLIENT REPLY";
	size_t n = 0;

	while (n < w->have && isalnum(w->line[n]))
		n++;
	take_word(w, n);
	w->silences = w->have >= strlen(reply) && !strncasecmp((const char *)w->line, reply, strlen(reply));
	w->skip = 0;
	w->state = VALUE;	/* with nothing left: it is complete */
	return WIRE_NAMED;
}

/* The first line of a command. One without words, or a list without parts, is passed over by servers too. */
static int begin_command(struct wire *w, int64_t n)
{
	bool empty = !w->have || w->line[0] == '\r' || (w->line[0] == '*' && (!n || n == -2));

	if (empty) {
		w->have = 0;
		w->part = 0;
		return STEP_ON;
	}
	if (w->line[0] == '*')
		return n > 0 ? take_aggregate(w, n, 1) : WIRE_LOST;
	return isalpha(w->line[0]) ? take_inline(w) : WIRE_LOST;
}

static int take_resp(struct wire *w)
{
	int64_t n = number(w->line + 1, w->have > 0 ? w->have - 1u : 0);
	bool first = !w->part++;

	if (w->side == WIRE_ASKS && first)
		return begin_command(w, n);
	if (!w->have || (w->side == WIRE_ASKS && w->line[0] != '$'))
		return WIRE_LOST;
	w->failed |= first && w->side == WIRE_ANSWERS && is_error(w);
	switch (w->line[0]) {
	case '$':
	case '=':
	case '!':
		return take_bulk(w, n);
	case '>':
		w->aside |= first;
		return take_aggregate(w, n, 1);
	case '*':
	case '~':
		return take_aggregate(w, n, 1);
	case '%':
		return take_aggregate(w, n, 2);
	case '|':	/* an attribute of the reply that it stands before, or of the part of one: it is neither */
		w->aside |= first;
		w->parts += !first;
		return take_aggregate(w, n, 2);
	case '+':
	case '-':
	case ':':
	case '_':
	case ',':
	case '#':
	case '(':
		return part_done(w);
	default:
		return WIRE_LOST;
	}
}

/* The name of a command and its line end, gathered in line[]; or the word behind CLIENT. */
static int take_name(struct wire *w, struct input *in)
{
	while (in->n && w->skip) {
		if (w->skip > 2 && w->have < sizeof(w->line))
			w->line[w->have++] = *in->at;
		in->at++;
		in->n--;
		w->skip--;
	}
	if (w->skip)
		return WIRE_MORE;
	w->state = VALUE;	/* its end is that of a value with nothing left */
	w->silences = w->part == 3 && w->have == 5 && !strncasecmp((const char *)w->line, "REPLY", 5);
	if (w->part == 3)
		return STEP_ON;
	take_word(w, w->have);
	return WIRE_NAMED;
}

static int step_redis(struct wire *w, struct input *in)
{
	if (w->state == NAME)
		return take_name(w, in);
	if (w->state == VALUE)
		return take_value(w, in) ? part_done(w) : WIRE_MORE;
	return take_line(w, in) ? take_resp(w) : WIRE_MORE;
}

/* ---- PostgreSQL ---- */

static uint32_t big32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The client's messages after which the server says that it is ready: Query, Sync, FunctionCall. */
static bool reports(const struct wire *w, unsigned char type)
{
	return w->side == WIRE_ASKS ? type == 'Q' || type == 'S' || type == 'F' : type == 'Z';
}

static int message_done(struct wire *w)
{
	bool report = w->part;

	w->part = 0;
	w->state = HEAD;
	return report ? WIRE_DONE : STEP_ON;
}

static int step_postgresql(struct wire *w, struct input *in)
{
	unsigned want = w->state == STARTUP ? 4 : 5;

	if (w->state == BODY)
		return take_value(w, in) ? message_done(w) : WIRE_MORE;
	while (in->n && w->have < want) {
		w->line[w->have++] = *in->at++;
		in->n--;
	}
	if (w->have < want)
		return WIRE_MORE;
	w->skip = big32(w->line + want - 4);
	if (w->skip < 4 || w->skip > 0x40000000u || (want == 5 && !isalnum(w->line[0])))
		return WIRE_LOST;
	w->skip -= 4;
	w->failed |= w->side == WIRE_ANSWERS && w->line[0] == 'E';
	w->copies |= w->side == WIRE_ANSWERS && (w->line[0] == 'G' || w->line[0] == 'W');
	w->part = want == 4 || reports(w, w->line[0]);
	w->have = 0;
	w->state = BODY;
	return STEP_ON;
}

/* ---- memcached ---- */

/* Heads that are followed by data, and how many blanks come before its length; those of commands are without their key. */
static const struct {
	const char *word;
	unsigned blanks;
	enum wire_side side;
} heads[] = {
	{"VALUE ", 3, WIRE_ANSWERS}, {"VA ", 1, WIRE_ANSWERS}, {"set ", 3, WIRE_ASKS},	   {"add ", 3, WIRE_ASKS}, {"replace ", 3, WIRE_ASKS},
	{"append ", 3, WIRE_ASKS},   {"prepend ", 3, WIRE_ASKS}, {"cas ", 3, WIRE_ASKS}, {"ms ", 1, WIRE_ASKS},
};

static bool starts_with(const struct wire *w, const char *text)
{
	return w->have >= strlen(text) && !memcmp(w->line, text, strlen(text));
}

/* How many bytes of data follow the line; -1: not to be told, -3: none. */
static int64_t data_of(const struct wire *w)
{
	for (size_t h = 0; h < sizeof(heads) / sizeof(heads[0]); h++) {
		unsigned blanks = 0;
		size_t i;

		if (w->side != heads[h].side || !starts_with(w, heads[h].word))
			continue;
		for (i = 0; i < w->have && blanks < heads[h].blanks; i++)
			blanks += w->line[i] == ' ';
		return blanks < heads[h].blanks ? -1 : number(w->line + i, w->have - i);
	}
	return -3;
}

/* A command's line without its key, which may be long and of which nothing is wanted. */
static bool take_command(struct wire *w, struct input *in)
{
	while (in->n) {
		unsigned char c = *in->at++;

		in->n--;
		if (c == '\n')
			return true;
		w->part += c == ' ';
		if (w->part != 1 && w->have < sizeof(w->line))
			w->line[w->have++] = c;
	}
	return false;
}

static int command_done(struct wire *w)
{
	w->state = LINE;
	w->part = 0;
	return w->side == WIRE_ASKS ? WIRE_DONE : STEP_ON;
}

static int step_memcached(struct wire *w, struct input *in)
{
	static const char noreply[] = " noreply\r";
	const size_t end = sizeof(noreply) - 1;
	int64_t n;

	if (w->state == VALUE)
		return take_value(w, in) ? command_done(w) : WIRE_MORE;
	if (!(w->side == WIRE_ASKS ? take_command : take_line)(w, in))
		return WIRE_MORE;
	w->failed |= starts_with(w, "SERVER_ERROR") || starts_with(w, "ERROR\r");
	w->silences = w->have >= end && !memcmp(w->line + w->have - end, noreply, end);
	n = data_of(w);
	w->have = 0;
	if (n == -3)
		return command_done(w);
	if (n < 0)
		return WIRE_LOST;
	w->skip = (uint64_t)n + 2;
	w->state = VALUE;
	return STEP_ON;
}

/* ---- the interface ---- */

static int step(struct wire *w, struct input *in)
{
	switch ((enum protocol)w->protocol) {
	case PROTOCOL_REDIS:
		return step_redis(w, in);
	case PROTOCOL_POSTGRESQL:
		return step_postgresql(w, in);
	case PROTOCOL_MEMCACHED:
		return step_memcached(w, in);
	default:
		return WIRE_LOST;
	}
}

size_t wire_feed(struct wire *w, const void *data, size_t n, enum wire_event *event)
{
	struct input in = {data, n};
	int r = STEP_ON;

	while (r == STEP_ON)
		r = w->state == LOST ? WIRE_LOST : !in.n && w->state != VALUE && w->state != BODY ? WIRE_MORE : step(w, &in);
	*event = (enum wire_event)r;
	if (r != WIRE_LOST)
		return n - in.n;
	w->state = LOST;
	return 0;
}

uint64_t wire_skip(struct wire *w, uint64_t n, enum wire_event *event)
{
	uint64_t used = w->skip < n ? w->skip : n;

	if ((w->state != VALUE && w->state != BODY) || !w->skip) {
		w->state = LOST;
		*event = WIRE_LOST;
		return 0;
	}
	w->skip -= used;
	*event = WIRE_MORE;
	if (!w->skip)
		wire_feed(w, "", 0, event);
	return used;
}

bool wire_ends_ready(const unsigned char *last, size_t n)
{
	static const unsigned char ready[] = {'Z', 0, 0, 0, 5};

	return n >= 6 && !memcmp(last + n - 6, ready, 5) && strchr("ITE", last[n - 1]) && last[n - 1];
}

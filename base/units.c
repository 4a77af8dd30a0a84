/* SPDX-License-Identifier: MIT */
/* Quantities as users write them; integer arithmetic, as strtod() follows the locale. */
#include "base/units.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define NS_PER_MINUTE (60 * NS_PER_S)
#define NS_PER_HOUR (60 * NS_PER_MINUTE)
#define DURATION_MAX_NS (1000 * NS_PER_HOUR)

/* A decimal number at the beginning of a text: digits, perhaps a point and digits, and what follows. */
struct number {
	const char *whole, *fraction;
	size_t whole_n, fraction_n;
	const char *unit;
};

static size_t digits(const char *s)
{
	return strspn(s, "0123456789");
}

static int number_split(const char *text, struct number *x)
{
	*x = (struct number){.whole = text, .whole_n = digits(text)};
	if (!x->whole_n)
		return -EINVAL;
	x->unit = text + x->whole_n;
	if (*x->unit != '.')
		return 0;
	x->fraction = x->unit + 1;
	x->fraction_n = digits(x->fraction);
	x->unit = x->fraction + x->fraction_n;
	return x->fraction_n ? 0 : -EINVAL;
}

/* n digits -> *v; -ERANGE above max. */
static int digits_value(const char *s, size_t n, uint64_t max, uint64_t *v)
{
	uint64_t x = 0;

	for (size_t i = 0; i < n; i++) {
		if (__builtin_mul_overflow(x, 10, &x) || __builtin_add_overflow(x, (uint64_t)(s[i] - '0'), &x) || x > max)
			return -ERANGE;
	}
	*v = x;
	return 0;
}

struct unit {
	const char *name;
	uint64_t size;
};

static uint64_t unit_size(const struct unit *units, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(units[i].name, name))
			return units[i].size;
	}
	return 0;
}
#define UNIT_SIZE(units, name) unit_size(units, sizeof(units) / sizeof((units)[0]), name)

static bool all_zero(const struct number *x)
{
	return strspn(x->whole, "0") == x->whole_n && (!x->fraction_n || strspn(x->fraction, "0") == x->fraction_n);
}

int units_duration(const char *text, uint64_t *ns)
{
	static const struct unit units[] = {
		{"us", NS_PER_US}, {"ms", NS_PER_MS}, {"s", NS_PER_S}, {"m", NS_PER_MINUTE}, {"h", NS_PER_HOUR}};
	struct number x;
	uint64_t unit, sum;

	if (number_split(text, &x))
		return -EINVAL;
	unit = !strcmp(text, "0") ? 1 : UNIT_SIZE(units, x.unit);
	if (!unit)
		return -EINVAL;
	if (digits_value(x.whole, x.whole_n, DURATION_MAX_NS / unit, &sum))
		return -ERANGE;
	sum *= unit;
	for (size_t i = 0; i < x.fraction_n; i++) {
		unit /= 10;
		sum += (uint64_t)(x.fraction[i] - '0') * unit;
	}
	if (sum > DURATION_MAX_NS || (!sum && !all_zero(&x)))
		return -ERANGE;
	*ns = sum;
	return 0;
}

int units_size(const char *text, int need_unit, uint64_t *bytes)
{
	static const struct unit units[] = {{"", 1},          {"B", 1},       {"k", 1 << 10},  {"kB", 1 << 10},
					    {"kiB", 1 << 10}, {"K", 1 << 10}, {"KB", 1 << 10}, {"KiB", 1 << 10},
					    {"m", 1 << 20},   {"M", 1 << 20}, {"MB", 1 << 20}, {"MiB", 1 << 20},
					    {"g", 1 << 30},   {"G", 1 << 30}, {"GB", 1 << 30}, {"GiB", 1 << 30}};
	struct number x;
	uint64_t unit, n;

	if (number_split(text, &x) || x.fraction_n || (need_unit && !*x.unit))
		return -EINVAL;
	unit = UNIT_SIZE(units, x.unit);
	if (!unit)
		return -EINVAL;
	if (digits_value(x.whole, x.whole_n, INT64_MAX / unit, &n))
		return -ERANGE;
	*bytes = n * unit;
	return 0;
}

/*
 * Sixteen digits behind the point are looked at. Up to 15 significant ones the quotient is the double nearest to the
 * decimal number, so that "30%" and "0.3" are the same.
 */
int units_share(const char *text, double *share)
{
	struct number x;
	uint64_t v, scale = 1;
	bool percent;

	if (number_split(text, &x))
		return -EINVAL;
	percent = !strcmp(x.unit, "%");
	if (*x.unit && !percent)
		return -EINVAL;
	if (digits_value(x.whole, x.whole_n, 100, &v))
		return -ERANGE;
	for (size_t i = 0; i < x.fraction_n && i < 16; i++) {
		v = v * 10 + (uint64_t)(x.fraction[i] - '0');
		scale *= 10;
	}
	scale *= percent ? 100 : 1;
	if (v > scale)
		return -ERANGE;
	*share = (double)v / (double)scale;
	return 0;
}

int units_count(const char *text, uint64_t max, uint64_t *n)
{
	size_t len = digits(text);

	if (!len || text[len])
		return -EINVAL;
	return digits_value(text, len, max, n);
}

/* Units for people; each is used up to a limit, above which the next one reads better. */
static const struct shown_unit {
	const char *name;
	uint64_t size_ns, below_ns; /* below_ns 0: no limit */
	unsigned decimals;
} shown_units[] = {{"ns", 1, NS_PER_US, 0},
		   {"us", NS_PER_US, NS_PER_MS / 10, 2},
		   {"ms", NS_PER_MS, NS_PER_S, 2},
		   {"s", NS_PER_S, 10 * NS_PER_MINUTE, 2},
		   {"min", NS_PER_MINUTE, 2 * NS_PER_HOUR, 2},
		   {"h", NS_PER_HOUR, 0, 2}};

/* Rounds ns to three digits of the unit, or to whole units: *n of 10^-*decimals units. False when another unit reads better. */
static bool show_round(uint64_t ns, const struct shown_unit *u, uint64_t *n, unsigned *decimals)
{
	static const uint64_t powers[] = {1, 10, 100};

	for (*decimals = u->decimals;; --*decimals) {
		uint64_t step = u->size_ns / powers[*decimals];

		*n = ns / step + (ns % step >= step - step / 2);
		if (*n < 1000 || !*decimals)
			return !u->below_ns || (ns < u->below_ns && *n * step < u->below_ns);
	}
}

const char *units_show_duration(uint64_t ns, char *buf, size_t size)
{
	const struct shown_unit *u = shown_units;
	unsigned decimals;
	uint64_t n;

	if (!ns)
		u += 2;
	while (!show_round(ns, u, &n, &decimals))
		u++;
	if (!decimals || !ns)
		snprintf(buf, size, "%llu %s", (unsigned long long)n, u->name);
	else if (decimals == 1)
		snprintf(buf, size, "%llu.%llu %s", (unsigned long long)n / 10, (unsigned long long)n % 10, u->name);
	else
		snprintf(buf, size, "%llu.%02llu %s", (unsigned long long)n / 100, (unsigned long long)n % 100, u->name);
	return buf;
}

/* SPDX-License-Identifier: MIT */
#include "base/http1_date.h"

static const char months[12][4] = {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"};

struct date {
	int64_t year, month, day, second; /* -1 unknown; second of the day */
};

/* Days from 1970-01-01 in the Gregorian calendar: H. Hinnant, "chrono-compatible low-level date algorithms", days_from_civil. */
static int64_t days_of(int64_t y, int64_t m, int64_t d)
{
	int64_t shifted = y - (m <= 2), era = shifted / 400, yoe = shifted - era * 400;
	int64_t doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

/* "08:49:37" -> second of the day; -1 when it is no time. */
static int64_t clock_time(struct span s)
{
	int64_t h, m, sec;

	if (s.n != 8 || s.at[2] != ':' || s.at[5] != ':')
		return -1;
	h = span_decimal((struct span){s.at, 2});
	m = span_decimal((struct span){s.at + 3, 2});
	sec = span_decimal((struct span){s.at + 6, 2});
	return h < 0 || h > 23 || m < 0 || m > 59 || sec < 0 || sec > 60 ? -1 : (h * 60 + m) * 60 + sec;
}

/* One word of a date. Weekdays and the zone, always GMT, are words that say nothing. */
static void date_word(struct date *d, struct span s)
{
	int64_t x = span_decimal(s), t = clock_time(s);

	if (t >= 0)
		d->second = t;
	else if (x >= 0 && d->day < 0)
		d->day = x;
	else if (x >= 0)
		d->year = s.n == 2 ? x + (x < 70 ? 2000 : 1900) : x;
	for (int i = 0; i < 12 && s.n == 3; i++) {
		if (span_is(s, months[i], 3))
			d->month = i + 1;
	}
}

int64_t http1_date(struct span s)
{
	struct date d = {-1, -1, -1, -1};

	while (s.n) {
		size_t n = span_find(s, " ,-");

		date_word(&d, (struct span){s.at, n});
		n += n < s.n;
		s = (struct span){s.at + n, s.n - n};
	}
	if (d.year < 1970 || d.year > 9999 || d.month < 0 || d.day < 1 || d.day > 31 || d.second < 0)
		return -1;
	return days_of(d.year, d.month, d.day) * 86400 + d.second;
}

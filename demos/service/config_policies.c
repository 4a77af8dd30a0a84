/* SPDX-License-Identifier: MIT */
#include "demos/service/config_policies.h"

#include <stddef.h>

#include "demos/service/backpressure.h"
#include "demos/service/breaker.h"
#include "demos/service/bulkhead.h"
#include "demos/service/fallback.h"
#include "demos/service/limits.h"

#define NS_PER_MS 1000000ull
#define HOUR_MS 3600000.0

static const char *const scope_names[] = {"request", "attempt", NULL};

#define OF_BREAKER(member) .offset = offsetof(struct breaker_policy, member)
static const struct field breaker_fields[] = {
	{"consecutive", fields_count, OF_BREAKER(consecutive), .low = 1, .high = 1e6},
	{"rate", fields_number, OF_BREAKER(rate), .low = 0.01, .high = 1},
	{"window", fields_count, OF_BREAKER(window), .low = 1, .high = BREAKER_WINDOW_MAX},
	{"min_calls", fields_count, OF_BREAKER(min_calls), .low = 1, .high = BREAKER_WINDOW_MAX},
	{"open_ms", fields_ms, OF_BREAKER(open_ns), .low = 1, .high = HOUR_MS},
	{"permits", fields_count, OF_BREAKER(permits), .low = 1, .high = 1e6},
	{"close_after", fields_count, OF_BREAKER(close_after), .low = 1, .high = 1e6},
	{"scope", fields_name, OF_BREAKER(scope), .names = scope_names},
	{NULL},
};

int config_breaker(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	struct breaker_policy *p = into;
	int err;

	*p = (struct breaker_policy){.open_ns = 30000 * NS_PER_MS, .permits = 1, .close_after = 1};
	err = fields_read(f, value, breaker_fields, p);
	if (err)
		return err;
	if (!p->consecutive && p->rate <= 0)
		return fields_refuse(f, NULL, "given consecutive or rate, else it would never open");
	if (p->rate <= 0 && (p->window || p->min_calls))
		return fields_refuse(f, NULL, "given window and min_calls only together with rate");
	if (p->rate > 0 && !p->window)
		p->window = p->min_calls > 10 ? p->min_calls : 10;
	if (p->rate > 0 && !p->min_calls)
		p->min_calls = p->window;
	if (p->min_calls > p->window)
		return fields_refuse(f, NULL, "given a window of at least min_calls");
	return 0;
}

#define OF_BULKHEAD(member) .offset = offsetof(struct bulkhead_policy, member)
static const struct field bulkhead_fields[] = {
	{"width", fields_count, OF_BULKHEAD(width), .required = true, .low = 1, .high = 1e6},
	{"queue", fields_count, OF_BULKHEAD(queue), .low = 0, .high = 1e6},
	{"wait_ms", fields_ms, OF_BULKHEAD(wait_ns), .low = 0, .high = HOUR_MS},
	{NULL},
};

int config_bulkhead(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	struct bulkhead_policy *p = into;
	int err = fields_read(f, value, bulkhead_fields, p);

	if (!err && !p->queue != !p->wait_ns)
		return fields_refuse(f, NULL, "given queue and wait_ms above 0 together, or neither");
	return err;
}

#define OF_FALLBACK(member) .offset = offsetof(struct fallback_policy, member)
static const struct field fallback_fields[] = {
	{"kind", fields_name, OF_FALLBACK(kind), .required = true, .names = fallback_kind_names},
	{"status", fields_count, OF_FALLBACK(status), .low = 200, .high = 599},
	{"body", fields_text, OF_FALLBACK(body)},
	{"content_type", fields_string, OF_FALLBACK(content_type)},
	{"ttl_ms", fields_ms, OF_FALLBACK(ttl_ns), .low = 1, .high = 24 * HOUR_MS},
	{NULL},
};

int config_fallback(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	struct fallback_policy *p = into;
	int err = fields_read(f, value, fallback_fields, p);

	if (!err && p->kind != FALLBACK_STATIC && (p->status || p->body || p->content_type))
		return fields_refuse(f, NULL, "without status, body and content_type, or have a kind of static");
	if (!err && (p->kind == FALLBACK_CACHED) != (p->ttl_ns > 0))
		return fields_refuse(f, NULL, "given ttl_ms and a kind of cached together");
	if (!p->status)
		p->status = 200;
	if (!p->content_type)
		p->content_type = "application/json";
	return err;
}

#define OF_BACKPRESSURE(member) .offset = offsetof(struct backpressure_policy, member)
static const struct field backpressure_fields[] = {
	{"max_in_flight", fields_count, OF_BACKPRESSURE(max_in_flight), .required = true, .low = 1, .high = 1e6},
	{"retry_after_s", fields_count, OF_BACKPRESSURE(retry_after_s), .low = 1, .high = 3600},
	{NULL},
};

int config_backpressure(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	*(struct backpressure_policy *)into = (struct backpressure_policy){.retry_after_s = 1};
	return fields_read(f, value, backpressure_fields, into);
}

#define OF_LIMITS(member) .offset = offsetof(struct limits_policy, member)
static const struct field limits_fields[] = {
	{"tenant_header", fields_string, OF_LIMITS(tenant_header)},
	{"per_minute", fields_count, OF_LIMITS(per_minute), .required = true, .low = 1, .high = 1e9},
	{"burst", fields_count, OF_LIMITS(burst), .low = 1, .high = 1e6},
	{NULL},
};

/* Without a burst a tenant that was quiet for a minute may have that minute's requests at once. */
int config_limits(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	struct limits_policy *p = into;
	int err = fields_read(f, value, limits_fields, p);

	if (!err && !p->burst)
		p->burst = p->per_minute;
	return err;
}

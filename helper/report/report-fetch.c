// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the control socket tells of the fetch engine and of the stores, as JSON.  Only reads.
 */
#include "report-impl.h"

#include <stdlib.h>

/* Histograms are told in coarser steps than they are kept in: four for each factor of two. */
#define STEP (CC_HIST_SUB / 4)

static void set_json_number(json_t *o, const char *name, uint64_t v)
{
	json_object_set_new(o, name, json_integer((json_int_t)v));
}

static json_t *buckets(const struct cc_hist *h)
{
	json_t *a = json_array();

	for (unsigned int i = 0; i < CC_HIST_SIZE; i += STEP) {
		uint64_t n = 0;

		for (unsigned int j = i; j < i + STEP; j++)
			n += h->n[j];
		if (n)
			json_array_append_new(a, json_pack("[I, I]", (json_int_t)cc_hist_upper(i + STEP - 1),
							   (json_int_t)n));
	}
	return a;
}

static json_t *histogram(const struct cc_hist *h)
{
	json_t *o = json_object();

	set_json_number(o, "count", h->count);
	set_json_number(o, "mean_us", h->count ? h->sum_us / h->count : 0);
	set_json_number(o, "p50_us", cc_hist_quantile(h, 500));
	set_json_number(o, "p90_us", cc_hist_quantile(h, 900));
	set_json_number(o, "p99_us", cc_hist_quantile(h, 990));
	set_json_number(o, "p999_us", cc_hist_quantile(h, 999));
	set_json_number(o, "max_us", h->max_us);
	json_object_set_new(o, "buckets", buckets(h));
	return o;
}

static json_t *results(const struct cc_endpoint_stats *st)
{
	json_t *o = json_object();

	for (int i = 0; i <= CC_STORE_ERROR; i++)
		set_json_number(o, cc_store_result_name((enum cc_store_result)i), st->results[i]);
	return o;
}

static json_t *retries(const struct cc_endpoint_stats *st)
{
	json_t *o = json_object();

	for (int i = CC_RETRY_TRANSIENT; i < CC_RETRY_FATAL; i++)
		set_json_number(o, cc_retry_class_name((enum cc_retry_class)i), st->retries[i]);
	set_json_number(o, "fallback", st->fallbacks);
	return o;
}

static json_t *hedges(const struct cc_hedge_stats *st)
{
	json_t *o = json_object();

	set_json_number(o, "launched", st->launched);
	set_json_number(o, "won", st->won);
	set_json_number(o, "lost", st->lost);
	set_json_number(o, "failed", st->failed);
	set_json_number(o, "denied", st->denied);
	return o;
}

static json_t *endpoint(const struct cc_endpoint *e)
{
	const struct cc_endpoint_stats *st = &e->stats;
	uint64_t now = cc_now_ns();
	json_t *o = json_object();

	json_object_set_new(o, "store", json_string(e->config->name));
	json_object_set_new(o, "url", json_string(e->config->url));
	set_json_number(o, "gets", st->gets);
	set_json_number(o, "bytes", st->bytes);
	set_json_number(o, "wasted_bytes", st->wasted_bytes);
	json_object_set_new(o, "results", results(st));
	json_object_set_new(o, "retries", retries(st));
	set_json_number(o, "retries_denied", st->retries_denied);
	set_json_number(o, "quota", e->quota);
	json_object_set_new(o, "hedges", hedges(&st->hedges[CC_HEDGE_FIRST_BYTE]));
	json_object_set_new(o, "stalls", hedges(&st->hedges[CC_HEDGE_STALL]));
	set_json_number(o, "hedge_after_us", cc_endpoint_hedge_after(e, now) / 1000);
	set_json_number(o, "in_flight", e->pace.active);
	set_json_number(o, "limit", (uint64_t)e->pace.limit);
	json_object_set_new(o, "throttled", json_boolean(now < e->throttled_until_ns));
	json_object_set_new(o, "breaker", json_string(cc_breaker_name(e->breaker)));
	set_json_number(o, "breaker_opened", st->breaker_opened);
	set_json_number(o, "connections", st->connections);
	json_object_set_new(o, "ttfb", histogram(&st->ttfb));
	json_object_set_new(o, "total", histogram(&st->total));
	return o;
}

static json_t *endpoints(struct cc_session *s, struct cc_endpoint *e)
{
	json_t *a = json_array();

	for (unsigned int i = 0; i < s->sources->nr; i++)
		if (cc_fetch_get_endpoint(s->fetch, s->sources->s[i].store, e))
			json_array_append_new(a, endpoint(e));
	return a;
}

static void add_queue(json_t *o, const struct cc_fetch_stats *st)
{
	static const char *const names[] = { "demand", "ahead", "prefetch" };
	json_t *queued = json_object(), *times = json_object();

	for (int i = 0; i < CC_FETCH_NR_PRIORITIES; i++) {
		set_json_number(queued, names[i], st->queued[i]);
		json_object_set_new(times, names[i], histogram(&st->queue_time[i]));
	}
	json_object_set_new(o, "queued", queued);
	json_object_set_new(o, "queue_time", times);
}

json_t *cc_report_fetch(struct cc_session *s)
{
	struct { struct cc_fetch_stats stats; struct cc_endpoint endpoint; } *copy;
	json_t *o = json_object();

	copy = malloc(sizeof(*copy));
	if (!copy)
		return o;
	cc_fetch_get_stats(s->fetch, &copy->stats);
	json_object_set_new(o, "pool", json_string(s->config->pool));
	add_queue(o, &copy->stats);
	set_json_number(o, "in_flight", copy->stats.in_flight);
	set_json_number(o, "max_in_flight", s->config->fetch.max_in_flight);
	set_json_number(o, "negative_hits", copy->stats.negative_hits);
	set_json_number(o, "promoted", copy->stats.promoted);
	json_object_set_new(o, "endpoints", endpoints(s, &copy->endpoint));
	free(copy);
	return o;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* Metrics of the fetch engine: its queue, and each endpoint, which is a store over HTTP. */
#include <stdlib.h>
#include <string.h>

#include "metrics-impl.h"

/* Of the engine, or copied from it: large, hence not on the stack. */
struct snapshot {
	struct cc_fetch_stats fetch;
	struct cc_labels labels[CC_MAX_STORES];
	unsigned int nr;
	struct cc_endpoint endpoints[CC_MAX_STORES];
};

/* ---- values of an endpoint ---- */

static uint64_t gets_of_endpoint(const struct cc_endpoint *e)
{
	return e->stats.gets;
}

static uint64_t bytes(const struct cc_endpoint *e)
{
	return e->stats.bytes;
}

static uint64_t wasted_bytes(const struct cc_endpoint *e)
{
	return e->stats.wasted_bytes;
}

static uint64_t retries_denied(const struct cc_endpoint *e)
{
	return e->stats.retries_denied;
}

static uint64_t quota(const struct cc_endpoint *e)
{
	return e->quota;
}

static uint64_t hedge_after_us(const struct cc_endpoint *e)
{
	return cc_endpoint_hedge_after(e, cc_now_ns()) / 1000;
}

static uint64_t in_flight(const struct cc_endpoint *e)
{
	return e->pace.active;
}

static uint64_t limit(const struct cc_endpoint *e)
{
	return (uint64_t)e->pace.limit;
}

static uint64_t is_throttled(const struct cc_endpoint *e)
{
	return cc_now_ns() < e->throttled_until_ns;
}

static uint64_t breaker_opened(const struct cc_endpoint *e)
{
	return e->stats.breaker_opened;
}

static uint64_t connections(const struct cc_endpoint *e)
{
	return e->stats.connections;
}

static const struct {
	struct cc_metric m;
	uint64_t (*value)(const struct cc_endpoint *e);
	unsigned int decimals;
} families[] = {
	{ COUNTER("endpoint_gets", "GETs sent to the store."), gets_of_endpoint, 0 },
	{ COUNTER("endpoint_received_bytes", "Bytes received from the store."), bytes, 0 },
	{ COUNTER("endpoint_wasted_bytes", "Of those, bytes of GETs that nobody used."), wasted_bytes, 0 },
	{ COUNTER("endpoint_retries_denied", "Retries that the quota did not allow."), retries_denied, 0 },
	{ GAUGE("endpoint_retry_quota", "Tokens left for retries, at most 500."), quota, 0 },
	{ GAUGE("endpoint_hedge_after_seconds", "When a second GET is sent, 0 while there is none."),
	  hedge_after_us, 6 },
	{ GAUGE("endpoint_in_flight", "GETs under way."), in_flight, 0 },
	{ GAUGE("endpoint_in_flight_limit", "How many there may be at a time, less after slow down."),
	  limit, 0 },
	{ GAUGE("endpoint_throttled", "Whether the store said a moment ago that it is too busy."),
	  is_throttled, 0 },
	{ COUNTER("endpoint_breaker_opened", "How often its breaker has opened."), breaker_opened, 0 },
	{ COUNTER("endpoint_connections", "Connections made."), connections, 0 },
};

static const struct cc_metric
	queued = GAUGE("fetch_queued", "Requests that wait for their turn, by priority."),
	queue_time = HISTOGRAM("fetch_queue_seconds", "How long they waited."),
	under_way = GAUGE("fetch_in_flight", "GETs under way over all stores."),
	most = GAUGE("fetch_in_flight_limit", "How many there may be."),
	negative = COUNTER("fetch_negative_hits", "Requests answered from the memory of missing objects."),
	promoted = COUNTER("fetch_promoted", "Requests that became more urgent before they ended."),
	mismatches = COUNTER("fetch_hash_mismatches", "Objects whose bytes are not what their name says."),
	results = COUNTER("endpoint_results", "GETs that ended, by result."),
	retries = COUNTER("endpoint_retries", "Retries by reason."),
	hedges = COUNTER("endpoint_hedges", "Second GETs by what called for them: a late first byte, or a "
			 "body that stalled."),
	hedge_ends = COUNTER("endpoint_hedge_results", "Second GETs that ended, and those that there was no "
			     "budget for."),
	breaker = GAUGE("endpoint_breaker", "1 for the state that its breaker is in."),
	ttfb = HISTOGRAM("endpoint_first_byte_seconds", "From a GET to the first byte of its answer."),
	total = HISTOGRAM("endpoint_get_seconds", "From the start of a GET to its last byte.");

/* ---- the text ---- */

/* The helper's fine steps in those of a factor of two, from 256 us to 33 s. */
static void put_histogram(struct cc_text *t, const struct cc_labels *l, const char *more,
			  const struct cc_hist *h)
{
	struct cc_buckets b = { .nr = 0, .sum_us = h->sum_us };

	for (uint64_t us = 256; us <= 1 << 25; us *= 2)
		b.bound_us[b.nr++] = us;
	for (unsigned int i = 0, bucket = 0; i < CC_HIST_SIZE; i++) {
		while (bucket < b.nr && cc_hist_upper(i) >= b.bound_us[bucket])
			bucket++;
		b.count[bucket] += h->n[i];
	}
	cc_text_histogram(t, l, more, &b);
}

static void put_engine(const struct cc_session *s, const struct cc_labels *pool, struct cc_text *t,
		       const struct cc_fetch_stats *st)
{
	static const char *const priorities[] = {
		"priority=\"demand\"", "priority=\"ahead\"", "priority=\"prefetch\""
	};

	cc_text_family(t, &queued);
	for (int i = 0; i < CC_FETCH_NR_PRIORITIES; i++)
		cc_text_sample(t, pool, priorities[i], st->queued[i], 0);
	cc_text_family(t, &queue_time);
	for (int i = 0; i < CC_FETCH_NR_PRIORITIES; i++)
		put_histogram(t, pool, priorities[i], &st->queue_time[i]);
	cc_text_one(t, pool, &under_way, st->in_flight, 0);
	cc_text_one(t, pool, &most, s->config->fetch.max_in_flight, 0);
	cc_text_one(t, pool, &negative, st->negative_hits, 0);
	cc_text_one(t, pool, &promoted, st->promoted, 0);
	cc_text_one(t, pool, &mismatches, st->hash_mismatches, 0);
}

typedef void put_fn(struct cc_text *t, const struct cc_labels *l, const struct cc_endpoint *e);

static void put_results(struct cc_text *t, const struct cc_labels *l, const struct cc_endpoint *e)
{
	for (int i = 0; i <= CC_STORE_ERROR; i++)
		cc_text_sample(t, l, cc_text_label("result",
				cc_store_result_name((enum cc_store_result)i)), e->stats.results[i], 0);
}

static void put_retries(struct cc_text *t, const struct cc_labels *l, const struct cc_endpoint *e)
{
	for (int i = CC_RETRY_TRANSIENT; i < CC_RETRY_FATAL; i++)
		cc_text_sample(t, l, cc_text_label("reason",
				cc_retry_class_name((enum cc_retry_class)i)), e->stats.retries[i], 0);
	cc_text_sample(t, l, "reason=\"fallback\"", e->stats.fallbacks, 0);
}

static void put_hedges(struct cc_text *t, const struct cc_labels *l, const struct cc_endpoint *e)
{
	cc_text_sample(t, l, "kind=\"first_byte\"", e->stats.hedges[CC_HEDGE_FIRST_BYTE].launched, 0);
	cc_text_sample(t, l, "kind=\"stall\"", e->stats.hedges[CC_HEDGE_STALL].launched, 0);
}

static void put_hedge_ends(struct cc_text *t, const struct cc_labels *l, const struct cc_endpoint *e)
{
	const struct cc_hedge_stats *f = &e->stats.hedges[CC_HEDGE_FIRST_BYTE];
	const struct cc_hedge_stats *s = &e->stats.hedges[CC_HEDGE_STALL];

	cc_text_sample(t, l, "kind=\"first_byte\",result=\"won\"", f->won, 0);
	cc_text_sample(t, l, "kind=\"first_byte\",result=\"lost\"", f->lost, 0);
	cc_text_sample(t, l, "kind=\"first_byte\",result=\"failed\"", f->failed, 0);
	cc_text_sample(t, l, "kind=\"first_byte\",result=\"denied\"", f->denied, 0);
	cc_text_sample(t, l, "kind=\"stall\",result=\"won\"", s->won, 0);
	cc_text_sample(t, l, "kind=\"stall\",result=\"lost\"", s->lost, 0);
	cc_text_sample(t, l, "kind=\"stall\",result=\"failed\"", s->failed, 0);
	cc_text_sample(t, l, "kind=\"stall\",result=\"denied\"", s->denied, 0);
}

static void put_breaker(struct cc_text *t, const struct cc_labels *l, const struct cc_endpoint *e)
{
	for (int i = CC_BREAKER_CLOSED; i <= CC_BREAKER_HALF_OPEN; i++)
		cc_text_sample(t, l, cc_text_label("state", cc_breaker_name((enum cc_breaker)i)),
			       e->breaker == (enum cc_breaker)i, 0);
}

static void put_ttfb(struct cc_text *t, const struct cc_labels *l, const struct cc_endpoint *e)
{
	put_histogram(t, l, NULL, &e->stats.ttfb);
}

static void put_total(struct cc_text *t, const struct cc_labels *l, const struct cc_endpoint *e)
{
	put_histogram(t, l, NULL, &e->stats.total);
}

static void put_each(struct cc_text *t, const struct snapshot *x, const struct cc_metric *m, put_fn *fn)
{
	cc_text_family(t, m);
	for (unsigned int i = 0; i < x->nr; i++)
		fn(t, &x->labels[i], &x->endpoints[i]);
}

static void put_endpoints(struct cc_text *t, const struct snapshot *x)
{
	for (size_t f = 0; f < NR(families); f++) {
		cc_text_family(t, &families[f].m);
		for (unsigned int i = 0; i < x->nr; i++)
			cc_text_sample(t, &x->labels[i], NULL, families[f].value(&x->endpoints[i]),
				       families[f].decimals);
	}
	put_each(t, x, &results, put_results);
	put_each(t, x, &retries, put_retries);
	put_each(t, x, &hedges, put_hedges);
	put_each(t, x, &hedge_ends, put_hedge_ends);
	put_each(t, x, &breaker, put_breaker);
	put_each(t, x, &ttfb, put_ttfb);
	put_each(t, x, &total, put_total);
}

static void take_endpoints(struct cc_session *s, const struct cc_labels *pool, struct snapshot *x)
{
	for (unsigned int i = 0; i < s->sources->nr; i++) {
		if (!cc_fetch_get_endpoint(s->fetch, s->sources->s[i].store, &x->endpoints[x->nr]))
			continue;
		x->labels[x->nr] = *pool;
		cc_labels_add(&x->labels[x->nr], "store", s->sources->s[i].config->name);
		x->nr++;
	}
}

void cc_metrics_fetch(struct cc_session *s, const struct cc_labels *pool, struct cc_text *t)
{
	struct snapshot *x = malloc(sizeof(*x));

	if (!x)
		return;
	x->nr = 0;
	cc_fetch_get_stats(s->fetch, &x->fetch);
	take_endpoints(s, pool, x);
	put_engine(s, pool, t, &x->fetch);
	put_endpoints(t, x);
	free(x);
}

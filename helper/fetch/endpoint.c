// SPDX-License-Identifier: GPL-2.0-or-later
/* Health, limits, budgets and counters of a store over HTTP. */
#include "endpoint.h"

#include <math.h>
#include <string.h>

#include "clock.h"

#define BREAKER_FAILURES 5		/* in a row */
#define BREAKER_MIN_NS	(1 * CC_SECOND)
#define BREAKER_MAX_NS	(30 * CC_SECOND)

#define HALF_LIFE_NS	(46 * CC_SECOND)	/* of what the means remember */
#define TIME_WEIGHT	0.05		/* of one GET in the mean, shared by those under way */
#define ERROR_WEIGHT	0.015		/* one failure is not enough to change the preference */
#define POSITION_US	100000.0	/* one place of preference is worth so much time ... */
#define ERROR_US	5000000.0	/* ... and so is one of 50 answers */
#define LATE_US		(POSITION_US / 2)	/* what one GET adds at most, however late it is */

#define THROTTLED_NS	(2 * CC_SECOND)	/* no second GETs for so long */

#define COST_TRANSIENT	14
#define COST_THROTTLE	5

#define TOKEN		1000		/* a second GET */
#define TOKENS_MAX	(8 * TOKEN)
#define TOKENS_URGENT	(2 * TOKEN)	/* the last ones */
#define HEDGE_SAMPLES	200		/* needed to know what is late */
#define HEDGE_REFRESH	64		/* GETs between looks at the quantile */

void cc_endpoint_init(struct cc_endpoint *e, const struct cc_store_config *c)
{
	memset(e, 0, sizeof(*e));
	e->config = c;
	cc_pace_init(&e->pace, c->connections);
	e->quota = CC_ENDPOINT_QUOTA;
	for (int i = 0; i < CC_HEDGE_NR; i++)
		e->hedge_tokens[i] = c->hedge_budget ? TOKENS_MAX : 0;
}

const char *cc_breaker_name(enum cc_breaker b)
{
	static const char *const names[] = { "closed", "open", "half-open" };

	return names[b];
}

/* ---- breaker ---- */

static bool is_failure(const struct cc_endpoint_result *r)
{
	switch (r->result) {
	case CC_STORE_TIMEOUT:
	case CC_STORE_DENIED:
	case CC_STORE_CORRUPT:
		return true;
	case CC_STORE_ERROR:
		/* "Slow down" is no failure; of the fatal ones some are answers. */
		return r->class != CC_RETRY_THROTTLE && (r->class != CC_RETRY_FATAL || !r->answered);
	default:
		return false;
	}
}

static void set_breaker(struct cc_endpoint *e, enum cc_breaker b, uint64_t now_ns)
{
	if (b == CC_BREAKER_OPEN) {
		e->open_for_ns = e->breaker == CC_BREAKER_HALF_OPEN ? 2 * e->open_for_ns :
								     BREAKER_MIN_NS;
		if (e->open_for_ns > BREAKER_MAX_NS)
			e->open_for_ns = BREAKER_MAX_NS;
		e->open_until_ns = now_ns + e->open_for_ns;
		e->stats.breaker_opened += e->breaker == CC_BREAKER_CLOSED;
	}
	e->breaker = b;
}

static void count_failure(struct cc_endpoint *e, uint64_t now_ns)
{
	e->failures++;
	if (e->breaker == CC_BREAKER_HALF_OPEN ||
	    (e->breaker == CC_BREAKER_CLOSED && e->failures >= BREAKER_FAILURES))
		set_breaker(e, CC_BREAKER_OPEN, now_ns);
}

static void count_answer(struct cc_endpoint *e, uint64_t now_ns)
{
	e->failures = 0;
	if (e->breaker != CC_BREAKER_CLOSED)
		set_breaker(e, CC_BREAKER_CLOSED, now_ns);
}

bool cc_endpoint_is_out(const struct cc_endpoint *e, uint64_t now_ns)
{
	return e->breaker == CC_BREAKER_HALF_OPEN ||
	       (e->breaker == CC_BREAKER_OPEN && now_ns < e->open_until_ns);
}

/* ---- preference ---- */

/* What was seen long ago says little: an endpoint that is passed over is tried again some time. */
static void forget_means(struct cc_endpoint *e, uint64_t now_ns)
{
	double keep = exp2(-((double)(now_ns - e->mean_ns) / HALF_LIFE_NS));

	e->error_rate *= keep;
	e->ttfb_us *= keep;
	e->mean_ns = now_ns;
}

double cc_endpoint_score(struct cc_endpoint *e, unsigned int position, uint64_t now_ns)
{
	forget_means(e, now_ns);
	return position * POSITION_US + e->ttfb_us + e->error_rate * ERROR_US;
}

static void learn_health(struct cc_endpoint *e, bool failed, uint64_t now_ns)
{
	forget_means(e, now_ns);
	e->error_rate += ERROR_WEIGHT * (failed - e->error_rate);
}

/*
 * What is under way at the same time is late for one reason: all of it counts little more than one GET
 * alone.  So neither a slow first answer nor a moment in which all waits changes the preference.
 */
static void learn_mean_time(struct cc_endpoint *e, uint64_t us)
{
	double add = us - e->ttfb_us;

	if (e->ttfb_us)
		add *= TIME_WEIGHT / e->pace.active;
	e->ttfb_us += fmin(add, LATE_US);
}

/* e->pace.active counts this GET. */
static void learn_time(struct cc_endpoint *e, const struct cc_endpoint_result *r, uint64_t now_ns)
{
	if (!r->ttfb_us)
		return;
	cc_hist_window_add(&e->recent, r->ttfb_us, !r->answered);
	if (r->answered)
		cc_hist_add(&e->stats.ttfb, r->ttfb_us);
	forget_means(e, now_ns);
	/* A failure counts as one, and not as late besides. */
	if (!is_failure(r) && (r->answered || r->ttfb_us > e->ttfb_us))
		learn_mean_time(e, r->ttfb_us);
}

/* ---- how many at a time ---- */

bool cc_endpoint_has_room(const struct cc_endpoint *e)
{
	return cc_pace_has_room(&e->pace);
}

static void slow_down(struct cc_endpoint *e, uint64_t now_ns)
{
	e->throttled_until_ns = now_ns + THROTTLED_NS;
	cc_pace_slow_down(&e->pace, now_ns);
}

/* ---- a GET ---- */

static void add_tokens(struct cc_endpoint *e)
{
	const unsigned int share[CC_HEDGE_NR] = {
		[CC_HEDGE_FIRST_BYTE] = e->config->hedge_budget,
		[CC_HEDGE_STALL] = (e->config->hedge_budget + 3) / 4,
	};

	for (int i = 0; i < CC_HEDGE_NR; i++) {
		e->hedge_tokens[i] += share[i];
		if (e->hedge_tokens[i] > TOKENS_MAX)
			e->hedge_tokens[i] = TOKENS_MAX;
	}
}

static void refresh_hedge_after(struct cc_endpoint *e)
{
	const struct cc_store_config *c = e->config;
	uint64_t ms;

	if (++e->hedge_age < HEDGE_REFRESH)
		return;
	e->hedge_age = 0;
	e->hedge_after_ns = 0;
	if (!c->hedge_quantile || e->recent.count < HEDGE_SAMPLES)
		return;
	e->hedge_after_ns = cc_hist_window_quantile(&e->recent, c->hedge_quantile) * 1000;
	ms = e->hedge_after_ns / CC_MS;
	if (ms < c->hedge_min_ms)
		e->hedge_after_ns = c->hedge_min_ms * CC_MS;
	else if (ms >= c->hedge_max_ms)
		e->hedge_after_ns = c->hedge_max_ms * CC_MS;
}

void cc_endpoint_start(struct cc_endpoint *e, uint64_t now_ns)
{
	e->pace.active++;
	e->stats.gets++;
	if (e->breaker == CC_BREAKER_OPEN && now_ns >= e->open_until_ns)
		set_breaker(e, CC_BREAKER_HALF_OPEN, now_ns);
	add_tokens(e);
}

void cc_endpoint_end(struct cc_endpoint *e, const struct cc_endpoint_result *r, uint64_t now_ns)
{
	learn_time(e, r, now_ns);
	e->pace.active--;
	e->stats.results[r->result]++;
	e->stats.bytes += r->bytes;
	e->stats.connections += r->connected;
	if (r->result == CC_STORE_OK) {
		cc_hist_add(&e->stats.total, r->total_us);
		cc_pace_speed_up(&e->pace);
	}
	refresh_hedge_after(e);
	if (r->class == CC_RETRY_THROTTLE)
		slow_down(e, now_ns);
	if (r->result == CC_STORE_CANCELLED) {
		/* That says nothing; if it was to find something out, the next one is. */
		if (e->breaker == CC_BREAKER_HALF_OPEN)
			e->breaker = CC_BREAKER_OPEN;
		return;
	}
	learn_health(e, is_failure(r), now_ns);
	if (is_failure(r))
		count_failure(e, now_ns);
	else
		count_answer(e, now_ns);
}

void cc_endpoint_corrupt(struct cc_endpoint *e, uint64_t bytes, uint64_t now_ns)
{
	e->stats.results[CC_STORE_OK]--;
	e->stats.results[CC_STORE_CORRUPT]++;
	e->stats.wasted_bytes += bytes;
	learn_health(e, true, now_ns);
}

/* ---- budgets ---- */

bool cc_endpoint_pay_retry(struct cc_endpoint *e, enum cc_retry_class class, unsigned int *spent)
{
	unsigned int cost = class == CC_RETRY_THROTTLE ? COST_THROTTLE : COST_TRANSIENT;

	if (e->quota < cost) {
		e->stats.retries_denied++;
		return false;
	}
	e->quota -= cost;
	e->stats.retries[class]++;
	*spent += cost;
	return true;
}

void cc_endpoint_repay(struct cc_endpoint *e, unsigned int spent)
{
	e->quota += spent ? spent : 1;
	if (e->quota > CC_ENDPOINT_QUOTA)
		e->quota = CC_ENDPOINT_QUOTA;
}

uint64_t cc_endpoint_hedge_after(const struct cc_endpoint *e, uint64_t now_ns)
{
	return now_ns < e->throttled_until_ns ? 0 : e->hedge_after_ns;
}

bool cc_endpoint_pay_hedge(struct cc_endpoint *e, enum cc_hedge kind, bool urgent)
{
	if (e->hedge_tokens[kind] < TOKEN + (urgent ? 0 : TOKENS_URGENT))
		return false;
	e->hedge_tokens[kind] -= TOKEN;
	return true;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the fetch engine learns of a store, without any store: histograms, breaker, limits, budgets,
 * preference; the memory of missing objects; headers.
 */
#include <string.h>
#include "fetch/endpoint.h"
#include "store/http.h"
#include "fetch/negative.h"
#include "tap.h"

#define SECOND	1000000000ULL
#define START	(1000 * SECOND)

static struct cc_store_config config;
static struct cc_endpoint e;

static void reset(void)
{
	cc_store_config_init(&config);
	cc_endpoint_init(&e, &config);
}

static void get(enum cc_store_result result, enum cc_retry_class class, uint64_t ttfb_us,
		bool answered, uint64_t now)
{
	const struct cc_endpoint_result r = {
		.result = result, .class = class, .total_us = 2 * ttfb_us, .ttfb_us = ttfb_us,
		.answered = answered, .bytes = 10,
	};

	cc_endpoint_start(&e, now);
	cc_endpoint_end(&e, &r, now);
}

static void get_ok(uint64_t ttfb_us, uint64_t now)
{
	get(CC_STORE_OK, CC_RETRY_NONE, ttfb_us, true, now);
}

static void get_failed(uint64_t now)
{
	get(CC_STORE_ERROR, CC_RETRY_TRANSIENT, 0, false, now);
}

/* ---- histograms ---- */

static void test_hist(void)
{
	static struct cc_hist h;
	bool good = true;

	for (uint64_t us = 0; us < 1 << 26; us += 1 + us / 100) {
		uint64_t upper = cc_hist_upper(cc_hist_index(us));

		good &= upper >= us && upper <= us + us / 32;
	}
	ok(good, "each duration is in a bucket that is right within 3 %%");
	ok(cc_hist_index(UINT64_MAX) == CC_HIST_SIZE - 1, "the longest is in the last one");
	ok(!cc_hist_quantile(&h, 500), "no quantile of nothing");
	for (unsigned int i = 1; i <= 1000; i++)
		cc_hist_add(&h, i * 100);
	ok(h.count == 1000 && h.max_us == 100000 && h.sum_us == 50050000, "sums");
	ok(cc_hist_quantile(&h, 500) >= 50000 && cc_hist_quantile(&h, 500) <= 51600 &&
	   cc_hist_quantile(&h, 990) >= 99000 && cc_hist_quantile(&h, 1000) == 100000,
	   "quantiles %llu %llu", (unsigned long long)cc_hist_quantile(&h, 500),
	   (unsigned long long)cc_hist_quantile(&h, 990));
}

static uint32_t next_random(uint32_t *x)
{
	*x = *x * 1664525 + 1013904223;
	return *x >> 8;
}

/*
 * Times even over 0 .. 100 ms; each that is longer than the quantile is cut off there, as by a second
 * GET that was faster.  The share that is cut off has to stay what was asked for.
 */
static void test_censored(void)
{
	static struct cc_hist_window w;
	unsigned int cut = 0, all = 0;
	uint32_t x = 1;

	for (unsigned int i = 0; i < 1000; i++)
		cc_hist_window_add(&w, next_random(&x) % 100000, 0);
	for (unsigned int i = 0; i < 100000; i++) {
		uint64_t us = next_random(&x) % 100000, limit = cc_hist_window_quantile(&w, 980);
		bool late = us > limit;

		cc_hist_window_add(&w, late ? limit + 1000 : us, late);
		all++;
		cut += late;
	}
	ok(cut >= all * 0.012 && cut <= all * 0.028, "cut off: %u of %u, asked for were 2 %%", cut, all);
}

/* ---- breaker ---- */

static void test_breaker(void)
{
	uint64_t now = START;

	reset();
	for (int i = 0; i < 4; i++)
		get_failed(now);
	get(CC_STORE_NOTFOUND, CC_RETRY_FATAL, 1000, true, now);
	for (int i = 0; i < 4; i++)
		get_failed(now);
	ok(!cc_endpoint_is_out(&e, now), "not found is an answer: 4, 404, 4 failures leave it closed");
	get(CC_STORE_ERROR, CC_RETRY_FATAL, 1000, true, now);
	for (int i = 0; i < 4; i++)
		get_failed(now);
	ok(!cc_endpoint_is_out(&e, now), "so is 416");
	for (int i = 0; i < 20; i++)
		get(CC_STORE_ERROR, CC_RETRY_THROTTLE, 1000, true, now);
	ok(!cc_endpoint_is_out(&e, now), "so is slow down");
	for (int i = 0; i < 5; i++)
		get_failed(now);
	ok(cc_endpoint_is_out(&e, now) && e.stats.breaker_opened == 1, "5 failures in a row open it");
	ok(cc_endpoint_is_out(&e, now + SECOND - 1) && !cc_endpoint_is_out(&e, now + SECOND),
	   "for 1 s");
	now += SECOND;
	cc_endpoint_start(&e, now);
	ok(e.breaker == CC_BREAKER_HALF_OPEN && cc_endpoint_is_out(&e, now), "then one may try");
	cc_endpoint_end(&e, &(struct cc_endpoint_result){
			.result = CC_STORE_TIMEOUT, .class = CC_RETRY_TRANSIENT }, now);
	ok(cc_endpoint_is_out(&e, now + 2 * SECOND - 1) && !cc_endpoint_is_out(&e, now + 2 * SECOND),
	   "it fails: 2 s");
	now += 2 * SECOND;
	get(CC_STORE_CANCELLED, CC_RETRY_NONE, 1000, false, now);
	ok(!cc_endpoint_is_out(&e, now), "a cancelled try says nothing: the next one is the try");
	get_ok(1000, now);
	ok(e.breaker == CC_BREAKER_CLOSED && !cc_endpoint_is_out(&e, now), "it is answered: closed");
	for (int i = 0; i < 10; i++) {
		for (int k = 0; k < 5; k++)
			get_failed(now);
		now = e.open_until_ns;
	}
	ok(e.open_for_ns == 30 * SECOND, "never longer than 30 s");
}

/* ---- preference ---- */

static double score_after(unsigned int ttfb_us, unsigned int failures_of_100, unsigned int position)
{
	reset();
	for (unsigned int i = 0; i < 2000; i++) {
		if (i % 100 < failures_of_100)
			get(CC_STORE_ERROR, CC_RETRY_TRANSIENT, ttfb_us, true, START);
		else
			get_ok(ttfb_us, START);
	}
	return cc_endpoint_score(&e, position, START);
}

static void test_preference(void)
{
	double first = score_after(30000, 0, 0), later, old;

	ok(first < score_after(30000, 0, 1), "as good: the first");
	ok(first < score_after(1000, 0, 1), "a little slower: the first");
	ok(score_after(150000, 0, 0) > score_after(20000, 0, 1), "100 ms slower: the second");
	ok(score_after(30000, 30, 0) > score_after(30000, 0, 1), "many failures: the second");
	old = score_after(300000, 50, 0);
	later = cc_endpoint_score(&e, 0, START + 300 * SECOND);
	ok(later < old / 20, "old trouble is forgotten: %.0f, later %.0f", old, later);
}

/* GETs that all wait for as long, at the same time. */
static void get_at_once(unsigned int nr, enum cc_store_result result, uint64_t ttfb_us)
{
	const struct cc_endpoint_result r = {
		.result = result, .class = result ? CC_RETRY_TRANSIENT : CC_RETRY_NONE,
		.total_us = ttfb_us, .ttfb_us = ttfb_us, .answered = !result,
	};

	for (unsigned int i = 0; i < nr; i++)
		cc_endpoint_start(&e, START);
	for (unsigned int i = 0; i < nr; i++)
		cc_endpoint_end(&e, &r, START);
}

static bool is_preferred(void)
{
	static struct cc_endpoint unknown;

	cc_endpoint_init(&unknown, &config);
	return cc_endpoint_score(&e, 0, START) < cc_endpoint_score(&unknown, 1, START);
}

/* A busy host, a connection that took its time: that says nothing of what the second would have done. */
static void test_one_late(void)
{
	reset();
	get_ok(3000000, START);
	ok(is_preferred(), "one slow first answer: the first");
	for (int i = 0; i < 20; i++)
		get_ok(30000, START);
	get_ok(30000000, START);
	ok(is_preferred(), "one slow answer later on: the first");
	reset();
	get_at_once(4, CC_STORE_OK, 500000);
	ok(is_preferred(), "four slow first answers at once: the first");
	score_after(30000, 0, 0);
	get_at_once(32, CC_STORE_OK, 300000);
	ok(is_preferred(), "a moment in which all waits: the first");
	score_after(10000, 0, 0);
	get_at_once(1, CC_STORE_TIMEOUT, 10000000);
	ok(is_preferred(), "one that is never answered: the first");
	for (int i = 0; i < 10; i++)
		get_at_once(32, CC_STORE_OK, 300000);
	ok(!is_preferred(), "ten moments like that: the second");
}

/* ---- how many at a time ---- */

static void test_limit(void)
{
	const struct cc_endpoint_result throttled = {
		.result = CC_STORE_ERROR, .class = CC_RETRY_THROTTLE, .answered = true,
	};
	double cut;

	reset();
	for (int i = 0; i < 32; i++)
		cc_endpoint_start(&e, START);
	ok(!cc_endpoint_has_room(&e), "32 connections, 32 GETs: no room");
	for (int i = 0; i < 32; i++)
		cc_endpoint_end(&e, &throttled, START);
	cut = e.pace.limit;
	ok(cut >= 22 && cut < 23, "one cut for all that are told at once: %.1f", cut);
	get(CC_STORE_ERROR, CC_RETRY_THROTTLE, 0, true, START + 2 * SECOND);
	ok(e.pace.limit <= 1, "a second later it goes on from what is under way: %.1f", e.pace.limit);
	ok(!cc_endpoint_hedge_after(&e, START + 3 * SECOND), "no second GETs then");
	for (int i = 0; i < 3; i++)
		get_ok(1000, START + 3 * SECOND);
	ok(e.pace.limit > 2.3 && e.pace.limit < 3, "up by one for each round that goes well: %.2f", e.pace.limit);
	for (int i = 0; i < 2000; i++)
		get_ok(1000, START + 3 * SECOND);
	ok(e.pace.limit == 32, "up to all connections");
}

/* ---- budgets ---- */

static void test_quota(void)
{
	unsigned int n = 0, spent = 0, one = 0;

	reset();
	while (cc_endpoint_pay_retry(&e, CC_RETRY_TRANSIENT, &spent))
		n++;
	ok(n == 35 && e.quota == 10 && spent == 490 && e.stats.retries_denied == 1,
	   "500 tokens: 35 retries at 14");
	ok(cc_endpoint_pay_retry(&e, CC_RETRY_THROTTLE, &one) &&
	   cc_endpoint_pay_retry(&e, CC_RETRY_THROTTLE, &one) &&
	   !cc_endpoint_pay_retry(&e, CC_RETRY_THROTTLE, &one) && one == 10, "5 for slow down");
	cc_endpoint_repay(&e, 28);
	cc_endpoint_repay(&e, 0);
	ok(e.quota == 29, "success gives back what was paid, or 1");
	for (int i = 0; i < 1000; i++)
		cc_endpoint_repay(&e, 0);
	ok(e.quota == CC_ENDPOINT_QUOTA, "up to 500");
	ok(e.stats.retries[CC_RETRY_TRANSIENT] == 35 && e.stats.retries[CC_RETRY_THROTTLE] == 2,
	   "counted by reason");
}

static void test_hedge_budget(void)
{
	unsigned int n = 0, gets = 10000;

	reset();
	for (int i = 0; i < 6; i++)
		n += cc_endpoint_pay_hedge(&e, CC_HEDGE_FIRST_BYTE, false);
	ok(n == 6 && !cc_endpoint_pay_hedge(&e, CC_HEDGE_FIRST_BYTE, false), "8 at once, 2 of them ...");
	ok(cc_endpoint_pay_hedge(&e, CC_HEDGE_FIRST_BYTE, true) &&
	   cc_endpoint_pay_hedge(&e, CC_HEDGE_FIRST_BYTE, true) &&
	   !cc_endpoint_pay_hedge(&e, CC_HEDGE_FIRST_BYTE, true), "... for those that are urgent");
	ok(cc_endpoint_pay_hedge(&e, CC_HEDGE_STALL, true), "stalls have a budget of their own");
	reset();
	n = 0;
	for (unsigned int i = 0; i < gets; i++) {
		get_ok(30000, START);
		n += cc_endpoint_pay_hedge(&e, CC_HEDGE_FIRST_BYTE, true);
		n += cc_endpoint_pay_hedge(&e, CC_HEDGE_STALL, true);
	}
	ok(n >= gets * 0.024 && n <= gets * 0.025 + 16, "%u second GETs for %u", n, gets);
	reset();
	config.hedge_budget = 0;
	cc_endpoint_init(&e, &config);
	get_ok(30000, START);
	ok(!cc_endpoint_pay_hedge(&e, CC_HEDGE_FIRST_BYTE, true) &&
	   !cc_endpoint_pay_hedge(&e, CC_HEDGE_STALL, true), "a budget of 0: none at all");
}

static void test_hedge_after(void)
{
	reset();
	for (int i = 0; i < 190; i++)
		get_ok(30000, START);
	ok(!cc_endpoint_hedge_after(&e, START), "not before 200 times are known");
	for (int i = 0; i < 1000; i++)
		get_ok(i % 100 < 97 ? 30000 : 100000, START);
	ok(e.hedge_after_ns >= 100000000 && e.hedge_after_ns < 104000000, "the quantile: %llu us",
	   (unsigned long long)e.hedge_after_ns / 1000);
	reset();
	for (int i = 0; i < 300; i++)
		get_ok(500, START);
	ok(cc_endpoint_hedge_after(&e, START) == 20000000, "never before hedge_min");
	reset();
	for (int i = 0; i < 300; i++)
		get_ok(9000000, START);
	ok(cc_endpoint_hedge_after(&e, START) == 2 * SECOND, "never after hedge_max");
	reset();
	config.hedge_quantile = 0;
	for (int i = 0; i < 300; i++)
		get_ok(30000, START);
	ok(!cc_endpoint_hedge_after(&e, START), "off is off");
}

/* ---- missing objects ---- */

static void test_negative(void)
{
	static struct cc_negative n;
	struct cc_negative_key a = { .store = &config, .kind = 1 }, b;
	unsigned int left = 0;

	memset(a.id, 0x11, sizeof(a.id));
	cc_negative_add(&n, &a, START);
	ok(cc_negative_has(&n, &a, START - 1) && !cc_negative_has(&n, &a, START), "until its time");
	b = a;
	b.kind = 0;
	ok(!cc_negative_has(&n, &b, 0), "the other encoding is another object");
	b = a;
	b.store = &e;
	ok(!cc_negative_has(&n, &b, 0), "in another store it may be");
	for (unsigned int i = 0; i < 10; i++) {
		a.id[31] = i;
		cc_negative_add(&n, &a, START + i);
	}
	for (unsigned int i = 0; i < 10; i++) {
		a.id[31] = i;
		left += cc_negative_has(&n, &a, 0);
	}
	ok(left == CC_NEGATIVE_WAYS && cc_negative_has(&n, &a, 0), "a full set forgets the oldest");
}

/* ---- headers ---- */

static bool range(const char *text)
{
	struct cc_http_answer a = { .status = 0 };

	return cc_http_parse_range(text, strlen(text), &a);
}

static void test_headers(void)
{
	static const char *const bad[] = {
		"", "bytes", "bytes */100", "bytes 5-4/10", "bytes 0-10/10", "bytes 0-9/*", "bytes 0-9/10x",
		"items 0-9/10", "bytes 0-9", "bytes -9/10", "bytes 99999999999999999999-1/3",
		"bytes -5--3/-1", "bytes +0-9/10", "bytes0-9/10", "bytes 0- 9/10",
	};
	struct cc_http_answer a = { .status = 0 };
	bool good = true;

	ok(cc_http_parse_range("bytes 3-9/10", 12, &a) && a.range_from == 3 && a.range_to == 9 &&
	   a.range_total == 10, "a range");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		good &= !range(bad[i]);
	good &= !cc_http_parse_range("bytes 0-9/10\0000", 14, &a);
	ok(good, "what is no range");
	ok(cc_http_parse_date("Fri, 20 Nov 2026 14:00:00 GMT") == 1795183200 &&
	   cc_http_parse_date("2026-11-20T14:00:00Z") == 1795183200 &&
	   cc_http_parse_date("soon") == -1 && cc_http_parse_date("") == -1, "dates");
}

int main(void)
{
	test_hist();
	test_censored();
	test_breaker();
	test_preference();
	test_one_late();
	test_limit();
	test_quota();
	test_hedge_budget();
	test_hedge_after();
	test_negative();
	test_headers();
	return tap_done();
}

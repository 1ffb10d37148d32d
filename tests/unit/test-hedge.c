// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Second GETs of the fetch engine, and its choice among the addresses of a host: when there is one and
 * when not, who wins, and that nothing but the right bytes is ever in the buffer.
 */
#include <dlfcn.h>
#include <netdb.h>
#include "clock.h"
#include "fetch-jobs.h"

static struct cc_store_config config;
static struct cc_store *store;
static char url[128];

static unsigned int nr_moved;		/* lookups of moved.test */

/* In the place of the library's: a host with three addresses, and one that moves once it was looked up. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		struct addrinfo **res)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
		dlsym(RTLD_NEXT, "getaddrinfo");
	struct addrinfo *next = NULL;

	if (node && !strcmp(node, "meta.test"))
		return real("169.254.169.254", service, hints, res);
	if (node && !strcmp(node, "moved.test"))
		return real(nr_moved++ ? "127.0.0.1" : "127.0.0.9", service, hints, res);
	if (!node || strcmp(node, "many.test"))
		return real(node, service, hints, res);
	for (int i = 3; i; i--) {
		char address[24];
		struct addrinfo *a;

		snprintf(address, sizeof(address), "127.0.0.%d", i);
		if (real(address, service, hints, &a))
			return EAI_FAIL;
		/* That of the library frees lists of any origin, node by node. */
		a->ai_next = next;
		next = a;
	}
	*res = next;
	return 0;
}

static void endpoint(struct cc_fetch *f, struct cc_endpoint *e)
{
	cc_fetch_get_endpoint(f, store, e);
}

/* So many GETs that go well: it is known then what is late. */
static void warm_up(struct cc_fetch *f, unsigned int gets)
{
	static struct job j;
	unsigned int bad = 0;

	httpd_script(&h, "");
	for (unsigned int i = 0; i < gets; i++) {
		prepare(&j, store, i % NR, 0);
		run(f, &j);
		bad += j.req.result || !is_right(&j);
	}
	if (bad)
		ok(false, "%u of %u GETs to warm up went wrong", bad, gets);
}

static void reopen(void)
{
	cc_store_close(store);
	store = open_store(&config, url);
	config.first_byte_timeout_ms = 8000;
	config.stall_timeout_ms = 8000;
	config.hedge_min_ms = 250;
	config.hedge_max_ms = 400;
	config.stall_hedge_ms = 500;
}

/* ---- the first byte is late ---- */

static void test_unknown(void)
{
	struct cc_fetch *f = open_fetch(1, 1, 8);
	static struct job j;

	reopen();
	httpd_script(&h, "latency=700");
	prepare(&j, store, 1, 0);
	run(f, &j);
	ok(!j.req.result && j.req.attempts == 1, "no second GET while it is unknown what is late");
	cc_fetch_close(f);
}

static void test_late(struct cc_fetch *f, uint32_t encoding)
{
	static struct cc_endpoint before, after;
	static struct job j;

	endpoint(f, &before);
	ok(before.hedge_after_ns >= 250 * MS && before.hedge_after_ns <= 400 * MS, "late is after %llu ms",
	   (unsigned long long)(before.hedge_after_ns / MS));
	httpd_script(&h, "count=1 latency=5000");
	prepare(&j, store, 1, encoding);
	run(f, &j);
	endpoint(f, &after);
	ok(!j.req.result && is_right(&j) && j.req.attempts == 2 && j.req.total_ns < 4000 * MS,
	   "%s: late: the second GET's bytes are taken, after %llu ms", encoding ? "zstd" : "raw",
	   (unsigned long long)(j.req.total_ns / MS));
	ok(after.stats.hedges[0].launched == before.stats.hedges[0].launched + 1 &&
	   after.stats.hedges[0].won == before.stats.hedges[0].won + 1, "counted as won");
}

/* The two GETs of one chunk are at different addresses. */
static void test_other_address(struct cc_fetch *f)
{
	unsigned int nr = 0, most = 0;
	static struct job j;

	nap_ms(700); /* until those that lost before are given up */
	httpd_script(&h, "count=1 latency=5000");
	prepare(&j, store, 7, 0);
	run(f, &j);
	nap_ms(700);
	for (int i = 1; i <= 3; i++) {
		char address[24];
		unsigned int n;

		snprintf(address, sizeof(address), " 127.0.0.%d", i);
		n = httpd_count(&h, address);
		nr += n;
		most = n > most ? n : most;
	}
	if (!ok(nr == 2 && most == 1, "the second GET is at another address"))
		httpd_show_log(&h);
}

/* The first one is late, but sooner than the second: its bytes count, and a short while both come. */
static void test_lost(struct cc_fetch *f)
{
	static struct cc_endpoint before, after;
	static struct job j;

	endpoint(f, &before);
	httpd_script(&h, "count=1 latency=800\nlatency=4000");
	prepare(&j, store, 2, 0);
	run(f, &j);
	memset(j.buf, 0xee, CHUNK);
	nap_ms(900);
	endpoint(f, &after);
	ok(!j.req.result && j.req.attempts == 2 && j.req.total_ns < 3000 * MS &&
	   after.stats.hedges[0].lost == before.stats.hedges[0].lost + 1,
	   "the first one is sooner: the second has lost");
	for (size_t i = 0; i < CHUNK; i++)
		if (j.buf[i] != 0xee) {
			ok(false, "a byte came after the completion");
			break;
		}
	ok(!after.pace.active && after.stats.results[CC_STORE_CANCELLED] >
	   before.stats.results[CC_STORE_CANCELLED], "it was given up");
}

/* The loser's answer comes while its connection is drained: not into a buffer that is the caller's. */
static void test_late_bytes(struct cc_fetch *f)
{
	static struct cc_endpoint before, after;
	static struct job j;
	bool good = true;

	endpoint(f, &before);
	httpd_script(&h, "count=1 latency=700");
	prepare(&j, store, 3, 0);
	run(f, &j);
	good = !j.req.result && is_right(&j) && j.req.attempts == 2;
	memset(j.buf, 0xee, CHUNK);
	nap_ms(1000);
	for (size_t i = 0; i < CHUNK; i++)
		good &= j.buf[i] == 0xee;
	endpoint(f, &after);
	ok(good, "what the loser sends goes nowhere");
	ok(after.stats.wasted_bytes >= before.stats.wasted_bytes + CHUNK, "it is counted as wasted");
}

/* One of the two fails: the other one still does it, without a retry. */
static void test_one_fails(struct cc_fetch *f)
{
	struct cc_fetch_stats before, after;
	static struct job j;

	cc_fetch_get_stats(f, &before);
	httpd_script(&h, "count=1 latency=600 status=500\nlatency=1000");
	prepare(&j, store, 4, 0);
	run(f, &j);
	cc_fetch_get_stats(f, &after);
	ok(!j.req.result && is_right(&j) && j.req.attempts == 2 && after.retries == before.retries,
	   "the first fails, the second's bytes are taken %s", j.req.error);
	httpd_script(&h, "count=1 latency=1000\ncount=1 status=500");
	prepare(&j, store, 5, 0);
	run(f, &j);
	cc_fetch_get_stats(f, &after);
	ok(!j.req.result && is_right(&j) && j.req.attempts == 2 && after.retries == before.retries,
	   "the second fails, the first's bytes are taken %s", j.req.error);
	httpd_script(&h, "count=1 latency=1000\ncount=1 fault=wrong-bytes");
	prepare(&j, store, 6, 0);
	run(f, &j);
	ok(!j.req.result && is_right(&j) && j.req.attempts == 3, "the second's bytes are wrong: again %s",
	   j.req.error);
	httpd_script(&h, "count=1 latency=4000\ncount=1 status=404");
	prepare(&j, store, 6, 0);
	run(f, &j);
	ok(j.req.result == CC_STORE_NOTFOUND && j.req.total_ns < 3000 * MS,
	   "not found by the second is the answer");
}

/* ---- when there is none ---- */

static void test_not(struct cc_fetch *f)
{
	static struct job j;

	httpd_script(&h, "latency=900");
	prepare(&j, store, 8, 0);
	cc_fetch_submit(f, &j.req, CC_FETCH_PREFETCH);
	ok(wait_one(f, 8000) == &j && !j.req.result && j.req.attempts == 1, "none for what nobody waits for");
	httpd_script(&h, "latency=1500");
	prepare(&j, store, 8, 0);
	cc_fetch_submit(f, &j.req, CC_FETCH_PREFETCH);
	nap_ms(100);
	cc_fetch_promote(f, &j.req, CC_FETCH_DEMAND);
	ok(wait_one(f, 8000) == &j && !j.req.result && j.req.attempts == 2, "one, once somebody does");
	httpd_script(&h, "latency=900");
	prepare_manifest(&j, store);
	run(f, &j);
	ok(!j.req.result && j.req.attempts == 1, "none for a manifest");
	httpd_script(&h, "count=1 status=503 retry-after=0\nlatency=900");
	prepare(&j, store, 9, 0);
	run(f, &j);
	ok(!j.req.result && j.req.attempts == 2, "none while the store is too busy: %u", j.req.attempts);
	nap_ms(2100);
}

static void test_budget(void)
{
	static struct cc_endpoint before, after;
	static struct job jobs[20];
	struct cc_fetch *f = open_fetch(2, 1, 64);
	unsigned int good = 0;

	reopen();
	warm_up(f, 256);
	endpoint(f, &before);
	httpd_script(&h, "latency=1200");
	for (unsigned int i = 0; i < 20; i++) {
		prepare(&jobs[i], store, i, 0);
		cc_fetch_submit(f, &jobs[i].req, CC_FETCH_DEMAND);
	}
	for (unsigned int i = 0; i < 20; i++) {
		struct job *j = wait_one(f, 15000);

		good += j && !j->req.result && is_right(j);
	}
	endpoint(f, &after);
	ok(good == 20, "20 at once, all late: all are right");
	ok(after.stats.hedges[0].launched - before.stats.hedges[0].launched <= 9 &&
	   after.stats.hedges[0].launched - before.stats.hedges[0].launched >= 5 &&
	   after.stats.hedges[0].denied >= before.stats.hedges[0].denied + 11,
	   "%llu second GETs, %llu denied",
	   (unsigned long long)(after.stats.hedges[0].launched - before.stats.hedges[0].launched),
	   (unsigned long long)(after.stats.hedges[0].denied - before.stats.hedges[0].denied));
	cc_fetch_close(f);
}

/* ---- a body stalls ---- */

static void test_stall(struct cc_fetch *f, uint32_t encoding, const char *then, const char *name)
{
	static struct cc_endpoint before, after;
	bool whole = strstr(then, "ignore-range");
	static struct job j;
	char rules[200];

	do {
		nap_ms(50);
		endpoint(f, &before);
	} while (before.pace.active); /* those that lost before are still read */
	snprintf(rules, sizeof(rules), "count=1 fault=stall-body at=20000\n%s", then);
	httpd_script(&h, rules);
	prepare(&j, store, 10, encoding);
	run(f, &j);
	endpoint(f, &after);
	ok(!j.req.result && is_right(&j) && j.req.attempts == 2 && j.req.total_ns < 4000 * MS &&
	   httpd_count(&h, " 206 ") == !whole, "%s: the rest is asked for elsewhere %s", name, j.req.error);
	ok(after.stats.hedges[CC_HEDGE_STALL].launched == before.stats.hedges[CC_HEDGE_STALL].launched + 1 &&
	   after.stats.hedges[CC_HEDGE_STALL].won == before.stats.hedges[CC_HEDGE_STALL].won + 1,
	   "%s: counted", name);
	if (!encoding && !whole)
		ok(j.req.bytes_fetched == CHUNK && after.stats.wasted_bytes == before.stats.wasted_bytes,
		   "%s: no byte came twice: %llu", name, (unsigned long long)j.req.bytes_fetched);
}

/* Slow is not stalled: bytes come all the time. */
static void test_slow(struct cc_fetch *f)
{
	static struct job j;

	httpd_script(&h, "rate=40000");
	prepare(&j, store, 11, 0);
	run(f, &j);
	ok(!j.req.result && j.req.attempts == 1, "a slow body is no stalled one");
}

/* The rest is of another object: found by the hash, and fetched anew. */
static void test_stall_wrong(struct cc_fetch *f)
{
	static struct job j;

	httpd_script(&h, "count=1 fault=stall-body at=20000\ncount=1 fault=wrong-bytes");
	prepare(&j, store, 12, 0);
	run(f, &j);
	ok(!j.req.result && is_right(&j) && j.req.attempts == 3, "the rest is wrong: all again %s",
	   j.req.error);
	httpd_script(&h, "count=1 fault=stall-body at=20000\ncount=1 fault=wrong-range");
	prepare(&j, store, 12, 0);
	run(f, &j);
	ok(!j.req.result && is_right(&j), "another range than asked for is not taken %s", j.req.error);
}

/* What range the rest is of is said when it has come already. */
static void test_stall_late_range(struct cc_fetch *f)
{
	static struct cc_endpoint before, after;
	static struct job j;

	endpoint(f, &before);
	httpd_script(&h, "count=1 fault=stall-body at=20000\ncount=1 fault=late-range");
	prepare(&j, store, 13, 0);
	run(f, &j);
	endpoint(f, &after);
	ok(!j.req.result && is_right(&j) && httpd_count(&h, " 206 ") == 1, "the range is in a trailer: all again %s",
	   j.req.error);
	ok(after.stats.hedges[CC_HEDGE_STALL].failed == before.stats.hedges[CC_HEDGE_STALL].failed + 1,
	   "it is not taken");
}

/* ---- cancel and close with two legs ---- */

static void test_cancel_both(void)
{
	struct cc_fetch *f = open_fetch(1, 1, 16);
	static struct cc_endpoint e;
	static struct job jobs[4];
	bool good = true;

	reopen();
	warm_up(f, 256);
	httpd_script(&h, "fault=stall");
	for (unsigned int i = 0; i < 4; i++) {
		prepare(&jobs[i], store, i, 0);
		cc_fetch_submit(f, &jobs[i].req, CC_FETCH_DEMAND);
	}
	for (int i = 0; i < 60 && e.pace.active != 8; i++) {
		nap_ms(100);
		endpoint(f, &e);
	}
	ok(e.pace.active == 8, "four requests with two legs each: %u", e.pace.active);
	cc_fetch_cancel(f, &jobs[0].req);
	cc_fetch_cancel(f, &jobs[1].req);
	for (unsigned int i = 0; i < 2; i++) {
		struct job *j = wait_one(f, 3000);

		good &= j && j->req.result == CC_STORE_CANCELLED;
	}
	endpoint(f, &e);
	ok(good && e.pace.active == 4, "both legs are cancelled");
	cc_fetch_close(f);
	ok(!jobs[2].done && !jobs[3].done, "close with two legs");
}

/* ---- addresses ---- */

static void test_addresses(void)
{
	struct cc_fetch *f = open_fetch(1, 1, 8);
	unsigned int good = 0, sick;
	static struct job j;

	reopen();
	config.hedge_quantile = 0;
	httpd_script(&h, "address=127.0.0.2 fault=reset");
	for (unsigned int i = 0; i < 60; i++) {
		prepare(&j, store, i, 0);
		run(f, &j);
		good += !j.req.result && is_right(&j) && j.req.attempts <= 2;
	}
	sick = httpd_count(&h, " 127.0.0.2");
	ok(good == 60 && sick >= 1 && sick <= 12, "one of three is dead: all well, it was asked %u times", sick);
	cc_fetch_close(f);
	reopen();
	f = open_fetch(1, 1, 8);
	config.hedge_quantile = 0;
	httpd_script(&h, "address=127.0.0.3 latency=150");
	for (unsigned int i = 0; i < 120; i++) {
		prepare(&j, store, i % NR, 0);
		run(f, &j);
	}
	sick = httpd_count(&h, " 127.0.0.3");
	ok(sick >= 1 && sick <= 20, "one of three is slow: asked %u times of 120", sick);
	cc_fetch_close(f);
}

/* Nobody is at the old address; the name is looked up anew long before it would be otherwise. */
static void test_moved(void)
{
	struct cc_fetch *f = open_fetch(1, 1, 8);
	uint64_t start = cc_now_ns(), took;
	struct cc_store_config c;
	char moved[128];
	struct cc_store *s;
	static struct job j;

	snprintf(moved, sizeof(moved), "http://moved.test:%u", h.port);
	s = open_store(&c, moved);
	do {
		prepare(&j, s, 1, 0);
		run(f, &j);
		took = (cc_now_ns() - start) / MS;
	} while (j.req.result && took < 6000);
	ok(!j.req.result && is_right(&j) && took < 3000, "a host that moves is found after %llu ms %s",
	   (unsigned long long)took, j.req.error);
	ok(nr_moved >= 2 && nr_moved <= 4, "%u lookups", nr_moved);
	cc_fetch_close(f);
	cc_store_close(s);
}

/* Where clouds have the services that give out keys. */
static void test_link_local(void)
{
	struct cc_fetch *f = open_fetch(1, 1, 8);
	struct cc_store_config c;
	struct cc_store *s = open_store(&c, (char *)"http://meta.test");
	static struct job j;

	prepare(&j, s, 1, 0);
	run(f, &j);
	ok(j.req.result == CC_STORE_DENIED && j.req.attempts == 1 && strstr(j.req.error, "link-local"),
	   "a name that leads to a link-local address: %s", j.req.error);
	cc_fetch_close(f);
	cc_store_close(s);
}

int main(void)
{
	struct cc_fetch *f;

	httpd_start(&h);
	snprintf(url, sizeof(url), "http://many.test:%u", h.port);
	store = open_store(&config, url);
	make_chunks();
	test_unknown();
	reopen();
	f = open_fetch(2, 1, 16);
	warm_up(f, 256);
	test_late(f, 0);
	test_late(f, 1);
	test_other_address(f);
	test_lost(f);
	warm_up(f, 256); /* earns new budget */
	test_late_bytes(f);
	warm_up(f, 256);
	test_one_fails(f);
	warm_up(f, 256);
	test_not(f);
	warm_up(f, 256);
	test_stall(f, 0, "", "raw");
	test_stall(f, 1, "", "zstd");
	test_stall(f, 0, "count=1 fault=ignore-range", "range ignored");
	test_stall(f, 0, "count=1 fault=bare-newlines", "bare newlines");
	test_slow(f);
	test_stall_wrong(f);
	test_stall_late_range(f);
	cc_fetch_close(f);
	test_budget();
	test_cancel_both();
	test_addresses();
	test_moved();
	test_link_local();
	cc_store_close(store);
	httpd_stop(&h);
	return tap_done();
}

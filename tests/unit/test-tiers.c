// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The fetch engine with caches before a store and replicas beside it, by the addresses of one server:
 *
 *	127.0.0.1	the store itself	127.0.0.3	a cache
 *	127.0.0.2	a replica		127.0.0.4	a second replica, or a cachey
 */
#include "fetch-jobs.h"
#include "store/store-http.h"
#include "store/store-impl.h"

enum { MAIN, COPY, CACHE, FOURTH, NR_STORES };

static const char *const names[NR_STORES] = { "main", "copy", "cache", "fourth" };
static struct cc_store_config configs[NR_STORES];
static struct cc_store *stores[NR_STORES];
static char urls[NR_STORES][128];
static struct cc_fetch *f;

/* New stores, and an engine that knows nothing of their health; main uses those that are named. */
static void reopen_for(unsigned int max, const char *replicas, const char *caches)
{
	char err[200];

	cc_fetch_close(f);
	for (int i = 0; i < NR_STORES; i++) {
		const char *bucket = configs[i].cachey_bucket;
		enum cc_cache_mode mode = configs[i].cache_mode;

		cc_store_close(stores[i]);
		stores[i] = open_store(&configs[i], urls[i]);
		configs[i].name = (char *)names[i];
		configs[i].hedge_quantile = 0;
		configs[i].backoff_ms = 1;
		configs[i].cache_mode = mode;
		configs[i].cachey_bucket = (char *)bucket;
	}
	configs[MAIN].replicas = (char *)replicas;
	configs[MAIN].caches = (char *)caches;
	if (cc_store_link(stores[MAIN], stores, NR_STORES, err, sizeof(err)))
		httpd_fatal(err);
	f = open_fetch(2, 1, max);
}

static void reopen(const char *replicas, const char *caches)
{
	reopen_for(16, replicas, caches);
}

static unsigned int asked(int i)
{
	char address[24];

	snprintf(address, sizeof(address), " 127.0.0.%d", i + 1);
	return httpd_count(&h, address);
}

static struct cc_endpoint *endpoint(int i)
{
	static struct cc_endpoint e;

	cc_fetch_get_endpoint(f, stores[i], &e);
	return &e;
}

/* One chunk: what comes of it, and who is asked how often. */
static void expect(const char *rules, enum cc_store_result result,
		   unsigned int at_main, unsigned int at_copy, unsigned int at_cache, const char *name)
{
	static struct job j;
	unsigned int n[3];
	bool good;

	httpd_script(&h, rules);
	prepare(&j, stores[MAIN], 1, 0);
	run(f, &j);
	for (int i = 0; i < 3; i++)
		n[i] = asked(i);
	good = j.req.result == result && (result || is_right(&j)) && n[MAIN] == at_main &&
	       n[COPY] == at_copy && n[CACHE] == at_cache && j.req.attempts == n[0] + n[1] + n[2];
	ok(good, "%s: %s, asked %u %u %u %s", name, cc_store_result_name(j.req.result), n[0], n[1], n[2],
	   j.req.error);
}

/* ---- caches ---- */

#define AT_MAIN "address=127.0.0.1 "
#define AT_COPY "address=127.0.0.2 "
#define AT_CACHE "address=127.0.0.3 "

static void test_cache(void)
{
	static const char *const bad[] = {
		"status=404", "status=403", "status=500", "status=503 retry-after=30", "status=301",
		"status=416", "fault=reset", "fault=reset-body", "fault=stall", "fault=stall-body",
		"fault=short-body", "fault=truncate", "fault=long-body", "fault=wrong-length",
		"fault=wrong-bytes", "fault=wrong-range",
	};
	char rules[100];

	reopen(NULL, "cache");
	expect("", CC_STORE_OK, 0, 0, 1, "the cache has it");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		reopen(NULL, "cache"); /* its breaker would open */
		snprintf(rules, sizeof(rules), AT_CACHE "%s", bad[i]);
		if (!strcmp(bad[i], "fault=reset"))
			continue; /* curl itself asks again, see below */
		expect(rules, CC_STORE_OK, 1, 0, 1, bad[i]);
	}
	reopen(NULL, "cache");
	expect(AT_CACHE "status=500\n" AT_MAIN "count=2 status=500", CC_STORE_OK, 3, 0, 1,
	       "a cache is asked once, the store as often as there are attempts");
	expect(AT_CACHE "status=404\n" AT_MAIN "status=404", CC_STORE_NOTFOUND, 1, 0, 1,
	       "neither has it");
	expect(AT_CACHE "status=500\n" AT_MAIN "status=500", CC_STORE_ERROR, 3, 0, 1,
	       "neither answers");
}

/* It takes its time, and gets half of what there is. */
static void test_slow_cache(void)
{
	static struct job j;

	reopen(NULL, "cache");
	configs[MAIN].total_timeout_ms = 3000;
	configs[CACHE].first_byte_timeout_ms = 60000;
	httpd_script(&h, AT_CACHE "fault=stall");
	prepare(&j, stores[MAIN], 1, 0);
	run(f, &j);
	ok(!j.req.result && is_right(&j) && j.req.total_ns >= 1400 * MS,
	   "a cache that never answers gets half of the time: %llu ms %s",
	   (unsigned long long)(j.req.total_ns / MS), j.req.error);
}

static void test_dead_cache(void)
{
	unsigned int good = 0, n;
	static struct job j;

	reopen(NULL, "cache");
	httpd_script(&h, AT_CACHE "status=500");
	for (unsigned int i = 0; i < 20; i++) {
		prepare(&j, stores[MAIN], i, 0);
		run(f, &j);
		good += !j.req.result && is_right(&j);
	}
	n = asked(CACHE);
	ok(good == 20 && n >= 5 && n <= 6, "20 reads past a cache that fails, which is asked %u times", n);
	ok(endpoint(CACHE)->breaker != CC_BREAKER_CLOSED, "its breaker is open");
	nap_ms(2200);
	httpd_script(&h, "");
	for (unsigned int i = 0; i < 20; i++) {
		prepare(&j, stores[MAIN], i, 0);
		run(f, &j);
	}
	ok(asked(CACHE) == 20 && endpoint(CACHE)->breaker == CC_BREAKER_CLOSED,
	   "it is back, and found out by one GET");
}

/* ---- a ring of them ---- */

/* Which of the caches each chunk came from, or MAIN. */
static bool read_all(int ret_from[NR])
{
	static struct job j;
	bool good = true;

	for (unsigned int i = 0; i < NR; i++) {
		struct cc_endpoint_stats before[NR_STORES];

		for (int k = 0; k < NR_STORES; k++)
			before[k] = endpoint(k)->stats;
		prepare(&j, stores[MAIN], i, 0);
		run(f, &j);
		good &= !j.req.result && is_right(&j);
		ret_from[i] = -1;
		for (int k = 0; k < NR_STORES; k++)
			if (endpoint(k)->stats.results[CC_STORE_OK] > before[k].results[CC_STORE_OK])
				ret_from[i] = k;
	}
	return good;
}

static unsigned int count_from(const int from[NR], int store)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < NR; i++)
		n += from[i] == store;
	return n;
}

static void test_ring(void)
{
	int first[NR], now[NR];
	unsigned int moved = 0, stayed = 0, shares[2] = { 0 };
	bool good;

	httpd_script(&h, "");
	reopen(NULL, "copy cache fourth");
	good = read_all(first);
	/* One in a few thousand runs has a share that is four standard deviations off. */
	ok(good && !count_from(first, MAIN) && count_from(first, COPY) >= NR / 10 &&
	   count_from(first, CACHE) >= NR / 10 && count_from(first, FOURTH) >= NR / 10, "three caches share %d chunks: %u %u %u",
	   NR, count_from(first, COPY), count_from(first, CACHE), count_from(first, FOURTH));
	reopen(NULL, "fourth copy cache");
	ok(read_all(now) && !memcmp(first, now, sizeof(now)), "in the same way on each host, however it lists them");
	reopen(NULL, "copy fourth");
	ok(read_all(now), "one has gone");
	for (unsigned int i = 0; i < NR; i++) {
		moved += first[i] != CACHE && now[i] != first[i];
		shares[now[i] == COPY] += first[i] == CACHE;
	}
	ok(!moved && shares[0] && shares[1], "no other chunk moves, and its own go to both: %u and %u", shares[0], shares[1]);
	reopen(NULL, "copy cache fourth");
	httpd_script(&h, AT_CACHE "fault=reset-body");
	ok(read_all(now) && !count_from(now, CACHE) && !count_from(now, MAIN), "one fails: another has its chunks");
	for (unsigned int i = 0; i < NR; i++)
		stayed += first[i] != CACHE && now[i] == first[i];
	ok(stayed == NR - count_from(first, CACHE), "and nothing else changes: %u stay", stayed);
}

static void test_ring_ends(void)
{
	static struct job j;
	int now[NR];

	reopen(NULL, "copy cache fourth");
	httpd_script(&h, AT_COPY "status=500\n" AT_CACHE "status=500\n" "address=127.0.0.4 status=500\n");
	prepare(&j, stores[MAIN], 1, 0);
	run(f, &j);
	ok(!j.req.result && is_right(&j) && j.req.attempts == 3 && asked(MAIN) == 1,
	   "two of a ring are asked, then the store: %u in all", j.req.attempts);
	reopen(NULL, "copy cache fourth");
	configs[MAIN].cache_copies = 3;
	httpd_script(&h, "");
	ok(read_all(now) && count_from(now, COPY) >= NR / 10 && count_from(now, CACHE) >= NR / 10 &&
	   count_from(now, FOURTH) >= NR / 10, "three copies: this process asks each of the three");
}

/* Which of its copies a process asks is its own choice: who chose by rank would ask the first only. */
static void test_copies(void)
{
	int first[NR], now[NR];
	unsigned int others = 0;

	reopen(NULL, "copy cache fourth");
	read_all(first);
	reopen(NULL, "copy cache fourth");
	configs[MAIN].cache_copies = 2;
	read_all(now);
	for (unsigned int i = 0; i < NR; i++)
		others += now[i] != first[i];
	ok(others >= NR / 4 && others <= NR * 3 / 4, "two copies: of %d chunks %u from the second", NR, others);
}

static void test_modes(void)
{
	configs[CACHE].cache_mode = CC_CACHE_OFF;
	reopen(NULL, "cache");
	expect("", CC_STORE_OK, 1, 0, 0, "off: not asked");
	configs[CACHE].cache_mode = CC_CACHE_READ_ONLY;
	reopen(NULL, "cache");
	expect(AT_CACHE "has=only-if-cached status=504", CC_STORE_OK, 1, 0, 1,
	       "read-only: only what it has");
	for (int i = 0; i < 6; i++)
		expect(AT_CACHE "status=504", CC_STORE_OK, 1, 0, 1, "that is an answer, no failure");
	expect(AT_MAIN "has=only-if-cached status=504\n" AT_CACHE "status=504", CC_STORE_OK, 1, 0, 1,
	       "the store is asked plainly");
	configs[CACHE].cache_mode = CC_CACHE_GET_ONLY;
	reopen(NULL, "cache");
	expect(AT_CACHE "has=only-if-cached status=504", CC_STORE_OK, 0, 0, 1, "get-only: plainly");
}

/* A cachey wants a range with an end, and to be told the bucket. */
static void test_cachey(void)
{
	static uint8_t buf[CHUNK];
	char name[CC_OBJECT_NAME_MAX], path[CC_OBJECT_NAME_MAX + 32];
	struct cc_fetch_stats before, after;
	static struct job j;

	fill_chunk(1, buf);
	cc_chunk_name(ids[1], 0, name);
	snprintf(path, sizeof(path), "fetch/kind/pre/%s", name);
	httpd_put(&h, path, buf, CHUNK);
	configs[FOURTH].cachey_bucket = (char *)"buck-et";
	snprintf(urls[FOURTH], sizeof(urls[FOURTH]), "http://127.0.0.4:%u/fetch/kind/pre", h.port);
	reopen(NULL, "fourth");
	httpd_script(&h, "address=127.0.0.4 has=C0-Bucket:\n");
	prepare(&j, stores[MAIN], 1, 0);
	run(f, &j);
	ok(!j.req.result && is_right(&j) && httpd_count(&h, "/fetch/kind/pre/chunks/") == 1 &&
	   httpd_count(&h, " 206 ") == 1, "cachey: asked by range %s", j.req.error);
	httpd_script(&h, "address=127.0.0.4 has=buck-et status=500");
	prepare(&j, stores[MAIN], 1, 0);
	run(f, &j);
	ok(!j.req.result && is_right(&j) && asked(FOURTH) == 1 && asked(MAIN) == 1,
	   "cachey: told the bucket; the store is asked after it %s", j.req.error);
	httpd_script(&h, "address=127.0.0.4 has=bytes=0-65535 status=500");
	prepare(&j, stores[MAIN], 1, 0);
	run(f, &j);
	ok(!j.req.result && asked(MAIN) == 1, "cachey: the range has an end");
	cc_fetch_get_stats(f, &before);
	httpd_script(&h, "address=127.0.0.4 fault=wrong-range");
	prepare(&j, stores[MAIN], 1, 0);
	run(f, &j);
	cc_fetch_get_stats(f, &after);
	ok(!j.req.result && is_right(&j) && asked(MAIN) == 1 && after.hash_mismatches == before.hash_mismatches,
	   "cachey: part of it is not even hashed");
	configs[FOURTH].cachey_bucket = NULL;
	snprintf(urls[FOURTH], sizeof(urls[FOURTH]), "http://127.0.0.4:%u", h.port);
}

/* ---- replicas ---- */

static void test_replicas(void)
{
	struct cc_fetch_stats before, after;

	reopen("copy", NULL);
	expect("", CC_STORE_OK, 1, 0, 0, "both are well: the store itself");
	cc_fetch_get_stats(f, &before);
	expect(AT_MAIN "status=500", CC_STORE_OK, 1, 1, 0, "it fails: the replica, at once");
	cc_fetch_get_stats(f, &after);
	ok(after.retries == before.retries && endpoint(MAIN)->stats.fallbacks == 1,
	   "that is no retry");
	reopen("copy", NULL);
	expect(AT_MAIN "fault=wrong-bytes", CC_STORE_OK, 1, 1, 0, "wrong bytes: the replica");
	reopen("copy", NULL);
	expect(AT_MAIN "status=404", CC_STORE_NOTFOUND, 1, 0, 0, "not found by the store is the answer");
	reopen("copy", NULL);
	expect(AT_MAIN "status=403", CC_STORE_OK, 1, 1, 0, "refused by the store: the replica");
	reopen("copy", NULL);
	expect(AT_MAIN "status=500\n" AT_COPY "status=404", CC_STORE_ERROR, 3, 3, 0,
	       "not found by the replica is none, if the store does not answer");
	reopen("copy", NULL);
	expect(AT_MAIN "status=403\n" AT_COPY "status=403", CC_STORE_DENIED, 1, 1, 0,
	       "refused by both: no retry");
	reopen("copy", NULL);
	expect(AT_MAIN "count=2 status=500\n" AT_COPY "count=1 status=500", CC_STORE_OK, 2, 2, 0,
	       "two in each attempt");
	reopen("copy fourth", NULL);
	configs[MAIN].attempts = 1;
	expect("status=500", CC_STORE_ERROR, 1, 1, 0, "of three stores two in an attempt");
	reopen("copy", "cache");
	expect(AT_CACHE "status=500\n" AT_MAIN "status=500", CC_STORE_OK, 1, 1, 1,
	       "cache, store, replica");
}

/* What says that one is slow is not its first answer. */
static void test_slow_start(void)
{
	static struct job j;
	unsigned int n;

	reopen("copy", NULL);
	httpd_script(&h, AT_MAIN "count=1 latency=600");
	for (unsigned int i = 0; i < 12; i++) {
		prepare(&j, stores[MAIN], i, 0);
		run(f, &j);
	}
	n = asked(MAIN);
	ok(n == 12, "one slow first answer: the store itself is asked, %u times of 12", n);
}

/* Preference bends: to who is faster by far, and to who is well. */
static void test_bent(void)
{
	static struct job j;
	unsigned int n;

	reopen("copy", NULL);
	/* so slow that it stays passed over, also on a busy host, for what comes then */
	configs[MAIN].first_byte_timeout_ms = 5000;
	httpd_script(&h, AT_MAIN "latency=1200");
	for (unsigned int i = 0; i < 14; i++) {
		prepare(&j, stores[MAIN], i, 0);
		run(f, &j);
	}
	n = asked(COPY);
	ok(n >= 8, "the store is slow: the replica is asked, %u times of 14", n);
	expect(AT_COPY "status=404", CC_STORE_OK, 1, 1, 0, "not found by the replica: the store is asked");
	expect(AT_COPY "status=404\n" AT_MAIN "status=404", CC_STORE_NOTFOUND, 1, 1, 0, "nor by the store");
}

static void test_breaker(void)
{
	unsigned int good = 0, n;
	static struct job j;

	reopen("copy", NULL);
	httpd_script(&h, AT_MAIN "fault=stall-headers");
	configs[MAIN].stall_timeout_ms = 50;
	for (unsigned int i = 0; i < 20; i++) {
		prepare(&j, stores[MAIN], i, 0);
		run(f, &j);
		good += !j.req.result && is_right(&j);
	}
	n = asked(MAIN);
	ok(good == 20 && n <= 7, "20 reads past a store that fails, which is asked %u times", n);
	httpd_script(&h, "status=500");
	for (unsigned int i = 0; i < 6; i++) {
		prepare(&j, stores[MAIN], i, 0);
		run(f, &j);
	}
	httpd_script(&h, "");
	prepare(&j, stores[MAIN], 1, 0);
	run(f, &j);
	ok(!j.req.result && is_right(&j), "all breakers open, and they answer again: so does the read");
}

/* ---- the rest of the promises on a store ---- */

static void test_negative(void)
{
	struct cc_fetch_stats before, after;
	static struct job j;
	bool good = true;

	reopen(NULL, NULL);
	configs[MAIN].negative_ttl_ms = 1500;
	cc_fetch_get_stats(f, &before);
	httpd_script(&h, "count=1 status=404");
	for (unsigned int i = 0; i < 10; i++) {
		prepare(&j, stores[MAIN], 1, 0);
		run(f, &j);
		good &= j.req.result == CC_STORE_NOTFOUND && strstr(j.req.error, "no such object");
	}
	cc_fetch_get_stats(f, &after);
	ok(good && asked(MAIN) == 1 && after.negative_hits == before.negative_hits + 9,
	   "missing: ten reads, one GET");
	prepare(&j, stores[MAIN], 1, 1);
	run(f, &j);
	ok(!j.req.result && is_right(&j), "its other encoding may be there");
	prepare(&j, stores[COPY], 1, 0);
	run(f, &j);
	ok(!j.req.result && is_right(&j), "another store may have it");
	nap_ms(1600);
	prepare(&j, stores[MAIN], 1, 0);
	run(f, &j);
	ok(!j.req.result && is_right(&j), "after its time it is asked for again");
}

static void test_quota(void)
{
	static struct job jobs[50];
	unsigned int n;

	reopen(NULL, NULL);
	httpd_script(&h, "status=500");
	for (unsigned int i = 0; i < 50; i++) {
		prepare(&jobs[i], stores[MAIN], i, 0);
		cc_fetch_submit(f, &jobs[i].req, CC_FETCH_DEMAND);
	}
	for (unsigned int i = 0; i < 50; i++)
		if (!wait_one(f, 10000))
			break;
	n = asked(MAIN);
	ok(n == 50 + 35 && endpoint(MAIN)->stats.retries[CC_RETRY_TRANSIENT] == 35 &&
	   endpoint(MAIN)->stats.retries_denied >= 15, "50 reads of a broken store: %u GETs", n);
}

static void test_slow_down(void)
{
	static struct job jobs[200];
	unsigned int good = 0;
	double limit;

	reopen_for(64, NULL, NULL);
	configs[MAIN].attempts = 10;
	httpd_script(&h, "count=20 status=503 code=SlowDown\nlatency=5");
	for (unsigned int i = 0; i < 200; i++) {
		prepare(&jobs[i], stores[MAIN], i % NR, 0);
		cc_fetch_submit(f, &jobs[i].req, CC_FETCH_DEMAND);
	}
	for (unsigned int i = 0; i < 20; i++) {
		struct job *j = wait_one(f, 20000);

		good += j && !j->req.result;
	}
	limit = endpoint(MAIN)->pace.limit;
	for (unsigned int i = 20; i < 200; i++) {
		struct job *j = wait_one(f, 20000);

		good += j && !j->req.result && is_right(j);
	}
	ok(good == 200 && limit < 30, "slow down: %.1f at a time, all of 200 are right: %u", limit, good);
	ok(endpoint(MAIN)->stats.retries[CC_RETRY_THROTTLE] == 20, "counted as throttled");
}

/* The store's own word on its clock and its region. */
static void test_told(void)
{
	struct cc_store_config c;
	struct cc_http_target *t;
	char endpoint_url[64];
	struct cc_store *s;
	static struct job j;
	int64_t off;

	setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
	httpd_script(&h, "count=1 status=403 code=RequestTimeTooSkewed date=-7200");
	snprintf(endpoint_url, sizeof(endpoint_url), "http://127.0.0.1:%u", h.port);
	s = open_store(&c, (char *)"s3://bucket");
	cc_store_close(s);
	c.endpoint = endpoint_url;
	c.path_style = true;
	if (cc_store_open(&c, &s, endpoint_url, sizeof(endpoint_url)))
		httpd_fatal(endpoint_url);
	t = cc_store_http_target(s);
	prepare(&j, s, 1, 0);
	j.req.kind = CC_FETCH_CHUNK;
	run(f, &j);
	off = t->clock_offset;
	ok(j.req.attempts == 2 && off <= -7198 && off >= -7260, "clock: again, with the store's time (%lld s)",
	   (long long)off);
	httpd_script(&h, "count=1 status=400 code=AuthorizationHeaderMalformed region=eu-9\n"
		     "has=/eu-9/s3/ status=418");
	prepare(&j, s, 1, 0);
	run(f, &j);
	ok(j.req.attempts == 2 && strstr(j.req.error, "418"), "region: again, signed for it %s", j.req.error);
	httpd_script(&h, "status=301 code=PermanentRedirect header=x-amz-bucket-region:evil.example "
		     "location=http://127.0.0.2/");
	prepare(&j, s, 1, 0);
	run(f, &j);
	ok(j.req.attempts == 1 && j.req.result == CC_STORE_DENIED && asked(COPY) == 0,
	   "what is no region is not signed, nor any host followed: %s", j.req.error);
	cc_fetch_close(f);
	f = NULL;
	cc_store_close(s);
}

int main(void)
{
	httpd_start(&h);
	make_chunks();
	for (int i = 0; i < NR_STORES; i++) {
		snprintf(urls[i], sizeof(urls[i]), "http://127.0.0.%d:%u", i + 1, h.port);
		stores[i] = open_store(&configs[i], urls[i]);
	}
	test_cache();
	test_slow_cache();
	test_dead_cache();
	test_ring();
	test_ring_ends();
	test_copies();
	test_modes();
	test_cachey();
	test_replicas();
	test_slow_start();
	test_bent();
	test_breaker();
	test_negative();
	test_told();
	test_quota();
	test_slow_down();
	cc_fetch_close(f);
	for (int i = 0; i < NR_STORES; i++)
		cc_store_close(stores[i]);
	httpd_stop(&h);
	return tap_done();
}

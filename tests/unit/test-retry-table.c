// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the fetch engine makes of each kind of failure: every row of the table in retry.h by an answer
 * that a scripted store gives, S3's own codes among them.  A row says what comes of it, how many GETs
 * it takes, as which class it is counted, and whether the next GET goes to another connection and to
 * another address of the host.
 */
#include <netdb.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <poll.h>
#include <dlfcn.h>
#include <string.h>
#include "chunkcache/format.h"
#include "fetch/fetch.h"
#include "manifest.h"
#include "script.h"
#include "tap.h"
#include "clock.h"

#define CHUNK	65536
#define MS	1000000ULL

static struct httpd h;
static struct cc_store_config config;
static struct cc_fetch *fetch;
static struct cc_store *store;
static uint8_t content[CHUNK], buf[CHUNK], id[32];
static char object[CC_OBJECT_NAME_MAX + 8];

/* In the place of the library's: "two.test" has two addresses. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		struct addrinfo **res)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
		dlsym(RTLD_NEXT, "getaddrinfo");
	struct addrinfo *other;
	int r;

	if (!node || strcmp(node, "two.test"))
		return real(node, service, hints, res);
	r = real("127.0.0.1", service, hints, res);
	if (r)
		return r;
	r = real("127.0.0.2", service, hints, &other);
	if (!r)
		(*res)->ai_next = other;
	return r;
}

/* It is one list of two, each allocated by itself. */
void freeaddrinfo(struct addrinfo *list)
{
	void (*real)(struct addrinfo *) = dlsym(RTLD_NEXT, "freeaddrinfo");

	while (list) {
		struct addrinfo *next = list->ai_next;

		list->ai_next = NULL;
		real(list);
		list = next;
	}
}

/* ---- one request ---- */

static struct cc_fetch_req req;

static void on_done(struct cc_fetch_req *ended)
{
	if (ended != &req)
		httpd_fatal("another request completes");
}

static void run(void)
{
	struct pollfd p = { .fd = cc_fetch_fd(fetch), .events = POLLIN };
	uint64_t until = cc_now_ns() + 20000 * MS;

	memset(buf, 0, sizeof(buf));
	req = (struct cc_fetch_req){ .store = store, .buf = buf, .buf_size = CHUNK, .done = on_done };
	memcpy(req.id, id, 32);
	cc_fetch_submit(fetch, &req, CC_FETCH_DEMAND);
	while (!cc_fetch_reap(fetch)) {
		if (cc_now_ns() > until)
			httpd_fatal("no completion");
		poll(&p, 1, 100);
	}
}

static struct cc_endpoint endpoint(void)
{
	struct cc_endpoint e;

	if (!cc_fetch_get_endpoint(fetch, store, &e))
		httpd_fatal("no endpoint");
	return e;
}

/* A new engine and a new store: no class has had its one retry, no quota was spent. */
static void open_at(bool s3, const char *host, unsigned int port)
{
	static const struct cc_fetch_config c = { .network_threads = 1, .max_in_flight = 4 };
	static char url[64], origin[64];
	char err[200];

	snprintf(origin, sizeof(origin), "http://%s:%u", host, port);
	snprintf(url, sizeof(url), "%s", s3 ? "s3://bucket" : origin);
	cc_store_config_init(&config);
	config.name = (char *)"main";
	config.url = url;
	config.endpoint = s3 ? origin : NULL;
	config.region = s3 ? (char *)"eu-west-1" : NULL;
	config.path_style = s3;
	config.connect_timeout_ms = 1000;
	config.first_byte_timeout_ms = 400;
	config.stall_timeout_ms = 400;
	config.total_timeout_ms = 15000;
	config.backoff_ms = 10;
	config.negative_ttl_ms = 0;
	config.stall_hedge_ms = 0;
	if (cc_store_open(&config, &store, err, sizeof(err)))
		httpd_fatal(err);
	if (cc_fetch_open(&c, &fetch))
		httpd_fatal("cc_fetch_open");
}

static void open_all(bool s3)
{
	open_at(s3, "two.test", h.port);
}

static void close_all(void)
{
	cc_fetch_close(fetch);
	cc_store_close(store);
}

/* ---- the table ---- */

struct row {
	const char *rules;
	enum cc_store_result result;
	enum cc_retry_class class;	/* NONE: no retry may be counted */
	unsigned int gets;
	const char *words;		/* in the reason, if it is not OK */
	bool elsewhere;			/* the second GET: on another connection, to the other address */
};

#define FIRST "count=1 "
#define OK CC_STORE_OK
#define T CC_RETRY_TRANSIENT
#define TH CC_RETRY_THROTTLE
#define ELSEWHERE true
#define ANYWHERE false

static const struct row rows[] = {
	/* transient: once, then all is well */
	{ FIRST "status=500", OK, T, 2, NULL, ELSEWHERE },
	{ FIRST "status=500 code=InternalError", OK, T, 2, NULL, ELSEWHERE },
	{ FIRST "status=502", OK, T, 2, NULL, ELSEWHERE },
	{ FIRST "status=504", OK, T, 2, NULL, ELSEWHERE },
	{ FIRST "status=408", OK, T, 2, NULL, ELSEWHERE },
	{ FIRST "status=400 code=RequestTimeout", OK, T, 2, NULL, ELSEWHERE },
	{ FIRST "fault=short-body", OK, T, 2, NULL, ELSEWHERE },
	{ FIRST "fault=short-body at=1", OK, T, 2, NULL, ELSEWHERE },
	{ FIRST "fault=reset-body", OK, T, 2, NULL, ELSEWHERE },
	{ FIRST "fault=stall", OK, T, 2, NULL, ELSEWHERE },
	{ FIRST "fault=stall-headers", OK, T, 2, NULL, ELSEWHERE },
	{ FIRST "fault=stall-body at=1000", OK, T, 2, NULL, ELSEWHERE },
	{ FIRST "fault=wrong-range", OK, T, 2, NULL, ELSEWHERE },
	/* transient: for ever */
	{ "status=500", CC_STORE_ERROR, T, 3, "HTTP 500", ELSEWHERE },
	{ "status=400 code=RequestTimeout", CC_STORE_ERROR, T, 3, "RequestTimeout", ELSEWHERE },
	{ "fault=short-body", CC_STORE_ERROR, T, 3, "", ELSEWHERE },
	{ "fault=stall", CC_STORE_TIMEOUT, T, 3, "no answer within 400 ms", ELSEWHERE },
	{ "fault=stall-body", CC_STORE_TIMEOUT, T, 3, "no byte within 400 ms", ELSEWHERE },
	/* without end: cut off, and asked for elsewhere */
	{ FIRST "fault=endless-headers", OK, T, 2, NULL, ELSEWHERE },
	{ FIRST "fault=endless-interim", OK, T, 2, NULL, ELSEWHERE },
	{ FIRST "fault=endless-trailers", OK, T, 2, NULL, ELSEWHERE },
	{ "fault=endless-headers", CC_STORE_ERROR, T, 3, "headers without an end", ELSEWHERE },
	{ "fault=endless-interim", CC_STORE_ERROR, T, 3, "headers without an end", ELSEWHERE },
	{ "fault=endless-trailers", CC_STORE_ERROR, T, 3, "headers without an end", ELSEWHERE },
	/* throttle */
	{ FIRST "status=503", OK, TH, 2, NULL, ANYWHERE },
	{ FIRST "status=429", OK, TH, 2, NULL, ANYWHERE },
	{ FIRST "status=503 code=SlowDown", OK, TH, 2, NULL, ANYWHERE },
	{ FIRST "status=400 code=Throttling", OK, TH, 2, NULL, ANYWHERE },
	{ FIRST "status=400 code=ThrottlingException", OK, TH, 2, NULL, ANYWHERE },
	{ FIRST "status=400 code=RequestThrottled", OK, TH, 2, NULL, ANYWHERE },
	{ FIRST "status=509 code=BandwidthLimitExceeded", OK, TH, 2, NULL, ANYWHERE },
	/* clock: the store's is an hour ahead */
	{ FIRST "status=403 code=RequestTimeTooSkewed date=3600", OK, CC_RETRY_CLOCK, 2, NULL, ANYWHERE },
	{ "status=403 code=RequestTimeTooSkewed date=3600", CC_STORE_DENIED, CC_RETRY_CLOCK, 2, "clock", ANYWHERE },
	/* auth: read anew, once */
	{ FIRST "status=400 code=ExpiredToken", OK, CC_RETRY_AUTH, 2, NULL, ANYWHERE },
	{ FIRST "status=403 code=ExpiredTokenException", OK, CC_RETRY_AUTH, 2, NULL, ANYWHERE },
	{ FIRST "status=400 code=InvalidToken", OK, CC_RETRY_AUTH, 2, NULL, ANYWHERE },
	{ FIRST "status=401", OK, CC_RETRY_AUTH, 2, NULL, ANYWHERE },
	{ "status=400 code=ExpiredToken", CC_STORE_DENIED, CC_RETRY_AUTH, 2, "expired", ANYWHERE },
	/* integrity: once */
	{ FIRST "fault=wrong-bytes", OK, CC_RETRY_INTEGRITY, 2, NULL, ELSEWHERE },
	{ FIRST "fault=truncate", OK, CC_RETRY_INTEGRITY, 2, NULL, ELSEWHERE },
	{ FIRST "fault=wrong-length", OK, CC_RETRY_INTEGRITY, 2, NULL, ELSEWHERE },
	{ FIRST "fault=long-body", OK, CC_RETRY_INTEGRITY, 2, NULL, ELSEWHERE },
	/* an error in the body of a 200 is no chunk */
	{ FIRST "status=200 code=InternalError", OK, CC_RETRY_INTEGRITY, 2, NULL, ELSEWHERE },
	{ "status=200 code=InternalError", CC_STORE_CORRUPT, CC_RETRY_INTEGRITY, 2, "wrong bytes", ELSEWHERE },
	{ "fault=wrong-bytes", CC_STORE_CORRUPT, CC_RETRY_INTEGRITY, 2, "wrong bytes", ELSEWHERE },
	{ "fault=truncate", CC_STORE_CORRUPT, CC_RETRY_INTEGRITY, 2, "wrong bytes", ELSEWHERE },
	/* region: signed for the one it names, to the same host, once */
	{ FIRST "status=301 code=PermanentRedirect header=x-amz-bucket-region:us-west-2", OK,
	  CC_RETRY_REGION, 2, NULL, ANYWHERE },
	{ FIRST "status=400 code=AuthorizationHeaderMalformed region=us-west-2", OK, CC_RETRY_REGION, 2,
	  NULL, ANYWHERE },
	{ "status=301 code=PermanentRedirect header=x-amz-bucket-region:us-west-2", CC_STORE_DENIED,
	  CC_RETRY_REGION, 2, "us-west-2", ANYWHERE },
	/* a redirect is not followed, wherever it leads */
	{ "status=301 location=http://127.0.0.9:1/stolen", CC_STORE_ERROR, 0, 1, "refused", ANYWHERE },
	{ "status=307 location=/elsewhere", CC_STORE_ERROR, 0, 1, "refused", ANYWHERE },
	/* fatal: at once */
	{ "status=404 code=NoSuchKey", CC_STORE_NOTFOUND, 0, 1, "no such object", ANYWHERE },
	{ "status=404 code=NoSuchBucket", CC_STORE_ERROR, 0, 1, "bucket", ANYWHERE },
	{ "status=403 code=AccessDenied", CC_STORE_DENIED, 0, 1, "", ANYWHERE },
	{ "status=403 code=SignatureDoesNotMatch", CC_STORE_DENIED, 0, 1, "", ANYWHERE },
	{ "status=403 code=InvalidAccessKeyId", CC_STORE_DENIED, CC_RETRY_AUTH, 2, "", ANYWHERE },
	{ "status=403 code=InvalidObjectState", CC_STORE_DENIED, 0, 1, "archived", ANYWHERE },
	{ "status=416", CC_STORE_ERROR, 0, 1, "HTTP 416", ANYWHERE },
	{ "status=400", CC_STORE_ERROR, 0, 1, "HTTP 400", ANYWHERE },
	{ "status=405", CC_STORE_ERROR, 0, 1, "HTTP 405", ANYWHERE },
	{ "status=501", CC_STORE_ERROR, 0, 1, "HTTP 501", ANYWHERE },
	/* odd, and no failure */
	{ "fault=chunked", OK, 0, 1, NULL, ANYWHERE },
	{ "fault=no-length", OK, 0, 1, NULL, ANYWHERE },
	{ "fault=gzip", OK, 0, 1, NULL, ANYWHERE },
	{ "header=ETag:\"00000000000000000000000000000000\"", OK, 0, 1, NULL, ANYWHERE },
};

static bool class_counted(const struct row *r, const struct cc_endpoint *e)
{
	for (unsigned int i = CC_RETRY_TRANSIENT; i < CC_RETRY_NR_CLASSES; i++)
		if (e->stats.retries[i] != (i == r->class ? r->gets - 1 : 0))
			return false;
	return true;
}

/* Both addresses were asked, if the row says so. */
static bool went_elsewhere(const struct row *r)
{
	return !r->elsewhere || (httpd_count(&h, " 127.0.0.1\n") && httpd_count(&h, " 127.0.0.2\n"));
}

static void test_row(const struct row *r)
{
	struct cc_endpoint e;
	unsigned int gets;
	bool good;

	open_all(true);
	httpd_script(&h, r->rules);
	run();
	e = endpoint();
	gets = httpd_count(&h, object);
	good = req.result == r->result && (req.result || !memcmp(buf, content, CHUNK)) &&
	       (!r->words || strstr(req.error, r->words));
	good &= gets == r->gets && e.stats.gets == gets && class_counted(r, &e) && went_elsewhere(r);
	if (!good)
		httpd_show_log(&h);
	ok(good, "%s: %s, %u GETs, as %s%s%s", r->rules, cc_store_result_name(req.result), gets,
	   r->class ? cc_retry_class_name(r->class) : "final", *req.error ? ": " : "", req.error);
	close_all();
}

/* ---- what a row can't say ---- */

/* A host that nobody listens on: each attempt is made on a new connection. */
static void test_no_connection(void)
{
	struct cc_endpoint e;

	open_at(true, "127.0.0.1", 1);
	run();
	e = endpoint();
	ok(req.result == CC_STORE_ERROR && req.attempts == 3 && e.stats.retries[T] == 2,
	   "nobody listens: %u attempts: %s", req.attempts, req.error);
	close_all();
}

/* Where there is one address only, a failure costs its connection; a store that is busy does not. */
static void test_new_connection(void)
{
	static const struct { const char *rules; uint64_t made; } cases[] = {
		{ FIRST "status=500", 1 }, { FIRST "fault=wrong-bytes", 1 }, { FIRST "status=503", 0 },
	};

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cc_endpoint before, after;

		open_at(true, "127.0.0.1", h.port);
		httpd_script(&h, "");
		run();
		before = endpoint();
		httpd_script(&h, cases[i].rules);
		run();
		after = endpoint();
		ok(!req.result && req.attempts == 2 &&
		   after.stats.connections - before.stats.connections == cases[i].made,
		   "%s: %llu more connections", cases[i].rules,
		   (unsigned long long)(after.stats.connections - before.stats.connections));
		close_all();
	}
}

static uint64_t timed_run(const char *rules)
{
	uint64_t start;

	open_all(true);
	httpd_script(&h, rules);
	start = cc_now_ns();
	run();
	return (cc_now_ns() - start) / MS;
}

static void test_retry_after(void)
{
	uint64_t ms = timed_run(FIRST "status=503 code=SlowDown retry-after=1");

	ok(!req.result && ms >= 1000, "Retry-After: 1 is waited for: %llu ms", (unsigned long long)ms);
	close_all();
	ms = timed_run(FIRST "status=503 header=x-amz-retry-after:1200");
	ok(!req.result && ms >= 1200, "and x-amz-retry-after: 1200, in ms: %llu ms", (unsigned long long)ms);
	close_all();
	ms = timed_run("status=503 retry-after=3600");
	ok(req.result && ms < 15500, "but not an hour: %llu ms: %s", (unsigned long long)ms, req.error);
	close_all();
}

/* Fewer at a time, none beside another one; more again as it goes well. */
static void test_throttled(void)
{
	struct cc_endpoint before, after;
	double cut;

	open_all(true);
	httpd_script(&h, FIRST "status=503 code=SlowDown");
	run();
	before = endpoint();
	cut = before.pace.limit;
	ok(cut < config.connections && before.throttled_until_ns > cc_now_ns(),
	   "SlowDown: %.1f at a time in the place of %u", cut, config.connections);
	ok(!cc_endpoint_hedge_after(&before, cc_now_ns()), "and no second GETs");
	for (int i = 0; i < 8; i++)
		run();
	after = endpoint();
	ok(!req.result && after.pace.limit > cut, "it grows as all goes well: %.1f", after.pace.limit);
	close_all();
}

/* 500 tokens at 14 each: after that a store that fails is asked once for each request. */
static void test_quota(void)
{
	unsigned int gets, requests = 40;
	struct cc_endpoint e;

	open_all(true);
	config.backoff_ms = 1;
	config.backoff_max_ms = 1;
	httpd_script(&h, "status=500");
	for (unsigned int i = 0; i < requests; i++)
		run();
	e = endpoint();
	gets = httpd_count(&h, object);
	ok(gets == requests + CC_ENDPOINT_QUOTA / 14 && e.stats.retries_denied && e.quota < 14,
	   "%u requests that fail: %u GETs, %llu retries denied", requests, gets,
	   (unsigned long long)e.stats.retries_denied);
	httpd_script(&h, "");
	for (unsigned int i = 0; i < 20; i++)
		run();
	e = endpoint();
	ok(!req.result && e.quota >= 20, "each success gives one back: %u", e.quota);
	close_all();
}

/* 404 and 416 are answers: they open no breaker; five failures do. */
static void test_breaker(void)
{
	struct cc_endpoint e;

	open_all(true);
	config.attempts = 1;
	httpd_script(&h, "count=10 status=404\ncount=10 status=416");
	for (int i = 0; i < 20; i++)
		run();
	e = endpoint();
	ok(e.breaker == CC_BREAKER_CLOSED && !e.failures, "20 times 404 and 416: the store is well");
	httpd_script(&h, "status=500");
	for (int i = 0; i < 5; i++)
		run();
	e = endpoint();
	ok(e.breaker == CC_BREAKER_OPEN, "5 times 500: it is not");
	close_all();
}

/* The next requests are signed with the store's time at once, and for its region. */
static void test_learnt(void)
{
	open_all(true);
	httpd_script(&h, FIRST "status=403 code=RequestTimeTooSkewed date=3600");
	run();
	run();
	ok(!req.result && httpd_count(&h, object) == 3, "a clock's offset is kept");
	httpd_script(&h, FIRST "status=400 code=AuthorizationHeaderMalformed region=us-west-2");
	run();
	run();
	ok(!req.result && httpd_count(&h, object) == 3, "and so is a region");
	close_all();
}

/* Plain HTTP has no credentials and no clock to set right: all of it is final. */
static void test_plain(void)
{
	static const char *const final[] = {
		"status=401", "status=403 code=RequestTimeTooSkewed date=3600",
		"status=400 code=ExpiredToken", "status=301 header=x-amz-bucket-region:us-west-2",
	};

	for (unsigned int i = 0; i < sizeof(final) / sizeof(final[0]); i++) {
		open_all(false);
		httpd_script(&h, final[i]);
		run();
		ok(req.result && httpd_count(&h, "/chunks/") == 1, "plain HTTP, %s: %s", final[i], req.error);
		close_all();
	}
}

int main(void)
{
	char name[CC_OBJECT_NAME_MAX];

	setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "example", 1);
	setenv("AWS_SESSION_TOKEN", "token", 1);
	httpd_start(&h);
	for (unsigned int i = 0; i < CHUNK; i++)
		content[i] = i * 7 ^ i >> 8;
	cc_sha256(content, CHUNK, id);
	cc_chunk_name(id, CC_ENCODING_RAW, name);
	httpd_put(&h, name, content, CHUNK);
	snprintf(object, sizeof(object), "bucket/%s", name);
	httpd_put(&h, object, content, CHUNK);
	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		test_row(&rows[i]);
	test_no_connection();
	test_new_connection();
	test_retry_after();
	test_throttled();
	test_quota();
	test_breaker();
	test_learnt();
	test_plain();
	httpd_stop(&h);
	return tap_done();
}

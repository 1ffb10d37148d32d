// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * S3 as it is met outside: answers that say one thing and mean another, or that never end; what is sent
 * with a write; what a person is told who may not do something.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <string.h>
#include <openssl/evp.h>
#include "creds/creds-impl.h"
#include "store/address.h"
#include "store/http.h"
#include "script.h"
#include "store/store.h"
#include "tap.h"
#include "clock.h"

static struct httpd h;
static char err[600];

/* The bucket "buck" of the server, by a key that it does not check. */
static void init_config(struct cc_store_config *c)
{
	static char endpoint[64], creds[128];

	snprintf(endpoint, sizeof(endpoint), "http://127.0.0.1:%u", h.port);
	snprintf(creds, sizeof(creds), "%s/creds", h.dir);
	cc_store_config_init(c);
	c->name = (char *)"main";
	c->url = (char *)"s3://buck/pre";
	c->path_style = true;
	c->endpoint = endpoint;
	c->credentials_file = creds;
	c->first_byte_timeout_ms = 2000;
	c->stall_timeout_ms = 2000;
	c->total_timeout_ms = 20000;
}

static struct cc_store *open_store(const struct cc_store_config *c)
{
	struct cc_store *s;

	if (cc_store_open(c, &s, err, sizeof(err)))
		httpd_fatal(err);
	return s;
}

static enum cc_store_result put(struct cc_store *s, const char *name)
{
	*err = '\0';
	return cc_store_put(s, name, "content", 7, err, sizeof(err));
}

static enum cc_store_result get(struct cc_store *s, const char *name)
{
	enum cc_store_result r;
	void *data = NULL;
	size_t size;

	*err = '\0';
	r = cc_store_get(s, name, 1000, &data, &size, err, sizeof(err));
	if (!r)
		free(data);
	return r;
}

/* ---- writes ---- */

/* Under these rules a PUT ends like this after so many requests, with words that have `words` in them. */
static void put_under(struct cc_store *s, const char *rules, enum cc_store_result expect,
		      unsigned int requests, const char *words)
{
	enum cc_store_result r;
	unsigned int n;

	httpd_script(&h, "");
	cc_store_delete(s, "obj", err, sizeof(err));
	httpd_script(&h, rules);
	r = put(s, "obj");
	n = httpd_count(&h, "PUT");
	if (!ok(r == expect && n == requests && strstr(err, words), "put under \"%s\": %s, %u requests: %s",
		rules, cc_store_result_name(r), n, err))
		httpd_show_log(&h);
}

static void test_puts(struct cc_store *s)
{
	/* The MD5 of "content". */
	put_under(s, "method=PUT lacks=mgNkuembtIDdJeHwKEyFVQ== status=400 code=InvalidRequest", CC_STORE_OK, 1, "");
	put_under(s, "method=PUT has=mgNkuembtIDdJeHwKEyFVQ== status=400 code=BadDigest", CC_STORE_ERROR, 2,
		  "BadDigest");
	put_under(s, "method=PUT count=1 status=200 code=InternalError", CC_STORE_OK, 2, "");
	put_under(s, "method=PUT status=200 code=InternalError", CC_STORE_ERROR, 3, "HTTP 200 InternalError");
	put_under(s, "method=PUT count=1 status=200 code=SlowDown", CC_STORE_OK, 2, "");
	put_under(s, "method=PUT status=200 code=AccessDenied", CC_STORE_DENIED, 1, "s3:PutObject");
	put_under(s, "method=PUT status=200 code=NoSuchBucket", CC_STORE_ERROR, 1, "does not exist");
	put_under(s, "method=PUT status=200 header=ETag:\"d41d8cd98f00b204e9800998ecf8427e\"", CC_STORE_ERROR, 2,
		  "other bytes than were sent");
	put_under(s, "method=PUT count=1 status=200 header=ETag:d41d8cd98f00b204e9800998ecf8427e", CC_STORE_OK, 2,
		  "");
	put_under(s, "method=PUT status=200 header=ETag:\"d41d8cd98f00b204e9800998ecf8427e-1\"", CC_STORE_OK, 1,
		  "");
	httpd_script(&h, "");
	ok(!put(s, "obj") && !get(s, "obj"), "put and get: %s", err);
}

/* A machine whose libcrypto has no MD5. */
static bool without_md5;

int EVP_Q_digest(OSSL_LIB_CTX *ctx, const char *name, const char *query, const void *data, size_t size,
		 unsigned char *md, size_t *ret_size)
{
	int (*real)(OSSL_LIB_CTX *ctx, const char *name, const char *query, const void *data, size_t size,
		    unsigned char *md, size_t *ret_size) = dlsym(RTLD_NEXT, "EVP_Q_digest");

	return without_md5 && !strcmp(name, "MD5") ? 0 : real(ctx, name, query, data, size, md, ret_size);
}

static void test_without_md5(struct cc_store *s)
{
	without_md5 = true;
	/* The SHA-256 of "content". */
	put_under(s, "method=PUT lacks=7XACtDnprIRfIjV9giusFERzD722AW0+yUMil7nsn3M= status=400 code=InvalidRequest",
		  CC_STORE_OK, 1, "");
	put_under(s, "method=PUT has=mgNkuembtIDdJeHwKEyFVQ== status=400 code=BadDigest", CC_STORE_OK, 1, "");
	without_md5 = false;
}

/* ETags that look like MD5s and are none, of a store that has what was sent; and of others. */
static void test_odd_etags(const struct cc_store_config *c)
{
	const char *rules = "method=PUT header=ETag:\"d41d8cd98f00b204e9800998ecf8427e\"";
	struct cc_store *s = open_store(c);

	put_under(s, rules, CC_STORE_OK, 1, "");
	ok(httpd_count(&h, "GET") == 1, "the object is read back, as its ETag is of other bytes");
	put_under(s, rules, CC_STORE_OK, 1, "");
	ok(!httpd_count(&h, "GET"), "once: what this store's ETags are is known then");
	cc_store_close(s);
	s = open_store(c);
	put_under(s, "method=PUT header=ETag:\"d41d8cd98f00b204e9800998ecf8427e\"\nmethod=GET fault=wrong-bytes",
		  CC_STORE_ERROR, 2, "other bytes than were sent");
	put_under(s, "method=PUT header=ETag:\"d41d8cd98f00b204e9800998ecf8427e\"\nmethod=GET status=403",
		  CC_STORE_ERROR, 2, "other bytes than were sent");
	cc_store_close(s);
}

static enum cc_store_result judge_put(const struct cc_http_answer *a, bool document, const char *md5)
{
	struct cc_http_target t = { .s3 = true, .bucket = (char *)"b", .region = "r" };
	struct cc_http_outcome o = { .result = CC_STORE_CANCELLED };

	cc_http_judge_put(&t, a, document, md5, &o);
	return o.result;
}

static void test_etags(void)
{
	static const char md5[] = "9a0364b9e99bb480dd25e1f0284c8555";
	const struct { const char *etag; bool encrypted, good; } cases[] = {
		{ "\"9a0364b9e99bb480dd25e1f0284c8555\"", false, true },
		{ "\"9A0364B9E99BB480DD25E1F0284C8555\"", false, true },
		{ "9a0364b9e99bb480dd25e1f0284c8555", false, true },
		{ "W/\"9a0364b9e99bb480dd25e1f0284c8555\"", false, true },
		{ "", false, true },
		{ "\"not-an-md5\"", false, true },
		{ "\"9a0364b9e99bb480dd25e1f0284c8556-12\"", false, true },
		{ "\"9a0364b9e99bb480dd25e1f0284c8556\"", true, true },
		{ "\"9a0364b9e99bb480dd25e1f0284c8556\"", false, false },
		{ "0a0364b9e99bb480dd25e1f0284c8555", false, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cc_http_answer a = { .status = 200, .encrypted = cases[i].encrypted };

		strcpy(a.etag, cases[i].etag);
		ok((judge_put(&a, false, md5) == CC_STORE_OK) == cases[i].good, "ETag %s%s: %s", cases[i].etag,
		   cases[i].encrypted ? ", encrypted" : "", cases[i].good ? "taken" : "refused");
		ok(judge_put(&a, false, "") == CC_STORE_OK, "the same without an MD5 to compare: taken");
		ok(judge_put(&a, true, md5) == CC_STORE_ERROR, "the same with a page of somebody's: refused");
	}
}

static void test_options(void)
{
	static const struct { const char *sse, *key, *class, *words; } bad[] = {
		{ "AES128", NULL, NULL, "sse: expected" }, { NULL, "k", NULL, "sse_kms_key_id: expected sse" },
		{ "aws:kms", "a b", NULL, "a key's ID" }, { NULL, NULL, "cold\r\nX: y", "storage_class" },
		{ NULL, NULL, "DEEP_ARCHIVE", "can be read at once" },
	};
	struct cc_store_config c;
	struct cc_store *s;

	init_config(&c);
	c.sse = (char *)"aws:kms";
	c.sse_kms_key_id = (char *)"arn:aws:kms:eu:1:key/2";
	c.sse_bucket_key = true;
	c.storage_class = (char *)"STANDARD_IA";
	s = open_store(&c);
	put_under(s, "method=PUT lacks=x-amz-server-side-encryption: status=403", CC_STORE_OK, 1, "");
	put_under(s, "method=PUT lacks=kms-key-id status=403", CC_STORE_OK, 1, "");
	put_under(s, "method=PUT lacks=bucket-key-enabled: status=403", CC_STORE_OK, 1, "");
	put_under(s, "method=PUT lacks=;x-amz-server-side-encryption-bucket-key-enabled, status=403", CC_STORE_OK, 1,
		  "");
	put_under(s, "method=PUT has=x-amz-storage-class status=403", CC_STORE_OK, 1, "");
	put_under(s, "method=PUT lacks=;x-amz-server-side-encryption; status=403", CC_STORE_OK, 1, "");
	httpd_script(&h, "method=PUT lacks=STANDARD_IA status=403");
	ok(!put(s, "chunks/ab/abcd"), "chunks have a class: %s", err);
	cc_store_close(s);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		init_config(&c);
		c.sse = (char *)bad[i].sse;
		c.sse_kms_key_id = (char *)bad[i].key;
		c.storage_class = (char *)bad[i].class;
		ok(cc_store_open(&c, &s, err, sizeof(err)) == -EINVAL && strstr(err, bad[i].words), "%s", err);
	}
}

/* ---- a gateway's path ---- */

static const char *header_of(const struct cc_http_xfer *x, const char *name)
{
	for (struct curl_slist *l = x->headers; l; l = l->next)
		if (!strncasecmp(l->data, name, strlen(name)) && l->data[strlen(name)] == ':')
			return l->data + strlen(name) + 2;
	return "";
}

/* What signs this request for this path, by a key of our own. */
static bool is_signed_for(const struct cc_http_xfer *x, const char *path)
{
	struct cc_sign_request s = {
		.method = "GET", .path = path, .payload_hash = header_of(x, "x-amz-content-sha256"),
		.headers = {
			{ "host", x->target->authority },
			{ "x-amz-content-sha256", header_of(x, "x-amz-content-sha256") },
			{ "x-amz-date", header_of(x, "x-amz-date") },
		},
		.nr_headers = 3, .date = header_of(x, "x-amz-date"), .region = "us-east-1",
		.access_key = "KEY", .secret_key = "SECRET",
	};
	struct cc_sign_key key = { .scope = "" };
	char *authorization = NULL;
	bool same;

	if (cc_sign(&s, &key, &authorization))
		return false;
	same = !strcmp(authorization, header_of(x, "Authorization"));
	free(authorization);
	return same;
}

/* The request that a store with this endpoint is sent. */
static void expect_url(struct cc_store_config *c, const char *endpoint, enum cc_http_method method,
		       const char *words, const char *path)
{
	struct cc_http_request req = { .method = method, .name = "obj", .grow = true, .max = 10 };
	struct cc_http_outcome o = { .reason = "" };
	struct cc_http_target t;
	struct cc_http_xfer x;

	c->endpoint = (char *)endpoint;
	if (cc_http_target_init(&t, c, err, sizeof(err)) || cc_http_xfer_init(&x) ||
	    cc_http_target_keys(&t, cc_now_ns() + 10 * CC_SECOND, &o) || cc_http_xfer_start(&x, &t, &req, "", &o))
		httpd_fatal(*err ? err : o.reason);
	ok(strstr(x.url, words), "endpoint %s: %s", endpoint, x.url);
	ok(!path || is_signed_for(&x, path), "signed for the path that is sent");
	cc_http_xfer_destroy(&x);
	cc_http_target_destroy(&t);
}

static void test_gateway(void)
{
	struct cc_store_config c;

	init_config(&c);
	expect_url(&c, "https://gw.example/g%20w/s3/", CC_HTTP_GET, "https://gw.example/g%20w/s3/buck/pre/obj",
		   "/g w/s3/buck/pre/obj");
	expect_url(&c, "https://gw.example/s3", CC_HTTP_LIST, "https://gw.example/s3/buck?", NULL);
	expect_url(&c, "https://gw.example/", CC_HTTP_LIST, "https://gw.example/buck?", NULL);
	c.path_style = false;
	expect_url(&c, "https://gw.example/s3", CC_HTTP_GET, "https://buck.gw.example/s3/pre/obj", "/s3/pre/obj");
	expect_url(&c, "https://gw.example/s3", CC_HTTP_LIST, "https://buck.gw.example/s3/?", NULL);
	expect_url(&c, "https://gw.example", CC_HTTP_LIST, "https://buck.gw.example/?", NULL);
}

/* ---- what is said ---- */

static void test_hints(struct cc_store *s)
{
	char e[600];
	uint64_t size;

	httpd_script(&h, "status=403 code=AccessDenied");
	ok(put(s, "obj") == CC_STORE_DENIED && strstr(err, "s3:PutObject") && !strstr(err, "s3:Get") &&
	   strstr(err, "AccessDenied: told to & did"), "a PUT is denied: %s", err);
	ok(get(s, "obj") == CC_STORE_DENIED && strstr(err, "s3:GetObject") && strstr(err, "missing object") &&
	   strstr(err, "told to & did"), "a GET is denied: %s", err);
	ok(cc_store_delete(s, "obj", e, sizeof(e)) == CC_STORE_DENIED && strstr(e, "s3:DeleteObject"),
	   "a DELETE is denied: %s", e);
	ok(cc_store_list(s, "x/", NULL, NULL, e, sizeof(e)) == CC_STORE_DENIED && strstr(e, "s3:ListBucket") &&
	   !strstr(e, "missing"), "a list is denied: %s", e);
	ok(cc_store_head(s, "obj", &size, e, sizeof(e)) == CC_STORE_DENIED && strstr(e, "s3:GetObject"),
	   "a HEAD is denied: %s", e);
	httpd_script(&h, "status=403 code=InvalidObjectState");
	ok(get(s, "obj") == CC_STORE_DENIED && strstr(err, "archived"), "Glacier: %s", err);
}

/* ---- HEAD, which has no words ---- */

static void head_under(struct cc_store *s, const char *rules, enum cc_store_result expect,
		       unsigned int requests, const char *words)
{
	enum cc_store_result r;
	uint64_t size = 0;
	unsigned int n;

	*err = '\0';
	httpd_script(&h, rules);
	r = cc_store_head(s, "ten", &size, err, sizeof(err));
	n = httpd_count(&h, "/ten");
	if (!ok(r == expect && n == requests && strstr(err, words) && (r || size == 10),
		"head under \"%s\": %s, %u requests: %s", rules, cc_store_result_name(r), n, err))
		httpd_show_log(&h);
}

static void test_heads(struct cc_store *s)
{
	uint64_t size = 1;

	httpd_put(&h, "buck/pre/ten", "0123456789", 10);
	httpd_put(&h, "buck/pre/empty", "", 0);
	head_under(s, "", CC_STORE_OK, 1, "");
	head_under(s, "method=HEAD status=404", CC_STORE_NOTFOUND, 1, "");
	head_under(s, "method=HEAD status=400", CC_STORE_OK, 2, "");
	head_under(s, "method=HEAD status=403", CC_STORE_OK, 2, "");
	head_under(s, "method=HEAD status=403\nfault=ignore-range", CC_STORE_OK, 2, "");
	head_under(s, "method=HEAD fault=no-length", CC_STORE_OK, 2, "");
	head_under(s, "method=HEAD status=403\nstatus=404", CC_STORE_NOTFOUND, 2, "");
	head_under(s, "method=HEAD status=403\nstatus=403 code=AccessDenied", CC_STORE_DENIED, 2,
		   "AccessDenied: told to & did");
	head_under(s, "method=HEAD status=400\ncount=1 status=400 code=ExpiredToken", CC_STORE_OK, 3, "");
	head_under(s, "method=HEAD status=403\ncount=1 status=403 code=RequestTimeTooSkewed date=3600",
		   CC_STORE_OK, 3, "");
	head_under(s, "method=HEAD status=400\ncount=1 status=400 code=AuthorizationHeaderMalformed region=eu-1",
		   CC_STORE_OK, 3, "");
	httpd_script(&h, "method=HEAD status=403\nmethod=GET status=416");
	ok(!cc_store_head(s, "empty", &size, err, sizeof(err)) && size == 0, "of an object without bytes: %s", err);
	httpd_script(&h, "count=1 status=403 code=InvalidAccessKeyId");
	ok(!get(s, "ten"), "a key that was taken away: %s", err);
}

/* ---- patience ---- */

static char waited[600];
static unsigned int nr_waits, nr_backs;

static void note_wait(void *arg, const char *reason, unsigned int seconds)
{
	if (reason)
		nr_waits++;
	else
		nr_backs++;
	if (reason)
		snprintf(waited, sizeof(waited), "%u s: %s", seconds, reason);
}

static struct cc_store *open_patient(struct cc_store_config *c, unsigned int patience_ms)
{
	struct cc_store *s;

	init_config(c);
	c->patience_ms = patience_ms;
	c->first_byte_timeout_ms = 300;
	c->stall_timeout_ms = 100;
	c->attempt_timeout_ms = 500;
	c->total_timeout_ms = 3000;
	c->backoff_max_ms = 400;
	s = open_store(c);
	cc_store_be_patient(s, note_wait, NULL);
	return s;
}

static unsigned int ms_since(uint64_t start)
{
	return (cc_now_ns() - start) / CC_MS;
}

/* A store that was never there is no outage. */
static void test_first_request(void)
{
	struct cc_store_config c;
	struct cc_store *s = open_patient(&c, 60000);
	uint64_t start = cc_now_ns();

	httpd_script(&h, "status=500");
	ok(put(s, "obj") == CC_STORE_ERROR && httpd_count(&h, "PUT") == 3 && ms_since(start) < 2000,
	   "a first request is not patient: %s", err);
	cc_store_close(s);
}

static void test_outages(void)
{
	struct cc_store_config c;
	struct cc_store *s = open_patient(&c, 20000);
	uint64_t start;

	httpd_script(&h, "");
	ok(get(s, "none") == CC_STORE_NOTFOUND, "it has answered");
	httpd_script(&h, "until=1500 fault=reset");
	ok(!put(s, "obj") && httpd_count(&h, "PUT") > 3, "away for a while: %s", err);
	httpd_script(&h, "until=1500 status=503 code=SlowDown");
	ok(!put(s, "obj"), "too busy for a while: %s", err);
	httpd_script(&h, "until=1500 status=400 code=ExpiredToken");
	ok(!get(s, "obj"), "keys that are renewed late: %s", err);
	nr_waits = nr_backs = 0;
	httpd_script(&h, "until=4000 status=500 code=InternalError");
	ok(!put(s, "obj") && nr_waits == 1 && nr_backs == 1 && strstr(waited, "InternalError"),
	   "who waits is told once, and when it is over: %s", waited);
	start = cc_now_ns();
	httpd_script(&h, "status=403 code=AccessDenied");
	ok(put(s, "obj") == CC_STORE_DENIED && ms_since(start) < 1000, "a word is a word: %s", err);
	cc_store_close(s);
}

static void test_end_of_patience(void)
{
	struct cc_store_config c;
	struct cc_store *s = open_patient(&c, 1500);
	uint64_t start;

	httpd_script(&h, "");
	get(s, "none");
	httpd_script(&h, "status=500");
	start = cc_now_ns();
	ok(put(s, "obj") == CC_STORE_ERROR && httpd_count(&h, "PUT") > 3 && ms_since(start) < 4000,
	   "it has an end: %u ms: %s", ms_since(start), err);
	cc_store_close(s);
}

static void *hurry_soon(void *arg)
{
	nap_ms(1000);
	cc_store_hurry(arg);
	return NULL;
}

/* Whoever is to end the program does not wait for the store. */
static void test_hurry(void)
{
	struct cc_store_config c;
	struct cc_store *s = open_patient(&c, 60000);
	enum cc_store_result r;
	unsigned int ms;
	pthread_t thread;
	uint64_t start;

	httpd_script(&h, "");
	get(s, "none");
	httpd_script(&h, "status=503");
	start = cc_now_ns();
	if (pthread_create(&thread, NULL, hurry_soon, s))
		httpd_fatal("pthread_create");
	r = put(s, "obj");
	ms = ms_since(start);
	ok(r == CC_STORE_ERROR && ms < 10000, "patience ends when told to, in %u ms: %s", ms, err);
	pthread_join(thread, NULL);
	start = cc_now_ns();
	r = put(s, "obj");
	ms = ms_since(start);
	ok(r == CC_STORE_ERROR && ms < 10000, "nor has anybody any after that: %u ms", ms);
	cc_store_close(s);
}

/* Only a stall counts, not the time. */
static void test_slow_answers(void)
{
	struct cc_store_config c;
	struct cc_store *s = open_patient(&c, 1000);
	char *big = calloc(1, 60000);
	size_t size = 0;
	void *data = NULL;

	httpd_put(&h, "buck/pre/big", big, 60000);
	httpd_script(&h, "");
	get(s, "none");
	httpd_script(&h, "rate=20000");
	ok(!cc_store_get(s, "big", 60000, &data, &size, err, sizeof(err)) && size == 60000 &&
	   httpd_count(&h, "/big") == 1, "slow, but it moves: %s", err);
	if (size)
		free(data);
	httpd_put(&h, "buck/pre/mid", big, 6000);
	httpd_script(&h, "rate=500");
	ok(cc_store_get(s, "mid", 60000, &data, &size, err, sizeof(err)) == CC_STORE_TIMEOUT &&
	   strstr(err, "next to nothing"), "that is none: %s", err);
	httpd_script(&h, "fault=stall");
	ok(put(s, "obj") == CC_STORE_TIMEOUT, "nor is no answer: %s", err);
	cc_store_close(s);
	free(big);
}

/* The bytes of an upload lie in the socket for longer than an answer may take. */
static void test_slow_uplink(void)
{
	struct cc_store_config c;
	struct cc_store *s;
	char *big = calloc(1, 200000);

	s = open_patient(&c, 60000);
	httpd_script(&h, "");
	get(s, "none");
	ok(!cc_store_put(s, "big", big, 200000, err, sizeof(err)) && httpd_count(&h, "PUT") == 1,
	   "a slow uplink: %s", err);
	cc_store_close(s);
	free(big);
}

static void test_fewer_at_a_time(void)
{
	struct cc_patience p;

	cc_patience_init(&p);
	cc_patience_start(&p, 1000, note_wait, NULL);
	for (int i = 0; i < 8; i++)
		cc_patience_enter(&p);
	ok(cc_pace_has_room(&p.pace), "eight at a time, and room for more");
	cc_patience_leave(&p, CC_PATIENCE_FAILED, CC_RETRY_THROTTLE);
	for (int i = 0; i < 2; i++)
		cc_patience_leave(&p, CC_PATIENCE_WELL, CC_RETRY_NONE);
	ok(!cc_pace_has_room(&p.pace), "after \"slow down\" five are enough: %u of %.1f", p.pace.active,
	   p.pace.limit);
	cc_patience_leave(&p, CC_PATIENCE_WELL, CC_RETRY_NONE);
	ok(cc_patience_enter(&p), "the next one comes when one has ended");
	cc_patience_destroy(&p);
}

/* ---- without an end ---- */

static void test_endless(struct cc_store *s)
{
	static const char *const faults[] = { "endless-headers", "endless-interim", "endless-trailers" };
	char rule[64];
	uint64_t start;

	httpd_put(&h, "buck/pre/one", "1", 1);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		snprintf(rule, sizeof(rule), "fault=%s", faults[i]);
		httpd_script(&h, rule);
		start = cc_now_ns();
		ok(get(s, "one") == CC_STORE_ERROR && strstr(err, "headers without an end") &&
		   cc_now_ns() - start < 1500000000, "%s: %s", faults[i], err);
	}
}

/* Of a service that gives keys. */
static void test_endless_service(void)
{
	struct cc_creds_answer *answer;
	char url[64];
	const struct cc_creds_call call = {
		.what = "service", .method = "GET", .url = url, .timeout_ms = 5000,
	};
	uint64_t start = cc_now_ns();

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/buck/pre/one", h.port);
	httpd_script(&h, "fault=endless-trailers");
	ok(cc_creds_ask(&call, &answer, err, sizeof(err)) == -EIO && strstr(err, "longer") &&
	   cc_now_ns() - start < 2500000000, "endless trailers of a service: %s", err);
}

/* ---- addresses ---- */

static bool is_metadata(const char *text)
{
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in a4 = { .sin_family = AF_INET };

	if (inet_pton(AF_INET, text, &a4.sin_addr) == 1)
		return cc_address_is_metadata((struct sockaddr *)&a4);
	if (inet_pton(AF_INET6, text, &a6.sin6_addr) != 1)
		httpd_fatal(text);
	return cc_address_is_metadata((struct sockaddr *)&a6);
}

static void test_addresses(void)
{
	static const char *const bad[] = {
		"169.254.169.254", "169.254.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192",
		"fe80::1", "febf::1", "fd00:ec2::254", "::ffff:169.254.169.254", "::ffff:0:169.254.169.254",
		"::169.254.169.254", "64:ff9b::169.254.169.254", "64:ff9b::a9fe:aa02",
		"64:ff9b:1::169.254.169.254", "64:ff9b:1:a9fe:a9:fe00::", "2002:a9fe:a9fe::1",
	};
	static const char *const good[] = {
		"127.0.0.1", "169.253.1.1", "169.255.1.1", "10.0.0.1", "52.218.0.1", "100.100.100.201",
		"::1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::10.0.0.1", "2002:a00:1::1",
		"2a05:d018::1", "fec0::1", "fd00:ec3::1", "2001:db8::169.254.169.254",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(is_metadata(bad[i]), "%s is refused", bad[i]);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ok(!is_metadata(good[i]), "%s is not", good[i]);
}

int main(void)
{
	static const char keys[] = "[default]\naws_access_key_id = KEY\naws_secret_access_key = SECRET\n";
	struct cc_store_config c;
	struct cc_store *s;

	test_addresses();
	test_etags();
	httpd_start(&h);
	write_file(h.dir, "creds", keys, strlen(keys));
	init_config(&c);
	s = open_store(&c);
	test_puts(s);
	test_without_md5(s);
	test_odd_etags(&c);
	test_options();
	test_gateway();
	test_hints(s);
	test_endless(s);
	test_endless_service();
	test_heads(s);
	cc_store_close(s);
	test_fewer_at_a_time();
	test_first_request();
	test_outages();
	test_end_of_patience();
	test_hurry();
	test_slow_answers();
	httpd_stop(&h);
	httpd_start_slow(&h, "60000");
	write_file(h.dir, "creds", keys, strlen(keys));
	test_slow_uplink();
	httpd_stop(&h);
	return tap_done();
}

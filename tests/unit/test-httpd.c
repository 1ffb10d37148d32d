// SPDX-License-Identifier: GPL-2.0-or-later
/* The scripted server itself: what its rules match, and what they make of an answer. */
#include <string.h>
#include "script.h"
#include "tap.h"

#define SIZE 10000

static struct httpd h;
static char object[SIZE];

struct answer {
	CURLcode code;
	long status;
	size_t size;
	bool right;			/* the object's bytes, from the range's start on */
	double seconds;
	char body[SIZE + 1];
};

static size_t take_body(char *data, size_t one, size_t n, void *arg)
{
	struct answer *a = arg;
	size_t room = SIZE - a->size, take = n < room ? n : room;

	memcpy(a->body + a->size, data, take);
	a->size += take;
	return n;
}

static struct answer get(const char *address, const char *path, const char *range)
{
	CURL *easy = curl_easy_init();
	struct answer a = { 0 };
	char url[128];
	size_t from = range ? strtoul(range, NULL, 10) : 0;

	snprintf(url, sizeof(url), "http://%s:%u%s", address, h.port, path);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_RANGE, range);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 5000L);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, &a);
	a.code = curl_easy_perform(easy);
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &a.status);
	curl_easy_getinfo(easy, CURLINFO_STARTTRANSFER_TIME, &a.seconds);
	curl_easy_cleanup(easy);
	a.right = a.size <= SIZE - from && !memcmp(a.body, object + from, a.size);
	return a;
}

static struct answer get_object(const char *rules)
{
	httpd_script(&h, rules);
	return get("127.0.0.1", "/object", NULL);
}

/* How many of n GETs are answered with status. */
static unsigned int count_status(unsigned int n, long status)
{
	unsigned int found = 0;

	for (unsigned int i = 0; i < n; i++)
		found += get("127.0.0.1", "/object", NULL).status == status;
	return found;
}

static void test_ranges(void)
{
	struct answer a;

	httpd_script(&h, "");
	a = get("127.0.0.1", "/object", "100-199");
	ok(a.status == 206 && a.size == 100 && a.right, "a range");
	a = get("127.0.0.1", "/object", "9000-");
	ok(a.status == 206 && a.size == 1000 && a.right, "a range to the end");
	httpd_script(&h, "fault=ignore-range");
	a = get("127.0.0.1", "/object", "100-199");
	ok(a.status == 200 && a.size == SIZE, "ignore-range");
	httpd_script(&h, "fault=late-range");
	a = get("127.0.0.1", "/object", "100-199");
	ok(!a.code && a.status == 206 && a.size == 100 && a.right, "late-range");
	httpd_script(&h, "fault=bare-newlines");
	a = get("127.0.0.1", "/object", "100-199");
	ok(!a.code && a.status == 206 && a.size == 100 && a.right, "bare-newlines");
}

static void test_matching(void)
{
	unsigned int busy;

	httpd_script(&h, "address=127.0.0.2 status=503");
	ok(get("127.0.0.1", "/object", NULL).status == 200 && get("127.0.0.2", "/object", NULL).status == 503,
	   "address=");
	httpd_script(&h, "from=2000 until=60000 status=503");
	ok(get("127.0.0.1", "/object", NULL).status == 200, "from=: not yet");
	nap_ms(2050);
	ok(get("127.0.0.1", "/object", NULL).status == 503, "from=: now");
	httpd_script(&h, "until=200 status=503");
	nap_ms(250);
	ok(get("127.0.0.1", "/object", NULL).status == 200, "until=: not any more");
	httpd_script(&h, "rps=2 status=503 code=SlowDown");
	busy = count_status(40, 503);
	ok(busy > 0 && busy <= 38, "rps=2: %u of 40 at once are too many", busy);
	nap_ms(600);
	ok(get("127.0.0.1", "/object", NULL).status == 200, "and after a while one is not");
	httpd_script(&h, "skip=2 count=3 status=500");
	ok(count_status(10, 500) == 3, "skip= and count=");
}

static void test_answers(void)
{
	struct answer a = get_object("fault=short-body at=1234");

	ok(a.code == CURLE_PARTIAL_FILE && a.size == 1234 && a.right, "short-body at=1234");
	a = get_object("fault=wrong-bytes at=7");
	ok(!a.code && !a.right && a.size == SIZE && a.body[7] == (object[7] ^ 1), "wrong-bytes at=7");
	a = get_object("latency=200");
	ok(a.seconds >= 0.2 && a.right, "latency=200: %.3f s", a.seconds);
	a = get_object("fault=slow-headers header=X-Room:for-some-more-bytes");
	ok(a.code == CURLE_OPERATION_TIMEDOUT, "slow-headers: not whole after 5 s");
	a = get_object("model=s3");
	ok(a.right && a.size == SIZE && a.seconds >= 0.008, "model=s3: %.3f s", a.seconds);
	a = get_object("model=s3 factor=10");
	ok(a.right && a.seconds >= 0.08, "ten times as long: %.3f s", a.seconds);
}

static unsigned long long stat_of(const struct answer *a, const char *name)
{
	const char *p = strstr(a->body, name);
	unsigned long long n = 0;

	if (p)
		sscanf(p + strlen(name), "%llu", &n);
	return n;
}

static void test_stats(void)
{
	struct answer before = get("127.0.0.1", "/.stats", NULL), after;

	get_object("");
	after = get("127.0.0.1", "/.stats", NULL);
	ok(stat_of(&after, "gets ") - stat_of(&before, "gets ") == 1 &&
	   stat_of(&after, "bytes ") - stat_of(&before, "bytes ") >= SIZE, ".stats");
}

/* The status of a script that may be wrong. */
static long put_rules(const char *rules)
{
	CURL *easy = curl_easy_init();
	long status = 0;
	char url[128];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/.script", h.port);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "PUT");
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, rules);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, script_ignore);
	curl_easy_perform(easy);
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(easy);
	return status;
}

static void test_bad_rules(void)
{
	httpd_script(&h, "status=500");
	ok(put_rules("stats=200") == 400, "an unknown word is refused");
	ok(put_rules("fault=none\nfault=any") == 400, "and so is an unknown fault");
	ok(get("127.0.0.1", "/object", NULL).status == 500, "and the rules stay");
}

int main(void)
{
	for (unsigned int i = 0; i < SIZE; i++)
		object[i] = i * 7 ^ i >> 8;
	httpd_start(&h);
	httpd_put(&h, "object", object, SIZE);
	test_ranges();
	test_matching();
	test_answers();
	test_stats();
	test_bad_rules();
	httpd_stop(&h);
	return tap_done();
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Answers of a store over HTTP: the transfer's own callbacks are given status lines, headers, bodies and trailers,
 * as libcurl would, and then judge.  Here libcurl's options are ours: nothing is sent.
 *
 * Input: a byte for the kind of request and one for the flags, then the answer, headers up to an empty line first.
 * Whatever came, a failure has a reason of one printable line, and success has what was asked for.
 */
#include <curl/curl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "store/http-impl.h"

#define OBJECT_MAX	4096u
#define ADDRESS		"127.0.0.1"

typedef size_t callback(char *data, size_t one, size_t n, void *arg);

static callback *on_header, *on_body;
static long status;
static struct cc_store_config config;
static struct cc_http_target target;

/* ---- in place of libcurl ---- */

#undef curl_easy_setopt
#undef curl_easy_getinfo

CURLcode curl_easy_setopt(CURL *easy, CURLoption option, ...)
{
	va_list args;

	(void)easy;
	va_start(args, option);
	if (option == CURLOPT_HEADERFUNCTION)
		on_header = va_arg(args, callback *);
	else if (option == CURLOPT_WRITEFUNCTION)
		on_body = va_arg(args, callback *);
	va_end(args);
	return CURLE_OK;
}

CURLcode curl_easy_getinfo(CURL *easy, CURLINFO info, ...)
{
	va_list args;

	(void)easy;
	va_start(args, info);
	*va_arg(args, long *) = info == CURLINFO_RESPONSE_CODE ? status : 1;
	va_end(args);
	return CURLE_OK;
}

/* ---- an answer ---- */

/* The number in "HTTP/1.1 503 Slow down", as libcurl understands it: three digits. */
static long status_of(const char *line, size_t len)
{
	const char *at = memchr(line, ' ', len);
	size_t left = at ? len - (size_t)(at - line) : 0;

	if (left < 4 || at[1] < '1' || at[1] > '9' || at[2] < '0' || at[2] > '9' || at[3] < '0' || at[3] > '9')
		return 0;
	return (at[1] - '0') * 100 + (at[2] - '0') * 10 + at[3] - '0';
}

/* Lines with their ends up to an empty one, each in memory of its own; false: the transfer is to end. */
static bool give_headers(struct cc_http_xfer *x, struct fuzz_input *in)
{
	bool good = true, last = false;

	while (good && !last && in->left) {
		const uint8_t *end = memchr(in->at, '\n', in->left);
		size_t len = end ? (size_t)(end - in->at) + 1 : in->left;
		char *line = fuzz_copy(in->at, len);

		if (len >= 5 && !memcmp(line, "HTTP/", 5)) {
			status = status_of(line, len);
			good = status != 0;
		}
		last = (line[0] == '\r' || line[0] == '\n') && status >= 200;
		good = good && on_header(line, 1, len, x) == len;
		free(line);
		in->at += len;
		in->left -= len;
	}
	return good;
}

static bool give_body(struct cc_http_xfer *x, struct fuzz_input *in, size_t piece)
{
	while (in->left) {
		size_t len = in->left < piece ? in->left : piece;
		char *data = fuzz_copy(in->at, len);
		bool good = on_body(data, 1, len, x) == len;

		free(data);
		in->at += len;
		in->left -= len;
		if (!good)
			return false;
	}
	return true;
}

static void check_outcome(const struct cc_http_xfer *x, const struct cc_http_outcome *o)
{
	uint64_t size = cc_http_xfer_object_size(x);

	fuzz_check(o->retry_after_ms <= 3600000);
	fuzz_check(!o->result == (o->class == CC_RETRY_NONE));
	if (o->result) {
		fuzz_check_reason(o->reason);
		return;
	}
	if (x->answer.status == 206)
		fuzz_check(x->answer.range_to < size);
	/* Others want no bytes; a probe only how many there are. */
	if (x->req.method != CC_HTTP_GET && x->req.method != CC_HTTP_RANGE)
		return;
	fuzz_check(x->body_size <= x->req.max);
	if (x->answer.status == 206)
		fuzz_check(x->answer.range_from == x->req.from && size > x->req.from);
}

static const struct cc_http_request *request(uint8_t kind, uint8_t flags, void *buf)
{
	static const enum cc_http_method methods[] = {
		CC_HTTP_GET, CC_HTTP_HEAD, CC_HTTP_PUT, CC_HTTP_DELETE, CC_HTTP_LIST, CC_HTTP_PROBE, CC_HTTP_RANGE,
	};
	static struct cc_http_request req;

	req = (struct cc_http_request){
		.method = methods[kind % 7], .name = "chunks/00/00", .data = "object", .size = 6, .max = OBJECT_MAX,
		.create = flags & 1, .only_if_cached = flags & 2, .grow = flags & 4 || kind % 7 == 4,
		.from = flags & 8 ? 100 : 0,
	};
	req.create &= req.method == CC_HTTP_PUT;
	if (req.method == CC_HTTP_RANGE)
		req.grow = false;
	if (req.method != CC_HTTP_GET && req.method != CC_HTTP_RANGE)
		req.from = 0;
	if (req.grow)
		req.from = 0;
	if (!req.grow)
		req.buf = buf;
	return &req;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	uint8_t kind = fuzz_take_u8(&in), flags = fuzz_take_u8(&in);
	uint8_t *buf = malloc(OBJECT_MAX);
	struct cc_http_outcome o = { 0 };
	struct cc_http_xfer x;
	bool whole;

	status = 0;
	if (cc_http_xfer_init(&x) || cc_http_xfer_start(&x, &target, request(kind, flags, buf), ADDRESS, &o))
		abort();
	whole = give_headers(&x, &in) && give_body(&x, &in, 1 + (flags >> 4) * 97);
	cc_http_xfer_end(&x, !whole ? CURLE_WRITE_ERROR : x.answer.status < 200 ? CURLE_GOT_NOTHING : CURLE_OK, &o);
	check_outcome(&x, &o);
	cc_http_xfer_destroy(&x);
	free(buf);
	return 0;
}

void fuzz_setup(void)
{
	char err[200];

	setenv("HOME", "/nonexistent", 1);
	cc_store_config_init(&config);
	config.name = strdup("main");
	config.url = strdup("s3://bucket");
	config.region = strdup("us-east-1");
	config.endpoint = strdup("http://127.0.0.1:1");
	config.path_style = true;
	config.anonymous = true;
	if (cc_http_target_init(&target, &config, err, sizeof(err)))
		fuzz_broken(__FILE__, __LINE__, err);
}

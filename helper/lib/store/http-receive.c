// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What libcurl calls while a transfer runs: an answer is taken in within limits, and what its headers
 * say is noted; the bytes of an upload are handed out.
 */
#include "http-impl.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "address.h"
#include "clock.h"

#define TEXT_MAX	(64 << 10)
#define HEADERS_MAX	(64 << 10)	/* libcurl keeps each line, and has no bound for trailers (7.88) */

/* From the place asked for to the end: nothing else is of use. */
static bool is_wanted_range(const struct cc_http_xfer *x)
{
	const struct cc_http_answer *a = &x->answer;

	if (!x->req.from && !x->target->config->cachey_bucket)
		return false;
	return a->range_total && a->range_from == x->req.from && a->range_to == a->range_total - 1 &&
	       (!x->have_length || x->length == a->range_total - a->range_from);
}

/* RANGE: what was asked for, as far as the object goes; the whole of one that is no larger will do. */
static bool is_asked_range(const struct cc_http_xfer *x)
{
	const struct cc_http_answer *a = &x->answer;
	uint64_t end = x->req.from + x->req.max;

	if (a->status == 200)
		return !x->req.from && x->have_length && x->length <= x->req.max;
	return a->status == 206 && a->range_total && a->range_from == x->req.from &&
	       a->range_to == (end < a->range_total ? end : a->range_total) - 1 && x->have_length &&
	       x->length == a->range_to + 1 - a->range_from;
}

uint64_t cc_http_xfer_object_size(const struct cc_http_xfer *x)
{
	if (x->answer.status == 206)
		return x->answer.range_total;
	return x->answer.status == 200 && x->have_length ? x->length : 0;
}

bool cc_http_is_success(const struct cc_http_xfer *x)
{
	long status = x->answer.status;

	switch (x->req.method) {
	case CC_HTTP_PUT:
		return status == 200 || status == 201 || status == 204;
	case CC_HTTP_DELETE:
		return status == 200 || status == 202 || status == 204;
	case CC_HTTP_GET:
		return status == 200 || (status == 206 && is_wanted_range(x));
	case CC_HTTP_RANGE:
		return is_asked_range(x);
	case CC_HTTP_PROBE:
		/* An empty object has no byte to give. */
		return status == 200 || (status == 206 && x->answer.range_total) || status == 416;
	default:
		return status == 200;
	}
}

bool cc_http_xfer_told_size(const struct cc_http_xfer *x, uint64_t *ret_size)
{
	if (x->answer.status == 206)
		*ret_size = x->answer.range_total;
	else if (x->answer.status == 416)
		*ret_size = 0;
	else
		*ret_size = x->length;
	return x->answer.status != 200 || x->have_length;
}

static int on_request(void *arg, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
	struct cc_http_xfer *x = arg;

	x->sent_ns = x->last_ns = cc_now_ns();
	return CURL_PREREQFUNC_OK;
}

static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct cc_http_xfer *x = arg;

	if (cc_address_is_metadata(&a->addr)) {
		x->stop = CC_HTTP_STOP_ADDRESS;
		return CURL_SOCKET_BAD;
	}
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* Room for n more bytes of body; false: stop. */
static bool make_body_room(struct cc_http_xfer *x, size_t n)
{
	size_t room = x->body_room ? x->body_room : 64 << 10;
	uint8_t *body;

	if (n > x->req.max - x->body_size) {
		x->stop = CC_HTTP_STOP_TOOBIG;
		return false;
	}
	if (!x->req.grow || x->body_size + n <= x->body_room)
		return true;
	while (room < x->body_size + n)
		room *= 2;
	body = realloc(x->body, room);
	if (!body) {
		x->stop = CC_HTTP_STOP_MEMORY;
		return false;
	}
	x->body = body;
	x->body_room = room;
	return true;
}

static size_t take_text(struct cc_http_xfer *x, const char *data, size_t n)
{
	if (!x->text)
		x->text = malloc(TEXT_MAX);
	if (!x->text || n > TEXT_MAX - x->text_size) {
		x->stop = CC_HTTP_STOP_ENOUGH;
		return 0;
	}
	memcpy(x->text + x->text_size, data, n);
	x->text_size += n;
	return n;
}

static size_t on_body(char *data, size_t one, size_t n, void *arg)
{
	struct cc_http_xfer *x = arg;

	x->last_ns = cc_now_ns();
	x->received += n;
	if (!cc_http_is_success(x) || (x->req.method != CC_HTTP_GET && x->req.method != CC_HTTP_LIST &&
				       x->req.method != CC_HTTP_RANGE))
		return take_text(x, data, n);
	if (!make_body_room(x, n))
		return 0;
	if (!x->discard)
		memcpy(x->body + x->body_size, data, n);
	x->body_size += n;
	x->pieces++;
	return n;
}

/* If the line is this header, its value. */
static const char *header_value(const char *line, size_t len, const char *name, size_t *ret_len)
{
	size_t n = strlen(name);

	if (len <= n || strncasecmp(line, name, n) || line[n] != ':')
		return NULL;
	line += n + 1;
	len -= n + 1;
	while (len && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	while (len && strchr(" \t\r\n", line[len - 1]))
		len--;
	*ret_len = len;
	return line;
}

/* Seconds, or milliseconds for Amazon's own header; a date there is of no use with wrong clocks. */
static unsigned int parse_retry_delay(const char *value, size_t len, unsigned int scale)
{
	unsigned int n = 0;

	for (size_t i = 0; i < len; i++) {
		if (value[i] < '0' || value[i] > '9' || n > 100000000)
			return 0;
		n = n * 10 + value[i] - '0';
	}
	return n > 3600000 / scale ? 3600000 : n * scale;
}

static bool parse_length(const char *value, size_t len, uint64_t *ret_length)
{
	uint64_t n = 0;

	if (!len || len > 18)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (value[i] < '0' || value[i] > '9')
			return false;
		n = n * 10 + value[i] - '0';
	}
	*ret_length = n;
	return true;
}

static void take_header(struct cc_http_xfer *x, const char *line, size_t n)
{
	struct cc_http_answer *a = &x->answer;
	const struct { const char *name; char *field; size_t size; } texts[] = {
		{ "Date", a->date, sizeof(a->date) },
		{ "Location", a->location, sizeof(a->location) },
		{ "Content-Encoding", a->encoding, sizeof(a->encoding) },
		{ "ETag", a->etag, sizeof(a->etag) },
		{ "x-amz-bucket-region", a->region, sizeof(a->region) },
	};
	const char *value;
	size_t len;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		value = header_value(line, n, texts[i].name, &len);
		if (value)
			cc_http_copy_text(texts[i].field, texts[i].size, value, len);
	}
	value = header_value(line, n, "Content-Length", &len);
	if (value)
		x->have_length = parse_length(value, len, &x->length);
	value = header_value(line, n, "Retry-After", &len);
	if (value)
		a->retry_after_ms = parse_retry_delay(value, len, 1000);
	value = header_value(line, n, "x-amz-retry-after", &len);
	if (value)
		a->retry_after_ms = parse_retry_delay(value, len, 1);
	value = header_value(line, n, "x-amz-server-side-encryption", &len);
	if (value)
		a->encrypted = len != strlen("AES256") || memcmp(value, "AES256", len);
	if (header_value(line, n, "x-amz-server-side-encryption-customer-algorithm", &len))
		a->encrypted = true;
	value = header_value(line, n, "Content-Range", &len);
	if (value)
		cc_http_parse_range(value, len, a);
}

/* All headers are here: refuse a body that is known to be too large before it comes. */
static size_t end_of_headers(struct cc_http_xfer *x, size_t n)
{
	x->in_body = true;
	if (cc_http_is_success(x) && x->req.method == CC_HTTP_PROBE) {
		x->stop = CC_HTTP_STOP_KNOWN;
		return 0;
	}
	if (!cc_http_is_success(x) || x->req.method != CC_HTTP_GET)
		return n;
	x->begin = x->body_size = x->answer.status == 206 ? x->req.from : 0;
	if (cc_http_xfer_object_size(x) <= x->req.max)
		return n;
	x->stop = CC_HTTP_STOP_TOOBIG;
	return 0;
}

static size_t on_header(char *line, size_t one, size_t n, void *arg)
{
	struct cc_http_xfer *x = arg;

	x->last_ns = cc_now_ns();
	if (!x->first_ns)
		x->first_ns = x->last_ns;
	x->header_bytes += n;
	if (x->header_bytes > HEADERS_MAX) {
		x->stop = CC_HTTP_STOP_HEADERS;
		return 0;
	}
	/* A trailer comes too late to say what the body was. */
	if (x->in_body)
		return n;
	if (n >= 5 && !memcmp(line, "HTTP/", 5)) {
		/* The first line, or one more after an interim answer. */
		memset(&x->answer, 0, sizeof(x->answer));
		x->have_length = false;
		curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &x->answer.status);
		return n;
	}
	/* As libcurl does: lines without a carriage return, and whatever begins with one, end them as well. */
	if (line[0] == '\n' || line[0] == '\r')
		return x->answer.status >= 200 ? end_of_headers(x, n) : n;
	take_header(x, line, n);
	return n;
}

static size_t on_send(char *buf, size_t one, size_t room, void *arg)
{
	struct cc_http_xfer *x = arg;
	size_t n = x->req.size - x->sent;

	if (n > room)
		n = room;
	memcpy(buf, (const char *)x->req.data + x->sent, n);
	x->sent += n;
	x->last_ns = cc_now_ns();
	return n;
}

static int on_rewind(void *arg, curl_off_t offset, int origin)
{
	struct cc_http_xfer *x = arg;

	if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > x->req.size)
		return CURL_SEEKFUNC_FAIL;
	x->sent = offset;
	return CURL_SEEKFUNC_OK;
}

#define SET(option, value) (r = r ? r : curl_easy_setopt(x->easy, option, value))

CURLcode cc_http_set_callbacks(struct cc_http_xfer *x)
{
	CURLcode r = CURLE_OK;

	SET(CURLOPT_PRIVATE, x);
	SET(CURLOPT_ERRORBUFFER, x->curl_error);
	SET(CURLOPT_NOPROGRESS, 1L);
	SET(CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
	SET(CURLOPT_OPENSOCKETDATA, x);
	SET(CURLOPT_PREREQFUNCTION, on_request);
	SET(CURLOPT_PREREQDATA, x);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, x);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, x);
	SET(CURLOPT_READFUNCTION, on_send);
	SET(CURLOPT_READDATA, x);
	SET(CURLOPT_SEEKFUNCTION, on_rewind);
	SET(CURLOPT_SEEKDATA, x);
	return r;
}

#undef SET

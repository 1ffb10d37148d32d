// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Requests to services that give keys: small, rare, and from a thread that may block.
 */
#include "creds-impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/crypto.h>

#include "curl.h"
#include "http-text.h"
#include "thread.h"

static size_t on_creds_body(char *data, size_t one, size_t n, void *arg)
{
	struct cc_creds_answer *a = arg;

	if (n > CC_CREDS_ANSWER_MAX - a->size)
		return 0;
	memcpy(a->text + a->size, data, n);
	a->size += n;
	return n;
}

/* libcurl keeps each header line, and has no bound for trailers (7.88). */
static size_t on_creds_header(char *line, size_t one, size_t n, void *arg)
{
	struct cc_creds_answer *a = arg;

	a->header_bytes += n;
	return a->header_bytes > CC_CREDS_ANSWER_MAX ? 0 : n;
}

#define SET(option, value) (r = r ? r : curl_easy_setopt(easy, option, value))

static CURLcode set_up(CURL *easy, const struct cc_creds_call *c, struct curl_slist *headers,
		       struct cc_creds_answer *a)
{
	CURLcode r = cc_curl_set_safe(easy, "http,https", c->ca_file);

	SET(CURLOPT_URL, c->url);
	SET(CURLOPT_CUSTOMREQUEST, c->method);
	SET(CURLOPT_HTTPHEADER, headers);
	if (c->body) {
		SET(CURLOPT_POSTFIELDSIZE, (long)strlen(c->body));
		SET(CURLOPT_POSTFIELDS, c->body);
	}
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)c->timeout_ms);
	SET(CURLOPT_TIMEOUT_MS, (long)c->timeout_ms);
	SET(CURLOPT_USERAGENT, "chunkcache/" CHUNKCACHE_VERSION);
	SET(CURLOPT_HEADERFUNCTION, on_creds_header);
	SET(CURLOPT_HEADERDATA, a);
	SET(CURLOPT_WRITEFUNCTION, on_creds_body);
	SET(CURLOPT_WRITEDATA, a);
	return r;
}

#undef SET

static struct curl_slist *make_headers(const struct cc_creds_call *c)
{
	struct curl_slist *list = NULL;

	for (int i = 0; i < CC_CREDS_MAX_HEADERS; i++) {
		struct curl_slist *longer;

		if (!c->headers[i])
			continue;
		longer = curl_slist_append(list, c->headers[i]);
		if (!longer)
			break;
		list = longer;
	}
	return list;
}

static int run_call(CURL *easy, const struct cc_creds_call *call, struct cc_creds_answer *a,
		    long *ret_status, char *err, size_t errlen)
{
	struct curl_slist *headers = make_headers(call);
	sigset_t signals;
	CURLcode r;

	cc_sigpipe_block(&signals);
	r = set_up(easy, call, headers, a);
	if (!r)
		r = curl_easy_perform(easy);
	if (!r)
		r = curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, ret_status);
	cc_sigpipe_restore(&signals);
	cc_curl_free_headers(headers);
	if (!r)
		return 0;
	snprintf(err, errlen, "%s: %s", call->what, r == CURLE_WRITE_ERROR ?
		 "its answer is longer than 64 KiB" : curl_easy_strerror(r));
	return -EIO;
}

/* A status that is no success, with what the service says of it. */
static int say_refused(const struct cc_creds_call *call, const struct cc_creds_answer *a, long status,
		       char *err, size_t errlen)
{
	char code[64] = "", message[100] = "";

	cc_http_xml_text(a->text, a->size, "Code", code, sizeof(code));
	cc_http_xml_text(a->text, a->size, "Message", message, sizeof(message));
	cc_http_copy_text(code, sizeof(code), code, strlen(code));
	cc_http_copy_text(message, sizeof(message), message, strlen(message));
	snprintf(err, errlen, "%s: HTTP %ld%s%s%s%s", call->what, status, *code ? " " : "", code,
		 *message ? ": " : "", message);
	return -EACCES;
}

int cc_creds_ask(const struct cc_creds_call *call, struct cc_creds_answer **ret_answer, char *err,
		 size_t errlen)
{
	struct cc_creds_answer *a = calloc(1, sizeof(*a));
	CURL *easy = cc_curl_new();
	long status = 0;
	int r;

	if (!a || !easy) {
		free(a);
		curl_easy_cleanup(easy);
		snprintf(err, errlen, "%s: out of memory", call->what);
		return -ENOMEM;
	}
	r = run_call(easy, call, a, &status, err, errlen);
	curl_easy_cleanup(easy);
	if (!r && status != 200)
		r = say_refused(call, a, status, err, errlen);
	if (r)
		cc_creds_answer_free(a);
	else
		*ret_answer = a;
	return r;
}

void cc_creds_answer_free(struct cc_creds_answer *answer)
{
	OPENSSL_cleanse(answer, sizeof(*answer));
	free(answer);
}

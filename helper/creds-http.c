// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Requests to services that give keys: small, rare, and from a thread that may block.
 */
#include "creds-impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <curl/curl.h>
#include <openssl/crypto.h>

#include "http.h"
#include "thread.h"

static size_t on_body(char *data, size_t one, size_t n, void *arg)
{
	struct cc_creds_answer *a = arg;

	if (n > CC_CREDS_ANSWER_MAX - a->size)
		return 0;
	memcpy(a->text + a->size, data, n);
	a->size += n;
	return n;
}

#define SET(option, value) (r = r ? r : curl_easy_setopt(easy, option, value))

static CURLcode set_up(CURL *easy, const struct cc_creds_call *c, struct curl_slist *headers,
		       struct cc_creds_answer *a)
{
	CURLcode r = CURLE_OK;

	SET(CURLOPT_URL, c->url);
	SET(CURLOPT_CUSTOMREQUEST, c->method);
	SET(CURLOPT_HTTPHEADER, headers);
	if (c->body) {
		SET(CURLOPT_POSTFIELDSIZE, (long)strlen(c->body));
		SET(CURLOPT_POSTFIELDS, c->body);
	}
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	if (c->ca_file) {
		SET(CURLOPT_CAINFO, c->ca_file);
		SET(CURLOPT_CAPATH, NULL);
	}
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)c->timeout_ms);
	SET(CURLOPT_TIMEOUT_MS, (long)c->timeout_ms);
	SET(CURLOPT_USERAGENT, "chunkcache/" CHUNKCACHE_VERSION);
	SET(CURLOPT_WRITEFUNCTION, on_body);
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

static void free_headers(struct curl_slist *list)
{
	for (struct curl_slist *h = list; h; h = h->next)
		OPENSSL_cleanse(h->data, strlen(h->data));
	curl_slist_free_all(list);
}

int cc_creds_http(const struct cc_creds_call *call, struct cc_creds_answer *ret_answer, char *err,
		  size_t errlen)
{
	struct cc_http_xfer x;
	struct curl_slist *headers;
	sigset_t signals;
	CURLcode r;

	/* Only for its handle: it makes sure that libcurl is initialised, once. */
	if (cc_http_xfer_init(&x)) {
		snprintf(err, errlen, "%s: out of memory", call->what);
		return -ENOMEM;
	}
	ret_answer->status = 0;
	ret_answer->size = 0;
	headers = make_headers(call);
	cc_sigpipe_block(&signals);
	r = set_up(x.easy, call, headers, ret_answer);
	if (!r)
		r = curl_easy_perform(x.easy);
	if (!r)
		curl_easy_getinfo(x.easy, CURLINFO_RESPONSE_CODE, &ret_answer->status);
	cc_http_xfer_destroy(&x);
	cc_sigpipe_restore(&signals);
	free_headers(headers);
	ret_answer->text[ret_answer->size] = '\0';
	if (!r)
		return 0;
	snprintf(err, errlen, "%s: %s", call->what, r == CURLE_WRITE_ERROR ?
		 "its answer is longer than 64 KiB" : curl_easy_strerror(r));
	return -EIO;
}

int cc_creds_refused(const struct cc_creds_call *call, const struct cc_creds_answer *answer, char *err,
		     size_t errlen)
{
	char code[64] = "", message[100] = "";

	if (answer->status == 200)
		return 0;
	cc_http_xml_text(answer->text, answer->size, "Code", code, sizeof(code));
	cc_http_xml_text(answer->text, answer->size, "Message", message, sizeof(message));
	cc_http_copy_text(code, sizeof(code), code, strlen(code));
	cc_http_copy_text(message, sizeof(message), message, strlen(message));
	snprintf(err, errlen, "%s: HTTP %ld%s%s%s%s", call->what, answer->status, *code ? " " : "", code,
		 *message ? ": " : "", message);
	return -EACCES;
}

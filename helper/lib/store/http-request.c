// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a transfer sends: path, query and headers of a request, signed if the target has keys.
 */
#include "http-impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "chunkcache/format.h"
#include "manifest.h"

#define EMPTY_HASH	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define CHUNKS		"chunks/"
#define LIST_PAGE	"1000"

static const char *method_name(enum cc_http_method m)
{
	switch (m) {
	case CC_HTTP_HEAD:
		return "HEAD";
	case CC_HTTP_PUT:
		return "PUT";
	case CC_HTTP_DELETE:
		return "DELETE";
	default:
		return "GET";
	}
}

/* The raw path, and for a LIST the parameters; key is the prefix of keys, to be freed. */
static int make_request_path(const struct cc_http_target *t, const struct cc_http_request *req,
			     struct cc_sign_request *s, char **ret_path, char **ret_key)
{
	char *path = NULL, *key = NULL;

	if (asprintf(&key, "%s/%s", t->prefix, req->name) < 0)
		return -ENOMEM;
	if (asprintf(&path, "%s%s", t->base, req->method == CC_HTTP_LIST ?
		     (t->config->path_style ? "" : "/") : key) < 0) {
		free(key);
		return -ENOMEM;
	}
	if (req->method == CC_HTTP_LIST) {
		s->params[s->nr_params++] = (struct cc_sign_pair){ "list-type", "2" };
		s->params[s->nr_params++] = (struct cc_sign_pair){ "max-keys", LIST_PAGE };
		s->params[s->nr_params++] = (struct cc_sign_pair){ "prefix", key + 1 };
		if (req->token)
			s->params[s->nr_params++] =
				(struct cc_sign_pair){ "continuation-token", req->token };
	}
	s->path = path;
	*ret_path = path;
	*ret_key = key;
	return 0;
}

static int make_request_url(struct cc_http_xfer *x, const struct cc_sign_request *s)
{
	char *path = cc_http_encode(s->path, true);
	char *query = cc_sign_query(s->params, s->nr_params);
	int r = -ENOMEM;

	if (path && query) {
		if (asprintf(&x->url, "%s%s%s%s", x->target->origin, path, *query ? "?" : "",
			     query) < 0)
			x->url = NULL;
		else
			r = 0;
	}
	free(path);
	free(query);
	return r;
}

static int add_header(struct cc_http_xfer *x, const char *name, const char *value)
{
	struct curl_slist *list;
	char *line;

	if (asprintf(&line, "%s: %s", name, value) < 0)
		return -ENOMEM;
	list = curl_slist_append(x->headers, line);
	OPENSSL_cleanse(line, strlen(line));
	free(line);
	if (!list)
		return -ENOMEM;
	x->headers = list;
	return 0;
}

static void sign_header(struct cc_sign_request *s, const char *name, const char *value)
{
	s->headers[s->nr_headers++] = (struct cc_sign_pair){ name, value };
}

/* The derived key is kept for as long as the credentials are the same; cc_sign() looks at the day. */
static int make_authorization(struct cc_http_target *t, const struct cc_creds *creds,
			      const struct cc_sign_request *s, char **ret_authorization)
{
	const struct cc_creds *old = NULL;
	int r;

	pthread_mutex_lock(&t->lock);
	if (t->key_creds != creds) {
		old = t->key_creds;
		t->key_creds = cc_keyring_hold(t->keyring, creds);
		t->key.scope[0] = '\0';
	}
	r = cc_sign(s, &t->key, ret_authorization);
	pthread_mutex_unlock(&t->lock);
	cc_keyring_put(t->keyring, old);
	return r;
}

/* Adds what the keys ask for to the headers, and signs them all. */
static int sign_request(struct cc_http_xfer *x, struct cc_sign_request *s, struct cc_http_outcome *o)
{
	struct cc_http_target *t = x->target;
	char *authorization = NULL, err[CC_HTTP_REASON_SIZE];
	int r;

	r = cc_keyring_get(t->keyring, &x->creds, err, sizeof(err));
	if (r == -EINPROGRESS)
		cc_http_conclude(o, CC_STORE_DENIED, CC_RETRY_TRANSIENT, "credentials are being renewed");
	else if (r)
		cc_http_conclude(o, CC_STORE_DENIED, CC_RETRY_FATAL, err);
	if (r)
		return r;
	if (x->creds->session_token[0])
		sign_header(s, "x-amz-security-token", x->creds->session_token);
	if (t->config->requester_pays)
		sign_header(s, "x-amz-request-payer", "requester");
	s->access_key = x->creds->access_key;
	s->secret_key = x->creds->secret_key;
	r = make_authorization(t, x->creds, s, &authorization);
	if (!r)
		r = add_header(x, "Authorization", authorization);
	free(authorization);
	if (r)
		cc_http_conclude(o, CC_STORE_ERROR, CC_RETRY_FATAL, "cannot sign the request");
	return r;
}

/* The store's word, if it has given one, counts more than the configuration and our clock. */
static void get_told(struct cc_http_target *t, char region[64], char date[CC_SIGN_DATE_SIZE])
{
	pthread_mutex_lock(&t->lock);
	snprintf(region, 64, "%s", t->told_region[0] ? t->told_region : t->region);
	cc_sign_date(time(NULL) + t->clock_offset, date);
	pthread_mutex_unlock(&t->lock);
}

/* A range is not signed. */
static int add_get_headers(struct cc_http_xfer *x)
{
	const char *bucket = x->target->config->cachey_bucket;
	char range[64];
	int r = 0;

	if (x->req.method == CC_HTTP_PROBE)
		return add_header(x, "Range", "bytes=0-0");
	if (x->req.method == CC_HTTP_RANGE) {
		snprintf(range, sizeof(range), "bytes=%zu-%zu", x->req.from, x->req.from + x->req.max - 1);
		return add_header(x, "Range", range);
	}
	if (bucket) {
		/* It wants a range with an end, and takes one beyond the object's. */
		snprintf(range, sizeof(range), "bytes=%zu-%zu", x->req.from, x->req.max - 1);
		r = add_header(x, "C0-Bucket", bucket);
	} else if (x->req.from) {
		snprintf(range, sizeof(range), "bytes=%zu-", x->req.from);
	}
	if (!r && (bucket || x->req.from))
		r = add_header(x, "Range", range);
	if (!r && x->req.only_if_cached)
		r = add_header(x, "Cache-Control", "only-if-cached");
	return r;
}

/* The texts that a request's headers point to. */
struct header_texts {
	char date[CC_SIGN_DATE_SIZE], region[64];
	char hash[2 * CC_ID_SIZE + 1];
	char checksum[45];		/* base64 */
};

/*
 * A checksum for the store to compare: what it has got is what was sent.  Buckets with Object Lock want one.
 * MD5 is the one that all stores know; a machine that must not use it sends SHA-256.
 */
static void add_checksum(struct cc_http_xfer *x, struct cc_sign_request *s, struct header_texts *texts)
{
	unsigned char *text = (unsigned char *)texts->checksum;
	uint8_t md5[CC_HTTP_MD5_SIZE], sha256[CC_ID_SIZE];
	size_t size = 0;

	if (!EVP_Q_digest(NULL, "MD5", NULL, x->req.data, x->req.size, md5, &size) || size != sizeof(md5)) {
		cc_sha256(x->req.data, x->req.size, sha256);
		EVP_EncodeBlock(text, sha256, sizeof(sha256));
		sign_header(s, "x-amz-checksum-sha256", texts->checksum);
		return;
	}
	EVP_EncodeBlock(text, md5, sizeof(md5));
	for (size_t i = 0; i < sizeof(md5); i++)
		sprintf(x->md5 + 2 * i, "%02x", md5[i]);
	sign_header(s, "content-md5", texts->checksum);
}

/* Names and leases are small and short-lived: they stay in the class that suits those. */
static void add_write_headers(const struct cc_http_xfer *x, struct cc_sign_request *s)
{
	const struct cc_store_config *c = x->target->config;

	if (c->sse)
		sign_header(s, "x-amz-server-side-encryption", c->sse);
	if (c->sse_kms_key_id)
		sign_header(s, "x-amz-server-side-encryption-aws-kms-key-id", c->sse_kms_key_id);
	if (c->sse_bucket_key)
		sign_header(s, "x-amz-server-side-encryption-bucket-key-enabled", "true");
	if (c->storage_class && !strncmp(x->req.name, CHUNKS, strlen(CHUNKS)))
		sign_header(s, "x-amz-storage-class", c->storage_class);
}

static void add_signature_headers(struct cc_http_xfer *x, struct cc_sign_request *s,
				  struct header_texts *texts)
{
	uint8_t digest[CC_ID_SIZE];

	get_told(x->target, texts->region, texts->date);
	strcpy(texts->hash, EMPTY_HASH);
	if (x->req.method == CC_HTTP_PUT) {
		cc_sha256(x->req.data, x->req.size, digest);
		cc_id_to_hex(digest, texts->hash);
	}
	sign_header(s, "host", x->target->authority);
	if (x->req.create)
		sign_header(s, "if-none-match", "*");
	sign_header(s, "x-amz-content-sha256", texts->hash);
	sign_header(s, "x-amz-date", texts->date);
}

/* To libcurl; it sends host by itself. */
static int add_headers(struct cc_http_xfer *x, const struct cc_sign_request *s)
{
	int r = 0;

	for (unsigned int i = 0; !r && i < s->nr_headers; i++)
		if (strcmp(s->headers[i].name, "host"))
			r = add_header(x, s->headers[i].name, s->headers[i].value);
	return r;
}

int cc_http_make_request(struct cc_http_xfer *x, struct cc_http_outcome *o)
{
	struct header_texts texts = { .date = "" };
	char *path = NULL, *key = NULL;
	struct cc_sign_request s = {
		.method = method_name(x->req.method),
		.payload_hash = texts.hash,
		.date = texts.date,
		.region = texts.region,
	};
	int r;

	cc_http_conclude(o, CC_STORE_ERROR, CC_RETRY_TRANSIENT, "out of memory");
	r = make_request_path(x->target, &x->req, &s, &path, &key);
	if (!r)
		r = make_request_url(x, &s);
	if (!r && x->req.method == CC_HTTP_PUT) {
		add_checksum(x, &s, &texts);
		add_write_headers(x, &s);
	}
	if (!r && x->target->keyring) {
		add_signature_headers(x, &s, &texts);
		r = sign_request(x, &s, o);
	}
	if (!r)
		r = add_headers(x, &s);
	if (!r && (x->req.method == CC_HTTP_PROBE || x->req.method == CC_HTTP_RANGE ||
		   (x->req.method == CC_HTTP_GET && !x->req.grow)))
		r = add_get_headers(x);
	/* Waiting for "100 Continue" costs a round trip, or a second if the server has none. */
	if (!r && x->req.method == CC_HTTP_PUT)
		r = add_header(x, "Expect", "") ? -ENOMEM : 0;
	free(path);
	free(key);
	return r;
}

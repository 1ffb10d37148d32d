// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * AWS Signature Version 4 for S3: canonical request, string to sign, key derivation.  libcurl 7.88
 * has a signer of its own, which signs queries and empty headers wrong and cannot cache the key.
 */
#include "sign.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "chunkcache/format.h"
#include "http-text.h"
#include "manifest.h"

#define HASH_SIZE 32

void cc_sign_date(time_t t, char ret_date[CC_SIGN_DATE_SIZE])
{
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(ret_date, CC_SIGN_DATE_SIZE, "%Y%m%dT%H%M%SZ", &tm);
}

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/*
 * "name=value", encoded.  Sorting these lines orders by name, then value, as '=' sorts below all
 * characters that can be in a name except '%', '-', '.' and digits, which our names have not.
 */
static char *encode_param(const struct cc_sign_pair *p)
{
	char *name = cc_http_encode(p->name, false), *value = cc_http_encode(p->value, false);
	char *line = NULL;

	if (name && value && asprintf(&line, "%s=%s", name, value) < 0)
		line = NULL;
	free(name);
	free(value);
	return line;
}

/* Joins n lines with the separator. */
static char *join_lines(char *const *lines, unsigned int n, char separator)
{
	size_t size = 1;
	char *out, *o;

	for (unsigned int i = 0; i < n; i++)
		size += strlen(lines[i]) + 1;
	out = malloc(size);
	if (!out)
		return NULL;
	o = out;
	for (unsigned int i = 0; i < n; i++) {
		if (i)
			*o++ = separator;
		o = stpcpy(o, lines[i]);
	}
	*o = '\0';
	return out;
}

static void free_lines(char **lines, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		free(lines[i]);
}

char *cc_sign_query(const struct cc_sign_pair *params, unsigned int nr_params)
{
	char *lines[CC_SIGN_MAX_PARAMS], *query = NULL;
	unsigned int n;

	if (nr_params > CC_SIGN_MAX_PARAMS)
		return NULL;
	for (n = 0; n < nr_params; n++) {
		lines[n] = encode_param(&params[n]);
		if (!lines[n])
			goto free_lines;
	}
	qsort(lines, n, sizeof(lines[0]), compare_strings);
	query = join_lines(lines, n, '&');
free_lines:
	free_lines(lines, n);
	return query;
}

/* The value with its outer spaces cut and each inner run of spaces made one. */
static void squeeze_spaces(const char *value, char *out)
{
	while (*value == ' ')
		value++;
	for (; *value; value++)
		if (*value != ' ' || (value[1] && value[1] != ' '))
			*out++ = *value;
	*out = '\0';
}

static int compare_pairs(const void *a, const void *b)
{
	return strcmp(((const struct cc_sign_pair *)a)->name, ((const struct cc_sign_pair *)b)->name);
}

/* "name:value\n" for each header, and "name;name". */
static int canonical_headers(const struct cc_sign_request *req, char **ret_headers,
			     char **ret_names)
{
	struct cc_sign_pair sorted[CC_SIGN_MAX_HEADERS];
	size_t size = 1, names_size = 1;
	char *headers, *names, *h, *n;

	memcpy(sorted, req->headers, req->nr_headers * sizeof(sorted[0]));
	qsort(sorted, req->nr_headers, sizeof(sorted[0]), compare_pairs);
	for (unsigned int i = 0; i < req->nr_headers; i++) {
		size += strlen(sorted[i].name) + strlen(sorted[i].value) + 2;
		names_size += strlen(sorted[i].name) + 1;
	}
	headers = malloc(size);
	names = malloc(names_size);
	if (!headers || !names) {
		free(headers);
		free(names);
		return -ENOMEM;
	}
	h = headers;
	n = names;
	*h = *n = '\0';
	for (unsigned int i = 0; i < req->nr_headers; i++) {
		h = stpcpy(stpcpy(h, sorted[i].name), ":");
		squeeze_spaces(sorted[i].value, h);
		h = stpcpy(h + strlen(h), "\n");
		n = stpcpy(stpcpy(n, i ? ";" : ""), sorted[i].name);
	}
	*ret_headers = headers;
	*ret_names = names;
	return 0;
}

/* The hash of the canonical request, in hex, and the list of the headers it has. */
static int hash_request(const struct cc_sign_request *req, char ret_hex[2 * HASH_SIZE + 1],
			char **ret_names)
{
	char *path = cc_http_encode(req->path, true);
	char *query = cc_sign_query(req->params, req->nr_params);
	char *headers = NULL, *names = NULL, *text = NULL;
	uint8_t hash[HASH_SIZE];
	int r = -ENOMEM, n;

	if (!path || !query || canonical_headers(req, &headers, &names))
		goto out;
	n = asprintf(&text, "%s\n%s\n%s\n%s\n%s\n%s", req->method, path, query, headers, names,
		     req->payload_hash);
	if (n < 0) {
		text = NULL;
		goto out;
	}
	cc_sha256(text, n, hash);
	cc_id_to_hex(hash, ret_hex);
	*ret_names = names;
	names = NULL;
	r = 0;
out:
	/* They may have a session token. */
	if (text)
		OPENSSL_cleanse(text, strlen(text));
	if (headers)
		OPENSSL_cleanse(headers, strlen(headers));
	free(text);
	free(names);
	free(headers);
	free(query);
	free(path);
	return r;
}

static int hmac_sha256(const uint8_t *key, size_t key_size, const char *text, uint8_t ret_mac[HASH_SIZE])
{
	unsigned int size;

	return HMAC(EVP_sha256(), key, key_size, (const uint8_t *)text, strlen(text), ret_mac,
		    &size) ? 0 : -ENOMEM;
}

static int derive_key(const struct cc_sign_request *req, struct cc_sign_key *key)
{
	uint8_t a[HASH_SIZE], b[HASH_SIZE];
	char scope[sizeof(key->scope)], date[9], secret[260];
	int n, r;

	snprintf(date, sizeof(date), "%.8s", req->date);
	n = snprintf(scope, sizeof(scope), "%s/%s", date, req->region);
	if (n < 0 || (size_t)n >= sizeof(scope))
		return -EINVAL;
	if (!strcmp(scope, key->scope))
		return 0;
	n = snprintf(secret, sizeof(secret), "AWS4%s", req->secret_key);
	if (n < 0 || (size_t)n >= sizeof(secret)) {
		OPENSSL_cleanse(secret, sizeof(secret));
		return -EINVAL;
	}
	key->scope[0] = '\0';
	r = hmac_sha256((uint8_t *)secret, n, date, a);
	if (!r)
		r = hmac_sha256(a, sizeof(a), req->region, b);
	if (!r)
		r = hmac_sha256(b, sizeof(b), "s3", a);
	if (!r)
		r = hmac_sha256(a, sizeof(a), "aws4_request", key->key);
	if (!r)
		memcpy(key->scope, scope, sizeof(scope));
	OPENSSL_cleanse(secret, sizeof(secret));
	OPENSSL_cleanse(a, sizeof(a));
	OPENSSL_cleanse(b, sizeof(b));
	return r;
}

int cc_sign(const struct cc_sign_request *req, struct cc_sign_key *key, char **ret_authorization)
{
	char hash[2 * HASH_SIZE + 1], signature[2 * HASH_SIZE + 1], text[512];
	char *names, *authorization;
	uint8_t mac[HASH_SIZE];
	int n, r;

	if (req->nr_headers > CC_SIGN_MAX_HEADERS || req->nr_params > CC_SIGN_MAX_PARAMS)
		return -EINVAL;
	r = derive_key(req, key);
	if (r)
		return r;
	r = hash_request(req, hash, &names);
	if (r)
		return r;
	n = snprintf(text, sizeof(text), "AWS4-HMAC-SHA256\n%s\n%s/s3/aws4_request\n%s", req->date,
		     key->scope, hash);
	r = n < 0 || (size_t)n >= sizeof(text) ? -EINVAL : hmac_sha256(key->key, HASH_SIZE, text, mac);
	if (r)
		goto free_names;
	cc_id_to_hex(mac, signature);
	if (asprintf(&authorization, "AWS4-HMAC-SHA256 Credential=%s/%s/s3/aws4_request,"
		     "SignedHeaders=%s,Signature=%s", req->access_key, key->scope, names,
		     signature) < 0)
		r = -ENOMEM;
	else
		*ret_authorization = authorization;
free_names:
	free(names);
	return r;
}

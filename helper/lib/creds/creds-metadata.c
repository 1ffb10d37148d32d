// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Keys from services of the machine itself: the endpoint that ECS and EKS give a container, and the
 * instance metadata service of EC2.  Of that only version 2: version 1 answers anybody who can make this
 * host send a GET.
 */
#include "creds-impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/crypto.h>

#define CONTAINER_TIMEOUT_MS	5000
#define INSTANCE_TIMEOUT_MS	1000	/* it answers in ms, or this host has none */
#define TOKEN_MAX		4096
#define HEADER_MAX		(TOKEN_MAX + 64)
#define URL_MAX			1024
#define ROLE_PATH		"/latest/meta-data/iam/security-credentials/"

/* One request whose answer is JSON with keys. */
static int ask_json(const struct cc_creds_call *call, struct cc_creds *ret_creds, char *err, size_t errlen)
{
	struct cc_creds_answer *answer;
	int r = cc_creds_ask(call, &answer, err, errlen);

	if (r)
		return r;
	r = cc_creds_from_json(call->what, answer->text, answer->size, ret_creds, err, errlen);
	cc_creds_answer_free(answer);
	return r;
}

/* One request whose answer is a word. */
static int ask_word(const struct cc_creds_call *call, char *word, size_t size, char *err, size_t errlen)
{
	struct cc_creds_answer *answer;
	int r = cc_creds_ask(call, &answer, err, errlen);

	if (r)
		return r;
	answer->text[strcspn(answer->text, "\r\n")] = '\0';
	r = *answer->text ? cc_creds_set(word, size, answer->text) : -EINVAL;
	if (r)
		snprintf(err, errlen, "%s: its answer is no word", call->what);
	cc_creds_answer_free(answer);
	return r;
}

/* ---- container ---- */

/* Without TLS the token may only go to this host and to the addresses that the platforms use. */
static bool may_ask(const char *url)
{
	static const char *const hosts[] = {
		"localhost", "127.0.0.1", "[::1]", "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]",
	};
	size_t len;

	if (!strncmp(url, "https://", 8))
		return true;
	if (strncmp(url, "http://", 7))
		return false;
	url += 7;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		len = strlen(hosts[i]);
		if (!strncmp(url, hosts[i], len) && strchr(":/", url[len]))
			return true;
	}
	return false;
}

static int container_url(char *url, char *err, size_t errlen)
{
	const char *relative = cc_creds_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = cc_creds_env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	int n;

	if (!relative && !full) {
		snprintf(err, errlen, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and _FULL_URI are not set");
		return -ENOENT;
	}
	if (relative)
		n = snprintf(url, URL_MAX, "http://169.254.170.2%s", relative);
	else
		n = snprintf(url, URL_MAX, "%s", full);
	if (n > 0 && n < URL_MAX && (!relative || *relative == '/') && may_ask(url))
		return 0;
	snprintf(err, errlen, "%s: expected %s", relative ? "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" :
		 "AWS_CONTAINER_CREDENTIALS_FULL_URI", relative ? "a path" :
		 "https://, or http:// to this host or the platform's addresses");
	return -EINVAL;
}

/* "Authorization: ..." or "". */
static int container_token(char *header, char *err, size_t errlen)
{
	const char *file = cc_creds_env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *token = cc_creds_env("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	size_t len = strlen(strcpy(header, "Authorization: "));
	int r = 0;

	if (file)
		r = cc_creds_read_file(file, header + len, TOKEN_MAX);
	else if (token)
		r = snprintf(header + len, TOKEN_MAX, "%s", token) >= TOKEN_MAX ? -EFBIG : 0;
	else
		*header = '\0';
	for (const char *h = header; !r && *h; h++)
		if (*h < ' ' || *h > '~')
			r = -EINVAL;
	if (r)
		snprintf(err, errlen, "container: %s: %s", file ? file : "AWS_CONTAINER_AUTHORIZATION_TOKEN",
			 r == -EINVAL ? "expected one line of printable characters" : strerror(-r));
	return r == -ENOENT ? -EIO : r;
}

int cc_creds_container(const struct cc_store_config *c, struct cc_creds *ret_creds, char *err,
		       size_t errlen)
{
	char url[URL_MAX], header[HEADER_MAX];
	struct cc_creds_call call = {
		.what = "container endpoint", .method = "GET", .url = url, .ca_file = c->ca_file,
		.timeout_ms = CONTAINER_TIMEOUT_MS,
	};
	int r;

	r = container_url(url, err, errlen);
	if (r)
		return r;
	r = container_token(header, err, errlen);
	call.headers[0] = *header ? header : NULL;
	if (!r)
		r = ask_json(&call, ret_creds, err, errlen);
	OPENSSL_cleanse(header, sizeof(header));
	return r;
}

/* ---- instance ---- */

static int instance_endpoint(char *url, size_t size, char *err, size_t errlen)
{
	const char *off = cc_creds_env("AWS_EC2_METADATA_DISABLED");
	const char *endpoint = cc_creds_env("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	size_t len;

	if (off && !strcasecmp(off, "true")) {
		snprintf(err, errlen, "instance: AWS_EC2_METADATA_DISABLED is set");
		return -ENOENT;
	}
	if (!endpoint)
		endpoint = "http://169.254.169.254";
	len = strlen(endpoint);
	while (len && endpoint[len - 1] == '/')
		len--;
	if (len >= size || (strncmp(endpoint, "http://", 7) && strncmp(endpoint, "https://", 8))) {
		snprintf(err, errlen, "AWS_EC2_METADATA_SERVICE_ENDPOINT: expected a short http:// URL");
		return -EINVAL;
	}
	snprintf(url, size, "%.*s", (int)len, endpoint);
	return 0;
}

static int instance_token(const char *endpoint, const char *ca_file, char *header, char *err,
			  size_t errlen)
{
	char url[URL_MAX];
	const struct cc_creds_call call = {
		.what = "instance metadata (IMDSv2)", .method = "PUT", .url = url, .ca_file = ca_file,
		.headers = { "X-aws-ec2-metadata-token-ttl-seconds: 300" }, .body = "",
		.timeout_ms = INSTANCE_TIMEOUT_MS,
	};
	size_t len = strlen(strcpy(header, "X-aws-ec2-metadata-token: "));

	snprintf(url, sizeof(url), "%s/latest/api/token", endpoint);
	return ask_word(&call, header + len, TOKEN_MAX, err, errlen);
}

/* Which role, then its keys. */
static int instance_role(const char *endpoint, const char *ca_file, const char *token,
			 struct cc_creds *ret_creds, char *err, size_t errlen)
{
	char url[URL_MAX], role[129];
	struct cc_creds_call call = {
		.what = "instance metadata: role", .method = "GET", .url = url, .headers = { token },
		.ca_file = ca_file, .timeout_ms = INSTANCE_TIMEOUT_MS,
	};
	int r;

	snprintf(url, sizeof(url), "%s" ROLE_PATH, endpoint);
	r = ask_word(&call, role, sizeof(role), err, errlen);
	if (r)
		return r;
	if (strchr(role, '/')) {
		snprintf(err, errlen, "%s: its answer is no name", call.what);
		return -EINVAL;
	}
	call.what = "instance metadata";
	snprintf(url, sizeof(url), "%s" ROLE_PATH "%s", endpoint, role);
	return ask_json(&call, ret_creds, err, errlen);
}

int cc_creds_instance(const struct cc_store_config *c, struct cc_creds *ret_creds, char *err,
		      size_t errlen)
{
	char endpoint[256], token[HEADER_MAX];
	int r;

	r = instance_endpoint(endpoint, sizeof(endpoint), err, errlen);
	if (r)
		return r;
	r = instance_token(endpoint, c->ca_file, token, err, errlen);
	if (!r)
		r = instance_role(endpoint, c->ca_file, token, ret_creds, err, errlen);
	OPENSSL_cleanse(token, sizeof(token));
	/* Nobody there: this is no instance. */
	return r == -EIO && !c->credentials ? -ENOENT : r;
}

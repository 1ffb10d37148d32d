// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Web identity: a token that the platform keeps in a file, as Kubernetes does, is exchanged for a
 * role's keys at STS (AssumeRoleWithWebIdentity).  The request itself is not signed.
 */
#include "creds-impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/crypto.h>

#include "http-text.h"

#define TOKEN_MAX	(20 << 10)
#define TIMEOUT_MS	10000

/* The endpoint of the store's region; AWS_ENDPOINT_URL_STS overrides it. */
static int make_sts_url(const struct cc_store_config *c, char *url, size_t size)
{
	const char *endpoint = cc_creds_env("AWS_ENDPOINT_URL_STS");
	const char *region = c->region ? c->region : "us-east-1";
	int n;

	if (endpoint)
		n = snprintf(url, size, "%s%s", endpoint, endpoint[strlen(endpoint) - 1] == '/' ? "" : "/");
	else
		n = snprintf(url, size, "https://sts.%s.amazonaws.com%s/", region,
			     strncmp(region, "cn-", 3) ? "" : ".cn");
	return n > 0 && (size_t)n < size ? 0 : -EINVAL;
}

/* A form, wiped and freed by the caller; NULL: no memory. */
static char *make_form(const char *role, const char *session, const char *token)
{
	char *r = cc_http_encode(role, false), *s = cc_http_encode(session, false), *t = cc_http_encode(token, false);
	char *form = NULL;

	if (r && s && t && asprintf(&form, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15"
				    "&RoleArn=%s&RoleSessionName=%s&WebIdentityToken=%s", r, s, t) < 0)
		form = NULL;
	if (t)
		OPENSSL_cleanse(t, strlen(t));
	free(r);
	free(s);
	free(t);
	return form;
}

static int ask_sts(const struct cc_store_config *c, const char *form, struct cc_creds *ret_creds, char *err,
		   size_t errlen)
{
	struct cc_creds_answer *answer;
	char url[300];
	const struct cc_creds_call call = {
		.what = "web identity: STS", .method = "POST", .url = url, .body = form,
		.headers = { "Content-Type: application/x-www-form-urlencoded" },
		.ca_file = c->ca_file, .timeout_ms = TIMEOUT_MS,
	};
	int r;

	if (make_sts_url(c, url, sizeof(url))) {
		snprintf(err, errlen, "web identity: AWS_ENDPOINT_URL_STS: expected a shorter URL");
		return -EINVAL;
	}
	r = cc_creds_ask(&call, &answer, err, errlen);
	if (r)
		return r;
	r = cc_creds_from_xml(call.what, answer->text, answer->size, ret_creds, err, errlen);
	cc_creds_answer_free(answer);
	return r;
}

int cc_creds_web_identity(const struct cc_store_config *c, const char *role, const char *token_file,
			  const char *session, struct cc_creds *ret_creds, char *err, size_t errlen)
{
	char *token = malloc(TOKEN_MAX), *form = NULL;
	int r = token ? cc_creds_read_file(token_file, token, TOKEN_MAX) : -ENOMEM;

	if (r) {
		snprintf(err, errlen, "web identity: cannot read %s: %s", token_file, strerror(-r));
		goto free_token;
	}
	form = make_form(role, session ? session : "chunkcache", token);
	r = -ENOMEM;
	if (form)
		r = ask_sts(c, form, ret_creds, err, errlen);
	else
		snprintf(err, errlen, "web identity: out of memory");
	if (form)
		OPENSSL_cleanse(form, strlen(form));
	free(form);
free_token:
	if (token)
		OPENSSL_cleanse(token, TOKEN_MAX);
	free(token);
	/* A file that is named and not there is a mistake, not a provider that is not set up. */
	return r == -ENOENT ? -EIO : r;
}

int cc_creds_web_environment(const struct cc_store_config *c, struct cc_creds *ret_creds, char *err,
			     size_t errlen)
{
	const char *role = cc_creds_env("AWS_ROLE_ARN");
	const char *token_file = cc_creds_env("AWS_WEB_IDENTITY_TOKEN_FILE");

	if (!role || !token_file) {
		snprintf(err, errlen, "AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE are not set");
		return -ENOENT;
	}
	return cc_creds_web_identity(c, role, token_file, cc_creds_env("AWS_ROLE_SESSION_NAME"), ret_creds,
				     err, errlen);
}

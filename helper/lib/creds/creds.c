// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Access keys: which provider is asked, and the one that is the environment.
 */
#include "creds-impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	cc_creds_fn *load;
} providers[] = {
	{ "environment", cc_creds_environment },
	{ "web-identity", cc_creds_web_environment },
	{ "profile", cc_creds_profile },
	{ "container", cc_creds_container },
	{ "instance", cc_creds_instance },
};

#define NR_PROVIDERS (sizeof(providers) / sizeof(providers[0]))

int cc_creds_environment(const struct cc_store_config *c, struct cc_creds *ret_creds, char *err,
			 size_t errlen)
{
	const char *access_key = cc_creds_env("AWS_ACCESS_KEY_ID");
	const char *secret = cc_creds_env("AWS_SECRET_ACCESS_KEY");
	const char *token = cc_creds_env("AWS_SESSION_TOKEN");

	if (!access_key) {
		snprintf(err, errlen, "AWS_ACCESS_KEY_ID is not set");
		return -ENOENT;
	}
	if (!secret) {
		snprintf(err, errlen, "AWS_ACCESS_KEY_ID is set, expected AWS_SECRET_ACCESS_KEY as well");
		return -EINVAL;
	}
	if (cc_creds_set(ret_creds->access_key, sizeof(ret_creds->access_key), access_key) ||
	    cc_creds_set(ret_creds->secret_key, sizeof(ret_creds->secret_key), secret) ||
	    cc_creds_set(ret_creds->session_token, sizeof(ret_creds->session_token), token ? token : "")) {
		snprintf(err, errlen, "AWS_* in the environment: expected printable characters without "
			 "spaces, and fewer");
		return -EINVAL;
	}
	return 0;
}

/* ---- who is asked ---- */

/* The one that must be asked; NULL: one after the other. */
static const char *only_provider(const struct cc_store_config *c)
{
	if (c->credentials)
		return c->credentials;
	/* What is asked for by name is meant, whatever the environment has. */
	return c->credentials_file || c->profile ? "profile" : NULL;
}

static bool is_provider(const char *name)
{
	for (size_t i = 0; i < NR_PROVIDERS; i++)
		if (!strcmp(providers[i].name, name))
			return true;
	return false;
}

int cc_creds_check(const struct cc_store_config *c, char *err, size_t errlen)
{
	const char *file = c->credentials_file;

	if (c->credentials && !is_provider(c->credentials))
		snprintf(err, errlen, "credentials: expected environment, web-identity, profile, container or "
			 "instance, not \"%s\"", c->credentials);
	else if (c->credentials && strcmp(c->credentials, "profile") && (file || c->profile))
		snprintf(err, errlen, "credentials: expected profile, as there is %s",
			 file ? "credentials_file" : "profile");
	else if (file && *file != '/' && strchr(file, '/'))
		snprintf(err, errlen, "credentials_file: expected an absolute path, or the name of a "
			 "credential of systemd, not \"%s\"", file);
	else if (c->anonymous && (only_provider(c) || c->requester_pays))
		snprintf(err, errlen, "anonymous: expected no, as %s wants requests to be signed",
			 c->requester_pays ? "requester_pays" : c->credentials ? "credentials" :
			 file ? "credentials_file" : "profile");
	else
		return 0;
	return -EINVAL;
}

/* The last one that was asked has left a line if it is not 0. */
static int ask_providers(const struct cc_store_config *c, const char *name, struct cc_creds *creds, char *why,
			 size_t size)
{
	int r = -ENOENT;

	for (size_t i = 0; i < NR_PROVIDERS && r == -ENOENT; i++)
		if (!name || !strcmp(name, providers[i].name))
			r = providers[i].load(c, creds, why, size);
	return r;
}

int cc_creds_load(const struct cc_store_config *c, struct cc_creds *ret_creds,
		  char *err, size_t errlen)
{
	struct cc_creds creds = { 0 };
	const char *name = only_provider(c);
	char why[160];
	int r = ask_providers(c, name, &creds, why, sizeof(why));

	if (r == -ENOENT && !name)
		snprintf(err, errlen, "credentials: none found, set credentials_file (%s)", why);
	else if (r)
		snprintf(err, errlen, "credentials: %s", why);
	else
		*ret_creds = creds;
	cc_creds_wipe(&creds);
	return r;
}

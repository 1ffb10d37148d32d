// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Files of the AWS tools.  Programs and services that a profile names are not run here, but told to have been: what
 * would be run or asked is text of the file.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "creds/creds-impl.h"
#include "creds/spawner.h"
#include "fuzz.h"

static const char *input;		/* with a NUL behind it */
static size_t input_size;

/* ---- in place of spawner.c and creds-web.c ---- */

int cc_spawner_start(void)
{
	return 0;
}

int cc_spawn(const char *command, unsigned int timeout_ms, char *out, size_t out_max, size_t *ret_size, char *err,
	     size_t errlen)
{
	(void)timeout_ms; (void)out; (void)out_max; (void)ret_size;
	fuzz_check(memmem(input, input_size, command, strlen(command)));
	snprintf(err, errlen, "not run");
	return -EIO;
}

int cc_creds_web_identity(const struct cc_store_config *c, const char *role, const char *token_file,
			  const char *session, struct cc_creds *ret_creds, char *err, size_t errlen)
{
	(void)c; (void)session; (void)ret_creds;
	fuzz_check(memmem(input, input_size, role, strlen(role)));
	fuzz_check(memmem(input, input_size, token_file, strlen(token_file)));
	snprintf(err, errlen, "not asked");
	return -EIO;
}

int cc_creds_web_environment(const struct cc_store_config *c, struct cc_creds *ret_creds, char *err, size_t errlen)
{
	return -ENOENT;
}

/* ---- checks ---- */

static void check_key(const char *key)
{
	for (; *key; key++)
		fuzz_check(*key > ' ' && *key <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cc_store_config config = { .credentials_file = (char *)fuzz_file(data, size) };
	struct cc_profile_settings settings = { .region = "" };
	struct cc_creds creds = { 0 };
	char err[400] = "";
	int r;

	input = (const char *)data;
	input_size = size;
	r = cc_creds_profile(&config, &creds, err, sizeof(err));
	if (r) {
		fuzz_check(r < 0);
		fuzz_check_reason(err);
	} else {
		fuzz_check(*creds.access_key && *creds.secret_key);
		check_key(creds.access_key);
		check_key(creds.secret_key);
		check_key(creds.session_token);
	}
	cc_creds_profile_settings(&config, &settings);
	fuzz_check(memchr(settings.region, 0, sizeof(settings.region)));
	fuzz_check(memchr(settings.endpoint, 0, sizeof(settings.endpoint)));
	fuzz_check(memchr(settings.ca_bundle, 0, sizeof(settings.ca_bundle)));
	return 0;
}

void fuzz_setup(void)
{
	clearenv();
}

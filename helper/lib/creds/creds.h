/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a store's access keys come from.  Providers, asked in this order until one is set up:
 *
 *	environment	AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
 *	web-identity	AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE: STS
 *	profile		the files of the AWS tools: keys, credential_process, or a role with
 *			web_identity_token_file
 *	container	AWS_CONTAINER_CREDENTIALS_{RELATIVE,FULL}_URI (ECS, EKS)
 *	instance	the metadata service of EC2, version 2 only
 *
 * A store may name one; credentials_file and profile mean "profile".  A provider that is set up
 * and fails ends the search: other keys are not those that were meant.
 */
#ifndef CC_CREDS_H
#define CC_CREDS_H

#include <stddef.h>
#include <stdint.h>
#include "settings.h"

struct cc_creds {
	char access_key[129];
	char secret_key[257];
	char session_token[8193];	/* "" if there is none */
	int64_t expires;		/* CLOCK_REALTIME in seconds; 0: they do not */
};

/* Is what c says about credentials understood?  Returns 0 or -EINVAL with a line in err. */
int cc_creds_check(const struct cc_store_config *c, char *err, size_t errlen);
/*
 * Reads them anew: files, programs, services; may take a minute.  Returns 0, or -errno with one line,
 * never a secret, in err.
 */
int cc_creds_load(const struct cc_store_config *c, struct cc_creds *ret_creds,
		  char *err, size_t errlen);
void cc_creds_wipe(struct cc_creds *c);

/*
 * What an s3:// store leaves open, from where the AWS tools take it; the first that is set counts:
 *
 *	region		AWS_REGION, AWS_DEFAULT_REGION, region of the profile
 *	endpoint	AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, endpoint_url of the profile; none of them if
 *			AWS_IGNORE_CONFIGURED_ENDPOINT_URLS is true
 *	ca_file		AWS_CA_BUNDLE, ca_bundle of the profile
 *
 * Sets those keys of c that are not set, and with them who said so.  What they mean is checked by who opens
 * the store.  Returns 0, or -errno with a line in err.
 */
int cc_creds_settings(struct cc_store_config *c, char *err, size_t errlen);

#endif

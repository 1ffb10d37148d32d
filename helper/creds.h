/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a store's access keys come from: the file that its configuration names; else the
 * environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN); else
 * ~/.aws/credentials.  The file is the INI of the AWS tools, and the profile a section of it.
 */
#ifndef CC_CREDS_H
#define CC_CREDS_H

#include <stddef.h>
#include "store.h"

struct cc_creds {
	char access_key[129];
	char secret_key[257];
	char session_token[8193];	/* "" if there is none */
};

/* Reads them anew.  Returns 0, or -errno with one line, never a secret, in err. */
int cc_creds_load(const struct cc_store_config *c, struct cc_creds *ret_creds,
		  char *err, size_t errlen);
void cc_creds_wipe(struct cc_creds *c);

#endif

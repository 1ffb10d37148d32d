/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * AWS Signature Version 4 for S3.  Pure: no clock, no I/O, no credentials of its own.
 */
#ifndef CC_SIGN_H
#define CC_SIGN_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define CC_SIGN_MAX_HEADERS	16
#define CC_SIGN_MAX_PARAMS	8
#define CC_SIGN_DATE_SIZE	17	/* "20130524T000000Z" with its NUL */

/* The last derived key; it stays good for a day, region and secret.  Zero it to start. */
struct cc_sign_key {
	char scope[80];			/* "<date>/<region>" it was derived for */
	uint8_t key[32];
};

struct cc_sign_pair {
	const char *name;		/* header: lower case */
	const char *value;		/* raw, not encoded */
};

struct cc_sign_request {
	const char *method;
	const char *path;		/* raw: absolute, not encoded */
	struct cc_sign_pair params[CC_SIGN_MAX_PARAMS];
	unsigned int nr_params;
	/* All of them are signed; host, x-amz-date and x-amz-content-sha256 must be among them. */
	struct cc_sign_pair headers[CC_SIGN_MAX_HEADERS];
	unsigned int nr_headers;
	const char *payload_hash;	/* hex, or "UNSIGNED-PAYLOAD" */
	const char *date;		/* as of cc_sign_date() */
	const char *region;
	const char *access_key;
	const char *secret_key;
};

void cc_sign_date(time_t t, char ret_date[CC_SIGN_DATE_SIZE]);

/* "a=b&c=d", sorted and encoded, as to be sent; "" without parameters.  malloc()ed or NULL. */
char *cc_sign_query(const struct cc_sign_pair *params, unsigned int nr_params);

/*
 * The value of the Authorization header, malloc()ed.  *key is used if it fits, else derived
 * anew; the caller serialises access to it and wipes it.  Returns 0, -ENOMEM, -EINVAL (too many
 * headers, too long a region or secret).
 */
int cc_sign(const struct cc_sign_request *req, struct cc_sign_key *key, char **ret_authorization);

#endif

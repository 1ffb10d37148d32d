/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How requests to a store end. */
#ifndef CC_RESULT_H
#define CC_RESULT_H

/* Why a request did not succeed.  0 is success. */
enum cc_store_result {
	CC_STORE_OK,
	CC_STORE_NOTFOUND,		/* the store answered: no such object */
	CC_STORE_DENIED,		/* credentials, permission, signature, clock */
	CC_STORE_TIMEOUT,
	CC_STORE_CORRUPT,		/* bytes are not what their name says, after retries */
	CC_STORE_TOOBIG,		/* larger than the caller's buffer or limit */
	CC_STORE_CANCELLED,
	CC_STORE_ERROR,			/* all else: network, 5xx, I/O; retried already */
	/* of cc_store_create() only */
	CC_STORE_EXISTS,
	CC_STORE_UNSUPPORTED,		/* the store has no such request */
};

const char *cc_store_result_name(enum cc_store_result r);

#endif

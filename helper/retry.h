/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether and when to try again: what the kinds of failure mean.  Pure but for the random numbers
 * of the jitter.
 *
 *	class		delay before the next attempt		attempts
 *	TRANSIENT	0 .. 50 ms * 2^n			the limit; new connection
 *	THROTTLE	0 .. 1 s * 2^n, and what the store	the limit
 *			asks for, up to 5 s more
 *	AUTH		0, with credentials read anew		once
 *	INTEGRITY	0					once; new connection
 *	FATAL		-					none
 */
#ifndef CC_RETRY_H
#define CC_RETRY_H

#include <stdbool.h>

enum cc_retry_class {
	CC_RETRY_NONE,			/* success */
	CC_RETRY_TRANSIENT,
	CC_RETRY_THROTTLE,
	CC_RETRY_AUTH,
	CC_RETRY_INTEGRITY,
	CC_RETRY_FATAL,
};

struct cc_retry {
	unsigned int limit;		/* attempts in all */
	unsigned int made;		/* attempts that ended */
	unsigned int backoffs;		/* TRANSIENT and THROTTLE so far */
	bool auth, integrity;		/* had their one retry */
};

static inline void cc_retry_init(struct cc_retry *r, unsigned int limit)
{
	*r = (struct cc_retry){ .limit = limit };
}

/*
 * An attempt failed as class; retry_after_ms is what the store asked for, or 0.  Returns true if
 * there may be another one, after *ret_delay_ms and, if *ret_fresh, on a new connection.
 */
bool cc_retry_next(struct cc_retry *r, enum cc_retry_class class, unsigned int retry_after_ms,
		   unsigned int *ret_delay_ms, bool *ret_fresh);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether and when to try again: what the kinds of failure mean.  Pure but for the random numbers
 * of the jitter.
 *
 *	class		delay before the next attempt		attempts
 *	TRANSIENT	0 .. base * 2^n (base: 50 ms)		the limit; new connection
 *	THROTTLE	0 .. 1 s * 2^n, and what the store	the limit
 *			asks for, up to 5 s more
 *	CLOCK		0, signed with the store's time		once
 *	AUTH		0, with credentials read anew		once
 *	INTEGRITY	0					once; new connection
 *	REGION		0, signed for the region it named	once
 *	FATAL		-					none
 *
 * A patient one, of a long job, is not bound by the limit, and waits after further AUTH as after TRANSIENT: keys
 * may be changed by then.
 */
#ifndef CC_RETRY_H
#define CC_RETRY_H

#include <stdbool.h>
#include "settings.h"

enum cc_retry_class {
	CC_RETRY_NONE,			/* success */
	CC_RETRY_TRANSIENT,
	CC_RETRY_THROTTLE,
	CC_RETRY_CLOCK,
	CC_RETRY_AUTH,
	CC_RETRY_INTEGRITY,
	CC_RETRY_REGION,
	CC_RETRY_FATAL,
	CC_RETRY_NR_CLASSES
};

/* "transient" */
const char *cc_retry_class_name(enum cc_retry_class class);

struct cc_retry {
	bool patient;
	unsigned int limit;		/* attempts in all */
	unsigned int base_ms, max_ms;	/* of the waits */
	unsigned int made;		/* attempts that ended */
	unsigned int backoffs;		/* TRANSIENT and THROTTLE so far */
	unsigned int once;		/* bits of classes that had their one retry */
};

static inline void cc_retry_init(struct cc_retry *r, const struct cc_store_config *c)
{
	*r = (struct cc_retry){
		.limit = c->attempts, .base_ms = c->backoff_ms, .max_ms = c->backoff_max_ms,
	};
}

/*
 * An attempt failed as class; retry_after_ms is what the store asked for, or 0.  Returns true if
 * there may be another one, after *ret_delay_ms and, if *ret_fresh, on a new connection.
 */
bool cc_retry_next(struct cc_retry *r, enum cc_retry_class class, unsigned int retry_after_ms,
		   unsigned int *ret_delay_ms, bool *ret_fresh);

#endif

// SPDX-License-Identifier: GPL-2.0-or-later
/* The retry table of retry.h. */
#include "retry.h"

#include <stdint.h>
#include <sys/random.h>

#define TRANSIENT_BASE_MS	50
#define THROTTLE_BASE_MS	1000
#define BACKOFF_MAX_MS		20000
#define RETRY_AFTER_SLACK_MS	5000

/* Full jitter: even over 0 .. base * 2^n, so that clients that failed together come back apart. */
static unsigned int backoff(unsigned int base_ms, unsigned int n)
{
	uint64_t max = (uint64_t)base_ms << (n < 16 ? n : 16);
	uint32_t random;

	if (max > BACKOFF_MAX_MS)
		max = BACKOFF_MAX_MS;
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return max;
	return ((max + 1) * random) >> 32;
}

static unsigned int throttle(unsigned int n, unsigned int retry_after_ms)
{
	unsigned int delay = backoff(THROTTLE_BASE_MS, n);

	if (retry_after_ms > delay + RETRY_AFTER_SLACK_MS)
		return delay + RETRY_AFTER_SLACK_MS;
	return retry_after_ms > delay ? retry_after_ms : delay;
}

bool cc_retry_next(struct cc_retry *r, enum cc_retry_class class, unsigned int retry_after_ms,
		   unsigned int *ret_delay_ms, bool *ret_fresh)
{
	bool *once = class == CC_RETRY_AUTH ? &r->auth : &r->integrity;

	r->made++;
	if (r->made >= r->limit)
		return false;
	*ret_delay_ms = 0;
	*ret_fresh = class == CC_RETRY_TRANSIENT || class == CC_RETRY_INTEGRITY;
	switch (class) {
	case CC_RETRY_TRANSIENT:
		*ret_delay_ms = backoff(TRANSIENT_BASE_MS, r->backoffs++);
		return true;
	case CC_RETRY_THROTTLE:
		*ret_delay_ms = throttle(r->backoffs++, retry_after_ms);
		return true;
	case CC_RETRY_AUTH:
	case CC_RETRY_INTEGRITY:
		if (*once)
			return false;
		*once = true;
		return true;
	default:
		return false;
	}
}

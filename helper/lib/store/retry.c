// SPDX-License-Identifier: GPL-2.0-or-later
/* The retry table of retry.h. */
#include "retry.h"

#include <stdint.h>
#include <sys/random.h>

#define THROTTLE_BASE_MS	1000
#define RETRY_AFTER_SLACK_MS	5000

const char *cc_retry_class_name(enum cc_retry_class class)
{
	static const char *const names[CC_RETRY_NR_CLASSES] = {
		"none", "transient", "throttle", "clock", "auth", "integrity", "region", "fatal",
	};

	return names[class];
}

/* Full jitter: even over 0 .. base * 2^n, so that clients that failed together come back apart. */
static unsigned int random_backoff(const struct cc_retry *r, unsigned int base_ms)
{
	uint64_t max = (uint64_t)base_ms << (r->backoffs < 16 ? r->backoffs : 16);
	uint32_t random;

	if (max > r->max_ms)
		max = r->max_ms;
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return max;
	return ((max + 1) * random) >> 32;
}

static unsigned int throttle_delay(const struct cc_retry *r, unsigned int retry_after_ms)
{
	unsigned int delay = random_backoff(r, THROTTLE_BASE_MS);

	if (retry_after_ms > delay + RETRY_AFTER_SLACK_MS)
		return delay + RETRY_AFTER_SLACK_MS;
	return retry_after_ms > delay ? retry_after_ms : delay;
}

static bool first_time(struct cc_retry *r, enum cc_retry_class class)
{
	bool first = !(r->once & 1U << class);

	r->once |= 1U << class;
	return first;
}

bool cc_retry_next(struct cc_retry *r, enum cc_retry_class class, unsigned int retry_after_ms,
		   unsigned int *ret_delay_ms, bool *ret_fresh)
{
	r->made++;
	if (r->made >= r->limit && !r->patient)
		return false;
	*ret_delay_ms = 0;
	*ret_fresh = class == CC_RETRY_TRANSIENT || class == CC_RETRY_INTEGRITY;
	switch (class) {
	case CC_RETRY_AUTH:
		if (first_time(r, class))
			return true;
		if (!r->patient)
			return false;
		/* fallthrough */
	case CC_RETRY_TRANSIENT:
		*ret_delay_ms = random_backoff(r, r->base_ms);
		r->backoffs++;
		return true;
	case CC_RETRY_THROTTLE:
		*ret_delay_ms = throttle_delay(r, retry_after_ms);
		r->backoffs++;
		return true;
	case CC_RETRY_CLOCK:
	case CC_RETRY_INTEGRITY:
	case CC_RETRY_REGION:
		return first_time(r, class);
	default:
		return false;
	}
}

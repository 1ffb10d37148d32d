/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A limit on lines in the log: so many in a period, and then how many were left out.
 */
#ifndef CC_RATELIMIT_H
#define CC_RATELIMIT_H

#include <stdbool.h>
#include "clock.h"
#include "log.h"

#define CC_RATELIMIT_LINES	10
#define CC_RATELIMIT_PERIOD	(10 * CC_SECOND)

struct cc_ratelimit {
	uint64_t start;			/* of the period */
	unsigned int lines;
	unsigned int dropped;
};

/* May one more line be logged? */
static inline bool cc_ratelimit_pass(struct cc_ratelimit *l)
{
	uint64_t now = cc_now_ns();

	if (now - l->start >= CC_RATELIMIT_PERIOD) {
		if (l->dropped)
			cc_log(LOG_WARNING, "%u similar lines left out", l->dropped);
		l->start = now;
		l->lines = 0;
		l->dropped = 0;
	}
	if (l->lines < CC_RATELIMIT_LINES) {
		l->lines++;
		return true;
	}
	l->dropped++;
	return false;
}

#endif

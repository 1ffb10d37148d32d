// SPDX-License-Identifier: GPL-2.0-or-later
/* The bound on what is fetched ahead; see allowance.h. */
#include "allowance.h"

void cc_allowance_touch(struct cc_allowance *a)
{
	if (++a->touched < CC_ALLOWANCE_AGE)
		return;
	a->touched /= 2;
	a->unread /= 2;
}

static bool is_below(const struct cc_allowance *a, uint32_t nr, uint32_t first, uint32_t share)
{
	return nr < first + a->touched / share;
}

bool cc_allowance_left(const struct cc_allowance *a)
{
	return is_below(a, a->unread, CC_ALLOWANCE_FREE, CC_ALLOWANCE_SHARE);
}

bool cc_allowance_for_trace(const struct cc_allowance *a, uint32_t lead, uint32_t chunk_shift)
{
	uint32_t first = CC_ALLOWANCE_TRACE_FREE >> chunk_shift;

	if (!first)
		first = 1;
	return is_below(a, lead, first, CC_ALLOWANCE_LEAD_SHARE) &&
	       is_below(a, a->unread, first, CC_ALLOWANCE_ALL_SHARE);
}

void cc_allowance_give(struct cc_allowance *a)
{
	a->unread++;
}

void cc_allowance_settle(struct cc_allowance *a)
{
	/* After they were halved there may be more to settle. */
	if (a->unread)
		a->unread--;
}

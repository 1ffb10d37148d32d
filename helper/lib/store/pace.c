// SPDX-License-Identifier: GPL-2.0-or-later
/* Additive increase, multiplicative decrease; see pace.h. */
#include "pace.h"

#define CUT		0.7		/* of the limit, for "slow down" */
#define CUT_PERIOD_NS	1000000000ULL	/* what is under way may be told so, too: one cut for all */

void cc_pace_init(struct cc_pace *p, unsigned int max)
{
	*p = (struct cc_pace){ .max = max, .limit = max };
}

bool cc_pace_has_room(const struct cc_pace *p)
{
	return p->active < (unsigned int)p->limit && p->active < p->max;
}

void cc_pace_speed_up(struct cc_pace *p)
{
	p->limit += 1 / p->limit;
	if (p->limit > p->max)
		p->limit = p->max;
}

void cc_pace_slow_down(struct cc_pace *p, uint64_t now_ns)
{
	if (p->cut_ns && now_ns - p->cut_ns < CUT_PERIOD_NS)
		return;
	p->cut_ns = now_ns;
	if (p->active + 1 < p->limit)
		p->limit = p->active + 1;	/* with the one that was told so */
	p->limit *= CUT;
	if (p->limit < 1)
		p->limit = 1;
}

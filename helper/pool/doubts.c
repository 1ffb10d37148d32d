// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which slot is bad; see doubts.h.
 */
#include "doubts.h"

#include <stddef.h>

/* So many good writes for each that failed make a device that works. */
#define GOOD_PER_FAILED	4

static struct cc_doubt *doubt_find(struct cc_doubts *d, uint32_t slot)
{
	for (unsigned int i = 0; i < d->nr; i++)
		if (d->last[i].slot == slot)
			return &d->last[i];
	return NULL;
}

/* In place of the oldest one. */
static struct cc_doubt *doubt_add(struct cc_doubts *d, uint32_t slot)
{
	struct cc_doubt *doubt = &d->last[d->next];

	d->next = (d->next + 1) % CC_DOUBTS_MAX;
	if (d->nr < CC_DOUBTS_MAX)
		d->nr++;
	doubt->slot = slot;
	return doubt;
}

void cc_doubts_good(struct cc_doubts *d)
{
	d->good++;
}

bool cc_doubts_failed(struct cc_doubts *d, uint32_t slot)
{
	struct cc_doubt *doubt = doubt_find(d, slot);
	bool bad;

	d->failed++;
	bad = doubt && d->good - doubt->good >= GOOD_PER_FAILED * (d->failed - doubt->failed);
	if (!doubt)
		doubt = doubt_add(d, slot);
	doubt->good = d->good;
	doubt->failed = d->failed;
	return bad;
}

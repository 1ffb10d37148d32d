// SPDX-License-Identifier: GPL-2.0-or-later
/* See volume-age.h. */
#include "volume-age.h"

#include "clock.h"
#include "volume/place.h"

#define JOURNALED_WITHIN CC_SECOND	/* the kernel's timer */

void cc_volume_age_asked(struct cc_volume_age *a, uint64_t now_ns)
{
	if (!a->asked_ns)
		a->asked_ns = now_ns;
}

void cc_volume_age_read(struct cc_volume_age *a, uint64_t cut, bool dirty, uint64_t now_ns)
{
	if (cut != a->cut) {
		a->cut = cut;
		a->cut_ns = a->asked_ns ? a->asked_ns : now_ns;
		a->asked_ns = 0;
	}
	if (!dirty)
		a->dirty_ns = 0;
	else if (!a->dirty_ns)
		a->dirty_ns = now_ns > JOURNALED_WITHIN ? now_ns - JOURNALED_WITHIN : 1;
}

void cc_volume_age_commit_begun(struct cc_volume_age *a)
{
	a->begun_cut = a->cut;
	a->begun_ns = a->cut_ns;
}

/* What is left was written behind the cut that it began with. */
void cc_volume_age_committed(struct cc_volume_age *a, uint64_t stored)
{
	if (a->dirty_ns && stored >= (a->begun_cut & ~CC_PLACE_DATA) && a->begun_ns > a->dirty_ns)
		a->dirty_ns = a->begun_ns;
}

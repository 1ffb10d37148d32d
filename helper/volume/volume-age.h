/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How old the oldest write of a volume is that no commit has: what the loss of the host costs, as time.  Records of the
 * journal have no time; what is known is when cuts were asked for, and that a write is in the journal within a second.
 * So it is less than the truth by no more than what it takes to read a page, and more by one interval of cuts at most.
 */
#ifndef CC_VOLUME_AGE_H
#define CC_VOLUME_AGE_H

#include <stdbool.h>
#include <stdint.h>

struct cc_volume_age {
	uint64_t dirty_ns;		/* since then at most something is dirty; 0: nothing is */
	uint64_t cut, cut_ns;		/* the newest that was read of the journal, and when it was asked for */
	uint64_t asked_ns;		/* the oldest wish for a cut since; 0: none */
	uint64_t begun_cut, begun_ns;	/* as cut, when the commit under way began */
};

void cc_volume_age_asked(struct cc_volume_age *a, uint64_t now_ns);
/* What the journal says now: cut is the highest; dirty: there are writes that no commit has. */
void cc_volume_age_read(struct cc_volume_age *a, uint64_t cut, bool dirty, uint64_t now_ns);
void cc_volume_age_commit_begun(struct cc_volume_age *a);
/* All below the place stored is in the store. */
void cc_volume_age_committed(struct cc_volume_age *a, uint64_t stored);

#endif

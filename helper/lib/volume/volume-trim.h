/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which commits of a volume nobody needs any more: those below the newest checkpoint that counts, but
 *
 *	an OPEN, and what it was built on	the numbers that one who was owner, and knows of nothing since, would
 *						create next (volume-floor.h)
 *	from the checkpoint before a take-over	for a while: a rescue of what the owner before could not commit
 *	on, to the end of that owner's term	reads them
 *
 * Decides only; deletes nothing.
 */
#ifndef CC_VOLUME_TRIM_H
#define CC_VOLUME_TRIM_H

#include "volume-log.h"

struct cc_trim_commit {
	uint64_t number, size;
	int64_t time;			/* of the object, by the store's clock */
	bool keep;			/* also the caller's: its bytes are in use */
};

struct cc_trim {
	struct cc_trim_commit *all;	/* the caller's; some may be missing, be there in vain, or go meanwhile */
	size_t nr;
	/* what came of it */
	struct cc_volume_floor floor;	/* as it has to be before any of those goes that are not to be kept */
	bool raise;			/* it is not so yet: cc_volume_floor_create() */
};

/*
 * l was read to its end.  forks_since: take-overs of that time or later count.  Sorts t->all by number.  -errno with a
 * line in err: an object can't be read: nothing is known.
 */
int cc_volume_trim(struct cc_volume_log *l, struct cc_trim *t, int64_t forks_since, char *err, size_t errlen);

#endif

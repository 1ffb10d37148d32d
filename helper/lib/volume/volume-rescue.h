/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fork of a volume as a new volume: its log up to the end of the term that wrote the fork, and what that owner has
 * in its slots besides.  All of it is copied, log chunk by log chunk, each read once.  Nothing of the old volume is
 * changed, so it can be done again.  Blocks.
 */
#ifndef CC_VOLUME_RESCUE_H
#define CC_VOLUME_RESCUE_H

#include "volume-commit.h"

struct cc_volume_rescue {
	struct cc_store *store;
	const uint8_t *volume;
	const uint8_t *self;		/* UUID of the pool */
	const char *host;
	uint32_t term;			/* of the fork */
	const struct cc_volume_dirty *fork; /* records, read and uploads count */
	const char *as;			/* name of the new one */
	unsigned int parallel;		/* as of the log */
	bool (*stop)(void *arg);	/* asked now and then: true ends it */
	void *arg;
};

/*
 * 0; -EEXIST: there is a volume of that name; -ENOENT: none of the old one; -ECANCELED; else -errno of the store or
 * of reading; with a line in err.  The name is made last: what comes before it is nobody's.
 */
int cc_volume_rescue_run(const struct cc_volume_rescue *r, char *err, size_t errlen);

#endif

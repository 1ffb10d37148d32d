/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One step of bringing to the store what only the NVMe has: takes what the journal says of a volume below a cut,
 * reads the log chunks, puts packs side by side, and when all are there appends the commit that names them.  Blocks;
 * used by one thread at a time.
 */
#ifndef CC_VOLUME_COMMIT_H
#define CC_VOLUME_COMMIT_H

#include "uploads.h"
#include "volume-state.h"

#define CC_COMMIT_BYTES (128u << 20)	/* of log chunks in one commit, unless one cut has more */
#define CC_COMMIT_RECORDS (CC_COMMIT_HEAD_MAX >> 7) /* the same: each may have a piece */

/*
 * blocks of the log chunk of key (cc_place_log_key()) from block on, as the cache device has them; buf is aligned to a
 * page.  0 or -errno.
 */
typedef int cc_log_read_fn(void *arg, uint64_t key, uint32_t block, uint32_t blocks, void *buf);

struct cc_volume_dirty {
	/* All WRITE and ZERO records that no COMMITTED covers; in any order, again and again is fine. */
	struct chunkcache_record *records;
	size_t nr_records;
	const uint64_t *cuts;		/* ascending */
	size_t nr_cuts;
	cc_log_read_fn *read;
	bool read_side_by_side;		/* read may be called by several threads at once */
	void *arg;
	struct cc_uploads *uploads;	/* of the volume's store */
};

struct cc_commit_counts {
	uint64_t commits, packs;	/* objects made */
	uint64_t bytes;			/* of all these */
};

/*
 * Commits what is below the first cuts; d->records are sorted by it.  *ret_upto: all of the guest's places below are
 * in the store, as the log says.  0: done, call again while it is below the last cut; else as
 * cc_volume_log_append(), or what read returned.
 */
int cc_volume_commit(struct cc_volume_state *s, struct cc_volume_dirty *d, struct cc_commit_counts *counts,
		     uint64_t *ret_upto, char *err, size_t errlen);

#endif

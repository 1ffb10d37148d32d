/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Snapshots of a volume: snapshots/<name> names the root of a checkpoint (chunkcache/volume.h).  It is created when
 * that is in the log.  gc lists the snapshots of a volume after it has read its log: so what the newest checkpoint
 * names stays, if it is the newest still when the name is there.
 *
 * Of those that say what went wrong, a line is in err.
 */
#ifndef CC_VOLUME_SNAPSHOT_H
#define CC_VOLUME_SNAPSHOT_H

#include "volume-state.h"

struct cc_snapshot {
	uint32_t term;			/* of the root, */
	uint8_t sha256[CC_ID_SIZE];	/* and its identity */
	int64_t time;			/* seconds since 1970, for people */
};

/* CC_STORE_CORRUPT: it is none. */
enum cc_store_result cc_snapshot_get(struct cc_store *s, const uint8_t volume[16], const char *name,
				     struct cc_snapshot *ret, char *err, size_t errlen);
enum cc_store_result cc_snapshot_delete(struct cc_store *s, const uint8_t volume[16], const char *name, char *err,
					size_t errlen);

typedef int cc_snapshot_fn(void *arg, const char *name);

/* The name of each, in any order; a non-zero return ends it. */
enum cc_store_result cc_snapshot_each(struct cc_store *s, const uint8_t volume[16], cc_snapshot_fn *fn, void *arg,
				      char *err, size_t errlen);

/*
 * Makes one of what the store has of a volume that is ours, with a checkpoint; last: as for that.  0; -EEXIST: there
 * is one of that name; -EINVAL: it is no name; else as cc_volume_log_append(): then there is none, or, if the store
 * can't be told either, one that may have lost what it names.
 */
int cc_snapshot_create(struct cc_volume_state *s, const char *name, bool last, char *err, size_t errlen);

/*
 * A state of which no log is read becomes what the volume was: map (if with_map), pieces, root, and of log.last size,
 * chunk_shift and base.  -errno as cc_volume_log_read().
 */
int cc_snapshot_load(struct cc_volume_state *s, const struct cc_snapshot *snapshot, bool with_map, char *err,
		     size_t errlen);

#endif

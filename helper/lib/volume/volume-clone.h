/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A volume that begins as what another one was at a snapshot.  Nothing is copied but the root: its pages, and the bytes
 * of log chunks, stay in the directories of the volumes that put them, and the term of each tells which that is
 * (chunkcache/volume.h).  Whatever becomes of the other volume and of the snapshot, gc keeps what a clone names.
 *
 *	marked		clones/<uuid> of the other volume is put first: volume rm leaves the rest to gc then
 *	looked at last	is the snapshot there still?  gc reads volumes that are being made after it has listed all
 *			snapshots: so it has found one of the two
 */
#ifndef CC_VOLUME_CLONE_H
#define CC_VOLUME_CLONE_H

#include "volume-snapshot.h"

struct cc_clone {
	struct cc_store *store;
	const uint8_t *parent, *uuid;	/* UUIDs of the other volume and of the new one */
	const char *snapshot, *name;	/* of the one, and of the other */
	const uint8_t *self;		/* whoever makes it, */
	const char *host;		/* and where */
	uint64_t size;			/* result: bytes, and log2 of those of a log chunk */
	uint32_t chunk_shift;
};

/*
 * Makes it, closed; its name comes last.  0; -ENOENT: there is no such snapshot; -EEXIST: there is a volume of that
 * name; -ENOSPC: there are no terms left; else as cc_volume_log_read(); with a line in err.
 */
int cc_volume_clone(struct cc_clone *c, char *err, size_t errlen);

#endif

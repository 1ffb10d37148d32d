/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading and checking a pool device's superblock (chunkcache/format.h).  The kernel
 * never writes one.
 */
#ifndef CC_SUPERBLOCK_H
#define CC_SUPERBLOCK_H

#include <linux/uuid.h>
#include "types.h"

struct block_device;

/* All in 512-byte sectors, from the start of the device. */
struct cc_geometry {
	uuid_t uuid;
	u32 nr_slots;
	u32 max_slots;			/* what the slot table has room for */
	unsigned int slot_shift;	/* log2 of sectors per slot */
	sector_t manifest_start, manifest_end;
	sector_t table_start, table_end;
	sector_t slots_start, slots_end;
	sector_t journal_start, journal_end;	/* the same: there is none */
	u32 dirty_max;			/* slots that may be LOG; 0 without a journal */
};

/*
 * Reads both copies and takes the valid one with the larger sequence.  May sleep, does I/O.
 * -EINVAL if none is valid, -EIO if none could be read; *error then says why.
 */
int cc_superblock_read(struct block_device *bdev, struct cc_geometry *ret, char **error);
/* Can the block of the first copy be read, whatever is in it?  May sleep; allocates by NOIO. */
bool cc_superblock_readable(struct block_device *bdev);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/* The two device-mapper targets, and what both tell of themselves. */
#ifndef CC_TARGET_H
#define CC_TARGET_H

#include <linux/blkdev.h>

struct target_type;

extern struct target_type cc_disk_target, cc_pool_target;

/*
 * Best is a whole chunk (or slot), which is of so many sectors.  The least that is no worse than
 * more is what the cache device says, if that makes up a chunk.
 */
static inline void cc_limits_set_io(struct queue_limits *limits, unsigned int chunk_shift)
{
	limits->io_opt = 1u << (chunk_shift + SECTOR_SHIFT);
	if (limits->io_opt % limits->io_min)
		limits->io_min = limits->physical_block_size;
}

#endif

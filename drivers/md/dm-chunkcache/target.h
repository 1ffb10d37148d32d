/* SPDX-License-Identifier: GPL-2.0-only */
/* The device-mapper targets, and what they have in common. */
#ifndef CC_TARGET_H
#define CC_TARGET_H

#include <linux/blkdev.h>
#include <linux/device-mapper.h>

struct cc_disk;

extern struct target_type cc_disk_target, cc_pool_target, cc_volume_target;

/* ---- of disks and volumes; ti->private is the cc_disk ---- */

/* ctr; disk is zero but for its args.  -errno with ti->error set. */
int cc_disk_setup(struct cc_disk *disk, struct dm_target *ti, const char *pool_path);
/* The other end of it. */
void cc_disk_teardown(struct cc_disk *disk);
int cc_disk_iterate_devices(struct dm_target *ti, iterate_devices_callout_fn fn, void *data);
/* Status, without features; returns bytes written. */
unsigned int cc_disk_emit_info(struct cc_disk *disk, char *result, unsigned int maxlen);

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

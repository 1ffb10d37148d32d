/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One table instance of a disk: what its parts share.  Made in ctr, gone in dtr.
 */
#ifndef CC_DISK_H
#define CC_DISK_H

#include <linux/device-mapper.h>
#include <linux/mutex.h>
#include "bell.h"
#include "chunk-map.h"
#include "miss.h"
#include "slot.h"
#include "stats.h"
#include "table.h"
#include "types.h"

struct cc_dev;
struct cc_pool;
struct cc_volume;

struct cc_disk {
	/* Read by every hit; constant while I/O runs. */
	struct cc_slots *slots;
	struct cc_chunk_map map;
	struct block_device *bdev;	/* the cache device */
	sector_t slots_start;		/* on it */
	struct cc_counters __percpu *counters;	/* of stats */
	unsigned int chunk_shift;	/* log2 of sectors per chunk */
	unsigned int chunk_mask;	/* sectors per chunk - 1 */

	/* Written by misses: not in the line above. */
	struct cc_missq missq ____cacheline_aligned_in_smp;
	u64 id;				/* never re-used */
	struct dm_target *ti;
	struct dm_dev *pool_dev;	/* keeps a plain remove of the pool away */
	struct dm_dev *cache_dev;	/* hits go straight there */
	struct cc_pool *pool;		/* reference */
	struct cc_dev *dev;		/* reference */
	struct cc_stats *stats;		/* of the mapped device, outlives this instance */
	struct mutex *cmd;		/* the pool's command mutex */
	struct cc_disk_args args;
	struct cc_bell *bell;		/* the pool's */
	struct cc_volume *volume;	/* that it is the first part of; NULL: a disk */
	/* Of a volume: adds its gauges to CHUNKCACHE_STAT_*; NULL: a disk. */
	void (*add_gauges)(struct cc_disk *disk, u64 *ret);

	/* Below: the pool's command mutex. */
	u64 nr_mapped;			/* entries of the map that are mapped */
	bool announced;
	bool event_due;			/* to be raised when this message is done */
	u32 state;			/* enum chunkcache_disk_state */
	char reason[CHUNKCACHE_REASON_MAX + 1];
	/* Of its device's promises; cc_pools_lock. */
	struct list_head promise;
	u32 promised;			/* slots */
	/* The bell's list of disks with NEW misses; its lock. */
	struct list_head ready;
};

static inline cc_chunk_t cc_disk_chunk(const struct cc_disk *disk, sector_t sector)
{
	return cc_chunk(sector >> disk->chunk_shift);
}

/* Sectors from the start of the chunk. */
static inline unsigned int cc_disk_in_chunk(const struct cc_disk *disk, sector_t sector)
{
	return sector & disk->chunk_mask;
}

/* Where on the cache device that sector of its chunk is. */
static inline sector_t cc_disk_remap(const struct cc_disk *disk, sector_t sector, cc_slot_t slot)
{
	return disk->slots_start + ((sector_t)cc_slot_nr(slot) << disk->chunk_shift) +
	       cc_disk_in_chunk(disk, sector);
}

/* Reserve room, so that announcing can't fail: ctr.  -ENOMEM. */
int cc_disk_reserve(struct cc_disk *disk);
/* The disk may be asked for: first resume.  Idempotent. */
void cc_disk_announce(struct cc_disk *disk);
/* Gone: dtr. */
void cc_disk_withdraw(struct cc_disk *disk);
/*
 * The one place that changes the state of a disk's manifest (enum chunkcache_disk_state) and the
 * reason that is shown with it; misses follow.  Whoever waits for events is woken if it is another
 * one.  Caller holds pool->cmd.
 */
void cc_disk_set_state(struct cc_disk *disk, u32 state, const char *reason);
/* Caller holds pool->cmd. */
struct cc_disk *cc_disk_find(struct cc_pool *pool, u64 id);
/*
 * Take the chunk map over from the announced instance of the same device, if that is for
 * the same content: it is suspended for good then.  Caller: preresume.
 */
void cc_disk_take_over(struct cc_disk *disk);

#endif

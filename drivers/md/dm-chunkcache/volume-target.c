// SPDX-License-Identifier: GPL-2.0-only
/*
 * The target "chunkcache-vol" (names of targets have at most 15 characters): table, limits,
 * suspend, status.  What a volume does is in volume.h.
 */
#include "target.h"
#include <linux/blkdev.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <chunkcache/format.h>
#include "dev.h"
#include "pool.h"
#include "volume.h"

/* Of a write that the work places whole: what may be left unused at the end of a log chunk. */
#define WHOLE_FRACTION	16

/* ---- table ---- */

static int check_table(struct dm_target *ti)
{
	if (!(dm_table_get_mode(ti->table) & BLK_OPEN_WRITE)) {
		ti->error = "Table of a volume must be writable";
		return -EINVAL;
	}
	if (ti->len > CC_IMAGE_SIZE_MAX >> SECTOR_SHIFT) {
		ti->error = "Volume is longer than an image can be (2^50 bytes)";
		return -EINVAL;
	}
	if (ti->len & (CC_SECTORS_PER_BLOCK - 1)) {
		ti->error = "Length of a volume must be a multiple of 4096 bytes";
		return -EINVAL;
	}
	return 0;
}

static unsigned int logical_block_size(const struct cc_volume *v)
{
	return max(bdev_logical_block_size(v->disk.bdev), v->disk.args.logical_block_size);
}

/* What belongs to a volume beside its disk, which is set up. */
static int volume_setup(struct cc_volume *v, struct dm_target *ti)
{
	struct cc_disk *disk = &v->disk;

	v->journal = &disk->pool->journal;
	if (cc_journal_state(v->journal) == CHUNKCACHE_JOURNAL_NONE) {
		ti->error = "Pool has no journal (chunkctl format --upgrade)";
		return -EOPNOTSUPP;
	}
	/* At resume it would be too late: the table that has what was written is lost then. */
	if (!cc_volume_may_follow(v)) {
		ti->error = "A volume can't become shorter";
		return -EINVAL;
	}
	v->blocks_shift = disk->chunk_shift - CC_SECTORS_PER_BLOCK_SHIFT;
	v->chunk_sectors = 1u << disk->chunk_shift;
	v->block_mask = (1u << v->blocks_shift) - 1;
	v->whole_max = max((v->block_mask + 1) / WHOLE_FRACTION, 1u);
	v->first_log = round_up(disk->map.nr_chunks, CC_MAP_PAGE_ENTRIES);
	if (cc_overlay_init(&v->overlay, disk->map.nr_chunks, v->blocks_shift)) {
		ti->error = "No memory for overlay";
		return -ENOMEM;
	}
	if (logical_block_size(v) < CC_BLOCK_SIZE && cc_partial_init(v)) {
		ti->error = "No memory for parts of blocks";
		cc_overlay_exit(&v->overlay);
		return -ENOMEM;
	}
	return 0;
}

static int cc_volume_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct cc_volume *v;
	int r = check_table(ti);

	if (r)
		return r;
	v = kzalloc(sizeof(*v), GFP_KERNEL);
	if (!v) {
		ti->error = "No memory for volume";
		return -ENOMEM;
	}
	cc_volume_init(v);
	v->disk.volume = v;
	v->disk.add_gauges = cc_commit_gauges;
	r = cc_table_parse_volume(ti, argc, argv, &v->disk.args, &v->uuid);
	if (r)
		goto free_volume;
	r = cc_disk_setup(&v->disk, ti, argv[0]);
	if (r)
		goto free_volume;
	r = volume_setup(v, ti);
	if (r)
		goto teardown_disk;

	ti->per_io_data_size = sizeof(struct cc_volume_bio);
	ti->num_flush_bios = 1;
	ti->flush_supported = true;
	ti->num_discard_bios = 1;
	ti->discards_supported = true;
	ti->num_write_zeroes_bios = 1;
	return 0;

teardown_disk:
	cc_disk_teardown(&v->disk);
free_volume:
	kfree(v);
	return r;
}

static void cc_volume_dtr(struct dm_target *ti)
{
	struct cc_volume *v = ti->private;

	cc_volume_retire(v);
	cc_log_finish(v);
	cc_disk_teardown(&v->disk);
	cc_overlay_exit(&v->overlay);
	cc_partial_exit(v);
	kfree(v);
}

static void cc_volume_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
	struct cc_volume *v = ti->private;

	limits->logical_block_size = max(limits->logical_block_size,
					 v->disk.args.logical_block_size);
	limits->physical_block_size = max_t(unsigned int, limits->physical_block_size,
					    CC_BLOCK_SIZE);
	limits->io_min = max_t(unsigned int, limits->io_min, CC_BLOCK_SIZE);
	cc_limits_set_io(limits, v->disk.chunk_shift);
	limits->discard_granularity = CC_BLOCK_SIZE;
	limits->discard_alignment = 0;
	limits->max_hw_discard_sectors = round_down(UINT_MAX >> SECTOR_SHIFT,
						    CC_SECTORS_PER_BLOCK);
	/* Newer kernels make this one of the other. */
	limits->max_discard_sectors = limits->max_hw_discard_sectors;
}

/* ---- suspend, resume ---- */

static void cc_volume_presuspend(struct dm_target *ti)
{
	struct cc_volume *v = ti->private;

	cc_miss_presuspend(&v->disk);
	cc_hold_presuspend(v);
}

static void cc_volume_presuspend_undo(struct dm_target *ti)
{
	struct cc_volume *v = ti->private;

	cc_miss_end_suspend(&v->disk);
	cc_hold_end_suspend(v);
}

/*
 * No bio is left.  What was written is in the journal, and a cut behind it, before this returns.
 */
static void cc_volume_postsuspend(struct dm_target *ti)
{
	struct cc_volume *v = ti->private;

	cc_volume_presuspend_undo(ti);
	spin_lock_irq(&v->lock);
	/* A volume that failed is not cut. */
	cc_log_hand_over(v);
	cc_log_wish_cut(v, false);
	spin_unlock_irq(&v->lock);
	flush_work(&v->work);
	cc_journal_stop(v->journal);
}

static int cc_volume_preresume(struct dm_target *ti)
{
	return cc_volume_take_over(ti->private);
}

static void cc_volume_resume(struct dm_target *ti)
{
	struct cc_volume *v = ti->private;

	cc_journal_start(v->journal, v->disk.bdev);
	cc_volume_enlist(v);
	cc_disk_announce(&v->disk);
	spin_lock_irq(&v->lock);
	cc_hold_kick(v);
	spin_unlock_irq(&v->lock);
}

/* ---- status, messages ---- */

static unsigned int emit_volume_info(struct cc_volume *v, char *result, unsigned int maxlen)
{
	static const char *const states[] = { "new", "running", "failed" };
	u64 n[CHUNKCACHE_STAT_MAX + 1] = {};
	unsigned int sz;

	sz = cc_disk_emit_info(&v->disk, result, maxlen);
	cc_stats_read(v->disk.stats, n);
	cc_commit_gauges(&v->disk, n);
	DMEMIT(" %s %u %u %llu %llu %llu %llu %llu %llu %llu %llu", states[cc_volume_state(v)],
	       READ_ONCE(v->log.volume), READ_ONCE(v->log.term), n[CHUNKCACHE_STAT_WRITES],
	       n[CHUNKCACHE_STAT_FLUSHES], n[CHUNKCACHE_STAT_DISCARDED_SECTORS],
	       n[CHUNKCACHE_STAT_WRITE_ERRORS], n[CHUNKCACHE_STAT_HELD_WRITES],
	       n[CHUNKCACHE_STAT_THROTTLED_US], n[CHUNKCACHE_STAT_DIRTY_SECTORS],
	       n[CHUNKCACHE_STAT_DIRTY_MS]);
	return sz;
}

static void cc_volume_status(struct dm_target *ti, status_type_t type, unsigned int status_flags,
			     char *result, unsigned int maxlen)
{
	struct cc_volume *v = ti->private;
	struct cc_disk *disk = &v->disk;
	unsigned int sz = 0;

	switch (type) {
	case STATUSTYPE_INFO:
		sz = emit_volume_info(v, result, maxlen);
		sz += cc_table_emit_features(&disk->args, result + sz, maxlen - sz);
		break;
	case STATUSTYPE_TABLE:
		DMEMIT("%s", disk->pool_dev->name);
		sz += cc_table_emit_volume(&disk->args, &v->uuid, result + sz, maxlen - sz);
		break;
	case STATUSTYPE_IMA:
		DMEMIT_TARGET_NAME_VERSION(ti->type);
		DMEMIT(",pool_device=%s,store=%s,volume=%pUb;", disk->pool_dev->name,
		       disk->args.store, &v->uuid);
		break;
	}
}

/* drop: of the base only.  What a log chunk has may be nowhere else. */
static int cc_volume_message(struct dm_target *ti, unsigned int argc, char **argv, char *result,
			     unsigned int maxlen)
{
	struct cc_volume *v = ti->private;
	struct cc_disk *disk = &v->disk;

	if (argc == 1 && !strcasecmp(argv[0], "clear_stats")) {
		cc_stats_clear(disk->stats);
		return 0;
	}
	if (argc == 1 && !strcasecmp(argv[0], "drop")) {
		mutex_lock(disk->cmd);
		disk->nr_mapped -= cc_chunk_map_clear(&disk->map, v->first_log);
		mutex_unlock(disk->cmd);
		return 0;
	}
	DMERR("%s: unknown message \"%s\" with %u arguments; expected clear_stats or drop",
	      disk->dev->name, argv[0], argc - 1);
	return -EINVAL;
}

struct target_type cc_volume_target = {
	.name = "chunkcache-vol",
	.version = { 0, 1, 0 },
	.features = DM_TARGET_SINGLETON | DM_TARGET_NOWAIT,
	.module = THIS_MODULE,
	.ctr = cc_volume_ctr,
	.dtr = cc_volume_dtr,
	.map = cc_volume_map,
	.end_io = cc_volume_end_io,
	.presuspend = cc_volume_presuspend,
	.presuspend_undo = cc_volume_presuspend_undo,
	.postsuspend = cc_volume_postsuspend,
	.preresume = cc_volume_preresume,
	.resume = cc_volume_resume,
	.status = cc_volume_status,
	.message = cc_volume_message,
	.iterate_devices = cc_disk_iterate_devices,
	.io_hints = cc_volume_io_hints,
};

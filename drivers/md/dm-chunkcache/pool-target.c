// SPDX-License-Identifier: GPL-2.0-only
/*
 * The target "chunkcache-pool": the cache device as the helper sees it.
 *
 * The helper reads and writes slots through this dm device and never the cache device
 * itself: a write passes only if its slot is FILLING or it goes to a metadata area.  So dm
 * core quiesces fills at a suspend, ends them after "remove -f", and refuses to remove the
 * pool while a helper has it open.  Disks send their hits straight to the cache device.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/slab.h>
#include <chunkcache/format.h>
#include "counters.h"
#include "dev.h"
#include "pool.h"
#include "target.h"

struct pool_table {
	struct dm_dev *cache_dev;
	struct cc_pool *pool;		/* reference, by table */
	struct cc_pool_table table;
	struct cc_pool_args args;
	struct cc_geometry geo;		/* as the superblock was when the table was loaded */
};

static int check_cache_dev(struct dm_target *ti, const struct pool_table *pt)
{
	struct block_device *bdev = pt->cache_dev->bdev;

	if (bdev_is_zoned(bdev)) {
		ti->error = "Cache device is zoned: slots are written in any order";
		return -EINVAL;
	}
	if (bdev_logical_block_size(bdev) > CC_SB_SIZE) {
		ti->error = "Logical block size of cache device must be at most 4096";
		return -EINVAL;
	}
	if (pt->args.discard && !bdev_max_discard_sectors(bdev)) {
		ti->error = "Feature discard: cache device does not support discards";
		return -EOPNOTSUPP;
	}
	return 0;
}

static int cc_pool_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct mapped_device *md = dm_table_get_md(ti->table);
	struct cc_pool_args args;
	struct pool_table *pt;
	int r;

	r = cc_table_parse_pool(ti, argc, argv, &args);
	if (r)
		return r;
	if (!(dm_table_get_mode(ti->table) & BLK_OPEN_WRITE)) {
		ti->error = "Table of a pool must be writable";
		return -EINVAL;
	}
	pt = kzalloc(sizeof(*pt), GFP_KERNEL);
	if (!pt) {
		ti->error = "No memory for pool table";
		return -ENOMEM;
	}
	pt->args = args;
	r = dm_get_device(ti, argv[0], dm_table_get_mode(ti->table), &pt->cache_dev);
	if (r) {
		ti->error = "Cannot open cache device";
		goto free_pt;
	}
	r = check_cache_dev(ti, pt);
	if (r)
		goto put_dev;
	r = cc_superblock_read(pt->cache_dev->bdev, &pt->geo, &ti->error);
	if (r)
		goto put_dev;
	if (ti->len < pt->geo.slots_end) {
		ti->error = "Table is shorter than the formatted pool";
		r = -EINVAL;
		goto put_dev;
	}
	r = dm_set_target_max_io_len(ti, 1u << pt->geo.slot_shift);
	if (r)
		goto put_dev;
	pt->pool = cc_pool_get_for_table(md, pt->cache_dev->bdev->bd_dev, &pt->geo,
					 &pt->table, &ti->error);
	if (IS_ERR(pt->pool)) {
		r = PTR_ERR(pt->pool);
		goto put_dev;
	}
	ti->private = pt;
	return 0;

put_dev:
	dm_put_device(ti, pt->cache_dev);
free_pt:
	kfree(pt);
	return r;
}

static void cc_pool_dtr(struct dm_target *ti)
{
	struct pool_table *pt = ti->private;

	cc_pool_put_table(pt->pool, &pt->table);
	dm_put_device(ti, pt->cache_dev);
	kfree(pt);
}

/* Core has cut the bio at multiples of the slot size, so that it lies in one slot at most. */
static bool may_write(const struct cc_pool *pool, sector_t start, sector_t end)
{
	const struct cc_geometry *g = &pool->geo;

	if ((start >= g->table_start && end <= g->table_end) ||
	    (start >= g->manifest_start && end <= g->manifest_end))
		return true;
	return start >= g->slots_start &&
	       cc_slots_filling(&pool->slots, (start - g->slots_start) >> g->slot_shift);
}

static int cc_pool_map(struct dm_target *ti, struct bio *bio)
{
	struct pool_table *pt = ti->private;
	sector_t start = dm_target_offset(ti, bio->bi_iter.bi_sector);

	switch (bio_op(bio)) {
	case REQ_OP_READ:
		break;
	case REQ_OP_WRITE:
		if (may_write(pt->pool, start, start + bio_sectors(bio)))
			break;
		DMERR_LIMIT("%s: write of sector %llu refused: no slot that is being filled",
			    pt->pool->name, (unsigned long long)start);
		return DM_MAPIO_KILL;
	default:
		return DM_MAPIO_KILL;
	}
	bio_set_dev(bio, pt->cache_dev->bdev);
	bio->bi_iter.bi_sector = start;
	return DM_MAPIO_REMAPPED;
}

static void cc_pool_postsuspend(struct dm_target *ti)
{
	struct pool_table *pt = ti->private;

	cc_pool_set_live(pt->pool, NULL, NULL, false);
}

static int cc_pool_preresume(struct dm_target *ti)
{
	struct pool_table *pt = ti->private;

	cc_pool_resize(pt->pool, &pt->geo);
	return 0;
}

static void cc_pool_resume(struct dm_target *ti)
{
	struct pool_table *pt = ti->private;

	cc_pool_set_live(pt->pool, ti, pt->cache_dev->bdev, pt->args.discard);
}

static const char *helper_state(struct cc_pool *pool)
{
	if (pool->session)
		return "attached";
	return atomic_read(&pool->nr_draining) ? "draining" : "none";
}

static unsigned int emit_pool_info(struct cc_pool *pool, char *result, unsigned int maxlen)
{
	struct cc_slots_stats s;
	const char *helper;
	unsigned int sz = 0;
	u64 session;

	mutex_lock(&pool->cmd);
	session = pool->session ? pool->session->id : 0;
	helper = helper_state(pool);
	mutex_unlock(&pool->cmd);
	cc_slots_read_stats(&pool->slots, &s);

	DMEMIT("%u %u/%u/%u/%u/%u of %u %llu %llu %s %llu %s", 1u << pool->geo.slot_shift,
	       s.count[CC_SLOT_FREE], s.count[CC_SLOT_FILLING], s.count[CC_SLOT_VALID],
	       s.count[CC_SLOT_DYING], s.count[CC_SLOT_BAD], s.total, s.fills, s.evictions,
	       helper, session, cc_pool_mode(pool));
	return sz;
}

/* " journal <state> <used>/<positions> log <slots>/<dirty_max>", of a pool that has one. */
static unsigned int emit_journal_info(struct cc_pool *pool, char *result, unsigned int maxlen)
{
	struct cc_journal_view j;
	struct cc_slots_stats s;
	unsigned int sz = 0;

	cc_journal_read(&pool->journal, &j);
	if (j.state == CHUNKCACHE_JOURNAL_NONE)
		return 0;
	cc_slots_read_stats(&pool->slots, &s);
	DMEMIT(" journal %s %llu/%llu log %u/%u", cc_journal_word(&pool->journal), j.used,
	       j.positions, s.count[CC_SLOT_LOG], READ_ONCE(pool->geo.dirty_max));
	return sz;
}

static void cc_pool_status(struct dm_target *ti, status_type_t type, unsigned int status_flags,
			   char *result, unsigned int maxlen)
{
	struct pool_table *pt = ti->private;
	unsigned int sz = 0;

	switch (type) {
	case STATUSTYPE_INFO:
		sz = emit_pool_info(pt->pool, result, maxlen);
		sz += cc_table_emit_pool_features(&pt->args, result + sz, maxlen - sz);
		sz += emit_journal_info(pt->pool, result + sz, maxlen - sz);
		break;
	case STATUSTYPE_TABLE:
		DMEMIT("%s", pt->cache_dev->name);
		sz += cc_table_emit_pool_features(&pt->args, result + sz, maxlen - sz);
		break;
	case STATUSTYPE_IMA:
		DMEMIT_TARGET_NAME_VERSION(ti->type);
		DMEMIT(",cache_device=%s;", pt->cache_dev->name);
		break;
	}
}

static int clear_stats(void *arg, struct cc_pool *pool, struct cc_dev *dev)
{
	if (pool != arg)
		return 0;
	if (dev)
		cc_stats_clear(&dev->stats);
	else
		cc_pool_clear_stats(pool);
	return 0;
}

static int cc_pool_message(struct dm_target *ti, unsigned int argc, char **argv, char *result,
			   unsigned int maxlen)
{
	struct pool_table *pt = ti->private;
	unsigned int sz = 0;

	if (argc == 1 && !strcasecmp(argv[0], "clear_stats")) {
		cc_pool_for_each(clear_stats, pt->pool);
		return 0;
	}
	if (argc == 1 && !strcasecmp(argv[0], "drop")) {
		cc_slots_drop_all(&pt->pool->slots);
		return 0;
	}
	if (argc == 1 && !strcasecmp(argv[0], "retry_bad")) {
		DMEMIT("%u", cc_slots_retry_bad(&pt->pool->slots));
		return 1;
	}
	DMERR("%s: unknown message \"%s\" with %u arguments; expected clear_stats, drop or retry_bad",
	      pt->pool->name, argv[0], argc - 1);
	return -EINVAL;
}

static int cc_pool_iterate_devices(struct dm_target *ti, iterate_devices_callout_fn fn,
				   void *data)
{
	struct pool_table *pt = ti->private;

	return fn(ti, pt->cache_dev, 0, ti->len, data);
}

/* What the helper and its tools should know: a slot is what is written at once. */
static void cc_pool_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
	struct pool_table *pt = ti->private;

	cc_limits_set_io(limits, pt->geo.slot_shift);
}

struct target_type cc_pool_target = {
	.name = "chunkcache-pool",
	.version = { 0, 1, 0 },
	.features = DM_TARGET_SINGLETON | DM_TARGET_IMMUTABLE | DM_TARGET_NOWAIT,
	.module = THIS_MODULE,
	.ctr = cc_pool_ctr,
	.dtr = cc_pool_dtr,
	.map = cc_pool_map,
	.postsuspend = cc_pool_postsuspend,
	.preresume = cc_pool_preresume,
	.resume = cc_pool_resume,
	.status = cc_pool_status,
	.message = cc_pool_message,
	.iterate_devices = cc_pool_iterate_devices,
	.io_hints = cc_pool_io_hints,
};

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The target "chunkcache": a disk.  Table, reads that are no hit or not yet, hits that fail.
 *
 * Read-only: a writable table is refused and writes are killed, as in dm-verity.
 */
#include "target.h"
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/slab.h>
#include <chunkcache/format.h>
#include "dev.h"
#include "hit.h"
#include "pool.h"
#include "share.h"

static atomic64_t next_disk_id;

/* ---- table ---- */

static int get_pool(struct dm_target *ti, struct cc_disk *disk, const char *path)
{
	blk_mode_t mode = dm_table_get_mode(ti->table);
	int r;

	r = dm_get_device(ti, path, mode, &disk->pool_dev);
	if (r) {
		ti->error = "Cannot open pool device";
		return r;
	}
	disk->pool = cc_pool_find(disk->pool_dev->bdev->bd_dev);
	if (!disk->pool) {
		ti->error = "Pool device is not a chunkcache-pool";
		r = -EINVAL;
		goto put_dev;
	}
	return 0;

put_dev:
	dm_put_device(ti, disk->pool_dev);
	return r;
}

/* Hits go straight to the cache device: a second dm layer would cost 1,800 instructions. */
static int get_cache_dev(struct dm_target *ti, struct cc_disk *disk)
{
	char name[24];
	int r;

	snprintf(name, sizeof(name), "%u:%u", MAJOR(disk->pool->cache_devt),
		 MINOR(disk->pool->cache_devt));
	r = dm_get_device(ti, name, dm_table_get_mode(ti->table), &disk->cache_dev);
	if (r)
		ti->error = "Cannot open cache device of the pool";
	return r;
}

/* What the hit path and misses read of pool and device. */
static void set_geometry(struct cc_disk *disk, struct dm_target *ti)
{
	disk->ti = ti;
	disk->slots = &disk->pool->slots;
	disk->bdev = disk->cache_dev->bdev;
	disk->slots_start = disk->pool->geo.slots_start;
	disk->chunk_shift = disk->pool->geo.slot_shift;
	disk->chunk_mask = (1u << disk->chunk_shift) - 1;
	disk->cmd = &disk->pool->cmd;
	disk->bell = &disk->pool->bell;
	disk->stats = &disk->dev->stats;
	disk->counters = disk->stats->cpu;
}

int cc_disk_setup(struct cc_disk *disk, struct dm_target *ti, const char *pool_path)
{
	int r;

	INIT_LIST_HEAD(&disk->ready);
	disk->id = atomic64_inc_return(&next_disk_id);
	r = get_pool(ti, disk, pool_path);
	if (r)
		return r;
	r = get_cache_dev(ti, disk);
	if (r)
		goto put_pool;
	disk->dev = cc_dev_get(disk->pool, dm_table_get_md(ti->table));
	if (IS_ERR(disk->dev)) {
		ti->error = "Cannot make sysfs directory of disk";
		r = PTR_ERR(disk->dev);
		goto put_cache;
	}
	set_geometry(disk, ti);
	if (ti->len & ((bdev_logical_block_size(disk->bdev) >> SECTOR_SHIFT) - 1)) {
		ti->error = "Length must be a multiple of the cache device's logical block size";
		r = -EINVAL;
		goto put_dev;
	}
	ti->error = "No memory for chunk map";
	r = cc_chunk_map_init(&disk->map,
			      DIV_ROUND_UP_ULL(ti->len, 1u << disk->chunk_shift));
	if (r)
		goto put_dev;
	ti->error = "No memory for misses";
	r = cc_missq_init(disk);
	if (r)
		goto exit_map;
	r = cc_share_promise(disk, &ti->error);
	if (r)
		goto exit_missq;
	ti->error = "No memory for disk";
	r = cc_disk_reserve(disk);
	if (r)
		goto forget_share;

	ti->error = NULL;
	ti->accounts_remapped_io = true;
	ti->private = disk;
	return 0;

forget_share:
	cc_share_forget(disk);
exit_missq:
	cc_missq_exit(disk);
exit_map:
	cc_chunk_map_exit(&disk->map);
put_dev:
	cc_dev_put(disk->dev);
put_cache:
	dm_put_device(ti, disk->cache_dev);
put_pool:
	cc_pool_put(disk->pool);
	dm_put_device(ti, disk->pool_dev);
	return r;
}

void cc_disk_teardown(struct cc_disk *disk)
{
	struct dm_target *ti = disk->ti;

	/* No message finds it any more; then stop what it does by itself. */
	cc_disk_withdraw(disk);
	cc_share_forget(disk);
	cc_missq_exit(disk);
	/* The work may have rung since; a pull that took the disk off the list holds the mutex. */
	mutex_lock(disk->cmd);
	cc_bell_forget(disk->bell, &disk->ready);
	mutex_unlock(disk->cmd);
	cc_chunk_map_exit(&disk->map);
	cc_dev_put(disk->dev);
	dm_put_device(ti, disk->cache_dev);
	cc_pool_put(disk->pool);
	dm_put_device(ti, disk->pool_dev);
}

static int cc_disk_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct cc_disk *disk;
	int r;

	if (dm_table_get_mode(ti->table) & BLK_OPEN_WRITE) {
		ti->error = "Table must be read-only (dmsetup create -r)";
		return -EINVAL;
	}
	if (ti->len > CC_IMAGE_SIZE_MAX >> SECTOR_SHIFT) {
		ti->error = "Disk is longer than an image can be (2^50 bytes)";
		return -EINVAL;
	}
	disk = kzalloc(sizeof(*disk), GFP_KERNEL);
	if (!disk) {
		ti->error = "No memory for disk";
		return -ENOMEM;
	}
	r = cc_table_parse_disk(ti, argc, argv, &disk->args);
	if (!r)
		r = cc_disk_setup(disk, ti, argv[0]);
	if (r)
		kfree(disk);
	else
		ti->per_io_data_size = sizeof(struct cc_bio);
	return r;
}

static void cc_disk_dtr(struct dm_target *ti)
{
	struct cc_disk *disk = ti->private;

	cc_disk_teardown(disk);
	kfree(disk);
}

/* ---- I/O ---- */

/*
 * May this read be answered with EAGAIN?  A bio that touches the edge of a chunk may be one
 * of several that dm made of one, and then the EAGAIN is delivered by whichever ends last:
 * from an interrupt io_uring passes it on as an error.  It is held instead, which does
 * not block the submitter either.
 */
static bool cc_disk_may_refuse(const struct cc_disk *disk, const struct bio *bio,
			       const struct bvec_iter *iter)
{
	return bio->bi_opf & REQ_NOWAIT && cc_disk_in_chunk(disk, iter->bi_sector) &&
	       cc_disk_in_chunk(disk, iter->bi_sector + (iter->bi_size >> SECTOR_SHIFT));
}

noinline int cc_disk_map_slow(struct cc_disk *disk, struct bio *bio, cc_entry_t entry)
{
	struct cc_bio *pb = cc_bio(bio);

	if (entry != CC_ENTRY_HOLE && !cc_disk_may_refuse(disk, bio, &bio->bi_iter)) {
		cc_miss_add(disk, bio, CC_RETRY_NOT);
		return DM_MAPIO_SUBMITTED;
	}
	pb->epoch = NULL;
	if (entry != CC_ENTRY_HOLE) {
		/* Here and now: from another context io_uring would hand EAGAIN to the user. */
		cc_miss_want(disk, cc_disk_chunk(disk, bio->bi_iter.bi_sector));
		bio_wouldblock_error(bio);
		return DM_MAPIO_SUBMITTED;
	}
	pb->counter = CHUNKCACHE_STAT_HOLES;
	zero_fill_bio(bio);
	bio_endio(bio);
	return DM_MAPIO_SUBMITTED;
}

noinline void cc_disk_hint(struct cc_disk *disk, struct bio *bio)
{
	const struct cc_bio *pb = cc_bio(bio);
	cc_chunk_t chunk = cc_disk_chunk(disk, pb->iter.bi_sector);

	if (cc_chunk_map_unmark(&disk->map, chunk, pb->entry))
		cc_miss_hint(disk, chunk);
}

static int cc_disk_map(struct dm_target *ti, struct bio *bio);

/* Not as the hit path wants it: make it so and start over. */
static noinline int cc_disk_map_odd(struct dm_target *ti, struct bio *bio)
{
	struct cc_disk *disk = ti->private;
	unsigned int in_chunk = cc_disk_in_chunk(disk, bio->bi_iter.bi_sector);

	if (bio_op(bio) != REQ_OP_READ)
		return DM_MAPIO_KILL;
	/*
	 * A poller that stops polling would hold its epoch, and with it all freeing.  A polled
	 * bio of io_uring may also carry REQ_NOWAIT that nobody asked for, and its poller takes
	 * EAGAIN for the end of the read.
	 */
	if (bio->bi_opf & REQ_POLLED) {
		bio_clear_polled(bio);
		bio->bi_opf &= ~REQ_NOWAIT;
	}
	if (in_chunk + bio_sectors(bio) > disk->chunk_mask + 1)
		dm_accept_partial_bio(bio, disk->chunk_mask + 1 - in_chunk);
	return cc_disk_map(ti, bio);
}

/*
 * A bio is cut at the end of its chunk here and not by dm_set_target_max_io_len(), which
 * costs core 19 instructions for each bio against 4.
 */
static int cc_disk_map(struct dm_target *ti, struct bio *bio)
{
	struct cc_disk *disk = ti->private;
	unsigned int in_chunk = cc_disk_in_chunk(disk, bio->bi_iter.bi_sector);

	if (unlikely(bio->bi_opf & (REQ_OP_MASK | REQ_POLLED)) ||
	    unlikely(in_chunk + bio_sectors(bio) > disk->chunk_mask + 1))
		return cc_disk_map_odd(ti, bio);
	return cc_hit_map(disk, bio);
}

/* May this read be served in another way, and what of the slot? */
static enum cc_retry judge_error(blk_status_t error)
{
	/* No errors: who submitted it comes again. */
	if (error == BLK_STS_AGAIN || error == BLK_STS_DM_REQUEUE)
		return CC_RETRY_NOT;
	switch (cc_io_error(-blk_status_to_errno(error))) {
	case CC_IO_MEDIUM:
		return CC_RETRY_BAD;
	case CC_IO_DOUBT:
		return CC_RETRY_DROP;
	case CC_IO_PATH:
		break;
	}
	return CC_RETRY_KEEP;
}

static unsigned int error_counter(blk_status_t error)
{
	switch (error) {
	case BLK_STS_MEDIUM:
		return CHUNKCACHE_STAT_ERRORS_NOTFOUND;
	case BLK_STS_PROTECTION:
		return CHUNKCACHE_STAT_ERRORS_CORRUPT;
	case BLK_STS_TIMEOUT:
		return CHUNKCACHE_STAT_ERRORS_TIMEOUT;
	case BLK_STS_DM_REQUEUE:
		return CHUNKCACHE_STAT_REQUEUED;
	}
	return CHUNKCACHE_STAT_ERRORS_OTHER;
}

/*
 * Readahead and what has another path may be failed at any time, without a reason: by a suspended
 * device, RAID, a multipath driver.  REQ_NOWAIT is not supported by a device below whose table was
 * exchanged for one that waits.  Once more without these, before anything is made of it.
 */
#define MAY_FAIL	(REQ_RAHEAD | REQ_FAILFAST_MASK | REQ_NOWAIT)

noinline int cc_disk_end_error(struct cc_disk *disk, struct bio *bio, blk_status_t error,
			       bool sent)
{
	enum cc_retry retry = sent ? judge_error(error) : CC_RETRY_NOT;

	/* The cache device is suspended or has no request to give: the work can wait for it. */
	if (sent && error == BLK_STS_AGAIN &&
	    !cc_disk_may_refuse(disk, bio, &cc_bio(bio)->iter)) {
		cc_miss_add(disk, bio, CC_RETRY_NOT);
		return DM_ENDIO_INCOMPLETE;
	}
	if (retry != CC_RETRY_NOT && bio->bi_opf & MAY_FAIL) {
		bio->bi_opf &= ~MAY_FAIL;
		cc_miss_add(disk, bio, CC_RETRY_NOT);
		return DM_ENDIO_INCOMPLETE;
	}
	if (retry != CC_RETRY_NOT) {
		DMERR_LIMIT("%s: read from the cache device failed (errno %d), getting it from the store",
			    disk->dev->name, blk_status_to_errno(error));
		cc_stats_inc(disk->stats, CHUNKCACHE_STAT_RETRIED);
		cc_miss_add(disk, bio, retry);
		return DM_ENDIO_INCOMPLETE;
	}
	/* EAGAIN is no end of a read: it comes again. */
	if (error != BLK_STS_AGAIN)
		cc_stats_inc(disk->stats, error_counter(error));
	return DM_ENDIO_DONE;
}

/* All bios but those that map() killed: from the cache device, and those ended by us. */
static int cc_disk_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *error)
{
	return cc_hit_end(ti->private, bio, error);
}

/* ---- suspend, resume ---- */

static void cc_disk_presuspend(struct dm_target *ti)
{
	cc_miss_presuspend(ti->private);
}

static void cc_disk_end_suspend(struct dm_target *ti)
{
	cc_miss_end_suspend(ti->private);
}

static int cc_disk_preresume(struct dm_target *ti)
{
	cc_disk_take_over(ti->private);
	return 0;
}

static void cc_disk_resume(struct dm_target *ti)
{
	cc_disk_announce(ti->private);
}

/* ---- status, messages ---- */

unsigned int cc_disk_emit_info(struct cc_disk *disk, char *result, unsigned int maxlen)
{
	static const char *const states[] = { "new", "loaded", "refused" };
	u64 n[CHUNKCACHE_STAT_MAX + 1], errors, waiting, oldest;
	unsigned int sz = 0;

	cc_stats_read(disk->stats, n);
	mutex_lock(disk->cmd);
	cc_miss_gauges(disk, &waiting, &oldest);
	mutex_unlock(disk->cmd);
	errors = n[CHUNKCACHE_STAT_ERRORS_NOTFOUND] + n[CHUNKCACHE_STAT_ERRORS_CORRUPT] +
		 n[CHUNKCACHE_STAT_ERRORS_TIMEOUT] + n[CHUNKCACHE_STAT_ERRORS_OTHER];
	DMEMIT("%llu %u %llu/%llu %llu %llu %llu %llu %llu %llu %llu %s %s", disk->id,
	       1u << disk->chunk_shift, READ_ONCE(disk->nr_mapped), disk->map.nr_chunks,
	       n[CHUNKCACHE_STAT_HITS], n[CHUNKCACHE_STAT_MISSES],
	       n[CHUNKCACHE_STAT_COALESCED], n[CHUNKCACHE_STAT_HOLES], errors, waiting, oldest,
	       states[READ_ONCE(disk->state)], disk->args.miss_timeout_ms ? "soft" : "hard");
	return sz;
}

static void cc_disk_status(struct dm_target *ti, status_type_t type, unsigned int status_flags,
			   char *result, unsigned int maxlen)
{
	struct cc_disk *disk = ti->private;
	unsigned int sz = 0;

	switch (type) {
	case STATUSTYPE_INFO:
		sz = cc_disk_emit_info(disk, result, maxlen);
		sz += cc_table_emit_features(&disk->args, result + sz, maxlen - sz);
		break;
	case STATUSTYPE_TABLE:
		DMEMIT("%s", disk->pool_dev->name);
		sz += cc_table_emit_disk(&disk->args, result + sz, maxlen - sz);
		break;
	case STATUSTYPE_IMA:
		DMEMIT_TARGET_NAME_VERSION(ti->type);
		DMEMIT(",pool_device=%s,store=%s,digest=sha256:%*phN;", disk->pool_dev->name,
		       disk->args.store, CHUNKCACHE_DIGEST_SIZE, disk->args.digest);
		break;
	}
}

static int cc_disk_message(struct dm_target *ti, unsigned int argc, char **argv, char *result,
			   unsigned int maxlen)
{
	struct cc_disk *disk = ti->private;

	if (argc == 1 && !strcasecmp(argv[0], "clear_stats")) {
		cc_stats_clear(disk->stats);
		return 0;
	}
	if (argc == 1 && !strcasecmp(argv[0], "drop")) {
		mutex_lock(disk->cmd);
		disk->nr_mapped -= cc_chunk_map_clear(&disk->map, disk->map.nr_chunks);
		mutex_unlock(disk->cmd);
		return 0;
	}
	DMERR("%s: unknown message \"%s\" with %u arguments; expected clear_stats or drop",
	      disk->dev->name, argv[0], argc - 1);
	return -EINVAL;
}

int cc_disk_iterate_devices(struct dm_target *ti, iterate_devices_callout_fn fn, void *data)
{
	struct cc_disk *disk = ti->private;
	/* The pool may be resized meanwhile; any of the two sizes will do. */
	u32 nr_slots = READ_ONCE(disk->pool->geo.nr_slots);

	return fn(ti, disk->cache_dev, disk->slots_start,
		  (sector_t)nr_slots << disk->chunk_shift, data);
}

static void cc_disk_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
	struct cc_disk *disk = ti->private;

	cc_limits_set_io(limits, disk->chunk_shift);
}

struct target_type cc_disk_target = {
	.name = "chunkcache",
	.version = { 0, 1, 0 },
	.features = DM_TARGET_SINGLETON | DM_TARGET_NOWAIT,
	.module = THIS_MODULE,
	.ctr = cc_disk_ctr,
	.dtr = cc_disk_dtr,
	.map = cc_disk_map,
	.end_io = cc_disk_end_io,
	.presuspend = cc_disk_presuspend,
	.presuspend_undo = cc_disk_end_suspend,
	.postsuspend = cc_disk_end_suspend,
	.preresume = cc_disk_preresume,
	.resume = cc_disk_resume,
	.status = cc_disk_status,
	.message = cc_disk_message,
	.iterate_devices = cc_disk_iterate_devices,
	.io_hints = cc_disk_io_hints,
};

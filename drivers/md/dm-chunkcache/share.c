// SPDX-License-Identifier: GPL-2.0-only
/* Promises of slots to disks; see share.h.  Which slots are spared for them is policy.c's. */
#include "share.h"
#include <linux/sched/mm.h>
#include "dev.h"
#include "pool.h"

/* What this table asks for: a disk can't use more slots than it has chunks. */
static u64 slots_wanted(const struct cc_disk *disk)
{
	u64 nr_chunks = disk->map.nr_chunks;

	return disk->args.pin ? nr_chunks : min_t(u64, disk->args.min_slots, nr_chunks);
}

/* The largest promise of the device's tables is what it has. */
static void apply_promises(struct cc_dev *dev)
{
	struct cc_pool *pool = dev->pool;
	struct cc_disk *disk;
	u32 most = 0;

	lockdep_assert_held(&cc_pools_lock);
	list_for_each_entry(disk, &dev->promises, promise)
		most = max(most, disk->promised);
	pool->promised += most - dev->share.promised;
	cc_slots_promise(&pool->slots, &dev->share, most);
}

static int book_slots(struct cc_disk *disk, u64 slots, char **error)
{
	struct cc_dev *dev = disk->dev;
	struct cc_pool *pool = disk->pool;
	u32 has = dev->share_id ? dev->share.promised : 0;
	u32 most = cc_slots_max_promise(cc_pool_fewest_slots(pool), READ_ONCE(pool->geo.dirty_max));
	u32 others = pool->promised - has;
	u16 id;
	int r;

	lockdep_assert_held(&cc_pools_lock);
	if (slots > has && (others > most || slots > most - others)) {
		DMERR("%s: %llu slots asked for; %u of %u are given away", dev->name, slots, others,
		      most);
		*error = "min_slots is more than the pool can promise";
		if (disk->args.pin)
			*error = "pin: the disk has more chunks than the pool can promise slots";
		return -ENOSPC;
	}
	if (!dev->share_id) {
		*error = "No memory, or no number, for a share of the pool";
		r = cc_slots_add_share(&pool->slots, &dev->share, &id);
		if (r)
			return r;
		/* Pairs with the acquire in map_valid(): who has the ID finds the share. */
		smp_store_release(&dev->share_id, id);
	}
	disk->promised = slots;
	list_add(&disk->promise, &dev->promises);
	apply_promises(dev);
	return 0;
}

int cc_share_promise(struct cc_disk *disk, char **error)
{
	u64 slots = slots_wanted(disk);
	unsigned int noio;
	int r = 0;

	INIT_LIST_HEAD(&disk->promise);
	if (!slots)
		return 0;
	noio = memalloc_noio_save();
	mutex_lock(&cc_pools_lock);
	r = book_slots(disk, slots, error);
	mutex_unlock(&cc_pools_lock);
	memalloc_noio_restore(noio);
	return r;
}

void cc_share_forget(struct cc_disk *disk)
{
	if (!disk->promised)
		return;
	mutex_lock(&cc_pools_lock);
	list_del(&disk->promise);
	apply_promises(disk->dev);
	mutex_unlock(&cc_pools_lock);
}

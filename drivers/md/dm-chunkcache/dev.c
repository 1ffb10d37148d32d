// SPDX-License-Identifier: GPL-2.0-only
/* Mapped devices of disks, see dev.h. */
#include "dev.h"
#include <linux/device-mapper.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/sysfs.h>
#include "pool.h"

/* Is there a file of this name in the pool's directory, where directories of disks are? */
static bool is_pool_attr(struct cc_pool *pool, const char *name)
{
	struct attribute **a;

	for (a = pool->kobj.ktype->default_groups[0]->attrs; *a; a++)
		if (!strcmp((*a)->name, name))
			return true;
	return false;
}

static bool dev_name_taken(struct cc_pool *pool, const char *name)
{
	struct cc_dev *d;

	if (is_pool_attr(pool, name))
		return true;
	list_for_each_entry(d, &pool->devs, node)
		if (!strcmp(d->name, name))
			return true;
	return false;
}

static struct cc_dev *dev_make(struct cc_pool *pool, struct mapped_device *md)
{
	struct cc_dev *dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	int r;

	lockdep_assert_held(&cc_pools_lock);
	if (!dev)
		return ERR_PTR(-ENOMEM);
	kobject_init(&dev->kobj, &cc_dev_ktype);
	INIT_LIST_HEAD(&dev->promises);
	dev->pool = pool;
	dev->devt = disk_devt(dm_disk(md));
	/* -ENXIO: the device was removed meanwhile and has no name any more. */
	r = dm_copy_name_and_uuid(md, dev->name, NULL);
	if (!r)
		r = cc_stats_init(&dev->stats);
	if (r)
		goto put_kobj;
	r = cc_pool_add_kobject(&dev->kobj, &pool->kobj, dev->name, dev->devt,
				dev_name_taken(pool, dev->name));
	if (r)
		goto put_kobj;
	list_add_tail(&dev->node, &pool->devs);
	return dev;

put_kobj:
	kobject_put(&dev->kobj);
	return ERR_PTR(r);
}

struct cc_dev *cc_dev_get(struct cc_pool *pool, struct mapped_device *md)
{
	dev_t devt = disk_devt(dm_disk(md));
	unsigned int noio = memalloc_noio_save();
	struct cc_dev *dev;

	mutex_lock(&cc_pools_lock);
	list_for_each_entry(dev, &pool->devs, node)
		if (dev->devt == devt)
			goto found;
	dev = dev_make(pool, md);
	if (IS_ERR(dev))
		goto unlock;
found:
	dev->nr_disks++;
unlock:
	mutex_unlock(&cc_pools_lock);
	memalloc_noio_restore(noio);
	return dev;
}

static void say_goodbye(struct cc_dev *dev)
{
	u64 n[CHUNKCACHE_STAT_MAX + 1];
	u64 reads;
	unsigned int rate;

	cc_stats_read(&dev->stats, n);
	reads = n[CHUNKCACHE_STAT_HITS] + n[CHUNKCACHE_STAT_HOLES] +
		n[CHUNKCACHE_STAT_MISSES] + n[CHUNKCACHE_STAT_COALESCED];
	rate = cc_stats_hit_rate(n);
	if (dev->greeted)
		DMINFO_LIMIT("%s: disk gone; %llu reads, %llu MiB, hit rate %u.%02u %%", dev->name,
			     reads, n[CHUNKCACHE_STAT_READ_SECTORS] >> 11, rate / 100, rate % 100);
}

void cc_dev_put(struct cc_dev *dev)
{
	bool last;

	mutex_lock(&cc_pools_lock);
	last = !--dev->nr_disks;
	if (last) {
		list_del(&dev->node);
		kobject_del(&dev->kobj);
	}
	mutex_unlock(&cc_pools_lock);
	if (!last)
		return;
	/* Nothing is charged to it any more. */
	if (dev->share_id)
		cc_slots_del_share(&dev->pool->slots, &dev->share, dev->share_id);
	say_goodbye(dev);
	kobject_put(&dev->kobj);
}

// SPDX-License-Identifier: GPL-2.0-only
/* Disks that the helper may be asked for, see disk.h. */
#include "disk.h"
#include <linux/xarray.h>
#include "dev.h"
#include "pool.h"

/* At the first resume of the first table; a reload is no other disk. */
static void say_hello(const struct cc_disk *disk)
{
	struct cc_dev *dev = disk->dev;

	lockdep_assert_held(&dev->pool->cmd);
	if (!dev->greeted && disk->volume)
		DMINFO_LIMIT("%s: volume of pool %s; store %s", dev->name, dev->pool->name,
			     disk->args.store);
	else if (!dev->greeted)
		DMINFO_LIMIT("%s: disk of pool %s; store %s, manifest sha256:%*phN, %llu chunks, %s",
			     dev->name, dev->pool->name, disk->args.store, CHUNKCACHE_DIGEST_SIZE,
			     disk->args.digest, disk->map.nr_chunks,
			     disk->args.miss_timeout_ms ? "soft" : "hard");
	dev->greeted = true;
}

int cc_disk_reserve(struct cc_disk *disk)
{
	return xa_reserve(&disk->pool->disks, disk->id, GFP_KERNEL);
}

void cc_disk_announce(struct cc_disk *disk)
{
	struct cc_pool *pool = disk->pool;

	mutex_lock(&pool->cmd);
	if (!disk->announced) {
		/* Room was reserved: can't fail. */
		xa_store(&pool->disks, disk->id, disk, GFP_NOWAIT);
		disk->announced = true;
	}
	disk->dev->disk = disk;
	say_hello(disk);
	mutex_unlock(&pool->cmd);
	cc_bell_ring(&pool->bell, CHUNKCACHE_PENDING_DISK, NULL);
}

void cc_disk_withdraw(struct cc_disk *disk)
{
	struct cc_pool *pool = disk->pool;

	mutex_lock(&pool->cmd);
	xa_erase(&pool->disks, disk->id);
	if (disk->dev->disk == disk)
		disk->dev->disk = NULL;
	cc_bell_forget(&pool->bell, &disk->ready);
	mutex_unlock(&pool->cmd);
	if (disk->announced)
		cc_bell_ring(&pool->bell, CHUNKCACHE_PENDING_DISK, NULL);
}

void cc_disk_set_state(struct cc_disk *disk, u32 state, const char *reason)
{
	bool same = disk->state == state && !strcmp(disk->reason, reason);

	lockdep_assert_held(disk->cmd);
	WRITE_ONCE(disk->state, state);
	strscpy(disk->reason, reason, sizeof(disk->reason));
	cc_miss_refuse(disk, state == CHUNKCACHE_DISK_REFUSED);
	if (same)
		return;
	if (state == CHUNKCACHE_DISK_REFUSED)
		DMERR_LIMIT("%s: manifest refused: %s", disk->dev->name, disk->reason);
	dm_table_event(disk->ti->table);
}

struct cc_disk *cc_disk_find(struct cc_pool *pool, u64 id)
{
	lockdep_assert_held(&pool->cmd);
	return id == (unsigned long)id ? xa_load(&pool->disks, id) : NULL;
}

void cc_disk_take_over(struct cc_disk *disk)
{
	struct cc_disk *old;

	mutex_lock(&disk->pool->cmd);
	old = disk->dev->disk;
	if (old && old != disk && !disk->announced && !old->volume &&
	    old->map.nr_chunks == disk->map.nr_chunks &&
	    !strcmp(old->args.store, disk->args.store) &&
	    !memcmp(old->args.digest, disk->args.digest, sizeof(disk->args.digest))) {
		swap(old->map, disk->map);
		swap(old->nr_mapped, disk->nr_mapped);
		/* A MAP to the old instance would go to the new one's empty map. */
		xa_erase(&disk->pool->disks, old->id);
		cc_bell_forget(&disk->pool->bell, &old->ready);
		disk->dev->disk = NULL;
	}
	mutex_unlock(&disk->pool->cmd);
}

// SPDX-License-Identifier: GPL-2.0-only
/* Pools: the registry and lifetimes.  See pool.h. */
#include "pool.h"
#include <linux/random.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <chunkcache/format.h>
#include "dev.h"

/* Covers the lists of pools and of their disks; see the lock order in pool.h. */
DEFINE_MUTEX(cc_pools_lock);
struct workqueue_struct *cc_wq, *cc_drain_wq;

static LIST_HEAD(pools);
/* Covers who is in the list below, and their session_port; a leaf. */
static DEFINE_SPINLOCK(ports_lock);
static LIST_HEAD(attached_pools);
static struct kset *kset;
static struct dentry *debugfs;

int cc_pool_module_init(void)
{
	cc_wq = alloc_workqueue("dm-chunkcache", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!cc_wq)
		return -ENOMEM;
	cc_drain_wq = alloc_workqueue("dm-chunkcache-drain", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!cc_drain_wq)
		goto destroy_wq;
	if (cc_journal_module_init())
		goto destroy_drain_wq;
	kset = kset_create_and_add("dm-chunkcache", NULL, kernel_kobj);
	if (!kset)
		goto exit_journal;
	/* debugfs is a help, not a must: errors need no care. */
	debugfs = debugfs_create_dir("dm-chunkcache", NULL);
	return 0;

exit_journal:
	cc_journal_module_exit();
destroy_drain_wq:
	destroy_workqueue(cc_drain_wq);
destroy_wq:
	destroy_workqueue(cc_wq);
	return -ENOMEM;
}

void cc_pool_module_exit(void)
{
	debugfs_remove(debugfs);
	kset_unregister(kset);
	cc_journal_module_exit();
	destroy_workqueue(cc_drain_wq);
	destroy_workqueue(cc_wq);
}

/* ---- pools ---- */

static void tell_waiters(struct cc_pool *pool, bool failed)
{
	struct cc_pool_waiter *w;
	unsigned long flags;

	spin_lock_irqsave(&pool->waiters_lock, flags);
	list_for_each_entry(w, &pool->waiters, node)
		w->told(w, failed);
	spin_unlock_irqrestore(&pool->waiters_lock, flags);
}

void cc_pool_add_waiter(struct cc_pool *pool, struct cc_pool_waiter *w)
{
	unsigned long flags;

	spin_lock_irqsave(&pool->waiters_lock, flags);
	if (list_empty(&w->node))
		list_add_tail(&w->node, &pool->waiters);
	spin_unlock_irqrestore(&pool->waiters_lock, flags);
}

void cc_pool_del_waiter(struct cc_pool *pool, struct cc_pool_waiter *w)
{
	unsigned long flags;

	spin_lock_irqsave(&pool->waiters_lock, flags);
	list_del_init(&w->node);
	spin_unlock_irqrestore(&pool->waiters_lock, flags);
}

/* A free slot for demand that found none. */
static void slot_freed(struct cc_slots *slots)
{
	struct cc_pool *pool = container_of(slots, struct cc_pool, slots);

	cc_bell_ring(&pool->bell, CHUNKCACHE_PENDING_SLOT, NULL);
	tell_waiters(pool, false);
}

void cc_pool_event(struct cc_pool *pool)
{
	lockdep_assert_held(&pool->cmd);
	if (pool->live)
		dm_table_event(pool->live->table);
	pool->event_due = !pool->live;
}

static void pool_shrunk(struct cc_slots *slots)
{
	struct cc_pool *pool = container_of(slots, struct cc_pool, slots);

	mutex_lock(&pool->cmd);
	DMINFO("%s: shrunk to %u slots, the cache device may be cut behind sector %llu", pool->name,
	       pool->geo.nr_slots,
	       (unsigned long long)pool->geo.slots_end + (CC_TAIL_SIZE >> SECTOR_SHIFT));
	cc_pool_event(pool);
	mutex_unlock(&pool->cmd);
}

/* The pool is live: it has the cache device open, and waits for us when it is suspended. */
static void discard_slot(struct cc_slots *slots, cc_slot_t slot)
{
	struct cc_pool *pool = container_of(slots, struct cc_pool, slots);
	struct bio bio;
	int r;

	bio_init(&bio, pool->cache_bdev, NULL, 0, REQ_OP_DISCARD);
	bio.bi_iter.bi_sector = pool->geo.slots_start +
		((sector_t)cc_slot_nr(slot) << pool->geo.slot_shift);
	bio.bi_iter.bi_size = 1u << (pool->geo.slot_shift + SECTOR_SHIFT);
	r = submit_bio_wait(&bio);
	bio_uninit(&bio);
	if (r)
		DMWARN_LIMIT("%s: discard of slot %u failed (errno %d)", pool->name,
			     cc_slot_nr(slot), r);
}

/* As a discard: the pool is live. */
static bool device_works(struct cc_slots *slots)
{
	return cc_superblock_readable(container_of(slots, struct cc_pool, slots)->cache_bdev);
}

static const struct cc_slots_ops slots_ops = {
	.freed = slot_freed,
	.shrunk = pool_shrunk,
	.discard = discard_slot,
	.device_works = device_works,
};

static void journal_news(struct cc_pool *pool)
{
	cc_bell_ring(&pool->bell, CHUNKCACHE_PENDING_JOURNAL, NULL);
}

static void journal_room(struct cc_pool *pool)
{
	tell_waiters(pool, false);
}

static void journal_failed(struct cc_pool *pool)
{
	tell_waiters(pool, true);
	journal_news(pool);
}

static const struct cc_journal_ops journal_ops = {
	.news = journal_news,
	.room = journal_room,
	.failed = journal_failed,
};

static int init_journal(struct cc_pool *pool)
{
	const struct cc_journal_of of = {
		.pool = pool,
		.name = pool->name,
		.geo = &pool->geo,
		.instance = pool->instance,
	};

	return cc_journal_init(&pool->journal, &of, &journal_ops);
}

int cc_pool_add_kobject(struct kobject *kobj, struct kobject *parent, const char *name,
			dev_t devt, bool taken)
{
	if (!taken)
		return kobject_add(kobj, parent, "%s", name);
	return kobject_add(kobj, parent, "%s:%u:%u", name, MAJOR(devt), MINOR(devt));
}

static bool pool_name_taken(const char *name)
{
	struct cc_pool *p;

	list_for_each_entry(p, &pools, node)
		if (!strcmp(p->name, name))
			return true;
	return false;
}

/*
 * All of a pool but its place in the list and in sysfs.  Without the lock: the slots of a large
 * device take seconds, and every other pool would wait for them.
 */
static struct cc_pool *pool_alloc(struct mapped_device *md, dev_t cache_devt,
				  const struct cc_geometry *geo)
{
	struct cc_pool *pool = kzalloc(sizeof(*pool), GFP_KERNEL);
	int r;

	lockdep_assert_not_held(&cc_pools_lock);
	if (!pool)
		return ERR_PTR(-ENOMEM);
	kobject_init(&pool->kobj, &cc_pool_ktype);
	pool->kobj.kset = kset;
	pool->geo = *geo;
	pool->cache_devt = cache_devt;
	pool->devt = disk_devt(dm_disk(md));
	do {
		pool->instance = get_random_u64();
	} while (!pool->instance);
	mutex_init(&pool->cmd);
	mutex_init(&pool->grow);
	xa_init(&pool->disks);
	spin_lock_init(&pool->waiters_lock);
	INIT_LIST_HEAD(&pool->waiters);
	cc_bell_init(&pool->bell, cc_wq);
	kref_init(&pool->ref);
	INIT_LIST_HEAD(&pool->devs);
	INIT_LIST_HEAD(&pool->tables);
	INIT_LIST_HEAD(&pool->sessions);
	INIT_LIST_HEAD(&pool->attached);
	/* -ENXIO: the device was removed meanwhile and has no name any more. */
	r = dm_copy_name_and_uuid(md, pool->name, NULL);
	if (r)
		goto put_kobj;
	r = init_journal(pool);
	if (!r)
		r = cc_slots_init(&pool->slots, geo->nr_slots, geo->max_slots, geo->dirty_max,
				  cc_wq, &slots_ops);
	if (!r)
		return pool;
	cc_journal_exit(&pool->journal);
put_kobj:
	kobject_put(&pool->kobj);
	return ERR_PTR(r);
}

/* Of a pool that nobody has seen. */
static void pool_free(struct cc_pool *pool)
{
	cc_slots_exit(&pool->slots);
	cc_journal_exit(&pool->journal);
	kobject_put(&pool->kobj);
}

static int pool_publish(struct cc_pool *pool)
{
	int r;

	lockdep_assert_held(&cc_pools_lock);
	r = cc_pool_add_kobject(&pool->kobj, NULL, pool->name, pool->devt,
				pool_name_taken(pool->name));
	if (r)
		return r;
	list_add_tail(&pool->node, &pools);
	pool->debugfs = debugfs_create_dir(kobject_name(&pool->kobj), debugfs);
	debugfs_create_file("misses", 0400, pool->debugfs, pool, &cc_misses_fops);
	return 0;
}

static void pool_release(struct kref *ref)
{
	struct cc_pool *pool = container_of(ref, struct cc_pool, ref);

	lockdep_assert_held(&cc_pools_lock);
	list_del(&pool->node);
	/* With the lock, so that the name is free again; both wait for who reads a file. */
	debugfs_remove(pool->debugfs);
	kobject_del(&pool->kobj);
	mutex_unlock(&cc_pools_lock);
	cc_slots_exit(&pool->slots);
	cc_journal_exit(&pool->journal);
	cc_bell_exit(&pool->bell);
	xa_destroy(&pool->disks);
	kobject_put(&pool->kobj);
}

/* All but the number of slots, and of dirty ones, which is what a resize changes. */
static bool same_layout(const struct cc_geometry *a, const struct cc_geometry *b)
{
	return a->slot_shift == b->slot_shift &&
	       a->slots_start == b->slots_start && a->table_start == b->table_start &&
	       a->table_end == b->table_end && a->manifest_start == b->manifest_start &&
	       a->manifest_end == b->manifest_end && a->journal_start == b->journal_start &&
	       a->journal_end == b->journal_end;
}

/* Another table of a pool that is there: what it changes, if anything, it changes at its resume. */
static int take_up(struct cc_pool *pool, const struct cc_geometry *geo, char **error)
{
	lockdep_assert_held(&cc_pools_lock);
	if (!same_layout(&pool->geo, geo)) {
		*error = "Pool was formatted anew while in use";
		return -EBUSY;
	}
	if (geo->nr_slots < READ_ONCE(pool->geo.nr_slots) &&
	    pool->promised > cc_slots_max_promise(geo->nr_slots, geo->dirty_max)) {
		*error = "Disks are promised more slots than the smaller pool would have";
		return -ENOSPC;
	}
	kref_get(&pool->ref);
	return 0;
}

/* The pool that this table can only be of.  NULL: there is none; -EBUSY: it is another device's. */
static struct cc_pool *pool_of(dev_t devt, dev_t cache_devt, const struct cc_geometry *geo,
			       char **error)
{
	struct cc_pool *pool;

	lockdep_assert_held(&cc_pools_lock);
	list_for_each_entry(pool, &pools, node) {
		unsigned int same = (pool->devt == devt) + (pool->cache_devt == cache_devt) +
				    uuid_equal(&pool->geo.uuid, &geo->uuid);

		if (same == 3)
			return pool;
		if (same) {
			*error = "Cache device or its UUID belongs to another pool device";
			return ERR_PTR(-EBUSY);
		}
	}
	return NULL;
}

/*
 * Make table one of its pool's: of the one there is, else of made, if that is not NULL.  Returns
 * the pool with a reference, NULL if there is none, or ERR_PTR with *error.
 */
static struct cc_pool *pool_join(dev_t devt, dev_t cache_devt, const struct cc_geometry *geo,
				 struct cc_pool *made, struct cc_pool_table *table, char **error)
{
	struct cc_pool *pool;
	int r = 0;

	mutex_lock(&cc_pools_lock);
	pool = pool_of(devt, cache_devt, geo, error);
	if (!IS_ERR_OR_NULL(pool)) {
		r = take_up(pool, geo, error);
	} else if (!pool && made) {
		*error = "Cannot make pool";
		r = pool_publish(made);
		pool = made;
	}
	if (r)
		pool = ERR_PTR(r);
	if (!IS_ERR_OR_NULL(pool)) {
		table->nr_slots = geo->nr_slots;
		list_add(&table->node, &pool->tables);
	}
	mutex_unlock(&cc_pools_lock);
	return pool;
}

/* Memory for the slots of another table; the pool's other tables do not wait for that. */
static int pool_grow(struct cc_pool *pool, const struct cc_geometry *geo)
{
	int r;

	mutex_lock(&pool->grow);
	r = cc_slots_reserve(&pool->slots, geo->nr_slots);
	mutex_unlock(&pool->grow);
	return r;
}

static struct cc_pool *pool_get(struct mapped_device *md, dev_t cache_devt,
				const struct cc_geometry *geo, struct cc_pool_table *table,
				char **error)
{
	dev_t devt = disk_devt(dm_disk(md));
	struct cc_pool *pool, *made;

	pool = pool_join(devt, cache_devt, geo, NULL, table, error);
	if (!pool) {
		made = pool_alloc(md, cache_devt, geo);
		if (IS_ERR(made)) {
			*error = "Cannot make pool";
			return made;
		}
		pool = pool_join(devt, cache_devt, geo, made, table, error);
		if (pool != made)
			pool_free(made);
	}
	if (!IS_ERR(pool) && pool_grow(pool, geo)) {
		*error = "No memory for more slots";
		cc_pool_put_table(pool, table);
		pool = ERR_PTR(-ENOMEM);
	}
	return pool;
}

struct cc_pool *cc_pool_get_for_table(struct mapped_device *md, dev_t cache_devt,
				      const struct cc_geometry *geo,
				      struct cc_pool_table *table, char **error)
{
	unsigned int noio = memalloc_noio_save();
	struct cc_pool *pool = pool_get(md, cache_devt, geo, table, error);

	memalloc_noio_restore(noio);
	return pool;
}

void cc_pool_put_table(struct cc_pool *pool, struct cc_pool_table *table)
{
	mutex_lock(&cc_pools_lock);
	list_del(&table->node);
	mutex_unlock(&cc_pools_lock);
	cc_pool_put(pool);
}

u32 cc_pool_fewest_slots(struct cc_pool *pool)
{
	u32 fewest = READ_ONCE(pool->slots.nr);
	struct cc_pool_table *t;

	lockdep_assert_held(&cc_pools_lock);
	list_for_each_entry(t, &pool->tables, node)
		fewest = min(fewest, t->nr_slots);
	return fewest;
}

void cc_pool_get(struct cc_pool *pool)
{
	kref_get(&pool->ref);
}

void cc_pool_put(struct cc_pool *pool)
{
	kref_put_mutex(&pool->ref, pool_release, &cc_pools_lock);
}

void cc_pool_resize(struct cc_pool *pool, const struct cc_geometry *geo)
{
	mutex_lock(&pool->cmd);
	if (pool->geo.nr_slots != geo->nr_slots)
		DMINFO("%s: resized from %u to %u slots", pool->name, pool->geo.nr_slots,
		       geo->nr_slots);
	WRITE_ONCE(pool->geo.nr_slots, geo->nr_slots);
	pool->geo.slots_end = geo->slots_end;
	WRITE_ONCE(pool->geo.dirty_max, geo->dirty_max);
	mutex_unlock(&pool->cmd);
	/* Seconds for a large device; of a pool's tables one is resumed at a time. */
	cc_slots_resize(&pool->slots, geo->nr_slots);
	cc_slots_set_dirty_max(&pool->slots, geo->dirty_max);
}

void cc_pool_set_live(struct cc_pool *pool, struct dm_target *ti,
		      struct block_device *cache_bdev, bool discard)
{
	bool was_live;

	mutex_lock(&pool->cmd);
	was_live = pool->live;
	if (!ti && pool->live)
		DMINFO_LIMIT("%s: suspended by device-mapper: hits go on, misses wait, nothing is evicted",
			     pool->name);
	else if (ti && !pool->live)
		DMINFO_LIMIT("%s: resumed by device-mapper, %u slots of %u KiB", pool->name,
			     pool->geo.nr_slots, 1u << (pool->geo.slot_shift - 1));
	pool->live = ti;
	if (ti && pool->event_due)
		cc_pool_event(pool);
	mutex_unlock(&pool->cmd);
	if (!ti) {
		cc_slots_stop(&pool->slots);
		if (was_live)
			cc_journal_stop(&pool->journal);
		return;
	}
	if (!was_live)
		cc_journal_start(&pool->journal, cache_bdev);
	pool->cache_bdev = cache_bdev;
	cc_slots_start(&pool->slots, discard);
	/* What came meanwhile was not given out. */
	cc_bell_ring(&pool->bell, CHUNKCACHE_PENDING_MISS, NULL);
}

const char *cc_pool_mode(struct cc_pool *pool)
{
	struct cc_slots_stats slots;
	bool live;

	mutex_lock(&pool->cmd);
	live = pool->live;
	mutex_unlock(&pool->cmd);
	if (!live)
		return "suspended";
	if (cc_journal_state(&pool->journal) == CHUNKCACHE_JOURNAL_RECOVERING)
		return "recovering";
	cc_slots_read_stats(&pool->slots, &slots);
	return slots.shrinking ? "shrinking" : "normal";
}

static bool match_devt(const struct cc_pool *pool, const void *devt)
{
	return pool->devt == *(const dev_t *)devt;
}

static bool match_name(const struct cc_pool *pool, const void *name)
{
	return !strcmp(pool->name, name);
}

static struct cc_pool *pool_find(bool (*match)(const struct cc_pool *pool, const void *key),
				 const void *key)
{
	struct cc_pool *pool;

	mutex_lock(&cc_pools_lock);
	list_for_each_entry(pool, &pools, node) {
		if (match(pool, key)) {
			kref_get(&pool->ref);
			goto unlock;
		}
	}
	pool = NULL;
unlock:
	mutex_unlock(&cc_pools_lock);
	return pool;
}

struct cc_pool *cc_pool_find(dev_t devt)
{
	return pool_find(match_devt, &devt);
}

struct cc_pool *cc_pool_find_name(const char *name)
{
	return pool_find(match_name, name);
}

/*
 * Ports have a lock of their own: each close of any process's generic netlink socket asks, and
 * must not wait for a pool.
 */
void cc_pool_set_port(struct cc_pool *pool, u32 port)
{
	lockdep_assert_held(&pool->cmd);
	spin_lock(&ports_lock);
	pool->session_port = port;
	list_del_init(&pool->attached);
	if (port)
		list_add(&pool->attached, &attached_pools);
	spin_unlock(&ports_lock);
}

struct cc_pool *cc_pool_find_port(u32 port)
{
	struct cc_pool *pool;

	spin_lock(&ports_lock);
	list_for_each_entry(pool, &attached_pools, attached) {
		if (pool->session_port == port) {
			/* Its session has a reference until the port is set to 0. */
			kref_get(&pool->ref);
			goto unlock;
		}
	}
	pool = NULL;
unlock:
	spin_unlock(&ports_lock);
	return pool;
}

void cc_pool_for_each(int (*fn)(void *arg, struct cc_pool *pool, struct cc_dev *dev), void *arg)
{
	struct cc_pool *pool;
	struct cc_dev *dev;

	mutex_lock(&cc_pools_lock);
	list_for_each_entry(pool, &pools, node) {
		if (fn(arg, pool, NULL))
			goto unlock;
		list_for_each_entry(dev, &pool->devs, node)
			if (fn(arg, pool, dev))
				goto unlock;
	}
unlock:
	mutex_unlock(&cc_pools_lock);
}

bool cc_pool_nth(long n, struct cc_pool **ret_pool, struct cc_dev **ret_dev)
{
	struct cc_pool *pool;
	struct cc_dev *dev;

	mutex_lock(&cc_pools_lock);
	list_for_each_entry(pool, &pools, node) {
		dev = NULL;
		if (!n--)
			goto found;
		list_for_each_entry(dev, &pool->devs, node)
			if (!n--)
				goto found;
	}
	mutex_unlock(&cc_pools_lock);
	return false;

found:
	kref_get(&pool->ref);
	if (dev)
		kobject_get(&dev->kobj);
	*ret_pool = pool;
	*ret_dev = dev;
	mutex_unlock(&cc_pools_lock);
	return true;
}

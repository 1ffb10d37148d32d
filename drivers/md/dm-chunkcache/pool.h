/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pools and the mapped devices of their disks: who exists, and who keeps whom alive.
 *
 *   cc_pool   one per superblock UUID and cache device.  References: each pool table
 *             instance, each disk table instance, each session until it has drained.
 *             So it outlives a "remove -f" of its dm device while disks still read.
 *   cc_dev    one per mapped device of a disk (dev.h).  References: disks.
 *   cc_disk   one per table instance of a disk (disk.h).
 *
 * The order of all locks is in Documentation/design.rst.  Messages need cc_pools_lock and cmd, and
 * may be what reclaim waits for: who holds one of them allocates under memalloc_noio_save().
 */
#ifndef CC_POOL_H
#define CC_POOL_H

#include <linux/debugfs.h>
#include <linux/device-mapper.h>
#include <linux/dm-ioctl.h>
#include <linux/kobject.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/xarray.h>
#include "bell.h"
#include "disk.h"
#include "journal.h"
#include "session.h"
#include "slot.h"
#include "superblock.h"

/* A table of a pool, live or loaded only. */
struct cc_pool_table {
	struct list_head node;		/* pool->tables; cc_pools_lock */
	u32 nr_slots;			/* that the pool has, or will have when it is resumed */
};

/* Who waits for slots, and for room in the journal. */
struct cc_pool_waiter {
	struct list_head node;		/* pool->waiters */
	/* There may be some; or failed: the journal can't be written, for good.  Any context. */
	void (*told)(struct cc_pool_waiter *w, bool failed);
};

struct cc_pool {
	struct cc_slots slots;
	struct cc_journal journal;
	/* nr_slots, slots_end, dirty_max change under cmd, the rest never. */
	struct cc_geometry geo;
	dev_t cache_devt;
	dev_t devt;			/* of the pool's dm device */
	char name[DM_NAME_LEN];		/* of the pool's dm device */
	u64 instance;			/* random, not 0 */

	struct mutex cmd;		/* messages and what they change: those marked so */
	struct cc_session *session;	/* attached; cmd */
	u32 session_port;		/* session->port or 0; these two by cc_pool_set_port() */
	struct list_head attached;	/* among the pools that have a port */
	u64 last_session;		/* cmd */
	struct list_head sessions;	/* live and draining; cmd */
	DECLARE_BITMAP(owners, CC_NR_OWNERS);	/* low bytes of live and draining sessions */
	struct xarray disks;		/* by ID, announced ones; changes under cmd */
	spinlock_t waiters_lock;	/* irq-safe; outside of what told() takes */
	struct list_head waiters;	/* cc_pool_waiter */
	struct cc_bell bell;
	struct dm_target *live;		/* the table that is resumed, or NULL; cmd */
	bool event_due;			/* to be raised by the next resume; cmd */
	struct block_device *cache_bdev;	/* of the live table; set before slots start */
	atomic_t nr_draining;		/* sessions that ended but have not drained */
	atomic64_t nr_messages, nr_refused;

	struct mutex grow;		/* making memory ready for a table; nests in none */

	/* cc_pools_lock */
	struct kref ref;
	struct list_head node;
	struct list_head devs;
	struct list_head tables;
	u32 promised;			/* slots, to all devs */

	struct kobject kobj;		/* lives on while sysfs files are open */
	struct dentry *debugfs;
};

extern struct mutex cc_pools_lock;
extern struct workqueue_struct *cc_wq;
/* Of works that may tear a pool down, for which works of cc_wq are waited. */
extern struct workqueue_struct *cc_drain_wq;

/* Defined with the attributes in sysfs.c. */
extern const struct kobj_type cc_pool_ktype;
extern const struct file_operations cc_misses_fops;

/*
 * Add a kobject under a name that no other has: a device that was just removed may still
 * have its directory.
 */
int cc_pool_add_kobject(struct kobject *kobj, struct kobject *parent, const char *name,
			dev_t devt, bool taken);

int cc_pool_module_init(void);
void cc_pool_module_exit(void);

/*
 * The pool of a pool table: found, or made if there is none.  In a pool that was found only
 * memory is made ready for geo's number of slots.  ERR_PTR with *error:
 * EBUSY if it belongs to another dm device, ENOSPC if disks are promised more, ENXIO if the dm
 * device was removed meanwhile, ENOMEM.  May sleep.
 */
struct cc_pool *cc_pool_get_for_table(struct mapped_device *md, dev_t cache_devt,
				      const struct cc_geometry *geo,
				      struct cc_pool_table *table, char **error);
/* The other end of it. */
void cc_pool_put_table(struct cc_pool *pool, struct cc_pool_table *table);
/* Slots of the smallest of its tables: what can be promised.  cc_pools_lock is held. */
u32 cc_pool_fewest_slots(struct cc_pool *pool);

/* The pool of a dm device, of a helper's socket, of a name; with a reference; NULL.  May sleep. */
struct cc_pool *cc_pool_find(dev_t devt);
struct cc_pool *cc_pool_find_port(u32 port);
struct cc_pool *cc_pool_find_name(const char *name);
/*
 * Calls fn for each pool (dev is NULL) and each of its devices, until it returns non-zero.
 * fn runs under cc_pools_lock.
 */
void cc_pool_for_each(int (*fn)(void *arg, struct cc_pool *pool, struct cc_dev *dev), void *arg);
/*
 * The n-th of all pools and devices, in the order of cc_pool_for_each(), without a lock: with a
 * reference to the pool and to the device's kobject.  False: there are not so many.
 */
bool cc_pool_nth(long n, struct cc_pool **ret_pool, struct cc_dev **ret_dev);
void cc_pool_get(struct cc_pool *pool);
/* The port of the attached helper, or 0.  Caller holds cmd. */
void cc_pool_set_port(struct cc_pool *pool, u32 port);
/* May sleep; the last one tears the pool down. */
void cc_pool_put(struct cc_pool *pool);

/* Take over the number of slots of a table whose pool this is.  Not live; may sleep. */
void cc_pool_resize(struct cc_pool *pool, const struct cc_geometry *geo);

/*
 * The pool's table is resumed, or (NULL) suspended or gone: the helper may fill and evict, or not.
 * cache_bdev is the table's cache device; discard: evicted slots are to be discarded on it.
 * Without ti it waits for the evictor and for a discard or a read of the device that is under way.
 */
void cc_pool_set_live(struct cc_pool *pool, struct dm_target *ti,
		      struct block_device *cache_bdev, bool discard);

/*
 * Wake who waits for events of the pool's device, with the next resume if it is suspended now.
 * Caller holds cmd; may sleep.
 */
void cc_pool_event(struct cc_pool *pool);

/* Any context.  Adding is idempotent; the node of one that is not there is empty. */
void cc_pool_add_waiter(struct cc_pool *pool, struct cc_pool_waiter *w);
void cc_pool_del_waiter(struct cc_pool *pool, struct cc_pool_waiter *w);

/*
 * "normal", "shrinking", "recovering", "suspended": what the helper may do now.  Takes cmd itself.
 */
const char *cc_pool_mode(struct cc_pool *pool);

#endif

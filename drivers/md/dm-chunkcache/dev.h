/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The mapped device of a disk: counters, the sysfs directory and the share of the pool.  All its
 * table instances have it in common, so that these survive a reload.
 */
#ifndef CC_DEV_H
#define CC_DEV_H

#include <linux/dm-ioctl.h>
#include <linux/kobject.h>
#include <linux/list.h>
#include "policy.h"
#include "stats.h"

struct cc_disk;
struct cc_pool;
struct mapped_device;

struct cc_dev {
	struct cc_stats stats;
	struct cc_share share;		/* if share_id; see share.h */
	u16 share_id;			/* 0: none; written once, under cc_pools_lock */
	struct list_head promises;	/* of disks; cc_pools_lock */
	struct cc_pool *pool;		/* reference, by way of the disks */
	dev_t devt;
	char name[DM_NAME_LEN];
	/* cc_pools_lock */
	u32 nr_disks;
	struct list_head node;
	bool greeted;			/* the log has heard of it; pool's cmd */
	/* pool's cmd: the announced instance, for gauges; NULL before and after */
	struct cc_disk *disk;
	struct kobject kobj;
};

/* Defined with the attributes in sysfs.c. */
extern const struct kobj_type cc_dev_ktype;

/*
 * The device of a disk, with a reference; ERR_PTR(-ENOMEM), or -ENXIO if md was
 * removed meanwhile.  Holds no reference on pool.
 */
struct cc_dev *cc_dev_get(struct cc_pool *pool, struct mapped_device *md);
void cc_dev_put(struct cc_dev *dev);

#endif

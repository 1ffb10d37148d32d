// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/dm-chunkcache/<pool>/ and <pool>/<disk>/: one value a file; and the list of misses in
 * debugfs.  Reading never waits for I/O and never changes anything.
 */
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/sysfs.h>
#include "counters.h"
#include "dev.h"
#include "pool.h"

struct cc_sysfs_attr {
	struct attribute attr;
	int stat;			/* enum chunkcache_stat, or one of these: */
};

enum {
	ATTR_HIT_RATE = -1,
	ATTR_INSTANCE = -2,
	ATTR_UUID = -3,
	ATTR_SESSION = -4,
	ATTR_WAIT = -5,
	ATTR_PROMISED = -6,
	ATTR_CHARGED = -7,
	ATTR_MODE_WORD = -8,
	ATTR_HELPER_PID = -9,
	ATTR_HELPER_AGE = -10,
	ATTR_MANIFEST_WORD = -11,
	ATTR_DIRTY_MAX = -12,
	ATTR_JOURNAL_WORD = -13,
};

#define CC_ATTR(_name, _stat)							\
	static struct cc_sysfs_attr attr_##_name = {					\
		.attr = { .name = #_name, .mode = 0444 }, .stat = (_stat),	\
	}

CC_ATTR(hits, CHUNKCACHE_STAT_HITS);
CC_ATTR(misses, CHUNKCACHE_STAT_MISSES);
CC_ATTR(coalesced, CHUNKCACHE_STAT_COALESCED);
CC_ATTR(holes, CHUNKCACHE_STAT_HOLES);
CC_ATTR(read_sectors, CHUNKCACHE_STAT_READ_SECTORS);
CC_ATTR(errors_notfound, CHUNKCACHE_STAT_ERRORS_NOTFOUND);
CC_ATTR(errors_corrupt, CHUNKCACHE_STAT_ERRORS_CORRUPT);
CC_ATTR(errors_timeout, CHUNKCACHE_STAT_ERRORS_TIMEOUT);
CC_ATTR(errors_other, CHUNKCACHE_STAT_ERRORS_OTHER);
CC_ATTR(retried, CHUNKCACHE_STAT_RETRIED);
CC_ATTR(requeued, CHUNKCACHE_STAT_REQUEUED);
CC_ATTR(waiting, CHUNKCACHE_STAT_WAITING);
CC_ATTR(oldest_ms, CHUNKCACHE_STAT_OLDEST_MS);
CC_ATTR(mapped, CHUNKCACHE_STAT_MAPPED);
CC_ATTR(slots_free, CHUNKCACHE_STAT_SLOTS_FREE);
CC_ATTR(slots_filling, CHUNKCACHE_STAT_SLOTS_FILLING);
CC_ATTR(slots_valid, CHUNKCACHE_STAT_SLOTS_VALID);
CC_ATTR(slots_dying, CHUNKCACHE_STAT_SLOTS_DYING);
CC_ATTR(slots_bad, CHUNKCACHE_STAT_SLOTS_BAD);
CC_ATTR(slots_log, CHUNKCACHE_STAT_SLOTS_LOG);
CC_ATTR(journal_pages, CHUNKCACHE_STAT_JOURNAL_PAGES);
CC_ATTR(journal_used, CHUNKCACHE_STAT_JOURNAL_USED);
CC_ATTR(journal_size, CHUNKCACHE_STAT_JOURNAL_SIZE);
CC_ATTR(fills, CHUNKCACHE_STAT_FILLS);
CC_ATTR(evictions, CHUNKCACHE_STAT_EVICTIONS);
CC_ATTR(epochs, CHUNKCACHE_STAT_EPOCHS);
CC_ATTR(switching_us, CHUNKCACHE_STAT_SWITCHING_US);
CC_ATTR(doorbells, CHUNKCACHE_STAT_DOORBELLS);
CC_ATTR(messages, CHUNKCACHE_STAT_MESSAGES);
CC_ATTR(refused, CHUNKCACHE_STAT_REFUSED);
CC_ATTR(hit_rate, ATTR_HIT_RATE);
CC_ATTR(wait_histogram_us, ATTR_WAIT);
CC_ATTR(instance, ATTR_INSTANCE);
CC_ATTR(uuid, ATTR_UUID);
CC_ATTR(session, ATTR_SESSION);
CC_ATTR(slots_promised, ATTR_PROMISED);
CC_ATTR(slots_charged, ATTR_CHARGED);
CC_ATTR(mode, ATTR_MODE_WORD);
CC_ATTR(helper_pid, ATTR_HELPER_PID);
CC_ATTR(helper_age_ms, ATTR_HELPER_AGE);
CC_ATTR(manifest, ATTR_MANIFEST_WORD);
CC_ATTR(dirty_max, ATTR_DIRTY_MAX);
CC_ATTR(journal, ATTR_JOURNAL_WORD);
CC_ATTR(waited_us, CHUNKCACHE_STAT_WAITED_US);
CC_ATTR(journal_records, CHUNKCACHE_STAT_JOURNAL_RECORDS);
CC_ATTR(writes, CHUNKCACHE_STAT_WRITES);
CC_ATTR(written_sectors, CHUNKCACHE_STAT_WRITTEN_SECTORS);
CC_ATTR(flushes, CHUNKCACHE_STAT_FLUSHES);
CC_ATTR(fuas, CHUNKCACHE_STAT_FUAS);
CC_ATTR(zeros, CHUNKCACHE_STAT_ZEROS);
CC_ATTR(discarded_sectors, CHUNKCACHE_STAT_DISCARDED_SECTORS);
CC_ATTR(parts, CHUNKCACHE_STAT_PARTS);
CC_ATTR(write_errors, CHUNKCACHE_STAT_WRITE_ERRORS);
CC_ATTR(held, CHUNKCACHE_STAT_HELD);
CC_ATTR(held_writes, CHUNKCACHE_STAT_HELD_WRITES);
CC_ATTR(throttled_us, CHUNKCACHE_STAT_THROTTLED_US);
CC_ATTR(dirty_sectors, CHUNKCACHE_STAT_DIRTY_SECTORS);
CC_ATTR(dirty_ms, CHUNKCACHE_STAT_DIRTY_MS);

static ssize_t show_stat(const struct cc_sysfs_attr *a, const u64 *n, char *buf)
{
	unsigned int i, rate;
	int len = 0;

	switch (a->stat) {
	case ATTR_HIT_RATE:
		rate = cc_stats_hit_rate(n);
		return sysfs_emit(buf, "%u.%02u\n", rate / 100, rate % 100);
	case ATTR_WAIT:
		for (i = 0; i < CC_NR_WAIT; i++)
			len += sysfs_emit_at(buf, len, "%llu%c",
					     n[CHUNKCACHE_STAT_WAIT_HISTOGRAM + i],
					     i == CC_NR_WAIT - 1 ? '\n' : ' ');
		return len;
	}
	return sysfs_emit(buf, "%llu\n", n[a->stat]);
}

/* 0 without a helper. */
static u64 helper_value(struct cc_pool *pool, int attr)
{
	const struct cc_session *s;
	u64 v = 0;

	mutex_lock(&pool->cmd);
	s = pool->session;
	if (s && attr == ATTR_SESSION)
		v = s->id;
	else if (s && attr == ATTR_HELPER_PID)
		v = s->pid;
	else if (s)
		v = div_u64(ktime_get_ns() - s->since_ns, NSEC_PER_MSEC);
	mutex_unlock(&pool->cmd);
	return v;
}

static ssize_t pool_show(struct kobject *kobj, struct attribute *attr, char *buf)
{
	struct cc_pool *pool = container_of(kobj, struct cc_pool, kobj);
	const struct cc_sysfs_attr *a = container_of(attr, struct cc_sysfs_attr, attr);
	u64 n[CHUNKCACHE_STAT_MAX + 1];

	switch (a->stat) {
	case ATTR_MODE_WORD:
		return sysfs_emit(buf, "%s\n", cc_pool_mode(pool));
	case ATTR_INSTANCE:
		return sysfs_emit(buf, "%016llx\n", pool->instance);
	case ATTR_UUID:
		return sysfs_emit(buf, "%pU\n", &pool->geo.uuid);
	case ATTR_SESSION:
	case ATTR_HELPER_PID:
	case ATTR_HELPER_AGE:
		return sysfs_emit(buf, "%llu\n", helper_value(pool, a->stat));
	case ATTR_PROMISED:
		return sysfs_emit(buf, "%u\n", READ_ONCE(pool->promised));
	case ATTR_DIRTY_MAX:
		return sysfs_emit(buf, "%u\n", READ_ONCE(pool->geo.dirty_max));
	case ATTR_JOURNAL_WORD:
		return sysfs_emit(buf, "%s\n", cc_journal_word(&pool->journal));
	}
	cc_pool_stats(pool, n);
	return show_stat(a, n, buf);
}

/* What the table in use says of a disk; before its first resume there is none. */
static const char *disk_word(struct cc_dev *dev, int attr)
{
	static const char *const manifests[] = { "new", "loaded", "refused" };
	const char *word = "none";

	mutex_lock(&dev->pool->cmd);
	if (dev->disk && attr == ATTR_MODE_WORD)
		word = dev->disk->args.miss_timeout_ms ? "soft" : "hard";
	else if (dev->disk)
		word = manifests[dev->disk->state];
	mutex_unlock(&dev->pool->cmd);
	return word;
}

static ssize_t dev_show(struct kobject *kobj, struct attribute *attr, char *buf)
{
	struct cc_dev *dev = container_of(kobj, struct cc_dev, kobj);
	const struct cc_sysfs_attr *a = container_of(attr, struct cc_sysfs_attr, attr);
	u64 n[CHUNKCACHE_STAT_MAX + 1];

	switch (a->stat) {
	case ATTR_PROMISED:
		return sysfs_emit(buf, "%u\n", READ_ONCE(dev->share.promised));
	case ATTR_CHARGED:
		return sysfs_emit(buf, "%u\n", READ_ONCE(dev->share.used));
	case ATTR_MODE_WORD:
	case ATTR_MANIFEST_WORD:
		return sysfs_emit(buf, "%s\n", disk_word(dev, a->stat));
	}
	cc_dev_stats(dev, n);
	return show_stat(a, n, buf);
}

#define READ_ATTRS							\
	&attr_hits.attr, &attr_misses.attr, &attr_coalesced.attr,	\
	&attr_holes.attr, &attr_read_sectors.attr,			\
	&attr_errors_notfound.attr, &attr_errors_corrupt.attr,		\
	&attr_errors_timeout.attr, &attr_errors_other.attr,		\
	&attr_retried.attr, &attr_requeued.attr, &attr_waiting.attr,	\
	&attr_oldest_ms.attr, &attr_mapped.attr, &attr_hit_rate.attr,	\
	&attr_wait_histogram_us.attr, &attr_waited_us.attr, &attr_mode.attr

/* Of a volume; a pool has sums, a disk zeros. */
#define WRITE_ATTRS							\
	&attr_writes.attr, &attr_written_sectors.attr,			\
	&attr_flushes.attr, &attr_fuas.attr, &attr_zeros.attr,		\
	&attr_discarded_sectors.attr, &attr_parts.attr,			\
	&attr_write_errors.attr, &attr_held.attr,			\
	&attr_held_writes.attr, &attr_throttled_us.attr,		\
	&attr_dirty_sectors.attr, &attr_dirty_ms.attr

static struct attribute *dev_attrs[] = {
	READ_ATTRS, WRITE_ATTRS, &attr_slots_promised.attr, &attr_slots_charged.attr,
	&attr_manifest.attr, NULL
};
ATTRIBUTE_GROUPS(dev);

static struct attribute *pool_attrs[] = {
	READ_ATTRS, WRITE_ATTRS,
	&attr_slots_free.attr, &attr_slots_filling.attr, &attr_slots_valid.attr,
	&attr_slots_dying.attr, &attr_slots_bad.attr, &attr_fills.attr,
	&attr_evictions.attr, &attr_epochs.attr, &attr_switching_us.attr,
	&attr_doorbells.attr, &attr_messages.attr, &attr_refused.attr, &attr_instance.attr,
	&attr_uuid.attr, &attr_session.attr, &attr_slots_promised.attr,
	&attr_helper_pid.attr, &attr_helper_age_ms.attr, &attr_slots_log.attr,
	&attr_dirty_max.attr, &attr_journal.attr, &attr_journal_pages.attr,
	&attr_journal_used.attr, &attr_journal_size.attr, &attr_journal_records.attr, NULL
};
ATTRIBUTE_GROUPS(pool);

/* debugfs dm-chunkcache/<pool>/misses: what is stuck. */
static int cc_misses_show(struct seq_file *m, void *unused)
{
	struct cc_pool *pool = m->private;
	struct cc_disk *disk;
	unsigned long id;

	mutex_lock(&pool->cmd);
	xa_for_each(&pool->disks, id, disk)
		cc_miss_show(disk, disk->dev->name, m);
	mutex_unlock(&pool->cmd);
	return 0;
}

static int cc_misses_open(struct inode *inode, struct file *file)
{
	return single_open(file, cc_misses_show, inode->i_private);
}

const struct file_operations cc_misses_fops = {
	.owner = THIS_MODULE,
	.open = cc_misses_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = single_release,
};

static void pool_kobj_release(struct kobject *kobj)
{
	kfree(container_of(kobj, struct cc_pool, kobj));
}

static void dev_kobj_release(struct kobject *kobj)
{
	struct cc_dev *dev = container_of(kobj, struct cc_dev, kobj);

	cc_stats_exit(&dev->stats);
	kfree(dev);
}

static const struct sysfs_ops pool_sysfs_ops = { .show = pool_show };
static const struct sysfs_ops dev_sysfs_ops = { .show = dev_show };

const struct kobj_type cc_pool_ktype = {
	.release = pool_kobj_release,
	.sysfs_ops = &pool_sysfs_ops,
	.default_groups = pool_groups,
};

const struct kobj_type cc_dev_ktype = {
	.release = dev_kobj_release,
	.sysfs_ops = &dev_sysfs_ops,
	.default_groups = dev_groups,
};

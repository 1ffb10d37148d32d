// SPDX-License-Identifier: GPL-2.0-only
/* Sums of a pool's and its devices' counters, see counters.h. */
#include "counters.h"
#include "dev.h"
#include "pool.h"

static void add_dev_stats(struct cc_dev *dev, u64 *ret)
{
	u64 n[CHUNKCACHE_STAT_MAX + 1] = {};
	u64 waiting = 0, oldest = 0;
	unsigned int i;

	lockdep_assert_held(&dev->pool->cmd);
	cc_stats_read(&dev->stats, n);
	for (i = 0; i <= CHUNKCACHE_STAT_MAX; i++)
		ret[i] += n[i];
	if (!dev->disk)
		return;
	if (dev->disk->add_gauges)
		dev->disk->add_gauges(dev->disk, ret);
	cc_miss_gauges(dev->disk, &waiting, &oldest);
	ret[CHUNKCACHE_STAT_WAITING] += waiting;
	ret[CHUNKCACHE_STAT_OLDEST_MS] = max(ret[CHUNKCACHE_STAT_OLDEST_MS], oldest);
	ret[CHUNKCACHE_STAT_MAPPED] += READ_ONCE(dev->disk->nr_mapped);
}

void cc_dev_stats(struct cc_dev *dev, u64 ret[CHUNKCACHE_STAT_MAX + 1])
{
	memset(ret, 0, (CHUNKCACHE_STAT_MAX + 1) * sizeof(*ret));
	mutex_lock(&dev->pool->cmd);
	add_dev_stats(dev, ret);
	mutex_unlock(&dev->pool->cmd);
}

void cc_pool_stats(struct cc_pool *pool, u64 ret[CHUNKCACHE_STAT_MAX + 1])
{
	struct cc_journal_view journal;
	struct cc_slots_stats slots;
	struct cc_disk *disk;
	unsigned long id;

	memset(ret, 0, (CHUNKCACHE_STAT_MAX + 1) * sizeof(*ret));
	mutex_lock(&pool->cmd);
	xa_for_each(&pool->disks, id, disk)
		if (disk->dev->disk == disk)
			add_dev_stats(disk->dev, ret);
	mutex_unlock(&pool->cmd);

	cc_slots_read_stats(&pool->slots, &slots);
	ret[CHUNKCACHE_STAT_SLOTS_FREE] = slots.count[CC_SLOT_FREE];
	ret[CHUNKCACHE_STAT_SLOTS_FILLING] = slots.count[CC_SLOT_FILLING];
	ret[CHUNKCACHE_STAT_SLOTS_VALID] = slots.count[CC_SLOT_VALID];
	ret[CHUNKCACHE_STAT_SLOTS_DYING] = slots.count[CC_SLOT_DYING];
	ret[CHUNKCACHE_STAT_SLOTS_BAD] = slots.count[CC_SLOT_BAD];
	ret[CHUNKCACHE_STAT_SLOTS_LOG] = slots.count[CC_SLOT_LOG];
	ret[CHUNKCACHE_STAT_FILLS] = slots.fills;
	ret[CHUNKCACHE_STAT_EVICTIONS] = slots.evictions;
	ret[CHUNKCACHE_STAT_EPOCHS] = slots.epochs;
	ret[CHUNKCACHE_STAT_SWITCHING_US] = slots.switching_us;
	ret[CHUNKCACHE_STAT_DOORBELLS] = atomic64_read(&pool->bell.nr_sent);
	ret[CHUNKCACHE_STAT_MESSAGES] = atomic64_read(&pool->nr_messages);
	ret[CHUNKCACHE_STAT_REFUSED] = atomic64_read(&pool->nr_refused);
	cc_journal_read(&pool->journal, &journal);
	ret[CHUNKCACHE_STAT_JOURNAL_PAGES] = journal.pages;
	ret[CHUNKCACHE_STAT_JOURNAL_USED] = journal.used;
	ret[CHUNKCACHE_STAT_JOURNAL_SIZE] = journal.positions;
	ret[CHUNKCACHE_STAT_JOURNAL_RECORDS] = journal.records;
}

void cc_pool_clear_stats(struct cc_pool *pool)
{
	cc_slots_clear_stats(&pool->slots);
	cc_journal_clear_stats(&pool->journal);
	atomic64_set(&pool->bell.nr_sent, 0);
	atomic64_set(&pool->nr_messages, 0);
	atomic64_set(&pool->nr_refused, 0);
}

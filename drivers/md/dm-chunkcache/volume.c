// SPDX-License-Identifier: GPL-2.0-only
/* Volumes: their state, the pool's list of them, what one table takes over from another. */
#include "volume.h"
#include <linux/sched/mm.h>
#include "dev.h"
#include "pool.h"
#include "trace.h"

void cc_volume_set_state(struct cc_volume *v, u32 state, const char *reason)
{
	struct cc_disk *disk = &v->disk;

	lockdep_assert_held(disk->cmd);
	spin_lock_irq(&v->lock);
	/* Who sees RUNNING sees what was loaded: cc_volume_state(). */
	smp_store_release(&v->log.state, state);
	if (state == CHUNKCACHE_VOLUME_RUNNING)
		v->log.blocked &= ~CC_BLOCKED_STATE;
	else
		v->log.blocked |= CC_BLOCKED_STATE;
	cc_hold_kick(v);
	spin_unlock_irq(&v->lock);
	trace_chunkcache_volume(disk->id, 0, state == CHUNKCACHE_VOLUME_RUNNING ? "started" :
										   "failed");
	/* Nobody serves it any more: what waits would do so for ever. */
	if (state == CHUNKCACHE_VOLUME_FAILED)
		cc_miss_refuse(disk, true);
	if (state == CHUNKCACHE_VOLUME_RUNNING)
		DMINFO_LIMIT("%s: volume %pUb started, term %u", disk->dev->name, &v->uuid,
			     v->log.term);
	else
		DMERR_LIMIT("%s: volume %pUb failed: %s", disk->dev->name, &v->uuid, reason);
	dm_table_event(disk->ti->table);
}

struct cc_volume *cc_volume_find(struct cc_pool *pool, u32 volume)
{
	struct cc_disk *disk;
	unsigned long id;

	lockdep_assert_held(&pool->cmd);
	xa_for_each(&pool->disks, id, disk)
		if (disk->volume && disk->volume->log.volume == volume)
			return disk->volume;
	return NULL;
}

/* ---- among those that wait for room ---- */

static void room_or_none(struct cc_pool_waiter *w, bool failed)
{
	struct cc_volume *v = container_of(w, struct cc_volume, waiter);
	unsigned long flags;

	spin_lock_irqsave(&v->lock, flags);
	v->log.journal_failed |= failed;
	if (failed)
		cc_log_release(v);
	cc_hold_kick(v);
	spin_unlock_irqrestore(&v->lock, flags);
}

void cc_volume_init(struct cc_volume *v)
{
	spin_lock_init(&v->lock);
	v->log.blocked = CC_BLOCKED_STATE;
	bio_list_init(&v->held);
	bio_list_init(&v->zeros);
	bio_list_init(&v->parts);
	bio_list_init(&v->merged);
	bio_list_init(&v->storing);
	INIT_WORK(&v->work, cc_hold_work);
	INIT_DELAYED_WORK(&v->tick, cc_hold_tick);
	INIT_DELAYED_WORK(&v->lazy, cc_log_lazy);
	INIT_LIST_HEAD(&v->waiter.node);
	v->waiter.told = room_or_none;
}

void cc_volume_enlist(struct cc_volume *v)
{
	struct cc_pool *pool = v->disk.pool;

	cc_pool_add_waiter(pool, &v->waiter);
	/* It may have failed before; then nobody is told any more. */
	room_or_none(&v->waiter, cc_journal_state(&pool->journal) == CHUNKCACHE_JOURNAL_FAILED);
}

void cc_volume_retire(struct cc_volume *v)
{
	cc_pool_del_waiter(v->disk.pool, &v->waiter);
	spin_lock_irq(&v->lock);
	v->retired = true;
	spin_unlock_irq(&v->lock);
	/* The work may start the tick, which starts no work any more. */
	cancel_work_sync(&v->work);
	cancel_delayed_work_sync(&v->tick);
	/* Nothing is staged since the suspend. */
	cancel_delayed_work_sync(&v->lazy);
}

/* ---- one table after the other ---- */

static bool same_volume(const struct cc_volume *a, const struct cc_volume *b)
{
	return uuid_equal(&a->uuid, &b->uuid) && !strcmp(a->disk.args.store, b->disk.args.store);
}

/* The announced instance of the same volume, or NULL.  No message finds it any more. */
static struct cc_volume *announced_before(struct cc_volume *v)
{
	struct cc_disk *old = v->disk.dev->disk;

	lockdep_assert_held(v->disk.cmd);
	if (!old || old == &v->disk || !old->volume || v->disk.announced ||
	    !same_volume(old->volume, v))
		return NULL;
	return old->volume;
}

bool cc_volume_may_follow(struct cc_volume *v)
{
	const struct cc_volume *old;
	bool may;

	mutex_lock(v->disk.cmd);
	old = announced_before(v);
	may = !old || old->disk.ti->len <= v->disk.ti->len;
	mutex_unlock(v->disk.cmd);
	return may;
}

/* The chunk map: base first, log chunks behind it, wherever that is in each. */
static int take_map(struct cc_volume *v, struct cc_volume *old)
{
	struct cc_disk *disk = &v->disk;
	u64 logs = old->disk.map.nr_chunks > old->first_log ?
		   old->disk.map.nr_chunks - old->first_log : 0;
	int r = cc_chunk_map_grow(&disk->map, v->first_log + logs);

	if (r)
		return r;
	cc_chunk_map_move(&old->disk.map, 0, &disk->map, 0, old->first_log);
	cc_chunk_map_move(&old->disk.map, old->first_log, &disk->map, v->first_log, logs);
	swap(old->disk.nr_mapped, disk->nr_mapped);
	cc_overlay_move(&old->overlay, &v->overlay);
	return 0;
}

static void take_log(struct cc_volume *v, struct cc_volume *old)
{
	spin_lock_irq(&old->lock);
	v->log = old->log;
	memset(&old->log, 0, sizeof(old->log));
	old->log.blocked = CC_BLOCKED_STATE;
	spin_unlock_irq(&old->lock);
	v->log.blocked &= ~CC_BLOCKED_HELD;
}

int cc_volume_take_over(struct cc_volume *v)
{
	struct cc_disk *disk = &v->disk;
	struct cc_volume *old;
	unsigned int noio;
	int r = 0;

	mutex_lock(disk->cmd);
	old = announced_before(v);
	if (old && old->disk.ti->len > disk->ti->len) {
		DMERR("%s: a volume can't become shorter", disk->dev->name);
		r = -EINVAL;
	} else if (old) {
		xa_erase(&disk->pool->disks, old->disk.id);
		cc_bell_forget(&disk->pool->bell, &old->disk.ready);
	}
	mutex_unlock(disk->cmd);
	if (!old || r)
		return r;
	/* It is suspended for good: what its work still does ends here. */
	cc_volume_retire(old);
	noio = memalloc_noio_save();
	mutex_lock(disk->cmd);
	r = take_map(v, old);
	if (!r) {
		take_log(v, old);
		disk->dev->disk = NULL;
	}
	mutex_unlock(disk->cmd);
	memalloc_noio_restore(noio);
	return r;
}

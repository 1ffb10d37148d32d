// SPDX-License-Identifier: GPL-2.0-only
/* VOLUME_*: what a volume is made of, when it starts, is cut, fails. */
#include "netlink-impl.h"
#include "dev.h"
#include "pool.h"
#include "volume.h"

static int find_volume(struct cc_cmd *c, struct cc_volume **ret)
{
	struct cc_disk *disk;

	if (cc_cmd_require(c->info, CHUNKCACHE_A_DISK))
		return -EINVAL;
	disk = cc_disk_find(c->pool, nla_get_u64(c->info->attrs[CHUNKCACHE_A_DISK]));
	if (!disk || !disk->volume)
		return cc_cmd_fail(c->info, -ENOENT, "no such volume");
	*ret = disk->volume;
	return 0;
}

/* Only messages change the state, under the mutex that we hold. */
static int find_new_volume(struct cc_cmd *c, struct cc_volume **ret)
{
	int r = find_volume(c, ret);

	if (!r && (*ret)->log.state != CHUNKCACHE_VOLUME_NEW)
		r = cc_cmd_fail(c->info, -EBUSY, "the volume was started, or failed");
	return r;
}

/* ---- VOLUME_LOAD ---- */

static int load_log(struct cc_volume *v, const struct chunkcache_log *rec)
{
	struct cc_volume_log *l = &v->log;
	struct chunkcache_slot slot = { .slot = rec->slot, .gen = rec->gen };
	int r;

	if (rec->log & ((1ULL << CC_PLACE_LOG_SHIFT) - 1) || (rec->slot && !rec->gen) ||
	    (l->nr_logs && rec->log <= l->last_log))
		return -EINVAL;
	if (l->nr_logs == U32_MAX)
		return -ERANGE;
	r = cc_log_map(v, l->nr_logs, &slot);
	if (r)
		return r;
	l->nr_cleaner += !(rec->log & CC_PLACE_GUEST);
	l->nr_logs++;
	l->last_log = rec->log;
	return 0;
}

static int check_extent(struct cc_volume *v, const struct chunkcache_extent *e)
{
	u64 blocks = v->disk.ti->len >> CC_SECTORS_PER_BLOCK_SHIFT;
	u64 index = e->place >> CC_PLACE_LOG_SHIFT & CC_PLACE_LOG_MASK;
	unsigned int in_log = cc_place_block(e->place);
	bool cleaner = index < v->log.nr_cleaner;
	u32 most = v->block_mask + 1;

	if (e->reserved || !e->count || !e->place ||
	    !(e->place & CC_PLACE_GUEST) != cleaner)
		return -EINVAL;
	if (e->block >= blocks || e->count > blocks - e->block || index >= v->log.nr_logs ||
	    in_log >= most || (e->place & CC_PLACE_DATA && e->count > most - in_log))
		return -ERANGE;
	return 0;
}

static int load_extent(struct cc_volume *v, const struct chunkcache_extent *e)
{
	u64 block = e->block, end = e->block + e->count, place = e->place, n;
	int r = check_extent(v, e);

	for (; !r && block < end; block += n) {
		n = min_t(u64, end - block, v->block_mask + 1 - (block & v->block_mask));
		if (!cc_volume_set_blocks(v, block, n, place))
			r = -ENOMEM;
		if (place & CC_PLACE_DATA)
			place += n << CC_PLACE_BLOCK_SHIFT;
		cond_resched();
	}
	return r;
}

static int load_logs(struct cc_cmd *c, struct cc_volume *v)
{
	struct chunkcache_log rec;
	u32 n, i;
	int r = cc_cmd_get_records(c->info, CHUNKCACHE_A_LOGS, sizeof(rec),
				   CHUNKCACHE_EXTENT_BATCH_MAX, &n);

	for (i = 0; !r && i < n; i++) {
		cc_cmd_get_record(c->info, CHUNKCACHE_A_LOGS, i, &rec);
		r = load_log(v, &rec);
	}
	return r;
}

static int load_extents(struct cc_cmd *c, struct cc_volume *v)
{
	struct chunkcache_extent rec;
	u32 n, i;
	int r = cc_cmd_get_records(c->info, CHUNKCACHE_A_EXTENTS, sizeof(rec),
				   CHUNKCACHE_EXTENT_BATCH_MAX, &n);

	for (i = 0; !r && i < n; i++) {
		cc_cmd_get_record(c->info, CHUNKCACHE_A_EXTENTS, i, &rec);
		r = load_extent(v, &rec);
	}
	return r;
}

int cc_do_volume_load(struct cc_cmd *c)
{
	struct cc_volume *v;
	int r = find_new_volume(c, &v);

	if (!r && c->info->attrs[CHUNKCACHE_A_LOGS])
		r = load_logs(c, v);
	if (!r && c->info->attrs[CHUNKCACHE_A_EXTENTS])
		r = load_extents(c, v);
	return r;
}

/* ---- the others ---- */

/* How many have been started; is one of them volume? */
static u32 count_started(struct cc_pool *pool, u32 volume, bool *ret_taken)
{
	struct cc_disk *disk;
	unsigned long id;
	u32 n = 0;

	lockdep_assert_held(&pool->cmd);
	*ret_taken = false;
	xa_for_each(&pool->disks, id, disk) {
		u32 handle = disk->volume ? disk->volume->log.volume : 0;

		n += !!handle;
		*ret_taken |= handle == volume;
	}
	return n;
}

/*
 * An open log chunk and a spare for each: with fewer some volumes would keep others from ever
 * writing.
 */
static int may_start(struct cc_cmd *c, u32 volume)
{
	bool taken;
	u32 n = count_started(c->pool, volume, &taken);

	if (taken)
		return cc_cmd_fail(c->info, -EEXIST, "VOLUME is another's handle");
	if (2 * (n + 1) > c->pool->geo.dirty_max)
		return cc_cmd_fail(c->info, -ENOSPC, "dirty_max is too small: 2 slots for each volume");
	return 0;
}

static u32 term_of(u64 log)
{
	return log >> (CC_PLACE_LOG_SHIFT + CC_LOG_COUNT_BITS) & CC_LOG_TERM_MAX;
}

static void start_volume(struct cc_volume *v, u32 volume, u32 term)
{
	struct cc_volume_log *l = &v->log;
	__le64 uuid[UUID_SIZE / sizeof(__le64)];

	memcpy(uuid, &v->uuid, sizeof(uuid));
	spin_lock_irq(&v->lock);
	l->volume = volume;
	l->term = term;
	/* Its place is none: before bias is set. */
	cc_log_add(v, CC_JOURNAL_VOLUME, le64_to_cpu(uuid[0]), le64_to_cpu(uuid[1]), term);
	l->bias = (((u64)term << CC_LOG_COUNT_BITS) - l->nr_logs) << CC_PLACE_LOG_SHIFT;
	l->next = cc_place_of_log(l->nr_logs);
	l->cut = l->next;
	l->cut_done = l->next;
	l->committed = l->next;
	l->closed = l->nr_logs;
	spin_unlock_irq(&v->lock);
	cc_journal_tell(v->journal, true);
	cc_volume_set_state(v, CHUNKCACHE_VOLUME_RUNNING, "");
}

int cc_do_volume_start(struct cc_cmd *c)
{
	struct nlattr **a = c->info->attrs;
	struct cc_volume *v;
	u32 volume, term;
	int r = find_new_volume(c, &v);

	if (r)
		return r;
	if (cc_cmd_require(c->info, CHUNKCACHE_A_VOLUME) ||
	    cc_cmd_require(c->info, CHUNKCACHE_A_TERM))
		return -EINVAL;
	volume = nla_get_u32(a[CHUNKCACHE_A_VOLUME]);
	term = nla_get_u32(a[CHUNKCACHE_A_TERM]);
	if (!volume || volume > U16_MAX || !term || term > CC_LOG_TERM_MAX)
		return cc_cmd_fail(c->info, -ERANGE, "VOLUME or TERM is out of range");
	if (v->log.nr_logs && term <= term_of(v->log.last_log))
		return cc_cmd_fail(c->info, -ERANGE, "TERM is not above that of the log chunks");
	r = may_start(c, volume);
	if (r)
		return r;
	if (!cc_journal_reserve_vital(v->journal, 1))
		return cc_cmd_fail(c->info, -EBUSY, "the journal is full or not running");
	start_volume(v, volume, term);
	return 0;
}

int cc_do_volume_cut(struct cc_cmd *c)
{
	struct cc_volume *v;
	int r = find_volume(c, &v);

	if (r)
		return r;
	if (v->log.state != CHUNKCACHE_VOLUME_RUNNING)
		return cc_cmd_fail(c->info, -EBUSY, "the volume is not running");
	spin_lock_irq(&v->lock);
	cc_log_wish_cut(v, c->info->attrs[CHUNKCACHE_A_SEAL]);
	spin_unlock_irq(&v->lock);
	return 0;
}

int cc_do_volume_fail(struct cc_cmd *c)
{
	char reason[CHUNKCACHE_REASON_MAX + 1];
	struct cc_volume *v;
	int r = find_volume(c, &v);

	if (r)
		return r;
	cc_cmd_get_reason(c->info, reason);
	if (v->log.state != CHUNKCACHE_VOLUME_FAILED)
		cc_volume_set_state(v, CHUNKCACHE_VOLUME_FAILED, reason);
	return 0;
}

int cc_nl_put_volume(struct sk_buff *skb, const struct cc_volume *v)
{
	const struct cc_volume_log *l = &v->log;

	if (nla_put(skb, CHUNKCACHE_A_VOLUME_UUID, UUID_SIZE, &v->uuid) ||
	    nla_put_u32(skb, CHUNKCACHE_A_VOLUME_STATE, l->state) ||
	    nla_put_u32(skb, CHUNKCACHE_A_VOLUME, l->volume) ||
	    nla_put_u32(skb, CHUNKCACHE_A_TERM, l->term) ||
	    nla_put_u64_64bit(skb, CHUNKCACHE_A_FIRST_LOG, v->first_log, CHUNKCACHE_A_PAD) ||
	    nla_put_u32(skb, CHUNKCACHE_A_NR_LOGS, l->nr_logs) ||
	    (v->disk.args.durable_store && nla_put_flag(skb, CHUNKCACHE_A_DURABLE_STORE)))
		return -EMSGSIZE;
	return 0;
}

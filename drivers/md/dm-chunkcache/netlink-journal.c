// SPDX-License-Identifier: GPL-2.0-only
/* JOURNAL_*, SLOT_CLAIM, SLOT_CLEAN, SLOT_DROP: the journal, and the dirty slots. */
#include "netlink-impl.h"
#include <linux/slab.h>
#include "pool.h"
#include "volume.h"

/* ---- the journal ---- */

int cc_do_journal_get(struct cc_cmd *c)
{
	struct cc_journal_view j;
	int r = cc_cmd_reply_begin(c, CHUNKCACHE_CMD_JOURNAL_GET, NLMSG_GOODSIZE);

	if (r)
		return r;
	cc_journal_read(&c->pool->journal, &j);
	if (nla_put_u32(c->reply, CHUNKCACHE_A_JOURNAL_STATE, j.state) ||
	    nla_put_u64_64bit(c->reply, CHUNKCACHE_A_JOURNAL_HEAD, j.head, CHUNKCACHE_A_PAD) ||
	    nla_put_u64_64bit(c->reply, CHUNKCACHE_A_JOURNAL_TAIL, j.tail, CHUNKCACHE_A_PAD) ||
	    nla_put_u64_64bit(c->reply, CHUNKCACHE_A_DIRTY_MAX, c->pool->geo.dirty_max,
			      CHUNKCACHE_A_PAD))
		return -EMSGSIZE;
	return cc_cmd_reply_end(c);
}

int cc_do_journal_resume(struct cc_cmd *c)
{
	struct nlattr **a = c->info->attrs;
	int r;

	if (cc_cmd_require(c->info, CHUNKCACHE_A_JOURNAL_HEAD) ||
	    cc_cmd_require(c->info, CHUNKCACHE_A_JOURNAL_PREV) ||
	    cc_cmd_require(c->info, CHUNKCACHE_A_JOURNAL_TAIL))
		return -EINVAL;
	r = cc_journal_resume(&c->pool->journal, nla_get_u64(a[CHUNKCACHE_A_JOURNAL_HEAD]),
			      nla_get_u64(a[CHUNKCACHE_A_JOURNAL_PREV]),
			      nla_get_u64(a[CHUNKCACHE_A_JOURNAL_TAIL]));
	if (r == -EBUSY)
		return cc_cmd_fail(c->info, r, "journal is not recovering");
	if (r)
		return cc_cmd_fail(c->info, r, "not TAIL <= PREV < HEAD, or too many pages");
	DMINFO("%s: journal goes on with page %llu; slots are handed out", c->pool->name,
	       nla_get_u64(a[CHUNKCACHE_A_JOURNAL_HEAD]));
	cc_slots_recovered(&c->pool->slots);
	cc_pool_event(c->pool);
	return 0;
}

static bool record_ok(const struct chunkcache_record *r)
{
	return r->type >= CC_JOURNAL_VOLUME && r->type <= CC_JOURNAL_FORGET && !r->reserved &&
	       r->volume;
}

static void add_record(struct cc_journal *j, const struct chunkcache_record *rec)
{
	struct cc_journal_record r = {
		.type = rec->type,
		.volume = cpu_to_le16(rec->volume),
		.count = cpu_to_le32(rec->count),
		.block = cpu_to_le64(rec->block),
		.place = cpu_to_le64(rec->place),
		.arg = cpu_to_le64(rec->arg),
	};

	local_irq_disable();
	cc_journal_add(j, &r, 1);
	local_irq_enable();
}

/* Its volume may be gone. */
static void tell_committed(struct cc_pool *pool, const struct chunkcache_record *r)
{
	struct cc_volume *v = cc_volume_find(pool, r->volume);

	if (v)
		cc_commit_done(v, r->place);
}

int cc_do_journal_add(struct cc_cmd *c)
{
	struct cc_journal *j = &c->pool->journal;
	struct chunkcache_record rec;
	u32 n, i;
	int r;

	r = cc_cmd_get_records(c->info, CHUNKCACHE_A_RECORDS, sizeof(rec),
			       CHUNKCACHE_RECORD_BATCH_MAX, &n);
	if (r)
		return r;
	for (i = 0; i < n; i++) {
		cc_cmd_get_record(c->info, CHUNKCACHE_A_RECORDS, i, &rec);
		if (!record_ok(&rec))
			return cc_cmd_fail(c->info, -EINVAL,
					   "record's type, volume or reserved field");
	}
	if (cc_journal_state(j) != CHUNKCACHE_JOURNAL_RUNNING)
		return cc_cmd_fail(c->info, -EBUSY, "journal is not running");
	if (!cc_journal_reserve_vital(j, n))
		return cc_cmd_fail(c->info, -ENOSPC, "journal is full");
	for (i = 0; i < n; i++) {
		cc_cmd_get_record(c->info, CHUNKCACHE_A_RECORDS, i, &rec);
		add_record(j, &rec);
		if (rec.type == CC_JOURNAL_COMMITTED)
			tell_committed(c->pool, &rec);
	}
	cc_journal_tell(j, true);
	return 0;
}

int cc_do_journal_trim(struct cc_cmd *c)
{
	u64 tail;

	if (cc_cmd_require(c->info, CHUNKCACHE_A_JOURNAL_TAIL))
		return -EINVAL;
	tail = nla_get_u64(c->info->attrs[CHUNKCACHE_A_JOURNAL_TAIL]);
	if (cc_journal_trim(&c->pool->journal, tail))
		return cc_cmd_fail(c->info, -ERANGE,
				   "TAIL goes back, or is above the page that takes records");
	return 0;
}

/* ---- slots ---- */

int cc_do_slot_claim(struct cc_cmd *c)
{
	struct chunkcache_slot *slots;
	bool named = true;
	u32 n, i;
	int r;

	r = cc_cmd_get_records(c->info, CHUNKCACHE_A_SLOTS, sizeof(*slots),
			       CHUNKCACHE_SLOT_BATCH_MAX, &n);
	if (r)
		return r;
	if (cc_journal_state(&c->pool->journal) != CHUNKCACHE_JOURNAL_RECOVERING)
		return cc_cmd_fail(c->info, -EBUSY, "journal is not recovering");
	slots = kvmalloc_array(n, sizeof(*slots), GFP_KERNEL);
	if (!slots)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		cc_cmd_get_record(c->info, CHUNKCACHE_A_SLOTS, i, &slots[i]);
		named &= !slots[i].gen;
	}
	r = cc_cmd_reply_begin(c, CHUNKCACHE_CMD_SLOT_CLAIM, nla_total_size(n * sizeof(*slots)));
	if (!r && !named)
		r = cc_cmd_fail(c->info, -EINVAL, "generation of a slot that is claimed must be 0");
	if (!r)
		r = cc_slots_claim(&c->pool->slots, slots, n);
	if (r == -ERANGE)
		cc_cmd_fail(c->info, r, "no such slot");
	if (r == -ESTALE)
		cc_cmd_fail(c->info, r, "slot was claimed before");
	/* Room is there: what was claimed can't be given back. */
	if (!r)
		r = nla_put(c->reply, CHUNKCACHE_A_SLOTS, n * sizeof(*slots), slots) ?:
		    cc_cmd_reply_end(c);
	kvfree(slots);
	return r;
}

int cc_do_slot_clean(struct cc_cmd *c)
{
	struct chunkcache_slot s;
	u32 n;
	int r;

	r = cc_cmd_get_records(c->info, CHUNKCACHE_A_SLOTS, sizeof(s), 1, &n);
	if (r || cc_cmd_require(c->info, CHUNKCACHE_A_KEY))
		return -EINVAL;
	cc_cmd_get_record(c->info, CHUNKCACHE_A_SLOTS, 0, &s);
	r = cc_slots_clean(&c->pool->slots, cc_slot(s.slot), s.gen,
			   nla_get_u64(c->info->attrs[CHUNKCACHE_A_KEY]));
	if (r == -EBUSY)
		return cc_cmd_fail(c->info, r, "slot still takes writes");
	if (r)
		return cc_cmd_fail(c->info, r, "slot is not LOG at this generation");
	return 0;
}

int cc_do_slot_drop(struct cc_cmd *c)
{
	struct chunkcache_slot s;
	u32 n, i;
	int r;

	r = cc_cmd_get_records(c->info, CHUNKCACHE_A_SLOTS, sizeof(s), CHUNKCACHE_SLOT_BATCH_MAX,
			       &n);
	if (!r)
		r = cc_cmd_batch_begin(c, CHUNKCACHE_CMD_SLOT_DROP, n);
	if (r)
		return r;
	for (i = 0; i < n; i++) {
		cc_cmd_get_record(c->info, CHUNKCACHE_A_SLOTS, i, &s);
		r = cc_slots_drop(&c->pool->slots, cc_slot(s.slot), s.gen,
				  c->info->attrs[CHUNKCACHE_A_BAD]);
		if (r)
			cc_cmd_refuse(c, i, r);
	}
	return cc_cmd_batch_end(c);
}

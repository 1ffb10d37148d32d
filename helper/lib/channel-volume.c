// SPDX-License-Identifier: GPL-2.0-or-later
/* The netlink channel's commands for the journal, the slots of log chunks and volumes; see channel.h. */
#include "channel-impl.h"

#include <errno.h>

/* ---- journal ---- */

static int on_journal(void *arg, const struct nlattr **tb)
{
	struct cc_journal_info i = { 0 }, *ret = arg;
	int r = cc_attr_u32(tb, CHUNKCACHE_A_JOURNAL_STATE, &i.state);

	if (!r)
		r = cc_attr_u64(tb, CHUNKCACHE_A_JOURNAL_HEAD, &i.head);
	if (!r)
		r = cc_attr_u64(tb, CHUNKCACHE_A_JOURNAL_TAIL, &i.tail);
	if (!r)
		r = cc_attr_u64(tb, CHUNKCACHE_A_DIRTY_MAX, &i.dirty_max);
	if (!r && i.state > CHUNKCACHE_JOURNAL_FAILED)
		r = -EPROTO;
	if (!r)
		*ret = i;
	return r;
}

int cc_channel_journal_get(struct cc_channel *c, struct cc_journal_info *ret_info)
{
	return cc_channel_request(c, cc_channel_begin(c, CHUNKCACHE_CMD_JOURNAL_GET, 0), on_journal, ret_info);
}

int cc_channel_journal_resume(struct cc_channel *c, uint64_t next, uint64_t prev, uint64_t tail)
{
	struct nlmsghdr *nlh = cc_channel_begin(c, CHUNKCACHE_CMD_JOURNAL_RESUME, 0);

	mnl_attr_put_u64(nlh, CHUNKCACHE_A_JOURNAL_HEAD, next);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_JOURNAL_PREV, prev);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_JOURNAL_TAIL, tail);
	return cc_channel_request(c, nlh, NULL, NULL);
}

int cc_channel_journal_add(struct cc_channel *c, const struct chunkcache_record *records, uint32_t nr)
{
	struct nlmsghdr *nlh = cc_channel_begin(c, CHUNKCACHE_CMD_JOURNAL_ADD, 0);

	mnl_attr_put(nlh, CHUNKCACHE_A_RECORDS, nr * sizeof(*records), records);
	return cc_channel_request(c, nlh, NULL, NULL);
}

int cc_channel_journal_trim(struct cc_channel *c, uint64_t tail)
{
	struct nlmsghdr *nlh = cc_channel_begin(c, CHUNKCACHE_CMD_JOURNAL_TRIM, 0);

	mnl_attr_put_u64(nlh, CHUNKCACHE_A_JOURNAL_TAIL, tail);
	return cc_channel_request(c, nlh, NULL, NULL);
}

/* ---- slots of log chunks ---- */

int cc_channel_slot_claim(struct cc_channel *c, struct chunkcache_slot *slots, uint32_t nr)
{
	struct nlmsghdr *nlh = cc_channel_begin(c, CHUNKCACHE_CMD_SLOT_CLAIM, 0);
	struct chunkcache_slot claimed[CHUNKCACHE_SLOT_BATCH_MAX];
	struct cc_slot_sink s = { claimed, CHUNKCACHE_SLOT_BATCH_MAX, 0 };
	int r;

	mnl_attr_put(nlh, CHUNKCACHE_A_SLOTS, nr * sizeof(*slots), slots);
	r = cc_channel_request(c, nlh, cc_channel_on_slots, &s);
	if (r)
		return r;
	if (s.nr != nr)
		return -EPROTO;
	for (uint32_t i = 0; i < nr; i++)
		if (claimed[i].slot != slots[i].slot || !claimed[i].gen)
			return -EPROTO;
	for (uint32_t i = 0; i < nr; i++)
		slots[i].gen = claimed[i].gen;
	return 0;
}

int cc_channel_slot_clean(struct cc_channel *c, struct chunkcache_slot slot, uint64_t key)
{
	struct nlmsghdr *nlh = cc_channel_begin(c, CHUNKCACHE_CMD_SLOT_CLEAN, 0);

	mnl_attr_put(nlh, CHUNKCACHE_A_SLOTS, sizeof(slot), &slot);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_KEY, key);
	return cc_channel_request(c, nlh, NULL, NULL);
}

int cc_channel_slot_drop(struct cc_channel *c, const struct chunkcache_slot *slots, uint32_t nr, bool bad,
			 struct cc_refusals *ret_refusals)
{
	struct nlmsghdr *nlh = cc_channel_begin(c, CHUNKCACHE_CMD_SLOT_DROP, 0);

	ret_refusals->nr = 0;
	mnl_attr_put(nlh, CHUNKCACHE_A_SLOTS, nr * sizeof(*slots), slots);
	if (bad)
		mnl_attr_put(nlh, CHUNKCACHE_A_BAD, 0, NULL);
	return cc_channel_request(c, nlh, cc_channel_on_refused, ret_refusals);
}

/* ---- volumes ---- */

static struct nlmsghdr *begin_volume(struct cc_channel *c, uint8_t cmd, uint64_t disk)
{
	struct nlmsghdr *nlh = cc_channel_begin(c, cmd, 0);

	mnl_attr_put_u64(nlh, CHUNKCACHE_A_DISK, disk);
	return nlh;
}

int cc_channel_volume_load_logs(struct cc_channel *c, uint64_t disk, const struct chunkcache_log *logs, uint32_t nr)
{
	struct nlmsghdr *nlh = begin_volume(c, CHUNKCACHE_CMD_VOLUME_LOAD, disk);

	mnl_attr_put(nlh, CHUNKCACHE_A_LOGS, nr * sizeof(*logs), logs);
	return cc_channel_request(c, nlh, NULL, NULL);
}

int cc_channel_volume_load_extents(struct cc_channel *c, uint64_t disk, const struct chunkcache_extent *extents,
				   uint32_t nr)
{
	struct nlmsghdr *nlh = begin_volume(c, CHUNKCACHE_CMD_VOLUME_LOAD, disk);

	mnl_attr_put(nlh, CHUNKCACHE_A_EXTENTS, nr * sizeof(*extents), extents);
	return cc_channel_request(c, nlh, NULL, NULL);
}

int cc_channel_volume_start(struct cc_channel *c, uint64_t disk, uint32_t handle, uint32_t term)
{
	struct nlmsghdr *nlh = begin_volume(c, CHUNKCACHE_CMD_VOLUME_START, disk);

	mnl_attr_put_u32(nlh, CHUNKCACHE_A_VOLUME, handle);
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_TERM, term);
	return cc_channel_request(c, nlh, NULL, NULL);
}

int cc_channel_volume_cut(struct cc_channel *c, uint64_t disk, bool seal)
{
	struct nlmsghdr *nlh = begin_volume(c, CHUNKCACHE_CMD_VOLUME_CUT, disk);

	if (seal)
		mnl_attr_put(nlh, CHUNKCACHE_A_SEAL, 0, NULL);
	return cc_channel_request(c, nlh, NULL, NULL);
}

int cc_channel_volume_fail(struct cc_channel *c, uint64_t disk, const char *reason)
{
	struct nlmsghdr *nlh = begin_volume(c, CHUNKCACHE_CMD_VOLUME_FAIL, disk);

	cc_channel_put_reason(nlh, reason);
	return cc_channel_request(c, nlh, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only
/* The commands of the generic netlink family.  Manual: linux/dm-chunkcache.h. */
#include "netlink.h"
#include "netlink-impl.h"

#define DOIT(name)								\
	static int cc_nl_##name(struct sk_buff *skb, struct genl_info *info)	\
	{									\
		return cc_cmd_run(skb, info, cc_do_##name);			\
	}

DOIT(detach)
DOIT(disk_state)
DOIT(miss_get)
DOIT(slot_alloc)
DOIT(slot_done)
DOIT(slot_release)
DOIT(slot_keep)
DOIT(map)
DOIT(miss_data)
DOIT(miss_fail)
DOIT(journal_get)
DOIT(journal_resume)
DOIT(journal_add)
DOIT(journal_trim)
DOIT(slot_claim)
DOIT(slot_clean)
DOIT(slot_drop)
DOIT(volume_load)
DOIT(volume_start)
DOIT(volume_cut)
DOIT(volume_fail)

#define OP(CMD, fn)	{ .cmd = CHUNKCACHE_CMD_##CMD, .flags = GENL_ADMIN_PERM, .doit = fn }
#define DUMP(CMD, fn)	{ .cmd = CHUNKCACHE_CMD_##CMD, .flags = GENL_ADMIN_PERM, .dumpit = fn }

static const struct genl_ops ops[] = {
	OP(ATTACH, cc_nl_attach),
	OP(DETACH, cc_nl_detach),
	DUMP(DISK_GET, cc_nl_disk_dump),
	OP(DISK_STATE, cc_nl_disk_state),
	OP(MISS_GET, cc_nl_miss_get),
	OP(SLOT_ALLOC, cc_nl_slot_alloc),
	OP(SLOT_DONE, cc_nl_slot_done),
	OP(SLOT_RELEASE, cc_nl_slot_release),
	OP(SLOT_KEEP, cc_nl_slot_keep),
	DUMP(SLOT_GET, cc_nl_slot_dump),
	OP(MAP, cc_nl_map),
	OP(MISS_DATA, cc_nl_miss_data),
	OP(MISS_FAIL, cc_nl_miss_fail),
	DUMP(STATS_GET, cc_nl_stats_dump),
	OP(JOURNAL_GET, cc_nl_journal_get),
	OP(JOURNAL_RESUME, cc_nl_journal_resume),
	OP(JOURNAL_ADD, cc_nl_journal_add),
	OP(JOURNAL_TRIM, cc_nl_journal_trim),
	OP(SLOT_CLAIM, cc_nl_slot_claim),
	OP(SLOT_CLEAN, cc_nl_slot_clean),
	OP(SLOT_DROP, cc_nl_slot_drop),
	OP(VOLUME_LOAD, cc_nl_volume_load),
	OP(VOLUME_START, cc_nl_volume_start),
	OP(VOLUME_CUT, cc_nl_volume_cut),
	OP(VOLUME_FAIL, cc_nl_volume_fail),
};

int cc_netlink_init(void)
{
	int r;

	r = cc_nl_watch_sockets();
	if (r)
		return r;
	r = cc_genl_register(ops, ARRAY_SIZE(ops));
	if (r)
		cc_nl_unwatch_sockets();
	return r;
}

void cc_netlink_exit(void)
{
	cc_genl_unregister();
	cc_nl_unwatch_sockets();
}

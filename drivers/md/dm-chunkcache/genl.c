// SPDX-License-Identifier: GPL-2.0-only
/* The generic netlink family, see genl.h.  The protocol's manual is linux/dm-chunkcache.h. */
#include "genl.h"
#include <linux/dm-ioctl.h>
#include <linux/module.h>
#include <linux/uuid.h>

#define RECORDS(record, max)	{ .type = NLA_BINARY, .len = (max) * sizeof(struct record) }

static const struct nla_policy attr_policy[CHUNKCACHE_A_MAX + 1] = {
	[CHUNKCACHE_A_VERSION] = { .type = NLA_U32 },
	[CHUNKCACHE_A_POOL_FD] = { .type = NLA_U32 },
	[CHUNKCACHE_A_POOL_UUID] = NLA_POLICY_EXACT_LEN(UUID_SIZE),
	[CHUNKCACHE_A_POOL_NAME] = { .type = NLA_NUL_STRING, .len = DM_NAME_LEN - 1 },
	[CHUNKCACHE_A_BELL_PORT] = { .type = NLA_U32 },
	[CHUNKCACHE_A_SESSION] = { .type = NLA_U64 },
	[CHUNKCACHE_A_DISK] = { .type = NLA_U64 },
	[CHUNKCACHE_A_DISK_STATE] = NLA_POLICY_RANGE(NLA_U32, CHUNKCACHE_DISK_LOADED,
						     CHUNKCACHE_DISK_REFUSED),
	[CHUNKCACHE_A_REASON] = { .type = NLA_NUL_STRING, .len = CHUNKCACHE_REASON_MAX },
	[CHUNKCACHE_A_COUNT] = NLA_POLICY_MIN(NLA_U32, 1),
	[CHUNKCACHE_A_ALL] = { .type = NLA_FLAG },
	[CHUNKCACHE_A_PREFETCH] = { .type = NLA_FLAG },
	[CHUNKCACHE_A_BAD] = { .type = NLA_FLAG },
	[CHUNKCACHE_A_LAST] = { .type = NLA_FLAG },
	[CHUNKCACHE_A_CHUNK] = { .type = NLA_U64 },
	[CHUNKCACHE_A_COOKIE] = { .type = NLA_U64 },
	[CHUNKCACHE_A_OFFSET] = { .type = NLA_U32 },
	[CHUNKCACHE_A_KEY] = { .type = NLA_U64 },
	[CHUNKCACHE_A_DATA] = { .type = NLA_BINARY, .len = CHUNKCACHE_DATA_MAX },
	[CHUNKCACHE_A_SLOTS] = RECORDS(chunkcache_slot, CHUNKCACHE_SLOT_BATCH_MAX),
	[CHUNKCACHE_A_MAPS] = RECORDS(chunkcache_map, CHUNKCACHE_MAP_BATCH_MAX),
	[CHUNKCACHE_A_FAILS] = RECORDS(chunkcache_fail, CHUNKCACHE_MAP_BATCH_MAX),
	[CHUNKCACHE_A_JOURNAL_HEAD] = { .type = NLA_U64 },
	[CHUNKCACHE_A_JOURNAL_PREV] = { .type = NLA_U64 },
	[CHUNKCACHE_A_JOURNAL_TAIL] = { .type = NLA_U64 },
	[CHUNKCACHE_A_RECORDS] = RECORDS(chunkcache_record, CHUNKCACHE_RECORD_BATCH_MAX),
	[CHUNKCACHE_A_VOLUME] = NLA_POLICY_MIN(NLA_U32, 1),
	[CHUNKCACHE_A_TERM] = NLA_POLICY_MIN(NLA_U32, 1),
	[CHUNKCACHE_A_LOGS] = RECORDS(chunkcache_log, CHUNKCACHE_EXTENT_BATCH_MAX),
	[CHUNKCACHE_A_EXTENTS] = RECORDS(chunkcache_extent, CHUNKCACHE_EXTENT_BATCH_MAX),
	[CHUNKCACHE_A_SEAL] = { .type = NLA_FLAG },
};

struct genl_family cc_genl_family __ro_after_init = {
	.name = CHUNKCACHE_GENL_NAME,
	.version = CHUNKCACHE_GENL_VERSION,
	.maxattr = CHUNKCACHE_A_MAX,
	.policy = attr_policy,
	.parallel_ops = true,
	.module = THIS_MODULE,
};

int cc_genl_register(const struct genl_ops *ops, unsigned int n)
{
	cc_genl_family.ops = ops;
	cc_genl_family.n_ops = n;
	return genl_register_family(&cc_genl_family);
}

void cc_genl_unregister(void)
{
	genl_unregister_family(&cc_genl_family);
}

int cc_genl_send_doorbell(u64 session, u32 port, u32 pending)
{
	struct sk_buff *skb = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_NOIO);
	void *head;

	if (!skb)
		return -ENOMEM;
	head = genlmsg_put(skb, 0, 0, &cc_genl_family, 0, CHUNKCACHE_CMD_DOORBELL);
	if (!head || nla_put_u64_64bit(skb, CHUNKCACHE_A_SESSION, session, CHUNKCACHE_A_PAD) ||
	    nla_put_u32(skb, CHUNKCACHE_A_PENDING, pending)) {
		nlmsg_free(skb);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, head);
	return genlmsg_unicast(&init_net, skb, port);
}

// SPDX-License-Identifier: GPL-2.0-only
/* STATS_GET: the counters of all pools and their disks. */
#include "netlink-impl.h"
#include "counters.h"
#include "dev.h"
#include "pool.h"

static int put_stats(struct sk_buff *skb, struct netlink_callback *cb, struct cc_pool *pool,
		     struct cc_dev *dev)
{
	u64 n[CHUNKCACHE_STAT_MAX + 1];
	void *head;

	if (dev)
		cc_dev_stats(dev, n);
	else
		cc_pool_stats(pool, n);
	head = cc_dump_head(skb, cb, CHUNKCACHE_CMD_STATS_GET);
	if (!head)
		return -EMSGSIZE;
	if (nla_put_string(skb, CHUNKCACHE_A_POOL_NAME, pool->name) ||
	    (dev && nla_put_string(skb, CHUNKCACHE_A_DISK_NAME, dev->name)) ||
	    nla_put(skb, CHUNKCACHE_A_STATS, sizeof(n), n) ||
	    (!dev && nla_put_u32(skb, CHUNKCACHE_A_UNDRAINED,
				 atomic_read(&pool->nr_draining)))) {
		genlmsg_cancel(skb, head);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, head);
	return 0;
}

/*
 * cb->args[0] says how many of all pools and devices were sent before.  Sums want the pool's
 * command mutex: nobody else's pool waits for that.
 */
int cc_nl_stats_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct cc_pool *pool;
	struct cc_dev *dev;
	int r = cc_dump_check(cb);

	if (r)
		return r;
	for (; !r && cc_pool_nth(cb->args[0], &pool, &dev); cb->args[0] += !r) {
		r = put_stats(skb, cb, pool, dev);
		if (dev)
			kobject_put(&dev->kobj);
		cc_pool_put(pool);
	}
	return skb->len;
}

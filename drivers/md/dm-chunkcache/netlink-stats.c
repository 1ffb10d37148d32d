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

struct stats_dump {
	struct sk_buff *skb;
	struct netlink_callback *cb;
	long at;
};

/* The at-th of all pools and devices; cb->args[0] says how many were sent before. */
static int dump_one(void *arg, struct cc_pool *pool, struct cc_dev *dev)
{
	struct stats_dump *d = arg;

	if (d->at++ < d->cb->args[0])
		return 0;
	if (put_stats(d->skb, d->cb, pool, dev))
		return 1;
	d->cb->args[0]++;
	return 0;
}

int cc_nl_stats_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct stats_dump d = { .skb = skb, .cb = cb };
	int r = cc_dump_check(cb);

	if (r)
		return r;
	cc_pool_for_each(dump_one, &d);
	return skb->len;
}

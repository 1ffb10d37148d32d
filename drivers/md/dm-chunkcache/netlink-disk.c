// SPDX-License-Identifier: GPL-2.0-only
/* DISK_*, MISS_*: what a disk is, what it misses, how that is answered. */
#include "netlink-impl.h"
#include <linux/slab.h>
#include "dev.h"
#include "pool.h"

int cc_do_disk_state(struct cc_cmd *c)
{
	struct genl_info *info = c->info;
	char reason[CHUNKCACHE_REASON_MAX + 1];
	struct cc_disk *disk;

	if (cc_cmd_require(info, CHUNKCACHE_A_DISK) ||
	    cc_cmd_require(info, CHUNKCACHE_A_DISK_STATE))
		return -EINVAL;
	disk = cc_disk_find(c->pool, nla_get_u64(info->attrs[CHUNKCACHE_A_DISK]));
	if (!disk)
		return cc_cmd_fail(info, -ENOENT, "no such disk");
	cc_cmd_get_reason(info, reason);
	cc_disk_set_state(disk, nla_get_u32(info->attrs[CHUNKCACHE_A_DISK_STATE]), reason);
	return 0;
}

/* ---- misses ---- */

int cc_do_miss_get(struct cc_cmd *c)
{
	struct chunkcache_miss *misses;
	u32 n, got, pending;
	int r;

	r = cc_cmd_get_count(c->info, CHUNKCACHE_MISS_BATCH_MAX, &n);
	if (r)
		return r;
	misses = kvmalloc_array(n, sizeof(*misses), GFP_KERNEL);
	if (!misses)
		return -ENOMEM;
	r = cc_cmd_reply_begin(c, CHUNKCACHE_CMD_MISS_GET,
			       nla_total_size(n * sizeof(*misses)) + nla_total_size(sizeof(u32)));
	if (r)
		goto free;
	if (c->info->attrs[CHUNKCACHE_A_ALL])
		cc_session_renew(c->pool);
	got = cc_session_pull(c->pool, misses, n, &pending);
	if (nla_put(c->reply, CHUNKCACHE_A_MISSES, got * sizeof(*misses), misses) ||
	    nla_put_u32(c->reply, CHUNKCACHE_A_PENDING, pending))
		r = -EMSGSIZE;
	else
		r = cc_cmd_reply_end(c);
	/* The helper didn't hear of them. */
	if (r) {
		cc_session_renew(c->pool);
		cc_bell_ring(&c->pool->bell, pending | CHUNKCACHE_PENDING_MISS, NULL);
	}
free:
	kvfree(misses);
	return r;
}

int cc_do_miss_data(struct cc_cmd *c)
{
	struct nlattr **a = c->info->attrs;
	struct cc_disk *disk;
	u32 offset, len;
	u64 chunk;

	if (cc_cmd_require(c->info, CHUNKCACHE_A_DISK) ||
	    cc_cmd_require(c->info, CHUNKCACHE_A_CHUNK) ||
	    cc_cmd_require(c->info, CHUNKCACHE_A_COOKIE) ||
	    cc_cmd_require(c->info, CHUNKCACHE_A_OFFSET) ||
	    cc_cmd_require(c->info, CHUNKCACHE_A_DATA))
		return -EINVAL;
	disk = cc_disk_find(c->pool, nla_get_u64(a[CHUNKCACHE_A_DISK]));
	if (!disk)
		return cc_cmd_fail(c->info, -ENOENT, "no such disk");
	chunk = nla_get_u64(a[CHUNKCACHE_A_CHUNK]);
	offset = nla_get_u32(a[CHUNKCACHE_A_OFFSET]);
	len = nla_len(a[CHUNKCACHE_A_DATA]);
	if (!len || (offset | len) & (SECTOR_SIZE - 1))
		return cc_cmd_fail(c->info, -EINVAL, "OFFSET and DATA must be multiples of 512 bytes");
	if (chunk >= disk->map.nr_chunks ||
	    (u64)offset + len > 1ULL << (disk->chunk_shift + SECTOR_SHIFT))
		return cc_cmd_fail(c->info, -ERANGE, "outside of the chunk or disk");
	return cc_miss_data(disk, cc_chunk(chunk), nla_get_u64(a[CHUNKCACHE_A_COOKIE]), offset,
			    nla_data(a[CHUNKCACHE_A_DATA]), len, a[CHUNKCACHE_A_LAST]);
}

static int fail_one(struct cc_pool *pool, const struct chunkcache_fail *f)
{
	static const blk_status_t status[] = {
		[CHUNKCACHE_FAIL_NOTFOUND] = BLK_STS_MEDIUM,
		[CHUNKCACHE_FAIL_CORRUPT] = BLK_STS_PROTECTION,
		[CHUNKCACHE_FAIL_TIMEOUT] = BLK_STS_TIMEOUT,
		[CHUNKCACHE_FAIL_OTHER] = BLK_STS_IOERR,
	};
	struct cc_disk *disk = cc_disk_find(pool, f->disk);
	int r;

	if (!disk)
		return -ENOENT;
	if (f->class >= ARRAY_SIZE(status) || !status[f->class] || f->reserved)
		return -EINVAL;
	r = cc_miss_fail(disk, cc_chunk(f->chunk), f->cookie, status[f->class]);
	/* Wrong bytes everywhere are for somebody to look at. */
	if (!r && f->class == CHUNKCACHE_FAIL_CORRUPT)
		disk->event_due = true;
	return r;
}

/* One event per disk and message, however many of its chunks failed. */
static void raise_events(struct cc_pool *pool)
{
	struct cc_disk *disk;
	unsigned long id;

	lockdep_assert_held(&pool->cmd);
	xa_for_each(&pool->disks, id, disk) {
		if (disk->event_due)
			dm_table_event(disk->ti->table);
		disk->event_due = false;
	}
}

int cc_do_miss_fail(struct cc_cmd *c)
{
	struct chunkcache_fail f;
	u32 n, i;
	int r;

	r = cc_cmd_get_records(c->info, CHUNKCACHE_A_FAILS, sizeof(f),
			       CHUNKCACHE_MAP_BATCH_MAX, &n);
	if (!r)
		r = cc_cmd_batch_begin(c, CHUNKCACHE_CMD_MISS_FAIL, n);
	if (r)
		return r;
	for (i = 0; i < n; i++) {
		cc_cmd_get_record(c->info, CHUNKCACHE_A_FAILS, i, &f);
		r = fail_one(c->pool, &f);
		if (r)
			cc_cmd_refuse(c, i, r);
	}
	raise_events(c->pool);
	return cc_cmd_batch_end(c);
}

/* ---- DISK_GET ---- */

static int put_content(struct sk_buff *skb, const struct cc_disk *disk)
{
	if (disk->volume)
		return cc_nl_put_volume(skb, disk->volume);
	return nla_put(skb, CHUNKCACHE_A_DIGEST, sizeof(disk->args.digest), disk->args.digest);
}

static int put_disk_info(struct sk_buff *skb, struct netlink_callback *cb, struct cc_disk *disk)
{
	void *head = cc_dump_head(skb, cb, CHUNKCACHE_CMD_DISK_GET);

	if (!head)
		return -EMSGSIZE;
	if (nla_put_u64_64bit(skb, CHUNKCACHE_A_DISK, disk->id, CHUNKCACHE_A_PAD) ||
	    nla_put_string(skb, CHUNKCACHE_A_DISK_NAME, disk->dev->name) ||
	    nla_put_string(skb, CHUNKCACHE_A_STORE, disk->args.store) ||
	    put_content(skb, disk) ||
	    nla_put_u64_64bit(skb, CHUNKCACHE_A_DISK_SECTORS, disk->ti->len,
			      CHUNKCACHE_A_PAD) ||
	    nla_put_u32(skb, CHUNKCACHE_A_DISK_STATE, disk->state)) {
		genlmsg_cancel(skb, head);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, head);
	return 0;
}

/* cb->args[0]: the ID to go on with. */
int cc_nl_disk_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct cc_pool *pool;
	struct cc_disk *disk;
	unsigned long id;
	int r = cc_dump_check(cb);

	if (r)
		return r;
	pool = cc_dump_pool(cb, false);
	if (IS_ERR(pool))
		return PTR_ERR(pool);
	xa_for_each_start(&pool->disks, id, disk, cb->args[0]) {
		if (put_disk_info(skb, cb, disk))
			break;
		cb->args[0] = id + 1;
	}
	cc_dump_put(pool);
	return skb->len;
}

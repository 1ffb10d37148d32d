// SPDX-License-Identifier: GPL-2.0-only
/* SLOT_ALLOC, SLOT_RELEASE, SLOT_KEEP, SLOT_GET: slots change hands. */
#include "netlink-impl.h"
#include <linux/slab.h>
#include "pool.h"

#define SLOT_INFO_BATCH	64

static u32 alloc_named(struct cc_cmd *c, struct chunkcache_slot *slots, u32 n)
{
	struct chunkcache_slot s;
	u32 i, got = 0;

	for (i = 0; i < n; i++) {
		cc_cmd_get_record(c->info, CHUNKCACHE_A_SLOTS, i, &s);
		if (!s.gen &&
		    !cc_slots_alloc_named(&c->pool->slots, cc_session_owner(c->session),
					  cc_slot(s.slot), &slots[got]))
			got++;
	}
	return got;
}

static void release_all(struct cc_cmd *c, const struct chunkcache_slot *slots, u32 n)
{
	while (n--)
		cc_slots_release(&c->pool->slots, cc_session_owner(c->session),
				 cc_slot(slots[n].slot), slots[n].gen, false);
}

int cc_do_slot_alloc(struct cc_cmd *c)
{
	struct nlattr **a = c->info->attrs;
	bool named = a[CHUNKCACHE_A_SLOTS];
	struct chunkcache_slot *slots;
	u32 n, got;
	int r;

	if (named)
		r = cc_cmd_get_records(c->info, CHUNKCACHE_A_SLOTS, sizeof(*slots),
				       CHUNKCACHE_SLOT_BATCH_MAX, &n);
	else
		r = cc_cmd_get_count(c->info, CHUNKCACHE_SLOT_BATCH_MAX, &n);
	if (r)
		return r;
	slots = kvmalloc_array(n, sizeof(*slots), GFP_KERNEL);
	if (!slots)
		return -ENOMEM;
	r = cc_cmd_reply_begin(c, CHUNKCACHE_CMD_SLOT_ALLOC, nla_total_size(n * sizeof(*slots)));
	if (r)
		goto free;
	if (named)
		got = alloc_named(c, slots, n);
	else
		got = cc_slots_alloc(&c->pool->slots, cc_session_owner(c->session),
				     a[CHUNKCACHE_A_PREFETCH], n, slots);
	if (nla_put(c->reply, CHUNKCACHE_A_SLOTS, got * sizeof(*slots), slots))
		r = -EMSGSIZE;
	else
		r = cc_cmd_reply_end(c);
	if (r)
		release_all(c, slots, got);
free:
	kvfree(slots);
	return r;
}

/* Do something with each slot of a message; those that it refuses are named in the reply. */
static int with_each_named(struct cc_cmd *c, u8 cmd,
			   int (*fn)(struct cc_cmd *c, const struct chunkcache_slot *s))
{
	struct chunkcache_slot s;
	u32 n, i;
	int r;

	r = cc_cmd_get_records(c->info, CHUNKCACHE_A_SLOTS, sizeof(s),
			       CHUNKCACHE_SLOT_BATCH_MAX, &n);
	if (!r)
		r = cc_cmd_batch_begin(c, cmd, n);
	if (r)
		return r;
	for (i = 0; i < n; i++) {
		cc_cmd_get_record(c->info, CHUNKCACHE_A_SLOTS, i, &s);
		r = fn(c, &s);
		if (r)
			cc_cmd_refuse(c, i, r);
	}
	return cc_cmd_batch_end(c);
}

static int release_slot(struct cc_cmd *c, const struct chunkcache_slot *s)
{
	return cc_slots_release(&c->pool->slots, cc_session_owner(c->session), cc_slot(s->slot),
				s->gen, c->info->attrs[CHUNKCACHE_A_BAD]);
}

int cc_do_slot_release(struct cc_cmd *c)
{
	return with_each_named(c, CHUNKCACHE_CMD_SLOT_RELEASE, release_slot);
}

static int keep_slot(struct cc_cmd *c, const struct chunkcache_slot *s)
{
	return s->gen ? -EINVAL : cc_slots_keep(&c->pool->slots, cc_slot(s->slot));
}

int cc_do_slot_keep(struct cc_cmd *c)
{
	return with_each_named(c, CHUNKCACHE_CMD_SLOT_KEEP, keep_slot);
}

/* ---- SLOT_GET ---- */

/* GONE is none of the protocol's: such slots are not told of. */
static const u8 protocol_states[CC_NR_SLOT_STATES] = {
	[CC_SLOT_FREE] = CHUNKCACHE_SLOT_FREE,
	[CC_SLOT_FILLING] = CHUNKCACHE_SLOT_FILLING,
	[CC_SLOT_VALID] = CHUNKCACHE_SLOT_VALID,
	[CC_SLOT_DYING] = CHUNKCACHE_SLOT_DYING,
	[CC_SLOT_BAD] = CHUNKCACHE_SLOT_BAD,
	[CC_SLOT_LOG] = CHUNKCACHE_SLOT_LOG,
};

static void describe_slot(struct cc_pool *pool, u32 nr, const struct cc_slot_view *view,
			  struct chunkcache_slot_info *ret)
{
	const struct cc_session *s = pool->session;

	memset(ret, 0, sizeof(*ret));
	ret->slot = nr;
	ret->gen = view->gen;
	ret->state = protocol_states[view->state];
	ret->flags = view->hit ? CHUNKCACHE_SLOT_HIT : 0;
	if (view->owner && s && view->owner == cc_session_owner(s))
		ret->session = s->id;
}

/* Up to a batch of slots that were ever handed out, from *pos on; moves *pos. */
static u32 collect_slots(struct cc_pool *pool, u32 *pos, struct chunkcache_slot_info *ret)
{
	struct cc_slot_view view;
	u32 n = 0;

	for (; n < SLOT_INFO_BATCH && *pos < READ_ONCE(pool->slots.end); (*pos)++) {
		if (!(*pos % CC_LEAF_SLOTS))
			cond_resched();
		if (cc_slots_get_info(&pool->slots, cc_slot(*pos), &view))
			describe_slot(pool, *pos, &view, &ret[n++]);
	}
	return n;
}

/* cb->args[0]: the slot to go on with. */
int cc_nl_slot_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct chunkcache_slot_info *infos;
	struct cc_pool *pool;
	int r = cc_dump_check(cb);

	if (r)
		return r;
	infos = kmalloc_array(SLOT_INFO_BATCH, sizeof(*infos), GFP_KERNEL);
	if (!infos)
		return -ENOMEM;
	pool = cc_dump_pool(cb, true);
	if (IS_ERR(pool)) {
		kfree(infos);
		return PTR_ERR(pool);
	}
	for (;;) {
		u32 pos = cb->args[0], n = collect_slots(pool, &pos, infos);
		void *head = n ? cc_dump_head(skb, cb, CHUNKCACHE_CMD_SLOT_GET) : NULL;

		if (!head)
			break;
		if (nla_put(skb, CHUNKCACHE_A_SLOT_INFO, n * sizeof(*infos), infos)) {
			genlmsg_cancel(skb, head);
			break;
		}
		genlmsg_end(skb, head);
		cb->args[0] = pos;
	}
	cc_dump_put(pool);
	kfree(infos);
	return skb->len;
}

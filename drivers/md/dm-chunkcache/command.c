// SPDX-License-Identifier: GPL-2.0-only
/* What all commands of the helper have in common, see command.h. */
#include "command.h"
#include <linux/ctype.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <net/sock.h>
#include "pool.h"

/* ---- attributes ---- */

int cc_cmd_get_records(struct genl_info *info, int attr, size_t size, u32 max, u32 *ret_n)
{
	struct nlattr *nla = info->attrs[attr];

	if (!nla) {
		NL_SET_ERR_MSG(info->extack, "array of records is missing");
		return -EINVAL;
	}
	if (!nla_len(nla) || nla_len(nla) % size || nla_len(nla) / size > max) {
		NL_SET_ERR_MSG_ATTR(info->extack, nla,
				    "not 1 to the maximum of whole records");
		return -EINVAL;
	}
	*ret_n = nla_len(nla) / size;
	return 0;
}

int cc_cmd_get_count(struct genl_info *info, u32 max, u32 *ret_n)
{
	if (cc_cmd_require(info, CHUNKCACHE_A_COUNT))
		return -EINVAL;
	*ret_n = nla_get_u32(info->attrs[CHUNKCACHE_A_COUNT]);
	if (*ret_n <= max)
		return 0;
	NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[CHUNKCACHE_A_COUNT], "larger than the batch");
	return -EINVAL;
}

void cc_cmd_get_reason(struct genl_info *info, char *ret)
{
	struct nlattr *text = info->attrs[CHUNKCACHE_A_REASON];

	*ret = '\0';
	if (text)
		nla_strscpy(ret, text, CHUNKCACHE_REASON_MAX + 1);
	for (; *ret; ret++)
		if (!isascii(*ret) || !isprint(*ret))
			*ret = '?';
}

/* ---- replies ---- */

int cc_cmd_reply_begin(struct cc_cmd *c, u8 cmd, size_t size)
{
	c->reply = genlmsg_new(size, GFP_KERNEL);
	if (!c->reply)
		return -ENOMEM;
	c->head = genlmsg_put_reply(c->reply, c->info, &cc_genl_family, 0, cmd);
	if (c->head)
		return 0;
	nlmsg_free(c->reply);
	c->reply = NULL;
	return -ENOMEM;
}

int cc_cmd_reply_end(struct cc_cmd *c)
{
	struct sk_buff *skb = c->reply;

	genlmsg_end(skb, c->head);
	c->reply = NULL;
	return genlmsg_reply(skb, c->info);
}

int cc_cmd_batch_begin(struct cc_cmd *c, u8 cmd, u32 n)
{
	c->refused = kvmalloc_array(n, sizeof(*c->refused), GFP_KERNEL);
	if (!c->refused)
		return -ENOMEM;
	c->nr_refused = 0;
	return cc_cmd_reply_begin(c, cmd, nla_total_size(n * sizeof(*c->refused)));
}

void cc_cmd_refuse(struct cc_cmd *c, u32 index, int error)
{
	c->refused[c->nr_refused++] = (struct chunkcache_refused){
		.index = index,
		.error = -error,
	};
	atomic64_inc(&c->pool->nr_refused);
}

int cc_cmd_batch_end(struct cc_cmd *c)
{
	if (c->nr_refused && nla_put(c->reply, CHUNKCACHE_A_REFUSED,
				     c->nr_refused * sizeof(*c->refused), c->refused))
		return -EMSGSIZE;
	return cc_cmd_reply_end(c);
}

/* ---- who may ---- */

int cc_cmd_check_sender(struct sk_buff *skb, struct net *net)
{
	if (!net_eq(net, &init_net) || !netlink_capable(skb, CAP_SYS_ADMIN))
		return -EPERM;
	return 0;
}

int cc_cmd_run(struct sk_buff *skb, struct genl_info *info, int (*handler)(struct cc_cmd *c))
{
	struct cc_cmd c = { .info = info };
	unsigned int noio;
	int r;

	r = cc_cmd_check_sender(skb, genl_info_net(info));
	if (r)
		return cc_cmd_fail(info, r, "needs CAP_SYS_ADMIN in the initial network namespace");
	if (cc_cmd_require(info, CHUNKCACHE_A_SESSION))
		return -EINVAL;
	c.pool = cc_pool_find_port(info->snd_portid);
	if (!c.pool)
		return cc_cmd_fail(info, -ENOTCONN, "this socket has no session");

	noio = memalloc_noio_save();
	mutex_lock(&c.pool->cmd);
	atomic64_inc(&c.pool->nr_messages);
	c.session = c.pool->session;
	if (!c.session || c.session->port != info->snd_portid)
		r = cc_cmd_fail(info, -ENOTCONN, "this socket has no session");
	else if (nla_get_u64(info->attrs[CHUNKCACHE_A_SESSION]) != c.session->id)
		r = cc_cmd_fail(info, -ESTALE, "session number is not this socket's");
	else
		r = handler(&c);
	if (r)
		atomic64_inc(&c.pool->nr_refused);
	mutex_unlock(&c.pool->cmd);
	memalloc_noio_restore(noio);
	kvfree(c.refused);
	nlmsg_free(c.reply);
	cc_pool_put(c.pool);
	return r;
}

/* ---- dumps ---- */

struct cc_pool *cc_dump_pool(struct netlink_callback *cb, bool by_name)
{
	struct nlattr **attrs = cc_dump_attrs(cb);
	u32 port = NETLINK_CB(cb->skb).portid;
	struct cc_pool *pool;
	int r = -ENOTCONN;

	by_name = by_name && attrs && attrs[CHUNKCACHE_A_POOL_NAME];
	if (by_name)
		pool = cc_pool_find_name(nla_data(attrs[CHUNKCACHE_A_POOL_NAME]));
	else
		pool = cc_pool_find_port(port);
	if (!pool)
		return ERR_PTR(by_name ? -ENODEV : -ENOTCONN);
	mutex_lock(&pool->cmd);
	if (by_name)
		return pool;
	if (pool->session && pool->session->port == port) {
		if (attrs && attrs[CHUNKCACHE_A_SESSION] &&
		    nla_get_u64(attrs[CHUNKCACHE_A_SESSION]) == pool->session->id)
			return pool;
		r = -ESTALE;
	}
	mutex_unlock(&pool->cmd);
	cc_pool_put(pool);
	return ERR_PTR(r);
}

void cc_dump_put(struct cc_pool *pool)
{
	mutex_unlock(&pool->cmd);
	cc_pool_put(pool);
}

int cc_dump_check(struct netlink_callback *cb)
{
	return cc_cmd_check_sender(cb->skb, sock_net(cb->skb->sk));
}

void *cc_dump_head(struct sk_buff *skb, struct netlink_callback *cb, u8 cmd)
{
	return genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, &cc_genl_family,
			   NLM_F_MULTI, cmd);
}

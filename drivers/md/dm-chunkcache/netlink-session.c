// SPDX-License-Identifier: GPL-2.0-only
/* ATTACH and DETACH; a socket that goes away. */
#include "netlink-impl.h"
#include <linux/blkdev.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/netlink.h>
#include <linux/sched/mm.h>
#include <linux/stringify.h>
#include "pool.h"

#define VERSION_TEXT	"VERSION is not supported, only " __stringify(CHUNKCACHE_PROTOCOL_VERSION)

/* The pool that fd is the dm device of, as a helper must have opened it. */
static int find_pool_of_file(struct genl_info *info, struct file *file, struct cc_pool **ret)
{
	struct inode *inode = file->f_mapping->host;

	if (!S_ISBLK(inode->i_mode))
		return cc_cmd_fail(info, -ENODEV, "POOL_FD is not a block device");
	if (!(file->f_flags & O_DIRECT) || !(file->f_mode & FMODE_WRITE))
		return cc_cmd_fail(info, -EINVAL, "POOL_FD must be open with O_RDWR and O_DIRECT");
	*ret = cc_pool_find(inode->i_rdev);
	if (!*ret)
		return cc_cmd_fail(info, -ENODEV, "POOL_FD is not the dm device of a pool");
	return 0;
}

static int send_attached(struct cc_cmd *c)
{
	struct cc_pool *pool = c->pool;
	u32 slot_size = 1u << (pool->geo.slot_shift + SECTOR_SHIFT);

	if (nla_put_u64_64bit(c->reply, CHUNKCACHE_A_SESSION, pool->session->id,
			      CHUNKCACHE_A_PAD) ||
	    nla_put_u64_64bit(c->reply, CHUNKCACHE_A_INSTANCE, pool->instance,
			      CHUNKCACHE_A_PAD) ||
	    nla_put_u32(c->reply, CHUNKCACHE_A_SLOT_SIZE, slot_size) ||
	    nla_put_u64_64bit(c->reply, CHUNKCACHE_A_NR_SLOTS, pool->geo.nr_slots,
			      CHUNKCACHE_A_PAD) ||
	    nla_put_string(c->reply, CHUNKCACHE_A_POOL_NAME, pool->name))
		return -EMSGSIZE;
	return cc_cmd_reply_end(c);
}

/* With the pool's mutex held; takes file over only on success. */
static int attach_locked(struct cc_cmd *c, struct file *file)
{
	struct genl_info *info = c->info;
	struct cc_pool *pool = c->pool;
	struct cc_session *s;
	int r;

	if (memcmp(nla_data(info->attrs[CHUNKCACHE_A_POOL_UUID]), &pool->geo.uuid, UUID_SIZE))
		return cc_cmd_fail(info, -ESTALE, "pool has another UUID");
	if (!nla_get_u32(info->attrs[CHUNKCACHE_A_BELL_PORT]))
		return cc_cmd_fail(info, -EINVAL, "BELL_PORT must not be 0");
	if (!pool->live)
		return cc_cmd_fail(info, -ENODEV, "pool has no table or is suspended");
	if (pool->session)
		return cc_cmd_fail(info, -EBUSY, "another helper is attached");
	r = cc_cmd_reply_begin(c, CHUNKCACHE_CMD_ATTACH, NLMSG_GOODSIZE);
	if (r)
		return r;
	s = cc_session_attach(pool, info->snd_portid,
			      nla_get_u32(info->attrs[CHUNKCACHE_A_BELL_PORT]), get_file(file));
	if (IS_ERR(s)) {
		fput(file);
		return cc_cmd_fail(info, PTR_ERR(s), "no room for another session");
	}
	r = send_attached(c);
	if (r)
		cc_session_detach(pool);
	return r;
}

int cc_nl_attach(struct sk_buff *skb, struct genl_info *info)
{
	struct cc_cmd c = { .info = info };
	struct cc_pool *other;
	unsigned int noio;
	struct file *file;
	int r;

	r = cc_cmd_check_sender(skb, genl_info_net(info));
	if (r)
		return cc_cmd_fail(info, r, "needs CAP_SYS_ADMIN in the initial network namespace");
	if (cc_cmd_require(info, CHUNKCACHE_A_VERSION) ||
	    cc_cmd_require(info, CHUNKCACHE_A_POOL_FD) ||
	    cc_cmd_require(info, CHUNKCACHE_A_POOL_UUID) ||
	    cc_cmd_require(info, CHUNKCACHE_A_BELL_PORT))
		return -EINVAL;
	if (nla_get_u32(info->attrs[CHUNKCACHE_A_VERSION]) != CHUNKCACHE_PROTOCOL_VERSION)
		return cc_cmd_fail(info, -EPROTO, VERSION_TEXT);
	other = cc_pool_find_port(info->snd_portid);
	if (other) {
		cc_pool_put(other);
		return cc_cmd_fail(info, -EBUSY, "this socket has a session");
	}
	file = fget(nla_get_u32(info->attrs[CHUNKCACHE_A_POOL_FD]));
	if (!file)
		return cc_cmd_fail(info, -EBADF, "POOL_FD is not an open file");
	r = find_pool_of_file(info, file, &c.pool);
	if (r)
		goto put_file;

	noio = memalloc_noio_save();
	mutex_lock(&c.pool->cmd);
	atomic64_inc(&c.pool->nr_messages);
	r = attach_locked(&c, file);
	if (r)
		atomic64_inc(&c.pool->nr_refused);
	mutex_unlock(&c.pool->cmd);
	memalloc_noio_restore(noio);
	nlmsg_free(c.reply);
	cc_pool_put(c.pool);
put_file:
	fput(file);
	return r;
}

int cc_do_detach(struct cc_cmd *c)
{
	cc_session_detach(c->pool);
	return 0;
}

/* A socket went away, perhaps a helper's. */
static int cc_nl_notify(struct notifier_block *nb, unsigned long event, void *ptr)
{
	struct netlink_notify *n = ptr;
	struct cc_pool *pool;

	if (event != NETLINK_URELEASE || n->protocol != NETLINK_GENERIC ||
	    !net_eq(n->net, &init_net))
		return NOTIFY_DONE;
	/* More than one, if two threads attached two pools by one socket at once. */
	while ((pool = cc_pool_find_port(n->portid))) {
		mutex_lock(&pool->cmd);
		if (pool->session && pool->session->port == n->portid)
			cc_session_end(pool);
		mutex_unlock(&pool->cmd);
		cc_pool_put(pool);
	}
	return NOTIFY_DONE;
}

static struct notifier_block notifier = { .notifier_call = cc_nl_notify };

int cc_nl_watch_sockets(void)
{
	return netlink_register_notifier(&notifier);
}

void cc_nl_unwatch_sockets(void)
{
	netlink_unregister_notifier(&notifier);
}

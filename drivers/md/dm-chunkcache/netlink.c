// SPDX-License-Identifier: GPL-2.0-only
/* The commands of the generic netlink family.  Manual: linux/dm-chunkcache.h. */
#include <linux/blkdev.h>
#include <linux/ctype.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/netlink.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <net/genetlink.h>
#include <net/sock.h>
#include "counters.h"
#include "dev.h"
#include "genl.h"
#include "netlink.h"
#include "pool.h"

/* One command on its way: what all handlers need. */
struct cc_cmd {
	struct genl_info *info;
	struct cc_pool *pool;
	struct cc_session *session;
	struct sk_buff *reply;
	void *head;			/* of the reply */
	struct chunkcache_refused *refused;
	u32 nr_refused;
};

/* ---- attributes ---- */

/* Refuse the message: errno and the reason that the sender is shown. */
#define fail(info, error, text) ({ NL_SET_ERR_MSG((info)->extack, text); (error); })

#define require(info, attr) \
	((info)->attrs[attr] ? 0 : fail(info, -EINVAL, "missing " #attr))

/* An array attribute: 1..max records of this size. */
static int get_records(struct genl_info *info, int attr, size_t size, u32 max, u32 *ret_n)
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

/* Records in a message are not aligned: copy the one. */
#define get_record(info, attr, i, ret) \
	memcpy(ret, nla_data((info)->attrs[attr]) + (i) * sizeof(*(ret)), sizeof(*(ret)))

static int get_count(struct genl_info *info, u32 max, u32 *ret_n)
{
	if (require(info, CHUNKCACHE_A_COUNT))
		return -EINVAL;
	*ret_n = nla_get_u32(info->attrs[CHUNKCACHE_A_COUNT]);
	if (*ret_n <= max)
		return 0;
	NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[CHUNKCACHE_A_COUNT], "larger than the batch");
	return -EINVAL;
}

/* ---- replies ---- */

static int reply_begin(struct cc_cmd *c, u8 cmd, size_t size)
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

static int reply_end(struct cc_cmd *c)
{
	struct sk_buff *skb = c->reply;

	genlmsg_end(skb, c->head);
	c->reply = NULL;
	return genlmsg_reply(skb, c->info);
}

/* A batch of n records: room for all being refused, before anything is changed. */
static int batch_begin(struct cc_cmd *c, u8 cmd, u32 n)
{
	c->refused = kvmalloc_array(n, sizeof(*c->refused), GFP_KERNEL);
	if (!c->refused)
		return -ENOMEM;
	c->nr_refused = 0;
	return reply_begin(c, cmd, nla_total_size(n * sizeof(*c->refused)));
}

static void refuse(struct cc_cmd *c, u32 index, int error)
{
	c->refused[c->nr_refused++] = (struct chunkcache_refused){
		.index = index,
		.error = -error,
	};
	atomic64_inc(&c->pool->nr_refused);
}

static int batch_end(struct cc_cmd *c)
{
	if (c->nr_refused && nla_put(c->reply, CHUNKCACHE_A_REFUSED,
				     c->nr_refused * sizeof(*c->refused), c->refused))
		return -EMSGSIZE;
	return reply_end(c);
}

/* ---- who may ---- */

static int check_sender(struct sk_buff *skb, struct net *net)
{
	if (!net_eq(net, &init_net) || !netlink_capable(skb, CAP_SYS_ADMIN))
		return -EPERM;
	return 0;
}

/*
 * Run a command of the attached helper with the pool's mutex held.  No memory is got by
 * way of I/O: that might wait for the very helper whose message this is.
 */
static int run(struct sk_buff *skb, struct genl_info *info, int (*handler)(struct cc_cmd *c))
{
	struct cc_cmd c = { .info = info };
	unsigned int noio;
	int r;

	r = check_sender(skb, genl_info_net(info));
	if (r)
		return fail(info, r, "needs CAP_SYS_ADMIN in the initial network namespace");
	if (require(info, CHUNKCACHE_A_SESSION))
		return -EINVAL;
	c.pool = cc_pool_find_port(info->snd_portid);
	if (!c.pool)
		return fail(info, -ENOTCONN, "this socket has no session");

	noio = memalloc_noio_save();
	mutex_lock(&c.pool->cmd);
	atomic64_inc(&c.pool->nr_messages);
	c.session = c.pool->session;
	if (!c.session || c.session->port != info->snd_portid)
		r = fail(info, -ENOTCONN, "this socket has no session");
	else if (nla_get_u64(info->attrs[CHUNKCACHE_A_SESSION]) != c.session->id)
		r = fail(info, -ESTALE, "session number is not this socket's");
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

/* ---- ATTACH, DETACH ---- */

/* The pool that fd is the dm device of, as a helper must have opened it. */
static int find_pool_of_file(struct genl_info *info, struct file *file, struct cc_pool **ret)
{
	struct inode *inode = file->f_mapping->host;

	if (!S_ISBLK(inode->i_mode))
		return fail(info, -ENODEV, "POOL_FD is not a block device");
	if (!(file->f_flags & O_DIRECT) || !(file->f_mode & FMODE_WRITE))
		return fail(info, -EINVAL, "POOL_FD must be open with O_RDWR and O_DIRECT");
	*ret = cc_pool_find(inode->i_rdev);
	if (!*ret)
		return fail(info, -ENODEV, "POOL_FD is not the dm device of a pool");
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
	return reply_end(c);
}

/* With the pool's mutex held; takes file over only on success. */
static int attach_locked(struct cc_cmd *c, struct file *file)
{
	struct genl_info *info = c->info;
	struct cc_pool *pool = c->pool;
	struct cc_session *s;
	int r;

	if (memcmp(nla_data(info->attrs[CHUNKCACHE_A_POOL_UUID]), &pool->geo.uuid, UUID_SIZE))
		return fail(info, -ESTALE, "pool has another UUID");
	if (!nla_get_u32(info->attrs[CHUNKCACHE_A_BELL_PORT]))
		return fail(info, -EINVAL, "BELL_PORT must not be 0");
	if (!pool->live)
		return fail(info, -ENODEV, "pool has no table or is suspended");
	if (pool->session)
		return fail(info, -EBUSY, "another helper is attached");
	r = reply_begin(c, CHUNKCACHE_CMD_ATTACH, NLMSG_GOODSIZE);
	if (r)
		return r;
	s = cc_session_attach(pool, info->snd_portid,
			      nla_get_u32(info->attrs[CHUNKCACHE_A_BELL_PORT]), get_file(file));
	if (IS_ERR(s)) {
		fput(file);
		return fail(info, PTR_ERR(s), "no room for another session");
	}
	r = send_attached(c);
	if (r)
		cc_session_detach(pool);
	return r;
}

static int cc_nl_attach(struct sk_buff *skb, struct genl_info *info)
{
	struct cc_cmd c = { .info = info };
	struct cc_pool *other;
	unsigned int noio;
	struct file *file;
	int r;

	r = check_sender(skb, genl_info_net(info));
	if (r)
		return fail(info, r, "needs CAP_SYS_ADMIN in the initial network namespace");
	if (require(info, CHUNKCACHE_A_VERSION) || require(info, CHUNKCACHE_A_POOL_FD) ||
	    require(info, CHUNKCACHE_A_POOL_UUID) || require(info, CHUNKCACHE_A_BELL_PORT))
		return -EINVAL;
	if (nla_get_u32(info->attrs[CHUNKCACHE_A_VERSION]) != CHUNKCACHE_PROTOCOL_VERSION)
		return fail(info, -EPROTO, "VERSION is not supported, only 1");
	other = cc_pool_find_port(info->snd_portid);
	if (other) {
		cc_pool_put(other);
		return fail(info, -EBUSY, "this socket has a session");
	}
	file = fget(nla_get_u32(info->attrs[CHUNKCACHE_A_POOL_FD]));
	if (!file)
		return fail(info, -EBADF, "POOL_FD is not an open file");
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

static int do_detach(struct cc_cmd *c)
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

/* ---- disks ---- */

static void log_state(struct cc_disk *disk)
{
	if (disk->state == CHUNKCACHE_DISK_REFUSED)
		DMERR_LIMIT("%s: manifest refused: %s", disk->dev->name, disk->reason);
}

static int do_disk_state(struct cc_cmd *c)
{
	struct genl_info *info = c->info;
	struct nlattr *reason = info->attrs[CHUNKCACHE_A_REASON];
	struct cc_disk *disk;
	char *p;

	if (require(info, CHUNKCACHE_A_DISK) || require(info, CHUNKCACHE_A_DISK_STATE))
		return -EINVAL;
	disk = cc_disk_find(c->pool, nla_get_u64(info->attrs[CHUNKCACHE_A_DISK]));
	if (!disk)
		return fail(info, -ENOENT, "no such disk");
	disk->state = nla_get_u32(info->attrs[CHUNKCACHE_A_DISK_STATE]);
	disk->reason[0] = '\0';
	if (reason)
		nla_strscpy(disk->reason, reason, sizeof(disk->reason));
	for (p = disk->reason; *p; p++)
		if (!isascii(*p) || !isprint(*p))
			*p = '?';
	cc_miss_refuse(disk, disk->state == CHUNKCACHE_DISK_REFUSED);
	log_state(disk);
	dm_table_event(disk->ti->table);
	return 0;
}

/* ---- misses ---- */

static int do_miss_get(struct cc_cmd *c)
{
	struct chunkcache_miss *misses;
	u32 n, got, pending;
	int r;

	r = get_count(c->info, CHUNKCACHE_MISS_BATCH_MAX, &n);
	if (r)
		return r;
	misses = kvmalloc_array(n, sizeof(*misses), GFP_KERNEL);
	if (!misses)
		return -ENOMEM;
	r = reply_begin(c, CHUNKCACHE_CMD_MISS_GET,
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
		r = reply_end(c);
	/* The helper didn't hear of them. */
	if (r) {
		cc_session_renew(c->pool);
		cc_bell_ring(&c->pool->bell, pending | CHUNKCACHE_PENDING_MISS, NULL);
	}
free:
	kvfree(misses);
	return r;
}

static int do_miss_data(struct cc_cmd *c)
{
	struct nlattr **a = c->info->attrs;
	struct cc_disk *disk;
	u32 offset, len;
	u64 chunk;

	if (require(c->info, CHUNKCACHE_A_DISK) || require(c->info, CHUNKCACHE_A_CHUNK) ||
	    require(c->info, CHUNKCACHE_A_COOKIE) || require(c->info, CHUNKCACHE_A_OFFSET) ||
	    require(c->info, CHUNKCACHE_A_DATA))
		return -EINVAL;
	disk = cc_disk_find(c->pool, nla_get_u64(a[CHUNKCACHE_A_DISK]));
	if (!disk)
		return fail(c->info, -ENOENT, "no such disk");
	chunk = nla_get_u64(a[CHUNKCACHE_A_CHUNK]);
	offset = nla_get_u32(a[CHUNKCACHE_A_OFFSET]);
	len = nla_len(a[CHUNKCACHE_A_DATA]);
	if (!len || (offset | len) & (SECTOR_SIZE - 1))
		return fail(c->info, -EINVAL, "OFFSET and DATA must be multiples of 512 bytes");
	if (chunk >= disk->map.nr_chunks ||
	    (u64)offset + len > 1ULL << (disk->chunk_shift + SECTOR_SHIFT))
		return fail(c->info, -ERANGE, "outside of the chunk or disk");
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

	if (!disk)
		return -ENOENT;
	if (f->class >= ARRAY_SIZE(status) || !status[f->class] || f->reserved)
		return -EINVAL;
	/* Wrong bytes everywhere are for somebody to look at. */
	if (f->class == CHUNKCACHE_FAIL_CORRUPT)
		dm_table_event(disk->ti->table);
	return cc_miss_fail(disk, cc_chunk(f->chunk), f->cookie, status[f->class]);
}

static int do_miss_fail(struct cc_cmd *c)
{
	struct chunkcache_fail f;
	u32 n, i;
	int r;

	r = get_records(c->info, CHUNKCACHE_A_FAILS, sizeof(f), CHUNKCACHE_MAP_BATCH_MAX, &n);
	if (!r)
		r = batch_begin(c, CHUNKCACHE_CMD_MISS_FAIL, n);
	if (r)
		return r;
	for (i = 0; i < n; i++) {
		get_record(c->info, CHUNKCACHE_A_FAILS, i, &f);
		r = fail_one(c->pool, &f);
		if (r)
			refuse(c, i, r);
	}
	return batch_end(c);
}

/* ---- slots ---- */

static u32 alloc_named(struct cc_cmd *c, struct chunkcache_slot *slots, u32 n)
{
	struct chunkcache_slot s;
	u32 i, got = 0;

	for (i = 0; i < n; i++) {
		get_record(c->info, CHUNKCACHE_A_SLOTS, i, &s);
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

static int do_slot_alloc(struct cc_cmd *c)
{
	struct nlattr **a = c->info->attrs;
	bool named = a[CHUNKCACHE_A_SLOTS];
	struct chunkcache_slot *slots;
	u32 n, got;
	int r;

	if (named)
		r = get_records(c->info, CHUNKCACHE_A_SLOTS, sizeof(*slots),
				CHUNKCACHE_SLOT_BATCH_MAX, &n);
	else
		r = get_count(c->info, CHUNKCACHE_SLOT_BATCH_MAX, &n);
	if (r)
		return r;
	slots = kvmalloc_array(n, sizeof(*slots), GFP_KERNEL);
	if (!slots)
		return -ENOMEM;
	r = reply_begin(c, CHUNKCACHE_CMD_SLOT_ALLOC, nla_total_size(n * sizeof(*slots)));
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
		r = reply_end(c);
	if (r)
		release_all(c, slots, got);
free:
	kvfree(slots);
	return r;
}

static int do_slot_release(struct cc_cmd *c)
{
	struct chunkcache_slot s;
	u32 n, i;
	int r;

	r = get_records(c->info, CHUNKCACHE_A_SLOTS, sizeof(s), CHUNKCACHE_SLOT_BATCH_MAX, &n);
	if (!r)
		r = batch_begin(c, CHUNKCACHE_CMD_SLOT_RELEASE, n);
	if (r)
		return r;
	for (i = 0; i < n; i++) {
		get_record(c->info, CHUNKCACHE_A_SLOTS, i, &s);
		r = cc_slots_release(&c->pool->slots, cc_session_owner(c->session),
				     cc_slot(s.slot), s.gen, c->info->attrs[CHUNKCACHE_A_BAD]);
		if (r)
			refuse(c, i, r);
	}
	return batch_end(c);
}

static int do_slot_keep(struct cc_cmd *c)
{
	struct chunkcache_slot s;
	u32 n, i;
	int r;

	r = get_records(c->info, CHUNKCACHE_A_SLOTS, sizeof(s), CHUNKCACHE_SLOT_BATCH_MAX, &n);
	if (!r)
		r = batch_begin(c, CHUNKCACHE_CMD_SLOT_KEEP, n);
	if (r)
		return r;
	for (i = 0; i < n; i++) {
		get_record(c->info, CHUNKCACHE_A_SLOTS, i, &s);
		r = s.gen ? -EINVAL : cc_slots_keep(&c->pool->slots, cc_slot(s.slot));
		if (r)
			refuse(c, i, r);
	}
	return batch_end(c);
}

/* ---- mappings ---- */

/* One record of MAP, checked: what the slot lock's section needs. */
struct map_one {
	struct cc_disk *disk;
	cc_chunk_t chunk;
	cc_entry_t entry;
};

static void set_entry(struct cc_disk *disk, cc_chunk_t chunk, cc_entry_t entry)
{
	int more = cc_chunk_map_set(&disk->map, chunk, entry);

	WRITE_ONCE(disk->nr_mapped, disk->nr_mapped + more);
}

/*
 * With the slot lock held and the slot VALID.  The entry is written before the misses are
 * looked at: who looks for a miss after us finds the entry.
 */
static void map_valid(void *arg)
{
	struct map_one *m = arg;
	/* Pairs with the release in book(). */
	u16 share = smp_load_acquire(&m->disk->dev->share_id);

	set_entry(m->disk, m->chunk, m->entry);
	cc_slots_charge(m->disk->slots, cc_entry_slot(m->entry), share);
	cc_miss_mapped(m->disk, m->chunk, m->entry);
}

/* Without memory the first of them are holes and the rest is as it was. */
static int map_hole(struct cc_disk *disk, u64 chunk, u64 count)
{
	int r = 0;
	u64 i;

	for (i = 0; i < count; i++) {
		r = cc_chunk_map_prepare(&disk->map, cc_chunk(chunk + i));
		if (r)
			break;
		set_entry(disk, cc_chunk(chunk + i), CC_ENTRY_HOLE);
		cond_resched();
	}
	cc_miss_hole(disk, cc_chunk(chunk), i);
	return r;
}

/* Check a record and get its entry's page ready. */
static int map_prepare(struct cc_pool *pool, const struct chunkcache_map *rec,
		       struct map_one *ret)
{
	bool hole = rec->flags & CHUNKCACHE_MAP_HOLE;
	struct cc_disk *disk = cc_disk_find(pool, rec->disk);

	if (!disk)
		return -ENOENT;
	if (rec->flags & ~(CHUNKCACHE_MAP_HOLE | CHUNKCACHE_MAP_MARK) || rec->reserved ||
	    !rec->count || (hole && (rec->slot || rec->gen || rec->flags & CHUNKCACHE_MAP_MARK)) ||
	    (!hole && (rec->count != 1 || !rec->gen)))
		return -EINVAL;
	if (rec->chunk >= disk->map.nr_chunks || rec->count > disk->map.nr_chunks - rec->chunk)
		return -ERANGE;
	ret->disk = disk;
	ret->chunk = cc_chunk(rec->chunk);
	ret->entry = cc_entry(cc_slot(rec->slot), rec->gen, rec->flags & CHUNKCACHE_MAP_MARK);
	return hole ? 0 : cc_chunk_map_prepare(&disk->map, ret->chunk);
}

static int map_one(struct cc_pool *pool, const struct chunkcache_map *rec)
{
	struct map_one m;
	int r = map_prepare(pool, rec, &m);

	if (r)
		return r;
	if (rec->flags & CHUNKCACHE_MAP_HOLE)
		return map_hole(m.disk, rec->chunk, rec->count);
	return cc_slots_use(&pool->slots, cc_slot(rec->slot), rec->gen, map_valid, &m);
}

static int do_map(struct cc_cmd *c)
{
	u64 left = CHUNKCACHE_MAP_CHUNKS_MAX;
	struct chunkcache_map rec;
	u32 n, i;
	int r;

	r = get_records(c->info, CHUNKCACHE_A_MAPS, sizeof(rec), CHUNKCACHE_MAP_BATCH_MAX, &n);
	if (!r)
		r = batch_begin(c, CHUNKCACHE_CMD_MAP, n);
	if (r)
		return r;
	for (i = 0; i < n; i++) {
		get_record(c->info, CHUNKCACHE_A_MAPS, i, &rec);
		r = rec.count > left ? -E2BIG : map_one(c->pool, &rec);
		if (r)
			refuse(c, i, r);
		/* What was refused otherwise has taken its time as well. */
		if (r != -E2BIG)
			left -= rec.count;
		cond_resched();
	}
	return batch_end(c);
}

struct slot_done {
	struct map_one *maps;
	u32 nr;
};

static void make_mappings(void *arg)
{
	struct slot_done *d = arg;
	u32 i;

	for (i = 0; i < d->nr; i++)
		map_valid(&d->maps[i]);
}

/* Check the mappings of a SLOT_DONE; the good ones go into d. */
static int prepare_mappings(struct cc_cmd *c, const struct chunkcache_slot *slot, u32 n,
			    struct slot_done *d)
{
	struct chunkcache_map rec;
	u32 i;
	int r;

	d->maps = kvmalloc_array(n, sizeof(*d->maps), GFP_KERNEL);
	if (!d->maps)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		struct map_one *m = &d->maps[d->nr];

		get_record(c->info, CHUNKCACHE_A_MAPS, i, &rec);
		r = map_prepare(c->pool, &rec, m);
		if (!r && (rec.flags & CHUNKCACHE_MAP_HOLE || rec.slot != slot->slot ||
			   rec.gen != slot->gen))
			r = -EINVAL;
		if (r)
			refuse(c, i, r);
		else
			d->nr++;
	}
	return 0;
}

static int do_slot_done(struct cc_cmd *c)
{
	struct slot_done d = {};
	struct chunkcache_slot slot;
	u32 one, n = 0;
	int r;

	r = get_records(c->info, CHUNKCACHE_A_SLOTS, sizeof(slot), 1, &one);
	if (!r && c->info->attrs[CHUNKCACHE_A_MAPS])
		r = get_records(c->info, CHUNKCACHE_A_MAPS, sizeof(struct chunkcache_map),
				CHUNKCACHE_MAP_BATCH_MAX, &n);
	if (!r)
		r = require(c->info, CHUNKCACHE_A_KEY);
	if (!r)
		r = batch_begin(c, CHUNKCACHE_CMD_SLOT_DONE, n ?: 1);
	if (r)
		return r;
	get_record(c->info, CHUNKCACHE_A_SLOTS, 0, &slot);
	if (n)
		r = prepare_mappings(c, &slot, n, &d);
	if (!r)
		r = cc_slots_done(&c->pool->slots, cc_session_owner(c->session),
				  cc_slot(slot.slot), slot.gen,
				  nla_get_u64(c->info->attrs[CHUNKCACHE_A_KEY]),
				  c->info->attrs[CHUNKCACHE_A_PREFETCH], make_mappings, &d);
	kvfree(d.maps);
	return r ? r : batch_end(c);
}

/* ---- dumps ---- */

/*
 * The pool a dump is about, with its mutex held: the sender's, or if that may be the one it
 * names.
 */
static struct cc_pool *dump_pool(struct netlink_callback *cb, bool by_name)
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

static void dump_put(struct cc_pool *pool)
{
	mutex_unlock(&pool->cmd);
	cc_pool_put(pool);
}

static int check_dump(struct netlink_callback *cb)
{
	return check_sender(cb->skb, sock_net(cb->skb->sk));
}

static void *dump_head(struct sk_buff *skb, struct netlink_callback *cb, u8 cmd)
{
	return genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, &cc_genl_family,
			   NLM_F_MULTI, cmd);
}

static int put_disk_info(struct sk_buff *skb, struct netlink_callback *cb, struct cc_disk *disk)
{
	void *head = dump_head(skb, cb, CHUNKCACHE_CMD_DISK_GET);

	if (!head)
		return -EMSGSIZE;
	if (nla_put_u64_64bit(skb, CHUNKCACHE_A_DISK, disk->id, CHUNKCACHE_A_PAD) ||
	    nla_put_string(skb, CHUNKCACHE_A_DISK_NAME, disk->dev->name) ||
	    nla_put_string(skb, CHUNKCACHE_A_STORE, disk->args.store) ||
	    nla_put(skb, CHUNKCACHE_A_DIGEST, sizeof(disk->args.digest), disk->args.digest) ||
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
static int cc_nl_disk_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct cc_pool *pool;
	struct cc_disk *disk;
	unsigned long id;
	int r = check_dump(cb);

	if (r)
		return r;
	pool = dump_pool(cb, false);
	if (IS_ERR(pool))
		return PTR_ERR(pool);
	xa_for_each_start(&pool->disks, id, disk, cb->args[0]) {
		if (put_disk_info(skb, cb, disk))
			break;
		cb->args[0] = id + 1;
	}
	dump_put(pool);
	return skb->len;
}

#define SLOT_INFO_BATCH	64

/* Up to a batch of slots that were ever handed out, from *pos on; moves *pos. */
static u32 collect_slots(struct cc_pool *pool, u32 *pos, struct chunkcache_slot_info *ret)
{
	u32 n = 0;
	u8 owner;

	while (n < SLOT_INFO_BATCH && *pos < READ_ONCE(pool->slots.end)) {
		struct chunkcache_slot_info *info = &ret[n];

		if (!(*pos % CC_LEAF_SLOTS))
			cond_resched();
		if (!cc_slots_get_info(&pool->slots, cc_slot((*pos)++), info, &owner))
			continue;
		if (owner && pool->session && owner == cc_session_owner(pool->session))
			info->session = pool->session->id;
		n++;
	}
	return n;
}

/* cb->args[0]: the slot to go on with. */
static int cc_nl_slot_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct chunkcache_slot_info *infos;
	struct cc_pool *pool;
	int r = check_dump(cb);

	if (r)
		return r;
	infos = kmalloc_array(SLOT_INFO_BATCH, sizeof(*infos), GFP_KERNEL);
	if (!infos)
		return -ENOMEM;
	pool = dump_pool(cb, true);
	if (IS_ERR(pool)) {
		kfree(infos);
		return PTR_ERR(pool);
	}
	for (;;) {
		u32 pos = cb->args[0], n = collect_slots(pool, &pos, infos);
		void *head = n ? dump_head(skb, cb, CHUNKCACHE_CMD_SLOT_GET) : NULL;

		if (!head)
			break;
		if (nla_put(skb, CHUNKCACHE_A_SLOT_INFO, n * sizeof(*infos), infos)) {
			genlmsg_cancel(skb, head);
			break;
		}
		genlmsg_end(skb, head);
		cb->args[0] = pos;
	}
	dump_put(pool);
	kfree(infos);
	return skb->len;
}

static int put_stats(struct sk_buff *skb, struct netlink_callback *cb, struct cc_pool *pool,
		     struct cc_dev *dev)
{
	u64 n[CHUNKCACHE_STAT_MAX + 1];
	void *head;

	if (dev)
		cc_dev_stats(dev, n);
	else
		cc_pool_stats(pool, n);
	head = dump_head(skb, cb, CHUNKCACHE_CMD_STATS_GET);
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

static int cc_nl_stats_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct stats_dump d = { .skb = skb, .cb = cb };
	int r = check_dump(cb);

	if (r)
		return r;
	cc_pool_for_each(dump_one, &d);
	return skb->len;
}

/* ---- the family ---- */

#define DOIT(name)								\
	static int cc_nl_##name(struct sk_buff *skb, struct genl_info *info)	\
	{									\
		return run(skb, info, do_##name);				\
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
};

int cc_netlink_init(void)
{
	int r;

	r = netlink_register_notifier(&notifier);
	if (r)
		return r;
	r = cc_genl_register(ops, ARRAY_SIZE(ops));
	if (r)
		netlink_unregister_notifier(&notifier);
	return r;
}

void cc_netlink_exit(void)
{
	cc_genl_unregister();
	netlink_unregister_notifier(&notifier);
}

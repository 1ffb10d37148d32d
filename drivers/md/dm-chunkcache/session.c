// SPDX-License-Identifier: GPL-2.0-only
/* Sessions of helpers and the bell.  Rules and states are in session.h. */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include "pool.h"

#define DRAIN_MIN_MS	5
#define DRAIN_MAX_MS	500
#define RETRY_MIN_MS	2
#define RETRY_MAX_MS	1000

int (*cc_bell_send)(u64 session, u32 port, u32 pending);

/* ---- the bell ---- */

static void cc_bell_work(struct work_struct *work)
{
	struct cc_bell *bell = container_of(to_delayed_work(work), struct cc_bell, send);
	struct cc_pool *pool = container_of(bell, struct cc_pool, bell);
	u64 session;
	u32 pending, port;
	int r;

	spin_lock(&bell->lock);
	session = bell->session;
	port = bell->port;
	pending = bell->pending;
	spin_unlock(&bell->lock);
	/* Pulled meanwhile, or nobody there. */
	if (!session || !pending)
		return;

	r = cc_bell_send(session, port, pending);
	if (!r) {
		atomic64_inc(&pool->nr_doorbells);
		bell->retry_ms = RETRY_MIN_MS;
		return;
	}
	/* A full socket, or no memory: the work stays pending, only the message is late. */
	bell->retry_ms = min_t(unsigned int, 2 * bell->retry_ms, RETRY_MAX_MS);
	queue_delayed_work(cc_wq, &bell->send, msecs_to_jiffies(bell->retry_ms));
}

void cc_bell_init(struct cc_bell *bell)
{
	spin_lock_init(&bell->lock);
	INIT_LIST_HEAD(&bell->ready);
	INIT_DELAYED_WORK(&bell->send, cc_bell_work);
	bell->retry_ms = RETRY_MIN_MS;
}

void cc_bell_exit(struct cc_bell *bell)
{
	cancel_delayed_work_sync(&bell->send);
}

void cc_bell_ring(struct cc_bell *bell, u32 pending, struct cc_disk *disk)
{
	bool ring;

	spin_lock(&bell->lock);
	bell->pending |= pending;
	if (disk && list_empty(&disk->ready))
		list_add_tail(&disk->ready, &bell->ready);
	ring = bell->armed;
	bell->armed = false;
	spin_unlock(&bell->lock);
	if (ring)
		mod_delayed_work(cc_wq, &bell->send, 0);
}

void cc_bell_forget(struct cc_bell *bell, struct cc_disk *disk)
{
	spin_lock(&bell->lock);
	list_del_init(&disk->ready);
	spin_unlock(&bell->lock);
}

/* Who hears the bell; what is pending is pulled by a new helper without being called. */
static void bell_set(struct cc_bell *bell, u64 session, u32 port)
{
	spin_lock(&bell->lock);
	bell->session = session;
	bell->port = port;
	bell->armed = false;
	spin_unlock(&bell->lock);
}

static struct cc_disk *next_ready(struct cc_bell *bell)
{
	struct cc_disk *disk;

	spin_lock(&bell->lock);
	disk = list_first_entry_or_null(&bell->ready, struct cc_disk, ready);
	if (disk)
		list_del_init(&disk->ready);
	spin_unlock(&bell->lock);
	return disk;
}

u32 cc_session_pull(struct cc_pool *pool, struct chunkcache_miss *ret, u32 n, u32 *ret_pending)
{
	struct cc_bell *bell = &pool->bell;
	bool live = pool->live;
	struct cc_disk *disk;
	bool more = false;
	u32 got = 0;

	lockdep_assert_held(&pool->cmd);
	/* Without a table there is nowhere to fill: misses wait under their own rule. */
	while (live && got < n && (disk = next_ready(bell))) {
		got += cc_miss_pull(disk, ret + got, n - got, &more);
		if (more)
			cc_bell_ring(bell, CHUNKCACHE_PENDING_MISS, disk);
	}

	*ret_pending = 0;
	if (got == n)
		return got;
	/*
	 * One critical section: what is rung before it is returned, what is rung after it
	 * finds the bell armed.
	 */
	spin_lock(&bell->lock);
	if (!live || list_empty(&bell->ready)) {
		*ret_pending = bell->pending & ~CHUNKCACHE_PENDING_MISS;
		bell->pending = 0;
		bell->armed = !got && !*ret_pending;
	} else {
		*ret_pending = CHUNKCACHE_PENDING_MISS;
	}
	spin_unlock(&bell->lock);
	return got;
}

void cc_session_renew(struct cc_pool *pool)
{
	struct cc_disk *disk;
	unsigned long id;

	lockdep_assert_held(&pool->cmd);
	xa_for_each(&pool->disks, id, disk)
		if (cc_miss_renew(disk))
			cc_bell_ring(&pool->bell, CHUNKCACHE_PENDING_MISS, disk);
}

/* ---- sessions ---- */

static void session_free(struct cc_session *s)
{
	clear_bit(cc_session_owner(s), s->pool->owners);
	fput(s->file);
	cc_pool_put(s->pool);
	kfree(s);
	module_put(THIS_MODULE);
}

/* References on its file that are ours: a helper may have attached again by the same one. */
static long our_references(const struct cc_session *s)
{
	const struct cc_session *other;
	long n = 0;

	lockdep_assert_held(&s->pool->cmd);
	list_for_each_entry(other, &s->pool->sessions, node)
		n += other->file == s->file;
	return n;
}

/*
 * Requests in flight hold the file, also those of a process that is dead already: as long
 * as we are not alone with it a write may still land in a slot.
 */
static void cc_session_drain(struct work_struct *work)
{
	struct cc_session *s = container_of(to_delayed_work(work), struct cc_session, drain);
	bool drained;

	mutex_lock(&s->pool->cmd);
	drained = file_count(s->file) <= our_references(s);
	if (drained)
		list_del(&s->node);
	mutex_unlock(&s->pool->cmd);
	if (!drained) {
		s->drain_ms = min_t(unsigned int, 2 * s->drain_ms, DRAIN_MAX_MS);
		queue_delayed_work(cc_drain_wq, &s->drain, msecs_to_jiffies(s->drain_ms));
		return;
	}
	cc_slots_release_owner(&s->pool->slots, cc_session_owner(s));
	atomic_dec(&s->pool->nr_draining);
	session_free(s);
}

/* A number whose low byte no other session has: slots remember only that.  0: all taken. */
static u64 new_id(struct cc_pool *pool)
{
	u64 id = pool->last_session;
	unsigned int tries;

	for (tries = 0; tries < CC_NR_OWNERS; tries++) {
		id++;
		if ((u8)id && !test_and_set_bit((u8)id, pool->owners))
			return id;
	}
	return 0;
}

struct cc_session *cc_session_attach(struct cc_pool *pool, u32 port, u32 bell_port,
				     struct file *file)
{
	struct cc_session *s;

	lockdep_assert_held(&pool->cmd);
	if (pool->session)
		return ERR_PTR(-EBUSY);
	s = kzalloc(sizeof(*s), GFP_KERNEL);
	if (!s)
		return ERR_PTR(-ENOMEM);
	s->id = new_id(pool);
	if (!s->id) {
		kfree(s);
		return ERR_PTR(-EBUSY);
	}
	__module_get(THIS_MODULE);
	cc_pool_get(pool);
	s->port = port;
	s->pid = task_tgid_nr(current);
	s->since_ns = ktime_get_ns();
	s->file = file;
	s->pool = pool;
	s->drain_ms = DRAIN_MIN_MS;
	INIT_DELAYED_WORK(&s->drain, cc_session_drain);
	pool->last_session = s->id;
	pool->session = s;
	list_add_tail(&s->node, &pool->sessions);
	WRITE_ONCE(pool->session_port, port);
	bell_set(&pool->bell, s->id, bell_port);
	DMINFO_LIMIT("%s: helper attached, pid %d, session %llu", pool->name, s->pid, s->id);
	cc_pool_event(pool);
	return s;
}

/* No longer the helper; its misses go to the next one. */
static struct cc_session *unset(struct cc_pool *pool)
{
	struct cc_session *s = pool->session;

	lockdep_assert_held(&pool->cmd);
	pool->session = NULL;
	WRITE_ONCE(pool->session_port, 0);
	bell_set(&pool->bell, 0, 0);
	cc_session_renew(pool);
	cc_pool_event(pool);
	return s;
}

void cc_session_detach(struct cc_pool *pool)
{
	struct cc_session *s = unset(pool);

	DMINFO_LIMIT("%s: helper detached, session %llu; hits go on, misses wait", pool->name,
		     s->id);
	cc_slots_release_owner(&pool->slots, cc_session_owner(s));
	list_del(&s->node);
	session_free(s);
}

void cc_session_end(struct cc_pool *pool)
{
	struct cc_session *s = unset(pool);

	DMWARN_LIMIT("%s: helper is gone without detaching, session %llu; hits go on, misses wait",
		     pool->name, s->id);
	atomic_inc(&pool->nr_draining);
	queue_delayed_work(cc_drain_wq, &s->drain, 0);
}

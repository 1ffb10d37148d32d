// SPDX-License-Identifier: GPL-2.0-only
/* Sessions of helpers.  Rules and states are in session.h. */
#include "session.h"
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include "pool.h"

#define DRAIN_MIN_MS	5
#define DRAIN_MAX_MS	500

/* ---- what is pulled ---- */

u32 cc_session_pull(struct cc_pool *pool, struct chunkcache_miss *ret, u32 n, u32 *ret_pending)
{
	struct cc_bell *bell = &pool->bell;
	struct list_head *ready;
	bool live = pool->live;
	bool more = false;
	u32 got = 0;

	lockdep_assert_held(&pool->cmd);
	/* Without a table there is nowhere to fill: misses wait under their own rule. */
	while (live && got < n && (ready = cc_bell_next(bell))) {
		struct cc_disk *disk = container_of(ready, struct cc_disk, ready);

		got += cc_miss_pull(disk, ret + got, n - got, &more);
		if (more)
			cc_bell_ring(bell, CHUNKCACHE_PENDING_MISS, ready);
	}
	*ret_pending = got == n ? 0 : cc_bell_answer(bell, live, got);
	return got;
}

void cc_session_renew(struct cc_pool *pool)
{
	struct cc_disk *disk;
	unsigned long id;

	lockdep_assert_held(&pool->cmd);
	xa_for_each(&pool->disks, id, disk)
		if (cc_miss_renew(disk))
			cc_bell_ring(&pool->bell, CHUNKCACHE_PENDING_MISS, &disk->ready);
}

/* ---- sessions ---- */

/*
 * The one place that changes the state of a session; who may give commands, hear the bell and be
 * shown as the helper follows, and whose its slots are.
 */
static void set_session_state(struct cc_session *s, enum cc_session_state to)
{
	enum cc_session_state from = s->state;
	struct cc_pool *pool = s->pool;

	lockdep_assert_held(&pool->cmd);
	if (WARN_ONCE(to <= from || (from == CC_SESSION_NEW && to != CC_SESSION_ATTACHED),
		      "chunkcache: session %llu: %u -> %u", s->id, from, to))
		return;
	s->state = to;
	if (from == CC_SESSION_ATTACHED) {
		pool->session = NULL;
		cc_pool_set_port(pool, 0);
		cc_bell_set(&pool->bell, 0, 0);
	}
	switch (to) {
	case CC_SESSION_NEW:
		break;
	case CC_SESSION_ATTACHED:
		pool->session = s;
		list_add_tail(&s->node, &pool->sessions);
		cc_pool_set_port(pool, s->port);
		cc_bell_set(&pool->bell, s->id, s->bell_port);
		break;
	case CC_SESSION_DRAINING:
		atomic_inc(&pool->nr_draining);
		break;
	case CC_SESSION_GONE:
		list_del(&s->node);
		cc_slots_release_owner(&pool->slots, cc_session_owner(s));
		if (from == CC_SESSION_DRAINING)
			atomic_dec(&pool->nr_draining);
		break;
	}
}

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
		set_session_state(s, CC_SESSION_GONE);
	mutex_unlock(&s->pool->cmd);
	if (!drained) {
		s->drain_ms = min_t(unsigned int, 2 * s->drain_ms, DRAIN_MAX_MS);
		queue_delayed_work(cc_drain_wq, &s->drain, msecs_to_jiffies(s->drain_ms));
		return;
	}
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
	s->bell_port = bell_port;
	s->pid = task_tgid_nr(current);
	s->since_ns = ktime_get_ns();
	s->file = file;
	s->pool = pool;
	s->drain_ms = DRAIN_MIN_MS;
	INIT_DELAYED_WORK(&s->drain, cc_session_drain);
	pool->last_session = s->id;
	set_session_state(s, CC_SESSION_ATTACHED);
	DMINFO_LIMIT("%s: helper attached, pid %d, session %llu", pool->name, s->pid, s->id);
	cc_pool_event(pool);
	return s;
}

/* Its misses go to the next helper. */
static void helper_left(struct cc_pool *pool)
{
	cc_session_renew(pool);
	cc_pool_event(pool);
}

void cc_session_detach(struct cc_pool *pool)
{
	struct cc_session *s = pool->session;

	set_session_state(s, CC_SESSION_GONE);
	helper_left(pool);
	DMINFO_LIMIT("%s: helper detached, session %llu; hits go on, misses wait", pool->name,
		     s->id);
	session_free(s);
}

void cc_session_end(struct cc_pool *pool)
{
	struct cc_session *s = pool->session;

	set_session_state(s, CC_SESSION_DRAINING);
	helper_left(pool);
	DMWARN_LIMIT("%s: helper is gone without detaching, session %llu; hits go on, misses wait",
		     pool->name, s->id);
	queue_delayed_work(cc_drain_wq, &s->drain, 0);
}

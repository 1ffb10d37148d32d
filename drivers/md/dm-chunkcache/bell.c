// SPDX-License-Identifier: GPL-2.0-only
/* The bell of a pool, see bell.h. */
#include "bell.h"
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include "genl.h"

#define RETRY_MIN_MS	2
#define RETRY_MAX_MS	1000

static void cc_bell_work(struct work_struct *work)
{
	struct cc_bell *bell = container_of(to_delayed_work(work), struct cc_bell, send);
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

	r = cc_genl_send_doorbell(session, port, pending);
	if (!r) {
		atomic64_inc(&bell->nr_sent);
		bell->retry_ms = RETRY_MIN_MS;
		return;
	}
	/* A full socket, or no memory: the work stays pending, only the message is late. */
	bell->retry_ms = min_t(unsigned int, 2 * bell->retry_ms, RETRY_MAX_MS);
	queue_delayed_work(bell->wq, &bell->send, msecs_to_jiffies(bell->retry_ms));
}

void cc_bell_init(struct cc_bell *bell, struct workqueue_struct *wq)
{
	spin_lock_init(&bell->lock);
	INIT_LIST_HEAD(&bell->ready);
	INIT_DELAYED_WORK(&bell->send, cc_bell_work);
	bell->retry_ms = RETRY_MIN_MS;
	bell->wq = wq;
}

void cc_bell_exit(struct cc_bell *bell)
{
	cancel_delayed_work_sync(&bell->send);
}

void cc_bell_set(struct cc_bell *bell, u64 session, u32 port)
{
	spin_lock(&bell->lock);
	bell->session = session;
	bell->port = port;
	bell->armed = false;
	spin_unlock(&bell->lock);
}

void cc_bell_ring(struct cc_bell *bell, u32 pending, struct list_head *ready)
{
	bool ring;

	spin_lock(&bell->lock);
	bell->pending |= pending;
	if (ready && list_empty(ready))
		list_add_tail(ready, &bell->ready);
	ring = bell->armed;
	bell->armed = false;
	spin_unlock(&bell->lock);
	if (ring)
		mod_delayed_work(bell->wq, &bell->send, 0);
}

void cc_bell_forget(struct cc_bell *bell, struct list_head *ready)
{
	spin_lock(&bell->lock);
	list_del_init(ready);
	spin_unlock(&bell->lock);
}

struct list_head *cc_bell_next(struct cc_bell *bell)
{
	struct list_head *ready = NULL;

	spin_lock(&bell->lock);
	if (!list_empty(&bell->ready)) {
		ready = bell->ready.next;
		list_del_init(ready);
	}
	spin_unlock(&bell->lock);
	return ready;
}

/*
 * One critical section: what is rung before it is returned, what is rung after it finds the bell
 * armed.
 */
u32 cc_bell_answer(struct cc_bell *bell, bool live, bool got)
{
	u32 pending = CHUNKCACHE_PENDING_MISS;

	spin_lock(&bell->lock);
	if (!live || list_empty(&bell->ready)) {
		pending = bell->pending & ~CHUNKCACHE_PENDING_MISS;
		bell->pending = 0;
		bell->armed = !got && !pending;
	}
	spin_unlock(&bell->lock);
	return pending;
}

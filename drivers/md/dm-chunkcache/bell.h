/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The bell of a pool: calls its helper when there is something to pull.
 *
 * Kinds of pending work are bits; at most one doorbell message is on its way or unread, because
 * it is armed again only by an answer to the helper that there is nothing.
 */
#ifndef CC_BELL_H
#define CC_BELL_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include "types.h"

struct cc_bell {
	spinlock_t lock;		/* all below, up to send */
	u32 pending;			/* enum chunkcache_pending */
	bool armed;			/* the helper sleeps until it rings */
	u64 session;			/* 0: nobody hears */
	u32 port;
	struct list_head ready;		/* who has NEW misses */
	struct delayed_work send;
	unsigned int retry_ms;		/* of send only */
	struct workqueue_struct *wq;
	atomic64_t nr_sent;
};

void cc_bell_init(struct cc_bell *bell, struct workqueue_struct *wq);
void cc_bell_exit(struct cc_bell *bell);

/* Who hears it; session 0: nobody.  What is pending is pulled by a new helper without a call. */
void cc_bell_set(struct cc_bell *bell, u64 session, u32 port);
/* There is something to pull; ready, if not NULL, has NEW misses.  Process context. */
void cc_bell_ring(struct cc_bell *bell, u32 pending, struct list_head *ready);
/* It goes away. */
void cc_bell_forget(struct cc_bell *bell, struct list_head *ready);

/* Who has been ready for longest, taken off the list; NULL if nobody is. */
struct list_head *cc_bell_next(struct cc_bell *bell);
/*
 * A pull ends that found no more misses: returns what else is pending, which the helper is told
 * by that.  Without anything, and if it got nothing, the bell is armed.  live: misses can be
 * pulled now.
 */
u32 cc_bell_answer(struct cc_bell *bell, bool live, bool got);

#endif

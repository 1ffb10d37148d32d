/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sessions: one attachment of a helper to a pool.
 *
 * States of a session (session.c:set_session_state()):
 *
 *   ATTACHED  pool->session; its netlink port may give commands, its bell port hears the bell
 *   DRAINING  it ended (socket closed), but somebody still holds the file that its slots are
 *             written through: a request in flight, a process that has not quite died.
 *             Its FILLING slots stay FILLING.  Any number may drain at once.
 *   (gone)    nobody but sessions holds the file: no write of it can land any more, its
 *             FILLING slots are FREE
 *
 *   (new) -> ATTACHED		cc_session_attach()
 *   ATTACHED -> DRAINING	cc_session_end()
 *   ATTACHED -> gone		cc_session_detach(): the helper says that its writes ended
 *   DRAINING -> gone		cc_session_drain()
 */
#ifndef CC_SESSION_H
#define CC_SESSION_H

#include <linux/list.h>
#include <linux/workqueue.h>
#include "types.h"

struct cc_disk;
struct cc_pool;
struct file;

enum cc_session_state {
	CC_SESSION_NEW,			/* being made; nobody has seen it */
	CC_SESSION_ATTACHED,
	CC_SESSION_DRAINING,
	CC_SESSION_GONE,		/* about to be freed */
};

struct cc_session {
	u64 id;				/* never 0; low 8 bits never 0 and unique */
	enum cc_session_state state;	/* pool->cmd */
	u32 port;			/* netlink port of the command socket */
	u32 bell_port;			/* and of the one that hears the bell */
	pid_t pid;			/* of who attached, for people */
	u64 since_ns;			/* ktime */
	struct file *file;		/* reference */
	struct cc_pool *pool;		/* reference */
	struct list_head node;		/* pool->sessions */
	struct delayed_work drain;
	unsigned int drain_ms;		/* until the next look */
};

/* Caller of the following holds pool->cmd. */

/* Takes over the reference on file.  ERR_PTR(-ENOMEM, -EBUSY). */
struct cc_session *cc_session_attach(struct cc_pool *pool, u32 port, u32 bell_port,
				     struct file *file);
void cc_session_detach(struct cc_pool *pool);
void cc_session_end(struct cc_pool *pool);

/* Low bits that slots remember their owner by. */
static inline u8 cc_session_owner(const struct cc_session *s)
{
	return s->id;
}

/*
 * Pull up to n misses, over all disks in turn; none while the pool has no table or is
 * suspended.  *ret_pending: what else is pending, if there were no more misses; arms the bell
 * if there was nothing at all.
 */
u32 cc_session_pull(struct cc_pool *pool, struct chunkcache_miss *ret, u32 n,
		    u32 *ret_pending);
/* All SENT misses of the pool are NEW again. */
void cc_session_renew(struct cc_pool *pool);

#endif

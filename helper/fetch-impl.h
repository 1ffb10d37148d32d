/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fetch engine's insides, shared by fetch.c (states, queue, completions), fetch-net.c (network
 * threads) and fetch-work.c (file threads, hash workers).
 *
 * A request's life:
 *
 *	NEW -> QUEUED		cc_fetch_submit()
 *	QUEUED -> ACTIVE	a network or file thread takes it
 *	ACTIVE -> LANDED	all bytes came; a hash worker is to take it
 *	LANDED -> CHECKING	it did
 *	ACTIVE -> CHECKING	the thread that got the bytes checks them itself
 *	ACTIVE, CHECKING -> DELAYED	the attempt failed, another will follow; or the host's
 *				address is not known yet
 *	DELAYED -> QUEUED	cc_fetch_keep_time()
 *	any -> DONE		cc_fetch_complete(): waits for cc_fetch_reap()
 *
 * One lock covers all fields below unless told otherwise; nothing blocks while it is held.  The
 * buffers of a request in ACTIVE or CHECKING belong to one thread, in other states to nobody, and
 * from DONE on to the caller.
 */
#ifndef CC_FETCH_IMPL_H
#define CC_FETCH_IMPL_H

#include <pthread.h>
#include <stdatomic.h>
#include "fetch.h"
#include "http.h"
#include "list.h"
#include "manifest.h"
#include "retry.h"
#include "store-impl.h"
#include "thread.h"

enum cc_fetch_state {
	CC_FETCH_NEW,			/* in no list */
	CC_FETCH_QUEUED,		/* in queue[priority] */
	CC_FETCH_DELAYED,		/* in delayed, until due_ns */
	CC_FETCH_ACTIVE,		/* on the network, or a file is being read */
	CC_FETCH_LANDED,		/* in landed */
	CC_FETCH_CHECKING,		/* being decompressed and hashed */
	CC_FETCH_DONE,			/* in done */
};

struct cc_fetch_priv {
	struct cc_list node;
	struct cc_fetch_req *req;
	enum cc_fetch_state state;	/* written by cc_fetch_set_state() only */
	enum cc_fetch_priority priority;
	atomic_bool cancelled;
	unsigned int net;		/* while ACTIVE: the network thread that has it */
	uint64_t submit_ns, deadline_ns, due_ns;
	struct cc_retry retry;
	bool fresh;			/* the next attempt wants a new connection */
	/* The thread that has the request writes these without the lock. */
	unsigned int attempts;
	uint64_t bytes;
	void *staging;			/* compressed bytes, or NULL: they go to the request's buffer */
	size_t landed;			/* bytes that came */
	char note[48];			/* odd thing about the answer, for the line on wrong bytes */
};

struct cc_fetch_net;

struct cc_fetch {
	struct cc_fetch_config config;
	pthread_mutex_t lock;
	int eventfd;			/* constant */
	bool stop;

	struct cc_list queue[CC_FETCH_NR_PRIORITIES];
	struct cc_list delayed, landed, done;
	struct cc_fetch_req *starved;	/* could not even get a priv; chained through error[] */
	struct cc_fetch_priv starved_priv; /* theirs */
	uint64_t next_event_ns;		/* the timekeeper need not look before */

	struct cc_fetch_net *net;	/* nr_net of them; constant after open */
	unsigned int nr_net;
	pthread_cond_t file_work, hash_work;
	pthread_t *workers;		/* file threads, then hash workers */
	unsigned int nr_workers;

	struct cc_fetch_stats stats;	/* queued and in_flight are kept up to date, too */
};

/* ---- fetch.c ---- */

/* Called with the lock held, all of them. */
void cc_fetch_set_state(struct cc_fetch *f, struct cc_fetch_priv *p, enum cc_fetch_state state);
void cc_fetch_complete(struct cc_fetch *f, struct cc_fetch_priv *p, enum cc_store_result result,
		       const char *reason);
/* The attempt failed: completes the request, or has it wait for the next one. */
void cc_fetch_attempt_failed(struct cc_fetch *f, struct cc_fetch_priv *p,
			     const struct cc_http_outcome *o);
void cc_fetch_delay(struct cc_fetch *f, struct cc_fetch_priv *p, uint64_t due_ns);
/* Returns when to call again; the first network thread does. */
uint64_t cc_fetch_keep_time(struct cc_fetch *f, uint64_t now_ns);
/* The next request for this kind of store, or NULL; free of the asking thread's slots are free. */
struct cc_fetch_priv *cc_fetch_next(struct cc_fetch *f, enum cc_store_kind kind, unsigned int free,
				    unsigned int slots);

/* ---- fetch-net.c ---- */

int cc_fetch_net_open(struct cc_fetch *f, unsigned int threads, unsigned int slots);
/* After f->stop was set: ends the threads; what was ACTIVE is DONE then. */
void cc_fetch_net_close(struct cc_fetch *f);
/* Any thread, the lock may be held. */
void cc_fetch_net_wake(struct cc_fetch *f, unsigned int index);
/* The thread with the fewest requests; called with the lock held. */
void cc_fetch_net_wake_idlest(struct cc_fetch *f);

/* ---- fetch-work.c ---- */

int cc_fetch_work_open(struct cc_fetch *f, unsigned int file_threads, unsigned int hash_threads);
void cc_fetch_work_close(struct cc_fetch *f);
/*
 * An attempt begins, the caller's thread has the request: gives its object's name, the place
 * for the bytes and their limit.  Without the lock.  Returns 0 or -ENOMEM.
 */
int cc_fetch_begin(struct cc_fetch_priv *p, char ret_name[CC_OBJECT_NAME_MAX], void **ret_buf,
		   size_t *ret_max);
/* landed bytes came: has them checked, here or by a worker.  Without the lock. */
void cc_fetch_land(struct cc_fetch *f, struct cc_fetch_priv *p);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fetch engine's insides:
 *
 *	fetch.c		the interface, open and close
 *	fetch-net.c	network threads and their loop
 *	fetch-leg.c	their legs: start, second legs, end
 *	fetch-file.c	file threads
 *	fetch-work.c	hash workers
 *	fetch-check.c	where bytes go, and whether they are right
 *	fetch-queue.c	states of requests, queues, retries, time, completions
 *	fetch-route.c	whom a request asks: caches, the store itself, replicas
 *	fetch-store.c	what is kept of each store
 *	fetch-wake.c	wakes network threads
 *
 * Each calls those below it only.
 *
 * A request's life:
 *
 *	NEW -> QUEUED		cc_fetch_submit()
 *	QUEUED -> ACTIVE	a network or file thread takes it
 *	ACTIVE -> LANDED	all bytes came; a hash worker is to take it
 *	LANDED -> CHECKING	it did
 *	ACTIVE -> CHECKING	the thread that got the bytes checks them itself
 *	ACTIVE, CHECKING -> DELAYED	the attempt failed, another will follow; or the host's
 *				address or keys are not known yet
 *	ACTIVE, CHECKING -> QUEUED	another store is asked at once
 *	DELAYED -> QUEUED	cc_fetch_keep_time()
 *	any -> DONE		cc_fetch_complete(): waits for cc_fetch_reap()
 *
 * While it is ACTIVE on the network, a request has one or two legs, GETs under way, both of one thread.
 * While a file is being read for it, it can be completed at any time: the thread has a buffer of its own.
 *
 * One lock covers all fields below unless told otherwise, the stores' endpoints and their queues;
 * nothing blocks while it is held.  The buffers of a request in ACTIVE on the network or CHECKING belong
 * to one thread, in other states to nobody, and from DONE on to the caller.
 */
#ifndef CC_FETCH_IMPL_H
#define CC_FETCH_IMPL_H

#include "fetch.h"

#include <pthread.h>
#include <stdatomic.h>
#include "clock.h"
#include "bufpool.h"
#include "store/http.h"
#include "list.h"
#include "manifest.h"
#include "negative.h"
#include "store/retry.h"
#include "store/store-impl.h"

enum cc_fetch_state {
	CC_FETCH_NEW,			/* in no list */
	CC_FETCH_QUEUED,		/* in its store's queue of its priority */
	CC_FETCH_DELAYED,		/* in delayed, until due_ns */
	CC_FETCH_ACTIVE,		/* on the network, or a file is being read */
	CC_FETCH_LANDED,		/* in landed */
	CC_FETCH_CHECKING,		/* being decompressed and hashed */
	CC_FETCH_DONE,			/* in done */
};

struct cc_fetch_leg;			/* of fetch-leg.c */

/* A store as this engine sees it: made when it is first asked for, and there until the engine ends. */
struct cc_fetch_store {
	struct cc_list node;		/* of the engine's known */
	struct cc_store *store;
	bool linked;			/* what follows is set, as the store has it */
	struct cc_fetch_store *replicas[CC_STORE_MAX_REPLICAS];
	struct cc_fetch_store *caches[CC_STORE_MAX_CACHES];
	uint64_t ring_id;		/* as another's cache; the same on all hosts */
	struct cc_endpoint endpoint;	/* HTTP */
	struct cc_list queue[CC_FETCH_NR_PRIORITIES];
	struct cc_list queued;		/* node of the engine's list of stores with something in them */
	unsigned int nr_queued;
	/* file */
	unsigned int nr_reads;		/* threads that read */
	unsigned int nr_left;		/* those of them whose request has ended */
};

#define CC_FETCH_FILE_READS 4		/* of one store at a time: as many threads can be lost to it */

/* A file being read; its thread's. */
struct cc_fetch_read {
	struct cc_fetch_priv *p;	/* for whom; NULL: that one has ended */
	atomic_bool cancelled;
};

struct cc_fetch_priv {
	struct cc_list node;
	struct cc_fetch_req *req;
	struct cc_fetch_store *store;	/* that the request names */
	enum cc_fetch_state state;	/* written by cc_fetch_set_state() only */
	_Atomic enum cc_fetch_priority priority;
	atomic_bool cancelled;
	unsigned int net;		/* while ACTIVE: the network thread that has it */
	struct cc_fetch_read *read;	/* while ACTIVE: of a file */
	uint64_t submit_ns, deadline_ns, due_ns;
	/* whom to ask: see fetch-route.c */
	struct cc_fetch_store *at;	/* ACTIVE to CHECKING: who sends the bytes */
	uint64_t cached;		/* bits of the caches that were asked */
	uint32_t asked;			/* bits of who was, in this attempt: 0 the store, 1.. replicas */
	struct cc_http_outcome before;	/* of the one that was asked first, if asked is not 0 */
	struct cc_retry retry;
	struct cc_fetch_store *payer;	/* of spent, for retries */
	unsigned int spent;
	bool fresh;			/* the next attempt wants a new connection */
	/* The thread that has the request writes these without the lock. */
	unsigned int attempts;
	uint64_t bytes;
	struct cc_fetch_leg *legs[2];	/* under way; the first one, and one beside it */
	unsigned int second;		/* bits of enum cc_hedge: there was one */
	char address[CC_ADDRESS_SIZE];	/* of the leg that ended last */
	void *staging;			/* compressed bytes, or NULL: they go to the request's buffer */
	size_t landed;			/* bytes that came */
	char note[48];			/* odd thing about the answer, for the line on wrong bytes */
};

struct cc_fetch_net;

/* What wakes a network thread, and who needs to be. */
struct cc_fetch_waker {
	int eventfd;			/* in the thread's epoll; constant */
	atomic_bool woken;		/* eventfd was written to, or need not be */
	_Atomic uint64_t sleeps_until_ns;
	unsigned int nr_used;		/* requests that the thread has; under the engine's lock */
};

struct cc_fetch {
	struct cc_fetch_config config;
	pthread_mutex_t lock;
	int eventfd;			/* constant */
	bool rung;			/* eventfd is readable */
	atomic_bool stop;

	struct cc_list known;		/* all stores that were asked for */
	struct cc_list stores;		/* those with something in their queues */
	struct cc_list delayed;		/* by due_ns */
	struct cc_list reading;		/* ACTIVE, of files, by deadline_ns */
	struct cc_list landed, done;
	struct cc_fetch_req *starved;	/* could not even get a priv; chained through error[] */
	struct cc_fetch_priv starved_priv; /* theirs */
	_Atomic uint64_t next_event_ns;	/* the timekeeper need not look before; written under the lock */
	struct cc_negative negative;

	struct cc_bufpool *bufs;	/* has its own lock */
	struct cc_fetch_net *net;	/* nr_net of them; constant after open */
	struct cc_fetch_waker *wakers;	/* the same */
	unsigned int nr_net;
	pthread_cond_t file_work, file_ended, hash_work;
	unsigned int nr_files, nr_idle_files; /* file threads */
	pthread_t *workers;		/* hash workers */
	unsigned int nr_workers;

	struct cc_fetch_stats stats;	/* queued and in_flight are kept up to date, too */
};

static inline struct cc_fetch_priv *cc_fetch_priv_of(struct cc_list *node)
{
	return cc_list_entry(node, struct cc_fetch_priv, node);
}

/* ---- fetch-queue.c; with the lock held, but for cc_fetch_say() ---- */

void cc_fetch_set_state(struct cc_fetch *f, struct cc_fetch_priv *p, enum cc_fetch_state state);
void cc_fetch_complete(struct cc_fetch *f, struct cc_fetch_priv *p, enum cc_store_result result,
		       const char *reason);
/* If a file is being read for p: no more. */
void cc_fetch_leave_read(struct cc_fetch_priv *p);
/* There is something to reap. */
void cc_fetch_ring(struct cc_fetch *f);
void cc_fetch_say(struct cc_fetch_req *req, const char *reason);
/* Did its store not have the object a moment ago? */
bool cc_fetch_is_known_missing(struct cc_fetch *f, const struct cc_fetch_priv *p);
void cc_fetch_enqueue(struct cc_fetch *f, struct cc_fetch_priv *p);
/* No leg is under way any more, the last answer is p->at's: asks others, waits, or completes. */
void cc_fetch_attempt_failed(struct cc_fetch *f, struct cc_fetch_priv *p,
			     const struct cc_http_outcome *o);
void cc_fetch_delay(struct cc_fetch *f, struct cc_fetch_priv *p, uint64_t due_ns);
/* Returns when to call again; the first network thread does. */
uint64_t cc_fetch_keep_time(struct cc_fetch *f, uint64_t now_ns);
/*
 * The next request for this kind of store, with at set, or NULL; free of the asking thread's slots
 * are free.
 */
struct cc_fetch_priv *cc_fetch_next(struct cc_fetch *f, enum cc_store_kind kind, unsigned int free,
				    unsigned int slots);
/* The thread that asked for the next takes it. */
void cc_fetch_take(struct cc_fetch *f, struct cc_fetch_priv *p);

/* ---- fetch-store.c; with the lock held ---- */

/* s as the engine sees it, and those that it uses.  NULL: no memory. */
struct cc_fetch_store *cc_fetch_store_of(struct cc_fetch *f, struct cc_store *s);
void cc_fetch_store_free_all(struct cc_fetch *f);
static inline bool cc_fetch_store_is_http(const struct cc_fetch_store *s)
{
	return s->store->kind == CC_STORE_KIND_HTTP;
}

/* ---- fetch-route.c; with the lock held ---- */

/* May one more GET of this engine go to the store's endpoint? */
bool cc_fetch_has_room(const struct cc_fetch *f, const struct cc_fetch_store *s);
/* Whom to ask next.  NULL: nobody has room. */
struct cc_fetch_store *cc_fetch_route(struct cc_fetch *f, struct cc_fetch_priv *p, uint64_t now_ns);
/* Whom to ask beside p->at, for a second leg; NULL: only p->at itself. */
struct cc_fetch_store *cc_fetch_route_beside(struct cc_fetch *f, struct cc_fetch_priv *p, uint64_t now_ns);
/* Until when at may take, in this attempt. */
uint64_t cc_fetch_route_deadline(const struct cc_fetch_priv *p, const struct cc_fetch_store *at,
				 uint64_t now_ns);
/* Is at a cache of the request's store that is to tell what it has, and no more? */
bool cc_fetch_route_only_if_cached(const struct cc_fetch_priv *p, const struct cc_fetch_store *at);
enum cc_route_verdict {
	CC_ROUTE_NEXT,			/* ask the next one, at once */
	CC_ROUTE_RETRY,			/* all were asked: what the class says */
	CC_ROUTE_FINAL,			/* that is the answer */
};
/*
 * What at's failure o means for the request.  *o becomes that of the whole attempt where
 * another one that was asked has said more.
 */
enum cc_route_verdict cc_fetch_route_failed(struct cc_fetch *f, struct cc_fetch_priv *p,
					    struct cc_fetch_store *at, struct cc_http_outcome *o);

/* ---- fetch-net.c ---- */

int cc_fetch_net_open(struct cc_fetch *f, unsigned int threads, unsigned int slots);
/* After f->stop was set: ends the threads; what was ACTIVE is DONE then. */
void cc_fetch_net_close(struct cc_fetch *f);

/* ---- fetch-wake.c ---- */

/* The first thread keeps time: see to it that it looks then.  Called with the lock held. */
void cc_fetch_alarm(struct cc_fetch *f, uint64_t due_ns);
/* Any thread, the lock may be held. */
void cc_fetch_wake(struct cc_fetch *f, unsigned int index);
/* The thread with the fewest requests; called with the lock held. */
void cc_fetch_wake_idlest(struct cc_fetch *f);

/* ---- fetch-file.c ---- */

int cc_fetch_file_open(struct cc_fetch *f);
/*
 * After f->stop was set and all reads were left by their requests.  False: a thread is in a read that
 * does not return, and will want the engine and its store when it does.
 */
bool cc_fetch_file_close(struct cc_fetch *f);

/* ---- fetch-work.c ---- */

int cc_fetch_work_open(struct cc_fetch *f, unsigned int threads);
void cc_fetch_work_close(struct cc_fetch *f);

/* ---- fetch-check.c ---- */

void cc_fetch_object_name(const struct cc_fetch_req *req, char ret_name[CC_OBJECT_NAME_MAX]);
/* Are the object's bytes what the request's buffer is to hold?  Else they go to a staging buffer. */
static inline bool cc_fetch_is_plain(const struct cc_fetch_req *req)
{
	return req->kind != CC_FETCH_CHUNK || req->encoding == CC_ENCODING_RAW;
}
/* The most bytes that the object may have. */
size_t cc_fetch_object_max(const struct cc_fetch_req *req);
/*
 * The place for the bytes: the request's buffer or a staging one, that it keeps.  The caller's
 * thread has the request; without the lock.  NULL: no memory.
 */
void *cc_fetch_base(struct cc_fetch *f, struct cc_fetch_priv *p);
/* The request is CHECKING and this thread's.  Without the lock. */
void cc_fetch_check(struct cc_fetch *f, struct cc_fetch_priv *p);
/* landed bytes came: has them checked, here or by a worker.  Without the lock. */
void cc_fetch_land(struct cc_fetch *f, struct cc_fetch_priv *p);

#endif

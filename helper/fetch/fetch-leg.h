/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A network thread of the fetch engine, and its legs: GETs under way.  A request that is ACTIVE has
 * its first leg, and perhaps a second one beside it, for the same object from another address or
 * store; the first whole answer counts.
 *
 *	leg		what it is
 *	free		in the thread's free list
 *	busy, with p	a request's
 *	busy, no p	the request has its bytes; this leg's are read and dropped for a short while,
 *			as its connection would be lost otherwise
 */
#ifndef CC_FETCH_LEG_H
#define CC_FETCH_LEG_H

#include "fetch-impl.h"

struct cc_fetch_leg {
	struct cc_http_xfer xfer;	/* first: what curl keeps is a pointer to it */
	struct cc_list node;		/* in net's free or busy */
	struct cc_fetch_priv *p;
	struct cc_fetch_store *at;
	bool deaf;			/* its socket is not waited for: it is to end */
	bool second;			/* of what kind: */
	enum cc_hedge kind;
	char name[CC_OBJECT_NAME_MAX];
	char address[CC_ADDRESS_SIZE];
	void *buf;			/* its own, or NULL: the bytes go to the request's base */
	uint64_t drain_until_ns;	/* without p */
	unsigned int denied;		/* bits of enum cc_hedge: counted as denied */
};

struct cc_fetch_net {
	struct cc_fetch *fetch;
	unsigned int index;
	pthread_t thread;
	CURLM *multi;
	struct cc_fetch_waker *waker;	/* all else is the thread's own */
	int epoll;
	uint64_t curl_due_ns;		/* curl wants to be called */
	uint64_t look_due_ns;		/* a leg wants to be looked at */
	struct cc_fetch_leg *legs;
	unsigned int nr_legs;
	struct cc_list free, busy;
	unsigned int nr_free;
	unsigned int nr_ended;		/* legs, ever */
	unsigned int nr_slots;		/* requests at a time */
};

/* All by the thread itself, without the lock. */

/* Starts a request that was just taken, at what its route says. */
void cc_leg_start(struct cc_fetch_net *n, struct cc_fetch_priv *p);
/* curl is done with it. */
void cc_leg_end(struct cc_fetch_net *n, struct cc_fetch_leg *l, CURLcode code);
/*
 * Ends a leg that was cancelled or ran out of time, starts a second one.  Returns when to look again.
 * If nr_ended has changed after it, this leg or others are gone.
 */
uint64_t cc_leg_look(struct cc_fetch_net *n, struct cc_fetch_leg *l, uint64_t now_ns);
/* The engine ends: so does the leg, its request is cancelled. */
void cc_leg_abandon(struct cc_fetch_net *n, struct cc_fetch_leg *l);

#endif

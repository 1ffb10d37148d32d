/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scrub: slots are read and hashed again, so that bytes that went wrong on the cache device are found, and got from
 * the store anew, before a guest reads them.  Each slot has its time of each interval, by the clock on the wall: so
 * restarts of the helper neither begin anew nor leave anything out.  Besides, all of them when an operator asks.
 *
 * Only what the index knows as CACHED is looked at: a candidate is hashed before it is used anyway, and log chunks
 * of volumes are known by their pieces only.  One slot is under way at a time.
 *
 *	IDLE -> READING		a slot is due, and nobody waits for the store
 *	READING -> HASHING	its bytes are here
 *	READING, HASHING -> IDLE
 */
#ifndef CC_SCRUB_H
#define CC_SCRUB_H

#include "channel.h"
#include "index.h"
#include "loop.h"
#include "pooldev.h"

struct cc_scrub;

struct cc_scrub_config {
	struct cc_channel *channel;
	struct cc_pooldev *pooldev;
	struct cc_index *index;
	struct cc_loop *loop;
	uint64_t max_slots;		/* that the pool can ever have */
	uint64_t interval_ns;		/* in which each slot is looked at once; 0: only when asked to */
};

struct cc_scrub_figures {
	uint64_t checked, bytes;	/* slots that were read and hashed */
	uint64_t wrong;			/* of these: did not hold what they should; dropped */
	uint64_t bad;			/* could not be read, by a medium error; not used again */
	uint64_t unread;		/* could not be read otherwise; left to who reads them */
	bool asked;			/* by an operator, for all slots: at position of max_slots */
	uint64_t position;
};

/* 0 or -errno. */
int cc_scrub_open(const struct cc_scrub_config *c, struct cc_scrub **ret_scrub);
/* No transfer of the pool device may be in flight. */
void cc_scrub_close(struct cc_scrub *s);
/* All slots from the first on, now; rate: bytes a second.  One that goes on begins anew. */
void cc_scrub_ask(struct cc_scrub *s, uint64_t rate);
/* Not any more. */
void cc_scrub_unask(struct cc_scrub *s);
/* Starts what is due, unless readers wait; returns when to be called again.  *ret_error: of the channel. */
uint64_t cc_scrub_step(struct cc_scrub *s, uint64_t now_ns, bool readers_wait, int *ret_error);
/* Nothing new is started. */
void cc_scrub_drain(struct cc_scrub *s);
void cc_scrub_get_figures(const struct cc_scrub *s, struct cc_scrub_figures *ret);

#endif

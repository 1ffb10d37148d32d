/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal of the pool while it is written: what of each volume is in no commit yet.  All functions are the
 * control loop's; pages are read in a thread beside it.
 *
 *	OFF		the pool has no journal
 *	FOLLOWING	state is as of the last page that was read
 *	BROKEN		it could not be read, or a page is missing: nothing is known for sure, so nothing may be
 *			committed, cleaned or trimmed.  If that was at recovery, the pool hands out no slots
 */
#ifndef CC_JOURNAL_FOLLOW_H
#define CC_JOURNAL_FOLLOW_H

#include "channel.h"
#include "clock.h"
#include "pool/pooldev.h"
#include "volume/journal-state.h"

/* What was written, or added, is durable in the journal by then: the kernel writes each record within a second. */
#define CC_JOURNAL_SETTLE_NS (2 * CC_SECOND)

enum cc_follow_state {
	CC_FOLLOW_OFF,
	CC_FOLLOW_FOLLOWING,
	CC_FOLLOW_BROKEN,
};

struct cc_journal_follow;

struct cc_journal_follow_config {
	struct cc_channel *channel;
	struct cc_pooldev *pooldev;
	uint64_t instance, nr_slots;
	/* Pages were read: state has changed.  NULL: nobody wants to know. */
	void (*changed)(void *arg);
	void *arg;
};

/*
 * Reads all of the journal, blocking, and if the pool has just come up recovers it.  What is wrong with the journal
 * is no error here, but BROKEN.  0, -ENOMEM, or -errno of the channel.
 */
int cc_journal_follow_open(const struct cc_journal_follow_config *c, struct cc_journal_follow **ret_follow);
/* Waits for the read under way. */
void cc_journal_follow_close(struct cc_journal_follow *f);

enum cc_follow_state cc_journal_follow_how(const struct cc_journal_follow *f);
/* The kernel can't write it any more, so writes of volumes fail there; as of the last time that it was asked. */
bool cc_journal_follow_failed(const struct cc_journal_follow *f);
/* Of BROKEN: a line; else "". */
const char *cc_journal_follow_why(const struct cc_journal_follow *f);
/* Of all volumes; valid while FOLLOWING, and between two calls of step. */
struct cc_journal_state *cc_journal_follow_volumes(struct cc_journal_follow *f);
/* Pages of the ring that stay for what no store has of v, with all that were written since. */
uint64_t cc_journal_follow_keeps(const struct cc_journal_follow *f, struct cc_journal_volume *v);
/* Of the ring; then the kernel asks to hurry, too. */
bool cc_journal_follow_half_full(const struct cc_journal_follow *f);
/* A handle for VOLUME_START that nothing in the ring has; 0: none. */
uint16_t cc_journal_follow_handle(const struct cc_journal_follow *f);

/* The bell said CHUNKCACHE_PENDING_JOURNAL, or somebody wants to know what is new. */
void cc_journal_follow_wake(struct cc_journal_follow *f);
/* Wakes, too: when it has been read, all that is durable in the journal now was taken into state. */
uint64_t cc_journal_follow_ticket(struct cc_journal_follow *f);
bool cc_journal_follow_has_read(const struct cc_journal_follow *f, uint64_t ticket);
/* Reads on if there is news, moves the tail.  To be called at the time it returns, or earlier. */
uint64_t cc_journal_follow_step(struct cc_journal_follow *f, uint64_t now_ns, int *ret_error);
/* Readable when pages were read: then reap. */
int cc_journal_follow_fd(const struct cc_journal_follow *f);
void cc_journal_follow_reap(struct cc_journal_follow *f);

#endif

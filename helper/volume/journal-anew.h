/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What has been in the journal for long and still counts is added to it anew, so that the tail can move: the name of a
 * volume that is idle, the writes of one whose store is away, or that nobody may commit any more.  Else these would
 * stop all other volumes of the pool as soon as the ring has gone round.
 *
 * A copy may come behind a COMMITTED that has what is copied.  So the newest COMMITTED of each volume stays as its name
 * does, and is added anew as that is; then no copy is ever read without it.  What was copied counts as copied only when
 * the copy was read, which is when it is durable.  A crash or a helper that dies before leaves both, which is the same
 * as one of them.
 */
#ifndef CC_JOURNAL_ANEW_H
#define CC_JOURNAL_ANEW_H

#include "channel.h"
#include "volume/journal-state.h"

struct cc_journal_anew {
	struct cc_channel *channel;
	struct cc_journal_state *state;	/* as of page */
	uint64_t nr_positions;		/* of the ring */
	uint64_t names_due;		/* page: names were added, and are not read before it */
};

/* page is the last one that was read, tail as the kernel knows it.  0, or -errno of the channel. */
int cc_journal_anew_step(struct cc_journal_anew *a, uint64_t page, uint64_t tail);

#endif

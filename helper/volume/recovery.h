/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading a pool's journal once, from its tail to its newest page: when a pool has come up, and then the slots with
 * what no store has are claimed and the journal goes on; and when a helper follows another one.
 */
#ifndef CC_RECOVERY_H
#define CC_RECOVERY_H

#include "channel.h"
#include "volume/journal-ring.h"
#include "volume/journal-state.h"

struct cc_recovery {
	struct cc_channel *channel;
	struct cc_journal_ring *ring;
	struct cc_journal_state *state;	/* empty */
	uint64_t instance;		/* of the pool */
	uint64_t nr_slots;
	/* out */
	uint64_t newest;		/* number of the last page that was read; 0: none */
	unsigned int nr_read;		/* records in it */
	uint64_t tail;
	uint64_t nr_claimed;		/* slots, by anybody */
	char why[256];			/* a line, if it failed */
};

/*
 * The journal is RECOVERING: read it, claim slots, resume.  Blocks.  -errno with why; what was claimed before
 * stays claimed, and who tries again goes on from there.  Nothing is ever given up.
 */
int cc_recovery_run(struct cc_recovery *r);
/* It has been resumed in this instance: read it up to head, and learn from the kernel which slots are whose. */
int cc_recovery_read(struct cc_recovery *r, uint64_t head);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the fill engine keeps of each source: which fills wait for it, and whether it answers at the moment.
 * It outlives sessions: a store that is down stays so.
 */
#ifndef CC_SUPPLY_H
#define CC_SUPPLY_H

#include <stdbool.h>
#include <stdint.h>
#include "list.h"
#include "pool/sources.h"

struct cc_supply {
	struct cc_source *source;
	struct cc_list wanted;		/* fills that could start now, demand */
	struct cc_list ahead;		/* the same, only readahead waits */
	struct cc_list prefetch;	/* nobody waits, but somebody will read on */
	struct cc_list by_hand;		/* nobody waits, an operator asked for it */
	struct cc_list retry;		/* fills that wait for their time */
	uint64_t next_retry;		/* no fill of retry is due before */
	unsigned int in_flight;
	unsigned int prefetching;	/* of those: nobody waits */
	unsigned int allowed;		/* at a time: halved by a failure, one more with each answer */
	unsigned int failures;		/* in a row */
	bool down;			/* many failures in a row */
	uint64_t probe_due;		/* down: when to try one before its time */
};

#define CC_SUPPLY_ALLOWED_MAX (1u << 16)

struct cc_supplies {
	struct cc_sources *sources;
	struct cc_supply s[CC_MAX_STORES]; /* in the order of sources */
	unsigned int nr;
};

void cc_supplies_init(struct cc_supplies *all, struct cc_sources *sources);
struct cc_supply *cc_supply_of(struct cc_supplies *all, const struct cc_source *source);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fill engine's inside: what its files share.
 *
 *	fills.c		the engine's start, steps and end
 *	fill-miss.c	misses come in; answers by mapping
 *	fill-replay.c	boot traces: asked for, and replayed
 *	fill-ahead.c	chunks that nobody waits for: begun
 *	fill-adopt.c	out of slots that an earlier instance filled
 *	fill-fetch.c	which chunk is fetched when, and what a fetch brings
 *	fill-slot.c	into a slot
 *	fill.c		the life of a fill
 *	fill-spare.c	what becomes of chunks that nobody waited for
 *	fill-answer.c	answers by bytes and by error
 *
 * Each calls those below it only.
 */
#ifndef CC_FILL_IMPL_H
#define CC_FILL_IMPL_H

#include "fill.h"
#include "clock.h"
#include "ratelimit.h"
#include "waiters.h"

#define CC_FILL_BACKOFF_MIN	CC_SECOND
#define CC_FILL_BACKOFF_MAX	(30 * CC_SECOND)

/* The work on one chunk.  The chunk's state says where it is. */
struct cc_fill {
	struct cc_list node;		/* a queue of the supply; or adoptable, fetched or spare */
	struct cc_fills *f;
	struct cc_chunk *chunk;
	struct cc_supply *supply;	/* where to fetch it; NULL while nobody waits (adoption) */
	uint32_t encoding;
	enum cc_fetch_priority prio;	/* of the most urgent who waits; PREFETCH: nobody, yet */
	uint64_t for_disk;		/* with PREFETCH: who it is for, else 0 */
	enum cc_prefetch_cause cause;	/* with PREFETCH */
	uint64_t started_ns;		/* when it was last given to the fetch engine; 0: not yet */
	struct cc_list waiters;
	uint64_t due;			/* in retry: when; in fetched: how long to wait for a slot */
	uint64_t backoff;
	struct chunkcache_slot slot;	/* ADOPTING, WRITING */
	struct cc_fetch_req req;
	struct cc_slot_io io;
};

/* A chunk that the store does not have, remembered for a while so that nobody asks it again and again. */
struct cc_failure {
	struct cc_list node;
	struct cc_chunk *chunk;
	struct cc_source *source;	/* it may be had from another one */
	uint32_t encoding;
	uint32_t class;
	uint64_t until;
};

struct cc_fills {
	struct cc_fills_config c;
	struct cc_fill_stats *stats;
	struct cc_waiters *waiters;
	struct cc_list adoptable;	/* fills whose chunk may be in a slot already */
	struct cc_list fetched;		/* fills that wait for a slot, oldest first */
	struct cc_list spare;		/* the same, nobody waits for their chunks */
	struct cc_list failures;	/* by when they are forgotten */
	struct cc_list traces_wanted;	/* disks, by replay.node; WAITING */
	struct cc_list replays;		/* the same, ON */
	struct cc_list trace_loads;	/* struct cc_trace_load, under way */
	unsigned int nr_trace_loads;
	unsigned int nr_failures;
	unsigned int nr_fetched;
	unsigned int nr_spare;
	unsigned int nr_fills;
	unsigned int in_flight;
	unsigned int prefetching;	/* fills under way that nobody waits for */
	uint64_t spare_due;		/* ask for slots for them not before */
	bool ask_slots;			/* there is reason to think that SLOT_ALLOC gives some */
	bool draining;
	bool lost;
	bool unknown_disk;
	int error;			/* of the channel, since the last step */
	uint64_t pull;			/* number of the pull under way */
	uint32_t adopt_cursor;		/* slots before it were looked at */
	uint64_t adopt_due;
	struct cc_ratelimit limit;	/* lines on single chunks */
	struct cc_ratelimit store_limit; /* lines on stores that come and go */
	/* answers by MAP that are gathered during a pull */
	uint32_t nr_maps;
	struct chunkcache_map maps[CHUNKCACHE_MAP_BATCH_MAX];
	struct chunkcache_miss map_misses[CHUNKCACHE_MISS_BATCH_MAX];
	struct chunkcache_miss misses[CHUNKCACHE_MISS_BATCH_MAX];
	struct chunkcache_slot slots[CHUNKCACHE_SLOT_BATCH_MAX];
	struct cc_refusals refusals;
};

#define log_limited(f, ...) do {				\
	if (cc_ratelimit_pass(&(f)->limit))			\
		cc_log(__VA_ARGS__);				\
} while (0)

static inline size_t cc_fills_chunk_size(const struct cc_fills *f)
{
	return (size_t)1 << f->c.slot_shift;
}

/* ---- fill-replay.c ---- */

/* Ask for traces, give what there is room for. */
void cc_fills_step_replays(struct cc_fills *f);
/* No disk is in a list any more; requests under way still complete. */
void cc_fills_drain_replays(struct cc_fills *f);

/* ---- fill-ahead.c ---- */

/* disk reads chunk, for the first time in a while: whoever reads in order will be served. */
void cc_fills_touch(struct cc_fills *f, struct cc_disk *disk, uint64_t chunk, bool at_start);
/* m says that a marked chunk was read. */
void cc_fills_take_hint(struct cc_fills *f, struct cc_disk *disk, uint64_t chunk);

/* ---- fill-adopt.c ---- */

/* What is in the queue of those that may be in a slot, as far as there are buffers. */
void cc_fills_start_adoptable(struct cc_fills *f);
/* Returns when to be called again. */
uint64_t cc_fills_step_adopt(struct cc_fills *f, uint64_t now_ns);

/* ---- fill-fetch.c ---- */

/* The chunk has a buffer. */
void cc_fill_start_fetch(struct cc_fill *fill);
/* Returns when to be called again. */
uint64_t cc_fills_step_supplies(struct cc_fills *f, uint64_t now_ns);
void cc_fills_expire_failures(struct cc_fills *f, uint64_t now_ns);

/* ---- fill-slot.c ---- */

/* FETCHED: which queue for slots it is in has to do with who waits. */
void cc_fill_queue_slot(struct cc_fill *fill);
void cc_fill_unqueue_slot(struct cc_fill *fill);

/* Bytes are in the buffer and right: a slot is wanted. */
void cc_fill_verified(struct cc_fill *fill);
/* Returns when to be called again. */
uint64_t cc_fills_step_slots(struct cc_fills *f, uint64_t now_ns);
/* The bytes are in the slot: tell the kernel. */
void cc_fill_slot_done(struct cc_fill *fill, bool adopted);
void cc_fill_release_slot(struct cc_fills *f, struct chunkcache_slot slot, bool bad);

/* ---- fill.c ---- */

/* A fill for chunk, which has none.  NULL: no memory. */
struct cc_fill *cc_fill_new(struct cc_fills *f, struct cc_chunk *chunk);
/* The work is over; what becomes of the chunk is the caller's. */
void cc_fill_free(struct cc_fill *fill);
/* Drop the fill and all that is known of its chunk. */
void cc_fill_drop(struct cc_fill *fill);
/* The bytes are in no slot: answer with them; they stay in the RAM cache as long as that has room. */
void cc_fill_to_memory(struct cc_fill *fill);
/* Fetch it where the next waiter's disk has the chunk; false if nobody waits any more. */
bool cc_fill_choose_source(struct cc_fill *fill);
/* It can start when there is a buffer. */
void cc_fill_queue(struct cc_fill *fill);
/* All fills of list. */
void cc_fills_drop_list(struct cc_list *list);
void cc_failure_free(struct cc_fills *f, struct cc_failure *x);

/* ---- fill-spare.c ---- */

/* Somebody reads chunk, which is in a slot. */
void cc_fills_read(struct cc_fills *f, struct cc_chunk *chunk);
/* A fill for nobody is given to the fetch engine. */
void cc_fill_prefetch_started(struct cc_fill *fill);
/* Somebody waits for it from now on, or it ends.  No effect if it was not for nobody. */
void cc_fill_prefetch_joined(struct cc_fill *fill);
void cc_fill_prefetch_ended(struct cc_fill *fill, bool cached);
/* The index's: chunk lost its slot and nobody has read it. */
void cc_fills_unread(void *fills, struct cc_chunk *chunk);

/* ---- fill-answer.c ---- */

/* Keep what matters of a channel's error; that a disk or miss has gone does not. */
void cc_fills_channel_result(struct cc_fills *f, int r);
/* Misses were left undone for want of memory: the session asks for them again. */
void cc_fills_short_of_memory(struct cc_fills *f);
/* The bytes that m asks for, out of the whole chunk in data. */
void cc_fill_answer(struct cc_fills *f, const struct chunkcache_miss *m, const void *data);
void cc_fill_answer_error(struct cc_fills *f, const struct chunkcache_miss *m, uint32_t class);
/* Everybody who waits gets bytes and leaves; or only those who must have bytes. */
void cc_fill_answer_all(struct cc_fill *fill);
void cc_fill_answer_must(struct cc_fill *fill);

#endif

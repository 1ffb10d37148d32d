/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fill engine: takes misses from the kernel and sees to it that each is answered, by a mapping, by bytes, or by
 * an error.  A fill is the work on one chunk from the first miss until its bytes are in a slot (states
 * in index.h); all who wait for that chunk, on whatever disk of the domain, hang on it.
 */
#ifndef CC_FILL_H
#define CC_FILL_H

#include "channel.h"
#include "disk-reads.h"
#include "fetch/fetch.h"
#include "pool/index.h"
#include "ramcache.h"
#include "supply.h"
#include "pool/slot-table.h"
#include "pool/writer.h"

struct cc_fills;

struct cc_fills_config {
	struct cc_channel *channel;
	struct cc_disks *disks;
	struct cc_fetch *fetch;
	struct cc_index *index;
	struct cc_ramcache *ramcache;
	struct cc_slot_table *table;
	struct cc_supplies *supplies;
	struct cc_writer *writer;
	uint64_t nr_slots;		/* of the pool when the session began */
	uint64_t max_slots;		/* slots that the kernel may ever hand out */
	uint32_t slot_shift;
	unsigned int nr_buffers;	/* for fills */
	unsigned int slot_wait_ms;
	unsigned int prefetch_max;	/* fetches at a time that nobody waits for, at least 1 */
	void (*volume_miss)(void *arg, const struct chunkcache_miss *m);	/* of a volume, but not of its base */
	void *arg;			/* of that */
};

/* Counters since start, over all sessions. */
struct cc_fill_stats {
	uint64_t misses;		/* taken from the kernel, each time it gave one */
	uint64_t coalesced;		/* joined a fill that was under way */
	uint64_t mapped;		/* answered from the index, without a fetch */
	uint64_t ram_hits;		/* answered from the RAM cache */
	uint64_t fetched;		/* chunks that came and were right */
	uint64_t bytes;			/* over the network */
	uint64_t filled;		/* slots that the kernel took */
	uint64_t adopted;		/* of those: bytes that were in the slot already */
	uint64_t data;			/* misses answered with bytes */
	uint64_t no_slot;		/* chunks that got no slot in time */
	uint64_t write_errors;
	uint64_t refused;		/* mappings the kernel did not take */
	uint64_t failed;		/* misses answered with an error */
	uint64_t errors[CC_STORE_ERROR + 1]; /* fetches by result */
};

int cc_fills_open(const struct cc_fills_config *c, struct cc_fill_stats *stats, struct cc_fills **ret_fills);
/* Nothing may be in flight. */
void cc_fills_close(struct cc_fills *f);

/*
 * Take misses until the kernel has no more.  all: those too that it gave before, and forget those that it does
 * not have any more.  *ret_pending collects what else there is to pull; *ret_more: it stopped early, to let others have
 * their turn.  0 or -errno of the channel; -ENOBUFS: pull all.
 */
int cc_fills_pull(struct cc_fills *f, bool all, uint32_t *ret_pending, bool *ret_more);
/* Somebody asked for a disk that is not known here since the last call. */
bool cc_fills_unknown_disk(struct cc_fills *f);
/* The kernel says that it has free slots again. */
void cc_fills_slots_free(struct cc_fills *f);
/* Start what can be started; returns when to be called again.  *ret_error: of the channel, 0 if none. */
uint64_t cc_fills_step(struct cc_fills *f, uint64_t now_ns, int *ret_error);
/* What there was to do for chunk of a disk, to fetch it ahead. */
enum cc_prefetch_result {
	CC_PREFETCH_QUEUED,
	CC_PREFETCH_THERE,		/* cached, on its way already, or a hole */
	CC_PREFETCH_NOT,		/* its store is down or lacks it, or there is no memory */
};

/* Why a chunk is fetched though nobody waits for it. */
enum cc_prefetch_cause {
	CC_PREFETCH_GUESS,		/* by what the disk has read (prefetch.h) */
	CC_PREFETCH_TRACE,		/* a boot trace says so */
	CC_PREFETCH_BY_HAND,		/* an operator asked */
};

/*
 * Fetch chunk, inside of disk, which is LOADED, though nobody waits for it: when nothing is left to do
 * for those who wait, and BY_HAND only after all others.
 */
enum cc_prefetch_result cc_fills_prefetch(struct cc_fills *f, struct cc_disk *disk, uint64_t chunk,
					  enum cc_prefetch_cause cause);
/* Replay the boot trace of disk, which is LOADED, if its store has one. */
void cc_fills_replay(struct cc_fills *f, struct cc_disk *disk);
/* Is slot one that a fill works on at this generation? */
bool cc_fills_holds(struct cc_fills *f, uint32_t slot, uint32_t gen);
/* Start nothing any more, cancel what can be.  lost: the session is gone, say nothing to the kernel either. */
void cc_fills_drain(struct cc_fills *f, bool lost);
/* Fills with something in flight. */
unsigned int cc_fills_in_flight(const struct cc_fills *f);
uint64_t cc_fills_waiting(const struct cc_fills *f);
/* How many chunks of disk are waited for, by the state that the chunk is in. */
void cc_fills_waiting_of(const struct cc_fills *f, uint64_t disk, uint64_t ret_count[CC_CHUNK_NR_STATES]);
/* The ramcache's evict function: arg, a chunk of index, loses its buffer. */
void cc_fills_evicted(void *index, void *arg);

#endif

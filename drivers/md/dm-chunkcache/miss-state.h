/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One miss: its state, its place in the tree, the bios it holds and how they end.  The rules are
 * in miss.h; this is what the parts of misses share.
 */
#ifndef CC_MISS_STATE_H
#define CC_MISS_STATE_H

#include "disk.h"

/* 0: of one that is being made. */
enum miss_state { MISS_NONE, MISS_NEW, MISS_SENT };

/* Bios of a chunk that wait. */
struct cc_waiters {
	struct bio_list plain;		/* a mapping is enough for them; in the order they came */
	struct bio_list failed;		/* on the cache device: they want MISS_DATA */
	u32 nr_plain, nr_failed;
	u32 from, to;			/* what they want of the chunk is within, bytes */
	u64 oldest;			/* none of them came before, ns; U64_MAX: there are none */
};

struct cc_miss {
	struct rb_node node;
	struct list_head fresh;		/* while NEW */
	struct cc_waiters waiters;
	cc_chunk_t chunk;
	u64 cookie;
	u64 since;			/* when the first bio came, ns */
	enum miss_state state;
	bool demand;			/* not only readahead */
	bool counted;			/* a read counts as this miss; later ones coalesced */
};

static inline u32 cc_bio_offset(const struct cc_disk *disk, const struct cc_bio *pb)
{
	return cc_disk_in_chunk(disk, pb->iter.bi_sector) << SECTOR_SHIFT;
}

void cc_waiters_init(struct cc_waiters *w);
void cc_waiters_add(struct cc_disk *disk, struct cc_waiters *w, struct bio *bio);
/* Those of from come before those of to; from is empty then. */
void cc_waiters_merge(struct cc_waiters *to, struct cc_waiters *from);
/* All of them, behind those in ret.  Returns how many. */
u32 cc_waiters_take(struct cc_waiters *w, struct bio_list *ret);

static inline u32 cc_waiters_nr(const struct cc_waiters *w)
{
	return w->nr_plain + w->nr_failed;
}

/* NULL without memory.  May sleep. */
mempool_t *cc_miss_pool_create(void);

/* ---- cc_missq.lock is held ---- */

struct cc_miss *cc_miss_find(struct cc_missq *q, cc_chunk_t chunk);
/* NEW.  Never sleeps; NULL at the cap or without memory. */
struct cc_miss *cc_miss_make(struct cc_disk *disk, cc_chunk_t chunk, u64 now);
/* The one place that writes a miss's state. */
void cc_miss_set_state(struct cc_disk *disk, struct cc_miss *m, enum miss_state to);
/* Answered, without bios: the miss goes. */
void cc_miss_end(struct cc_disk *disk, struct cc_miss *m, const char *how);
/*
 * What had no room for a miss has another try, some at a time: a miss that ends makes room
 * for one, and the work calls again while there is room.
 */
void cc_miss_retry_backlog(struct cc_disk *disk);
/* Take all held bios out; misses stay.  The mutex is held; gives the lock up now and then. */
void cc_miss_take_all(struct cc_disk *disk, struct bio_list *ret);
/*
 * The next miss, or with NULL the first one; the lock may have been given up for others before.
 * The mutex is held, and so the miss is still there; new ones may have come.
 */
struct cc_miss *cc_miss_next(struct cc_disk *disk, struct cc_miss *m);

/* ---- no lock is held; a bio that nobody else has ---- */

void cc_miss_end_bio(struct cc_disk *disk, struct bio *bio, blk_status_t status);
void cc_miss_end_bios(struct cc_disk *disk, struct bio_list *bios, blk_status_t status);
void cc_miss_end_hole(struct cc_disk *disk, struct bio *bio);
/* Pinned already: on to the cache device. */
void cc_miss_send(struct cc_disk *disk, struct bio *bio);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Misses of one disk: the bios that wait, in which state each miss is, and every way it ends.
 * Knows no netlink: it rings the bell when there is something to pull, and the
 * netlink code calls it.
 *
 * The way of a bio that is no hit:
 *
 *   map(), end_io()  any context, links it to arrivals and queues the work
 *   (REQ_NOWAIT)     EAGAIN at once, in the submitter's context: io_uring only tries again for
 *                    itself if it hears it there; the chunk is noted and got
 *   work             one miss per chunk, looks at the map again under the lock, rings
 *   helper           MISS_GET; then MISS_DATA or MISS_FAIL ends it, MAP or SLOT_DONE pins and
 *                    releases it
 *   work             sends what was released: a throttled or stuck submission is not the
 *                    helper's to wait for
 *
 * States of a miss:
 *
 *   NEW    in the list fresh; the helper has not been given it
 *   SENT   given to the helper of the present session; in no list
 *   (gone) answered; a late answer finds no miss, or another cookie
 *
 *   NEW -> SENT	cc_miss_pull()
 *   SENT -> NEW	cc_miss_renew() (session ended, reply lost), cc_miss_data() (bios
 *			that the data did not cover), cc_miss_mapped() (bios that want
 *			MISS_DATA are left), judge_bio() (demand joins what only readahead
 *			asked for)
 *   any -> gone	no bio is left and it was answered, or the disk goes away
 *
 * A miss may have no bio: a fetch that a REQ_NOWAIT read started, or one whose bios were
 * given back at a suspend, so that the fill is not lost.
 *
 * Locks: cc_missq.arrival_lock (irq-safe, innermost) covers arrivals, released, hints, wanted.  cc_missq.lock covers
 * all else and nests inside the slot lock.  The pool's command mutex is held by everybody
 * who takes bios away from a miss (answers, deadlines, suspend) or ends one: so an answer may copy
 * into bios that it took out while no lock is held, and a walk over the misses may give the lock
 * up between two of them.
 *
 * There can be a million misses, and any number of bios: nothing is done for each of them under
 * one hold of a lock.  Misses count their bios and know what these want (struct cc_waiters).
 */
#ifndef CC_MISS_H
#define CC_MISS_H

#include <linux/bio.h>
#include <linux/device-mapper.h>
#include <linux/mempool.h>
#include <linux/rbtree.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include "chunk-map.h"
#include "types.h"

struct cc_disk;
struct cc_epoch;
struct seq_file;

/* Per-bio data.  Only epoch is set by every map(). */
struct cc_bio {
	struct cc_epoch __percpu *epoch;	/* pinned while a slot is read, else NULL */
	cc_entry_t entry;		/* the slot it was sent to */
	struct bvec_iter iter;		/* as it came */
	u8 counter;			/* what it counts as when it ends well */
	u8 retry;			/* enum cc_retry */
	union {
		u32 done;		/* bytes that MISS_DATA brought so far */
		u32 together;		/* released: first of so many that share epoch and entry */
	};
	u64 arrived;			/* CLOCK_MONOTONIC, ns; of a bio that waits */
};

/*
 * map() asks core where a bio's data is and leaves that in bi_private, which core gives clean
 * to each target (dm-clone and dm-writecache use it, too): for end_io() to ask again would
 * make a hit 25 instructions longer.
 */
static inline struct cc_bio *cc_bio_init(struct bio *bio)
{
	struct cc_bio *pb = dm_per_bio_data(bio, sizeof(*pb));

	bio->bi_private = pb;
	pb->iter = bio->bi_iter;
	return pb;
}

static inline struct cc_bio *cc_bio(struct bio *bio)
{
	return bio->bi_private;
}

/*
 * It ended on a device, and will be ended or sent again.  The controllers of that device's queue
 * (iolatency, iocost) were told that it ended: they are not to be told again, if it ends without
 * being sent once more or is merged with another then.
 */
static inline void cc_bio_forget_device(struct bio *bio)
{
	atomic_set(&bio->__bi_remaining, 1);
	bio_clear_flag(bio, BIO_QOS_THROTTLED);
	bio_clear_flag(bio, BIO_QOS_MERGED);
}

/* Of a bio that failed on the cache device: it wants MISS_DATA (not LOST), and its slot... */
enum cc_retry {
	CC_RETRY_NOT,		/* did not fail */
	CC_RETRY_KEEP,		/* is kept: CC_IO_PATH */
	CC_RETRY_DROP,		/* is dropped: CC_IO_DOUBT */
	CC_RETRY_BAD,		/* is dropped and quarantined: CC_IO_MEDIUM */
	CC_RETRY_LOST,		/* is LOG: there is nowhere else to get it from */
};

/* Chunks to be got without a bio.  A full one drops the rest: a REQ_NOWAIT reader comes again. */
struct cc_chunk_notes {
	cc_chunk_t chunk[8];
	unsigned int nr;
};

/*
 * Marked chunks that were read, the oldest first.  The helper pulls them within a millisecond or so;
 * those that find no place are counted, as their readers have moved on.
 */
#define CC_HINTS_MAX 128

struct cc_hints {
	cc_chunk_t chunk[CC_HINTS_MAX];	/* a ring */
	unsigned int first, nr;
	u32 lost;			/* since the helper was last told */
};

/*
 * A suspend without flush gives back what is held so long after presuspend, and not in it: until
 * core keeps what comes back, it sends it again at once, from a work.  Where core stops to do so in
 * between, a bio of REQ_NOWAIT ends with EAGAIN there, which io_uring hands to the user.  (What
 * cc_miss_add() clears is the flag of our clone.)
 */
#define CC_GIVE_BACK_MS	10

struct cc_missq {
	spinlock_t arrival_lock;	/* irq-safe; the lists and notes below */
	struct bio_list arrivals;
	struct bio_list released;	/* pinned, or for a hole: to be served by the work */
	struct cc_hints hints;
	struct cc_chunk_notes wanted;	/* chunks that REQ_NOWAIT reads missed */
	struct work_struct work;

	spinlock_t lock;		/* all below, and every miss with its bios */
	struct rb_root misses;		/* by chunk */
	struct list_head fresh;		/* NEW ones, in the order they came */
	struct bio_list backlog;	/* no miss to be had: cap, or no memory */
	u32 nr_backlog;
	u32 nr_misses;
	u32 nr_waiting;			/* bios in misses and backlog */
	bool requeueing;		/* a suspend without flush: what is held is given back */
	u64 suspend_deadline;		/* ns; from presuspend to its undo or postsuspend, else 0 */
	bool refused;			/* manifest refused: EIO at once */

	struct delayed_work tick;	/* deadlines */
	mempool_t *mempool;
	u64 said;			/* when "waits for ever" was last logged, ns */
};

int cc_missq_module_init(void);
void cc_missq_module_exit(void);

/* ctr; disk's other fields are set.  -ENOMEM. */
int cc_missq_init(struct cc_disk *disk);
/* dtr: no bio is left. */
void cc_missq_exit(struct cc_disk *disk);

/* A bio that can't be served now; its cc_bio.iter is set.  Any context. */
void cc_miss_add(struct cc_disk *disk, struct bio *bio, enum cc_retry retry);
/* A marked chunk was read for the first time.  Any context. */
void cc_miss_hint(struct cc_disk *disk, cc_chunk_t chunk);
/* Start to get a chunk that nobody waits for.  Any context. */
void cc_miss_want(struct cc_disk *disk, cc_chunk_t chunk);

/* ---- from here on: process context; the pool's command mutex is held ---- */

/* Give up to n NEW misses and hints to the helper; returns how many.  *ret_more: there are others. */
u32 cc_miss_pull(struct cc_disk *disk, struct chunkcache_miss *ret, u32 n, bool *ret_more);
/* All SENT misses are NEW again; true if there are any NEW ones. */
bool cc_miss_renew(struct cc_disk *disk);

/*
 * The chunk was mapped: what waits for it and may read the slot is pinned and released.
 * The slot lock is held and the slot is VALID.
 */
void cc_miss_mapped(struct cc_disk *disk, cc_chunk_t chunk, cc_entry_t entry);
/* The same for chunks that are holes; no slot lock. */
void cc_miss_hole(struct cc_disk *disk, cc_chunk_t chunk, u64 count);

/* MISS_DATA and MISS_FAIL: 0, -ENOENT, -ESTALE; as in the netlink header. */
int cc_miss_data(struct cc_disk *disk, cc_chunk_t chunk, u64 cookie, u32 offset,
		 const void *data, u32 len, bool last);
int cc_miss_fail(struct cc_disk *disk, cc_chunk_t chunk, u64 cookie, blk_status_t status);

/* The manifest was refused: all that waits fails, now and until it is loaded. */
void cc_miss_refuse(struct cc_disk *disk, bool refused);

/* A line for each miss: "<name> <chunk> <new|sent> <bios> <age ms> <cookie>". */
void cc_miss_show(struct cc_disk *disk, const char *name, struct seq_file *m);
/* Bios held, and the age of the oldest in ms. */
void cc_miss_gauges(struct cc_disk *disk, u64 *ret_waiting, u64 *ret_oldest_ms);

/* ---- these take the mutex themselves ---- */
void cc_miss_presuspend(struct cc_disk *disk);
/* For presuspend_undo and postsuspend. */
void cc_miss_end_suspend(struct cc_disk *disk);

#endif

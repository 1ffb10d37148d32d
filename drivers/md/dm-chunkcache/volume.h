/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One table instance of a volume: a disk that a guest may write.  What it wrote lies in log
 * chunks, which are chunks of the disk's own chunk map behind those of the base: log chunk index
 * i is chunk first_log + i.  So its hits, misses and mappings are those of any chunk.
 *
 * Places are those of chunkcache/journal.h.  In memory they are index-places: the index of a log
 * chunk in place of its number.  Log chunks that VOLUME_LOAD brought have the indexes
 * 0..nr_logs-1 in the order of their numbers; those that are opened here have the ones from
 * nr_logs on, and their numbers are the term and a count from 0.  So the order is the same, and
 * bias makes a real place of what was written here.  The higher place wins, in whatever order
 * writes end.
 *
 * States of a volume (enum chunkcache_volume_state), changed by cc_volume_set_state() only:
 *
 *   NEW      I/O is held; VOLUME_LOAD fills the overlay
 *   RUNNING  all of it works
 *   FAILED   all I/O fails with EIO; what it wrote stays in its slots and in the journal
 *
 * A journal that failed changes no state: writes, flushes and zeros fail with EIO, reads go on.
 *
 *   NEW -> RUNNING		VOLUME_START
 *   NEW, RUNNING -> FAILED	VOLUME_FAIL
 *
 * The way of a read (volume-map.c):
 *
 *   map()      the chunk's word in the overlay.  0: cc_hit_map() has it, as for a disk.  Else
 *              the places of its blocks: the bio is cut where they stop being contiguous, its
 *              sector becomes that of the log chunk, and cc_hit_map() has it; or it is zeros
 *
 * The way of a write:
 *
 *   map()      cut at the end of its chunk; a leaf of the overlay is ready; with the lock: room
 *              for a record and a place are taken, it counts as in flight; it goes to the slot
 *              of the open log chunk.  No pin: a slot that is LOG is never evicted.  A bio that
 *              is cut short by the end of the log chunk is the rest's way in again
 *   end_io()   with the lock: each block takes the place if that is higher, one record is staged,
 *              it is in flight no more.  FUA: the journal has it at once; then as a flush
 *   (staged)   the journal gets up to CC_LOG_BATCH records together; at once if anything but a
 *              write is added, which so is behind the writes, or somebody waits; else after a
 *              quarter of a second.  They have their reservation until then
 *   (held)     what can't have all that now waits in held, before it has taken a place, for the
 *              work, which sends it whole
 *   (failed)   the place stays unused, as does the rest of that log chunk; the work sends it
 *              again, to a new place
 *
 * A place is taken by a write that is submitted at once and is never given back.  REQ_NOWAIT goes
 * no further than that: an EAGAIN from below would leave a block of the log chunk unused each
 * time.
 *
 * The way of a part of a block (a write or write-zeroes of less; volume-partial.c):
 *
 *   map()      cut at the end of its block, and of whole blocks before it; waits in parts
 *   work       its block comes into a table of few: full writes and zeros to it are held from
 *              then on, before they take a place.  The counters flip without a cut; when the
 *              first is 0, none of those that had a place before is in flight.  The block is
 *              read as any other.  What came for it by then is merged in, and it is written
 *              as one that was held
 *   end        of that write: the block leaves the table
 *
 * Compare-and-map alone would lose a full write that took its place before and ends behind.
 *
 * States of such a block, one of few in the table, changed by set_partial_state() only:
 *
 *   FREE      no block is here
 *   NEW       full writes and zeros to it are held from now on; the flip is wished for
 *   DRAINING  the counters have flipped; what had a place before may be in flight
 *   DRAINED   nothing is; the work is to read it
 *   READING   its carrier reads it
 *   READ      its carrier waits in merged for a place; what still comes for it is merged in
 *   WRITING   all is merged in; its carrier has a place, or waits for one.  What comes waits in
 *             parts
 *
 *   FREE -> NEW		cc_partial_take()
 *   NEW -> DRAINING		cc_partial_drain()
 *   DRAINING -> DRAINED	cc_partial_drained()
 *   DRAINED -> READING		cc_partial_read()
 *   READING -> READ		end_carrier()
 *   READ -> WRITING		cc_partial_write()
 *   READING, READ, WRITING -> FREE	end_partial(); of the first two with an error
 *
 * The way of a flush: what is staged is handed over; cc_journal_wait() for the last record of the
 * volume.  REQ_FUA is not handed to the device: the page that has the write's record is written
 * with PREFLUSH, which makes its data durable before it.  With durability=store both wait for a
 * commit instead: a cut is wished for, and COMMITTED with a place that is not below theirs ends
 * them.
 *
 * The way of zeros (discard, write-zeroes; volume-zero.c): the work notes the position that the
 * next data will take, counts them as in flight, walks over the blocks, and at the end adds one
 * record.
 *
 * States of a log chunk:
 *
 *   SPARE    its slot is LOG and its chunk is mapped; nothing is in it.  At most one, which the
 *            work gets
 *   OPEN     its OPEN record is in the journal; next lies in it, room blocks are left.  At most
 *            one
 *   FULL     next lies behind it; writes to it may be in flight
 *   CLOSED   a cut behind it is done: none is.  SLOT_CLEAN and SLOT_DROP may have its slot
 *
 *   SPARE -> OPEN	open_log(), when a write finds no room
 *   OPEN -> FULL	the last place is taken, the 16th cut or a cut with seal, an error
 *   FULL -> CLOSED	close_slots()
 *
 * A cut: with the lock, P = next is noted and further writes count in the other one of two
 * counters; when the first is 0, all places below P have ended, and CUT (P) goes into the
 * journal.  One flip at a time, for a cut, for parts of blocks or for both; a wish that comes
 * meanwhile waits.
 *
 * Each write and cut keeps a record for the next cut (cut_reserved): it is writes that wait for
 * room which need one.  A volume that writes reserves records ahead, until its next cut.
 *
 * Locks: cc_volume.lock is irq-safe and nests inside all others but the journal's and the miss
 * queue's arrival_lock, with which it does not nest.
 */
#ifndef CC_VOLUME_H
#define CC_VOLUME_H

#include <linux/uuid.h>
#include <chunkcache/journal.h>
#include <chunkcache/volume.h>
#include "overlay.h"
#include "pool.h"

#define CC_SECTORS_PER_BLOCK_SHIFT	(CC_BLOCK_SHIFT - SECTOR_SHIFT)
#define CC_SECTORS_PER_BLOCK		(1u << CC_SECTORS_PER_BLOCK_SHIFT)

/* Tries of a write whose medium fails, each in another log chunk. */
#define CC_WRITE_TRIES	3

/* Cuts that no commit has; see volume-commit.c. */
#define CC_CUT_NOTES	16

/*
 * Records that a volume reserves at once, and gives to the journal at once: so many writes take
 * the journal's lock twice.
 */
#define CC_LOG_BATCH	16

struct cc_cut_note {
	u64 place;			/* of the cut */
	u64 since;			/* ns: the first write behind the cut before; 0: unknown */
};

enum cc_volume_bio_kind {
	CC_VB_OURS,		/* ends with the status that we give it */
	CC_VB_WRITE,		/* was sent to its place */
};

/* Per-bio data.  kind is set of all but reads, which have pb only. */
struct cc_volume_bio {
	struct cc_journal_wait wait;
	struct bio *bio;		/* that this belongs to, while it waits for the journal */
	u64 *entry;			/* of its first block in the leaf */
	u64 place;			/* index-place of its first block */
	u64 block;
	sector_t sector;		/* of the place, on the cache device */
	u32 blocks;
	u8 kind;			/* enum cc_volume_bio_kind */
	u8 parity;			/* the counter that it is in */
	u8 tries;			/* that failed */
	u8 error;			/* enum cc_io_error of the last of them */
	bool fua;
	struct cc_bio pb;		/* last: dm_per_bio_data() finds it by its own size */
};

static_assert(offsetofend(struct cc_volume_bio, pb) == sizeof(struct cc_volume_bio));

/* Why map() may not take a place. */
#define CC_BLOCKED_STATE	1	/* not RUNNING */
#define CC_BLOCKED_HELD		2	/* others wait: behind them */
#define CC_BLOCKED_PARTIAL	4	/* only to blocks that cc_partial_overlaps() knows */

/* What goes over to the next table of the same volume.  cc_volume.lock covers all of it. */
struct cc_volume_log {
	u32 blocked;			/* CC_BLOCKED_* */
	u32 room;			/* blocks left in the open log chunk; 0: none is open */
	u64 next;			/* index-place, without DATA, that the next write takes */
	sector_t sector;		/* of next, on the cache device, while room is left */
	u32 parity;			/* which inflight new writes count in */
	u32 inflight[2];
	bool flipped;			/* waits for inflight[!parity]... */
	bool cutting;			/* for a cut */
	bool settling;			/* for parts of blocks */
	bool cut_reserved;		/* a record of the journal is kept for the next cut */
	bool wish_cut, wish_seal, wish_drain;
	bool wish_hurry, cut_hurry;	/* somebody waits for the next cut, the one under way */
	u8 nr_cuts;			/* in the open log chunk */
	u64 cut;			/* of the last cut, done or under way */
	u64 cut_done;			/* of the last that is in the journal */
	u64 committed;			/* what is below is in the store */
	struct cc_cut_note notes[CC_CUT_NOTES];
	unsigned int nr_notes;
	u64 dirty_since;		/* ns: the first write behind the last cut; 0: none */
	u64 zeroed;			/* position of the last zeros; 0: none */
	u64 bias;			/* of a real place over an index-place */
	u64 seq;			/* of the last record that the journal has */
	u32 reserved;			/* records for writes to come; none without cut_reserved */
	u32 nr_staged;
	struct cc_journal_record staged[CC_LOG_BATCH];	/* that the journal will get */
	struct chunkcache_slot spare;	/* gen 0: none */
	u32 closed;			/* log chunks with lower indexes are CLOSED */

	u32 state;			/* enum chunkcache_volume_state; also read without */
	u32 volume;			/* handle in the journal; 0: not started */
	u32 term;
	/* Of those that were loaded; change under cmd. */
	u32 nr_logs;
	u32 nr_cleaner;			/* the first of them */
	u64 last_log;			/* number of the last, as in a place */
	bool journal_failed;
};

struct cc_volume {
	struct cc_disk disk;		/* first: ti->private is both */
	struct cc_overlay overlay;
	struct cc_journal *journal;
	u64 first_log;			/* chunk */
	unsigned int chunk_sectors;
	unsigned int block_mask;	/* blocks per chunk - 1 */
	unsigned int blocks_shift;	/* log2 of blocks per chunk */
	unsigned int whole_max;		/* blocks of a write that the work has to place whole */

	spinlock_t lock ____cacheline_aligned_in_smp;
	struct cc_volume_log log;
	struct bio_list held;		/* NEW: all; else writes, in the order they came */
	struct bio_list zeros;		/* for the work */
	struct bio_list parts;		/* of blocks that are not in partials yet */
	struct bio_list merged;		/* carriers that wait for a place */
	struct bio_list storing;	/* flushes and FUA that wait for a commit of their place */
	u32 nr_held;			/* in all of these */
	u32 nr_partials;		/* that are not free */
	struct cc_partial *partials;	/* NULL: no writes smaller than a block */
	bool starved;			/* they wait for room, and the helper was told */
	u64 throttled_since;		/* ns: writes wait for room; 0: none does */
	bool requeueing;		/* a suspend without flush: as in struct cc_missq */
	bool retired;			/* another table took over, or dtr: no work is queued */
	u64 suspend_deadline;		/* ns; 0: none */

	struct work_struct work;
	struct delayed_work tick;	/* of the deadline */
	struct delayed_work lazy;	/* of what is staged */
	struct cc_pool_waiter waiter;
	uuid_t uuid;
};

static inline struct cc_volume_bio *cc_volume_bio(struct bio *bio)
{
	return container_of(cc_bio(bio), struct cc_volume_bio, pb);
}

/* All but reads.  Core gives bi_private clean to each target, see cc_bio_init(). */
static inline struct cc_volume_bio *cc_volume_bio_init(struct bio *bio)
{
	struct cc_volume_bio *vb = dm_per_bio_data(bio, sizeof(*vb));

	bio->bi_private = &vb->pb;
	vb->pb.iter = bio->bi_iter;
	vb->pb.epoch = NULL;
	vb->kind = CC_VB_OURS;
	vb->tries = 0;
	return vb;
}

static inline u32 cc_volume_state(const struct cc_volume *v)
{
	/* Who sees RUNNING sees all that was loaded: cc_volume_set_state(). */
	return smp_load_acquire(&v->log.state);
}

static inline u32 cc_place_index(u64 place)
{
	return place >> CC_PLACE_LOG_SHIFT;
}

static inline unsigned int cc_place_block(u64 place)
{
	return place >> CC_PLACE_BLOCK_SHIFT & CC_PLACE_BLOCK_MASK;
}

/* The first place of the log chunk with this index. */
static inline u64 cc_place_of_log(u32 index)
{
	return CC_PLACE_GUEST | (u64)index << CC_PLACE_LOG_SHIFT;
}

/* ---- volume.c ---- */

/* The one place that changes the state; held I/O follows.  Caller holds pool->cmd. */
void cc_volume_set_state(struct cc_volume *v, u32 state, const char *reason);
/* ctr: lists and works. */
void cc_volume_init(struct cc_volume *v);
/* With this handle in the journal, or NULL.  Caller holds pool->cmd. */
struct cc_volume *cc_volume_find(struct cc_pool *pool, u32 volume);
/* It is told of room, or no longer; then its work has ended and none is queued. */
void cc_volume_enlist(struct cc_volume *v);
void cc_volume_retire(struct cc_volume *v);
/* ctr: false if it is shorter than the announced instance of the same volume.  A hint. */
bool cc_volume_may_follow(struct cc_volume *v);
/* Take what the announced instance has, as cc_disk_take_over().  preresume; -ENOMEM, -EINVAL. */
int cc_volume_take_over(struct cc_volume *v);

/* ---- volume-map.c ---- */

int cc_volume_map(struct dm_target *ti, struct bio *bio);
int cc_volume_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *error);
/* By the work: a read that was held, and is not larger than a block. */
void cc_volume_read_again(struct cc_volume *v, struct bio *bio);
/* By the work: a write that was held.  False: it can't have a place now. */
bool cc_volume_write_again(struct cc_volume *v, struct bio *bio);

/* ---- volume-log.c; cc_volume.lock is held if not said otherwise ---- */

/*
 * A place for vb->blocks blocks, which become fewer if not whole, and room for a record.  False:
 * not now.
 */
bool cc_log_take(struct cc_volume *v, struct cc_volume_bio *vb, bool whole);
/* The same if there is room for more than these, and a record ahead: what most writes find. */
static inline bool cc_log_take_quick(struct cc_volume *v, struct cc_volume_bio *vb, u32 blocks)
{
	struct cc_volume_log *l = &v->log;
	u32 parity = l->parity;

	lockdep_assert_held(&v->lock);
	if (unlikely(l->room <= blocks || !l->reserved))
		return false;
	l->reserved--;
	vb->place = l->next | CC_PLACE_DATA;
	vb->sector = l->sector;
	vb->blocks = blocks;
	vb->parity = parity;
	l->inflight[parity]++;
	l->room -= blocks;
	l->next += (u64)blocks << CC_PLACE_BLOCK_SHIFT;
	l->sector += (sector_t)blocks << CC_SECTORS_PER_BLOCK_SHIFT;
	return true;
}

/* All that took a place before the flip have ended. */
void cc_log_end_flip(struct cc_volume *v);

/* What took a place has ended; its record was added, if there was one to add. */
static inline void cc_log_put(struct cc_volume *v, unsigned int parity)
{
	struct cc_volume_log *l = &v->log;

	lockdep_assert_held(&v->lock);
	if (!--l->inflight[parity] && unlikely(l->flipped) && parity != l->parity)
		cc_log_end_flip(v);
}

/* Room for the record of zeros, and for the cut behind it. */
bool cc_log_reserve(struct cc_volume *v);
/* What was reserved ahead is not needed, or must not be used: the next write asks the journal. */
void cc_log_release(struct cc_volume *v);

/* What is staged goes to the journal: from then on log.seq is that of the last record. */
void cc_log_hand_over(struct cc_volume *v);
/* Append, with the volume's handle; uses a reservation.  place is an index-place. */
void cc_log_add(struct cc_volume *v, u8 type, u64 block, u64 place, u32 count);
/* The first, or the last that there is room for, was staged. */
void cc_log_staged(struct cc_volume *v);

static inline void cc_log_stage(struct cc_volume *v, u8 type, u64 block, u64 place, u32 count)
{
	struct cc_volume_log *l = &v->log;

	lockdep_assert_held(&v->lock);
	l->staged[l->nr_staged++] = (struct cc_journal_record){
		.type = type,
		.volume = cpu_to_le16(l->volume),
		.count = cpu_to_le32(count),
		.block = cpu_to_le64(block),
		.place = cpu_to_le64(place + l->bias),
	};
}

/* Append a write that nobody waits for: the journal gets it by and by, with others. */
static inline void cc_log_add_lazily(struct cc_volume *v, const struct cc_volume_bio *vb)
{
	cc_log_stage(v, CC_JOURNAL_WRITE, vb->block, vb->place, vb->blocks);
	if (unlikely(v->log.nr_staged == 1 || v->log.nr_staged == CC_LOG_BATCH))
		cc_log_staged(v);
}

/* Nobody waited for what is staged. */
void cc_log_lazy(struct work_struct *work);
/* No more places in the log chunk that place lies in. */
void cc_log_abandon(struct cc_volume *v, u64 place);
/* As VOLUME_CUT says. */
void cc_log_wish_cut(struct cc_volume *v, bool seal);
/* cc_partial_drained() is called when all that has a place now has ended. */
void cc_log_wish_drain(struct cc_volume *v);
/*
 * Log chunk index exists, and is in slot if that has a generation; else it is a miss.  pool->cmd
 * is held, not the lock.  -ENOMEM, -ESTALE.
 */
int cc_log_map(struct cc_volume *v, u32 index, const struct chunkcache_slot *slot);
/* By the work, without the lock: a spare, the cut that is wished for, slots that are closed. */
void cc_log_work(struct cc_volume *v);
/* dtr, without the lock: nothing is in flight, and nobody will write.  All of it is closed. */
void cc_log_finish(struct cc_volume *v);

/* ---- volume-hold.c ---- */

/* A bio that waits for the work; its kind is CC_VB_OURS.  Lock held; any context. */
void cc_hold_add(struct cc_volume *v, struct bio_list *list, struct bio *bio);
/* Lock held: queue the work. */
void cc_hold_kick(struct cc_volume *v);
/* End a bio that is ours.  No lock. */
void cc_hold_end(struct bio *bio, blk_status_t status);
void cc_hold_presuspend(struct cc_volume *v);
void cc_hold_end_suspend(struct cc_volume *v);
void cc_hold_work(struct work_struct *work);
void cc_hold_tick(struct work_struct *work);

/* ---- volume-partial.c ---- */

/* ctr, dtr.  -ENOMEM. */
int cc_partial_init(struct cc_volume *v);
void cc_partial_exit(struct cc_volume *v);
/* Is part of one of these blocks being written?  Lock held. */
bool cc_partial_overlaps(const struct cc_volume *v, u64 block, u64 n);
/* A drain starts; it has ended.  Lock held. */
void cc_partial_drain(struct cc_volume *v);
void cc_partial_drained(struct cc_volume *v);
/* Is it one that carries the read and the write of a block? */
bool cc_partial_carries(const struct bio *bio);
/* By the work: take what waits; read what is drained; write what is read.  False: no place now. */
void cc_partial_take(struct cc_volume *v);
void cc_partial_read(struct cc_volume *v);
bool cc_partial_write(struct cc_volume *v, struct bio *carrier);

/* ---- volume-commit.c ---- */

/* The first write since a cut; a cut is done.  Lock held. */
void cc_commit_note_write(struct cc_volume *v);
void cc_commit_note_cut(struct cc_volume *v);
/*
 * durability=store: what has a place now is to be in the store before bio ends.  True: it will be
 * ended, false: it is there.  Lock held.
 */
bool cc_commit_wait(struct cc_volume *v, struct bio *bio);
/* The helper says that what is below place, a real one, is in the store.  No lock. */
void cc_commit_done(struct cc_volume *v, u64 place);
/* Add its gauges, for STATS. */
void cc_commit_gauges(struct cc_disk *disk, u64 *ret);

/* ---- volume-zero.c ---- */

/*
 * Blocks of one chunk have place and those behind it, or are all zeros since place, if that is
 * higher.  False: no memory.  Process context, no lock.
 */
bool cc_volume_set_blocks(struct cc_volume *v, u64 block, unsigned int n, u64 place);
/* By the work: zeros for all of a discard or write-zeroes.  False: no room for the record now. */
bool cc_zero_walk(struct cc_volume *v, struct bio *bio);

#endif

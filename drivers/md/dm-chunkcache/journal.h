/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The journal of a pool: makes what volumes did durable at their flushes.  On the device it is what
 * chunkcache/journal.h says; the kernel only appends and has no parser of it.
 *
 * States (enum chunkcache_journal_state), changed by cc_journal_set_state() only:
 *
 *   NONE        the pool has no area for one; nothing below is ever called with success
 *   RECOVERING  made; the helper reads what an earlier instance left.  Nothing is written, nothing
 *               can be reserved, and no slot is handed out (cc_slots.recovering)
 *   RUNNING     cc_journal_resume() said where to go on
 *   FAILED      a page could be written nowhere; for good.  Who waits and who comes is told so
 *
 *   RECOVERING -> RUNNING	cc_journal_resume()
 *   RUNNING -> FAILED		the last try of a page has failed
 *
 * The way of a record:
 *
 *   cc_journal_reserve()   before a write takes its place: there will be room
 *   cc_journal_add()       at its end: into the page in memory that takes records, the last of
 *                          queue
 *   page write             a copy of the first page of queue, with all its records up to now, by
 *                          PREFLUSH | FUA; at most one is in flight.  Started by who waits, in
 *                          map(), if none is under way; else by a work: when a page is full, by
 *                          hurry, by the next who waits, and after a second in any case
 *   end of the write       all records of the copy are durable: waits end, a full page leaves
 *                          memory
 *
 * While anybody waits for room or for a commit, a page is written each second though nobody has
 * added anything (probe): else a device that has died would be noticed by no one.
 *
 * A page that is not full stays first in queue and is written again as its next version.  It gets
 * its number when it is first written, so that one that can't be written takes the next number,
 * with all its records, and the pages behind it theirs.
 *
 * Room: a reservation is for memory and for the ring.  Of both a part is kept for what leads to a
 * trim (vital), and of the ring a bit more for the page that says so and for positions that can't
 * be written.  A position is in use from the durable tail on, which is the one that the last page
 * that is durable says: what lies there is overwritten only after that.
 *
 * Locks: cc_journal.lock is irq-safe and the innermost of all: end_io() of volumes adds records
 * with their own lock held.  Only works and timers are queued with it held.  Whoever set busy owns
 * the page in flight until the end of the write, then the work does until it clears busy.
 */
#ifndef CC_JOURNAL_H
#define CC_JOURNAL_H

#include <linux/bio.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/uuid.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <chunkcache/journal.h>
#include "types.h"

struct block_device;
struct cc_geometry;
struct cc_pool;
struct cc_journal;

/* What the journal asks of its pool.  Called without locks, by a work; they may be NULL. */
struct cc_journal_ops {
	/* A reservation failed before, and there may be room now. */
	void (*room)(struct cc_pool *pool);
	/* It is FAILED now. */
	void (*failed)(struct cc_pool *pool);
	/* There is something to read for the helper, or room is short. */
	void (*news)(struct cc_pool *pool);
};

struct cc_journal_wait {
	struct list_head node;
	u64 seq;
	/* Any context, no lock of the journal held. */
	void (*done)(struct cc_journal_wait *w, blk_status_t status);
};

struct cc_journal {
	spinlock_t lock;		/* irq-safe; all below, up to the page in flight */
	u32 state;			/* enum chunkcache_journal_state; also read without */
	/* Of struct cc_journal_buf: pages that are not durable and full; the last takes records. */
	struct list_head queue;
	struct list_head spare;
	unsigned int nr_queue, nr_spare;
	unsigned int reserved;		/* records */
	u64 next;			/* number of the next page */
	u64 prev;			/* of the last page that counts and is full */
	u64 head;			/* of the last page that is durable; 0: none yet */
	u64 tail;			/* to be written with the next page */
	u64 durable_tail;		/* positions from here to next are in use */
	u64 seq;			/* of the last record */
	u64 durable_seq;
	struct list_head waits;
	bool busy;			/* a page is in flight, or its end is not told yet */
	bool hurry;			/* write, though nobody waits */
	bool tell;			/* the helper, when what there is now is durable */
	bool probe;			/* write, though there is nothing to be written */
	bool starved;			/* reserve() failed: room() is due */
	bool vital_starved;		/* reserve_vital() did */
	bool complained;		/* the helper knows that */
	bool timing;			/* the timer is set */
	bool failed_told;		/* who waited has heard of FAILED */
	unsigned int tries;		/* of the page that could not be written */
	unsigned int users;		/* of bdev; 0: nothing is written */
	u64 nr_pages;			/* that were written */
	u64 seq_base;			/* seq when the counters were cleared */
	struct block_device *bdev;	/* while there are users */

	/* The page in flight: of who made it busy. */
	struct bio bio;
	struct bio_vec bvec;
	struct cc_journal_page *out;
	u64 out_seq;
	bool out_tell;
	bool out_ended;			/* the work has to tell its end; lock */
	blk_status_t out_status;

	/* Constant. */
	sector_t start;			/* on bdev */
	u64 positions;
	uuid_t uuid;
	u64 instance;
	const char *name;		/* of the pool's device */
	struct cc_pool *pool;		/* for ops only */
	const struct cc_journal_ops *ops;

	struct work_struct work;
	struct delayed_work timer;
	wait_queue_head_t idle;		/* no longer busy */
};

int cc_journal_module_init(void);
void cc_journal_module_exit(void);

/* Of whom it is. */
struct cc_journal_of {
	struct cc_pool *pool;
	const char *name;		/* stays */
	const struct cc_geometry *geo;
	u64 instance;
};

/* RECOVERING, or NONE if the pool has no area for one.  May sleep.  -ENOMEM. */
int cc_journal_init(struct cc_journal *j, const struct cc_journal_of *of,
		    const struct cc_journal_ops *ops);
/* No user is left. */
void cc_journal_exit(struct cc_journal *j);

/*
 * The device can be written from now on; nests: the pool's live table and each volume's are users
 * of it, so that volumes go on while the pool is suspended.  May sleep.
 */
void cc_journal_start(struct cc_journal *j, struct block_device *bdev);
/* One user less.  All that was added before is written, if it can be; may sleep for I/O. */
void cc_journal_stop(struct cc_journal *j);

/* ---- of volumes; any context ---- */

/*
 * Room in memory and in the ring for n records.  False: it is not RUNNING, or ops->room() is called
 * when there may be some.
 */
bool cc_journal_reserve(struct cc_journal *j, unsigned int n);
/*
 * The same for records that are not there yet: from the first half of the room only, so that nobody
 * waits for what is kept in vain; nor is room() called.
 */
bool cc_journal_reserve_ahead(struct cc_journal *j, unsigned int n);
/*
 * The same for what leads to a trim: VOLUME, OPEN, CUT, all that the helper adds.  Has room that is
 * kept for it, so that it only fails when the helper is far behind.
 */
bool cc_journal_reserve_vital(struct cc_journal *j, unsigned int n);
/* So many are not needed after all. */
void cc_journal_release(struct cc_journal *j, unsigned int n);
/* Uses n that are reserved.  Interrupts are off.  The sequence number, from 1, of the last one. */
u64 cc_journal_add(struct cc_journal *j, const struct cc_journal_record *r, unsigned int n);
/*
 * w->done() when all records up to seq are durable, at once if they are, or with an error when they
 * can't be.  Starts a write if none is under way: in process context the caller holds no spinlock.
 */
void cc_journal_wait(struct cc_journal *j, struct cc_journal_wait *w, u64 seq);
/* The helper is to hear of what was added when it is durable; hurry: soon. */
void cc_journal_tell(struct cc_journal *j, bool hurry);
/*
 * Somebody waits for what the helper is to bring about: is the device still there?  A page is
 * written, though it may say nothing new; if it can be written nowhere that is FAILED.
 */
void cc_journal_probe(struct cc_journal *j);

/* ---- of the helper; process context ---- */

/* 0, -EBUSY, -ERANGE: as JOURNAL_RESUME says. */
int cc_journal_resume(struct cc_journal *j, u64 head, u64 prev, u64 tail);
/* 0, -ERANGE. */
int cc_journal_trim(struct cc_journal *j, u64 tail);

struct cc_journal_view {
	u32 state;		/* enum chunkcache_journal_state */
	u64 head, tail;
	u64 used, positions;	/* of the ring */
	u64 pages;		/* written */
	u64 records;		/* added */
};

/* "none", "recovering", "running", "failed". */
const char *cc_journal_word(const struct cc_journal *j);
void cc_journal_read(struct cc_journal *j, struct cc_journal_view *ret);
void cc_journal_clear_stats(struct cc_journal *j);

/* Of a moment ago. */
static inline u32 cc_journal_state(const struct cc_journal *j)
{
	return READ_ONCE(j->state);
}

#endif

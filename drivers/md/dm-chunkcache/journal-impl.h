/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the journal share: pages in memory, and the writer of pages. */
#ifndef CC_JOURNAL_IMPL_H
#define CC_JOURNAL_IMPL_H

#include "journal.h"

/* A page in memory; cc_journal.lock. */
struct cc_journal_buf {
	struct list_head node;		/* queue or spare */
	u64 number;			/* 0: was not written yet */
	u64 last_seq;			/* of its last record, or of the one before it */
	u32 version;			/* of the last write of number */
	unsigned int count;
	unsigned int durable;		/* so many records of it are */
	struct cc_journal_record record[CC_JOURNAL_RECORDS];
};

extern struct workqueue_struct *cc_journal_wq;

/* The page that is written next, and again until it is full; NULL: all are full and durable. */
static inline struct cc_journal_buf *cc_journal_first(struct cc_journal *j)
{
	return list_first_entry_or_null(&j->queue, struct cc_journal_buf, node);
}

/* Pages whose number is still to come. */
static inline unsigned int cc_journal_unnumbered(struct cc_journal *j)
{
	const struct cc_journal_buf *first = cc_journal_first(j);

	return j->nr_queue - (first && first->number);
}

/* From then on the helper is to hurry. */
static inline bool cc_journal_half_full(const struct cc_journal *j)
{
	return j->next - j->durable_tail > j->positions / 2;
}

/* Another page that takes records: there is a spare one.  Lock held. */
struct cc_journal_buf *cc_journal_open_buf(struct cc_journal *j);
/* The one place that changes the state.  Lock held. */
void cc_journal_set_state(struct cc_journal *j, u32 state);
/* Is there room for who got none?  He is forgotten then, and ops->room() is due.  Lock held. */
bool cc_journal_take_room(struct cc_journal *j);

/* ---- journal-write.c ---- */

/* Is there anything that no page on the device says?  Lock held. */
bool cc_journal_unwritten(struct cc_journal *j);
/* Take a copy of the next page, if one can be written now: then submit it.  Lock held. */
bool cc_journal_begin_write(struct cc_journal *j);
/* Without the lock; in a context that may submit bios. */
void cc_journal_submit(struct cc_journal *j);
void cc_journal_work(struct work_struct *work);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ring of a pool's journal, read: which pages count, and these one after the other, the oldest first.  The
 * same for a ring that nobody writes any more and for one that the kernel is writing.  For one thread at a time.
 */
#ifndef CC_JOURNAL_RING_H
#define CC_JOURNAL_RING_H

#include <stdbool.h>
#include "journal-page.h"

struct cc_journal_ring;

/* len bytes, whole pages, from offset on of the journal's area into buf, which is aligned to a page.  0 or -errno. */
typedef int cc_journal_read_fn(void *arg, void *buf, size_t len, uint64_t offset);

int cc_journal_ring_open(const uint8_t uuid[16], uint64_t size, cc_journal_read_fn *read, void *arg,
			 struct cc_journal_ring **ret_ring);
void cc_journal_ring_close(struct cc_journal_ring *r);

struct cc_journal_found {
	uint64_t newest;		/* number of the newest page that counts; 0: there is none */
	uint64_t highest;		/* of all pages that anybody ever wrote here: >= newest */
};

/* Looks at all places of a ring that nobody writes.  A place that can't be read has no page, for now. */
int cc_journal_ring_scan(struct cc_journal_ring *r, struct cc_journal_found *ret_found);
/*
 * Finds the pages that count from newest back to from, or if that is 0 to the tail that newest names.  With
 * scanned, nobody writes: the place behind newest must be readable, too, or it might have been the newest.
 * -EBADMSG: a page is missing, so what it had is lost; -errno of a read that failed, which is not the same;
 * -ERANGE: a chain that is longer than the ring.  cc_journal_ring_why() has a line then.
 */
int cc_journal_ring_walk(struct cc_journal_ring *r, uint64_t newest, uint64_t from, bool scanned);
/* The next of them, until 0; then there is none.  1: a page, valid until the next call.  -errno as above. */
int cc_journal_ring_next(struct cc_journal_ring *r, struct cc_journal_head *ret_head, const void **ret_page);
/* To the first one again, without another walk. */
void cc_journal_ring_rewind(struct cc_journal_ring *r);
/* Number of the oldest page that the walk found. */
uint64_t cc_journal_ring_first(const struct cc_journal_ring *r);
const char *cc_journal_ring_why(const struct cc_journal_ring *r);

#endif

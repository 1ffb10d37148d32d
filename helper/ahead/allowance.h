/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much may be fetched for a disk before anybody asks for it.  It is a guess, by what the disk has read or by what
 * others of its image have, and what was fetched in vain has been paid for.  So the chunks that were given and not
 * read, be they on their way, in a slot or evicted, are bounded by a share of those that were touched: a
 * reader that stops costs so many GETs more and no others.
 *
 * A boot trace is a better guess, and two things can be wrong with it.  The disk may stop reading before its end:
 * that bounds how far ahead of the disk it is given.  Or some of it is not read any more: that may be more than
 * streams may waste, as what stands behind it is still right.
 */
#ifndef CC_ALLOWANCE_H
#define CC_ALLOWANCE_H

#include <stdbool.h>
#include <stdint.h>

#define CC_ALLOWANCE_FREE	4	/* chunks that may be unread at first, and ... */
#define CC_ALLOWANCE_SHARE	10	/* ... one more for so many touches */
#define CC_ALLOWANCE_LEAD_SHARE	16	/* the same of a trace: ahead of the disk, ... */
#define CC_ALLOWANCE_ALL_SHARE	6	/* ... and in all, ... */
#define CC_ALLOWANCE_TRACE_FREE	(8u << 20) /* ... beyond so many bytes */
#define CC_ALLOWANCE_AGE	2048	/* touches after which what was counts half */

struct cc_allowance {
	uint32_t touched;		/* halved at CC_ALLOWANCE_AGE, and unread with it */
	uint32_t unread;
};

/* A chunk was read for the first time in a while. */
void cc_allowance_touch(struct cc_allowance *a);
/* May one more be given? */
bool cc_allowance_left(const struct cc_allowance *a);
/*
 * The same for the next one of a boot trace, of which lead chunks of 1 << chunk_shift bytes were given that the
 * disk has not come to.
 */
bool cc_allowance_for_trace(const struct cc_allowance *a, uint32_t lead, uint32_t chunk_shift);
/* One is to be fetched; and one was read, or not fetched after all. */
void cc_allowance_give(struct cc_allowance *a);
void cc_allowance_settle(struct cc_allowance *a);

#endif

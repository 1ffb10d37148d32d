/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the log of a volume begins.  Commits below a CHECKPOINT are needed by nobody after a time, and chunkctl gc
 * deletes them.  But the log is the lock: a number that is free again could be created by somebody who read the log
 * long ago, and who would take the volume for its own.  So:
 *
 *	floors/<index>		says below which CHECKPOINT commits may be gone, from 1, each created with
 *				If-None-Match, so that no gc that was asleep sets it back.  It is there
 *				before the first of them goes
 *	who reads the log	begins there; nothing at or above it is ever missing
 *	who takes the volume	looks for a newer one when its OPEN is there: if it is below, it was made at a
 *				number that was free only as its commit had gone, and does not count
 *	who has it		needs not look.  An OPEN, and what that was built on, never goes: so what a
 *				zombie comes upon next is there
 */
#ifndef CC_VOLUME_FLOOR_H
#define CC_VOLUME_FLOOR_H

#include "numbered.h"

#define CC_FLOOR_FORKS_MAX 32

struct cc_volume_floor {
	uint64_t index;			/* 0: there is none, nothing of the log is gone */
	uint64_t number;		/* of the CHECKPOINT; 0 with index 0 */
	/*
	 * Below it, for who had the volume before it was taken over: from this CHECKPOINT (or number 1) to the end of
	 * that term all is there, for a rescue.  By term.
	 */
	struct cc_floor_fork {
		uint32_t term;
		uint64_t number;
	} forks[CC_FLOOR_FORKS_MAX];
	unsigned int nr_forks;
};

/* All of these return 0 or -errno with a line in err: -EIO; -EBADMSG: it is none; -ENOMEM. */
/* The newest.  f holds an older one, or zeros. */
int cc_volume_floor_read(struct cc_store *s, const uint8_t volume[16], unsigned int parallel, struct cc_volume_floor *f,
			 char *err, size_t errlen);
/* Do they say the same? */
bool cc_volume_floor_is_same(const struct cc_volume_floor *a, const struct cc_volume_floor *b);
/* Makes f the newest, with the index behind its own.  -ESTALE: somebody else has made one. */
int cc_volume_floor_create(struct cc_store *s, const uint8_t volume[16], struct cc_volume_floor *f, char *err,
			   size_t errlen);
/* The commit from which on to read what there was up to the end of a term; if it is of a later one, that is gone. */
uint64_t cc_volume_floor_of_term(const struct cc_volume_floor *f, uint32_t term);

#endif

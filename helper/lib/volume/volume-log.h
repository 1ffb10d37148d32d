/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log of a volume in its store: reading it to its end, taking the volume, appending.  Who creates number n
 * owns what is behind n - 1: the log is the lock.
 *
 *	an object counts	if it was built on the last one that counts (before) and has its term, or
 *				is an OPEN with a higher one; all others are stepped over
 *	the end			is found by asking for numbers; no LIST is believed
 *	appending		strictly one after the other: n + 1 is sent when n is known to be there.  So
 *				what a zombie makes is at the end only, and a CHECKPOINT has all before it
 *	number n is taken	what is there is read.  Our own, also from an earlier life of this helper with
 *				other bytes: it counts, build anew behind it.  An OPEN of somebody else:
 *				fenced.  What doesn't count is stepped over
 *	no answer		the object may be there, may come later, or never: append again, the
 *				same or something else; the number is either still free or read
 *
 * Blocks on the store.  Used by one thread at a time.
 */
#ifndef CC_VOLUME_LOG_H
#define CC_VOLUME_LOG_H

#include "commit.h"
#include "store/store.h"
#include "volume-floor.h"

/*
 * Each object that counts, in the order of their numbers, once.  The first one is number 1 or a CHECKPOINT, whose
 * map then says what all before add up to.  -errno, with a line in err, ends the reading with that.
 */
typedef int cc_volume_log_fn(void *arg, const struct cc_commit *c, char *err, size_t errlen);

struct cc_volume_log {
	struct cc_store *store;
	uint8_t volume[16];
	uint8_t self[16];		/* UUID of the pool */
	char host[CC_VOLUME_HOST_MAX + 1];
	cc_volume_log_fn *fn;
	void *arg;
	unsigned int parallel;		/* requests at a time while the log is read; 1..CC_PARALLEL_MAX, default 1 */
	uint32_t last_term;		/* read no further than this; 0: to the end */
	struct cc_volume_floor floor;	/* as of the reading */
	bool floor_given;		/* it is the caller's: not to be asked for */
	uint64_t end;			/* all up to it were there when it was looked for */
	struct cc_commit last;		/* that counts; without pieces and records */
	uint64_t next;			/* number of the object that is not there yet; 0: not read */
	uint64_t since;			/* time of the OPEN of last's term, as far as was read */
	uint32_t run_term;		/* since this term all OPENs read were of last's owner */
	uint32_t own_term;		/* that is ours; 0: none */
};

/*
 * All of these return 0 or -errno with a line in err:
 *	-EIO	the store has no answer, or none that could be had now: try again
 *	-EBADMSG	an object is damaged, or breaks the rules: nothing is known behind it
 *	-ENOENT	there is no such volume
 *	-ENOMEM
 */
void cc_volume_log_init(struct cc_volume_log *l, struct cc_store *s, const uint8_t volume[16],
			const uint8_t self[16], const char *host, cc_volume_log_fn *fn, void *arg);
/* From the newest checkpoint, or number 1, to the end; called again: what has come since. */
int cc_volume_log_read(struct cc_volume_log *l, char *err, size_t errlen);
/*
 * Appends an OPEN with the next term.  -EAGAIN: somebody was there before, whose objects were read: decide anew
 * whether to take it at all.  -ENOSPC: there are no terms left.
 */
int cc_volume_log_take(struct cc_volume_log *l, char *err, size_t errlen);
/*
 * term is ours in the kernel, while the helper was started anew.  -ESTALE: somebody else has opened the volume
 * since.  -EIO, here and of cc_volume_log_take(): also if the log was cut off below what was read, slowly: read it
 * anew, from its beginning.
 */
int cc_volume_log_resume(struct cc_volume_log *l, uint32_t term, char *err, size_t errlen);
/*
 * Appends c: of it type, pieces, records, and by type upto (DATA), size (RESIZE), map (CHECKPOINT) count; all else is
 * filled in.  -EAGAIN: an own object of an earlier life was in its place, and fn has seen it: make another c for
 * what is still missing.  -ESTALE: fenced, for good.  -EINVAL: c can't follow the last one.
 */
int cc_volume_log_append(struct cc_volume_log *l, struct cc_commit *c, const void *data, size_t data_size, char *err,
			 size_t errlen);
/* Is it still ours?  0, or as cc_volume_log_append(). */
int cc_volume_log_probe(struct cc_volume_log *l, char *err, size_t errlen);
/* Does somebody own it, and is that not us? */
bool cc_volume_log_foreign(const struct cc_volume_log *l);
/* Nobody owns it. */
bool cc_volume_log_closed(const struct cc_volume_log *l);

/* The object of a number, decoded; -ENOENT: there is none. */
int cc_volume_log_get(struct cc_volume_log *l, uint64_t number, struct cc_commit *ret, char *err, size_t errlen);
/* Number 1 of a new volume: of c size, chunk_shift, base and term (0: 1) count. */
int cc_volume_log_create(struct cc_store *s, const uint8_t volume[16], struct cc_commit *c, char *err, size_t errlen);

#endif

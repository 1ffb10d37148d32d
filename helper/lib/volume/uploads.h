/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What volumes put into one store: packs, several at a time, each from a buffer of its own and by a thread of its
 * own, and when a commit may go.  Shared by all volumes of the store; any thread.
 *
 *	memory		as many buffers, and commits under way, as there may be packs; who wants one more waits
 *	readers		while one waits for the store no pack starts; each pack gives way for so long at most, so
 *			that readers without end can't stop commits
 *	rate		bytes a second, over all: what goes is counted, and the next one waits until that is
 *			paid for.  A commit goes before packs, as it makes those that are there count
 */
#ifndef CC_UPLOADS_H
#define CC_UPLOADS_H

#include "commit.h"
#include "store/store.h"

struct cc_uploads;

struct cc_uploads_config {
	struct cc_store *store;
	unsigned int parallel;		/* packs under way, 1 or more */
	uint64_t rate;			/* bytes a second; 0: as they come */
};

/* -errno */
int cc_uploads_open(const struct cc_uploads_config *c, struct cc_uploads **ret_uploads);
/* Waits for what is under way; all buffers were given back. */
void cc_uploads_close(struct cc_uploads *u);
/* Nothing starts any more, whoever waits is told so (-ECANCELED). */
void cc_uploads_stop(struct cc_uploads *u);
/* Does a reader wait for the store? */
void cc_uploads_give_way(struct cc_uploads *u, bool readers_wait);

/* For people; a moment's truth. */
struct cc_uploads_figures {
	unsigned int under_way;		/* packs that are being put, or wait for it */
	uint64_t gave_way_ns;		/* for readers, in all */
	uint64_t throttled_ns;		/* for the rate */
};
void cc_uploads_get_figures(struct cc_uploads *u, struct cc_uploads_figures *ret);

struct cc_pack;

/* The packs of one commit, of the thread that makes it; all zero but volume and term, to begin with. */
struct cc_pack_batch {
	const uint8_t *volume;
	uint32_t term;
	/* By a pack's thread, several at once: makes buf and size.  -errno and a line in err.  NULL: it has them. */
	int (*fill)(struct cc_pack *p, void *arg, char *err, size_t errlen);
	void *arg;
	char err[400];
	/* private */
	unsigned int under_way;
	int error;
};

struct cc_pack {
	uint8_t *buf;			/* its user's to allocate, freed with it */
	size_t size;
	struct cc_piece *pieces;	/* that it has; the batch's */
	uint32_t nr_pieces;
	/* private */
	struct cc_pack_batch *batch;
	struct cc_pack *next;
};

/* One without a buffer; waits for it.  NULL: stopped, or one of the batch has failed. */
struct cc_pack *cc_pack_get(struct cc_uploads *u, struct cc_pack_batch *b);
void cc_pack_release(struct cc_uploads *u, struct cc_pack *p);
/* Puts it under its name and writes that into its pieces, until the batch has ended; p is given back. */
void cc_pack_put(struct cc_uploads *u, struct cc_pack *p, struct cc_pack_batch *b);
/* Until all of the batch have ended: 0, or -ECANCELED, or with a line in its err -EIO or what fill returned. */
int cc_pack_batch_wait(struct cc_uploads *u, struct cc_pack_batch *b);

/* Until bytes may go that are no pack: 0 or -ECANCELED. */
int cc_uploads_wait_turn(struct cc_uploads *u, uint64_t bytes);

#endif

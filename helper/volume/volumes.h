/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The volumes of a pool: from the device that appears to the volume that is owned, loaded and at work; what guests
 * wrote to the store; and when the device is gone, all of it there and the volume closed.  All functions are the
 * control loop's; whatever asks the store does so in a thread of the volume's own, one thing after the other.
 *
 *	OPENING -> RUNNING [the log is ours, the kernel has the map], FAILED [refused: somebody
 *		   else's, a fork, damaged], (nothing) [the device went]
 *	RUNNING -> FAILED [somebody else has opened it], GONE
 *	FAILED -> (nothing) [the device went]
 *	GONE -> (nothing) [all is in the store, and closed; or it is not ours any more], OPENING [a device again]
 *
 * What is in the journal of a volume without a device, and not GONE here, is left alone until it gets one.
 */
#ifndef CC_VOLUMES_H
#define CC_VOLUMES_H

#include "loop.h"
#include "pool/disks.h"
#include "pool/pooldev.h"
#include "pool/sources.h"
#include "pool/writer.h"
#include "volume/journal-follow.h"
#include "volume/uploads.h"

struct cc_volumes;

struct cc_volumes_config {
	struct cc_channel *channel;
	struct cc_journal_follow *follow;
	struct cc_pooldev *pooldev;
	struct cc_writer *writer;
	struct cc_sources *sources;
	struct cc_disks *disks;
	struct cc_loop *loop;
};

int cc_volumes_open(const struct cc_volumes_config *c, struct cc_volumes **ret_volumes);
/* Waits for what is under way in threads; no transfer of the pool device may be. */
void cc_volumes_close(struct cc_volumes *v);
/* The disks were listed: which devices are there? */
void cc_volumes_refresh(struct cc_volumes *v);
/* A miss of a volume's disk. */
void cc_volumes_take_miss(struct cc_volumes *v, const struct chunkcache_miss *m);
/*
 * Start what is due; returns when to be called again.  *ret_started is set if a volume has begun to run: misses that
 * came before could not be answered.  *ret_error: of the channel.
 */
uint64_t cc_volumes_step(struct cc_volumes *v, uint64_t now_ns, bool *ret_started, int *ret_error);
/* Does a reader of the pool wait for a store?  Then what volumes put there gives way. */
void cc_volumes_give_way(struct cc_volumes *v, bool readers_wait);
/* Nothing new is started. */
void cc_volumes_drain(struct cc_volumes *v);
/* Is it FILLING for a miss of a volume? */
bool cc_volumes_holds(const struct cc_volumes *v, uint32_t slot, uint32_t gen);
/* Threads and transfers at work. */
unsigned int cc_volumes_in_flight(const struct cc_volumes *v);

/* ---- volume-fork.c: of volumes that this pool can't commit any more; by UUID, as no device need be there ---- */

/*
 * Begins to copy what store has of it and what the pool has besides to a new volume; how that goes on is a figure.
 * -errno with a line in err.
 */
int cc_volumes_rescue(struct cc_volumes *v, const uint8_t uuid[16], const char *store, const char *as, char *err,
		      size_t errlen);
/* What the pool has of it is no more. */
int cc_volumes_discard(struct cc_volumes *v, const uint8_t uuid[16], char *err, size_t errlen);

/* ---- volume-snap.c ---- */

/*
 * Begins to make a snapshot of what was durable of a running volume by now; how that goes on is a figure.  -errno with
 * a line in err.
 */
int cc_volumes_snapshot(struct cc_volumes *v, const uint8_t uuid[16], const char *name, char *err, size_t errlen);

/* ---- volume-figures.c: what would be lost with this host, since when, and what became of the rest ---- */

struct cc_volume_figures {
	uint8_t uuid[16];
	const char *name;		/* of its device; "": it has none, only what is in the journal is known */
	const char *store;
	const char *state;		/* "opening", "running", "closing", "failed", "left" */
	const char *why;		/* of failed, and of what is tried again; else "" */
	uint32_t term;
	bool dirty;			/* something, be it zeros, is in no commit yet */
	uint64_t dirty_bytes;		/* data that is in none */
	uint64_t journal_pages;		/* that stay for it, with all that were written since */
	uint64_t oldest_ns;		/* since then at most has some of it waited; 0: nothing is dirty */
	uint64_t commit_ns;		/* when the last commit was confirmed; 0: none since the helper started */
	uint64_t commits, packs;	/* objects made since the helper started */
	uint64_t stored_bytes;		/* of all these */
	const char *rescue;		/* "": not asked for; "running", "done", or why it failed */
	const char *rescued_as;		/* the last one that was done; "": none */
	const char *snapshot;		/* name of the last that was asked for; "": none */
	const char *snapshot_state;	/* as rescue */
};

typedef void cc_volume_figures_fn(void *arg, const struct cc_volume_figures *f);

/* Of all volumes that have a device or something in the journal. */
void cc_volumes_each(const struct cc_volumes *all, cc_volume_figures_fn *fn, void *arg);

typedef void cc_volume_uploads_fn(void *arg, const char *store, const struct cc_uploads_figures *f);

/* What the volumes of each store put there, together. */
void cc_volumes_each_store(const struct cc_volumes *all, cc_volume_uploads_fn *fn, void *arg);

#endif

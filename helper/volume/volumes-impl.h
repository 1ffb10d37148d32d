/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of volumes.h:
 *
 *	volumes.c	which there are, and what is due
 *	volume-jobs.c	what is done with the store, in the volume's thread
 *	volume-load.c	telling the kernel what a volume is
 *	volume-miss.c	chunks that are not on the cache device
 *	volume-figures.c	what is told of it
 *	volume-fork.c	what can't be committed any more
 *	volume-snap.c	snapshots
 *	volume-stuck.c	commits that the cache device keeps back
 *	volume-common.c	what all of these use
 *	volume-store.c	what the volumes of a store share
 */
#ifndef CC_VOLUMES_IMPL_H
#define CC_VOLUMES_IMPL_H

#include "volumes.h"
#include "list.h"
#include "log.h"
#include "manifest.h"
#include "pool/worker.h"
#include "ratelimit.h"
#include "volume-store.h"
#include "volume/volume-age.h"
#include "volume/volume-commit.h"
#include "volume/volume-name.h"

enum cc_volume_life {
	CC_VOLUME_OPENING,
	CC_VOLUME_RUNNING,
	CC_VOLUME_FAILED,
	CC_VOLUME_GONE,
};

enum cc_volume_task {
	CC_TASK_NONE,
	CC_TASK_OPEN,
	CC_TASK_COMMIT,
	CC_TASK_PROBE,
	CC_TASK_SNAPSHOT,
	CC_TASK_CLOSE,
};

/* What the journal said when a task began: the task's own. */
struct cc_volume_snapshot {
	struct cc_pooldev *pooldev;
	struct cc_volume_dirty dirty;
	uint64_t *cuts;
	struct cc_journal_log *logs;	/* by key */
	size_t nr_logs;
	uint32_t term;			/* the highest in the journal; 0: nothing of it is there */
	uint64_t highest;		/* cc_place_position() behind all that the journal has */
	bool is_dirty;
	bool set_back;			/* the store has what this journal never had */
	int error;			/* of the last slot that could not be read; 0: none */
	uint32_t bad_slot;
};

/*
 * What somebody wants a snapshot of: all that was durable when it was asked for.
 *
 *	NONE -> READING		asked for; the journal is read as far as it was durable then
 *	READING -> COMMITTING	above is known; cuts are asked for until a commit has it
 *	COMMITTING -> TAKING	its task runs
 *	TAKING -> ENDED
 *	ENDED -> READING	asked for again
 */
enum cc_snap_state {
	CC_SNAP_NONE,
	CC_SNAP_READING,
	CC_SNAP_COMMITTING,
	CC_SNAP_TAKING,
	CC_SNAP_ENDED,
};

struct cc_snap {
	enum cc_snap_state state;
	char name[CC_SNAPSHOT_NAME_MAX + 1];
	uint64_t ticket;		/* of the journal */
	uint64_t above;			/* the snapshot has this place and those below; 0: what the store has */
	uint64_t ask_due;		/* for another cut */
	int result;			/* of ENDED */
	char err[400];
};

struct cc_volume {
	struct cc_list node;
	struct cc_volumes *all;
	uint8_t uuid[16];
	struct cc_disk_info info;	/* of the device that it has, or had; a task reads it */
	struct cc_disk_info newest;	/* device: info, when no task runs */
	bool seen;			/* in the list of disks */
	uint64_t ticket;		/* of the journal: what a device that went wrote is known */
	enum cc_volume_life life;
	struct cc_volume_store *at;	/* NULL: not known yet */
	uint32_t handle, term;		/* while RUNNING, and GONE */
	uint64_t *keys;			/* of the log chunks with the indexes 0..nr_keys-1 */
	uint32_t nr_keys;
	struct cc_image *base;		/* the image below it; the task's until that has ended well; NULL: none */
	struct cc_pieces pieces;	/* what the loop knows of store.pieces */

	/* the task under way */
	struct cc_worker *worker;
	struct cc_watch watch;
	struct cc_job job;
	enum cc_volume_task task;
	void (*ended)(struct cc_volume *v);
	struct cc_volume_snapshot snapshot;
	struct cc_volume_state store;	/* the task's, while there is one */
	uint64_t stored;		/* as upto, by the task */
	uint64_t checkpoint_bytes;	/* counts.bytes at the last checkpoint; the task's */
	int result;
	bool refused;			/* not to be tried again */
	char err[400];

	struct cc_snap snap;		/* name: the task's, while it runs */
	uint64_t upto;			/* all below is in the store */
	uint64_t told;			/* and the journal was told so */
	uint64_t task_due, cut_due, probe_due, look_due;
	uint64_t commit_due;		/* of what was cut; UINT64_MAX: when a cut has been asked for again */
	uint64_t asked_cut;		/* the highest cut when one was asked for */
	uint64_t last_cut, changed_ns;	/* the highest cut that was seen, and since when one is open without another */
	struct cc_ratelimit limit;
	struct cc_commit_counts counts;	/* the task's, while there is one */

	/* ---- for volume-figures.c; all of it the loop's ---- */
	char why[400];			/* err, as of the last task that failed; "" when one has not */
	struct cc_commit_counts counted;
	uint64_t commit_ns;		/* of the last commit */
	struct cc_volume_age age;

	/* ---- for volume-stuck.c ---- */
	bool unreadable;		/* the last task failed as it could not read what was written */
	uint64_t writes;		/* of the guest that have ended, at the last look */
	uint64_t stuck_ns;		/* none has since, and some wait; 0: not so */
};

struct cc_volumes {
	struct cc_volumes_config c;
	char host[CC_VOLUME_HOST_MAX + 1];
	struct cc_list volumes;
	struct cc_list misses;		/* struct volume_miss */
	struct cc_list stores;		/* struct cc_volume_store */
	struct cc_list forks;		/* struct cc_fork */
	unsigned int nr_misses, nr_tasks;
	bool draining;			/* also read by threads */
	bool started;			/* a volume, since the last step */
	bool presses;			/* commits don't wait for the end of their interval */
	uint64_t stuck_due;		/* the next look at what waits */
	int error;			/* of the channel, since the last step */
};

#define CC_OPEN_PARALLEL 32		/* requests, while a log is read */

/* ---- volume-common.c ---- */
/* NULL: none with a device. */
struct cc_volume *cc_volume_of_uuid(const struct cc_volumes *all, const uint8_t uuid[16]);
/* The one of that name in the configuration; NULL with a line in err: there is none, or it can't be opened. */
struct cc_volume_store *cc_volume_store_of(struct cc_volumes *all, const char *name, char *err, size_t errlen);
/*
 * Notes an error of the channel, but what only says that a volume, miss or slot is gone, or is busy: the kernel
 * tells of what is left.
 */
void cc_volume_channel(struct cc_volumes *all, int r);
/* Nothing of it works any more, and the kernel and people are told why. */
void cc_volume_failed(struct cc_volume *v, const char *why);

/* ---- volume-jobs.c ---- */
/* Starts a task; ended() comes in the loop, with what it was in task. */
void cc_volume_start_task(struct cc_volume *v, enum cc_volume_task task, void (*ended)(struct cc_volume *v));
/*
 * What j, which may be NULL, has, for cc_volume_commit(): of one commit, of what is not below stored; or all, with one
 * cut more for what was written up to the end of the term, when nobody writes any more.  s stays where it is.  -ENOMEM.
 */
int cc_volume_take_snapshot(struct cc_pooldev *pd, const struct cc_journal_volume *j, bool all, uint64_t stored,
			    struct cc_volume_snapshot *s);
void cc_volume_free_snapshot(struct cc_volume_snapshot *s);
/* What the journal has of it, or NULL. */
struct cc_journal_volume *cc_volume_journal(const struct cc_volume *v);

/* ---- volume-load.c ---- */
/* The log chunks that were there before the term, into keys.  -ENOMEM. */
int cc_volume_number_logs(struct cc_volume *v);
/* Log chunks and blocks of a volume that was opened just now.  0 or -errno of the channel. */
int cc_volume_load(struct cc_volume *v);

/* ---- volume-fork.c ---- */
/* It is to be rescued or given up, and that has not come so far that the volume may be opened. */
bool cc_volume_fork_is_wanted(const struct cc_volumes *all, const uint8_t uuid[16]);
/* "": nobody asked for it; "running", "done", or why not. */
const char *cc_volume_rescue_state(const struct cc_volumes *all, const uint8_t uuid[16]);
/* The new volume of the last one that ended well; "": none has. */
const char *cc_volume_rescued_as(const struct cc_volumes *all, const uint8_t uuid[16]);
void cc_volume_forks_step(struct cc_volumes *all, uint64_t now_ns);
void cc_volume_forks_close(struct cc_volumes *all);

/* ---- volume-snap.c ---- */
/* Sees to it that a commit comes which has what is wanted. */
void cc_volume_snap_step(struct cc_volume *v, const struct cc_journal_volume *j, uint64_t now_ns);
/* That is there. */
bool cc_volume_snap_is_due(const struct cc_volume *v);
/* In the volume's thread; 0 or as cc_snapshot_create(). */
int cc_volume_snap_take(struct cc_volume *v);
void cc_volume_snap_started(struct cc_volume *v);
void cc_volume_snap_ended(struct cc_volume *v);
/* "": none was asked for; "running", "done", or why not. */
const char *cc_volume_snap_how(const struct cc_volume *v);

/* ---- volume-stuck.c ---- */
/* Fails those whose writes wait for commits that can't be made. */
void cc_volumes_look_stuck(struct cc_volumes *all, uint64_t now_ns);

/* ---- volume-miss.c ---- */
/* Of those whose threads have ended. */
void cc_volume_misses_forget(struct cc_volumes *all);

#endif

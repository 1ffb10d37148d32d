/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The session's inside, for what reports on it and
 *
 *	session.c	attaches, works, drains
 *	session-parts.c	makes and unmakes the parts
 *	session-slots.c	what the pool holds
 */
#ifndef CC_SESSION_IMPL_H
#define CC_SESSION_IMPL_H

#include "session.h"
#include "pool/scrub.h"
#include "volume/journal-follow.h"
#include "volume/volumes.h"
#include "clock.h"
#include "ratelimit.h"

struct cc_session {
	const struct cc_config *config;
	struct cc_loop *loop;
	struct cc_fetch *fetch;
	struct cc_sources *sources;
	struct cc_supplies supplies;
	enum cc_session_state state;
	struct cc_fill_stats stats;
	uint64_t started_ns;

	/* NONE */
	uint64_t attach_due;
	char attach_error[256];		/* the last one logged */

	/* ATTACHED and DRAINING */
	struct cc_attachment attachment;
	struct cc_channel *channel;
	struct cc_pooldev *pooldev;
	struct cc_index *index;
	struct cc_ramcache *ramcache;
	struct cc_slot_table *table;
	struct cc_manifest_area *area;
	struct cc_writer *writer;
	struct cc_disks *disks;
	struct cc_fills *fills;
	struct cc_journal_follow *follow;
	struct cc_volumes *volumes;
	struct cc_scrub *scrub;
	struct cc_watch bell_watch;
	struct cc_watch ring_watch;
	struct cc_watch fetch_watch;
	struct cc_watch disks_watch;
	struct cc_watch follow_watch;
	unsigned int nr_buffers;
	bool pull;			/* the bell rang, or there was more */
	bool pull_all;
	bool refresh;			/* ask which disks there are */
	bool reconcile;			/* a SLOT_ALLOC's answer may be lost */
	bool again;			/* something failed: ask for all of it when pull_all_due */
	uint64_t pull_all_due;		/* the slow timer */
	struct cc_ratelimit limit;

	/* DRAINING */
	bool stop;			/* asked to */
	bool lost;			/* the kernel does not know this session any more */
	bool dirty;			/* gave up with transfers in flight */
	uint64_t drain_deadline;
};

const char *cc_session_state_name(enum cc_session_state state);

/* ---- session-parts.c ---- */

/* Attached, with pooldev and channel.  Returns 0 or -errno; what was made is there to be closed. */
int cc_session_open_parts(struct cc_session *s);
void cc_session_close_parts(struct cc_session *s);

/* ---- session-slots.c ---- */

/* The kernel may hand out more slots than there were at first: a pool can be resized. */
uint64_t cc_session_max_slots(const struct cc_session *s);
/* The index learns what the slot table and the kernel know of slots.  Returns 0 or -errno. */
int cc_session_load_slots(struct cc_session *s);
/* Gives back the slots that are FILLING for us by an answer that was lost.  Returns 0 or -errno. */
int cc_session_reconcile(struct cc_session *s);
/* For the slot table: what the index knows of a slot.  arg is the session. */
bool cc_session_slot_record(void *arg, uint32_t slot, struct cc_slot_record *ret);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The replay of a boot trace for one disk: what to fetch next, and whether what the disk reads is what the trace
 * says.  Pure: no I/O, no clock.  The fill engine does the rest, see fill-replay.c.
 *
 *	NONE -> WAITING		[disk LOADED: its trace is to be asked for]
 *	WAITING -> LOADING	[it is asked for]
 *	LOADING -> NONE		[there is none, or a bad one]
 *	LOADING -> ON		cc_replay_start()
 *	ON -> GIVEN		[all chunks were given]
 *	ON, GIVEN -> LEFT	[of the last CC_REPLAY_LAST chunks that the disk read first, fewer than
 *				CC_REPLAY_MATCHES were in the trace]
 *
 * While it is ON or GIVEN, reads of its chunks say nothing of readers in order: what they will read is known.
 */
#ifndef CC_REPLAY_H
#define CC_REPLAY_H

#include <stdbool.h>
#include <stdint.h>
#include "boot-trace.h"
#include "list.h"

#define CC_REPLAY_LAST		32
#define CC_REPLAY_MATCHES	8

enum cc_replay_state {
	CC_REPLAY_NONE,
	CC_REPLAY_WAITING,
	CC_REPLAY_LOADING,
	CC_REPLAY_ON,
	CC_REPLAY_GIVEN,
	CC_REPLAY_LEFT,
	CC_REPLAY_NR_STATES
};

struct cc_replay {
	struct cc_list node;		/* of the fill engine: WAITING or ON */
	enum cc_replay_state state;
	uint32_t *chunks;		/* ON: in the trace's order */
	uint64_t *untouched;		/* ON, GIVEN: a bit for each chunk of the disk that is in the trace */
	uint32_t runs;			/* of the trace */
	uint32_t nr;			/* of chunks */
	uint32_t next;			/* of chunks: not looked at yet */
	uint32_t reached;		/* of chunks: behind the furthest one that was given and then read */
	uint32_t lead;			/* given chunks from there on: so far it is ahead of the disk */
	uint32_t given;			/* chunks to be fetched; the others were there, or read already */
	uint32_t matched;		/* chunks of the trace that the disk has read */
	uint32_t strayed;		/* reads of others */
	uint32_t last;			/* the last reads, a bit each: it was in the trace */
};

void cc_replay_init(struct cc_replay *r);
/* Out of its list, and NONE. */
void cc_replay_free(struct cc_replay *r);
/* The likely chunks of t, but for those that skip says.  -ENOMEM: as it was. */
typedef bool cc_replay_skip_fn(void *arg, uint64_t chunk);
int cc_replay_start(struct cc_replay *r, const struct cc_trace *t, uint64_t nr_chunks, cc_replay_skip_fn *skip,
		    void *arg);
/* The next chunk to give that was not read yet; false: there is none, now it is not ON. */
bool cc_replay_next(struct cc_replay *r, uint64_t *ret_chunk);
/* That chunk need not be fetched; or can't be now, and is the next one again. */
void cc_replay_pass(struct cc_replay *r);
void cc_replay_put_back(struct cc_replay *r);
/* The disk reads chunk, for the first time in a while.  True if the trace says so. */
bool cc_replay_touch(struct cc_replay *r, uint64_t chunk);
const char *cc_replay_state_name(enum cc_replay_state state);

#endif

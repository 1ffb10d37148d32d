/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The recording of a disk: its first touch of each chunk, in order and with the time, from its start on.  Every
 * disk has one, so it is small, and over after a while.  Pure: told of touches and of the time.
 */
#ifndef CC_RECORDING_H
#define CC_RECORDING_H

#include <stdbool.h>
#include <stdint.h>
#include "boot-trace.h"

#define CC_RECORDING_SECONDS	600

enum cc_recording_state {
	CC_RECORDING_NONE,		/* the disk was there before the helper: its start is not known */
	CC_RECORDING_ON,
	CC_RECORDING_OVER,		/* the time is up, or there were CC_TRACE_CHUNKS_MAX touches */
};

struct cc_recording {
	enum cc_recording_state state;
	uint64_t started_ns;
	uint64_t *touched;		/* ON: a bit for each chunk */
	struct cc_touch *touches;
	uint32_t nr, room;
	uint64_t lost;			/* touches that the kernel could not tell of */
};

/* nr_chunks is at most 2^32.  Without memory it stays NONE. */
void cc_recording_start(struct cc_recording *r, uint64_t nr_chunks, uint64_t now_ns);
void cc_recording_free(struct cc_recording *r);
/* chunk, of those that the disk has, was read. */
void cc_recording_touch(struct cc_recording *r, uint64_t chunk, uint64_t now_ns);
/* Is it to be heard of the first read of chunk?  Then a mapping of it has to be marked. */
static inline bool cc_recording_listens(const struct cc_recording *r, uint64_t chunk)
{
	return r->touched && !(r->touched[chunk / 64] >> (chunk % 64) & 1);
}

#endif

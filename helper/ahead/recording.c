// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Recordings of disks; see recording.h.
 */
#include "recording.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"

void cc_recording_start(struct cc_recording *r, uint64_t nr_chunks, uint64_t now_ns)
{
	cc_recording_free(r);
	r->touched = calloc((nr_chunks + 63) / 64, sizeof(*r->touched));
	if (!r->touched)
		return;
	r->state = CC_RECORDING_ON;
	r->started_ns = now_ns;
}

void cc_recording_free(struct cc_recording *r)
{
	free(r->touched);
	free(r->touches);
	memset(r, 0, sizeof(*r));
}

/* What was recorded stays, in no more memory than it needs. */
static void end_recording(struct cc_recording *r)
{
	struct cc_touch *shrunk = r->nr ? realloc(r->touches, r->nr * sizeof(*r->touches)) : NULL;

	if (shrunk)
		r->touches = shrunk;
	free(r->touched);
	r->touched = NULL;
	r->state = CC_RECORDING_OVER;
}

static bool make_touch_room(struct cc_recording *r)
{
	uint32_t room = r->room ? r->room * 2 : 64;
	struct cc_touch *grown;

	if (r->nr < r->room)
		return true;
	grown = realloc(r->touches, room * sizeof(*grown));
	if (!grown)
		return false;
	r->touches = grown;
	r->room = room;
	return true;
}

void cc_recording_touch(struct cc_recording *r, uint64_t chunk, uint64_t now_ns)
{
	if (r->state != CC_RECORDING_ON)
		return;
	if (now_ns - r->started_ns > CC_RECORDING_SECONDS * CC_SECOND || r->nr == CC_TRACE_CHUNKS_MAX ||
	    !make_touch_room(r)) {
		end_recording(r);
		return;
	}
	if (!cc_recording_listens(r, chunk))
		return;
	r->touched[chunk / 64] |= 1ULL << (chunk % 64);
	r->touches[r->nr++] = (struct cc_touch) {
		(uint32_t)chunk, (uint32_t)((now_ns - r->started_ns) / CC_MS),
	};
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state of each chunk of a disk: what the helper knows of chunks, joined with what the kernel
 * says of slots.
 */
#ifndef CTL_CHUNK_STATES_H
#define CTL_CHUNK_STATES_H

#include <stdint.h>

/* In the order of what matters most to somebody who looks at many at once. */
enum ctl_chunk {
	CTL_CHUNK_HOLE,
	CTL_CHUNK_NONE,			/* a read will have to wait for it */
	CTL_CHUNK_CACHED,
	CTL_CHUNK_HOT,			/* and read since replacement last looked */
	CTL_CHUNK_UNCHECKED,		/* a slot may have it from an earlier life of the pool */
	CTL_CHUNK_MEMORY,		/* in the helper's RAM only */
	CTL_CHUNK_FETCHING,
	CTL_CHUNK_MISSING,		/* the store does not have it, or not the right bytes */
	CTL_NR_CHUNK
};

extern const char *const ctl_chunk_names[CTL_NR_CHUNK];

struct ctl_chunks {
	uint64_t nr;
	uint64_t chunk_bytes;
	uint8_t *states;		/* enum ctl_chunk, nr of them; malloc()ed, owned */
	uint64_t count[CTL_NR_CHUNK];
};

/* 0, or CTL_FAILED after a message. */
int ctl_chunks_get(const char *pool, const char *disk, struct ctl_chunks *ret_chunks);
void ctl_chunks_free(struct ctl_chunks *c);

#endif

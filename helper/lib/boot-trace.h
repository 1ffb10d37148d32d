/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Boot traces: the bytes of format.h checked and made, and runs merged.  Pure: no I/O, no clock.  For the
 * helper, which replays them, and for chunkctl, which makes them.
 */
#ifndef CC_BOOT_TRACE_H
#define CC_BOOT_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "chunkcache/format.h"
#include "manifest.h"

/* A first touch: what a recording is made of. */
struct cc_touch {
	uint32_t chunk;
	uint32_t ms;			/* since the disk's start */
};

struct cc_trace_chunk {
	uint64_t chunk;
	uint32_t ms[CC_TRACE_TIMES];	/* as in struct cc_trace_entry */
	uint32_t runs;
};

struct cc_trace {
	uint8_t digest[CC_ID_SIZE];
	uint32_t chunk_shift;
	uint32_t runs;			/* 0: a trace that is being made */
	uint32_t nr;
	struct cc_trace_chunk *chunks;	/* owned */
};

void cc_trace_name(const uint8_t digest[CC_ID_SIZE], char ret_name[CC_OBJECT_NAME_MAX]);

/*
 * size bytes of any origin.  0, or -EINVAL, -ENOMEM with one line in err.  nr_chunks and chunk_shift are the
 * manifest's.
 */
int cc_trace_parse(const void *data, size_t size, const uint8_t digest[CC_ID_SIZE], uint32_t chunk_shift,
		   uint64_t nr_chunks, struct cc_trace *ret_trace, char *err, size_t errlen);
/* The object's bytes, malloc()ed; t has at least one run.  -ENOMEM. */
int cc_trace_build(const struct cc_trace *t, void **ret_data, size_t *ret_size);
void cc_trace_free(struct cc_trace *t);

/*
 * One more run: nr touches in the order they were made, no chunk twice, times that do not go back.  Of more than
 * CC_TRACE_CHUNKS_MAX chunks those go that the fewest runs touched, late ones first.  -ENOMEM: t is as it was.
 */
int cc_trace_merge(struct cc_trace *t, const struct cc_touch *run, uint32_t nr);

/* When c is touched: the middle one of its times, the earlier one of two. */
uint32_t cc_trace_median(const struct cc_trace_chunk *c);
/* A chunk that half of the runs did not touch is remembered, but not fetched ahead. */
static inline bool cc_trace_likely(const struct cc_trace *t, const struct cc_trace_chunk *c)
{
	return c->runs * 2 > t->runs;
}

#endif
